//! The scores of the rows that a question touches, where it touches few of many: what sparse models answer
//! with instead of a score for every row.
//!
//! Sums are kept in an array as long as the catalogue, of which only the rows that were added to are looked
//! at and cleared again; so an answer costs what the history is linked to, and the same additions in the same
//! order give the same numbers as scoring all rows does, bit for bit.

use std::sync::{Mutex, PoisonError};

use crate::UNSCORED;
use crate::topk::{Scored, best_of};

const WORD: usize = u64::BITS as usize;

/// Sums by row; all zero but for those of the rows that were met.
#[derive(Default)]
pub(super) struct Sums {
    values: Vec<f32>,
    met: Vec<u64>,
}

impl Sums {
    /// Adds to a row, which is below the length.
    #[inline(always)]
    pub(super) fn add(&mut self, row: u32, value: f32) {
        self.values[row as usize] += value;
        self.met[row as usize / WORD] |= 1 << (row as usize % WORD);
    }

    /// Adds to a row that begins with something else than zero.
    #[inline(always)]
    pub(super) fn add_from(&mut self, start: f32, row: u32, value: f32) {
        let word = &mut self.met[row as usize / WORD];
        let bit = 1 << (row as usize % WORD);
        let sum = &mut self.values[row as usize];
        *sum = if *word & bit == 0 { start + value } else { *sum + value };
        *word |= bit;
    }

    /// The rows that were met, ascending, with what `score` makes of each sum; all is zero again.
    pub(super) fn drain(&mut self, mut score: impl FnMut(u32, f32) -> f32) -> Vec<Scored> {
        let mut rows = Vec::with_capacity(self.met.iter().map(|w| w.count_ones() as usize).sum());
        for (at, word) in self.met.iter_mut().enumerate() {
            let mut left = std::mem::take(word);
            while left != 0 {
                let row = at * WORD + left.trailing_zeros() as usize;
                left &= left - 1;
                let sum = std::mem::take(&mut self.values[row]);
                rows.push(Scored { row: row as u32, score: score(row as u32, sum) });
            }
        }
        rows
    }
}

/// What finished questions left for the next ones.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<Sums>>);

impl Pool {
    /// Runs something with sums of `n` rows, which it drains.
    pub(super) fn with<R>(&self, n: usize, run: impl FnOnce(&mut Sums) -> R) -> R {
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sums = kept().pop().unwrap_or_default();
        sums.values.resize(n, 0.0);
        sums.met.resize(n.div_ceil(WORD), 0);
        let result = run(&mut sums);
        kept().push(sums);
        result
    }
}

/// What a model has to say about the rows of its items; see the module.
#[derive(Clone, Debug)]
pub struct Touched<'a> {
    /// The rows that were touched, ascending.
    pub(super) rows: Vec<Scored>,
    /// What the others score; `None`: they are not scored.
    pub(super) rest: Option<Rest<'a>>,
    /// A row that is not scored in any case.
    pub(super) without: Option<u32>,
}

/// The scores of rows that a question does not touch, whoever asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest<'a> {
    /// By row.
    pub(super) scores: &'a [f32],
    /// The rows, best first, equal ones by row.
    pub(super) order: &'a [u32],
}

impl Touched<'_> {
    fn find(&self, row: u32) -> Option<f32> {
        let at = self.rows.binary_search_by_key(&row, |touched| touched.row).ok()?;
        Some(self.rows[at].score)
    }

    /// The score of a row.
    pub(crate) fn score(&self, row: u32) -> f32 {
        if self.without == Some(row) {
            return UNSCORED;
        }
        let rest = || self.rest.and_then(|rest| rest.scores.get(row as usize).copied());
        self.find(row).or_else(rest).unwrap_or(UNSCORED)
    }

    /// How many rows were touched.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The `k` best of the rows that have a place, by their places: these ascend with the rows.
    pub fn best(&self, k: usize, place: impl Fn(u32) -> Option<u32>) -> Vec<Scored> {
        let placed = |row: u32| place(row).filter(|_| self.without != Some(row));
        let touched = self
            .rows
            .iter()
            .filter_map(|touched| Some(Scored { row: placed(touched.row)?, score: touched.score }));
        let mut best = best_of(k, touched);
        let Some(rest) = self.rest else { return best };
        let mut others = Vec::new();
        for row in rest.order {
            let score = rest.scores[*row as usize];
            // No better than the worst that is known, nor than the k before it.
            let beaten = best.len() >= k && best.last().is_none_or(|last| last.score > score);
            if beaten || others.len() >= k {
                break;
            }
            if self.find(*row).is_none()
                && let Some(place) = placed(*row)
            {
                others.push(Scored { row: place, score: score + 0.0 });
            }
        }
        best.extend(others);
        crate::topk::keep_best(&mut best, k);
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topk::{Allow, top_k};
    use fixedbitset::FixedBitSet;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_are_the_scores_of_all(
            n in 1usize..300,
            added in prop::collection::vec((any::<u32>(), -4i8..5), 0..60),
            base in prop::collection::vec(0u8..5, 300),
            has_rest in any::<bool>(),
            allowed in prop::collection::vec(any::<bool>(), 300),
            without in prop::option::of(0u32..300),
            k in 0usize..40,
        ) {
            let base: Vec<f32> = base[..n].iter().map(|base| f32::from(*base)).collect();
            let start = |row: u32| if has_rest { base[row as usize] } else { 0.0 };
            let mut dense: Vec<f32> =
                if has_rest { base.clone() } else { vec![UNSCORED; n] };
            let pool = Pool::default();
            // Twice, so that what the first left behind would be seen.
            for _ in 0..2 {
                pool.with(n, |sums| {
                    for (row, value) in &added {
                        let (row, value) = (row % n as u32, f32::from(*value));
                        sums.add_from(start(row), row, value);
                        let own = &mut dense[row as usize];
                        *own = if own.is_nan() { value } else { *own + value };
                    }
                    let rows = sums.drain(|_, sum| sum);
                    let mut order: Vec<u32> = (0..n as u32).collect();
                    order.sort_by(|a, b| {
                        base[*b as usize].total_cmp(&base[*a as usize]).then(a.cmp(b))
                    });
                    let rest = has_rest.then_some(Rest { scores: &base, order: &order });
                    let touched = Touched { rows, rest, without };
                    if let Some(own) = without.and_then(|row| dense.get_mut(row as usize)) {
                        *own = UNSCORED;
                    }
                    let mut bits = FixedBitSet::with_capacity(n);
                    bits.extend((0..n).filter(|row| allowed[*row]));
                    let place = |row: u32| Some(row).filter(|row| bits.contains(*row as usize));
                    prop_assert_eq!(touched.best(k, place), top_k(&dense, k, Allow::Bits(&bits)));
                    for row in 0..n as u32 {
                        let (got, own) = (touched.score(row), dense[row as usize]);
                        prop_assert!(got == own || (got.is_nan() && own.is_nan()));
                    }
                    dense = if has_rest { base.clone() } else { vec![UNSCORED; n] };
                    Ok(())
                })?;
            }
        }
    }
}
