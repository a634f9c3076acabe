//! The indexes of models' factors, which the database makes by itself where a catalogue is large.
//!
//! The file of a model's index is `derived/factors/<model>`; the record of the same name says what was
//! built. It is of whichever version the codes agree with: after a training it covers nothing, so all
//! items are scored until the next one is built.

use std::sync::Arc;

use tastedb_storage::{DERIVED, ItemId, Read, WriteTxn};

use super::definition::Built;
use super::{FittedIndex, fit_vectors};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::index::{IndexOptions, Vectors};
use crate::model::ItemVectors;
use crate::progress::Work;
use crate::registry::{Fields, Serving};
use crate::similarity::Similarity;
use crate::train;

/// Catalogues of fewer items are scored whole: 41,000 items of 64 factors take 0.2 ms.
pub(crate) const LARGE: u64 = 100_000;
/// Inner products are harder to walk by than cosines: of the top 20 of people on gowalla, with 64 factors
/// of `ials`, a walk finds .951, .976 and .987 with 64, 128 and 256 near items.
const EF: usize = 256;

/// The factors of the items that a model has learned of.
pub(crate) struct FactorVectors {
    serving: Arc<Serving>,
    dim: usize,
    items: Vec<ItemId>,
    /// The row in the model of each.
    rows: Vec<u32>,
}

impl FactorVectors {
    /// Those of a version, if its scores are inner products of factors.
    pub(crate) fn of(serving: &Arc<Serving>) -> Option<FactorVectors> {
        let ItemVectors { dim, .. } = serving.model.factors()?;
        let untouched = serving.untouched().unwrap_or_default();
        let learned = (0u32..).zip(serving.model.items());
        let learned = learned.filter(|(row, _)| untouched.binary_search(row).is_err());
        let (rows, items) = learned.map(|(row, item)| (row, *item)).unzip();
        Some(FactorVectors { serving: Arc::clone(serving), dim, items, rows })
    }

    /// Without the items that are not in a catalogue, which ascends.
    fn among(self, catalogue: &[ItemId]) -> FactorVectors {
        let both = self.items.into_iter().zip(self.rows);
        let there = both.filter(|(item, _)| catalogue.binary_search(item).is_ok());
        let (items, rows) = there.unzip();
        FactorVectors { items, rows, ..self }
    }
}

impl Vectors for FactorVectors {
    fn name(&self) -> &str {
        "factors"
    }

    fn ids(&self) -> &[ItemId] {
        &self.items
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn padded(&self, at: usize) -> &[f32] {
        // A model that has factors keeps having them.
        let factors = self.serving.model.factors();
        factors.map_or(&[], |factors| factors.padded(self.rows[at] as usize))
    }
}

/// The name of the file and of the record of a model's index.
pub(crate) fn name(model: &str) -> String {
    format!("{DERIVED}factors/{model}")
}

/// What was last built for a model.
pub(super) fn built(read: &dyn Read, model: &str) -> Result<Option<Built>> {
    let record = name(model);
    let Some(bytes) = read.record(&record)? else { return Ok(None) };
    Built::decode(&record, &Fields::decode(&record, &bytes)?)
}

/// Removes the index of a model that is dropped.
pub(crate) fn remove(txn: &mut WriteTxn, model: &str) {
    let name = name(model);
    txn.unpublish(&name);
    txn.delete_record(&name);
}

/// Builds the index of the version that serves, and publishes it. Readers and writers go on.
pub(super) fn build(engine: &Engine, model: &str, work: &Work) -> Result<()> {
    let snapshot = engine.snapshot();
    let serving = engine.registry().serving(&snapshot, model)?;
    let Some(vectors) = FactorVectors::of(&serving) else { return Ok(()) };
    let catalogue = train::catalogue(engine, &snapshot, &serving.definition)?;
    let vectors = vectors.among(catalogue.items());
    let (name, metric) = (name(model), Similarity::InnerProduct);
    let options = IndexOptions { ef: EF, metric, ..IndexOptions::default() };
    let generation = snapshot.generation();
    drop(snapshot);
    let fitted = fit_vectors(engine, &name, Arc::new(vectors), &options, generation, work)?;
    let FittedIndex { staged, built } = fitted;
    let mut txn = engine.store().begin()?;
    if engine.registry().version(&txn, model)?.as_ref() != Some(&serving.version) {
        let what = format!("model `{model}` was trained while its index was being built");
        return Err(Error::Conflict { what });
    }
    txn.publish(staged)?;
    let mut fields = Fields::new();
    built.encode(&mut fields);
    txn.put_record(&name, &fields.encode());
    txn.commit()?;
    Ok(())
}
