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

mod neighbours;

use rayon::prelude::*;
use tastedb_storage::ItemId;

pub(crate) use self::neighbours::{Neighbours, Stored};

use crate::kernels::{LANES, Line, dot};
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
    Ok(named(&rows, &near))
}

/// Lists whose places stand for those rows.
fn named(rows: &[u32], near: &[Vec<Scored>]) -> Vec<Near> {
    let named = |(row, near): (&u32, &Vec<Scored>)| {
        let others = near.iter().map(|near| (rows[near.row as usize], near.score));
        Near { row: *row, others: others.collect() }
    };
    rows.iter().zip(near).map(named).collect()
}

/// The item rows that have an embedding, and these embeddings with their mean taken off, of length
/// one or zero.
pub(crate) fn centred(matrix: &EmbeddingMatrix, items: &[ItemId]) -> (Vec<u32>, Vec<Line>) {
    let (rows, places) = shared(matrix, items);
    let mean = mean(matrix, &places);
    (rows, off_mean(matrix, &places, &mean))
}

/// The rows of the items that have an embedding, and the places of these in the matrix.
fn shared(matrix: &EmbeddingMatrix, items: &[ItemId]) -> (Vec<u32>, Vec<usize>) {
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
    (rows, places)
}

/// The mean of some embeddings.
fn mean(matrix: &EmbeddingMatrix, places: &[usize]) -> Vec<f64> {
    let mut mean = vec![0f64; matrix.stride()];
    for place in places {
        for (sum, value) in mean.iter_mut().zip(matrix.padded(*place)) {
            *sum += f64::from(*value);
        }
    }
    mean.iter_mut().for_each(|sum| *sum /= places.len().max(1) as f64);
    mean
}

/// Embeddings with a mean taken off, of length one or zero.
fn off_mean(matrix: &EmbeddingMatrix, places: &[usize], mean: &[f64]) -> Vec<Line> {
    let stride = matrix.stride();
    let mut all = vec![Line::default(); places.len() * stride / LANES];
    let to: &mut [f32] = bytemuck::cast_slice_mut(&mut all);
    to.par_chunks_mut(stride.max(1)).zip(places).for_each(|(to, place)| {
        let own = matrix.padded(*place);
        let square: f64 =
            own.iter().zip(mean).map(|(value, mean)| (f64::from(*value) - mean).powi(2)).sum();
        // What is left of alike vectors is rounding, and has no direction.
        if square > 1e-10 {
            let scale = square.sqrt().recip();
            for ((to, value), mean) in to.iter_mut().zip(own).zip(mean) {
                *to = ((f64::from(*value) - mean) * scale) as f32;
            }
        }
    });
    all
}

/// The `k` nearest of each row but itself, of positive cosine, nearest first. Rows are of length one
/// or zero.
pub(crate) fn nearest(
    all: &[f32],
    stride: usize,
    n: usize,
    k: usize,
    work: &Work,
) -> Result<Vec<Vec<Scored>>> {
    let rows: Vec<u32> = (0..n as u32).collect();
    nearest_of(&rows, all, stride, work, |row, cosines| best(all, stride, row, cosines, k))
}

/// Calls `each` for some rows, with their products with all rows, up to rounding; what it returns.
fn nearest_of<T: Send>(
    rows: &[u32],
    all: &[f32],
    stride: usize,
    work: &Work,
    each: impl Fn(u32, &mut [f32]) -> T + Sync,
) -> Result<Vec<T>> {
    let n = all.len() / stride.max(1);
    let group = rayon::current_num_threads().max(1) * 2 * BLOCK;
    let mut found = Vec::with_capacity(rows.len());
    for (at, rows_of_group) in rows.chunks(group).enumerate() {
        work.step("neighbours", (at * group) as u64, rows.len() as u64)?;
        let blocks: Vec<Vec<T>> = rows_of_group
            .par_chunks(BLOCK)
            .with_max_len(1)
            .map_init(
                || (Vec::new(), Vec::new()),
                |(own, cosines): &mut (Vec<Line>, Vec<f32>), rows| {
                    own.resize(rows.len() * stride / LANES, Line::default());
                    let to: &mut [f32] = bytemuck::cast_slice_mut(own);
                    for (to, row) in to.chunks_exact_mut(stride.max(1)).zip(rows) {
                        to.copy_from_slice(&all[*row as usize * stride..][..stride]);
                    }
                    cosines.resize(rows.len() * n, 0.0);
                    products(all, bytemuck::cast_slice(own), stride, cosines);
                    let each = &each;
                    let both = rows.iter().zip(cosines.chunks_exact_mut(n.max(1)));
                    both.map(|(row, cosines)| each(*row, cosines)).collect()
                },
            )
            .collect();
        found.extend(blocks.into_iter().flatten());
    }
    work.step("neighbours", rows.len() as u64, rows.len() as u64)?;
    Ok(found)
}

/// How far a product may be from the cosine by rounding, of vectors of length one.
fn rounding(stride: usize) -> f32 {
    stride as f32 * f32::EPSILON
}

/// The `k` nearest of a row by cosine, nearest first, the lower row first of equals. A large product
/// rounds by the shape of its matrices; so it tells who comes into question, and the cosine itself is
/// computed for those, the same whoever asks.
fn best(all: &[f32], stride: usize, row: u32, products: &mut [f32], k: usize) -> Vec<Scored> {
    products[row as usize] = f32::NAN;
    let first = top_k(products, k, Allow::All);
    let last = first.last().filter(|_| first.len() == k).map_or(f32::NEG_INFINITY, |it| it.score);
    let least = (last - 2.0 * rounding(stride)).max(-rounding(stride));
    let of = |row: u32| &all[row as usize * stride..][..stride];
    let mut near: Vec<Scored> = products
        .iter()
        .zip(0u32..)
        .filter(|(product, _)| **product >= least)
        .map(|(_, other)| Scored { row: other, score: dot(of(row), of(other)) })
        .filter(|near| near.score > 0.0)
        .collect();
    near.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)));
    near.truncate(k);
    near
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
    Csr::from_entries(n_items, n_items, &entries).expect("entries are sorted and unique")
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
