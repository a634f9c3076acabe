//! Writing rows into one table: what INSERT and COPY have in common.
//!
//! A writer turns the cells of one row, in the order of the statement's column list, into calls of
//! the transaction: keys are made canonical, users and items found (or made, where the table says
//! so), defaults filled in, vectors kept apart. Atomicity is the transaction's matter.

use std::collections::HashMap;
use std::sync::Arc;

use crate::batch::{Cell, Field, Shape, Unfit, coerce, describe};
use crate::storage::{
    self, ColumnId, EntityId, InteractionId, ItemId, KeyType, Link, OnUnknown, Put, Read, TableId,
    UserId, Value, WriteTxn,
};

/// What to do with an entity whose key exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnExisting {
    /// Refuse the row.
    Refuse,
    /// Leave the old row as it is.
    Keep,
    /// Put the given columns into the old row.
    Update,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// A new entity, or one that was updated.
    Entity(EntityId, Put),
    /// A new interaction, or one that was updated.
    Interaction(UserId, InteractionId, Put),
    /// The key exists: nothing was done.
    Exists(EntityId),
}

/// Why a row cannot be written.
#[derive(Debug)]
pub(crate) enum RowFault {
    /// A value does not fit its column (a position in the shape).
    Unfit { column: usize, unfit: Unfit, found: String },
    /// The key, user or item is missing.
    NoKey { column: usize },
    /// A reference names nothing.
    Unknown { column: usize, what: &'static str, table: String, key: String },
    /// The key is taken.
    Exists { column: usize, key: String },
    /// Storage refused the row.
    Storage(storage::Error),
    /// A default cannot be computed.
    Default(crate::error::Error),
}

impl From<storage::Error> for RowFault {
    fn from(error: storage::Error) -> RowFault {
        RowFault::Storage(error)
    }
}

/// A default that is computed anew for each row.
pub(crate) type MakeDefault<'a> = dyn Fn(usize) -> Option<crate::error::Result<Cell>> + 'a;

/// Puts rows into one table.
pub(crate) struct RowWriter<'a> {
    shape: Arc<Shape>,
    /// For each given column, its position in the shape.
    targets: Vec<usize>,
    /// Columns that are not given and have a constant default.
    constants: Vec<(ColumnId, Value)>,
    /// Columns that are not given and have a computed default.
    computed: Vec<usize>,
    make_default: &'a MakeDefault<'a>,
    existing: OnExisting,
    users: Known,
    items: Known,
    values: Vec<(ColumnId, Value)>,
    vectors: Vec<(ColumnId, Option<Vec<f32>>)>,
}

/// Ids of keys that the writer has met.
#[derive(Default)]
struct Known {
    ids: HashMap<String, EntityId>,
    last: (String, EntityId),
}

impl Known {
    fn forget(&mut self, key: &str) {
        self.ids.remove(key);
        self.last = Default::default();
    }
}

/// The user and the item that were made for one interaction, with their keys.
#[derive(Default)]
struct Made {
    user: Option<(String, EntityId)>,
    item: Option<(String, EntityId)>,
}

