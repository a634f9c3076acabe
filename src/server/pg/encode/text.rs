//! Values as text, as PostgreSQL writes them.

use std::fmt::Write;

use tastedb::arrow::array::{Array, AsArray};
use tastedb::arrow::datatypes::{DataType, Date32Type, TimestampMicrosecondType};

use super::cell::{bytes_of, digits, double, interval, items, shown, single, whole};
use super::{fit, unwritable};
use crate::rows::{json, value};
use crate::server::pg::moments;
use crate::server::pg::oids::Kind;
use crate::server::pg::refusal::Refusal;

/// Appends a value as text.
pub(in crate::server::pg) fn text(
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tastedb::arrow::array::{ArrayRef, Float32Array, Float64Array, Int64Array, ListArray};
    use tastedb::arrow::datatypes::{Float32Type, Int32Type};

    use super::{spell_interval, text};
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
        assert_eq!(shown(Arc::new(vector)), "[0.5,-1]");
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
