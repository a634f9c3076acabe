//! Trained weights of blocks of numbers on a device; see [`crate::trainer::Shares`].

use tch::{Kind, Tensor};

use super::adam::Adam;
use super::{Batch, Done, Rows, Torch};
use crate::Result;
use crate::compute::Tables;

/// θ with its moments.
#[derive(Debug)]
pub(crate) struct Shares {
    /// One row.
    theta: Rows,
    adam: Adam,
}

impl Shares {
    pub(super) fn new(torch: Torch, blocks: usize, rate: f32) -> Result<Shares> {
        let theta = torch.zeros(1, blocks)?;
        Ok(Shares { adam: torch.adam(&theta, rate)?, theta })
    }

    pub(super) fn theta(&mut self) -> &mut Rows {
        &mut self.theta
    }

    fn blocks(&self) -> i64 {
        self.theta.dim as i64
    }

    /// w, in one row.
    pub(super) fn values(&self) -> Done<Tensor> {
        let own = self.theta.tensor.f_narrow(1, 0, self.blocks())?;
        own.f_softmax(1, Kind::Float)?.f_mul_scalar(self.blocks() as f64)
    }

    /// The numbers of rows by their blocks.
    fn by_block(&self, rows: &Rows) -> Done<Tensor> {
        let dim = rows.dim as i64 / self.blocks();
        rows.tensor.f_narrow(1, 0, dim * self.blocks())?.f_unflatten(1, [self.blocks(), dim])
    }

    /// What the blocks of the nodes of a batch are multiplied by: w below a node, one from it on.
    fn factors(&self, batch: &Batch, below: usize) -> Done<(Tensor, Tensor)> {
        let is_below = batch.nodes.there.f_lt(below as i64)?.f_to_kind(Kind::Float)?;
        let is_below = is_below.f_unsqueeze(1)?;
        let mut factors = is_below.f_mul(&self.values()?.f_sub_scalar(1.0)?)?;
        let _ = factors.f_add_scalar_(1.0)?;
        Ok((factors.f_unsqueeze(2)?, is_below))
    }

    /// Multiplies the blocks of the nodes of a batch below one.
    pub(super) fn forward(&self, batch: &mut Batch, below: usize) -> Done<()> {
        let (factors, _) = self.factors(batch, below)?;
        self.by_block(&batch.values)?.f_mul_(&factors).map(drop)
    }

    /// Replaces the gradient of what was multiplied by that of what was there before, and moves θ along its
    /// own.
    pub(super) fn backward(&mut self, batch: &mut Batch, below: usize) -> Done<()> {
        let (factors, is_below) = self.factors(batch, below)?;
        let mut slopes = self.by_block(&batch.gradient)?;
        let along = slopes.f_mul(&self.by_block(&batch.values)?)?;
        let along = along.f_sum_dim_intlist([2i64].as_slice(), false, Kind::Float)?;
        let by_block =
            along.f_mul(&is_below)?.f_sum_dim_intlist([0i64].as_slice(), true, Kind::Float)?;
        let _ = slopes.f_mul_(&factors)?;
        let share = self.values()?.f_div_scalar(self.blocks() as f64)?;
        let all = by_block.f_sum(Kind::Float)?;
        let own = by_block.f_sub(&share.f_mul(&all)?)?;
        let gradient = self.theta.tensor.f_zeros_like()?;
        gradient.f_narrow(1, 0, self.blocks())?.f_copy_(&own)?;
        self.adam.all(&mut self.theta.tensor, &gradient)
    }
}
