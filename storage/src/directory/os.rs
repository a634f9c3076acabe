//! The files of a database in the file system.
//!
//! This is the door to `std::fs` (with `lock.rs` for the lock file); no other module of the
//! libraries may use it. Every sync asks for the strongest form that the platform has.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Blob, Directory, Entry, EntryKind, FileWriter, io_error, join, parent, validate};
use crate::error::{Error, Result};
use crate::segment::map;

/// A database directory of the operating system.
#[derive(Debug, Clone)]
pub struct OsDirectory {
    root: PathBuf,
    /// Directories that this process knows to be durable. One that merely exists may have been
    /// made just before a crash or a failed sync.
    durable: Arc<Mutex<BTreeSet<String>>>,
}

impl OsDirectory {
    /// Uses a directory that exists.
    pub fn open(root: &Path) -> Result<OsDirectory> {
        let fail = |source| io_error(root.to_owned(), "open directory", source);
        let meta = fs::metadata(root).map_err(fail)?;
        if !meta.is_dir() {
            return Err(fail(io::Error::new(io::ErrorKind::NotADirectory, "not a directory")));
        }
        Ok(OsDirectory { root: root.to_owned(), durable: Arc::default() })
    }

    /// Uses a directory, creating it and its missing parents; they are durable on return.
    pub fn create(root: &Path) -> Result<OsDirectory> {
        create_dir_durably(root).map_err(|e| io_error(root.to_owned(), "create directory", e))?;
        OsDirectory::open(root)
    }

    /// Whether anything has this path, a dangling link included.
    pub fn exists(path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok()
    }

    /// Renames a whole directory, for example a finished backup, and makes the new name durable.
    /// The target must not exist.
    pub fn rename_root(from: &Path, to: &Path) -> Result<()> {
        let fail = |source| io_error(to.to_owned(), "rename", source);
        if Self::exists(to) {
            return Err(fail(io::Error::new(io::ErrorKind::AlreadyExists, "already exists")));
        }
        fs::rename(from, to).map_err(fail)?;
        sync_path(&parent_path(to)).map_err(fail)
    }

    /// Removes a whole directory tree; a missing one is no error.
    pub fn remove_root(path: &Path) -> Result<()> {
        match fs::remove_dir_all(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(io_error(path.to_owned(), "remove", e))
            }
            _ => Ok(()),
        }
    }

    /// Writes and syncs a new file outside any database directory, for exports from memory.
    pub(super) fn write_outside(path: &Path, bytes: &[u8]) -> Result<()> {
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|e| io_error(path.to_owned(), "write", e))
    }

    fn at(&self, name: &str, op: &'static str) -> Result<PathBuf> {
        validate(name).map_err(|e| io_error(self.path(name), op, e))?;
        Ok(self.path(name))
    }
}

