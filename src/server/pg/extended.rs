//! Extended queries: statements that are prepared, get their parameters, are described and fetched.

use std::sync::Arc;

use tastedb::Value;
use tastedb_query::statement_ranges;

use super::backend::format;
use super::connection::{Connection, FULL, Failure, within};
use super::decode;
use super::frontend::Target;
use super::oids;
use super::refusal::Refusal;
use super::running::Ran;
use super::session::shown;
use super::statement::{Body, Portal, Prepared, Rows, State, Told, tag};

/// Prepared statements and portals of one connection.
const MANY: usize = 4096;

impl Connection<'_> {
    pub(super) fn parse(
        &mut self,
        name: String,
        sql: &str,
        named: Vec<u32>,
    ) -> Result<(), Failure> {
        if !name.is_empty() && self.statements.contains_key(&name) {
            let message = format!("there is a prepared statement `{name}` already");
            return Err(Refusal::new("42P05", message).into());
        }
        if self.statements.len() >= MANY {
            let message = format!("{MANY} statements are prepared already");
            return Err(Refusal::new("53000", message).hint("DEALLOCATE some").into());
        }
        let known = match self.defines {
            false => self.recent.get(self.server.database.catalog(), sql, &named),
            true => None,
        };
        let prepared = match known {
            Some(prepared) => prepared,
            None => {
                let prepared = Arc::new(self.read(sql, named)?);
                if !self.defines {
                    self.recent.put(sql, &prepared);
                }
                prepared
            }
        };
        self.statements.insert(name, prepared);
        self.wire.out.done(b'1');
        Ok(())
    }

    /// Parses the one statement of a text.
    fn read(&mut self, sql: &str, named: Vec<u32>) -> Result<Prepared, Refusal> {
        let ranges = statement_ranges(sql);
        let body = match ranges.as_slice() {
            [] => Body::Empty,
            [only] => {
                let text = &sql[only.clone()];
                self.body(text).map_err(|refusal| within(refusal, sql, only.start))?
            }
            _ => {
                let message = "a prepared statement is one statement, not several";
                return Err(Refusal::new("42601", message));
            }
        };
        Ok(Prepared::new(body, named))
    }

    fn prepared(&self, name: &str) -> Result<Arc<Prepared>, Refusal> {
        self.statements.get(name).cloned().ok_or_else(|| {
            Refusal::new("26000", format!("there is no prepared statement `{name}`"))
        })
    }

    /// What a statement takes and returns; found out once.
    fn told(&mut self, prepared: &Prepared) -> Result<Told, Failure> {
        if let Some(told) = prepared.told() {
            return Ok(told);
        }
        let told = self.tell(prepared)?;
        prepared.tell(told.clone());
        Ok(told)
    }

    /// Refuses a statement that would return other columns than were told, since tables have changed; before
    /// it is run, for it may write.
    fn still(&mut self, prepared: &Prepared) -> Result<(), Failure> {
        let told = prepared.told().filter(|told| told.columns.is_some());
        let Some(told) = told else { return Ok(()) };
        // Nobody else sees what the open transaction has changed.
        if !self.defines && Arc::ptr_eq(&told.tables, &self.server.database.catalog()) {
            return Ok(());
        }
        let now = self.tell(prepared)?;
        if now.columns != told.columns {
            return Err(Refusal::outdated().into());
        }
        prepared.tell(now);
        Ok(())
    }

    /// Finds out what a statement takes and returns.
    fn tell(&mut self, prepared: &Prepared) -> Result<Told, Failure> {
        // As they are before it is described: what changes meanwhile is noticed.
        let tables = self.server.database.catalog();
        let nothing = |tables| Told { types: Vec::new(), columns: None, tables };
        match &prepared.body {
            Body::Empty => Ok(nothing(tables)),
            Body::Command(command) => {
                Ok(Told { columns: shown(command).map(Arc::new), ..nothing(tables) })
            }
            Body::Script(script) => {
                let Some(statement) = script.get(0) else { return Ok(nothing(tables)) };
                self.who.may(statement.access)?;
                let known: Vec<_> = prepared.named.iter().map(|oid| oids::known(*oid)).collect();
                let limit = self.limit(statement.name);
                self.entry.begin(self.session.reset_cancel(), limit);
                let described = self.session.describe(script, 0, &known);
                let late = self.entry.end();
                let described = match described {
                    Ok(described) => described,
                    Err(error) => {
                        return Err(self.refusal(&error, script.text(), late, limit).into());
                    }
                };
                let named = |at: usize| prepared.named.get(at).copied().filter(|oid| *oid != 0);
                let types = described.params.iter().enumerate();
                Ok(Told {
                    types: types
                        .map(|(at, ty)| named(at).unwrap_or_else(|| oids::parameter(ty.as_ref())))
                        .collect(),
                    columns: described.columns.map(|fields| Arc::new(oids::columns(&fields))),
                    tables,
                })
            }
        }
    }

    pub(super) fn bind(
        &mut self,
        portal: String,
        statement: &str,
        formats: &[i16],
        values: Vec<Option<Vec<u8>>>,
        results: Vec<i16>,
    ) -> Result<(), Failure> {
        let prepared = self.prepared(statement)?;
        let wanted = prepared.body.params().max(prepared.named.len());
        if values.len() != wanted {
            let given = values.len();
            let message = format!("the statement takes {wanted} parameters, and {given} are given");
            return Err(Refusal::new("08P01", message).into());
        }
        if !matches!(formats.len(), 0 | 1) && formats.len() != values.len() {
            return Err(Refusal::new("08P01", "formats and parameters are of two numbers").into());
        }
        if results.iter().any(|format| !matches!(format, 0 | 1)) {
            return Err(Refusal::new("08P01", "a column is asked for in an unknown format").into());
        }
        if !portal.is_empty() && self.portals.contains_key(&portal) {
            let message = format!("there is a portal `{portal}` already");
            return Err(Refusal::new("42P03", message).into());
        }
        if self.portals.len() >= MANY {
            return Err(Refusal::new("53000", format!("there are {MANY} portals already")).into());
        }
        let is_open = |prepared: &Prepared| {
            (0..wanted).any(|at| prepared.named.get(at).copied().unwrap_or(0) == 0)
        };
        let types = match is_open(&prepared) {
            true => self.told(&prepared)?.types,
            false => prepared.named.clone(),
        };
        let mut given = Vec::with_capacity(values.len());
        for (at, value) in values.iter().enumerate() {
            given.push(match value {
                None => Value::Null,
                Some(bytes) => {
                    let oid = types.get(at).copied().unwrap_or(25);
                    decode::value(at + 1, oid, format(formats, at), bytes)?
                }
            });
        }
        let state = State::Ready;
        let made = Portal { statement: prepared, values: given, formats: results, state };
        self.portals.insert(portal, made);
        self.wire.out.done(b'2');
        Ok(())
    }

    pub(super) fn describe(&mut self, target: Target, name: &str) -> Result<(), Failure> {
        let (prepared, formats) = match target {
            Target::Statement => (self.prepared(name)?, Vec::new()),
            Target::Portal => {
                let portal = self.portal(name)?;
                (Arc::clone(&portal.statement), portal.formats.clone())
            }
        };
        let told = self.told(&prepared)?;
        if target == Target::Statement {
            self.wire.out.parameters(&told.types);
        }
        match told.columns {
            Some(columns) => self.wire.out.columns(&columns, &formats),
            None => self.wire.out.no_data(),
        }
        Ok(())
    }

    fn portal(&self, name: &str) -> Result<&Portal, Refusal> {
        self.portals
            .get(name)
            .ok_or_else(|| Refusal::new("34000", format!("there is no portal `{name}`")))
    }

    pub(super) fn execute(&mut self, name: &str, most: usize) -> Result<(), Failure> {
        let mut portal = self
            .portals
            .remove(name)
            .ok_or_else(|| Refusal::new("34000", format!("there is no portal `{name}`")))?;
        let done = self.fetch(&mut portal, most);
        self.portals.insert(name.to_owned(), portal);
        done
    }

    fn fetch(&mut self, portal: &mut Portal, most: usize) -> Result<(), Failure> {
        if let State::Ready = portal.state {
            portal.state = State::Done;
            match &portal.statement.body {
                Body::Empty => {
                    self.wire.out.empty();
                    return Ok(());
                }
                Body::Command(command) => return self.command(command, false),
                Body::Script(script) => {
                    self.still(&portal.statement)?;
                    let outcome = match self.run(script, &portal.values)? {
                        Ran::Told => return Ok(()),
                        Ran::Outcome(outcome) => outcome,
                    };
                    let announced = portal.statement.told().and_then(|told| told.columns);
                    match Rows::new(&outcome, announced.as_ref())? {
                        None => {
                            self.wire.out.complete(&tag(&outcome));
                            return Ok(());
                        }
                        Some(rows) => portal.state = State::Rows(Box::new(rows)),
                    }
                }
            }
        }
        let State::Rows(rows) = &mut portal.state else {
            // A portal that has run is asked again: there is nothing more.
            self.wire.out.complete("SELECT 0");
            return Ok(());
        };
        let mut left = if most == 0 { usize::MAX } else { most };
        while left > 0 && !rows.is_done() {
            left -= rows.append(&mut self.wire.out, &portal.formats, left, FULL)?;
            self.wire.flush_if_full()?;
        }
        if rows.is_done() {
            let tag = rows.tag();
            portal.state = State::Done;
            self.wire.out.complete(&tag);
        } else {
            self.wire.out.suspended();
        }
        Ok(())
    }
}
