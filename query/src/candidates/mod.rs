//! Which rows of a table a condition lets through: RECOMMEND's WHERE, in microseconds.
//!
//! The columns of a table that conditions read are kept as Arrow arrays, row for row aligned with
//! the engine's [`EntityIndex`], and follow the store's changes. A condition is compiled once and
//! evaluated once for each state of its columns; its answer is kept as a set of rows.
//!
//! Everything here is derived: dropping it costs time only.

mod columns;
mod masks;

pub(crate) use columns::{Column, Columns};
pub(crate) use masks::{Condition, Masks};
