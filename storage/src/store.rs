//! A database directory, opened: where snapshots and transactions come from.
//!
//! Opening takes the lock, checks the format, opens RocksDB (which replays its log), reads the
//! catalog and the manifest, opens and verifies every file that the manifest names, and removes
//! what it does not name. From then on there is one writer at a time and any number of readers,
//! who take no lock that a writer holds for longer than a pointer's copy.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::artifact::{MODELS_DIR, StagedArtifact};
use crate::backup::{Backup, KV_DIR};
use crate::catalog::{Catalog, Table};
use crate::changes::Changes;
use crate::check::{Report, check_store};
use crate::codec::{Decoder, Place};
use crate::commit::{Committer, Head, PendingCounts, WriterLock};
use crate::directory::{self, Directory, EntryKind, MemDirectory, OsDirectory, TMP_DIR};
use crate::embedding;
use crate::error::{Error, Result};
use crate::format_file::{Access, DatabaseId, FORMAT_FILE, Format};
use crate::key;
use crate::kv::{Cf, Kv, KvOptions, KvView, RocksKv};
use crate::lock::{LOCK_FILE, Lock};
use crate::manifest::Manifest;
use crate::search::{Fingerprint, Searched, Searcher};
use crate::segment::SEGMENTS_DIR;
use crate::snapshot::{Home, Snapshot};
use crate::state::State;
use crate::txn::WriteTxn;

/// Whether opening may create a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Create {
    /// Create one where there is none.
    #[default]
    IfMissing,
    /// Fail where there is none.
    Never,
    /// Fail where there is one.
    MustBeNew,
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long [`Store::begin`] waits for another write transaction to end.
    pub busy_timeout: Duration,
    /// A commit seals the pending embeddings of a column when there are this many.
    pub seal_rows: usize,
    /// A transaction seals the pending embeddings of a column when they have this many bytes.
    pub seal_bytes: usize,
    /// A chunk of an adjacency list is closed before it grows beyond this.
    pub chunk_bytes: usize,
    /// Open for reading only: nothing is written, not even recovered or swept.
    pub read_only: bool,
    /// Whether opening may create a database.
    pub create: Create,
    /// Bytes of RocksDB blocks kept in memory.
    pub cache_bytes: usize,
    /// The identity of the database if one is created. Storage draws no random numbers.
    pub id: DatabaseId,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            busy_timeout: Duration::from_secs(5),
            seal_rows: 4096,
            seal_bytes: 64 << 20,
            // A list of some 150 rated and dated interactions is one point read.
            chunk_bytes: 4096,
            read_only: false,
            create: Create::default(),
            cache_bytes: 64 << 20,
            id: DatabaseId([0; 16]),
        }
    }
}

/// An open database; see the module. Clones are the same store.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

/// What the store and its transactions share.
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) committer: Committer,
    writer: Arc<WriterLock>,
    /// The next number of a segment or artifact; numbers of files that nobody published are lost.
    file: AtomicU64,
    root: Option<PathBuf>,
    pub(crate) kv: Arc<dyn Kv>,
    pub(crate) home: Arc<Home>,
}

impl Inner {
    /// A number for a new file.
    pub(crate) fn new_file(&self) -> u64 {
        self.file.fetch_add(1, Ordering::Relaxed)
    }

    /// A number above those of all files so far.
    pub(crate) fn next_file(&self) -> u64 {
        self.file.load(Ordering::Relaxed)
    }
}

/// Sizes and counts, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The last durable generation.
    pub generation: u64,
    /// Syncs of the log that commits have caused since the open.
    pub syncs: u64,
    /// Bytes of RocksDB's sorted files.
    pub kv_disk_bytes: u64,
    /// Bytes of RocksDB's write buffers.
    pub kv_buffered_bytes: u64,
    /// Bytes of RocksDB's cached blocks.
    pub kv_cached_bytes: u64,
    /// Segments, over all columns.
    pub segments: u64,
    /// Live embeddings in segments.
    pub sealed_embeddings: u64,
    /// Deleted rows that segments still hold.
    pub deleted_embeddings: u64,
    /// Embeddings that no segment holds yet.
    pub pending_embeddings: u64,
    /// Published artifacts.
    pub artifacts: u64,
    /// Bytes of all segments and artifacts.
    pub file_bytes: u64,
}

