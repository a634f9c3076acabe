//! What can go wrong in storage, as structured causes.
//!
//! Malformed input of the application and malformed bytes of ours are different variants: the
//! first is the caller's to mend, the second means a damaged file. No variant is only a sentence.
//! Invariant: every error about a file names the file.

use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::id::{InteractionId, ItemId, UserId};
use crate::kv::Cf;
use crate::value::{ColumnType, Value};

/// A result whose error is storage's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong in storage.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("cannot {op} {}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The operation, as a verb: `open`, `sync`, `rename`.
        op: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// RocksDB refused an operation for a reason other than damage.
    #[error("the key-value store failed to {op}{}: {message}", in_cf(*cf))]
    Kv {
        /// The operation, as a verb.
        op: &'static str,
        /// The column family, where there is one.
        cf: Option<Cf>,
        /// RocksDB's own words.
        message: String,
    },
    /// RocksDB found damage in one of its files.
    #[error("{} is damaged: {message}", path.display())]
    CorruptedKv {
        /// The damaged file where RocksDB names it, else its directory.
        path: PathBuf,
        /// RocksDB's own words.
        message: String,
    },
    /// Another process has the database open.
    #[error("{} is open in another process", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// Another write transaction is open and did not end within the busy timeout.
    #[error("another write transaction is open (waited {} ms)", waited.as_millis())]
    Busy {
        /// How long was waited.
        waited: std::time::Duration,
    },
    /// Something still reads a state in which what is to be erased was there.
    #[error("an older state of the database is still being read (waited {} ms)", waited.as_millis())]
    Held {
        /// How long was waited for it.
        waited: std::time::Duration,
    },
    /// A file that should be gone cannot be removed.
    #[error("{} cannot be removed", path.display())]
    Leftover {
        /// The file.
        path: PathBuf,
    },
    /// One of our files holds what we never write.
    #[error("{} is damaged{}: {what}", path.display(), at(*offset))]
    Corrupted {
        /// The damaged file.
        path: PathBuf,
        /// Where in the file, if known.
        offset: Option<u64>,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A stored record cannot be decoded, although its block checksum held.
    #[error("a record of {cf} is damaged (key {}): {what}", hex(key))]
    CorruptedRecord {
        /// The column family.
        cf: Cf,
        /// The record's key.
        key: Vec<u8>,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The bytes of a file are not those that were written.
    #[error("{} is damaged: checksum {actual:016x}, expected {expected:016x}", path.display())]
    ChecksumMismatch {
        /// The damaged file.
        path: PathBuf,
        /// The checksum written with the bytes.
        expected: u64,
        /// The checksum of the bytes read.
        actual: u64,
    },
    /// A file that the manifest names is not there.
    #[error("{} is missing, but the database needs it", path.display())]
    MissingFile {
        /// The missing file.
        path: PathBuf,
    },
    /// The directory was written by a version that this one cannot read.
    #[error(
        "{} has format version {found}; this build reads {} to {}",
        path.display(),
        supported.start(),
        supported.end()
    )]
    UnsupportedFormat {
        /// The file that says so.
        path: PathBuf,
        /// The version found.
        found: u32,
        /// The versions that this build reads.
        supported: RangeInclusive<u32>,
    },
    /// The directory uses features that this version does not know.
    #[error("{} names features that this build does not know ({flags:#x})", path.display())]
    UnknownFlags {
        /// The file that says so.
        path: PathBuf,
        /// The unknown bits.
        flags: u64,
    },
    /// The directory holds something, but not a database.
    #[error("{} is not a TasteDB database", path.display())]
    NotADatabase {
        /// The directory.
        path: PathBuf,
    },
    /// There is no database there, and the options forbid creating one.
    #[error("there is no database at {}", path.display())]
    NotFound {
        /// The directory.
        path: PathBuf,
    },
    /// There is something already, and a new database was to be made.
    #[error("{} exists already", path.display())]
    DatabaseExists {
        /// The directory.
        path: PathBuf,
    },
    /// A whole-database check found problems where there must be none.
    #[error("{} is damaged: {first} (problems found: {problems})", path.display())]
    Unsound {
        /// The database directory.
        path: PathBuf,
        /// How many problems there are.
        problems: u64,
        /// The first of them.
        first: String,
    },
    /// An earlier write or sync failed; what is durable is unknown until the database is reopened.
    #[error("an earlier write failed; reopen the database")]
    Poisoned,
    /// The operation is not possible with this kind of database.
    #[error("{what}")]
    Unsupported {
        /// What is not possible.
        what: &'static str,
    },
    /// The database was opened for reading only.
    #[error("the database is open read-only")]
    ReadOnly,
    /// No such table.
    #[error("no table `{name}`")]
    NoSuchTable {
        /// The name or id asked for.
        name: String,
    },
    /// No such column.
    #[error("no column `{column}` in table `{table}`")]
    NoSuchColumn {
        /// The table.
        table: String,
        /// The name or id asked for.
        column: String,
    },
    /// A table, column or record of this name exists.
    #[error("{what} `{name}` exists already")]
    AlreadyExists {
        /// `table`, `column`, `key`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The operation does not fit the table's role.
    #[error("table `{table}` is not {expected}")]
    WrongRole {
        /// The table.
        table: String,
        /// What the operation needs: `a user table`, `an interaction table`.
        expected: &'static str,
    },
    /// A table definition contradicts itself or exceeds a limit.
    #[error("table `{table}`: {what}")]
    InvalidSchema {
        /// The table.
        table: String,
        /// What is wrong with it.
        what: String,
    },
    /// The table cannot be dropped because others refer to it.
    #[error("table `{table}` is referenced by {}", dependents.join(", "))]
    StillReferenced {
        /// The table.
        table: String,
        /// The tables that refer to it.
        dependents: Vec<String>,
    },
    /// A vector has the wrong number of components.
    #[error("column `{column}` holds vectors of {expected} components, not {actual}")]
    DimensionMismatch {
        /// The column.
        column: String,
        /// The column's dimension.
        expected: usize,
        /// The vector's.
        actual: usize,
    },
    /// A vector has a component that is NaN, infinite, or beyond the element type's range.
    #[error("component {position} of the vector for column `{column}` is not a finite number")]
    NotFinite {
        /// The column.
        column: String,
        /// The first such component, counted from 0.
        position: usize,
    },
    /// A column that must have a value got none.
    #[error("column `{column}` of table `{table}` must have a value")]
    NotNull {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// The operation needs a vector column.
    #[error("column `{column}` of table `{table}` does not hold vectors")]
    NotAVector {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A column is computed by the database: nobody else writes to it.
    #[error("column `{column}` of table `{table}` is computed by the database")]
    Computed {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// Rows were put whose computed columns were not brought up to date: a mistake of the layer
    /// above.
    #[error("the computed columns of table `{table}` are not up to date")]
    Outdated {
        /// The table.
        table: String,
    },
    /// A value has another type than its column.
    #[error("column `{column}` of table `{table}` holds {expected}, not {}", actual.type_name())]
    TypeMismatch {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The column's type.
        expected: ColumnType,
        /// The value given.
        actual: Value,
    },
    /// A key is not of the table's key type, or empty, or too long.
    #[error("`{key}` cannot be a key of table `{table}`: {what}")]
    InvalidKey {
        /// The table.
        table: String,
        /// The key given.
        key: String,
        /// Why it is refused.
        what: &'static str,
    },
    /// A value is too large to be stored.
    #[error("{what} has {actual} bytes; at most {limit} fit")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size in bytes.
        actual: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// No row of this id.
    #[error("no row {id} in table `{table}`")]
    NoSuchRow {
        /// The table.
        table: String,
        /// The id.
        id: u64,
    },
    /// An interaction names a user that does not exist.
    #[error("no user {user} in table `{table}`")]
    UnknownUser {
        /// The user table.
        table: String,
        /// The id.
        user: UserId,
    },
    /// An interaction names an item that does not exist.
    #[error("no item {item} in table `{table}`")]
    UnknownItem {
        /// The item table.
        table: String,
        /// The id.
        item: ItemId,
    },
    /// An update would give two interactions of a table the same primary key.
    #[error("table `{table}` has an interaction with this key already ({id})")]
    DuplicateInteraction {
        /// The table.
        table: String,
        /// The interaction that has the key.
        id: InteractionId,
    },
    /// An operation of the transaction failed half-way: it can only be rolled back.
    #[error("the transaction failed and can only be rolled back")]
    Aborted,
    /// A savepoint call that does not fit the transaction's state.
    #[error("{what}")]
    Savepoint {
        /// What does not fit.
        what: &'static str,
    },
}

impl Error {
    /// Whether trying again later can succeed without anything being repaired.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::Busy { .. } | Error::Locked { .. } | Error::Held { .. })
    }

    /// Whether the error says that stored bytes are damaged or missing.
    pub fn is_corruption(&self) -> bool {
        matches!(
            self,
            Error::Corrupted { .. }
                | Error::CorruptedKv { .. }
                | Error::CorruptedRecord { .. }
                | Error::ChecksumMismatch { .. }
                | Error::MissingFile { .. }
                | Error::Unsound { .. }
        )
    }
}

fn in_cf(cf: Option<Cf>) -> String {
    cf.map_or_else(String::new, |cf| format!(" in {cf}"))
}

fn at(offset: Option<u64>) -> String {
    offset.map_or_else(String::new, |offset| format!(" at byte {offset}"))
}

fn hex(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}
