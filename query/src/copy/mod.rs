//! Files in and out: readers that yield records of named fields, and writers of record batches.
//!
//! A reader knows its format and nothing of tables; [`mapping`] pairs its fields with a table's
//! columns and [`field`] fits them. Files are read as they stream by, never whole, but for
//! Parquet, which is read one row group at a time.

mod csv;
pub(crate) mod field;
mod format;
mod input;
mod jsonl;
pub(crate) mod mapping;
mod movielens;
pub(crate) mod npy;
mod parquet;
mod recbole;
mod record;
mod text;
pub(crate) mod write;

use std::io::Read;
use std::path::Path;

pub(crate) use format::{FORMATS, Format, ReadOptions, ending};
pub(crate) use input::{Input, Meter};
pub(crate) use record::{Fault, Raw, Reader, Record, Spoils};

use crate::error::{Error, Result};
use crate::storage::Role;

/// Opens a file of records.
pub(crate) fn open(
    path: &Path,
    format: Format,
    options: &ReadOptions,
    role: Role,
    meter: &Meter,
) -> Result<Box<dyn Reader>> {
    let input = || Input::open(path, meter);
    Ok(match format {
        Format::Csv => Box::new(csv::CsvReader::open(input()?, path, options)?),
        Format::JsonLines => Box::new(jsonl::JsonReader::open(input()?, path)?),
        Format::Parquet => Box::new(parquet::ParquetReader::open(path, meter)?),
        Format::MovieLens => Box::new(movielens::MovieLensReader::open(input()?, path, role)?),
        Format::RecBole => Box::new(recbole::RecBoleReader::open(input()?, path)?),
        Format::Text => Box::new(text::TextReader::open(input()?, path, options)?),
    })
}

/// Reads records that come by themselves; `name` is what errors call them.
pub(crate) fn open_stream(
    stream: Box<dyn Read + Send>,
    name: &Path,
    format: Format,
    options: &ReadOptions,
) -> Result<Box<dyn Reader>> {
    let input = Input::stream(stream);
    Ok(match format {
        Format::Csv => Box::new(csv::CsvReader::open(input, name, options)?),
        Format::JsonLines => Box::new(jsonl::JsonReader::open(input, name)?),
        Format::Text => Box::new(text::TextReader::open(input, name, options)?),
        Format::Parquet | Format::MovieLens | Format::RecBole => {
            return Err(Error::not_supported("this format FROM STDIN; text, csv and jsonl are"));
        }
    })
}