impl Store {
    /// Opens the database in a directory.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Store> {
        let path = path.as_ref();
        let access = if options.read_only { Access::Read } else { Access::Write };
        // Before anything is touched: a directory of something else is left as it is.
        let is_new = admit(path, &options)?;
        let dir = if is_new { OsDirectory::create(path)? } else { OsDirectory::open(path)? };
        let lock = Lock::acquire(path, access)?;
        // Another process may have created the database before we had the lock.
        let format = match Format::read(&dir)? {
            Some(_) if options.create == Create::MustBeNew => {
                return Err(Error::DatabaseExists { path: path.to_owned() });
            }
            Some(format) => {
                format.admit(&dir, access)?;
                Some(format)
            }
            None => None,
        };
        let kv_options =
            KvOptions { cache_bytes: options.cache_bytes, access, ..KvOptions::default() };
        let kv = RocksKv::open(&dir.path(KV_DIR), &kv_options)?;
        let format = match format {
            Some(format) => format,
            None if State::load(&*kv.view())?.is_some() => {
                return Err(Error::MissingFile { path: dir.path(FORMAT_FILE) });
            }
            None => {
                // Written last: from here on the directory is a database.
                let format = Format::new(options.id);
                format.write(&dir)?;
                format
            }
        };
        let home = Home { dir: Arc::new(dir), format, _lock: lock };
        Store::assemble(Arc::new(kv), home, Some(path.to_owned()), options)
    }

    /// A new database in memory, for tests and for data that need not last.
    pub fn in_memory(options: Options) -> Result<Store> {
        let kv_options = KvOptions { cache_bytes: options.cache_bytes, ..KvOptions::default() };
        let kv = RocksKv::in_memory(&kv_options)?;
        Store::from_parts(Arc::new(kv), Arc::new(MemDirectory::new()), options)
    }

    /// A store over a given key-value store and directory, neither of them locked: the seam at
    /// which tests inject faults.
    pub fn from_parts(kv: Arc<dyn Kv>, dir: Arc<dyn Directory>, options: Options) -> Result<Store> {
        let format = match Format::read(&*dir)? {
            Some(format) => format,
            None => {
                let format = Format::new(options.id);
                format.write(&*dir)?;
                format
            }
        };
        let root = dir.root().map(Path::to_owned);
        Store::assemble(kv, Home { dir, format, _lock: None }, root, options)
    }

    fn assemble(
        kv: Arc<dyn Kv>,
        home: Home,
        root: Option<PathBuf>,
        options: Options,
    ) -> Result<Store> {
        let view = kv.view();
        let state = State::load(&*view)?.unwrap_or_else(State::new);
        let catalog = load_catalog(&*view)?;
        let manifest = Manifest::load(&*view, &home.dir)?;
        check_shapes(&catalog, &manifest, &*home.dir)?;
        if !options.read_only {
            sweep(&*home.dir, &manifest)?;
        }
        let head = Head {
            catalog: Arc::new(catalog),
            manifest: Arc::new(manifest),
            pending: Arc::new(count_pending(&*view)?),
            state,
        };
        drop(view);
        let file = AtomicU64::new(head.state.next_file);
        let home = Arc::new(home);
        let committer = Committer::new(Arc::clone(&kv), Arc::clone(&home), head);
        let writer = Arc::default();
        Ok(Store(Arc::new(Inner { options, committer, writer, file, root, kv, home })))
    }

    /// The last durable commit. Costs the copy of a pointer.
    pub fn snapshot(&self) -> Snapshot {
        self.0.committer.snapshot()
    }

    /// Begins a write transaction, waiting for the one before it to end.
    pub fn begin(&self) -> Result<WriteTxn> {
        self.begin_within(self.0.options.busy_timeout)
    }

    /// Begins a write transaction, waiting at most this long for the one before it to end.
    pub fn begin_within(&self, patience: Duration) -> Result<WriteTxn> {
        if self.0.options.read_only {
            return Err(Error::ReadOnly);
        }
        self.0.committer.check()?;
        let writer = self.0.writer.take(patience)?;
        self.0.committer.check()?;
        Ok(WriteTxn::begin(Arc::clone(&self.0), writer))
    }

    /// Starts an artifact, to be published by a transaction.
    pub fn stage(&self, name: &str) -> Result<StagedArtifact> {
        if self.0.options.read_only {
            return Err(Error::ReadOnly);
        }
        StagedArtifact::create(&self.0.home.dir, name, self.0.new_file())
    }

    /// Waits until a commit after `generation` is durable, `stop` says so when it is asked, or at most
    /// this long; returns the durable generation. `stop` is asked at each commit and each
    /// [`wake`](Store::wake).
    pub fn wait_beyond(&self, generation: u64, patience: Duration, stop: &dyn Fn() -> bool) -> u64 {
        self.0.committer.wait_beyond(generation, patience, stop)
    }

    /// Lets those in [`wait_beyond`](Store::wait_beyond) ask whether to stop.
    pub fn wake(&self) {
        self.0.committer.wake();
    }

    /// What the commits after generation `from` up to that of `to` touched; `None` if that is
    /// not remembered, so that whatever was derived from `from` must be rebuilt.
    pub fn changes_since(&self, from: u64, to: &Snapshot) -> Option<Changes> {
        self.0.committer.changes(from, to.generation())
    }

    /// The database directory; `None` in memory.
    pub fn path(&self) -> Option<&Path> {
        self.0.root.as_deref()
    }

    /// The identity of the database.
    pub fn id(&self) -> DatabaseId {
        self.0.home.format.id
    }

    /// Whether the store was opened for reading only.
    pub fn is_read_only(&self) -> bool {
        self.0.options.read_only
    }

    /// Writes buffered rows to sorted files, so that the next open has nothing to replay.
    pub fn flush(&self) -> Result<()> {
        if self.0.options.read_only {
            return Err(Error::ReadOnly);
        }
        self.0.kv.flush()
    }

    /// Seals all pending embeddings, merges segments, and rewrites RocksDB's files, so that
    /// deleted data is gone from them.
    pub fn compact(&self) -> Result<()> {
        let mut txn = self.begin()?;
        txn.compact_embeddings()?;
        txn.commit()?;
        self.0.kv.compact()
    }

    /// Rewrites the files so that nothing which was deleted before the call is in any of them: no
    /// row, no key, no vector, no older artifact, and no trace in a log. Whoever reads an older state
    /// needs what it sees, so such readers are waited for, at most `patience` each time; others read
    /// and write meanwhile.
    pub fn erase(&self, patience: Duration) -> Result<()> {
        let mut txn = self.begin()?;
        txn.compact_embeddings()?;
        txn.commit()?;
        let since = self.0.kv.sequence();
        self.0.committer.renew()?;
        self.0.kv.erase(since, patience)?;
        // With the lock, no file is between its rename and its commit.
        let _writer = self.0.writer.take(self.0.options.busy_timeout)?;
        let head = self.0.committer.head();
        // What the durable state names must stay, and so nothing goes that only a later one dropped.
        self.0.committer.wait(head.state.generation)?;
        let left = unnamed(&*self.0.home.dir, &head.manifest)?;
        match left.into_iter().next() {
            None => Ok(()),
            Some(name) => Err(Error::Leftover { path: self.0.home.dir.path(&name) }),
        }
    }

    /// What some bytes are searched by without keeping them; see [`Store::search`].
    pub fn fingerprint(&self, bytes: &[u8]) -> Fingerprint {
        self.searcher().fingerprint(bytes)
    }

    /// Searches every file of the database, as it lies there, and every record, as it is stored in
    /// them, for bytes of these fingerprints.
    pub fn search(&self, wanted: &[Fingerprint]) -> Result<Searched> {
        let view = self.0.kv.view();
        self.searcher().search(wanted, &*self.0.home.dir, &*view)
    }

    fn searcher(&self) -> Searcher {
        Searcher::new(self.id())
    }

    /// Makes a consistent copy of the database at a path where nothing is yet. Readers go on;
    /// writers wait only while RocksDB links its files.
    pub fn backup(&self, target: &Path) -> Result<()> {
        if self.path().is_none() {
            return Err(Error::Unsupported { what: "a database in memory cannot be backed up" });
        }
        let backup = Backup::begin(target)?;
        let manifest = {
            let _writer = self.0.writer.take(self.0.options.busy_timeout)?;
            self.0.kv.checkpoint(&backup.kv_path())?;
            self.0.committer.head().manifest
        };
        backup.finish(&*self.0.home.dir, manifest.files(), &self.0.home.format)
    }

    /// Reads everything that is stored, verifies every checksum, and compares every reference both
    /// ways. A commit meanwhile may be seen in part, so it waits for the writer and keeps others
    /// out.
    pub fn check(&self) -> Result<Report> {
        let _writer = self.0.writer.take(self.0.options.busy_timeout)?;
        Ok(check_store(&*self.0.kv, &*self.0.home.dir))
    }

    /// Sizes and counts.
    pub fn stats(&self) -> Stats {
        let snapshot = self.snapshot();
        let head = self.0.committer.head();
        let size = self.0.kv.size();
        let manifest = snapshot.manifest();
        let mut stats = Stats {
            generation: snapshot.generation(),
            syncs: self.0.committer.syncs(),
            kv_disk_bytes: size.disk,
            kv_buffered_bytes: size.buffered,
            kv_cached_bytes: size.cached,
            pending_embeddings: head.pending.values().sum(),
            artifacts: manifest.artifacts().count() as u64,
            file_bytes: manifest.files().map(|file| file.len).sum(),
            ..Stats::default()
        };
        for (table, column) in manifest.columns() {
            for segment in manifest.segments(table, column) {
                stats.segments += 1;
                stats.sealed_embeddings += segment.live_rows();
                stats.deleted_embeddings += segment.deleted.len();
            }
        }
        stats
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path()).finish_non_exhaustive()
    }
}

