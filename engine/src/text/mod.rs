//! Text embeddings: vectors of items that the database computes from text, without an encoder.
//!
//! ```text
//! rows → terms (UAX #29) → TF-IDF, rows of length one → V of a randomised SVD
//! vector of a row = its weighted terms through V, of length one
//! ```
//!
//! (Latent semantic analysis, Deerwester et al. 1990.) Terms, idf and V are frozen when the
//! embedding is made and until it is refreshed, so the vector of a row is a function of its own
//! text: rows that come or change get theirs within the transaction that brings them. Its column is
//! an ordinary vector column to all who read: a modality like any other.
//!
//! Not here: anything about SQL. Invariant: at a commit every row's vector is the one that the
//! committed artifact makes of the committed text; no text, or no known term, is no vector.

mod corpus;
mod current;
mod definition;
mod embedder;
mod settings;
mod shared;
mod svd;
mod terms;
#[cfg(test)]
mod tests;
mod weighting;

use std::io::{self, Write};
use std::time::Instant;

use tastedb_storage::{
    Catalog, ColumnId, ColumnSpec, ColumnType, Element, Read, Role, Store, Table, TableId, WriteTxn,
};

pub use definition::TextEmbedding;

pub(crate) use current::{Loaded, bring_up_to_date};
pub(crate) use shared::SharedTerms;

use corpus::Corpus;
use embedder::Embedder;
use settings::{DIM, Settings};
use weighting::Weighting;

use crate::error::{Error, Result};
use crate::options::ModelOptions;
use crate::progress::Work;
use crate::registry::Existing;

/// The one method: TF-IDF and a truncated SVD.
pub(crate) const METHOD: &str = "tfidf_svd";

/// A text embedding to create.
#[derive(Clone, Debug, Default)]
pub struct NewEmbedding {
    /// Its name, which is that of the vector column it makes.
    pub name: String,
    /// The item table.
    pub table: String,
    /// The columns of text.
    pub sources: Vec<String>,
    /// How the vectors are made; `None` stands for `tfidf_svd`.
    pub method: Option<String>,
    /// The settings of `WITH`.
    pub options: ModelOptions,
    /// The statement, as written.
    pub statement: String,
    /// What to do where there is an embedding of that name.
    pub existing: Existing,
}

/// An embedding that was computed and is not yet a part of the database.
pub struct FittedEmbedding {
    embedder: Embedder,
    rows: u64,
    explained: f64,
    seconds: f64,
}

impl std::fmt::Debug for FittedEmbedding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FittedEmbedding").field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// The embeddings of a table, or of all.
pub(crate) fn list(read: &dyn Read, table: Option<TableId>) -> Result<Vec<TextEmbedding>> {
    definition::all(read, table)
}

/// The embedding of that name on a table.
pub(crate) fn find(read: &dyn Read, table: &Table, name: &str) -> Result<Option<TextEmbedding>> {
    let Some(column) = table.column(name).filter(|column| column.computed) else {
        return Ok(None);
    };
    let all = definition::all(read, Some(table.id))?;
    Ok(all.into_iter().find(|embedding| embedding.column == column.id))
}

/// Computes a new embedding from the rows of `read`, and changes nothing.
pub(crate) fn fit_new(read: &dyn Read, new: &NewEmbedding, work: &Work) -> Result<FittedEmbedding> {
    let (table, sources) = checked(read.catalog(), new)?;
    let settings = Settings::new(&new.options)?;
    fit(read, table.id, &sources, &settings, None, work)
}

/// Computes an embedding again from the rows of `read`, and changes nothing.
pub(crate) fn fit_again(
    read: &dyn Read,
    embedding: &TextEmbedding,
    work: &Work,
) -> Result<FittedEmbedding> {
    let settings = Settings::new(&embedding.options)?;
    let dim = dim_of(read.catalog(), embedding)?;
    fit(read, embedding.table, &embedding.sources, &settings, Some(dim), work)
}

