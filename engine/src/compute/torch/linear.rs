//! A trained linear map on a device; see [`crate::trainer::Linear`].

use tch::Tensor;

use super::adam::Adam;
use super::{Done, Rows, Torch};
use crate::{Result, trainer};

/// The weights of a map with what is needed to train them.
#[derive(Debug)]
pub(crate) struct Linear {
    /// One row for each number that comes out, and rows of zeros up to a whole number of lines.
    weights: Rows,
    gradient: Tensor,
    adam: Adam,
}

impl Linear {
    pub(super) fn drawn(
        torch: Torch,
        inputs: usize,
        outputs: usize,
        rate: f32,
        seed: u64,
    ) -> Result<Linear> {
        let weights = torch.rows(trainer::Linear::drawn(inputs, outputs, rate, seed).weights())?;
        Ok(Linear {
            gradient: torch.done(weights.tensor.f_zeros_like())?,
            adam: torch.done(Adam::new(&weights.tensor, rate))?,
            weights,
        })
    }

    pub(super) fn weights(&mut self) -> &mut Rows {
        &mut self.weights
    }

    /// The gradient of the weights since the last step.
    #[cfg(test)]
    pub(super) fn slopes(&self) -> &Tensor {
        &self.gradient
    }

    /// y of x.
    pub(super) fn forward(&self, x: &Tensor) -> Done<Tensor> {
        x.f_mm(&self.weights.tensor.f_tr()?)
    }

    /// Adds the gradient of the weights, from what went in and the gradient of what came out.
    pub(super) fn backward(&mut self, x: &Tensor, gradient: &Tensor) -> Done<()> {
        self.gradient.f_add_(&gradient.f_tr()?.f_mm(x)?).map(drop)
    }

    /// The gradient of what went in.
    pub(super) fn backward_input(&self, gradient: &Tensor) -> Done<Tensor> {
        gradient.f_mm(&self.weights.tensor)
    }

    /// Moves the weights along their gradient.
    pub(super) fn step(&mut self) -> Done<()> {
        self.adam.all(&mut self.weights.tensor, &self.gradient)?;
        self.gradient.f_zero_().map(drop)
    }
}
