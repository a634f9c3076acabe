//! Propagation over a hypergraph: nodes meet in edges of any size.
//!
//! ```text
//! y = A (H Hᵀ − Z) B x     H: which edges a node is in     A, B, Z: diagonal
//! ∂/∂x = B (H Hᵀ − Z) A ∂/∂y
//! ```
//!
//! Two nodes are linked as often as they meet. That many links are never made: x goes to the edges and
//! back, at the cost of H. (The graphs of MMHCL, Guo et al. 2025.)

use rayon::prelude::*;

use super::{ROWS, Table};
use crate::Csr;

/// A hypergraph with its normalisation.
#[derive(Clone, Debug)]
pub(crate) struct Hypergraph {
    /// The edges of each node, and the nodes of each edge.
    pub(crate) nodes: Csr,
    pub(crate) edges: Csr,
    /// A, B and Z.
    pub(crate) scales: [Vec<f32>; 2],
    pub(crate) own: Vec<f32>,
}

impl Hypergraph {
    /// Nodes that meet in the columns of a matrix, whatever its values, but not themselves; rows of
    /// the links sum to one.
    pub(crate) fn of_others(nodes: &Csr) -> Hypergraph {
        let own: Vec<f32> = (0..nodes.n_rows()).map(|row| nodes.degree(row) as f32).collect();
        let edges = nodes.transpose();
        let mut scale = sums(nodes, &edges);
        let rest = scale.iter_mut().zip(&own);
        rest.for_each(|(sum, own)| *sum = if *sum > *own { (*sum - own).recip() } else { 0.0 });
        let scales = [scale, vec![1.0; own.len()]];
        Hypergraph { nodes: nodes.clone(), edges, scales, own }
    }

    /// The same with themselves; the links are normalised by the roots of their sums, on both sides.
    pub(crate) fn symmetric(nodes: &Csr) -> Hypergraph {
        let edges = nodes.transpose();
        let mut scale = sums(nodes, &edges);
        let root = |sum: &mut f32| *sum = if *sum > 0.0 { sum.sqrt().recip() } else { 0.0 };
        scale.iter_mut().for_each(root);
        let own = vec![0.0; scale.len()];
        Hypergraph { nodes: nodes.clone(), edges, scales: [scale.clone(), scale], own }
    }

    /// y of x.
    pub(crate) fn forward(&self, x: &Table) -> Table {
        let [left, right] = &self.scales;
        self.spread(x, left, right)
    }

    /// The gradient in x from that in y.
    pub(crate) fn backward(&self, gradient: &Table) -> Table {
        let [left, right] = &self.scales;
        self.spread(gradient, right, left)
    }

    fn spread(&self, x: &Table, left: &[f32], right: &[f32]) -> Table {
        let mut met = Table::zeros(self.edges.n_rows(), x.dim());
        sum_rows(&self.edges, &mut met, |node, row| add(row, right[node], x.row(node)));
        let mut out = Table::zeros(x.rows(), x.dim());
        sum_rows(&self.nodes, &mut out, |edge, row| add(row, 1.0, met.row(edge)));
        let stride = out.stride();
        let rows = out.data_mut().par_chunks_mut(stride.max(1)).with_min_len(ROWS).enumerate();
        rows.for_each(|(node, row)| {
            add(row, -self.own[node] * right[node], x.row(node));
            row.iter_mut().for_each(|value| *value *= left[node]);
        });
        out
    }
}

/// How often each node meets any, itself included.
fn sums(nodes: &Csr, edges: &Csr) -> Vec<f32> {
    let of = |(edges_of, _): (&[u32], &[f32])| {
        edges_of.iter().map(|edge| edges.degree(*edge as usize) as f32).sum()
    };
    nodes.rows().map(of).collect()
}

fn sum_rows(graph: &Csr, out: &mut Table, each: impl Fn(usize, &mut [f32]) + Sync) {
    let stride = out.stride();
    let rows = out.data_mut().par_chunks_mut(stride.max(1)).with_min_len(ROWS).enumerate();
    rows.for_each(|(at, row)| {
        graph.row(at).0.iter().for_each(|other| each(*other as usize, row));
    });
}

#[inline(always)]
fn add(to: &mut [f32], weight: f32, from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += weight * from);
}
