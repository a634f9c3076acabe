//! The scores of the rows that a question touches, where it touches few of many: what sparse models answer
//! with instead of a score for every row. They are the same numbers, bit for bit.
//!
//! A part of the score that every row has, an inner product with its factors, is left open: it is added to
//! the rows that could be among the best by the lengths of their factors, and for the rows that nothing
//! touches an index tells which have the greatest. Where it misses none of those, the best rows are those
//! of scoring all (Fagin's threshold algorithm, 2001, on the two orders of the rest).

use super::ItemVectors;
use crate::UNSCORED;
use crate::kernels::dot;
use crate::topk::{Scored, best_of, keep_best};

/// What a model has to say about the rows of its items; see the module.
#[derive(Clone, Debug, Default)]
pub struct Touched<'a> {
    /// The rows that were touched, ascending.
    pub(super) rows: Vec<Scored>,
    /// What the others score; `None`: they are not scored.
    pub(super) rest: Option<Rest<'a>>,
    /// The lengths of the factors of the touched rows, in their order, where there is a product.
    pub(super) lengths: Vec<f32>,
    /// What is added to the score of every row.
    pub(super) product: Option<Product<'a>>,
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

/// An inner product with the factors of each row: a part of a score that every row has.
#[derive(Clone, Debug)]
pub struct Product<'a> {
    pub(super) factors: ItemVectors<'a>,
    /// As long as a padded row.
    pub(super) vector: Vec<f32>,
    /// What a product counts; not negative.
    pub(super) weight: f32,
}

impl Product<'_> {
    /// What rows are compared with, without padding.
    pub(crate) fn vector(&self) -> &[f32] {
        &self.vector[..self.factors.dim]
    }

    fn of(&self, row: u32) -> f32 {
        self.weight * dot(self.factors.padded(row as usize), &self.vector)
    }

    /// What there is to know of rows from those of the greatest products, best first.
    pub(crate) fn near(&self, mut rows: Vec<u32>) -> Near {
        let beyond = rows.last().map_or(0.0, |last| self.of(*last).max(0.0));
        rows.sort_unstable();
        Near { rows, beyond }
    }
}

/// The rows to which a product adds the most.
#[derive(Clone, Debug, Default)]
pub(crate) struct Near {
    /// Ascending.
    rows: Vec<u32>,
    /// What it adds to any other at most.
    beyond: f32,
}

impl Near {
    fn has(&self, row: u32) -> bool {
        self.rows.binary_search(&row).is_ok()
    }
}

