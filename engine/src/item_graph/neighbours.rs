//! The nearest items of each item in one modality, as a database keeps them: one list for each item
//! with an embedding, patched when embeddings come, change or go, and stored as a file.
//!
//! The mean that is taken off every embedding belongs to the graph and stays with it: were it to move
//! with each embedding, every cosine would. So a graph is a function of that mean and the embeddings,
//! and a patched one is that of building again, bit for bit. A training that finds the mean moved by
//! more than [`DRIFT`] builds the graph with the mean of now.

use std::io::Write;
use std::sync::Arc;

use rayon::prelude::*;
use tastedb_storage::ItemId;

use super::{
    ItemGraph, Near, best, mean, named, nearest, nearest_of, normalised, off_mean, rounding,
    symmetric,
};
use crate::kernels::{dot, stride};
use crate::model::Bytes;
use crate::model::file::{Sections, Writer, corrupt};
use crate::seeded::number;
use crate::topk::Scored;
use crate::{EmbeddingMatrix, Result, Work};

/// How far the mean of embeddings of length one may move before a training builds the graph anew.
const DRIFT: f64 = 0.05;
/// Where more than one row in so many is to be compared again, all are.
const SHARE: usize = 2;
const NAME: &str = "item_graph";
const FORMAT: u32 = 1;

/// The lists.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Neighbours {
    modality: String,
    k: usize,
    /// The generation whose embeddings the mean is of.
    built: u64,
    mean: Vec<f64>,
    /// The items with an embedding, ascending.
    ids: Vec<ItemId>,
    /// A number for each embedding, by which a change is noticed.
    prints: Vec<u64>,
    /// By row of `ids`: the nearest rows, nearest first.
    near: Vec<Vec<Scored>>,
}

/// A graph in a file, of which nothing is read yet.
pub(crate) struct Stored(pub(crate) Arc<dyn Bytes>);

fn print(row: &[f32]) -> u64 {
    row.chunks(2).fold(0, |print, pair| {
        let bits = |at: usize| pair.get(at).map_or(0, |value| u64::from(value.to_bits()));
        number(print, bits(0) << 32 | bits(1))
    })
}

fn prints(matrix: &EmbeddingMatrix) -> Vec<u64> {
    (0..matrix.len()).into_par_iter().map(|row| print(matrix.padded(row))).collect()
}

fn places(matrix: &EmbeddingMatrix) -> Vec<usize> {
    (0..matrix.len()).collect()
}

impl Neighbours {
    /// The `k` nearest of each item, with the mean of the embeddings, which are of a generation.
    pub(crate) fn build(
        matrix: &EmbeddingMatrix,
        k: usize,
        built: u64,
        work: &Work,
    ) -> Result<Neighbours> {
        Neighbours::with_mean(matrix, k, built, mean(matrix, &places(matrix)), work)
    }

    fn with_mean(
        matrix: &EmbeddingMatrix,
        k: usize,
        built: u64,
        mean: Vec<f64>,
        work: &Work,
    ) -> Result<Neighbours> {
        let rows = off_mean(matrix, &places(matrix), &mean);
        Ok(Neighbours {
            modality: matrix.modality().to_owned(),
            k,
            built,
            near: nearest(&rows, k, work)?,
            ids: matrix.ids().to_vec(),
            prints: prints(matrix),
            mean,
        })
    }

    /// The graph of other embeddings with the mean of this one: the same as building it with that.
    pub(crate) fn patched(&self, matrix: &EmbeddingMatrix, work: &Work) -> Result<Neighbours> {
        let prints = prints(matrix);
        if self.ids == matrix.ids() && self.prints == prints {
            return Ok(self.clone());
        }
        let built = self.built;
        if matrix.stride() != self.mean.len() {
            return Neighbours::build(matrix, self.k, built, work);
        }
        let again = || Neighbours::with_mean(matrix, self.k, built, self.mean.clone(), work);
        // Where the old rows went; what is new or not what it was.
        let mut moved = vec![u32::MAX; self.ids.len()];
        let mut fresh = vec![true; matrix.len()];
        for (row, id) in matrix.ids().iter().enumerate() {
            if let Ok(old) = self.ids.binary_search(id)
                && self.prints[old] == prints[row]
            {
                moved[old] = row as u32;
                fresh[row] = false;
            }
        }
        let mut near: Vec<Vec<Scored>> = vec![Vec::new(); matrix.len()];
        // Rows whose neighbours are all still there keep them; the others are compared with all.
        let mut whole = fresh.clone();
        for (old, list) in self.near.iter().enumerate() {
            let Some(row) = Some(moved[old]).filter(|row| *row != u32::MAX) else { continue };
            let kept = list.iter().map(|near| Scored { row: moved[near.row as usize], ..*near });
            near[row as usize] = kept.collect();
            whole[row as usize] = near[row as usize].iter().any(|near| near.row == u32::MAX);
        }
        let rows: Vec<u32> =
            (0u32..).zip(&whole).filter(|(_, whole)| **whole).map(|(row, _)| row).collect();
        if rows.len() * SHARE > matrix.len() {
            return again();
        }
        let table = off_mean(matrix, &places(matrix), &self.mean);
        let (all, stride) = (table.data(), table.stride());
        let of = |row: u32| &all[row as usize * stride..][..stride];
        let (kept, wholly, new) = (&near, &whole, &fresh);
        type Found = (Vec<Scored>, Vec<(u32, f32)>);
        let found: Vec<Found> = nearest_of(&rows, &table, work, |row, products| {
            // The rows that this one may now be near to, where it was not there before.
            let mut near_to = Vec::new();
            if new[row as usize] {
                for (other, product) in (0u32..).zip(products.iter()) {
                    let list = &kept[other as usize];
                    let last = if list.len() < self.k { 0.0 } else { list[self.k - 1].score };
                    let may = !wholly[other as usize] && *product >= last - rounding(stride);
                    if may {
                        near_to.push((other, dot(of(other), of(row))));
                    }
                }
            }
            (best(all, stride, row, products, self.k), near_to)
        })?;
        for (row, (list, near_to)) in rows.into_iter().zip(found) {
            near[row as usize] = list;
            for (other, score) in near_to {
                insert(&mut near[other as usize], Scored { row, score }, self.k);
            }
        }
        Ok(Neighbours {
            modality: self.modality.clone(),
            k: self.k,
            built,
            mean: self.mean.clone(),
            ids: matrix.ids().to_vec(),
            prints,
            near,
        })
    }

