//! Exact updates of an inverse: what it becomes when outer products are added to the matrix or taken
//! from it.
//!
//! ```text
//! (A + V Vᵀ)⁻¹ = P − Z Zᵀ     L Lᵀ = I + Vᵀ P V     Z = P V L⁻ᵀ     P = A⁻¹
//! (A − V Vᵀ)⁻¹ = P + Z Zᵀ     L Lᵀ = I − Vᵀ P V
//! ```
//!
//! (Sherman, Morrison and Woodbury, with the small system factored so that the correction stays
//! symmetric.) V has sparse columns. n² operations for each, where a new inverse takes n³.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::cholesky::Cholesky;
use super::panels::{PANEL, Panels};
use crate::{Result, Work};

/// Columns of V that are taken at a time.
const WIDTH: usize = 256;
/// The rows of a tile.
const TILE: usize = 1024;

/// A column of V: rows, ascending, and values.
pub(crate) type Sparse = Vec<(u32, f64)>;

/// Whether outer products come or go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Turn {
    Add,
    Remove,
}

/// Replaces an inverse by that of the matrix with the outer products of `vectors` added or removed;
/// false, with the numbers spoilt, where that matrix is not positive definite.
pub(crate) fn update_inverse(
    inverse: &mut Panels<f64>,
    vectors: &[Sparse],
    turn: Turn,
    work: &Work,
) -> Result<bool> {
    let sign = if turn == Turn::Add { 1.0 } else { -1.0 };
    for (at, part) in vectors.chunks(WIDTH).enumerate() {
        work.step("exact update", (at * WIDTH) as u64, vectors.len() as u64)?;
        let width = part.len();
        let mut rows = image(inverse, part);
        let Some(factor) = Cholesky::new(width, small(part, &rows, sign)) else {
            return Ok(false);
        };
        rows.par_chunks_exact_mut(width).for_each(|row| factor.solve_half(row));
        correct(inverse, &rows, width, -sign);
    }
    work.step("exact update", vectors.len() as u64, vectors.len() as u64)?;
    Ok(true)
}

/// Replaces a part of an inverse by the inverse of that part of the matrix:
/// `P_KK − P_KG P_GG⁻¹ P_GK` (the block inverse), of which `cross` is P_KG and `corner` P_GG, row by
/// row; false, with nothing changed, where `corner` is not positive definite.
pub(crate) fn leave_out(part: &mut Panels<f64>, mut cross: Vec<f64>, corner: Vec<f64>) -> bool {
    let n = part.n();
    let width = cross.len() / n.max(1);
    let Some(factor) = Cholesky::new(width, corner) else { return false };
    cross.par_chunks_exact_mut(width.max(1)).for_each(|row| factor.solve_half(row));
    correct(part, &cross, width, -1.0);
    true
}

/// P V in rows of as many numbers as V has columns.
fn image(inverse: &Panels<f64>, vectors: &[Sparse]) -> Vec<f64> {
    let (n, width) = (inverse.n(), vectors.len());
    // Below the diagonal, and on it.
    let below: Vec<Vec<f64>> = vectors
        .par_iter()
        .map(|vector| {
            let mut sums = vec![0f64; n];
            for (row, factor) in vector {
                let row = *row as usize;
                let column = inverse.column(row);
                sums[row..].iter_mut().zip(column).for_each(|(sum, own)| *sum += factor * own);
            }
            sums
        })
        .collect();
    // Above it, by the columns that mirror the rows.
    let mut rows = vec![0f64; n * width];
    rows.par_chunks_exact_mut(width).enumerate().for_each(|(at, out)| {
        let column = inverse.column(at);
        for ((out, vector), below) in out.iter_mut().zip(vectors).zip(&below) {
            let after = vector.partition_point(|(row, _)| *row as usize <= at);
            let above: f64 = vector[after..]
                .iter()
                .map(|(row, factor)| factor * column[*row as usize - at])
                .sum();
            *out = below[at] + above;
        }
    });
    rows
}

/// I ± Vᵀ P V, row by row.
fn small(vectors: &[Sparse], rows: &[f64], sign: f64) -> Vec<f64> {
    let width = vectors.len();
    let mut out = vec![0f64; width * width];
    out.par_chunks_exact_mut(width).zip(vectors).enumerate().for_each(|(at, (out, vector))| {
        for (row, factor) in vector {
            let own = &rows[*row as usize * width..][..width];
            out.iter_mut().zip(own).for_each(|(sum, own)| *sum += sign * factor * own);
        }
        out[at] += 1.0;
    });
    out
}

