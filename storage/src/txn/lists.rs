//! The adjacency lists that a transaction has opened.
//!
//! Invariant: rolling back to a savepoint leaves every list as it was when it was set.

use crate::adjacency::{Direction, ListKey};
use crate::error::Result;
use crate::hash::IdMap;
use crate::id::TableId;
use crate::kv::{Batch, KvView};
use crate::list::List;

/// See the module.
#[derive(Default)]
pub(super) struct Lists {
    open: IdMap<ListKey, List>,
    /// Since the savepoint, what each touched list was before: `None` if it was not open.
    undo: Option<IdMap<ListKey, Option<List>>>,
}

impl Lists {
    /// A list that this transaction has opened.
    pub(super) fn get(&self, key: ListKey) -> Option<&List> {
        self.open.get(&key)
    }

    /// A list to change, opened if it is not.
    #[inline]
    pub(super) fn open(&mut self, view: &dyn KvView, key: ListKey) -> Result<&mut List> {
        if let Some(undo) = &mut self.undo
            && !undo.contains_key(&key)
        {
            undo.insert(key, self.open.get(&key).cloned());
        }
        match self.open.entry(key) {
            std::collections::hash_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::hash_map::Entry::Vacant(entry) => {
                Ok(entry.insert(List::open(view, key)?))
            }
        }
    }

    /// The opened lists of a table, by user.
    pub(super) fn of_table(&self, table: TableId) -> Vec<(u64, &List)> {
        let mut lists: Vec<_> = self
            .open
            .iter()
            .filter(|(key, _)| key.direction == Direction::ByUser && key.table == table)
            .map(|(key, list)| (key.entity, list))
            .collect();
        lists.sort_by_key(|(entity, _)| *entity);
        lists
    }

    pub(super) fn is_unchanged(&self) -> bool {
        self.open.values().all(List::is_unchanged)
    }

    pub(super) fn set_savepoint(&mut self) {
        self.undo = Some(IdMap::default());
    }

    pub(super) fn release_savepoint(&mut self) {
        self.undo = None;
    }

    pub(super) fn rollback(&mut self) {
        let Some(undo) = self.undo.replace(IdMap::default()) else { return };
        for (key, before) in undo {
            match before {
                None => self.open.remove(&key),
                Some(list) => self.open.insert(key, list),
            };
        }
    }

    /// Adds the changes to a batch, in key order so that equal transactions write equal batches.
    pub(super) fn write(self, batch: &mut Batch, keep: impl Fn(TableId) -> bool) {
        let mut lists: Vec<_> = self.open.into_iter().filter(|(key, _)| keep(key.table)).collect();
        lists.sort_by_key(|(key, _)| *key);
        for (_, list) in lists {
            list.write(batch);
        }
    }
}
