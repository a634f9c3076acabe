//! Values of rows on their way out, as text or in PostgreSQL's binary forms.
//!
//! A column is written by the type that was announced for it. Invariant: what stands in a `DataRow` is
//! of exactly that type, or the statement fails; nothing is cut.

use std::fmt::Write;

use tastedb::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use tastedb::arrow::compute::cast;
use tastedb::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float16Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, TimeUnit, TimestampMicrosecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use tastedb::arrow::util::display::{ArrayFormatter, FormatOptions};

use super::backend::{Output, format};
use super::moments;
use super::numeric;
use super::oids::{Column, Kind};
use super::refusal::Refusal;
use crate::rows::{json, value};

/// The columns of a batch in the Arrow types that can be written as announced.
pub(super) fn prepare(columns: &[Column], batch: &RecordBatch) -> Result<Vec<ArrayRef>, Refusal> {
    if columns.len() != batch.num_columns() {
        return Err(changed());
    }
    columns.iter().zip(batch.columns()).map(|(column, array)| fit(column.kind, array)).collect()
}

fn changed() -> Refusal {
    Refusal::new("0A000", "the columns are no longer those that were described")
        .hint("prepare the statement again")
}

/// An array in an Arrow type that is written as `kind`.
fn fit(kind: Kind, array: &ArrayRef) -> Result<ArrayRef, Refusal> {
    let wanted = match array.data_type() {
        DataType::Dictionary(_, value) => value.as_ref().clone(),
        DataType::Timestamp(unit, zone) if *unit != TimeUnit::Microsecond => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
        }
        DataType::Date64 => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Duration(_) => {
            let whole = DataType::Duration(TimeUnit::Microsecond);
            cast_to(array, &whole)?;
            DataType::Int64
        }
        DataType::Interval(_) => {
            DataType::Interval(tastedb::arrow::datatypes::IntervalUnit::MonthDayNano)
        }
        other => other.clone(),
    };
    let array = match array.data_type() {
        DataType::Duration(_) => {
            cast_to(&cast_to(array, &DataType::Duration(TimeUnit::Microsecond))?, &wanted)?
        }
        ty if *ty == wanted => ArrayRef::clone(array),
        _ => cast_to(array, &wanted)?,
    };
    let now = Kind::of(array.data_type());
    if array.data_type() == &DataType::Null
        || now == kind
        || (now, kind) == (Kind::Text, Kind::Char)
    {
        return Ok(array);
    }
    // The statement was described when its columns had other types.
    let wanted = match kind {
        Kind::Bool => DataType::Boolean,
        Kind::Int2 => DataType::Int16,
        Kind::Int4 => DataType::Int32,
        Kind::Int8 => DataType::Int64,
        Kind::Oid => DataType::UInt32,
        Kind::Float4 => DataType::Float32,
        Kind::Float8 => DataType::Float64,
        Kind::Text => DataType::Utf8,
        Kind::Interval if array.data_type() == &DataType::Int64 => return Ok(array),
        _ => return Err(changed()),
    };
    cast_to(&array, &wanted)
}

fn cast_to(array: &ArrayRef, ty: &DataType) -> Result<ArrayRef, Refusal> {
    cast(array.as_ref(), ty).map_err(|_| changed())
}

/// Appends one row.
pub(super) fn row(
    out: &mut Output,
    columns: &[Column],
    arrays: &[ArrayRef],
    at: usize,
    formats: &[i16],
    scratch: &mut String,
) -> Result<(), Refusal> {
    let mut failed = None;
    out.message(b'D', |bytes| {
        let count = u16::try_from(arrays.len()).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&count.to_be_bytes());
        for (place, (column, array)) in columns.iter().zip(arrays).enumerate() {
            if array.is_null(at) || array.data_type() == &DataType::Null {
                bytes.extend_from_slice(&(-1i32).to_be_bytes());
                continue;
            }
            let start = bytes.len();
            bytes.extend_from_slice(&[0; 4]);
            let written = if format(formats, place) == 1 {
                binary(bytes, column.kind, array.as_ref(), at)
            } else {
                scratch.clear();
                text(scratch, column.kind, array.as_ref(), at)
                    .map(|()| bytes.extend_from_slice(scratch.as_bytes()))
            };
            if let Err(refusal) = written {
                failed = Some(refusal);
            }
            let length = i32::try_from(bytes.len() - start - 4).unwrap_or(i32::MAX);
            bytes[start..start + 4].copy_from_slice(&length.to_be_bytes());
        }
    });
    failed.map_or(Ok(()), Err)
}

