//! A directory in memory that knows what a power cut would leave, for tests.
//!
//! It keeps for each file the bytes written and the bytes synced, and for each directory the
//! names that exist and the names that were synced. A test runs a script once to count the
//! operations, then again with the power cut before the k-th, for every k; the script goes on
//! unaware. [`CrashImageDirectory::image`] is the directory that a machine would find after it.
//!
//! What is not modelled: sectors that go bad, and a device that lies about a sync.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Blob, Directory, Entry, EntryKind, FileWriter, MemDirectory, io_error, parent, validate,
};
use crate::error::{Error, Result};

/// What survives of the things that were not synced. All of these are legal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PowerCut {
    /// Only synced bytes under synced names.
    LoseAll,
    /// Every name survives, also of renames that were not synced, but only synced bytes: how a
    /// file that was renamed before it was synced comes to be empty.
    KeepNames,
    /// Names survive by chance; of the bytes not synced a part survives, the rest reads as zeros.
    Torn {
        /// Decides what survives.
        seed: u64,
    },
}

/// A directory in memory that separates what was written from what is durable.
#[derive(Debug, Clone, Default)]
pub struct CrashImageDirectory {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    now: State,
    steps: u64,
    syncs: u64,
    cut_before: Option<u64>,
    at_cut: Option<State>,
}

/// Files are numbered like inodes; `live` and `durable` are the two name spaces.
#[derive(Debug, Clone, Default)]
struct State {
    files: BTreeMap<u64, File>,
    live: BTreeMap<String, u64>,
    durable: BTreeMap<String, u64>,
    dirs: BTreeSet<String>,
    next: u64,
}

#[derive(Debug, Clone, Default)]
struct File {
    written: Vec<u8>,
    synced: Vec<u8>,
}

impl CrashImageDirectory {
    /// An empty directory whose power stays on.
    pub fn new() -> CrashImageDirectory {
        CrashImageDirectory::default()
    }

    /// An empty directory whose power is cut before its k-th changing operation, counting from 1.
    pub fn cut_before(step: u64) -> CrashImageDirectory {
        let made = CrashImageDirectory::default();
        made.shared().cut_before = Some(step);
        made
    }

    /// The number of changing operations so far: creations, writes, syncs, renames, removals.
    pub fn steps(&self) -> u64 {
        self.shared().steps
    }

    /// The number of syncs among them.
    pub fn syncs(&self) -> u64 {
        self.shared().syncs
    }

    /// Whether the power was cut.
    pub fn is_cut(&self) -> bool {
        self.shared().at_cut.is_some()
    }

    /// What would be found after the power cut, or after a cut right now.
    pub fn image(&self, cut: PowerCut) -> MemDirectory {
        let shared = self.shared();
        let state = shared.at_cut.as_ref().unwrap_or(&shared.now);
        MemDirectory::with_files(state.survivors(cut))
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a changing operation, after taking the image if the power is cut before it.
    fn step(&self) -> MutexGuard<'_, Shared> {
        let mut shared = self.shared();
        shared.steps += 1;
        if shared.cut_before == Some(shared.steps) {
            shared.at_cut = Some(shared.now.clone());
        }
        shared
    }

    fn check(&self, name: &str, op: &'static str) -> Result<()> {
        validate(name).map_err(|e| io_error(self.path(name), op, e))
    }

    fn fail(&self, name: &str, op: &'static str, kind: io::ErrorKind) -> Error {
        io_error(self.path(name), op, kind.into())
    }
}

