//! The neighbour graph of one modality: which items are alike by content.
//!
//! ```text
//! K: each item's k nearest by cosine of the mean-centred embeddings, negatives left out
//! S = D^−½ max(K, Kᵀ) D^−½      D: the row sums of max(K, Kᵀ)
//! ```
//!
//! Neighbours are exact: blocks of rows are multiplied with all rows, so that no matrix of items by
//! items ever exists. Items without an embedding have no neighbours. (The frozen graph of FREEDOM,
//! Zhou and Shen 2023, with a symmetric maximum in place of the one-sided graph.)

use rayon::prelude::*;
use tastedb_storage::ItemId;

use crate::kernels::{LANES, Line};
use crate::linalg::products;
use crate::matrix::Csr;
use crate::topk::{Allow, Scored, top_k};
use crate::{EmbeddingMatrix, Result, Work};

/// Rows that are compared with all others at a time, by one thread.
const BLOCK: usize = 128;

/// A neighbour graph over the rows of a list of items.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ItemGraph {
    /// The modality it was made of.
    pub(crate) modality: String,
    /// S, symmetric.
    pub(crate) weights: Csr,
}

impl ItemGraph {
    /// The graph of `k` neighbours among `items`, which ascend.
    pub(crate) fn build(
        matrix: &EmbeddingMatrix,
        items: &[ItemId],
        k: usize,
        work: &Work,
    ) -> Result<ItemGraph> {
        let (rows, centred) = centred(matrix, items);
        let near = nearest(bytemuck::cast_slice(&centred), matrix.stride(), rows.len(), k, work)?;
        let weights = normalised(symmetric(&near, &rows, items.len()));
        Ok(ItemGraph { modality: matrix.modality().to_owned(), weights })
    }
}

/// What is near to an item.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Near {
    /// The item's row.
    pub(crate) row: u32,
    /// The rows of the others with their cosines, the nearest first.
    pub(crate) others: Vec<(u32, f32)>,
}

/// The `k` nearest but itself, of positive cosine, of each item that has an embedding.
pub(crate) fn neighbours(
    matrix: &EmbeddingMatrix,
    items: &[ItemId],
    k: usize,
    work: &Work,
) -> Result<Vec<Near>> {
    let (rows, centred) = centred(matrix, items);
    let near = nearest(bytemuck::cast_slice(&centred), matrix.stride(), rows.len(), k, work)?;
    let named = |(row, near): (&u32, Vec<Scored>)| {
        let others = near.into_iter().map(|near| (rows[near.row as usize], near.score));
        Near { row: *row, others: others.collect() }
    };
    Ok(rows.iter().zip(near).map(named).collect())
}

/// The item rows that have an embedding, and these embeddings with their mean taken off, of length
/// one or zero.
pub(crate) fn centred(matrix: &EmbeddingMatrix, items: &[ItemId]) -> (Vec<u32>, Vec<Line>) {
    let mut rows = Vec::with_capacity(matrix.len());
    let mut places = Vec::with_capacity(matrix.len());
    let mut row = 0;
    for (place, id) in matrix.ids().iter().enumerate() {
        while items.get(row).is_some_and(|item| item < id) {
            row += 1;
        }
        if items.get(row) == Some(id) {
            rows.push(row as u32);
            places.push(place);
        }
    }
    let stride = matrix.stride();
    let mut mean = vec![0f64; stride];
    for place in &places {
        for (sum, value) in mean.iter_mut().zip(matrix.padded(*place)) {
            *sum += f64::from(*value);
        }
    }
    mean.iter_mut().for_each(|sum| *sum /= places.len().max(1) as f64);
    let mut all = vec![Line::default(); places.len() * stride / LANES];
    let to: &mut [f32] = bytemuck::cast_slice_mut(&mut all);
    to.par_chunks_mut(stride.max(1)).zip(&places).for_each(|(to, place)| {
        let own = matrix.padded(*place);
        let square: f64 =
            own.iter().zip(&mean).map(|(value, mean)| (f64::from(*value) - mean).powi(2)).sum();
        // What is left of alike vectors is rounding, and has no direction.
        if square > 1e-10 {
            let scale = square.sqrt().recip();
            for ((to, value), mean) in to.iter_mut().zip(own).zip(&mean) {
                *to = ((f64::from(*value) - mean) * scale) as f32;
            }
        }
    });
    (rows, all)
}

