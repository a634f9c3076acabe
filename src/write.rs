//! Writing without SQL: one transaction, with tables, columns and rows by name.

use std::sync::Arc;

use tastedb_engine::{Engine, Ticket};
use tastedb_storage::{
    ColumnId, EntityId, ItemId, OnUnknown, Put, Read, Role, Table, TableId, UserId, WriteTxn,
};

use crate::error::{Error, Result};
use crate::fields::Fields;
use crate::options::Clock;
use crate::table::NewTable;
use crate::worker::Worker;

/// A write transaction. Nothing of it is seen by others before [`commit`](Write::commit), and
/// nothing of it stays if it is dropped.
///
/// ```
/// # fn main() -> tastedb::Result<()> {
/// use tastedb::{ColumnType, Database, Fields, NewTable};
///
/// let db = Database::in_memory()?;
/// let mut write = db.begin_write()?;
/// write.create_table(NewTable::users("people"))?;
/// write.create_table(
///     NewTable::items("movies")
///         .column("title", ColumnType::Text)
///         .column("year", ColumnType::Int)
///         .vector("text", 2),
/// )?;
/// write.create_table(
///     NewTable::interactions("ratings", "people", "movies").column("rating", ColumnType::Real),
/// )?;
/// write.put_user("people", "u1", ())?;
/// write.put_item("movies", "m1", Fields::new().set("title", "Heat").set("year", 1995))?;
/// write.put_embedding("movies", "m1", "text", &[0.6, 0.8])?;
/// write.record("ratings", "u1", "m1", [("rating", 5.0)])?;
/// write.commit()?;
///
/// let snapshot = db.snapshot();
/// assert_eq!(snapshot.history("ratings", "u1")?.len(), 1);
/// # Ok(())
/// # }
/// ```
pub struct Write {
    engine: Engine,
    clock: Clock,
    worker: Arc<Worker>,
    txn: WriteTxn,
}

impl Write {
    pub(crate) fn new(engine: Engine, clock: Clock, worker: Arc<Worker>, txn: WriteTxn) -> Write {
        Write { engine, clock, worker, txn }
    }

    /// Creates a table.
    ///
    /// # Errors
    ///
    /// Where the name is taken, or a table of interactions refers to one that is not there.
    pub fn create_table(&mut self, table: NewTable) -> Result<TableId> {
        let spec = table.spec(self.txn.catalog())?;
        Ok(self.txn.create_table(spec)?)
    }

    /// Puts a user in: a new one, or new values for one who is there. True if they are new.
    ///
    /// # Errors
    ///
    /// Where the table or a column is unknown, or a value does not fit its column.
    pub fn put_user(&mut self, table: &str, key: &str, fields: impl Into<Fields>) -> Result<bool> {
        self.put(table, Role::User, key, fields.into())
    }

    /// Puts an item in: a new one, or new values for one that is there. True if it is new.
    ///
    /// # Errors
    ///
    /// As [`put_user`](Write::put_user).
    pub fn put_item(&mut self, table: &str, key: &str, fields: impl Into<Fields>) -> Result<bool> {
        self.put(table, Role::Item, key, fields.into())
    }

    /// Gives a user or an item its embedding of one modality; an earlier one is replaced.
    ///
    /// # Errors
    ///
    /// Where the row or the column is unknown, the column is computed by the database, the vector
    /// has another dimension than the column, or holds a number that is not finite.
    pub fn put_embedding(
        &mut self,
        table: &str,
        key: &str,
        column: &str,
        vector: &[f32],
    ) -> Result<()> {
        let (table, column) = {
            let table = self.table(table)?;
            (table.id, column_of(table, column)?)
        };
        let id = self.need(table, key)?;
        Ok(self.txn.put_embedding(table, column, id, vector)?)
    }

    /// Takes away an embedding. False if there was none.
    ///
    /// # Errors
    ///
    /// Where the row or the column is unknown.
    pub fn delete_embedding(&mut self, table: &str, key: &str, column: &str) -> Result<bool> {
        let (table, column) = {
            let table = self.table(table)?;
            (table.id, column_of(table, column)?)
        };
        let id = self.need(table, key)?;
        Ok(self.txn.delete_embedding(table, column, id)?)
    }

    /// Records an interaction. True if it is new; false if the table has one for each pair and
    /// there was one already, which now has these values.
    ///
    /// # Errors
    ///
    /// Where the user or the item is unknown (unless the table creates them), or a value does not
    /// fit its column.
    pub fn record(
        &mut self,
        table: &str,
        user: &str,
        item: &str,
        fields: impl Into<Fields>,
    ) -> Result<bool> {
        let (id, link, values) = {
            let table = self.table_of(table, Role::Interaction)?;
            let link = table.link.clone().ok_or_else(|| Error::internal("a table without link"))?;
            (table.id, link, values(table, fields.into())?)
        };
        let create = link.on_unknown == OnUnknown::Create;
        let user = UserId(self.find_or_create(link.user_table, user, create)?);
        let item = ItemId(self.find_or_create(link.item_table, item, create)?);
        let (_, put) = self.txn.record_interaction(id, user, item, &values)?;
        Ok(put == Put::Inserted)
    }

