//! `ngcf`: vectors of people and items, refined layer by layer by what their neighbours say.
//!
//! ```text
//! E^{l+1} = f(W₁ (Â E^l + E^l) + W₂ (Â E^l ⊙ E^l))     f: leaky rectifier     Â = D^−½ A D^−½
//! e = [e⁰ | e¹/|e¹| | … | e^L/|e^L|]
//! L = mean −ln σ(⟨e_u, e_i⟩ − ⟨e_u, e_j⟩) + λ/2 · mean (|e_u|² + |e_i|² + |e_j|²)
//! ```
//!
//! Wang et al. 2019. Numbers of a layer are dropped out in training, as are messages there; the maps
//! have no offset. As for `bpr`, what remains is the item side, in all its layers, and a person is
//! folded in among those vectors: what the layers would make of a new person's is not asked.

use std::borrow::Cow;

use super::comparisons::{CLIP, Comparing, Comparisons, DEBIAS, DENOISE};
use super::estimate::{MEMORY_LIMIT, within_limit};
use super::factors::{self, Factors};
use super::learning::{
    BATCH, EPOCHS, FACTORS, Learned, NEGATIVES, RETRAIN, Settings, layers, learning_rate, patience,
    regularization, validate_every,
};
use super::{Algorithm, Embeddings, Model};
use crate::compute::Native;
use crate::options::Checked;
use crate::seeded::number;
use crate::trainer::{Adam, Batch, Graph, Interaction, Learner, Table, normalise, normalise_back};
use crate::{Dataset, ModelOptions, OptionKind, OptionSpec, Result, SideData, Work};

const NAME: &str = "ngcf";

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: NAME,
    summary: "vectors refined by what their neighbours say, learned by comparing items",
    options: &[
        FACTORS,
        layers(2),
        OptionSpec {
            name: "dropout",
            kind: OptionKind::Real { default: 0.1, min: 0.0, max: 0.99 },
            help: "the share of the numbers of a layer that is left out in training",
        },
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
    let (settings, layers) = (Settings::new(&checked, seed), checked.int("layers") as usize);
    let weights = Interaction::shapes(settings.factors).repeat(layers);
    let given = Given {
        settings: settings.continuing_with(side, data, 1, &weights),
        how: Comparing::new(&checked),
        layers,
        dropout: checked.real("dropout") as f32,
    };
    let learner = |data: &Dataset| Ok(Ngcf::new(data, &given));
    let model = given.settings.learn(NAME, data, learner, work)?;
    Ok(Box::new(Factors { options: checked.into_list(), ..model }))
}

/// What both trainings start from.
struct Given {
    settings: Settings,
    how: Comparing,
    layers: usize,
    dropout: f32,
}

struct Ngcf<'a> {
    given: &'a Given,
    comparisons: Comparisons,
    graph: Graph,
    /// E⁰: users, then items.
    base: Table,
    adam: Adam,
    layers: Vec<Interaction>,
    /// E¹ … E^L.
    levels: Vec<Table>,
    batch: Batch,
    /// The rows of a level that a batch looks at.
    part: Table,
    /// What backward computes, from the one into the other.
    gradient: Table,
    next: Table,
    steps: u64,
}

