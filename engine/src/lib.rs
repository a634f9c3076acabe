//! Meaning for TasteDB: datasets, models, recommendation and evaluation over a store.
//!
//! [`Engine`] is the door: it trains, recommends and evaluates. It knows no SQL and no bytes on
//! disk; those are the layers above and below.
//!
//! Nothing here prints, reads a clock or draws from an unseeded generator: the same data, options
//! and seed give the same model and the same rows. Dense positions are `u32` rows of one dataset or
//! one model; what outlives them is an `ItemId` or a `UserId`.

mod ascending;
mod background;
mod compute;
mod data_sum;
mod dataset;
mod embedding_matrix;
mod engine;
mod error;
mod evaluate_run;
mod forget;
mod history;
mod hubs;
mod item_graph;
mod kernels;
mod learning_curve;
mod linalg;
mod live;
#[cfg(test)]
mod made_up;
mod map;
mod matrix;
mod newcomers;
mod options;
mod progress;
mod projection;
mod recommend;
mod refresh;
mod registry;
mod seeded;
mod similarity;
mod spare;
mod text;
mod topk;
mod train;
mod trainer;

pub mod evaluate;
pub mod index;
pub mod model;
pub mod slate;

pub use tastedb_storage as storage;

pub use compute::Device;
pub use data_sum::DataSum;
pub use dataset::{Dataset, Pair, UNKNOWN_TIME};
pub use embedding_matrix::EmbeddingMatrix;
pub use engine::Engine;
pub use error::{Error, Result};
pub use evaluate_run::{Evaluation, EvaluationRequest, EvaluationRow};
pub use forget::{
    Amount, Behaviour, Forgetting, ForgettingReport, ForgettingRequest, ForgettingStage, Protocol,
    Receipt, ReceiptLine, Scope, State, Ticket, Vacuumed, measure_forgetting,
};
pub use history::{History, Reason, ScoreInput, Served, SideData, UNSCORED};
pub use hubs::Hubs;
pub use learning_curve::{CurvePoint, LearningCurve};
pub use live::{Cached, ClickRates, Counting, EntityIndex, GraphInfo, Live};
pub use map::ItemMap;
pub use matrix::Csr;
pub use model::Estimate;
pub use options::{ModelOptions, OptionKind, OptionSpec, OptionValue};
pub use progress::{CancelToken, Progress, Silent, Work};
pub use projection::{PlainProjection, Projection, ProjectionCompiler, time_column};
pub use recommend::{Context, ItemReason, Recommendation, Request, Response, Seen, Source, Stage};
pub use refresh::{RefreshRequest, Refreshment};
pub use registry::{
    Automatic, BUILT_IN, Existing, Lineage, ModelDefinition, ModelInfo, ModelVersion, NewModel,
    RefreshPolicy, TrainingTable,
};
pub use similarity::Similarity;
pub use text::{FittedEmbedding, NewEmbedding, TextEmbedding};
pub use topk::{Allow, Scored, top_k};
pub use train::{TrainPlan, TrainRequest};
