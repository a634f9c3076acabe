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
    self, BATCH, EPOCHS, Everywhere, FACTORS, Learned, NEGATIVES, RETRAIN, Settings, layers,
    learning_rate, patience, regularization, validate_every,
};
use super::{Algorithm, Embeddings, Model};
use crate::compute::{Compute, Parts};
use crate::options::Checked;
use crate::seeded::number;
use crate::trainer::{Graph, Interaction, Learner, Table};
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
    let given = Given::new(&checked, settings.continuing_with(side, data, 1, &weights));
    let model = given.settings.learn_there(NAME, data, &given, work)?;
    Ok(Box::new(Factors { options: checked.into_list(), ..model }))
}

/// What both trainings start from.
pub(super) struct Given {
    settings: Settings,
    how: Comparing,
    layers: usize,
    dropout: f32,
}

impl Given {
    pub(super) fn new(checked: &Checked, settings: Settings) -> Given {
        Given {
            settings,
            how: Comparing::new(checked),
            layers: checked.int("layers") as usize,
            dropout: checked.real("dropout") as f32,
        }
    }
}

impl Everywhere for Given {
    fn learner<'a, C: Compute>(
        &'a self,
        compute: C,
        data: &Dataset,
    ) -> Result<impl Learner<State = Learned> + use<'a, C>> {
        Ngcf::new(compute, data, self)
    }
}

struct Ngcf<'a, C: Compute> {
    compute: C,
    given: &'a Given,
    comparisons: Comparisons,
    users: usize,
    nodes: usize,
    graph: C::Graph,
    /// E⁰: users, then items.
    base: C::Table,
    adam: C::Adam,
    layers: Vec<C::Interaction>,
    /// E¹ … E^L.
    levels: Vec<C::Table>,
    batch: C::Batch,
    /// The rows of a level that a batch looks at, and the gradient in them.
    part: C::Table,
    slopes: C::Table,
    /// What backward computes, from the one into the other.
    gradient: C::Table,
    next: C::Table,
    steps: u64,
}

