//! The bytes of a row's values, and rows as iterators give them.
//!
//! ```text
//! values    version:int  { column:int value }*        until the end of the bytes
//! entity    key:text  values
//! ```
//!
//! Only values that are not null are stored, in any order. Invariant: a column that the row has
//! no value for reads as its default if it was added after the row was written, else as null;
//! writing a row again resolves those defaults, so that they never change under it.

use std::sync::Arc;

use crate::catalog::{Column, Table};
use crate::codec::{Decoder, Encoder, Place, ValueRef};
use crate::error::{Error, Result};
use crate::id::{ColumnId, EntityId};
use crate::key;
use crate::kv::{Cf, Cursor};
use crate::read::Row;
use crate::value::Value;

/// The columns that a read asks for.
#[derive(Clone, Debug)]
pub(crate) struct Projection {
    table: Arc<Table>,
    /// Per column asked for: its id, and where it stands in the table.
    columns: Vec<(ColumnId, usize)>,
    /// Position in `columns` by column id, `u16::MAX` for those not asked for; empty if an id is
    /// asked for twice, which takes the slow way.
    slots: Vec<u16>,
}

impl Projection {
    /// Resolves columns; all must be live.
    pub(crate) fn new(table: &Arc<Table>, columns: &[ColumnId]) -> Result<Projection> {
        let mut resolved = Vec::with_capacity(columns.len());
        let mut slots = Vec::new();
        let mut twice = false;
        for (slot, id) in columns.iter().enumerate() {
            let at = table
                .columns
                .iter()
                .position(|column| column.id == *id && column.is_live())
                .ok_or_else(|| Error::NoSuchColumn {
                table: table.name.clone(),
                column: id.to_string(),
            })?;
            resolved.push((*id, at));
            let index = usize::from(id.0);
            if slots.len() <= index {
                slots.resize(index + 1, u16::MAX);
            }
            twice |= slots[index] != u16::MAX;
            slots[index] = slot as u16;
        }
        if twice {
            slots.clear();
        }
        Ok(Projection { table: Arc::clone(table), columns: resolved, slots })
    }

    /// All live columns that are values.
    pub(crate) fn all(table: &Arc<Table>) -> Projection {
        let ids: Vec<_> = table.columns().map(|column| column.id).collect();
        Projection::new(table, &ids).expect("a table has its own live columns")
    }

    /// The values of a row, aligned with the columns asked for.
    #[inline]
    pub(crate) fn decode(&self, bytes: &[u8], place: Place<'_>) -> Result<Vec<Value>> {
        if self.columns.is_empty() {
            return Ok(Vec::new());
        }
        self.read(&mut Decoder::new(bytes, place))
    }

    fn read(&self, from: &mut Decoder<'_>) -> Result<Vec<Value>> {
        let wanted = self.columns.len();
        if wanted == 0 {
            return Ok(Vec::new());
        }
        let version = from.u32()?;
        // Rows hold their values in the order of the columns, and most reads ask in that order:
        // then each value is pushed where it belongs.
        let mut values = Vec::with_capacity(wanted);
        let mut filled = 0;
        while !from.is_at_end() && filled < wanted {
            let id = from.u16()?;
            match self.slots.get(usize::from(id)).copied().map_or(usize::MAX, usize::from) {
                slot if slot >= wanted => {
                    let value = from.value()?;
                    if self.slots.is_empty() {
                        self.assign_all(&mut values, id, &value);
                    }
                }
                slot => {
                    let value = from.owned_value()?;
                    if slot >= values.len() {
                        values.resize(slot, Value::Null);
                        values.push(value);
                    } else {
                        values[slot] = value;
                    }
                    filled += 1;
                }
            }
        }
        values.resize(wanted, Value::Null);
        if version < self.table.version {
            for (value, (_, at)) in values.iter_mut().zip(&self.columns) {
                let column = &self.table.columns[*at];
                if value.is_null() && version < column.added_in {
                    *value = column.default.clone().unwrap_or(Value::Null);
                }
            }
        }
        Ok(values)
    }

    /// Puts a value into every slot that asks for its column.
    #[cold]
    fn assign_all(&self, values: &mut Vec<Value>, id: u16, value: &ValueRef<'_>) {
        values.resize(self.columns.len(), Value::Null);
        for (slot, (column, _)) in values.iter_mut().zip(&self.columns) {
            if column.0 == id {
                *slot = value.to_owned();
            }
        }
    }
}

/// Appends the values of a row: those of `columns` that are not null.
pub(crate) fn encode<'v>(
    out: &mut Vec<u8>,
    version: u32,
    values: impl IntoIterator<Item = (ColumnId, &'v Value)>,
) {
    let mut out = Encoder::new(out);
    out.u32(version);
    for (column, value) in values {
        if !value.is_null() {
            out.u16(column.0);
            out.value(value);
        }
    }
}

/// The bytes of an entity.
pub(crate) fn encode_entity<'v>(
    key: &str,
    version: u32,
    values: impl IntoIterator<Item = (ColumnId, &'v Value)>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    Encoder::new(&mut out).str(key);
    encode(&mut out, version, values);
    out
}

/// The record that leads from a key to its id.
pub(crate) fn encode_id(id: EntityId) -> Vec<u8> {
    id.to_be_bytes().to_vec()
}

