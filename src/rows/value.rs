//! One value of a result, taken out of its Arrow array: what all formats start from.

use std::io;

use tastedb::arrow::array::{Array, ArrayRef, AsArray};
use tastedb::arrow::datatypes::{
    DataType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use tastedb::arrow::util::display::{ArrayFormatter, FormatOptions};

/// A value, with just enough of its type left to be written well.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    /// A single-precision number: its shortest decimal form differs from that of a double.
    Single(f32),
    Double(f64),
    Text(String),
    List(Vec<Value>),
    Record(Vec<(String, Value)>),
}

/// The value of `array` at `row`.
pub(crate) fn value(array: &dyn Array, row: usize) -> io::Result<Value> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match array.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Int8 => Value::Int(array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => Value::Int(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Value::Int(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Value::Int(array.as_primitive::<Int64Type>().value(row).into()),
        DataType::UInt8 => Value::Int(array.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => Value::Int(array.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => Value::Int(array.as_primitive::<UInt32Type>().value(row).into()),
        DataType::UInt64 => Value::Int(array.as_primitive::<UInt64Type>().value(row).into()),
        DataType::Float16 => Value::Single(array.as_primitive::<Float16Type>().value(row).to_f32()),
        DataType::Float32 => Value::Single(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => Value::Double(array.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Value::Text(array.as_string::<i32>().value(row).to_string()),
        DataType::LargeUtf8 => Value::Text(array.as_string::<i64>().value(row).to_string()),
        DataType::Utf8View => Value::Text(array.as_string_view().value(row).to_string()),
        DataType::List(_) => list(&array.as_list::<i32>().value(row))?,
        DataType::LargeList(_) => list(&array.as_list::<i64>().value(row))?,
        DataType::FixedSizeList(_, _) => list(&array.as_fixed_size_list().value(row))?,
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let mut record = Vec::with_capacity(columns.len());
            for (field, column) in fields.iter().zip(columns) {
                record.push((field.name().clone(), value(column, row)?));
            }
            Value::Record(record)
        }
        // Dates, times, decimals, dictionaries and whatever else a query may compute.
        _ => Value::Text(formatted(array, row)?),
    })
}

fn list(values: &ArrayRef) -> io::Result<Value> {
    (0..values.len()).map(|i| value(values, i)).collect::<io::Result<_>>().map(Value::List)
}

fn formatted(array: &dyn Array, row: usize) -> io::Result<String> {
    let options = FormatOptions::new().with_display_error(true);
    let formatter = ArrayFormatter::try_new(array, &options).map_err(io::Error::other)?;
    Ok(formatter.value(row).to_string())
}

/// The shortest decimal form that reads back as the same number.
pub(crate) fn single(x: f32) -> String {
    if x.is_finite() { format!("{x:?}") } else { named(x.into()) }
}

/// The shortest decimal form that reads back as the same number.
pub(crate) fn double(x: f64) -> String {
    if x.is_finite() { format!("{x:?}") } else { named(x) }
}

fn named(x: f64) -> String {
    let name = if x.is_nan() {
        "NaN"
    } else if x > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    name.to_string()
}

/// A value as CSV has it: exact; lists and records as JSON, so that they can be read back.
pub(crate) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(b) => Some(b.to_string()),
        Value::Int(n) => Some(n.to_string()),
        Value::Single(x) => Some(single(*x)),
        Value::Double(x) => Some(double(*x)),
        Value::Text(text) => Some(text.clone()),
        Value::List(_) | Value::Record(_) => Some(super::json::json(value).to_string()),
    }
}
