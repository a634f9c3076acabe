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

use super::learning::{Learned, Settings};
use crate::seeded::number;
use crate::trainer::{
    Adam, Batch, Directed, Features, Graph, Perceptron, Smoothing, Table, normalise, normalise_back,
};
use crate::{Csr, Dataset};

/// What makes the last view of all items.
pub(super) trait Fusion {
    /// The view of all items, of length one or zero.
    fn forward(&mut self, step: Option<u64>);
    fn values(&self) -> &Table;
    /// A step from the gradient in the view.
    fn step(&mut self, gradient: &mut Table);
}

/// People and items in views.
pub(super) struct Views<'a, F> {
    features: &'a [Features],
    maps: Vec<Perceptron>,
    pub(super) fusion: F,
    users: usize,
    dim: usize,
    /// The free vectors of people, all views side by side.
    free: Table,
    adam: Adam,
    /// θ, one row.
    theta: Table,
    theta_adam: Adam,
    /// E⁰, and one over the lengths of the free vectors by view.
    base: Table,
    scales: Vec<Vec<f32>>,
    smoothing: Smoothing,
    alike: Directed,
    pub(super) batch: Batch,
    steps: u64,
}

impl<'a, F: Fusion> Views<'a, F> {
    pub(super) fn new(
        data: &Dataset,
        settings: &Settings,
        features: &'a [Features],
        fusion: F,
        layers: usize,
        alike: &Csr,
    ) -> Views<'a, F> {
        let (users, items, dim) = (data.n_users(), data.n_items(), settings.factors);
        let (rate, views) = (settings.rate, features.len() + 1);
        let seed = |about| number(settings.seed, about);
        let map =
            |(own, at): (&Features, u64)| Perceptron::drawn(items, own.dim(), dim, rate, seed(at));
        let mut free = Table::zeros(users, views * dim);
        match settings.begun(users + items) {
            Some(begun) => free.data_mut().copy_from_slice(&begun.data()[..users * begun.stride()]),
            None => free.draw(0..users, (6.0 / (users + views * dim) as f32).sqrt(), seed(3)),
        }
        let (base, theta) = (Table::zeros(users + items, views * dim), Table::zeros(1, views));
        Views {
            maps: features.iter().zip(16..).map(map).collect(),
            features,
            fusion,
            users,
            dim,
            adam: Adam::new(&free, rate),
            free,
            theta_adam: Adam::new(&theta, rate),
            theta,
            scales: Vec::new(),
            smoothing: Smoothing::new(Graph::new(&data.by_user, &data.by_item), layers, base.dim()),
            alike: Directed::new(users, alike.clone()),
            batch: Batch::new(base.rows(), base.dim()),
            base,
            steps: 0,
        }
    }

    /// The shapes of the weights of these views, those of the last one at the end.
    pub(super) fn shapes(
        features: &[Features],
        dim: usize,
        fusion: impl IntoIterator<Item = [usize; 2]>,
    ) -> Vec<[usize; 2]> {
        let maps = features.iter().flat_map(|own| Perceptron::shapes(own.dim(), dim));
        [[1, features.len() + 1]].into_iter().chain(maps).chain(fusion).collect()
    }

    /// θ and the weights of what makes the views, beside what makes the last one.
    pub(super) fn trained(&mut self) -> (Vec<&mut Table>, &mut F) {
        let maps = self.maps.iter_mut().flat_map(Perceptron::weights);
        ([&mut self.theta].into_iter().chain(maps).collect(), &mut self.fusion)
    }

    /// The free vectors of people, and the views of the items.
    pub(super) fn rows(&mut self) -> Table {
        self.make(None);
        let mut rows = self.base.clone();
        rows.part_mut(0..self.users).copy_from_slice(self.free.data());
        rows
    }

    fn views(&self) -> usize {
        self.maps.len() + 1
    }

    /// w.
    fn weights(&self) -> Vec<f32> {
        let of = &self.theta.row(0)[..self.views()];
        let most = of.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let parts: Vec<f32> = of.iter().map(|value| (value - most).exp()).collect();
        let sum: f32 = parts.iter().sum();
        parts.iter().map(|part| part * parts.len() as f32 / sum).collect()
    }

    /// Makes E⁰.
    fn make(&mut self, step: Option<u64>) {
        let (dim, users) = (self.dim, self.users);
        for (map, features) in self.maps.iter_mut().zip(self.features) {
            map.forward(features.table());
        }
        self.fusion.forward(step);
        self.scales.clear();
        for view in 0..self.views() {
            let mut own = part(&self.free, view, dim);
            let rows = own.rows();
            self.scales.push(normalise(&mut own, rows));
            put(&mut self.base, 0, view, dim, &own);
            let values = self.maps.get(view).map_or(self.fusion.values(), |map| &map.values);
            put(&mut self.base, users, view, dim, values);
        }
    }

    /// The vectors of the batch.
    pub(super) fn forward(&mut self) {
        self.steps += 1;
        self.make(Some(self.steps));
        self.smoothing.forward(&self.base, &mut self.batch);
        self.alike.forward(&self.base, &self.batch.nodes, &mut self.batch.values);
        let weights = self.weights();
        for (at, node) in self.batch.nodes.iter().enumerate() {
            if (*node as usize) < self.users {
                let views = self.batch.values.row_mut(at)[..weights.len() * self.dim]
                    .chunks_exact_mut(self.dim);
                for (view, weight) in views.zip(&weights) {
                    view.iter_mut().for_each(|value| *value *= weight);
                }
            }
        }
    }

    /// A step of everything from the gradient in the batch, the cost of long free vectors included.
    pub(super) fn step(&mut self) {
        let (dim, views, users) = (self.dim, self.views(), self.users);
        let weights = self.weights();
        let mut by_view = vec![0f32; views];
        for (at, node) in self.batch.nodes.iter().enumerate() {
            if (*node as usize) < users {
                let (values, gradient) = (&self.batch.values, &mut self.batch.gradient);
                let slopes = gradient.row_mut(at)[..views * dim].chunks_exact_mut(dim);
                let own = values.row(at)[..views * dim].chunks_exact(dim);
                for (view, (slopes, own)) in slopes.zip(own).enumerate() {
                    let along: f32 = slopes.iter().zip(own).map(|(a, b)| a * b).sum();
                    by_view[view] += along;
                    slopes.iter_mut().for_each(|slope| *slope *= weights[view]);
                }
            }
        }
        // ∂ ln w_v / ∂θ_k = δ_vk − w_k / B.
        let all: f32 = by_view.iter().sum();
        let mut slopes = Table::zeros(1, views);
        for (view, slope) in slopes.row_mut(0)[..views].iter_mut().enumerate() {
            *slope = by_view[view] - all * weights[view] / views as f32;
        }
        self.theta_adam.all(&mut self.theta, &slopes);
        let gradient = self.smoothing.backward(&self.batch);
        self.alike.backward(&self.batch, &self.batch.gradient, gradient);
        let (of_users, of_items) = split(gradient, users);
        let mut free = Table::zeros(users, views * dim);
        for view in 0..views {
            let (unit, mut slopes) =
                (part_of(&self.base, 0..users, view, dim), part(&of_users, view, dim));
            normalise_back(&unit, &self.scales[view], &mut slopes);
            put(&mut free, 0, view, dim, &slopes);
            let mut slopes = part(&of_items, view, dim);
            match self.maps.get_mut(view) {
                Some(map) => map.step(self.features[view].table(), &mut slopes),
                None => self.fusion.step(&mut slopes),
            }
        }
        self.adam.all(&mut self.free, &free);
    }

    /// What is kept.
    pub(super) fn learned(&mut self) -> Learned {
        self.make(None);
        let (mut factors, mut sums) = self.smoothing.items(&self.base);
        let alike = self.alike.all(&self.base);
        let values = factors.data_mut().iter_mut().zip(alike.data());
        values.for_each(|(value, alike)| *value += alike);
        let weights = self.weights();
        for row in 0..sums.rows() {
            let views = sums.row_mut(row)[..weights.len() * self.dim].chunks_exact_mut(self.dim);
            for (view, weight) in views.zip(&weights) {
                view.iter_mut().for_each(|value| *value *= weight);
            }
        }
        Learned { factors, sums: Some(sums) }
    }
}

/// One view of all rows.
fn part(table: &Table, view: usize, dim: usize) -> Table {
    part_of(table, 0..table.rows(), view, dim)
}

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

/// The rows of people, and those of items.
fn split(table: &Table, users: usize) -> (Table, Table) {
    let mut parts =
        [Table::zeros(users, table.dim()), Table::zeros(table.rows() - users, table.dim())];
    let at = users * table.stride();
    parts[0].data_mut().copy_from_slice(&table.data()[..at]);
    parts[1].data_mut().copy_from_slice(&table.data()[at..]);
    let [of_users, of_items] = parts;
    (of_users, of_items)
}