/// Whether a path can be opened under these options; tells whether the directory must be made
/// into a database.
fn admit(path: &Path, options: &Options) -> Result<bool> {
    let may_create = options.create != Create::Never && !options.read_only;
    let missing = || Error::NotFound { path: path.to_owned() };
    if !OsDirectory::exists(path) {
        return if may_create { Ok(true) } else { Err(missing()) };
    }
    let dir = OsDirectory::open(path)?;
    if dir.len(FORMAT_FILE)?.is_some() {
        if options.create == Create::MustBeNew {
            return Err(Error::DatabaseExists { path: path.to_owned() });
        }
        return Ok(false);
    }
    let entries = dir.list("")?;
    // What a creation that was interrupted leaves.
    let is_ours = |entry: &directory::Entry| match entry.kind {
        EntryKind::File { .. } => entry.name == LOCK_FILE,
        EntryKind::Dir => [KV_DIR, TMP_DIR].contains(&entry.name.as_str()),
    };
    if !entries.iter().all(is_ours) {
        return Err(Error::NotADatabase { path: path.to_owned() });
    }
    if may_create { Ok(true) } else { Err(missing()) }
}

/// Removes what the manifest does not name; what cannot be removed is returned.
fn unnamed(dir: &dyn Directory, manifest: &Manifest) -> Result<Vec<String>> {
    let live: std::collections::HashSet<&str> =
        manifest.files().map(|file| file.name.as_str()).collect();
    let mut left = Vec::new();
    for at in [SEGMENTS_DIR, MODELS_DIR] {
        directory::sweep(dir, at, &|name| live.contains(name))?;
        let names = directory::walk(dir, at)?.into_iter().map(|(name, _)| name);
        left.extend(names.filter(|name| !live.contains(name.as_str())));
    }
    Ok(left)
}

