//! Bytes on disk for TasteDB.

mod id;

pub use id::{ColumnId, EntityId, InteractionId, ItemId, TableId, UserId};
