//! Reading the rows of one table, batch after batch.
//!
//! Batches are read as they are asked for: a query that stops early has read only what it returned,
//! and a scan of a transaction does not keep it locked between batches.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;

use super::lookup::Access;
use super::{BATCH_ROWS, View};
use crate::batch::{BatchBuilder, Field, Shape};
use crate::error::Result;
use crate::storage::{
    ColumnId, EntityId, Interaction, InteractionIter, ItemId, Link, Read, Row, RowIter, TableId,
    UserId, Value,
};

/// One scan of one table.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    view: View,
    shape: Arc<Shape>,
    positions: Vec<usize>,
    access: Access,
    limit: usize,
    output: SchemaRef,
}

impl Scan {
    /// A scan of the columns at `positions`.
    pub(crate) fn new(
        view: View,
        shape: Arc<Shape>,
        positions: Vec<usize>,
        access: Access,
        limit: Option<usize>,
    ) -> Scan {
        let output = shape.project(&positions);
        let limit = limit.unwrap_or(usize::MAX);
        Scan { view, shape, positions, access, limit, output }
    }

    /// The schema of the batches.
    pub(crate) fn output(&self) -> &SchemaRef {
        &self.output
    }

    /// The batches, one by one, read as they are asked for.
    pub(crate) fn batches(&self) -> Batches {
        let fields: Vec<Field> = self.positions.iter().map(|at| self.shape.fields[*at]).collect();
        let mut columns = Vec::new();
        let sources = fields
            .iter()
            .map(|field| match field {
                Field::Value(id, _) => {
                    columns.push(*id);
                    Source::Value(columns.len() - 1)
                }
                Field::Key(_) => Source::Key,
                Field::User(_) => Source::User,
                Field::Item(_) => Source::Item,
                Field::Embedding(id, ..) => Source::Embedding(*id),
                Field::Id => Source::Id,
                Field::Owner => Source::Owner,
            })
            .collect();
        Batches {
            builder: BatchBuilder::new(Arc::clone(&self.output), &fields),
            scan: self.clone(),
            fields,
            sources,
            columns,
            place: Place::Start,
            users: KeyCache::default(),
            items: KeyCache::default(),
            left: self.limit,
        }
    }
}

impl PartitionStream for Scan {
    fn schema(&self) -> &SchemaRef {
        &self.output
    }

    fn execute(&self, _ctx: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = self.batches().map(|batch| -> DfResult<RecordBatch> {
            batch.map_err(|error| DataFusionError::External(Box::new(error)))
        });
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.output),
            futures::stream::iter(batches),
        ))
    }
}

/// Where one output column comes from.
#[derive(Clone, Copy)]
enum Source {
    Key,
    User,
    Item,
    Value(usize),
    Embedding(ColumnId),
    Id,
    Owner,
}

/// How far a scan has come.
#[expect(clippy::large_enum_variant, reason = "one per scan")]
enum Place {
    Start,
    /// Entities that follow.
    Rows(RowIter),
    /// Interactions that follow.
    Interactions(InteractionIter),
    /// Ids still to look up.
    Ids(VecDeque<EntityId>),
    End,
}

/// The batches of a scan.
pub(crate) struct Batches {
    scan: Scan,
    builder: BatchBuilder,
    fields: Vec<Field>,
    sources: Vec<Source>,
    columns: Vec<ColumnId>,
    place: Place,
    users: KeyCache,
    items: KeyCache,
    left: usize,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Result<RecordBatch>> {
        if matches!(self.place, Place::End) || self.left == 0 {
            return None;
        }
        let view = self.scan.view.clone();
        let read = view.read(|read| self.fill(read));
        if let Err(error) = read {
            self.place = Place::End;
            return Some(Err(error));
        }
        if self.builder.len() == 0 {
            self.place = Place::End;
            return None;
        }
        self.left = self.left.saturating_sub(self.builder.len());
        Some(self.builder.finish())
    }
}

impl Batches {
    fn fill(&mut self, read: &dyn Read) -> Result<()> {
        if matches!(self.place, Place::Start) {
            self.place = self.start(read)?;
        }
        let link = self.scan.shape.table.link.clone();
        match (link, std::mem::replace(&mut self.place, Place::End)) {
            (None, Place::Rows(rows)) => self.fill_rows(read, rows),
            (None, Place::Ids(ids)) => self.fill_keys(read, ids),
            (Some(link), Place::Interactions(rows)) => self.fill_interactions(read, &link, rows),
            (Some(link), Place::Ids(ids)) => self.fill_users(read, &link, ids),
            _ => Ok(()),
        }
    }

