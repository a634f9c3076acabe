//! One value on its way into a column: read from a batch, a literal or a file, and fitted to the
//! column's type.
//!
//! The rules are those of an assignment: numbers fit where nothing is lost, text becomes what it
//! spells, a number may stand for a text key; everything else is a type error, never a guess.

use datafusion::arrow::array::{
    Array, AsArray, BooleanArray, Date32Array, Decimal128Array, LargeStringArray, StringArray,
    StringViewArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::cast_utils::{Parser, string_to_timestamp_nanos};
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Float16Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, TimeUnit, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use crate::storage::{ColumnType, Element, Value};

/// Half-precision numbers, as storage has them.
type F16 = <Float16Type as ArrowPrimitiveType>::Native;

/// A value of any column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// An ordinary value.
    Value(Value),
    /// A vector.
    Vector(Vec<f32>),
}

impl Cell {
    /// The absent value.
    pub(crate) const NULL: Cell = Cell::Value(Value::Null);

    /// Reads row `row` of an array in its natural type; `None` where no column could hold it.
    pub(crate) fn read(array: &dyn Array, row: usize) -> Option<Cell> {
        if array.is_null(row) {
            return Some(Cell::NULL);
        }
        let value = match array.data_type() {
            DataType::Null => Value::Null,
            DataType::Boolean => {
                Value::Bool(array.as_any().downcast_ref::<BooleanArray>()?.value(row))
            }
            DataType::Int8 => Value::Int(array.as_primitive::<Int8Type>().value(row).into()),
            DataType::Int16 => Value::Int(array.as_primitive::<Int16Type>().value(row).into()),
            DataType::Int32 => Value::Int(array.as_primitive::<Int32Type>().value(row).into()),
            DataType::Int64 => Value::Int(array.as_primitive::<Int64Type>().value(row)),
            DataType::UInt8 => Value::Int(array.as_primitive::<UInt8Type>().value(row).into()),
            DataType::UInt16 => Value::Int(array.as_primitive::<UInt16Type>().value(row).into()),
            DataType::UInt32 => Value::Int(array.as_primitive::<UInt32Type>().value(row).into()),
            DataType::UInt64 => {
                Value::Int(i64::try_from(array.as_primitive::<UInt64Type>().value(row)).ok()?)
            }
            DataType::Float16 => {
                Value::Real(array.as_primitive::<Float16Type>().value(row).to_f64())
            }
            DataType::Float32 => Value::Real(array.as_primitive::<Float32Type>().value(row).into()),
            DataType::Float64 => Value::Real(array.as_primitive::<Float64Type>().value(row)),
            DataType::Decimal128(_, scale) => {
                let unscaled = array.as_any().downcast_ref::<Decimal128Array>()?.value(row);
                Value::Real(unscaled as f64 / 10f64.powi(i32::from(*scale)))
            }
            DataType::Utf8 => {
                Value::Text(array.as_any().downcast_ref::<StringArray>()?.value(row).to_owned())
            }
            DataType::LargeUtf8 => Value::Text(
                array.as_any().downcast_ref::<LargeStringArray>()?.value(row).to_owned(),
            ),
            DataType::Utf8View => {
                Value::Text(array.as_any().downcast_ref::<StringViewArray>()?.value(row).to_owned())
            }
            DataType::Date32 => {
                Value::Date(array.as_any().downcast_ref::<Date32Array>()?.value(row))
            }
            DataType::Timestamp(_, _) | DataType::Date64 => {
                let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
                let one = cast(&array.slice(row, 1), &micros).ok()?;
                Value::Timestamp(
                    one.as_primitive::<datafusion::arrow::datatypes::TimestampMicrosecondType>()
                        .value(0),
                )
            }
            DataType::Dictionary(_, value) => {
                let one = cast(&array.slice(row, 1), value).ok()?;
                return Cell::read(one.as_ref(), 0);
            }
            DataType::List(_) => return Cell::list(array.as_list::<i32>().value(row).as_ref()),
            DataType::LargeList(_) => {
                return Cell::list(array.as_list::<i64>().value(row).as_ref());
            }
            DataType::FixedSizeList(_, _) => {
                return Cell::list(array.as_fixed_size_list().value(row).as_ref());
            }
            _ => return None,
        };
        Some(Cell::Value(value))
    }

    /// A list: of numbers it is a vector, of texts a text list.
    fn list(items: &dyn Array) -> Option<Cell> {
        if items.data_type().is_numeric() {
            if items.null_count() > 0 {
                return None;
            }
            let numbers = cast(&items.slice(0, items.len()), &DataType::Float32).ok()?;
            return Some(Cell::Vector(numbers.as_primitive::<Float32Type>().values().to_vec()));
        }
        if items.is_empty() || items.data_type() == &DataType::Null {
            return items.is_empty().then_some(Cell::Value(Value::TextList(Vec::new())));
        }
        let mut texts = Vec::with_capacity(items.len());
        for row in 0..items.len() {
            match Cell::read(items, row)? {
                Cell::Value(Value::Text(text)) => texts.push(text),
                _ => return None,
            }
        }
        Some(Cell::Value(Value::TextList(texts)))
    }
}

