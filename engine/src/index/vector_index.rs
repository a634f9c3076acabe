//! An index as it was built: a graph, and the item that each node is. It can be kept in a file.
//!
//! It is of embeddings as they were; [`CurrentIndex`](super::CurrentIndex) asks it about those of now.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use tastedb_storage::ItemId;

use super::Vectors;
use super::graph::{BuildOptions, Hnsw, MOST_LINKS, MOST_NODES, Scratch, Search};
use crate::error::{Error, Result};
use crate::model::Bytes;
use crate::model::file::{Array, Sections, Writer, corrupt};
use crate::progress::Work;
use crate::similarity::Similarity;

/// The method, as it is named in statements and files.
pub(super) const HNSW: &str = "hnsw";
/// Files of another version are built again.
const FORMAT: u32 = 2;

/// The most near nodes that a new one, or a search, looks at.
pub(super) const MOST_EF: usize = 4096;

/// How a graph is built, and how it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexOptions {
    /// Links of a node in each layer; the lowest has room for twice as many. 4 to 128.
    pub m: usize,
    /// How many near nodes a new one looks at, `m` to 4096: more is slower to build and finds more.
    pub ef_construction: usize,
    /// How many near nodes a question looks at, unless it asks for more rows. 1 to 4096.
    pub ef: usize,
    /// Which nodes are in the upper layers.
    pub seed: u64,
    /// What is near.
    pub metric: Similarity,
}

impl Default for IndexOptions {
    fn default() -> IndexOptions {
        IndexOptions { m: 16, ef_construction: 200, ef: 64, seed: 0, metric: Similarity::Cosine }
    }
}

impl IndexOptions {
    /// Fails with what an option may be, if one is not.
    pub fn check(&self) -> Result<()> {
        let IndexOptions { m, ef_construction, ef, .. } = *self;
        if !(4..=MOST_LINKS / 2).contains(&m) {
            return Err(refuse("m", m, "4 to 128"));
        }
        if !(m..=MOST_EF).contains(&ef_construction) {
            return Err(refuse("ef_construction", ef_construction, "m to 4096"));
        }
        if !(1..=MOST_EF).contains(&ef) {
            return Err(refuse("ef", ef, "1 to 4096"));
        }
        Ok(())
    }
}

fn refuse(option: &str, value: usize, range: &str) -> Error {
    Error::InvalidOption {
        algorithm: HNSW.to_owned(),
        option: option.to_owned(),
        why: format!("cannot be {value}"),
        known: vec![range.to_owned()],
    }
}

/// A graph over the vectors that items had.
pub struct VectorIndex {
    options: IndexOptions,
    graph: Hnsw,
    /// The item of each node.
    items: Array<u64>,
    /// The nodes by ascending item.
    by_item: Vec<u32>,
    /// What finished searches left for the next ones.
    scratch: Mutex<Vec<Scratch>>,
}

impl std::fmt::Debug for VectorIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VectorIndex").field("nodes", &self.len()).finish_non_exhaustive()
    }
}

impl VectorIndex {
    /// Builds the graph of some vectors, on threads that give way. The result is the same on any number
    /// of them.
    pub fn build(
        vectors: &dyn Vectors,
        options: &IndexOptions,
        work: &Work,
    ) -> Result<VectorIndex> {
        options.check()?;
        let n = vectors.ids().len();
        if n > MOST_NODES {
            return Err(refuse("rows", n, "up to 2147483647"));
        }
        let IndexOptions { m, ef_construction, seed, metric, .. } = *options;
        let by_distance = metric == Similarity::L2;
        let build = BuildOptions { m, ef_construction, seed, by_distance };
        let row = |at: usize| vectors.row(at);
        let built = work.install(|| Hnsw::build(vectors.dim(), n, row, &build, work));
        let (graph, rows) = built?;
        let items: Vec<u64> = rows.iter().map(|row| vectors.ids()[*row as usize].0).collect();
        Ok(VectorIndex::new(*options, graph, items.into()))
    }

    fn new(options: IndexOptions, graph: Hnsw, items: Array<u64>) -> VectorIndex {
        let mut by_item: Vec<u32> = (0..items.len() as u32).collect();
        by_item.sort_unstable_by_key(|node| items[*node as usize]);
        VectorIndex { options, graph, items, by_item, scratch: Mutex::default() }
    }

    /// The number of vectors.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether it is of nothing.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The number of dimensions.
    pub fn dim(&self) -> usize {
        self.graph.dim()
    }

    /// How it was built and is asked.
    pub fn options(&self) -> &IndexOptions {
        &self.options
    }

