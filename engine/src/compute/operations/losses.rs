//! What is to become small: each loss is added to a sum, and its gradient to that of what it looks at.

use super::Batches;
use crate::Result;

/// A place that has losses.
pub(crate) trait Losses: Batches {
    /// A sum of losses.
    type Loss;

    /// A sum of no losses.
    fn no_loss(self) -> Result<Self::Loss>;

    /// Adds a sum so many times.
    fn add_loss(self, loss: &mut Self::Loss, more: &Self::Loss, times: f64) -> Result<()>;

    /// What a sum of losses comes to.
    fn sum(self, loss: Self::Loss) -> Result<f64>;

    /// Adds the pairwise losses of a batch, and `factor` times the gradient of their mean to that of the
    /// batch; see [`pairwise`](crate::trainer::pairwise).
    fn compare(self, batch: &mut Self::Batch, factor: f32, loss: &mut Self::Loss) -> Result<()>;

    /// Adds how far rows point from where others do, on average, and `factor` times the gradient in the
    /// first; see [`align`](crate::trainer::align).
    fn align(
        self,
        rows: [&Self::Table; 2],
        places: [&Self::Places; 2],
        factor: f32,
        slopes: &mut Self::Table,
        loss: &mut Self::Loss,
    ) -> Result<()>;

    /// Adds `factor` times the gradient of contrasting rows of length one with their counterparts, in both;
    /// see [`contrast`](crate::trainer::contrast). Nobody asks for the loss.
    fn contrast(
        self,
        rows: [&Self::Table; 2],
        temperature: f32,
        factor: f32,
        slopes: [&mut Self::Table; 2],
    ) -> Result<()>;

    /// Adds `factor` times the spread of rows of length one, where others may tell how alike they are, and
    /// the gradient of that; see [`spread`](crate::trainer::spread).
    fn spread(
        self,
        rows: &Self::Table,
        alike: Option<(&Self::Table, f32)>,
        factor: f32,
        slopes: &mut Self::Table,
        loss: &mut Self::Loss,
    ) -> Result<()>;
}
