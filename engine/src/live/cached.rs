//! A derived value that follows the database: valid for a range of generations, patched when few
//! rows changed, rebuilt when many did.
//!
//! It is a cache, not a store: an `Arc` handed out stays as it is, and a reader on an older
//! snapshot gets the value of its own generation as long as that is still kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tastedb_storage::{Change, Snapshot, Store};

/// How many values of different generations are kept: readers that hold a snapshot for a moment
/// while a writer goes on must not rebuild.
const KEPT: usize = 4;

/// One derived value and the generations that it is valid for.
pub struct Cached<T> {
    slots: Mutex<VecDeque<Slot<T>>>,
}

struct Slot<T> {
    first: u64,
    last: u64,
    value: Arc<T>,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Cached { slots: Mutex::new(VecDeque::new()) }
    }
}

impl<T> Cached<T> {
    /// The value for `snapshot`. `touches` tells which changes matter; `make` gets the newest older
    /// value with the changes since, or nothing, and returns the value as of `snapshot`.
    ///
    /// Callers of one cache wait for each other, so a rebuild happens once.
    pub fn get<E>(
        &self,
        store: &Store,
        snapshot: &Snapshot,
        touches: impl Fn(&Change) -> bool,
        make: impl FnOnce(Option<(&T, &[Change])>) -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let generation = snapshot.generation();
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.iter().find(|s| s.first <= generation && generation <= s.last) {
            return Ok(slot.value.clone());
        }
        let newest = slots.back_mut().filter(|slot| slot.last < generation);
        let made = match newest {
            None => make(None)?,
            Some(slot) => match store.changes_since(slot.last, snapshot) {
                None => make(None)?,
                Some(changes) => {
                    let relevant: Vec<Change> =
                        changes.iter().filter(|c| touches(c)).copied().collect();
                    if relevant.is_empty() {
                        slot.last = generation;
                        return Ok(slot.value.clone());
                    }
                    make(Some((&slot.value, &relevant)))?
                }
            },
        };
        let value = Arc::new(made);
        // A reader on an old snapshot gets its value, but must not push out a newer one.
        if slots.back().is_none_or(|slot| slot.last < generation) {
            slots.push_back(Slot { first: generation, last: generation, value: value.clone() });
            if slots.len() > KEPT {
                slots.pop_front();
            }
        }
        Ok(value)
    }
}
