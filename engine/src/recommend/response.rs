//! What a recommendation says: rows in order, and how they were found.

use std::sync::Arc;
use std::time::Duration;

use tastedb_storage::{EntityId, TableId};

use super::explain::Questions;
use crate::live::EntityIndex;

/// The answer to one [`Request`](super::Request).
#[derive(Clone, Debug)]
pub struct Response {
    /// Best first.
    pub rows: Vec<Recommendation>,
    /// The keys of the rows' table, for [`Recommendation::row`].
    pub entities: Arc<EntityIndex>,
    /// What the caller should know: a fallback that answered, a model that was not trained.
    pub notices: Vec<String>,
    /// What was done, stage by stage.
    pub trace: Vec<Stage>,
    /// What [`Engine::explain`](crate::Engine::explain) needs.
    pub(super) questions: Questions,
}

/// One recommended item (or user).
#[derive(Clone, Debug, PartialEq)]
pub struct Recommendation {
    /// Its id.
    pub id: EntityId,
    /// Its row in the table's [`EntityIndex`].
    pub row: u32,
    /// Higher is better. Comparable within one answer only.
    pub score: f32,
    /// Which source gave it: index into nothing, a name to show, such as `taste` or
    /// `popular (fallback)`.
    pub source: Arc<str>,
    /// The version of the model, where a model gave it.
    pub model_version: Option<u64>,
    /// What it rests on, strongest first; empty unless asked for.
    pub reasons: Vec<ItemReason>,
}

/// One thing that a recommendation rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemReason {
    /// The table that the item is a row of: another than that of the answer where a model is of several.
    pub table: TableId,
    /// The item of the history that carried the score.
    pub item: EntityId,
    /// Its share of the positive part of the score, 0 to 1.
    pub share: f32,
    /// The modality that linked the two, for models that look at content.
    pub modality: Option<String>,
    /// The words that weigh most in both, the heaviest first, where that modality is a text embedding.
    pub terms: Vec<String>,
}

/// One stage of a recommendation, for `EXPLAIN ANALYZE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// What was done.
    pub name: String,
    /// With what: sizes, choices.
    pub detail: String,
    /// How long it took.
    pub elapsed: Duration,
}
