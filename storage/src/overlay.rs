//! What a transaction has changed and not yet committed, by column family.
//!
//! Adjacency lists are not here: they have [`List`](crate::list::List). While a savepoint is set,
//! every change records what it replaced. Invariant: rolling back to a savepoint leaves exactly
//! the entries that were there when it was set.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::key::Range;
use crate::kv::{Batch, Cf};

type Map = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// See the module.
#[derive(Default)]
pub(crate) struct Overlay {
    maps: [Map; Cf::ALL.len()],
    undo: Option<Vec<Undo>>,
}

struct Undo {
    cf: Cf,
    key: Vec<u8>,
    /// What the overlay held: nothing, or a change.
    before: Option<Option<Vec<u8>>>,
}

impl Overlay {
    /// The change of a key, if there is one: a value, or `None` for a removal.
    pub(crate) fn get(&self, cf: Cf, key: &[u8]) -> Option<Option<&[u8]>> {
        self.map(cf).get(key).map(|value| value.as_deref())
    }

    pub(crate) fn put(&mut self, cf: Cf, key: Vec<u8>, value: Vec<u8>) {
        self.set(cf, key, Some(value));
    }

    pub(crate) fn delete(&mut self, cf: Cf, key: Vec<u8>) {
        self.set(cf, key, None);
    }

    /// A copy of the changes in a range.
    pub(crate) fn range(&self, cf: Cf, range: &Range) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        if range.from >= range.to {
            return Vec::new();
        }
        self.map(cf)
            .range::<[u8], _>((
                Bound::Included(range.from.as_slice()),
                Bound::Excluded(range.to.as_slice()),
            ))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.maps.iter().all(Map::is_empty)
    }

    pub(crate) fn set_savepoint(&mut self) {
        self.undo = Some(Vec::new());
    }

    pub(crate) fn release_savepoint(&mut self) {
        self.undo = None;
    }

    /// Undoes all changes since the savepoint, which stays set.
    pub(crate) fn rollback(&mut self) {
        let Some(undo) = self.undo.replace(Vec::new()) else { return };
        for Undo { cf, key, before } in undo.into_iter().rev() {
            match before {
                None => self.map_mut(cf).remove(&key),
                Some(change) => self.map_mut(cf).insert(key, change),
            };
        }
    }

    /// Adds the changes that `keep` admits to a batch.
    pub(crate) fn write(self, batch: &mut Batch, keep: impl Fn(Cf, &[u8]) -> bool) {
        for (cf, map) in Cf::ALL.into_iter().zip(self.maps) {
            for (key, value) in map {
                if !keep(cf, &key) {
                    continue;
                }
                match value {
                    Some(value) => batch.put(cf, key, value),
                    None => batch.delete(cf, key),
                }
            }
        }
    }

    fn set(&mut self, cf: Cf, key: Vec<u8>, value: Option<Vec<u8>>) {
        if self.undo.is_none() {
            self.map_mut(cf).insert(key, value);
            return;
        }
        let before = self.map_mut(cf).insert(key.clone(), value);
        if let Some(undo) = &mut self.undo {
            undo.push(Undo { cf, key, before });
        }
    }

    fn map(&self, cf: Cf) -> &Map {
        &self.maps[cf as usize]
    }

    fn map_mut(&mut self, cf: Cf) -> &mut Map {
        &mut self.maps[cf as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rolling_back_restores_what_was_replaced_removed_and_absent() {
        let mut overlay = Overlay::default();
        let key = |name: &str| name.as_bytes().to_vec();
        overlay.put(Cf::Records, key("kept"), key("1"));
        overlay.delete(Cf::Records, key("gone"));
        overlay.set_savepoint();
        overlay.put(Cf::Records, key("kept"), key("2"));
        overlay.delete(Cf::Records, key("kept"));
        overlay.put(Cf::Records, key("gone"), key("2"));
        overlay.put(Cf::Records, key("new"), key("2"));
        overlay.rollback();
        assert_eq!(overlay.get(Cf::Records, b"kept"), Some(Some(&b"1"[..])));
        assert_eq!(overlay.get(Cf::Records, b"gone"), Some(None));
        assert_eq!(overlay.get(Cf::Records, b"new"), None);
        overlay.put(Cf::Records, key("again"), key("3"));
        overlay.rollback();
        assert_eq!(overlay.get(Cf::Records, b"again"), None);
    }

    #[test]
    fn column_families_are_numbered_by_their_place() {
        for (at, cf) in Cf::ALL.into_iter().enumerate() {
            assert_eq!(cf as usize, at);
        }
    }
}