/// So many of the touched rows are looked at first, those that could be the best.
const PROMISING: usize = 128;

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
        let sum = self.find(row).or_else(rest).unwrap_or(UNSCORED);
        match &self.product {
            Some(product) if !sum.is_nan() => sum + product.of(row),
            _ => sum,
        }
    }

    /// The product that the scores have in them.
    pub(crate) fn product(&self) -> Option<&Product<'_>> {
        self.product.as_ref()
    }

    /// How many rows were touched.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The `k` best of the rows that have a place, by their places: these ascend with the rows. `near`: where
    /// there is a product, the rows of the greatest, best first; of the others none is greater than the
    /// last of them, or zero if that is more.
    pub fn best(&self, k: usize, near: &[u32], place: impl Fn(u32) -> Option<u32>) -> Vec<Scored> {
        let near = |product: &Product<'_>| product.near(near.to_vec());
        let near = self.product.as_ref().map(near).unwrap_or_default();
        self.with_others(self.best_touched(k, &near, &place), k, &near, place)
    }

    /// The `k` best of the rows that were touched.
    pub(crate) fn best_touched(
        &self,
        k: usize,
        near: &Near,
        place: &impl Fn(u32) -> Option<u32>,
    ) -> Vec<Scored> {
        let placed = |row: u32| place(row).filter(|_| self.without != Some(row));
        match &self.product {
            _ if k == 0 => Vec::new(),
            None => best_of(
                k,
                self.rows.iter().filter_map(|touched| {
                    Some(Scored { row: placed(touched.row)?, score: touched.score })
                }),
            ),
            Some(product) => self.best_by_bounds(k, product, near, &placed),
        }
    }

    /// Whether no row that is not near can be among so many best.
    pub(crate) fn are_best(&self, best: &[Scored], k: usize, near: &Near) -> bool {
        let Some(rest) = self.rest else { return true };
        let first = rest.order.first().map_or(0.0, |row| rest.scores[*row as usize]);
        best.len() >= k && best.last().is_none_or(|last| last.score > first + near.beyond)
    }

    /// The `k` best of all, given those of the touched.
    pub(crate) fn with_others(
        &self,
        mut best: Vec<Scored>,
        k: usize,
        near: &Near,
        place: impl Fn(u32) -> Option<u32>,
    ) -> Vec<Scored> {
        let Some(rest) = self.rest.filter(|_| k > 0) else { return best };
        let placed = |row: u32| place(row).filter(|_| self.without != Some(row));
        let score = |row: u32| self.score(row) + 0.0;
        let untouched = |row: u32| placed(row).filter(|_| self.find(row).is_none());
        best.extend(
            near.rows
                .iter()
                .filter_map(|row| Some(Scored { row: untouched(*row)?, score: score(*row) })),
        );
        let mut worst = worst_of(&mut best, k);
        let mut added = 0;
        for row in rest.order {
            // No better than the worst that is known.
            if worst > rest.scores[*row as usize] + near.beyond {
                break;
            }
            if !near.has(*row)
                && let Some(place) = untouched(*row)
            {
                best.push(Scored { row: place, score: score(*row) });
                added += 1;
            }
            if added == k {
                worst = worst_of(&mut best, k);
                added = 0;
                // Nor than the k before it.
                if self.product.is_none() {
                    break;
                }
            }
        }
        keep_best(&mut best, k);
        best
    }

    /// The `k` best of some rows with their places.
    pub(crate) fn best_among(
        &self,
        k: usize,
        rows: impl Iterator<Item = (u32, u32)>,
    ) -> Vec<Scored> {
        let scored = rows.map(|(row, place)| Scored { row: place, score: self.score(row) });
        best_of(k, scored.filter(|scored| !scored.score.is_nan()))
    }

    /// The best of the touched rows: those first that could be by the lengths of their factors and by what is near, and
    /// of the others only what still could.
    fn best_by_bounds(
        &self,
        k: usize,
        product: &Product<'_>,
        near: &Near,
        placed: &impl Fn(u32) -> Option<u32>,
    ) -> Vec<Scored> {
        // A little more than it can be, for what rounding adds.
        let length = product.weight * dot(&product.vector, &product.vector).sqrt() * 1.001;
        let beyond = near.beyond * 1.001;
        let mut near_rows = near.rows.iter().copied().peekable();
        let bounded = self.rows.iter().zip(&self.lengths).filter_map(|(touched, own)| {
            while near_rows.next_if(|near| *near < touched.row).is_some() {}
            let is_near = near_rows.peek() == Some(&touched.row);
            let most = if is_near { f32::INFINITY } else { beyond };
            Some((touched.score + most.min(length * own), *touched, placed(touched.row)?))
        });
        let mut open: Vec<(f32, Scored, u32)> = bounded.collect();
        let first = k.saturating_mul(2).max(PROMISING).min(open.len());
        if first < open.len() {
            open.select_nth_unstable_by(first, |a, b| b.0.total_cmp(&a.0));
        }
        let (first, others) = open.split_at(first);
        let exactly = |(_, touched, place): &(f32, Scored, u32)| Scored {
            row: *place,
            score: touched.score + product.of(touched.row),
        };
        let mut best: Vec<Scored> = first.iter().map(exactly).collect();
        let worst = worst_of(&mut best, k);
        best.extend(others.iter().filter(|open| open.0 >= worst).map(exactly));
        keep_best(&mut best, k);
        best
    }
}

