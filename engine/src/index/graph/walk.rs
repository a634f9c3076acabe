//! The walk over one layer of a graph towards what is near a query (Malkov and Yashunin 2018,
//! algorithm 2), with and without a filter.

use std::collections::BinaryHeap;

use super::beam::Beam;
use super::codes::{Codes, Query};
use super::kernel::Dot;
use super::visited::Visited;

/// Ends a list of links that is shorter than there is room for.
pub(crate) const NONE: u32 = u32::MAX;

/// The most links of a node in one layer: bounds what a walk looks at in one step.
pub(crate) const MOST_LINKS: usize = 256;

/// Nodes with their codes and links.
#[derive(Clone, Copy)]
pub(crate) struct Layer<'a> {
    pub(crate) codes: Codes<'a>,
    /// `width` links for each node, the rest [`NONE`].
    pub(crate) links: &'a [u32],
    pub(crate) width: usize,
}

/// How far a filtered walk goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Search {
    /// The nodes that are kept while walking.
    pub(crate) ef: usize,
    /// Where it gives up: comparisons.
    pub(crate) most: usize,
}

/// What a walk needs besides the graph; kept from one to the next.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) visited: Visited,
    /// The best nodes, and after a walk its result.
    pub(crate) beam: Beam,
    /// Where a filtered walk may go on, best first.
    open: BinaryHeap<(i32, std::cmp::Reverse<u32>)>,
}

impl<'a> Layer<'a> {
    /// The links of a node.
    #[inline(always)]
    pub(crate) fn links(&self, node: u32) -> &'a [u32] {
        let row = self.links.get(node as usize * self.width..).unwrap_or_default();
        let row = row.get(..self.width).unwrap_or_default();
        let end = row.iter().position(|link| *link == NONE).unwrap_or(row.len());
        &row[..end]
    }

    /// The number of nodes.
    pub(crate) fn len(&self) -> usize {
        self.links.len() / self.width
    }

    /// Goes from `start` to ever nearer nodes until none is nearer.
    #[inline(always)]
    pub(crate) fn descend<D: Dot>(&self, dot: D, query: &Query, start: u32) -> u32 {
        let mut best = (self.codes.near(dot, query, start), start);
        loop {
            let mut next = best;
            for link in self.links(best.1) {
                let score = self.codes.near(dot, query, *link);
                if score > next.0 {
                    next = (score, *link);
                }
            }
            if next.1 == best.1 {
                return best.1;
            }
            best = next;
        }
    }

    /// Fills the beam of `scratch` with the `width` nodes nearest to the query that are found from
    /// `starts` on.
    #[inline(always)]
    pub(crate) fn walk<D: Dot>(
        &self,
        dot: D,
        query: &Query,
        starts: &[u32],
        width: usize,
        scratch: &mut Scratch,
    ) {
        let Scratch { visited, beam, .. } = scratch;
        visited.reset(self.len());
        beam.reset(width);
        for start in starts {
            if visited.insert(*start) {
                beam.offer(self.codes.near(dot, query, *start), *start);
            }
        }
        let mut from = 0;
        let mut fresh = [0u32; MOST_LINKS];
        while let Some((at, node)) = beam.next(from) {
            let fresh = self.fresh(node, visited, &mut fresh);
            from = at + 1;
            for link in fresh {
                let score = self.codes.near(dot, query, *link);
                if score > beam.threshold()
                    && let Some(put) = beam.offer(score, *link)
                {
                    from = from.min(put);
                }
            }
        }
    }

    /// As [`Layer::walk`], where only nodes that are `allowed` get into the beam. Gives up, with
    /// false, where that takes more comparisons than it may make.
    #[inline(always)]
    pub(crate) fn walk_among<D: Dot>(
        &self,
        dot: D,
        query: &Query,
        starts: &[u32],
        Search { ef, most }: Search,
        allowed: impl Fn(u32) -> bool,
        scratch: &mut Scratch,
    ) -> bool {
        let Scratch { visited, beam, open } = scratch;
        visited.reset(self.len());
        beam.reset(ef);
        open.clear();
        for start in starts {
            if visited.insert(*start) {
                let score = self.codes.near(dot, query, *start);
                open.push((score, std::cmp::Reverse(*start)));
                if allowed(*start) {
                    beam.offer(score, *start);
                }
            }
        }
        let mut compared = 0;
        let mut fresh = [0u32; MOST_LINKS];
        while let Some((score, std::cmp::Reverse(node))) = open.pop() {
            if score < beam.threshold() {
                return true;
            }
            let fresh = self.fresh(node, visited, &mut fresh);
            compared += fresh.len();
            if compared > most {
                return false;
            }
            for link in fresh {
                let score = self.codes.near(dot, query, *link);
                if score > beam.threshold() {
                    open.push((score, std::cmp::Reverse(*link)));
                    if allowed(*link) {
                        beam.offer(score, *link);
                    }
                }
            }
        }
        true
    }

    /// The links of a node that were not visited before. They are collected before any is compared,
    /// so that their codes are fetched side by side.
    #[inline(always)]
    fn fresh<'f>(
        &self,
        node: u32,
        visited: &mut Visited,
        fresh: &'f mut [u32; MOST_LINKS],
    ) -> &'f [u32] {
        let mut n = 0;
        for link in self.links(node) {
            if visited.insert(*link) {
                fresh[n] = *link;
                n += 1;
            }
        }
        &fresh[..n]
    }
}
