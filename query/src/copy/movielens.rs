//! The text files of MovieLens, as GroupLens ships them: `ratings.dat`, `movies.dat`, `users.dat`
//! (fields apart by `::`) and `u.data`, `u.item`, `u.user` (by tab or `|`), without header lines.
//!
//! The newer `*.csv` files are ordinary CSV. Files that are not UTF-8 are read as Latin-1, which
//! is what the older ones are.

use std::io::BufRead;
use std::path::Path;

use super::{Fault, Input, Reader, Record};
use crate::batch::Cell;
use crate::error::Result;
use crate::storage::{Role, Value};

/// The genres behind the nineteen flags of `u.item`, in their order.
const GENRES: [&str; 19] = [
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
];

/// Fields of `u.item` before the flags.
const BEFORE_FLAGS: usize = 5;

/// A reader of MovieLens files.
pub(crate) struct MovieLensReader {
    input: Input,
    columns: Vec<String>,
    separator: &'static str,
    /// Whether the last column is made from the nineteen flags.
    flags: bool,
    line: u64,
    bytes: Vec<u8>,
}

impl MovieLensReader {
    /// Tells the kind of file by its first line and by what the table holds.
    pub(crate) fn open(mut input: Input, path: &Path, role: Role) -> Result<MovieLensReader> {
        let head = input.peek(path)?;
        let first = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let has = |text: &[u8]| first.windows(text.len()).any(|part| part == text);
        let (separator, old) = if has(b"::") {
            ("::", false)
        } else if has(b"\t") {
            ("\t", true)
        } else {
            ("|", true)
        };
        let flags = old && role == Role::Item;
        let columns: &[&str] = match (role, old) {
            (Role::Interaction, _) => &["user_id", "item_id", "rating", "timestamp"],
            (Role::Item, false) => &["item_id", "title", "genres"],
            (Role::Item, true) => {
                &["item_id", "title", "release_date", "video_release_date", "url", "genres"]
            }
            (Role::User, false) => &["user_id", "gender", "age", "occupation", "zip"],
            (Role::User, true) => &["user_id", "age", "gender", "occupation", "zip"],
        };
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        Ok(MovieLensReader { input, columns, separator, flags, line: 0, bytes: Vec::new() })
    }
}

impl Reader for MovieLensReader {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn next(&mut self, record: &mut Record) -> Result<bool, Fault> {
        loop {
            self.bytes.clear();
            self.line += 1;
            match self.input.read_until(b'\n', &mut self.bytes) {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(cause) => {
                    return Err(Fault::fatal(self.line, format!("cannot read on: {cause}")));
                }
            }
            while self.bytes.last().is_some_and(|byte| *byte == b'\n' || *byte == b'\r') {
                self.bytes.pop();
            }
            if !self.bytes.is_empty() {
                break;
            }
        }
        let latin;
        let text = match std::str::from_utf8(&self.bytes) {
            Ok(text) => text,
            Err(_) => {
                latin = self.bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
                latin.as_str()
            }
        };
        let expected = if self.flags { BEFORE_FLAGS + GENRES.len() } else { self.columns.len() };
        let found = text.split(self.separator).count();
        if found != expected {
            let missing = self.columns.get(found).map(String::as_str);
            return Err(Fault::count(
                self.line,
                missing,
                format!("expected {expected} fields between `{}`, found {found}", self.separator),
            ));
        }
        record.start(self.line);
        let mut fields = text.split(self.separator);
        let plain = if self.flags { BEFORE_FLAGS } else { expected };
        for field in fields.by_ref().take(plain) {
            if field.is_empty() { record.push_missing() } else { record.push_text(field) }
        }
        if self.flags {
            let set = fields.zip(GENRES).filter(|(flag, _)| *flag == "1");
            let genres = set.map(|(_, genre)| genre.to_owned()).collect();
            record.push_cell(Cell::Value(Value::TextList(genres)));
        }
        Ok(true)
    }
}
