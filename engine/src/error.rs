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
    /// An option is unknown to the algorithm, or its value will not do.
    #[error("option `{option}` of `{algorithm}` {why}; known: {}", list(known))]
    InvalidOption {
        /// The algorithm.
        algorithm: String,
        /// The option.
        option: String,
        /// What is wrong with it.
        why: String,
        /// The options, or the values, that would do.
        known: Vec<String>,
    },
    /// There is nothing to learn from.
    #[error("`{algorithm}` cannot be trained: {why}")]
    EmptyTraining {
        /// The algorithm.
        algorithm: &'static str,
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
    /// Writing a model failed.
    #[error("writing the model failed")]
    Write(#[source] io::Error),
}

fn list(known: &[String]) -> String {
    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
}
