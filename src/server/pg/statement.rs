//! Prepared statements, and portals: statements with their parameters, and the rows that are still to be
//! sent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tastedb::arrow::array::ArrayRef;
use tastedb::{Catalog, Outcome, Script, Value};

use super::backend::Output;
use super::encode;
use super::oids::{self, Column};
use super::refusal::Refusal;
use super::settings::Command;

/// A statement that was parsed.
#[derive(Debug)]
pub(super) struct Prepared {
    /// What it is.
    pub(super) body: Body,
    /// The types of the parameters, as the client named them; 0 where it did not.
    pub(super) named: Vec<u32>,
    /// What it takes and returns, once somebody had to know.
    told: Mutex<Option<Told>>,
}

/// What a statement is.
#[derive(Debug)]
pub(super) enum Body {
    /// Nothing.
    Empty,
    /// A statement about the session.
    Command(Command),
    /// One of the language.
    Script(Script),
}

/// What a statement takes and returns.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// The types of its parameters.
    pub(super) types: Vec<u32>,
    /// Its columns; `None` where it returns no rows.
    pub(super) columns: Option<Arc<Vec<Column>>>,
    /// The tables as they were then.
    pub(super) tables: Arc<Catalog>,
}

impl Prepared {
    /// A statement that nobody has asked anything about.
    pub(super) fn new(body: Body, named: Vec<u32>) -> Prepared {
        Prepared { body, named, told: Mutex::default() }
    }

    /// What was told of it, if anything was.
    pub(super) fn told(&self) -> Option<Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what is told of it.
    pub(super) fn tell(&self, told: Told) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
    }
}

impl Body {
    /// How many parameters it has.
    pub(super) fn params(&self) -> usize {
        match self {
            Body::Script(script) => script.get(0).map_or(0, |statement| statement.params as usize),
            Body::Empty | Body::Command(_) => 0,
        }
    }
}

/// Statements that were prepared lately, by their text and the types that the client named. Drivers prepare
/// the same text again and again, and what it takes and returns need not be found out each time.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// The tables as they were when the statements were described.
    tables: Option<Arc<Catalog>>,
    known: HashMap<(String, Vec<u32>), Arc<Prepared>>,
}

/// How many are remembered, and the longest text of one.
const RECENT: usize = 256;
const LONGEST: usize = 16 << 10;

impl Recent {
    /// The statement, if it was prepared lately and the tables are still the same.
    pub(super) fn get(
        &mut self,
        tables: Arc<Catalog>,
        sql: &str,
        named: &[u32],
    ) -> Option<Arc<Prepared>> {
        if !self.tables.as_ref().is_some_and(|known| Arc::ptr_eq(known, &tables)) {
            self.known.clear();
            self.tables = Some(tables);
        }
        self.known.get(&(sql.to_owned(), named.to_vec())).cloned()
    }

    /// Remembers a statement.
    pub(super) fn put(&mut self, sql: &str, prepared: &Arc<Prepared>) {
        if sql.len() > LONGEST {
            return;
        }
        if self.known.len() >= RECENT {
            self.known.clear();
        }
        self.known.insert((sql.to_owned(), prepared.named.clone()), Arc::clone(prepared));
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }
}

/// A statement with its parameters.
#[derive(Debug)]
pub(super) struct Portal {
    /// The statement.
    pub(super) statement: Arc<Prepared>,
    /// The values of its parameters.
    pub(super) values: Vec<Value>,
    /// The formats of its columns.
    pub(super) formats: Vec<i16>,
    /// How far it is.
    pub(super) state: State,
}

/// How far a portal is.
#[derive(Debug)]
pub(super) enum State {
    /// It has not run.
    Ready,
    /// Its rows are being fetched.
    Rows(Box<Rows>),
    /// It has run, and all was sent.
    Done,
}

/// Rows that are to be sent.
#[derive(Debug)]
pub(super) struct Rows {
    columns: Arc<Vec<Column>>,
    batches: std::vec::IntoIter<Vec<ArrayRef>>,
    batch: Vec<ArrayRef>,
    next: usize,
    sent: u64,
    /// What clients read at the end, without the number of rows.
    verb: String,
}

impl Rows {
    /// The rows of an outcome, as `columns` were announced, or as they are.
    pub(super) fn new(
        outcome: &Outcome,
        announced: Option<&Arc<Vec<Column>>>,
    ) -> Result<Option<Rows>, Refusal> {
        let Some(rows) = &outcome.rows else { return Ok(None) };
        let columns = match announced {
            Some(columns) => Arc::clone(columns),
            None => Arc::new(oids::columns(rows.schema.fields())),
        };
        let batches = rows.batches.iter().map(|batch| encode::prepare(&columns, batch));
        let batches: Vec<Vec<ArrayRef>> = batches.collect::<Result<_, _>>()?;
        Ok(Some(Rows {
            columns,
            batches: batches.into_iter(),
            batch: Vec::new(),
            next: 0,
            sent: 0,
            verb: verb(&outcome.tag),
        }))
    }

    /// The columns.
    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Appends up to `most` rows, until there is much to send; how many.
    pub(super) fn append(
        &mut self,
        out: &mut Output,
        formats: &[i16],
        most: usize,
        full: usize,
    ) -> Result<usize, Refusal> {
        let mut scratch = String::new();
        let mut sent = 0;
        while sent < most && out.bytes.len() < full {
            let rows = self.batch.first().map_or(0, |column| column.len());
            if self.next == rows {
                let Some(batch) = self.batches.next() else { break };
                self.batch = batch;
                self.next = 0;
                continue;
            }
            encode::row(out, &self.columns, &self.batch, self.next, formats, &mut scratch)?;
            self.next += 1;
            sent += 1;
        }
        self.sent += sent as u64;
        Ok(sent)
    }

    /// Whether all rows were sent.
    pub(super) fn is_done(&self) -> bool {
        let rows = self.batch.first().map_or(0, |column| column.len());
        self.next == rows
            && self
                .batches
                .as_slice()
                .iter()
                .all(|batch| batch.first().is_none_or(|column| column.is_empty()))
    }

    /// What clients read at the end.
    pub(super) fn tag(&self) -> String {
        match self.verb.as_str() {
            "INSERT" => format!("INSERT 0 {}", self.sent),
            "SHOW" | "EXPLAIN" | "VERIFY FORGET" => self.verb.clone(),
            verb => format!("{verb} {}", self.sent),
        }
    }
}

/// The verb of a tag: rows that no statement of PostgreSQL returns are those of a SELECT for clients.
fn verb(tag: &str) -> String {
    let verb = tag.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end();
    match verb {
        "RECOMMEND" | "EVALUATE" | "DESCRIBE" => "SELECT".to_owned(),
        verb => verb.to_owned(),
    }
}

/// What clients read when a statement without rows has ended.
pub(super) fn tag(outcome: &Outcome) -> String {
    match verb(&outcome.tag).as_str() {
        "INSERT" => format!("INSERT 0 {}", outcome.affected),
        _ => outcome.tag.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::verb;

    #[test]
    fn clients_know_the_verbs() {
        for (tag, expected) in [
            ("SELECT 3", "SELECT"),
            ("RECOMMEND 10", "SELECT"),
            ("INSERT 1", "INSERT"),
            ("CREATE TABLE", "CREATE TABLE"),
        ] {
            assert_eq!(verb(tag), expected);
        }
    }
}
