//! The files of a database in memory, for `Database::in_memory()` and for tests.
//!
//! Everything is durable at once and gone with the last handle. Clones share the files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Blob, Directory, Entry, EntryKind, FileWriter, OsDirectory, io_error, parent, validate,
};
use crate::error::Result;

/// A database directory in memory.
#[derive(Debug, Clone, Default)]
pub struct MemDirectory {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, File>,
    dirs: BTreeSet<String>,
}

/// A file's bytes: still growing, or frozen by its first reader.
#[derive(Debug, Clone)]
enum File {
    Growing(Arc<Mutex<Vec<u8>>>),
    Frozen(Blob),
}

impl MemDirectory {
    /// An empty directory.
    pub fn new() -> MemDirectory {
        MemDirectory::default()
    }

    /// A directory with these files.
    pub fn with_files(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> MemDirectory {
        let made = MemDirectory::new();
        {
            let mut state = made.state();
            for (name, bytes) in files {
                state.add_dirs(parent(&name));
                state.files.insert(name, File::Frozen(Blob::copy_from(&bytes)));
            }
        }
        made
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is consistent between any two statements, so a panic elsewhere is harmless.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, name: &str, op: &'static str) -> Result<()> {
        validate(name).map_err(|e| io_error(self.path(name), op, e))
    }

    fn fail(&self, name: &str, op: &'static str, kind: io::ErrorKind) -> crate::error::Error {
        io_error(self.path(name), op, kind.into())
    }
}

impl State {
    fn add_dirs(&mut self, dir: &str) {
        let mut at = dir;
        while !at.is_empty() && self.dirs.insert(at.to_owned()) {
            at = parent(at);
        }
    }

    fn has_dir(&self, dir: &str) -> bool {
        dir.is_empty() || self.dirs.contains(dir)
    }
}

impl File {
    fn len(&self) -> u64 {
        match self {
            File::Growing(bytes) => lock(bytes).len() as u64,
            File::Frozen(blob) => blob.len() as u64,
        }
    }
}

fn lock(bytes: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Directory for MemDirectory {
    fn path(&self, name: &str) -> PathBuf {
        Path::new(":memory:").join(name)
    }

    fn root(&self) -> Option<&Path> {
        None
    }

    fn make_dir(&self, dir: &str) -> Result<()> {
        self.check(dir, "create directory")?;
        self.state().add_dirs(dir);
        Ok(())
    }

    fn create(&self, name: &str) -> Result<Box<dyn FileWriter>> {
        self.check(name, "create")?;
        let mut state = self.state();
        if !state.has_dir(parent(name)) {
            return Err(self.fail(name, "create", io::ErrorKind::NotFound));
        }
        if state.files.contains_key(name) {
            return Err(self.fail(name, "create", io::ErrorKind::AlreadyExists));
        }
        let bytes = Arc::new(Mutex::new(Vec::new()));
        state.files.insert(name.to_owned(), File::Growing(Arc::clone(&bytes)));
        Ok(Box::new(MemFile(bytes)))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.check(from, "rename")?;
        self.check(to, "rename")?;
        let mut state = self.state();
        if !state.has_dir(parent(to)) {
            return Err(self.fail(to, "rename", io::ErrorKind::NotFound));
        }
        match state.files.remove(from) {
            Some(file) => state.files.insert(to.to_owned(), file),
            None => return Err(self.fail(from, "rename", io::ErrorKind::NotFound)),
        };
        Ok(())
    }

    fn sync_dir(&self, dir: &str) -> Result<()> {
        self.check(dir, "sync directory")?;
        if self.state().has_dir(dir) {
            return Ok(());
        }
        Err(self.fail(dir, "sync directory", io::ErrorKind::NotFound))
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.check(name, "remove")?;
        self.state().files.remove(name);
        Ok(())
    }

    fn remove_dir(&self, dir: &str) -> Result<()> {
        self.check(dir, "remove directory")?;
        let mut state = self.state();
        let used = state.files.keys().chain(&state.dirs).any(|name| parent(name) == dir);
        if !used {
            state.dirs.remove(dir);
        }
        Ok(())
    }

    fn list(&self, dir: &str) -> Result<Vec<Entry>> {
        self.check(dir, "list")?;
        let state = self.state();
        let last = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
        let mut found: Vec<Entry> = state
            .files
            .iter()
            .filter(|(name, _)| parent(name) == dir)
            .map(|(name, file)| Entry {
                name: last(name),
                kind: EntryKind::File { len: file.len() },
            })
            .collect();
        let dirs = state.dirs.iter().filter(|name| parent(name) == dir);
        found.extend(dirs.map(|name| Entry { name: last(name), kind: EntryKind::Dir }));
        found.sort();
        Ok(found)
    }

    fn len(&self, name: &str) -> Result<Option<u64>> {
        self.check(name, "inspect")?;
        Ok(self.state().files.get(name).map(File::len))
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.check(name, "read")?;
        Ok(self.state().files.get(name).map(|file| match file {
            File::Growing(bytes) => lock(bytes).clone(),
            File::Frozen(blob) => blob.to_vec(),
        }))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.check(name, "replace")?;
        let mut state = self.state();
        if !state.has_dir(parent(name)) {
            return Err(self.fail(name, "replace", io::ErrorKind::NotFound));
        }
        state.files.insert(name.to_owned(), File::Frozen(Blob::copy_from(bytes)));
        Ok(())
    }

    fn open(&self, name: &str) -> Result<Blob> {
        self.check(name, "open")?;
        let mut state = self.state();
        let Some(file) = state.files.get_mut(name) else {
            return Err(self.fail(name, "open", io::ErrorKind::NotFound));
        };
        if let File::Growing(bytes) = file {
            let blob = Blob::copy_from(&lock(bytes));
            *file = File::Frozen(blob);
        }
        match file {
            File::Frozen(blob) => Ok(blob.clone()),
            File::Growing(_) => Err(self.fail(name, "open", io::ErrorKind::Other)),
        }
    }

    fn export(&self, name: &str, to: &Path) -> Result<()> {
        let bytes = self.open(name)?;
        OsDirectory::write_outside(to, &bytes)
    }
}

struct MemFile(Arc<Mutex<Vec<u8>>>);

impl Write for MemFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl FileWriter for MemFile {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
