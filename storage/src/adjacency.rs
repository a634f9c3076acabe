//! Adjacency lists: the interactions of one user, or of one item, in chunks.
//!
//! ```text
//! chunk     flags:u8  first:varint  entry*
//! by user   delta:varint  item:varint  length:varint  values (see `row`)
//! by item   delta:varint  user:varint
//! flags     bit 0: the list has chunks before this one
//! ```
//!
//! An entry's id is the sum of `first` and all deltas up to its own. A chunk's key ends with its
//! first id, except that the last chunk of a list ends with `2^64 - 1`: so a point read finds the
//! end of a list, which is all of it for most users, and appending reads nothing else.
//!
//! This module knows chunks and how to read a stored list. A list that a transaction changes is
//! in [`list`](crate::list), a scan over all lists in [`scan`](crate::scan). Invariant: ids
//! ascend strictly within a list.

use crate::codec::Place;
use crate::error::Result;
use crate::id::{EntityId, TableId};
use crate::key;
use crate::kv::{Cf, KvView};
use crate::varint;

pub use crate::scan::InteractionIter;

const HAS_OLDER: u8 = 1;

/// Which way a list leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Direction {
    /// From a user to items; entries have values.
    ByUser,
    /// From an item to users.
    ByItem,
}

impl Direction {
    pub(crate) fn cf(self) -> Cf {
        match self {
            Direction::ByUser => Cf::ByUser,
            Direction::ByItem => Cf::ByItem,
        }
    }
}

/// One list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ListKey {
    pub(crate) direction: Direction,
    pub(crate) table: TableId,
    pub(crate) entity: EntityId,
}

impl ListKey {
    pub(crate) fn chunk(&self, first: u64) -> [u8; key::CHUNK_LEN] {
        key::chunk(self.table, self.entity, first)
    }
}

/// A chunk without its header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk<'a> {
    pub(crate) has_older: bool,
    pub(crate) first: u64,
    pub(crate) entries: &'a [u8],
}

impl<'a> Chunk<'a> {
    pub(crate) fn parse(bytes: &'a [u8], place: Place<'_>) -> Result<Chunk<'a>> {
        let (flags, mut rest) =
            bytes.split_first().ok_or_else(|| place.corrupted("an empty chunk"))?;
        if flags & !HAS_OLDER != 0 {
            return Err(place.corrupted("a chunk with unknown flags"));
        }
        let first = varint::take(&mut rest).ok_or_else(|| place.corrupted("a torn chunk"))?;
        Ok(Chunk { has_older: flags & HAS_OLDER != 0, first, entries: rest })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + varint::MAX_LEN + self.entries.len());
        out.push(if self.has_older { HAS_OLDER } else { 0 });
        varint::put(&mut out, self.first);
        out.extend_from_slice(self.entries);
        out
    }
}

/// One entry of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// The interaction.
    pub(crate) id: u64,
    /// The item in a user's list, the user in an item's list.
    pub(crate) other: EntityId,
    /// The values; empty in an item's list.
    pub(crate) values: &'a [u8],
}

/// Appends an entry; `last` is the id before it, or the chunk's first.
#[inline]
pub(crate) fn push(out: &mut Vec<u8>, direction: Direction, last: u64, entry: Entry<'_>) {
    varint::put(out, entry.id - last);
    varint::put(out, entry.other);
    if direction == Direction::ByUser {
        varint::put(out, entry.values.len() as u64);
        out.extend_from_slice(entry.values);
    }
}

/// Reads the entry at the front of `rest`; `last` is the id before it.
#[inline]
pub(crate) fn take<'a>(
    rest: &mut &'a [u8],
    direction: Direction,
    last: u64,
    place: Place<'_>,
) -> Result<Entry<'a>> {
    let entry = (|| {
        let id = last.checked_add(varint::take(rest)?)?;
        let other = varint::take(rest)?;
        let values = match direction {
            Direction::ByUser => {
                let len = usize::try_from(varint::take(rest)?).ok()?;
                let (values, behind) = rest.split_at_checked(len)?;
                *rest = behind;
                values
            }
            Direction::ByItem => &[],
        };
        Some(Entry { id, other, values })
    })();
    entry.ok_or_else(|| place.corrupted("a torn entry"))
}

/// The entries of a chunk in order.
pub(crate) struct Entries<'a, 'p> {
    rest: &'a [u8],
    direction: Direction,
    last: u64,
    place: Place<'p>,
}

