//! Dense rows of factors, padded to whole cache lines. The padding is zero and stays so.

use crate::kernels::{LANES, Line, stride};
use crate::seeded::number;

/// Rows of numbers of one length.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    dim: usize,
    lines: Vec<Line>,
}

impl Table {
    /// Rows of zeros.
    pub(crate) fn zeros(rows: usize, dim: usize) -> Table {
        Table { dim, lines: vec![Line::default(); rows * stride(dim) / LANES] }
    }

    /// Has so many rows from now on: the first ones as they were, and zeros beyond. The memory stays.
    pub(crate) fn fit(&mut self, rows: usize) {
        self.lines.resize(rows * self.stride() / LANES, Line::default());
    }

    /// Sets some rows to numbers drawn evenly from −bound to bound.
    pub(crate) fn draw(&mut self, rows: std::ops::Range<usize>, bound: f32, seed: u64) {
        let dim = self.dim;
        for row in rows {
            for (at, value) in self.row_mut(row)[..dim].iter_mut().enumerate() {
                let drawn = number(seed, (row * dim + at) as u64) >> 40;
                *value = bound * (drawn as f32 / (1u32 << 23) as f32 - 1.0);
            }
        }
    }

    /// The length of a row without its padding.
    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// The length of a row with its padding.
    pub(crate) fn stride(&self) -> usize {
        stride(self.dim)
    }

    /// The number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.lines.len() * LANES / self.stride().max(1)
    }

    pub(crate) fn row(&self, row: usize) -> &[f32] {
        let stride = self.stride();
        &self.data()[row * stride..(row + 1) * stride]
    }

    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [f32] {
        let stride = self.stride();
        &mut self.data_mut()[row * stride..(row + 1) * stride]
    }

    /// All rows, one after the other.
    pub(crate) fn data(&self) -> &[f32] {
        bytemuck::cast_slice(&self.lines)
    }

    pub(crate) fn data_mut(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.lines)
    }

    /// The rows from one to before another, as one slice.
    pub(crate) fn part_mut(&mut self, rows: std::ops::Range<usize>) -> &mut [f32] {
        let stride = self.stride();
        &mut self.data_mut()[rows.start * stride..rows.end * stride]
    }
}
