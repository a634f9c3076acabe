//! COPY … FROM: a file, or what the client sends, into a table, in one transaction.
//!
//! A faulty record stops the COPY with its file, line and column, and nothing is written;
//! `WITH (on_error = 'skip')` passes such records over, counts them and shows the first ones.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use super::options::Options;
use super::writer::{OnExisting, RowWriter};
use super::{insert, names};
use crate::ast::{CopyFrom, Endpoint, Operand};
use crate::batch::{Cell, Field, Shape, misfit};
use crate::copy::mapping::{Extra, Mapping, Misfit};
use crate::copy::npy::NpyReader;
use crate::copy::{
    FORMATS, Fault, Format, Meter, Raw, ReadOptions, Reader, Record, field, open, open_stream,
};
use crate::error::{Error, Result};
use crate::expr::literal::{self, Given};
use crate::outcome::Outcome;
use crate::session::Session;
use crate::span::Span;
use crate::storage::{KeyType, Read, Value, WriteTxn};

/// How many skipped records are shown.
const SHOWN: usize = 5;
/// Records that are read ahead, in blocks.
const BLOCK: usize = 1024;
const BLOCKS_AHEAD: usize = 8;
/// Records between two reports.
const REPORT: u64 = 16 * 1024;

/// Runs a COPY … FROM.
pub(crate) fn run(session: &mut Session, copy: &CopyFrom, params: &[Value]) -> Result<Outcome> {
    let catalog = session.view().catalog()?;
    let table = names::table(&catalog, &copy.table)?;
    let shape = session.sql().shapes().get(&catalog, table);
    let wanted = match &copy.columns {
        None => None,
        Some(columns) => Some(names::written(&shape, Some(columns))?),
    };
    let now = session.sql().now();
    let given = Given { params, now };
    let place = copy.from.span();
    let (path, stream) = match &copy.from {
        Endpoint::File(path) => (file(path, given)?, None),
        Endpoint::Client(_) => {
            let what = "COPY … FROM STDIN takes its rows from the client of a server";
            let none = || Error::no_client(what).at(place);
            (PathBuf::from("STDIN"), Some(session.take_input().ok_or_else(none)?))
        }
    };
    let mut options = Options::new(&copy.options, given);
    let mut read = ReadOptions::for_path(&path);
    let format = options.text("format")?;
    if stream.is_some() {
        // As PostgreSQL does it: text without a header line, unless it is said.
        read.header = false;
        if format.as_ref().is_none_or(|(name, _)| name.eq_ignore_ascii_case("text")) {
            read.delimiter = b'\t';
        }
    }
    if let Some((format, _)) = &format
        && format.eq_ignore_ascii_case("tsv")
    {
        read.delimiter = b'\t';
    }
    let skip = options.choice("on_error", &["stop", "skip"])? == Some("skip");
    let npy = match &format {
        Some((name, _)) => name.eq_ignore_ascii_case("npy"),
        None => crate::copy::ending(&path).as_deref() == Some("npy"),
    };
    if npy && stream.is_some() {
        return Err(Error::not_supported("format = 'npy' FROM STDIN").at(place));
    }
    if npy {
        let ids = options.text("ids")?;
        let id_column = options.text("id_column")?;
        options.end()?;
        let vectors = Vectors { copy, shape, wanted, path, ids, id_column, skip };
        return vectors.run(session);
    }
    let format = match format {
        Some((name, place)) => {
            Format::named(&name).ok_or_else(|| Error::no_such_format(&name, FORMATS).at(place))?
        }
        None if stream.is_some() => Format::Text,
        None => Format::of_path(&path)
            .ok_or_else(|| Error::unknown_format(&path.to_string_lossy()).at(place))?,
    };
    read.header = header(&mut options, read.header)?;
    plain_quotes(&mut options)?;
    if let Some((delimiter, place)) = options.text("delimiter")? {
        let [byte] = delimiter.as_bytes() else {
            return Err(Error::option_value("delimiter", "one character").at(place));
        };
        read.delimiter = *byte;
    }
    read.null = options.text("null")?.map(|(text, _)| text);
    if let Some((delimiter, place)) = options.text("list_delimiter")? {
        if delimiter.is_empty() {
            return Err(Error::option_value("list_delimiter", "one or more characters").at(place));
        }
        read.list_delimiter = delimiter;
    }
    let extra = match options.truth("ignore_extra", false)? {
        true => Extra::Ignore,
        // The fields of these files are fixed: nobody chose them.
        false if format == Format::MovieLens => Extra::Ignore,
        false => Extra::Refuse,
    };
    let existing = match options.choice("on_conflict", &["error", "skip", "update"])? {
        Some("skip") => OnExisting::Keep,
        Some("update") => OnExisting::Update,
        _ => OnExisting::Refuse,
    };
    options.end()?;

    let meter = Meter::default();
    let reader = match stream {
        Some(stream) => open_stream(stream, &path, format, &read)?,
        None => open(&path, format, &read, shape.table.role, &meter)?,
    };
    let mapping = Mapping::new(&shape, reader.columns(), wanted.as_deref(), extra);
    let mapping = mapping.map_err(|misfit| match &misfit {
        Misfit::Computed(column) => {
            let what = format!(
                "name the columns to load, as in COPY {} ({}, …) FROM, or add \
                 WITH (ignore_extra = true)",
                shape.table.name,
                shape.names.first().map_or("id", String::as_str),
            );
            Error::computed(column, &shape.table.name).at(place).hint(what)
        }
        _ => misfit_error(&misfit, &path, &shape, reader.columns()),
    })?;
    let unnamed = reader.columns().is_empty();
    let load = Load {
        names: reader.columns().to_vec(),
        shape: Arc::clone(&shape),
        mapping,
        unnamed,
        path: &path,
        list_delimiter: read.list_delimiter,
        existing,
        skip,
        now,
    };
    let (loaded, problems) = load.run(session, reader, &meter)?;
    Ok(outcome(loaded, problems, &path))
}

