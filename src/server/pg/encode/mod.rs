//! Values of rows on their way out, as text or in PostgreSQL's binary forms.
//!
//! A column is written by the type that was announced for it. Invariant: what stands in a `DataRow` is
//! of exactly that type, or the statement fails; nothing is cut.

mod binary;
mod cell;
mod text;

use tastedb::arrow::array::{Array, ArrayRef, RecordBatch};
use tastedb::arrow::compute::cast;
use tastedb::arrow::datatypes::{DataType, IntervalUnit, TimeUnit};

use self::binary::binary;
pub(super) use self::text::text;
use super::backend::{Output, format};
use super::oids::{Column, Kind};
use super::refusal::Refusal;

/// The columns of a batch in the Arrow types that can be written as announced.
pub(super) fn prepare(columns: &[Column], batch: &RecordBatch) -> Result<Vec<ArrayRef>, Refusal> {
    if columns.len() != batch.num_columns() {
        return Err(Refusal::outdated());
    }
    columns.iter().zip(batch.columns()).map(|(column, array)| fit(column.kind, array)).collect()
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
        DataType::Interval(_) => DataType::Interval(IntervalUnit::MonthDayNano),
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
        _ => return Err(Refusal::outdated()),
    };
    cast_to(&array, &wanted)
}

fn cast_to(array: &ArrayRef, ty: &DataType) -> Result<ArrayRef, Refusal> {
    cast(array.as_ref(), ty).map_err(|_| Refusal::outdated())
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
