//! The catalog: which tables there are and what columns they have.
//!
//! A catalog is immutable once published; a change of schema makes a new one. It knows names,
//! types and links, not rows. Invariant: a table's or a column's id is never given to another.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::codec::{Decoder, Encoder};
use crate::error::{Error, Result};
use crate::id::{ColumnId, TableId};
use crate::value::{ColumnType, Element, Value};

/// What a table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Users.
    User,
    /// Items.
    Item,
    /// Interactions between the users and the items of two other tables.
    Interaction,
}

/// The SQL type of an entity's key. Inside, every key is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// Any non-empty text.
    Text,
    /// Canonical decimal text of a 64-bit integer.
    BigInt,
}

/// What to do about an interaction whose user or item is unknown. Storage only remembers it; the
/// layers above act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnUnknown {
    /// Refuse the interaction.
    Error,
    /// Make the user or item first, with only its key.
    Create,
}

/// One column, live or dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its id within the table.
    pub id: ColumnId,
    /// Its name; lower-case unless it was quoted.
    pub name: String,
    /// Its type.
    pub ty: ColumnType,
    /// Whether every row must have a value.
    pub not_null: bool,
    /// The value of rows that were not given one.
    pub default: Option<Value>,
    /// A default as an SQL expression; evaluated by the layers above at each insert.
    pub default_expr: Option<String>,
    /// Whether the database computes its values; only vector columns are computed, by the layers
    /// above, and nobody else writes to them.
    pub computed: bool,
    /// The table version from which on it exists.
    pub added_in: u32,
    /// The table version from which on it is gone.
    pub dropped_in: Option<u32>,
}

impl Column {
    /// Whether the column still exists.
    pub fn is_live(&self) -> bool {
        self.dropped_in.is_none()
    }
}

/// How an interaction table refers to its users and items.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The table of its users.
    pub user_table: TableId,
    /// The table of its items.
    pub item_table: TableId,
    /// The name of the user reference.
    pub user_column: String,
    /// The name of the item reference.
    pub item_column: String,
    /// `Some(extra)`: the primary key is (user, item, extra columns), and recording the same key
    /// again updates. `None`: an event log, where every record is a new interaction.
    pub unique: Option<Vec<ColumnId>>,
    /// What to do about unknown users and items.
    pub on_unknown: OnUnknown,
    /// Position of the user reference among the columns of `SELECT *`.
    pub user_position: u16,
    /// Position of the item reference among the columns of `SELECT *`.
    pub item_position: u16,
}

/// One table.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Its id.
    pub id: TableId,
    /// Its name; lower-case unless it was quoted.
    pub name: String,
    /// What it holds.
    pub role: Role,
    /// The name of the key column; empty for interactions.
    pub key_column: String,
    /// The type of the key.
    pub key_type: KeyType,
    /// Position of the key column among the columns of `SELECT *`; 0 for interactions.
    pub key_position: u16,
    /// Live and dropped columns, without the key and without the two references.
    pub columns: Vec<Column>,
    /// Rises with every change of the columns; each row remembers the one it was written under.
    pub version: u32,
    /// For interactions: whose, and of what.
    pub link: Option<Link>,
}

impl Table {
    /// The live columns in their order.
    pub fn columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.is_live())
    }

    /// The live column of this name, whatever the case.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns()
            .find(|column| column.name == name)
            .or_else(|| self.columns().find(|column| column.name.eq_ignore_ascii_case(name)))
    }

    /// Whether any live column is computed.
    pub fn has_computed(&self) -> bool {
        self.columns().any(|column| column.computed)
    }

    /// The live column of this id.
    pub fn column_by_id(&self, id: ColumnId) -> Option<&Column> {
        self.columns.iter().find(|column| column.id == id && column.is_live())
    }

    /// The same as [`column_by_id`](Table::column_by_id), with an error that names both.
    pub(crate) fn need_column(&self, id: ColumnId) -> Result<&Column> {
        self.column_by_id(id)
            .ok_or_else(|| Error::NoSuchColumn { table: self.name.clone(), column: id.to_string() })
    }

    /// The link of an interaction table.
    pub(crate) fn need_link(&self) -> Result<&Link> {
        self.link.as_ref().ok_or_else(|| Error::WrongRole {
            table: self.name.clone(),
            expected: "an interaction table",
        })
    }

    /// Whether the name is taken by the key, a reference or a live column.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        let same = |other: &str| other.eq_ignore_ascii_case(name);
        self.columns().any(|column| same(&column.name))
            || (self.link.is_none() && same(&self.key_column))
            || self
                .link
                .as_ref()
                .is_some_and(|link| same(&link.user_column) || same(&link.item_column))
    }

    pub(crate) fn encode(&self, out: &mut Encoder<'_>) {
        out.u32(self.id.0);
        out.str(&self.name);
        out.u8(match self.role {
            Role::User => 0,
            Role::Item => 1,
            Role::Interaction => 2,
        });
        out.str(&self.key_column);
        out.u8(match self.key_type {
            KeyType::Text => 0,
            KeyType::BigInt => 1,
        });
        out.u16(self.key_position);
        out.u32(self.version);
        out.usize(self.columns.len());
        for column in &self.columns {
            column.encode(out);
        }
        out.bool(self.link.is_some());
        if let Some(link) = &self.link {
            link.encode(out);
        }
    }

    pub(crate) fn decode(from: &mut Decoder<'_>) -> Result<Table> {
        let id = TableId(from.u32()?);
        let name = from.str()?.to_owned();
        let role = match from.u8()? {
            0 => Role::User,
            1 => Role::Item,
            2 => Role::Interaction,
            _ => return Err(from.corrupted("an unknown table role")),
        };
        let key_column = from.str()?.to_owned();
        let key_type = match from.u8()? {
            0 => KeyType::Text,
            1 => KeyType::BigInt,
            _ => return Err(from.corrupted("an unknown key type")),
        };
        let key_position = from.u16()?;
        let version = from.u32()?;
        let columns = (0..from.count()?).map(|_| Column::decode(from)).collect::<Result<_>>()?;
        let link = if from.bool()? { Some(Link::decode(from)?) } else { None };
        Ok(Table { id, name, role, key_column, key_type, key_position, columns, version, link })
    }
}