impl<'a> Ngcf<'a> {
    fn new(data: &Dataset, given: &'a Given) -> Ngcf<'a> {
        let settings = &given.settings;
        let (dim, rate) = (settings.factors, settings.rate);
        let graph = Graph::new(&data.by_user, &data.by_item);
        let base = settings.drawn(data.n_users(), data.n_items());
        let nodes = graph.nodes();
        let layer = |at| Interaction::drawn(nodes, dim, rate, number(settings.seed, 4 + at));
        let table = || Table::zeros(nodes, dim);
        Ngcf {
            given,
            comparisons: Comparisons::new(data, settings, given.how),
            adam: Adam::new(&base, rate),
            layers: (0..given.layers as u64).map(layer).collect(),
            levels: (0..given.layers).map(|_| table()).collect(),
            batch: Batch::new(nodes, (given.layers + 1) * dim),
            part: Table::zeros(0, dim),
            gradient: table(),
            next: table(),
            graph,
            base,
            steps: 0,
        }
    }

    fn propagate(&mut self, dropout: f32) {
        let seed = number(self.given.settings.seed ^ self.steps, 3);
        for (at, layer) in self.layers.iter_mut().enumerate() {
            let (before, after) = self.levels.split_at_mut(at);
            let from = before.last().unwrap_or(&self.base);
            layer.forward(&self.graph, from, dropout, number(seed, at as u64), &mut after[0]);
        }
    }

    /// The rows of e that the batch looks at; one over the lengths of their levels.
    fn look(&mut self) -> Vec<Vec<f32>> {
        let (dim, batch) = (self.base.dim(), &mut self.batch);
        let rows = batch.nodes.len();
        let mut scales = Vec::with_capacity(self.levels.len());
        for (at, level) in std::iter::once(&self.base).chain(&self.levels).enumerate() {
            self.part.reach(rows);
            for (to, node) in batch.nodes.iter().enumerate() {
                self.part.row_mut(to).copy_from_slice(level.row(*node as usize));
            }
            if at > 0 {
                scales.push(normalise(&mut self.part, rows));
            }
            for row in 0..rows {
                let to = &mut batch.values.row_mut(row)[at * dim..][..dim];
                to.copy_from_slice(&self.part.row(row)[..dim]);
            }
        }
        scales
    }

    /// Adds the gradient that the batch holds in one level to that of all nodes.
    fn gather(&mut self, at: usize, scales: &[Vec<f32>]) {
        let (dim, rows) = (self.base.dim(), self.batch.nodes.len());
        let mut slopes = Table::zeros(rows, dim);
        for row in 0..rows {
            let from = &self.batch.gradient.row(row)[at * dim..][..dim];
            slopes.row_mut(row)[..dim].copy_from_slice(from);
        }
        if at > 0 {
            for row in 0..rows {
                let from = &self.batch.values.row(row)[at * dim..][..dim];
                self.part.row_mut(row)[..dim].copy_from_slice(from);
            }
            normalise_back(&self.part, &scales[at - 1], &mut slopes);
        }
        for (row, node) in self.batch.nodes.iter().enumerate() {
            let to = self.gradient.row_mut(*node as usize).iter_mut();
            to.zip(slopes.row(row)).for_each(|(to, slope)| *to += slope);
        }
    }

    /// A step from the gradient that the batch holds.
    fn learn(&mut self, scales: &[Vec<f32>]) {
        self.gradient.data_mut().fill(0.0);
        for at in (0..self.layers.len()).rev() {
            self.gather(at + 1, scales);
            self.next.data_mut().fill(0.0);
            let x = if at > 0 { &self.levels[at - 1] } else { &self.base };
            self.layers[at].backward(&self.graph, x, &mut self.gradient, &mut self.next);
            std::mem::swap(&mut self.gradient, &mut self.next);
            self.layers[at].step();
        }
        self.gather(0, scales);
        self.adam.all(&mut self.base, &self.gradient);
    }
}

impl Learner for Ngcf<'_> {
    type State = Learned;

    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64> {
        let mut loss = 0.0;
        for part in self.comparisons.epoch(epoch) {
            work.check()?;
            self.steps += 1;
            self.batch.take(&part);
            self.propagate(self.given.dropout);
            let scales = self.look();
            self.comparisons.compare(Native, &mut self.batch, &mut loss)?;
            self.batch.decay(self.given.settings.regularization / self.batch.triples.len() as f32);
            self.learn(&scales);
        }
        Ok(loss / self.comparisons.number as f64)
    }

    fn state(&mut self) -> Result<Learned> {
        self.propagate(0.0);
        let (items, dim) = (self.graph.items(), self.base.dim());
        let mut factors = Table::zeros(items.len(), (self.levels.len() + 1) * dim);
        for (at, level) in std::iter::once(&self.base).chain(&self.levels).enumerate() {
            for (item, node) in items.clone().enumerate() {
                let row = &level.row(node)[..dim];
                let square: f32 = row.iter().map(|value| value * value).sum();
                let plain = at == 0 || square == 0.0;
                let scale = if plain { 1.0 } else { square.sqrt().recip() };
                let to = factors.row_mut(item)[at * dim..][..dim].iter_mut();
                to.zip(row).for_each(|(to, value)| *to = scale * value);
            }
        }
        Ok(Learned { factors, sums: None })
    }

    fn rows(&mut self) -> Result<Option<Cow<'_, Table>>> {
        Ok(Some(Cow::Borrowed(&self.base)))
    }

    fn weights(&mut self) -> Vec<&mut Table> {
        self.layers.iter_mut().flat_map(Interaction::weights).collect()
    }
}
