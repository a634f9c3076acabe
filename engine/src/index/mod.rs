//! Indexes of embeddings: a graph that finds the nearest of millions by comparing some hundred.
//!
//! ```text
//! vector → descent through few nodes → walk over byte codes → the best, scored with the vectors
//! ```
//!
//! A [`VectorIndex`] is over embeddings as they were when it was built, and a function of them, the
//! options and the seed. A [`CurrentIndex`] asks it about those of now. It does not lose rows: what
//! came later is compared, what is gone is left out, and where the walk finds fewer than were asked for,
//! or a filter leaves so few that looking at each costs less, all allowed rows are compared.
//!
//! What a database has of them, definitions, files and what is loaded, is in `kept`.

mod coverage;
mod current;
mod graph;
pub(crate) mod kept;
#[cfg(test)]
mod tests;
mod vector_index;
mod vectors;

pub use current::{CurrentIndex, Nearest, Path};
pub(crate) use current::{compared, nearest_exactly};
pub use kept::{Built, FittedIndex, IndexDefinition, IndexInfo, IndexOf, NewIndex, Stale};
pub use vector_index::{IndexOptions, VectorIndex};
pub use vectors::Vectors;
