//! Training by gradients: the few operations that factor models are composed of.
//!
//! There is no tape. Each operation has a forward and a backward that the tests hold against finite
//! differences, and a model calls them in the order of its paper: look up ([`Batch`]), smooth
//! ([`Smoothing`]), compare ([`pairwise`]), step ([`Adam`]). What embeddings say comes in through maps
//! ([`Projector`]) and graphs of items ([`Directed`], [`Cosines`]). [`train`] is the loop around it:
//! epochs, validation on hidden pairs, stopping early, the best state kept.
//!
//! Every number is summed in an order that neither threads nor machine change, so a seed gives the
//! same model everywhere.

mod adam;
mod align;
mod batch;
mod contrast;
mod cosines;
mod directed;
mod dropout;
mod features;
mod graph;
mod hypergraph;
mod interaction;
mod linear;
mod look_up;
mod normalise;
mod pairwise;
mod projector;
mod pruning;
mod schedule;
mod shares;
mod smoothing;
mod spheres;
mod table;
mod triples;
mod validation;

pub(crate) use adam::Adam;
#[cfg(feature = "torch")]
pub(crate) use adam::{EPSILON, FIRST, Missed, SECOND, Step, Steps};
pub(crate) use align::align;
pub(crate) use batch::Batch;
pub(crate) use contrast::contrast;
pub(crate) use cosines::{Cosines, entries_back, laplacian, laplacian_back};
pub(crate) use directed::Directed;
#[cfg(feature = "torch")]
pub(crate) use dropout::dropped;
pub(crate) use dropout::{Dropout, drop_out};
pub(crate) use features::Features;
pub(crate) use graph::Graph;
pub(crate) use hypergraph::Hypergraph;
pub(crate) use interaction::Interaction;
#[cfg(feature = "torch")]
pub(crate) use interaction::{LEAK, dropped_of_layer};
pub(crate) use linear::Linear;
pub(crate) use look_up::LookUp;
pub(crate) use normalise::{normalise, normalise_back};
pub(crate) use pairwise::pairwise;
pub(crate) use projector::Projector;
pub(crate) use pruning::Pruning;
pub(crate) use schedule::{Learner, Schedule, epoch, train};
pub(crate) use shares::Shares;
pub(crate) use smoothing::Smoothing;
#[cfg(feature = "torch")]
pub(crate) use spheres::STRAIGHT;
pub(crate) use spheres::{slerp, slerp_back, spread};
pub(crate) use table::Table;
pub(crate) use triples::{Triple, Triples};
pub(crate) use validation::{Question, recall};

/// The rows that one task of rayon computes.
pub(crate) const ROWS: usize = 128;

#[cfg(test)]
mod tests;