/// Makes a computed embedding a part of the database: its column, its artifact, the vectors of all
/// rows. An embedding of that name is replaced if `new` says so.
pub(crate) fn create(
    store: &Store,
    txn: &mut WriteTxn,
    new: &NewEmbedding,
    fitted: FittedEmbedding,
    work: &Work,
) -> Result<TextEmbedding> {
    let catalog = txn.catalog().clone();
    let (table, sources) = checked(&catalog, new)?;
    if let Some(old) = find(txn, table, &new.name)?
        && new.existing == Existing::Replace
    {
        remove(txn, &old)?;
    }
    let dim = fitted.embedder.dim() as u32;
    let ty = ColumnType::Vector { dim, element: Element::F32 };
    let column = txn.add_column(table.id, ColumnSpec::computed(new.name.clone(), ty))?;
    let embedding = TextEmbedding {
        table: table.id,
        column,
        sources,
        method: METHOD.to_owned(),
        options: new.options.clone(),
        statement: new.statement.clone(),
        terms: 0,
        rows: 0,
        bytes: 0,
        explained: 0.0,
        seconds: 0.0,
        stamp: 0,
    };
    publish(store, txn, embedding, fitted, work)
}

/// Replaces the content of an embedding by a new one, and the vectors of all rows.
pub(crate) fn replace(
    store: &Store,
    txn: &mut WriteTxn,
    embedding: &TextEmbedding,
    fitted: FittedEmbedding,
    work: &Work,
) -> Result<TextEmbedding> {
    let now = definition::all(txn, Some(embedding.table))?;
    if !now.contains(embedding) {
        let what = "the embedding was changed while it was being refreshed".to_owned();
        return Err(Error::Conflict { what });
    }
    publish(store, txn, embedding.clone(), fitted, work)
}

/// Drops an embedding with its column.
pub(crate) fn remove(txn: &mut WriteTxn, embedding: &TextEmbedding) -> Result<()> {
    let name = txn
        .catalog()
        .table_by_id(embedding.table)
        .and_then(|table| table.column_by_id(embedding.column))
        .map(|column| column.name.clone());
    if let Some(name) = name {
        txn.drop_column(embedding.table, &name)?;
    }
    forget(txn, embedding);
    crate::index::kept::remove_gone(txn)?;
    Ok(())
}

/// Removes the records of the embeddings of a table that is dropped.
pub(crate) fn remove_all(txn: &mut WriteTxn, table: TableId) -> Result<()> {
    for embedding in definition::all(txn, Some(table))? {
        forget(txn, &embedding);
    }
    Ok(())
}

fn forget(txn: &mut WriteTxn, embedding: &TextEmbedding) {
    let record = embedding.record();
    txn.unpublish(&record);
    txn.delete_record(&record);
}

/// The table and the columns that a new embedding names, if they will do.
fn checked<'a>(catalog: &'a Catalog, new: &NewEmbedding) -> Result<(&'a Table, Vec<ColumnId>)> {
    let method = new.method.as_deref().unwrap_or(METHOD);
    if !method.eq_ignore_ascii_case(METHOD) {
        return Err(Error::NoSuchAlgorithm { name: method.to_owned(), known: vec![METHOD] });
    }
    let table = catalog.table(&new.table).ok_or_else(|| Error::NoSuchTable(new.table.clone()))?;
    if table.role != Role::Item {
        let wanted = "an embedding is of the items of a table with role = 'item'";
        return Err(Error::WrongRole { table: table.name.clone(), wanted });
    }
    let taken = table
        .column(&new.name)
        .is_some_and(|column| !column.computed || new.existing != Existing::Replace);
    if taken || table.key_column.eq_ignore_ascii_case(&new.name) {
        return Err(Error::AlreadyExists { what: "column", name: new.name.clone() });
    }
    let mut sources = Vec::with_capacity(new.sources.len());
    for name in &new.sources {
        let column = table.column(name).ok_or_else(|| tastedb_storage::Error::NoSuchColumn {
            table: table.name.clone(),
            column: name.clone(),
        })?;
        if !matches!(column.ty, ColumnType::Text | ColumnType::TextList) {
            return Err(Error::NotText { table: table.name.clone(), column: column.name.clone() });
        }
        sources.push(column.id);
    }
    if sources.is_empty() {
        return Err(Error::EmptyText { why: "it names no column of text" });
    }
    Ok((table, sources))
}

