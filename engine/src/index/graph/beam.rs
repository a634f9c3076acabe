//! The best nodes that a walk has found so far, in order, and which of them it still has to look
//! around from.
//!
//! One sorted array instead of two heaps: beams are a few hundred entries at most, and moving a
//! kilobyte costs less than keeping a heap.

/// Marks an entry from which the walk has not gone on yet.
const FRESH: u64 = 1;
const NODE: u64 = 0x7fff_ffff;

/// The most nodes of a graph: an entry has 31 bits for one.
pub(crate) const MOST_NODES: usize = NODE as usize;

/// Score above, then the lower node, then the mark, so that entries compare as numbers.
#[inline(always)]
fn entry(score: i32, node: u32) -> u64 {
    let score = (score as u32) ^ 0x8000_0000;
    (u64::from(score) << 32) | ((NODE ^ u64::from(node)) << 1) | FRESH
}

#[inline(always)]
fn node_of(entry: u64) -> u32 {
    (((entry >> 1) & NODE) ^ NODE) as u32
}

#[inline(always)]
fn score_of(entry: u64) -> i32 {
    (((entry >> 32) as u32) ^ 0x8000_0000) as i32
}

/// See the module.
#[derive(Default)]
pub(crate) struct Beam {
    width: usize,
    entries: Vec<u64>,
}

impl Beam {
    /// Empties the beam and sets how many nodes it holds.
    pub(crate) fn reset(&mut self, width: usize) {
        self.width = width.max(1);
        self.entries.clear();
        self.entries.reserve(self.width + 1);
    }

    /// Offers a node; where it was put, if it is among the best.
    #[inline(always)]
    pub(crate) fn offer(&mut self, score: i32, node: u32) -> Option<usize> {
        let new = entry(score, node);
        if self.entries.len() >= self.width {
            if self.entries.last().is_some_and(|last| *last > new) {
                return None;
            }
            self.entries.pop();
        }
        let at = self.entries.partition_point(|known| *known > new);
        self.entries.insert(at, new);
        Some(at)
    }

    /// The first node from `from` on that is still to be looked around from, marked as looked at.
    #[inline(always)]
    pub(crate) fn next(&mut self, from: usize) -> Option<(usize, u32)> {
        let offset = self.entries.get(from..)?.iter().position(|entry| entry & FRESH != 0)?;
        let at = from + offset;
        self.entries[at] &= !FRESH;
        Some((at, node_of(self.entries[at])))
    }

    /// The score that a node must reach to be let in.
    #[inline(always)]
    pub(crate) fn threshold(&self) -> i32 {
        match self.entries.last() {
            Some(last) if self.entries.len() >= self.width => score_of(*last),
            _ => i32::MIN,
        }
    }

    /// Nodes and their scores, best first.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (u32, i32)> + '_ {
        self.entries.iter().map(|entry| (node_of(*entry), score_of(*entry)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_holds_the_best_in_order(
            width in 1usize..20,
            scores in prop::collection::vec(any::<i32>(), 0..60),
        ) {
            let mut beam = Beam::default();
            beam.reset(width);
            for (node, score) in scores.iter().enumerate() {
                beam.offer(*score, node as u32);
            }
            let mut expected: Vec<(u32, i32)> =
                scores.iter().enumerate().map(|(node, score)| (node as u32, *score)).collect();
            expected.sort_by_key(|(node, score)| (std::cmp::Reverse(*score), *node));
            expected.truncate(width);
            prop_assert_eq!(beam.iter().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn each_node_is_handed_out_once() {
        let mut beam = Beam::default();
        beam.reset(3);
        for (score, node) in [(5, 1), (9, 2), (-7, MOST_NODES as u32 - 1)] {
            beam.offer(score, node);
        }
        assert_eq!(beam.next(0), Some((0, 2)));
        assert_eq!(beam.offer(20, 8), Some(0));
        assert_eq!(beam.next(0), Some((0, 8)));
        assert_eq!(beam.next(0), Some((2, 1)));
        assert_eq!(beam.next(0), None);
        assert_eq!(beam.threshold(), 5);
    }
}
