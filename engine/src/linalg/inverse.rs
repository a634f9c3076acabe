//! The inverse of a symmetric positive definite matrix, in place, on all cores.
//!
//! One block of columns after the other is swept (Gauss and Jordan's method in its symmetric form):
//! with K the block, R the rest, P = A_KK⁻¹ and B = A_RK·P,
//!
//! ```text
//! A_RR ← A_RR − B·A_KR      A_RK ← B      A_KK ← −P
//! ```
//!
//! After all blocks the matrix holds −A⁻¹. That takes n³ operations, as many as a Cholesky
//! factorisation with an inverse made of it, but in place, in one kind of step, and nearly all of
//! them in one large product that any number of cores shares. Without pivoting it is as stable
//! as Cholesky on such matrices.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::panels::{Entry, PANEL, Panels};
use crate::{Error, Work};

/// The rows of a tile.
const TILE: usize = 1024;

/// Why there is no inverse.
#[derive(Debug)]
pub(crate) enum InverseError {
    /// The matrix is not positive definite.
    NotPositiveDefinite,
    /// The work was cancelled.
    Cancelled,
}

impl From<Error> for InverseError {
    fn from(_: Error) -> InverseError {
        InverseError::Cancelled
    }
}

/// Replaces a positive definite matrix by its inverse.
pub(crate) fn invert<T: Entry>(
    matrix: &mut Panels<T>,
    stage: &str,
    work: &Work,
) -> Result<(), InverseError> {
    let (n, count) = (matrix.n(), matrix.count());
    let mut pivot_rows = vec![T::default(); n * PANEL.min(n)];
    let mut products = pivot_rows.clone();
    for pivot in 0..count {
        work.step(stage, pivot as u64, count as u64)?;
        let width = matrix.columns(pivot).len();
        let (from, to) = (&mut pivot_rows[..n * width], &mut products[..n * width]);
        gather(matrix, pivot, from);
        let inverse = invert_block(from, n, pivot * PANEL, width)?;
        multiply(from, to, n, inverse.as_ref(), work);
        update(matrix, pivot, from, to, work);
        work.check()?;
        scatter(matrix, pivot, to, inverse.as_ref());
    }
    matrix.panels_mut().into_par_iter().for_each(|panel| panel.iter_mut().for_each(|x| *x = -*x));
    work.step(stage, count as u64, count as u64)?;
    Ok(())
}

/// The whole columns of the pivot's panel, row by row, those above its diagonal taken from the rows
/// that mirror them. Rows lie together because that is how the large product reads them.
fn gather<T: Entry>(matrix: &Panels<T>, pivot: usize, out: &mut [T]) {
    let n = matrix.n();
    let (start, height) = (pivot * PANEL, n - pivot * PANEL);
    let width = matrix.columns(pivot).len();
    let own = matrix.panel(pivot);
    out.par_chunks_mut(64 * width).enumerate().for_each(|(chunk, rows)| {
        let first = chunk * 64;
        for (row, to) in (first..).zip(rows.chunks_exact_mut(width)) {
            if row < start {
                let height = n - row / PANEL * PANEL;
                let at = row % PANEL * height + start - row / PANEL * PANEL;
                to.copy_from_slice(&matrix.panel(row / PANEL)[at..at + width]);
            } else {
                for (column, to) in to.iter_mut().enumerate() {
                    // Within the square on the diagonal only the lower half is kept up.
                    let (low, high) = (column.min(row - start), column.max(row - start));
                    let inside = row - start < width;
                    let at =
                        if inside { low * height + high } else { column * height + row - start };
                    *to = own[at];
                }
            }
        }
    });
}

