//! Comma-separated values: RFC 4180, any one-byte delimiter, with or without a header line.
//!
//! An empty field is missing, quoted or not.

use std::path::Path;

use csv::{Position, ReaderBuilder, StringRecord};

use super::{Fault, Input, ReadOptions, Reader, Record};
use crate::error::{Error, Result};

/// A reader of CSV.
pub(crate) struct CsvReader {
    reader: csv::Reader<Input>,
    columns: Vec<String>,
    /// Fields per record, as the header or the first record has it.
    width: Option<usize>,
    null: Option<String>,
    row: StringRecord,
}

impl CsvReader {
    /// Reads the header.
    pub(crate) fn open(input: Input, path: &Path, options: &ReadOptions) -> Result<CsvReader> {
        let mut reader = ReaderBuilder::new()
            .has_headers(options.header)
            .delimiter(options.delimiter)
            .flexible(true)
            .buffer_capacity(1 << 16)
            .from_reader(input.without_mark(path)?);
        let mut columns = Vec::new();
        if options.header {
            let header = reader.headers().map_err(|cause| {
                let fault = fault_of(&cause, 1);
                Error::file_record(path, &fault)
            })?;
            columns = header.iter().map(|name| name.trim().to_owned()).collect();
            if columns.iter().all(String::is_empty) {
                return Err(Error::file_record(
                    path,
                    &Fault::fatal(1, "expected a header line with the names of the columns"),
                ));
            }
        }
        let width = options.header.then_some(columns.len());
        let null = options.null.clone();
        Ok(CsvReader { reader, columns, width, null, row: StringRecord::new() })
    }
}

impl Reader for CsvReader {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn next(&mut self, record: &mut Record) -> Result<bool, Fault> {
        let line = self.reader.position().line();
        match self.reader.read_record(&mut self.row) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(cause) => return Err(fault_of(&cause, line)),
        }
        let line = self.row.position().map_or(line, Position::line);
        let width = *self.width.get_or_insert(self.row.len());
        if self.row.len() != width {
            let missing = self.columns.get(self.row.len()).map(String::as_str);
            return Err(Fault::count(
                line,
                missing,
                format!("expected {width} fields, found {}", self.row.len()),
            ));
        }
        record.start(line);
        for field in &self.row {
            if field.is_empty() || self.null.as_deref() == Some(field) {
                record.push_missing();
            } else {
                record.push_text(field);
            }
        }
        Ok(true)
    }
}

fn fault_of(cause: &csv::Error, line: u64) -> Fault {
    let line = cause.position().map_or(line, Position::line);
    match cause.kind() {
        csv::ErrorKind::Utf8 { .. } => Fault::new(line, None, "the text is not UTF-8"),
        csv::ErrorKind::Io(source) => Fault::fatal(line, format!("cannot read on: {source}")),
        _ => Fault::fatal(line, cause.to_string()),
    }
}
