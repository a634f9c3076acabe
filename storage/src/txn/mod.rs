//! A write transaction: everything a statement changes, until the commit.
//!
//! Changes are kept in memory, laid over a view of the last written state: rows and records in an
//! [`Overlay`], adjacency lists as [`List`]s, the catalog and the manifest as new versions of
//! themselves. Reading through the transaction sees them. Only segments that grow too large for
//! memory, and artifacts, become files before the commit; they are removed again if it does not
//! come. Dropping a transaction rolls it back.
//!
//! Not here: how a commit becomes durable ([`commit`](crate::commit)). Invariants: a refused call
//! changes nothing; one that fails half-way leaves a transaction that cannot be committed.

mod embeddings;
mod interactions;
mod lists;
mod reading;
mod rows;
mod schema;
mod seal;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use interactions::Deleted;
pub use rows::Put;

use self::interactions::UniqueKeys;
use self::lists::Lists;
use crate::artifact::Staged;
use crate::catalog::Catalog;
use crate::changes::{Mark, Recorder};
use crate::commit::{Head, PendingCounts, WriterGuard};
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::hash::IdSet;
use crate::id::{ColumnId, EntityId, TableId};
use crate::key;
use crate::kv::{Batch, Cf, KvView};
use crate::manifest::{FileGuard, Manifest, PublishedArtifact};
use crate::overlay::Overlay;
use crate::state::State;
use crate::store::Inner;

/// See the module.
pub struct WriteTxn {
    store: Arc<Inner>,
    writer: WriterGuard,
    /// The last written state, which nobody else changes meanwhile.
    view: Arc<dyn KvView>,
    before: Head,
    schema: Schema,
    overlay: Overlay,
    lists: Lists,
    /// Users and items known to exist.
    known: IdSet<(TableId, EntityId)>,
    unique: UniqueKeys,
    changes: Recorder,
    savepoint: Option<Savepoint>,
    failed: bool,
}

/// What a savepoint can put back by copying.
#[derive(Clone)]
struct Schema {
    state: State,
    catalog: Arc<Catalog>,
    manifest: Arc<Manifest>,
    pending: Arc<PendingCounts>,
    dropped_tables: Vec<TableId>,
    dropped_columns: Vec<(TableId, ColumnId)>,
    /// Vector columns that were written to.
    touched: BTreeSet<(TableId, ColumnId)>,
    /// Rows whose computed columns are not up to date; a row may occur twice.
    outdated: Vec<(TableId, EntityId)>,
}

struct Savepoint {
    schema: Schema,
    changes: Mark,
}

impl WriteTxn {
    pub(crate) fn begin(store: Arc<Inner>, writer: WriterGuard) -> WriteTxn {
        let before = store.committer.head();
        let schema = Schema {
            state: before.state.clone(),
            catalog: Arc::clone(&before.catalog),
            manifest: Arc::clone(&before.manifest),
            pending: Arc::clone(&before.pending),
            dropped_tables: Vec::new(),
            dropped_columns: Vec::new(),
            touched: BTreeSet::new(),
            outdated: Vec::new(),
        };
        WriteTxn {
            view: store.kv.view(),
            store,
            writer,
            before,
            schema,
            overlay: Overlay::default(),
            lists: Lists::default(),
            known: IdSet::default(),
            unique: UniqueKeys::default(),
            changes: Recorder::default(),
            savepoint: None,
            failed: false,
        }
    }

    /// The generation that this transaction began from.
    pub fn generation(&self) -> u64 {
        self.before.state.generation
    }

    /// Sets the savepoint, replacing an earlier one.
    pub fn savepoint(&mut self) {
        self.overlay.set_savepoint();
        self.lists.set_savepoint();
        self.savepoint =
            Some(Savepoint { schema: self.schema.clone(), changes: self.changes.mark() });
    }

    /// Undoes everything since the savepoint, which stays set.
    pub fn rollback_to_savepoint(&mut self) -> Result<()> {
        let Some(savepoint) = &self.savepoint else {
            return Err(Error::Savepoint { what: "there is no savepoint" });
        };
        self.schema = savepoint.schema.clone();
        self.changes.rollback(savepoint.changes);
        self.overlay.rollback();
        self.lists.rollback();
        self.known.clear();
        self.unique.clear();
        self.failed = false;
        Ok(())
    }

    /// Keeps everything since the savepoint and removes it.
    pub fn release_savepoint(&mut self) -> Result<()> {
        if self.savepoint.take().is_none() {
            return Err(Error::Savepoint { what: "there is no savepoint" });
        }
        self.overlay.release_savepoint();
        self.lists.release_savepoint();
        Ok(())
    }

    /// Sets a named record.
    pub fn put_record(&mut self, key: &str, value: &[u8]) {
        self.overlay.put(Cf::Records, key.as_bytes().to_vec(), value.to_vec());
    }

