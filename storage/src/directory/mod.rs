//! Files of one database directory, behind one seam.
//!
//! Everything that TasteDB keeps outside RocksDB (segments, artifacts, `FORMAT`) is read and
//! written through [`Directory`], so that tests can run in memory, inject faults, and compute the
//! image that a power cut would leave. It is not a general file system: files are written once,
//! renamed into place, and never edited.
//!
//! Invariant: a name handed to a [`Directory`] is relative, `/`-separated and stays inside the
//! database directory; whatever breaks that is refused before any file is touched.

mod blob;
#[cfg(any(test, feature = "testing"))]
mod crash;
#[cfg(any(test, feature = "testing"))]
mod fault;
mod mem;
mod os;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use blob::Blob;
#[cfg(any(test, feature = "testing"))]
pub use crash::{CrashImageDirectory, PowerCut};
#[cfg(any(test, feature = "testing"))]
pub use fault::{Fault, FaultDirectory, Op, is_injected};
pub use mem::MemDirectory;
pub use os::OsDirectory;

use crate::error::{Error, Result};

/// The scratch directory; emptied when a database is opened.
pub const TMP_DIR: &str = "tmp";

/// The files of one database.
///
/// The contract that every publication rests on:
///
/// 1. [`create`](Directory::create) a file under [`TMP_DIR`], write it, and
///    [`sync`](FileWriter::sync) it: its *bytes* are now durable, its *name* is not.
/// 2. [`make_dir`](Directory::make_dir) the target directory, [`rename`](Directory::rename) the
///    file into it, and [`sync_dir`](Directory::sync_dir) that directory: now the name is durable.
/// 3. Only then may a manifest record name the file. A crash before that leaves an orphan, which
///    the next open removes.
///
/// A published file is never written again, so an open [`Blob`] stays valid whatever happens to
/// the name: removing or replacing a name does not disturb those who hold its bytes.
///
/// Names are relative and `/`-separated, for example `segments/3.1/0000000017.vec`. The empty
/// name is the database directory itself, where a directory is meant.
pub trait Directory: fmt::Debug + Send + Sync {
    /// The name as error messages and reports should show it.
    fn path(&self, name: &str) -> PathBuf;

    /// Where the directory lies in the file system; `None` for one in memory.
    fn root(&self) -> Option<&Path>;

    /// Creates a directory and its missing parents; all of them are durable on return.
    fn make_dir(&self, dir: &str) -> Result<()>;

    /// Creates a file that does not exist yet and opens it for writing.
    fn create(&self, name: &str) -> Result<Box<dyn FileWriter>>;

    /// Gives a file another name, replacing what had that name before. The directory of `from`
    /// and `to` exists. Durable only after [`sync_dir`](Directory::sync_dir) of `to`'s directory.
    fn rename(&self, from: &str, to: &str) -> Result<()>;

    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &str) -> Result<()>;

    /// Removes a file; one that does not exist is no error. Durability is not awaited, because a
    /// removed file that comes back is an orphan and swept.
    fn remove(&self, name: &str) -> Result<()>;

    /// Removes a directory if it is empty; one that has entries or does not exist is left as is.
    fn remove_dir(&self, dir: &str) -> Result<()>;

    /// The entries of a directory in name order; a missing directory has none.
    fn list(&self, dir: &str) -> Result<Vec<Entry>>;

    /// The length of a file, or `None` if it does not exist.
    fn len(&self, name: &str) -> Result<Option<u64>>;

    /// The bytes of a small file, or `None` if it does not exist.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>>;

    /// Replaces a small file at once and durably: after a crash it has the old bytes or the new.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()>;

    /// Opens a published file for reading, memory-mapped where possible. Bytes are not verified
    /// here; [`SegmentReader`](crate::segment::SegmentReader) and
    /// [`Artifact`](crate::artifact::Artifact) do that.
    fn open(&self, name: &str) -> Result<Blob>;

    /// Puts a published file at a path outside this directory, as a hard link where the file
    /// system allows it and as a synced copy otherwise. For backups.
    fn export(&self, name: &str, to: &Path) -> Result<()>;
}

/// A file being written. Nothing is durable before [`sync`](FileWriter::sync) returns.
pub trait FileWriter: io::Write + Send {
    /// Makes all bytes written so far durable. After an error the file must be given up: trying
    /// again could report success for bytes that the operating system has already dropped.
    fn sync(&mut self) -> io::Result<()>;
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The last part of the name.
    pub name: String,
    /// File or directory.
    pub kind: EntryKind,
}

/// What a directory [`Entry`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A file, with its length in bytes.
    File {
        /// Length in bytes.
        len: u64,
    },
    /// A directory.
    Dir,
}

/// Joins two parts of a name; either may be empty.
pub fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() || name.is_empty() { format!("{dir}{name}") } else { format!("{dir}/{name}") }
}

/// The directory part of a name; empty for a name at the top.
pub fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// Every file below a directory, as full names in name order.
pub fn walk(dir: &dyn Directory, from: &str) -> Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    let mut pending = vec![from.to_owned()];
    while let Some(at) = pending.pop() {
        for entry in dir.list(&at)? {
            let name = join(&at, &entry.name);
            match entry.kind {
                EntryKind::File { len } => found.push((name, len)),
                EntryKind::Dir => pending.push(name),
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Removes everything below a directory, but not the directory itself.
pub fn empty(dir: &dyn Directory, at: &str) -> Result<()> {
    for entry in dir.list(at)? {
        let name = join(at, &entry.name);
        match entry.kind {
            EntryKind::File { .. } => dir.remove(&name)?,
            EntryKind::Dir => {
                empty(dir, &name)?;
                dir.remove_dir(&name)?;
            }
        }
    }
    Ok(())
}

/// Removes the files below `from` that `is_live` does not claim, and the directories that this
/// leaves empty. Returns the names removed. A file that cannot be removed now is left for the
/// next open: an orphan costs space, never correctness.
pub fn sweep(
    dir: &dyn Directory,
    from: &str,
    is_live: &dyn Fn(&str) -> bool,
) -> Result<Vec<String>> {
    let mut removed = Vec::new();
    for entry in dir.list(from)? {
        let name = join(from, &entry.name);
        match entry.kind {
            EntryKind::File { .. } => {
                if !is_live(&name) && dir.remove(&name).is_ok() {
                    removed.push(name);
                }
            }
            EntryKind::Dir => {
                removed.extend(sweep(dir, &name, is_live)?);
                // Fails harmlessly where something is left inside.
                drop(dir.remove_dir(&name));
            }
        }
    }
    Ok(removed)
}

/// Refuses a name that could leave the directory, whatever wrote it.
pub(crate) fn validate(name: &str) -> io::Result<()> {
    let fine = name.is_empty()
        || name.split('/').all(|part| {
            !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0', ':'])
        });
    if fine {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "the name leaves the database directory"))
}

/// An I/O error with its place.
pub(crate) fn io_error(path: PathBuf, op: &'static str, source: io::Error) -> Error {
    Error::Io { path, op, source }
}
