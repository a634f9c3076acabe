//! The operations that factor models are composed of, wherever they are computed.
//!
//! Each has a backward of its own beside it, as in [`crate::trainer`]; there is no tape. Numbers stay
//! where they are computed until a model asks for its state: what goes there meanwhile are the places of
//! a batch, and nothing comes back.

use std::borrow::Cow;

use crate::trainer::{Features, Graph, Table, Triple};
use crate::{Csr, Result};

/// A place that computes.
pub(crate) trait Compute: Copy {
    /// Rows of numbers of one length.
    type Table;
    /// The rows that a batch of triples touches, with their gradients.
    type Batch;
    /// A sum of losses.
    type Loss;
    /// The graph of users and items.
    type Graph: Clone;
    /// A smoothing over the graph of users and items, with what its backward needs.
    type Smoothing;
    /// The moments of all rows of a table.
    type Adam;
    /// Rows that are trained where a batch touches them, with their moments.
    type LookUp;
    /// A trained map of the features of items, with what it made of a batch.
    type Map<'a>;
    /// A directed graph of items with weights.
    type Links;

    /// Rows with these values.
    fn table(self, values: Table) -> Result<Self::Table>;

    /// The values of rows.
    fn read(self, table: &Self::Table) -> Result<Cow<'_, Table>>;

    /// Room for batches of so many nodes, with rows of `dim` numbers.
    fn batch(self, nodes: usize, dim: usize) -> Result<Self::Batch>;

    /// Takes the triples of the next batch; each counts once, and gradients are zero.
    fn take(self, batch: &mut Self::Batch, triples: &[Triple]) -> Result<()>;

    /// Of each `group` of triples keeps one by the values that are there; see
    /// [`Batch::choose`](crate::trainer::Batch::choose).
    fn choose(self, batch: &mut Self::Batch, group: usize, heat: f32, seed: u64) -> Result<()>;

    /// Lets each triple count as much as the item that was had does in `weights`, whose first is that of
    /// the node `first`. A batch is given the same weights all its life.
    fn weigh(self, batch: &mut Self::Batch, weights: &[f32], first: usize) -> Result<()>;

    /// Adds the pairwise losses of a batch to the sum, and `factor` times the gradient of their mean to
    /// that of the batch; see [`pairwise`](crate::trainer::pairwise).
    fn compare(self, batch: &mut Self::Batch, factor: f32, loss: &mut Self::Loss) -> Result<()>;

    /// A sum of no losses.
    fn no_loss(self) -> Result<Self::Loss>;

    /// What a sum of losses comes to.
    fn sum(self, loss: Self::Loss) -> Result<f64>;

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

    /// A graph of users and items.
    fn graph(self, graph: Graph) -> Result<Self::Graph>;

    /// A smoothing by so many layers, one at least, of rows of `dim` numbers.
    fn smoothing(self, graph: Self::Graph, layers: usize, dim: usize) -> Result<Self::Smoothing>;

    /// Lets it smooth over another graph of the same nodes from now on; the one before.
    fn smooth_over(self, smoothing: &mut Self::Smoothing, graph: Self::Graph) -> Self::Graph;

    /// Smooths, and gives a batch the rows that it touches.
    fn smooth(
        self,
        smoothing: &mut Self::Smoothing,
        base: &Self::Table,
        batch: &mut Self::Batch,
    ) -> Result<()>;

    /// The gradient in the rows that were smoothed of what a batch holds.
    fn smooth_back<'a>(
        self,
        smoothing: &'a mut Self::Smoothing,
        batch: &Self::Batch,
    ) -> Result<&'a mut Self::Table>;

    /// The smoothed rows of all items, and what a new person's neighbours add up to; see
    /// [`Smoothing::items`](crate::trainer::Smoothing::items).
    fn smooth_items(
        self,
        smoothing: &mut Self::Smoothing,
        base: &Self::Table,
    ) -> Result<(Table, Table)>;

    /// Moments of zero for these rows.
    fn adam(self, values: &Self::Table, rate: f32) -> Result<Self::Adam>;

    /// A step of Adam of all rows.
    fn step(
        self,
        adam: &mut Self::Adam,
        values: &mut Self::Table,
        gradient: &Self::Table,
    ) -> Result<()>;

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

    /// A map of the features of items, which are the nodes from `users` on, to `dim` numbers.
    fn map<'a>(
        self,
        features: &'a Features,
        users: usize,
        dim: usize,
        rate: f32,
        seed: u64,
    ) -> Result<Self::Map<'a>>;

    /// Maps the items of a batch; the gradient of what comes out is zero.
    fn apply(self, map: &mut Self::Map<'_>, batch: &Self::Batch) -> Result<()>;

    /// Puts what came out in the place of the numbers from `at` on of those rows of the batch, or of one
    /// with the same rows, that are items with features.
    fn put(self, map: &Self::Map<'_>, batch: &mut Self::Batch, at: usize) -> Result<()>;

    /// Takes the gradient of what was put there out of that of the batch.
    fn take_out(self, map: &mut Self::Map<'_>, batch: &mut Self::Batch, at: usize) -> Result<()>;

    /// A step of Adam of a map that was applied to a batch.
    fn step_map(self, map: &mut Self::Map<'_>) -> Result<()>;

    /// What the map makes of all items.
    fn mapped(self, map: &Self::Map<'_>) -> Result<Table>;

    /// Takes the rows of a batch that the map was applied to, and those of its triples whose items both
    /// have features.
    fn like(self, beside: &mut Self::Batch, batch: &Self::Batch, map: &Self::Map<'_>)
    -> Result<()>;

    /// Adds the gradient of a batch to that of one with the same rows.
    fn add_gradient(self, batch: &mut Self::Batch, beside: &Self::Batch) -> Result<()>;

    /// A directed graph of items, which are the nodes from `users` on.
    fn links(self, users: usize, rows: Csr) -> Result<Self::Links>;

    /// Adds to each item of a batch the weighted sum of the rows that it is linked to.
    fn near(
        self,
        links: &mut Self::Links,
        base: &Self::Table,
        batch: &mut Self::Batch,
    ) -> Result<()>;

    /// Adds the gradient in the rows of all nodes of what [`Compute::near`] added to a batch.
    fn near_back(
        self,
        links: &mut Self::Links,
        batch: &Self::Batch,
        gradient: &mut Self::Table,
    ) -> Result<()>;

    /// What all items are linked to, summed up.
    fn near_all(self, links: &Self::Links, base: &Self::Table) -> Result<Table>;
}