    fn start(&self, read: &dyn Read) -> Result<Place> {
        let ids = |table: TableId, keys: &[String]| -> Result<Place> {
            let mut ids = Vec::with_capacity(keys.len());
            for key in keys {
                ids.extend(read.lookup(table, key)?);
            }
            ids.sort_unstable();
            Ok(Place::Ids(ids.into()))
        };
        match (&self.scan.access, &self.scan.shape.table.link) {
            (Access::Keys(keys), _) => ids(self.scan.shape.table.id, keys),
            (Access::Users(keys), Some(link)) => ids(link.user_table, keys),
            (Access::Items(keys), Some(link)) => {
                // The audience names the users; their histories hold the rows.
                let mut users = Vec::new();
                for key in keys {
                    if let Some(item) = read.lookup(link.item_table, key)? {
                        let audience = read.audience(self.scan.shape.table.id, ItemId(item))?;
                        users.extend(audience.into_iter().map(|(_, user)| user.0));
                    }
                }
                users.sort_unstable();
                users.dedup();
                Ok(Place::Ids(users.into()))
            }
            (_, None) => {
                let table = self.scan.shape.table.id;
                Ok(Place::Rows(read.rows(table, &self.columns, 0)?))
            }
            (_, Some(_)) => {
                let table = self.scan.shape.table.id;
                Ok(Place::Interactions(read.interactions(table, &self.columns)?))
            }
        }
    }

    fn full(&self) -> bool {
        self.builder.len() >= BATCH_ROWS.min(self.left)
    }

    fn fill_rows(&mut self, read: &dyn Read, mut rows: RowIter) -> Result<()> {
        let table = self.scan.shape.table.id;
        while let Some(row) = rows.next().transpose()? {
            self.push_row(read, table, &row)?;
            if self.full() {
                self.place = Place::Rows(rows);
                break;
            }
        }
        Ok(())
    }

    fn fill_keys(&mut self, read: &dyn Read, mut ids: VecDeque<EntityId>) -> Result<()> {
        let table = self.scan.shape.table.id;
        while let Some(id) = ids.pop_front() {
            if let Some(row) = read.row(table, id, &self.columns)? {
                self.push_row(read, table, &row)?;
            }
            if self.full() {
                self.place = Place::Ids(ids);
                break;
            }
        }
        Ok(())
    }

    fn fill_interactions(
        &mut self,
        read: &dyn Read,
        link: &Link,
        mut rows: InteractionIter,
    ) -> Result<()> {
        while let Some(row) = rows.next().transpose()? {
            self.push_interaction(read, link, &row)?;
            if self.full() {
                self.place = Place::Interactions(rows);
                break;
            }
        }
        Ok(())
    }

    fn fill_users(
        &mut self,
        read: &dyn Read,
        link: &Link,
        mut users: VecDeque<EntityId>,
    ) -> Result<()> {
        while let Some(user) = users.pop_front() {
            self.push_history(read, link, user)?;
            if self.full() {
                self.place = Place::Ids(users);
                break;
            }
        }
        Ok(())
    }

    fn push_row(&mut self, read: &dyn Read, table: TableId, row: &Row) -> Result<()> {
        for (column, source) in self.sources.iter().enumerate() {
            match source {
                Source::Key => self.builder.key(column, key_type(self.fields[column]), &row.key),
                Source::Value(at) => self.builder.value(column, &row.values[*at]),
                Source::Embedding(id) => {
                    let vector = read.embedding(table, *id, row.id)?;
                    self.builder.vector(column, vector.as_deref());
                }
                Source::Id => self.builder.value(column, &Value::Int(row.id as i64)),
                Source::User | Source::Item | Source::Owner => {
                    self.builder.value(column, &Value::Null);
                }
            }
        }
        self.builder.end_row();
        Ok(())
    }

    fn push_history(&mut self, read: &dyn Read, link: &Link, user: EntityId) -> Result<()> {
        let history = read.history(self.scan.shape.table.id, UserId(user), &self.columns)?;
        for interaction in &history {
            self.push_interaction(read, link, interaction)?;
        }
        Ok(())
    }

    fn push_interaction(
        &mut self,
        read: &dyn Read,
        link: &Link,
        interaction: &Interaction,
    ) -> Result<()> {
        for (column, source) in self.sources.iter().enumerate() {
            match source {
                Source::User => {
                    let key = self.users.key(read, link.user_table, interaction.user.0)?;
                    self.builder.key(column, key_type(self.fields[column]), key);
                }
                Source::Item => {
                    let key = self.items.key(read, link.item_table, interaction.item.0)?;
                    self.builder.key(column, key_type(self.fields[column]), key);
                }
                Source::Value(at) => self.builder.value(column, &interaction.values[*at]),
                Source::Id => self.builder.value(column, &Value::Int(interaction.id.0 as i64)),
                Source::Owner => {
                    self.builder.value(column, &Value::Int(interaction.user.0 as i64));
                }
                Source::Key | Source::Embedding(_) => self.builder.value(column, &Value::Null),
            }
        }
        self.builder.end_row();
        Ok(())
    }
}

fn key_type(field: Field) -> crate::storage::KeyType {
    match field {
        Field::Key(key) | Field::User(key) | Field::Item(key) => key,
        Field::Value(..) | Field::Embedding(..) | Field::Id | Field::Owner => {
            crate::storage::KeyType::Text
        }
    }
}

/// Keys of ids that a scan has met.
#[derive(Default)]
struct KeyCache(HashMap<EntityId, String>);

impl KeyCache {
    fn key(&mut self, read: &dyn Read, table: TableId, id: EntityId) -> Result<&str> {
        use std::collections::hash_map::Entry;
        match self.0.entry(id) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(empty) => {
                let key = read.row(table, id, &[])?.map(|row| row.key).unwrap_or_default();
                Ok(empty.insert(key))
            }
        }
    }
}
