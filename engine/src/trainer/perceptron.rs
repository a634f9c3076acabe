//! A map with one hidden layer, whose results are of length one.
//!
//! ```text
//! y = z / |z|     z = W₂ f(W₁ x)     f: a leaky rectifier
//! ```

use rayon::prelude::*;

use super::{Linear, Table, normalise, normalise_back};
use crate::seeded::number;

/// The slope of f below zero.
const LEAK: f32 = 0.01;

/// The maps with what they made of all rows.
#[derive(Debug)]
pub(crate) struct Perceptron {
    maps: [Linear; 2],
    hidden: Table,
    scales: Vec<f32>,
    /// y.
    pub(crate) values: Table,
}

impl Perceptron {
    pub(crate) fn drawn(rows: usize, inputs: usize, dim: usize, rate: f32, seed: u64) -> Self {
        Perceptron {
            maps: [
                Linear::drawn(inputs, dim, rate, number(seed, 1)),
                Linear::drawn(dim, dim, rate, number(seed, 2)),
            ],
            hidden: Table::zeros(rows, dim),
            scales: Vec::new(),
            values: Table::zeros(rows, dim),
        }
    }

    /// The shapes of the weights of such maps.
    pub(crate) fn shapes(inputs: usize, dim: usize) -> [[usize; 2]; 2] {
        [Linear::shape(inputs, dim), Linear::shape(dim, dim)]
    }

    pub(crate) fn weights(&mut self) -> [&mut Table; 2] {
        self.maps.each_mut().map(Linear::weights)
    }

    pub(crate) fn forward(&mut self, x: &Table) {
        let rows = x.rows();
        let [first, second] = &self.maps;
        first.forward(x, rows, &mut self.hidden);
        let hidden = self.hidden.data_mut().par_iter_mut().with_min_len(4096);
        hidden.for_each(|value| *value = if *value > 0.0 { *value } else { LEAK * *value });
        second.forward(&self.hidden, rows, &mut self.values);
        self.scales = normalise(&mut self.values, rows);
    }

    /// A step of the maps from the gradient in y, which is used up.
    pub(crate) fn step(&mut self, x: &Table, gradient: &mut Table) {
        self.backward(x, gradient);
        self.maps.iter_mut().for_each(Linear::step);
    }

    fn backward(&mut self, x: &Table, gradient: &mut Table) {
        let rows = x.rows();
        normalise_back(&self.values, &self.scales, gradient);
        let [first, second] = &mut self.maps;
        second.backward(&self.hidden, rows, gradient);
        let mut back = Table::zeros(rows, self.hidden.dim());
        second.backward_input(rows, gradient, &mut back);
        let both = back.data_mut().par_iter_mut().zip(self.hidden.data().par_iter());
        both.with_min_len(4096).for_each(|(slope, value)| {
            *slope *= if *value > 0.0 { 1.0 } else { LEAK };
        });
        first.backward(x, rows, &back);
    }

    #[cfg(test)]
    pub(crate) fn parts(&mut self, x: &Table, gradient: &mut Table) -> &mut [Linear; 2] {
        self.backward(x, gradient);
        &mut self.maps
    }

    #[cfg(test)]
    pub(crate) fn maps(&mut self) -> &mut [Linear; 2] {
        &mut self.maps
    }
}
