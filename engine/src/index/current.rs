//! An index asked about a catalogue as it is now: the nearest rows, exactly scored, always as many as
//! there are.

use std::sync::Arc;

use fixedbitset::FixedBitSet;
use tastedb_storage::ItemId;

use super::coverage::{Coverage, NONE};
use super::graph::Search;
use super::vector_index::{MOST_EF, VectorIndex};
use super::vectors::{Vectors, question, scores};
use crate::error::Result;
use crate::similarity::Similarity;
use crate::topk::{Allow, Scored, keep_best};

/// So many nodes more than rows asked for, and as many again, are scored with their vectors: codes are
/// too coarse to tell the last ones apart.
const RESCORED: usize = 10;

/// So many near nodes more than rows asked for a walk among allowed rows keeps at least.
const MARGIN: usize = 10;

/// So many rows are compared with their vectors; of more, the codes are, a quarter of the memory.
const COMPARED: usize = 512;

/// As short as a walk with so many near nodes is none with fewer.
const SHORTEST: usize = 32;

/// How an answer was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// By a walk over the graph.
    Graph,
    /// By a walk that only kept allowed rows.
    FilteredGraph,
    /// By comparing the codes of all allowed rows.
    Codes,
    /// By comparing all allowed rows.
    Exact,
    /// By the rows that the history is linked to.
    Touched,
    /// By those, and for others by the index.
    TouchedOrNear,
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Path::Graph => "by a walk over the index",
            Path::FilteredGraph => "by a walk over the index among the candidates",
            Path::Codes => "by comparing the codes of the candidates",
            Path::Exact => "by comparing the candidates",
            Path::Touched => "by what the history is linked to",
            Path::TouchedOrNear => "by what the history is linked to and the index",
        })
    }
}

/// The nearest rows and how they were found.
#[derive(Clone, Debug, PartialEq)]
pub struct Nearest {
    /// Best first, equal ones by row.
    pub rows: Vec<Scored>,
    /// How.
    pub path: Path,
}

/// An index with the vectors of now. Rows are those of a catalogue, which ascends by item.
pub struct CurrentIndex {
    index: Arc<VectorIndex>,
    vectors: Arc<dyn Vectors>,
    coverage: Coverage,
}

impl std::fmt::Debug for CurrentIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CurrentIndex").field("index", &self.index).finish_non_exhaustive()
    }
}

impl CurrentIndex {
    /// An index in a catalogue whose vectors are these. Every row is compared with its code.
    pub fn new(
        index: Arc<VectorIndex>,
        vectors: Arc<dyn Vectors>,
        items: &[ItemId],
    ) -> CurrentIndex {
        let coverage = Coverage::new(&index, vectors.as_ref(), items);
        CurrentIndex { index, vectors, coverage }
    }

    /// The same after the embeddings of the `touched` items, ascending, may have changed, and after
    /// items came and went.
    pub(crate) fn patched(
        &self,
        vectors: Arc<dyn Vectors>,
        items: &[ItemId],
        touched: &[ItemId],
    ) -> CurrentIndex {
        let coverage = self.coverage.patched(&self.index, vectors.as_ref(), items, touched);
        CurrentIndex { index: Arc::clone(&self.index), vectors, coverage }
    }

    /// The same after items came and went whose vectors are as they were.
    pub(crate) fn patched_rows(&self, items: &[ItemId]) -> CurrentIndex {
        self.patched(Arc::clone(&self.vectors), items, &[])
    }

    /// The index as it was built.
    pub fn index(&self) -> &Arc<VectorIndex> {
        &self.index
    }

    /// The rows that have an embedding and no node: each question compares all of them.
    pub fn uncovered(&self) -> usize {
        self.coverage.loose.len()
    }

    /// Whether the nodes that count are too few to be worth a walk.
    pub(crate) fn is_outdated(&self) -> bool {
        self.coverage.dead > self.index.len() / 2
    }

    /// The nodes whose item is gone or has another vector now.
    pub fn dead(&self) -> usize {
        self.coverage.dead
    }

