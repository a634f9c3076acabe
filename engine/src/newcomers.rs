//! Items that a model has not learned of, scored by the known items that they are alike.
//!
//! ```text
//! b(i) = Σ_j w_ij s(j) / Σ_j w_ij             j: the K nearest known items in each modality
//! s(i) = m_s + c · (b(i) − m_b) · d_s / d_b   w_ij: squared cosines of the embeddings without their mean
//! ```
//!
//! A mean of many scores varies less than scores do, so as it is it would never be among the best. m
//! and d are the means and standard deviations of s and b over a sample of known items that are not in
//! the history, for which b leaves out the item itself: what is new competes as a known item would whose
//! place among the others is as foretold. What is in the history counts as much as the best that is not,
//! at most. Everything is a function of the model, the live items and their embeddings; lists are kept,
//! and made once for an item.

use std::sync::Arc;

use tastedb_storage::ItemId;

use crate::kernels::dot;
use crate::seeded::number;
use crate::topk::{Allow, top_k};
use crate::{EmbeddingMatrix, UNSCORED};

/// K.
const NEIGHBOURS: usize = 20;
/// c. At one, what is new gets as many of the best places as known items do, though less sure: on
/// amazon-sports and ml-1m, with one item in ten new, 7 to 10 % of them, which costs the known ones 4 %
/// of what is found of them; at three quarters some 2 %, which costs 1 %.
const BOLDNESS: f64 = 0.75;
/// Known items that scores are compared on, at most and at least.
const SAMPLE: [usize; 2] = [64, 256];
/// New items that are looked after, the latest first, at most and at least.
const MOST: [usize; 2] = [64, 10_000];
/// The products of numbers that making the lists of what is new may take, and those of the sample.
const EFFORT: [usize; 2] = [20_000_000_000, 2_000_000_000];

/// The known neighbours of an item, by modality.
#[derive(Clone, Debug, PartialEq)]
struct Alike {
    /// The modality of each, the row in the model and the weight.
    near: Vec<(u8, u32, f32)>,
}

/// The known items of one modality.
#[derive(Clone, Debug)]
struct Known {
    mean: Vec<f32>,
    /// Rows in the model and in the matrix, with one over the length without the mean.
    rows: Vec<(u32, u32, f32)>,
}

/// What is new, with its neighbours.
#[derive(Clone, Debug, Default)]
pub(crate) struct Newcomers {
    modalities: Vec<String>,
    /// Ascending by item.
    lists: Vec<(ItemId, Alike)>,
    sample: Vec<(u32, Alike)>,
}

/// What neighbours are looked for among.
pub(crate) struct Among<'a> {
    /// The items of the model, ascending.
    pub(crate) items: &'a [ItemId],
    /// Those rows of it that nothing was learned of or that are gone, ascending.
    pub(crate) unknown: &'a [u32],
    /// The embeddings of the live items.
    pub(crate) matrices: &'a [Arc<EmbeddingMatrix>],
}

