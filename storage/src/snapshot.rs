//! A snapshot: one durable generation, pinned.
//!
//! It holds a RocksDB view, the catalog and the manifest with its open files, so that no later
//! commit, merge or removal of files can disturb it. Cloning it copies a pointer. While any
//! snapshot lives, the database stays open and locked, even if the store was dropped.

use std::sync::Arc;

use crate::adjacency::{Direction, Entries, ListKey, each_chunk};
use crate::catalog::Catalog;
use crate::codec::Place;
use crate::commit::Head;
use crate::directory::{Blob, Directory};
use crate::embedding;
use crate::error::{Error, Result};
use crate::format_file::Format;
use crate::id::{ColumnId, EntityId, InteractionId, ItemId, TableId, UserId};
use crate::key;
use crate::kv::{Cf, KvView};
use crate::lock::Lock;
use crate::manifest::Manifest;
use crate::read::{Interaction, InteractionIter, Read, Row, RowIter};
use crate::row::{self, Projection};

/// The directory of an open database and the lock on it.
pub(crate) struct Home {
    pub(crate) dir: Arc<dyn Directory>,
    pub(crate) format: Format,
    /// Held for its effect.
    pub(crate) _lock: Option<Lock>,
}

/// See the module.
#[derive(Clone)]
pub struct Snapshot(Arc<Pinned>);

/// Fields drop in this order: the view closes RocksDB before the lock is released.
struct Pinned {
    view: Arc<dyn KvView>,
    catalog: Arc<Catalog>,
    manifest: Arc<Manifest>,
    generation: u64,
    next_interaction: InteractionId,
    deleted_interactions: u64,
    /// Held for its lock.
    _home: Arc<Home>,
}

impl Snapshot {
    pub(crate) fn new(home: Arc<Home>, view: Arc<dyn KvView>, head: &Head) -> Snapshot {
        Snapshot(Arc::new(Pinned {
            view,
            catalog: Arc::clone(&head.catalog),
            manifest: Arc::clone(&head.manifest),
            generation: head.state.generation,
            next_interaction: head.state.next_interaction(),
            deleted_interactions: head.state.deleted_interactions(),
            _home: home,
        }))
    }

    /// The number of the commit that this snapshot shows; it rises by one with each commit.
    pub fn generation(&self) -> u64 {
        self.0.generation
    }

    /// The id that no interaction of this state has, nor one that was before it: those that come later
    /// have it or a higher one.
    pub fn next_interaction(&self) -> InteractionId {
        self.0.next_interaction
    }

    /// How many interactions were ever deleted, of all tables. Where it is the same in two states, none
    /// was deleted in between; one whose values changed is still the same.
    pub fn deleted_interactions(&self) -> u64 {
        self.0.deleted_interactions
    }

    /// The names of all artifacts, in order.
    pub fn artifacts(&self) -> Vec<String> {
        self.0.manifest.artifacts().map(|(name, _)| name.to_owned()).collect()
    }

    /// The number of an artifact, which no other file ever has. Costs a look at a map.
    pub fn artifact_number(&self, name: &str) -> Option<u64> {
        Some(self.0.manifest.artifact(name)?.artifact.number())
    }

    /// The numbers of all artifacts.
    pub fn artifact_numbers(&self) -> Vec<u64> {
        self.0.manifest.opened().map(|artifact| artifact.number()).collect()
    }

    pub(crate) fn manifest(&self) -> &Arc<Manifest> {
        &self.0.manifest
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("generation", &self.generation()).finish_non_exhaustive()
    }
}

impl Read for Snapshot {
    fn catalog(&self) -> &Arc<Catalog> {
        &self.0.catalog
    }

    fn lookup(&self, table: TableId, key: &str) -> Result<Option<EntityId>> {
        self.0.catalog.need_entities(table)?;
        let key = key::id(table, key);
        let mut id = None;
        self.0.view.with(Cf::Ids, &key, &mut |bytes| {
            id = Some(row::decode_id(bytes, Place { cf: Cf::Ids, key: &key })?);
            Ok(())
        })?;
        Ok(id)
    }

    fn row(&self, table: TableId, id: EntityId, columns: &[ColumnId]) -> Result<Option<Row>> {
        let table = self.0.catalog.need_entities(table)?;
        let projection = Projection::new(table, columns)?;
        let key = key::entity(table.id, id);
        let place = Place { cf: Cf::Entities, key: &key };
        let mut found = None;
        self.0.view.with(Cf::Entities, &key, &mut |bytes| {
            let (key, values) = row::decode_entity(bytes, place, &projection)?;
            found = Some(Row { id, key, values });
            Ok(())
        })?;
        Ok(found)
    }

