//! Stable identifiers: what the rest of the system calls a table, a column, a user or an item.
//!
//! These are not positions: a dense row of a dataset or a model is a plain `u32` there. An id is
//! handed out once and never again, also after a delete and a restart.

use std::fmt;

use bytemuck::{Pod, Zeroable};

/// A user's or an item's id in code that serves both.
pub type EntityId = u64;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
        #[repr(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A table, of any role.
    TableId(u32)
}
id! {
    /// A column within its table; a dropped column's id is not used again.
    ColumnId(u16)
}
id! {
    /// A user: the row of a user table.
    UserId(u64)
}
id! {
    /// An item: the row of an item table. Ascending ids are the order of insertion, over all tables of
    /// items.
    ItemId(u64)
}
id! {
    /// One interaction. Ascending ids are the order of recording, over all tables.
    InteractionId(u64)
}
