//! The processor, by the trainer of this crate.
//!
//! Each operation is one of [`crate::trainer`], where it is explained and tested, or moves rows about.

mod batches;
mod graphs;
mod losses;
mod maps;
mod scoring;
mod tables;

use super::Compute;

/// The processor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Native;

impl Compute for Native {}
