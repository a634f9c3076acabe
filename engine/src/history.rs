//! What a model is asked with and what it answers: a history in rows, the live items beside it,
//! scores and reasons.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tastedb_storage::ItemId;

use crate::hubs::Hubs;
use crate::index::CurrentIndex;
use crate::item_graph::{ItemGraph, Near, Neighbours, neighbours};
use crate::model::Continued;
use crate::{EmbeddingMatrix, Error, Result, Work};

/// The score of a row that a model has nothing to say about. [`crate::top_k`] never returns it.
pub const UNSCORED: f32 = f32::NAN;

/// What a person has done so far, as item rows with weights, in the order it happened. A dislike has
/// a negative weight. A row may occur more than once; its weights add up.
#[derive(Clone, Copy, Debug, Default)]
pub struct History<'a> {
    /// Item rows (of the model's [`crate::model::Model::items`], or of [`ScoreInput::items`] for a
    /// live model) and weights.
    pub entries: &'a [(u32, f32)],
}

impl<'a> History<'a> {
    /// The history made of these entries.
    pub fn new(entries: &'a [(u32, f32)]) -> History<'a> {
        History { entries }
    }

    /// Whether nothing has happened.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// What is known about the items beside the interactions.
#[derive(Clone, Debug, Default)]
pub struct SideData {
    /// The embeddings of the items, by modality.
    pub embeddings: BTreeMap<String, Arc<EmbeddingMatrix>>,
    /// What is taken off the cosines of hubs, by modality, for models that correct them.
    pub hubs: BTreeMap<String, Arc<Hubs>>,
    /// When items came to be, where that is not the order of their ids: ascending by item.
    pub created: Vec<(ItemId, i64)>,
    /// The indexes of the modalities that have one, as they lie in the live catalogue.
    pub(crate) indexes: BTreeMap<String, Arc<CurrentIndex>>,
    /// Where the neighbour graphs of the modalities are kept, if they are.
    pub(crate) graphs: Option<KeptGraphs>,
    /// What an earlier training of the model left to begin from, if it goes on.
    pub(crate) earlier: Option<Continued>,
}

/// Neighbour graphs that outlive one training.
pub(crate) trait Graphs: Send + Sync {
    /// The lists of a modality as they are now.
    fn neighbours(&self, modality: &str, k: usize, work: &Work) -> Result<Arc<Neighbours>>;
}

/// The same behind a pointer.
#[derive(Clone)]
pub(crate) struct KeptGraphs(pub(crate) Arc<dyn Graphs>);

impl fmt::Debug for KeptGraphs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptGraphs")
    }
}

impl SideData {
    /// The embeddings of a modality.
    pub fn modality(&self, name: &str) -> Result<&Arc<EmbeddingMatrix>> {
        self.embeddings.get(name).ok_or_else(|| Error::NoSuchModality {
            name: name.to_owned(),
            known: self.embeddings.keys().cloned().collect(),
        })
    }

    /// The neighbour graph of a modality among items, which ascend: the one that the database keeps,
    /// or one that is built now.
    pub(crate) fn graph(
        &self,
        modality: &str,
        items: &[ItemId],
        k: usize,
        work: &Work,
    ) -> Result<ItemGraph> {
        let matrix = self.modality(modality)?;
        if let Some(KeptGraphs(graphs)) = &self.graphs
            && let Some(graph) = graphs.neighbours(modality, k, work)?.over(items)
        {
            // A kept graph is called as its column is, whatever the model calls that.
            return Ok(ItemGraph { modality: modality.to_owned(), ..graph });
        }
        ItemGraph::build(matrix, items, k, work)
    }

    /// The `k` nearest of each of some items in a modality, from the same graph.
    pub(crate) fn neighbours(
        &self,
        modality: &str,
        items: &[ItemId],
        k: usize,
        work: &Work,
    ) -> Result<Vec<Near>> {
        let matrix = self.modality(modality)?;
        if k > 0
            && let Some(KeptGraphs(graphs)) = &self.graphs
            && let Some(lists) = graphs.neighbours(modality, k, work)?.lists(items)
        {
            return Ok(lists);
        }
        neighbours(matrix, items, k, work)
    }
}

/// One question to a model.
#[derive(Clone, Copy, Debug)]
pub struct ScoreInput<'a> {
    /// What the person has done.
    pub history: History<'a>,
    /// The live catalogue, ascending. It is the row space of live models; the others have their own
    /// and ignore it.
    pub items: &'a [ItemId],
    /// What is known about the live items now.
    pub side: &'a SideData,
    /// Vectors to search with, by modality, as in `FOR VECTOR`.
    pub vectors: &'a [(&'a str, &'a [f32])],
}

/// How a model filled the scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// There was nothing to go on; the scores mean nothing.
    No,
    /// Every row has a finite score.
    Dense,
    /// Rows without a real score hold [`UNSCORED`].
    Touched,
}

/// A part of why an item was scored as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// The entry of the history that speaks for the item.
    pub entry: usize,
    /// Its share of everything that speaks for the item, in 0..=1.
    pub share: f32,
    /// The modality that linked the two, for models that look at content.
    pub modality: Option<String>,
}
