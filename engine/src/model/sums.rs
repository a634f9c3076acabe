//! Sums of few of many rows, which come in any order.
//!
//! What is added is kept as it comes and brought together by rows with a stable radix sort. An array of sums as
//! long as the catalogue would be quicker where it fits into a core's cache and slower beyond, where each
//! addition waits for the memory. What is added to one row is added up in the order in which it came, so the
//! numbers are those of such an array, bit for bit.

use crate::topk::Scored;

/// Bits of a row that one pass sorts by: its counters fit into the smallest cache.
const DIGIT: u32 = 11;
/// Fewer are sorted by comparing them.
const FEW: usize = 256;

/// What was added to rows since it was last asked for.
#[derive(Default)]
pub(super) struct Sums {
    /// A row in the upper half, the bits of a number in the lower.
    added: Vec<u64>,
    other: Vec<u64>,
    starts: Vec<u32>,
}

fn row(added: u64) -> u32 {
    (added >> u32::BITS) as u32
}

impl Sums {
    /// Adds to a row.
    #[inline(always)]
    pub(super) fn add(&mut self, row: u32, value: f32) {
        self.added.push(u64::from(row) << u32::BITS | u64::from(value.to_bits()));
    }

    /// The rows that were added to, ascending, with what `score` makes of each sum; a sum begins with `start`.
    pub(super) fn drain(
        &mut self,
        start: impl Fn(u32) -> f32,
        mut score: impl FnMut(u32, f32) -> f32,
    ) -> Vec<Scored> {
        self.sort();
        // Each pass is a plain loop: what is waited for, a place of the memory for each row, is waited for together,
        // as no branch has to be guessed between.
        let mut rows = vec![Scored { row: 0, score: 0.0 }; self.added.len()];
        let mut n = 0;
        for added in &self.added {
            let row = row(*added);
            n += usize::from(n == 0 || rows[n - 1].row != row);
            rows[n - 1].row = row;
        }
        rows.truncate(n);
        rows.iter_mut().for_each(|sum| sum.score = start(sum.row));
        let mut at = 0;
        for added in &self.added {
            at += usize::from(rows[at].row != row(*added));
            rows[at].score += f32::from_bits(*added as u32);
        }
        rows.iter_mut().for_each(|sum| sum.score = score(sum.row, sum.score));
        self.added.clear();
        rows
    }

    /// By rows; of one row in the order in which it came.
    fn sort(&mut self) {
        let Sums { added, other, starts } = self;
        if added.len() < FEW {
            added.sort_by_key(|added| row(*added));
            return;
        }
        let bits = u32::BITS - added.iter().fold(0, |all, added| all | row(*added)).leading_zeros();
        let passes = bits.div_ceil(DIGIT).max(1);
        let width = bits.div_ceil(passes);
        let mask = (1u32 << width) - 1;
        other.resize(added.len(), 0);
        for pass in 0..passes {
            let digit = |added: u64| ((row(added) >> (pass * width)) & mask) as usize;
            starts.clear();
            starts.resize(1 << width, 0);
            added.iter().for_each(|added| starts[digit(*added)] += 1);
            let mut start = 0;
            for count in starts.iter_mut() {
                start += std::mem::replace(count, start);
            }
            for added in added.iter() {
                let place = &mut starts[digit(*added)];
                other[*place as usize] = *added;
                *place += 1;
            }
            std::mem::swap(added, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_are_those_of_an_array(
            most in prop::sample::select(&[1u32, 40, 3_000, 5_000_000][..]),
            added in prop::collection::vec((any::<u32>(), -1e6f32..1e6), 0..2_000),
        ) {
            let mut expected = std::collections::BTreeMap::new();
            let mut sums = Sums::default();
            // Twice, so that what the first left behind would be seen.
            for start in [0.0f32, 0.5] {
                expected.clear();
                for (row, value) in &added {
                    sums.add(row % most, *value);
                    *expected.entry(row % most).or_insert(start) += value;
                }
                let rows = sums.drain(|_| start, |_, sum| sum);
                let rows: Vec<(u32, f32)> = rows.iter().map(|one| (one.row, one.score)).collect();
                prop_assert_eq!(rows, expected.clone().into_iter().collect::<Vec<_>>());
            }
        }
    }
}
