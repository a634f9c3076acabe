//! Creating indexes without SQL.

use std::sync::Arc;

use tastedb_engine::index::{Built, NewIndex};
use tastedb_engine::{CancelToken, Engine, Existing, ModelOptions, Progress, Work};
use tastedb_storage::Read;

use crate::error::Result;
use crate::model::IntoOption;
use crate::worker::Worker;

/// An index to create; see [`Database::create_index`](crate::Database::create_index).
///
/// ```
/// # fn main() -> tastedb::Result<()> {
/// # use tastedb::{Database, NewTable};
/// # let db = Database::in_memory()?;
/// # let mut write = db.begin_write()?;
/// # write.create_table(NewTable::items("movies").vector("text", 2))?;
/// # write.put_item("movies", "m1", ())?;
/// # write.put_item("movies", "m2", ())?;
/// # write.put_embedding("movies", "m1", "text", &[1.0, 0.0])?;
/// # write.put_embedding("movies", "m2", "text", &[0.0, 1.0])?;
/// # write.commit()?;
/// let built = db.create_index("movies_text", "movies", "text").option("m", 8).create()?;
/// assert_eq!(built.items, 2);
/// let answer = db.recommend("movies").vector("text", [0.2, 0.9]).k(1).run()?;
/// assert_eq!(answer.rows[0].key, "m2");
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is created before `create`"]
pub struct CreateIndex {
    engine: Engine,
    worker: Arc<Worker>,
    new: NewIndex,
    work: Work,
}

impl CreateIndex {
    pub(crate) fn new(
        engine: Engine,
        worker: Arc<Worker>,
        name: String,
        table: String,
        column: String,
    ) -> CreateIndex {
        let (options, existing) = (ModelOptions::new(), Existing::Refuse);
        let new = NewIndex { name, table, column, method: None, options, existing };
        CreateIndex { engine, worker, new, work: Work::quiet() }
    }

    /// A setting: `metric`, `m`, `ef_construction`, `ef` or `seed`. An unknown one, or a value that will not do,
    /// is an error that names the known ones.
    pub fn option(mut self, name: impl Into<String>, value: impl IntoOption) -> CreateIndex {
        self.new.options.set(name, value.into_option());
        self
    }

    /// Whom to tell how far it is.
    pub fn progress(mut self, progress: Arc<dyn Progress>) -> CreateIndex {
        self.work.progress = progress;
        self
    }

    /// What stops it. Where it was stopped there is no index.
    pub fn cancel(mut self, token: CancelToken) -> CreateIndex {
        self.work.cancel = token;
        self
    }

    /// How many threads to use; 0, the default, means one for each core.
    pub fn threads(mut self, threads: usize) -> CreateIndex {
        self.work.threads = threads;
        self
    }

    /// Builds it from the last committed state and creates it.
    ///
    /// # Errors
    ///
    /// Where the name is taken, the column has an index already or holds no vectors, an option is
    /// unknown, or it was cancelled. Nothing is changed then.
    pub fn create(self) -> Result<Built> {
        let CreateIndex { engine, worker, new, work } = self;
        let snapshot = engine.snapshot();
        engine.check_index(snapshot.catalog(), &engine.indexes(&snapshot)?, &new)?;
        let fitted = engine.fit_index(&snapshot, &new, &work)?;
        drop(snapshot);
        let built = fitted.built().clone();
        let mut txn = engine.store().begin()?;
        engine.create_index(&mut txn, &new, Some(fitted))?;
        txn.commit()?;
        worker.ensure();
        Ok(built)
    }
}

impl std::fmt::Debug for CreateIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateIndex").field("new", &self.new).finish_non_exhaustive()
    }
}
