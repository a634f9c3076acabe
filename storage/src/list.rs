//! One adjacency list as a transaction changes it.
//!
//! A list is opened by one point read of its last chunk. Appending extends that chunk's bytes in
//! place, so that a bulk load neither decodes nor seeks; only changing an old entry loads the
//! chunks before it. Nothing is written before [`List::write`] adds the changed chunks to the
//! commit's batch.
//!
//! Invariant: `chunks` holds every older chunk that this transaction made or changed, and all of
//! them once `all_loaded`.

use std::collections::BTreeMap;

use crate::adjacency::{Chunk, Entries, Entry, ListKey, each_older_chunk, push};
use crate::codec::Place;
use crate::error::Result;
use crate::key;
use crate::kv::{Batch, KvView};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct List {
    key: ListKey,
    tail: Held,
    /// The tail's first id.
    first: u64,
    /// The last id of the list; appended ids are larger.
    last: u64,
    /// Older chunks by their first ids.
    chunks: BTreeMap<u64, Held>,
    all_loaded: bool,
}

/// A chunk's entries.
#[derive(Clone, Debug, Default)]
struct Held {
    entries: Vec<u8>,
    /// Whether the store has a chunk under this key.
    stored: bool,
    changed: bool,
}

impl List {
    /// Opens a list; one that does not exist is empty.
    pub(crate) fn open(view: &dyn KvView, key: ListKey) -> Result<List> {
        let mut list = List {
            key,
            tail: Held::default(),
            first: 0,
            last: 0,
            chunks: BTreeMap::new(),
            all_loaded: true,
        };
        let cf = key.direction.cf();
        let tail_key = key.chunk(key::TAIL);
        let place = Place { cf, key: &tail_key };
        view.with(cf, &tail_key, &mut |bytes| {
            let chunk = Chunk::parse(bytes, place)?;
            list.first = chunk.first;
            list.last = chunk.first;
            for entry in Entries::new(&chunk, key.direction, place) {
                list.last = entry?.id;
            }
            list.all_loaded = !chunk.has_older;
            list.tail = Held { entries: chunk.entries.to_vec(), stored: true, changed: false };
            Ok(())
        })?;
        Ok(list)
    }

    /// Adds an entry behind all others. A chunk that would exceed `chunk_bytes` is closed first.
    pub(crate) fn append(&mut self, entry: Entry<'_>, chunk_bytes: usize) {
        let about = entry.values.len() + 12;
        if !self.tail.entries.is_empty() && self.tail.entries.len() + about > chunk_bytes {
            let entries = std::mem::take(&mut self.tail.entries);
            self.chunks.insert(self.first, Held { entries, stored: false, changed: true });
        }
        if self.tail.entries.is_empty() {
            self.first = entry.id;
            self.last = entry.id;
        }
        push(&mut self.tail.entries, self.key.direction, self.last, entry);
        self.tail.changed = true;
        self.last = entry.id;
    }

    /// Hands all entries to `each` in order.
    pub(crate) fn each(
        &self,
        view: &dyn KvView,
        each: &mut dyn FnMut(Entry<'_>, Place<'_>) -> Result<()>,
    ) -> Result<()> {
        self.each_chunk(view, &mut |chunk, place| {
            for entry in Entries::new(chunk, self.key.direction, place) {
                each(entry?, place)?;
            }
            Ok(())
        })
    }

    /// Hands all chunks to `each`, oldest first.
    pub(crate) fn each_chunk(
        &self,
        view: &dyn KvView,
        each: &mut dyn FnMut(&Chunk<'_>, Place<'_>) -> Result<()>,
    ) -> Result<()> {
        let cf = self.key.direction.cf();
        if !self.all_loaded {
            // None of the stored older chunks was changed, and what was appended is behind them.
            each_older_chunk(view, self.key, each)?;
        }
        for (first, held) in &self.chunks {
            let key = self.key.chunk(*first);
            each(&held.chunk(*first), Place { cf, key: &key })?;
        }
        let key = self.key.chunk(key::TAIL);
        each(&self.tail.chunk(self.first), Place { cf, key: &key })
    }

