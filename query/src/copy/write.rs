//! Record batches into files: CSV, JSON lines, Parquet.
//!
//! A file is written under a temporary name next to its own and renamed when it is whole, so that
//! an error or a crash leaves no half file and never destroys an older one.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, ListArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression as ParquetCompression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::{Map, Value as Json};

use super::Format;
use crate::batch::Cell;
use crate::error::{Error, Result};
use crate::storage::Value;

/// How a text file is written.
#[derive(Clone, Debug)]
pub(crate) struct WriteOptions {
    /// Whether the first line names the columns.
    pub(crate) header: bool,
    /// What stands between fields.
    pub(crate) delimiter: u8,
    /// What stands between the items of a list.
    pub(crate) list_delimiter: String,
    /// Whether to pack the file.
    pub(crate) gzip: bool,
}

/// A file that is being written.
pub(crate) struct Writer {
    path: PathBuf,
    draft: PathBuf,
    sink: Option<Sink>,
    rows: u64,
}

#[expect(clippy::large_enum_variant, reason = "one per file")]
enum Sink {
    Csv(Box<csv::Writer<Output>>, WriteOptions),
    Json(Output),
    Parquet(Box<ArrowWriter<File>>),
}

#[expect(clippy::large_enum_variant, reason = "one per file")]
enum Output {
    Plain(BufWriter<File>),
    Packed(GzEncoder<BufWriter<File>>),
}

impl Writer {
    /// Begins a file.
    pub(crate) fn create(
        path: &Path,
        format: Format,
        options: &WriteOptions,
        schema: &SchemaRef,
    ) -> Result<Writer> {
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(".part");
        let draft = path.with_file_name(name);
        let file =
            File::create(&draft).map_err(|source| Error::file_write(path, "create", source))?;
        let output = |file: File| {
            let file = BufWriter::with_capacity(1 << 16, file);
            if options.gzip {
                Output::Packed(GzEncoder::new(file, Compression::default()))
            } else {
                Output::Plain(file)
            }
        };
        let mut writer = Writer { path: path.to_owned(), draft, sink: None, rows: 0 };
        writer.sink = Some(match format {
            Format::Csv => {
                let mut csv = csv::WriterBuilder::new()
                    .delimiter(options.delimiter)
                    .from_writer(output(file));
                if options.header {
                    let names = schema.fields().iter().map(|field| field.name());
                    csv.write_record(names).map_err(|cause| writer.csv_error(cause))?;
                }
                Sink::Csv(Box::new(csv), options.clone())
            }
            Format::JsonLines => Sink::Json(output(file)),
            Format::Parquet => {
                let zstd = ParquetCompression::ZSTD(ZstdLevel::default());
                let properties = WriterProperties::builder().set_compression(zstd).build();
                let parquet = ArrowWriter::try_new(file, Arc::clone(schema), Some(properties))
                    .map_err(|cause| writer.parquet_error(&cause))?;
                Sink::Parquet(Box::new(parquet))
            }
            Format::MovieLens | Format::RecBole | Format::Text => {
                return Err(Error::not_supported("writing files of this format"));
            }
        });
        Ok(writer)
    }

