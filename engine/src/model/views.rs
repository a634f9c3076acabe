//! Items without vectors of their own: each is what maps make of its embeddings, in several views side
//! by side, and people have one free vector for each view.
//!
//! ```text
//! E⁰ = [u₁/|u₁| | … ] for people, [x₁ | … | x_m | x_s] for items     x_m = y(x's embedding of m), x_s: of all
//! e_u = w ⊙ Ē_u     Ē = (E⁰ + Â E⁰ + … + Â^L E⁰) / (L + 1)     w: B times the softmax of θ, by view
//! e_i = Ē_i + S E⁰_i     S: that of `freedom`
//! ```
//!
//! What `lirdrec` and `cm3` are built on (Zhou et al.). There each person weighs the views by numbers of
//! their own; nobody keeps those, so everybody has the same here. The hidden layer of a map is as wide
//! as what comes out.

use std::borrow::Borrow;

use super::learning::{Learned, Settings};
use super::perceptron::{self, Perceptron};
use crate::compute::{Compute, Parts};
use crate::seeded::number;
use crate::trainer::{Features, Graph, Table};
use crate::{Csr, Dataset, Result};

/// What makes the last view of all items.
pub(super) trait Fusion<C: Compute> {
    /// The view of all items, of length one or zero.
    fn forward(&mut self, step: Option<u64>) -> Result<()>;
    fn values(&self) -> &C::Table;
    /// A step from the gradient in the view, which is used up.
    fn step(&mut self, gradient: &mut C::Table) -> Result<()>;
}

/// People and items in views.
pub(super) struct Views<'a, C: Compute, F> {
    compute: C,
    features: Vec<C::Lent<'a>>,
    maps: Vec<Perceptron<C>>,
    pub(super) fusion: F,
    users: usize,
    items: usize,
    dim: usize,
    /// The free vectors of people, all views side by side, and the gradient in them.
    free: C::Table,
    free_slopes: C::Table,
    adam: C::Adam,
    /// w.
    weights: C::Shares,
    /// E⁰, and one over the lengths of the free vectors by view.
    base: C::Table,
    scales: Vec<C::Numbers>,
    /// A view of people or of items, and the gradient in it.
    part: C::Table,
    slopes: C::Table,
    smoothing: C::Smoothing,
    alike: C::Links,
    pub(super) batch: C::Batch,
    steps: u64,
}

