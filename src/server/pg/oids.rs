//! Types as PostgreSQL numbers them, and which one a column or a parameter of TasteDB has.
//!
//! A vector has a type of its own, `vector`, as pgvector's extension makes one: its clients find it by
//! name in `pg_type`, and others read its text.

use std::sync::Arc;

use tastedb::arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};

/// The type of `vector`; extensions get numbers from 16384 on. `pg_type` tells the same.
pub(super) const VECTOR: u32 = tastedb_query::VECTOR_OID;

/// A type on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    Char,
    Bytes,
    Date,
    Timestamp,
    TimestampTz,
    Interval,
    Json,
    Vector,
    BoolList,
    Int4List,
    Int8List,
    Float8List,
    TextList,
}

impl Kind {
    /// Its number.
    pub(super) fn oid(self) -> u32 {
        match self {
            Kind::Bool => 16,
            Kind::Int2 => 21,
            Kind::Int4 => 23,
            Kind::Int8 => 20,
            Kind::Oid => 26,
            Kind::Float4 => 700,
            Kind::Float8 => 701,
            Kind::Numeric => 1700,
            Kind::Text => 25,
            Kind::Char => 18,
            Kind::Bytes => 17,
            Kind::Date => 1082,
            Kind::Timestamp => 1114,
            Kind::TimestampTz => 1184,
            Kind::Interval => 1186,
            Kind::Json => 114,
            Kind::Vector => VECTOR,
            Kind::BoolList => 1000,
            Kind::Int4List => 1007,
            Kind::Int8List => 1016,
            Kind::Float8List => 1022,
            Kind::TextList => 1009,
        }
    }

    /// Bytes of a value, -1 where they vary.
    pub(super) fn length(self) -> i16 {
        match self {
            Kind::Bool | Kind::Char => 1,
            Kind::Int2 => 2,
            Kind::Int4 | Kind::Oid | Kind::Float4 | Kind::Date => 4,
            Kind::Int8 | Kind::Float8 | Kind::Timestamp | Kind::TimestampTz => 8,
            Kind::Interval => 16,
            _ => -1,
        }
    }

    /// The type of values of an Arrow type.
    pub(super) fn of(ty: &DataType) -> Kind {
        match ty {
            DataType::Boolean => Kind::Bool,
            DataType::Int8 | DataType::Int16 | DataType::UInt8 => Kind::Int2,
            DataType::Int32 | DataType::UInt16 => Kind::Int4,
            DataType::Int64 => Kind::Int8,
            // The numbers of PostgreSQL's catalogue.
            DataType::UInt32 => Kind::Oid,
            DataType::UInt64 => Kind::Numeric,
            DataType::Float16 | DataType::Float32 => Kind::Float4,
            DataType::Float64 => Kind::Float8,
            DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..) => Kind::Numeric,
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => Kind::Bytes,
            DataType::Date32 => Kind::Date,
            DataType::Date64 | DataType::Timestamp(_, None) => Kind::Timestamp,
            DataType::Timestamp(_, Some(_)) => Kind::TimestampTz,
            DataType::Interval(_) | DataType::Duration(_) => Kind::Interval,
            DataType::Struct(_) | DataType::Map(..) => Kind::Json,
            DataType::Dictionary(_, value) => Kind::of(value),
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                match Kind::of(item.data_type()) {
                    Kind::Bool => Kind::BoolList,
                    Kind::Int2 | Kind::Int4 => Kind::Int4List,
                    Kind::Int8 => Kind::Int8List,
                    Kind::Float4 => Kind::Vector,
                    Kind::Float8 | Kind::Numeric => Kind::Float8List,
                    Kind::Json
                    | Kind::Vector
                    | Kind::BoolList
                    | Kind::Int4List
                    | Kind::Int8List
                    | Kind::Float8List
                    | Kind::TextList => Kind::Json,
                    _ => Kind::TextList,
                }
            }
            _ => Kind::Text,
        }
    }

    /// The type of the items of a list.
    pub(super) fn item(self) -> Option<Kind> {
        Some(match self {
            Kind::BoolList => Kind::Bool,
            Kind::Int4List => Kind::Int4,
            Kind::Int8List => Kind::Int8,
            Kind::Float8List => Kind::Float8,
            Kind::TextList => Kind::Text,
            _ => return None,
        })
    }
}

/// The number of a parameter's type; text where nothing is known of it.
pub(super) fn parameter(ty: Option<&DataType>) -> u32 {
    ty.map_or(Kind::Text, Kind::of).oid()
}

/// What the query layer is told of a parameter whose type the client names.
pub(super) fn known(oid: u32) -> Option<DataType> {
    Some(match oid {
        16 => DataType::Boolean,
        21 | 23 => DataType::Int32,
        20 => DataType::Int64,
        26 => DataType::UInt32,
        700 => DataType::Float32,
        701 | 1700 => DataType::Float64,
        25 | 1043 | 1042 | 19 => DataType::Utf8,
        1082 => DataType::Date32,
        1114 | 1184 => DataType::Timestamp(TimeUnit::Microsecond, None),
        1009 | 1015 => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
        _ => return None,
    })
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// What it is called.
    pub(super) name: String,
    /// Its type.
    pub(super) kind: Kind,
}

/// The columns of rows.
pub(super) fn columns(fields: &[FieldRef]) -> Vec<Column> {
    fields
        .iter()
        .map(|field| {
            let is_char =
                field.metadata().get(tastedb_query::TYPE_KEY).is_some_and(|ty| ty == "char");
            let kind = if is_char { Kind::Char } else { Kind::of(field.data_type()) };
            Column { name: field.name().clone(), kind }
        })
        .collect()
}
