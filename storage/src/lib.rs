//! Bytes on disk for TasteDB.
//!
//! Storage keeps users, items, their interactions and their embeddings in one directory, in
//! transactions that are durable when [`WriteTxn::commit`] returns. It knows tables, values, ids
//! and bytes; what a model or a query is, the layers above know.
//!
//! ```text
//! store      opens a directory; one writer, any number of snapshots
//! txn        one write transaction: overlay, lists and new segments until the commit
//! commit     one batch, one sync for all who wait, then publish
//! snapshot   one durable generation: RocksDB view, catalog, manifest
//! kv         the only door to RocksDB        directory  the only door to files
//! codec      the only door to bincode        segment    embeddings in mapped files
//! ```
//!
//! Invariants:
//! 1. There is one commit point: a RocksDB batch, synced. Files that it names were written, synced
//!    and renamed before; files that no batch names are removed at the next open.
//! 2. A snapshot is published only after its sync, and never changes.
//! 3. A published file never changes; it is removed when no snapshot and no manifest names it.
//! 4. An id is handed out once and never again, also after a delete and a restart.
//! 5. `by_item` holds exactly the entries of `by_user`, turned around.
//! 6. After a failed write or sync nothing more is written: the store is poisoned.

mod adjacency;
pub mod artifact;
pub mod backup;
mod catalog;
mod changes;
pub mod check;
mod codec;
mod commit;
pub mod directory;
mod embedding;
mod error;
pub mod format_file;
#[cfg(any(test, feature = "testing"))]
pub mod fuzzing;
mod hash;
mod id;
mod key;
pub mod kv;
mod list;
mod lock;
mod manifest;
#[cfg(test)]
mod order_tests;
mod overlay;
mod poison;
mod read;
mod row;
mod scan;
mod search;
pub mod segment;
mod snapshot;
pub mod staged;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod txn;
mod value;
mod varint;

pub use artifact::{DERIVED, Staged, StagedArtifact};
pub use catalog::{
    Catalog, Column, ColumnSpec, KeyType, Link, LinkSpec, OnUnknown, Role, Table, TableSpec,
};
pub use changes::{Change, Changes};
pub use directory::Blob;
pub use error::{Error, Result};
pub use format_file::DatabaseId;
pub use id::{ColumnId, EntityId, InteractionId, ItemId, TableId, UserId};
pub use read::{Interaction, InteractionIter, Read, Row, RowIter};
pub use search::{Fingerprint, Found, Searched};
pub use snapshot::Snapshot;
pub use store::{Create, Options, Stats, Store};
pub use txn::{Deleted, Put, WriteTxn};
pub use value::{ColumnType, Element, Value};