impl Known {
    fn new(matrix: &EmbeddingMatrix, among: &Among<'_>) -> Known {
        let place = |(row, item): (u32, &ItemId)| {
            let unknown = among.unknown.binary_search(&row).is_ok();
            Some((row, matrix.row_of(*item).filter(|_| !unknown)? as u32))
        };
        let rows: Vec<(u32, u32)> = (0u32..).zip(among.items).filter_map(place).collect();
        let mut mean = vec![0f64; matrix.stride()];
        for (_, at) in &rows {
            let own = matrix.padded(*at as usize);
            mean.iter_mut().zip(own).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        let n = rows.len().max(1) as f64;
        let mean: Vec<f32> = mean.iter().map(|sum| (sum / n) as f32).collect();
        let centred =
            |(row, at): (u32, u32)| (row, at, over(&off(matrix.padded(at as usize), &mean)));
        Known { rows: rows.into_iter().map(centred).collect(), mean }
    }

    /// The nearest of a vector, itself left out, which is the row of the model if there is one.
    fn near(&self, matrix: &EmbeddingMatrix, vector: &[f32], own: Option<u32>) -> Vec<(u32, f32)> {
        let vector = off(vector, &self.mean);
        let (length, along) = (over(&vector), dot(&self.mean, &vector));
        let mut products = vec![0f32; matrix.len()];
        matrix.dot_rows(&vector, &mut products);
        let cosine = |(row, at, over): &(u32, u32, f32)| match own == Some(*row) {
            true => f32::NAN,
            false => (products[*at as usize] - along) * over * length,
        };
        let cosines: Vec<f32> = self.rows.iter().map(cosine).collect();
        let best = top_k(&cosines, NEIGHBOURS, Allow::All).into_iter();
        let alike = best.filter(|best| best.score > 0.0);
        alike.map(|best| (self.rows[best.row as usize].0, best.score * best.score)).collect()
    }
}

/// A vector without a mean.
fn off(vector: &[f32], mean: &[f32]) -> Vec<f32> {
    vector.iter().zip(mean).map(|(value, mean)| value - mean).collect()
}

/// One over the length; zero where only rounding is left of a vector.
fn over(vector: &[f32]) -> f32 {
    let square = dot(vector, vector);
    if square > 1e-10 { square.sqrt().recip() } else { 0.0 }
}

fn alike(among: &Among<'_>, known: &[Known], item: ItemId, own: Option<u32>) -> Alike {
    let mut near = Vec::new();
    for (modality, (matrix, known)) in (0u8..).zip(among.matrices.iter().zip(known)) {
        if let Some(at) = matrix.row_of(item) {
            let found = known.near(matrix, matrix.padded(at), own);
            near.extend(found.into_iter().map(|(row, weight)| (modality, row, weight)));
        }
    }
    Alike { near }
}

impl Newcomers {
    /// The latest of some items, which ascend, that have an embedding, with what they are alike.
    /// `before` has those that were, and the items of which something has changed since, ascending;
    /// what is known must be as it was.
    ///
    /// On one thread: the caller holds the lock of a cache, and a thread of a pool that waits for others
    /// may meanwhile take on work that asks for the same lock.
    pub(crate) fn of(
        new: &[ItemId],
        among: &Among<'_>,
        before: Option<(&Newcomers, &[ItemId])>,
    ) -> Newcomers {
        let has = |item: &ItemId| among.matrices.iter().any(|m| m.row_of(*item).is_some());
        if !new.iter().any(has) {
            return Newcomers::default();
        }
        let known: Vec<Known> = among.matrices.iter().map(|m| Known::new(m, among)).collect();
        let both = known.iter().map(|known| known.rows.len() * known.mean.len());
        let one = both.sum::<usize>().max(1);
        let within = |[least, most]: [usize; 2], effort: usize| (effort / one).clamp(least, most);
        let mut newest: Vec<ItemId> = new
            .iter()
            .rev()
            .filter(|item| has(item))
            .take(within(MOST, EFFORT[0]))
            .copied()
            .collect();
        newest.reverse();
        let listed = |item: &ItemId| {
            let kept = before.and_then(|(before, changed)| before.list(*item, changed));
            (*item, kept.cloned().unwrap_or_else(|| alike(among, &known, *item, None)))
        };
        let lists: Vec<(ItemId, Alike)> = newest.iter().map(listed).collect();
        let modalities = among.matrices.iter().map(|m| m.modality().to_owned()).collect();
        if let Some((before, _)) = before.filter(|(before, _)| !before.sample.is_empty()) {
            return Newcomers { modalities, lists, sample: before.sample.clone() };
        }
        let mut rows: Vec<u32> =
            known.iter().flat_map(|known| known.rows.iter().map(|(row, ..)| *row)).collect();
        rows.sort_unstable();
        rows.dedup();
        rows.sort_by_key(|row| number(0, among.items[*row as usize].0));
        rows.truncate(within(SAMPLE, EFFORT[1]));
        let sampled =
            |row: &u32| (*row, alike(among, &known, among.items[*row as usize], Some(*row)));
        let sample = rows.iter().map(sampled).collect();
        Newcomers { modalities, lists, sample }
    }

