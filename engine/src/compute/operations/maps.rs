//! Trained maps: of the features of items, of any rows, and between two of them.

use super::Batches;
use crate::Result;
use crate::trainer::{Features, Table};

/// A place that has trained maps.
pub(crate) trait Maps: Batches {
    /// A trained map of the features of items, with what it made of a batch.
    type Map<'a>;
    /// A trained linear map of rows.
    type Linear;
    /// Trained weights of blocks of numbers.
    type Shares;

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

    /// The weights of a map of features.
    fn weights_of_map<'a>(self, map: &'a mut Self::Map<'_>) -> &'a mut Self::Table;

    /// What the map makes of all items.
    fn mapped(self, map: &Self::Map<'_>) -> Result<Table>;

    /// Takes the rows of a batch that the map was applied to, and those of its triples whose items both
    /// have features.
    fn like(self, beside: &mut Self::Batch, batch: &Self::Batch, map: &Self::Map<'_>)
    -> Result<()>;

    /// A map of rows of so many numbers to others, drawn by a seed.
    fn linear(self, inputs: usize, outputs: usize, rate: f32, seed: u64) -> Result<Self::Linear>;

    /// What a map makes of rows, which are all that `to` has then.
    fn through(self, map: &Self::Linear, from: &Self::Table, to: &mut Self::Table) -> Result<()>;

    /// Adds the gradient of a map's weights to theirs, from what went in and the gradient of what came out.
    fn learn(
        self,
        map: &mut Self::Linear,
        from: &Self::Table,
        gradient: &Self::Table,
    ) -> Result<()>;

    /// Adds the gradient of what went in, from that of what came out.
    fn through_back(
        self,
        map: &Self::Linear,
        gradient: &Self::Table,
        out: &mut Self::Table,
    ) -> Result<()>;

    /// A step of Adam of a map; its gradient is zero then.
    fn step_linear(self, map: &mut Self::Linear) -> Result<()>;

    /// The weights of a map.
    fn weights(self, map: &mut Self::Linear) -> &mut Self::Table;

    /// Multiplies what is below zero by `leak`.
    fn rectify(self, rows: &mut Self::Table, leak: f32) -> Result<()>;

    /// Replaces the gradient of what came out by that of what went in.
    fn rectify_back(self, rows: &Self::Table, leak: f32, gradient: &mut Self::Table) -> Result<()>;

    /// Rows of length one between those of two tables, with a share of the first for each; where one is
    /// zero, the other. See [`slerp`](crate::trainer::slerp).
    fn between(
        self,
        rows: [&Self::Table; 2],
        shares: &Self::Numbers,
        out: &mut Self::Table,
    ) -> Result<()>;

    /// The gradients in both, from that in the rows between.
    fn between_back(
        self,
        rows: [&Self::Table; 2],
        shares: &Self::Numbers,
        gradient: &Self::Table,
    ) -> Result<[Self::Table; 2]>;

    /// Even weights of so many blocks; see [`Shares`](crate::trainer::Shares).
    fn shares(self, blocks: usize, rate: f32) -> Result<Self::Shares>;

    /// Multiplies the blocks of the rows of a batch's users, who are the nodes below one.
    fn share(self, shares: &Self::Shares, batch: &mut Self::Batch, users: usize) -> Result<()>;

    /// Replaces the gradient of what was multiplied by that of what was there before, and moves the weights
    /// along theirs.
    fn share_back(
        self,
        shares: &mut Self::Shares,
        batch: &mut Self::Batch,
        users: usize,
    ) -> Result<()>;

    /// The weights.
    fn shared(self, shares: &Self::Shares) -> Result<Vec<f32>>;

    /// What the weights are the softmax of, one row.
    fn theta(self, shares: &mut Self::Shares) -> &mut Self::Table;
}
