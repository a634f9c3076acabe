//! Deleting what is to be forgotten, within a transaction that brings its ticket.

use std::sync::Arc;

use tastedb_storage::{
    Column, ColumnId, EntityId, InteractionId, Read, Role, Table, UserId, WriteTxn,
};

use super::digest::Salted;
use super::forget_set::Keeping;
use super::ledger::{self, Subject};
use super::ticket::{Scope, Ticket};
use super::values;
use crate::engine::Engine;
use crate::error::Result;

/// The time that there is for rewriting the files, in microseconds: one hour.
const TERM: i64 = 3_600_000_000;

/// Rows of one table that are being deleted to be forgotten: one ticket for all of them.
pub struct Forgetting {
    engine: Engine,
    table: Arc<Table>,
    scope: Scope,
    salted: Salted,
    columns: Vec<Column>,
    kept: Keeping,
    subjects: Vec<Subject>,
    rows: u64,
    interactions: u64,
    embeddings: u64,
}

impl Forgetting {
    pub(crate) fn new(engine: &Engine, table: &Table) -> Forgetting {
        Forgetting {
            engine: engine.clone(),
            scope: Scope::of(table.role),
            salted: Salted::new(engine.store().id(), table.id),
            columns: Vec::new(),
            kept: Keeping::new(engine),
            table: Arc::new(table.clone()),
            subjects: Vec::new(),
            rows: 0,
            interactions: 0,
            embeddings: 0,
        }
    }

    /// The same for values in some columns of rows that stay.
    pub(crate) fn of_values(engine: &Engine, table: &Table, columns: &[ColumnId]) -> Forgetting {
        let columns = table.columns().filter(|column| columns.contains(&column.id)).cloned();
        let columns: Vec<Column> = columns.collect();
        let scope = match table.role {
            Role::Interaction => Scope::InteractionAttribute,
            Role::User | Role::Item if columns.iter().all(|column| column.ty.is_vector()) => {
                Scope::Modality
            }
            Role::User | Role::Item => Scope::Attribute,
        };
        Forgetting { scope, columns, ..Forgetting::new(engine, table) }
    }

    /// Notes the values of a user or item, which the caller takes away next.
    pub fn values(&mut self, txn: &WriteTxn, id: EntityId) -> Result<()> {
        let columns: Vec<&Column> = self.columns.iter().collect();
        let prints = values::of_row(&self.engine, txn, &self.table, id, &columns)?;
        if prints.is_empty() {
            return Ok(());
        }
        let Some(row) = txn.row(self.table.id, id, &[])? else { return Ok(()) };
        for (print, is_vector) in prints {
            self.subjects.push(Subject::row(&self.salted, id, &row.key, print));
            self.embeddings += u64::from(is_vector);
        }
        self.rows += 1;
        Ok(())
    }

    /// Notes the values of an interaction, which the caller takes away next.
    pub fn values_of_interaction(
        &mut self,
        txn: &WriteTxn,
        user: UserId,
        id: InteractionId,
    ) -> Result<()> {
        let columns: Vec<ColumnId> = self.columns.iter().map(|column| column.id).collect();
        if values::has_value(txn, &self.table, user, id, &columns)? {
            self.subjects.push(Subject::interaction(&self.salted, id));
            self.rows += 1;
        }
        Ok(())
    }

    /// Deletes a user or item with all that is theirs; false where there is no such row.
    pub fn row(&mut self, txn: &mut WriteTxn, id: EntityId) -> Result<bool> {
        let Some(row) = txn.row(self.table.id, id, &[])? else { return Ok(false) };
        let print = self.engine.store().fingerprint(row.key.as_bytes());
        self.kept.all_of(txn, &self.table, id)?;
        let gone = txn.delete_row(self.table.id, id)?;
        self.subjects.push(Subject::row(&self.salted, id, &row.key, print));
        self.rows += 1;
        self.interactions += gone.interactions;
        self.embeddings += gone.embeddings;
        Ok(true)
    }

    /// Deletes an interaction; false where there is no such one.
    pub fn interaction(
        &mut self,
        txn: &mut WriteTxn,
        user: UserId,
        id: InteractionId,
    ) -> Result<bool> {
        self.kept.one(txn, self.table.id, user, id)?;
        if !txn.delete_interaction(self.table.id, user, id)? {
            return Ok(false);
        }
        self.subjects.push(Subject::interaction(&self.salted, id));
        self.rows += 1;
        self.interactions += 1;
        Ok(true)
    }

    /// Rows that were deleted so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Interactions that were deleted so far, with their users or items or by themselves.
    pub fn interactions(&self) -> u64 {
        self.interactions
    }

    /// Whether the table has no row left.
    pub fn took_all(&self, txn: &WriteTxn) -> Result<bool> {
        let left = match self.scope {
            Scope::User | Scope::Item | Scope::Modality | Scope::Attribute => {
                txn.rows(self.table.id, &[], 0)?.next().transpose()?.is_some()
            }
            Scope::Interactions | Scope::InteractionAttribute => {
                txn.interactions(self.table.id, &[])?.next().transpose()?.is_some()
            }
        };
        Ok(!left)
    }

    /// Makes the ticket; `None` where nothing was deleted. `now` is the time in microseconds since
    /// 1970.
    pub fn finish(self, txn: &mut WriteTxn, now: i64) -> Result<Option<Ticket>> {
        if self.rows == 0 {
            return Ok(None);
        }
        let ticket = Ticket {
            number: ledger::new_number(txn)?,
            scope: self.scope,
            table: self.table.id,
            table_name: self.table.name.clone(),
            columns: self.columns.iter().map(|column| column.name.clone()).collect(),
            rows: self.rows,
            interactions: self.interactions,
            embeddings: self.embeddings,
            // The commit of this transaction.
            generation: txn.generation() + 1,
            requested: now,
            deadline: now.saturating_add(TERM),
            erased: None,
            unlearned: None,
            verified: None,
            methods: Vec::new(),
            behaviour: Vec::new(),
        };
        ledger::put(txn, &ticket);
        ledger::put_subjects(txn, ticket.number, &self.subjects);
        self.kept.finish(txn, ticket.number);
        Ok(Some(ticket))
    }
}

impl std::fmt::Debug for Forgetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forgetting").field("rows", &self.rows).finish_non_exhaustive()
    }
}
