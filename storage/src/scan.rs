//! A scan over all interactions of a table, user by user.
//!
//! It reads stored chunks front to back and puts a transaction's own lists in place of the stored
//! ones. It holds copies of those lists, so the transaction may go on meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::adjacency::{Chunk, Direction, take};
use crate::catalog::Table;
use crate::codec::Place;
use crate::error::Result;
use crate::id::{EntityId, InteractionId, ItemId, TableId, UserId};
use crate::key;
use crate::kv::{Cf, Cursor};
use crate::read::Interaction;
use crate::row::Projection;

/// A user's chunks, each with its first id.
pub(crate) type OwnList = (EntityId, Vec<(u64, Vec<u8>)>);

/// All interactions of a table, by user id and then in the order in which they were recorded.
pub struct InteractionIter {
    table: TableId,
    projection: Projection,
    base: Box<dyn Cursor>,
    /// The stored chunk read ahead; bytes with header.
    ahead: Option<Loaded>,
    base_at_end: bool,
    /// The transaction's own lists, by user.
    own: std::iter::Peekable<std::vec::IntoIter<OwnList>>,
    queue: VecDeque<Loaded>,
    current: Option<Loaded>,
}

/// A chunk being read.
struct Loaded {
    user: EntityId,
    key_first: u64,
    bytes: Vec<u8>,
    at: usize,
    last: u64,
}

impl InteractionIter {
    pub(crate) fn new(
        table: &Arc<Table>,
        projection: Projection,
        base: Box<dyn Cursor>,
        own: Vec<OwnList>,
    ) -> InteractionIter {
        InteractionIter {
            table: table.id,
            projection,
            base,
            ahead: None,
            base_at_end: false,
            own: own.into_iter().peekable(),
            queue: VecDeque::new(),
            current: None,
        }
    }

    fn read_ahead(&mut self) -> Result<()> {
        if self.ahead.is_some() || self.base_at_end {
            return Ok(());
        }
        let Some((key, bytes)) = self.base.next()? else {
            self.base_at_end = true;
            return Ok(());
        };
        let place = Place { cf: Cf::ByUser, key };
        let (user, key_first) =
            key::chunk_parts(key).ok_or_else(|| place.corrupted("a key of the wrong length"))?;
        let chunk = Chunk::parse(bytes, place)?;
        self.ahead = Some(Loaded {
            user,
            key_first,
            at: bytes.len() - chunk.entries.len(),
            last: chunk.first,
            bytes: bytes.to_vec(),
        });
        Ok(())
    }

    /// Makes the next chunk current; false at the end.
    fn advance(&mut self) -> Result<bool> {
        loop {
            if let Some(next) = self.queue.pop_front() {
                self.current = Some(next);
                return Ok(true);
            }
            self.read_ahead()?;
            let stored = self.ahead.as_ref().map(|chunk| chunk.user);
            let own = self.own.peek().map(|(user, _)| *user);
            match (stored, own) {
                (None, None) => {
                    self.current = None;
                    return Ok(false);
                }
                (Some(stored), own) if own.is_none_or(|own| stored < own) => {
                    self.current = self.ahead.take();
                    return Ok(true);
                }
                _ => {
                    let Some((user, chunks)) = self.own.next() else { continue };
                    self.queue.extend(chunks.into_iter().map(|(first, bytes)| Loaded {
                        user,
                        key_first: first,
                        bytes,
                        at: 0,
                        last: first,
                    }));
                    // The stored chunks of this user are replaced.
                    loop {
                        self.read_ahead()?;
                        if self.ahead.as_ref().is_some_and(|chunk| chunk.user == user) {
                            self.ahead = None;
                        } else {
                            break;
                        }
                    }
                }
            }
        }
    }

    fn step(&mut self) -> Result<Option<Interaction>> {
        loop {
            let Some(chunk) = &mut self.current else {
                if self.advance()? {
                    continue;
                }
                return Ok(None);
            };
            let mut rest = chunk.bytes.get(chunk.at..).unwrap_or_default();
            if rest.is_empty() {
                if self.advance()? {
                    continue;
                }
                return Ok(None);
            }
            let key = key::chunk(self.table, chunk.user, chunk.key_first);
            let place = Place { cf: Cf::ByUser, key: &key };
            let entry = take(&mut rest, Direction::ByUser, chunk.last, place)?;
            let interaction = Interaction {
                id: InteractionId(entry.id),
                user: UserId(chunk.user),
                item: ItemId(entry.other),
                values: self.projection.decode(entry.values, place)?,
            };
            chunk.last = entry.id;
            chunk.at = chunk.bytes.len() - rest.len();
            return Ok(Some(interaction));
        }
    }
}

impl Iterator for InteractionIter {
    type Item = Result<Interaction>;

    #[inline]
    fn next(&mut self) -> Option<Result<Interaction>> {
        let next = self.step();
        if next.is_err() {
            // What follows cannot be decoded either.
            self.current = None;
            self.queue.clear();
            self.ahead = None;
            self.base_at_end = true;
            self.own = Vec::new().into_iter().peekable();
        }
        next.transpose()
    }
}
