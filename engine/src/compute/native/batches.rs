//! Batches in memory.

use std::borrow::Cow;

use super::Native;
use crate::Result;
use crate::compute::{Batches, Parts};
use crate::trainer::{Batch, LookUp, Table, Triple};

impl Batches for Native {
    type Batch = Batch;
    type LookUp = LookUp;

    fn batch(self, nodes: usize, dim: usize) -> Result<Batch> {
        Ok(Batch::new(nodes, dim))
    }

    fn take(self, batch: &mut Batch, triples: &[Triple]) -> Result<()> {
        batch.take(triples);
        Ok(())
    }

    fn here(self, batch: &Batch) -> &Batch {
        batch
    }

    fn parts(self, batch: &mut Batch) -> Parts<'_, Native> {
        let Batch { nodes, values, gradient, .. } = batch;
        Parts { nodes, values, gradient }
    }

    fn gradient(self, batch: &Batch) -> &Table {
        &batch.gradient
    }

    fn choose(self, batch: &mut Batch, group: usize, heat: f32, seed: u64) -> Result<()> {
        batch.choose(group, heat, seed);
        Ok(())
    }

    fn weigh(self, batch: &mut Batch, weights: &[f32], first: usize) -> Result<()> {
        for (weight, [_, item, _]) in batch.weights.iter_mut().zip(&batch.triples) {
            *weight = weights[batch.nodes[*item as usize] as usize - first];
        }
        Ok(())
    }

    fn decay(self, batch: &mut Batch, regularization: f32) -> Result<()> {
        batch.decay(regularization / batch.triples.len() as f32);
        Ok(())
    }

    fn decay_of(
        self,
        batch: &Batch,
        regularization: f32,
        values: &Table,
        gradient: &mut Table,
    ) -> Result<()> {
        batch.decay_of(regularization / batch.triples.len() as f32, values, gradient);
        Ok(())
    }

    fn add_gradient(self, batch: &mut Batch, beside: &Batch) -> Result<()> {
        batch.add_gradient(beside);
        Ok(())
    }

    fn look_up(self, values: Table, rate: f32) -> Result<LookUp> {
        Ok(LookUp::new(values, rate))
    }

    fn look(self, rows: &mut LookUp, batch: &mut Batch) -> Result<()> {
        rows.forward(batch);
        Ok(())
    }

    fn step_touched(self, rows: &mut LookUp, batch: &Batch) -> Result<()> {
        rows.step(batch);
        Ok(())
    }

    fn left(self, rows: &LookUp) -> Result<Cow<'_, Table>> {
        Ok(Cow::Borrowed(rows.values()))
    }

    fn up_to_date(self, rows: &mut LookUp, first: usize) -> Result<Table> {
        Ok(rows.rows(first))
    }
}
