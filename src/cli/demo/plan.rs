//! What the story needs to know of the data that it is told on.

/// Tables, files and settings; the statements that use them are the story's own. The tables are
/// always called `people`, `movies`, `ratings` and `held_out`, and keys are called `id`.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// What the data is, in a sentence.
    pub(super) about: String,
    /// `CREATE TABLE` for each table.
    pub(super) tables: Vec<String>,
    /// `COPY` for each file.
    pub(super) copies: Vec<String>,
    /// Columns of `movies` that tell a reader what an item is.
    pub(super) shown: Vec<String>,
    /// How held-out interactions are told from those to learn from.
    pub(super) test: Test,
    /// Whether interactions have a rating.
    pub(super) rated: bool,
    /// `USING` and `WITH` of the model.
    pub(super) model: Model,
}

/// Where the interactions come from that a model is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// The table `held_out` has them.
    Table,
    /// The latest tenth of `ratings`, by their column `ts`.
    Latest,
    /// There are none.
    None,
}

/// The model that suits the size of the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Model {
    /// The algorithm.
    pub(super) algorithm: &'static str,
    /// Its settings, as `WITH` has them.
    pub(super) options: String,
}

impl Model {
    /// A dense closed form where the catalogue is small enough for it, else neighbours.
    pub(super) fn for_items(items: usize, lambda: u32) -> Model {
        const MOST_FOR_EASE: usize = 12_000;
        if items <= MOST_FOR_EASE {
            Model { algorithm: "ease", options: format!("lambda = {lambda}") }
        } else {
            Model { algorithm: "item_knn", options: "k = 100".to_string() }
        }
    }
}