/// Whether the first line names the columns. PostgreSQL's `HEADER MATCH` says no more than TRUE
/// does here: names are always looked at.
pub(crate) fn header(options: &mut Options<'_>, default: bool) -> Result<bool> {
    match options.value("header")? {
        Some((Value::Text(word), _)) if word.eq_ignore_ascii_case("match") => Ok(true),
        Some((value, place)) => super::options::truth("header", &value, place),
        None => Ok(default),
    }
}

/// PostgreSQL's options that have one value here.
pub(crate) fn plain_quotes(options: &mut Options<'_>) -> Result<()> {
    for name in ["quote", "escape"] {
        if let Some((given, place)) = options.text(name)?
            && given != "\""
        {
            return Err(Error::option_value(name, "'\"'").at(place));
        }
    }
    if let Some((given, place)) = options.text("encoding")?
        && !given.replace('-', "").eq_ignore_ascii_case("utf8")
    {
        return Err(Error::option_value("encoding", "'UTF8'").at(place));
    }
    Ok(())
}

/// The path of a file, as a constant or a parameter.
pub(crate) fn file(path: &Operand, given: Given<'_>) -> Result<PathBuf> {
    match literal::operand(path, given) {
        Some(Cell::Value(Value::Text(text))) if !text.is_empty() => Ok(PathBuf::from(text)),
        _ => Err(Error::wrong_type("expected the path of a file as a text", "something else")
            .at(path.span)),
    }
}

fn outcome(loaded: u64, problems: Problems, path: &Path) -> Outcome {
    let mut outcome = Outcome::changed("COPY", loaded);
    if problems.count > 0 {
        let records = if problems.count == 1 { "record" } else { "records" };
        let skipped = problems.count;
        outcome = outcome.notice(format!("{skipped} {records} skipped in {}", path.display()));
        for fault in problems.first {
            outcome = outcome.notice(shown(&fault));
        }
    }
    outcome
}

fn shown(fault: &Fault) -> String {
    match &fault.column {
        Some(column) => format!("line {}, column `{column}`: {}", fault.line, fault.what),
        None => format!("line {}: {}", fault.line, fault.what),
    }
}

/// Records that were passed over.
#[derive(Default)]
struct Problems {
    count: u64,
    first: Vec<Fault>,
}

impl Problems {
    /// Passes a fault over, or makes an error of it.
    fn take(&mut self, fault: Fault, skip: bool, path: &Path) -> Result<()> {
        if !skip || fault.is_fatal() {
            return Err(Error::file_record(path, &fault));
        }
        self.count += 1;
        if self.first.len() < SHOWN {
            self.first.push(fault);
        }
        Ok(())
    }
}

