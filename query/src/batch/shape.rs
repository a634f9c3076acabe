//! The shape of a table: its columns in the order of `SELECT *`, and where each comes from.
//!
//! Storage keeps the key of an entity, the two references of an interaction and the embeddings
//! apart from the ordinary values; SQL sees one list of columns. A shape is that list.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field as ArrowField, Schema, SchemaRef, TimeUnit};

use crate::storage::{Catalog, Column, ColumnId, ColumnType, Element, KeyType, Role, Table};

/// Where the values of one SQL column live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// The external id of an entity.
    Key(KeyType),
    /// An interaction's reference to its user, shown as the user's key.
    User(KeyType),
    /// An interaction's reference to its item, shown as the item's key.
    Item(KeyType),
    /// An ordinary value.
    Value(ColumnId, ColumnType),
    /// An embedding: its numbers, and how many bits each has in storage.
    Embedding(ColumnId, u32, Element),
    /// The internal id of the row; see [`Shape::with_ids`].
    Id,
    /// The internal id of an interaction's user.
    Owner,
}

impl Field {
    /// The column, of one that can be set.
    pub(crate) fn id(&self) -> Option<ColumnId> {
        match self {
            Field::Value(id, _) | Field::Embedding(id, ..) => Some(*id),
            Field::Key(_) | Field::User(_) | Field::Item(_) | Field::Id | Field::Owner => None,
        }
    }
}

/// The name of the column that [`Shape::with_ids`] adds for [`Field::Id`].
pub(crate) const ID_COLUMN: &str = "__id";
/// The name of the column that [`Shape::with_ids`] adds for [`Field::Owner`].
pub(crate) const OWNER_COLUMN: &str = "__owner";

/// A table's columns as SQL sees them.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// The table.
    pub(crate) table: Arc<Table>,
    /// Names, in order, lower-case unless they were quoted.
    pub(crate) names: Vec<String>,
    /// Where each column's values live.
    pub(crate) fields: Vec<Field>,
    /// The same as an Arrow schema.
    pub(crate) schema: SchemaRef,
}

impl Shape {
    /// The shape of `table`; `catalog` tells the key types of the tables it references.
    pub(crate) fn of(catalog: &Catalog, table: &Table) -> Shape {
        let mut columns: Vec<(String, Field, bool)> = table
            .columns()
            .map(|column| (column.name.clone(), field_of(column), !column.not_null))
            .collect();
        match &table.link {
            None => {
                let at = usize::from(table.key_position).min(columns.len());
                columns.insert(at, (table.key_column.clone(), Field::Key(table.key_type), false));
            }
            Some(link) => {
                let key_type =
                    |id| catalog.table_by_id(id).map_or(KeyType::Text, |table| table.key_type);
                let user = Field::User(key_type(link.user_table));
                let item = Field::Item(key_type(link.item_table));
                let mut references = [
                    (link.user_position, link.user_column.clone(), user),
                    (link.item_position, link.item_column.clone(), item),
                ];
                references.sort_by_key(|(position, _, _)| *position);
                for (position, name, field) in references {
                    let at = usize::from(position).min(columns.len());
                    columns.insert(at, (name, field, false));
                }
            }
        }
        Shape::from_columns(Arc::new(table.clone()), columns)
    }

    /// The same shape with the internal ids of its rows as two more columns, for statements that
    /// must find the rows again.
    pub(crate) fn with_ids(&self) -> Shape {
        let mut columns: Vec<(String, Field, bool)> = self
            .names
            .iter()
            .zip(&self.fields)
            .zip(self.schema.fields())
            .map(|((name, field), arrow)| (name.clone(), *field, arrow.is_nullable()))
            .collect();
        columns.push((ID_COLUMN.to_owned(), Field::Id, true));
        columns.push((OWNER_COLUMN.to_owned(), Field::Owner, true));
        Shape::from_columns(Arc::clone(&self.table), columns)
    }

    fn from_columns(table: Arc<Table>, columns: Vec<(String, Field, bool)>) -> Shape {
        let schema = Schema::new(
            columns
                .iter()
                .map(|(name, field, nullable)| ArrowField::new(name, field.arrow_type(), *nullable))
                .collect::<Vec<_>>(),
        );
        let fields = columns.iter().map(|(_, field, _)| *field).collect();
        let names = columns.into_iter().map(|(name, _, _)| name).collect();
        Shape { table, names, fields, schema: Arc::new(schema) }
    }

    /// The position of a column by its name, whatever the case.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.names
            .iter()
            .position(|n| n == name)
            .or_else(|| self.names.iter().position(|n| n.eq_ignore_ascii_case(name)))
    }

    /// The schema of some of the columns.
    pub(crate) fn project(&self, positions: &[usize]) -> SchemaRef {
        Arc::new(Schema::new(
            positions.iter().map(|at| self.schema.field(*at).clone()).collect::<Vec<_>>(),
        ))
    }

    /// The stored column at a position, where it is one.
    pub(crate) fn column(&self, position: usize) -> Option<&Column> {
        let id = match self.fields.get(position)? {
            Field::Value(id, _) | Field::Embedding(id, ..) => *id,
            Field::Key(_) | Field::User(_) | Field::Item(_) | Field::Id | Field::Owner => {
                return None;
            }
        };
        self.table.columns().find(|column| column.id == id)
    }

    /// Whether the database computes a column.
    pub(crate) fn is_computed(&self, position: usize) -> bool {
        self.column(position).is_some_and(|column| column.computed)
    }

    /// Whether the table holds interactions.
    pub(crate) fn is_interaction(&self) -> bool {
        self.table.role == Role::Interaction
    }
}

impl Field {
    /// The type as declared.
    pub(crate) fn column_type(self) -> ColumnType {
        match self {
            Field::Key(key) | Field::User(key) | Field::Item(key) => match key {
                KeyType::Text => ColumnType::Text,
                KeyType::BigInt => ColumnType::BigInt,
            },
            Field::Value(_, ty) => ty,
            Field::Id | Field::Owner => ColumnType::BigInt,
            Field::Embedding(_, dim, element) => ColumnType::Vector { dim, element },
        }
    }

    /// The Arrow type of the column.
    pub(crate) fn arrow_type(self) -> DataType {
        arrow_type(self.column_type())
    }
}

/// How a column type looks in Arrow. Vectors are lists, so that every list function takes them.
pub(crate) fn arrow_type(ty: ColumnType) -> DataType {
    match ty {
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Int => DataType::Int32,
        ColumnType::BigInt => DataType::Int64,
        ColumnType::Real => DataType::Float32,
        ColumnType::Double => DataType::Float64,
        ColumnType::Text => DataType::Utf8,
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        ColumnType::TextList => {
            DataType::List(Arc::new(ArrowField::new_list_field(DataType::Utf8, true)))
        }
        ColumnType::Vector { .. } => {
            DataType::List(Arc::new(ArrowField::new_list_field(DataType::Float32, true)))
        }
    }
}

fn field_of(column: &Column) -> Field {
    match column.ty {
        ColumnType::Vector { dim, element } => Field::Embedding(column.id, dim, element),
        ty => Field::Value(column.id, ty),
    }
}