    /// Deletes a user or an item with all that hangs on it: interactions and embeddings. False if
    /// there was none.
    ///
    /// # Errors
    ///
    /// Where the table is unknown or holds interactions.
    pub fn delete(&mut self, table: &str, key: &str) -> Result<bool> {
        let table = self.table(table)?.id;
        match self.txn.lookup(table, key)? {
            Some(id) => Ok(self.txn.delete_row(table, id)?.existed),
            None => Ok(false),
        }
    }

    /// Deletes a user or an item as [`delete`](Write::delete) does, to be forgotten: the ticket says
    /// how far that is. [`Database::vacuum`](crate::Database::vacuum) carries it out, or the database
    /// does by itself within the hour. `None` if there was none.
    ///
    /// ```
    /// # fn main() -> tastedb::Result<()> {
    /// # use tastedb::{Database, NewTable};
    /// # let db = Database::in_memory()?;
    /// # let mut write = db.begin_write()?;
    /// # write.create_table(NewTable::users("people"))?;
    /// # write.create_table(NewTable::items("movies"))?;
    /// # write.create_table(NewTable::interactions("likes", "people", "movies").create_unknown())?;
    /// # write.record("likes", "u1", "m1", ())?;
    /// # write.record("likes", "u2", "m1", ())?;
    /// # write.commit()?;
    /// let mut write = db.begin_write()?;
    /// let ticket = write.forget("people", "u1")?.expect("there is such a person");
    /// write.commit()?;
    /// db.vacuum()?;
    /// let receipt = db.verify_forget(&ticket.id())?;
    /// assert!(receipt.passed());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Where the table is unknown or holds interactions.
    pub fn forget(&mut self, table: &str, key: &str) -> Result<Option<Ticket>> {
        let engine = self.engine.clone();
        let (table, mut forgetting) = {
            let table = self.table(table)?;
            (table.id, engine.forgetting(table))
        };
        let Some(id) = self.txn.lookup(table, key)? else { return Ok(None) };
        forgetting.row(&mut self.txn, id)?;
        Ok(forgetting.finish(&mut self.txn, (self.clock)())?)
    }

    /// Deletes every interaction between a user and an item, and says how many there were.
    ///
    /// # Errors
    ///
    /// Where the table is unknown or holds no interactions.
    pub fn delete_interactions(&mut self, table: &str, user: &str, item: &str) -> Result<u64> {
        let (id, link) = {
            let table = self.table_of(table, Role::Interaction)?;
            let link = table.link.clone().ok_or_else(|| Error::internal("a table without link"))?;
            (table.id, link)
        };
        let user = self.txn.lookup(link.user_table, user)?;
        let item = self.txn.lookup(link.item_table, item)?;
        let (Some(user), Some(item)) = (user.map(UserId), item.map(ItemId)) else {
            return Ok(0);
        };
        let mut deleted = 0;
        for interaction in self.txn.history(id, user, &[])? {
            if interaction.item == item && self.txn.delete_interaction(id, user, interaction.id)? {
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    /// Makes everything durable and visible. What it returns from is on disk.
    ///
    /// # Errors
    ///
    /// Where the disk refuses; the database must then be opened again, see
    /// [`Poisoned`](crate::ErrorKind::Poisoned).
    pub fn commit(mut self) -> Result<()> {
        self.engine.keep_embeddings(&mut self.txn)?;
        self.txn.commit()?;
        self.worker.ensure();
        Ok(())
    }

    /// Drops everything. The same happens when it goes out of scope.
    pub fn rollback(self) {}

    fn put(&mut self, table: &str, role: Role, key: &str, fields: Fields) -> Result<bool> {
        let (id, values) = {
            let table = self.table_of(table, role)?;
            (table.id, values(table, fields)?)
        };
        let (_, put) = self.txn.put_row(id, key, &values)?;
        Ok(put == Put::Inserted)
    }

    fn table(&self, name: &str) -> Result<&Table> {
        let catalog = self.txn.catalog();
        catalog.table(name).ok_or_else(|| Error::no_table(catalog, name))
    }

    fn table_of(&self, name: &str, role: Role) -> Result<&Table> {
        let table = self.table(name)?;
        if table.role != role {
            return Err(Error::wrong_role(&table.name, table.role, role));
        }
        Ok(table)
    }

    fn need(&self, table: TableId, key: &str) -> Result<EntityId> {
        match self.txn.lookup(table, key)? {
            Some(id) => Ok(id),
            None => Err(Error::no_row(self.txn.catalog(), table, key)),
        }
    }

    fn find_or_create(&mut self, table: TableId, key: &str, create: bool) -> Result<EntityId> {
        match self.txn.lookup(table, key)? {
            Some(id) => Ok(id),
            None if create => Ok(self.txn.put_row(table, key, &[])?.0),
            None => Err(Error::no_row(self.txn.catalog(), table, key)),
        }
    }
}

impl std::fmt::Debug for Write {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Write").finish_non_exhaustive()
    }
}

/// A column of `table` by its name.
pub(crate) fn column_of(table: &Table, name: &str) -> Result<ColumnId> {
    table.column(name).map(|c| c.id).ok_or_else(|| Error::no_column(table, name))
}

fn values(table: &Table, fields: Fields) -> Result<Vec<(ColumnId, tastedb_storage::Value)>> {
    fields
        .into_pairs()
        .into_iter()
        .map(|(name, value)| Ok((column_of(table, &name)?, value)))
        .collect()
}
