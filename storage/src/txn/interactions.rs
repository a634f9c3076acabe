//! Interactions: recording, updating and deleting, in both directions.
//!
//! Invariant: every entry of a user's list has its counterpart in the item's list and the other
//! way round; each call here changes both.

use std::sync::Arc;

use super::{Put, WriteTxn};
use crate::adjacency::{Direction, Entry, ListKey};
use crate::catalog::Table;
use crate::changes::Change;
use crate::codec::Encoder;
use crate::error::{Error, Result};
use crate::hash::IdMap;
use crate::id::{ColumnId, EntityId, InteractionId, ItemId, TableId, UserId};
use crate::row;
use crate::value::Value;

/// What deleting a row removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Interactions, over all tables.
    pub interactions: u64,
    /// Embeddings, over all columns.
    pub embeddings: u64,
    /// Whether there was such a row.
    pub existed: bool,
}

/// The primary keys of those users whose interactions were upserted.
pub(super) type UniqueKeys = IdMap<(TableId, EntityId), UserKeys>;

/// A user's primary keys: item and encoded extra columns.
type UserKeys = std::collections::HashMap<(EntityId, Box<[u8]>), InteractionId>;

impl WriteTxn {
    /// Records an interaction. In a table with a primary key, one of the same key gets these
    /// values instead and keeps its others, its id and its place in the history.
    pub fn record_interaction(
        &mut self,
        table: TableId,
        user: UserId,
        item: ItemId,
        values: &[(ColumnId, Value)],
    ) -> Result<(InteractionId, Put)> {
        let table = Arc::clone(self.schema.catalog.need(table)?);
        let link = table.need_link()?;
        self.need_end(link.user_table, user.0)?;
        self.need_end(link.item_table, item.0)?;
        let complete = row::complete(&table, values)?;
        let Some(extra) = &link.unique else {
            return self.insert(&table, user, item, &complete).map(|id| (id, Put::Inserted));
        };
        let key = (item.0, extra_bytes(&table, extra, &complete)?);
        let keys = self.user_keys(&table, extra, user)?;
        if let Some(id) = keys.get(&key).copied() {
            // The key columns stay as they are, so the known keys do too.
            self.change(&table, user, id, values)?;
            return Ok((id, Put::Updated));
        }
        let id = self.insert(&table, user, item, &complete)?;
        if let Some(keys) = self.unique.get_mut(&(table.id, user.0)) {
            keys.insert(key, id);
        }
        Ok((id, Put::Inserted))
    }

    /// Gives an interaction these values and keeps its others; tells whether there is one.
    pub fn update_interaction(
        &mut self,
        table: TableId,
        user: UserId,
        id: InteractionId,
        values: &[(ColumnId, Value)],
    ) -> Result<bool> {
        let table = Arc::clone(self.schema.catalog.need(table)?);
        let link = table.need_link()?;
        for (column, value) in values {
            row::check(&table, table.need_column(*column)?, value)?;
        }
        if let Some(extra) = &link.unique
            && values.iter().any(|(column, _)| extra.contains(column))
        {
            let Some((item, mut now)) = self.find(&table, user, id)? else { return Ok(false) };
            row::assign(&table, &mut now, values)?;
            let key = (item, extra_bytes(&table, extra, &now)?);
            let holder = self.user_keys(&table, extra, user)?.get(&key).copied();
            if let Some(holder) = holder.filter(|holder| *holder != id) {
                return Err(Error::DuplicateInteraction { table: table.name.clone(), id: holder });
            }
            self.unique.remove(&(table.id, user.0));
        }
        self.change(&table, user, id, values)
    }

    /// Deletes an interaction; tells whether there was one.
    pub fn delete_interaction(
        &mut self,
        table: TableId,
        user: UserId,
        id: InteractionId,
    ) -> Result<bool> {
        let table = Arc::clone(self.schema.catalog.need(table)?);
        table.need_link()?;
        let list = by_user(&table, user);
        let mut item = None;
        self.lists.open(&*self.view, list)?.find(&*self.view, id.0, &mut |entry, _| {
            item = Some(entry.other);
            Ok(())
        })?;
        let Some(item) = item else { return Ok(false) };
        self.whole(|txn| {
            txn.lists.open(&*txn.view, list)?.remove(&*txn.view, id.0)?;
            let list = by_item(&table, ItemId(item));
            txn.lists.open(&*txn.view, list)?.remove(&*txn.view, id.0)?;
            txn.unique.remove(&(table.id, user.0));
            txn.changes.push(Change::Interaction {
                table: table.id,
                user,
                item: ItemId(item),
                added: false,
            });
            txn.schema.state.count_deleted(1);
            Ok(true)
        })
    }

