//! The graph itself: built, frozen, walked, over byte codes of vectors.
//!
//! A node is a number. Whose vector it stands for, and which nodes count, is the business of whoever
//! asks; what is found is to be scored again with the vectors themselves.

mod beam;
mod build;
mod codes;
mod hnsw;
mod kernel;
mod select;
mod visited;
mod walk;

pub(super) use beam::MOST_NODES;
pub(super) use build::BuildOptions;
pub(super) use hnsw::Hnsw;
pub(super) use walk::{MOST_LINKS, Scratch, Search};
