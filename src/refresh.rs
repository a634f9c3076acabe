//! Refreshing models without SQL.

use std::sync::Arc;

use tastedb_engine::{CancelToken, Device, Engine, Progress, RefreshRequest, Refreshment, Work};

use crate::error::Result;

/// A refresh; see [`Database::refresh`](crate::Database::refresh).
///
/// ```
/// # fn main() -> tastedb::Result<()> {
/// # use tastedb::{Database, NewTable};
/// # let db = Database::in_memory()?;
/// # let mut write = db.begin_write()?;
/// # write.create_table(NewTable::users("people"))?;
/// # write.create_table(NewTable::items("movies"))?;
/// # write.create_table(NewTable::interactions("likes", "people", "movies").create_unknown())?;
/// # write.record("likes", "u1", "m1", ())?;
/// # write.record("likes", "u1", "m2", ())?;
/// # write.commit()?;
/// db.create_model("taste", "item_knn", "likes").create()?;
/// db.train("taste").run()?;
/// let mut write = db.begin_write()?;
/// write.record("likes", "u2", "m1", ())?;
/// write.commit()?;
/// let refreshed = db.refresh("taste").run()?;
/// assert!(refreshed.changed);
/// assert_eq!((refreshed.version.version, refreshed.version.pairs), (2, 3));
/// assert!(!db.refresh("taste").run()?.changed);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is refreshed before `run`"]
pub struct Refresh {
    engine: Engine,
    request: RefreshRequest,
    work: Work,
}

impl Refresh {
    pub(crate) fn new(engine: Engine, model: String) -> Refresh {
        let statement = format!("REFRESH MODEL {model}");
        let request = RefreshRequest { model, statement, ..RefreshRequest::default() };
        Refresh { engine, request, work: Work::quiet() }
    }

    /// The seed of everything random; that of the version before unless said.
    pub fn seed(mut self, seed: u64) -> Refresh {
        self.request.seed = Some(seed);
        self
    }

    /// What trains it, where it is trained; the processor unless said.
    pub fn device(mut self, device: Device) -> Refresh {
        self.request.device = device;
        self
    }

    /// Whom to tell how far it is.
    pub fn progress(mut self, progress: Arc<dyn Progress>) -> Refresh {
        self.work.progress = progress;
        self
    }

    /// What stops it. A run that was stopped leaves the old version serving.
    pub fn cancel(mut self, token: CancelToken) -> Refresh {
        self.work.cancel = token;
        self
    }

    /// How many threads to use; 0, the default, means one for each core.
    pub fn threads(mut self, threads: usize) -> Refresh {
        self.work.threads = threads;
        self
    }

    /// Refreshes, and lets the result serve.
    ///
    /// # Errors
    ///
    /// Where the model is unknown or was never trained, nothing is left to learn from, memory would
    /// not suffice, the device is not at hand, another version was published meanwhile, or it was cancelled. The old version
    /// goes on serving then.
    pub fn run(self) -> Result<Refreshment> {
        Ok(self.engine.refresh(&self.request, &self.work)?)
    }
}

impl std::fmt::Debug for Refresh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Refresh").field("request", &self.request).finish_non_exhaustive()
    }
}
