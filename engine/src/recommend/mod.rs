//! Recommending: from a context to a slate.
//!
//! ```text
//! context ──► history (one adjacency list, read now) ──► score (each source's model)
//!         ──► blend ──► mask (candidates, seen) ──► top k ──► fallback, if fewer than k
//! ```
//!
//! Nothing about a user is precomputed: the history is read from the snapshot at the moment of the
//! question and folded into the model's item side, which is why a click changes the next answer.
//! Scores are a pure function of snapshot, model version, request and seed; ties go by item id.

mod audience;
mod blend;
mod context;
mod explain;
mod pipeline;
mod request;
mod response;
mod seen;
mod source;
#[cfg(test)]
mod tests;

pub(crate) use context::project;
pub(crate) use explain::explain;
pub(crate) use pipeline::recommend;
pub use request::{Context, Request, Seen, Source};
pub use response::{ItemReason, Recommendation, Response, Stage};
