//! What a text embedding is, and what was last made of it: a small record beside the rows.
//!
//! Its name is that of its column, so renaming the column renames it. The terms and the projection
//! are an artifact of the record's name.

use tastedb_storage::{ColumnId, Read, TableId};

use crate::error::{Error, Result};
use crate::options::ModelOptions;
use crate::registry::{Fields, option_value};

const RECORDS: &str = "embedding/";

/// A vector column of an item table whose values the database computes from text.
#[derive(Clone, Debug, PartialEq)]
pub struct TextEmbedding {
    /// The item table.
    pub table: TableId,
    /// The vector column; its name is the embedding's.
    pub column: ColumnId,
    /// The columns of text, in the order given.
    pub sources: Vec<ColumnId>,
    /// How the vectors are made.
    pub method: String,
    /// The options given.
    pub options: ModelOptions,
    /// The statement that created it, as written.
    pub statement: String,
    /// Terms that count.
    pub terms: u64,
    /// Rows that it was made of.
    pub rows: u64,
    /// The size of terms and projection, in bytes.
    pub bytes: u64,
    /// The part of the weighted terms' variation that the dimensions keep, 0 to 1.
    pub explained: f64,
    /// Seconds that it took to make.
    pub seconds: f64,
    /// Tells one content of the artifact from another.
    pub(super) stamp: u64,
}

/// The name of the record and the artifact of a column.
pub(super) fn record(table: TableId, column: ColumnId) -> String {
    format!("{}{column}", prefix(table))
}

fn prefix(table: TableId) -> String {
    format!("{RECORDS}{table}/")
}

/// Every embedding, or those of one table.
pub(super) fn all(read: &dyn Read, table: Option<TableId>) -> Result<Vec<TextEmbedding>> {
    let prefix = table.map_or_else(|| RECORDS.to_owned(), prefix);
    let records = read.records(&prefix)?;
    records.iter().map(|(record, bytes)| TextEmbedding::decode(record, bytes)).collect()
}

impl TextEmbedding {
    pub(super) fn record(&self) -> String {
        record(self.table, self.column)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let sources: Vec<String> = self.sources.iter().map(ToString::to_string).collect();
        let mut fields = Fields::new();
        fields
            .set("table", self.table)
            .set("column", self.column)
            .set("sources", sources.join(" "))
            .set("method", &self.method)
            .set("statement", &self.statement)
            .set("terms", self.terms)
            .set("rows", self.rows)
            .set("bytes", self.bytes)
            .set("explained", self.explained)
            .set("seconds", self.seconds)
            .set("stamp", self.stamp);
        for (name, value) in self.options.iter() {
            fields.set(&format!("option.{name}"), value);
        }
        fields.encode()
    }

    fn decode(record: &str, bytes: &[u8]) -> Result<TextEmbedding> {
        let fields = Fields::decode(record, bytes)?;
        let sources = fields.text(record, "sources")?.split(' ').map(str::parse);
        let sources = sources.map(|id| id.map(ColumnId).ok()).collect::<Option<Vec<_>>>();
        let mut options = ModelOptions::new();
        for (name, value) in fields.with_prefix("option.") {
            options.set(name, option_value(value));
        }
        Ok(TextEmbedding {
            table: TableId(fields.number(record, "table")?),
            column: ColumnId(fields.number(record, "column")?),
            sources: sources.ok_or_else(|| Error::CorruptRecord {
                record: record.to_owned(),
                what: "its sources are no columns".to_owned(),
            })?,
            method: fields.text(record, "method")?.to_owned(),
            options,
            statement: fields.text(record, "statement")?.to_owned(),
            terms: fields.number(record, "terms")?,
            rows: fields.number(record, "rows")?,
            bytes: fields.number(record, "bytes")?,
            explained: fields.number(record, "explained")?,
            seconds: fields.number(record, "seconds")?,
            stamp: fields.number(record, "stamp")?,
        })
    }
}
