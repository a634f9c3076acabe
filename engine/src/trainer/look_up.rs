//! Rows of factors of which a batch touches few: looked up, and moved along their gradients.

use super::{Adam, Batch, Table};
use crate::kernels::vectorised;

/// Factors that are trained by the rows that are touched.
#[derive(Clone, Debug)]
pub(crate) struct LookUp {
    values: Table,
    adam: Adam,
}

impl LookUp {
    pub(crate) fn new(values: Table, rate: f32) -> LookUp {
        LookUp { adam: Adam::new(&values, rate), values }
    }

    /// The rows as they were left when they were last touched or read.
    pub(crate) fn values(&self) -> &Table {
        &self.values
    }

    /// Copies the rows that a batch touches into it.
    pub(crate) fn forward(&mut self, batch: &mut Batch) {
        vectorised(
            #[inline(always)]
            move || {
                for (at, node) in batch.nodes.iter().enumerate() {
                    let row = self.values.row_mut(*node as usize);
                    self.adam.catch_up(*node as usize, row);
                    batch.values.row_mut(at).copy_from_slice(row);
                }
            },
        );
    }

    /// Moves the rows that a batch touches along their gradients.
    pub(crate) fn step(&mut self, batch: &Batch) {
        vectorised(
            #[inline(always)]
            move || {
                let step = self.adam.step();
                for (at, node) in batch.nodes.iter().enumerate() {
                    let row = self.values.row_mut(*node as usize);
                    self.adam.touch(step, *node as usize, row, batch.gradient.row(at));
                }
            },
        );
    }

    /// The rows from `first` on, up to date.
    pub(crate) fn rows(&mut self, first: usize) -> Table {
        let (dim, stride) = (self.values.dim(), self.values.stride());
        for node in first..self.values.rows() {
            self.adam.catch_up(node, self.values.row_mut(node));
        }
        let mut rows = Table::zeros(self.values.rows() - first, dim);
        rows.data_mut().copy_from_slice(&self.values.data()[first * stride..]);
        rows
    }
}
