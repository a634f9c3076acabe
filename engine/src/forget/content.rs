//! What is computed from the content of items beside models: text embeddings and neighbour graphs.
//!
//! The words of an embedding, and the mean that a graph is built with, are those of the rows that
//! were there when it was made, items that are to be forgotten included. So both are made anew.

use std::collections::BTreeMap;

use tastedb_storage::{Read, TableId};

use super::ticket::{Scope, Ticket};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::live;
use crate::progress::Work;

/// How often something is tried that others may get in the way of.
pub(super) const TRIES: usize = 5;

/// What became of the content of tables of items.
#[derive(Default)]
pub(super) struct Content {
    /// The commit with which it was made anew, where there was any.
    pub(super) since: BTreeMap<TableId, u64>,
    /// Of each embedding and its table, how it was made anew, or why it could not be.
    pub(super) methods: Vec<(TableId, String, Result<String, String>)>,
}

impl Content {
    /// Whether everything of a table was made anew that there is.
    pub(super) fn is_clean(&self, table: TableId) -> bool {
        !self.methods.iter().any(|(of, _, done)| *of == table && done.is_err())
    }
}

/// Makes the content anew of the tables that items were deleted from.
pub(super) fn renew(engine: &Engine, tickets: &[Ticket], work: &Work) -> Result<Content> {
    let mut content = Content::default();
    let items = tickets.iter().filter(|ticket| ticket.scope.has_content());
    let mut tables: BTreeMap<TableId, bool> = BTreeMap::new();
    for ticket in items.filter(|ticket| ticket.erased.is_none()) {
        // Of a vector, no text is made.
        *tables.entry(ticket.table).or_default() |= ticket.scope != Scope::Modality;
    }
    for (table, texts) in tables {
        let snapshot = engine.snapshot();
        let Some(known) = snapshot.catalog().table_by_id(table).cloned() else { continue };
        let embeddings = if texts { engine.embeddings(&snapshot, Some(table))? } else { vec![] };
        for embedding in embeddings {
            let column = known.column_by_id(embedding.column);
            let name = column.map(|column| column.name.clone()).unwrap_or_default();
            let done = match refit(engine, table, &name, work) {
                Ok(Some(generation)) => {
                    content.since.insert(table, generation);
                    Ok("terms and vectors made again".to_owned())
                }
                Ok(None) => continue,
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                Err(error) => Err(error.to_string()),
            };
            content.methods.push((table, name, done));
        }
        let mut txn = engine.store().begin()?;
        if live::remove_graphs(&mut txn, table)? {
            content.since.insert(table, txn.commit()?);
        }
    }
    Ok(content)
}

/// Makes an embedding again; the commit of it, or `None` where it was dropped meanwhile.
fn refit(engine: &Engine, table: TableId, name: &str, work: &Work) -> Result<Option<u64>> {
    let mut tries = TRIES;
    loop {
        let snapshot = engine.snapshot();
        let Some(known) = snapshot.catalog().table_by_id(table).cloned() else { return Ok(None) };
        let Some(embedding) = engine.embedding(&snapshot, &known, name)? else { return Ok(None) };
        let fitted = engine.refit_embedding(&snapshot, &embedding, work)?;
        let mut txn = engine.store().begin()?;
        match engine.refresh_embedding(&mut txn, &embedding, fitted, work) {
            Ok(_) => {
                engine.keep_embeddings(&mut txn)?;
                return Ok(Some(txn.commit()?));
            }
            Err(Error::Conflict { .. }) if tries > 1 => tries -= 1,
            Err(error) => return Err(error),
        }
    }
}
