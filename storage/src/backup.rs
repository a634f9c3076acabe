//! Backup of an open database, and restore.
//!
//! A backup is itself a database directory: RocksDB's checkpoint, and the files that the manifest
//! of that moment names. Published files never change, so they are hard-linked where the file
//! system allows it; each is verified on the way, because a backup of damage is none. Everything
//! is made under `<target>.partial` and synced; `FORMAT` is written last and the rename comes
//! after it, so that a directory that looks like a backup is a complete one.
//!
//! What is not here: choosing the moment. The store takes the checkpoint and pins the files under
//! its writer lock, then calls [`Backup::finish`] without it.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::check::{Report, check};
use crate::directory::{Directory, OsDirectory, io_error, join, parent, walk};
use crate::error::{Error, Result};
use crate::format_file::{Access, FORMAT_FILE, Format};
use crate::lock::{LOCK_FILE, Lock};
use crate::staged::FileRef;

/// The directory of RocksDB within a database.
pub const KV_DIR: &str = "kv";

/// A backup being made. Dropping it unfinished removes what was written.
#[derive(Debug)]
pub struct Backup {
    partial: Partial,
    out: OsDirectory,
}

impl Backup {
    /// Starts a backup at a path where nothing is yet.
    pub fn begin(target: &Path) -> Result<Backup> {
        let partial = Partial::create(target)?;
        let out = OsDirectory::create(&partial.path)?;
        Ok(Backup { partial, out })
    }

    /// Where the store puts RocksDB's checkpoint; nothing is there yet.
    pub fn kv_path(&self) -> PathBuf {
        self.out.path(KV_DIR)
    }

    /// Adds the files that the checkpoint's manifest names, verifying each, and finishes.
    pub fn finish<'f>(
        self,
        dir: &dyn Directory,
        files: impl IntoIterator<Item = &'f FileRef>,
        format: &Format,
    ) -> Result<()> {
        let mut dirs = vec![String::new(), KV_DIR.to_owned()];
        for file in files {
            file.verify(dir)?;
            let place = parent(&file.name);
            self.out.make_dir(place)?;
            dir.export(&file.name, &self.out.path(&file.name))?;
            dirs.push(place.to_owned());
        }
        sync_dirs(&self.out, dirs)?;
        format.write(&self.out)?;
        self.partial.publish()
    }
}

/// Makes a new database from a backup. The copy is checked whole before it takes its name; on any
/// problem nothing is left at `target`, and [`Error::Unsound`] says what was found.
pub fn restore(backup: &Path, target: &Path) -> Result<Report> {
    if !OsDirectory::exists(backup) {
        return Err(Error::NotFound { path: backup.to_owned() });
    }
    let from = OsDirectory::open(backup)?;
    if from.len(FORMAT_FILE)?.is_none() {
        return Err(Error::NotADatabase { path: backup.to_owned() });
    }
    // A backup is nobody's open database, but a path may be mistaken.
    let _lock = Lock::acquire(backup, Access::Read)?;
    let partial = Partial::create(target)?;
    let out = OsDirectory::create(&partial.path)?;
    let mut dirs = vec![String::new()];
    for (name, _) in walk(&from, "")? {
        if name == LOCK_FILE || name == FORMAT_FILE {
            continue;
        }
        let place = parent(&name);
        out.make_dir(place)?;
        copy(&from, &out, &name)?;
        dirs.push(place.to_owned());
    }
    sync_dirs(&out, dirs)?;
    // Copied byte for byte, so that a damaged one is found below.
    let format = from.read(FORMAT_FILE)?.unwrap_or_default();
    out.replace(FORMAT_FILE, &format)?;
    let report = check(&partial.path)?;
    if let Some(first) = report.problems.first() {
        return Err(Error::Unsound {
            path: backup.to_owned(),
            problems: report.problems.len() as u64 + report.unlisted,
            first: first.to_string(),
        });
    }
    drop(out.remove(LOCK_FILE));
    partial.publish()?;
    Ok(report)
}

/// The directory `<target>.partial`, renamed to its target or removed.
#[derive(Debug)]
struct Partial {
    path: PathBuf,
    target: PathBuf,
    published: bool,
}

impl Partial {
    fn create(target: &Path) -> Result<Partial> {
        if OsDirectory::exists(target) {
            return Err(Error::DatabaseExists { path: target.to_owned() });
        }
        let mut path = OsString::from(target);
        path.push(".partial");
        let path = PathBuf::from(path);
        // What an interrupted backup left.
        OsDirectory::remove_root(&path)?;
        Ok(Partial { path, target: target.to_owned(), published: false })
    }

    fn publish(mut self) -> Result<()> {
        OsDirectory::rename_root(&self.path, &self.target)?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.published {
            // The next attempt removes what cannot be removed now.
            drop(OsDirectory::remove_root(&self.path));
        }
    }
}

fn sync_dirs(dir: &dyn Directory, mut dirs: Vec<String>) -> Result<()> {
    dirs.sort();
    dirs.dedup();
    dirs.iter().try_for_each(|name| dir.sync_dir(name))
}

fn copy(from: &dyn Directory, to: &dyn Directory, name: &str) -> Result<()> {
    let bytes = from.open(name)?;
    let mut file = to.create(name)?;
    file.write_all(&bytes)
        .and_then(|()| file.sync())
        .map_err(|e| io_error(to.path(&join("", name)), "copy", e))
}
