//! Which rows are nearest.

use std::ops::Range;

use super::Tables;
use crate::Result;
use crate::topk::Scored;

/// A place that compares rows with rows.
pub(crate) trait Scoring: Tables {
    /// For each of some rows the others with which its inner products are largest, so many at most, the
    /// largest first. Products are rounded as the place adds them up.
    fn nearest(self, all: &Self::Table, rows: Range<usize>, k: usize) -> Result<Vec<Vec<Scored>>>;
}
