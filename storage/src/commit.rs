//! Group commit: one batch per transaction, one sync for all who wait.
//!
//! A commit has two steps. Under the head's lock, its batch is written to RocksDB, without sync,
//! and the head moves on: the next transaction sees it and may begin. Then the committer waits
//! until its generation is durable. Whoever finds no sync under way becomes the leader: it takes
//! a view of the newest head (again under the head's lock, so that view and head agree), syncs
//! the log once, and publishes that view as the current snapshot. All commits written before the
//! sync began are thereby durable, and their committers return.
//!
//! ```text
//! writer A  write 7 ──┐ leader: view(7)  sync ─────────── publish 7
//! writer B      write 8 ── waits ───────────────────────┐ leader: view(9)  sync ── publish 9
//! writer C          write 9 ── waits ─────────────────────────────────────────────┘
//! ```
//!
//! Invariants: readers never see what is not durable. Generations are published in order. A
//! failed write or sync poisons the store, and every waiting committer gets an error.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use crate::catalog::Catalog;
use crate::changes::{Changes, Recorder, Ring};
use crate::error::{Error, Result};
use crate::id::{ColumnId, TableId};
use crate::kv::{Batch, Kv};
use crate::manifest::{FileGuard, Manifest};
use crate::poison::Poison;
use crate::snapshot::{Home, Snapshot};
use crate::state::State;

/// Pending embeddings by column.
pub(crate) type PendingCounts = BTreeMap<(TableId, ColumnId), u64>;

/// What the last written commit left, durable or not.
#[derive(Clone)]
pub(crate) struct Head {
    pub(crate) state: State,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) pending: Arc<PendingCounts>,
}

/// See the module.
pub(crate) struct Committer {
    kv: Arc<dyn Kv>,
    home: Arc<Home>,
    head: Mutex<Written>,
    durable: Mutex<Durable>,
    turned: Condvar,
    published: RwLock<Snapshot>,
    poison: Poison,
}

struct Written {
    head: Head,
    ring: Ring,
    /// Files that a generation ceased to name; doomed once it is durable.
    retired: Vec<(u64, Arc<FileGuard>)>,
}

struct Durable {
    generation: u64,
    led: bool,
    syncs: u64,
}

impl Committer {
    pub(crate) fn new(kv: Arc<dyn Kv>, home: Arc<Home>, head: Head) -> Committer {
        let snapshot = Snapshot::new(Arc::clone(&home), kv.view(), &head);
        let generation = head.state.generation;
        Committer {
            kv,
            home,
            head: Mutex::new(Written { head, ring: Ring::default(), retired: Vec::new() }),
            durable: Mutex::new(Durable { generation, led: false, syncs: 0 }),
            turned: Condvar::new(),
            published: RwLock::new(snapshot),
            poison: Poison::default(),
        }
    }

    /// The last durable commit.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last written commit.
    pub(crate) fn head(&self) -> Head {
        lock(&self.head).head.clone()
    }

    /// Refuses after a failed write or sync.
    pub(crate) fn check(&self) -> Result<()> {
        self.poison.check()
    }

    pub(crate) fn changes(&self, from: u64, to: u64) -> Option<Changes> {
        lock(&self.head).ring.between(from, to)
    }

    /// Syncs that commits have caused so far.
    pub(crate) fn syncs(&self) -> u64 {
        lock(&self.durable).syncs
    }

    /// Writes a batch that makes `head`. The caller holds the writer lock. Not durable yet.
    pub(crate) fn write(
        &self,
        batch: Batch,
        head: Head,
        changes: Recorder,
        retired: Vec<Arc<FileGuard>>,
    ) -> Result<()> {
        let mut written = lock(&self.head);
        self.poison.check()?;
        if let Err(error) = self.kv.write(batch) {
            // Whether any of it is in the log is unknown.
            self.fail();
            return Err(error);
        }
        let generation = head.state.generation;
        written.head = head;
        written.ring.push(generation, changes);
        written.retired.extend(retired.into_iter().map(|guard| (generation, guard)));
        Ok(())
    }

