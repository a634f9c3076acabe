//! The factors of one side, users or items, and the half of an iteration that makes them.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use tastedb_storage::ItemId;

use super::NAME;
use super::settings::Settings;
use super::solver::Solver;
use crate::kernels::{LANES, Line, stride};
use crate::linalg::{add_gram, eigen, products};
use crate::seeded::{fraction, number};
use crate::{Csr, Error, Result, Work};

/// Rows that one thread takes at a time.
const BLOCK: usize = 64;
/// Rows whose inner products are summed before they are added to others.
const SUMMED: usize = 256;
/// Sums of that kind that are kept at once, at most.
const SUMS: usize = 16;
/// The spread of the factors that training starts from, in all of a row.
const START: f32 = 0.1;

/// Factors in padded rows, turned so that they are uncorrelated: FᵀF is diagonal.
pub(super) struct Side {
    pub(super) dim: usize,
    pub(super) lines: Vec<Line>,
    /// The diagonal of FᵀF, `dim` numbers.
    pub(super) spectrum: Vec<f32>,
}

/// Factors as a solver reads them.
#[derive(Clone, Copy)]
pub(super) struct Basis<'a> {
    pub(super) dim: usize,
    pub(super) rows: &'a [f32],
    pub(super) spectrum: &'a [f32],
}

impl<'a> Basis<'a> {
    pub(super) fn stride(&self) -> usize {
        stride(self.dim)
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len() / self.stride()
    }

    /// A row with its padding of zeros.
    pub(super) fn row(&self, row: u32) -> &'a [f32] {
        &self.rows[row as usize * self.stride()..][..self.stride()]
    }
}

/// FᵀF of some rows, added to the last field.
struct Gram<'a>(&'a [f32], usize, &'a mut [f32]);

impl WithSimd for Gram<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Gram(rows, stride, out) = self;
        add_gram(simd, rows, stride, out);
    }
}

/// The bytes of the factors of so many rows.
pub(super) fn bytes(n: u64, dim: usize) -> u64 {
    n.saturating_mul(4 * stride(dim) as u64)
}

/// The bytes of what it takes to turn factors, and to solve for a row on each of some threads.
pub(super) fn scratch_bytes(dim: usize, threads: usize) -> u64 {
    let square = (stride(dim) * stride(dim)) as u64;
    square * (4 * SUMS as u64 + 4 * 8 + 3 * 4 * threads as u64)
}

impl Side {
    /// Small numbers that depend on the seed and the item.
    pub(super) fn start(items: &[ItemId], dim: usize, seed: u64) -> Side {
        let width = stride(dim) / LANES;
        let mut lines = vec![Line::default(); items.len() * width];
        let spread = START * (12.0 / dim as f32).sqrt();
        for (item, lines) in items.iter().zip(lines.chunks_exact_mut(width)) {
            let own = number(seed, item.0);
            let row: &mut [f32] = bytemuck::cast_slice_mut(lines);
            for (at, value) in row[..dim].iter_mut().enumerate() {
                *value = spread * (fraction(own, at as u64) - 0.5);
            }
        }
        Side { dim, lines, spectrum: vec![0.0; dim] }
    }

    pub(super) fn zeros(n: usize, dim: usize) -> Side {
        let lines = vec![Line::default(); n * stride(dim) / LANES];
        Side { dim, lines, spectrum: vec![0.0; dim] }
    }

    pub(super) fn rows(&self) -> &[f32] {
        bytemuck::cast_slice(&self.lines)
    }

    pub(super) fn basis(&self) -> Basis<'_> {
        Basis { dim: self.dim, rows: self.rows(), spectrum: &self.spectrum }
    }

    /// FᵀF, by a sum whose shape depends on the number of rows alone.
    fn gram(&self) -> Vec<f64> {
        let (dim, stride) = (self.dim, stride(self.dim));
        let part = (self.rows().len() / stride).div_ceil(SUMS).next_multiple_of(SUMMED).max(SUMMED);
        let parts: Vec<Vec<f32>> = self
            .rows()
            .par_chunks(part * stride)
            .map(|rows| {
                let mut sum = vec![Line::default(); stride * stride / LANES];
                let out: &mut [f32] = bytemuck::cast_slice_mut(&mut sum);
                for rows in rows.chunks(SUMMED * stride) {
                    Arch::new().dispatch(Gram(rows, stride, out));
                }
                out.to_vec()
            })
            .collect();
        let mut gram = vec![0f64; dim * dim];
        for part in &parts {
            for (own, sums) in gram.chunks_exact_mut(dim).zip(part.chunks_exact(stride)) {
                own.iter_mut().zip(sums).for_each(|(sum, value)| *sum += f64::from(*value));
            }
        }
        gram
    }

    /// Turns the factors into the directions of the eigenvectors of FᵀF. No score changes: the other
    /// side is solved for afterwards.
    pub(super) fn turn(&mut self) -> Result<()> {
        let (dim, stride) = (self.dim, stride(self.dim));
        // The upper triangle by rows is the lower one by columns.
        let (values, vectors) = eigen(&self.gram(), dim)
            .ok_or(Error::NotPositiveDefinite { algorithm: NAME, option: "regularization" })?;
        self.spectrum = values.iter().map(|value| value.max(0.0) as f32).collect();
        let mut turn = vec![0f32; stride * stride];
        for (row, vector) in turn.chunks_exact_mut(stride).zip(vectors.chunks_exact(dim)) {
            row.iter_mut().zip(vector).for_each(|(to, value)| *to = *value as f32);
        }
        let rows: &mut [f32] = bytemuck::cast_slice_mut(&mut self.lines);
        rows.par_chunks_mut(SUMMED * stride).for_each_init(
            Vec::new,
            |turned: &mut Vec<f32>, rows| {
                turned.clear();
                turned.resize(rows.len(), 0.0);
                products(&turn, rows, stride, turned);
                rows.copy_from_slice(turned);
            },
        );
        Ok(())
    }

    /// Solves for every row from the other side, given the row's pairs. The factors come out in the
    /// directions of the other side's; see [`Side::turn`].
    pub(super) fn solve(
        &mut self,
        other: &Side,
        pairs: &Csr,
        settings: Settings,
        work: &Work,
    ) -> Result<()> {
        let width = stride(self.dim) / LANES;
        let blocks = self.lines.par_chunks_mut(BLOCK * width).enumerate();
        blocks.for_each_init(
            || (Solver::new(other.basis(), settings), Vec::new()),
            |(solver, seen), (block, lines)| {
                if work.cancel.is_cancelled() {
                    return;
                }
                for (row, out) in (block * BLOCK..).zip(lines.chunks_exact_mut(width)) {
                    let (rows, weights) = pairs.row(row);
                    seen.clear();
                    seen.extend(rows.iter().copied().zip(weights.iter().copied()));
                    solver.fold_in(seen, bytemuck::cast_slice_mut(out));
                }
            },
        );
        work.check()
    }
}
