//! Which rows are nearest.

use std::ops::Range;

use super::Tables;
use crate::Result;
use crate::topk::Scored;

/// Products of rows that are on a device at a time, if rows are that few: a quarter of a gigabyte.
pub(crate) const PRODUCTS: usize = 1 << 26;

/// A place that compares rows with rows.
pub(crate) trait Scoring: Tables {
    /// How many of so many rows it compares with all at a time.
    fn at_once(self, rows: usize) -> usize;

    /// For each of some rows the others with which its inner products are largest, so many at most, the
    /// largest first. Products are rounded as the place adds them up.
    fn nearest(self, all: &Self::Table, rows: Range<usize>, k: usize) -> Result<Vec<Vec<Scored>>>;
}
