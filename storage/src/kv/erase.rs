//! Erasing: after it, RocksDB's files hold nothing that was removed before.
//!
//! A deletion in RocksDB is a new record that hides an old one. The key is then in the write-ahead
//! log twice, in sorted files until they are merged down to the last level, and in the manifest,
//! which notes the first and last key of every file and is only ever appended to. So, in this
//! order: older snapshots must be gone, since what they see survives every merge; the buffers are
//! flushed, which begins a new log; every sorted file is merged, the last level included; and a new
//! manifest is begun, which knows the new files only. Whether it was so is seen by the files: none
//! of the old ones may be left.
//!
//! Not here: files outside of RocksDB. RocksDB's text log holds no keys, as only warnings go there.

use std::ffi::{CStr, c_char, c_int};
use std::path::Path;
use std::time::{Duration, Instant};

use rocksdb::{AsRawPtr, BottommostLevelCompaction, WriteBatch, WriteOptions};

use crate::directory::{Directory, EntryKind, OsDirectory};
use crate::error::{Error, Result};
use crate::kv::rocks::{RocksKv, handle, is_number};
use crate::kv::{Cf, Kv};

/// A key of the catalog that nothing ever has; removing it changes nothing and is a write.
const NOTHING: [u8; 1] = [u8::MAX];

/// Begins a new manifest with every change of the files.
const SMALL_MANIFEST: [(&CStr, &CStr); 2] =
    [(c"max_manifest_file_size", c"1"), (c"max_manifest_space_amp_pct", c"0")];
/// What RocksDB has by itself.
const USUAL_MANIFEST: [(&CStr, &CStr); 2] =
    [(c"max_manifest_file_size", c"1073741824"), (c"max_manifest_space_amp_pct", c"500")];

/// The time between two looks at the folder.
const LOOK: Duration = Duration::from_millis(5);
/// The least time that RocksDB is given for removing its old files.
const REMOVAL: Duration = Duration::from_secs(10);

/// Files up to these numbers must go.
struct Old {
    logs: u64,
    others: u64,
}

impl RocksKv {
    /// See [`Kv::erase`].
    pub(super) fn erase_until(&self, since: u64, patience: Duration) -> Result<()> {
        if !self.views.wait(since, patience) {
            return Err(Error::Held { waited: patience });
        }
        // Without a write in it, a log is not ended.
        self.write_nothing()?;
        let logs = self.newest_file()?;
        self.flush()?;
        let old = Old { logs, others: self.newest_file()? };
        // Merges that were under way when this began may have made files of the last level since,
        // so none is spared for being new.
        self.compact_all(BottommostLevelCompaction::Force)?;
        self.set_options(&SMALL_MANIFEST)?;
        let begun = self.write_nothing().and_then(|()| {
            let family = handle(&self.db, Cf::Catalog)?;
            self.db.flush_cf(family).map_err(|e| self.fail("flush", Some(Cf::Catalog), e))
        });
        self.set_options(&USUAL_MANIFEST).and(begun)?;
        self.await_removal(&old, patience.max(REMOVAL))
    }

    fn write_nothing(&self) -> Result<()> {
        let mut batch = WriteBatch::default();
        batch.delete_cf(handle(&self.db, Cf::Catalog)?, NOTHING);
        self.db
            .write_opt(batch, &WriteOptions::default())
            .map_err(|error| self.fail("write", Some(Cf::Catalog), error))
    }

    /// The highest number that a file has.
    fn newest_file(&self) -> Result<u64> {
        let Some(folder) = self.folder() else { return Ok(0) };
        let numbers = files(folder)?.into_iter().map(|file| file.number);
        Ok(numbers.max().unwrap_or(0))
    }

    /// RocksDB removes a file when the last who reads it is done, in a thread of its own.
    fn await_removal(&self, old: &Old, patience: Duration) -> Result<()> {
        let Some(folder) = self.folder() else { return Ok(()) };
        let start = Instant::now();
        loop {
            let left = files(folder)?.into_iter().find(|file| file.is_old(old));
            let Some(file) = left else { return Ok(()) };
            if start.elapsed() >= patience {
                let message = format!("{} was not rewritten", file.name);
                return Err(Error::Kv { op: "erase", cf: None, message });
            }
            std::thread::sleep(LOOK);
        }
    }

    #[expect(unsafe_code, reason = "the safe wrapper cannot change options of an open database")]
    fn set_options(&self, options: &[(&CStr, &CStr)]) -> Result<()> {
        let names: Vec<*const c_char> = options.iter().map(|(name, _)| name.as_ptr()).collect();
        let values: Vec<*const c_char> = options.iter().map(|(_, value)| value.as_ptr()).collect();
        let count = c_int::try_from(options.len()).unwrap_or(0);
        let mut message = std::ptr::null_mut();
        // SAFETY: the database is open as long as `self.db` lives. Both arrays hold `count` C
        // strings that outlive the call, which copies them. On failure it sets `message` to a C
        // string that is ours to free.
        let message = unsafe {
            librocksdb_sys::rocksdb_set_db_options(
                self.db.as_raw_ptr(),
                count,
                names.as_ptr(),
                values.as_ptr(),
                &raw mut message,
            );
            if message.is_null() {
                return Ok(());
            }
            let text = CStr::from_ptr(message).to_string_lossy().into_owned();
            librocksdb_sys::rocksdb_free(message.cast());
            text
        };
        Err(Error::Kv { op: "set options", cf: None, message })
    }
}

