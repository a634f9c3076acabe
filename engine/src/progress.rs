//! How long work says how far it is, and how it is stopped.
//!
//! The library never prints: it reports to a [`Progress`], and looks at a [`CancelToken`] between
//! blocks of work, some tens of milliseconds apart.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use crate::{CurvePoint, Device, Error, Result, background};

/// Where long work reports. It may be called from several threads.
pub trait Progress: Send + Sync {
    /// `done` of `total` steps of `stage` are finished; `note` is a short remark or empty.
    fn report(&self, stage: &str, done: u64, total: u64, note: &str);

    /// A training by gradients has validated what it learned so far. Who only counts steps need not listen.
    fn learned(&self, _point: &CurvePoint) {}
}

/// Reports to nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn report(&self, _stage: &str, _done: u64, _total: u64, _note: &str) {}
}

/// Stops work that was given a clone of it. Once cancelled it stays so.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that nobody has cancelled.
    pub fn new() -> CancelToken {
        CancelToken::default()
    }

    /// Asks the work to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the work was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The circumstances of long work: whom to tell, when to stop, how many threads to use, on what
/// device. But for the device, with which last digits differ, they never change the result.
#[derive(Clone)]
pub struct Work {
    /// Where to report.
    pub progress: Arc<dyn Progress>,
    /// What stops the work.
    pub cancel: CancelToken,
    /// The number of threads; 0 means one for each core.
    pub threads: usize,
    /// What trains by gradients.
    pub device: Device,
}

impl Work {
    /// Work on all cores that reports to nobody and that nobody stops.
    pub fn quiet() -> Work {
        let cancel = CancelToken::new();
        Work { progress: Arc::new(Silent), cancel, threads: 0, device: Device::Cpu }
    }

    /// Fails with [`Error::Cancelled`] once the token was cancelled.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Reports, and fails if the work was cancelled.
    pub fn step(&self, stage: &str, done: u64, total: u64) -> Result<()> {
        self.check()?;
        self.progress.report(stage, done, total, "");
        Ok(())
    }

    /// What `f` makes of each, in their order, on threads of its own as [`install`](Work::install) has
    /// them. The first error in that order, if there is one.
    pub fn each<T: Sync, R: Send, E: Send>(
        &self,
        list: &[T],
        f: impl Fn(&T) -> std::result::Result<R, E> + Send + Sync,
    ) -> std::result::Result<Vec<R>, E> {
        let made: Vec<_> = self.install(|| list.par_iter().map(f).collect());
        made.into_iter().collect()
    }

    /// Runs `f` on threads of its own, as many as asked for, which give way to those that answer.
    pub fn install<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        background::install(self.threads, f)
    }
}

impl Default for Work {
    fn default() -> Work {
        Work::quiet()
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work")
            .field("cancel", &self.cancel)
            .field("threads", &self.threads)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}
