//! Values in PostgreSQL's binary forms, whole numbers in network order.

use tastedb::arrow::array::{Array, ArrayRef, AsArray};
use tastedb::arrow::datatypes::{Date32Type, TimestampMicrosecondType};

use super::cell::{bytes_of, digits, double, interval, items, single, whole};
use super::text::text;
use super::{fit, unwritable};
use crate::server::pg::oids::Kind;
use crate::server::pg::refusal::Refusal;
use crate::server::pg::{moments, numeric};

/// Appends a value in its binary form.
pub(super) fn binary(
    out: &mut Vec<u8>,
    kind: Kind,
    array: &dyn Array,
    at: usize,
) -> Result<(), Refusal> {
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

    use tastedb::arrow::array::{ArrayRef, ListArray, StringArray};
    use tastedb::arrow::datatypes::Float32Type;

    use super::binary;
    use crate::server::pg::oids::Kind;

    #[test]
    fn a_vector_has_pgvectors_form_and_a_text_is_itself() {
        let vector =
            ListArray::from_iter_primitive::<Float32Type, _, _>([Some([Some(0.5), Some(-1.0)])]);
        let mut out = Vec::new();
        binary(&mut out, Kind::Vector, &vector, 0).expect("writable");
        assert_eq!(out, [0, 2, 0, 0, 0x3f, 0, 0, 0, 0xbf, 0x80, 0, 0]);
        let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        let mut out = Vec::new();
        binary(&mut out, Kind::Text, text.as_ref(), 0).expect("writable");
        assert_eq!(out, b"x");
    }
}
