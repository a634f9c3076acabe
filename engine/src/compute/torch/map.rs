//! A trained map of the features of items on a device; see [`crate::trainer::Projector`].

use tch::{Kind, Tensor};

use super::adam::Adam;
use super::{Batch, Done, Rows, Torch};
use crate::Result;
use crate::kernels::stride;
use crate::trainer::{Features, Linear, Table};

/// A map with what it made of a batch.
#[derive(Debug)]
pub(crate) struct Map<'a> {
    features: &'a Features,
    users: usize,
    dim: usize,
    /// The features of all items.
    rows: Tensor,
    /// One row for each number that comes out, and rows of zeros up to a whole number of lines.
    weights: Rows,
    adam: Adam,
    /// Where the items with features are in the batch, and whether each of its nodes is one.
    places: Tensor,
    has: Tensor,
    /// Their features, what comes out, and its gradient.
    inputs: Tensor,
    values: Tensor,
    gradient: Tensor,
}

impl<'a> Map<'a> {
    pub(super) fn new(
        torch: Torch,
        features: &'a Features,
        users: usize,
        dim: usize,
        rate: f32,
        seed: u64,
    ) -> Result<Map<'a>> {
        let mut drawn = Linear::drawn(features.dim(), dim, rate, seed);
        let weights = torch.rows(drawn.weights())?;
        let none = || torch.blank(0, 1);
        Ok(Map {
            features,
            users,
            dim,
            rows: torch.rows(features.table())?.tensor,
            adam: torch.done(Adam::new(&torch.done(first(&weights, dim))?, rate))?,
            weights,
            places: none()?,
            has: none()?,
            inputs: none()?,
            values: none()?,
            gradient: none()?,
        })
    }

    /// Maps the items of a batch.
    pub(super) fn apply(&mut self, torch: Torch, batch: &Batch) -> Result<()> {
        let (mut places, mut items, mut has) = (Vec::new(), Vec::new(), Vec::new());
        for (at, node) in (0i64..).zip(batch.touched()) {
            let item = (*node as usize).checked_sub(self.users);
            let item = item.filter(|item| self.features.has(*item));
            has.push(f32::from(u8::from(item.is_some())));
            if let Some(item) = item {
                places.push(at);
                items.push(item as i64);
            }
        }
        self.places = torch.send(&places)?;
        self.has = torch.send(&has)?;
        let items = torch.send(&items)?;
        let mut map = || -> Done<()> {
            self.inputs = self.rows.f_index_select(0, &items)?;
            self.values = self.inputs.f_mm(&first(&self.weights, self.dim)?.f_tr()?)?;
            self.gradient = self.values.f_zeros_like()?;
            Ok(())
        };
        torch.done(map())
    }

    /// The numbers of a batch that are of this map.
    fn part(&self, rows: &Tensor, at: usize) -> Done<Tensor> {
        rows.f_narrow(1, at as i64, self.dim as i64)
    }

    /// Puts what came out in the place of the numbers from `at` on.
    pub(super) fn put(&self, batch: &mut Batch, at: usize) -> Done<()> {
        let mut part = self.part(&batch.values.tensor, at)?;
        part.f_index_copy_(0, &self.places, &self.values).map(drop)
    }

    /// Takes the gradient of what was put there out of that of the batch.
    pub(super) fn take_out(&mut self, batch: &mut Batch, at: usize) -> Done<()> {
        let mut part = self.part(&batch.gradient.tensor, at)?;
        self.gradient = part.f_index_select(0, &self.places)?;
        part.f_index_fill_(0, &self.places, 0.0).map(drop)
    }

    /// Moves the map along the gradient.
    pub(super) fn step(&mut self) -> Done<()> {
        let slopes = self.gradient.f_tr()?.f_mm(&self.inputs)?;
        self.adam.all(&mut first(&self.weights, self.dim)?, &slopes)
    }

    pub(super) fn weights(&mut self) -> &mut Rows {
        &mut self.weights
    }

    /// All items, mapped.
    pub(super) fn all(&self, torch: Torch) -> Result<Table> {
        let count = self.features.table().rows() as i64;
        let rows = torch.blank(count, stride(self.dim) as i64)?;
        let fill = || -> Done<()> {
            let values = self.rows.f_mm(&first(&self.weights, self.dim)?.f_tr()?)?;
            self.part(&rows, 0)?.f_copy_(&values)
        };
        torch.done(fill())?;
        torch.receive(&rows, self.dim)
    }

    /// Which of the triples of a batch have two items with features, as zeros and ones.
    pub(super) fn both(&self, items: &Tensor, others: &Tensor) -> Done<Tensor> {
        let has = |places: &Tensor| self.has.f_index_select(0, places);
        has(items)?.f_mul(&has(others)?)
    }
}

/// The rows of weights that numbers come out of, where they are.
fn first(weights: &Rows, dim: usize) -> Done<Tensor> {
    weights.tensor.f_narrow(0, 0, dim as i64)
}

/// How many of what is zero or one are one, and one at least.
pub(super) fn count(which: &Tensor) -> Done<Tensor> {
    which.f_sum(Kind::Float)?.f_clamp_min(1.0)
}
