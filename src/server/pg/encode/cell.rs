//! One value of a column, read as what it is to be written as.

use tastedb::arrow::array::{Array, ArrayRef, AsArray};
use tastedb::arrow::datatypes::{
    DataType, Decimal128Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, IntervalMonthDayNanoType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use tastedb::arrow::util::display::{ArrayFormatter, FormatOptions};

use super::unwritable;
use crate::server::pg::refusal::Refusal;

/// A whole number, whatever its width.
pub(super) fn whole(array: &dyn Array, at: usize) -> Option<i64> {
    Some(match array.data_type() {
        DataType::Int8 => array.as_primitive::<Int8Type>().value(at).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(at).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(at).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(at),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(at).into(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(at).into(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(at).into(),
        _ => return None,
    })
}

pub(super) fn single(array: &dyn Array, at: usize) -> Option<f32> {
    match array.data_type() {
        DataType::Float16 => Some(array.as_primitive::<Float16Type>().value(at).to_f32()),
        DataType::Float32 => Some(array.as_primitive::<Float32Type>().value(at)),
        _ => None,
    }
}

pub(super) fn double(array: &dyn Array, at: usize) -> Option<f64> {
    match array.data_type() {
        DataType::Float64 => Some(array.as_primitive::<Float64Type>().value(at)),
        _ => single(array, at).map(f64::from),
    }
}

/// The items of a list.
pub(super) fn items(array: &dyn Array, at: usize) -> Option<ArrayRef> {
    match array.data_type() {
        DataType::List(_) => Some(array.as_list::<i32>().value(at)),
        DataType::LargeList(_) => Some(array.as_list::<i64>().value(at)),
        DataType::FixedSizeList(..) => Some(array.as_fixed_size_list().value(at)),
        _ => None,
    }
}

/// An interval in months, days and microseconds.
pub(super) fn interval(array: &dyn Array, at: usize) -> Option<(i32, i32, i64)> {
    match array.data_type() {
        DataType::Int64 => Some((0, 0, array.as_primitive::<Int64Type>().value(at))),
        DataType::Interval(_) => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(at);
            Some((value.months, value.days, value.nanoseconds / 1000))
        }
        _ => None,
    }
}

/// Digits of an exact number.
pub(super) fn digits(array: &dyn Array, at: usize) -> Option<String> {
    match array.data_type() {
        DataType::UInt64 => Some(array.as_primitive::<UInt64Type>().value(at).to_string()),
        DataType::Decimal128(..) => {
            Some(array.as_primitive::<Decimal128Type>().value_as_string(at))
        }
        _ => shown(array, at).ok(),
    }
}

/// What Arrow writes.
pub(super) fn shown(array: &dyn Array, at: usize) -> Result<String, Refusal> {
    let options = FormatOptions::new().with_display_error(true);
    let formatter = ArrayFormatter::try_new(array, &options).map_err(|_| unwritable())?;
    Ok(formatter.value(at).to_string())
}

/// Bytes, however they are kept.
pub(super) fn bytes_of(array: &dyn Array, at: usize) -> Option<&[u8]> {
    match array.data_type() {
        DataType::Binary => Some(array.as_binary::<i32>().value(at)),
        DataType::LargeBinary => Some(array.as_binary::<i64>().value(at)),
        DataType::BinaryView => Some(array.as_binary_view().value(at)),
        DataType::FixedSizeBinary(_) => Some(array.as_fixed_size_binary().value(at)),
        _ => None,
    }
}
