//! Comma-separated values: RFC 4180 with `\n`, a header line, NULL as the empty field. A text that
//! is empty is written `""`, so that it can be told from NULL.

use std::io::{self, Write};

use tastedb::Rows;

use crate::rows::value;

pub(super) fn write(out: &mut dyn Write, rows: &Rows) -> io::Result<()> {
    let header: Vec<&str> = rows.schema.fields().iter().map(|f| f.name().as_str()).collect();
    line(out, header.iter().map(|name| Some(*name)))?;
    for batch in &rows.batches {
        for row in 0..batch.num_rows() {
            let mut fields = Vec::with_capacity(batch.num_columns());
            for column in batch.columns() {
                fields.push(value::plain(&value::value(column, row)?));
            }
            line(out, fields.iter().map(Option::as_deref))?;
        }
    }
    Ok(())
}

fn line<'a>(out: &mut dyn Write, fields: impl Iterator<Item = Option<&'a str>>) -> io::Result<()> {
    for (i, field) in fields.enumerate() {
        if i > 0 {
            out.write_all(b",")?;
        }
        match field {
            None => {}
            Some(text) if needs_quotes(text) => {
                write!(out, "\"{}\"", text.replace('"', "\"\""))?;
            }
            Some(text) => out.write_all(text.as_bytes())?,
        }
    }
    out.write_all(b"\n")
}

fn needs_quotes(text: &str) -> bool {
    text.is_empty()
        || text.contains([',', '"', '\n', '\r'])
        || text.starts_with(' ')
        || text.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn null_empty_and_special_fields_are_told_apart() {
        let mut out = Vec::new();
        line(&mut out, [None, Some(""), Some("a,b"), Some("say \"hi\""), Some("x")].into_iter())
            .expect("memory");
        assert_eq!(String::from_utf8(out).expect("utf-8"), ",\"\",\"a,b\",\"say \"\"hi\"\"\",x\n");
    }
}
