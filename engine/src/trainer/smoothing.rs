//! Smoothing over the graph, as LightGCN does it (He et al. 2020).
//!
//! ```text
//! E = (E⁰ + Â E⁰ + … + Â^L E⁰) / (L + 1)
//! ∂/∂E⁰ = (G + Â G + … + Â^L G) / (L + 1)     G = ∂/∂E
//! ```
//!
//! A batch looks at few rows of E, so the last level is computed for those alone; its gradient is
//! zero in all other rows, so the first step back skips them. With L = 2 that is some two thirds of
//! the work.

use rayon::prelude::*;

use super::{Batch, Graph, ROWS, Table};
use crate::kernels::vectorised;

/// A smoothing with what its backward needs.
#[derive(Debug)]
pub(crate) struct Smoothing {
    graph: Graph,
    layers: usize,
    /// E¹ … E^(L−1).
    levels: Vec<Table>,
    /// G / (L + 1), and which of its rows are not zero.
    gradient: Table,
    touched: Vec<bool>,
    /// What backward computes, from the one into the other.
    sum: Table,
    next: Table,
}

impl Smoothing {
    /// `layers` is at least one.
    pub(crate) fn new(graph: Graph, layers: usize, dim: usize) -> Smoothing {
        let table = || Table::zeros(graph.nodes(), dim);
        Smoothing {
            layers,
            levels: (1..layers).map(|_| table()).collect(),
            gradient: table(),
            touched: vec![false; graph.nodes()],
            sum: table(),
            next: table(),
            graph,
        }
    }

    fn share(&self) -> f32 {
        1.0 / (self.layers + 1) as f32
    }

    fn propagate(&mut self, base: &Table) {
        for level in 0..self.levels.len() {
            let (before, after) = self.levels.split_at_mut(level);
            let from = before.last().unwrap_or(base);
            self.graph.spread(from, &mut after[0], 0..self.graph.nodes(), None, |_, _| {});
        }
    }

    /// Completes a row that holds its last level to the mean of all.
    #[inline(always)]
    fn complete(&self, base: &Table, node: usize, row: &mut [f32]) {
        add(row, base.row(node));
        self.levels.iter().for_each(|level| add(row, level.row(node)));
        let share = self.share();
        row.iter_mut().for_each(|value| *value *= share);
    }

    /// The rows of E that a batch looks at.
    pub(crate) fn forward(&mut self, base: &Table, batch: &mut Batch) {
        self.propagate(base);
        let (own, stride) = (&*self, base.stride());
        let last = own.levels.last().unwrap_or(base);
        let (nodes, values) = (&batch.nodes, &mut batch.values);
        let blocks = values.part_mut(0..nodes.len()).par_chunks_mut(ROWS * stride);
        blocks.zip(nodes.par_chunks(ROWS)).for_each(|(rows, nodes)| {
            vectorised(
                #[inline(always)]
                move || {
                    for (node, row) in nodes.iter().zip(rows.chunks_exact_mut(stride)) {
                        own.graph.row(last, *node as usize, None, row);
                        own.complete(base, *node as usize, row);
                    }
                },
            );
        });
    }

    /// Smooths over another graph of the same nodes from now on; the one before.
    pub(crate) fn over(&mut self, graph: Graph) -> Graph {
        std::mem::replace(&mut self.graph, graph)
    }

    /// The gradient in E⁰ of what a batch holds in E.
    pub(crate) fn backward(&mut self, batch: &Batch) -> &mut Table {
        let share = self.share();
        for (at, node) in batch.nodes.iter().enumerate() {
            self.touched[*node as usize] = true;
            let to = self.gradient.row_mut(*node as usize).iter_mut();
            to.zip(batch.gradient.row(at)).for_each(|(to, value)| *to = share * value);
        }
        let (gradient, touched) = (&self.gradient, &self.touched);
        let plus = |node: usize, row: &mut [f32]| {
            if touched[node] {
                add(row, gradient.row(node));
            }
        };
        let nodes = 0..self.graph.nodes();
        self.graph.spread(gradient, &mut self.sum, nodes.clone(), Some(touched), plus);
        for _ in 1..self.layers {
            self.graph.spread(&self.sum, &mut self.next, nodes.clone(), None, plus);
            std::mem::swap(&mut self.sum, &mut self.next);
        }
        for node in &batch.nodes {
            self.touched[*node as usize] = false;
            self.gradient.row_mut(*node as usize).fill(0.0);
        }
        &mut self.sum
    }

    /// The rows of E of all items, and what a new person's neighbours add up to: for each item the
    /// sum of its levels below the last, times its scale.
    pub(crate) fn items(&mut self, base: &Table) -> (Table, Table) {
        self.propagate(base);
        let (items, stride) = (self.graph.items(), base.stride());
        let last = self.levels.last().unwrap_or(base);
        let mut all = Table::zeros(self.graph.nodes(), base.dim());
        self.graph.spread(last, &mut all, items.clone(), None, |node, row| {
            self.complete(base, node, row);
        });
        let mut smooth = Table::zeros(items.len(), base.dim());
        smooth.data_mut().copy_from_slice(&all.data()[items.start * stride..]);
        let mut sums = Table::zeros(items.len(), base.dim());
        for (item, node) in items.enumerate() {
            let row = sums.row_mut(item);
            add(row, base.row(node));
            self.levels.iter().for_each(|level| add(row, level.row(node)));
            let scale = self.graph.scale(node) * self.share();
            row.iter_mut().for_each(|value| *value *= scale);
        }
        (smooth, sums)
    }
}

#[inline(always)]
fn add(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}