impl<'a, C: Compute, F: Fusion<C>> Views<'a, C, F> {
    pub(super) fn new(
        compute: C,
        data: &Dataset,
        settings: &Settings,
        features: &'a [Features],
        fusion: F,
        layers: usize,
        alike: &Csr,
    ) -> Result<Views<'a, C, F>> {
        let (users, items, dim) = (data.n_users(), data.n_items(), settings.factors);
        let (rate, views) = (settings.rate, features.len() + 1);
        let seed = |about| number(settings.seed, about);
        let map = |(own, at): (&Features, u64)| {
            Perceptron::drawn(compute, items, [own.dim(), dim], rate, seed(at))
        };
        let mut free = Table::zeros(users, views * dim);
        match settings.begun(users + items) {
            Some(begun) => free.data_mut().copy_from_slice(&begun.data()[..users * begun.stride()]),
            None => free.draw(0..users, (6.0 / (users + views * dim) as f32).sqrt(), seed(3)),
        }
        let free = compute.table(free)?;
        let graph = compute.graph(Graph::new(&data.by_user, &data.by_item))?;
        let lent = features.iter().map(|own| compute.lend(own.table()));
        Ok(Views {
            compute,
            maps: features.iter().zip(16..).map(map).collect::<Result<_>>()?,
            features: lent.collect::<Result<_>>()?,
            fusion,
            users,
            items,
            dim,
            adam: compute.adam(&free, rate)?,
            free_slopes: compute.zeros(users, views * dim)?,
            free,
            weights: compute.shares(views, rate)?,
            base: compute.zeros(users + items, views * dim)?,
            scales: Vec::new(),
            part: compute.zeros(0, dim)?,
            slopes: compute.zeros(0, dim)?,
            smoothing: compute.smoothing(graph, layers, views * dim)?,
            alike: compute.links(users, alike.clone())?,
            batch: compute.batch(users + items, views * dim)?,
            steps: 0,
        })
    }

    /// θ and the weights of what makes the views, beside what makes the last one.
    pub(super) fn trained(&mut self) -> (Vec<&mut C::Table>, &mut F) {
        let maps = self.maps.iter_mut().flat_map(Perceptron::weights);
        let theta = self.compute.theta(&mut self.weights);
        ([theta].into_iter().chain(maps).collect(), &mut self.fusion)
    }

    /// The free vectors of people, and the views of the items.
    pub(super) fn rows(&mut self) -> Result<Table> {
        self.make(None)?;
        let mut rows = self.compute.read(&self.base)?.into_owned();
        let free = self.compute.read(&self.free)?;
        rows.part_mut(0..self.users).copy_from_slice(free.data());
        Ok(rows)
    }

    fn views(&self) -> usize {
        self.maps.len() + 1
    }

    /// Makes E⁰.
    fn make(&mut self, step: Option<u64>) -> Result<()> {
        let (compute, dim, users) = (self.compute, self.dim, self.users);
        for (map, features) in self.maps.iter_mut().zip(&self.features) {
            map.forward(features.borrow())?;
        }
        self.fusion.forward(step)?;
        self.scales.clear();
        for view in 0..self.views() {
            compute.cut(&self.free, 0..users, view * dim, &mut self.part)?;
            self.scales.push(compute.normalise(&mut self.part)?);
            compute.paste(&self.part, &mut self.base, 0, view * dim)?;
            let values = self.maps.get(view).map_or(self.fusion.values(), |map| &map.values);
            compute.paste(values, &mut self.base, users, view * dim)?;
        }
        Ok(())
    }

    /// The vectors of the batch.
    pub(super) fn forward(&mut self) -> Result<()> {
        let compute = self.compute;
        self.steps += 1;
        self.make(Some(self.steps))?;
        compute.smooth(&mut self.smoothing, &self.base, &mut self.batch)?;
        let Parts { nodes, values, .. } = compute.parts(&mut self.batch);
        compute.near(&mut self.alike, &self.base, nodes, values)?;
        compute.share(&self.weights, &mut self.batch, self.users)
    }

    /// A step of everything from the gradient in the batch, the cost of long free vectors included.
    pub(super) fn step(&mut self) -> Result<()> {
        let (compute, dim, views, users) = (self.compute, self.dim, self.views(), self.users);
        let nodes = users + self.items;
        compute.share_back(&mut self.weights, &mut self.batch, users)?;
        let gradient = compute.smooth_back(&mut self.smoothing, &self.batch)?;
        let slopes = compute.gradient(&self.batch);
        compute.near_back(&mut self.alike, &self.batch, slopes, gradient)?;
        for view in 0..views {
            compute.cut(&self.base, 0..users, view * dim, &mut self.part)?;
            compute.cut(gradient, 0..users, view * dim, &mut self.slopes)?;
            compute.normalise_back(&self.part, &self.scales[view], &mut self.slopes)?;
            compute.paste(&self.slopes, &mut self.free_slopes, 0, view * dim)?;
            compute.cut(gradient, users..nodes, view * dim, &mut self.slopes)?;
            match self.maps.get_mut(view) {
                Some(map) => map.step(self.features[view].borrow(), &mut self.slopes)?,
                None => self.fusion.step(&mut self.slopes)?,
            }
        }
        compute.step(&mut self.adam, &mut self.free, &self.free_slopes)
    }

    /// What is kept.
    pub(super) fn learned(&mut self) -> Result<Learned> {
        self.make(None)?;
        let compute = self.compute;
        let (mut factors, mut sums) = compute.smooth_items(&mut self.smoothing, &self.base)?;
        let alike = compute.near_all(&self.alike, &self.base)?;
        let values = factors.data_mut().iter_mut().zip(alike.data());
        values.for_each(|(value, alike)| *value += alike);
        let weights = compute.shared(&self.weights)?;
        for row in 0..sums.rows() {
            let views = sums.row_mut(row)[..weights.len() * self.dim].chunks_exact_mut(self.dim);
            for (view, weight) in views.zip(&weights) {
                view.iter_mut().for_each(|value| *value *= weight);
            }
        }
        Ok(Learned { factors, sums: Some(sums) })
    }
}

/// The shapes of the weights of such views, those of the last one at the end.
pub(super) fn shapes(
    features: &[Features],
    dim: usize,
    fusion: impl IntoIterator<Item = [usize; 2]>,
) -> Vec<[usize; 2]> {
    let maps = features.iter().flat_map(|own| perceptron::shapes(own.dim(), dim));
    [[1, features.len() + 1]].into_iter().chain(maps).chain(fusion).collect()
}

/// One view of some rows.
pub(super) fn part_of(
    table: &Table,
    rows: std::ops::Range<usize>,
    view: usize,
    dim: usize,
) -> Table {
    let mut out = Table::zeros(rows.len(), dim);
    for (to, row) in rows.enumerate() {
        out.row_mut(to)[..dim].copy_from_slice(&table.row(row)[view * dim..][..dim]);
    }
    out
}

/// Writes a view of the rows from `first` on.
pub(super) fn put(table: &mut Table, first: usize, view: usize, dim: usize, values: &Table) {
    for row in 0..values.rows() {
        let to = &mut table.row_mut(first + row)[view * dim..][..dim];
        to.copy_from_slice(&values.row(row)[..dim]);
    }
}
