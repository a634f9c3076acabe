//! A trained map with one hidden layer, whose results are of length one. It is no model of its own: views are
//! made by it.
//!
//! ```text
//! y = z / |z|     z = W₂ f(W₁ x)     f: a leaky rectifier
//! ```

use crate::Result;
use crate::compute::Compute;
use crate::seeded::number;
use crate::trainer::Linear;

/// The slope of f below zero.
const LEAK: f32 = 0.01;

/// The shapes of the weights of such maps.
pub(super) fn shapes(inputs: usize, dim: usize) -> [[usize; 2]; 2] {
    [Linear::shape(inputs, dim), Linear::shape(dim, dim)]
}

/// The maps with what they made of all rows.
pub(super) struct Perceptron<C: Compute> {
    compute: C,
    rows: usize,
    dim: usize,
    maps: [C::Linear; 2],
    hidden: C::Table,
    scales: C::Numbers,
    /// y.
    pub(super) values: C::Table,
}

impl<C: Compute> Perceptron<C> {
    /// Maps of so many rows, drawn by a seed.
    pub(super) fn drawn(
        compute: C,
        rows: usize,
        [inputs, dim]: [usize; 2],
        rate: f32,
        seed: u64,
    ) -> Result<Perceptron<C>> {
        Ok(Perceptron {
            compute,
            rows,
            dim,
            maps: [
                compute.linear(inputs, dim, rate, number(seed, 1))?,
                compute.linear(dim, dim, rate, number(seed, 2))?,
            ],
            hidden: compute.zeros(0, dim)?,
            scales: compute.numbers(Vec::new())?,
            values: compute.zeros(0, dim)?,
        })
    }

    pub(super) fn weights(&mut self) -> [&mut C::Table; 2] {
        let compute = self.compute;
        self.maps.each_mut().map(|map| compute.weights(map))
    }

    pub(super) fn forward(&mut self, x: &C::Table) -> Result<()> {
        let compute = self.compute;
        let [first, second] = &self.maps;
        compute.through(first, x, &mut self.hidden)?;
        compute.rectify(&mut self.hidden, LEAK)?;
        compute.through(second, &self.hidden, &mut self.values)?;
        self.scales = compute.normalise(&mut self.values)?;
        Ok(())
    }

    /// A step of the maps from the gradient in y, which is used up.
    pub(super) fn step(&mut self, x: &C::Table, gradient: &mut C::Table) -> Result<()> {
        self.backward(x, gradient)?;
        self.maps.iter_mut().try_for_each(|map| self.compute.step_linear(map))
    }

    fn backward(&mut self, x: &C::Table, gradient: &mut C::Table) -> Result<()> {
        let compute = self.compute;
        compute.normalise_back(&self.values, &self.scales, gradient)?;
        let [first, second] = &mut self.maps;
        compute.learn(second, &self.hidden, gradient)?;
        let mut back = compute.zeros(self.rows, self.dim)?;
        compute.through_back(second, gradient, &mut back)?;
        compute.rectify_back(&self.hidden, LEAK, &mut back)?;
        compute.learn(first, x, &back)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::compute::Native;
    use crate::kernels::dot;
    use crate::trainer::Table;

    fn table(rows: usize, dim: usize, seed: u64) -> Table {
        let mut table = Table::zeros(rows, dim);
        table.draw(0..rows, 1.0, seed);
        table
    }

    #[test]
    fn a_perceptron_has_the_gradient_of_its_maps() {
        let (x, slopes) = (table(9, 6, 110), table(9, 4, 111));
        let mut net = Perceptron::drawn(Native, 9, [6, 4], 0.01, 5).unwrap();
        let inner = |net: &mut Perceptron<Native>| -> f64 {
            net.forward(&x).unwrap();
            let both = net.values.data().iter().zip(slopes.data());
            both.map(|(y, slope)| f64::from(y * slope)).sum()
        };
        let before = inner(&mut net);
        let length = |row| dot(net.values.row(row), net.values.row(row));
        assert!((0..9).all(|row| (length(row) - 1.0).abs() < 1e-5));
        for map in 0..2 {
            net.forward(&x).unwrap();
            net.backward(&x, &mut slopes.clone()).unwrap();
            let gradient = net.maps[map].parts().1.clone();
            net.maps.iter_mut().for_each(Linear::forget);
            let (mut wrong, mut all) = (0, 0);
            for row in 0..4 {
                for at in 0..gradient.dim() {
                    let mut moved = |by: f32| {
                        net.maps[map].parts().0.row_mut(row)[at] += by;
                        let found = inner(&mut net);
                        net.maps[map].parts().0.row_mut(row)[at] -= by;
                        found
                    };
                    let step = 1f32 / 256.0;
                    let expected = (moved(step) - moved(-step)) / f64::from(2.0 * step);
                    let got = f64::from(gradient.row(row)[at]);
                    wrong += usize::from((got - expected).abs() > 1e-2 * (1.0 + expected.abs()));
                    all += 1;
                }
            }
            assert!(wrong * 10 <= all, "{wrong} of {all} slopes of map {map} are others");
        }
        assert!((inner(&mut net) - before).abs() < 1e-4);
    }
}
