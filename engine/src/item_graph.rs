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

use std::borrow::Borrow;

use rayon::prelude::*;
use tastedb_storage::ItemId;

pub(crate) use self::neighbours::{Neighbours, Stored};

use crate::compute::{Native, PRODUCTS, Place, Scoring, place};
use crate::kernels::dot;
use crate::linalg::{products, products_of};
use crate::matrix::Csr;
use crate::topk::{Allow, Scored, top_k};
use crate::trainer::Table;
use crate::{EmbeddingMatrix, Result, Work};

/// Rows beyond the nearest that a place is asked for, since their products are rounded.
const SPARE: usize = 16;

/// The bytes of the products of so many rows that are there at a time on a device.
pub(crate) fn products_bytes(rows: u64) -> u64 {
    4 * rows.saturating_mul(rows).min(PRODUCTS as u64)
}

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
        let near = nearest(&centred, k, work)?;
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
    let near = nearest(&centred, k, work)?;
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
pub(crate) fn centred(matrix: &EmbeddingMatrix, items: &[ItemId]) -> (Vec<u32>, Table) {
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
fn off_mean(matrix: &EmbeddingMatrix, places: &[usize], mean: &[f64]) -> Table {
    let stride = matrix.stride();
    let mut all = Table::zeros(places.len(), matrix.dim());
    all.data_mut().par_chunks_mut(stride.max(1)).zip(places).for_each(|(to, place)| {
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
/// or zero. They are the same wherever products are computed.
pub(crate) fn nearest(rows: &Table, k: usize, work: &Work) -> Result<Vec<Vec<Scored>>> {
    match place(work.device)? {
        Place::Native => nearest_by(Native, rows, k, work),
        #[cfg(feature = "torch")]
        Place::Torch(torch) => nearest_by(torch, rows, k, work),
    }
}

/// A place tells who comes into question by its products; the cosines of those are computed here, the
/// same whoever asks, since products are rounded by the shapes of their matrices.
fn nearest_by(
    compute: impl Scoring,
    rows: &Table,
    k: usize,
    work: &Work,
) -> Result<Vec<Vec<Scored>>> {
    let n = rows.rows();
    if k == 0 {
        return Ok(vec![Vec::new(); n]);
    }
    let there = compute.lend(rows)?;
    let group = compute.at_once(n);
    let mut found = Vec::with_capacity(n);
    for first in (0..n).step_by(group) {
        work.step("neighbours", first as u64, n as u64)?;
        let own = first..n.min(first + group);
        let likely = compute.nearest(there.borrow(), own.clone(), k + SPARE)?;
        let each = own.into_par_iter().zip(likely);
        found.par_extend(each.map(|(row, likely)| chosen(rows, row as u32, &likely, k)));
    }
    work.step("neighbours", n as u64, n as u64)?;
    Ok(found)
}

/// The nearest of a row among those that are likely; among all, where more than these may be.
fn chosen(rows: &Table, row: u32, likely: &[Scored], k: usize) -> Vec<Scored> {
    let least = least(likely.get(k - 1), rows.stride());
    let all = likely.len() < k + SPARE || likely.last().is_some_and(|last| last.score < least);
    if all {
        let others = likely.iter().filter(|other| other.score >= least).map(|other| other.row);
        return by_cosine(rows.data(), rows.stride(), row, others, k);
    }
    let mut products_of_row = vec![0f32; rows.rows()];
    products(rows.data(), rows.row(row as usize), rows.stride(), &mut products_of_row);
    best(rows.data(), rows.stride(), row, &mut products_of_row, k)
}

/// Calls `each` for some rows, with their products with all rows, up to rounding; what it returns.
fn nearest_of<T: Send>(
    rows: &[u32],
    all: &Table,
    work: &Work,
    each: impl Fn(u32, &mut [f32]) -> T + Sync,
) -> Result<Vec<T>> {
    let group = Native.at_once(all.rows());
    let mut found = Vec::with_capacity(rows.len());
    for (at, of_group) in rows.chunks(group).enumerate() {
        work.step("neighbours", (at * group) as u64, rows.len() as u64)?;
        found.extend(products_of(of_group, all.data(), all.stride(), &each));
    }
    work.step("neighbours", rows.len() as u64, rows.len() as u64)?;
    Ok(found)
}

/// How far a product may be from the cosine by rounding, of vectors of length one.
fn rounding(stride: usize) -> f32 {
    stride as f32 * f32::EPSILON
}

/// The least product of those that may be among the nearest, if the last of them has this one.
fn least(last: Option<&Scored>, stride: usize) -> f32 {
    let last = last.map_or(f32::NEG_INFINITY, |last| last.score);
    (last - 2.0 * rounding(stride)).max(-rounding(stride))
}

/// The `k` nearest of a row by cosine, nearest first, the lower row first of equals, from its products
/// with all rows.
fn best(all: &[f32], stride: usize, row: u32, products: &mut [f32], k: usize) -> Vec<Scored> {
    products[row as usize] = f32::NAN;
    let first = top_k(products, k, Allow::All);
    let least = least(first.last().filter(|_| first.len() == k), stride);
    let others = products.iter().zip(0u32..).filter(|(product, _)| **product >= least);
    by_cosine(all, stride, row, others.map(|(_, other)| other), k)
}

/// The `k` nearest of a row among others.
fn by_cosine(
    all: &[f32],
    stride: usize,
    row: u32,
    others: impl Iterator<Item = u32>,
    k: usize,
) -> Vec<Scored> {
    let of = |row: u32| &all[row as usize * stride..][..stride];
    let mut near: Vec<Scored> = others
        .map(|other| Scored { row: other, score: dot(of(row), of(other)) })
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