/// The worst score of the `k` best, which alone are left; below all where they are fewer.
fn worst_of(best: &mut Vec<Scored>, k: usize) -> f32 {
    keep_best(best, k);
    match best.last() {
        Some(last) if best.len() >= k => last.score,
        _ => f32::NEG_INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sums::Sums;
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
            let mut sums = Sums::default();
            // Twice, so that what the first left behind would be seen.
            for _ in 0..2 {
                for (row, value) in &added {
                    let (row, value) = (row % n as u32, f32::from(*value));
                    sums.add(std::iter::once((row, value)));
                    let own = &mut dense[row as usize];
                    *own = if own.is_nan() { value } else { *own + value };
                }
                let rows = sums.drain(start, |_, sum| sum).to_vec();
                let mut order: Vec<u32> = (0..n as u32).collect();
                order.sort_by(|a, b| {
                    base[*b as usize].total_cmp(&base[*a as usize]).then(a.cmp(b))
                });
                let rest = has_rest.then_some(Rest { scores: &base, order: &order });
                let touched = Touched { rows, rest, without, ..Touched::default() };
                if let Some(own) = without.and_then(|row| dense.get_mut(row as usize)) {
                    *own = UNSCORED;
                }
                let mut bits = FixedBitSet::with_capacity(n);
                bits.extend((0..n).filter(|row| allowed[*row]));
                let place = |row: u32| Some(row).filter(|row| bits.contains(*row as usize));
                prop_assert_eq!(touched.best(k, &[], place), top_k(&dense, k, Allow::Bits(&bits)));
                for row in 0..n as u32 {
                    let (got, own) = (touched.score(row), dense[row as usize]);
                    prop_assert!(got == own || (got.is_nan() && own.is_nan()));
                }
                dense = if has_rest { base.clone() } else { vec![UNSCORED; n] };
            }
        }

        #[test]
        fn with_a_product_they_are_the_scores_of_all(
            n in 1usize..300,
            added in prop::collection::vec((any::<u32>(), -4i8..5), 0..200),
            base in prop::collection::vec(0u8..5, 300),
            numbers in prop::collection::vec(-8i8..8, 600),
            vector in [-8i8..8, -8i8..8],
            weight in 0u8..3,
            allowed in prop::collection::vec(any::<bool>(), 300),
            without in prop::option::of(0u32..300),
            n_near in 1usize..40,
            k in 0usize..200,
        ) {
            let base: Vec<f32> = base[..n].iter().map(|base| f32::from(*base)).collect();
            let mut factors = vec![0f32; 16 * n];
            for (row, own) in factors.chunks_exact_mut(16).zip(numbers.chunks_exact(2)) {
                // A third of them is of nobody.
                if own[0] % 3 != 0 {
                    row[..2].copy_from_slice(&[f32::from(own[0]), f32::from(own[1])]);
                }
            }
            let of = |row: usize| {
                let row = &factors[16 * row..];
                row[0] * f32::from(vector[0]) + row[1] * f32::from(vector[1])
            };
            let mut bits = FixedBitSet::with_capacity(n);
            bits.extend((0..n).filter(|row| allowed[*row]));
            // Only of what is allowed and has factors.
            let known = bits.ones().filter(|row| {
                factors[16 * row..16 * (row + 1)].iter().any(|value| *value != 0.0)
            });
            let known = known.map(|row| Scored { row: row as u32, score: of(row) });
            let near: Vec<u32> = best_of(n_near, known).iter().map(|near| near.row).collect();
            let length = |row: usize| factors[16 * row].hypot(factors[16 * row + 1]);
            let mut sums = Sums::default();
            let mut dense = base.clone();
            for (row, value) in &added {
                let (row, value) = (row % n as u32, f32::from(*value));
                sums.add(std::iter::once((row, value)));
                dense[row as usize] += value;
            }
            let rows = sums.drain(|row| base[row as usize], |_, sum| sum).to_vec();
            let weight = f32::from(weight) * 0.5;
            (0..n).for_each(|row| dense[row] += weight * of(row));
            let mut order: Vec<u32> = (0..n as u32).collect();
            order.sort_by(|a, b| base[*b as usize].total_cmp(&base[*a as usize]).then(a.cmp(b)));
            let mut padded = vec![0f32; 16];
            padded[..2].copy_from_slice(&vector.map(f32::from));
            let product = Product {
                factors: ItemVectors { dim: 2, rows: &factors },
                vector: padded,
                weight,
            };
            let rest = Some(Rest { scores: &base, order: &order });
            let lengths = rows.iter().map(|row| length(row.row as usize)).collect();
            let touched = Touched { rows, rest, lengths, product: Some(product), without };
            if let Some(own) = without.and_then(|row| dense.get_mut(row as usize)) {
                *own = UNSCORED;
            }
            let place = |row: u32| Some(row).filter(|row| bits.contains(*row as usize));
            let expected = top_k(&dense, k, Allow::Bits(&bits));
            prop_assert_eq!(touched.best(k, &near, place), expected.clone());
            // With the greatest of all rows, not only of those that have a place.
            let all = (0..n as u32).map(|row| Scored { row, score: of(row as usize) });
            let near: Vec<u32> = best_of(n_near, all).iter().map(|near| near.row).collect();
            prop_assert_eq!(touched.best(k, &near, place), expected.clone());
            let all = bits.ones().map(|row| (row as u32, row as u32));
            prop_assert_eq!(touched.best_among(k, all), expected);
        }
    }
}
