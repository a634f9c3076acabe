//! `lightgcn`: vectors of people and items, smoothed over the graph of who had what.
//!
//! ```text
//! E = (E⁰ + Â E⁰ + … + Â^L E⁰) / (L + 1)     Â = D^−½ A D^−½
//! L = mean −ln σ(⟨e_u, e_i⟩ − ⟨e_u, e_j⟩) + λ/2 · mean (|e⁰_u|² + |e⁰_i|² + |e⁰_j|²)
//! ```
//!
//! He et al. 2020. As in MMRec, an epoch takes each pair once, with one item drawn evenly from those
//! that anybody had and the user had not; the regularisation is the square of the paper, not the
//! plain norm of MMRec. What remains of a training is the item side: e_i, and for each item what it
//! adds to the vector of somebody who had it. Only e⁰_u is missing of a person's vector then, and
//! without it, or with ridge on the e_i in its place, held-out items are found as well as with it.

use std::borrow::Cow;

use super::comparisons::{CLIP, Comparing, Comparisons, DEBIAS, DENOISE};
use super::estimate::{MEMORY_LIMIT, within_limit};
use super::factors::{self, Factors};
use super::learning::{
    BATCH, EPOCHS, Everywhere, FACTORS, Learned, NEGATIVES, RETRAIN, Settings, UNLEARN, layers,
    learning_rate, patience, regularization, validate_every,
};
use super::{Algorithm, Embeddings, Model};
use crate::compute::Compute;
use crate::options::Checked;
use crate::trainer::{Graph, Learner, Table};
use crate::{Dataset, ModelOptions, Result, SideData, Work};

const NAME: &str = "lightgcn";

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: NAME,
    summary: "vectors smoothed over the graph of interactions, learned by comparing items",
    options: &[
        FACTORS,
        layers(2),
        learning_rate(2e-3),
        regularization(1e-3),
        BATCH,
        NEGATIVES,
        DENOISE,
        DEBIAS,
        CLIP,
        EPOCHS,
        validate_every(2),
        patience(10),
        RETRAIN,
        UNLEARN,
        MEMORY_LIMIT,
    ],
    embeddings: Embeddings::Unused,
    fit,
    load: factors::load,
    format: factors::FORMAT,
};

fn fit(
    data: &Dataset,
    side: &SideData,
    options: &ModelOptions,
    seed: u64,
    work: &Work,
) -> Result<Box<dyn Model>> {
    let checked = Checked::new(NAME, ALGORITHM.options, options)?;
    within_limit(NAME, data, side, options, &checked)?;
    let settings = Settings::new(&checked, seed).continuing(side, data);
    let given = Given::new(&checked, settings);
    let model = given.settings.learn_there(NAME, data, &given, work)?;
    Ok(Box::new(Factors { options: checked.into_list(), ..model }))
}

/// What both trainings start from.
pub(super) struct Given {
    settings: Settings,
    how: Comparing,
    layers: usize,
}

impl Given {
    pub(super) fn new(checked: &Checked, settings: Settings) -> Given {
        let layers = checked.int("layers") as usize;
        Given { settings, how: Comparing::new(checked), layers }
    }
}

impl Everywhere for Given {
    fn learner<'a, C: Compute>(
        &'a self,
        compute: C,
        data: &Dataset,
    ) -> Result<impl Learner<State = Learned> + use<'a, C>> {
        LightGcn::new(compute, data, self)
    }
}

struct LightGcn<'a, C: Compute> {
    compute: C,
    settings: &'a Settings,
    comparisons: Comparisons,
    /// E⁰: users, then items.
    base: C::Table,
    smoothing: C::Smoothing,
    adam: C::Adam,
    batch: C::Batch,
}

impl<'a, C: Compute> LightGcn<'a, C> {
    fn new(compute: C, data: &Dataset, given: &'a Given) -> Result<LightGcn<'a, C>> {
        let settings = &given.settings;
        let graph = Graph::new(&data.by_user, &data.by_item);
        let base = compute.table(settings.drawn(data.n_users(), data.n_items()))?;
        Ok(LightGcn {
            compute,
            comparisons: Comparisons::new(data, settings, given.how),
            adam: compute.adam(&base, settings.rate)?,
            batch: compute.batch(graph.nodes(), settings.factors)?,
            smoothing: compute.smoothing(compute.graph(graph)?, given.layers, settings.factors)?,
            base,
            settings,
        })
    }
}

impl<C: Compute> Learner for LightGcn<'_, C> {
    type State = Learned;

    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64> {
        let (compute, batch) = (self.compute, &mut self.batch);
        let mut loss = compute.no_loss()?;
        for part in self.comparisons.epoch(epoch) {
            work.check()?;
            compute.take(batch, &part)?;
            compute.smooth(&mut self.smoothing, &self.base, batch)?;
            self.comparisons.compare(compute, batch, &mut loss)?;
            let gradient = compute.smooth_back(&mut self.smoothing, batch)?;
            compute.decay_of(batch, self.settings.regularization, &self.base, gradient)?;
            compute.step(&mut self.adam, &mut self.base, gradient)?;
        }
        Ok(compute.sum(loss)? / self.comparisons.number as f64)
    }

    fn state(&mut self) -> Result<Learned> {
        let (factors, sums) = self.compute.smooth_items(&mut self.smoothing, &self.base)?;
        Ok(Learned { factors, sums: Some(sums) })
    }

    fn rows(&mut self) -> Result<Option<Cow<'_, Table>>> {
        self.compute.read(&self.base).map(Some)
    }
}
