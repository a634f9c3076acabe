//! Reading: one trait for the published state and for a transaction's own view of it.
//!
//! [`Snapshot`](crate::Snapshot) and [`WriteTxn`](crate::WriteTxn) both implement [`Read`], so
//! that a layer above need not care which it reads. Iterators own what they need: they outlive
//! the reader they came from, and what a transaction writes later does not show in them.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::directory::Blob;
use crate::error::Result;
use crate::id::{ColumnId, EntityId, InteractionId, ItemId, TableId, UserId};
use crate::value::Value;

pub use crate::adjacency::InteractionIter;
pub use crate::row::RowIter;

/// One row of a user or item table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its id.
    pub id: EntityId,
    /// The application's key.
    pub key: String,
    /// Values, aligned with the columns asked for. Vector columns have none: they read as null.
    pub values: Vec<Value>,
}

/// One interaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Interaction {
    /// Its id.
    pub id: InteractionId,
    /// Whose.
    pub user: UserId,
    /// Of what.
    pub item: ItemId,
    /// Values, aligned with the columns asked for.
    pub values: Vec<Value>,
}

/// What can be read from one consistent state.
///
/// Unknown tables and columns are errors; unknown rows, users and items read as absent or empty.
pub trait Read {
    /// The tables.
    fn catalog(&self) -> &Arc<Catalog>;

    /// The id of a user or item by its key.
    fn lookup(&self, table: TableId, key: &str) -> Result<Option<EntityId>>;

    /// One row.
    fn row(&self, table: TableId, id: EntityId, columns: &[ColumnId]) -> Result<Option<Row>>;

    /// All rows from an id on, in ascending order of ids.
    fn rows(&self, table: TableId, columns: &[ColumnId], from: EntityId) -> Result<RowIter>;

    /// A user's interactions in the order in which they were recorded.
    fn history(
        &self,
        table: TableId,
        user: UserId,
        columns: &[ColumnId],
    ) -> Result<Vec<Interaction>>;

    /// An item's interactions in the order in which they were recorded.
    fn audience(&self, table: TableId, item: ItemId) -> Result<Vec<(InteractionId, UserId)>>;

    /// All interactions, by user id and then in the order in which they were recorded.
    fn interactions(&self, table: TableId, columns: &[ColumnId]) -> Result<InteractionIter>;

    /// One embedding.
    fn embedding(&self, table: TableId, column: ColumnId, id: EntityId)
    -> Result<Option<Vec<f32>>>;

    /// All embeddings of a column in ascending order of ids.
    fn embeddings(
        &self,
        table: TableId,
        column: ColumnId,
        each: &mut dyn FnMut(EntityId, &[f32]) -> Result<()>,
    ) -> Result<()>;

    /// A named record.
    fn record(&self, key: &str) -> Result<Option<Vec<u8>>>;

    /// All named records whose names begin with `prefix`, in the order of names.
    fn records(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>>;

    /// The verified bytes of a published artifact, memory-mapped.
    fn artifact(&self, name: &str) -> Result<Option<Blob>>;
}
