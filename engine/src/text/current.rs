//! Keeping the vectors current: those of all rows when an embedding is made or refreshed, and those
//! of the rows that a transaction put.
//!
//! Rows are read a block at a time, their vectors made by all threads, and what differs from the
//! stored vector is written: changing a price does not touch an embedding.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use tastedb_storage::{ColumnId, EntityId, Read, TableId, Value, WriteTxn};

use super::definition::{self, TextEmbedding};
use super::embedder::Embedder;
use crate::error::{Error, Result};
use crate::progress::Work;

/// Rows that are read before their vectors are made.
const BLOCK: usize = 4096;

/// Rows below which one thread makes the vectors: waking another takes longer.
const FEW: usize = 16;

/// Embedders by column, each with the stamp of the embedding that it is of.
type ByColumn = HashMap<(TableId, ColumnId), (u64, Arc<Embedder>)>;

/// The embedders in use.
#[derive(Default)]
pub(crate) struct Loaded(Mutex<ByColumn>);

impl Loaded {
    /// The embedder of an embedding as `read` has it.
    pub(super) fn get(&self, read: &dyn Read, embedding: &TextEmbedding) -> Result<Arc<Embedder>> {
        let key = (embedding.table, embedding.column);
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some((stamp, embedder)) = known
            && stamp == embedding.stamp
        {
            return Ok(embedder);
        }
        let record = embedding.record();
        let blob = read.artifact(&record)?;
        let blob = blob.ok_or_else(|| Error::CorruptRecord {
            record,
            what: "its file is missing".to_owned(),
        })?;
        let embedder = Arc::new(Embedder::load(Arc::new(blob))?);
        let mut loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What was dropped since is let go of here, the one place where the map grows.
        loaded.retain(|(table, column), _| {
            !matches!(read.record(&definition::record(*table, *column)), Ok(None))
        });
        loaded.insert(key, (embedding.stamp, Arc::clone(&embedder)));
        Ok(embedder)
    }
}

/// Brings the vectors of the rows up to date that the transaction put since the last time.
pub(crate) fn bring_up_to_date(loaded: &Loaded, txn: &mut WriteTxn) -> Result<()> {
    let outdated = txn.take_outdated();
    for rows in outdated.chunk_by(|a, b| a.0 == b.0) {
        for embedding in definition::all(txn, Some(rows[0].0))? {
            let embedder = loaded.get(txn, &embedding)?;
            for rows in rows.chunks(BLOCK) {
                let mut texts = Vec::with_capacity(rows.len());
                for (table, id) in rows {
                    // What was put and deleted again is gone with its vector.
                    if let Some(row) = txn.row(*table, *id, &embedding.sources)? {
                        texts.push((row.id, row.values));
                    }
                }
                write(txn, &embedding, &embedder, &texts)?;
            }
        }
    }
    Ok(())
}

/// Sets the vectors of all rows.
pub(super) fn fill(
    txn: &mut WriteTxn,
    embedding: &TextEmbedding,
    embedder: &Embedder,
    work: &Work,
) -> Result<()> {
    let mut rows = txn.rows(embedding.table, &embedding.sources, 0)?;
    let mut done = 0;
    loop {
        let block = rows.by_ref().take(BLOCK).map(|row| row.map(|row| (row.id, row.values)));
        let block: Vec<(EntityId, Vec<Value>)> = block.collect::<Result<_, _>>()?;
        if block.is_empty() {
            return Ok(());
        }
        write(txn, embedding, embedder, &block)?;
        done += block.len() as u64;
        work.step("embed", done, 0)?;
    }
}

fn write(
    txn: &mut WriteTxn,
    embedding: &TextEmbedding,
    embedder: &Embedder,
    rows: &[(EntityId, Vec<Value>)],
) -> Result<()> {
    let vector = |(_, texts): &(EntityId, Vec<Value>)| embedder.embed(texts);
    let vectors: Vec<Option<Vec<f32>>> = match rows.len() < FEW {
        true => rows.iter().map(vector).collect(),
        false => rows.par_iter().map(vector).collect(),
    };
    for ((id, _), vector) in rows.iter().zip(vectors) {
        let (table, column) = (embedding.table, embedding.column);
        if txn.embedding(table, column, *id)? != vector {
            txn.put_computed(table, column, *id, vector.as_deref())?;
        }
    }
    Ok(())
}
