//! The rows that a batch of triples touches, on a device; see [`crate::trainer::Batch`].
//!
//! Which nodes these are is found out here, and their places go there in one piece; from then on all
//! happens there.

use std::borrow::Cow;

use tch::{Kind, Tensor};

use super::look_up::LookUp;
use super::map::{Map, count};
use super::{Done, Places, Rows, Torch};
use crate::Result;
use crate::compute::{Batches, Parts, Tables};
use crate::kernels::stride;
use crate::seeded::fraction;
use crate::trainer::{self, Table, Triple};

/// The touched rows of a batch with what is computed for them.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Finds the nodes; it holds no rows.
    here: trainer::Batch,
    /// The nodes, in the order in which they first occur.
    pub(super) nodes: Places,
    /// Users, items and others as places among the nodes.
    places: [Tensor; 3],
    /// How much each triple counts, where that is not 1.
    weights: Option<Tensor>,
    /// How often each node occurs, below each other.
    counts: Tensor,
    /// The values of the nodes.
    pub(super) values: Rows,
    /// The gradient of the loss in `values`.
    pub(super) gradient: Rows,
    /// The number of triples; where only some count, how many of them do is there too.
    len: usize,
    counted: Option<Tensor>,
    /// What items count in [`Batch::weigh`], once they are there.
    item_weights: Option<Tensor>,
}

impl Batch {
    pub(super) fn new(torch: Torch, nodes: usize, dim: usize) -> Result<Batch> {
        let none = || torch.send::<i64>(&[]);
        Ok(Batch {
            here: trainer::Batch::new(nodes, 0),
            nodes: Places::known(Vec::new(), none()?),
            places: [none()?, none()?, none()?],
            weights: None,
            counts: torch.blank(0, 1)?,
            values: torch.zeros(0, dim)?,
            gradient: torch.zeros(0, dim)?,
            len: 0,
            counted: None,
            item_weights: None,
        })
    }

    /// The nodes.
    pub(super) fn touched(&self) -> &[u32] {
        &self.here.nodes
    }

    /// Takes the triples of the next batch.
    pub(super) fn take(&mut self, torch: Torch, triples: &[Triple]) -> Result<()> {
        self.here.take(triples);
        let here = &self.here;
        let column = |at: usize| here.triples.iter().map(move |triple| triple[at]);
        let numbers = here.nodes.iter().copied().chain((0..3).flat_map(column));
        let sent = torch.send(&numbers.map(i64::from).collect::<Vec<_>>())?;
        let (nodes, len) = (here.nodes.len() as i64, triples.len() as i64);
        let part = |from, count| torch.done(sent.f_narrow(0, from, count));
        self.nodes = Places::known(here.nodes.clone(), part(0, nodes)?);
        self.places = [part(nodes, len)?, part(nodes + len, len)?, part(nodes + 2 * len, len)?];
        self.len = triples.len();
        self.weights = None;
        let counts = torch.send(&here.counts)?;
        self.counts = torch.done(counts.f_unsqueeze(1))?;
        let width = stride(self.gradient.dim) as i64;
        self.values.tensor = torch.blank(nodes, width)?;
        self.gradient.tensor = torch.blank(nodes, width)?;
        Ok(())
    }

    /// Of each `group` of triples keeps one.
    pub(super) fn choose(
        &mut self,
        torch: Torch,
        group: usize,
        heat: f32,
        seed: u64,
    ) -> Result<()> {
        let groups = self.len / group;
        let drawn: Vec<f32> = (0..groups).map(|at| fraction(seed, at as u64)).collect();
        let drawn = torch.send(&drawn)?;
        torch.done(self.choose_by(&drawn, groups as i64, group as i64, heat))?;
        self.len = groups;
        Ok(())
    }