fn dim_of(catalog: &Catalog, embedding: &TextEmbedding) -> Result<usize> {
    let column =
        catalog.table_by_id(embedding.table).and_then(|t| t.column_by_id(embedding.column));
    match column.map(|column| column.ty) {
        Some(ColumnType::Vector { dim, .. }) => Ok(dim as usize),
        _ => Err(Error::CorruptRecord {
            record: embedding.record(),
            what: "its column is gone".to_owned(),
        }),
    }
}

/// `dim`: what the column has, where there is one already.
fn fit(
    read: &dyn Read,
    table: TableId,
    sources: &[ColumnId],
    settings: &Settings,
    dim: Option<usize>,
    work: &Work,
) -> Result<FittedEmbedding> {
    let start = Instant::now();
    let corpus = Corpus::read(read, table, sources, settings.memory_limit, work)?;
    if corpus.n_rows() == 0 {
        return Err(Error::EmptyText { why: "no row has text in these columns" });
    }
    let (weighting, matrix) = Weighting::of(&corpus, settings);
    if matrix.n_columns() == 0 {
        let why = "no term stands in enough rows and not in too many: lower min_df or raise max_df";
        return Err(Error::EmptyText { why });
    }
    let (rows, terms) = (matrix.n_rows(), matrix.n_columns());
    let most = rows.min(terms);
    let dim = match dim {
        Some(dim) => dim,
        None => match settings.dim {
            Some(dim) if dim > most => {
                return Err(Error::InvalidOption {
                    algorithm: METHOD.to_owned(),
                    option: "dim".to_owned(),
                    why: format!(
                        "cannot be {dim}: {rows} rows and {terms} terms span no more than {most}"
                    ),
                    known: vec![format!("1 to {most}")],
                });
            }
            Some(dim) => dim,
            None => DIM.min(most),
        },
    };
    let size = |n: usize| n as u64;
    let needed =
        corpus.bytes() + svd::svd_bytes(size(rows), size(terms), size(corpus.len()), size(dim));
    if needed > settings.memory_limit {
        return Err(Error::TooLarge { algorithm: METHOD, needed, limit: settings.memory_limit });
    }
    drop(corpus);
    let found = work.install(|| svd::svd(&matrix, dim, settings.seed, work))?;
    Ok(FittedEmbedding {
        embedder: Embedder::new(weighting, found.vectors, dim),
        rows: size(rows),
        explained: found.explained,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// Writes the artifact and the record of an embedding, and the vectors of all rows.
fn publish(
    store: &Store,
    txn: &mut WriteTxn,
    mut embedding: TextEmbedding,
    fitted: FittedEmbedding,
    work: &Work,
) -> Result<TextEmbedding> {
    let mut out = Stamped { out: store.stage(&embedding.record())?, stamp: FNV_OFFSET };
    fitted.embedder.save(&mut out)?;
    embedding.stamp = out.stamp;
    embedding.bytes = out.out.payload_len();
    embedding.terms = fitted.embedder.n_terms() as u64;
    embedding.rows = fitted.rows;
    embedding.explained = fitted.explained;
    embedding.seconds = fitted.seconds;
    txn.publish(out.out.finish()?)?;
    txn.put_record(&embedding.record(), &embedding.encode());
    work.install(|| current::fill(txn, &embedding, &fitted.embedder, work))?;
    Ok(embedding)
}

/// A writer that keeps a hash of what goes through it (FNV-1a).
struct Stamped<W> {
    out: W,
    stamp: u64,
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

impl<W: Write> Write for Stamped<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        for byte in &bytes[..written] {
            self.stamp = (self.stamp ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
