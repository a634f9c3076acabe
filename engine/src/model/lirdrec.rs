//! `lirdrec`: items that are nothing but what is made of their embeddings, by modality and of all together.
//!
//! ```text
//! E⁰_i = [y(W₂ f(W₁ x_m)) of each modality m | the same of all of x]     see `views`
//! L = mean −ln σ(⟨e_u, e_i⟩ − ⟨e_u, e_j⟩) + λ/2 · mean (|e_u|² + |e_i|² + |e_j|²)
//! ```
//!
//! Zhou et al. 2025. There the last view is made of the cosine transform of all embeddings; that is a
//! rotation, which a trained map takes in, so it is left out. People's weights of the views, which begin
//! as those of a map there and become free, are free from the start and the same for all. An item that
//! nobody had has its vector like any other.

use std::borrow::Cow;

use super::comparisons::{CLIP, Comparing, Comparisons, DEBIAS, DENOISE};
use super::estimate::{MEMORY_LIMIT, within_limit};
use super::factors::{self, Factors};
use super::freedom::alike;
use super::learning::{
    BATCH, EPOCHS, FACTORS, Learned, NEGATIVES, RETRAIN, Settings, layers, learning_rate, patience,
    regularization, validate_every,
};
use super::modalities::{MODALITIES, NEIGHBOURS, trained_on};
use super::views::{Fusion, Views};
use super::{Algorithm, Embeddings, Model};
use crate::compute::Native;
use crate::options::Checked;
use crate::seeded::number;
use crate::trainer::{Features, Learner, Perceptron, Table};
use crate::{Csr, Dataset, ModelOptions, Result, SideData, Work};

const NAME: &str = "lirdrec";

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: NAME,
    summary: "vectors of items made of their embeddings alone, in several views",
    options: &[
        MODALITIES,
        NEIGHBOURS,
        FACTORS,
        layers(3),
        learning_rate(1e-3),
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
        MEMORY_LIMIT,
    ],
    embeddings: Embeddings::InTraining,
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
    let without = "the items have no embeddings; `lightgcn` needs none";
    let modalities = trained_on(NAME, &checked, data, side, without)?;
    let matrices: Vec<_> = modalities.iter().map(|(matrix, _)| *matrix).collect();
    let features: Vec<_> =
        matrices.iter().map(|matrix| Features::new(&[*matrix], &data.items)).collect();
    let (all, settings) = (Features::new(&matrices, &data.items), Settings::new(&checked, seed));
    let together = Perceptron::shapes(all.dim(), settings.factors);
    let weights = Views::<Together<'_>>::shapes(&features, settings.factors, together);
    let given = Given {
        alike: alike(&modalities, side, data, checked.int("neighbours") as usize, work)?,
        settings: settings.continuing_with(side, data, features.len() + 1, &weights),
        features,
        all,
        layers: checked.int("layers") as usize,
        how: Comparing::new(&checked),
    };
    let learner = |data: &Dataset| Ok(LirdRec::new(data, &given));
    let model = given.settings.learn(NAME, data, learner, work)?;
    Ok(Box::new(Factors { options: checked.into_list(), ..model }))
}

/// What both trainings start from.
struct Given {
    settings: Settings,
    how: Comparing,
    layers: usize,
    alike: Csr,
    features: Vec<Features>,
    /// The embeddings of all modalities, side by side.
    all: Features,
}

/// What is made of all embeddings together.
struct Together<'a> {
    features: &'a Features,
    map: Perceptron,
}

impl Fusion for Together<'_> {
    fn forward(&mut self, _: Option<u64>) {
        self.map.forward(self.features.table());
    }

    fn values(&self) -> &Table {
        &self.map.values
    }

    fn step(&mut self, gradient: &mut Table) {
        self.map.step(self.features.table(), gradient);
    }
}

struct LirdRec<'a> {
    given: &'a Given,
    comparisons: Comparisons,
    views: Views<'a, Together<'a>>,
}

impl<'a> LirdRec<'a> {
    fn new(data: &Dataset, given: &'a Given) -> LirdRec<'a> {
        let settings = &given.settings;
        let (features, seed) = (&given.all, number(settings.seed, 4));
        let (dim, rate) = (settings.factors, settings.rate);
        let map = Perceptron::drawn(data.n_items(), features.dim(), dim, rate, seed);
        let fusion = Together { features, map };
        let Given { features, layers, alike, .. } = given;
        LirdRec {
            given,
            comparisons: Comparisons::new(data, settings, given.how),
            views: Views::new(data, settings, features, fusion, *layers, alike),
        }
    }
}

impl Learner for LirdRec<'_> {
    type State = Learned;

    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64> {
        let mut loss = 0.0;
        for part in self.comparisons.epoch(epoch) {
            work.check()?;
            self.views.batch.take(&part);
            self.views.forward();
            let batch = &mut self.views.batch;
            self.comparisons.compare(Native, batch, &mut loss)?;
            batch.decay(self.given.settings.regularization / batch.triples.len() as f32);
            self.views.step();
        }
        Ok(loss / self.comparisons.number as f64)
    }

    fn state(&mut self) -> Result<Learned> {
        Ok(self.views.learned())
    }

    fn rows(&mut self) -> Result<Option<Cow<'_, Table>>> {
        Ok(Some(Cow::Owned(self.views.rows())))
    }

    fn weights(&mut self) -> Vec<&mut Table> {
        let (mut weights, together) = self.views.trained();
        weights.extend(together.map.weights());
        weights
    }
}