impl<'a, C: Compute> Ngcf<'a, C> {
    fn new(compute: C, data: &Dataset, given: &'a Given) -> Result<Ngcf<'a, C>> {
        let settings = &given.settings;
        let (dim, rate) = (settings.factors, settings.rate);
        let graph = Graph::new(&data.by_user, &data.by_item);
        let nodes = graph.nodes();
        let base = compute.table(settings.drawn(data.n_users(), data.n_items()))?;
        let layer = |at| compute.interaction(nodes, dim, rate, number(settings.seed, 4 + at));
        let table = || compute.zeros(nodes, dim);
        Ok(Ngcf {
            compute,
            given,
            comparisons: Comparisons::new(data, settings, given.how),
            users: data.n_users(),
            nodes,
            adam: compute.adam(&base, rate)?,
            layers: (0..given.layers as u64).map(layer).collect::<Result<_>>()?,
            levels: (0..given.layers).map(|_| table()).collect::<Result<_>>()?,
            batch: compute.batch(nodes, (given.layers + 1) * dim)?,
            part: compute.zeros(0, dim)?,
            slopes: compute.zeros(0, dim)?,
            gradient: table()?,
            next: table()?,
            graph: compute.graph(graph)?,
            base,
            steps: 0,
        })
    }

    fn propagate(&mut self, dropout: f32) -> Result<()> {
        let seed = number(self.given.settings.seed ^ self.steps, 3);
        for (at, layer) in self.layers.iter_mut().enumerate() {
            let (before, after) = self.levels.split_at_mut(at);
            let from = before.last().unwrap_or(&self.base);
            let drawn = (dropout, number(seed, at as u64));
            self.compute.interact(layer, &self.graph, from, drawn, &mut after[0])?;
        }
        Ok(())
    }

    /// The rows of e that the batch looks at; one over the lengths of their levels.
    fn look(&mut self) -> Result<Vec<C::Numbers>> {
        let (compute, dim) = (self.compute, self.given.settings.factors);
        let Parts { nodes, values, .. } = compute.parts(&mut self.batch);
        let mut scales = Vec::with_capacity(self.levels.len());
        for (at, level) in std::iter::once(&self.base).chain(&self.levels).enumerate() {
            compute.gather(level, nodes, &mut self.part)?;
            if at > 0 {
                scales.push(compute.normalise(&mut self.part)?);
            }
            compute.paste(&self.part, values, 0, at * dim)?;
        }
        Ok(scales)
    }

    /// Adds the gradient that the batch holds in one level to that of all nodes.
    fn gather(&mut self, at: usize, scales: &[C::Numbers]) -> Result<()> {
        let (compute, dim) = (self.compute, self.given.settings.factors);
        let rows = 0..compute.here(&self.batch).nodes.len();
        let Parts { nodes, values, gradient } = compute.parts(&mut self.batch);
        compute.cut(gradient, rows.clone(), at * dim, &mut self.slopes)?;
        if at > 0 {
            compute.cut(values, rows, at * dim, &mut self.part)?;
            compute.normalise_back(&self.part, &scales[at - 1], &mut self.slopes)?;
        }
        compute.scatter(&mut self.gradient, nodes, &self.slopes)
    }

    /// A step from the gradient that the batch holds.
    fn learn(&mut self, scales: &[C::Numbers]) -> Result<()> {
        let compute = self.compute;
        compute.clear(&mut self.gradient, self.nodes)?;
        for at in (0..self.layers.len()).rev() {
            self.gather(at + 1, scales)?;
            compute.clear(&mut self.next, self.nodes)?;
            let (layer, graph) = (&mut self.layers[at], &self.graph);
            let x = if at > 0 { &self.levels[at - 1] } else { &self.base };
            compute.interact_back(layer, graph, x, &mut self.gradient, &mut self.next)?;
            std::mem::swap(&mut self.gradient, &mut self.next);
        }
        self.gather(0, scales)?;
        compute.step(&mut self.adam, &mut self.base, &self.gradient)
    }

    fn trained(&mut self) -> Vec<&mut C::Table> {
        let compute = self.compute;
        self.layers.iter_mut().flat_map(|layer| compute.weights_of_interaction(layer)).collect()
    }
}

impl<C: Compute> Learner for Ngcf<'_, C> {
    type State = Learned;

    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64> {
        let compute = self.compute;
        let mut loss = compute.no_loss()?;
        for part in self.comparisons.epoch(epoch) {
            work.check()?;
            self.steps += 1;
            compute.take(&mut self.batch, &part)?;
            self.propagate(self.given.dropout)?;
            let scales = self.look()?;
            self.comparisons.compare(compute, &mut self.batch, &mut loss)?;
            compute.decay(&mut self.batch, self.given.settings.regularization)?;
            self.learn(&scales)?;
        }
        Ok(compute.sum(loss)? / self.comparisons.number as f64)
    }

    fn state(&mut self) -> Result<Learned> {
        self.propagate(0.0)?;
        let (users, dim) = (self.users, self.given.settings.factors);
        let mut factors = Table::zeros(0, (self.levels.len() + 1) * dim);
        for (at, level) in std::iter::once(&self.base).chain(&self.levels).enumerate() {
            let level = self.compute.read(level)?;
            factors.fit(level.rows() - users);
            for item in 0..factors.rows() {
                let row = &level.row(users + item)[..dim];
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
        self.compute.read(&self.base).map(Some)
    }

    fn weights(&mut self) -> Result<Vec<Cow<'_, Table>>> {
        learning::read(self.compute, self.trained())
    }

    fn restore(&mut self, earlier: &[Table]) -> Result<()> {
        learning::restore(self.compute, self.trained(), earlier)
    }
}
