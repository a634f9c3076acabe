//! Inner products of a block of vectors with all vectors, as one matrix product.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// For each of the `block`'s vectors in turn, its inner products with all of `all`, into `out`. Both
/// hold vectors of `stride` floats; one thread computes it.
pub(crate) fn products(all: &[f32], block: &[f32], stride: usize, out: &mut [f32]) {
    let (n, width) = (all.len() / stride.max(1), block.len() / stride.max(1));
    let all = MatRef::from_row_major_slice(all, n, stride);
    let block = MatRef::from_column_major_slice(block, stride, width);
    let out = MatMut::from_column_major_slice_mut(out, n, width);
    matmul(out, Accum::Replace, all, block, 1.0, Par::Seq);
}