/// Adds `sign` · Z Zᵀ, tile by tile.
fn correct(inverse: &mut Panels<f64>, rows: &[f64], width: usize, sign: f64) {
    let n = inverse.n();
    let left = MatRef::from_row_major_slice(rows, n, width);
    let right = MatRef::from_column_major_slice(rows, width, n);
    let mut tiles = Vec::new();
    for (panel, data) in inverse.panels_mut().into_iter().enumerate() {
        let start = panel * PANEL;
        let columns = PANEL.min(n - start);
        let mut rest = MatMut::from_column_major_slice_mut(data, n - start, columns);
        for row in (start..n).step_by(TILE) {
            let (tile, after) = rest.split_at_row_mut(TILE.min(n - row));
            let height = TILE.min(n - row);
            tiles.push((tile, left.subrows(row, height), right.subcols(start, columns)));
            rest = after;
        }
    }
    tiles.into_par_iter().with_max_len(1).for_each(|(tile, rows, columns)| {
        matmul(tile, Accum::Add, rows, columns, sign, Par::Seq);
    });
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::linalg::invert;
    use crate::seeded::fraction;

    fn vectors(n: usize, count: usize, salt: u64) -> Vec<Sparse> {
        let vector = |k: u64| -> Sparse {
            let rows = (0..n as u32).filter(|row| fraction(salt + k, u64::from(*row)) < 0.02);
            rows.map(|row| (row, f64::from(fraction(k, u64::from(row))) + 0.5)).collect()
        };
        (0..count as u64).map(vector).collect()
    }

    fn matrix(n: usize, parts: &[&[Sparse]]) -> Panels<f64> {
        let mut matrix = Panels::zeros(n);
        for (at, column) in matrix.columns_mut() {
            column[0] = 3.0;
            for vector in parts.iter().flat_map(|part| part.iter()) {
                let own = vector.iter().find(|(row, _)| *row as usize == at);
                let Some((_, own)) = own else { continue };
                for (row, value) in vector.iter().filter(|(row, _)| *row as usize >= at) {
                    column[*row as usize - at] += own * value;
                }
            }
        }
        matrix
    }

    /// More columns than one part has, and more rows than one panel.
    #[test]
    fn updates_are_the_inverse_of_the_new_matrix() {
        let n = 600;
        let (old, new) = (vectors(n, 300, 1), vectors(n, 270, 1000));
        let mut found = matrix(n, &[&old]);
        invert(&mut found, "", &Work::quiet()).unwrap();
        assert!(update_inverse(&mut found, &new, Turn::Add, &Work::quiet()).unwrap());
        assert!(update_inverse(&mut found, &old[..40], Turn::Remove, &Work::quiet()).unwrap());
        let mut expected = matrix(n, &[&old[40..], &new]);
        invert(&mut expected, "", &Work::quiet()).unwrap();
        for at in 0..n {
            for (own, other) in found.column(at).iter().zip(expected.column(at)) {
                assert!((own - other).abs() < 1e-12, "column {at}: {own} {other}");
            }
        }
    }

    /// What rounding adds grows with the root of the number of updates: 7e-16 after 8,000, 3e-15 after 80,000.
    #[test]
    fn thousands_of_updates_do_not_drift() {
        let n = 150;
        let stays = vectors(n, 200, 1);
        let mut expected = matrix(n, &[&stays]);
        invert(&mut expected, "", &Work::quiet()).unwrap();
        let mut found = matrix(n, &[&stays]);
        invert(&mut found, "", &Work::quiet()).unwrap();
        let far = |found: &Panels<f64>| {
            let columns = (0..n).flat_map(|at| found.column(at).iter().zip(expected.column(at)));
            columns.map(|(own, other)| (own - other).abs()).fold(0.0, f64::max)
        };
        for round in 0..2_000 {
            let passing = vectors(n, 2, 1_000 + 2 * round);
            for turn in [Turn::Add, Turn::Remove] {
                assert!(update_inverse(&mut found, &passing, turn, &Work::quiet()).unwrap());
            }
        }
        assert!(far(&found) < 1e-13, "{:e}", far(&found));
    }

    #[test]
    fn what_is_left_out_leaves_the_inverse_of_the_rest() {
        let (n, gone) = (300, [7usize, 8, 299]);
        let all = vectors(n, 100, 1);
        let whole = matrix(n, &[&all]);
        let mut inverse = matrix(n, &[&all]);
        invert(&mut inverse, "", &Work::quiet()).unwrap();
        let kept: Vec<usize> = (0..n).filter(|row| !gone.contains(row)).collect();
        let at = |from: &Panels<f64>, row: usize, column: usize| {
            from.column(row.min(column))[row.abs_diff(column)]
        };
        let part = |from: &Panels<f64>| {
            let mut part = Panels::zeros(kept.len());
            for (own, column) in part.columns_mut() {
                let rows = kept[own..].iter().map(|row| at(from, *row, kept[own]));
                column.iter_mut().zip(rows).for_each(|(to, value)| *to = value);
            }
            part
        };
        let block = |rows: &[usize]| -> Vec<f64> {
            rows.iter().flat_map(|row| gone.map(|column| at(&inverse, *row, column))).collect()
        };
        let mut found = part(&inverse);
        assert!(leave_out(&mut found, block(&kept), block(&gone)));
        let mut expected = part(&whole);
        invert(&mut expected, "", &Work::quiet()).unwrap();
        for at in 0..kept.len() {
            for (own, other) in found.column(at).iter().zip(expected.column(at)) {
                assert!((own - other).abs() < 1e-12, "column {at}: {own} {other}");
            }
        }
    }

    #[test]
    fn what_was_never_there_cannot_be_taken_away() {
        let mut found = matrix(10, &[]);
        invert(&mut found, "", &Work::quiet()).unwrap();
        let strange = vec![vec![(3u32, 2.0)]];
        assert!(!update_inverse(&mut found, &strange, Turn::Remove, &Work::quiet()).unwrap());
    }
}
