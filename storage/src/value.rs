//! Values of ordinary columns, and the types of columns.
//!
//! Vectors are not values: an embedding has its own calls and its own files. Invariant: a stored
//! value fits its column's type; [`Value::fits`] is the one judge of that.

use std::fmt;

/// How the components of a vector column are stored. Calls always speak `f32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// 32-bit floating point.
    F32,
    /// 16-bit floating point: half the space, about three decimal digits.
    F16,
}

impl Element {
    /// Bytes of one component.
    pub fn bytes(self) -> usize {
        match self {
            Element::F32 => 4,
            Element::F16 => 2,
        }
    }
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// True or false.
    Bool,
    /// 32-bit signed integer.
    Int,
    /// 64-bit signed integer.
    BigInt,
    /// 32-bit floating point.
    Real,
    /// 64-bit floating point.
    Double,
    /// UTF-8 text.
    Text,
    /// Days since 1970-01-01.
    Date,
    /// Microseconds since 1970-01-01 00:00 UTC.
    Timestamp,
    /// A list of texts.
    TextList,
    /// An embedding.
    Vector {
        /// Components per vector.
        dim: u32,
        /// How they are stored.
        element: Element,
    },
}

impl ColumnType {
    /// Whether the column holds embeddings, which are not [`Value`]s.
    pub fn is_vector(self) -> bool {
        matches!(self, ColumnType::Vector { .. })
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ColumnType::Bool => "BOOLEAN",
            ColumnType::Int => "INTEGER",
            ColumnType::BigInt => "BIGINT",
            ColumnType::Real => "REAL",
            ColumnType::Double => "DOUBLE",
            ColumnType::Text => "TEXT",
            ColumnType::Date => "DATE",
            ColumnType::Timestamp => "TIMESTAMP",
            ColumnType::TextList => "TEXT[]",
            ColumnType::Vector { dim, element: Element::F32 } => {
                return write!(f, "VECTOR({dim})");
            }
            ColumnType::Vector { dim, element: Element::F16 } => {
                return write!(f, "HALFVEC({dim})");
            }
        })
    }
}

/// One value of an ordinary column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Absent.
    Null,
    /// For [`ColumnType::Bool`].
    Bool(bool),
    /// For [`ColumnType::Int`] and [`ColumnType::BigInt`].
    Int(i64),
    /// For [`ColumnType::Real`] and [`ColumnType::Double`].
    Real(f64),
    /// For [`ColumnType::Text`].
    Text(String),
    /// For [`ColumnType::Date`]: days since 1970-01-01.
    Date(i32),
    /// For [`ColumnType::Timestamp`]: microseconds since 1970-01-01 00:00 UTC.
    Timestamp(i64),
    /// For [`ColumnType::TextList`].
    TextList(Vec<String>),
}

impl Value {
    /// Whether the value may stand in a column of this type. Null fits every type here; whether
    /// a column allows it is the column's own matter.
    pub fn fits(&self, ty: ColumnType) -> bool {
        match (self, ty) {
            (Value::Null, ty) => !ty.is_vector(),
            (Value::Int(value), ColumnType::Int) => i32::try_from(*value).is_ok(),
            // More than 32 bits hold would become infinite.
            (Value::Real(value), ColumnType::Real) => {
                !value.is_finite() || (*value as f32).is_finite()
            }
            (Value::Bool(_), ColumnType::Bool)
            | (Value::Int(_), ColumnType::BigInt)
            | (Value::Real(_), ColumnType::Double)
            | (Value::Text(_), ColumnType::Text)
            | (Value::Date(_), ColumnType::Date)
            | (Value::Timestamp(_), ColumnType::Timestamp)
            | (Value::TextList(_), ColumnType::TextList) => true,
            _ => false,
        }
    }

    /// Whether the value is [`Value::Null`].
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// What kind of value this is, for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "NULL",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "an integer",
            Value::Real(_) => "a floating-point number",
            Value::Text(_) => "a text",
            Value::Date(_) => "a date",
            Value::Timestamp(_) => "a timestamp",
            Value::TextList(_) => "a list of texts",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_int_column_takes_32_bits_and_a_bigint_column_64() {
        let wide = Value::Int(i64::from(i32::MAX) + 1);
        assert!(!wide.fits(ColumnType::Int));
        assert!(wide.fits(ColumnType::BigInt));
        assert!(Value::Int(i64::from(i32::MIN)).fits(ColumnType::Int));
    }

    #[test]
    fn nothing_is_a_value_of_a_vector_column() {
        let vector = ColumnType::Vector { dim: 2, element: Element::F32 };
        assert!(!Value::Null.fits(vector));
        assert!(!Value::Real(1.0).fits(vector));
    }
}
