//! Forgetting again in a restored backup what the database has forgotten since it was made.
//!
//! The backup is the same database at an earlier time: it has the same identity, so the hashes are
//! the same, and ids are never given twice, so a row with the id and the key of a forgotten one is
//! that one and nobody who came later.

use std::collections::BTreeMap;

use tastedb_storage::{ColumnId, Read, Role, Snapshot, Store, TableId, UserId, Value, WriteTxn};

use super::deleting::Forgetting;
use super::digest::Salted;
use super::ledger::{self, Subjects};
use super::ticket::Ticket;
use super::values;
use crate::engine::Engine;
use crate::error::{Error, Result};

/// Deletes what the tickets of `ledger`, a snapshot of `store`, are about; one new ticket for each
/// table that had some of it.
pub(crate) fn again(
    engine: &Engine,
    store: &Store,
    ledger: &Snapshot,
    now: i64,
) -> Result<Vec<Ticket>> {
    if engine.store().id() != store.id() {
        let what = "the tickets are of another database".to_owned();
        return Err(Error::Conflict { what });
    }
    let mut by_table: BTreeMap<TableId, Subjects> = BTreeMap::new();
    let mut values = Vec::new();
    for ticket in ledger::all(ledger)? {
        let subjects = ledger::subjects(ledger, &ticket)?;
        if ticket.scope.is_of_values() {
            values.push((ticket, subjects));
            continue;
        }
        by_table.entry(ticket.table).or_default().extend(subjects);
    }
    let mut txn = engine.store().begin()?;
    let catalog = txn.catalog().clone();
    let mut tickets = Vec::new();
    for (id, subjects) in by_table {
        // A table that came after the backup is not there.
        let Some(table) = catalog.table_by_id(id) else { continue };
        let salted = Salted::new(store.id(), id);
        let mut forgetting: Forgetting = engine.forgetting(table);
        if table.role == Role::Interaction {
            let mut found = Vec::new();
            for row in txn.interactions(id, &[])? {
                let row = row?;
                if subjects.has_id(&salted, row.id.0) {
                    found.push((UserId(row.user.0), row.id));
                }
            }
            for (user, interaction) in found {
                forgetting.interaction(&mut txn, user, interaction)?;
            }
        } else {
            let mut found = Vec::new();
            for row in txn.rows(id, &[], 0)? {
                let row = row?;
                if subjects.has_id(&salted, row.id) && subjects.has_key(&salted, &row.key) {
                    found.push(row.id);
                }
            }
            for row in found {
                forgetting.row(&mut txn, row)?;
            }
        }
        tickets.extend(forgetting.finish(&mut txn, now)?);
    }
    for (ticket, subjects) in &values {
        tickets.extend(values_again(engine, &mut txn, ticket, subjects, now)?);
    }
    engine.keep_embeddings(&mut txn)?;
    txn.commit()?;
    Ok(tickets)
}

/// Takes the values of a ticket away again.
fn values_again(
    engine: &Engine,
    txn: &mut WriteTxn,
    ticket: &Ticket,
    subjects: &Subjects,
    now: i64,
) -> Result<Option<Ticket>> {
    let catalog = txn.catalog().clone();
    let Some(table) = catalog.table_by_id(ticket.table) else { return Ok(None) };
    let salted = Salted::new(engine.store().id(), table.id);
    let columns = values::columns(table, &ticket.columns);
    let ids: Vec<ColumnId> = columns.iter().map(|column| column.id).collect();
    let mut forgetting = engine.forgetting_values(table, &ids);
    let plain = columns.iter().filter(|column| !column.ty.is_vector());
    let nulls: Vec<(ColumnId, Value)> = plain.map(|column| (column.id, Value::Null)).collect();
    if table.role == Role::Interaction {
        let mut found = Vec::new();
        for row in txn.interactions(table.id, &[])? {
            let row = row?;
            if subjects.has_id(&salted, row.id.0) {
                found.push((row.user, row.id));
            }
        }
        for (user, id) in found {
            forgetting.values_of_interaction(txn, user, id)?;
            txn.update_interaction(table.id, user, id, &nulls)?;
        }
    } else {
        let mut found = Vec::new();
        for row in txn.rows(table.id, &[], 0)? {
            let row = row?;
            if subjects.has_id(&salted, row.id) && subjects.has_key(&salted, &row.key) {
                found.push(row);
            }
        }
        for row in found {
            forgetting.values(txn, row.id)?;
            if !nulls.is_empty() {
                txn.put_row(table.id, &row.key, &nulls)?;
            }
            for column in columns.iter().filter(|column| column.ty.is_vector()) {
                txn.delete_embedding(table.id, column.id, row.id)?;
            }
        }
    }
    forgetting.finish(txn, now)
}
