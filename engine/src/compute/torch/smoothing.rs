//! Smoothing over the graph on a device: the products of [`crate::trainer::Smoothing`], with Â as a
//! sparse matrix of compressed rows.
//!
//! Here the last level is computed of all rows: a product that skips some is not among the sparse ones
//! of libtorch.

use tch::{Kind, TchError, Tensor};

use super::{Rows, Torch};
use crate::trainer::Graph;
use crate::{Error, Result};

/// A smoothing with what its backward needs.
#[derive(Debug)]
pub(crate) struct Smoothing {
    /// Â.
    graph: Tensor,
    /// One over the roots of the degrees of the items, and their first node.
    scales: Tensor,
    first: i64,
    layers: usize,
    /// The gradient in E⁰.
    gradient: Rows,
}

impl Smoothing {
    pub(super) fn new(torch: Torch, graph: &Graph, layers: usize, dim: usize) -> Result<Smoothing> {
        let (nodes, items) = (graph.nodes() as i64, graph.items());
        // The kernels count entries in 32 bits, which halves what they read beside the values.
        let narrow = |number: &usize| i32::try_from(*number);
        let starts = graph.starts.iter().map(narrow).collect::<std::result::Result<Vec<_>, _>>();
        let starts = starts.map_err(|_| Error::DeviceFailed {
            device: torch.to_string(),
            what: format!("{} interactions are too many for one sparse matrix", graph.others.len()),
        })?;
        let others: Vec<i32> = graph.others.iter().map(|other| *other as i32).collect();
        let entries = graph.starts.windows(2).zip(&graph.scales).flat_map(|(bounds, own)| {
            let others = &graph.others[bounds[0]..bounds[1]];
            others.iter().map(move |other| own * graph.scales[*other as usize])
        });
        let (starts, others) = (torch.send(&starts)?, torch.send(&others)?);
        let entries = torch.send(&entries.collect::<Vec<f32>>())?;
        let size = [nodes, nodes];
        let options = (Kind::Float, torch.0);
        let matrix = Tensor::f_sparse_csr_tensor_crow_col_value_size(
            &starts, &others, &entries, size, options,
        );
        let scales = torch.send(&graph.scales[items.clone()])?;
        let row = crate::kernels::stride(dim) as i64;
        Ok(Smoothing {
            graph: torch.done(matrix)?,
            scales: torch.done(scales.f_unsqueeze(1))?,
            first: items.start as i64,
            layers,
            gradient: Rows { values: torch.zeros(nodes, row)?, dim },
        })
    }

    fn share(&self) -> f64 {
        f64::from(1.0 / (self.layers + 1) as f32)
    }

    /// The sum of the levels below the last, and the last.
    fn levels(&self, base: &Tensor) -> std::result::Result<(Tensor, Tensor), TchError> {
        let (mut sum, mut last) = (base.shallow_clone(), self.graph.f_mm(base)?);
        for _ in 1..self.layers {
            sum = sum.f_add(&last)?;
            last = self.graph.f_mm(&last)?;
        }
        Ok((sum, last))
    }

    /// The rows of E of some nodes.
    pub(super) fn forward(
        &self,
        base: &Tensor,
        nodes: &Tensor,
    ) -> std::result::Result<Tensor, TchError> {
        let (sum, last) = self.levels(base)?;
        let mut rows = sum.f_index_select(0, nodes)?;
        let _ = rows.f_add_(&last.f_index_select(0, nodes)?)?;
        let _ = rows.f_mul_scalar_(self.share())?;
        Ok(rows)
    }

    /// The gradient in E⁰ of that of some rows of E.
    pub(super) fn backward(
        &mut self,
        nodes: &Tensor,
        slopes: &Tensor,
    ) -> std::result::Result<&mut Rows, TchError> {
        let slopes = slopes.f_mul_scalar(self.share())?;
        let mut gradient = self.gradient.values.f_zeros_like()?;
        let _ = gradient.f_index_copy_(0, nodes, &slopes)?;
        for _ in 0..self.layers {
            gradient = self.graph.f_mm(&gradient)?;
            let _ = gradient.f_index_add_(0, nodes, &slopes)?;
        }
        self.gradient.values = gradient;
        Ok(&mut self.gradient)
    }

    /// The rows of E of all items, and for each item the sum of its levels below the last, times its
    /// scale.
    pub(super) fn items(&self, base: &Tensor) -> std::result::Result<(Tensor, Tensor), TchError> {
        let (sum, last) = self.levels(base)?;
        let count = self.scales.size2()?.0;
        let mut sums = sum.f_narrow(0, self.first, count)?.f_mul_scalar(self.share())?;
        let last = last.f_narrow(0, self.first, count)?.f_mul_scalar(self.share())?;
        let smooth = sums.f_add(&last)?;
        let _ = sums.f_mul_(&self.scales)?;
        Ok((smooth, sums))
    }
}