/// Loading records into a table.
struct Load<'a> {
    /// The names of the file's fields.
    names: Vec<String>,
    shape: Arc<Shape>,
    mapping: Mapping,
    unnamed: bool,
    path: &'a Path,
    list_delimiter: String,
    existing: OnExisting,
    skip: bool,
    now: i64,
}

/// One record as cells, ready for the writer.
struct Fitted {
    line: u64,
    cells: Vec<Cell>,
}

type Block = Vec<std::result::Result<Fitted, Fault>>;

impl Load<'_> {
    fn run(
        &self,
        session: &mut Session,
        reader: Box<dyn Reader>,
        meter: &Meter,
    ) -> Result<(u64, Problems)> {
        let planner = session.sql().planner().clone();
        let work = session.work();
        let given = Given { params: &[], now: self.now };
        let make = |column: usize| insert::default(&planner, &self.shape, column, given);
        let targets: Vec<usize> = self.targets().map(|(column, _)| column).collect();
        let mut loaded = 0;
        let mut problems = Problems::default();
        session.write(|txn| {
            let shape = Arc::clone(&self.shape);
            let mut writer = RowWriter::new(shape, targets, self.existing, &make);
            thread::scope(|scope| {
                // One thread reads and fits, this one writes: neither waits for the other's work.
                let (sender, receiver) = sync_channel::<Block>(BLOCKS_AHEAD);
                scope.spawn(move || self.read(reader, &sender));
                self.write(txn, &mut writer, &receiver, &mut problems, &mut loaded, &|done| {
                    let note = format!("{done} rows");
                    work.check()?;
                    work.progress.report("copy", meter.read(), meter.size(), &note);
                    Ok(())
                })
            })
        })?;
        Ok((loaded, problems))
    }

    /// The columns that the file fills, with the fields they come from.
    fn targets(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let fields = self.mapping.fields.iter().enumerate();
        fields.filter_map(|(column, field)| field.map(|field| (column, field)))
    }

    fn read(&self, mut reader: Box<dyn Reader>, sender: &std::sync::mpsc::SyncSender<Block>) {
        let mut record = Record::default();
        let mut block = Block::with_capacity(BLOCK);
        let mut first = true;
        loop {
            match reader.next(&mut record) {
                Ok(false) => break,
                Ok(true) => {
                    let count = match first && self.unnamed {
                        true => self.mapping.check_count(record.len()),
                        false => Ok(()),
                    };
                    first = false;
                    block.push(match count {
                        Ok(()) => self.fit(&record),
                        Err(misfit) => Err(Fault::fatal(record.line, describe(&misfit, &record))),
                    });
                }
                Err(fault) => {
                    let fatal = fault.is_fatal();
                    block.push(Err(fault));
                    if fatal {
                        break;
                    }
                }
            }
            if block.len() == BLOCK {
                let full = std::mem::replace(&mut block, Block::with_capacity(BLOCK));
                // The writer is gone after an error: there is nothing left to do.
                if sender.send(full).is_err() {
                    return;
                }
            }
        }
        let _ = sender.send(block);
    }

    fn fit(&self, record: &Record) -> std::result::Result<Fitted, Fault> {
        let mut cells = Vec::with_capacity(self.shape.fields.len());
        for (column, at) in self.targets() {
            let raw = record.get(at);
            let cell = match (self.shape.fields[column], raw) {
                // Keys are made canonical by the writer.
                (Field::Key(_) | Field::User(_) | Field::Item(_), Raw::Text(text)) => {
                    Ok(Cell::Value(Value::Text(text.to_owned())))
                }
                (Field::Key(_) | Field::User(_) | Field::Item(_), Raw::Cell(cell)) => {
                    Ok(cell.clone())
                }
                (field, raw) => field::read(raw, field.column_type(), &self.list_delimiter),
            };
            match cell {
                Ok(cell) => cells.push(cell),
                Err(what) => {
                    return Err(Fault::new(record.line, Some(self.name(column, at)), what));
                }
            }
        }
        Ok(Fitted { line: record.line, cells })
    }

    fn name(&self, column: usize, field: usize) -> &str {
        self.names.get(field).unwrap_or(&self.shape.names[column])
    }

    fn write(
        &self,
        txn: &mut WriteTxn,
        writer: &mut RowWriter<'_>,
        blocks: &Receiver<Block>,
        problems: &mut Problems,
        loaded: &mut u64,
        report: &dyn Fn(u64) -> Result<()>,
    ) -> Result<()> {
        let mut seen = 0;
        for block in blocks {
            for record in block {
                let fault = match record {
                    Err(fault) => fault,
                    Ok(mut fitted) => match writer.put(txn, &mut fitted.cells) {
                        Ok(super::writer::Written::Exists(_)) => continue,
                        Ok(_) => {
                            *loaded += 1;
                            continue;
                        }
                        Err(super::writer::RowFault::Storage(error))
                            if !super::failure::is_about_a_value(&error) =>
                        {
                            return Err(error.into());
                        }
                        Err(fault) => {
                            let column = fault.column(&self.shape).map(|column| {
                                let field = self.mapping.fields[column].unwrap_or(usize::MAX);
                                self.name(column, field)
                            });
                            Fault::new(fitted.line, column, fault.what(&self.shape))
                        }
                    },
                };
                problems.take(fault, self.skip, self.path)?;
            }
            seen += BLOCK as u64;
            if seen % REPORT == 0 {
                report(*loaded)?;
            }
        }
        report(*loaded)
    }
}

