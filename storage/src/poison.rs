//! The flag that a failed write or sync sets for good.
//!
//! After `fsync` fails, the operating system may already have dropped the pages and may report
//! success the next time. So nothing is tried again: all later writes are refused until the
//! database is reopened. Published snapshots stay readable.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Poison(AtomicBool);

impl Poison {
    /// Refuses if a write or sync has failed before.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Acquire) { Err(Error::Poisoned) } else { Ok(()) }
    }

    /// Refuses all that comes after.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }
}
