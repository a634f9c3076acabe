//! `bm3`: vectors that foretell each other and the embeddings, learned from what was had alone.
//!
//! ```text
//! E = (E⁰ + Â E⁰ + … + Â^L E⁰) / (L + 1)     u = e_u     i = e_i + e⁰_i     t_m = W_m x_m
//! C(a, b) = mean of 1 − cos(P a, b~)          b~: b with a part dropped out, without gradient
//! L = C(u, i) + C(i, u) + μ · Σ_m (C(t_m, i) + C(t_m, t_m)) + λ/2 · mean (|u|² + 2 |i|²)
//! ```
//!
//! Zhou et al. 2023, as in MMRec, except that embeddings are centred and stay as they are, that P and
//! W_m have no offset, and that vectors are held short by their squares. The score is ⟨P u, P i⟩;
//! what is kept is P of the item side. For an item that nobody had, i is what its t_m foretell.

use super::estimate::{MEMORY_LIMIT, within_limit};
use super::factors::{self, Factors};
use super::learning::{
    BATCH, EPOCHS, FACTORS, Learned, RETRAIN, Settings, layers, learning_rate, patience,
    regularization, validate_every,
};
use super::modalities::{MODALITIES, graph, trained_on};
use super::{Algorithm, Embeddings, Model};
use crate::options::Checked;
use crate::seeded::number;
use crate::trainer::{
    Adam, Batch, Directed, Features, Graph, Learner, Linear, Projector, Smoothing, Table, Triples,
    align, drop_out,
};
use crate::{Dataset, ModelOptions, OptionKind, OptionSpec, Result, SideData, Work};

const NAME: &str = "bm3";

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: NAME,
    summary: "vectors that foretell each other and the items' embeddings",
    options: &[
        MODALITIES,
        FACTORS,
        layers(1),
        OptionSpec {
            name: "dropout",
            kind: OptionKind::Real { default: 0.5, min: 0.0, max: 0.99 },
            help: "the share of a target that is left out",
        },
        OptionSpec {
            name: "modality_weight",
            kind: OptionKind::Real { default: 2.0, min: 0.0, max: 100.0 },
            help: "how much foretelling from the embeddings counts",
        },
        learning_rate(5e-4),
        regularization(0.1),
        BATCH,
        EPOCHS,
        validate_every(1),
        patience(20),
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
    let parts = modalities.len() as f32;
    let weighed = |(matrix, weight)| (Features::new(&[matrix], &data.items), parts * weight);
    let given = Given {
        features: modalities.into_iter().map(weighed).collect(),
        layers: checked.int("layers") as usize,
        dropout: checked.real("dropout") as f32,
        weight: checked.real("modality_weight") as f32,
        settings: Settings::new(&checked, seed),
    };
    let learner = |data: &Dataset| Ok(Bm3::new(data, &given));
    let model = given.settings.learn(NAME, data, learner, work)?;
    Ok(Box::new(Factors { options: checked.into_list(), ..model }))
}

/// What both trainings start from.
struct Given {
    settings: Settings,
    layers: usize,
    dropout: f32,
    weight: f32,
    features: Vec<(Features, f32)>,
}

struct Bm3<'a> {
    given: &'a Given,
    triples: Triples,
    /// The items that somebody had.
    had: Vec<bool>,
    /// E⁰: users, then items.
    base: Table,
    adam: Adam,
    smoothing: Smoothing,
    /// Each item itself.
    itself: Directed,
    /// The W_m, with the weights of the modalities.
    modalities: Vec<(Projector<'a>, f32)>,
    /// P.
    predictor: Linear,
    steps: u64,
    batch: Batch,
    /// What P made of the batch, its gradient, and the targets.
    foretold: Table,
    slopes: Table,
    targets: Table,
    own_targets: Table,
}

