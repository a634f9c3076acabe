//! An index of vectors: a graph that finds the nearest of millions by comparing some hundred.
//!
//! ```text
//! vector → descent through few nodes → walk over byte codes → the best, scored with the vectors
//! ```
//!
//! A [`VectorIndex`] is over one [`EmbeddingMatrix`](crate::EmbeddingMatrix) as it is, and a function
//! of it, the options and the seed. It does not lose rows: where the walk finds fewer than were asked
//! for, or a filter leaves so few that looking at each costs less, all allowed rows are compared.
//!
//! Not here: files, and rows that come after it was built.

mod beam;
mod build;
mod codes;
mod hnsw;
mod kernel;
mod select;
#[cfg(test)]
mod tests;
mod vector_index;
mod visited;
mod walk;

pub use vector_index::{IndexOptions, Path, VectorIndex};
