//! [`Kv`] on RocksDB, on disk or in memory.
//!
//! Which options and why:
//! * the write-ahead log is never disabled; a commit is durable when the log is synced;
//! * `TolerateCorruptedTailRecords`: a crash may tear the log's last record, which nobody was told
//!   is durable. Damage anywhere else fails the open instead of silently dropping commits, which
//!   is what RocksDB's default (`PointInTime`) would do;
//! * paranoid checks are on and every block has an XXH3 checksum;
//! * bloom filters serve the point reads (rows, ids, the last chunk of a list);
//! * nothing is logged beyond warnings, and statistics are off.
//!
//! Invariant: a [`rocksdb::Snapshot`] or iterator never outlives its database, because each is
//! kept beside an `Arc` of it and dropped first. That is the only unsafe code here.

use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rocksdb::{
    AsRawPtr, BlockBasedOptions, BottommostLevelCompaction, Cache, ColumnFamilyDescriptor,
    CompactOptions, DB, DBCompressionType, DBRawIterator, DBRecoveryMode, Env, LogLevel, Options,
    ReadOptions, Snapshot, WriteBatch, WriteOptions,
};

use crate::error::{Error, Result};
use crate::format_file::Access;
use crate::kv::log;
use crate::kv::views::{Alive, Views};
use crate::kv::watermark::{self, Watermark};
use crate::kv::{Batch, Cf, Cursor, Entry, Kv, KvSize, KvView, Op};

/// How to open RocksDB.
#[derive(Clone, Debug)]
pub struct KvOptions {
    /// Bytes of uncompressed blocks kept in memory.
    pub cache_bytes: usize,
    /// Bytes of one write buffer; the large column families have up to three.
    pub buffer_bytes: usize,
    /// Reading only, or writing too.
    pub access: Access,
}

impl Default for KvOptions {
    fn default() -> KvOptions {
        KvOptions { cache_bytes: 64 << 20, buffer_bytes: 32 << 20, access: Access::Write }
    }
}

/// See the module.
pub struct RocksKv {
    pub(super) db: Arc<DB>,
    cache: Cache,
    durability: Durability,
    pub(super) views: Arc<Views>,
}

/// What becomes of a sync.
enum Durability {
    /// Nothing in memory can be made durable, and RocksDB's memory files refuse to try.
    None,
    /// Nothing is written.
    ReadOnly,
    /// The log is synced, and how far is noted.
    Synced(Watermark),
}

impl RocksKv {
    /// Opens the store in a directory, which is created if it does not exist.
    pub fn open(path: &Path, options: &KvOptions) -> Result<RocksKv> {
        RocksKv::open_in(path, options, None)
    }

    /// A new, empty store in memory.
    pub fn in_memory(options: &KvOptions) -> Result<RocksKv> {
        let path = Path::new("/memory");
        let env = Env::mem_env().map_err(|error| fail(path, "create", None, error))?;
        RocksKv::open_in(path, options, Some(&env))
    }

    fn open_in(path: &Path, options: &KvOptions, env: Option<&Env>) -> Result<RocksKv> {
        let cache = Cache::new_lru_cache(options.cache_bytes);
        let mut db_options = Options::default();
        if let Some(env) = env {
            db_options.set_env(env);
        }
        let write = options.access == Access::Write;
        db_options.create_if_missing(write);
        db_options.create_missing_column_families(write);
        db_options.set_paranoid_checks(true);
        db_options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        // Bounds what an open has to replay.
        db_options.set_max_total_wal_size(4 * options.buffer_bytes as u64);
        db_options.set_max_background_jobs(2);
        db_options.set_log_level(LogLevel::Warn);
        db_options.set_keep_log_file_num(2);
        db_options.set_max_log_file_size(1 << 20);
        db_options.set_stats_dump_period_sec(0);
        db_options.set_stats_persist_period_sec(0);
        let families = Cf::ALL
            .map(|cf| ColumnFamilyDescriptor::new(cf.name(), cf_options(cf, options, &cache)));
        if env.is_none() {
            log::verify(path)?;
        }
        let db = match options.access {
            Access::Write => DB::open_cf_descriptors(&db_options, path, families),
            Access::Read => DB::open_cf_descriptors_read_only(&db_options, path, families, false),
        };
        let db = db.map_err(|error| match fail(path, "open", None, error) {
            // RocksDB names its manifest for damage in any file that it reads while it opens.
            Error::CorruptedKv { path: named, message } if env.is_none() => {
                let path = log::find_damaged(path).unwrap_or(named);
                Error::CorruptedKv { path, message }
            }
            other => other,
        })?;
        let recovered = db.latest_sequence_number();
        let durability = match (env, options.access) {
            (Some(_), _) => Durability::None,
            (None, Access::Write) => Durability::Synced(Watermark::open(path, recovered)?),
            (None, Access::Read) => {
                watermark::compare(path, recovered)?;
                Durability::ReadOnly
            }
        };
        Ok(RocksKv { db: Arc::new(db), cache, durability, views: Arc::default() })
    }

