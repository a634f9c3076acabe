//! Meaning for TasteDB: datasets, models, scoring and evaluation over in-memory data.
//!
//! Nothing here prints, reads a clock or draws from an unseeded generator: the same data, options
//! and seed give the same model and the same rows. Dense positions are `u32` rows of one dataset or
//! one model; what outlives them is an `ItemId` or a `UserId`.

mod dataset;
mod embedding_matrix;
mod error;
mod history;
mod kernels;
mod linalg;
mod matrix;
mod options;
mod progress;
mod topk;

pub mod evaluate;
pub mod model;

pub use dataset::{Dataset, Pair, UNKNOWN_TIME};
pub use embedding_matrix::EmbeddingMatrix;
pub use error::{Error, Result};
pub use history::{History, Reason, ScoreInput, Served, SideData, UNSCORED};
pub use matrix::Csr;
pub use options::{ModelOptions, OptionKind, OptionSpec, OptionValue};
pub use progress::{CancelToken, Progress, Silent, Work};
pub use topk::{Allow, BitSet, Scored, top_k};
