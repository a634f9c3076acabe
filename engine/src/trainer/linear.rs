//! A linear map that is trained: rows of one length become rows of another.
//!
//! ```text
//! y = W x     ∂/∂W = Σ g xᵀ     ∂/∂x = Wᵀ g     g = ∂/∂y
//! ```
//!
//! There is no offset: what is put in is centred, or is compared with what went through the same map.

use rayon::prelude::*;

use super::{Adam, ROWS, Table};
use crate::linalg::{add_combinations, add_outer_products, products};

/// The weights of a map with what is needed to train them.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    /// One row for each number that comes out, and rows of zeros up to a whole number of lines.
    weights: Table,
    gradient: Table,
    adam: Adam,
}

impl Linear {
    /// A map drawn as Glorot and Bengio do.
    pub(crate) fn drawn(inputs: usize, outputs: usize, rate: f32, seed: u64) -> Linear {
        let [rows, length] = Linear::shape(inputs, outputs);
        let mut weights = Table::zeros(rows, length);
        weights.draw(0..outputs, (6.0 / (inputs + outputs) as f32).sqrt(), seed);
        Linear {
            gradient: Table::zeros(weights.rows(), inputs),
            adam: Adam::new(&weights, rate),
            weights,
        }
    }

    /// The rows of the weights of such a map, and their length.
    pub(crate) fn shape(inputs: usize, outputs: usize) -> [usize; 2] {
        [Table::zeros(0, outputs).stride(), inputs]
    }

    pub(crate) fn weights(&mut self) -> &mut Table {
        &mut self.weights
    }

    /// The first `rows` rows of x through the map, into those of y.
    pub(crate) fn forward(&self, x: &Table, rows: usize, y: &mut Table) {
        let (from, to) = (x.stride(), y.stride());
        let x = x.data()[..rows * from].par_chunks(ROWS * from);
        y.part_mut(0..rows).par_chunks_mut(ROWS * to).zip(x).for_each(|(y, x)| {
            products(self.weights.data(), x, from, y);
        });
    }

    /// The gradient of the weights, from what went in and the gradient of what came out.
    pub(crate) fn backward(&mut self, x: &Table, rows: usize, gradient: &Table) {
        let (from, to) = (x.stride(), gradient.stride());
        let (x, gradient) = (&x.data()[..rows * from], &gradient.data()[..rows * to]);
        add_outer_products(gradient, to, x, from, self.gradient.data_mut());
    }

    /// Adds the gradient of what went in to `out`.
    pub(crate) fn backward_input(&self, rows: usize, gradient: &Table, out: &mut Table) {
        let (from, to) = (gradient.stride(), out.stride());
        let gradient = gradient.data()[..rows * from].par_chunks(ROWS * from);
        out.part_mut(0..rows).par_chunks_mut(ROWS * to).zip(gradient).for_each(
            |(out, gradient)| {
                add_combinations(gradient, from, self.weights.data(), to, out);
            },
        );
    }

    /// Moves the weights along their gradient.
    pub(crate) fn step(&mut self) {
        self.adam.all(&mut self.weights, &self.gradient);
        self.gradient.data_mut().fill(0.0);
    }

    #[cfg(test)]
    pub(crate) fn forget(&mut self) {
        self.gradient.data_mut().fill(0.0);
    }

    #[cfg(test)]
    pub(crate) fn parts(&mut self) -> (&mut Table, &Table) {
        (&mut self.weights, &self.gradient)
    }
}
