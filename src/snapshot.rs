//! Reading without SQL: one published state of the database.

use tastedb_engine::Engine;
use tastedb_storage::{Catalog, ColumnId, Read, Role, Table, TableId, UserId, Value};

use crate::error::{Error, Result};
use crate::recommend::Recommend;
use crate::write::column_of;

/// One committed state. It never changes, however long it is kept and whatever is written.
///
/// Keeping one keeps the files that it reads from; drop it when done.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) engine: Engine,
    pub(crate) state: tastedb_storage::Snapshot,
}

/// A user or an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    /// The application's key.
    pub key: String,
    /// The values of its columns, in the order of the table. Embeddings are not among them.
    pub fields: Vec<(String, Value)>,
}

/// One interaction of a user's history.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The key of the item.
    pub item: String,
    /// The values of its columns, in the order of the table.
    pub fields: Vec<(String, Value)>,
}

impl Entity {
    /// The value of a column; [`Value::Null`] where there is none.
    pub fn get(&self, column: &str) -> &Value {
        get(&self.fields, column)
    }
}

impl Event {
    /// The value of a column; [`Value::Null`] where there is none.
    pub fn get(&self, column: &str) -> &Value {
        get(&self.fields, column)
    }
}

fn get<'a>(fields: &'a [(String, Value)], column: &str) -> &'a Value {
    fields.iter().find(|(name, _)| name == column).map_or(&Value::Null, |(_, value)| value)
}

/// Rows on a plane: what their embeddings look like.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingMap {
    /// Keys and places.
    pub points: Vec<(String, [f32; 2])>,
    /// The share of the variance that lies in each direction.
    pub explained: [f64; 2],
}

impl Snapshot {
    pub(crate) fn new(engine: Engine, state: tastedb_storage::Snapshot) -> Snapshot {
        Snapshot { engine, state }
    }

    /// The number of the state; it rises with every commit.
    pub fn generation(&self) -> u64 {
        self.state.generation()
    }

    /// The tables.
    pub fn catalog(&self) -> &Catalog {
        self.state.catalog()
    }

    /// A user or an item by its key.
    ///
    /// # Errors
    ///
    /// Where the table is unknown or holds interactions.
    pub fn get(&self, table: &str, key: &str) -> Result<Option<Entity>> {
        let table = self.table(table)?;
        let Some(id) = self.state.lookup(table.id, key)? else {
            return Ok(None);
        };
        let columns = plain_columns(table);
        let row = self.state.row(table.id, id, &ids(&columns))?;
        Ok(row.map(|row| Entity { key: row.key, fields: named(&columns, row.values) }))
    }

    /// A user's interactions in the order in which they were recorded.
    ///
    /// # Errors
    ///
    /// Where the table holds no interactions, or the user is unknown.
    pub fn history(&self, table: &str, user: &str) -> Result<Vec<Event>> {
        let table = self.table(table)?;
        let Some(link) = &table.link else {
            return Err(Error::wrong_role(&table.name, table.role, Role::Interaction));
        };
        let Some(id) = self.state.lookup(link.user_table, user)? else {
            return Err(Error::no_row(self.state.catalog(), link.user_table, user));
        };
        let columns = plain_columns(table);
        let history = self.state.history(table.id, UserId(id), &ids(&columns))?;
        history
            .into_iter()
            .map(|event| {
                let item = self.key(link.item_table, event.item.0)?;
                Ok(Event { item, fields: named(&columns, event.values) })
            })
            .collect()
    }

    /// The embedding of a user or an item; `None` where it has none.
    ///
    /// # Errors
    ///
    /// Where the table or the column is unknown, or the row is.
    pub fn embedding(&self, table: &str, key: &str, column: &str) -> Result<Option<Vec<f32>>> {
        let table = self.table(table)?;
        let column = column_of(table, column)?;
        match self.state.lookup(table.id, key)? {
            Some(id) => Ok(self.state.embedding(table.id, column, id)?),
            None => Err(Error::no_row(self.state.catalog(), table.id, key)),
        }
    }

    /// At most `limit` rows with an embedding, evenly from all, on the plane in which their embeddings
    /// differ most, by key; and the share of the variance in each of the two directions.
    ///
    /// # Errors
    ///
    /// Where the table or the column is unknown, or the column holds no vectors.
    pub fn map(&self, table: &str, column: &str, limit: usize) -> Result<EmbeddingMap> {
        let table = self.table(table)?;
        let found = table.column(column).ok_or_else(|| Error::no_column(table, column))?;
        if !found.ty.is_vector() {
            return Err(Error::no_context(format!("column `{column}` holds no vectors")));
        }
        let engine = &self.engine;
        let matrix = engine.live().embeddings(engine.store(), &self.state, table.id, found)?;
        let map = matrix.map(limit);
        let point = |(item, at): &(tastedb_storage::ItemId, [f32; 2])| {
            Ok((self.key(table.id, item.0)?, *at))
        };
        let points = map.points.iter().map(point).collect::<Result<_>>()?;
        Ok(EmbeddingMap { points, explained: map.explained })
    }

    /// How many users, items or interactions a table holds.
    ///
    /// # Errors
    ///
    /// Where the table is unknown.
    pub fn count(&self, table: &str) -> Result<u64> {
        let table = self.table(table)?;
        if table.role == Role::Interaction {
            return Ok(self.engine.interactions(&self.state, table.id)?);
        }
        let engine = &self.engine;
        let entities = engine.live().entities(engine.store(), &self.state, table.id)?;
        Ok(entities.len() as u64)
    }

    /// Recommends rows of `table` as of this state: say for whom, then `run`.
    pub fn recommend(&self, table: impl Into<String>) -> Recommend {
        Recommend::new(self.clone(), table.into())
    }

    pub(crate) fn table(&self, name: &str) -> Result<&Table> {
        let catalog = self.state.catalog();
        catalog.table(name).ok_or_else(|| Error::no_table(catalog, name))
    }

    pub(crate) fn key(&self, table: TableId, id: u64) -> Result<String> {
        let row = self.state.row(table, id, &[])?;
        row.map(|row| row.key).ok_or_else(|| Error::internal("an interaction without its item"))
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("generation", &self.generation()).finish()
    }
}

/// Columns that have values: all but the embeddings.
fn plain_columns(table: &Table) -> Vec<(ColumnId, String)> {
    let columns = table.columns().filter(|column| !column.ty.is_vector());
    columns.map(|column| (column.id, column.name.clone())).collect()
}

fn ids(columns: &[(ColumnId, String)]) -> Vec<ColumnId> {
    columns.iter().map(|(id, _)| *id).collect()
}

fn named(columns: &[(ColumnId, String)], values: Vec<Value>) -> Vec<(String, Value)> {
    columns.iter().map(|(_, name)| name.clone()).zip(values).collect()
}