/// The inverse of the square on the diagonal.
fn invert_block<T: Entry>(
    rows: &[T],
    n: usize,
    start: usize,
    width: usize,
) -> Result<Mat<T>, InverseError> {
    let all = MatRef::from_column_major_slice(rows, width, n);
    let mut factor = all.subcols(start, width).to_owned();
    let scratch = llt::factor::cholesky_in_place_scratch::<T>(width, Par::Seq, Default::default());
    llt::factor::cholesky_in_place(
        factor.as_mut(),
        Default::default(),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .map_err(|_| InverseError::NotPositiveDefinite)?;
    let mut inverse = Mat::zeros(width, width);
    let scratch = llt::inverse::inverse_scratch::<T>(width, Par::Seq);
    llt::inverse::inverse(
        inverse.as_mut(),
        factor.as_ref(),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
    );
    for column in 0..width {
        for row in 0..column {
            inverse[(row, column)] = inverse[(column, row)];
        }
    }
    let finite = (0..width).all(|at| inverse[(at, at)].single().is_finite());
    if finite { Ok(inverse) } else { Err(InverseError::NotPositiveDefinite) }
}

/// B = A_RK · P, tile by tile.
fn multiply<T: Entry>(from: &[T], to: &mut [T], n: usize, inverse: MatRef<'_, T>, work: &Work) {
    let width = inverse.ncols();
    let from = MatRef::from_row_major_slice(from, n, width);
    let mut rest = MatMut::from_column_major_slice_mut(to, n, width);
    let mut tiles = Vec::new();
    for row in (0..n).step_by(TILE) {
        let (tile, after) = rest.split_at_row_mut(TILE.min(n - row));
        tiles.push((row, tile));
        rest = after;
    }
    tiles.into_par_iter().with_max_len(1).for_each(|(row, tile)| {
        if !work.cancel.is_cancelled() {
            let rows = from.subrows(row, tile.nrows());
            matmul(tile, Accum::Replace, rows, inverse, T::one_impl(), Par::Seq);
        }
    });
}

/// A_RR ← A_RR − B · A_KR in all panels but the pivot's. The pivot's rows come out wrong; `scatter`
/// overwrites them.
fn update<T: Entry>(matrix: &mut Panels<T>, pivot: usize, from: &[T], to: &[T], work: &Work) {
    let n = matrix.n();
    let width = matrix.columns(pivot).len();
    let from = MatRef::from_column_major_slice(from, width, n);
    let to = MatRef::from_column_major_slice(to, n, width);
    let mut tiles = Vec::new();
    for (panel, data) in matrix.panels_mut().into_iter().enumerate() {
        if panel == pivot {
            continue;
        }
        let start = panel * PANEL;
        let columns = PANEL.min(n - start);
        let mut rest = MatMut::from_column_major_slice_mut(data, n - start, columns);
        let others = from.subcols(start, columns);
        for row in (start..n).step_by(TILE) {
            let (tile, after) = rest.split_at_row_mut(TILE.min(n - row));
            tiles.push((tile, to.subrows(row, TILE.min(n - row)), others));
            rest = after;
        }
    }
    tiles.into_par_iter().with_max_len(1).for_each(|(tile, rows, others)| {
        if !work.cancel.is_cancelled() {
            matmul(tile, Accum::Add, rows, others, -T::one_impl(), Par::Seq);
        }
    });
}

/// A_RK ← B and A_KK ← −P.
fn scatter<T: Entry>(matrix: &mut Panels<T>, pivot: usize, to: &[T], inverse: MatRef<'_, T>) {
    let n = matrix.n();
    let (start, width) = (pivot * PANEL, inverse.ncols());
    matrix.panels_mut().into_par_iter().enumerate().for_each(|(panel, data)| {
        let height = n - panel * PANEL;
        let columns = data.chunks_exact_mut(height).enumerate();
        if panel < pivot {
            let first = start - panel * PANEL;
            for (own, column) in columns {
                let mirrored = to[panel * PANEL + own..].iter().step_by(n);
                for (value, product) in column[first..first + width].iter_mut().zip(mirrored) {
                    *value = *product;
                }
            }
        } else if panel == pivot {
            for (own, column) in columns {
                for (row, value) in column[..width].iter_mut().enumerate() {
                    *value = -inverse[(row, own)];
                }
                let below = own * n + start + width..(own + 1) * n;
                column[width..].copy_from_slice(&to[below]);
            }
        }
    });
}

#[cfg(test)]
mod tests;