impl<'a, 'p> Entries<'a, 'p> {
    pub(crate) fn new(chunk: &Chunk<'a>, direction: Direction, place: Place<'p>) -> Self {
        Entries { rest: chunk.entries, direction, last: chunk.first, place }
    }
}

impl<'a> Iterator for Entries<'a, '_> {
    type Item = Result<Entry<'a>>;

    #[inline]
    fn next(&mut self) -> Option<Result<Entry<'a>>> {
        if self.rest.is_empty() {
            return None;
        }
        let entry = take(&mut self.rest, self.direction, self.last, self.place);
        match &entry {
            Ok(entry) => self.last = entry.id,
            Err(_) => self.rest = &[],
        }
        Some(entry)
    }
}

/// Hands the chunks of a stored list to `each`, oldest first.
pub(crate) fn each_chunk(
    view: &dyn KvView,
    list: ListKey,
    each: &mut dyn FnMut(&Chunk<'_>, Place<'_>) -> Result<()>,
) -> Result<()> {
    let cf = list.direction.cf();
    let tail_key = list.chunk(key::TAIL);
    let place = Place { cf, key: &tail_key };
    // A list of one chunk, the usual case, is read where RocksDB keeps it.
    let mut tail_of_many = None;
    view.with(cf, &tail_key, &mut |bytes| {
        let chunk = Chunk::parse(bytes, place)?;
        if chunk.has_older {
            tail_of_many = Some(bytes.to_vec());
            return Ok(());
        }
        each(&chunk, place)
    })?;
    let Some(tail) = tail_of_many else { return Ok(()) };
    each_older_chunk(view, list, each)?;
    each(&Chunk::parse(&tail, place)?, place)
}

/// Hands the chunks of a stored list before its last to `each`, oldest first.
pub(crate) fn each_older_chunk(
    view: &dyn KvView,
    list: ListKey,
    each: &mut dyn FnMut(&Chunk<'_>, Place<'_>) -> Result<()>,
) -> Result<()> {
    let cf = list.direction.cf();
    let mut cursor = view.scan(cf, &list.chunk(0), &list.chunk(key::TAIL))?;
    while let Some((key, bytes)) = cursor.next()? {
        let place = Place { cf, key };
        each(&Chunk::parse(bytes, place)?, place)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: Place<'static> = Place { cf: Cf::ByUser, key: b"k" };

    proptest! {
        #[test]
        fn a_chunk_survives(
            first in 0..u64::MAX / 2,
            entries in prop::collection::vec(
                (1..1_000_000u64, any::<u64>(), prop::collection::vec(any::<u8>(), 0..9)), 0..50),
            has_older: bool,
            by_user: bool,
        ) {
            let direction = if by_user { Direction::ByUser } else { Direction::ByItem };
            let mut bytes = Vec::new();
            let mut last = first;
            let mut expected = Vec::new();
            for (delta, other, values) in &entries {
                let values = if by_user { values.as_slice() } else { &[] };
                let entry = Entry { id: last + delta, other: *other, values };
                push(&mut bytes, direction, last, entry);
                last += delta;
                expected.push(entry);
            }
            let stored = Chunk { has_older, first, entries: &bytes }.encode();
            let chunk = Chunk::parse(&stored, PLACE).expect("parses");
            prop_assert_eq!(chunk.has_older, has_older);
            let read: Vec<_> = Entries::new(&chunk, direction, PLACE)
                .collect::<Result<_>>()
                .expect("decodes");
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(chunk) = Chunk::parse(&bytes, PLACE) {
                for direction in [Direction::ByUser, Direction::ByItem] {
                    let read = Entries::new(&chunk, direction, PLACE).count();
                    prop_assert!(read <= bytes.len());
                }
            }
        }
    }

    #[test]
    fn a_torn_entry_is_an_error_and_ends_the_chunk() {
        let mut bytes = Vec::new();
        push(&mut bytes, Direction::ByUser, 5, Entry { id: 6, other: 7, values: b"abc" });
        bytes.pop();
        let chunk = Chunk { has_older: false, first: 5, entries: &bytes };
        let mut entries = Entries::new(&chunk, Direction::ByUser, PLACE);
        assert!(entries.next().expect("one").is_err());
        assert!(entries.next().is_none());
    }
}