/// The id in such a record.
pub(crate) fn decode_id(bytes: &[u8], place: Place<'_>) -> Result<EntityId> {
    let id = bytes.as_array::<8>().ok_or_else(|| place.corrupted("not an id"))?;
    Ok(EntityId::from_be_bytes(*id))
}

/// An entity's key.
pub(crate) fn decode_key<'a>(bytes: &'a [u8], place: Place<'a>) -> Result<&'a str> {
    Decoder::new(bytes, place).str()
}

/// An entity's key and values.
pub(crate) fn decode_entity(
    bytes: &[u8],
    place: Place<'_>,
    projection: &Projection,
) -> Result<(String, Vec<Value>)> {
    let mut from = Decoder::new(bytes, place);
    let key = from.str()?.to_owned();
    let values = projection.read(&mut from)?;
    Ok((key, values))
}

/// Refuses a value that its column cannot hold.
pub(crate) fn check(table: &Table, column: &Column, value: &Value) -> Result<()> {
    if value.is_null() && column.not_null {
        return Err(Error::NotNull { table: table.name.clone(), column: column.name.clone() });
    }
    if !value.fits(column.ty) {
        return Err(Error::TypeMismatch {
            table: table.name.clone(),
            column: column.name.clone(),
            expected: column.ty,
            actual: value.clone(),
        });
    }
    Ok(())
}

/// The values of a new row: those given, defaults for the others.
///
/// The result is aligned with the table's columns, dropped and vector columns being null.
pub(crate) fn complete(table: &Table, given: &[(ColumnId, Value)]) -> Result<Vec<Value>> {
    let mut values = vec![Value::Null; table.columns.len()];
    let mut is_given = vec![false; table.columns.len()];
    for (id, value) in given {
        let at = position(table, *id)?;
        check(table, &table.columns[at], value)?;
        values[at] = value.clone();
        is_given[at] = true;
    }
    for ((column, value), is_given) in table.columns.iter().zip(&mut values).zip(is_given) {
        if is_given || !column.is_live() || column.ty.is_vector() {
            continue;
        }
        if let Some(default) = &column.default {
            value.clone_from(default);
        }
        if value.is_null() && column.not_null {
            return Err(Error::NotNull { table: table.name.clone(), column: column.name.clone() });
        }
    }
    Ok(values)
}

/// Where a live column stands in the table.
pub(crate) fn position(table: &Table, id: ColumnId) -> Result<usize> {
    table
        .columns
        .iter()
        .position(|column| column.id == id && column.is_live())
        .ok_or_else(|| Error::NoSuchColumn { table: table.name.clone(), column: id.to_string() })
}

/// Pairs of column and value for [`encode`], from values aligned with the table's columns.
pub(crate) fn pairs<'a>(
    table: &'a Table,
    values: &'a [Value],
) -> impl Iterator<Item = (ColumnId, &'a Value)> {
    table.columns.iter().map(|column| column.id).zip(values)
}

/// The values of a stored row aligned with the table's columns, defaults resolved.
pub(crate) fn decode_aligned(
    table: &Arc<Table>,
    bytes: &[u8],
    place: Place<'_>,
) -> Result<Vec<Value>> {
    Projection::all(table).decode(bytes, place).map(|values| align(table, values))
}

/// Values of the live columns, as values of all columns.
fn align(table: &Table, live: Vec<Value>) -> Vec<Value> {
    let mut live = live.into_iter();
    let mut next = |column: &Column| column.is_live().then(|| live.next()).flatten();
    table.columns.iter().map(|column| next(column).unwrap_or(Value::Null)).collect()
}

/// The key of a stored entity, and its values aligned with the table's columns.
pub(crate) fn decode_entity_aligned(
    table: &Arc<Table>,
    bytes: &[u8],
    place: Place<'_>,
) -> Result<(String, Vec<Value>)> {
    let mut from = Decoder::new(bytes, place);
    let key = from.str()?.to_owned();
    let values = Projection::all(table).read(&mut from)?;
    Ok((key, align(table, values)))
}

/// Puts given values among values aligned with the table's columns.
pub(crate) fn assign(
    table: &Table,
    values: &mut [Value],
    given: &[(ColumnId, Value)],
) -> Result<()> {
    for (column, value) in given {
        values[position(table, *column)?].clone_from(value);
    }
    Ok(())
}

/// Rows of a table in ascending order of ids.
pub struct RowIter {
    cursor: Box<dyn Cursor>,
    projection: Projection,
}

impl RowIter {
    pub(crate) fn new(cursor: Box<dyn Cursor>, projection: Projection) -> RowIter {
        RowIter { cursor, projection }
    }
}

impl Iterator for RowIter {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        let (key, value) = match self.cursor.next() {
            Err(error) => return Some(Err(error)),
            Ok(None) => return None,
            Ok(Some(entry)) => entry,
        };
        let place = Place { cf: Cf::Entities, key };
        let Some(id) = key::entity_id(key) else {
            return Some(Err(place.corrupted("the key has no id")));
        };
        Some(decode_entity(value, place, &self.projection).map(|(key, values)| Row {
            id,
            key,
            values,
        }))
    }
}
