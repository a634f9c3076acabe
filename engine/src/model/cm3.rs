//! `cm3`: people near what they had, everything else evenly around, but what is alike less far apart.
//!
//! ```text
//! E⁰_i = [y(W₂ f(W₁ x_m)) of each modality m | s]     s: between the P_m x_m/|P_m x_m|     see `views`
//! L = mean |e_u − e_i|² + γ/2 · (spread of the e_u + spread of the e_j, by how alike their s are)
//!   + λ/2 · mean of squares
//! ```
//!
//! Zhou et al. 2025. All vectors are of length one in L but for its last term; the spread is that of [`spread`](crate::trainer::spread). Where s lies
//! between two modalities is drawn for each item and step from Beta(α, α), and halfway for what is kept;
//! more than two are mixed one after the other. The spread is that of some nodes of a batch. People
//! weigh the views alike. The score is the product of vectors as they are.

use std::borrow::Cow;

use super::estimate::{MEMORY_LIMIT, within_limit};
use super::factors::{self, Factors};
use super::freedom::alike;
use super::learning::{
    self, BATCH, EPOCHS, Everywhere, FACTORS, Learned, RETRAIN, Settings, layers, learning_rate,
    patience, regularization, validate_every,
};
use super::mixture::{self, Mixture};
use super::modalities::{MODALITIES, NEIGHBOURS, trained_on};
use super::views::{self, Fusion, Views};
use super::{Algorithm, Embeddings, Model};
use crate::compute::{Compute, Parts};
use crate::options::Checked;
use crate::seeded::number;
use crate::trainer::{Features, Learner, Table, Triples};
use crate::{Csr, Dataset, ModelOptions, OptionKind, OptionSpec, Result, SideData, Work};

const NAME: &str = "cm3";
/// The nodes of a batch whose spread is looked at, of each side.
const ANCHORS: usize = 256;

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: NAME,
    summary: "people near what they had and all else spread out, in views of the items' embeddings",
    options: &[
        MODALITIES,
        NEIGHBOURS,
        FACTORS,
        layers(3),
        OptionSpec {
            name: "spread",
            kind: OptionKind::Real { default: 0.9, min: 0.0, max: 100.0 },
            help: "how much the spread counts",
        },
        OptionSpec {
            name: "mixing",
            kind: OptionKind::Real { default: 0.5, min: 0.05, max: 1.0 },
            help: "how often modalities are mixed by halves: the parameter of a beta distribution",
        },
        OptionSpec {
            name: "most_alike",
            kind: OptionKind::Real { default: 0.8, min: 0.0, max: 1.0 },
            help: "from which similarity on items are as alike as can be",
        },
        learning_rate(1e-3),
        regularization(0.0),
        BATCH,
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
    let feature = |(matrix, _): &(_, f32)| Features::new(&[*matrix], &data.items);
    let features: Vec<_> = modalities.iter().map(feature).collect();
    let settings = Settings::new(&checked, seed);
    let mixed = mixture::shapes(&features, settings.factors);
    let weights = views::shapes(&features, settings.factors, mixed);
    let settings = settings.continuing_with(side, data, features.len() + 1, &weights);
    let given = Given {
        alike: alike(&modalities, side, data, checked.int("neighbours") as usize, work)?,
        features,
        layers: checked.int("layers") as usize,
        spread: checked.real("spread") as f32,
        mixing: checked.real("mixing"),
        most_alike: checked.real("most_alike") as f32,
        settings,
    };
    let model = given.settings.learn_there(NAME, data, &given, work)?;
    Ok(Box::new(Factors { options: checked.into_list(), ..model }))
}

/// What both trainings start from.
pub(super) struct Given {
    pub(super) settings: Settings,
    pub(super) layers: usize,
    pub(super) spread: f32,
    pub(super) mixing: f64,
    pub(super) most_alike: f32,
    pub(super) alike: Csr,
    pub(super) features: Vec<Features>,
}

impl Everywhere for Given {
    fn learner<'a, C: Compute>(
        &'a self,
        compute: C,
        data: &Dataset,
    ) -> Result<impl Learner<State = Learned> + use<'a, C>> {
        Cm3::new(compute, data, self)
    }
}

