//! A layer of NGCF (Wang et al. 2019): what the neighbours of a node say, alone and beside the node.
//!
//! ```text
//! y = f(W₁ (Â x + x) + W₂ (Â x ⊙ x))     f: a leaky rectifier, of which a part is dropped out
//! ```
//!
//! The maps have no offset, as everywhere here.

use rayon::prelude::*;

use super::{Dropout, Graph, Linear, ROWS, Table};
use crate::seeded::number;

/// The slope of f below zero.
pub(crate) const LEAK: f32 = 0.2;

/// The maps of a layer with what its backward needs.
#[derive(Debug)]
pub(crate) struct Interaction {
    maps: [Linear; 2],
    /// Â x.
    near: Table,
    /// What goes into the maps, and what comes out of the second.
    inputs: [Table; 2],
    other: Table,
    /// The slopes of f.
    slopes: Table,
}

impl Interaction {
    pub(crate) fn drawn(nodes: usize, dim: usize, rate: f32, seed: u64) -> Interaction {
        let table = || Table::zeros(nodes, dim);
        Interaction {
            maps: [1, 2].map(|at| Linear::drawn(dim, dim, rate, number(seed, at))),
            near: table(),
            inputs: [table(), table()],
            other: table(),
            slopes: table(),
        }
    }

    /// The shapes of the weights of such a layer.
    pub(crate) fn shapes(dim: usize) -> [[usize; 2]; 2] {
        [Linear::shape(dim, dim); 2]
    }

    pub(crate) fn weights(&mut self) -> [&mut Table; 2] {
        self.maps.each_mut().map(Linear::weights)
    }

    /// The layer of all rows of x. Each number of y has the chance `rate` of being dropped out.
    pub(crate) fn forward(
        &mut self,
        graph: &Graph,
        x: &Table,
        rate: f32,
        seed: u64,
        y: &mut Table,
    ) {
        let rows = graph.nodes();
        graph.spread(x, &mut self.near, 0..rows, None, |_, _| {});
        let [sum, product] = &mut self.inputs;
        let both = sum.data_mut().par_iter_mut().zip(product.data_mut().par_iter_mut());
        let from = self.near.data().par_iter().zip(x.data().par_iter());
        both.zip(from).with_min_len(4096).for_each(|((sum, product), (near, own))| {
            (*sum, *product) = (near + own, near * own);
        });
        let [first, second] = &self.maps;
        first.forward(&self.inputs[0], rows, y);
        second.forward(&self.inputs[1], rows, &mut self.other);
        let (stride, dropout) = (y.stride(), Dropout::new(rate));
        let blocks = y.data_mut().par_chunks_mut(ROWS * stride);
        let slopes = self.slopes.data_mut().par_chunks_mut(ROWS * stride);
        let other = self.other.data().par_chunks(ROWS * stride);
        blocks.zip(slopes).zip(other).enumerate().for_each(|(block, ((y, slopes), other))| {
            let seed = number(seed, block as u64);
            let parts = y.chunks_exact_mut(4).zip(slopes.chunks_exact_mut(4));
            for (part, ((y, slopes), other)) in (0..).zip(parts.zip(other.chunks_exact(4))) {
                let factors = dropout.factors(seed, part);
                for lane in 0..4 {
                    let value = y[lane] + other[lane];
                    slopes[lane] = if value > 0.0 { factors[lane] } else { LEAK * factors[lane] };
                    y[lane] = slopes[lane] * value;
                }
            }
        });
    }

    /// Adds the gradient in x to `out`, and that in the maps to theirs, from the gradient in y, which
    /// is used up.
    pub(crate) fn backward(
        &mut self,
        graph: &Graph,
        x: &Table,
        gradient: &mut Table,
        out: &mut Table,
    ) {
        let rows = graph.nodes();
        let own = gradient.data_mut().par_iter_mut().zip(self.slopes.data().par_iter());
        own.with_min_len(4096).for_each(|(gradient, slope)| *gradient *= slope);
        for (map, input) in self.maps.iter_mut().zip(&mut self.inputs) {
            map.backward(input, rows, gradient);
            input.data_mut().fill(0.0);
            map.backward_input(rows, gradient, input);
        }
        // From here on the inputs hold their gradients; that of Â x goes into what f was given.
        let [sum, product] = &self.inputs;
        let to = out.data_mut().par_iter_mut().zip(self.other.data_mut().par_iter_mut());
        let from = sum.data().par_iter().zip(product.data().par_iter());
        let values = self.near.data().par_iter().zip(x.data().par_iter());
        let all = to.zip(from).zip(values).with_min_len(4096);
        all.for_each(|(((out, other), (sum, product)), (near, own))| {
            *out += sum + product * near;
            *other = sum + product * own;
        });
        graph.spread(&self.other, gradient, 0..rows, None, |_, _| {});
        let both = out.data_mut().par_iter_mut().zip(gradient.data().par_iter());
        both.with_min_len(4096).for_each(|(out, back)| *out += back);
    }

    /// Moves the maps along their gradients.
    pub(crate) fn step(&mut self) {
        self.maps.iter_mut().for_each(Linear::step);
    }
}

/// What the numbers of all rows of a layer are multiplied by as they are dropped out.
#[cfg(feature = "torch")]
pub(crate) fn dropped_of_layer(rows: usize, stride: usize, rate: f32, seed: u64) -> Vec<f32> {
    let (dropout, mut factors) = (Dropout::new(rate), vec![0f32; rows * stride]);
    factors.par_chunks_mut(ROWS * stride).enumerate().for_each(|(block, factors)| {
        let seed = number(seed, block as u64);
        for (part, to) in (0..).zip(factors.chunks_exact_mut(4)) {
            to.copy_from_slice(&dropout.factors(seed, part));
        }
    });
    factors
}