/// Why a value does not fit its column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It is something else; the text tells what was expected.
    Type(String),
    /// A vector of the wrong length.
    Dimension { expected: u32, found: usize },
    /// A number of a vector is not finite, or not in the column's element type; counted from 0.
    Number { at: usize, too_large: bool },
}

impl Unfit {
    /// What is wrong, in one line; `found` describes the value.
    pub(crate) fn message(&self, found: &str) -> String {
        match self {
            Unfit::Type(expected) => format!("{expected}, found {found}"),
            Unfit::Dimension { expected, found } => {
                format!("expected {expected} numbers, found {found}")
            }
            Unfit::Number { at, too_large: false } => {
                format!("number {} of the vector is not finite", at + 1)
            }
            Unfit::Number { at, too_large: true } => {
                format!("number {} of the vector is too large for HALFVEC", at + 1)
            }
        }
    }
}

/// Fits a value to a column.
pub(crate) fn coerce(cell: Cell, ty: ColumnType) -> Result<Cell, Unfit> {
    let expected = || Unfit::Type(format!("expected {ty}"));
    let value = match cell {
        Cell::Vector(vector) => {
            return match ty {
                ColumnType::Vector { dim, element } => match misfit(&vector, dim, element) {
                    Some(unfit) => Err(unfit),
                    None => Ok(Cell::Vector(vector)),
                },
                _ => Err(expected()),
            };
        }
        Cell::Value(value) => value,
    };
    let fitted = match (ty, value) {
        (_, Value::Null) => Value::Null,
        (ColumnType::Vector { .. }, Value::Text(text)) => {
            return coerce(Cell::Vector(parse_vector(&text).map_err(Unfit::Type)?), ty);
        }
        (ColumnType::Vector { dim, .. }, Value::TextList(list)) if list.is_empty() => {
            return Err(Unfit::Dimension { expected: dim, found: 0 });
        }
        (ColumnType::Bool, Value::Bool(v)) => Value::Bool(v),
        (ColumnType::Int, Value::Int(v)) => match i32::try_from(v) {
            Ok(v) => Value::Int(v.into()),
            Err(_) => {
                let range = "expected INTEGER, a number of 32 bits (BIGINT holds larger ones)";
                return Err(Unfit::Type(range.to_owned()));
            }
        },
        (ColumnType::BigInt, Value::Int(v)) => Value::Int(v),
        (ColumnType::Int | ColumnType::BigInt, Value::Real(v)) => {
            if v.fract() != 0.0 || v.abs() >= 9.0e18 {
                return Err(expected());
            }
            return coerce(Cell::Value(Value::Int(v as i64)), ty);
        }
        (ColumnType::Real | ColumnType::Double, Value::Int(v)) => Value::Real(v as f64),
        (ColumnType::Real, Value::Real(v)) if !fits_real(v) => {
            let range = "expected REAL, a number of 32 bits (DOUBLE holds larger ones)";
            return Err(Unfit::Type(range.to_owned()));
        }
        (ColumnType::Real | ColumnType::Double, Value::Real(v)) => Value::Real(v),
        (ColumnType::Text, Value::Text(v)) => Value::Text(v),
        (ColumnType::Text, Value::Int(v)) => Value::Text(v.to_string()),
        (ColumnType::Text, Value::Real(v)) => Value::Text(v.to_string()),
        (ColumnType::Text, Value::Bool(v)) => Value::Text(v.to_string()),
        (ColumnType::Text, Value::Date(v)) => Value::Text(date_text(v)),
        (ColumnType::Date, Value::Date(v)) => Value::Date(v),
        (ColumnType::Date, Value::Timestamp(v)) => Value::Date(v.div_euclid(MICROS_PER_DAY) as i32),
        (ColumnType::Timestamp, Value::Timestamp(v)) => Value::Timestamp(v),
        (ColumnType::Timestamp, Value::Date(v)) => Value::Timestamp(i64::from(v) * MICROS_PER_DAY),
        (ColumnType::TextList, Value::TextList(v)) => Value::TextList(v),
        (ColumnType::TextList, Value::Text(text)) => match parse_text_list(&text) {
            Some(list) => Value::TextList(list),
            None => {
                let list = "expected TEXT[], such as ARRAY['a', 'b'] or '{a,b}'";
                return Err(Unfit::Type(list.to_owned()));
            }
        },
        (
            ColumnType::Bool
            | ColumnType::Int
            | ColumnType::BigInt
            | ColumnType::Real
            | ColumnType::Double
            | ColumnType::Date
            | ColumnType::Timestamp,
            Value::Text(text),
        ) => parse_text(&text, ty).ok_or_else(expected)?,
        _ => return Err(expected()),
    };
    Ok(Cell::Value(fitted))
}

