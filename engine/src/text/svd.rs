//! The leading right singular vectors of a sparse matrix, by randomised subspace iteration.
//!
//! ```text
//! Y = Xᵀ Ω                       Ω: rows × l, standard normal; l = dim + 16
//! Z = orth(Y), Y = Xᵀ (X Z)      four times
//! Z = orth(Y), Zᵀ Xᵀ X Z = W Λ Wᵀ, V = Z W
//! ```
//!
//! (Halko, Martinsson and Tropp 2011, algorithm 4.4 on Xᵀ.) Of dense matrices there are two, of
//! terms by l: products go through X and its transpose 32 columns at a time, so nothing of rows by l, and
//! nothing of rows by terms, exists. Every entry is summed in the order of its row, by one thread.

use rayon::prelude::*;

use crate::error::Result;
use crate::kernels::{stride, vectorised};
use crate::linalg::{eigen, inner, inner_bytes, multiply};
use crate::matrix::Csr;
use crate::progress::Work;
use crate::seeded::number;

/// Directions beyond those wanted, which make the wanted ones exact.
const SPARE: usize = 16;

/// How often the subspace is multiplied by XᵀX before the last time.
const ITERATIONS: u64 = 4;

/// Columns that a product takes at a time, and rows that one thread takes.
const WIDE: usize = 32;
const ROWS: usize = 64;

/// Squared singular values below this part of the greatest are rounding.
const RANK: f64 = 1e-10;

/// The right singular vectors of a matrix.
pub(super) struct Svd {
    /// A row for each column of the matrix, `dim` numbers each; where the rank is smaller, the rest
    /// of each row is zero.
    pub(super) vectors: Vec<f32>,
    /// The part of the sum of all squares that they explain.
    pub(super) explained: f64,
}

/// The bytes that [`svd`] takes, the matrix and its transpose among them.
pub(super) fn svd_bytes(rows: u64, columns: u64, entries: u64, dim: u64) -> u64 {
    let width = width(dim as usize, rows.min(columns) as usize);
    let dense = 2 * 4 * columns * stride_of(width) as u64 + 4 * columns * dim;
    let sparse = 2 * 8 * entries + 8 * (rows + columns);
    sparse + dense + 4 * rows * WIDE as u64 + inner_bytes(width)
}

fn width(dim: usize, most: usize) -> usize {
    (dim + SPARE).min(most)
}

fn stride_of(width: usize) -> usize {
    stride(width).next_multiple_of(WIDE)
}

/// The `dim` leading right singular vectors of `x`.
pub(super) fn svd(x: &Csr, dim: usize, seed: u64, work: &Work) -> Result<Svd> {
    let transposed = x.transpose();
    let columns = x.n_columns();
    let width = width(dim, x.n_rows().min(columns));
    let stride = stride_of(width);
    let mut held = vec![0f32; x.n_rows() * WIDE];
    let mut z = vec![0f32; columns * stride];
    let mut y = vec![0f32; columns * stride];
    for at in (0..width).step_by(WIDE) {
        work.check()?;
        noise(&mut held, at, width, seed);
        spread(&transposed, &held, WIDE, 0, &mut y, stride, at);
    }
    let mut rank = width;
    for step in 0..=ITERATIONS {
        work.step("decompose", step, ITERATIONS + 1)?;
        std::mem::swap(&mut z, &mut y);
        rank = orthonormalise(&mut z, stride, rank);
        y.fill(0.0);
        for at in (0..rank).step_by(WIDE) {
            work.check()?;
            spread(x, &z, stride, at, &mut held, WIDE, 0);
            spread(&transposed, &held, WIDE, 0, &mut y, stride, at);
        }
    }
    // What the subspace makes of XᵀX: its leading eigenvectors are those of the whole.
    let core = inner(&z, &y, stride, rank);
    let (values, vectors) = eigen(&core, rank).unwrap_or_default();
    let greatest = values.last().copied().unwrap_or(0.0);
    let leading = values.iter().zip(vectors.chunks_exact(rank.max(1))).rev().take(dim);
    let leading: Vec<_> = leading.filter(|(value, _)| **value > RANK * greatest).collect();
    let explained: f64 = leading.iter().map(|(value, _)| **value).sum();
    let turn: Vec<f64> = leading.iter().flat_map(|(_, vector)| vector.iter().copied()).collect();
    multiply(&mut z, stride, rank, &turn, leading.len());
    let signs = signs(&z, stride, leading.len());
    let mut out = vec![0f32; columns * dim];
    for (to, from) in out.chunks_exact_mut(dim.max(1)).zip(z.chunks_exact(stride.max(1))) {
        let signed = from.iter().zip(&signs).map(|(value, sign)| value * sign);
        to.iter_mut().zip(signed).for_each(|(to, value)| *to = value);
    }
    let all: f64 = x.values().iter().map(|value| f64::from(*value).powi(2)).sum();
    Ok(Svd { vectors: out, explained: if all > 0.0 { explained / all } else { 0.0 } })
}

