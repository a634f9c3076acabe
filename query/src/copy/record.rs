//! One record of a file: its place, and its fields as they stand there.

use crate::batch::Cell;

/// A source of records. All records have the same columns.
pub(crate) trait Reader: Send {
    /// The names of the fields; empty where the file does not tell.
    fn columns(&self) -> &[String];

    /// Reads the next record into `record`; false at the end of the file.
    ///
    /// After a fault the reader stands behind the faulty record and may be asked again.
    fn next(&mut self, record: &mut Record) -> Result<bool, Fault>;
}

/// What is wrong with a record, and where in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The line (or row, in a file without lines), from 1.
    pub(crate) line: u64,
    /// The column, by name or by number.
    pub(crate) column: Option<String>,
    /// What was expected and what was found.
    pub(crate) what: String,
    /// How much of the file it spoils.
    pub(crate) spoils: Spoils,
}

/// How much of a file a fault spoils.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoils {
    /// One value; the record is well-formed.
    Field,
    /// One record; the next may be fine.
    Record,
    /// Everything from here on.
    Rest,
}

impl Fault {
    /// A fault of one value where the column is known, else of one record.
    pub(crate) fn new(line: u64, column: Option<&str>, what: impl Into<String>) -> Fault {
        let spoils = if column.is_some() { Spoils::Field } else { Spoils::Record };
        Fault { line, column: column.map(str::to_owned), what: what.into(), spoils }
    }

    /// A record with too few or too many fields; `missing` is the first column without one.
    pub(crate) fn count(line: u64, missing: Option<&str>, what: impl Into<String>) -> Fault {
        Fault { spoils: Spoils::Record, ..Fault::new(line, missing, what) }
    }

    /// A fault that ends the reading.
    pub(crate) fn fatal(line: u64, what: impl Into<String>) -> Fault {
        Fault { spoils: Spoils::Rest, ..Fault::new(line, None, what) }
    }

    /// Whether nothing can be read behind it.
    pub(crate) fn is_fatal(&self) -> bool {
        self.spoils == Spoils::Rest
    }
}

/// A record. It is filled again and again, so that reading a file allocates little.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// The line on which it begins (or the row), from 1.
    pub(crate) line: u64,
    text: String,
    fields: Vec<Stored>,
}

#[derive(Debug)]
enum Stored {
    Missing,
    Text(usize, usize),
    Cell(Cell),
}

/// A field as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Raw<'a> {
    /// Nothing: NULL, or the column's default.
    Missing,
    /// Text that is still to be read as the column's type.
    Text(&'a str),
    /// A typed value.
    Cell(&'a Cell),
}

impl Record {
    /// Empties the record, for the one at `line`.
    pub(crate) fn start(&mut self, line: u64) {
        self.line = line;
        self.text.clear();
        self.fields.clear();
    }

    /// Appends a field that has no value.
    pub(crate) fn push_missing(&mut self) {
        self.fields.push(Stored::Missing);
    }

    /// Appends a field of text.
    pub(crate) fn push_text(&mut self, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        self.fields.push(Stored::Text(start, self.text.len()));
    }

    /// Appends a typed value.
    pub(crate) fn push_cell(&mut self, cell: Cell) {
        self.fields.push(Stored::Cell(cell));
    }

    /// How many fields there are.
    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    /// A field; missing where the record is short.
    pub(crate) fn get(&self, at: usize) -> Raw<'_> {
        match self.fields.get(at) {
            None | Some(Stored::Missing) => Raw::Missing,
            Some(Stored::Text(start, end)) => Raw::Text(&self.text[*start..*end]),
            Some(Stored::Cell(cell)) => Raw::Cell(cell),
        }
    }
}
