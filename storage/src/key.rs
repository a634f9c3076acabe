//! Keys of the column families.
//!
//! ```text
//! catalog   00                                        state: counters and generation
//!           01 table:u32                              a table
//! entities  table:u32 id:u64                          a row
//! ids       table:u32 key bytes                       an id
//! by_user   table:u32 user:u64 first:u64              a chunk of interactions; the last chunk of
//! by_item   table:u32 item:u64 first:u64              a list has first = 2^64 - 1
//! pending   table:u32 column:u16 id:u64               an embedding
//! manifest  01 table:u32 column:u16 number:u64        a segment
//!           02 table:u32 column:u16 number:u64        its deleted rows
//!           03 name bytes                             an artifact
//! records   name bytes                                a record
//! ```
//!
//! Integers are big-endian, so that byte order is numeric order and every list is a range.
//! Invariant: `a < b` as numbers if and only if `key(a) < key(b)` as bytes.

use crate::id::{ColumnId, EntityId, TableId};

/// The key of the last chunk of a list ends with this instead of its first id.
pub(crate) const TAIL: u64 = u64::MAX;

/// Length of a chunk's key.
pub(crate) const CHUNK_LEN: usize = 20;

/// A half-open range of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: Vec<u8>,
    pub(crate) to: Vec<u8>,
}

/// The key of the state record.
pub(crate) const STATE: [u8; 1] = [0];

pub(crate) fn table(id: TableId) -> Vec<u8> {
    concat(&[&[1], &id.0.to_be_bytes()])
}

pub(crate) fn tables() -> Range {
    prefix(&[1])
}

pub(crate) fn entity(table: TableId, id: EntityId) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&table.0.to_be_bytes());
    key[4..].copy_from_slice(&id.to_be_bytes());
    key
}

/// The id in an entity's key.
pub(crate) fn entity_id(key: &[u8]) -> Option<EntityId> {
    Some(EntityId::from_be_bytes(*key.get(4..)?.as_array::<8>()?))
}

pub(crate) fn id(table: TableId, key: &str) -> Vec<u8> {
    concat(&[&table.0.to_be_bytes(), key.as_bytes()])
}

pub(crate) fn chunk(table: TableId, entity: EntityId, first: u64) -> [u8; CHUNK_LEN] {
    let mut key = [0; CHUNK_LEN];
    key[..4].copy_from_slice(&table.0.to_be_bytes());
    key[4..12].copy_from_slice(&entity.to_be_bytes());
    key[12..].copy_from_slice(&first.to_be_bytes());
    key
}

/// The entity and the first id in a chunk's key.
pub(crate) fn chunk_parts(key: &[u8]) -> Option<(EntityId, u64)> {
    let entity = EntityId::from_be_bytes(*key.get(4..12)?.as_array::<8>()?);
    let first = u64::from_be_bytes(*key.get(12..)?.as_array::<8>()?);
    Some((entity, first))
}

pub(crate) fn pending(table: TableId, column: ColumnId, id: EntityId) -> Vec<u8> {
    concat(&[&table.0.to_be_bytes(), &column.0.to_be_bytes(), &id.to_be_bytes()])
}

/// Table, column and id of a pending embedding's key.
pub(crate) fn pending_parts(key: &[u8]) -> Option<(TableId, ColumnId, EntityId)> {
    let table = u32::from_be_bytes(*key.get(..4)?.as_array::<4>()?);
    let column = u16::from_be_bytes(*key.get(4..6)?.as_array::<2>()?);
    let id = EntityId::from_be_bytes(*key.get(6..)?.as_array::<8>()?);
    Some((TableId(table), ColumnId(column), id))
}

pub(crate) fn pending_of(table: TableId, column: ColumnId) -> Range {
    prefix(&concat(&[&table.0.to_be_bytes(), &column.0.to_be_bytes()]))
}

pub(crate) fn segment(table: TableId, column: ColumnId, number: u64) -> Vec<u8> {
    manifest(1, table, column, number)
}

pub(crate) fn segments() -> Range {
    prefix(&[1])
}