    pub(super) fn fail(&self, op: &'static str, cf: Option<Cf>, error: rocksdb::Error) -> Error {
        fail(self.db.path(), op, cf, error)
    }

    /// Where its files are; `None` in memory.
    pub(super) fn folder(&self) -> Option<&Path> {
        match self.durability {
            Durability::None => None,
            Durability::ReadOnly | Durability::Synced(_) => Some(self.db.path()),
        }
    }

    /// Compacts every column family.
    pub(super) fn compact_all(&self, bottommost: BottommostLevelCompaction) -> Result<()> {
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(bottommost);
        for cf in Cf::ALL {
            let family = handle(&self.db, cf)?;
            self.db.compact_range_cf_opt(family, None::<&[u8]>, None::<&[u8]>, &options);
        }
        Ok(())
    }
}

fn cf_options(cf: Cf, options: &KvOptions, cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_block_size(8 << 10);
    // The first version whose footer has a checksum too.
    table.set_format_version(6);
    table.set_checksum_type(rocksdb::ChecksumType::XXH3);
    let point_reads =
        matches!(cf, Cf::Entities | Cf::Ids | Cf::ByUser | Cf::ByItem | Cf::Pending | Cf::Records);
    let mut out = Options::default();
    if point_reads {
        table.set_bloom_filter(10.0, false);
        table.set_whole_key_filtering(true);
        out.set_memtable_whole_key_filtering(true);
        out.set_memtable_prefix_bloom_ratio(0.02);
    }
    out.set_block_based_table_factory(&table);
    out.set_compression_type(DBCompressionType::Lz4);
    let large = matches!(cf, Cf::Entities | Cf::Ids | Cf::ByUser | Cf::ByItem | Cf::Pending);
    out.set_write_buffer_size(if large { options.buffer_bytes } else { 4 << 20 });
    out.set_max_write_buffer_number(3);
    out
}

impl Kv for RocksKv {
    fn view(&self) -> Arc<dyn KvView> {
        // SAFETY: `Pinned` drops the snapshot before its own `Arc` of the database, and never
        // hands the snapshot out.
        let db: &'static DB = unsafe { forget_lifetime(&self.db) };
        let (snapshot, alive) = self.views.enter(|| {
            let snapshot = db.snapshot();
            let sequence = snapshot.sequence_number();
            (snapshot, sequence)
        });
        let mut read = ReadOptions::default();
        read.set_snapshot(&snapshot);
        let pinned = Pinned { read, snapshot, _alive: alive, db: Arc::clone(&self.db) };
        Arc::new(RocksView(Arc::new(pinned)))
    }

    fn write(&self, batch: Batch) -> Result<()> {
        let mut out = WriteBatch::default();
        for op in batch.ops() {
            match op {
                Op::Put(cf, key, value) => out.put_cf(handle(&self.db, *cf)?, key, value),
                Op::Delete(cf, key) => out.delete_cf(handle(&self.db, *cf)?, key),
                Op::DeleteRange(cf, from, to) => {
                    out.delete_range_cf(handle(&self.db, *cf)?, from, to);
                }
            }
        }
        drop(batch);
        // Not synced here: `sync` does that for a group of batches.
        self.db
            .write_opt(out, &WriteOptions::default())
            .map_err(|error| self.fail("write", None, error))
    }

    fn sync(&self) -> Result<()> {
        let Durability::Synced(watermark) = &self.durability else { return Ok(()) };
        // Read before the sync, which covers at least this.
        let sequence = self.db.latest_sequence_number();
        self.db.flush_wal(true).map_err(|error| self.fail("sync", None, error))?;
        watermark.note(sequence)
    }

