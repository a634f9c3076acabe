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
    /// What was found; as long as the longest that was added.
    rows: Vec<Scored>,
}

fn row(added: u64) -> u32 {
    (added >> u32::BITS) as u32
}

impl Sums {
    /// Adds to rows.
    #[inline(always)]
    pub(super) fn add(&mut self, added: impl Iterator<Item = (u32, f32)>) {
        let both =
            |(row, value): (u32, f32)| u64::from(row) << u32::BITS | u64::from(value.to_bits());
        self.added.extend(added.map(both));
    }

    /// The rows that were added to, ascending, with what `score` makes of each sum; a sum begins with `start`.
    pub(super) fn drain(
        &mut self,
        start: impl Fn(u32) -> f32,
        mut score: impl FnMut(u32, f32) -> f32,
    ) -> &[Scored] {
        self.sort();
        let Sums { added, rows, .. } = self;
        if rows.len() < added.len() {
            rows.resize(added.len(), Scored { row: 0, score: 0.0 });
        }
        // No branch has to be guessed, so what is waited for, a place of the memory for each row, is waited for
        // together; and the sum does not go through the memory.
        let (mut n, mut sum) = (0, 0f32);
        let mut last = None;
        for added in added.iter() {
            let (row, value) = (row(*added), f32::from_bits(*added as u32));
            let is_new = last != Some(row);
            n += usize::from(is_new);
            let before = if is_new { start(row) } else { sum };
            sum = before + value;
            rows[n - 1] = Scored { row, score: sum };
            last = Some(row);
        }
        added.clear();
        let rows = &mut rows[..n];
        rows.iter_mut().for_each(|sum| sum.score = score(sum.row, sum.score));
        rows
    }

    /// By rows; of one row in the order in which it came.
    fn sort(&mut self) {
        let Sums { added, other, starts, .. } = self;
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
                    sums.add(std::iter::once((row % most, *value)));
                    *expected.entry(row % most).or_insert(start) += value;
                }
                let rows = sums.drain(|_| start, |_, sum| sum);
                let rows: Vec<(u32, f32)> = rows.iter().map(|one| (one.row, one.score)).collect();
                prop_assert_eq!(rows, expected.clone().into_iter().collect::<Vec<_>>());
            }
        }
    }
}
