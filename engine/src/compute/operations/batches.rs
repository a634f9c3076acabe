//! Batches of triples: the rows that they touch, and those that are trained by being touched.

use std::borrow::Cow;

use super::Tables;
use crate::Result;
use crate::trainer::{self, Table, Triple};

/// What a batch has for each node that it touches.
pub(crate) struct Parts<'a, C: Tables> {
    /// The nodes.
    pub(crate) nodes: &'a C::Places,
    /// Their rows, and the gradient of the loss in these.
    pub(crate) values: &'a mut C::Table,
    pub(crate) gradient: &'a mut C::Table,
}

/// A place that has batches.
pub(crate) trait Batches: Tables {
    /// The rows that a batch of triples touches, with their gradients.
    type Batch;
    /// Rows that are trained where a batch touches them, with their moments.
    type LookUp;

    /// Room for batches of so many nodes, with rows of `dim` numbers.
    fn batch(self, nodes: usize, dim: usize) -> Result<Self::Batch>;

    /// Takes the triples of the next batch; each counts once, and gradients are zero.
    fn take(self, batch: &mut Self::Batch, triples: &[Triple]) -> Result<()>;

    /// What is known here of the batch that was taken: its nodes and where they are in it, and the triples
    /// before any was chosen. Its rows may be elsewhere.
    fn here(self, batch: &Self::Batch) -> &trainer::Batch;

    /// The nodes of a batch with their rows.
    fn parts(self, batch: &mut Self::Batch) -> Parts<'_, Self>;

    /// The gradient that a batch holds.
    fn gradient(self, batch: &Self::Batch) -> &Self::Table;

    /// Of each `group` of triples keeps one by the values that are there; see
    /// [`Batch::choose`](trainer::Batch::choose).
    fn choose(self, batch: &mut Self::Batch, group: usize, heat: f32, seed: u64) -> Result<()>;

    /// Lets each triple count as much as the item that was had does in `weights`, whose first is that of
    /// the node `first`. A batch is given the same weights all its life.
    fn weigh(self, batch: &mut Self::Batch, weights: &[f32], first: usize) -> Result<()>;

    /// Adds the gradient of half the mean squared length of the rows of the triples, times
    /// `regularization`, to that of the batch.
    fn decay(self, batch: &mut Self::Batch, regularization: f32) -> Result<()>;

    /// The same of rows of a table of all nodes, to a gradient in it.
    fn decay_of(
        self,
        batch: &Self::Batch,
        regularization: f32,
        values: &Self::Table,
        gradient: &mut Self::Table,
    ) -> Result<()>;

    /// Adds the gradient of a batch to that of one with the same rows.
    fn add_gradient(self, batch: &mut Self::Batch, beside: &Self::Batch) -> Result<()>;

    /// Rows that are trained where they are touched.
    fn look_up(self, values: Table, rate: f32) -> Result<Self::LookUp>;

    /// Gives a batch the rows that it touches.
    fn look(self, rows: &mut Self::LookUp, batch: &mut Self::Batch) -> Result<()>;

    /// A step of Adam of the rows that a batch touches.
    fn step_touched(self, rows: &mut Self::LookUp, batch: &Self::Batch) -> Result<()>;

    /// All rows as they were left when they were last touched or asked for.
    fn left(self, rows: &Self::LookUp) -> Result<Cow<'_, Table>>;

    /// The rows from `first` on, up to date.
    fn up_to_date(self, rows: &mut Self::LookUp, first: usize) -> Result<Table>;
}
