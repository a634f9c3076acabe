//! Weights of blocks of numbers that lie side by side in a row; they are trained and add up to their number.
//!
//! ```text
//! w = B · softmax θ     ∂ ln w_v / ∂θ_k = δ_vk − w_k / B     B: the number of blocks
//! ```

use super::{Adam, Batch, Table};

/// θ with its moments.
#[derive(Clone, Debug)]
pub(crate) struct Shares {
    /// One row.
    theta: Table,
    adam: Adam,
}

impl Shares {
    /// The same weight for each of so many blocks.
    pub(crate) fn new(blocks: usize, rate: f32) -> Shares {
        let theta = Table::zeros(1, blocks);
        Shares { adam: Adam::new(&theta, rate), theta }
    }

    pub(crate) fn theta(&mut self) -> &mut Table {
        &mut self.theta
    }

    /// w.
    pub(crate) fn values(&self) -> Vec<f32> {
        let of = &self.theta.row(0)[..self.theta.dim()];
        let most = of.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let parts: Vec<f32> = of.iter().map(|value| (value - most).exp()).collect();
        let sum: f32 = parts.iter().sum();
        parts.iter().map(|part| part * parts.len() as f32 / sum).collect()
    }

    /// Multiplies the blocks of the nodes of a batch below one.
    pub(crate) fn forward(&self, batch: &mut Batch, below: usize) {
        let weights = self.values();
        let dim = batch.values.dim() / weights.len();
        for (at, node) in batch.nodes.iter().enumerate() {
            if (*node as usize) < below {
                let blocks = batch.values.row_mut(at)[..weights.len() * dim].chunks_exact_mut(dim);
                for (block, weight) in blocks.zip(&weights) {
                    block.iter_mut().for_each(|value| *value *= weight);
                }
            }
        }
    }

    /// Replaces the gradient of what was multiplied by that of what was there before, and moves θ along its
    /// own.
    pub(crate) fn backward(&mut self, batch: &mut Batch, below: usize) {
        let weights = self.values();
        let number = weights.len();
        let dim = batch.values.dim() / number;
        let mut by_block = vec![0f32; number];
        for (at, node) in batch.nodes.iter().enumerate() {
            if (*node as usize) < below {
                let slopes = batch.gradient.row_mut(at)[..number * dim].chunks_exact_mut(dim);
                let own = batch.values.row(at)[..number * dim].chunks_exact(dim);
                for (block, (slopes, own)) in slopes.zip(own).enumerate() {
                    let along: f32 = slopes.iter().zip(own).map(|(a, b)| a * b).sum();
                    by_block[block] += along;
                    slopes.iter_mut().for_each(|slope| *slope *= weights[block]);
                }
            }
        }
        let all: f32 = by_block.iter().sum();
        let mut slopes = Table::zeros(1, number);
        for (block, slope) in slopes.row_mut(0)[..number].iter_mut().enumerate() {
            *slope = by_block[block] - all * weights[block] / number as f32;
        }
        self.adam.all(&mut self.theta, &slopes);
    }
}
