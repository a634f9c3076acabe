//! Embeddings: setting and removing them.
//!
//! A new embedding is pending until a seal. Setting one that a segment holds marks that row
//! deleted in the same transaction, so that an id is live in one place only.
//!
//! A computed column is written by the layer that computes it, through calls of its own; the calls
//! of applications refuse it. So that no row goes without, a transaction remembers the rows that
//! were put since their computed columns were last brought up to date, and does not commit before.

use std::sync::Arc;

use super::WriteTxn;
use crate::catalog::Table;
use crate::changes::Change;
use crate::embedding;
use crate::error::{Error, Result};
use crate::id::{ColumnId, EntityId, TableId};
use crate::key;
use crate::kv::Cf;

impl WriteTxn {
    /// Sets the embedding of a user or item. A computed column is refused.
    pub fn put_embedding(
        &mut self,
        table: TableId,
        column: ColumnId,
        id: EntityId,
        vector: &[f32],
    ) -> Result<()> {
        self.need_given(table, column)?;
        self.set_embedding(table, column, id, vector)
    }

    /// Sets the embedding of a user or item in a computed column, or removes it.
    pub fn put_computed(
        &mut self,
        table: TableId,
        column: ColumnId,
        id: EntityId,
        vector: Option<&[f32]>,
    ) -> Result<()> {
        let of = self.schema.catalog.need_entities(table)?;
        if !of.need_column(column)?.computed {
            return Err(Error::InvalidSchema {
                table: of.name.clone(),
                what: "the column is not computed".to_owned(),
            });
        }
        match vector {
            Some(vector) => self.set_embedding(table, column, id, vector),
            None => self.remove_embedding(table, column, id).map(|_| ()),
        }
    }

    /// The rows of tables with computed columns that were put since this was last asked,
    /// ascending. Who asks brings those columns up to date.
    pub fn take_outdated(&mut self) -> Vec<(TableId, EntityId)> {
        let mut rows = std::mem::take(&mut self.schema.outdated);
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    fn need_given(&self, table: TableId, column: ColumnId) -> Result<()> {
        let table = self.schema.catalog.need_entities(table)?;
        match table.need_column(column)? {
            column if column.computed => {
                Err(Error::Computed { table: table.name.clone(), column: column.name.clone() })
            }
            _ => Ok(()),
        }
    }

    fn set_embedding(
        &mut self,
        table: TableId,
        column: ColumnId,
        id: EntityId,
        vector: &[f32],
    ) -> Result<()> {
        let table = Arc::clone(self.schema.catalog.need_entities(table)?);
        let shape = embedding::shape(&table, column)?;
        let bytes = embedding::encode(&table, column, shape, vector)?;
        self.need_row(&table, id)?;
        let key = key::pending(table.id, column, id);
        if !self.is_pending(table.id, column, &key)? {
            self.delete_sealed(table.id, column, id);
            self.count_pending(table.id, column, 1);
        }
        self.overlay.put(Cf::Pending, key, bytes);
        self.schema.touched.insert((table.id, column));
        self.changes.push(Change::Embedding { table: table.id, column, id });
        self.seal_if_large(table.id, column, shape)
    }

    /// Removes the embedding of a user or item; tells whether there was one. A computed column is
    /// refused.
    pub fn delete_embedding(
        &mut self,
        table: TableId,
        column: ColumnId,
        id: EntityId,
    ) -> Result<bool> {
        embedding::shape(self.schema.catalog.need_entities(table)?, column)?;
        self.need_given(table, column)?;
        self.remove_embedding(table, column, id)
    }

    pub(super) fn remove_embedding(
        &mut self,
        table: TableId,
        column: ColumnId,
        id: EntityId,
    ) -> Result<bool> {
        let key = key::pending(table, column, id);
        let existed = if self.is_pending(table, column, &key)? {
            self.overlay.delete(Cf::Pending, key);
            self.count_pending(table, column, -1);
            true
        } else {
            self.delete_sealed(table, column, id)
        };
        if existed {
            self.schema.touched.insert((table, column));
            self.changes.push(Change::Embedding { table, column, id });
        }
        Ok(existed)
    }

    fn need_row(&mut self, table: &Table, id: EntityId) -> Result<()> {
        self.need_entity(table, id).map_err(|error| match error {
            Error::UnknownUser { table, .. } | Error::UnknownItem { table, .. } => {
                Error::NoSuchRow { table, id }
            }
            other => other,
        })
    }

    fn is_pending(&self, table: TableId, column: ColumnId, key: &[u8]) -> Result<bool> {
        match self.overlay.get(Cf::Pending, key) {
            Some(change) => Ok(change.is_some()),
            None if !self.before.pending.contains_key(&(table, column)) => Ok(false),
            None => self.view.with(Cf::Pending, key, &mut |_| Ok(())),
        }
    }

    fn delete_sealed(&mut self, table: TableId, column: ColumnId, id: EntityId) -> bool {
        let segments = self.schema.manifest.segments(table, column);
        if segments.iter().all(|segment| segment.find(id).is_none()) {
            return false;
        }
        Arc::make_mut(&mut self.schema.manifest).delete(table, column, id)
    }

    pub(super) fn pending(&self, table: TableId, column: ColumnId) -> u64 {
        self.schema.pending.get(&(table, column)).copied().unwrap_or(0)
    }

    pub(super) fn count_pending(&mut self, table: TableId, column: ColumnId, by: i64) {
        let pending = Arc::make_mut(&mut self.schema.pending);
        let count = pending.entry((table, column)).or_insert(0);
        *count = count.saturating_add_signed(by);
        if *count == 0 {
            pending.remove(&(table, column));
        }
    }
}
