//! RecBole's atomic files (`.inter`, `.item`, `.user`): tab-separated, with a header whose names
//! carry types, such as `user_id:token` or `genres:token_seq`.

use std::path::Path;

use csv::{Position, ReaderBuilder, StringRecord};

use super::{Fault, Input, Reader, Record};
use crate::batch::Cell;
use crate::error::{Error, Result};
use crate::storage::Value;

/// A reader of atomic files.
pub(crate) struct RecBoleReader {
    reader: csv::Reader<Input>,
    columns: Vec<String>,
    kinds: Vec<Kind>,
    row: StringRecord,
}

/// The type that a header gives to a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One word or one number.
    One,
    /// Words apart by spaces.
    Words,
    /// Numbers apart by spaces.
    Numbers,
}

impl RecBoleReader {
    /// Reads the typed header.
    pub(crate) fn open(input: Input, path: &Path) -> Result<RecBoleReader> {
        let mut reader = ReaderBuilder::new()
            .delimiter(b'\t')
            .quoting(false)
            .flexible(true)
            .from_reader(input.without_mark(path)?);
        let wrong = |what: String| Error::file_record(path, &Fault::fatal(1, what));
        let header = reader.headers().map_err(|cause| wrong(cause.to_string()))?.clone();
        let mut columns = Vec::new();
        let mut kinds = Vec::new();
        for field in &header {
            let (name, kind) = field.trim().rsplit_once(':').ok_or_else(|| {
                wrong(format!("expected a typed header such as `user_id:token`, found `{field}`"))
            })?;
            kinds.push(match kind {
                "token" | "float" => Kind::One,
                "token_seq" => Kind::Words,
                "float_seq" => Kind::Numbers,
                _ => {
                    return Err(wrong(format!(
                        "expected token, token_seq, float or float_seq, found `{kind}`"
                    )));
                }
            });
            columns.push(name.to_owned());
        }
        Ok(RecBoleReader { reader, columns, kinds, row: StringRecord::new() })
    }
}

impl Reader for RecBoleReader {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn next(&mut self, record: &mut Record) -> Result<bool, Fault> {
        let line = self.reader.position().line();
        match self.reader.read_record(&mut self.row) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(cause) => {
                let line = cause.position().map_or(line, Position::line);
                return Err(match cause.kind() {
                    csv::ErrorKind::Utf8 { .. } => Fault::new(line, None, "the text is not UTF-8"),
                    _ => Fault::fatal(line, cause.to_string()),
                });
            }
        }
        let line = self.row.position().map_or(line, Position::line);
        if self.row.len() != self.columns.len() {
            let missing = self.columns.get(self.row.len()).map(String::as_str);
            let expected = self.columns.len();
            return Err(Fault::count(
                line,
                missing,
                format!("expected {expected} fields between tabs, found {}", self.row.len()),
            ));
        }
        record.start(line);
        for (at, (field, kind)) in self.row.iter().zip(&self.kinds).enumerate() {
            let words = field.split_ascii_whitespace();
            match kind {
                _ if field.is_empty() => record.push_missing(),
                Kind::One => record.push_text(field),
                Kind::Words => {
                    let words = words.map(str::to_owned).collect();
                    record.push_cell(Cell::Value(Value::TextList(words)));
                }
                Kind::Numbers => match words.map(str::parse).collect() {
                    Ok(numbers) => record.push_cell(Cell::Vector(numbers)),
                    Err(_) => {
                        return Err(Fault::new(
                            line,
                            self.columns.get(at).map(String::as_str),
                            "expected numbers apart by spaces",
                        ));
                    }
                },
            }
        }
        Ok(true)
    }
}
