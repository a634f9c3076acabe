//! Values of parameters on their way in, from text or PostgreSQL's binary forms.
//!
//! The type is the one that the client named, else the one that the statement was described with.
//! Invariant: bytes that are no value of their type are refused, never guessed at.

use tastedb::{ColumnType, Value};

use super::moments;
use super::numeric;
use super::oids::VECTOR;
use super::refusal::Refusal;

/// Reads the parameter `number` (from 1) of the type `oid`.
pub(super) fn value(number: usize, oid: u32, format: i16, bytes: &[u8]) -> Result<Value, Refusal> {
    let wrong = || {
        let message = format!("parameter ${number} is no value of its type");
        Refusal::new(if format == 1 { "22P03" } else { "22P02" }, message)
    };
    match format {
        0 => {
            let text = std::str::from_utf8(bytes).map_err(|_| wrong())?;
            of_text(oid, text).ok_or_else(wrong)
        }
        1 => of_binary(oid, bytes).ok_or_else(|| match is_known(oid) {
            true => wrong(),
            false => {
                let message =
                    format!("parameter ${number} is binary and of the unknown type {oid}");
                Refusal::new("0A000", message).hint("send it as text")
            }
        }),
        _ => Err(Refusal::new("08P01", format!("parameter ${number} has an unknown format"))),
    }
}

fn is_known(oid: u32) -> bool {
    of_binary(oid, &[]).is_some()
        || matches!(oid, 16 | 20 | 21 | 23 | 26 | 700 | 701 | 1082 | 1114 | 1184 | 1700 | VECTOR)
        || item(oid).is_some()
}

/// The type of the items of a list.
fn item(oid: u32) -> Option<u32> {
    Some(match oid {
        1000 => 16,
        1005 => 21,
        1007 => 23,
        1016 => 20,
        1021 => 700,
        1022 => 701,
        1231 => 1700,
        1009 => 25,
        1015 => 1043,
        1014 => 1042,
        1003 => 19,
        _ => return None,
    })
}

fn of_text(oid: u32, text: &str) -> Option<Value> {
    let read = |text, ty| tastedb_query::read_value(text, ty);
    match oid {
        16 => match text.trim().to_ascii_lowercase().as_str() {
            "t" | "true" | "y" | "yes" | "on" | "1" => Some(Value::Bool(true)),
            "f" | "false" | "n" | "no" | "off" | "0" => Some(Value::Bool(false)),
            _ => None,
        },
        20 | 21 | 23 | 26 => text.trim().parse().ok().map(Value::Int),
        700 | 701 => number(text).map(Value::Real),
        1700 => match text.trim().parse() {
            Ok(whole) => Some(Value::Int(whole)),
            Err(_) => number(text).map(Value::Real),
        },
        1082 => read(without_zone(text), ColumnType::Date),
        1114 => read(without_zone(text), ColumnType::Timestamp),
        1184 => read(text, ColumnType::Timestamp),
        1009 | 1015 | 1014 | 1003 => read(text, ColumnType::TextList),
        // Lists of numbers are vectors here.
        1005 | 1007 | 1016 | 1021 | 1022 | 1231 => {
            let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
            Some(Value::Text(format!("[{inner}]")))
        }
        _ => Some(Value::Text(text.to_owned())),
    }
}

/// A date or a moment without the zone after it, which means nothing for types that have none: PostgreSQL
/// passes it over, and drivers send that of their machine.
fn without_zone(text: &str) -> &str {
    // Not the signs between year, month and day.
    let Some(sign) = text.rfind(['+', '-']).filter(|sign| *sign >= "2020-02-29".len()) else {
        return text;
    };
    let zone = &text[sign + 1..];
    match zone.len() >= 2 && zone.bytes().all(|byte| byte.is_ascii_digit() || byte == b':') {
        true => text[..sign].trim_end(),
        false => text,
    }
}

fn number(text: &str) -> Option<f64> {
    match text.trim() {
        "Infinity" | "infinity" => Some(f64::INFINITY),
        "-Infinity" | "-infinity" => Some(f64::NEG_INFINITY),
        text => text.parse().ok(),
    }
}

fn of_binary(oid: u32, bytes: &[u8]) -> Option<Value> {
    Some(match oid {
        16 => match bytes {
            [0] => Value::Bool(false),
            [1] => Value::Bool(true),
            _ => return None,
        },
        21 => Value::Int(i16::from_be_bytes(bytes.try_into().ok()?).into()),
        23 => Value::Int(i32::from_be_bytes(bytes.try_into().ok()?).into()),
        26 => Value::Int(u32::from_be_bytes(bytes.try_into().ok()?).into()),
        20 => Value::Int(i64::from_be_bytes(bytes.try_into().ok()?)),
        700 => Value::Real(f32::from_be_bytes(bytes.try_into().ok()?).into()),
        701 => Value::Real(f64::from_be_bytes(bytes.try_into().ok()?)),
        1700 => return of_text(1700, &numeric::read(bytes)?),
        1082 => {
            let days = i32::from_be_bytes(bytes.try_into().ok()?);
            Value::Date(days.checked_add(moments::EPOCH_DAYS)?)
        }
        1114 | 1184 => {
            let micros = i64::from_be_bytes(bytes.try_into().ok()?);
            Value::Timestamp(micros.checked_add(moments::EPOCH_MICROS)?)
        }
        VECTOR => Value::Text(vector(bytes)?),
        // Text, and what travels as text.
        25 | 1043 | 1042 | 19 | 705 | 114 | 18 => {
            Value::Text(std::str::from_utf8(bytes).ok()?.to_owned())
        }
        list => of_list(item(list)?, bytes)?,
    })
}

