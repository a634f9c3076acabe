//! One field of a file as a value of its column.
//!
//! Files are more forgiving than SQL where their formats cannot say what they mean: a TIMESTAMP
//! may be Unix time (seconds; from 10^11 on milliseconds, from 10^14 on microseconds), and a list
//! may be one text with a delimiter, or in braces as PostgreSQL writes it.

use super::Raw;
use crate::batch::{Cell, coerce, describe, parse_text, parse_text_list, parse_vector};
use crate::storage::{ColumnType, Value};

/// Reads a field as a column's type; `Err` tells what was expected and what was found.
pub(crate) fn read(raw: Raw<'_>, ty: ColumnType, list_delimiter: &str) -> Result<Cell, String> {
    match raw {
        Raw::Missing => Ok(Cell::NULL),
        Raw::Text(text) => from_text(text, ty, list_delimiter),
        Raw::Cell(cell) => from_cell(cell, ty, list_delimiter),
    }
}

/// Reads a field as a key: any text, or any whole number.
pub(crate) fn key<'a>(raw: Raw<'a>, scratch: &'a mut String) -> Result<Option<&'a str>, String> {
    match raw {
        Raw::Missing => Ok(None),
        Raw::Text(text) => Ok(Some(text)),
        Raw::Cell(cell) => match cell {
            Cell::Value(Value::Null) => Ok(None),
            Cell::Value(Value::Text(text)) => Ok(Some(text)),
            Cell::Value(Value::Int(number)) => {
                *scratch = number.to_string();
                Ok(Some(scratch))
            }
            other => Err(format!("expected a key, found {}", describe(other))),
        },
    }
}

fn from_text(text: &str, ty: ColumnType, list_delimiter: &str) -> Result<Cell, String> {
    let value = match ty {
        ColumnType::Text => Value::Text(text.to_owned()),
        ColumnType::TextList if text.starts_with('{') && text.ends_with('}') => {
            Value::TextList(parse_text_list(text).ok_or_else(|| found(ty, text))?)
        }
        ColumnType::TextList => {
            let items = text.split(list_delimiter).map(str::trim).filter(|item| !item.is_empty());
            Value::TextList(items.map(str::to_owned).collect())
        }
        ColumnType::Vector { .. } => {
            let vector = if text.trim_start().starts_with('[') {
                parse_vector(text)
                    .map_err(|expected| format!("{expected}, found `{}`", short(text)))?
            } else {
                let numbers = text.split([' ', ',', ';', '|']).filter(|part| !part.is_empty());
                let numbers = numbers.map(str::parse).collect::<Result<Vec<f32>, _>>();
                numbers.map_err(|_| found(ty, text))?
            };
            return coerce(Cell::Vector(vector), ty).map_err(|unfit| unfit.message(text));
        }
        ColumnType::Timestamp => match unix(text).or_else(|| parse_text(text, ty)) {
            Some(value) => value,
            None => {
                let what = "a time such as 2003-01-31 12:00:00 or Unix seconds";
                return Err(format!("expected {what}, found `{}`", short(text)));
            }
        },
        ColumnType::Date => match parse_text(text, ty).or_else(|| english_date(text)) {
            Some(value) => value,
            None => {
                return Err(format!("expected a date such as 2003-01-31, found `{}`", short(text)));
            }
        },
        // Whole numbers are often written as `3.0`.
        ColumnType::Int | ColumnType::BigInt => match parse_text(text, ty) {
            Some(value) => value,
            None => match text.trim().parse::<f64>() {
                Ok(number) => {
                    return coerce(Cell::Value(Value::Real(number)), ty)
                        .map_err(|_| found(ty, text));
                }
                Err(_) => return Err(found(ty, text)),
            },
        },
        ColumnType::Bool | ColumnType::Real | ColumnType::Double => {
            parse_text(text, ty).ok_or_else(|| found(ty, text))?
        }
    };
    Ok(Cell::Value(value))
}

fn from_cell(cell: &Cell, ty: ColumnType, list_delimiter: &str) -> Result<Cell, String> {
    let fitted = match (ty, cell) {
        (ColumnType::Timestamp, Cell::Value(Value::Int(time))) => {
            return Ok(Cell::Value(Value::Timestamp(micros(*time as f64))));
        }
        (ColumnType::Timestamp, Cell::Value(Value::Real(time))) => {
            return Ok(Cell::Value(Value::Timestamp(micros(*time))));
        }
        (_, Cell::Value(Value::Text(text))) => return from_text(text, ty, list_delimiter),
        (ColumnType::Text, Cell::Value(Value::TextList(words))) => {
            return Ok(Cell::Value(Value::Text(words.join(" "))));
        }
        _ => coerce(cell.clone(), ty),
    };
    fitted.map_err(|unfit| unfit.message(&describe(cell)))
}

fn unix(text: &str) -> Option<Value> {
    let text = text.trim();
    let number =
        |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'e' | b'E' | b'+');
    // `2003-01-31` consists of such bytes too, but is not a number.
    if text.is_empty() || !text.as_bytes().iter().all(number) {
        return None;
    }
    if let Ok(seconds) = text.parse::<i64>()
        && seconds.unsigned_abs() < 100_000_000_000
    {
        return Some(Value::Timestamp(seconds * 1_000_000));
    }
    text.parse().ok().filter(|time: &f64| time.is_finite()).map(|v| Value::Timestamp(micros(v)))
}

fn micros(time: f64) -> i64 {
    let scale = match time.abs() {
        size if size < 1e11 => 1e6,
        size if size < 1e14 => 1e3,
        _ => 1.0,
    };
    (time * scale).round() as i64
}

/// Dates such as `01-Jan-1995`, as the older MovieLens files have them.
fn english_date(text: &str) -> Option<Value> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let mut parts = text.trim().split('-');
    let day: u8 = parts.next()?.parse().ok()?;
    let month = parts.next()?.to_ascii_lowercase();
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let year: u16 = parts.next()?.parse().ok()?;
    parse_text(&format!("{year:04}-{month:02}-{day:02}"), ColumnType::Date)
}

fn found(ty: ColumnType, text: &str) -> String {
    format!("expected {ty}, found `{}`", short(text))
}

fn short(text: &str) -> String {
    if text.chars().count() <= 40 {
        return text.to_owned();
    }
    text.chars().take(37).chain("...".chars()).collect()
}
