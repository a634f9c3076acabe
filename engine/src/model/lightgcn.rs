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

use super::comparisons::{CLIP, Comparing, Comparisons, DEBIAS, DENOISE};
use super::estimate::{MEMORY_LIMIT, within_limit};
use super::factors::{self, Factors};
use super::learning::{
    BATCH, EPOCHS, FACTORS, Learned, NEGATIVES, RETRAIN, Settings, UNLEARN, layers, learning_rate,
    patience, regularization, validate_every,
};
use super::{Algorithm, Embeddings, Model};
use crate::options::Checked;
use crate::trainer::{Adam, Batch, Graph, Learner, Smoothing, Table};
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
    let layers = checked.int("layers") as usize;
    let how = Comparing::new(&checked);
    let learner = |data: &Dataset| LightGcn::new(data, &settings, how, layers);
    let model = settings.learn(NAME, data, learner, work)?;
    Ok(Box::new(Factors { options: checked.into_list(), ..model }))
}

struct LightGcn<'a> {
    settings: &'a Settings,
    comparisons: Comparisons,
    /// E⁰: users, then items.
    base: Table,
    smoothing: Smoothing,
    adam: Adam,
    batch: Batch,
}

impl<'a> LightGcn<'a> {
    fn new(data: &Dataset, settings: &'a Settings, how: Comparing, layers: usize) -> LightGcn<'a> {
        let graph = Graph::new(&data.by_user, &data.by_item);
        let base = settings.drawn(data.n_users(), data.n_items());
        LightGcn {
            settings,
            comparisons: Comparisons::new(data, settings, how),
            adam: Adam::new(&base, settings.rate),
            batch: settings.room(graph.nodes()),
            smoothing: Smoothing::new(graph, layers, base.dim()),
            base,
        }
    }
}

impl Learner for LightGcn<'_> {
    type State = Learned;

    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64> {
        let mut loss = 0.0;
        for part in self.comparisons.epoch(epoch) {
            work.check()?;
            let batch = &mut self.batch;
            batch.take(&part);
            self.smoothing.forward(&self.base, batch);
            loss += self.comparisons.compare(batch);
            let gradient = self.smoothing.backward(batch);
            let cost = self.settings.regularization / batch.triples.len() as f32;
            batch.decay_of(cost, &self.base, gradient);
            self.adam.all(&mut self.base, gradient);
        }
        Ok(loss / self.comparisons.number as f64)
    }

    fn state(&mut self) -> Learned {
        let (factors, sums) = self.smoothing.items(&self.base);
        Learned { factors, sums: Some(sums) }
    }

    fn base(&self) -> Option<&Table> {
        Some(&self.base)
    }
}
