//! Compiled conditions and the sets of rows that they let through.
//!
//! A set is valid for exactly the arrays that it was computed from: they are compared by identity,
//! so that no notion of versions can go wrong.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::Schema;
use fixedbitset::FixedBitSet;
use tastedb_engine::{Engine, EntityIndex};

use super::{Column, Columns};
use crate::batch::Shape;
use crate::error::{Error, Result};
use crate::expr::Compiled;
use crate::storage::Snapshot;

/// Conditions that are kept. Beyond it, those that were not used for longest go.
const KEPT: usize = 256;

/// A condition on the rows of one table.
pub(crate) struct Condition {
    /// The compiled expression.
    pub(crate) compiled: Compiled,
    answer: Mutex<Option<Answer>>,
}

struct Answer {
    entities: Arc<EntityIndex>,
    inputs: Vec<Arc<Column>>,
    rows: Arc<FixedBitSet>,
}

/// Conditions by their text. One per open database.
#[derive(Default)]
pub(crate) struct Masks {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    conditions: HashMap<String, (Arc<Condition>, u64)>,
    clock: u64,
}

impl Masks {
    /// The condition of this text, compiled by `compile` where it is new. The text must tell apart
    /// everything that the compilation depends on.
    pub(crate) fn condition(
        &self,
        text: &str,
        compile: impl FnOnce() -> Result<Compiled>,
    ) -> Result<Arc<Condition>> {
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.clock += 1;
            let clock = kept.clock;
            if let Some((condition, used)) = kept.conditions.get_mut(text) {
                *used = clock;
                return Ok(Arc::clone(condition));
            }
        }
        let condition = Arc::new(Condition::new(compile()?));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let clock = kept.clock;
        if kept.conditions.len() >= KEPT {
            let mut ages: Vec<u64> = kept.conditions.values().map(|(_, used)| *used).collect();
            ages.sort_unstable();
            let limit = ages[ages.len() / 2];
            kept.conditions.retain(|_, (_, used)| *used > limit);
        }
        kept.conditions.insert(text.to_owned(), (Arc::clone(&condition), clock));
        Ok(condition)
    }
}

impl Condition {
    /// A condition that has not been asked yet.
    pub(crate) fn new(compiled: Compiled) -> Condition {
        Condition { compiled, answer: Mutex::new(None) }
    }

    /// The rows of `entities` for which the condition is true.
    pub(crate) fn rows(
        &self,
        columns: &Columns,
        engine: &Engine,
        snapshot: &Snapshot,
        entities: &Arc<EntityIndex>,
        shape: &Shape,
    ) -> Result<Arc<FixedBitSet>> {
        let inputs = self
            .compiled
            .inputs
            .iter()
            .map(|position| columns.get(engine, snapshot, entities, shape, *position))
            .collect::<Result<Vec<_>>>()?;
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = answer.as_ref()
            && Arc::ptr_eq(&known.entities, entities)
            && known.inputs.iter().zip(&inputs).all(|(a, b)| Arc::ptr_eq(a, b))
        {
            return Ok(Arc::clone(&known.rows));
        }
        let batch = batch(shape, &self.compiled.inputs, &inputs, entities.len())?;
        let truth = self.compiled.condition(&batch)?;
        let mut rows = FixedBitSet::with_capacity(entities.len());
        for (row, holds) in truth.values().iter().enumerate() {
            if holds && truth.is_valid(row) {
                rows.insert(row);
            }
        }
        let rows = Arc::new(rows);
        *answer = Some(Answer { entities: Arc::clone(entities), inputs, rows: Arc::clone(&rows) });
        Ok(rows)
    }
}

fn batch(
    shape: &Shape,
    positions: &[usize],
    inputs: &[Arc<Column>],
    rows: usize,
) -> Result<RecordBatch> {
    let schema = Schema::new(
        positions
            .iter()
            .map(|at| shape.schema.field(*at).clone().with_nullable(true))
            .collect::<Vec<_>>(),
    );
    let arrays: Vec<ArrayRef> = inputs.iter().map(|column| Arc::clone(&column.array)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(schema), arrays, &options)
        .map_err(|cause| Error::internal(cause.to_string()))
}