    /// Waits until a generation is durable and published.
    pub(crate) fn wait(&self, generation: u64) -> Result<()> {
        let mut durable = lock(&self.durable);
        loop {
            if durable.generation >= generation {
                return Ok(());
            }
            self.poison.check()?;
            if !durable.led {
                break;
            }
            durable = self.turned.wait(durable).unwrap_or_else(PoisonError::into_inner);
        }
        durable.led = true;
        drop(durable);
        // One sync covers this commit, so a leader need not look again.
        self.lead()
    }

    /// Publishes the last written commit anew, so that the current snapshot is of now and of nothing
    /// before.
    pub(crate) fn renew(&self) -> Result<()> {
        let mut durable = lock(&self.durable);
        while durable.led {
            durable = self.turned.wait(durable).unwrap_or_else(PoisonError::into_inner);
        }
        self.poison.check()?;
        durable.led = true;
        drop(durable);
        self.lead()
    }

    /// Syncs and publishes, as the one who does so for all.
    fn lead(&self) -> Result<()> {
        let lead = Lead { committer: self, done: false };
        let result = self.sync_and_publish();
        if result.is_err() {
            self.poison.set();
        }
        lead.end();
        result
    }

    /// Waits until a generation after this one is durable, `stop` says so, or so long; the durable
    /// generation then.
    pub(crate) fn wait_beyond(
        &self,
        generation: u64,
        patience: std::time::Duration,
        stop: &dyn Fn() -> bool,
    ) -> u64 {
        let durable = lock(&self.durable);
        let waiting = |durable: &mut Durable| durable.generation <= generation && !stop();
        let (durable, _) = self
            .turned
            .wait_timeout_while(durable, patience, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        durable.generation
    }

    /// Lets those who wait look again.
    pub(crate) fn wake(&self) {
        // Taking the lock orders this behind their last look.
        drop(lock(&self.durable));
        self.turned.notify_all();
    }

    fn sync_and_publish(&self) -> Result<()> {
        let (snapshot, generation) = {
            let written = lock(&self.head);
            let snapshot = Snapshot::new(Arc::clone(&self.home), self.kv.view(), &written.head);
            (snapshot, written.head.state.generation)
        };
        self.kv.sync()?;
        let before = {
            let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *published, snapshot)
        };
        // Dropped outside the lock: it may close files.
        drop(before);
        let mut durable = lock(&self.durable);
        durable.generation = generation;
        durable.syncs += 1;
        drop(durable);
        let retired = {
            let mut written = lock(&self.head);
            let (now, later) = std::mem::take(&mut written.retired)
                .into_iter()
                .partition::<Vec<_>, _>(|(since, _)| *since <= generation);
            written.retired = later;
            now
        };
        for (_, guard) in retired {
            guard.doom();
        }
        Ok(())
    }

    fn fail(&self) {
        self.poison.set();
        // Those who wait for a sync must not wait for ever. Taking the lock orders this wake-up
        // behind their check of the flag.
        drop(lock(&self.durable));
        self.turned.notify_all();
    }
}

/// Ends a leadership, also when the leader panics.
struct Lead<'a> {
    committer: &'a Committer,
    done: bool,
}

impl Lead<'_> {
    fn end(mut self) {
        self.done = true;
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.committer.poison.set();
        }
        lock(&self.committer.durable).led = false;
        self.committer.turned.notify_all();
    }
}

/// The writer lock: one write transaction at a time, whichever thread ends it.
#[derive(Default)]
pub(crate) struct WriterLock {
    held: Mutex<bool>,
    freed: Condvar,
}

/// Holds the writer lock.
pub(crate) struct WriterGuard(Arc<WriterLock>);

impl WriterLock {
    /// Takes the lock, waiting at most `patience`.
    pub(crate) fn take(self: &Arc<Self>, patience: std::time::Duration) -> Result<WriterGuard> {
        let held = lock(&self.held);
        let (mut held, timeout) = self
            .freed
            .wait_timeout_while(held, patience, |held| *held)
            .unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() && *held {
            return Err(Error::Busy { waited: patience });
        }
        *held = true;
        Ok(WriterGuard(Arc::clone(self)))
    }
}

impl Drop for WriterGuard {
    fn drop(&mut self) {
        *lock(&self.0.held) = false;
        self.0.freed.notify_one();
    }
}

/// A panic while one of these locks was held leaves nothing half-done that matters: every change
/// under them is a single assignment, or ends in the poison flag.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
