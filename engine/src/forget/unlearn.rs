//! The vacuum: what brings open tickets from masked to unlearned and erased.
//!
//! Content first, then the models that are made of it, then the files, since the older versions of
//! models and embeddings are files too. After each part a commit notes what is true by then. What
//! cannot be done now (a training that needs more memory than it may have, a reader of an older
//! state) leaves the ticket where it is; the next vacuum tries again.

use std::collections::BTreeMap;
use std::time::Duration;

use tastedb_storage::{Read, WriteTxn};

use super::behaviour::{self, Behaviour};
use super::content::{self, Content, TRIES};
use super::ticket::Ticket;
use super::{forget_set, ledger};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::index::kept::gone;
use crate::model::{self, Embeddings};
use crate::progress::Work;
use crate::refresh::{self, Mode, RefreshRequest};
use crate::registry::ModelInfo;
use crate::train;

/// What a vacuum did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vacuumed {
    /// The tickets that were open, as they are now.
    pub tickets: Vec<Ticket>,
    /// Of each model or embedding that was made anew, how.
    pub renewed: Vec<(String, String)>,
    /// Of each that could not be, why.
    pub failed: Vec<(String, String)>,
}

pub(crate) fn vacuum(
    engine: &Engine,
    clock: &dyn Fn() -> i64,
    patience: Duration,
    work: &Work,
) -> Result<Vacuumed> {
    let snapshot = engine.snapshot();
    let open: Vec<Ticket> = ledger::all(&snapshot)?.into_iter().filter(Ticket::is_open).collect();
    drop(snapshot);
    let content = content::renew(engine, &open, work)?;
    let mut vacuumed = Vacuumed::default();
    for (_, name, done) in &content.methods {
        vacuumed.told(name, done.clone());
    }
    let methods = unlearn(engine, &open, &content, work)?;
    for (name, renewed) in &methods {
        vacuumed.told(name, renewed.done.clone());
    }
    // The forget sets have served their purpose, and are to be erased with everything else.
    note(engine, &open, |ticket, engine, txn| {
        let catalog = txn.catalog().clone();
        let mut clean = content.is_clean(ticket.table) || !ticket.scope.has_content();
        for model in engine.models(txn)? {
            let name = &model.definition.name;
            if !ticket.concerns(&model.definition, &catalog) {
                continue;
            }
            if let Some(Renewed { done, behaviour }) = methods.get(name) {
                let told = done.as_ref().map_or_else(|why| format!("failed: {why}"), Clone::clone);
                ticket.methods.retain(|(of, _)| of != name);
                ticket.methods.push((name.clone(), told));
                if let Some(own) = behaviour.get(&ticket.number) {
                    ticket.behaviour.retain(|behaviour| behaviour.model != *name);
                    ticket.behaviour.push(own.clone());
                }
            }
            clean &= needs(&model, std::slice::from_ref(ticket), &content, txn)?.is_none();
        }
        if clean {
            ticket.unlearned.get_or_insert_with(clock);
        }
        forget_set::remove(txn, ticket.number);
        Ok(())
    })?;
    gone::remove_files(engine)?;
    engine.registry().let_go(&engine.snapshot());
    engine.store().erase(patience)?;
    vacuumed.tickets = note(engine, &open, |ticket, _, _| {
        // The file of a model that knows the items is one of the files.
        if !ticket.scope.has_content() || ticket.unlearned.is_some() {
            ticket.erased.get_or_insert_with(clock);
        }
        Ok(())
    })?;
    Ok(vacuumed)
}

impl Vacuumed {
    fn told(&mut self, name: &str, done: Result<String, String>) {
        match done {
            Ok(how) => self.renewed.push((name.to_owned(), how)),
            Err(why) => self.failed.push((name.to_owned(), why)),
        }
    }
}

