//! Where models are trained: on the processor by the trainer of this crate, or on a GPU by libtorch.
//!
//! [`Compute`] is the seam: the operations that a factor model is composed of, once as the trainer
//! does them ([`Native`]) and, with the feature `torch`, once by libtorch. A model that is written
//! over it is written once. Nothing here knows a model, and nothing outside of `torch/` knows tch.
//!
//! The two agree up to rounding. On the processor a seed gives the same bits everywhere; on a GPU sums
//! are added in whatever order they come, so their last digits are not the same from run to run.

mod device;
mod native;
mod operations;
#[cfg(feature = "torch")]
mod torch;
#[cfg(not(feature = "torch"))]
#[path = "without_torch.rs"]
mod torch;

pub use device::Device;
pub(crate) use device::{Place, place, settle};
pub(crate) use native::Native;
pub(crate) use operations::{
    Batches, Compute, Graphs, Losses, Maps, NOWHERE, PRODUCTS, Parts, Scoring, Tables,
};
#[cfg(all(test, feature = "torch"))]
pub(crate) use torch::Torch;
