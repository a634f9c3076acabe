//! Reading through a transaction: the last written state with its own changes over it.

use std::sync::Arc;

use super::WriteTxn;
use crate::adjacency::{Direction, Entries, ListKey, each_chunk};
use crate::catalog::Catalog;
use crate::codec::Place;
use crate::directory::Blob;
use crate::embedding;
use crate::error::Result;
use crate::id::{ColumnId, EntityId, InteractionId, ItemId, TableId, UserId};
use crate::key::{self, Range};
use crate::kv::{Cf, Cursor, Merged};
use crate::read::{Interaction, InteractionIter, Read, Row, RowIter};
use crate::row::{self, Projection};
use crate::snapshot::collect_records;

impl WriteTxn {
    fn scan(&self, cf: Cf, range: &Range) -> Result<Box<dyn Cursor>> {
        let base = self.view.scan(cf, &range.from, &range.to)?;
        Ok(Merged::over(base, self.overlay.range(cf, range)))
    }

    /// Hands the entries of a list to `each`, in order.
    fn each_entry(
        &self,
        list: ListKey,
        each: &mut dyn FnMut(crate::adjacency::Entry<'_>, Place<'_>) -> Result<()>,
    ) -> Result<()> {
        match self.lists.get(list) {
            Some(own) => own.each(&*self.view, each),
            None => each_chunk(&*self.view, list, &mut |chunk, place| {
                for entry in Entries::new(chunk, list.direction, place) {
                    each(entry?, place)?;
                }
                Ok(())
            }),
        }
    }
}

impl Read for WriteTxn {
    fn catalog(&self) -> &Arc<Catalog> {
        &self.schema.catalog
    }

    fn lookup(&self, table: TableId, key: &str) -> Result<Option<EntityId>> {
        self.schema.catalog.need_entities(table)?;
        let key = key::id(table, key);
        let mut id = None;
        self.with(Cf::Ids, &key, &mut |bytes| {
            id = Some(row::decode_id(bytes, Place { cf: Cf::Ids, key: &key })?);
            Ok(())
        })?;
        Ok(id)
    }

    fn row(&self, table: TableId, id: EntityId, columns: &[ColumnId]) -> Result<Option<Row>> {
        let table = self.schema.catalog.need_entities(table)?;
        let projection = Projection::new(table, columns)?;
        let key = key::entity(table.id, id);
        let place = Place { cf: Cf::Entities, key: &key };
        let mut found = None;
        self.with(Cf::Entities, &key, &mut |bytes| {
            let (key, values) = row::decode_entity(bytes, place, &projection)?;
            found = Some(Row { id, key, values });
            Ok(())
        })?;
        Ok(found)
    }

    fn rows(&self, table: TableId, columns: &[ColumnId], from: EntityId) -> Result<RowIter> {
        let table = self.schema.catalog.need_entities(table)?;
        let projection = Projection::new(table, columns)?;
        let range =
            Range { from: key::entity(table.id, from).to_vec(), to: key::of_table(table.id).to };
        Ok(RowIter::new(self.scan(Cf::Entities, &range)?, projection))
    }

    fn history(
        &self,
        table: TableId,
        user: UserId,
        columns: &[ColumnId],
    ) -> Result<Vec<Interaction>> {
        let table = self.schema.catalog.need(table)?;
        table.need_link()?;
        let projection = Projection::new(table, columns)?;
        let list = ListKey { direction: Direction::ByUser, table: table.id, entity: user.0 };
        let mut out = Vec::new();
        self.each_entry(list, &mut |entry, place| {
            out.push(Interaction {
                id: InteractionId(entry.id),
                user,
                item: ItemId(entry.other),
                values: projection.decode(entry.values, place)?,
            });
            Ok(())
        })?;
        Ok(out)
    }

    fn audience(&self, table: TableId, item: ItemId) -> Result<Vec<(InteractionId, UserId)>> {
        let table = self.schema.catalog.need(table)?;
        table.need_link()?;
        let list = ListKey { direction: Direction::ByItem, table: table.id, entity: item.0 };
        let mut out = Vec::new();
        self.each_entry(list, &mut |entry, _| {
            out.push((InteractionId(entry.id), UserId(entry.other)));
            Ok(())
        })?;
        Ok(out)
    }

    fn interactions(&self, table: TableId, columns: &[ColumnId]) -> Result<InteractionIter> {
        let table = self.schema.catalog.need(table)?;
        table.need_link()?;
        let projection = Projection::new(table, columns)?;
        let range = key::of_table(table.id);
        let cursor = self.view.scan(Cf::ByUser, &range.from, &range.to)?;
        let mut own = Vec::new();
        for (user, list) in self.lists.of_table(table.id) {
            let mut chunks = Vec::new();
            list.each_chunk(&*self.view, &mut |chunk, _| {
                chunks.push((chunk.first, chunk.entries.to_vec()));
                Ok(())
            })?;
            own.push((user, chunks));
        }
        Ok(InteractionIter::new(table, projection, cursor, own))
    }

    fn embedding(
        &self,
        table: TableId,
        column: ColumnId,
        id: EntityId,
    ) -> Result<Option<Vec<f32>>> {
        let shape = embedding::shape(self.schema.catalog.need(table)?, column)?;
        let key = key::pending(table, column, id);
        let mut pending = None;
        self.with(Cf::Pending, &key, &mut |bytes| {
            let place = Place { cf: Cf::Pending, key: &key };
            pending = Some(embedding::decode(bytes, shape, place)?);
            Ok(())
        })?;
        match pending {
            Some(vector) => Ok(Some(vector)),
            None => embedding::sealed(self.schema.manifest.segments(table, column), id),
        }
    }

    fn embeddings(
        &self,
        table: TableId,
        column: ColumnId,
        each: &mut dyn FnMut(EntityId, &[f32]) -> Result<()>,
    ) -> Result<()> {
        let shape = embedding::shape(self.schema.catalog.need(table)?, column)?;
        let pending = self.scan(Cf::Pending, &key::pending_of(table, column))?;
        embedding::each(pending, self.schema.manifest.segments(table, column), shape, each)
    }

    fn record(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let mut value = None;
        self.with(Cf::Records, key.as_bytes(), &mut |bytes| {
            value = Some(bytes.to_vec());
            Ok(())
        })?;
        Ok(value)
    }

    fn records(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>> {
        collect_records(&mut *self.scan(Cf::Records, &key::prefix(prefix.as_bytes()))?)
    }

    fn artifact(&self, name: &str) -> Result<Option<Blob>> {
        self.schema.manifest.artifact(name).map(|artifact| artifact.artifact.blob()).transpose()
    }
}