impl Directory for OsDirectory {
    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.root.clone() } else { self.root.join(name) }
    }

    fn root(&self) -> Option<&Path> {
        Some(&self.root)
    }

    fn make_dir(&self, dir: &str) -> Result<()> {
        self.at(dir, "create directory")?;
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = dir.match_indices('/').map(|(at, _)| at).chain([dir.len()]);
        for name in ends.map(|end| &dir[..end]) {
            if name.is_empty() || durable.contains(name) {
                continue;
            }
            let path = self.path(name);
            create_dir(&path)
                .and_then(|()| sync_path(&self.path(parent(name))))
                .map_err(|e| io_error(path, "create directory", e))?;
            durable.insert(name.to_owned());
        }
        Ok(())
    }

    fn create(&self, name: &str) -> Result<Box<dyn FileWriter>> {
        let path = self.at(name, "create")?;
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => Ok(Box::new(OsFile(file))),
            Err(e) => Err(io_error(path, "create", e)),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let source = self.at(from, "rename")?;
        let target = self.at(to, "rename")?;
        fs::rename(source, &target).map_err(|e| io_error(target, "rename", e))
    }

    fn sync_dir(&self, dir: &str) -> Result<()> {
        let path = self.at(dir, "sync directory")?;
        sync_path(&path).map_err(|e| io_error(path, "sync directory", e))
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.at(name, "remove")?;
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error(path, "remove", e)),
            _ => Ok(()),
        }
    }

    fn remove_dir(&self, dir: &str) -> Result<()> {
        let path = self.at(dir, "remove directory")?;
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        durable.retain(|name| !name.starts_with(dir));
        match fs::remove_dir(&path) {
            Err(e)
                if e.kind() != io::ErrorKind::NotFound
                    && e.kind() != io::ErrorKind::DirectoryNotEmpty =>
            {
                Err(io_error(path, "remove directory", e))
            }
            _ => Ok(()),
        }
    }

    fn list(&self, dir: &str) -> Result<Vec<Entry>> {
        let path = self.at(dir, "list")?;
        let fail = |e| io_error(path.clone(), "list", e);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(fail(e)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(fail)?;
            let meta = match entry.metadata() {
                // Removed since it was listed, as RocksDB does with what it has merged.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                meta => meta.map_err(fail)?,
            };
            let name = entry.file_name().into_string().map_err(|name| {
                let name = self.path(&join(dir, &name.to_string_lossy()));
                Error::Corrupted { path: name, offset: None, what: "a file name that is not UTF-8" }
            })?;
            let kind =
                if meta.is_dir() { EntryKind::Dir } else { EntryKind::File { len: meta.len() } };
            found.push(Entry { name, kind });
        }
        found.sort();
        Ok(found)
    }

    fn len(&self, name: &str) -> Result<Option<u64>> {
        let path = self.at(name, "inspect")?;
        match fs::metadata(&path) {
            Ok(meta) if meta.is_file() => Ok(Some(meta.len())),
            Ok(_) => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(io_error(path, "inspect", e)),
        }
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.at(name, "read")?;
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(io_error(path, "read", e)),
        }
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.at(name, "replace")?;
        let mut scratch = path.clone().into_os_string();
        scratch.push(".new");
        let write = || {
            // A scratch file that an earlier failure left behind is simply overwritten.
            let mut file = File::create(&scratch)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            drop(file);
            fs::rename(&scratch, &path)?;
            sync_path(&self.path(parent(name)))
        };
        write().map_err(|e| io_error(path.clone(), "replace", e))
    }

    fn open(&self, name: &str) -> Result<Blob> {
        let path = self.at(name, "open")?;
        let open = || {
            let file = File::open(&path)?;
            // An empty file cannot be mapped.
            if file.metadata()?.len() == 0 {
                return Ok(Blob::copy_from(&[]));
            }
            map::map(&file).map(Blob::from_map)
        };
        open().map_err(|e| io_error(path.clone(), "open", e))
    }

    fn export(&self, name: &str, to: &Path) -> Result<()> {
        let path = self.at(name, "copy")?;
        if fs::hard_link(&path, to).is_ok() {
            return Ok(());
        }
        let copy = || {
            let mut from = File::open(&path)?;
            let mut target = OpenOptions::new().write(true).create_new(true).open(to)?;
            io::copy(&mut from, &mut target)?;
            target.sync_all()
        };
        copy().map_err(|e| io_error(to.to_owned(), "copy", e))
    }
}

struct OsFile(File);

impl Write for OsFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl FileWriter for OsFile {
    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }
}

fn parent_path(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Creates missing directories from the top down, syncing each parent after its new entry.
fn create_dir_durably(path: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    let mut at = path.to_owned();
    while !at.is_dir() {
        missing.push(at.clone());
        let above = parent_path(&at);
        if above == at {
            break;
        }
        at = above;
    }
    for dir in missing.iter().rev() {
        create_dir(dir)?;
        sync_path(&parent_path(dir))?;
    }
    Ok(())
}

fn create_dir(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other,
    }
}

/// Syncs a directory. Windows neither can nor needs to.
fn sync_path(path: &Path) -> io::Result<()> {
    if cfg!(windows) {
        return Ok(());
    }
    File::open(path)?.sync_all()
}