    fn choose_by(&mut self, drawn: &Tensor, groups: i64, group: i64, heat: f32) -> Done<()> {
        let losses = self.margins()?.f_neg()?.f_softplus()?.f_reshape([groups, group])?;
        let least = losses.f_amin([1i64].as_slice(), true)?;
        let chances = least.f_sub(&losses)?.f_div_scalar(f64::from(heat))?.f_exp()?;
        let reached = chances.f_cumsum(1, Kind::Float)?;
        let drawn = drawn.f_unsqueeze(1)?.f_mul(&reached.f_narrow(1, group - 1, 1)?)?;
        // The first whose sum is above what was drawn; the last where rounding leaves none.
        let below =
            reached.f_le_tensor(&drawn)?.f_sum_dim_intlist([1i64].as_slice(), true, Kind::Int64)?;
        let chosen = below.f_clamp_max(group - 1)?;
        for places in &mut self.places {
            let grouped = places.f_reshape([groups, group])?;
            *places = grouped.f_gather(1, &chosen, false)?.f_reshape([-1])?;
        }
        let all = Tensor::f_cat(&self.places, 0)?;
        let nodes = self.here.nodes.len() as i64;
        let counts = all.f_bincount::<&Tensor>(None, nodes)?;
        self.counts = counts.f_to_dtype(Kind::Float, false, false)?.f_unsqueeze(1)?;
        Ok(())
    }

    /// Lets each triple count as much as the item that was had.
    pub(super) fn weigh(&mut self, torch: Torch, weights: &[f32], first: usize) -> Result<()> {
        let weights = match self.item_weights.take() {
            Some(weights) => weights,
            None => torch.send(weights)?,
        };
        let of = || -> Done<Tensor> {
            let items = self.nodes.there.f_index_select(0, &self.places[1])?;
            weights.f_index_select(0, &items.f_sub_scalar(first as i64)?)
        };
        self.weights = Some(torch.done(of())?);
        self.item_weights = Some(weights);
        Ok(())
    }

    /// By how much the item that was had is ahead.
    fn margins(&self) -> Done<Tensor> {
        let [u, i, j] = self.rows()?;
        let product =
            |item: &Tensor| u.f_mul(item)?.f_sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
        product(&i)?.f_sub(&product(&j)?)
    }

    fn rows(&self) -> Done<[Tensor; 3]> {
        let [users, items, others] = &self.places;
        let row = |places: &Tensor| self.values.tensor.f_index_select(0, places);
        Ok([row(users)?, row(items)?, row(others)?])
    }

    /// Adds the losses to the sum, and `factor` times the gradient of their mean to the gradient.
    pub(super) fn compare(&mut self, factor: f32, loss: &mut Tensor) -> Done<()> {
        let behind = self.margins()?.f_neg()?;
        let mut losses = behind.f_softplus()?;
        let mut slopes = behind.f_sigmoid()?;
        let _ = match &self.counted {
            Some(counted) => slopes.f_mul_scalar_(f64::from(-factor))?.f_div_(counted)?,
            None => slopes.f_mul_scalar_(f64::from(-factor / self.len.max(1) as f32))?,
        };
        if let Some(weights) = &self.weights {
            let _ = losses.f_mul_(weights)?;
            let _ = slopes.f_mul_(weights)?;
        }
        let _ = loss.f_add_(&losses.f_sum(Kind::Double)?)?;
        let ([u, i, j], slopes) = (self.rows()?, slopes.f_unsqueeze(1)?);
        let [users, items, others] = &self.places;
        let along = slopes.f_mul(&u)?;
        let _ = self.gradient.tensor.f_index_add_(0, users, &i.f_sub(&j)?.f_mul_(&slopes)?)?;
        let _ = self.gradient.tensor.f_index_add_(0, items, &along)?;
        let _ = self.gradient.tensor.f_index_add_(0, others, &along.f_neg()?)?;
        Ok(())
    }

