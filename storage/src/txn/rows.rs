//! Users and items: putting and deleting rows.

use std::sync::Arc;

use super::{Deleted, WriteTxn};
use crate::adjacency::{Direction, ListKey};
use crate::catalog::{KeyType, Role, Table};
use crate::changes::Change;
use crate::codec::Place;
use crate::error::{Error, Result};
use crate::id::{ColumnId, EntityId, ItemId, TableId, UserId};
use crate::key;
use crate::kv::Cf;
use crate::row;
use crate::value::Value;

/// The longest key of a user or item, in bytes.
pub(crate) const MAX_KEY: usize = 4096;

/// What putting a row or an interaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is new.
    Inserted,
    /// It existed and has the given values now.
    Updated,
}

impl WriteTxn {
    /// Inserts a user or item, or gives an existing one these values and keeps its others.
    pub fn put_row(
        &mut self,
        table: TableId,
        key: &str,
        values: &[(ColumnId, Value)],
    ) -> Result<(EntityId, Put)> {
        let table = Arc::clone(self.schema.catalog.need_entities(table)?);
        let id_key = key::id(table.id, key);
        match self.find_id(&table, &id_key)? {
            Some(id) => {
                self.update_row(&table, id, values)?;
                Ok((id, Put::Updated))
            }
            None => {
                check_key(&table, key)?;
                let values = row::complete(&table, values)?;
                let id = self.schema.state.new_entity(table.id, table.role);
                let pairs = row::pairs(&table, &values);
                let bytes = row::encode_entity(key, table.version, pairs);
                self.overlay.put(Cf::Entities, key::entity(table.id, id).to_vec(), bytes);
                self.overlay.put(Cf::Ids, id_key, row::encode_id(id));
                self.known.insert((table.id, id));
                self.note_row(&table, id);
                Ok((id, Put::Inserted))
            }
        }
    }

    /// Deletes a user or item, all their interactions in all tables, and their embeddings.
    pub fn delete_row(&mut self, table: TableId, id: EntityId) -> Result<Deleted> {
        let table = Arc::clone(self.schema.catalog.need_entities(table)?);
        let Some(key) = self.key_of(table.id, id)? else { return Ok(Deleted::default()) };
        self.whole(|txn| {
            let mut deleted = Deleted { existed: true, ..Deleted::default() };
            let catalog = Arc::clone(&txn.schema.catalog);
            for dependent in catalog.dependents(table.id) {
                let direction = match table.role {
                    Role::User => Direction::ByUser,
                    Role::Item | Role::Interaction => Direction::ByItem,
                };
                let list = ListKey { direction, table: dependent.id, entity: id };
                deleted.interactions += txn.clear_list(list)?;
            }
            for column in table.columns().filter(|column| column.ty.is_vector()) {
                deleted.embeddings += u64::from(txn.remove_embedding(table.id, column.id, id)?);
            }
            txn.overlay.delete(Cf::Entities, key::entity(table.id, id).to_vec());
            txn.overlay.delete(Cf::Ids, key::id(table.id, &key));
            txn.known.remove(&(table.id, id));
            txn.changes.push(Change::Row { table: table.id, id });
            Ok(deleted)
        })
    }

    /// Refuses an id that no row has.
    pub(super) fn need_entity(&mut self, table: &Table, id: EntityId) -> Result<()> {
        if self.known.contains(&(table.id, id)) {
            return Ok(());
        }
        let key = key::entity(table.id, id);
        if self.with(Cf::Entities, &key, &mut |_| Ok(()))? {
            self.known.insert((table.id, id));
            return Ok(());
        }
        let name = table.name.clone();
        Err(match table.role {
            Role::User => Error::UnknownUser { table: name, user: UserId(id) },
            Role::Item => Error::UnknownItem { table: name, item: ItemId(id) },
            Role::Interaction => Error::NoSuchRow { table: name, id },
        })
    }

    fn find_id(&self, table: &Table, id_key: &[u8]) -> Result<Option<EntityId>> {
        if !self.schema.state.had_rows(table.id) {
            return Ok(None);
        }
        let mut id = None;
        let mut found = |bytes: &[u8]| {
            id = Some(row::decode_id(bytes, Place { cf: Cf::Ids, key: id_key })?);
            Ok(())
        };
        if self.before.state.had_rows(table.id) {
            self.with(Cf::Ids, id_key, &mut found)?;
        } else if let Some(Some(bytes)) = self.overlay.get(Cf::Ids, id_key) {
            found(bytes)?;
        }
        Ok(id)
    }

    fn key_of(&self, table: TableId, id: EntityId) -> Result<Option<String>> {
        let row_key = key::entity(table, id);
        let mut key = None;
        self.with(Cf::Entities, &row_key, &mut |bytes| {
            let place = Place { cf: Cf::Entities, key: &row_key };
            key = Some(row::decode_key(bytes, place)?.to_owned());
            Ok(())
        })?;
        Ok(key)
    }

    fn update_row(
        &mut self,
        table: &Arc<Table>,
        id: EntityId,
        given: &[(ColumnId, Value)],
    ) -> Result<()> {
        if given.is_empty() {
            return Ok(());
        }
        for (column, value) in given {
            row::check(table, table.need_column(*column)?, value)?;
        }
        let row_key = key::entity(table.id, id);
        let place = Place { cf: Cf::Entities, key: &row_key };
        let mut new = None;
        self.with(Cf::Entities, &row_key, &mut |bytes| {
            let (key, mut values) = row::decode_entity_aligned(table, bytes, place)?;
            row::assign(table, &mut values, given)?;
            let pairs = row::pairs(table, &values);
            new = Some(row::encode_entity(&key, table.version, pairs));
            Ok(())
        })?;
        let new = new.ok_or_else(|| place.corrupted("a key leads to a row that is not there"))?;
        self.overlay.put(Cf::Entities, row_key.to_vec(), new);
        self.note_row(table, id);
        Ok(())
    }

    /// Notes that a row was put.
    fn note_row(&mut self, table: &Table, id: EntityId) {
        self.changes.push(Change::Row { table: table.id, id });
        if table.has_computed() {
            self.schema.outdated.push((table.id, id));
        }
    }
}

fn check_key(table: &Table, key: &str) -> Result<()> {
    let refuse =
        |what| Err(Error::InvalidKey { table: table.name.clone(), key: key.to_owned(), what });
    if key.is_empty() {
        return refuse("it is empty");
    }
    if key.len() > MAX_KEY {
        return Err(Error::TooLarge {
            what: "a key",
            actual: key.len() as u64,
            limit: MAX_KEY as u64,
        });
    }
    match table.key_type {
        KeyType::Text => Ok(()),
        KeyType::BigInt => match key.parse::<i64>() {
            Ok(number) if number.to_string() == key => Ok(()),
            _ => refuse("it is not the decimal text of a 64-bit integer"),
        },
    }
}