    fn flush(&self) -> Result<()> {
        for cf in Cf::ALL {
            let family = handle(&self.db, cf)?;
            self.db.flush_cf(family).map_err(|error| self.fail("flush", Some(cf), error))?;
        }
        Ok(())
    }

    fn compact(&self) -> Result<()> {
        self.flush()?;
        self.compact_all(BottommostLevelCompaction::ForceOptimized)
    }

    fn sequence(&self) -> u64 {
        self.db.latest_sequence_number()
    }

    fn erase(&self, since: u64, patience: Duration) -> Result<()> {
        self.erase_until(since, patience)
    }

    fn checkpoint(&self, to: &Path) -> Result<()> {
        rocksdb::checkpoint::Checkpoint::new(&self.db)
            .and_then(|checkpoint| checkpoint.create_checkpoint(to))
            .map_err(|error| self.fail("copy", None, error))
    }

    #[expect(unsafe_code, reason = "the safe wrapper does not offer RocksDB's verification")]
    fn verify(&self) -> Result<()> {
        let mut message = std::ptr::null_mut();
        // SAFETY: the database is open as long as `self.db` lives, and the call only reads it. On
        // failure it sets `message` to a C string that is ours to free.
        let message = unsafe {
            librocksdb_sys::rocksdb_verify_checksum(self.db.as_raw_ptr(), &raw mut message);
            if message.is_null() {
                return Ok(());
            }
            let text = CStr::from_ptr(message).to_string_lossy().into_owned();
            librocksdb_sys::rocksdb_free(message.cast());
            text
        };
        let path = named_file(self.db.path(), &message).unwrap_or(self.db.path().to_owned());
        Err(Error::CorruptedKv { path, message })
    }

    fn size(&self) -> KvSize {
        let sum = |property: &str| {
            Cf::ALL
                .iter()
                .filter_map(|cf| {
                    let family = handle(&self.db, *cf).ok()?;
                    self.db.property_int_value_cf(family, property).ok()?
                })
                .sum()
        };
        KvSize {
            disk: sum("rocksdb.total-sst-files-size"),
            buffered: sum("rocksdb.cur-size-all-mem-tables"),
            cached: self.cache.get_usage() as u64,
        }
    }
}

/// A snapshot with what it needs to stay valid. Fields drop in this order.
struct Pinned {
    /// Names the snapshot by a raw pointer; it is never given away.
    read: ReadOptions,
    snapshot: Snapshot<'static>,
    /// Held for its effect: until the snapshot is gone, others know of it.
    _alive: Alive,
    db: Arc<DB>,
}

struct RocksView(Arc<Pinned>);

impl KvView for RocksView {
    fn with(&self, cf: Cf, key: &[u8], found: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let Pinned { read, db, .. } = &*self.0;
        let value = db
            .get_pinned_cf_opt(handle(db, cf)?, key, read)
            .map_err(|error| fail(db.path(), "read", Some(cf), error))?;
        match value {
            None => Ok(false),
            Some(value) => found(&value).map(|()| true),
        }
    }

    fn scan(&self, cf: Cf, from: &[u8], to: &[u8]) -> Result<Box<dyn Cursor>> {
        let mut read = ReadOptions::default();
        read.set_snapshot(&self.0.snapshot);
        read.set_iterate_upper_bound(to);
        // SAFETY: `RocksCursor` drops the iterator before its own `Arc` of the view, which holds
        // the snapshot and the database, and never hands the iterator out.
        let db: &'static DB = unsafe { forget_lifetime(&self.0.db) };
        let mut iter = db.raw_iterator_cf_opt(handle(db, cf)?, read);
        iter.seek(from);
        Ok(Box::new(RocksCursor { iter, started: false, cf, view: Arc::clone(&self.0) }))
    }
}

/// An iterator with what it needs to stay valid. Fields drop in this order.
struct RocksCursor {
    iter: DBRawIterator<'static>,
    started: bool,
    cf: Cf,
    view: Arc<Pinned>,
}

