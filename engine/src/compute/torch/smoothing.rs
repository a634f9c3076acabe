//! Smoothing over the graph on a device: the products of [`crate::trainer::Smoothing`], with Â as a
//! sparse matrix of compressed rows.
//!
//! Here the last level is computed of all rows: a product that skips some is not among the sparse ones
//! of libtorch.

use tch::Tensor;

use super::{Done, Rows, Sparse, Torch};
use crate::Result;
use crate::kernels::stride;

/// The normalised graph of users and items.
#[derive(Debug)]
pub(crate) struct Graph {
    /// Â.
    pub(super) matrix: Sparse,
    /// One over the roots of the degrees of the items, below each other, and their first node.
    scales: Tensor,
    first: i64,
    nodes: i64,
}

impl Clone for Graph {
    /// The same graph: nothing is copied.
    fn clone(&self) -> Graph {
        Graph { matrix: self.matrix.clone(), scales: self.scales.shallow_clone(), ..*self }
    }
}

impl Graph {
    pub(super) fn new(torch: Torch, graph: &crate::trainer::Graph) -> Result<Graph> {
        let (nodes, items) = (graph.nodes(), graph.items());
        let entries = graph.starts.windows(2).zip(&graph.scales).flat_map(|(bounds, own)| {
            let others = &graph.others[bounds[0]..bounds[1]];
            others.iter().map(move |other| own * graph.scales[*other as usize])
        });
        let entries: Vec<f32> = entries.collect();
        let scales = torch.send(&graph.scales[items.clone()])?;
        Ok(Graph {
            matrix: Sparse::new(torch, &graph.starts, &graph.others, &entries, nodes)?,
            scales: torch.done(scales.f_unsqueeze(1))?,
            first: items.start as i64,
            nodes: nodes as i64,
        })
    }
}

/// A smoothing with what its backward needs.
#[derive(Debug)]
pub(crate) struct Smoothing {
    graph: Graph,
    layers: usize,
    /// The gradient in E⁰.
    gradient: Rows,
}

impl Smoothing {
    pub(super) fn new(torch: Torch, graph: Graph, layers: usize, dim: usize) -> Result<Smoothing> {
        let tensor = torch.blank(graph.nodes, stride(dim) as i64)?;
        Ok(Smoothing { graph, layers, gradient: Rows { tensor, dim } })
    }

    /// Smooths over another graph of the same nodes from now on; the one before.
    pub(super) fn over(&mut self, graph: Graph) -> Graph {
        std::mem::replace(&mut self.graph, graph)
    }

    fn share(&self) -> f64 {
        f64::from(1.0 / (self.layers + 1) as f32)
    }

    /// The sum of the levels below the last, and the last.
    fn levels(&self, base: &Tensor) -> Done<(Tensor, Tensor)> {
        let (mut sum, mut last) = (base.shallow_clone(), self.graph.matrix.times(base)?);
        for _ in 1..self.layers {
            sum = sum.f_add(&last)?;
            last = self.graph.matrix.times(&last)?;
        }
        Ok((sum, last))
    }

    /// The rows of E of some nodes.
    pub(super) fn forward(&self, base: &Tensor, nodes: &Tensor) -> Done<Tensor> {
        let (sum, last) = self.levels(base)?;
        let mut rows = sum.f_index_select(0, nodes)?;
        let _ = rows.f_add_(&last.f_index_select(0, nodes)?)?;
        let _ = rows.f_mul_scalar_(self.share())?;
        Ok(rows)
    }

    /// The gradient in E⁰ of that of some rows of E.
    pub(super) fn backward(&mut self, nodes: &Tensor, slopes: &Tensor) -> Done<&mut Rows> {
        let slopes = slopes.f_mul_scalar(self.share())?;
        let mut gradient = self.gradient.tensor.f_zeros_like()?;
        let _ = gradient.f_index_copy_(0, nodes, &slopes)?;
        for _ in 0..self.layers {
            gradient = self.graph.matrix.times(&gradient)?;
            let _ = gradient.f_index_add_(0, nodes, &slopes)?;
        }
        self.gradient.tensor = gradient;
        Ok(&mut self.gradient)
    }

    /// The rows of E of all items, and for each item the sum of its levels below the last, times its
    /// scale.
    pub(super) fn items(&self, base: &Tensor) -> Done<(Tensor, Tensor)> {
        let (sum, last) = self.levels(base)?;
        let Graph { first, nodes, .. } = self.graph;
        let mut sums = sum.f_narrow(0, first, nodes - first)?.f_mul_scalar(self.share())?;
        let last = last.f_narrow(0, first, nodes - first)?.f_mul_scalar(self.share())?;
        let smooth = sums.f_add(&last)?;
        let _ = sums.f_mul_(&self.graph.scales)?;
        Ok((smooth, sums))
    }
}
