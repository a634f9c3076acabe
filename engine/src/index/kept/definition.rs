//! What an index of a database is, and what was last built of it: a small record beside the rows.
//!
//! The file is an artifact that can be made again (`derived/index/<table>/<column>`, and beneath that
//! `/<metric>` where it is not of cosines), one for each column and metric.

use tastedb_storage::{ColumnId, Read, TableId};

use super::super::vector_index::HNSW;
use super::super::{IndexOptions, VectorIndex};
use crate::error::{Error, Result};
use crate::options::{Checked, ModelOptions, OptionKind, OptionSpec};
use crate::registry::{Existing, Fields};
use crate::similarity::Similarity;

pub(super) const RECORDS: &str = "index/";

/// What an index understands.
const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "m",
        kind: OptionKind::Int { default: 16, min: 4, max: 128 },
        help: "links of an item in each layer of the graph; twice as many in the lowest",
    },
    OptionSpec {
        name: "ef_construction",
        kind: OptionKind::Int { default: 200, min: 4, max: 4096 },
        help: "how many near items a new one looks at; at least m",
    },
    OptionSpec {
        name: "ef",
        kind: OptionKind::Int { default: 64, min: 1, max: 4096 },
        help: "how many near items a question looks at, unless it asks for more rows",
    },
    OptionSpec {
        name: "metric",
        kind: OptionKind::Choice(&Similarity::NAMES),
        help: "what is near",
    },
    OptionSpec {
        name: "seed",
        kind: OptionKind::Int { default: 0, min: i64::MIN, max: i64::MAX },
        help: "which items are in the upper layers",
    },
];

/// An index to create.
#[derive(Clone, Debug)]
pub struct NewIndex {
    /// Its name.
    pub name: String,
    /// The table of items.
    pub table: String,
    /// The vector column.
    pub column: String,
    /// How it is built; `None` stands for `hnsw`.
    pub method: Option<String>,
    /// The settings of `WITH`.
    pub options: ModelOptions,
    /// What to do where there is an index of that name.
    pub existing: Existing,
}

impl NewIndex {
    /// The settings, if the method is known and the options will do.
    pub(super) fn settings(&self) -> Result<IndexOptions> {
        let method = self.method.as_deref().unwrap_or(HNSW);
        if !method.eq_ignore_ascii_case(HNSW) {
            return Err(Error::NoSuchAlgorithm { name: method.to_owned(), known: vec![HNSW] });
        }
        let checked = Checked::new(HNSW, OPTIONS, &self.options)?;
        let settings = IndexOptions {
            m: checked.int("m") as usize,
            ef_construction: checked.int("ef_construction") as usize,
            ef: checked.int("ef") as usize,
            seed: checked.int("seed") as u64,
            metric: Similarity::named(checked.text("metric")).unwrap_or_default(),
        };
        settings.check()?;
        Ok(settings)
    }
}

/// What an index is.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexDefinition {
    /// Its name.
    pub name: String,
    /// The table of items.
    pub table: TableId,
    /// The vector column.
    pub column: ColumnId,
    /// How it is built and asked.
    pub options: IndexOptions,
    /// The generation in which it was created.
    pub created: u64,
    /// What was last built; `None`: nothing yet.
    pub built: Option<Built>,
}

/// A file that was built.
#[derive(Clone, Debug, PartialEq)]
pub struct Built {
    /// The generation whose embeddings it is of.
    pub generation: u64,
    /// How many items it is of.
    pub items: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// The part of the ten nearest that a walk finds, over a sample of the items.
    pub recall: f64,
    /// Seconds that building took.
    pub seconds: f64,
}

/// The name of the file of a column's index of a metric.
pub(crate) fn artifact(table: TableId, column: ColumnId, metric: Similarity) -> String {
    let name = format!("{}index/{table}/{column}", tastedb_storage::DERIVED);
    match metric {
        Similarity::Cosine => name,
        Similarity::L2 | Similarity::InnerProduct => format!("{name}/{metric}"),
    }
}

