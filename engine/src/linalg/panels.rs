//! The lower triangle of a symmetric matrix, by panels of columns.
//!
//! Panel `p` holds columns `p · PANEL` up to the next multiple or the end, column after column, each
//! with the rows from the panel's first column to the last row. So a column's part below the
//! diagonal is one slice, a panel is one slice that a thread can own, and a matrix takes half the
//! memory of a full one. The upper half of a panel's square on the diagonal is there but means
//! nothing.

use std::ops::Range;

use faer::traits::RealField;
use rayon::prelude::*;

/// The number of columns of a panel. Saved models depend on it.
pub(crate) const PANEL: usize = 256;

/// The numbers that a matrix of size `n` takes.
pub(crate) fn panels_len(n: usize) -> usize {
    (0..n.div_ceil(PANEL)).map(|panel| columns(n, panel).len() * (n - panel * PANEL)).sum()
}

fn columns(n: usize, panel: usize) -> Range<usize> {
    panel * PANEL..n.min((panel + 1) * PANEL)
}

/// The numbers that a matrix is made of.
pub(crate) trait Entry: RealField + Copy + Default + Send + Sync {
    /// The nearest to a number.
    fn of(value: f64) -> Self;

    /// The number in single precision.
    fn single(self) -> f32;
}

impl Entry for f32 {
    fn of(value: f64) -> f32 {
        value as f32
    }

    fn single(self) -> f32 {
        self
    }
}

impl Entry for f64 {
    fn of(value: f64) -> f64 {
        value
    }

    fn single(self) -> f32 {
        self as f32
    }
}

/// A symmetric matrix of [`panels_len`] numbers.
pub(crate) struct Panels<T> {
    n: usize,
    starts: Vec<usize>,
    data: Vec<T>,
}

impl<T: Entry> Panels<T> {
    pub(crate) fn zeros(n: usize) -> Panels<T> {
        let mut starts = vec![0];
        for panel in 0..n.div_ceil(PANEL) {
            starts.push(starts[panel] + columns(n, panel).len() * (n - panel * PANEL));
        }
        Panels { n, starts, data: vec![T::default(); panels_len(n)] }
    }

    pub(crate) fn n(&self) -> usize {
        self.n
    }

    pub(crate) fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// The columns of a panel.
    pub(crate) fn columns(&self, panel: usize) -> Range<usize> {
        columns(self.n, panel)
    }

    /// A panel, column-major.
    pub(crate) fn panel(&self, panel: usize) -> &[T] {
        &self.data[self.starts[panel]..self.starts[panel + 1]]
    }

    /// A column from the diagonal to the last row.
    pub(crate) fn column(&self, column: usize) -> &[T] {
        let (panel, own) = (column / PANEL, column % PANEL);
        let height = self.n - panel * PANEL;
        &self.panel(panel)[own * height + own..(own + 1) * height]
    }

    /// An entry of the diagonal.
    pub(crate) fn diagonal(&self, at: usize) -> T {
        self.column(at)[0]
    }

    /// Writes the full matrix in rows of `stride` floats. What is beyond `n` stays as it is.
    pub(crate) fn write_rows(&self, out: &mut [f32], stride: usize) {
        let blocks = out.par_chunks_mut(stride * PANEL).enumerate();
        blocks.for_each(|(block, rows)| self.write_block(block, rows, stride));
    }

    /// The same for the rows of one panel's columns.
    pub(crate) fn write_block(&self, block: usize, rows: &mut [f32], stride: usize) {
        let own = self.columns(block);
        for (row, out) in own.clone().zip(rows.chunks_exact_mut(stride)) {
            for (to, value) in out[row..self.n].iter_mut().zip(self.column(row)) {
                *to = value.single();
            }
        }
        // Left of the diagonal: the transpose of what the earlier panels hold in these rows.
        for panel in 0..=block {
            let height = self.n - panel * PANEL;
            let first = own.start - panel * PANEL;
            for (column, values) in self.columns(panel).zip(self.panel(panel).chunks_exact(height))
            {
                let values = &values[first..first + own.len()];
                for (row, value) in values.iter().enumerate() {
                    if own.start + row > column {
                        rows[row * stride + column] = value.single();
                    }
                }
            }
        }
    }

    pub(crate) fn into_inner(self) -> Vec<T> {
        self.data
    }

    /// Every panel, each for itself.
    pub(crate) fn panels_mut(&mut self) -> Vec<&mut [T]> {
        let mut rest = self.data.as_mut_slice();
        let mut panels = Vec::with_capacity(self.starts.len());
        for bounds in self.starts.windows(2) {
            let (panel, after) = rest.split_at_mut(bounds[1] - bounds[0]);
            panels.push(panel);
            rest = after;
        }
        panels
    }

    /// Every column from the diagonal down, with its number.
    pub(crate) fn columns_mut(&mut self) -> Vec<(usize, &mut [T])> {
        let n = self.n;
        let panels = self.panels_mut().into_iter().enumerate();
        panels
            .flat_map(|(panel, data)| {
                let columns = data.chunks_exact_mut(n - panel * PANEL).enumerate();
                columns.map(move |(own, column)| (panel * PANEL + own, &mut column[own..]))
            })
            .collect()
    }
}