    /// Appends rows.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        let Some(mut sink) = self.sink.take() else { return Ok(()) };
        let written = match &mut sink {
            Sink::Csv(csv, options) => self.write_csv(csv, options, batch),
            Sink::Json(output) => self.write_json(output, batch),
            Sink::Parquet(parquet) => {
                parquet.write(batch).map_err(|cause| self.parquet_error(&cause))
            }
        };
        self.sink = Some(sink);
        written
    }

    /// Ends the file: it now has its name and is on disk. Returns the number of rows.
    pub(crate) fn finish(mut self) -> Result<u64> {
        let io = |source| Error::file_write(&self.path, "write", source);
        let file = match self.sink.take() {
            None => return Ok(self.rows),
            Some(Sink::Csv(csv, _)) => {
                csv.into_inner().map_err(|cause| io(cause.into_error()))?.into_file().map_err(io)?
            }
            Some(Sink::Json(output)) => output.into_file().map_err(io)?,
            Some(Sink::Parquet(parquet)) => {
                parquet.into_inner().map_err(|cause| self.parquet_error(&cause))?
            }
        };
        file.sync_all().map_err(io)?;
        fs::rename(&self.draft, &self.path).map_err(io)?;
        Ok(self.rows)
    }

    fn write_csv(
        &self,
        csv: &mut csv::Writer<Output>,
        options: &WriteOptions,
        batch: &RecordBatch,
    ) -> Result<()> {
        let format = FormatOptions::default();
        let columns: Vec<ArrayRef> =
            batch.columns().iter().map(|column| flat(column, &options.list_delimiter)).collect();
        let formatters = columns
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &format))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|cause| Error::internal(cause.to_string()))?;
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            for (column, formatter) in columns.iter().zip(&formatters) {
                text.clear();
                if !column.is_null(row) {
                    formatter
                        .value(row)
                        .write(&mut text)
                        .map_err(|cause| Error::internal(cause.to_string()))?;
                }
                csv.write_field(&text).map_err(|cause| self.csv_error(cause))?;
            }
            csv.write_record(None::<&[u8]>).map_err(|cause| self.csv_error(cause))?;
        }
        Ok(())
    }

    fn write_json(&self, output: &mut Output, batch: &RecordBatch) -> Result<()> {
        let io = |source| Error::file_write(&self.path, "write", source);
        let schema = batch.schema();
        for row in 0..batch.num_rows() {
            let mut object = Map::new();
            for (field, column) in schema.fields().iter().zip(batch.columns()) {
                object.insert(field.name().clone(), json(column.as_ref(), row));
            }
            let line = Json::Object(object).to_string();
            output.write_all(line.as_bytes()).map_err(io)?;
            output.write_all(b"\n").map_err(io)?;
        }
        Ok(())
    }

    fn csv_error(&self, cause: csv::Error) -> Error {
        let source = match cause.into_kind() {
            csv::ErrorKind::Io(source) => source,
            other => std::io::Error::other(format!("{other:?}")),
        };
        Error::file_write(&self.path, "write", source)
    }

    fn parquet_error(&self, cause: &parquet::errors::ParquetError) -> Error {
        Error::file_write(&self.path, "write", std::io::Error::other(cause.to_string()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // After `finish` the draft has been renamed, and there is nothing to remove.
        let _ = fs::remove_file(&self.draft);
    }
}

/// One value as JSON: numbers and lists as such, times as text.
pub(crate) fn json(column: &dyn Array, row: usize) -> Json {
    let number = |value: f64| serde_json::Number::from_f64(value).map_or(Json::Null, Json::Number);
    match Cell::read(column, row) {
        Some(Cell::Vector(vector)) => {
            // The shortest decimal of a float, not the longer one of its double.
            let numbers = vector.iter().map(|value| value.to_string().parse().map_or(0.0, |v| v));
            Json::Array(numbers.map(number).collect())
        }
        Some(Cell::Value(value)) => match value {
            Value::Null => Json::Null,
            Value::Bool(v) => Json::Bool(v),
            Value::Int(v) => Json::from(v),
            Value::Real(v) if column.data_type() == &DataType::Float32 => {
                number((v as f32).to_string().parse().unwrap_or(v))
            }
            Value::Real(v) => number(v),
            Value::Text(v) => Json::String(v),
            Value::TextList(v) => Json::Array(v.into_iter().map(Json::String).collect()),
            Value::Date(_) | Value::Timestamp(_) => Json::String(shown(column, row)),
        },
        None => Json::String(shown(column, row)),
    }
}

fn shown(column: &dyn Array, row: usize) -> String {
    ArrayFormatter::try_new(column, &FormatOptions::default())
        .map(|formatter| formatter.value(row).to_string())
        .unwrap_or_default()
}

/// Lists as text: of texts with the delimiter between, of numbers in brackets.
fn flat(column: &ArrayRef, list_delimiter: &str) -> ArrayRef {
    let Some(lists) = column.as_any().downcast_ref::<ListArray>() else {
        return Arc::clone(column);
    };
    let texts = (0..lists.len()).map(|row| {
        if lists.is_null(row) {
            return None;
        }
        match Cell::read(lists, row) {
            Some(Cell::Value(Value::TextList(items))) => Some(items.join(list_delimiter)),
            Some(Cell::Vector(vector)) => {
                let numbers: Vec<String> = vector.iter().map(f32::to_string).collect();
                Some(format!("[{}]", numbers.join(",")))
            }
            _ => Some(shown(lists, row)),
        }
    });
    Arc::new(texts.collect::<datafusion::arrow::array::StringArray>())
}

impl Output {
    fn into_file(self) -> std::io::Result<File> {
        match self {
            Output::Plain(mut file) => {
                file.flush()?;
                file.into_inner().map_err(std::io::IntoInnerError::into_error)
            }
            Output::Packed(packed) => {
                packed.finish()?.into_inner().map_err(std::io::IntoInnerError::into_error)
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Output::Plain(file) => file.write(bytes),
            Output::Packed(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Output::Plain(file) => file.flush(),
            Output::Packed(file) => file.flush(),
        }
    }
}