/// A vector in pgvector's binary form.
fn vector(bytes: &[u8]) -> Option<String> {
    let (head, numbers) = bytes.split_at_checked(4)?;
    let count = usize::from(u16::from_be_bytes([head[0], head[1]]));
    if numbers.len() != 4 * count {
        return None;
    }
    let numbers = numbers.chunks_exact(4).map(|four| {
        let number = f32::from_be_bytes([four[0], four[1], four[2], four[3]]);
        number.to_string()
    });
    Some(format!("[{}]", numbers.collect::<Vec<_>>().join(",")))
}

/// A list of one dimension.
fn of_list(of: u32, bytes: &[u8]) -> Option<Value> {
    let mut rest = bytes;
    let mut int = || {
        let (four, after) = rest.split_at_checked(4)?;
        rest = after;
        Some(i32::from_be_bytes(four.try_into().ok()?))
    };
    let (dimensions, _nulls, _type) = (int()?, int()?, int()?);
    let count = match dimensions {
        0 => 0,
        1 => {
            let count = usize::try_from(int()?).ok()?;
            int()?;
            count
        }
        _ => return None,
    };
    let mut items = Vec::new();
    for _ in 0..count {
        let (four, after) = rest.split_at_checked(4)?;
        // A list of ours has no NULL in it.
        let length = usize::try_from(i32::from_be_bytes(four.try_into().ok()?)).ok()?;
        let (item, after) = after.split_at_checked(length)?;
        rest = after;
        items.push(of_binary(of, item)?);
    }
    if !rest.is_empty() {
        return None;
    }
    let texts = items.iter().map(|item| match item {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    });
    if let Some(texts) = texts.collect::<Option<Vec<_>>>()
        && (!texts.is_empty() || matches!(of, 25 | 1043 | 1042 | 19))
    {
        return Some(Value::TextList(texts));
    }
    let numbers = items.iter().map(|item| match item {
        Value::Int(number) => Some(number.to_string()),
        Value::Real(number) => Some(number.to_string()),
        _ => None,
    });
    Some(Value::Text(format!("[{}]", numbers.collect::<Option<Vec<_>>>()?.join(","))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tastedb::Value;

    use super::value;
    use crate::server::pg::oids::VECTOR;

    fn read(oid: u32, format: i16, bytes: &[u8]) -> Option<Value> {
        value(1, oid, format, bytes).ok()
    }

    #[test]
    fn text_and_binary_mean_the_same() {
        assert_eq!(read(23, 0, b"7"), read(23, 1, &[0, 0, 0, 7]));
        assert_eq!(read(701, 0, b"0.5"), read(701, 1, &0.5f64.to_be_bytes()));
        assert_eq!(read(1082, 0, b"2000-01-02"), read(1082, 1, &1i32.to_be_bytes()));
        assert_eq!(
            read(1114, 0, b"2000-01-01 00:00:01"),
            read(1114, 1, &1_000_000i64.to_be_bytes())
        );
        assert_eq!(read(16, 0, b"on"), Some(Value::Bool(true)));
        assert_eq!(read(1700, 0, b"12"), Some(Value::Int(12)));
        let list = b"\0\0\0\x01\0\0\0\0\0\0\0\x19\0\0\0\x02\0\0\0\x01\0\0\0\x01a\0\0\0\x03b c";
        assert_eq!(read(1009, 0, b"{a,\"b c\"}"), read(1009, 1, list));
        assert_eq!(read(1022, 0, b"{0.5,1}"), Some(Value::Text("[0.5,1]".to_owned())));
        let vector = [0, 1, 0, 0, 0x3f, 0, 0, 0];
        assert_eq!(read(VECTOR, 1, &vector), Some(Value::Text("[0.5]".to_owned())));
    }

    #[test]
    fn a_zone_is_passed_over_where_the_type_has_none() {
        let plain = read(1114, 0, b"2020-02-29 12:00:00.5");
        for zone in ["+01", "-03:30", "+00", "-00:00:15"] {
            assert_eq!(read(1114, 0, format!("2020-02-29 12:00:00.5{zone}").as_bytes()), plain);
            assert_eq!(
                read(1082, 0, format!("2020-02-29 {zone}").as_bytes()),
                read(1082, 0, b"2020-02-29")
            );
        }
        assert_ne!(read(1184, 0, b"2020-02-29 12:00:00.5+01"), plain, "here it counts");
        for wrong in ["2020-02-29 +", "2020-02-29 12:00:00+x", "2020-02-29 12:00:00-1-1"] {
            assert_eq!(read(1114, 0, wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for (oid, format, bytes) in [
            (23, 0, b"x".as_slice()),
            (23, 1, b"abc"),
            (16, 1, &[2]),
            (25, 0, &[0xff]),
            (1009, 1, b"\0\0\0\x02"),
            (VECTOR, 1, &[0, 9, 0, 0]),
            (99_999, 1, b"x"),
            (25, 7, b"x"),
        ] {
            assert_eq!(read(oid, format, bytes), None, "{oid} {format}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            oid in prop::sample::select(vec![16, 20, 21, 23, 25, 26, 700, 701, 1082, 1114, 1700, 1007, 1009, 1022, VECTOR]),
            format in 0i16..3,
            bytes in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let _ = value(1, oid, format, &bytes);
        }
    }
}
