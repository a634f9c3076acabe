//! A finished graph over vectors: flat arrays, in memory or in a mapped file.
//!
//! Nodes are numbered along the tree of the layers: under each node of an upper layer the nodes that
//! are nearest to it. What a walk reads lies close together then. The nodes of the upper layers have
//! their codes once more, side by side, since every walk goes through them.
//!
//! | section | numbers | content |
//! |---|---|---|
//! | `shape` | u64 × 4 | nodes, dimensions, links of a node in the lowest layer, upper layers |
//! | `unit` | f32 | what a code of one stands for |
//! | `codes` | i8 | by node, rows padded with zeros |
//! | `links` | u32 | by node, the rest of a list filled with 2³² − 1 |
//! | `pivots` | u32 | the nodes of the first upper layer, by descending level |
//! | `pivot_codes` | i8 | their codes |
//! | `upper.0` … | u32 | links of the upper layers, by pivot, lowest layer first |
//!
//! Where nodes are near by distance, the squares of the codes are kept beside them in memory.
//!
//! Not here: whose vectors these are. A node is a number, and what is found is to be scored again.

use super::beam::MOST_NODES;
use super::build::{BuildOptions, build, order};
use super::codes::{self, Codes, Query};
use super::kernel::{Dot, Task, dispatch};
use super::walk::{Layer, MOST_LINKS, NONE, Scratch, Search};
use crate::error::{Error, Result};
use crate::model::file::{Array, Sections, Writer, corrupt};
use crate::progress::Work;

/// See the module.
pub(crate) struct Hnsw {
    dim: usize,
    /// What a code of one stands for.
    unit: f32,
    /// Codes by node.
    codes: Array<u8>,
    /// Links of the lowest layer, `width` for each node.
    links: Array<u32>,
    width: usize,
    /// The nodes of the first upper layer, by descending level: their numbers up there.
    pivots: Array<u32>,
    pivot_codes: Array<u8>,
    /// Links of the upper layers, in numbers of `pivots`, half the width; the first is the lowest.
    upper: Vec<Array<u32>>,
    /// The squares of the codes of nodes and of pivots, where distances count, else nothing.
    squares: Vec<i32>,
    pivot_squares: Vec<i32>,
    /// The largest of them.
    most: i32,
}

/// The most dimensions that a file may have.
const MOST_DIM: usize = 1 << 20;

