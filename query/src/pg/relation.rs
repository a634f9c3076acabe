//! Rows made by hand: columns with PostgreSQL's types, and values in order.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Int32Array, Int64Array, ListBuilder, PrimitiveBuilder,
    RecordBatch, RecordBatchOptions, StringArray, StringBuilder, UInt32Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Int32Type, Schema};

use crate::error::{Error, Result};
use crate::outcome::Rows;

/// The key under which a column says that its type on the wire is not that of its values.
pub const TYPE_KEY: &str = "postgres_type";

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    /// Also `smallint`.
    Int,
    /// The number of something.
    Oid,
    Long,
    Real,
    /// Also `name`.
    Text,
    /// `"char"`: one letter, which clients want as such.
    Char,
    Ints,
    Texts,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Null,
    Bool(bool),
    Int(i32),
    Real(f32),
    Text(String),
    Ints(Vec<i32>),
    Texts(Vec<String>),
}

impl From<bool> for Cell {
    fn from(value: bool) -> Cell {
        Cell::Bool(value)
    }
}

impl From<i32> for Cell {
    fn from(value: i32) -> Cell {
        Cell::Int(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Cell {
        Cell::Text(value.to_owned())
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Cell {
        Cell::Text(value)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Cell {
        value.map_or(Cell::Null, Into::into)
    }
}

/// Rows that are being made.
#[derive(Debug)]
pub(super) struct Relation {
    columns: Vec<(&'static str, Kind)>,
    rows: Vec<Vec<Cell>>,
}

impl Relation {
    /// No rows yet, of these columns.
    pub(super) fn new(columns: &[(&'static str, Kind)]) -> Relation {
        Relation { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row with values for some of the columns, by name; the others are NULL.
    pub(super) fn push(&mut self, values: Vec<(&str, Cell)>) {
        let row = self.columns.iter().map(|(name, _)| {
            let value = values.iter().find(|(given, _)| given == name);
            value.map_or(Cell::Null, |(_, value)| value.clone())
        });
        debug_assert!(values.iter().all(|(given, _)| self.columns.iter().any(|(n, _)| n == given)));
        self.rows.push(row.collect());
    }

    /// The rows.
    pub(super) fn finish(self) -> Result<Rows> {
        let mut fields = Vec::with_capacity(self.columns.len());
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (at, (name, kind)) in self.columns.iter().enumerate() {
            let array = array(*kind, self.rows.iter().map(|row| &row[at]));
            let mut field = Field::new(*name, array.data_type().clone(), true);
            if *kind == Kind::Char {
                field = field.with_metadata([(TYPE_KEY.to_owned(), "char".to_owned())].into());
            }
            fields.push(field);
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows.len()));
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options)
            .map_err(|cause| Error::internal(cause.to_string()))?;
        Ok(Rows { schema, batches: vec![batch] })
    }
}

/// The values of one column.
pub(super) fn array<'a>(kind: Kind, values: impl Iterator<Item = &'a Cell>) -> ArrayRef {
    macro_rules! of {
        ($array:ty, $variant:path) => {
            Arc::new(<$array>::from_iter(values.map(|value| match value {
                $variant(value) => Some(value.clone()),
                _ => None,
            })))
        };
    }
    match kind {
        Kind::Bool => of!(BooleanArray, Cell::Bool),
        Kind::Int => of!(Int32Array, Cell::Int),
        Kind::Oid => Arc::new(UInt32Array::from_iter(values.map(|value| match value {
            Cell::Int(value) => Some(value.cast_unsigned()),
            _ => None,
        }))),
        Kind::Long => Arc::new(Int64Array::from_iter(values.map(|value| match value {
            Cell::Int(value) => Some(i64::from(*value)),
            _ => None,
        }))),
        Kind::Real => of!(Float32Array, Cell::Real),
        Kind::Text | Kind::Char => of!(StringArray, Cell::Text),
        Kind::Ints => {
            let mut lists = ListBuilder::new(PrimitiveBuilder::<Int32Type>::new());
            for value in values {
                if let Cell::Ints(items) = value {
                    lists.values().append_slice(items);
                }
                lists.append(matches!(value, Cell::Ints(_)));
            }
            Arc::new(lists.finish())
        }
        Kind::Texts => {
            let mut lists = ListBuilder::new(StringBuilder::new());
            for value in values {
                if let Cell::Texts(items) = value {
                    items.iter().for_each(|item| lists.values().append_value(item));
                }
                lists.append(matches!(value, Cell::Texts(_)));
            }
            Arc::new(lists.finish())
        }
    }
}

/// The Arrow type of a column.
pub(super) fn arrow(kind: Kind) -> DataType {
    match kind {
        Kind::Bool => DataType::Boolean,
        Kind::Int => DataType::Int32,
        Kind::Oid => DataType::UInt32,
        Kind::Long => DataType::Int64,
        Kind::Real => DataType::Float32,
        Kind::Text | Kind::Char => DataType::Utf8,
        Kind::Ints => DataType::List(Arc::new(Field::new_list_field(DataType::Int32, true))),
        Kind::Texts => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
    }
}
