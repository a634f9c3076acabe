//! A finished graph over vectors of length one: flat arrays.
//!
//! Nodes are numbered along the tree of the layers: under each node of an upper layer the nodes that
//! are nearest to it. What a walk reads lies close together then. The nodes of the upper layers have
//! their codes once more, side by side, since every walk goes through them.
//!
//! Not here: whose vectors these are. A node is a number, and what is found is to be scored again.

use super::build::{BuildOptions, build, order};
use super::codes::{self, Codes, Query};
use super::kernel::{Dot, Task, dispatch};
use super::walk::{Layer, NONE, Scratch, Search};
use crate::error::Result;
use crate::progress::Work;

/// See the module.
pub(crate) struct Hnsw {
    dim: usize,
    /// Codes by node.
    codes: Vec<u8>,
    /// Links of the lowest layer, `width` for each node.
    links: Vec<u32>,
    width: usize,
    /// The nodes of the first upper layer, by descending level: their numbers up there.
    pivots: Vec<u32>,
    pivot_codes: Vec<u8>,
    /// Links of the upper layers, in numbers of `pivots`, half the width; the first is the lowest.
    upper: Vec<Vec<u32>>,
}

impl Hnsw {
    /// Builds a graph of `n` rows of `dim` numbers, and tells which row each node is.
    pub(crate) fn build<'a>(
        dim: usize,
        n: usize,
        row: impl Fn(usize) -> &'a [f32],
        options: &BuildOptions,
        work: &Work,
    ) -> Result<(Hnsw, Vec<u32>)> {
        let (came, counts) = order(n, options);
        let stride = codes::stride(dim);
        let largest = |row: &[f32]| row.iter().fold(0f32, |most, value| most.max(value.abs()));
        let unit = codes::unit((0..n).map(|at| largest(row(at))).fold(0.0, f32::max));
        let mut bytes = vec![0u8; n * stride];
        for (at, out) in came.iter().zip(bytes.chunks_exact_mut(stride)) {
            codes::encode(row(*at as usize), unit, out);
        }
        let built = build(Codes::new(dim, &bytes), &counts, options, work)?;

        let n_pivots = counts.get(1).copied().unwrap_or(n.min(1));
        let along = along_tree(&built.parents);
        let mut number = vec![0u32; n];
        for (node, came) in along.iter().enumerate() {
            number[*came as usize] = node as u32;
        }
        let mut ordered = vec![0u8; n * stride];
        let mut links = vec![NONE; n * 2 * options.m];
        let width = 2 * options.m;
        for (node, old) in along.iter().enumerate() {
            let old = *old as usize;
            ordered[node * stride..][..stride].copy_from_slice(&bytes[old * stride..][..stride]);
            let list = &built.layers[0].lists[old * width..][..width];
            for (to, link) in links[node * width..][..width].iter_mut().zip(list) {
                *to = if *link == NONE { NONE } else { number[*link as usize] };
            }
        }
        bytes.truncate(n_pivots * stride);
        let graph = Hnsw {
            dim,
            codes: ordered,
            links,
            width,
            pivots: number[..n_pivots].to_vec(),
            pivot_codes: bytes,
            upper: built.layers.into_iter().skip(1).map(|layer| layer.lists).collect(),
        };
        Ok((graph, along.iter().map(|old| came[*old as usize]).collect()))
    }

    /// The memory it takes, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let upper: usize = self.upper.iter().map(|links| size_of_val(links.as_slice())).sum();
        let bytes = size_of_val(self.codes.as_slice())
            + size_of_val(self.links.as_slice())
            + size_of_val(self.pivots.as_slice())
            + size_of_val(self.pivot_codes.as_slice())
            + upper;
        bytes as u64
    }

    /// Fills the beam of `scratch` with the nodes nearest to a vector.
    pub(crate) fn search(&self, query: &Query, ef: usize, scratch: &mut Scratch) {
        let all: Option<fn(u32) -> bool> = None;
        dispatch(Near { graph: self, query, search: Search { ef, most: 0 }, among: all, scratch });
    }

    /// The same among the `allowed`; false where it gave up.
    pub(crate) fn search_among(
        &self,
        query: &Query,
        search: Search,
        allowed: impl Fn(u32) -> bool,
        scratch: &mut Scratch,
    ) -> bool {
        dispatch(Near { graph: self, query, search, among: Some(allowed), scratch })
    }

    fn codes(&self) -> Codes<'_> {
        Codes::new(self.dim, &self.codes)
    }
}

struct Near<'a, A> {
    graph: &'a Hnsw,
    query: &'a Query,
    search: Search,
    among: Option<A>,
    scratch: &'a mut Scratch,
}

impl<A: Fn(u32) -> bool> Task for Near<'_, A> {
    type Output = bool;

    #[inline(always)]
    fn run<D: Dot>(self, dot: D) -> bool {
        let Near { graph, query, search, among, scratch } = self;
        let query = query.entries();
        let pivots = Codes::new(graph.dim, &graph.pivot_codes);
        let mut at = 0;
        for links in graph.upper.iter().rev() {
            let layer = Layer { codes: pivots, links, width: graph.width / 2 };
            at = layer.descend(dot, query, at);
        }
        let Some(start) = graph.pivots.get(at as usize) else {
            scratch.beam.reset(1);
            return true;
        };
        let layer = Layer { codes: graph.codes(), links: &graph.links, width: graph.width };
        match among {
            None => {
                layer.walk(dot, query, &[*start], search.ef, scratch);
                true
            }
            Some(allowed) => layer.walk_among(dot, query, &[*start], search, allowed, scratch),
        }
    }
}

/// The nodes in the order of the tree that `parents` is: each before what is below it. A node that is
/// its own parent is a root.
fn along_tree(parents: &[u32]) -> Vec<u32> {
    let n = parents.len();
    let mut first = vec![NONE; n];
    let mut sibling = vec![NONE; n];
    let mut roots = Vec::new();
    for node in (0..n as u32).rev() {
        let parent = parents[node as usize];
        if parent == node {
            roots.push(node);
        } else {
            sibling[node as usize] = first[parent as usize];
            first[parent as usize] = node;
        }
    }
    let mut along = Vec::with_capacity(n);
    // The stack holds what comes next, nearest on top; roots were pushed last one first.
    let mut stack = roots;
    while let Some(node) = stack.pop() {
        along.push(node);
        if sibling[node as usize] != NONE && parents[node as usize] != node {
            stack.push(sibling[node as usize]);
        }
        if first[node as usize] != NONE {
            stack.push(first[node as usize]);
        }
    }
    along
}