pub(crate) fn deleted(table: TableId, column: ColumnId, number: u64) -> Vec<u8> {
    manifest(2, table, column, number)
}

fn manifest(tag: u8, table: TableId, column: ColumnId, number: u64) -> Vec<u8> {
    concat(&[&[tag], &table.0.to_be_bytes(), &column.0.to_be_bytes(), &number.to_be_bytes()])
}

/// Table, column and number of a segment's key.
pub(crate) fn segment_parts(key: &[u8]) -> Option<(TableId, ColumnId, u64)> {
    pending_parts(key.get(1..)?)
}

pub(crate) fn artifact(name: &str) -> Vec<u8> {
    concat(&[&[3], name.as_bytes()])
}

pub(crate) fn artifacts() -> Range {
    prefix(&[3])
}

/// The name in an artifact's key.
pub(crate) fn artifact_name(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.get(1..)?).ok()
}

/// Everything of a table in a column family whose keys begin with it.
pub(crate) fn of_table(table: TableId) -> Range {
    prefix(&table.0.to_be_bytes())
}

/// The table that a key of such a column family begins with.
pub(crate) fn table_of(key: &[u8]) -> Option<TableId> {
    Some(TableId(u32::from_be_bytes(*key.get(..4)?.as_array::<4>()?)))
}

/// All keys that begin with these bytes.
pub(crate) fn prefix(bytes: &[u8]) -> Range {
    let mut to = bytes.to_vec();
    while let Some(last) = to.pop() {
        if last < u8::MAX {
            to.push(last + 1);
            return Range { from: bytes.to_vec(), to };
        }
    }
    // No key of ours is this long and this high.
    Range { from: bytes.to_vec(), to: vec![u8::MAX; bytes.len().max(63) + 1] }
}

fn concat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn chunk_keys_keep_the_order_of_their_numbers(
            a: (u32, u64, u64),
            b: (u32, u64, u64),
        ) {
            let key = |(table, entity, first)| chunk(TableId(table), entity, first);
            prop_assert_eq!(a.cmp(&b), key(a).cmp(&key(b)));
            prop_assert_eq!(chunk_parts(&key(a)), Some((a.1, a.2)));
            prop_assert_eq!(table_of(&key(a)), Some(TableId(a.0)));
        }

        #[test]
        fn pending_keys_keep_the_order_of_their_numbers(
            a: (u32, u16, u64),
            b: (u32, u16, u64),
        ) {
            let key = |(table, column, id)| pending(TableId(table), ColumnId(column), id);
            prop_assert_eq!(a.cmp(&b), key(a).cmp(&key(b)));
            prop_assert_eq!(pending_parts(&key(a)), Some((TableId(a.0), ColumnId(a.1), a.2)));
        }

        #[test]
        fn entity_keys_keep_the_order_of_their_numbers(a: (u32, u64), b: (u32, u64)) {
            let key = |(table, id)| entity(TableId(table), id);
            prop_assert_eq!(a.cmp(&b), key(a).cmp(&key(b)));
            prop_assert_eq!(entity_id(&key(a)), Some(a.1));
        }

        #[test]
        fn a_prefix_range_holds_exactly_the_keys_with_the_prefix(
            start in prop::collection::vec(any::<u8>(), 0..4),
            key in prop::collection::vec(any::<u8>(), 0..8),
        ) {
            let range = prefix(&start);
            let inside = range.from <= key && key < range.to;
            prop_assert_eq!(inside, key.starts_with(&start));
        }

        #[test]
        fn arbitrary_keys_never_panic(key in prop::collection::vec(any::<u8>(), 0..32)) {
            entity_id(&key);
            chunk_parts(&key);
            pending_parts(&key);
            segment_parts(&key);
            artifact_name(&key);
            table_of(&key);
        }
    }

    #[test]
    fn a_prefix_of_the_highest_bytes_has_a_range_however_long_it_is() {
        for len in [0, 1, 63, 64, 65, 200] {
            let range = prefix(&vec![u8::MAX; len]);
            assert!(range.from < range.to && range.from.len() == len);
        }
    }
}