/// Columns `at..at + 32` of the normal matrix, those beyond `width` zero.
fn noise(out: &mut [f32], at: usize, width: usize, seed: u64) {
    out.par_chunks_mut(WIDE).enumerate().for_each(|(row, out)| {
        for (column, pair) in out.chunks_exact_mut(2).enumerate() {
            let about = (row as u64) << 16 | (at / 2 + column) as u64;
            let (a, b) = (number(seed, 2 * about), number(seed, 2 * about + 1));
            // Box and Muller 1958; the first is never zero.
            let unit = |bits: u64| ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
            let (length, angle) = ((-2.0 * unit(a).ln()).sqrt(), std::f64::consts::TAU * unit(b));
            pair[0] = (length * angle.cos()) as f32;
            pair[1] = (length * angle.sin()) as f32;
        }
        out.iter_mut().skip(width.saturating_sub(at)).for_each(|value| *value = 0.0);
    });
}

/// 32 columns of a product: columns `to..` of `out` become A times columns `from..` of `dense`.
fn spread(
    a: &Csr,
    dense: &[f32],
    dense_stride: usize,
    from: usize,
    out: &mut [f32],
    out_stride: usize,
    to: usize,
) {
    out.par_chunks_mut(ROWS * out_stride).enumerate().for_each(|(block, rows)| {
        vectorised(
            #[inline(always)]
            move || {
                for (row, out) in (block * ROWS..).zip(rows.chunks_exact_mut(out_stride)) {
                    let mut sums = [0f32; WIDE];
                    let (columns, values) = a.row(row);
                    for (column, value) in columns.iter().zip(values) {
                        let other = &dense[*column as usize * dense_stride + from..][..WIDE];
                        for lane in 0..WIDE {
                            sums[lane] += value * other[lane];
                        }
                    }
                    out[to..to + WIDE].copy_from_slice(&sums);
                }
            },
        );
    });
}

/// Makes the first `columns` columns orthonormal and returns how many are left: those that depend
/// on others are gone. (From the eigenvectors of the Gram matrix, Stathopoulos and Wu 2002, twice: the
/// first time leaves an error where the columns were nearly dependent.)
fn orthonormalise(matrix: &mut [f32], stride: usize, mut columns: usize) -> usize {
    for _ in 0..2 {
        let Some((values, vectors)) = eigen(&inner(matrix, matrix, stride, columns), columns)
        else {
            return 0;
        };
        let least = values.last().copied().unwrap_or(0.0).max(0.0) * RANK;
        let kept = values.iter().zip(vectors.chunks_exact(columns.max(1))).rev();
        let kept: Vec<_> = kept.filter(|(value, _)| **value > least).collect();
        let scaled = kept.iter().flat_map(|(value, vector)| {
            let scale = value.sqrt().recip();
            vector.iter().map(move |x| x * scale)
        });
        let turn: Vec<f64> = scaled.collect();
        multiply(matrix, stride, columns, &turn, kept.len());
        columns = kept.len();
    }
    columns
}

/// For each column 1 or −1, so that its greatest entry becomes positive.
fn signs(matrix: &[f32], stride: usize, columns: usize) -> Vec<f32> {
    let mut greatest = vec![0f32; columns];
    for row in matrix.chunks_exact(stride.max(1)) {
        for (greatest, value) in greatest.iter_mut().zip(row) {
            if value.abs() > greatest.abs() {
                *greatest = *value;
            }
        }
    }
    greatest.iter().map(|value| if *value < 0.0 { -1.0 } else { 1.0 }).collect()
}
