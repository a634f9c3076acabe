//! The vectors of the items of a batch through a trained map: what a modality says of them.

use super::{Batch, Features, Linear, Table};

/// A map of features with what it made of a batch. Only the items of a batch that have a vector go
/// through it.
#[derive(Debug)]
pub(crate) struct Projector<'a> {
    features: &'a Features,
    users: usize,
    map: Linear,
    /// Those items, and where they are in the batch.
    nodes: Vec<u32>,
    places: Vec<u32>,
    inputs: Table,
    /// What came out for each of them.
    values: Table,
    /// The gradient of the loss in `values`.
    pub(crate) gradient: Table,
}

impl<'a> Projector<'a> {
    /// A projection to `dim` numbers for the nodes from `users` on.
    pub(crate) fn new(
        features: &'a Features,
        users: usize,
        dim: usize,
        rate: f32,
        seed: u64,
    ) -> Projector<'a> {
        Projector {
            features,
            users,
            map: Linear::drawn(features.dim(), dim, rate, seed),
            nodes: Vec::new(),
            places: Vec::new(),
            inputs: Table::zeros(0, features.dim()),
            values: Table::zeros(0, dim),
            gradient: Table::zeros(0, dim),
        }
    }

    /// Whether a node is an item with a vector.
    pub(crate) fn has(&self, node: u32) -> bool {
        (node as usize).checked_sub(self.users).is_some_and(|item| self.features.has(item))
    }

    /// Projects the items of a batch. The gradient is zero then.
    pub(crate) fn forward(&mut self, batch: &Batch) {
        self.nodes.clear();
        self.places.clear();
        for (place, node) in (0..).zip(&batch.nodes) {
            if self.has(*node) {
                self.nodes.push(*node);
                self.places.push(place);
            }
        }
        let rows = self.nodes.len();
        self.features.gather(&self.nodes, self.users, &mut self.inputs);
        self.values.fit(rows);
        self.gradient.fit(rows);
        self.gradient.part_mut(0..rows).fill(0.0);
        self.map.forward(&self.inputs, rows, &mut self.values);
    }

    /// Puts what came out in the place of the numbers from `start` on of the items of the batch, or of one
    /// with the same rows, that have a vector.
    pub(crate) fn put(&self, batch: &mut Batch, start: usize) {
        let dim = self.values.dim();
        for (row, place) in self.places.iter().enumerate() {
            let to = &mut batch.values.row_mut(*place as usize)[start..start + dim];
            to.copy_from_slice(&self.values.row(row)[..dim]);
        }
    }

    /// Takes the gradient of what was put there out of that of the batch.
    pub(crate) fn take_out(&mut self, batch: &mut Batch, start: usize) {
        let dim = self.values.dim();
        for (row, place) in self.places.iter().enumerate() {
            let from = &mut batch.gradient.row_mut(*place as usize)[start..start + dim];
            self.gradient.row_mut(row)[..dim].copy_from_slice(from);
            from.fill(0.0);
        }
    }

    /// Moves the map along the gradient.
    pub(crate) fn step(&mut self) {
        self.map.backward(&self.inputs, self.nodes.len(), &self.gradient);
        self.map.step();
    }

    pub(crate) fn weights(&mut self) -> &mut Table {
        self.map.weights()
    }

    /// All items, projected.
    pub(crate) fn all(&self) -> Table {
        let table = self.features.table();
        let mut out = Table::zeros(table.rows(), self.values.dim());
        self.map.forward(table, table.rows(), &mut out);
        out
    }
}
