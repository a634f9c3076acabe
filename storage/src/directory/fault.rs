//! A directory whose n-th operation fails, for tests.
//!
//! A test first runs a script without faults to count its operations, then once for every n with
//! the n-th failing, and requires a clean error and a database that opens. A failed write leaves
//! half of its bytes, as a full disk does.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Blob, Directory, Entry, FileWriter, io_error};
use crate::error::{Error, Result};

/// The kinds of operation that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// Creating a directory.
    MakeDir,
    /// Creating a file.
    Create,
    /// Writing to a file.
    Write,
    /// Syncing a file.
    Sync,
    /// Renaming a file.
    Rename,
    /// Syncing a directory.
    SyncDir,
    /// Removing a file or a directory.
    Remove,
    /// Listing, inspecting or reading a file.
    Read,
    /// Replacing a small file.
    Replace,
    /// Opening a published file.
    Open,
    /// Exporting a file.
    Export,
}

/// What the failing operation answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// An input/output error.
    Io,
    /// No space left on the device.
    NoSpace,
}

/// The mark of an injected error, to tell it from a real one.
#[derive(Debug)]
struct Injected(Fault);

impl fmt::Display for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Fault::Io => "injected input/output error",
            Fault::NoSpace => "injected: no space left on device",
        })
    }
}

impl std::error::Error for Injected {}

/// Whether an error comes from a [`FaultDirectory`].
pub fn is_injected(error: &Error) -> bool {
    match error {
        Error::Io { source, .. } => is_injected_io(source),
        _ => false,
    }
}

fn is_injected_io(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Injected>())
}

/// Passes everything on to another directory until the armed operation comes.
#[derive(Debug, Clone)]
pub struct FaultDirectory {
    inner: Arc<dyn Directory>,
    plan: Arc<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    /// Operations of the armed kind that still succeed, plus one; zero when not armed.
    countdown: AtomicU64,
    /// All operations so far.
    seen: AtomicU64,
    /// How often a fault was injected.
    fired: AtomicU64,
    armed: Mutex<Option<(Option<Op>, Fault, Then)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Recover,
    KeepFailing,
}

impl FaultDirectory {
    /// Wraps a directory; nothing fails until told to.
    pub fn new(inner: Arc<dyn Directory>) -> FaultDirectory {
        FaultDirectory { inner, plan: Arc::default() }
    }

    /// Makes the n-th operation from now (counting from 1) fail, once. `None` counts operations
    /// of every kind.
    pub fn fail(&self, op: Option<Op>, nth: u64, fault: Fault) {
        self.arm(op, nth, fault, Then::Recover);
    }

    /// Like [`fail`](Self::fail), and every later operation of the kind fails too: a disk that
    /// stays full or broken.
    pub fn fail_from(&self, op: Option<Op>, nth: u64, fault: Fault) {
        self.arm(op, nth, fault, Then::KeepFailing);
    }

    /// Disarms.
    pub fn heal(&self) {
        self.plan.countdown.store(0, Ordering::SeqCst);
        *self.plan.armed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The number of operations so far, of every kind.
    pub fn operations(&self) -> u64 {
        self.plan.seen.load(Ordering::SeqCst)
    }

    /// How many operations were made to fail.
    pub fn injected(&self) -> u64 {
        self.plan.fired.load(Ordering::SeqCst)
    }

    fn arm(&self, op: Option<Op>, nth: u64, fault: Fault, then: Then) {
        *self.plan.armed.lock().unwrap_or_else(PoisonError::into_inner) = Some((op, fault, then));
        self.plan.countdown.store(nth, Ordering::SeqCst);
    }

    fn step(&self, op: Op, name: &str, what: &'static str) -> Result<()> {
        self.plan.step(op).map_err(|e| io_error(self.inner.path(name), what, e))
    }
}

impl Plan {
    fn step(&self, op: Op) -> io::Result<()> {
        self.seen.fetch_add(1, Ordering::SeqCst);
        let armed = *self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((kind, fault, then)) = armed else { return Ok(()) };
        if kind.is_some_and(|kind| kind != op) {
            return Ok(());
        }
        let count = |left: u64| match (left, then) {
            (0, _) => None,
            (1, Then::KeepFailing) => Some(1),
            (left, _) => Some(left - 1),
        };
        let before = self.countdown.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count);
        if before != Ok(1) {
            return Ok(());
        }
        self.fired.fetch_add(1, Ordering::SeqCst);
        let kind = match fault {
            Fault::Io => io::ErrorKind::Other,
            Fault::NoSpace => io::ErrorKind::StorageFull,
        };
        Err(io::Error::new(kind, Injected(fault)))
    }
}

impl Directory for FaultDirectory {
    fn path(&self, name: &str) -> PathBuf {
        self.inner.path(name)
    }

    fn root(&self) -> Option<&Path> {
        self.inner.root()
    }

    fn make_dir(&self, dir: &str) -> Result<()> {
        self.step(Op::MakeDir, dir, "create directory")?;
        self.inner.make_dir(dir)
    }

    fn create(&self, name: &str) -> Result<Box<dyn FileWriter>> {
        self.step(Op::Create, name, "create")?;
        let inner = self.inner.create(name)?;
        Ok(Box::new(FaultFile { inner, plan: Arc::clone(&self.plan) }))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.step(Op::Rename, to, "rename")?;
        self.inner.rename(from, to)
    }

    fn sync_dir(&self, dir: &str) -> Result<()> {
        self.step(Op::SyncDir, dir, "sync directory")?;
        self.inner.sync_dir(dir)
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.step(Op::Remove, name, "remove")?;
        self.inner.remove(name)
    }

    fn remove_dir(&self, dir: &str) -> Result<()> {
        self.step(Op::Remove, dir, "remove directory")?;
        self.inner.remove_dir(dir)
    }

    fn list(&self, dir: &str) -> Result<Vec<Entry>> {
        self.step(Op::Read, dir, "list")?;
        self.inner.list(dir)
    }

    fn len(&self, name: &str) -> Result<Option<u64>> {
        self.step(Op::Read, name, "inspect")?;
        self.inner.len(name)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.step(Op::Read, name, "read")?;
        self.inner.read(name)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.step(Op::Replace, name, "replace")?;
        self.inner.replace(name, bytes)
    }

    fn open(&self, name: &str) -> Result<Blob> {
        self.step(Op::Open, name, "open")?;
        self.inner.open(name)
    }

    fn export(&self, name: &str, to: &Path) -> Result<()> {
        self.step(Op::Export, name, "copy")?;
        self.inner.export(name, to)
    }
}

struct FaultFile {
    inner: Box<dyn FileWriter>,
    plan: Arc<Plan>,
}

impl Write for FaultFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(fault) = self.plan.step(Op::Write) {
            self.inner.write_all(&bytes[..bytes.len() / 2])?;
            return Err(fault);
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl FileWriter for FaultFile {
    fn sync(&mut self) -> io::Result<()> {
        self.plan.step(Op::Sync)?;
        self.inner.sync()
    }
}
