//! Rows as JSON objects: one array for a result, or one object a line.
//!
//! Numbers that JSON cannot say (NaN, infinities) become null; where two columns have one name, the
//! later ones get a number (`id`, `id_2`), since an object may not repeat a key.

use std::io::{self, Write};

use serde_json::{Map, Number, Value as Json};
use tastedb::Rows;
use tastedb::arrow::datatypes::Schema;

use super::value::{self, Value};

pub(crate) fn write_array(out: &mut dyn Write, rows: &Rows) -> io::Result<()> {
    out.write_all(b"[")?;
    let mut first = true;
    each(rows, &mut |object| {
        out.write_all(if first { b"\n  " } else { b",\n  " })?;
        first = false;
        serde_json::to_writer(&mut *out, &object).map_err(io::Error::from)
    })?;
    out.write_all(if first { b"]\n" } else { b"\n]\n" })
}

pub(crate) fn write_lines(out: &mut dyn Write, rows: &Rows) -> io::Result<()> {
    each(rows, &mut |object| {
        serde_json::to_writer(&mut *out, &object).map_err(io::Error::from)?;
        out.write_all(b"\n")
    })
}

/// The rows as JSON objects, all at once.
#[cfg(feature = "server")]
pub(crate) fn objects(rows: &Rows) -> io::Result<Vec<Json>> {
    let mut objects = Vec::with_capacity(rows.len());
    each(rows, &mut |object| {
        objects.push(object);
        Ok(())
    })?;
    Ok(objects)
}

fn each(rows: &Rows, write: &mut dyn FnMut(Json) -> io::Result<()>) -> io::Result<()> {
    let names = distinct_names(&rows.schema);
    for batch in &rows.batches {
        for row in 0..batch.num_rows() {
            let mut object = Map::with_capacity(names.len());
            for (name, column) in names.iter().zip(batch.columns()) {
                object.insert(name.clone(), json(&value::value(column, row)?));
            }
            write(Json::Object(object))?;
        }
    }
    Ok(())
}

fn distinct_names(schema: &Schema) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let mut name = field.name().clone();
        let mut n = 2;
        while names.contains(&name) {
            name = format!("{}_{n}", field.name());
            n += 1;
        }
        names.push(name);
    }
    names
}

/// A value as JSON.
pub(crate) fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(n) => match (i64::try_from(*n), u64::try_from(*n)) {
            (Ok(n), _) => n.into(),
            (_, Ok(n)) => n.into(),
            _ => n.to_string().into(),
        },
        // By way of the decimal form: 0.1 in single precision is 0.1, not 0.10000000149011612.
        Value::Single(x) => number(value::single(*x).parse().unwrap_or(f64::NAN)),
        Value::Double(x) => number(*x),
        Value::Text(text) => Json::String(text.clone()),
        Value::List(values) => values.iter().map(json).collect(),
        Value::Record(fields) => {
            Json::Object(fields.iter().map(|(name, v)| (name.clone(), json(v))).collect())
        }
    }
}

fn number(x: f64) -> Json {
    Number::from_f64(x).map_or(Json::Null, Json::Number)
}

#[cfg(test)]
mod tests {
    use super::super::value::Value;
    use super::json;

    #[test]
    fn numbers_keep_their_shortest_form() {
        assert_eq!(json(&Value::Single(0.1)).to_string(), "0.1");
        assert_eq!(json(&Value::Double(0.1)).to_string(), "0.1");
        assert_eq!(json(&Value::Single(f32::NAN)).to_string(), "null");
        assert_eq!(json(&Value::Int(i128::from(u64::MAX))).to_string(), "18446744073709551615");
    }

    #[test]
    fn nested_values_stay_nested() {
        let list = Value::List(vec![Value::Text("a".into()), Value::Null]);
        let record = Value::Record(vec![("genres".into(), list)]);
        assert_eq!(json(&record).to_string(), r#"{"genres":["a",null]}"#);
    }
}
