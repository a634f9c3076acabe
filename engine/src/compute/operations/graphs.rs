//! Propagation over graphs: of users and items, of items alone, and of what meets anywhere.

use super::Batches;
use crate::trainer::{self, Table};
use crate::{Csr, Result};

/// A place that propagates over graphs.
pub(crate) trait Graphs: Batches {
    /// The graph of users and items.
    type Graph: Clone;
    /// A smoothing over the graph of users and items, with what its backward needs.
    type Smoothing;
    /// A layer of maps over the graph of users and items, with what its backward needs.
    type Interaction;
    /// A directed graph of items with weights.
    type Links;
    /// Nodes that meet in edges of any size.
    type Hypergraph;

    /// A graph of users and items.
    fn graph(self, graph: trainer::Graph) -> Result<Self::Graph>;

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
    /// [`Smoothing::items`](trainer::Smoothing::items).
    fn smooth_items(
        self,
        smoothing: &mut Self::Smoothing,
        base: &Self::Table,
    ) -> Result<(Table, Table)>;

    /// A layer for so many nodes; see [`trainer::Interaction`].
    fn interaction(
        self,
        nodes: usize,
        dim: usize,
        rate: f32,
        seed: u64,
    ) -> Result<Self::Interaction>;

    /// The layer of all rows, of whose numbers a share is dropped out by a seed.
    fn interact(
        self,
        layer: &mut Self::Interaction,
        graph: &Self::Graph,
        from: &Self::Table,
        dropped: (f32, u64),
        to: &mut Self::Table,
    ) -> Result<()>;

    /// Adds the gradient in what a layer was given to `out`, and moves its maps along theirs; the gradient
    /// in what came of it is used up.
    fn interact_back(
        self,
        layer: &mut Self::Interaction,
        graph: &Self::Graph,
        from: &Self::Table,
        gradient: &mut Self::Table,
        out: &mut Self::Table,
    ) -> Result<()>;

    /// The weights of a layer.
    fn weights_of_interaction(self, layer: &mut Self::Interaction) -> [&mut Self::Table; 2];

    /// A directed graph of items, which are the nodes from `users` on.
    fn links(self, users: usize, rows: Csr) -> Result<Self::Links>;

    /// Adds to the rows of some nodes the weighted sum of the rows that each item is linked to.
    fn near(
        self,
        links: &mut Self::Links,
        base: &Self::Table,
        nodes: &Self::Places,
        out: &mut Self::Table,
    ) -> Result<()>;

    /// Adds the gradient in the rows of all nodes of what [`Graphs::near`] added to those of a batch.
    fn near_back(
        self,
        links: &mut Self::Links,
        batch: &Self::Batch,
        slopes: &Self::Table,
        gradient: &mut Self::Table,
    ) -> Result<()>;

    /// What all items are linked to, summed up.
    fn near_all(self, links: &Self::Links, base: &Self::Table) -> Result<Table>;

    /// A hypergraph.
    fn hypergraph(self, graph: trainer::Hypergraph) -> Result<Self::Hypergraph>;

    /// What comes of rows through a hypergraph.
    fn meet(self, graph: &Self::Hypergraph, rows: &Self::Table) -> Result<Self::Table>;

    /// The gradient in the rows, from that in what came of them.
    fn meet_back(self, graph: &Self::Hypergraph, gradient: &Self::Table) -> Result<Self::Table>;
}
