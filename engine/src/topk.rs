//! The best k of a list of scores, exactly.
//!
//! Higher scores come first; equal scores in the order of their rows. NaN is not a score and is
//! never returned.

use std::cmp::Ordering;

use pulp::Arch;
use roaring::RoaringBitmap;

use crate::kernels::any_above;

/// A row and its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The row.
    pub row: u32,
    /// Its score.
    pub score: f32,
}

/// A set of rows below a fixed bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BitSet {
    words: Vec<u64>,
    len: usize,
}

impl BitSet {
    /// The empty set of rows below `len`.
    pub fn new(len: usize) -> BitSet {
        BitSet { words: vec![0; len.div_ceil(64)], len }
    }

    /// The set of all rows below `len`.
    pub fn full(len: usize) -> BitSet {
        let mut words = vec![u64::MAX; len.div_ceil(64)];
        if let (Some(last), rest @ 1..) = (words.last_mut(), len % 64) {
            *last = (1 << rest) - 1;
        }
        BitSet { words, len }
    }

    /// The bound: rows are below it.
    pub fn bound(&self) -> usize {
        self.len
    }

    /// Puts a row in. A row beyond the bound is ignored.
    pub fn insert(&mut self, row: u32) {
        if (row as usize) < self.len {
            self.words[row as usize / 64] |= 1 << (row % 64);
        }
    }

    /// Takes a row out.
    pub fn remove(&mut self, row: u32) {
        if (row as usize) < self.len {
            self.words[row as usize / 64] &= !(1 << (row % 64));
        }
    }

    /// Whether a row is in.
    pub fn contains(&self, row: u32) -> bool {
        self.words.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// The number of rows in the set.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Puts in every row of another set that is below the bound.
    pub fn union_with(&mut self, other: &BitSet) {
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
        if let (Some(last), rest @ 1..) = (self.words.last_mut(), self.len % 64) {
            *last &= (1 << rest) - 1;
        }
    }

    /// Keeps only rows that are in another set too.
    pub fn intersect_with(&mut self, other: &BitSet) {
        for (at, word) in self.words.iter_mut().enumerate() {
            *word &= other.words.get(at).copied().unwrap_or(0);
        }
    }

    /// The rows in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                if left == 0 {
                    return None;
                }
                let bit = left.trailing_zeros();
                left &= left - 1;
                Some(at as u32 * 64 + bit)
            })
        })
    }

    fn word(&self, at: usize) -> u64 {
        self.words.get(at).copied().unwrap_or(0)
    }
}

/// The rows that may be returned.
#[derive(Clone, Copy, Debug)]
pub enum Allow<'a> {
    /// Every row.
    All,
    /// The rows of a set.
    Bits(&'a BitSet),
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
        Allow::All => Arch::new().dispatch(
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
        Allow::Bits(bits) => Arch::new().dispatch(
            #[inline(always)]
            || {
                for (at, block) in scores.chunks(64).enumerate() {
                    let mut word = bits.word(at);
                    if word == 0 || (best.full && !any_above(block, best.threshold)) {
                        continue;
                    }
                    while word != 0 {
                        let offset = word.trailing_zeros() as usize;
                        word &= word - 1;
                        if let Some(score) = block.get(offset) {
                            best.offer((at * 64 + offset) as u32, *score);
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

/// The order of a result: higher scores first, then lower rows.
pub(crate) fn better_first(a: &Scored, b: &Scored) -> Ordering {
    b.score.total_cmp(&a.score).then(a.row.cmp(&b.row))
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
