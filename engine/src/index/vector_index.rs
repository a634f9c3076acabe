//! The index as it is used: the nearest rows of a matrix, exactly scored, always as many as there are.

use std::sync::{Arc, Mutex, PoisonError};

use super::beam::MOST_NODES;
use super::build::BuildOptions;
use super::codes::Query;
use super::hnsw::Hnsw;
use super::walk::{MOST_LINKS, Scratch, Search};
use crate::embedding_matrix::EmbeddingMatrix;
use crate::error::{Error, Result};
use crate::kernels::dot;
use crate::progress::Work;
use crate::topk::{Allow, Scored, better_first};

const NAME: &str = "hnsw";

/// The most near nodes that a new one, or a search, looks at.
const MOST_EF: usize = 4096;

/// So many nodes more than rows asked for, and as many again, are scored with their vectors: codes are
/// too coarse to tell the last ones apart.
const RESCORED: usize = 10;

/// How a graph is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexOptions {
    /// Links of a node in each layer; the lowest has room for twice as many. 4 to 128.
    pub m: usize,
    /// How many near nodes a new one looks at, `m` to 4096: more is slower to build and finds more.
    pub ef_construction: usize,
    /// Which nodes are in the upper layers.
    pub seed: u64,
}

impl Default for IndexOptions {
    fn default() -> IndexOptions {
        IndexOptions { m: 16, ef_construction: 200, seed: 0 }
    }
}

/// How an answer was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// By a walk over the graph.
    Graph,
    /// By a walk that only kept allowed rows.
    FilteredGraph,
    /// By comparing all allowed rows.
    Exact,
}

/// A graph over the rows of one matrix.
pub struct VectorIndex {
    matrix: Arc<EmbeddingMatrix>,
    graph: Hnsw,
    /// The row of each node.
    rows: Vec<u32>,
    /// What finished searches left for the next ones.
    scratch: Mutex<Vec<Scratch>>,
}

impl std::fmt::Debug for VectorIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VectorIndex").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl VectorIndex {
    /// Builds the graph of a matrix, on threads that give way. Cancelled or not, the result is the
    /// same on any number of them.
    pub fn build(
        matrix: Arc<EmbeddingMatrix>,
        options: &IndexOptions,
        work: &Work,
    ) -> Result<VectorIndex> {
        let refuse = |option: &str, value: usize, range: &str| Error::InvalidOption {
            algorithm: NAME.to_owned(),
            option: option.to_owned(),
            why: format!("cannot be {value}"),
            known: vec![range.to_owned()],
        };
        let IndexOptions { m, ef_construction, seed } = *options;
        if !(4..=MOST_LINKS / 2).contains(&m) {
            return Err(refuse("m", m, "4 to 128"));
        }
        if !(m..=MOST_EF).contains(&ef_construction) {
            return Err(refuse("ef_construction", ef_construction, "m to 4096"));
        }
        if matrix.len() > MOST_NODES {
            return Err(refuse("rows", matrix.len(), "up to 2147483647"));
        }
        let options = BuildOptions { m, ef_construction, seed };
        let row = |at: usize| matrix.row(at);
        let built = work.install(|| Hnsw::build(matrix.dim(), matrix.len(), row, &options, work));
        let (graph, rows) = built?;
        Ok(VectorIndex { matrix, graph, rows, scratch: Mutex::default() })
    }

    /// The matrix that it is of.
    pub fn matrix(&self) -> &Arc<EmbeddingMatrix> {
        &self.matrix
    }

    /// The memory it takes besides the matrix, in bytes.
    pub fn memory(&self) -> u64 {
        self.graph.memory() + size_of_val(self.rows.as_slice()) as u64
    }

    /// The `k` allowed rows with the highest cosine to a vector, best first and equal ones by row, and
    /// how they were found. `ef`: how many near nodes a walk keeps, at least `k`; more is slower and
    /// finds more. Rows are told apart by their number: with [`Allow::Bits`], those of the matrix.
    ///
    /// Fails if the vector has another length than the matrix, or is not finite.
    pub fn nearest(
        &self,
        vector: &[f32],
        k: usize,
        ef: usize,
        allow: Allow<'_>,
    ) -> Result<(Vec<Scored>, Path)> {
        let query = self.matrix.normalised(vector)?;
        let query: &[f32] = bytemuck::cast_slice(&query);
        let ef = ef.max(k).min(MOST_EF);
        let allowed = match allow {
            Allow::All => self.rows.len(),
            Allow::Bits(bits) => bits.count_ones(..),
            Allow::Bitmap(bitmap) => usize::try_from(bitmap.len()).unwrap_or(usize::MAX),
        };
        let wanted = k.min(allowed);
        // Codes of half the matrix are not worth a walk; neither are rows that are rarer than the
        // walk is long: it compares as many more as the filter lets fewer through.
        let among = allowed < self.rows.len();
        let few = 2 * ef >= self.rows.len()
            || (among && allowed.saturating_mul(allowed) <= 4 * ef * self.rows.len());
        if few {
            return Ok((self.exact(query, wanted, allow), Path::Exact));
        }
        let codes = Query::new(&query[..self.matrix.dim()]);
        let mut scratch =
            self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let (done, path) = if among {
            let search = Search { ef, most: allowed };
            let is_allowed = |node: u32| {
                let row = self.rows[node as usize];
                match allow {
                    Allow::All => true,
                    Allow::Bits(bits) => bits.contains(row as usize),
                    Allow::Bitmap(bitmap) => bitmap.contains(row),
                }
            };
            let done = self.graph.search_among(&codes, search, is_allowed, &mut scratch);
            (done, Path::FilteredGraph)
        } else {
            self.graph.search(&codes, ef, &mut scratch);
            (true, Path::Graph)
        };
        let rescored = wanted.saturating_mul(2).saturating_add(RESCORED);
        let mut best: Vec<Scored> = scratch
            .beam
            .iter()
            .take(rescored)
            .map(|(node, _)| {
                let row = self.rows[node as usize];
                Scored { row, score: dot(query, self.matrix.padded(row as usize)) }
            })
            .collect();
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        if !done || best.len() < wanted {
            return Ok((self.exact(query, wanted, allow), Path::Exact));
        }
        best.sort_unstable_by(better_first);
        best.truncate(wanted);
        Ok((best, path))
    }

    /// The same by comparing all allowed rows.
    fn exact(&self, query: &[f32], k: usize, allow: Allow<'_>) -> Vec<Scored> {
        let score = |row: u32| {
            let known = (row as usize) < self.rows.len();
            known.then(|| Scored { row, score: dot(query, self.matrix.padded(row as usize)) })
        };
        let mut best: Vec<Scored> = match allow {
            Allow::All => (0..self.rows.len() as u32).filter_map(score).collect(),
            Allow::Bits(bits) => bits.ones().filter_map(|row| score(row as u32)).collect(),
            Allow::Bitmap(bitmap) => bitmap.iter().filter_map(score).collect(),
        };
        if k == 0 {
            return Vec::new();
        }
        if best.len() > k {
            best.select_nth_unstable_by(k - 1, better_first);
            best.truncate(k);
        }
        best.sort_unstable_by(better_first);
        best
    }
}