impl<'a> RowWriter<'a> {
    /// A writer of rows whose cells are for the columns at `targets`.
    pub(crate) fn new(
        shape: Arc<Shape>,
        targets: Vec<usize>,
        existing: OnExisting,
        make_default: &'a MakeDefault<'a>,
    ) -> RowWriter<'a> {
        let mut constants = Vec::new();
        let mut computed = Vec::new();
        for at in 0..shape.fields.len() {
            let Some(column) = shape.column(at).filter(|_| !targets.contains(&at)) else {
                continue;
            };
            if column.default_expr.is_some() {
                computed.push(at);
            } else if let Some(value) = &column.default {
                constants.push((column.id, value.clone()));
            }
        }
        RowWriter {
            shape,
            targets,
            constants,
            computed,
            make_default,
            existing,
            users: Known::default(),
            items: Known::default(),
            values: Vec::new(),
            vectors: Vec::new(),
        }
    }

    /// Writes one row. Of a row that is refused, nothing is written: neither its vectors nor a user
    /// or item that would have been made for it.
    pub(crate) fn put(
        &mut self,
        txn: &mut WriteTxn,
        cells: &mut [Cell],
    ) -> Result<Written, RowFault> {
        self.values.clear();
        self.vectors.clear();
        let mut key = None;
        let mut user = None;
        let mut item = None;
        for (cell, at) in cells.iter_mut().zip(&self.targets) {
            let at = *at;
            let field = self.shape.fields[at];
            let given = std::mem::replace(cell, Cell::NULL);
            match field {
                Field::Key(ty) => key = Some(canonical(given, ty, at)?),
                Field::User(ty) => user = Some((canonical(given, ty, at)?, at)),
                Field::Item(ty) => item = Some((canonical(given, ty, at)?, at)),
                Field::Value(id, ty) => {
                    let value = match given {
                        Cell::Value(value) if value.is_null() || value.fits(ty) => value,
                        other => fitted(other, field, at)?,
                    };
                    self.values.push((id, value));
                }
                Field::Embedding(id, ..) => self.vectors.push((id, vector(given, field, at)?)),
                Field::Id | Field::Owner => {}
            }
        }
        match self.shape.table.link.clone() {
            None => {
                let key = key.ok_or(RowFault::NoKey { column: self.key_position() })?;
                self.put_entity(txn, key)
            }
            Some(link) => {
                let place = |wanted: fn(&Field) -> bool| {
                    self.shape.fields.iter().position(wanted).unwrap_or(0)
                };
                let user = user.ok_or_else(|| RowFault::NoKey {
                    column: place(|field| matches!(field, Field::User(_))),
                })?;
                let item = item.ok_or_else(|| RowFault::NoKey {
                    column: place(|field| matches!(field, Field::Item(_))),
                })?;
                self.defaults(true)?;
                let mut made = Made::default();
                let written = self.put_interaction(txn, &link, user, item, &mut made);
                if written.is_err() {
                    self.unmake(txn, &link, made)?;
                }
                written
            }
        }
    }

    fn put_interaction(
        &mut self,
        txn: &mut WriteTxn,
        link: &Link,
        user: (String, usize),
        item: (String, usize),
        made: &mut Made,
    ) -> Result<Written, RowFault> {
        let unknown = link.on_unknown;
        let (users, items) = (&mut self.users, &mut self.items);
        let user = find(txn, users, link.user_table, "user", user, unknown, &mut made.user)?;
        let item = find(txn, items, link.item_table, "item", item, unknown, &mut made.item)?;
        let table = self.shape.table.id;
        let (id, put) = txn.record_interaction(table, UserId(user), ItemId(item), &self.values)?;
        Ok(Written::Interaction(UserId(user), id, put))
    }

    /// Takes back what was made for an interaction that is refused.
    fn unmake(&mut self, txn: &mut WriteTxn, link: &Link, made: Made) -> Result<(), RowFault> {
        let ends = [
            (made.user, &mut self.users, link.user_table),
            (made.item, &mut self.items, link.item_table),
        ];
        for (made, known, table) in ends {
            if let Some((key, id)) = made {
                txn.delete_row(table, id)?;
                known.forget(&key);
            }
        }
        Ok(())
    }

    fn key_position(&self) -> usize {
        self.shape.fields.iter().position(|field| matches!(field, Field::Key(_))).unwrap_or(0)
    }

    fn put_entity(&mut self, txn: &mut WriteTxn, key: String) -> Result<Written, RowFault> {
        let table = self.shape.table.id;
        let old = txn.lookup(table, &key)?;
        match (old, self.existing) {
            (Some(_), OnExisting::Refuse) => {
                return Err(RowFault::Exists { column: self.key_position(), key });
            }
            (Some(id), OnExisting::Keep) => return Ok(Written::Exists(id)),
            _ => {}
        }
        if old.is_none() {
            self.defaults(false)?;
        }
        let (id, put) = txn.put_row(table, &key, &self.values)?;
        for (column, vector) in &self.vectors {
            match vector {
                Some(vector) => txn.put_embedding(table, *column, id, vector)?,
                None if old.is_some() => {
                    txn.delete_embedding(table, *column, id)?;
                }
                None => {}
            }
        }
        Ok(Written::Entity(id, put))
    }

    fn defaults(&mut self, interaction: bool) -> Result<(), RowFault> {
        self.values.extend(self.constants.iter().cloned());
        for at in &self.computed {
            let field = self.shape.fields[*at];
            let made = (self.make_default)(*at).transpose().map_err(RowFault::Default)?;
            match (field, made) {
                (Field::Value(id, _), Some(cell)) => {
                    self.values.push((id, fitted(cell, field, *at)?));
                }
                (Field::Embedding(id, ..), Some(cell)) if !interaction => {
                    self.vectors.push((id, vector(cell, field, *at)?));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A cell as a value of its column.
pub(crate) fn fitted(cell: Cell, field: Field, at: usize) -> Result<Value, RowFault> {
    let found = describe(&cell);
    match coerce(cell, field.column_type()) {
        Ok(Cell::Value(value)) => Ok(value),
        Ok(Cell::Vector(_)) => Ok(Value::Null),
        Err(unfit) => Err(RowFault::Unfit { column: at, unfit, found }),
    }
}

/// A cell as an embedding, or as its absence.
pub(crate) fn vector(cell: Cell, field: Field, at: usize) -> Result<Option<Vec<f32>>, RowFault> {
    let found = describe(&cell);
    match coerce(cell, field.column_type()) {
        Ok(Cell::Vector(vector)) => Ok(Some(vector)),
        Ok(Cell::Value(_)) => Ok(None),
        Err(unfit) => Err(RowFault::Unfit { column: at, unfit, found }),
    }
}

/// A cell as a key: text, or the canonical decimal of a number.
pub(crate) fn canonical(cell: Cell, ty: KeyType, at: usize) -> Result<String, RowFault> {
    let number = |text: &str| text.trim().parse::<i64>().ok();
    match (ty, cell) {
        (_, Cell::Value(Value::Null)) => Err(RowFault::NoKey { column: at }),
        (_, Cell::Value(Value::Int(v))) => Ok(v.to_string()),
        (KeyType::Text, Cell::Value(Value::Text(text))) => Ok(text),
        (KeyType::BigInt, Cell::Value(Value::Text(text))) if number(&text).is_some() => {
            Ok(number(&text).unwrap_or_default().to_string())
        }
        (KeyType::BigInt, Cell::Value(Value::Real(v))) if v.fract() == 0.0 && v.abs() < 9.0e18 => {
            Ok((v as i64).to_string())
        }
        (ty, other) => {
            let expected = match ty {
                KeyType::Text => "expected a TEXT key",
                KeyType::BigInt => "expected a BIGINT key",
            };
            let found = describe(&other);
            Err(RowFault::Unfit { column: at, unfit: Unfit::Type(expected.to_owned()), found })
        }
    }
}

fn find(
    txn: &mut WriteTxn,
    known: &mut Known,
    table: TableId,
    what: &'static str,
    (key, column): (String, usize),
    unknown: OnUnknown,
    made: &mut Option<(String, EntityId)>,
) -> Result<EntityId, RowFault> {
    // Files are mostly sorted by user: the same key comes again and again.
    if known.last.0 == key && !key.is_empty() {
        return Ok(known.last.1);
    }
    let id = match known.ids.get(&key) {
        Some(id) => *id,
        None => {
            let id = match txn.lookup(table, &key)? {
                Some(id) => id,
                None if unknown == OnUnknown::Create => {
                    let (id, _) = txn.put_row(table, &key, &[])?;
                    *made = Some((key.clone(), id));
                    id
                }
                None => {
                    let table = txn.catalog().table_by_id(table);
                    let table = table.map_or_else(String::new, |table| table.name.clone());
                    return Err(RowFault::Unknown { column, what, table, key });
                }
            };
            known.ids.insert(key.clone(), id);
            id
        }
    };
    known.last = (key, id);
    Ok(id)
}

impl RowFault {
    /// The column at fault, as a position in the shape.
    pub(crate) fn column(&self, shape: &Shape) -> Option<usize> {
        match self {
            RowFault::Unfit { column, .. }
            | RowFault::NoKey { column }
            | RowFault::Unknown { column, .. }
            | RowFault::Exists { column, .. } => Some(*column),
            // Storage knows these rules; the statement or the file knows where the values stand.
            RowFault::Storage(storage::Error::NotNull { column, .. }) => shape.position(column),
            RowFault::Storage(storage::Error::InvalidKey { .. }) => {
                shape.fields.iter().position(|field| matches!(field, Field::Key(_)))
            }
            RowFault::Storage(_) | RowFault::Default(_) => None,
        }
    }

    /// What is wrong, in one line without the place.
    pub(crate) fn what(&self, shape: &Shape) -> String {
        match self {
            RowFault::Unfit { unfit, found, .. } => unfit.message(found),
            RowFault::NoKey { column } => {
                format!("`{}` must have a value", shape.names[*column])
            }
            RowFault::Unknown { what, table, key, .. } => {
                format!("no {what} `{key}` in table `{table}`")
            }
            RowFault::Exists { key, .. } => {
                format!("`{}` has a row with the key `{key}` already", shape.table.name)
            }
            RowFault::Storage(storage::Error::NotNull { column, .. }) => {
                format!("`{column}` must have a value")
            }
            RowFault::Storage(error) => error.to_string(),
            RowFault::Default(error) => error.to_string(),
        }
    }
}