/// The most layers above the lowest that a file may have.
const MOST_UPPER: u64 = 64;

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
        let of = |bytes: &[u8]| match options.by_distance {
            true => codes::squares(dim, bytes),
            false => Vec::new(),
        };
        let built = build(Codes::new(dim, &bytes, &of(&bytes)), &counts, options, work)?;

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
        let upper = built.layers.into_iter().skip(1).map(|layer| Array::from(layer.lists));
        let graph = Hnsw {
            dim,
            unit,
            most: largest_of(&of(&ordered)),
            squares: of(&ordered),
            pivot_squares: of(&bytes),
            codes: ordered.into(),
            links: links.into(),
            width,
            pivots: number[..n_pivots].to_vec().into(),
            pivot_codes: bytes.into(),
            upper: upper.collect(),
        };
        Ok((graph, along.iter().map(|old| came[*old as usize]).collect()))
    }

    /// The number of nodes.
    pub(crate) fn len(&self) -> usize {
        self.links.len() / self.width
    }

    /// The number of dimensions of the vectors.
    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// Whether a vector gives the code of a node; `room` is for its code.
    pub(crate) fn is_of(&self, node: u32, vector: &[f32], room: &mut Vec<u8>) -> bool {
        let stride = codes::stride(self.dim);
        room.clear();
        room.resize(stride, 0);
        codes::encode(vector, self.unit, room);
        self.codes[node as usize * stride..][..stride] == room[..]
    }

    /// The bytes it takes, in memory or mapped.
    pub(crate) fn memory(&self) -> u64 {
        let upper: usize = self.upper.iter().map(|links| size_of_val::<[u32]>(links)).sum();
        let bytes = size_of_val::<[u8]>(&self.codes)
            + size_of_val::<[u32]>(&self.links)
            + size_of_val::<[u32]>(&self.pivots)
            + size_of_val::<[u8]>(&self.pivot_codes)
            + size_of_val(self.squares.as_slice())
            + size_of_val(self.pivot_squares.as_slice())
            + upper;
        bytes as u64
    }

    /// Adds its sections to a file.
    pub(crate) fn save<'a>(&'a self, out: &mut Writer<'a>) {
        let shape = [self.len(), self.dim, self.width, self.upper.len()];
        out.owned("shape", shape.map(|number| number as u64).to_vec());
        out.owned("unit", vec![self.unit]);
        out.array("codes", &self.codes);
        out.array("links", &self.links);
        out.array("pivots", &self.pivots);
        out.array("pivot_codes", &self.pivot_codes);
        for (level, links) in self.upper.iter().enumerate() {
            out.array(format!("upper.{level}"), links);
        }
    }

    /// The graph of a file, whose nodes are near as it was built. Every number that a walk follows is
    /// checked.
    pub(crate) fn load(from: &Sections, by_distance: bool) -> Result<Hnsw> {
        let shape = from.array_of::<u64>("shape", 4)?;
        let size = |at: usize| usize::try_from(shape[at]).unwrap_or(usize::MAX);
        let (n, dim, width) = (size(0), size(1), size(2));
        let unit = from.array_of::<f32>("unit", 1)?[0];
        let widths = (2..=MOST_LINKS).contains(&width) && width.is_multiple_of(2);
        let rows = |n: usize, width: usize| n.checked_mul(width).ok_or_else(senseless);
        if n > MOST_NODES || dim > MOST_DIM || !widths || !(unit.is_finite() && unit > 0.0) {
            return Err(senseless());
        }
        let stride = codes::stride(dim);
        let pivots = from.array::<u32>("pivots")?;
        let mut graph = Hnsw {
            dim,
            unit,
            squares: Vec::new(),
            pivot_squares: Vec::new(),
            most: 0,
            codes: from.array_of("codes", rows(n, stride)?)?,
            links: from.array_of("links", rows(n, width)?)?,
            width,
            pivot_codes: from.array_of("pivot_codes", rows(pivots.len(), stride)?)?,
            pivots,
            upper: (0..shape[3].min(MOST_UPPER))
                .map(|level| from.array(&format!("upper.{level}")))
                .collect::<Result<_>>()?,
        };
        let within = |links: &[u32], nodes: usize| {
            links.iter().all(|link| *link == NONE || (*link as usize) < nodes)
        };
        let half = width / 2;
        let layers = graph
            .upper
            .iter()
            .all(|links| links.len().is_multiple_of(half) && within(links, links.len() / half));
        // A walk goes down with the numbers of the layer above.
        let sizes = graph.upper.iter().map(|links| links.len() / half);
        let narrowing =
            std::iter::once(graph.pivots.len()).chain(sizes).is_sorted_by(|a, b| a >= b);
        let rooted = (n == 0) == graph.pivots.is_empty();
        let pivots = graph.pivots.iter().all(|node| (*node as usize) < n);
        let starts = graph.upper.last().is_none_or(|links| !links.is_empty());
        if !(layers && narrowing && rooted && pivots && starts && within(&graph.links, n)) {
            return Err(senseless());
        }
        if by_distance {
            graph.squares = codes::squares(dim, &graph.codes);
            graph.pivot_squares = codes::squares(dim, &graph.pivot_codes);
            graph.most = largest_of(&graph.squares);
        }
        Ok(graph)
    }

    /// A vector as its codes are compared with.
    pub(crate) fn query(&self, vector: &[f32]) -> Query {
        Query::new(vector, self.unit, self.most)
    }

    /// Fills the beam of `scratch` with the nodes nearest to a query.
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

    /// Fills the beam of `scratch` with the `width` best of some nodes, by comparing all of them.
    pub(crate) fn compare(
        &self,
        query: &Query,
        nodes: impl Iterator<Item = u32>,
        width: usize,
        scratch: &mut Scratch,
    ) {
        dispatch(Compare { graph: self, query, nodes, width, scratch });
    }

    fn codes(&self) -> Codes<'_> {
        Codes::new(self.dim, &self.codes, &self.squares)
    }
}

struct Compare<'a, I> {
    graph: &'a Hnsw,
    query: &'a Query,
    nodes: I,
    width: usize,
    scratch: &'a mut Scratch,
}

impl<I: Iterator<Item = u32>> Task for Compare<'_, I> {
    type Output = ();

    #[inline(always)]
    fn run<D: Dot>(self, dot: D) {
        let Compare { graph, query, nodes, width, scratch } = self;
        let (codes, beam) = (graph.codes(), &mut scratch.beam);
        beam.reset(width);
        for node in nodes {
            let score = codes.near(dot, query, node);
            if score > beam.threshold() {
                beam.offer(score, node);
            }
        }
    }
}

fn largest_of(squares: &[i32]) -> i32 {
    squares.iter().copied().max().unwrap_or(0)
}

fn senseless() -> Error {
    corrupt("its graph makes no sense")
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
        let pivots = Codes::new(graph.dim, &graph.pivot_codes, &graph.pivot_squares);
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