/// A value that its type cannot hold.
fn unwritable() -> Refusal {
    Refusal::new("22003", "a value is out of the range of its type on the wire")
        .hint("CAST it to TEXT")
}

/// A whole number, whatever its width.
fn whole(array: &dyn Array, at: usize) -> Option<i64> {
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

fn single(array: &dyn Array, at: usize) -> Option<f32> {
    match array.data_type() {
        DataType::Float16 => Some(array.as_primitive::<Float16Type>().value(at).to_f32()),
        DataType::Float32 => Some(array.as_primitive::<Float32Type>().value(at)),
        _ => None,
    }
}

fn double(array: &dyn Array, at: usize) -> Option<f64> {
    match array.data_type() {
        DataType::Float64 => Some(array.as_primitive::<Float64Type>().value(at)),
        _ => single(array, at).map(f64::from),
    }
}

/// The items of a list.
fn items(array: &dyn Array, at: usize) -> Option<ArrayRef> {
    match array.data_type() {
        DataType::List(_) => Some(array.as_list::<i32>().value(at)),
        DataType::LargeList(_) => Some(array.as_list::<i64>().value(at)),
        DataType::FixedSizeList(..) => Some(array.as_fixed_size_list().value(at)),
        _ => None,
    }
}

/// An interval in months, days and microseconds.
fn interval(array: &dyn Array, at: usize) -> Option<(i32, i32, i64)> {
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
fn digits(array: &dyn Array, at: usize) -> Option<String> {
    match array.data_type() {
        DataType::UInt64 => Some(array.as_primitive::<UInt64Type>().value(at).to_string()),
        DataType::Decimal128(..) => {
            Some(array.as_primitive::<Decimal128Type>().value_as_string(at))
        }
        _ => shown(array, at).ok(),
    }
}

/// What Arrow writes.
fn shown(array: &dyn Array, at: usize) -> Result<String, Refusal> {
    let options = FormatOptions::new().with_display_error(true);
    let formatter = ArrayFormatter::try_new(array, &options).map_err(|_| unwritable())?;
    Ok(formatter.value(at).to_string())
}

/// Appends a value as text.
pub(super) fn text(
    out: &mut String,
    kind: Kind,
    array: &dyn Array,
    at: usize,
) -> Result<(), Refusal> {
    match kind {
        Kind::Bool => out.push(if array.as_boolean().value(at) { 't' } else { 'f' }),
        Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Oid => {
            let number = whole(array, at).ok_or_else(unwritable)?;
            // Writing to a String cannot fail.
            let _ = write!(out, "{number}");
        }
        Kind::Float4 => {
            let number = single(array, at).ok_or_else(unwritable)?;
            match number.is_finite() && exponent_free(number.into()) {
                true => drop(write!(out, "{number}")),
                false => float(out, number.into(), &format!("{number:e}")),
            }
        }
        Kind::Float8 => {
            let number = double(array, at).ok_or_else(unwritable)?;
            match number.is_finite() && exponent_free(number) {
                true => drop(write!(out, "{number}")),
                false => float(out, number, &format!("{number:e}")),
            }
        }
        Kind::Numeric => out.push_str(&digits(array, at).ok_or_else(unwritable)?),
        Kind::Text | Kind::Char if array.data_type() == &DataType::Utf8 => {
            out.push_str(array.as_string::<i32>().value(at));
        }
        Kind::Text | Kind::Char => out.push_str(&shown(array, at)?),
        Kind::Bytes => {
            out.push_str("\\x");
            for byte in bytes_of(array, at).ok_or_else(unwritable)? {
                let _ = write!(out, "{byte:02x}");
            }
        }
        Kind::Date => moments::date(out, array.as_primitive::<Date32Type>().value(at).into()),
        Kind::Timestamp | Kind::TimestampTz => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(at);
            moments::timestamp(out, micros, kind == Kind::TimestampTz);
        }
        Kind::Interval => {
            let (months, days, micros) = interval(array, at).ok_or_else(unwritable)?;
            spell_interval(out, months, days, micros);
        }
        Kind::Json => {
            let value = value::value(array, at).map_err(|_| unwritable())?;
            out.push_str(&json::json(&value).to_string());
        }
        Kind::Vector => {
            let items = items(array, at).ok_or_else(unwritable)?;
            out.push('[');
            for place in 0..items.len() {
                if place > 0 {
                    out.push(',');
                }
                match single(items.as_ref(), place).filter(|_| !items.is_null(place)) {
                    Some(number) => drop(write!(out, "{number}")),
                    None => out.push_str("NULL"),
                }
            }
            out.push(']');
        }
        Kind::BoolList | Kind::Int4List | Kind::Int8List | Kind::Float8List | Kind::TextList => {
            list(out, kind, array, at)?
        }
    }
    Ok(())
}

/// Appends a list in braces.
fn list(out: &mut String, kind: Kind, array: &dyn Array, at: usize) -> Result<(), Refusal> {
    let of = kind.item().unwrap_or(Kind::Text);
    let items = fit(of, &items(array, at).ok_or_else(unwritable)?)?;
    let mut item = String::new();
    out.push('{');
    for place in 0..items.len() {
        if place > 0 {
            out.push(',');
        }
        if items.is_null(place) {
            out.push_str("NULL");
            continue;
        }
        item.clear();
        text(&mut item, of, items.as_ref(), place)?;
        let plain = of != Kind::Text
            || !(item.is_empty()
                || item.eq_ignore_ascii_case("null")
                || item.contains(|c: char| c.is_whitespace() || "{},\"\\".contains(c)));
        if plain {
            out.push_str(&item);
        } else {
            out.push('"');
            for letter in item.chars() {
                if letter == '"' || letter == '\\' {
                    out.push('\\');
                }
                out.push(letter);
            }
            out.push('"');
        }
    }
    out.push('}');
    Ok(())
}

/// Whether PostgreSQL writes a number without an exponent.
fn exponent_free(number: f64) -> bool {
    number == 0.0 || (1e-5..1e15).contains(&number.abs())
}

/// Appends a number with an exponent, or one that is none.
fn float(out: &mut String, number: f64, shortest: &str) {
    if number.is_nan() {
        out.push_str("NaN");
    } else if number.is_infinite() {
        out.push_str(if number > 0.0 { "Infinity" } else { "-Infinity" });
    } else if let Some((mantissa, exponent)) = shortest.split_once('e') {
        out.push_str(mantissa);
        match exponent.strip_prefix('-') {
            Some(digits) => drop(write!(out, "e-{digits:0>2}")),
            None => drop(write!(out, "e+{exponent:0>2}")),
        }
    } else {
        out.push_str(shortest);
    }
}

/// Appends an interval as PostgreSQL does.
fn spell_interval(out: &mut String, months: i32, days: i32, micros: i64) {
    let start = out.len();
    let mut part = |number: i64, unit: &str| {
        if number != 0 {
            let space = if out.len() > start { " " } else { "" };
            let plural = if number == 1 { "" } else { "s" };
            let _ = write!(out, "{space}{number} {unit}{plural}");
        }
    };
    part(i64::from(months / 12), "year");
    part(i64::from(months % 12), "mon");
    part(i64::from(days), "day");
    if micros != 0 || out.len() == start {
        let space = if out.len() > start { " " } else { "" };
        let sign = if micros < 0 { "-" } else { "" };
        let size = micros.unsigned_abs();
        let (seconds, fraction) = (size / 1_000_000, size % 1_000_000);
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let _ = write!(out, "{space}{sign}{hours:02}:{minutes:02}:{seconds:02}");
        if fraction > 0 {
            out.push_str(format!(".{fraction:06}").trim_end_matches('0'));
        }
    }
}

fn bytes_of(array: &dyn Array, at: usize) -> Option<&[u8]> {
    match array.data_type() {
        DataType::Binary => Some(array.as_binary::<i32>().value(at)),
        DataType::LargeBinary => Some(array.as_binary::<i64>().value(at)),
        DataType::BinaryView => Some(array.as_binary_view().value(at)),
        DataType::FixedSizeBinary(_) => Some(array.as_fixed_size_binary().value(at)),
        _ => None,
    }
}

/// Appends a value in its binary form.
fn binary(out: &mut Vec<u8>, kind: Kind, array: &dyn Array, at: usize) -> Result<(), Refusal> {
    match kind {
        Kind::Bool => out.push(array.as_boolean().value(at).into()),
        Kind::Int2 => {
            let number = whole(array, at).and_then(|n| i16::try_from(n).ok());
            out.extend_from_slice(&number.ok_or_else(unwritable)?.to_be_bytes());
        }
        Kind::Int4 => {
            let number = whole(array, at).and_then(|n| i32::try_from(n).ok());
            out.extend_from_slice(&number.ok_or_else(unwritable)?.to_be_bytes());
        }
        Kind::Oid => {
            let number = whole(array, at).and_then(|n| u32::try_from(n).ok());
            out.extend_from_slice(&number.ok_or_else(unwritable)?.to_be_bytes());
        }
        Kind::Int8 => {
            out.extend_from_slice(&whole(array, at).ok_or_else(unwritable)?.to_be_bytes());
        }
        Kind::Float4 => {
            out.extend_from_slice(&single(array, at).ok_or_else(unwritable)?.to_be_bytes());
        }
        Kind::Float8 => {
            out.extend_from_slice(&double(array, at).ok_or_else(unwritable)?.to_be_bytes());
        }
        Kind::Numeric => {
            let digits = digits(array, at).ok_or_else(unwritable)?;
            numeric::write(out, &digits).ok_or_else(unwritable)?;
        }
        Kind::Bytes => out.extend_from_slice(bytes_of(array, at).ok_or_else(unwritable)?),
        Kind::Date => {
            let days = array.as_primitive::<Date32Type>().value(at);
            let days = days.checked_sub(moments::EPOCH_DAYS).ok_or_else(unwritable)?;
            out.extend_from_slice(&days.to_be_bytes());
        }
        Kind::Timestamp | Kind::TimestampTz => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(at);
            let micros = micros.checked_sub(moments::EPOCH_MICROS).ok_or_else(unwritable)?;
            out.extend_from_slice(&micros.to_be_bytes());
        }
        Kind::Interval => {
            let (months, days, micros) = interval(array, at).ok_or_else(unwritable)?;
            out.extend_from_slice(&micros.to_be_bytes());
            out.extend_from_slice(&days.to_be_bytes());
            out.extend_from_slice(&months.to_be_bytes());
        }
        Kind::Vector => {
            let items = items(array, at).ok_or_else(unwritable)?;
            let count = u16::try_from(items.len()).map_err(|_| unwritable())?;
            out.extend_from_slice(&count.to_be_bytes());
            out.extend_from_slice(&[0; 2]);
            for place in 0..items.len() {
                let number = single(items.as_ref(), place).filter(|_| !items.is_null(place));
                out.extend_from_slice(&number.ok_or_else(unwritable)?.to_be_bytes());
            }
        }
        Kind::BoolList | Kind::Int4List | Kind::Int8List | Kind::Float8List | Kind::TextList => {
            let of = kind.item().unwrap_or(Kind::Text);
            let items = fit(of, &items(array, at).ok_or_else(unwritable)?)?;
            binary_list(out, of, &items)?;
        }
        // These are the same both ways.
        Kind::Text | Kind::Char | Kind::Json => {
            let mut written = String::new();
            text(&mut written, kind, array, at)?;
            out.extend_from_slice(written.as_bytes());
        }
    }
    Ok(())
}