    /// The list of an item that has not changed.
    fn list(&self, item: ItemId, changed: &[ItemId]) -> Option<&Alike> {
        let at = self.lists.binary_search_by_key(&item, |(item, _)| *item).ok()?;
        changed.binary_search(&item).is_err().then(|| &self.lists[at].1)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// The known rows that the item of a place is most like, the strongest first, with the modality
    /// and the weight of each.
    pub(crate) fn near(&self, at: usize, k: usize) -> Vec<(u32, &str, f32)> {
        let of = |(modality, row, weight): &(u8, u32, f32)| {
            (*row, self.modalities[*modality as usize].as_str(), *weight)
        };
        let mut near: Vec<(u32, &str, f32)> = self.lists[at].1.near.iter().map(of).collect();
        near.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
        near.dedup_by_key(|near| near.0);
        near.truncate(k);
        near
    }

    /// The items, ascending.
    pub(crate) fn items(&self) -> impl Iterator<Item = ItemId> + '_ {
        self.lists.iter().map(|(item, _)| *item)
    }

    /// The scores of the new items, in their order, from those of the model's rows; [`UNSCORED`] where no
    /// neighbour has any. `seen` are the rows of the history, ascending; see [`capped`].
    pub(crate) fn scores(&self, score: impl Fn(u32) -> f32, seen: &[u32]) -> Vec<f32> {
        let (mut known, mut foretold) = (Moments::default(), Moments::default());
        for (row, alike) in &self.sample {
            if seen.binary_search(row).is_err() && !alike.near.is_empty() {
                known.add(or_zero(score(*row)));
                foretold.add(or_zero(alike.mean(&score)));
            }
        }
        let (known, foretold) = (known.finish(), foretold.finish());
        let scale = BOLDNESS * if foretold.1 > 0.0 { known.1 / foretold.1 } else { 1.0 };
        let place = |(_, alike): &(ItemId, Alike)| {
            (known.0 + scale * (f64::from(alike.mean(&score)) - foretold.0)) as f32
        };
        self.lists.iter().map(place).collect()
    }
}

/// The scores of rows where what is in a history counts as much as the best that is not, at most.
pub(crate) fn capped(score: impl Fn(u32) -> f32, seen: &[u32], most: f32) -> impl Fn(u32) -> f32 {
    move |row| {
        let own = score(row);
        if own > most && seen.binary_search(&row).is_ok() { most } else { own }
    }
}

/// The best of some scores, by ascending row, of what is not in a history.
pub(crate) fn best_unseen(scores: impl Iterator<Item = (u32, f32)>, seen: &[u32]) -> f32 {
    let mut rest = seen.iter().peekable();
    let unseen = scores.filter(|(row, _)| {
        while rest.next_if(|seen| *seen < row).is_some() {}
        rest.peek() != Some(&row)
    });
    unseen.map(|(_, score)| score).fold(f32::NEG_INFINITY, f32::max)
}

/// Nothing speaks for what a model does not score.
fn or_zero(score: f32) -> f32 {
    if score.is_nan() { 0.0 } else { score }
}

impl Alike {
    /// The mean score of the neighbours, each by its weight; [`UNSCORED`] where none has any.
    fn mean(&self, score: impl Fn(u32) -> f32) -> f32 {
        let (mut sum, mut weights, mut scored) = (0f32, 0f32, false);
        for (_, row, weight) in &self.near {
            let score = score(*row);
            scored |= !score.is_nan();
            sum += weight * or_zero(score);
            weights += weight;
        }
        if scored { sum / weights } else { UNSCORED }
    }
}

/// Sums of numbers and their squares.
#[derive(Default)]
struct Moments {
    n: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f32) {
        self.n += 1.0;
        self.sum += f64::from(value);
        self.squares += f64::from(value) * f64::from(value);
    }

    /// The mean and the standard deviation.
    fn finish(&self) -> (f64, f64) {
        let mean = self.sum / self.n.max(1.0);
        (mean, (self.squares / self.n.max(1.0) - mean * mean).max(0.0).sqrt())
    }
}

#[cfg(test)]
mod tests;
