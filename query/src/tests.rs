//! Statements from text to rows, over a database in memory: one file for each family.

mod batches;
mod copying;
mod defining;
mod exporting;
mod querying;
mod recommending;
mod support;
mod writing;