impl Column {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.u16(self.id.0);
        out.str(&self.name);
        match self.ty {
            ColumnType::Bool => out.u8(0),
            ColumnType::Int => out.u8(1),
            ColumnType::BigInt => out.u8(2),
            ColumnType::Real => out.u8(3),
            ColumnType::Double => out.u8(4),
            ColumnType::Text => out.u8(5),
            ColumnType::Date => out.u8(6),
            ColumnType::Timestamp => out.u8(7),
            ColumnType::TextList => out.u8(8),
            ColumnType::Vector { dim, element } => {
                out.u8(if self.computed { 10 } else { 9 });
                out.u32(dim);
                out.u8(match element {
                    Element::F32 => 0,
                    Element::F16 => 1,
                });
            }
        }
        out.bool(self.not_null);
        out.bool(self.default.is_some());
        if let Some(value) = &self.default {
            out.value(value);
        }
        out.bool(self.default_expr.is_some());
        if let Some(sql) = &self.default_expr {
            out.str(sql);
        }
        out.u32(self.added_in);
        out.bool(self.dropped_in.is_some());
        if let Some(version) = self.dropped_in {
            out.u32(version);
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Column> {
        let id = ColumnId(from.u16()?);
        let name = from.str()?.to_owned();
        let tag = from.u8()?;
        let ty = match tag {
            0 => ColumnType::Bool,
            1 => ColumnType::Int,
            2 => ColumnType::BigInt,
            3 => ColumnType::Real,
            4 => ColumnType::Double,
            5 => ColumnType::Text,
            6 => ColumnType::Date,
            7 => ColumnType::Timestamp,
            8 => ColumnType::TextList,
            9 | 10 => {
                let dim = from.u32()?;
                let element = match from.u8()? {
                    0 => Element::F32,
                    1 => Element::F16,
                    _ => return Err(from.corrupted("an unknown vector element")),
                };
                ColumnType::Vector { dim, element }
            }
            _ => return Err(from.corrupted("an unknown column type")),
        };
        let not_null = from.bool()?;
        let default = if from.bool()? { Some(from.value()?.to_owned()) } else { None };
        let default_expr = if from.bool()? { Some(from.str()?.to_owned()) } else { None };
        let added_in = from.u32()?;
        let dropped_in = if from.bool()? { Some(from.u32()?) } else { None };
        Ok(Column {
            id,
            name,
            ty,
            not_null,
            default,
            default_expr,
            computed: tag == 10,
            added_in,
            dropped_in,
        })
    }
}

impl Link {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.u32(self.user_table.0);
        out.u32(self.item_table.0);
        out.str(&self.user_column);
        out.str(&self.item_column);
        out.bool(self.unique.is_some());
        if let Some(extra) = &self.unique {
            out.usize(extra.len());
            for column in extra {
                out.u16(column.0);
            }
        }
        out.u8(match self.on_unknown {
            OnUnknown::Error => 0,
            OnUnknown::Create => 1,
        });
        out.u16(self.user_position);
        out.u16(self.item_position);
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Link> {
        let user_table = TableId(from.u32()?);
        let item_table = TableId(from.u32()?);
        let user_column = from.str()?.to_owned();
        let item_column = from.str()?.to_owned();
        let unique = if from.bool()? {
            let columns = (0..from.count()?).map(|_| from.u16().map(ColumnId));
            Some(columns.collect::<Result<_>>()?)
        } else {
            None
        };
        let on_unknown = match from.u8()? {
            0 => OnUnknown::Error,
            1 => OnUnknown::Create,
            _ => return Err(from.corrupted("an unknown rule for unknown ids")),
        };
        let user_position = from.u16()?;
        let item_position = from.u16()?;
        Ok(Link {
            user_table,
            item_table,
            user_column,
            item_column,
            unique,
            on_unknown,
            user_position,
            item_position,
        })
    }
}

/// All tables of one generation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    tables: BTreeMap<TableId, Arc<Table>>,
}

