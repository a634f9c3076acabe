//! The best k of a list of scores, exactly.
//!
//! Higher scores come first; equal scores in the order of their rows. NaN is not a score and is
//! never returned.

use std::cmp::Ordering;

use fixedbitset::FixedBitSet;
use roaring::RoaringBitmap;

use crate::kernels::{any_above, vectorised};

/// Rows in one word of a bit set.
const WORD: usize = usize::BITS as usize;

/// A row and its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The row.
    pub row: u32,
    /// Its score.
    pub score: f32,
}

/// The rows that may be returned.
#[derive(Clone, Copy, Debug)]
pub enum Allow<'a> {
    /// Every row.
    All,
    /// The rows of a set.
    Bits(&'a FixedBitSet),
    /// The rows of a bitmap.
    Bitmap(&'a RoaringBitmap),
}

/// The `k` best of the allowed rows; fewer if fewer have a score.
pub fn top_k(scores: &[f32], k: usize, allow: Allow<'_>) -> Vec<Scored> {
    if k == 0 {
        return Vec::new();
    }
    let mut best = Best::new(k, scores.len());
    match allow {
        Allow::All => vectorised(
            #[inline(always)]
            || {
                for (at, block) in scores.chunks(64).enumerate() {
                    if any_above(block, best.threshold) || !best.full {
                        for (offset, score) in block.iter().enumerate() {
                            best.offer((at * 64 + offset) as u32, *score);
                        }
                    }
                }
            },
        ),
        Allow::Bits(bits) => vectorised(
            #[inline(always)]
            || {
                for (at, block) in scores.chunks(WORD).enumerate() {
                    let mut word = bits.as_slice().get(at).copied().unwrap_or(0);
                    if word == 0 || (best.full && !any_above(block, best.threshold)) {
                        continue;
                    }
                    while word != 0 {
                        let offset = word.trailing_zeros() as usize;
                        word &= word - 1;
                        if let Some(score) = block.get(offset) {
                            best.offer((at * WORD + offset) as u32, *score);
                        }
                    }
                }
            },
        ),
        Allow::Bitmap(bitmap) => {
            for row in bitmap {
                let Some(score) = scores.get(row as usize) else { break };
                best.offer(row, *score);
            }
        }
    }
    best.finish()
}

/// The `k` best of rows that come in ascending order.
pub(crate) fn best_of(k: usize, rows: impl Iterator<Item = Scored>) -> Vec<Scored> {
    if k == 0 {
        return Vec::new();
    }
    let mut best = Best::new(k, rows.size_hint().1.unwrap_or(k));
    rows.for_each(|one| best.offer(one.row, one.score));
    best.finish()
}

/// The order of a result: higher scores first, then lower rows.
pub(crate) fn better_first(a: &Scored, b: &Scored) -> Ordering {
    b.score.total_cmp(&a.score).then(a.row.cmp(&b.row))
}

/// Leaves the `k` best, in the order of a result.
pub(crate) fn keep_best(rows: &mut Vec<Scored>, k: usize) {
    if rows.len() > k && k > 0 {
        rows.select_nth_unstable_by(k - 1, better_first);
    }
    rows.truncate(k);
    rows.sort_unstable_by(better_first);
}

/// Candidates for the best k of rows offered in ascending order. It holds up to twice k and is cut
/// back to k when full, which also raises the threshold that later rows must beat.
struct Best {
    k: usize,
    candidates: Vec<Scored>,
    threshold: f32,
    full: bool,
}

impl Best {
    fn new(k: usize, n: usize) -> Best {
        let room = k.saturating_mul(2).max(64).min(n.max(1));
        Best { k, candidates: Vec::with_capacity(room), threshold: f32::NEG_INFINITY, full: false }
    }

    #[inline(always)]
    fn offer(&mut self, row: u32, score: f32) {
        // Once k are known an equal score loses to them: they have lower rows.
        if score > self.threshold || (!self.full && !score.is_nan()) {
            // −0 and 0 are one score.
            self.candidates.push(Scored { row, score: score + 0.0 });
            if self.candidates.len() >= self.k.saturating_mul(2).max(64) {
                self.cut();
            }
        }
    }

    #[inline(never)]
    fn cut(&mut self) {
        if self.candidates.len() > self.k {
            self.candidates.select_nth_unstable_by(self.k - 1, better_first);
            self.candidates.truncate(self.k);
        }
        if self.candidates.len() == self.k {
            self.threshold = self.candidates[self.k - 1].score;
            self.full = true;
        }
    }

    fn finish(mut self) -> Vec<Scored> {
        if self.candidates.len() > self.k {
            self.cut();
        }
        self.candidates.sort_unstable_by(better_first);
        self.candidates
    }
}

#[cfg(test)]
mod tests;