    /// Takes the rows of a batch, and lets those of its triples count whose items both have features.
    pub(super) fn like(&mut self, other: &Batch, map: &Map<'_>) -> Done<()> {
        let [users, items, others] = &other.places;
        let both = map.both(items, others)?;
        self.places = [users, items, others].map(Tensor::shallow_clone);
        self.nodes = Places::known(other.nodes.here.clone(), other.nodes.there.shallow_clone());
        self.values.tensor = other.values.tensor.f_detach_copy()?;
        self.gradient.tensor = other.values.tensor.f_zeros_like()?;
        self.len = other.len;
        self.counted = Some(count(&both)?);
        self.weights = Some(match &other.weights {
            Some(weights) => weights.f_mul(&both)?,
            None => both,
        });
        Ok(())
    }

    /// Adds the gradient of a batch with the same rows.
    pub(super) fn add_gradient(&mut self, other: &Batch) -> Done<()> {
        self.gradient.tensor.f_add_(&other.gradient.tensor).map(drop)
    }

    /// Adds the gradient of the lengths of the values to the gradient.
    pub(super) fn decay(&mut self, regularization: f32) -> Done<()> {
        let slopes = self.values.tensor.f_mul(&self.costs(regularization)?)?;
        let _ = self.gradient.tensor.f_add_(&slopes)?;
        Ok(())
    }

    /// Adds the gradient of the lengths of rows of all nodes to one of all nodes.
    pub(super) fn decay_of(
        &self,
        regularization: f32,
        values: &Tensor,
        gradient: &mut Tensor,
    ) -> Done<()> {
        if regularization == 0.0 {
            return Ok(());
        }
        let rows = values.f_index_select(0, &self.nodes.there)?;
        let slopes = rows.f_mul(&self.costs(regularization)?)?;
        let _ = gradient.f_index_add_(0, &self.nodes.there, &slopes)?;
        Ok(())
    }

    /// What each node costs, as often as it occurs.
    fn costs(&self, regularization: f32) -> Done<Tensor> {
        self.counts.f_mul_scalar(f64::from(regularization / self.len as f32))
    }
}

impl Batches for Torch {
    type Batch = Batch;
    type LookUp = LookUp;

    fn batch(self, nodes: usize, dim: usize) -> Result<Batch> {
        Batch::new(self, nodes, dim)
    }

    fn take(self, batch: &mut Batch, triples: &[Triple]) -> Result<()> {
        batch.take(self, triples)
    }

    fn here(self, batch: &Batch) -> &trainer::Batch {
        &batch.here
    }

    fn parts(self, batch: &mut Batch) -> Parts<'_, Torch> {
        let Batch { nodes, values, gradient, .. } = batch;
        Parts { nodes, values, gradient }
    }

    fn gradient(self, batch: &Batch) -> &Rows {
        &batch.gradient
    }

    fn choose(self, batch: &mut Batch, group: usize, heat: f32, seed: u64) -> Result<()> {
        batch.choose(self, group, heat, seed)
    }

    fn weigh(self, batch: &mut Batch, weights: &[f32], first: usize) -> Result<()> {
        batch.weigh(self, weights, first)
    }

    fn decay(self, batch: &mut Batch, regularization: f32) -> Result<()> {
        self.done(batch.decay(regularization))
    }

    fn decay_of(
        self,
        batch: &Batch,
        regularization: f32,
        values: &Rows,
        gradient: &mut Rows,
    ) -> Result<()> {
        self.done(batch.decay_of(regularization, &values.tensor, &mut gradient.tensor))
    }

    fn add_gradient(self, batch: &mut Batch, beside: &Batch) -> Result<()> {
        self.done(batch.add_gradient(beside))
    }

    fn look_up(self, values: Table, rate: f32) -> Result<LookUp> {
        LookUp::new(self, &values, rate)
    }

    fn look(self, rows: &mut LookUp, batch: &mut Batch) -> Result<()> {
        rows.forward(self, batch)
    }

    fn step_touched(self, rows: &mut LookUp, batch: &Batch) -> Result<()> {
        self.done(rows.step(batch))
    }

    fn left(self, rows: &LookUp) -> Result<Cow<'_, Table>> {
        self.read(rows.values())
    }

    fn up_to_date(self, rows: &mut LookUp, first: usize) -> Result<Table> {
        rows.up_to_date(self, first)
    }
}
