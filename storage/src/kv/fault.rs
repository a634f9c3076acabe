//! A [`Kv`] whose n-th write, sync or erasure fails, and all after it: for tests.
//!
//! It counts; it never touches bytes. Invariant: reads never fail, because a failed read is no
//! danger to what is stored.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::kv::{Batch, Kv, KvSize, KvView};

/// See the module.
pub struct FaultKv {
    inner: Arc<dyn Kv>,
    remaining: AtomicI64,
    writes: AtomicU64,
    syncs: AtomicU64,
}

impl FaultKv {
    /// Lets `inner` through until told otherwise.
    pub fn new(inner: Arc<dyn Kv>) -> FaultKv {
        FaultKv {
            inner,
            remaining: AtomicI64::new(i64::MAX),
            writes: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
        }
    }

    /// From now on, lets `n` writes, syncs and erasures through and fails those after.
    pub fn fail_after(&self, n: u32) {
        self.remaining.store(i64::from(n), Ordering::SeqCst);
    }

    /// Writes asked for so far.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// Syncs asked for so far.
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::SeqCst)
    }

    fn pass(&self, op: &'static str) -> Result<()> {
        if self.remaining.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Ok(());
        }
        Err(Error::Kv { op, cf: None, message: "injected fault".to_owned() })
    }
}

impl Kv for FaultKv {
    fn view(&self) -> Arc<dyn KvView> {
        self.inner.view()
    }

    fn write(&self, batch: Batch) -> Result<()> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.pass("write")?;
        self.inner.write(batch)
    }

    fn sync(&self) -> Result<()> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        self.pass("sync")?;
        self.inner.sync()
    }

    fn flush(&self) -> Result<()> {
        self.inner.flush()
    }

    fn compact(&self) -> Result<()> {
        self.inner.compact()
    }

    fn sequence(&self) -> u64 {
        self.inner.sequence()
    }

    fn erase(&self, since: u64, patience: Duration) -> Result<()> {
        self.pass("erase")?;
        self.inner.erase(since, patience)
    }

    fn checkpoint(&self, to: &Path) -> Result<()> {
        self.inner.checkpoint(to)
    }

    fn verify(&self) -> Result<()> {
        self.inner.verify()
    }

    fn size(&self) -> KvSize {
        self.inner.size()
    }
}
