//! Parquet, read batch by batch.

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::input::open_file;
use super::{Fault, Meter, Reader, Record};
use crate::batch::Cell;
use crate::error::{Error, Result};

/// A reader of Parquet files.
pub(crate) struct ParquetReader {
    reader: ParquetRecordBatchReader,
    columns: Vec<String>,
    batch: Option<RecordBatch>,
    at: usize,
    row: u64,
    rows: u64,
    meter: Meter,
}

impl ParquetReader {
    /// Reads the footer.
    pub(crate) fn open(path: &Path, meter: &Meter) -> Result<ParquetReader> {
        let wrong = |cause: parquet::errors::ParquetError| {
            Error::file_record(path, &Fault::fatal(0, format!("not a Parquet file: {cause}")))
        };
        let file = open_file(path)?;
        meter.set_size(file.metadata().map(|m| m.len()).unwrap_or(0));
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(wrong)?;
        let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
        let names = builder.schema().fields().iter().map(|field| field.name().clone());
        let columns = names.collect();
        let reader = builder.with_batch_size(8192).build().map_err(wrong)?;
        let meter = meter.clone();
        Ok(ParquetReader { reader, columns, batch: None, at: 0, row: 0, rows, meter })
    }
}

impl Reader for ParquetReader {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn next(&mut self, record: &mut Record) -> Result<bool, Fault> {
        let batch = loop {
            match &self.batch {
                Some(batch) if self.at < batch.num_rows() => break batch,
                _ => match self.reader.next() {
                    None => return Ok(false),
                    Some(Err(cause)) => return Err(Fault::fatal(self.row + 1, cause.to_string())),
                    Some(Ok(batch)) => {
                        // Rows stand for bytes: a column store has no place in the file per row.
                        let share = batch.num_rows() as u64 * self.meter.size();
                        self.meter.add(share / self.rows.max(1));
                        self.batch = Some(batch);
                        self.at = 0;
                    }
                },
            }
        };
        self.row += 1;
        record.start(self.row);
        for (column, name) in batch.columns().iter().zip(&self.columns) {
            match Cell::read(Arc::as_ref(column), self.at) {
                Some(Cell::Value(crate::storage::Value::Null)) => record.push_missing(),
                Some(cell) => record.push_cell(cell),
                None => {
                    self.at += 1;
                    let what = format!("a value of type {} fits no column", column.data_type());
                    return Err(Fault::new(self.row, Some(name), what));
                }
            }
        }
        self.at += 1;
        Ok(true)
    }
}
