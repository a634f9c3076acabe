//! The operations that factor models are composed of, wherever they are computed.
//!
//! Each has a backward of its own beside it, as in [`crate::trainer`]; there is no tape. Numbers stay
//! where they are computed until a model asks for its state: what goes there meanwhile are the places of
//! a batch and what is drawn for it, and nothing comes back, but where a model says so.

mod batches;
mod graphs;
mod losses;
mod maps;
mod scoring;
mod tables;

pub(crate) use batches::{Batches, Parts};
pub(crate) use graphs::Graphs;
pub(crate) use losses::Losses;
pub(crate) use maps::Maps;
pub(crate) use scoring::{PRODUCTS, Scoring};
pub(crate) use tables::{NOWHERE, Tables};

/// A place that computes.
pub(crate) trait Compute: Graphs + Maps + Losses + Scoring {}
