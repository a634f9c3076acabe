//! PostgreSQL's text format: one row a line, fields between tabs, `\\N` for NULL, escapes with a
//! backslash. It is what COPY … FROM STDIN takes when no format is named.
//!
//! A line that is `\\.` alone ends the data, as `psql` and dumps write it.

use std::io::BufRead;
use std::path::Path;

use super::{Fault, Input, ReadOptions, Reader, Record};
use crate::error::{Error, Result};

/// The longest line: a row that is longer is no row.
const LONGEST: usize = 64 << 20;

/// A reader of PostgreSQL's text.
pub(crate) struct TextReader {
    input: Input,
    columns: Vec<String>,
    delimiter: u8,
    null: String,
    /// Fields per record, as the first one has it.
    width: Option<usize>,
    bytes: Vec<u8>,
    text: String,
    line: u64,
    ended: bool,
}

impl TextReader {
    /// Reads the header, where there is one.
    pub(crate) fn open(input: Input, path: &Path, options: &ReadOptions) -> Result<TextReader> {
        let mut reader = TextReader {
            input,
            columns: Vec::new(),
            delimiter: options.delimiter,
            null: options.null.clone().unwrap_or_else(|| "\\N".to_owned()),
            width: None,
            bytes: Vec::new(),
            text: String::new(),
            line: 0,
            ended: false,
        };
        if options.header {
            let read = reader.line().and_then(|more| match more {
                true => Ok(()),
                false => Err(Fault::fatal(1, "expected a line with the names of the columns")),
            });
            read.map_err(|fault| Error::file_record(path, &fault))?;
            let delimiter = char::from(reader.delimiter);
            reader.columns =
                reader.text.split(delimiter).map(|name| name.trim().to_owned()).collect();
            reader.width = Some(reader.columns.len());
        }
        Ok(reader)
    }

    /// Reads the next line into `text`, without its end; false at the end of the data.
    fn line(&mut self) -> Result<bool, Fault> {
        if self.ended {
            return Ok(false);
        }
        self.line += 1;
        self.bytes.clear();
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(source) => {
                    return Err(Fault::fatal(self.line, format!("cannot read on: {source}")));
                }
            };
            if chunk.is_empty() {
                self.ended = true;
                break;
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(chunk.len(), |at| at + 1);
            self.bytes.extend_from_slice(&chunk[..taken]);
            self.input.consume(taken);
            if end.is_some() {
                break;
            }
            if self.bytes.len() > LONGEST {
                return Err(Fault::fatal(self.line, "the line is longer than 64 MiB"));
            }
        }
        if self.bytes.is_empty() {
            return Ok(false);
        }
        if self.bytes.last() == Some(&b'\n') {
            self.bytes.pop();
            if self.bytes.last() == Some(&b'\r') {
                self.bytes.pop();
            }
        }
        if self.bytes == b"\\." {
            self.ended = true;
            return Ok(false);
        }
        self.text.clear();
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => self.text.push_str(text),
            Err(_) => return Err(Fault::new(self.line, None, "the text is not UTF-8")),
        }
        Ok(true)
    }
}

impl Reader for TextReader {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn next(&mut self, record: &mut Record) -> Result<bool, Fault> {
        if !self.line()? {
            return Ok(false);
        }
        let delimiter = char::from(self.delimiter);
        record.start(self.line);
        let mut unescaped = String::new();
        let mut rest = self.text.as_str();
        loop {
            let (field, after) = split(rest, delimiter);
            if field == self.null {
                record.push_missing();
            } else if field.contains('\\') {
                unescaped.clear();
                unescape(field, &mut unescaped);
                record.push_text(&unescaped);
            } else {
                record.push_text(field);
            }
            match after {
                Some(after) => rest = after,
                None => break,
            }
        }
        let width = *self.width.get_or_insert(record.len());
        if record.len() != width {
            let what = format!("expected {width} fields, found {}", record.len());
            return Err(Fault::count(self.line, None, what));
        }
        Ok(true)
    }
}

/// The first field and what is behind its delimiter; a delimiter after a backslash is none.
fn split(line: &str, delimiter: char) -> (&str, Option<&str>) {
    let mut escaped = false;
    for (at, letter) in line.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            letter if letter == delimiter => {
                return (&line[..at], Some(&line[at + letter.len_utf8()..]));
            }
            _ => {}
        }
    }
    (line, None)
}

/// Undoes the escapes of a field.
fn unescape(field: &str, out: &mut String) {
    let mut letters = field.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('v') => out.push('\u{b}'),
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Vec<Option<String>>> {
        let input = Input::stream(Box::new(std::io::Cursor::new(text.as_bytes().to_vec())));
        let options = ReadOptions {
            header: false,
            delimiter: b'\t',
            null: None,
            list_delimiter: "|".to_owned(),
        };
        let mut reader = TextReader::open(input, Path::new("STDIN"), &options).expect("no header");
        let mut record = Record::default();
        let mut rows = Vec::new();
        while reader.next(&mut record).expect("rows are well-formed") {
            let fields = (0..record.len()).map(|at| match record.get(at) {
                super::super::Raw::Text(text) => Some(text.to_owned()),
                _ => None,
            });
            rows.push(fields.collect());
        }
        rows
    }

    #[test]
    fn escapes_nulls_and_empty_texts_are_told_apart() {
        let read = rows("a\\tb\t\\N\t\nc\\\\\tx\\ny\tz\r\n\\.\nnot read\n");
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            read,
            [vec![text("a\tb"), None, text("")], vec![text("c\\"), text("x\ny"), text("z")]]
        );
    }

    #[test]
    fn a_last_line_needs_no_end() {
        assert_eq!(rows("a\tb").len(), 1);
        assert_eq!(rows("").len(), 0);
    }
}
