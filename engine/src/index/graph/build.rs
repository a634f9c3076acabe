//! Builds the graph: hierarchical navigable small worlds (Malkov and Yashunin 2018), in batches.
//!
//! A batch of nodes is linked at once: first each of them looks for its neighbours in the graph as it
//! is, on all threads, which only read; then the links are put in, and lists that became too long are
//! cut, again on all threads. A batch is a fiftieth of what is there, so its nodes hardly miss each
//! other (batches that double: Manohar et al. 2024, ParlayANN). So the graph is a function of the
//! vectors and the seed, on any number of threads, and no list needs a lock.
//!
//! Nodes come in by descending level: the upper layers are complete before the many that live in the
//! lowest only, and a layer's nodes are the first ones.

use rayon::prelude::*;

use super::codes::{Codes, Query};
use super::kernel::{Dot, Task, dispatch};
use super::select::diverse;
use super::walk::{Layer, NONE, Scratch};
use crate::error::Result;
use crate::progress::Work;
use crate::seeded;

/// How a graph is built.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct BuildOptions {
    /// Links of a new node in each layer; the lowest has room for twice as many.
    pub(crate) m: usize,
    /// How many near nodes a new one looks at.
    pub(crate) ef_construction: usize,
    /// Which nodes are in the upper layers.
    pub(crate) seed: u64,
    /// Whether nodes are near by their distance, and not by their inner product.
    pub(crate) by_distance: bool,
}

/// A graph whose nodes are numbered in the order they came in.
pub(crate) struct Built {
    /// The links of each layer, the lowest first; layer l has the first nodes only.
    pub(crate) layers: Vec<Links>,
    /// For each node the nearest node in the layer above its highest; itself in the top layer.
    pub(crate) parents: Vec<u32>,
}

/// The lists of one layer.
pub(crate) struct Links {
    pub(crate) width: usize,
    pub(crate) lists: Vec<u32>,
}

/// The most layers above the lowest.
const MOST_LEVELS: usize = 12;

/// The order in which `n` things come in, and how many of them are in each layer, the lowest first.
pub(crate) fn order(n: usize, options: &BuildOptions) -> (Vec<u32>, Vec<usize>) {
    let spread = 1.0 / (options.m as f64).ln();
    let level = |at: u32| {
        let draw = f64::from(seeded::fraction(options.seed, u64::from(at))).max(1e-9);
        ((-draw.ln() * spread) as usize).min(MOST_LEVELS)
    };
    let mut order: Vec<(usize, u64, u32)> = (0..n as u32)
        .map(|at| (level(at), seeded::number(!options.seed, u64::from(at)), at))
        .collect();
    order.sort_unstable_by_key(|(level, mix, at)| (std::cmp::Reverse(*level), *mix, *at));
    let top = order.first().map_or(0, |(level, ..)| *level);
    let counts = (0..=top).map(|l| order.partition_point(|(level, ..)| *level >= l)).collect();
    (order.into_iter().map(|(.., at)| at).collect(), counts)
}

/// What one node found.
struct Found {
    node: u32,
    parent: u32,
    /// Its links by layer, the lowest first.
    links: Vec<Vec<u32>>,
}

/// Builds the graph of codes that are in the order of [`order`].
pub(crate) fn build(
    codes: Codes<'_>,
    counts: &[usize],
    options: &BuildOptions,
    work: &Work,
) -> Result<Built> {
    let n = counts.first().copied().unwrap_or(0);
    let mut built = Built {
        layers: (0..counts.len())
            .map(|l| {
                let width = if l == 0 { 2 * options.m } else { options.m };
                Links { width, lists: vec![NONE; counts[l] * width] }
            })
            .collect(),
        parents: (0..n as u32).collect(),
    };
    let mut done = n.min(1);
    while done < n {
        work.step("index", done as u64, n as u64)?;
        let batch = done..n.min(done + (done / 50).max(1));
        let found: Vec<Found> = batch
            .clone()
            .into_par_iter()
            .map_init(Scratch::default, |scratch, node| {
                let node = node as u32;
                dispatch(Look { built: &built, codes, counts, options, node, scratch })
            })
            .collect();
        built.put(codes, &found);
        done = batch.end;
    }
    work.step("index", n as u64, n as u64)?;
    Ok(built)
}