/// A file that may hold keys, with the number in its name.
struct Numbered {
    name: String,
    number: u64,
    is_log: bool,
}

impl Numbered {
    fn of(name: &str) -> Option<Numbered> {
        let log = name.strip_suffix(".log");
        let number = log.or(name.strip_suffix(".sst")).or(name.strip_prefix("MANIFEST-"))?;
        let number = Some(number).filter(|number| is_number(number))?.parse().ok()?;
        Some(Numbered { name: name.to_owned(), number, is_log: log.is_some() })
    }

    fn is_old(&self, old: &Old) -> bool {
        self.number <= if self.is_log { old.logs } else { old.others }
    }
}

fn files(folder: &Path) -> Result<Vec<Numbered>> {
    let entries = OsDirectory::open(folder)?.list("")?;
    let named = entries.iter().filter(|entry| matches!(entry.kind, EntryKind::File { .. }));
    Ok(named.filter_map(|entry| Numbered::of(&entry.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::{Batch, KvOptions};

    const LONG: Duration = Duration::from_secs(60);

    fn open(folder: &Path) -> RocksKv {
        RocksKv::open(folder, &KvOptions::default()).expect("opens")
    }

    fn write(kv: &RocksKv, change: impl FnOnce(&mut Batch)) {
        let mut batch = Batch::default();
        change(&mut batch);
        kv.write(batch).and_then(|()| kv.sync()).expect("writes");
    }

    /// The files that hold some bytes.
    fn holders(folder: &Path, needle: &[u8]) -> Vec<String> {
        let dir = OsDirectory::open(folder).expect("opens");
        let names = dir.list("").expect("lists").into_iter().map(|entry| entry.name);
        let holds = |name: &String| {
            let bytes = dir.open(name).expect("opens");
            bytes.windows(needle.len()).any(|window| window == needle)
        };
        names.filter(holds).collect()
    }

    #[test]
    fn what_was_deleted_is_in_no_file_however_far_it_had_come() {
        // Where it lies when it is deleted: in the log, in a file, in the last level.
        for depth in 0..3 {
            let folder = tempfile::tempdir().expect("a folder");
            let kv = open(folder.path());
            for cf in Cf::ALL {
                write(&kv, |batch| {
                    // The first and the last key of a file are in the manifest too.
                    for key in ["aa-the-secret-one", "mm-kept", "zz-the-secret-one"] {
                        batch.put(cf, key.into(), format!("{key} and its value").into_bytes());
                    }
                });
            }
            match depth {
                0 => {}
                1 => kv.flush().expect("flushes"),
                _ => kv.compact().expect("compacts"),
            }
            assert!(!holders(folder.path(), b"the-secret-one").is_empty(), "depth {depth}");
            for cf in Cf::ALL {
                write(&kv, |batch| {
                    batch.delete(cf, b"aa-the-secret-one".to_vec());
                    batch.delete_range(cf, b"zz".to_vec(), b"zzz".to_vec());
                });
            }
            kv.erase(kv.sequence(), LONG).expect("erases");
            let left = holders(folder.path(), b"the-secret-one");
            assert_eq!(left, Vec::<String>::new(), "depth {depth}");
            let kept = kv.view().get(Cf::Ids, b"mm-kept").expect("reads");
            assert_eq!(kept.as_deref(), Some(&b"mm-kept and its value"[..]));
            // Nothing new came, and it can be done again.
            kv.erase(kv.sequence(), LONG).expect("erases again");
            drop(kv);
            let kv = open(folder.path());
            assert_eq!(holders(folder.path(), b"the-secret-one"), Vec::<String>::new());
            assert_eq!(kv.view().get(Cf::Ids, b"mm-kept").expect("reads"), kept);
        }
    }

    #[test]
    fn an_older_view_holds_it_up_and_keeps_what_it_sees() {
        let folder = tempfile::tempdir().expect("a folder");
        let kv = open(folder.path());
        write(&kv, |batch| batch.put(Cf::Records, b"the-secret-one".to_vec(), b"1".to_vec()));
        let view = kv.view();
        write(&kv, |batch| batch.delete(Cf::Records, b"the-secret-one".to_vec()));
        let since = kv.sequence();
        let error = kv.erase(since, Duration::from_millis(10)).expect_err("it is held up");
        assert!(matches!(error, Error::Held { .. }) && error.is_retryable(), "{error}");
        assert_eq!(view.get(Cf::Records, b"the-secret-one").expect("reads"), Some(b"1".to_vec()));
        let cursor = view.scan(Cf::Records, b"", b"z").expect("scans");
        drop(view);
        assert!(matches!(kv.erase(since, Duration::ZERO), Err(Error::Held { .. })));
        drop(cursor);
        let newer = kv.view();
        kv.erase(since, LONG).expect("erases");
        assert_eq!(holders(folder.path(), b"the-secret-one"), Vec::<String>::new());
        drop(newer);
    }

    #[test]
    fn in_memory_there_are_no_files_to_look_at() {
        let kv = RocksKv::in_memory(&KvOptions::default()).expect("opens");
        write_unsynced(&kv);
        kv.erase(kv.sequence(), LONG).expect("erases");
    }

    fn write_unsynced(kv: &RocksKv) {
        let mut batch = Batch::default();
        batch.put(Cf::Records, b"a".to_vec(), b"1".to_vec());
        kv.write(batch).expect("writes");
    }
}