    /// Removes a named record, if it exists.
    pub fn delete_record(&mut self, key: &str) {
        self.overlay.delete(Cf::Records, key.as_bytes().to_vec());
    }

    /// Publishes a staged artifact under its name with this transaction, replacing an earlier
    /// one. Its bytes and its name are durable before this returns.
    pub fn publish(&mut self, staged: Staged) -> Result<()> {
        let name = staged.name().to_owned();
        let guard = FileGuard::uncommitted(&self.store.home.dir, staged.publish()?);
        let artifact = PublishedArtifact::open(guard)?;
        Arc::make_mut(&mut self.schema.manifest).set_artifact(&name, artifact);
        Ok(())
    }

    /// Removes an artifact with this transaction; tells whether there was one. Snapshots that
    /// have it keep it.
    pub fn unpublish(&mut self, name: &str) -> bool {
        self.schema.manifest.names(name)
            && Arc::make_mut(&mut self.schema.manifest).remove_artifact(name)
    }

    /// Makes the changes durable and visible; returns the new generation. A transaction that
    /// changed nothing writes nothing.
    pub fn commit(mut self) -> Result<u64> {
        if self.failed {
            return Err(Error::Aborted);
        }
        self.store.committer.check()?;
        if let Some((table, _)) = self.schema.outdated.first() {
            return Err(Error::Outdated { table: self.schema.catalog.need(*table)?.name.clone() });
        }
        self.savepoint = None;
        self.overlay.release_savepoint();
        self.lists.release_savepoint();
        self.tidy_segments()?;
        if self.is_unchanged() {
            return Ok(self.generation());
        }
        let WriteTxn { store, writer, before, mut schema, overlay, lists, changes, .. } = self;
        schema.state.generation += 1;
        schema.state.next_file = store.next_file();
        let mut batch = Batch::default();
        schema.write_drops(&mut batch);
        overlay.write(&mut batch, |cf, key| !schema.is_dropped(cf, key));
        lists.write(&mut batch, |table| !schema.dropped_tables.contains(&table));
        let retired = schema.manifest.write(&before.manifest, &mut batch);
        batch.put(Cf::Catalog, key::STATE.to_vec(), schema.state.encode());
        let generation = schema.state.generation;
        let head = Head {
            state: schema.state,
            catalog: schema.catalog,
            manifest: schema.manifest,
            pending: schema.pending,
        };
        store.committer.write(batch, head, changes, retired)?;
        drop(writer);
        store.committer.wait(generation)?;
        Ok(generation)
    }

    fn is_unchanged(&self) -> bool {
        self.overlay.is_empty()
            && self.lists.is_unchanged()
            && self.schema.dropped_tables.is_empty()
            && self.schema.dropped_columns.is_empty()
            && Arc::ptr_eq(&self.schema.manifest, &self.before.manifest)
    }

    /// The current value of a key, handed to `found`; tells whether there is one.
    fn with(&self, cf: Cf, key: &[u8], found: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        match self.overlay.get(cf, key) {
            Some(Some(value)) => found(value).map(|()| true),
            Some(None) => Ok(false),
            None => self.view.with(cf, key, found),
        }
    }

    /// The files of the database.
    fn dir(&self) -> &Arc<dyn Directory> {
        &self.store.home.dir
    }

    /// Runs an operation of several steps; if it fails half-way, the transaction is done for.
    fn whole<T>(&mut self, operation: impl FnOnce(&mut WriteTxn) -> Result<T>) -> Result<T> {
        let result = operation(self);
        self.failed |= result.is_err();
        result
    }
}

impl std::fmt::Debug for WriteTxn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteTxn").field("generation", &self.generation()).finish_non_exhaustive()
    }
}

impl Schema {
    /// Removes what dropped tables and columns had stored.
    fn write_drops(&self, batch: &mut Batch) {
        for table in &self.dropped_tables {
            let range = key::of_table(*table);
            for cf in BY_TABLE {
                batch.delete_range(cf, range.from.clone(), range.to.clone());
            }
        }
        for (table, column) in &self.dropped_columns {
            let range = key::pending_of(*table, *column);
            batch.delete_range(Cf::Pending, range.from, range.to);
        }
    }

    /// Whether a key belongs to a dropped table or column.
    fn is_dropped(&self, cf: Cf, key: &[u8]) -> bool {
        if !BY_TABLE.contains(&cf) {
            return false;
        }
        let table = key::table_of(key);
        let column = || key::pending_parts(key).map(|(table, column, _)| (table, column));
        table.is_some_and(|table| self.dropped_tables.contains(&table))
            || (cf == Cf::Pending
                && column().is_some_and(|column| self.dropped_columns.contains(&column)))
    }
}

/// The column families whose keys begin with a table.
const BY_TABLE: [Cf; 5] = [Cf::Entities, Cf::Ids, Cf::ByUser, Cf::ByItem, Cf::Pending];
