//! The rows of one user or item table, as dense positions: id and key of each, ascending by id.
//!
//! Everything that scores or filters works on these positions. It holds no attributes.

use tastedb_storage::{Change, EntityId, ItemId, Read, Snapshot, TableId};

use crate::error::Result;

/// Ids and keys of a table's live rows, ascending by id, which is the order of insertion.
#[derive(Clone, Debug, Default)]
pub struct EntityIndex {
    ids: Vec<EntityId>,
    keys: String,
    /// `ends[r]` is where the key of row `r` ends.
    ends: Vec<usize>,
}

impl EntityIndex {
    pub(super) fn build(snapshot: &Snapshot, table: TableId) -> Result<EntityIndex> {
        let mut index = EntityIndex::default();
        for row in snapshot.rows(table, &[], 0)? {
            let row = row?;
            index.push(row.id, &row.key);
        }
        Ok(index)
    }

    /// Of rows that ascend by id.
    #[cfg(test)]
    pub(crate) fn of<'a>(rows: impl IntoIterator<Item = (EntityId, &'a str)>) -> EntityIndex {
        let mut index = EntityIndex::default();
        rows.into_iter().for_each(|(id, key)| index.push(id, key));
        index
    }

    /// This index after the rows named in `changes` were inserted, updated or deleted.
    pub(super) fn patched(
        &self,
        snapshot: &Snapshot,
        table: TableId,
        changes: &[Change],
    ) -> Result<EntityIndex> {
        let mut touched: Vec<EntityId> = Vec::new();
        for change in changes {
            match change {
                Change::Row { id, .. } => touched.push(*id),
                _ => return EntityIndex::build(snapshot, table),
            }
        }
        touched.sort_unstable();
        touched.dedup();
        let mut gone = Vec::new();
        let mut fresh = Vec::new();
        for id in touched {
            match (self.row_of(id), snapshot.row(table, id, &[])?) {
                (Some(row), Some(now)) if self.key(row) != now.key => {
                    return EntityIndex::build(snapshot, table);
                }
                (Some(_), None) => gone.push(id),
                (None, Some(now)) => fresh.push(now),
                _ => {}
            }
        }
        // Ids only rise, so what is new belongs behind what is known.
        let appends = self.ids.last().copied().zip(fresh.first().map(|f| f.id));
        if appends.is_some_and(|(last, first)| first < last) {
            return EntityIndex::build(snapshot, table);
        }
        let mut index = if gone.is_empty() {
            self.clone()
        } else {
            let mut kept = EntityIndex::default();
            for row in 0..self.len() as u32 {
                if gone.binary_search(&self.id(row)).is_err() {
                    kept.push(self.id(row), self.key(row));
                }
            }
            kept
        };
        for row in fresh {
            index.push(row.id, &row.key);
        }
        Ok(index)
    }

    fn push(&mut self, id: EntityId, key: &str) {
        self.ids.push(id);
        self.keys.push_str(key);
        self.ends.push(self.keys.len());
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// All ids, ascending.
    pub fn ids(&self) -> &[EntityId] {
        &self.ids
    }

    /// All ids of a table of items, ascending.
    pub fn items(&self) -> &[ItemId] {
        bytemuck::cast_slice(&self.ids)
    }

    /// The id at a row.
    pub fn id(&self, row: u32) -> EntityId {
        self.ids[row as usize]
    }

    /// The key at a row.
    pub fn key(&self, row: u32) -> &str {
        let row = row as usize;
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.keys[start..self.ends[row]]
    }

    /// The row of an id.
    pub fn row_of(&self, id: EntityId) -> Option<u32> {
        let from = id.wrapping_sub(*self.ids.first()?);
        crate::ascending::find(&self.ids, id, from).map(|row| row as u32)
    }
}
