//! Products of tall matrices: many rows, a few hundred columns, single precision, row-major.
//!
//! Sums over the rows are made in double precision, in parts that depend on the number of rows
//! alone and are added up in order, so a result is the same on any number of threads.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

/// Sums are made in at most so many parts.
const PARTS: usize = 16;

/// Rows that are widened to double precision at a time.
const ROWS: usize = 256;

/// The bytes that [`inner`] takes for matrices of so many columns.
pub(crate) fn inner_bytes(columns: usize) -> u64 {
    (PARTS as u64 + 1) * 8 * (columns as u64).pow(2)
}

/// AᵀB, column-major, of two matrices of `columns` columns in rows of `stride` floats.
pub(crate) fn inner(a: &[f32], b: &[f32], stride: usize, columns: usize) -> Vec<f64> {
    let n = a.len() / stride.max(1);
    let part = n.div_ceil(PARTS).max(ROWS) * stride;
    let parts: Vec<Mat<f64>> = a
        .par_chunks(part)
        .zip(b.par_chunks(part))
        .map(|(a, b)| {
            let mut sum = Mat::zeros(columns, columns);
            for (a, b) in a.chunks(ROWS * stride).zip(b.chunks(ROWS * stride)) {
                let (a, b) = (widened(a, stride, columns), widened(b, stride, columns));
                matmul(sum.as_mut(), Accum::Add, a.transpose(), &b, 1.0, Par::Seq);
            }
            sum
        })
        .collect();
    let mut sum = vec![0.0; columns * columns];
    for part in parts {
        let values = part.col_iter().flat_map(|column| column.iter().copied());
        sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }
    sum
}

/// A becomes A T, for a T of `columns` rows and `to` columns, column-major; the columns of A from
/// `to` on become zero.
pub(crate) fn multiply(a: &mut [f32], stride: usize, columns: usize, t: &[f64], to: usize) {
    let t = MatRef::from_column_major_slice(t, columns, to);
    a.par_chunks_mut(ROWS * stride).for_each(|rows| {
        let wide = widened(rows, stride, columns);
        let mut product = vec![0f64; wide.nrows() * to];
        let out = MatMut::from_row_major_slice_mut(&mut product, wide.nrows(), to);
        matmul(out, Accum::Replace, &wide, t, 1.0, Par::Seq);
        for (row, values) in rows.chunks_exact_mut(stride).zip(product.chunks_exact(to.max(1))) {
            row.fill(0.0);
            row.iter_mut().zip(values).for_each(|(to, value)| *to = *value as f32);
        }
    });
}

fn widened(rows: &[f32], stride: usize, columns: usize) -> Mat<f64> {
    Mat::from_fn(rows.len() / stride, columns, |row, column| f64::from(rows[row * stride + column]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_agree_with_the_plain_sums() {
        let (n, stride, columns) = (700, 16, 5);
        let value = |at: usize| ((at * 37 + at / 7) % 23) as f32 / 7.0 - 1.5;
        let a: Vec<f32> = (0..n * stride).map(value).collect();
        let b: Vec<f32> = (0..n * stride).map(|at| value(at + 11)).collect();
        let found = inner(&a, &b, stride, columns);
        for i in 0..columns {
            for j in 0..columns {
                let entry =
                    |row: usize| f64::from(a[row * stride + i]) * f64::from(b[row * stride + j]);
                let plain: f64 = (0..n).map(entry).sum();
                assert!((found[j * columns + i] - plain).abs() < 1e-9);
            }
        }
        let t: Vec<f64> = (0..columns * 3).map(|at| at as f64 - 6.0).collect();
        let mut product = a.clone();
        multiply(&mut product, stride, columns, &t, 3);
        for (row, found) in a.chunks_exact(stride).zip(product.chunks_exact(stride)) {
            for (column, found) in found.iter().enumerate() {
                let plain: f64 = match column {
                    0..3 => {
                        (0..columns).map(|at| f64::from(row[at]) * t[column * columns + at]).sum()
                    }
                    _ => 0.0,
                };
                assert!((f64::from(*found) - plain).abs() < 1e-4);
            }
        }
    }
}