    /// The `k` allowed rows that are nearest to a vector by the metric of the index, best first and equal ones
    /// by row.
    /// `ef`: how many near nodes a walk keeps, at least `k`; more is slower and finds more. `items` is
    /// the catalogue.
    ///
    /// Fails if the vector has another length than the rows, or is not finite.
    pub fn nearest(
        &self,
        items: &[ItemId],
        vector: &[f32],
        k: usize,
        ef: usize,
        allow: Allow<'_>,
    ) -> Result<Nearest> {
        let metric = self.index.options().metric;
        let query = question(self.vectors.as_ref(), metric, vector)?;
        let query: &[f32] = bytemuck::cast_slice(&query);
        let n = self.coverage.n_rows;
        let allowed = match allow {
            Allow::All => n,
            Allow::Bits(bits) => bits.count_ones(..),
            Allow::Bitmap(bitmap) => usize::try_from(bitmap.len()).unwrap_or(usize::MAX),
        };
        let wanted = k.min(allowed);
        let exact = || Nearest {
            rows: nearest_exactly(self.vectors.as_ref(), metric, items, query, wanted, allow),
            path: Path::Exact,
        };
        let ef = ef.max(k);
        // Codes of half the rows are not worth a walk; neither are rows that are rarer than the walk
        // is long: it compares as many more as the filter lets fewer through, and one by products more still.
        let masked = n - allowed.min(n);
        let reach = match metric {
            Similarity::InnerProduct => 32,
            Similarity::Cosine | Similarity::L2 => 4,
        };
        // A walk is so long at least: of a million rows, with 16 wanted near ones, it takes 961 µs for the one in a
        // hundred that are allowed, whose codes are compared in 207.
        let walked = ef.max(SHORTEST);
        let few = masked > 0 && allowed.saturating_mul(allowed) <= reach * walked * n;
        if 2 * ef >= self.index.len() || ef > MOST_EF || (few && allowed <= COMPARED) {
            return Ok(exact());
        }
        let rows = self.coverage.rows.as_slice();
        let allows = |row: u32| match allow {
            Allow::All => true,
            Allow::Bits(bits) => bits.contains(row as usize),
            Allow::Bitmap(bitmap) => bitmap.contains(row),
        };
        let rescored = wanted.saturating_mul(2).saturating_add(RESCORED);
        let score = |row: u32| {
            let at = self.vectors.row_of(*items.get(row as usize)?)?;
            Some(Scored { row, score: metric.of(query, self.vectors.padded(at)) })
        };
        let best = |nodes: &mut dyn Iterator<Item = u32>| -> Vec<Scored> {
            let rows = nodes.map(|node| rows[node as usize]);
            let rows = rows.filter(|row| *row != NONE && allows(*row));
            rows.take(rescored).filter_map(score).collect()
        };
        let vector = &query[..self.vectors.dim()];
        // A few that are not wanted are walked over and dropped.
        let dropped = masked + self.coverage.dead;
        let (best, path) = if few {
            let nodes = self.coverage.nodes.as_slice();
            let node = |row: u32| nodes.get(row as usize).copied().filter(|node| *node != NONE);
            let found = match allow {
                Allow::All => {
                    self.index.compare(vector, (0..n as u32).filter_map(node), rescored, best)
                }
                Allow::Bits(bits) => {
                    self.index.compare(vector, ones(bits).filter_map(node), rescored, best)
                }
                Allow::Bitmap(bitmap) => {
                    self.index.compare(vector, bitmap.iter().filter_map(node), rescored, best)
                }
            };
            (Some(found), Path::Codes)
        } else if dropped <= ef / 2 {
            (Some(self.index.walk(vector, ef + dropped, best)), Path::Graph)
        } else {
            // The rarer the allowed, the more others a walk has seen by the time it has found some; but one by
            // products is led to the longest rows first, whatever is allowed.
            let share = match metric {
                Similarity::InnerProduct => 1.0,
                Similarity::Cosine | Similarity::L2 => allowed as f64 / n.max(1) as f64,
            };
            let ef = ((ef as f64 * share.sqrt()) as usize).max(k + (k / 4).max(MARGIN));
            let search = Search { ef, most: allowed };
            let allowed = |node: u32| {
                let row = rows[node as usize];
                row != NONE && allows(row)
            };
            (self.index.walk_among(vector, search, allowed, best), Path::FilteredGraph)
        };
        let Some(mut best) = best else { return Ok(exact()) };
        let loose = self.coverage.loose.iter().copied().filter(|row| allows(*row));
        let place = |row: u32| Some((row, self.vectors.row_of(*items.get(row as usize)?)?));
        best.extend(scores(self.vectors.as_ref(), metric, loose.filter_map(place), query));
        if best.len() < wanted {
            return Ok(exact());
        }
        keep_best(&mut best, wanted);
        Ok(Nearest { rows: best, path })
    }
}

/// The same by comparing all allowed rows that have an embedding. `query` is padded, and for cosines of
/// length one.
pub(crate) fn nearest_exactly(
    vectors: &dyn Vectors,
    similarity: Similarity,
    items: &[ItemId],
    query: &[f32],
    k: usize,
    allow: Allow<'_>,
) -> Vec<Scored> {
    let mut best = compared(vectors, similarity, items, query, allow);
    keep_best(&mut best, k);
    best
}

/// All allowed rows that have an embedding, in no order.
pub(crate) fn compared(
    vectors: &dyn Vectors,
    similarity: Similarity,
    items: &[ItemId],
    query: &[f32],
    allow: Allow<'_>,
) -> Vec<Scored> {
    let place = |row: u32| Some((row, vectors.row_of(*items.get(row as usize)?)?));
    match allow {
        Allow::All => scores(vectors, similarity, (0..items.len() as u32).filter_map(place), query),
        Allow::Bits(bits) => scores(vectors, similarity, ones(bits).filter_map(place), query),
        Allow::Bitmap(bitmap) => {
            scores(vectors, similarity, bitmap.iter().filter_map(place), query)
        }
    }
}

fn ones(bits: &FixedBitSet) -> impl Iterator<Item = u32> + '_ {
    bits.ones().map(|row| row as u32)
}
