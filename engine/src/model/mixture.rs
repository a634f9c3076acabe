//! A view of items that lies between what maps make of each of their embeddings. It is no model of its own:
//! `cm3` has it as its last view.
//!
//! ```text
//! s: between the P_m x_m/|P_m x_m|, one after the other
//! ```
//!
//! Where it lies between two is drawn for each item and step from Beta(α, α), and halfway for what is kept.

use std::borrow::Borrow;

use super::learning::Settings;
use super::views::Fusion;
use crate::Result;
use crate::compute::Compute;
use crate::seeded::number;
use crate::trainer::{Features, Linear};

/// Draws before the halves are taken.
const DRAWS: u64 = 64;

/// The shapes of the weights of such a view.
pub(super) fn shapes(features: &[Features], dim: usize) -> impl Iterator<Item = [usize; 2]> {
    features.iter().map(move |own| Linear::shape(own.dim(), dim))
}

/// The s of all items.
pub(super) struct Mixture<'a, C: Compute> {
    compute: C,
    seed: u64,
    /// α.
    mixing: f64,
    features: &'a [Features],
    /// The x_m, and the P_m.
    rows: Vec<C::Lent<'a>>,
    maps: Vec<C::Linear>,
    /// The P_m x_m/|P_m x_m|, with one over their lengths.
    units: Vec<C::Table>,
    scales: Vec<C::Numbers>,
    /// What came of each modality but the first being mixed in, the last of which is s, and the shares of
    /// what came before.
    mixed: Vec<C::Table>,
    shares: Vec<C::Numbers>,
}

impl<'a, C: Compute> Mixture<'a, C> {
    pub(super) fn new(
        compute: C,
        settings: &Settings,
        features: &'a [Features],
        mixing: f64,
    ) -> Result<Mixture<'a, C>> {
        let (seed, dim) = (settings.seed, settings.factors);
        let map = |(own, at): (&Features, u64)| {
            compute.linear(own.dim(), dim, settings.rate, number(seed, 32 + at))
        };
        let table = |_: &Features| compute.zeros(0, dim);
        Ok(Mixture {
            compute,
            seed,
            mixing,
            rows: features.iter().map(|own| compute.lend(own.table())).collect::<Result<_>>()?,
            maps: features.iter().zip(0..).map(map).collect::<Result<_>>()?,
            units: features.iter().map(table).collect::<Result<_>>()?,
            scales: Vec::new(),
            mixed: features.iter().skip(1).map(table).collect::<Result<_>>()?,
            shares: Vec::new(),
            features,
        })
    }

    /// The P_m.
    pub(super) fn weights(&mut self) -> impl Iterator<Item = &mut C::Table> {
        let compute = self.compute;
        self.maps.iter_mut().map(move |map| compute.weights(map))
    }

    /// The shares of what came before, where modality `at` of each item is mixed in.
    fn shares(&self, at: usize, step: Option<u64>) -> Result<C::Numbers> {
        let (own, before) = (&self.features[at], &self.features[..at]);
        let of = |item: usize| match step {
            Some(step) if own.has(item) && before.iter().any(|other| other.has(item)) => {
                self.share(item, at, step)
            }
            _ => 0.5,
        };
        self.compute.numbers((0..own.table().rows()).map(of).collect())
    }

    fn share(&self, item: usize, at: usize, step: u64) -> f32 {
        let seed = number(number(self.seed ^ step, at as u64), item as u64);
        // Jöhnk 1964.
        let power = self.mixing.recip();
        let drawn = |about| {
            let bits = (number(seed, about) >> 11) as f64;
            ((bits + 0.5) / (1u64 << 53) as f64).powf(power)
        };
        let pairs = (0..DRAWS).map(|at| (drawn(2 * at), drawn(2 * at + 1)));
        let mut fit = pairs.filter(|(a, b)| a + b <= 1.0 && a + b > 0.0);
        fit.next().map_or(0.5, |(a, b)| (a / (a + b)) as f32)
    }

    /// A step of a map, from the gradient in what it made, which is used up.
    fn learn(&mut self, at: usize, gradient: &mut C::Table) -> Result<()> {
        let compute = self.compute;
        compute.normalise_back(&self.units[at], &self.scales[at], gradient)?;
        compute.learn(&mut self.maps[at], self.rows[at].borrow(), gradient)?;
        compute.step_linear(&mut self.maps[at])
    }
}

impl<C: Compute> Fusion<C> for Mixture<'_, C> {
    fn forward(&mut self, step: Option<u64>) -> Result<()> {
        let compute = self.compute;
        self.scales.clear();
        for ((map, rows), unit) in self.maps.iter().zip(&self.rows).zip(&mut self.units) {
            compute.through(map, rows.borrow(), unit)?;
            self.scales.push(compute.normalise(unit)?);
        }
        self.shares.clear();
        for at in 1..self.units.len() {
            self.shares.push(self.shares(at, step)?);
            let (before, after) = self.mixed.split_at_mut(at - 1);
            let rows = [before.last().unwrap_or(&self.units[0]), &self.units[at]];
            compute.between(rows, &self.shares[at - 1], &mut after[0])?;
        }
        Ok(())
    }

    fn values(&self) -> &C::Table {
        self.mixed.last().unwrap_or(&self.units[0])
    }

    fn step(&mut self, gradient: &mut C::Table) -> Result<()> {
        for at in (1..self.units.len()).rev() {
            let before = if at > 1 { &self.mixed[at - 2] } else { &self.units[0] };
            let rows = [before, &self.units[at]];
            let shares = &self.shares[at - 1];
            let [back, mut own] = self.compute.between_back(rows, shares, gradient)?;
            self.learn(at, &mut own)?;
            *gradient = back;
        }
        self.learn(0, gradient)
    }
}
