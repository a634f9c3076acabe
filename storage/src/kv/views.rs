//! Which views are alive, by the number of the last write that each sees.
//!
//! RocksDB keeps what any snapshot of it still sees, through every compaction; so who wants
//! something gone has to know when the last older view was dropped. Invariant: a view is listed
//! from before anybody can ask for it until its snapshot is released.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// See the module.
#[derive(Default)]
pub(super) struct Views {
    /// How many views see the database up to a write.
    alive: Mutex<BTreeMap<u64, usize>>,
    dropped: Condvar,
}

/// One view in the list; dropping it takes it out.
pub(super) struct Alive {
    views: Arc<Views>,
    sequence: u64,
}

impl Views {
    /// Makes a view that sees the database up to a write, and lists it.
    pub(super) fn enter<T>(self: &Arc<Self>, make: impl FnOnce() -> (T, u64)) -> (T, Alive) {
        // The view is made under the lock, or somebody could look between its making and listing.
        let mut alive = self.lock();
        let (view, sequence) = make();
        *alive.entry(sequence).or_insert(0) += 1;
        (view, Alive { views: Arc::clone(self), sequence })
    }

    /// Waits at most so long until no view is older than a write; tells whether none is.
    pub(super) fn wait(&self, since: u64, patience: Duration) -> bool {
        let older = |alive: &mut BTreeMap<u64, usize>| {
            alive.first_key_value().is_some_and(|(sequence, _)| *sequence < since)
        };
        let waited = self.dropped.wait_timeout_while(self.lock(), patience, older);
        let (mut alive, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !older(&mut alive)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, usize>> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let mut alive = self.views.lock();
        if let Some(count) = alive.get_mut(&self.sequence) {
            *count -= 1;
            if *count == 0 {
                alive.remove(&self.sequence);
                self.views.dropped.notify_all();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_views_are_waited_for_and_newer_ones_are_not() {
        let views = Arc::new(Views::default());
        let none = Duration::ZERO;
        assert!(views.wait(u64::MAX, none));
        let ((), old) = views.enter(|| ((), 5));
        let ((), twin) = views.enter(|| ((), 5));
        let ((), new) = views.enter(|| ((), 9));
        assert!(views.wait(5, none) && !views.wait(6, none));
        drop(old);
        assert!(!views.wait(9, none), "its twin is there");
        let waiting = Arc::clone(&views);
        let thread = std::thread::spawn(move || waiting.wait(9, Duration::from_secs(60)));
        drop(twin);
        assert!(thread.join().expect("it ends"));
        assert!(!views.wait(10, none));
        drop(new);
        assert!(views.wait(10, none));
    }
}