struct Cm3<'a, C: Compute> {
    compute: C,
    given: &'a Given,
    triples: Triples,
    users: usize,
    views: Views<'a, C, Mixture<'a, C>>,
}

impl<'a, C: Compute> Cm3<'a, C> {
    fn new(compute: C, data: &Dataset, given: &'a Given) -> Result<Cm3<'a, C>> {
        let settings = &given.settings;
        let fusion = Mixture::new(compute, settings, &given.features, given.mixing)?;
        let Given { features, layers, alike, .. } = given;
        Ok(Cm3 {
            compute,
            given,
            triples: Triples::new(data, 1, number(settings.seed, 2)),
            users: data.n_users(),
            views: Views::new(compute, data, settings, features, fusion, *layers, alike)?,
        })
    }

    fn trained(&mut self) -> Vec<&mut C::Table> {
        let (mut weights, mixture) = self.views.trained();
        weights.extend(mixture.weights());
        weights
    }

    /// γ/2 times the spread of some places of the batch, all of people or all of items.
    fn spread(&mut self, places: Vec<u32>, are_items: bool, loss: &mut C::Loss) -> Result<()> {
        let (compute, given) = (self.compute, self.given);
        let (dim, rows) = (given.settings.factors, places.len());
        let mut near = compute.zeros(0, dim)?;
        if are_items {
            let nodes = &compute.here(&self.views.batch).nodes;
            let item = |place: &u32| nodes[*place as usize] - self.users as u32;
            let items = compute.places(places.iter().map(item).collect())?;
            compute.gather(self.views.fusion.values(), &items, &mut near)?;
        }
        let places = compute.places(places)?;
        let width = (given.features.len() + 1) * dim;
        let (mut unit, mut slopes) = (compute.zeros(0, width)?, compute.zeros(rows, width)?);
        let Parts { values, gradient, .. } = compute.parts(&mut self.views.batch);
        compute.gather(values, &places, &mut unit)?;
        let scales = compute.normalise(&mut unit)?;
        let alike = are_items.then_some((&near, given.most_alike));
        compute.spread(&unit, alike, given.spread / 2.0, &mut slopes, loss)?;
        compute.normalise_back(&unit, &scales, &mut slopes)?;
        compute.scatter(gradient, &places, &slopes)
    }

    /// |e_u − e_i|², and how people and items are spread.
    fn compare(&mut self) -> Result<C::Loss> {
        let compute = self.compute;
        let triples = &compute.here(&self.views.batch).triples;
        let of = |at: usize| triples.iter().map(move |triple| triple[at]);
        let (people, others) = (anchors(of(0)), anchors(of(2)));
        let (users, items) = (of(0).collect(), of(1).collect());
        let (users, items) = (compute.places(users)?, compute.places(items)?);
        let (mut loss, mut spread) = (compute.no_loss()?, compute.no_loss()?);
        let Parts { values, gradient, .. } = compute.parts(&mut self.views.batch);
        // |a − b|² is 2 − 2 cos, and either end has a gradient.
        for pairs in [[&users, &items], [&items, &users]] {
            compute.align([values, values], pairs, 2.0, gradient, &mut loss)?;
        }
        self.spread(people, false, &mut spread)?;
        self.spread(others, true, &mut spread)?;
        compute.add_loss(&mut loss, &spread, 1.0)?;
        Ok(loss)
    }
}

/// Some of the places, each once.
fn anchors(places: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut seen = std::collections::HashSet::new();
    places.filter(|at| seen.insert(*at)).take(ANCHORS).collect()
}

impl<C: Compute> Learner for Cm3<'_, C> {
    type State = Learned;

    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64> {
        let (compute, triples) = (self.compute, self.triples.epoch(epoch, 1));
        let mut loss = compute.no_loss()?;
        for part in triples.chunks(self.given.settings.batch) {
            work.check()?;
            compute.take(&mut self.views.batch, part)?;
            self.views.forward()?;
            let own = self.compare()?;
            compute.add_loss(&mut loss, &own, part.len() as f64)?;
            compute.decay(&mut self.views.batch, self.given.settings.regularization)?;
            self.views.step()?;
        }
        Ok(compute.sum(loss)? / triples.len().max(1) as f64)
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