    /// Finds an entry and hands it to `found`; tells whether there is one.
    pub(crate) fn find(
        &mut self,
        view: &dyn KvView,
        id: u64,
        found: &mut dyn FnMut(Entry<'_>, Place<'_>) -> Result<()>,
    ) -> Result<bool> {
        let key = self.key;
        let Some((first, held)) = self.chunk_of(view, id)? else { return Ok(false) };
        let stored_key = key.chunk(first);
        let place = Place { cf: key.direction.cf(), key: &stored_key };
        for entry in Entries::new(&held.chunk(first), key.direction, place) {
            let entry = entry?;
            if entry.id == id {
                return found(entry, place).map(|()| true);
            }
        }
        Ok(false)
    }

    /// Gives an entry other values; tells whether there is one.
    pub(crate) fn replace(&mut self, view: &dyn KvView, id: u64, values: &[u8]) -> Result<bool> {
        self.edit(view, id, Some(values))
    }

    /// Removes an entry; tells whether there was one.
    pub(crate) fn remove(&mut self, view: &dyn KvView, id: u64) -> Result<bool> {
        self.edit(view, id, None)
    }

    /// Removes all entries.
    pub(crate) fn clear(&mut self, view: &dyn KvView) -> Result<()> {
        self.load_older(view)?;
        for held in self.chunks.values_mut().chain([&mut self.tail]) {
            held.changed |= !held.entries.is_empty();
            held.entries.clear();
        }
        Ok(())
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_unchanged(&self) -> bool {
        !self.tail.changed && self.chunks.values().all(|held| !held.changed)
    }

    /// Adds the changed chunks to a batch.
    pub(crate) fn write(self, batch: &mut Batch) {
        let cf = self.key.direction.cf();
        let mut older = !self.all_loaded;
        for (first, held) in self.chunks {
            let key = self.key.chunk(first).to_vec();
            if held.entries.is_empty() {
                if held.stored {
                    batch.delete(cf, key);
                }
                continue;
            }
            if held.changed {
                batch.put(cf, key, held.chunk_after(first, older).encode());
            }
            older = true;
        }
        let key = self.key.chunk(key::TAIL).to_vec();
        // A list with older chunks keeps its last one, even empty: reading starts there.
        if self.tail.entries.is_empty() && !older {
            if self.tail.stored {
                batch.delete(cf, key);
            }
        } else if self.tail.changed {
            batch.put(cf, key, self.tail.chunk_after(self.first, older).encode());
        }
    }

    /// The chunk that would hold an entry, and its first id.
    fn chunk_of(&mut self, view: &dyn KvView, id: u64) -> Result<Option<(u64, &mut Held)>> {
        if !self.tail.entries.is_empty() && id >= self.first {
            return Ok(Some((self.first, &mut self.tail)));
        }
        self.load_older(view)?;
        Ok(self.chunks.range_mut(..=id).next_back().map(|(first, held)| (*first, held)))
    }

    fn edit(&mut self, view: &dyn KvView, id: u64, values: Option<&[u8]>) -> Result<bool> {
        let key = self.key;
        let Some((first, held)) = self.chunk_of(view, id)? else { return Ok(false) };
        let stored_key = key.chunk(first);
        let place = Place { cf: key.direction.cf(), key: &stored_key };
        let mut out = Vec::with_capacity(held.entries.len() + values.map_or(0, <[u8]>::len));
        let mut last = first;
        let mut found = false;
        for entry in Entries::new(&held.chunk(first), key.direction, place) {
            let mut entry = entry?;
            if entry.id == id {
                found = true;
                match values {
                    None => continue,
                    Some(values) => entry.values = values,
                }
            }
            push(&mut out, key.direction, last, entry);
            last = entry.id;
        }
        if found {
            held.entries = out;
            held.changed = true;
            // Appended deltas count from the last entry that is left.
            if first == self.first {
                self.last = last;
            }
        }
        Ok(found)
    }

    fn load_older(&mut self, view: &dyn KvView) -> Result<()> {
        if self.all_loaded {
            return Ok(());
        }
        let chunks = &mut self.chunks;
        each_older_chunk(view, self.key, &mut |chunk, _| {
            let held = Held { entries: chunk.entries.to_vec(), stored: true, changed: false };
            chunks.insert(chunk.first, held);
            Ok(())
        })?;
        self.all_loaded = true;
        Ok(())
    }
}

impl Held {
    fn chunk(&self, first: u64) -> Chunk<'_> {
        self.chunk_after(first, false)
    }

    fn chunk_after(&self, first: u64, has_older: bool) -> Chunk<'_> {
        Chunk { has_older, first, entries: &self.entries }
    }
}
