//! Columns of user and item tables in memory, as of the snapshot that asks.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{ArrayRef, StringBuilder};
use datafusion::arrow::compute::interleave;
use datafusion::arrow::datatypes::Schema;
use tastedb_engine::{Cached, Engine, EntityIndex};

use crate::batch::{BatchBuilder, Field, Shape};
use crate::error::{Error, Result};
use crate::storage::{Change, ColumnId, EntityId, KeyType, Read, Snapshot, TableId};

/// One column of a table.
#[derive(Debug)]
pub(crate) struct Column {
    /// The rows.
    entities: Arc<EntityIndex>,
    /// The value of each row.
    pub(crate) array: ArrayRef,
}

/// What makes a column: its table and its id; `None` is the key.
type Which = (TableId, Option<ColumnId>);

/// The columns that were asked for. One per open database.
#[derive(Default)]
pub(crate) struct Columns {
    kept: Mutex<HashMap<Which, Arc<Cached<Column>>>>,
}

impl Columns {
    /// The column at `position` of `shape`, aligned with the rows of `entities`.
    pub(crate) fn get(
        &self,
        engine: &Engine,
        snapshot: &Snapshot,
        entities: &Arc<EntityIndex>,
        shape: &Shape,
        position: usize,
    ) -> Result<Arc<Column>> {
        let table = shape.table.id;
        let field = shape.fields[position];
        let column = match field {
            Field::Value(id, _) | Field::Embedding(id, ..) => Some(id),
            Field::Key(_) | Field::User(_) | Field::Item(_) | Field::Id | Field::Owner => None,
        };
        let cached = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(kept.entry((table, column)).or_default())
        };
        let column = cached.get(
            engine.store(),
            snapshot,
            |change| match change {
                Change::Row { table: changed, .. } => *changed == table,
                Change::Embedding { table: changed, column: of, .. } => {
                    *changed == table && Some(*of) == column
                }
                Change::Schema => true,
                _ => false,
            },
            |old| match old {
                Some((old, changes)) => patched(old, changes, snapshot, entities, shape, position),
                None => whole(snapshot, entities, shape, position),
            },
        )?;
        // The rows and the column follow the same changes; should they ever disagree, the rows of
        // the request decide.
        if column.array.len() == entities.len() {
            return Ok(column);
        }
        whole(snapshot, entities, shape, position).map(Arc::new)
    }
}

fn whole(
    snapshot: &Snapshot,
    entities: &Arc<EntityIndex>,
    shape: &Shape,
    position: usize,
) -> Result<Column> {
    let array = match shape.fields[position] {
        Field::Key(KeyType::Text) => {
            let mut keys = StringBuilder::new();
            for row in 0..entities.len() as u32 {
                keys.append_value(entities.key(row));
            }
            Arc::new(keys.finish()) as ArrayRef
        }
        Field::Embedding(column, ..) => {
            let mut builder = Builder::new(shape, position);
            for id in entities.ids() {
                let vector = snapshot.embedding(shape.table.id, column, *id)?;
                builder.0.vector(0, vector.as_deref());
                builder.0.end_row();
            }
            builder.finish()?
        }
        field => {
            let mut builder = Builder::new(shape, position);
            let mut rows = snapshot.rows(shape.table.id, &column_of(field), 0)?;
            for id in entities.ids() {
                // Rows come by ascending id, as the index has them.
                let row = loop {
                    match rows.next().transpose()? {
                        Some(row) if row.id < *id => {}
                        other => break other,
                    }
                };
                match row {
                    Some(row) if row.id == *id => builder.push(field, &row),
                    _ => return Err(Error::internal("a row of the index is not in the table")),
                }
            }
            builder.finish()?
        }
    };
    Ok(Column { entities: Arc::clone(entities), array })
}

/// The old column with the changed rows read anew.
fn patched(
    old: &Column,
    changes: &[Change],
    snapshot: &Snapshot,
    entities: &Arc<EntityIndex>,
    shape: &Shape,
    position: usize,
) -> Result<Column> {
    let mut touched: HashSet<EntityId> = HashSet::new();
    for change in changes {
        match change {
            Change::Row { id, .. } => touched.insert(*id),
            _ => return whole(snapshot, entities, shape, position),
        };
    }
    if touched.len() > entities.len() / 4 {
        return whole(snapshot, entities, shape, position);
    }
    let field = shape.fields[position];
    if matches!(field, Field::Embedding(..)) {
        return whole(snapshot, entities, shape, position);
    }
    let columns = column_of(field);
    let mut builder = Builder::new(shape, position);
    let mut fresh = 0;
    let mut places = Vec::with_capacity(entities.len());
    for id in entities.ids() {
        match old.entities.row_of(*id).filter(|_| !touched.contains(id)) {
            Some(row) => places.push((0, row as usize)),
            None => {
                let row = snapshot.row(shape.table.id, *id, &columns)?;
                let row = row.ok_or_else(|| Error::internal("a row of the index is gone"))?;
                builder.push(field, &row);
                places.push((1, fresh));
                fresh += 1;
            }
        }
    }
    let new = builder.finish()?;
    let array = interleave(&[old.array.as_ref(), new.as_ref()], &places)
        .map_err(|cause| Error::internal(cause.to_string()))?;
    Ok(Column { entities: Arc::clone(entities), array })
}

fn column_of(field: Field) -> Vec<ColumnId> {
    match field {
        Field::Value(id, _) => vec![id],
        _ => Vec::new(),
    }
}

struct Builder(BatchBuilder);

impl Builder {
    fn new(shape: &Shape, position: usize) -> Builder {
        let schema = Schema::new(vec![shape.schema.field(position).clone().with_nullable(true)]);
        Builder(BatchBuilder::new(Arc::new(schema), &shape.fields[position..=position]))
    }

    fn push(&mut self, field: Field, row: &crate::storage::Row) {
        match (field, row.values.first()) {
            (Field::Key(ty), _) => self.0.key(0, ty, &row.key),
            (_, Some(value)) => self.0.value(0, value),
            (_, None) => self.0.value(0, &crate::storage::Value::Null),
        }
        self.0.end_row();
    }

    fn finish(mut self) -> Result<ArrayRef> {
        Ok(Arc::clone(self.0.finish()?.column(0)))
    }
}