impl Cursor for RocksCursor {
    fn next(&mut self) -> Result<Option<Entry<'_>>> {
        // The entry lent before stays valid until this call, so the step is taken late.
        if self.started && self.iter.valid() {
            self.iter.next();
        }
        self.started = true;
        if !self.iter.valid() {
            let path = self.view.db.path();
            return match self.iter.status() {
                Ok(()) => Ok(None),
                Err(error) => Err(fail(path, "scan", Some(self.cf), error)),
            };
        }
        Ok(self.iter.item())
    }
}

/// The database behind an `Arc`, as if it lived for ever.
///
/// # Safety
///
/// Whatever is made from the result must be dropped before the last `Arc` of the database: who
/// calls this stores a clone of the `Arc` beside it, in a field declared later.
#[expect(unsafe_code, reason = "a RocksDB snapshot borrows the database that it is stored with")]
unsafe fn forget_lifetime(db: &Arc<DB>) -> &'static DB {
    // SAFETY: an `Arc`'s contents do not move, and the caller keeps a clone alive for longer than
    // what it makes from this reference.
    unsafe { &*Arc::as_ptr(db) }
}

pub(super) fn handle(db: &DB, cf: Cf) -> Result<&rocksdb::ColumnFamily> {
    db.cf_handle(cf.name()).ok_or_else(|| Error::CorruptedKv {
        path: db.path().to_owned(),
        message: format!("the column family {cf} is missing"),
    })
}

/// RocksDB's error as one of ours; damage names the file where RocksDB does.
fn fail(dir: &Path, op: &'static str, cf: Option<Cf>, error: rocksdb::Error) -> Error {
    let kind = error.kind();
    let message = error.into_string();
    if kind == rocksdb::ErrorKind::IOError && message.contains("/LOCK") {
        return Error::Locked { path: dir.to_owned() };
    }
    let missing = kind == rocksdb::ErrorKind::IOError && message.contains("No such file");
    if kind == rocksdb::ErrorKind::Corruption || missing {
        let path = named_file(dir, &message).unwrap_or_else(|| dir.to_owned());
        return Error::CorruptedKv { path, message };
    }
    Error::Kv { op, cf, message }
}

/// The file that a message of RocksDB speaks of.
fn named_file(dir: &Path, message: &str) -> Option<PathBuf> {
    message
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"' | '\'' | '(' | ')' | '['))
        .map(|word| word.trim_end_matches([':', '.', ']']))
        .filter_map(|word| word.rsplit('/').next())
        .find(|name| {
            let stem = |end| name.strip_suffix(end).is_some_and(is_number);
            stem(".sst") || stem(".log") || name.starts_with("MANIFEST-") || *name == "CURRENT"
        })
        .map(|name| dir.join(name))
}

pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, value: &str) -> Batch {
        let mut batch = Batch::default();
        batch.put(Cf::Records, key.into(), value.into());
        batch
    }

    #[test]
    fn a_view_and_its_cursor_outlive_the_store_and_later_writes() {
        let kv = RocksKv::in_memory(&KvOptions::default()).expect("opens");
        kv.write(put("a", "1")).expect("writes");
        let view = kv.view();
        let mut cursor = view.scan(Cf::Records, b"", b"z").expect("scans");
        kv.write(put("a", "2")).expect("writes");
        kv.write(put("b", "2")).expect("writes");
        assert_eq!(kv.view().get(Cf::Records, b"a").expect("reads"), Some(b"2".to_vec()));
        drop(kv);
        assert_eq!(view.get(Cf::Records, b"a").expect("reads"), Some(b"1".to_vec()));
        drop(view);
        assert_eq!(cursor.next().expect("reads"), Some((&b"a"[..], &b"1"[..])));
        assert_eq!(cursor.next().expect("reads"), None);
        assert_eq!(cursor.next().expect("reads"), None);
    }

    #[test]
    fn the_damaged_file_is_found_in_the_message() {
        let dir = Path::new("/db/kv");
        let found = |message| named_file(dir, message);
        assert_eq!(
            found(
                "Corruption: block checksum mismatch: stored = 1, computed = 2 in /db/kv/000012.sst offset 0 size 9"
            ),
            Some(PathBuf::from("/db/kv/000012.sst"))
        );
        assert_eq!(
            found("Corruption: checksum mismatch in 000004.log: retry"),
            Some(PathBuf::from("/db/kv/000004.log"))
        );
        assert_eq!(found("Corruption: no file named"), None);
    }
}
