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

use std::borrow::{Borrow, Cow};

use super::comparisons::{CLIP, Comparing, Comparisons, DEBIAS, DENOISE};
use super::estimate::{MEMORY_LIMIT, within_limit};
use super::factors::{self, Factors};
use super::freedom::alike;
use super::learning::{
    self, BATCH, EPOCHS, Everywhere, FACTORS, Learned, NEGATIVES, RETRAIN, Settings, layers,
    learning_rate, patience, regularization, validate_every,
};
use super::modalities::{MODALITIES, NEIGHBOURS, trained_on};
use super::perceptron::{self, Perceptron};
use super::views::{self, Fusion, Views};
use super::{Algorithm, Embeddings, Model};
use crate::compute::Compute;
use crate::options::Checked;
use crate::seeded::number;
use crate::trainer::{Features, Learner, Table};
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
    let together = perceptron::shapes(all.dim(), settings.factors);
    let weights = views::shapes(&features, settings.factors, together);
    let given = Given {
        alike: alike(&modalities, side, data, checked.int("neighbours") as usize, work)?,
        settings: settings.continuing_with(side, data, features.len() + 1, &weights),
        features,
        all,
        layers: checked.int("layers") as usize,
        how: Comparing::new(&checked),
    };
    let model = given.settings.learn_there(NAME, data, &given, work)?;
    Ok(Box::new(Factors { options: checked.into_list(), ..model }))
}

/// What both trainings start from.
pub(super) struct Given {
    pub(super) settings: Settings,
    pub(super) how: Comparing,
    pub(super) layers: usize,
    pub(super) alike: Csr,
    pub(super) features: Vec<Features>,
    /// The embeddings of all modalities, side by side.
    pub(super) all: Features,
}

impl Everywhere for Given {
    fn learner<'a, C: Compute>(
        &'a self,
        compute: C,
        data: &Dataset,
    ) -> Result<impl Learner<State = Learned> + use<'a, C>> {
        LirdRec::new(compute, data, self)
    }
}

/// What is made of all embeddings together.
struct Together<'a, C: Compute> {
    features: C::Lent<'a>,
    map: Perceptron<C>,
}

impl<C: Compute> Fusion<C> for Together<'_, C> {
    fn forward(&mut self, _: Option<u64>) -> Result<()> {
        self.map.forward(self.features.borrow())
    }

    fn values(&self) -> &C::Table {
        &self.map.values
    }

    fn step(&mut self, gradient: &mut C::Table) -> Result<()> {
        self.map.step(self.features.borrow(), gradient)
    }
}

struct LirdRec<'a, C: Compute> {
    compute: C,
    given: &'a Given,
    comparisons: Comparisons,
    views: Views<'a, C, Together<'a, C>>,
}

impl<'a, C: Compute> LirdRec<'a, C> {
    fn new(compute: C, data: &Dataset, given: &'a Given) -> Result<LirdRec<'a, C>> {
        let settings = &given.settings;
        let (all, seed) = (&given.all, number(settings.seed, 4));
        let shape = [all.dim(), settings.factors];
        let map = Perceptron::drawn(compute, data.n_items(), shape, settings.rate, seed)?;
        let fusion = Together { features: compute.lend(all.table())?, map };
        let Given { features, layers, alike, .. } = given;
        Ok(LirdRec {
            compute,
            given,
            comparisons: Comparisons::new(data, settings, given.how),
            views: Views::new(compute, data, settings, features, fusion, *layers, alike)?,
        })
    }

    fn trained(&mut self) -> Vec<&mut C::Table> {
        let (mut weights, together) = self.views.trained();
        weights.extend(together.map.weights());
        weights
    }
}

impl<C: Compute> Learner for LirdRec<'_, C> {
    type State = Learned;

    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64> {
        let compute = self.compute;
        let mut loss = compute.no_loss()?;
        for part in self.comparisons.epoch(epoch) {
            work.check()?;
            compute.take(&mut self.views.batch, &part)?;
            self.views.forward()?;
            self.comparisons.compare(compute, &mut self.views.batch, &mut loss)?;
            compute.decay(&mut self.views.batch, self.given.settings.regularization)?;
            self.views.step()?;
        }
        Ok(compute.sum(loss)? / self.comparisons.number as f64)
    }

    fn state(&mut self) -> Result<Learned> {
        self.views.learned()
    }

    fn rows(&mut self) -> Result<Option<Cow<'_, Table>>> {
        Ok(Some(Cow::Owned(self.views.rows()?)))
    }

    fn weights(&mut self) -> Result<Vec<Cow<'_, Table>>> {
        learning::read(self.compute, self.trained())
    }

    fn restore(&mut self, earlier: &[Table]) -> Result<()> {
        learning::restore(self.compute, self.trained(), earlier)
    }
}