/// Moves tickets on with one commit; they are returned as they are then.
fn note(
    engine: &Engine,
    tickets: &[Ticket],
    step: impl Fn(&mut Ticket, &Engine, &mut WriteTxn) -> Result<()>,
) -> Result<Vec<Ticket>> {
    if tickets.is_empty() {
        return Ok(Vec::new());
    }
    let mut txn = engine.store().begin()?;
    let mut now = Vec::with_capacity(tickets.len());
    for ticket in tickets {
        let before = ledger::find(&txn, &ticket.id())?;
        let mut after = before.clone();
        step(&mut after, engine, &mut txn)?;
        if after != before {
            ledger::put(&mut txn, &after);
        }
        now.push(after);
    }
    txn.commit()?;
    Ok(now)
}

/// The commit that a model must have learned since, where it has not.
fn needs(
    model: &ModelInfo,
    tickets: &[Ticket],
    content: &Content,
    read: &dyn Read,
) -> Result<Option<u64>> {
    let Some(version) = &model.serving else { return Ok(None) };
    let catalog = read.catalog().clone();
    let concern = tickets.iter().filter(|ticket| ticket.concerns(&model.definition, &catalog));
    let mut since = concern.map(|ticket| ticket.generation).max().unwrap_or(0);
    let looks = model::algorithm(&model.definition.algorithm)?.embeddings != Embeddings::Unused;
    if looks && since > 0 {
        let tables = model.definition.item_tables(&catalog);
        let made = tables.iter().filter_map(|table| content.since.get(table));
        since = since.max(made.copied().max().unwrap_or(0));
    }
    Ok(Some(since).filter(|since| version.rid_of() < *since))
}

/// What became of a model that had learned from what is to be forgotten.
struct Renewed {
    /// How it was made anew, or why it could not be.
    done: Result<String, String>,
    /// What it gave away before and after, by ticket.
    behaviour: BTreeMap<u64, Behaviour>,
}

/// Makes every model anew that has learned from what is to be forgotten.
fn unlearn(
    engine: &Engine,
    tickets: &[Ticket],
    content: &Content,
    work: &Work,
) -> Result<BTreeMap<String, Renewed>> {
    let mut methods = BTreeMap::new();
    let snapshot = engine.snapshot();
    let models = engine.models(&snapshot)?;
    for model in &models {
        if needs(model, tickets, content, &snapshot)?.is_none() {
            continue;
        }
        work.check()?;
        let name = &model.definition.name;
        let before = engine.registry().serving(&snapshot, name)?;
        let done = match renew(engine, name, work) {
            Ok(how) => Ok(how),
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error) => Err(error.to_string()),
        };
        let mut behaviour = BTreeMap::new();
        if done.is_ok()
            && let Ok(after) = engine.registry().serving(&engine.snapshot(), name)
        {
            let versions = [before.as_ref(), after.as_ref()];
            behaviour = behaviour::compare(engine, &snapshot, tickets, versions, work)?;
        }
        methods.insert(name.clone(), Renewed { done, behaviour });
    }
    Ok(methods)
}

/// Makes a model anew from what is there, with its settings; says how.
fn renew(engine: &Engine, name: &str, work: &Work) -> Result<String> {
    let request = RefreshRequest {
        model: name.to_owned(),
        statement: "VACUUM".to_owned(),
        ..RefreshRequest::default()
    };
    let mut tries = TRIES;
    loop {
        match refresh::refresh(engine, &request, Mode::Unlearn, work) {
            Ok(renewed) => return Ok(renewed.version.refreshed.map_or(String::new(), |it| it.how)),
            // Another version came first, perhaps one that need not be made anew; making it so
            // again costs time only.
            Err(Error::Conflict { .. }) if tries > 1 => tries -= 1,
            Err(Error::EmptyTraining { .. }) => {
                train::withdraw(engine, name)?;
                return Ok("nothing is left to learn from: it is not trained any more".to_owned());
            }
            // Dropped meanwhile, and its file with it.
            Err(Error::NoSuchModel { .. } | Error::NotFitted { .. }) => {
                return Ok("it was dropped".to_owned());
            }
            Err(error) => return Err(error),
        }
    }
}