impl<'a> Bm3<'a> {
    fn new(data: &Dataset, given: &'a Given) -> Bm3<'a> {
        let (settings, users) = (&given.settings, data.n_users());
        let (dim, rate) = (settings.factors, settings.rate);
        let base = settings.drawn(users, data.n_items());
        let project = |((features, weight), at): (&'a (Features, f32), u64)| {
            (Projector::new(features, users, dim, rate, number(settings.seed, at)), *weight)
        };
        let itself = (0..data.n_items() as u32).map(|item| (item, item, 1.0)).collect();
        let bipartite = Graph::new(&data.by_user, &data.by_item);
        let room = || Table::zeros(0, dim);
        Bm3 {
            given,
            triples: Triples::new(data, 1, number(settings.seed, 2)),
            had: (0..data.n_items()).map(|item| data.by_item.degree(item) > 0).collect(),
            adam: Adam::new(&base, rate),
            smoothing: Smoothing::new(bipartite, given.layers, dim),
            itself: Directed::new(users, graph(data.n_items(), itself)),
            modalities: given.features.iter().zip(4..).map(project).collect(),
            predictor: Linear::drawn(dim, dim, rate, number(settings.seed, 3)),
            steps: 0,
            batch: settings.room(base.rows()),
            foretold: room(),
            slopes: room(),
            targets: room(),
            own_targets: room(),
            base,
        }
    }

    /// Puts Σ_m P t_m in the place of items that nobody had, as long as the others are on average.
    fn stand_in(&self, items: &mut Table) {
        let length = |row: &[f32]| row.iter().map(|value| value * value).sum::<f32>().sqrt();
        let (mut sum, mut number) = (0f64, 0f64);
        for item in (0..items.rows()).filter(|item| self.had[*item]) {
            sum += f64::from(length(items.row(item)));
            number += 1.0;
        }
        let mut content = Table::zeros(items.rows(), items.dim());
        let mut foretold = content.clone();
        for (projector, weight) in &self.modalities {
            self.predictor.forward(&projector.all(), items.rows(), &mut foretold);
            let values = content.data_mut().iter_mut().zip(foretold.data());
            values.for_each(|(to, value)| *to += weight * value);
        }
        for item in (0..items.rows()).filter(|item| !self.had[*item]) {
            let own = length(content.row(item));
            let scale = if own > 0.0 { (sum / number) as f32 / own } else { 0.0 };
            let to = items.row_mut(item).iter_mut().zip(content.row(item));
            to.for_each(|(to, value)| *to = scale * value);
        }
    }

    /// P of the rows, with a gradient of zero.
    fn foretell(&mut self, modality: Option<usize>) {
        let (values, rows) = match modality {
            Some(at) => (&self.modalities[at].0.values, self.modalities[at].0.nodes.len()),
            None => (&self.batch.values, self.batch.nodes.len()),
        };
        self.foretold.reach(rows);
        self.slopes.reach(rows);
        self.slopes.part_mut(0..rows).fill(0.0);
        self.predictor.forward(values, rows, &mut self.foretold);
    }

    /// C(u, i) + C(i, u); the gradient goes to the batch.
    fn compare(&mut self) -> f64 {
        let (rows, dropout) = (self.batch.nodes.len(), self.given.dropout);
        let seed = number(self.given.settings.seed ^ self.steps, 5);
        self.foretell(None);
        let batch = &mut self.batch;
        drop_out(&batch.values, &batch.nodes, dropout, seed, &mut self.targets);
        let there: Vec<(u32, u32)> =
            batch.triples.iter().map(|[user, item, _]| (*user, *item)).collect();
        let back: Vec<(u32, u32)> = there.iter().map(|(user, item)| (*item, *user)).collect();
        let mut loss = 0.0;
        for pairs in [there, back] {
            loss += align(&self.foretold, &self.targets, &pairs, 1.0, &mut self.slopes);
        }
        self.predictor.backward(&batch.values, rows, &self.slopes);
        self.predictor.backward_input(rows, &self.slopes, &mut batch.gradient);
        loss
    }

    /// μ · (C(t, i) + C(t, t)) of a modality, and a step of its W.
    fn compare_content(&mut self, at: usize) {
        let dropout = self.given.dropout;
        let seed = number(self.given.settings.seed ^ self.steps, 6 + at as u64);
        self.modalities[at].0.forward(&self.batch);
        self.foretell(Some(at));
        let (projector, weight) = &mut self.modalities[at];
        drop_out(&projector.values, &projector.nodes, dropout, seed, &mut self.own_targets);
        let rows = projector.rows(&self.batch);
        let items = self.batch.triples.iter().map(|[_, item, _]| *item);
        let across: Vec<(u32, u32)> =
            items.filter_map(|item| Some((rows[item as usize]?, item))).collect();
        let within: Vec<(u32, u32)> = across.iter().map(|(row, _)| (*row, *row)).collect();
        let factor = self.given.weight * *weight;
        for (targets, pairs) in [(&self.targets, across), (&self.own_targets, within)] {
            align(&self.foretold, targets, &pairs, factor, &mut self.slopes);
        }
        let rows = projector.nodes.len();
        self.predictor.backward(&projector.values, rows, &self.slopes);
        self.predictor.backward_input(rows, &self.slopes, &mut projector.gradient);
        projector.step();
    }
}

impl Learner for Bm3<'_> {
    type State = Learned;

    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64> {
        let (mut loss, pairs) = (0.0, self.triples.pairs(epoch));
        for part in pairs.chunks(self.given.settings.batch) {
            work.check()?;
            self.steps += 1;
            self.batch.take(part);
            self.smoothing.forward(&self.base, &mut self.batch);
            self.itself.forward(&self.base, &self.batch.nodes, &mut self.batch.values);
            loss += self.compare() * part.len() as f64;
            (0..self.modalities.len()).for_each(|at| self.compare_content(at));
            self.predictor.step();
            self.batch.decay(self.given.settings.regularization / part.len() as f32);
            let gradient = self.smoothing.backward(&self.batch);
            self.itself.backward(&self.batch, &self.batch.gradient, gradient);
            self.adam.all(&mut self.base, gradient);
        }
        Ok(loss / pairs.len().max(1) as f64)
    }

    fn state(&mut self) -> Result<Learned> {
        let (mut items, levels) = self.smoothing.items(&self.base);
        let own = self.itself.all(&self.base);
        items.data_mut().iter_mut().zip(own.data()).for_each(|(value, own)| *value += own);
        self.stand_in(&mut items);
        let (mut factors, mut sums) = (Table::zeros(items.rows(), items.dim()), levels.clone());
        self.predictor.forward(&items, items.rows(), &mut factors);
        self.predictor.forward(&levels, items.rows(), &mut sums);
        Ok(Learned { factors, sums: Some(sums) })
    }
}