/// Every index, by name.
pub(super) fn all(read: &dyn Read) -> Result<Vec<IndexDefinition>> {
    let records = read.records(RECORDS)?;
    records.iter().map(|(record, bytes)| IndexDefinition::decode(record, bytes)).collect()
}

/// One index.
pub(super) fn find(read: &dyn Read, name: &str) -> Result<Option<IndexDefinition>> {
    let record = record(name);
    read.record(&record)?.map(|bytes| IndexDefinition::decode(&record, &bytes)).transpose()
}

/// The record of an index.
pub(super) fn record(name: &str) -> String {
    format!("{RECORDS}{name}")
}

impl Built {
    pub(super) fn of(index: &VectorIndex, generation: u64, recall: f64, seconds: f64) -> Built {
        Built { generation, items: index.len() as u64, bytes: 0, recall, seconds }
    }

    pub(super) fn encode(&self, fields: &mut Fields) {
        fields
            .set("built", self.generation)
            .set("items", self.items)
            .set("bytes", self.bytes)
            .set("recall", self.recall)
            .set("seconds", self.seconds);
    }

    /// What a record says, if anything was built.
    pub(super) fn decode(record: &str, fields: &Fields) -> Result<Option<Built>> {
        if fields.get("built").is_none() {
            return Ok(None);
        }
        Ok(Some(Built {
            generation: fields.number(record, "built")?,
            items: fields.number(record, "items")?,
            bytes: fields.number(record, "bytes")?,
            recall: fields.number(record, "recall")?,
            seconds: fields.number(record, "seconds")?,
        }))
    }
}

impl IndexDefinition {
    /// The options that differ from what they are where they are not given, as they are written.
    pub fn given(&self) -> impl Iterator<Item = String> {
        let (own, usual) = (self.options, IndexOptions::default());
        let size = |name, own: usize, usual| (own != usual).then(|| format!("{name} = {own}"));
        let seed = (own.seed != usual.seed).then(|| format!("seed = {}", own.seed as i64));
        [
            size("m", own.m, usual.m),
            size("ef_construction", own.ef_construction, usual.ef_construction),
            size("ef", own.ef, usual.ef),
            (own.metric != usual.metric).then(|| format!("metric = '{}'", own.metric)),
            seed,
        ]
        .into_iter()
        .flatten()
    }

    pub(super) fn artifact(&self) -> String {
        artifact(self.table, self.column, self.options.metric)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::new();
        fields
            .set("table", self.table)
            .set("column", self.column)
            .set("method", HNSW)
            .set("m", self.options.m)
            .set("ef_construction", self.options.ef_construction)
            .set("ef", self.options.ef)
            .set("seed", self.options.seed)
            .set("metric", self.options.metric)
            .set("created", self.created);
        if let Some(built) = &self.built {
            built.encode(&mut fields);
        }
        fields.encode()
    }

    fn decode(record: &str, bytes: &[u8]) -> Result<IndexDefinition> {
        let fields = Fields::decode(record, bytes)?;
        Ok(IndexDefinition {
            name: record.strip_prefix(RECORDS).unwrap_or(record).to_owned(),
            table: TableId(fields.number(record, "table")?),
            column: ColumnId(fields.number(record, "column")?),
            options: IndexOptions {
                m: fields.number(record, "m")?,
                ef_construction: fields.number(record, "ef_construction")?,
                ef: fields.number(record, "ef")?,
                seed: fields.number(record, "seed")?,
                // Records from before there was a choice have none.
                metric: match fields.get("metric") {
                    None => Similarity::Cosine,
                    Some(name) => Similarity::named(name).ok_or_else(|| Error::CorruptRecord {
                        record: record.to_owned(),
                        what: "its metric is none".to_owned(),
                    })?,
                },
            },
            created: fields.number(record, "created")?,
            built: Built::decode(record, &fields)?,
        })
    }
}
