//! Propagation over a directed graph of items with weights.
//!
//! ```text
//! y = S x     ∂/∂x = Sᵀ ∂/∂y
//! ```
//!
//! A batch looks at few rows of y, so forward computes those alone, and backward skips the rest.

use rayon::prelude::*;

use super::{Batch, ROWS, Table};
use crate::Csr;
use crate::kernels::vectorised;

/// A graph of items, both ways.
#[derive(Clone, Debug)]
pub(crate) struct Directed {
    /// Items are the nodes from here on.
    users: usize,
    /// S.
    rows: Csr,
    /// Sᵀ.
    columns: Csr,
}

impl Directed {
    pub(crate) fn new(users: usize, rows: Csr) -> Directed {
        Directed { users, columns: rows.transpose(), rows }
    }

    /// Adds the rows of S x that a batch looks at to those of `out`. Both x and S x have rows for
    /// people, which are left alone.
    pub(crate) fn forward(&self, x: &Table, batch: &[u32], out: &mut Table) {
        let stride = out.stride();
        let blocks = out.part_mut(0..batch.len()).par_chunks_mut(ROWS * stride);
        blocks.zip(batch.par_chunks(ROWS)).for_each(|(rows, nodes)| {
            vectorised(
                #[inline(always)]
                move || {
                    for (node, row) in nodes.iter().zip(rows.chunks_exact_mut(stride)) {
                        let Some(item) = (*node as usize).checked_sub(self.users) else { continue };
                        let (others, weights) = self.rows.row(item);
                        for (other, weight) in others.iter().zip(weights) {
                            add(row, *weight, x.row(self.users + *other as usize));
                        }
                    }
                },
            );
        });
    }

    /// Adds the gradient in x to `out`, from that in the rows of a batch.
    pub(crate) fn backward(&self, batch: &Batch, gradient: &Table, out: &mut Table) {
        let stride = out.stride();
        let nodes = self.users..out.rows();
        let blocks = out.part_mut(nodes).par_chunks_mut(ROWS * stride).enumerate();
        blocks.for_each(|(block, rows)| {
            vectorised(
                #[inline(always)]
                move || {
                    for (item, row) in (block * ROWS..).zip(rows.chunks_exact_mut(stride)) {
                        let (others, weights) = self.columns.row(item);
                        for (other, weight) in others.iter().zip(weights) {
                            if let Some(place) = batch.place(self.users + *other as usize) {
                                add(row, *weight, gradient.row(place));
                            }
                        }
                    }
                },
            );
        });
    }

    /// S x for all items, into rows of items alone.
    pub(crate) fn all(&self, x: &Table) -> Table {
        let items: Vec<u32> = (self.users..x.rows()).map(|node| node as u32).collect();
        let mut out = Table::zeros(items.len(), x.dim());
        self.forward(x, &items, &mut out);
        out
    }
}

#[inline(always)]
fn add(to: &mut [f32], weight: f32, from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += weight * from);
}