fn load_catalog(view: &dyn KvView) -> Result<Catalog> {
    let mut catalog = Catalog::default();
    let range = key::tables();
    let mut cursor = view.scan(Cf::Catalog, &range.from, &range.to)?;
    while let Some((key, bytes)) = cursor.next()? {
        let place = Place { cf: Cf::Catalog, key };
        let mut from = Decoder::new(bytes, place);
        let table = Table::decode(&mut from)?;
        from.finish()?;
        if key != key::table(table.id) {
            return Err(place.corrupted("a table under another's key"));
        }
        catalog.insert(table);
    }
    Ok(catalog)
}

/// Every segment has the shape that its column has.
fn check_shapes(catalog: &Catalog, manifest: &Manifest, dir: &dyn Directory) -> Result<()> {
    for (table, column) in manifest.columns() {
        let shape = catalog.need(table).and_then(|table| embedding::shape(table, column)).ok();
        for segment in manifest.segments(table, column) {
            let header = segment.reader.header();
            if shape.is_none_or(|is| (is.dim, is.element) != (header.dim, header.element)) {
                let name = crate::segment::segment_file(table, column, segment.number);
                return Err(Error::Corrupted {
                    path: dir.path(&name),
                    offset: None,
                    what: "the catalog has no such vector column",
                });
            }
        }
    }
    Ok(())
}

fn count_pending(view: &dyn KvView) -> Result<PendingCounts> {
    let mut counts = PendingCounts::new();
    let range = key::prefix(&[]);
    let mut cursor = view.scan(Cf::Pending, &range.from, &range.to)?;
    while let Some((key, _)) = cursor.next()? {
        let (table, column, _) = key::pending_parts(key)
            .ok_or_else(|| Place { cf: Cf::Pending, key }.corrupted("a key of the wrong length"))?;
        *counts.entry((table, column)).or_insert(0) += 1;
    }
    Ok(counts)
}

/// Removes the files that no manifest names.
fn sweep(dir: &dyn Directory, manifest: &Manifest) -> Result<()> {
    let live: std::collections::HashSet<&str> =
        manifest.files().map(|file| file.name.as_str()).collect();
    for at in [SEGMENTS_DIR, MODELS_DIR] {
        directory::sweep(dir, at, &|name| live.contains(name))?;
    }
    directory::empty(dir, TMP_DIR)
}
