//! Products of dense rows: inner products of a block of vectors with all vectors, and what gradients
//! of linear maps are made of.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::kernels::{LANES, Line};

/// Rows that are compared with all others at a time, by one thread.
pub(crate) const BLOCK: usize = 128;
/// Rows of a sum of outer products that one thread computes at a time.
const OUTER: usize = 16;

/// For each of the `block`'s vectors in turn, its inner products with all of `all`, into `out`. Both
/// hold vectors of `stride` floats; one thread computes it.
pub(crate) fn products(all: &[f32], block: &[f32], stride: usize, out: &mut [f32]) {
    let (n, width) = (all.len() / stride.max(1), block.len() / stride.max(1));
    let all = MatRef::from_row_major_slice(all, n, stride);
    let block = MatRef::from_column_major_slice(block, stride, width);
    let out = MatMut::from_column_major_slice_mut(out, n, width);
    matmul(out, Accum::Replace, all, block, 1.0, Par::Seq);
}

/// Calls `each` for some rows with their inner products with all rows, on all threads; what it returns.
/// Rows hold `stride` floats.
pub(crate) fn products_of<T: Send>(
    rows: &[u32],
    all: &[f32],
    stride: usize,
    each: impl Fn(u32, &mut [f32]) -> T + Sync,
) -> Vec<T> {
    let n = all.len() / stride.max(1);
    let blocks: Vec<Vec<T>> = rows
        .par_chunks(BLOCK)
        .with_max_len(1)
        .map_init(
            || (Vec::new(), Vec::new()),
            |(own, found): &mut (Vec<Line>, Vec<f32>), rows| {
                own.resize(rows.len() * stride / LANES, Line::default());
                let to: &mut [f32] = bytemuck::cast_slice_mut(own);
                for (to, row) in to.chunks_exact_mut(stride.max(1)).zip(rows) {
                    to.copy_from_slice(&all[*row as usize * stride..][..stride]);
                }
                found.resize(rows.len() * n, 0.0);
                products(all, bytemuck::cast_slice(own), stride, found);
                let each = &each;
                let both = rows.iter().zip(found.chunks_exact_mut(n.max(1)));
                both.map(|(row, products)| each(*row, products)).collect()
            },
        )
        .collect();
    blocks.into_iter().flatten().collect()
}

/// Adds to each row of `out` the rows of `matrix`, weighed by the row of `weights` in the same place:
/// `out += weights · matrix`. Rows are `p` and `q` long; one thread computes it.
pub(crate) fn add_combinations(
    weights: &[f32],
    p: usize,
    matrix: &[f32],
    q: usize,
    out: &mut [f32],
) {
    let n = out.len() / q.max(1);
    let weights = MatRef::from_row_major_slice(weights, n, p);
    let matrix = MatRef::from_row_major_slice(matrix, p, q);
    let out = MatMut::from_row_major_slice_mut(out, n, q);
    matmul(out, Accum::Add, weights, matrix, 1.0, Par::Seq);
}

/// Adds the outer products of the rows of `left`, `p` long, with those of `right`, `q` long:
/// `out += leftᵀ · right`, shared by the threads.
pub(crate) fn add_outer_products(left: &[f32], p: usize, right: &[f32], q: usize, out: &mut [f32]) {
    let n = right.len() / q.max(1);
    let left = MatRef::from_row_major_slice(left, n, p);
    let right = MatRef::from_row_major_slice(right, n, q);
    out.par_chunks_mut((OUTER * q).max(1)).enumerate().for_each(|(part, out)| {
        let rows = out.len() / q;
        let own = left.subcols(part * OUTER, rows).transpose();
        let out = MatMut::from_row_major_slice_mut(out, rows, q);
        matmul(out, Accum::Add, own, right, 1.0, Par::Seq);
    });
}
