//! From a file being written to a published one.
//!
//! The order is always the same: write under `tmp/`, sync, rename, sync the directory, and only
//! then name the file in the manifest. `StagedWriter` does the first two, [`StagedFile::publish`]
//! the next two, the commit the last. What is dropped on the way is removed again; what a crash
//! leaves is removed at the next open.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use crate::directory::{Blob, Directory, TMP_DIR, io_error, join, parent};
use crate::error::{Error, Result};
use crate::segment::blocks::{BlockFile, BlockWriter};

/// A published file as the manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileRef {
    /// Name within the database directory.
    pub name: String,
    /// Length in bytes.
    pub len: u64,
    /// Checksum over all bytes, by way of the block sums.
    pub checksum: u64,
}

impl FileRef {
    /// Opens the file after comparing its length.
    pub(crate) fn open(&self, dir: &dyn Directory) -> Result<Blob> {
        let path = || dir.path(&self.name);
        match dir.len(&self.name)? {
            Some(len) if len == self.len => dir.open(&self.name),
            Some(_) => Err(Error::Corrupted {
                path: path(),
                offset: None,
                what: "its length is not what the manifest recorded",
            }),
            None => Err(Error::MissingFile { path: path() }),
        }
    }

    /// Reads the whole file and compares it with what was recorded.
    pub fn verify(&self, dir: &dyn Directory) -> Result<()> {
        let file = BlockFile::open(self.open(dir)?, dir.path(&self.name))?;
        self.confirm(dir, file.checksum())?;
        file.verify_all()
    }

    /// Compares the checksum that the file has with the recorded one.
    pub(crate) fn confirm(&self, dir: &dyn Directory, actual: u64) -> Result<()> {
        if self.checksum == actual {
            return Ok(());
        }
        let path = dir.path(&self.name);
        Err(Error::ChecksumMismatch { path, expected: self.checksum, actual })
    }
}

/// A file in `tmp/` that is still being written. Dropping it removes it.
pub(crate) struct StagedWriter {
    out: BlockWriter,
    scratch: Scratch,
    target: String,
}

/// A complete, synced file that waits in `tmp/` to be published. Dropping it removes it.
#[derive(Debug)]
pub struct StagedFile {
    scratch: Scratch,
    file: FileRef,
}

/// The name in `tmp/`, removed on drop unless it was moved away.
struct Scratch {
    dir: Arc<dyn Directory>,
    name: Option<String>,
}

impl StagedWriter {
    pub(crate) fn create(
        dir: &Arc<dyn Directory>,
        scratch: &str,
        target: String,
    ) -> Result<StagedWriter> {
        let name = join(TMP_DIR, scratch);
        dir.make_dir(TMP_DIR)?;
        // What a failed attempt may have left is simply replaced.
        dir.remove(&name)?;
        let out = BlockWriter::new(dir.create(&name)?);
        let scratch = Scratch { dir: Arc::clone(dir), name: Some(name) };
        Ok(StagedWriter { out, scratch, target })
    }

    pub(crate) fn content_len(&self) -> u64 {
        self.out.content_len()
    }

    /// Ends and syncs the file.
    pub(crate) fn finish(self) -> Result<StagedFile> {
        let StagedWriter { out, scratch, target } = self;
        let path = scratch.path();
        let sealed = out.finish().map_err(|e| io_error(path, "write and sync", e))?;
        let file = FileRef { name: target, len: sealed.len, checksum: sealed.checksum };
        Ok(StagedFile { scratch, file })
    }

    pub(crate) fn write_error(&self, source: io::Error) -> Error {
        io_error(self.scratch.path(), "write", source)
    }

    pub(crate) fn misuse(&self, what: &'static str) -> Error {
        Error::Corrupted { path: self.scratch.dir.path(&self.target), offset: None, what }
    }
}

impl Write for StagedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl StagedFile {
    /// What the manifest will record about the file.
    pub fn file(&self) -> &FileRef {
        &self.file
    }

    /// Moves the file to its place and makes its name durable. The commit must then name it; a
    /// file that no commit names is an orphan, removed at the next open.
    pub fn publish(mut self) -> Result<FileRef> {
        let dir = Arc::clone(&self.scratch.dir);
        let place = parent(&self.file.name).to_owned();
        dir.make_dir(&place)?;
        if let Some(name) = &self.scratch.name {
            dir.rename(name, &self.file.name)?;
        }
        self.scratch.name = None;
        dir.sync_dir(&place)?;
        Ok(self.file.clone())
    }
}

impl Scratch {
    fn path(&self) -> PathBuf {
        self.dir.path(self.name.as_deref().unwrap_or(TMP_DIR))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // On failure the next open empties `tmp/`.
            drop(self.dir.remove(name));
        }
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scratch").field(&self.name).finish()
    }
}