    /// The bytes it takes besides the embeddings, in memory or mapped.
    pub fn memory(&self) -> u64 {
        self.graph.memory() + (self.items.len() * (size_of::<u64>() + size_of::<u32>())) as u64
    }

    /// Writes it to a file.
    pub fn save(&self, out: &mut dyn Write) -> Result<()> {
        let mut writer = Writer::new(HNSW, FORMAT);
        let IndexOptions { m, ef_construction, ef, seed, metric } = self.options;
        writer.owned("options", vec![m as u64, ef_construction as u64, ef as u64, seed]);
        writer.owned("metric", metric.name().as_bytes().to_vec());
        writer.array("items", &self.items);
        self.graph.save(&mut writer);
        writer.write(out)
    }

    /// The index of a file, which stays where it is.
    pub fn load(bytes: Arc<dyn Bytes>) -> Result<VectorIndex> {
        let sections = Sections::read(bytes)?;
        if sections.algorithm() != HNSW || sections.format() != FORMAT {
            return Err(corrupt("it is not an index of this version"));
        }
        let options = sections.array_of::<u64>("options", 4)?;
        let size = |at: usize| usize::try_from(options[at]).unwrap_or(usize::MAX);
        let metric = sections.array::<u8>("metric")?;
        let metric = std::str::from_utf8(&metric).ok().and_then(Similarity::named);
        let metric = metric.ok_or_else(|| corrupt("its metric is none"))?;
        let (m, ef_construction, ef, seed) = (size(0), size(1), size(2), options[3]);
        let options = IndexOptions { m, ef_construction, ef, seed, metric };
        options.check().map_err(|_| corrupt("its options make no sense"))?;
        let graph = Hnsw::load(&sections, metric == Similarity::L2)?;
        let items = sections.array_of::<u64>("items", graph.len())?;
        let index = VectorIndex::new(options, graph, items);
        let item = |node: &u32| index.items[*node as usize];
        if !index.by_item.is_sorted_by(|a, b| item(a) < item(b)) {
            return Err(corrupt("its items are not different"));
        }
        Ok(index)
    }

    /// The item of each node.
    pub(super) fn items(&self) -> &[u64] {
        &self.items
    }

    /// The node of an item.
    pub(super) fn node_of(&self, item: ItemId) -> Option<u32> {
        let items = self.items();
        let at = self.by_item.binary_search_by_key(&item.0, |node| items[*node as usize]).ok()?;
        Some(self.by_item[at])
    }

    /// The nodes by ascending item.
    pub(super) fn by_item(&self) -> &[u32] {
        &self.by_item
    }

    /// Whether a node stands for a vector: whether it has its code.
    pub(super) fn is_of(&self, node: u32, vector: &[f32], room: &mut Vec<u8>) -> bool {
        self.graph.is_of(node, vector, room)
    }

    /// Hands the nodes nearest to a vector to `take`, best first.
    pub(super) fn walk<R>(
        &self,
        vector: &[f32],
        ef: usize,
        take: impl FnOnce(&mut dyn Iterator<Item = u32>) -> R,
    ) -> R {
        self.with_scratch(|scratch| {
            self.graph.search(&self.graph.query(vector), ef, scratch);
            take(&mut scratch.beam.iter().map(|(node, _)| node))
        })
    }

    /// The same among the nodes that are `allowed`; `None` where that takes more than `most`
    /// comparisons.
    pub(super) fn walk_among<R>(
        &self,
        vector: &[f32],
        search: Search,
        allowed: impl Fn(u32) -> bool,
        take: impl FnOnce(&mut dyn Iterator<Item = u32>) -> R,
    ) -> Option<R> {
        self.with_scratch(|scratch| {
            let query = self.graph.query(vector);
            let done = self.graph.search_among(&query, search, allowed, scratch);
            done.then(|| take(&mut scratch.beam.iter().map(|(node, _)| node)))
        })
    }

    /// Hands the `width` best of some nodes to `take`, best first, by comparing the codes of all.
    pub(super) fn compare<R>(
        &self,
        vector: &[f32],
        nodes: impl Iterator<Item = u32>,
        width: usize,
        take: impl FnOnce(&mut dyn Iterator<Item = u32>) -> R,
    ) -> R {
        self.with_scratch(|scratch| {
            self.graph.compare(&self.graph.query(vector), nodes, width, scratch);
            take(&mut scratch.beam.iter().map(|(node, _)| node))
        })
    }

    fn with_scratch<R>(&self, run: impl FnOnce(&mut Scratch) -> R) -> R {
        let kept = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = kept().pop().unwrap_or_default();
        let result = run(&mut scratch);
        kept().push(scratch);
        result
    }
}
