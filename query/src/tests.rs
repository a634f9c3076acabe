//! Statements from text to rows, over a database in memory: one file for each family.

mod copying;
mod defining;
mod querying;
mod recommending;
mod support;
mod writing;