/// What keeps a vector from being one of `dim` numbers that its column can hold.
pub(crate) fn misfit(vector: &[f32], dim: u32, element: Element) -> Option<Unfit> {
    if vector.len() != dim as usize {
        return Some(Unfit::Dimension { expected: dim, found: vector.len() });
    }
    let holds = |number: &f32| match element {
        Element::F32 => number.is_finite(),
        Element::F16 => F16::from_f32(*number).is_finite(),
    };
    let at = vector.iter().position(|number| !holds(number))?;
    Some(Unfit::Number { at, too_large: vector[at].is_finite() })
}

/// Microseconds in a day.
pub(crate) const MICROS_PER_DAY: i64 = 86_400_000_000;

/// What a text spells in a scalar type other than text.
pub(crate) fn parse_text(text: &str, ty: ColumnType) -> Option<Value> {
    let text = text.trim();
    match ty {
        ColumnType::Bool => match text {
            _ if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("t") => {
                Some(Value::Bool(true))
            }
            _ if text.eq_ignore_ascii_case("false") || text.eq_ignore_ascii_case("f") => {
                Some(Value::Bool(false))
            }
            "1" => Some(Value::Bool(true)),
            "0" => Some(Value::Bool(false)),
            _ => None,
        },
        ColumnType::Int => text.parse::<i32>().ok().map(|v| Value::Int(v.into())),
        ColumnType::BigInt => text.parse().ok().map(Value::Int),
        ColumnType::Real => text.parse().ok().filter(|v| fits_real(*v)).map(Value::Real),
        ColumnType::Double => text.parse().ok().map(Value::Real),
        ColumnType::Date => Date32Type::parse(text).map(Value::Date),
        ColumnType::Timestamp => {
            string_to_timestamp_nanos(text).ok().map(|v| Value::Timestamp(v.div_euclid(1000)))
        }
        ColumnType::Text => Some(Value::Text(text.to_owned())),
        ColumnType::TextList | ColumnType::Vector { .. } => None,
    }
}

/// Whether a number stays one in 32 bits, or was none before.
fn fits_real(number: f64) -> bool {
    !number.is_finite() || (number as f32).is_finite()
}

/// Numbers in brackets, `[1, 2.5, 3]`, as a vector; `Err` tells what was expected.
pub(crate) fn parse_vector(text: &str) -> Result<Vec<f32>, String> {
    let inner = text
        .trim()
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .ok_or("expected a vector, such as '[0.5, 1, 2]'")?;
    if inner.trim().is_empty() {
        return Ok(Vec::new());
    }
    inner
        .split(',')
        .map(|number| {
            let number = number.trim();
            number.parse().map_err(|_| format!("expected a vector of numbers (`{number}` is none)"))
        })
        .collect()
}

/// Texts in braces, `{a,"b c"}`, or a JSON array, as a list.
pub(crate) fn parse_text_list(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    if text.starts_with('[') {
        return serde_json::from_str(text).ok();
    }
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    let mut item = String::new();
    let mut quoted = false;
    let mut any = false;
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        any = true;
        match letter {
            '"' => quoted = !quoted,
            '\\' => item.extend(letters.next()),
            ',' if !quoted => items.push(std::mem::take(&mut item).trim().to_owned()),
            _ => item.push(letter),
        }
    }
    if quoted {
        return None;
    }
    if any {
        items.push(item.trim().to_owned());
    }
    Some(items)
}

fn date_text(days: i32) -> String {
    datafusion::arrow::temporal_conversions::date32_to_datetime(days)
        .map_or_else(|| days.to_string(), |moment| moment.date().to_string())
}

/// A short text of a cell, for an error message.
pub(crate) fn describe(cell: &Cell) -> String {
    let text = match cell {
        Cell::Vector(vector) => return format!("a vector of {} numbers", vector.len()),
        Cell::Value(value) => match value {
            Value::Null => "NULL".to_owned(),
            Value::Bool(v) => v.to_string(),
            Value::Int(v) => v.to_string(),
            Value::Real(v) if v.is_finite() && v.abs() >= 1e16 => format!("{v:e}"),
            Value::Real(v) => v.to_string(),
            Value::Text(v) => format!("'{v}'"),
            Value::Date(v) => date_text(*v),
            Value::Timestamp(_) => "a timestamp".to_owned(),
            Value::TextList(v) => format!("a list of {} texts", v.len()),
        },
    };
    if text.chars().count() > 40 {
        let head: String = text.chars().take(37).collect();
        return format!("{head}...");
    }
    text
}