fn describe(misfit: &Misfit, record: &Record) -> String {
    match misfit {
        Misfit::Count { expected } => {
            format!("expected {expected} fields, one for each column, found {}", record.len())
        }
        _ => "the file does not fit the table".to_owned(),
    }
}

fn misfit_error(misfit: &Misfit, path: &Path, shape: &Shape, names: &[String]) -> Error {
    let table = &shape.table.name;
    let list = |names: &[String]| {
        names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    };
    let what = match misfit {
        Misfit::Extra(extra) => format!(
            "table `{table}` has no column for {}; name the columns to load, as in \
             COPY {table} ({}, …) FROM, or add WITH (ignore_extra = true)",
            list(extra),
            shape.names.first().map_or("id", String::as_str),
        ),
        Misfit::Absent(column) => {
            format!("the file has no field for column `{column}`; it has {}", list(names))
        }
        Misfit::Computed(column) => format!("column `{column}` is computed by the database"),
        Misfit::Twice(column) => format!("two fields would go into column `{column}`"),
        Misfit::Count { expected } => format!("expected {expected} fields"),
    };
    Error::file_columns(path, &what)
}

/// COPY of an array of vectors: row k belongs to the k-th id of another file.
struct Vectors<'a> {
    copy: &'a CopyFrom,
    shape: Arc<Shape>,
    wanted: Option<Vec<usize>>,
    path: PathBuf,
    ids: Option<(String, Span)>,
    id_column: Option<(String, Span)>,
    skip: bool,
}

