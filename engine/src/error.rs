//! What can go wrong above the bytes on disk. Every variant carries the cause in fields, so that a
//! caller can act on it; the message is one line that names the missing step.

use std::io;

/// The result of an engine call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an engine call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A model was asked for by an algorithm name that does not exist.
    #[error("no algorithm is called `{name}`; there are {}", known.join(", "))]
    NoSuchAlgorithm {
        /// The name asked for.
        name: String,
        /// The names that exist.
        known: Vec<&'static str>,
    },
    /// A modality was named that the items do not have.
    #[error("no modality is called `{name}`; there are {}", list(known))]
    NoSuchModality {
        /// The name asked for.
        name: String,
        /// The modalities at hand.
        known: Vec<String>,
    },
    /// A vector has the wrong length for its modality.
    #[error("modality `{modality}` has {expected} dimensions, the vector has {actual}")]
    DimensionMismatch {
        /// The modality.
        modality: String,
        /// Its number of dimensions.
        expected: usize,
        /// The length of the vector given.
        actual: usize,
    },
    /// A number was NaN or infinite where only finite ones make sense.
    #[error("{what} is not a finite number")]
    NotFinite {
        /// What held it.
        what: &'static str,
    },
    /// A model was used before it was trained.
    #[error("model `{model}` is not trained: run TRAIN MODEL {model}")]
    NotFitted {
        /// The model's name.
        model: String,
    },
    /// The algorithm has no option of that name.
    #[error("`{algorithm}` has no option `{option}`; there are {}", list(known))]
    NoSuchOption {
        /// The algorithm.
        algorithm: String,
        /// The name given.
        option: String,
        /// The options that there are.
        known: Vec<String>,
    },
    /// The value of an option will not do.
    #[error("option `{option}` of `{algorithm}` {why}; known: {}", list(known))]
    InvalidOption {
        /// The algorithm.
        algorithm: String,
        /// The option.
        option: String,
        /// What is wrong with it.
        why: String,
        /// The values that would do.
        known: Vec<String>,
    },
    /// A refresh was given a setting, and settings stay as they are in a refresh.
    #[error(
        "a refresh of `{model}` keeps the settings that were trained, so it takes no `{option}`: \
         TRAIN MODEL {model} WITH ({option} = …) trains with another one"
    )]
    FrozenOption {
        /// The model.
        model: String,
        /// The option.
        option: String,
    },
    /// There is nothing to learn from.
    #[error("`{algorithm}` cannot be trained: {why}")]
    EmptyTraining {
        /// The algorithm.
        algorithm: &'static str,
        /// What is missing.
        why: &'static str,
    },
    /// A column of text is needed.
    #[error("column `{column}` of table `{table}` holds no text")]
    NotText {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A text embedding has nothing to be made of.
    #[error("the embedding cannot be computed: {why}")]
    EmptyText {
        /// What is missing.
        why: &'static str,
    },
    /// The model would take more memory than allowed.
    #[error("`{algorithm}` would need {needed} bytes, and its memory_limit is {limit}")]
    TooLarge {
        /// The algorithm.
        algorithm: &'static str,
        /// The memory it would take, in bytes.
        needed: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A matrix that must be positive definite is not: the regularisation is too small.
    #[error("`{algorithm}` is not solvable with this data: raise `{option}`")]
    NotPositiveDefinite {
        /// The algorithm.
        algorithm: &'static str,
        /// The option that mends it.
        option: &'static str,
    },
    /// The loss of a training is no number any more.
    #[error(
        "the training diverged: its loss in epoch {epoch} is not a number; lower learning_rate"
    )]
    Diverged {
        /// The epoch.
        epoch: usize,
    },
    /// A device was asked for that is not at hand.
    #[error("there is no device '{device}' here: {why}")]
    NoDevice {
        /// Its name in statements.
        device: &'static str,
        /// Why not, and what to do.
        why: &'static str,
    },
    /// An algorithm was to be trained on a device that it is not written for.
    #[error(
        "training `{algorithm}` on device '{device}' is not supported yet; it is for {}",
        known.join(", ")
    )]
    NotOnDevice {
        /// The algorithm.
        algorithm: String,
        /// The name of the device in statements.
        device: &'static str,
        /// The algorithms that can be trained on it.
        known: Vec<&'static str>,
    },
    /// A device ran out of memory, or failed in another way.
    #[error("{device}: {what}")]
    DeviceFailed {
        /// The device, as the library that runs it calls it.
        device: String,
        /// What happened.
        what: String,
    },
    /// The work was cancelled by its token.
    #[error("cancelled")]
    Cancelled,
    /// The bytes of a saved model do not make sense.
    #[error("the saved model is damaged: {what}")]
    CorruptModel {
        /// What is wrong.
        what: String,
    },
    /// The saved model was written by a newer version of the software.
    #[error("the saved model has format {found}, this version reads up to {supported}")]
    UnsupportedModel {
        /// The format found.
        found: u32,
        /// The newest format that can be read.
        supported: u32,
    },
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] tastedb_storage::Error),
    /// A record of the engine's own does not make sense.
    #[error("the record `{record}` is damaged: {what}")]
    CorruptRecord {
        /// The record.
        record: String,
        /// What is wrong.
        what: String,
    },
    /// Text that only the query layer can compile was met without one.
    #[error("{what} is SQL, and this program is built without the `sql` feature")]
    NeedsSql {
        /// What the text belongs to.
        what: String,
    },
    /// A name cannot be used.
    #[error("`{name}` cannot be the name of a model: {why}")]
    InvalidName {
        /// The name.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// No table is called that.
    #[error("no table `{0}`")]
    NoSuchTable(String),
    /// A table of another role was wanted.
    #[error("`{table}` cannot be used here: {wanted}")]
    WrongRole {
        /// The table.
        table: String,
        /// What is wanted.
        wanted: &'static str,
    },
    /// A column is needed that the table lacks.
    #[error("table `{table}` has no column {what}, which this needs")]
    MissingColumn {
        /// The table.
        table: String,
        /// What is missing: a name or a description.
        what: &'static str,
    },
    /// A model was asked about a table that it does not learn from.
    #[error("model `{model}` does not learn from this table")]
    WrongTable {
        /// The model.
        model: String,
    },
    /// No model and no built-in source is called that.
    #[error("no model `{name}`; there are {}", list(known))]
    NoSuchModel {
        /// The name asked for.
        name: String,
        /// Models and built-in sources.
        known: Vec<String>,
    },
    /// No index is called that.
    #[error("no index `{name}`")]
    NoSuchIndex {
        /// The name asked for.
        name: String,
    },
    /// The column has an index already, and one is enough.
    #[error("column `{column}` has an index already: `{index}`")]
    AlreadyIndexed {
        /// The column.
        column: String,
        /// Its index.
        index: String,
    },
    /// A column of vectors is needed.
    #[error("column `{column}` of table `{table}` holds no vectors")]
    NotAVector {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// No ticket of forgetting has this id.
    #[error("no forget ticket is called `{id}`")]
    NoSuchForget {
        /// The id asked for.
        id: String,
    },
    /// The name is taken.
    #[error("{what} `{name}` exists already")]
    AlreadyExists {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Something needs a trained model and there is none.
    #[error("{what} needs a trained model: CREATE MODEL and TRAIN MODEL one first")]
    NeedsModel {
        /// What needs it.
        what: &'static str,
    },
    /// A way to compare vectors that cannot be used for what is asked.
    #[error("`{option}`: {why}")]
    Nearness {
        /// The option that says so.
        option: &'static str,
        /// Why.
        why: &'static str,
    },
    /// An evaluation without held-out interactions, or whose split holds out all of them.
    #[error("there is nothing held out to evaluate on, or nothing left to learn from")]
    NothingHeldOut,
    /// Something changed while the work went on, so its result does not fit any more.
    #[error("{what}")]
    Conflict {
        /// What changed.
        what: String,
    },
    /// Parsed and understood, but not built yet.
    #[error("{what} is not supported yet")]
    NotSupported {
        /// What is asked for.
        what: &'static str,
    },
    /// Code that was given to the engine from above, such as a projection, failed.
    #[error("{what}")]
    Expression {
        /// What went wrong.
        what: String,
        /// The error of the layer above.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Writing a model failed.
    #[error("writing the model failed")]
    Write(#[source] io::Error),
}

fn list(known: &[String]) -> String {
    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
}