/// One node looks for its neighbours.
struct Look<'a> {
    built: &'a Built,
    codes: Codes<'a>,
    counts: &'a [usize],
    options: &'a BuildOptions,
    node: u32,
    scratch: &'a mut Scratch,
}

impl Task for Look<'_> {
    type Output = Found;

    #[inline(always)]
    fn run<D: Dot>(self, dot: D) -> Found {
        let Look { built, codes, counts, options, node, scratch } = self;
        let query = &Query::of_row(codes, node);
        let level = counts.iter().rposition(|count| (node as usize) < *count).unwrap_or(0);
        let mut starts = vec![0];
        let mut parent = node;
        let mut links = vec![Vec::new(); level + 1];
        for l in (0..counts.len()).rev() {
            let layer = built.layer(l, codes);
            if l > level {
                let at = layer.descend(dot, query, starts[0]);
                parent = at;
                starts = vec![at];
                continue;
            }
            layer.walk(dot, query, &starts, options.ef_construction, scratch);
            diverse(dot, codes, scratch.beam.iter(), options.m, &mut links[l]);
            starts = scratch.beam.iter().take(options.m).map(|(near, _)| near).collect();
        }
        Found { node, parent, links }
    }
}

/// A list that gets further links, and is cut where they are too many.
struct Grow<'a> {
    layer: Layer<'a>,
    node: u32,
    fresh: &'a [(u32, u32, u32)],
}

impl Task for Grow<'_> {
    type Output = Vec<u32>;

    #[inline(always)]
    fn run<D: Dot>(self, dot: D) -> Vec<u32> {
        let Grow { layer, node, fresh } = self;
        let mut all = layer.links(node).to_vec();
        all.extend(fresh.iter().map(|(_, _, from)| *from));
        if all.len() <= layer.width {
            return all;
        }
        let mut near: Vec<(u32, i32)> =
            all.iter().map(|link| (*link, layer.codes.between(dot, node, *link))).collect();
        near.sort_unstable_by_key(|(link, score)| (std::cmp::Reverse(*score), *link));
        diverse(dot, layer.codes, near.into_iter(), layer.width, &mut all);
        all
    }
}

impl Built {
    fn layer<'a>(&'a self, level: usize, codes: Codes<'a>) -> Layer<'a> {
        let links = &self.layers[level];
        Layer { codes, links: &links.lists, width: links.width }
    }

    /// Puts in what a batch found: its own lists, and itself into those of its neighbours.
    fn put(&mut self, codes: Codes<'_>, batch: &[Found]) {
        let mut reverse: Vec<(u32, u32, u32)> = Vec::new();
        for found in batch {
            self.parents[found.node as usize] = found.parent;
            for (level, links) in found.links.iter().enumerate() {
                self.layers[level].set(found.node, links);
                reverse.extend(links.iter().map(|link| (level as u32, *link, found.node)));
            }
        }
        reverse.sort_unstable();
        let lists: Vec<&[(u32, u32, u32)]> =
            reverse.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).collect();
        let grown: Vec<Vec<u32>> = lists
            .par_iter()
            .map(|fresh| {
                let (level, node, _) = fresh[0];
                dispatch(Grow { layer: self.layer(level as usize, codes), node, fresh })
            })
            .collect();
        for (fresh, links) in lists.iter().zip(grown) {
            let (level, node, _) = fresh[0];
            self.layers[level as usize].set(node, &links);
        }
    }
}

impl Links {
    fn set(&mut self, node: u32, links: &[u32]) {
        let list = &mut self.lists[node as usize * self.width..][..self.width];
        list[..links.len()].copy_from_slice(links);
        list[links.len()..].fill(NONE);
    }
}
