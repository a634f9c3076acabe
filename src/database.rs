//! An open database.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tastedb_engine::index::IndexInfo;
use tastedb_engine::{Engine, ModelInfo, Receipt, TextEmbedding, Ticket, Vacuumed, Work};
use tastedb_storage::check::{self, Report};
use tastedb_storage::{Catalog, Read, Store, backup};

use crate::error::Result;
use crate::evaluate::Evaluate;
use crate::index::CreateIndex;
use crate::model::{CreateModel, Train};
use crate::options::{Clock, Options};
use crate::recommend::Recommend;
use crate::refresh::Refresh;
use crate::snapshot::Snapshot;
use crate::worker::Worker;
use crate::write::Write;

/// An open database. Cheap to clone; clones share it, from as many threads as there are.
///
/// It is closed when the last clone and the last session are dropped; nothing needs to be flushed
/// then, since what was committed is on disk already. A refresh that runs by itself at that moment is
/// cancelled.
#[derive(Clone)]
pub struct Database {
    /// Dropped first: it ends its thread, which works on the rest.
    worker: Arc<Worker>,
    engine: Engine,
    clock: Clock,
    #[cfg(feature = "sql")]
    sql: tastedb_query::Sql,
}

impl Database {
    /// Opens the database in the folder `path`, and creates it where there is none.
    ///
    /// ```no_run
    /// # fn main() -> tastedb::Result<()> {
    /// let db = tastedb::Database::open("shop.taste")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Locked`](crate::ErrorKind::Locked) where another process has it open,
    /// [`Corrupted`](crate::ErrorKind::Corrupted) where a file was damaged,
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) where the folder holds something else.
    pub fn open(path: impl AsRef<Path>) -> Result<Database> {
        Database::open_with(path, Options::new())
    }

    /// Opens the database in the folder `path`.
    ///
    /// # Errors
    ///
    /// As [`open`](Database::open).
    pub fn open_with(path: impl AsRef<Path>, options: Options) -> Result<Database> {
        let store = Store::open(path.as_ref(), options.storage.clone())?;
        Database::over(store, &options)
    }

    /// A database in memory, gone when it is dropped. For tests and for trying.
    ///
    /// # Errors
    ///
    /// Only where the system refuses memory or threads.
    pub fn in_memory() -> Result<Database> {
        Database::in_memory_with(Options::new())
    }

    /// A database in memory.
    ///
    /// # Errors
    ///
    /// As [`in_memory`](Database::in_memory).
    pub fn in_memory_with(options: Options) -> Result<Database> {
        let store = Store::in_memory(options.storage.clone())?;
        Database::over(store, &options)
    }

    /// The last committed state, to read from. Cheap, and free of locks.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.engine.clone(), self.engine.snapshot())
    }

    /// The tables of the last committed state.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.engine.snapshot().catalog().clone()
    }

    /// Begins a write transaction. There is one at a time: a second writer waits.
    ///
    /// # Errors
    ///
    /// A retryable [`Locked`](crate::ErrorKind::Locked) where the other writer does not end within
    /// [`Options::busy_timeout`], [`ReadOnly`](crate::ErrorKind::ReadOnly) where the database was
    /// opened so.
    pub fn begin_write(&self) -> Result<Write> {
        let txn = self.engine.store().begin()?;
        Ok(Write::new(self.engine.clone(), Arc::clone(&self.clock), Arc::clone(&self.worker), txn))
    }

    /// A session that runs SQL.
    #[cfg(feature = "sql")]
    pub fn session(&self) -> crate::Session {
        crate::Session::new(self)
    }

    /// Recommends rows of `table`, on the last committed state: say for whom, then `run`.
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
    /// # write.record("likes", "u2", "m2", ())?;
    /// # write.commit()?;
    /// let answer = db.recommend("movies").user("u1").using("popular").k(10).run()?;
    /// for row in &answer.rows {
    ///     println!("{} {} {:.3} from {}", row.rank, row.key, row.score, row.source);
    /// }
    /// # assert_eq!(answer.rows.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn recommend(&self, table: impl Into<String>) -> Recommend {
        self.snapshot().recommend(table)
    }

    /// Creates a model: its definition; training is another step. The algorithms are `graph_filter`,
    /// `ease`, `ials`, `item_knn`, `bpr`, `lightgcn`, `ngcf`, `vbpr`, `freedom`, `lattice`, `bm3`,
    /// `mmhcl`, `lirdrec`, `cm3`, `content`, `popular`, `trending` and `latest`.
    pub fn create_model(
        &self,
        name: impl Into<String>,
        algorithm: impl Into<String>,
        interactions: impl Into<String>,
    ) -> CreateModel {
        let (name, algorithm) = (name.into(), algorithm.into());
        let worker = Arc::clone(&self.worker);
        CreateModel::new(self.engine.clone(), worker, name, algorithm, interactions.into())
    }

    /// Drops a model with its versions; false where there is none of that name.
    ///
    /// # Errors
    ///
    /// Where the change cannot be committed.
    pub fn drop_model(&self, name: &str) -> Result<bool> {
        let mut txn = self.engine.store().begin()?;
        let dropped = self.engine.drop_model(&mut txn, name)?;
        txn.commit()?;
        Ok(dropped)
    }

    /// Trains a model on the last committed state. Readers and writers go on meanwhile.
    pub fn train(&self, model: impl Into<String>) -> Train {
        Train::new(self.engine.clone(), model.into())
    }

    /// Brings a trained model up to date with the last committed state: it continues with the settings
    /// it has, which takes a fraction of a training. Readers and writers go on meanwhile.
    pub fn refresh(&self, model: impl Into<String>) -> Refresh {
        Refresh::new(self.engine.clone(), model.into())
    }

    /// Every model, by name, with the version that serves.
    ///
    /// # Errors
    ///
    /// Where a record of the catalogue is damaged.
    pub fn models(&self) -> Result<Vec<ModelInfo>> {
        Ok(self.engine.models(&self.engine.snapshot())?)
    }

    /// Every text embedding: the vector columns that the database computes.
    ///
    /// # Errors
    ///
    /// Where a record of the catalogue is damaged.
    pub fn embeddings(&self) -> Result<Vec<TextEmbedding>> {
        Ok(self.engine.embeddings(&self.engine.snapshot(), None)?)
    }

    /// Creates an index of a vector column of a table of items, which makes looking for what is near
    /// to a vector quick among very many items. The database keeps it current by itself.
    pub fn create_index(
        &self,
        name: impl Into<String>,
        table: impl Into<String>,
        column: impl Into<String>,
    ) -> CreateIndex {
        let (name, table, column) = (name.into(), table.into(), column.into());
        CreateIndex::new(self.engine.clone(), Arc::clone(&self.worker), name, table, column)
    }

    /// Drops an index; false where there is none of that name.
    ///
    /// # Errors
    ///
    /// Where the change cannot be committed.
    pub fn drop_index(&self, name: &str) -> Result<bool> {
        let mut txn = self.engine.store().begin()?;
        let dropped = self.engine.drop_index(&mut txn, name)?;
        txn.commit()?;
        Ok(dropped)
    }

    /// Every index, by name, with how much of what is there it covers.
    ///
    /// # Errors
    ///
    /// Where a record of the catalogue is damaged.
    pub fn indexes(&self) -> Result<Vec<IndexInfo>> {
        Ok(self.engine.index_infos(&self.engine.snapshot())?)
    }

    /// Every forget ticket, oldest first; see [`Write::forget`].
    ///
    /// # Errors
    ///
    /// Where a record of the ledger is damaged.
    pub fn forgets(&self) -> Result<Vec<Ticket>> {
        Ok(self.engine.forgets(&self.engine.snapshot())?)
    }

    /// Carries out now what the open forget tickets ask for, and else rewrites the files without what
    /// was deleted: models that have learned from it are made anew, and no file holds it any more.
    /// What takes long is the rewriting of the whole database, and models that have to be trained
    /// again. Others read and write meanwhile.
    ///
    /// # Errors
    ///
    /// A retryable [`Locked`](crate::ErrorKind::Locked) where a snapshot, a training or a transaction
    /// from before the deletion is held for more than five seconds. The tickets stay open then.
    pub fn vacuum(&self) -> Result<Vacuumed> {
        let clock = || (self.clock)();
        Ok(self.engine.vacuum(&clock, Duration::from_secs(5), &Work::quiet())?)
    }

    /// Looks for what a ticket is about in everything that is stored, and keeps what was seen as a
    /// receipt.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) where there is no such ticket.
    pub fn verify_forget(&self, id: &str) -> Result<Receipt> {
        Ok(self.engine.verify_forget(id, (self.clock)(), &Work::quiet())?)
    }

    /// Forgets here, in a restored backup, what `other`, the same database at a later time, has
    /// forgotten since the backup was made; the new tickets. Users and items that were inserted under
    /// the same key after a deletion are others and stay.
    ///
    /// # Errors
    ///
    /// A [`Conflict`](crate::ErrorKind::Conflict) where `other` is another database.
    pub fn forget_again(&self, other: &Database) -> Result<Vec<Ticket>> {
        Ok(self.engine.forget_again(&other.engine, (self.clock)())?)
    }

    /// Measures models on the interactions of a held-out table.
    pub fn evaluate(&self, held_out: impl Into<String>) -> Evaluate {
        Evaluate::new(self.engine.clone(), held_out.into())
    }

    /// Copies the database to the new folder `destination`, as of one moment, while others read
    /// and write.
    ///
    /// # Errors
    ///
    /// Where the folder exists or cannot be written.
    pub fn backup(&self, destination: impl AsRef<Path>) -> Result<()> {
        Ok(self.engine.store().backup(destination.as_ref())?)
    }

    /// Makes the database `destination` from the backup `source`, which is checked and stays as it
    /// is.
    ///
    /// # Errors
    ///
    /// Where the backup is damaged, or `destination` exists or cannot be written.
    pub fn restore(source: impl AsRef<Path>, destination: impl AsRef<Path>) -> Result<Report> {
        Ok(backup::restore(source.as_ref(), destination.as_ref())?)
    }

    /// Verifies every checksum and every reference of a database that nobody has open.
    ///
    /// # Errors
    ///
    /// Where it cannot be looked at; what is wrong with it is in the report.
    pub fn check(path: impl AsRef<Path>) -> Result<Report> {
        Ok(check::check(path.as_ref())?)
    }

    #[cfg(feature = "sql")]
    pub(crate) fn worker(&self) -> Arc<Worker> {
        Arc::clone(&self.worker)
    }

    #[cfg(feature = "sql")]
    pub(crate) fn sql(&self) -> &tastedb_query::Sql {
        &self.sql
    }

    #[cfg(feature = "sql")]
    fn over(store: Store, options: &Options) -> Result<Database> {
        let settings = tastedb_query::Options {
            threads: options.query_threads(),
            memory: options.memory_of_queries(),
            clock: options.clock.clone(),
        };
        let sql = tastedb_query::Sql::new(store, settings)?;
        let engine = sql.engine().clone();
        let clock = Arc::clone(&options.clock);
        Ok(Database { worker: started(&engine, &clock), engine, clock, sql })
    }

    #[cfg(not(feature = "sql"))]
    fn over(store: Store, options: &Options) -> Result<Database> {
        let engine = Engine::new(store, None);
        let clock = Arc::clone(&options.clock);
        Ok(Database { worker: started(&engine, &clock), engine, clock })
    }
}

/// The worker, at work if there is any.
fn started(engine: &Engine, clock: &Clock) -> Arc<Worker> {
    // Listing the models and the tickets tells the engine which are to be refreshed and whether there
    // are open ones. One that cannot be read keeps nobody from opening the database.
    drop(engine.models(&engine.snapshot()));
    drop(engine.forgets(&engine.snapshot()));
    let worker = Worker::new(engine.clone(), Arc::clone(clock));
    worker.ensure();
    Arc::new(worker)
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("path", &self.engine.store().path()).finish()
    }
}
