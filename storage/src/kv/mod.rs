//! The ordered key-value store under everything: the only door to RocksDB.
//!
//! [`Kv`] is what the rest of the crate may know of it, and one of its two seams (the other is
//! [`Directory`](crate::directory::Directory)): tests put [`FaultKv`] between. It knows column
//! families and bytes; it does not know what a row is.
//!
//! Invariant: no other module names the `rocksdb` crate.

mod erase;
#[cfg(any(test, feature = "testing"))]
mod fault;
mod log;
mod merged;
mod rocks;
mod table;
mod views;
mod watermark;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

#[cfg(any(test, feature = "testing"))]
pub use fault::FaultKv;
pub(crate) use merged::Merged;
pub use rocks::{KvOptions, RocksKv};

use crate::error::Result;

/// The column families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cf {
    /// Tables, counters and the generation.
    Catalog,
    /// Rows of user and item tables, by id.
    Entities,
    /// Ids of users and items, by key.
    Ids,
    /// Interactions in chunks, by user; holds their values.
    ByUser,
    /// Interactions in chunks, by item; only ids. Derivable from [`Cf::ByUser`].
    ByItem,
    /// Embeddings that no segment holds yet.
    Pending,
    /// Segments, their deletion bitmaps, and artifacts.
    Manifest,
    /// Small named records of the layers above.
    Records,
}

impl Cf {
    /// All of them, in the order of their numbers.
    pub const ALL: [Cf; 8] = [
        Cf::Catalog,
        Cf::Entities,
        Cf::Ids,
        Cf::ByUser,
        Cf::ByItem,
        Cf::Pending,
        Cf::Manifest,
        Cf::Records,
    ];

    /// The name in RocksDB.
    pub fn name(self) -> &'static str {
        match self {
            Cf::Catalog => "catalog",
            Cf::Entities => "entities",
            Cf::Ids => "ids",
            Cf::ByUser => "by_user",
            Cf::ByItem => "by_item",
            Cf::Pending => "pending",
            Cf::Manifest => "manifest",
            Cf::Records => "records",
        }
    }
}

impl fmt::Display for Cf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An ordered key-value store with atomic batches and snapshots.
///
/// Keys compare as bytes, because adjacency lists and tables are ranges of keys. A batch applies
/// whole or not at all, also across a crash. [`write`](Kv::write) makes it visible to new views,
/// not durable; [`sync`](Kv::sync) makes durable everything that was written before it began.
/// After an error of either, nothing may be assumed about what is durable: the caller poisons
/// itself and never tries again.
pub trait Kv: Send + Sync {
    /// A view of the current state that later writes do not change.
    fn view(&self) -> Arc<dyn KvView>;

    /// Applies a batch atomically.
    fn write(&self, batch: Batch) -> Result<()>;

    /// Makes everything written so far durable.
    fn sync(&self) -> Result<()>;

    /// Writes buffered data to sorted files, so that the next open replays no log.
    fn flush(&self) -> Result<()>;

    /// Rewrites all files, so that deleted data is gone from them.
    fn compact(&self) -> Result<()>;

    /// The number of the last write; it rises with each.
    fn sequence(&self) -> u64;

    /// Rewrites all files so that nothing which a write up to `since` removed or replaced is in any
    /// of them: not as a value, not as a key, not in a log. Waits at most `patience` for the views
    /// that are older, which need what they see.
    fn erase(&self, since: u64, patience: Duration) -> Result<()>;

    /// Makes a consistent copy in a directory that does not exist yet.
    fn checkpoint(&self, to: &Path) -> Result<()>;

    /// Reads every block of every file and verifies its checksum.
    fn verify(&self) -> Result<()>;

    /// Approximate bytes on disk and in memory.
    fn size(&self) -> KvSize;
}

/// A consistent view of a [`Kv`].
pub trait KvView: Send + Sync {
    /// Hands the value of a key to `found`, without copying it; tells whether there is one.
    fn with(&self, cf: Cf, key: &[u8], found: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool>;

    /// The keys `from..to` in ascending order.
    fn scan(&self, cf: Cf, from: &[u8], to: &[u8]) -> Result<Box<dyn Cursor>>;

    /// A copy of the value of a key.
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut value = None;
        self.with(cf, key, &mut |bytes| {
            value = Some(bytes.to_vec());
            Ok(())
        })?;
        Ok(value)
    }
}

/// A key and its value.
pub type Entry<'a> = (&'a [u8], &'a [u8]);

/// Walks over entries; each is lent until the next call.
pub trait Cursor: Send {
    /// The next entry, or `None` at the end.
    fn next(&mut self) -> Result<Option<Entry<'_>>>;
}

/// Approximate sizes of a [`Kv`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KvSize {
    /// Bytes of sorted files.
    pub disk: u64,
    /// Bytes of write buffers.
    pub buffered: u64,
    /// Bytes of cached blocks.
    pub cached: u64,
}

/// One change of a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Sets a key.
    Put(Cf, Vec<u8>, Vec<u8>),
    /// Removes a key.
    Delete(Cf, Vec<u8>),
    /// Removes the keys `from..to`.
    DeleteRange(Cf, Vec<u8>, Vec<u8>),
}

/// Changes that are applied together, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    ops: Vec<Op>,
}

impl Batch {
    /// Sets a key.
    pub fn put(&mut self, cf: Cf, key: Vec<u8>, value: Vec<u8>) {
        self.ops.push(Op::Put(cf, key, value));
    }

    /// Removes a key.
    pub fn delete(&mut self, cf: Cf, key: Vec<u8>) {
        self.ops.push(Op::Delete(cf, key));
    }

    /// Removes the keys `from..to`.
    pub fn delete_range(&mut self, cf: Cf, from: Vec<u8>, to: Vec<u8>) {
        self.ops.push(Op::DeleteRange(cf, from, to));
    }

    /// The changes in order.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// Whether there is nothing to apply.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }
}