impl Vectors<'_> {
    fn run(&self, session: &mut Session) -> Result<Outcome> {
        let shape = &self.shape;
        let key = shape.fields.iter().find_map(|field| match field {
            Field::Key(ty) => Some(*ty),
            _ => None,
        });
        let Some(key) = key else {
            return Err(Error::wrong_role(&shape.table.name, "a table of users or items")
                .at(self.copy.table.span));
        };
        let vectors = || {
            let fields = shape.fields.iter().enumerate();
            fields
                .filter(|(at, field)| {
                    matches!(field, Field::Embedding(..)) && !shape.is_computed(*at)
                })
                .map(|(at, _)| at)
        };
        let column = match self.wanted.as_deref() {
            Some([column]) => *column,
            Some(_) => {
                let what = "an array of vectors fills one column: COPY t (column) FROM";
                return Err(Error::bad_copy(what).at(self.copy.from.span()));
            }
            None => match vectors().collect::<Vec<_>>().as_slice() {
                [only] => *only,
                _ => {
                    let what = "name the column to fill: COPY t (column) FROM";
                    return Err(Error::bad_copy(what).at(self.copy.from.span()));
                }
            },
        };
        let Field::Embedding(id, dim, _) = shape.fields[column] else {
            let what = format!("column `{}` does not hold vectors", shape.names[column]);
            return Err(Error::bad_copy(&what).at(self.copy.from.span()));
        };
        let Some((ids, _)) = &self.ids else {
            let what = "which row belongs to which id? Add WITH (ids = 'items.csv')";
            return Err(Error::bad_copy(what).at(self.copy.from.span()));
        };
        let meter = Meter::default();
        let mut array = NpyReader::open(&self.path, &meter)?;
        if array.dim != dim as usize {
            let name = &shape.names[column];
            let found = array.dim;
            let what =
                format!("column `{name}` holds vectors of {dim} numbers, the array has {found}");
            return Err(Error::array_shape(&self.path, &what));
        }
        let ids_path = PathBuf::from(ids);
        let (mut keys, field) = self.keys(&ids_path)?;
        let work = session.work();
        let mut loaded = 0;
        let mut problems = Problems::default();
        session.write(|txn| {
            let mut record = Record::default();
            let mut vector = Vec::with_capacity(array.dim);
            let mut rows = 0u64;
            loop {
                let row = array.next(&mut vector);
                let row = row.map_err(|fault| Error::file_record(&self.path, &fault))?;
                let named = keys.next(&mut record);
                let named = named.map_err(|fault| Error::file_record(&ids_path, &fault))?;
                match (row, named) {
                    (false, false) => break,
                    (true, true) => {}
                    _ => {
                        let more = if row { "fewer" } else { "more" };
                        let what = format!(
                            "it names {more} ids than {} has rows ({})",
                            self.path.display(),
                            array.rows
                        );
                        return Err(Error::array_shape(&ids_path, &what));
                    }
                }
                rows += 1;
                if let Err((fault, place)) =
                    put(txn, shape, key, column, id, record.get(field), record.line, &vector, rows)?
                {
                    let path = if place == At::Ids { &ids_path } else { &self.path };
                    problems.take(fault, self.skip, path)?;
                    continue;
                }
                loaded += 1;
                if rows.is_multiple_of(1024) {
                    work.check()?;
                    let note = format!("{rows} vectors");
                    work.progress.report("copy", rows, array.rows, &note);
                }
            }
            Ok(())
        })?;
        Ok(outcome(loaded, problems, &self.path))
    }

    /// The file of ids, and which of its fields holds them.
    fn keys(&self, path: &Path) -> Result<(Box<dyn Reader>, usize)> {
        let shape = &self.shape;
        let format = Format::of_path(path).unwrap_or(Format::Csv);
        let meter = Meter::default();
        let reader = open(path, format, &ReadOptions::for_path(path), shape.table.role, &meter)?;
        let names = reader.columns();
        let field = match &self.id_column {
            Some((name, place)) => {
                let at = names.iter().position(|known| known.eq_ignore_ascii_case(name));
                let known = names.iter().map(String::as_str).collect();
                let file = path.display().to_string();
                at.ok_or_else(|| Error::no_such_column(name, &file, known).at(*place))?
            }
            // The field that a COPY of the file itself would take for the key; else the first.
            None => Mapping::new(shape, names, None, Extra::Ignore)
                .ok()
                .and_then(|mapping| {
                    let key = |field: &Field| matches!(field, Field::Key(_));
                    mapping.fields[shape.fields.iter().position(key)?]
                })
                .unwrap_or(0),
        };
        Ok((reader, field))
    }
}

/// Which of the two files a fault is in.
#[derive(PartialEq, Eq)]
enum At {
    Ids,
    Array,
}

#[expect(clippy::too_many_arguments, reason = "one row of two files and where it goes")]
fn put(
    txn: &mut WriteTxn,
    shape: &Shape,
    key: KeyType,
    column: usize,
    id: crate::storage::ColumnId,
    raw: Raw<'_>,
    line: u64,
    vector: &[f32],
    row: u64,
) -> Result<std::result::Result<(), (Fault, At)>> {
    let table = shape.table.id;
    let mut scratch = String::new();
    let wrong = |what: String| Ok(Err((Fault::new(line, None, what), At::Ids)));
    let key = match field::key(raw, &mut scratch) {
        Ok(Some(text)) => {
            let cell = Cell::Value(Value::Text(text.to_owned()));
            match super::writer::canonical(cell, key, column) {
                Ok(key) => key,
                Err(fault) => return wrong(fault.what(shape)),
            }
        }
        Ok(None) => return wrong("the id is missing".to_owned()),
        Err(what) => return wrong(what),
    };
    let Some(entity) = txn.lookup(table, &key)? else {
        return wrong(format!("no row `{key}` in table `{}`", shape.table.name));
    };
    if let Field::Embedding(_, dim, element) = shape.fields[column]
        && let Some(unfit) = misfit(vector, dim, element)
    {
        let name = Some(shape.names[column].as_str());
        return Ok(Err((Fault::new(row, name, unfit.message("")), At::Array)));
    }
    txn.put_embedding(table, id, entity, vector)?;
    Ok(Ok(()))
}