impl Catalog {
    /// The table of this name. An exact match wins; otherwise case does not matter.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables()
            .find(|table| table.name == name)
            .or_else(|| self.tables().find(|table| table.name.eq_ignore_ascii_case(name)))
    }

    /// The table of this id.
    pub fn table_by_id(&self, id: TableId) -> Option<&Table> {
        self.tables.get(&id).map(Arc::as_ref)
    }

    /// The table of this id, shared.
    pub fn shared_table(&self, id: TableId) -> Option<Arc<Table>> {
        self.tables.get(&id).cloned()
    }

    /// All tables in the order of their creation.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.values().map(Arc::as_ref)
    }

    /// The interaction tables that refer to a user or item table.
    pub fn dependents(&self, id: TableId) -> impl Iterator<Item = &Table> {
        self.tables().filter(move |table| {
            table.link.as_ref().is_some_and(|link| link.user_table == id || link.item_table == id)
        })
    }

    pub(crate) fn need(&self, id: TableId) -> Result<&Arc<Table>> {
        self.tables.get(&id).ok_or_else(|| Error::NoSuchTable { name: id.to_string() })
    }

    /// A table of users or items.
    pub(crate) fn need_entities(&self, id: TableId) -> Result<&Arc<Table>> {
        let table = self.need(id)?;
        if table.role == Role::Interaction {
            return Err(Error::WrongRole {
                table: table.name.clone(),
                expected: "a user or item table",
            });
        }
        Ok(table)
    }

    pub(crate) fn insert(&mut self, table: Table) {
        self.tables.insert(table.id, Arc::new(table));
    }

    pub(crate) fn remove(&mut self, id: TableId) {
        self.tables.remove(&id);
    }
}

/// What [`create_table`](crate::WriteTxn::create_table) needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct TableSpec {
    /// The name; lower-case it before unless it was quoted.
    pub name: String,
    /// What the table holds.
    pub role: Role,
    /// The name of the key column; empty for interactions.
    pub key_column: String,
    /// The type of the key.
    pub key_type: KeyType,
    /// Position of the key column among the columns of `SELECT *`.
    pub key_position: u16,
    /// The other columns; ids are given in this order, from 0.
    pub columns: Vec<ColumnSpec>,
    /// For interactions: whose, and of what.
    pub link: Option<LinkSpec>,
}

/// A column of a [`TableSpec`], or one to add.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnSpec {
    /// The name.
    pub name: String,
    /// The type.
    pub ty: ColumnType,
    /// Whether every row must have a value.
    pub not_null: bool,
    /// The value of rows that are not given one.
    pub default: Option<Value>,
    /// A default as an SQL expression, kept for the layers above.
    pub default_expr: Option<String>,
    /// Whether the database computes its values.
    pub computed: bool,
}

impl ColumnSpec {
    /// A column that may be null and has no default.
    pub fn new(name: impl Into<String>, ty: ColumnType) -> ColumnSpec {
        ColumnSpec {
            name: name.into(),
            ty,
            not_null: false,
            default: None,
            default_expr: None,
            computed: false,
        }
    }

    /// A vector column whose values the layers above compute.
    pub fn computed(name: impl Into<String>, ty: ColumnType) -> ColumnSpec {
        ColumnSpec { computed: true, ..ColumnSpec::new(name, ty) }
    }
}

/// The link of a [`TableSpec`]; as [`Link`], with the extra key columns by name.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkSpec {
    /// The table of its users.
    pub user_table: TableId,
    /// The table of its items.
    pub item_table: TableId,
    /// The name of the user reference.
    pub user_column: String,
    /// The name of the item reference.
    pub item_column: String,
    /// The primary key's columns beside user and item, by name; `None` for an event log.
    pub unique: Option<Vec<String>>,
    /// What to do about unknown users and items.
    pub on_unknown: OnUnknown,
    /// Position of the user reference among the columns of `SELECT *`.
    pub user_position: u16,
    /// Position of the item reference among the columns of `SELECT *`.
    pub item_position: u16,
}