    fn rows(&self, table: TableId, columns: &[ColumnId], from: EntityId) -> Result<RowIter> {
        let table = self.0.catalog.need_entities(table)?;
        let projection = Projection::new(table, columns)?;
        let to = key::of_table(table.id).to;
        let cursor = self.0.view.scan(Cf::Entities, &key::entity(table.id, from), &to)?;
        Ok(RowIter::new(cursor, projection))
    }

    fn history(
        &self,
        table: TableId,
        user: UserId,
        columns: &[ColumnId],
    ) -> Result<Vec<Interaction>> {
        let table = self.0.catalog.need(table)?;
        table.need_link()?;
        let projection = Projection::new(table, columns)?;
        let list = ListKey { direction: Direction::ByUser, table: table.id, entity: user.0 };
        let mut out = Vec::new();
        each_chunk(&*self.0.view, list, &mut |chunk, place| {
            // Entries with a value or two take about this many bytes.
            out.reserve(chunk.entries.len() / 16);
            for entry in Entries::new(chunk, Direction::ByUser, place) {
                let entry = entry?;
                out.push(Interaction {
                    id: InteractionId(entry.id),
                    user,
                    item: ItemId(entry.other),
                    values: projection.decode(entry.values, place)?,
                });
            }
            Ok(())
        })?;
        Ok(out)
    }

    fn audience(&self, table: TableId, item: ItemId) -> Result<Vec<(InteractionId, UserId)>> {
        let table = self.0.catalog.need(table)?;
        table.need_link()?;
        let list = ListKey { direction: Direction::ByItem, table: table.id, entity: item.0 };
        let mut out = Vec::new();
        each_chunk(&*self.0.view, list, &mut |chunk, place| {
            out.reserve(chunk.entries.len() / 4);
            for entry in Entries::new(chunk, Direction::ByItem, place) {
                let entry = entry?;
                out.push((InteractionId(entry.id), UserId(entry.other)));
            }
            Ok(())
        })?;
        Ok(out)
    }

    fn interactions(&self, table: TableId, columns: &[ColumnId]) -> Result<InteractionIter> {
        let table = self.0.catalog.need(table)?;
        table.need_link()?;
        let projection = Projection::new(table, columns)?;
        let range = key::of_table(table.id);
        let cursor = self.0.view.scan(Cf::ByUser, &range.from, &range.to)?;
        Ok(InteractionIter::new(table, projection, cursor, Vec::new()))
    }

    fn embedding(
        &self,
        table: TableId,
        column: ColumnId,
        id: EntityId,
    ) -> Result<Option<Vec<f32>>> {
        let shape = embedding::shape(self.0.catalog.need(table)?, column)?;
        let key = key::pending(table, column, id);
        let mut pending = None;
        self.0.view.with(Cf::Pending, &key, &mut |bytes| {
            let place = Place { cf: Cf::Pending, key: &key };
            pending = Some(embedding::decode(bytes, shape, place)?);
            Ok(())
        })?;
        match pending {
            Some(vector) => Ok(Some(vector)),
            None => embedding::sealed(self.0.manifest.segments(table, column), id),
        }
    }

    fn embeddings(
        &self,
        table: TableId,
        column: ColumnId,
        each: &mut dyn FnMut(EntityId, &[f32]) -> Result<()>,
    ) -> Result<()> {
        let shape = embedding::shape(self.0.catalog.need(table)?, column)?;
        let range = key::pending_of(table, column);
        let pending = self.0.view.scan(Cf::Pending, &range.from, &range.to)?;
        embedding::each(pending, self.0.manifest.segments(table, column), shape, each)
    }

    fn record(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.0.view.get(Cf::Records, key.as_bytes())
    }

    fn records(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let range = key::prefix(prefix.as_bytes());
        collect_records(&mut *self.0.view.scan(Cf::Records, &range.from, &range.to)?)
    }

    fn artifact(&self, name: &str) -> Result<Option<Blob>> {
        self.0.manifest.artifact(name).map(|artifact| artifact.artifact.blob()).transpose()
    }
}

/// The records that a cursor gives.
pub(crate) fn collect_records(
    cursor: &mut dyn crate::kv::Cursor,
) -> Result<Vec<(String, Vec<u8>)>> {
    let mut out = Vec::new();
    while let Some((key, value)) = cursor.next()? {
        let name = std::str::from_utf8(key).map_err(|_| Error::CorruptedRecord {
            cf: Cf::Records,
            key: key.to_vec(),
            what: "a name that is not text",
        })?;
        out.push((name.to_owned(), value.to_vec()));
    }
    Ok(out)
}