    /// Whether the mean of the embeddings is no longer what was taken off.
    pub(crate) fn has_drifted(&self, matrix: &EmbeddingMatrix) -> bool {
        let now = mean(matrix, &places(matrix));
        let both = self.mean.iter().zip(&now);
        both.map(|(then, now)| (then - now).powi(2)).sum::<f64>().sqrt() > DRIFT
    }

    /// The rows of the items with an embedding among some items, which ascend; `None` where one is not
    /// among them.
    fn rows(&self, items: &[ItemId]) -> Option<Vec<u32>> {
        let row = |id| items.binary_search(id).ok().map(|row| row as u32);
        self.ids.iter().map(row).collect()
    }

    /// The lists in rows of some items, which ascend; `None` where an embedding is of none of them.
    pub(crate) fn lists(&self, items: &[ItemId]) -> Option<Vec<Near>> {
        Some(named(&self.rows(items)?, &self.near))
    }

    /// S over some items, which ascend; `None` where an embedding is of none of them.
    pub(crate) fn over(&self, items: &[ItemId]) -> Option<ItemGraph> {
        let rows = self.rows(items)?;
        let weights = normalised(symmetric(&self.near, &rows, items.len()));
        Some(ItemGraph { modality: self.modality.clone(), weights })
    }

    /// A number that another graph of the same column and k has only if it is the same.
    pub(crate) fn identity(&self) -> u64 {
        let items = self.ids.iter().zip(&self.prints);
        items.fold(self.built, |sum, (id, print)| number(number(sum, id.0), *print))
    }

    /// The generation whose embeddings the mean is of.
    pub(crate) fn built(&self) -> u64 {
        self.built
    }

    /// The items that have neighbours to tell of: those with an embedding.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The neighbours in all lists.
    pub(crate) fn edges(&self) -> usize {
        self.near.iter().map(Vec::len).sum()
    }

    pub(crate) fn save(&self, out: &mut dyn Write) -> Result<()> {
        let mut writer = Writer::new(NAME, FORMAT);
        writer.items(&self.ids);
        writer.owned("modality", self.modality.clone().into_bytes());
        writer.owned("shape", vec![self.k as u64, self.built]);
        writer.array("mean", &self.mean);
        writer.array("prints", &self.prints);
        let mut starts = vec![0u64];
        for list in &self.near {
            starts.push(starts[starts.len() - 1] + list.len() as u64);
        }
        writer.owned("starts", starts);
        writer.owned("near", self.near.iter().flatten().map(|near| near.row).collect());
        writer.owned("cosines", self.near.iter().flatten().map(|near| near.score).collect());
        writer.write(out)
    }
}

impl Stored {
    pub(crate) fn load(self) -> Result<Neighbours> {
        let sections = Sections::read(self.0)?;
        if sections.algorithm() != NAME || sections.format() > FORMAT {
            return Err(corrupt("it is not a graph of items"));
        }
        let ids = sections.items()?;
        let modality = String::from_utf8(sections.array::<u8>("modality")?.to_vec());
        let shape = sections.array_of::<u64>("shape", 2)?;
        let mean = sections.array::<f64>("mean")?.to_vec();
        let starts = sections.array_of::<u64>("starts", ids.len() + 1)?;
        let rows = sections.array::<u32>("near")?;
        let cosines = sections.array_of::<f32>("cosines", rows.len())?;
        let whole = starts.first() == Some(&0) && starts.last() == Some(&(rows.len() as u64));
        if !whole
            || stride(mean.len()) != mean.len()
            || mean.iter().any(|value| !value.is_finite())
            || starts.windows(2).any(|bounds| bounds[0] > bounds[1])
            || rows.iter().any(|row| *row as usize >= ids.len())
            || cosines.iter().any(|cosine| !cosine.is_finite())
        {
            return Err(corrupt("its lists make no sense"));
        }
        let list = |bounds: &[u64]| -> Vec<Scored> {
            let own = bounds[0] as usize..bounds[1] as usize;
            let both = rows[own.clone()].iter().zip(&cosines[own]);
            both.map(|(row, score)| Scored { row: *row, score: *score }).collect()
        };
        Ok(Neighbours {
            modality: modality.map_err(|_| corrupt("a text in it is none"))?,
            k: usize::try_from(shape[0]).unwrap_or(usize::MAX),
            built: shape[1],
            mean,
            prints: sections.array_of::<u64>("prints", ids.len())?.to_vec(),
            near: starts.windows(2).map(list).collect(),
            ids,
        })
    }
}

/// Puts a neighbour into a list of at most `k`, nearest first, the lower row first of equals.
fn insert(list: &mut Vec<Scored>, near: Scored, k: usize) {
    if near.score > 0.0 {
        let before = |other: &Scored| {
            other.score.total_cmp(&near.score).reverse().then(other.row.cmp(&near.row)).is_lt()
        };
        list.insert(list.partition_point(before), near);
        list.truncate(k);
    }
}

#[cfg(test)]
mod tests;
