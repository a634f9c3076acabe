//! What recent commits touched, for the caches above.
//!
//! A bounded ring: it is a hint that saves work, never a log. Who asks for more than it remembers
//! is told so and rebuilds. Invariant: an answer is complete or there is none.

use std::collections::VecDeque;

use crate::id::{ColumnId, EntityId, ItemId, TableId, UserId};

/// Changes of one commit beyond which it is only remembered as too many.
const PER_COMMIT: usize = 1 << 17;

/// Changes remembered over all commits.
const IN_ALL: usize = 1 << 19;

/// One thing that a commit touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// A user or item was inserted, changed or deleted.
    Row {
        /// Its table.
        table: TableId,
        /// Its id.
        id: EntityId,
    },
    /// An embedding was set or removed.
    Embedding {
        /// Its table.
        table: TableId,
        /// Its column.
        column: ColumnId,
        /// Whose.
        id: EntityId,
    },
    /// An interaction was added or removed. One whose values changed is both, in this order:
    /// removed, added.
    Interaction {
        /// Its table.
        table: TableId,
        /// Whose.
        user: UserId,
        /// Of what.
        item: ItemId,
        /// Added, or removed.
        added: bool,
    },
    /// A table or column was created, renamed or dropped.
    Schema,
}

/// What happened between two generations, in the order of the commits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    changes: Vec<Change>,
}

impl Changes {
    /// The changes in order; a thing touched twice occurs twice.
    pub fn iter(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter()
    }

    /// The number of changes.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl<'a> IntoIterator for &'a Changes {
    type Item = &'a Change;
    type IntoIter = std::slice::Iter<'a, Change>;

    fn into_iter(self) -> Self::IntoIter {
        self.changes.iter()
    }
}

/// Collects the changes of one transaction.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    changes: Vec<Change>,
    overflowed: bool,
}

/// Where a recorder stood when a savepoint was set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    len: usize,
    overflowed: bool,
}

impl Recorder {
    #[inline]
    pub(crate) fn push(&mut self, change: Change) {
        if self.changes.len() < PER_COMMIT {
            self.changes.push(change);
        } else {
            self.overflowed = true;
        }
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { len: self.changes.len(), overflowed: self.overflowed }
    }

    pub(crate) fn rollback(&mut self, mark: Mark) {
        self.changes.truncate(mark.len);
        self.overflowed = mark.overflowed;
    }
}

/// The ring; see the module.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    /// By generation, without gaps.
    commits: VecDeque<(u64, Option<Vec<Change>>)>,
    held: usize,
}

impl Ring {
    /// Remembers the commit that made `generation`.
    pub(crate) fn push(&mut self, generation: u64, recorder: Recorder) {
        let changes = if recorder.overflowed { None } else { Some(recorder.changes) };
        self.held += changes.as_ref().map_or(0, Vec::len) + 1;
        self.commits.push_back((generation, changes));
        while self.held > IN_ALL {
            let Some((_, changes)) = self.commits.pop_front() else { break };
            self.held -= changes.map_or(0, |changes| changes.len()) + 1;
        }
    }

    /// What happened after `from` up to and including `to`, unless that is forgotten.
    pub(crate) fn between(&self, from: u64, to: u64) -> Option<Changes> {
        if from >= to {
            return (from == to).then(Changes::default);
        }
        let oldest = self.commits.front()?.0;
        if from + 1 < oldest {
            return None;
        }
        // Without gaps, the place of a generation is a subtraction; the ring may be long.
        let start = (from + 1 - oldest) as usize;
        let mut out = Vec::new();
        for (generation, changes) in self.commits.iter().skip(start) {
            if *generation > to {
                break;
            }
            out.extend_from_slice(changes.as_deref()?);
        }
        Some(Changes { changes: out })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(ids: std::ops::Range<u64>) -> Recorder {
        let mut recorder = Recorder::default();
        for id in ids {
            recorder.push(Change::Row { table: TableId(1), id });
        }
        recorder
    }

    #[test]
    fn an_answer_is_complete_or_there_is_none() {
        let mut ring = Ring::default();
        ring.push(5, commit(0..2));
        ring.push(6, commit(2..3));
        assert_eq!(ring.between(4, 6).map(|changes| changes.len()), Some(3));
        assert_eq!(ring.between(5, 6).map(|changes| changes.len()), Some(1));
        assert_eq!(ring.between(4, 5).map(|changes| changes.len()), Some(2));
        assert_eq!(ring.between(6, 6), Some(Changes::default()));
        assert_eq!(ring.between(3, 6), None);
    }

    #[test]
    fn a_bulk_commit_is_only_remembered_as_too_much() {
        let mut ring = Ring::default();
        ring.push(1, commit(0..1));
        ring.push(2, commit(0..PER_COMMIT as u64 + 1));
        ring.push(3, commit(0..1));
        assert_eq!(ring.between(0, 3), None);
        assert_eq!(ring.between(2, 3).map(|changes| changes.len()), Some(1));
    }

    #[test]
    fn the_ring_forgets_the_oldest_first() {
        let mut ring = Ring::default();
        for generation in 1..=10 {
            ring.push(generation, commit(0..PER_COMMIT as u64));
        }
        assert_eq!(ring.between(0, 10), None);
        assert!(ring.between(8, 10).is_some());
        assert!(ring.held <= IN_ALL);
    }
}