/// The `k` nearest of each row but itself, of positive cosine. Rows are of length one or zero.
pub(crate) fn nearest(
    all: &[f32],
    stride: usize,
    n: usize,
    k: usize,
    work: &Work,
) -> Result<Vec<Vec<Scored>>> {
    let blocks = n.div_ceil(BLOCK);
    let group = rayon::current_num_threads().max(1) * 2;
    let mut near = Vec::with_capacity(n);
    for first in (0..blocks).step_by(group) {
        work.step("neighbours", (first * BLOCK) as u64, n as u64)?;
        let found: Vec<Vec<Vec<Scored>>> = (first..blocks.min(first + group))
            .into_par_iter()
            .with_max_len(1)
            .map_init(Vec::new, |cosines: &mut Vec<f32>, block| {
                let own = block * BLOCK..n.min((block + 1) * BLOCK);
                cosines.resize(own.len() * n, 0.0);
                products(all, &all[own.start * stride..own.end * stride], stride, cosines);
                let rows = own.zip(cosines.chunks_exact_mut(n));
                rows.map(|(row, cosines)| {
                    cosines[row] = f32::NAN;
                    let mut best = top_k(cosines, k, Allow::All);
                    best.retain(|near| near.score > 0.0);
                    best
                })
                .collect()
            })
            .collect();
        near.extend(found.into_iter().flatten());
    }
    work.step("neighbours", n as u64, n as u64)?;
    Ok(near)
}

/// max(K, Kᵀ) over the rows of all items.
fn symmetric(near: &[Vec<Scored>], rows: &[u32], n_items: usize) -> Csr {
    let mut entries: Vec<(u32, u32, f32)> = Vec::with_capacity(near.iter().map(Vec::len).sum());
    for (row, near) in rows.iter().zip(near) {
        for other in near {
            let other_row = rows[other.row as usize];
            entries.push((*row, other_row, other.score));
            entries.push((other_row, *row, other.score));
        }
    }
    entries.par_sort_unstable_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(b.2.total_cmp(&a.2)));
    entries.dedup_by_key(|entry| (entry.0, entry.1));
    let mut indptr = vec![0; n_items + 1];
    for (row, _, _) in &entries {
        indptr[*row as usize + 1] += 1;
    }
    for row in 0..n_items {
        indptr[row + 1] += indptr[row];
    }
    let indices = entries.iter().map(|entry| entry.1).collect();
    let values = entries.iter().map(|entry| entry.2).collect();
    Csr::from_parts(n_items, indptr, indices, values).expect("entries are sorted and unique")
}

/// D^−½ K D^−½.
fn normalised(graph: Csr) -> Csr {
    let scale: Vec<f64> = graph
        .rows()
        .map(|(_, values)| values.iter().map(|value| f64::from(*value)).sum::<f64>())
        .map(|sum| if sum > 0.0 { sum.sqrt().recip() } else { 0.0 })
        .collect();
    let mut values = Vec::with_capacity(graph.len());
    for (row, (columns, own)) in graph.rows().enumerate() {
        for (column, value) in columns.iter().zip(own) {
            values.push((f64::from(*value) * scale[row] * scale[*column as usize]) as f32);
        }
    }
    let (indptr, indices) = (graph.indptr().to_vec(), graph.indices().to_vec());
    Csr::from_parts(graph.n_columns(), indptr, indices, values).expect("only the values are new")
}

#[cfg(test)]
mod tests;
