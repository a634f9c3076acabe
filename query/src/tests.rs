//! Statements from text to rows, over a database in memory: one file for each family.

mod batches;
mod copying;
mod defining;
mod describing;
mod exporting;
mod querying;
mod recommending;
mod streaming;
pub(crate) mod support;
mod writing;