fn binary_list(out: &mut Vec<u8>, of: Kind, items: &ArrayRef) -> Result<(), Refusal> {
    let count = i32::try_from(items.len()).map_err(|_| unwritable())?;
    let dimensions = i32::from(count > 0);
    let nulls = i32::from(items.null_count() > 0);
    for number in [dimensions, nulls, of.oid().cast_signed()] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    if count == 0 {
        return Ok(());
    }
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&1i32.to_be_bytes());
    for place in 0..items.len() {
        if items.is_null(place) {
            out.extend_from_slice(&(-1i32).to_be_bytes());
            continue;
        }
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        binary(out, of, items.as_ref(), place)?;
        let length = i32::try_from(out.len() - start - 4).map_err(|_| unwritable())?;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tastedb::arrow::array::{
        ArrayRef, Float32Array, Float64Array, Int64Array, ListArray, StringArray,
    };
    use tastedb::arrow::datatypes::{Float32Type, Int32Type};

    use super::{binary, spell_interval, text};
    use crate::server::pg::oids::Kind;

    fn shown(array: ArrayRef) -> String {
        let mut out = String::new();
        text(&mut out, Kind::of(array.data_type()), array.as_ref(), 0).expect("writable");
        out
    }

    #[test]
    fn numbers_look_as_in_postgresql() {
        for (number, expected) in [
            (1.0, "1"),
            (0.1, "0.1"),
            (1e300, "1e+300"),
            (2.5e-7, "2.5e-07"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
            (123_456_789_012_345.6, "123456789012345.6"),
        ] {
            assert_eq!(shown(Arc::new(Float64Array::from(vec![number]))), expected);
        }
        assert_eq!(shown(Arc::new(Float32Array::from(vec![0.1]))), "0.1");
        assert_eq!(shown(Arc::new(Int64Array::from(vec![-5]))), "-5");
    }

    #[test]
    fn lists_have_braces_and_vectors_brackets() {
        let mut builder =
            tastedb::arrow::array::ListBuilder::new(tastedb::arrow::array::StringBuilder::new());
        for item in ["a", "b c", "d\"e\\", "", "null"] {
            builder.values().append_value(item);
        }
        builder.append(true);
        let lists: ArrayRef = Arc::new(builder.finish());
        assert_eq!(shown(lists), r#"{a,"b c","d\"e\\","","null"}"#);
        let numbers = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), None])]);
        assert_eq!(shown(Arc::new(numbers)), "{1,NULL}");
        let vector =
            ListArray::from_iter_primitive::<Float32Type, _, _>([Some([Some(0.5), Some(-1.0)])]);
        let vector: ArrayRef = Arc::new(vector);
        assert_eq!(shown(Arc::clone(&vector)), "[0.5,-1]");
        let mut out = Vec::new();
        binary(&mut out, Kind::Vector, vector.as_ref(), 0).expect("writable");
        assert_eq!(out, [0, 2, 0, 0, 0x3f, 0, 0, 0, 0xbf, 0x80, 0, 0]);
        let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        let mut out = Vec::new();
        binary(&mut out, Kind::Text, text.as_ref(), 0).expect("writable");
        assert_eq!(out, b"x");
    }

    #[test]
    fn intervals_are_spelled_out() {
        let spelled = |months, days, micros| {
            let mut out = String::new();
            spell_interval(&mut out, months, days, micros);
            out
        };
        assert_eq!(spelled(14, 1, 0), "1 year 2 mons 1 day");
        assert_eq!(spelled(0, 0, 3_661_500_000), "01:01:01.5");
        assert_eq!(spelled(0, 0, 0), "00:00:00");
    }
}