    /// Deletes all entries of a list, and their counterparts; returns how many.
    pub(super) fn clear_list(&mut self, key: ListKey) -> Result<u64> {
        let mut entries = Vec::new();
        let list = self.lists.open(&*self.view, key)?;
        list.each(&*self.view, &mut |entry, _| {
            entries.push((entry.id, entry.other));
            Ok(())
        })?;
        list.clear(&*self.view)?;
        for (id, other) in &entries {
            let (direction, user, item) = match key.direction {
                Direction::ByUser => (Direction::ByItem, key.entity, *other),
                Direction::ByItem => (Direction::ByUser, *other, key.entity),
            };
            let counterpart = ListKey { direction, table: key.table, entity: *other };
            self.lists.open(&*self.view, counterpart)?.remove(&*self.view, *id)?;
            self.unique.remove(&(key.table, user));
            self.changes.push(Change::Interaction {
                table: key.table,
                user: UserId(user),
                item: ItemId(item),
                added: false,
            });
        }
        self.schema.state.count_deleted(entries.len() as u64);
        Ok(entries.len() as u64)
    }

    /// Refuses a user or item that does not exist.
    #[inline]
    fn need_end(&mut self, table: TableId, id: EntityId) -> Result<()> {
        if self.known.contains(&(table, id)) {
            return Ok(());
        }
        let table = Arc::clone(self.schema.catalog.need(table)?);
        self.need_entity(&table, id)
    }

    fn insert(
        &mut self,
        table: &Table,
        user: UserId,
        item: ItemId,
        values: &[Value],
    ) -> Result<InteractionId> {
        let chunk_bytes = self.store.options.chunk_bytes;
        let mut bytes = Vec::with_capacity(48);
        row::encode(&mut bytes, table.version, row::pairs(table, values));
        // Opening may fail, appending cannot: so both lists are opened first.
        self.lists.open(&*self.view, by_item(table, item))?;
        let list = self.lists.open(&*self.view, by_user(table, user))?;
        let id = self.schema.state.new_interaction();
        let entry = Entry { id: id.0, other: item.0, values: &bytes };
        list.append(entry, chunk_bytes);
        let list = self.lists.open(&*self.view, by_item(table, item))?;
        list.append(Entry { id: id.0, other: user.0, values: &[] }, chunk_bytes);
        self.changes.push(Change::Interaction { table: table.id, user, item, added: true });
        Ok(id)
    }

    /// Changes the values of one interaction in the user's list, which alone has values.
    fn change(
        &mut self,
        table: &Arc<Table>,
        user: UserId,
        id: InteractionId,
        given: &[(ColumnId, Value)],
    ) -> Result<bool> {
        let Some((item, mut values)) = self.find(table, user, id)? else { return Ok(false) };
        row::assign(table, &mut values, given)?;
        let mut bytes = Vec::with_capacity(48);
        row::encode(&mut bytes, table.version, row::pairs(table, &values));
        let list = self.lists.open(&*self.view, by_user(table, user))?;
        list.replace(&*self.view, id.0, &bytes)?;
        for added in [false, true] {
            let item = ItemId(item);
            self.changes.push(Change::Interaction { table: table.id, user, item, added });
        }
        Ok(true)
    }

    /// An interaction's item and values, aligned with the table's columns.
    fn find(
        &mut self,
        table: &Arc<Table>,
        user: UserId,
        id: InteractionId,
    ) -> Result<Option<(EntityId, Vec<Value>)>> {
        let mut found = None;
        let list = self.lists.open(&*self.view, by_user(table, user))?;
        list.find(&*self.view, id.0, &mut |entry, place| {
            found = Some((entry.other, row::decode_aligned(table, entry.values, place)?));
            Ok(())
        })?;
        Ok(found)
    }

    /// The primary keys of a user. Built by one pass over the history, then kept up to date, so
    /// that loading many rows of one user takes one pass and not one per row.
    fn user_keys(
        &mut self,
        table: &Arc<Table>,
        extra: &[ColumnId],
        user: UserId,
    ) -> Result<&UserKeys> {
        if !self.unique.contains_key(&(table.id, user.0)) {
            let mut keys = UserKeys::new();
            let list = self.lists.open(&*self.view, by_user(table, user))?;
            list.each(&*self.view, &mut |entry, place| {
                let extra_key = if extra.is_empty() {
                    Box::default()
                } else {
                    let values = row::decode_aligned(table, entry.values, place)?;
                    extra_bytes(table, extra, &values)?
                };
                keys.insert((entry.other, extra_key), InteractionId(entry.id));
                Ok(())
            })?;
            self.unique.insert((table.id, user.0), keys);
        }
        Ok(self.unique.entry((table.id, user.0)).or_default())
    }
}

fn by_user(table: &Table, user: UserId) -> ListKey {
    ListKey { direction: Direction::ByUser, table: table.id, entity: user.0 }
}

fn by_item(table: &Table, item: ItemId) -> ListKey {
    ListKey { direction: Direction::ByItem, table: table.id, entity: item.0 }
}

/// The bytes of the primary key's extra columns; none of them may be null.
fn extra_bytes(table: &Table, extra: &[ColumnId], values: &[Value]) -> Result<Box<[u8]>> {
    let mut bytes = Vec::new();
    for column in extra {
        let value = row::position(table, *column).map(|at| &values[at])?;
        if value.is_null() {
            let column = table.need_column(*column)?.name.clone();
            return Err(Error::NotNull { table: table.name.clone(), column });
        }
        Encoder::new(&mut bytes).value(value);
    }
    Ok(bytes.into_boxed_slice())
}
