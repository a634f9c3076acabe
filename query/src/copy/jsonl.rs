//! JSON lines: one object on each line.
//!
//! The columns are the keys of the first object; a later object may leave some out, and a key
//! that the first object lacks is a fault of its line.

use std::collections::{HashMap, VecDeque};
use std::io::BufRead;
use std::path::Path;

use serde_json::{Map, Value as Json};

use super::{Fault, Input, Reader, Record};
use crate::batch::Cell;
use crate::error::{Error, Result};
use crate::storage::Value;

/// An object with its line.
type Numbered = (u64, Map<String, Json>);

/// Faulty lines before the first object, after which the file is taken for none of JSON lines.
const FAULTS: usize = 1000;

/// A reader of JSON lines.
pub(crate) struct JsonReader {
    input: Input,
    columns: Vec<String>,
    places: HashMap<String, usize>,
    /// The lines before the first object that are none.
    faults: VecDeque<Fault>,
    /// The first object, which was read for its keys.
    first: Option<(u64, Map<String, Json>)>,
    line: u64,
    text: String,
}

impl JsonReader {
    /// Reads up to the first object.
    pub(crate) fn open(input: Input, path: &Path) -> Result<JsonReader> {
        let mut reader = JsonReader {
            input: input.without_mark(path)?,
            columns: Vec::new(),
            places: HashMap::new(),
            faults: VecDeque::new(),
            first: None,
            line: 0,
            text: String::new(),
        };
        loop {
            match reader.object() {
                Ok(first) => {
                    let keys = first.iter().flat_map(|(_, object)| object.keys().cloned());
                    reader.columns = keys.collect();
                    let numbered = reader.columns.iter().cloned().enumerate();
                    reader.places = numbered.map(|(at, name)| (name, at)).collect();
                    reader.first = first;
                    return Ok(reader);
                }
                Err(fault) if !fault.is_fatal() && reader.faults.len() < FAULTS => {
                    reader.faults.push_back(fault);
                }
                Err(last) => {
                    let fault = reader.faults.pop_front().unwrap_or(last);
                    return Err(Error::file_record(path, &fault));
                }
            }
        }
    }

    fn object(&mut self) -> Result<Option<Numbered>, Fault> {
        loop {
            self.text.clear();
            self.line += 1;
            match self.input.read_line(&mut self.text) {
                Ok(0) => return Ok(None),
                Ok(_) if self.text.trim().is_empty() => {}
                Ok(_) => break,
                Err(cause) if cause.kind() == std::io::ErrorKind::InvalidData => {
                    return Err(Fault::new(self.line, None, "the text is not UTF-8"));
                }
                Err(cause) => {
                    return Err(Fault::fatal(self.line, format!("cannot read on: {cause}")));
                }
            }
        }
        match serde_json::from_str(&self.text) {
            Ok(Json::Object(object)) => Ok(Some((self.line, object))),
            Ok(_) => Err(Fault::new(self.line, None, "expected a JSON object")),
            Err(cause) => Err(Fault::new(
                self.line,
                None,
                format!(
                    "expected a JSON object: {} at character {}",
                    plain(&cause),
                    cause.column()
                ),
            )),
        }
    }
}

impl Reader for JsonReader {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn next(&mut self, record: &mut Record) -> Result<bool, Fault> {
        if let Some(fault) = self.faults.pop_front() {
            return Err(fault);
        }
        let next = match self.first.take() {
            Some(first) => Some(first),
            None => self.object()?,
        };
        let Some((line, mut object)) = next else { return Ok(false) };
        record.start(line);
        for name in &self.columns {
            match object.remove(name) {
                None | Some(Json::Null) => record.push_missing(),
                Some(Json::String(text)) => record.push_text(&text),
                Some(json) => match cell(&json) {
                    Some(cell) => record.push_cell(cell),
                    None => {
                        return Err(Fault::new(
                            line,
                            Some(name),
                            "expected a value or a list of numbers or of texts",
                        ));
                    }
                },
            }
        }
        if let Some(name) = object.keys().find(|name| !self.places.contains_key(*name)) {
            return Err(Fault::new(line, Some(name), "the first object has no such key"));
        }
        Ok(true)
    }
}

fn cell(json: &Json) -> Option<Cell> {
    Some(match json {
        Json::Null => Cell::NULL,
        Json::Bool(v) => Cell::Value(Value::Bool(*v)),
        Json::Number(v) => match v.as_i64() {
            Some(v) => Cell::Value(Value::Int(v)),
            None => Cell::Value(Value::Real(v.as_f64()?)),
        },
        Json::String(v) => Cell::Value(Value::Text(v.clone())),
        Json::Array(items) if items.iter().all(Json::is_string) => {
            let texts = items.iter().filter_map(Json::as_str).map(str::to_owned).collect();
            Cell::Value(Value::TextList(texts))
        }
        Json::Array(items) => {
            let numbers = items.iter().map(|item| item.as_f64().map(|v| v as f32));
            Cell::Vector(numbers.collect::<Option<_>>()?)
        }
        Json::Object(_) => return None,
    })
}

/// The cause without the line, which is always 1 inside of a line.
fn plain(cause: &serde_json::Error) -> String {
    let text = cause.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
