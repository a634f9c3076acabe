//! Rows on a device of which a batch touches few; see [`crate::trainer::LookUp`].
//!
//! Which steps a row has missed is known here, what they come to is computed here, and the rows make up
//! for them there.

use tch::Tensor;

use super::adam::{apply, number};
use super::{Batch, Done, Rows, Torch};
use crate::Result;
use crate::trainer::{EPSILON, Missed, Steps, Table};

/// Factors that are trained by the rows that are touched.
#[derive(Debug)]
pub(crate) struct LookUp {
    steps: Steps,
    rows: Rows,
    mean: Tensor,
    square: Tensor,
}

impl LookUp {
    pub(super) fn new(torch: Torch, values: &Table, rate: f32) -> Result<LookUp> {
        let rows = torch.rows(values)?;
        let moment = || torch.done(rows.tensor.f_zeros_like());
        let (mean, square) = (moment()?, moment()?);
        Ok(LookUp { steps: Steps::new(values.rows(), rate), rows, mean, square })
    }

    /// The rows as they were left when they were last touched or read.
    pub(super) fn values(&self) -> &Rows {
        &self.rows
    }

    /// Copies the rows that a batch touches into it.
    pub(super) fn forward(&mut self, torch: Torch, batch: &mut Batch) -> Result<()> {
        let nodes = batch.touched().iter().map(|node| *node as usize);
        self.catch_up(torch, nodes, &batch.nodes.there)?;
        batch.values.tensor = torch.done(self.rows.tensor.f_index_select(0, &batch.nodes.there))?;
        Ok(())
    }

    /// Moves the rows that a batch touches along their gradients.
    pub(super) fn step(&mut self, batch: &Batch) -> Done<()> {
        let step = self.steps.next();
        batch.touched().iter().for_each(|node| self.steps.touch(*node as usize));
        let nodes = &batch.nodes.there;
        let mut values = self.rows.tensor.f_index_select(0, nodes)?;
        let mut mean = self.mean.f_index_select(0, nodes)?;
        let mut square = self.square.f_index_select(0, nodes)?;
        apply(step, &mut values, &mut mean, &mut square, &batch.gradient.tensor)?;
        self.put(nodes, [&values, &mean, &square])
    }

    /// The rows from `first` on, up to date.
    pub(super) fn up_to_date(&mut self, torch: Torch, first: usize) -> Result<Table> {
        let count = torch.done(self.rows.tensor.size2())?.0 as usize;
        let all: Vec<i64> = (first as i64..count as i64).collect();
        self.catch_up(torch, first..count, &torch.send(&all)?)?;
        let own = self.rows.tensor.f_narrow(0, first as i64, all.len() as i64);
        torch.receive(&torch.done(own)?, self.rows.dim)
    }

    /// Lets rows make up for the steps that they were not touched in.
    fn catch_up(
        &mut self,
        torch: Torch,
        rows: impl Iterator<Item = usize>,
        nodes: &Tensor,
    ) -> Result<()> {
        // For each row four factors; those of one that has missed nothing leave it as it is.
        let none = Missed { far: 0.0, spread: 1.0, first: 1.0, second: 1.0 };
        let mut any = false;
        let mut factors = Vec::new();
        for row in rows {
            let missed = self.steps.missed(row);
            any |= missed.is_some();
            let Missed { far, spread, first, second } = missed.unwrap_or(none);
            factors.extend([far, spread, first, second]);
        }
        if !any {
            return Ok(());
        }
        let factors = torch.send(&factors)?;
        torch.done(self.make_up(nodes, &factors))
    }

    fn make_up(&mut self, nodes: &Tensor, factors: &Tensor) -> Done<()> {
        let factors = factors.f_reshape([-1, 4])?;
        let column = |at: i64| factors.f_narrow(1, at, 1);
        let mut values = self.rows.tensor.f_index_select(0, nodes)?;
        let mut mean = self.mean.f_index_select(0, nodes)?;
        let mut square = self.square.f_index_select(0, nodes)?;
        let mut over = square.f_sqrt()?;
        let _ = over.f_mul_(&column(1)?)?;
        let _ = over.f_add_scalar_(number(EPSILON))?;
        let _ = values.f_sub_(&mean.f_mul(&column(0)?)?.f_div_(&over)?)?;
        let _ = mean.f_mul_(&column(2)?)?;
        let _ = square.f_mul_(&column(3)?)?;
        self.put(nodes, [&values, &mean, &square])
    }

    fn put(&mut self, nodes: &Tensor, rows: [&Tensor; 3]) -> Done<()> {
        let own = [&mut self.rows.tensor, &mut self.mean, &mut self.square];
        for (own, rows) in own.into_iter().zip(rows) {
            let _ = own.f_index_copy_(0, nodes, rows)?;
        }
        Ok(())
    }
}
