//! Propagation over a hypergraph on a device; see [`crate::trainer::Hypergraph`].

use tch::Tensor;

use super::{Done, Sparse, Torch};
use crate::compute::Tables;
use crate::{Csr, Result, trainer};

/// A hypergraph with its normalisation.
#[derive(Debug)]
pub(crate) struct Hypergraph {
    /// H and Hᵀ, whose entries are ones.
    nodes: Sparse,
    edges: Sparse,
    /// A, B and Z, below each other.
    scales: [Tensor; 2],
    own: Tensor,
}

impl Hypergraph {
    pub(super) fn new(torch: Torch, graph: &trainer::Hypergraph) -> Result<Hypergraph> {
        let ones = |matrix: &Csr| {
            let (starts, entries) = (matrix.indptr(), vec![1.0; matrix.len()]);
            let starts = if starts.is_empty() { &[0] } else { starts };
            Sparse::new(torch, starts, matrix.indices(), &entries, matrix.n_columns())
        };
        let [left, right] = &graph.scales;
        let column = |numbers: &[f32]| torch.numbers(numbers.to_vec());
        Ok(Hypergraph {
            nodes: ones(&graph.nodes)?,
            edges: ones(&graph.edges)?,
            scales: [column(left)?, column(right)?],
            own: column(&graph.own)?,
        })
    }

    /// y of x.
    pub(super) fn forward(&self, x: &Tensor) -> Done<Tensor> {
        let [left, right] = &self.scales;
        self.spread(x, left, right)
    }

    /// The gradient in x from that in y.
    pub(super) fn backward(&self, gradient: &Tensor) -> Done<Tensor> {
        let [left, right] = &self.scales;
        self.spread(gradient, right, left)
    }

    fn spread(&self, x: &Tensor, left: &Tensor, right: &Tensor) -> Done<Tensor> {
        let x = x.f_mul(right)?;
        let mut out = self.nodes.times(&self.edges.times(&x)?)?;
        let _ = out.f_sub_(&x.f_mul(&self.own)?)?;
        let _ = out.f_mul_(left)?;
        Ok(out)
    }
}