impl State {
    fn survivors(&self, cut: PowerCut) -> Vec<(String, Vec<u8>)> {
        let mut chance = match cut {
            PowerCut::Torn { seed } => seed,
            PowerCut::LoseAll | PowerCut::KeepNames => 0,
        };
        let mut draw = || {
            // SplitMix64.
            chance = chance.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (chance ^ (chance >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^ (mixed >> 31)
        };
        let mut names = self.durable.clone();
        match cut {
            PowerCut::LoseAll => {}
            PowerCut::KeepNames => names = self.live.clone(),
            PowerCut::Torn { .. } => {
                for (name, file) in &self.live {
                    if draw() % 2 == 0 {
                        names.insert(name.clone(), *file);
                    }
                }
                let gone = |name: &String| !self.live.contains_key(name);
                let lost: Vec<String> = names.keys().filter(|name| gone(name)).cloned().collect();
                for name in lost {
                    if draw() % 2 == 0 {
                        names.remove(&name);
                    }
                }
            }
        }
        let mut found = Vec::new();
        for (name, number) in names {
            let Some(file) = self.files.get(&number) else { continue };
            let mut bytes = file.synced.clone();
            if let PowerCut::Torn { .. } = cut {
                let fresh = file.written.get(bytes.len()..).unwrap_or_default();
                let kept = draw() as usize % (fresh.len() + 1);
                let zeros = draw() as usize % (fresh.len() - kept + 1);
                bytes.extend_from_slice(&fresh[..kept]);
                bytes.resize(bytes.len() + zeros, 0);
            }
            found.push((name, bytes));
        }
        found
    }

    fn add_dirs(&mut self, dir: &str) {
        let mut at = dir;
        while !at.is_empty() && self.dirs.insert(at.to_owned()) {
            at = parent(at);
        }
    }

    fn has_dir(&self, dir: &str) -> bool {
        dir.is_empty() || self.dirs.contains(dir)
    }

    fn file(&self, name: &str) -> Option<&File> {
        self.live.get(name).and_then(|number| self.files.get(number))
    }

    fn add_file(&mut self, name: &str, file: File) -> u64 {
        self.next += 1;
        self.files.insert(self.next, file);
        self.live.insert(name.to_owned(), self.next);
        self.next
    }
}

impl Directory for CrashImageDirectory {
    fn path(&self, name: &str) -> PathBuf {
        Path::new(":crash:").join(name)
    }

    fn root(&self) -> Option<&Path> {
        None
    }

    fn make_dir(&self, dir: &str) -> Result<()> {
        self.check(dir, "create directory")?;
        self.step().now.add_dirs(dir);
        Ok(())
    }

    fn create(&self, name: &str) -> Result<Box<dyn FileWriter>> {
        self.check(name, "create")?;
        let mut shared = self.step();
        if !shared.now.has_dir(parent(name)) {
            return Err(self.fail(name, "create", io::ErrorKind::NotFound));
        }
        if shared.now.live.contains_key(name) {
            return Err(self.fail(name, "create", io::ErrorKind::AlreadyExists));
        }
        let number = shared.now.add_file(name, File::default());
        Ok(Box::new(CrashFile { dir: self.clone(), number }))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.check(from, "rename")?;
        self.check(to, "rename")?;
        let mut shared = self.step();
        if !shared.now.has_dir(parent(to)) {
            return Err(self.fail(to, "rename", io::ErrorKind::NotFound));
        }
        let Some(number) = shared.now.live.remove(from) else {
            return Err(self.fail(from, "rename", io::ErrorKind::NotFound));
        };
        shared.now.live.insert(to.to_owned(), number);
        Ok(())
    }

    fn sync_dir(&self, dir: &str) -> Result<()> {
        self.check(dir, "sync directory")?;
        let mut shared = self.step();
        shared.syncs += 1;
        let state = &mut shared.now;
        if !state.has_dir(dir) {
            return Err(self.fail(dir, "sync directory", io::ErrorKind::NotFound));
        }
        state.durable.retain(|name, _| parent(name) != dir);
        let live = state.live.iter().filter(|(name, _)| parent(name) == dir);
        state.durable.extend(live.map(|(name, number)| (name.clone(), *number)));
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.check(name, "remove")?;
        self.step().now.live.remove(name);
        Ok(())
    }

    fn remove_dir(&self, dir: &str) -> Result<()> {
        self.check(dir, "remove directory")?;
        let mut shared = self.step();
        let state = &mut shared.now;
        if !state.live.keys().chain(&state.dirs).any(|name| parent(name) == dir) {
            state.dirs.remove(dir);
        }
        Ok(())
    }

    fn list(&self, dir: &str) -> Result<Vec<Entry>> {
        self.check(dir, "list")?;
        let shared = self.shared();
        let state = &shared.now;
        let last = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
        let len = |number: &u64| state.files.get(number).map_or(0, |f| f.written.len() as u64);
        let files = state.live.iter().filter(|(name, _)| parent(name) == dir);
        let mut found: Vec<Entry> = files
            .map(|(name, file)| Entry {
                name: last(name),
                kind: EntryKind::File { len: len(file) },
            })
            .collect();
        let dirs = state.dirs.iter().filter(|name| parent(name) == dir);
        found.extend(dirs.map(|name| Entry { name: last(name), kind: EntryKind::Dir }));
        found.sort();
        Ok(found)
    }

    fn len(&self, name: &str) -> Result<Option<u64>> {
        self.check(name, "inspect")?;
        Ok(self.shared().now.file(name).map(|file| file.written.len() as u64))
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.check(name, "read")?;
        Ok(self.shared().now.file(name).map(|file| file.written.clone()))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.check(name, "replace")?;
        let mut shared = self.step();
        shared.syncs += 1;
        let file = File { written: bytes.to_vec(), synced: bytes.to_vec() };
        let number = shared.now.add_file(name, file);
        shared.now.durable.insert(name.to_owned(), number);
        Ok(())
    }

    fn open(&self, name: &str) -> Result<Blob> {
        self.check(name, "open")?;
        match self.shared().now.file(name) {
            Some(file) => Ok(Blob::copy_from(&file.written)),
            None => Err(self.fail(name, "open", io::ErrorKind::NotFound)),
        }
    }

    fn export(&self, name: &str, to: &Path) -> Result<()> {
        let bytes = self.open(name)?;
        super::OsDirectory::write_outside(to, &bytes)
    }
}

struct CrashFile {
    dir: CrashImageDirectory,
    number: u64,
}

impl Write for CrashFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut shared = self.dir.step();
        if let Some(file) = shared.now.files.get_mut(&self.number) {
            file.written.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl FileWriter for CrashFile {
    fn sync(&mut self) -> io::Result<()> {
        let mut shared = self.dir.step();
        shared.syncs += 1;
        if let Some(file) = shared.now.files.get_mut(&self.number) {
            file.synced.clone_from(&file.written);
        }
        Ok(())
    }
}
