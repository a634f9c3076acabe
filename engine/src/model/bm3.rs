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
//!
//! It is best after a few epochs and loses with each more, so a refresh trains nothing: e are those of the
//! training, or made of them, and are smoothed over what was had since.

use std::borrow::{Borrow, Cow};

use super::estimate::{MEMORY_LIMIT, within_limit};
use super::factors::{self, Factors};
use super::learning::{
    self, BATCH, EPOCHS, Everywhere, FACTORS, Learned, RETRAIN, Settings, layers, learning_rate,
    patience, regularization, validate_every,
};
use super::modalities::{MODALITIES, graph, trained_on};
use super::{Algorithm, Embeddings, Model};
use crate::compute::{Compute, NOWHERE, Parts};
use crate::options::Checked;
use crate::seeded::number;
use crate::trainer::{Features, Graph, Learner, Linear, Table, Triples};
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
    let features: Vec<_> = modalities.into_iter().map(weighed).collect();
    let settings = Settings::new(&checked, seed);
    let maps = features.iter().map(|(own, _)| Linear::shape(own.dim(), settings.factors));
    let predictor = Linear::shape(settings.factors, settings.factors);
    let weights: Vec<_> = [predictor].into_iter().chain(maps).collect();
    let given = Given {
        features,
        layers: checked.int("layers") as usize,
        dropout: checked.real("dropout") as f32,
        weight: checked.real("modality_weight") as f32,
        settings: settings.continuing_with(side, data, 1, &weights).going_on_for(0),
    };
    let model = given.settings.learn_there(NAME, data, &given, work)?;
    Ok(Box::new(Factors { options: checked.into_list(), ..model }))
}

/// What both trainings start from.
pub(super) struct Given {
    pub(super) settings: Settings,
    pub(super) layers: usize,
    pub(super) dropout: f32,
    pub(super) weight: f32,
    pub(super) features: Vec<(Features, f32)>,
}

impl Everywhere for Given {
    fn learner<'a, C: Compute>(
        &'a self,
        compute: C,
        data: &Dataset,
    ) -> Result<impl Learner<State = Learned> + use<'a, C>> {
        Bm3::new(compute, data, self)
    }
}

/// What is foretold from a modality.
struct Modality<'a, C: Compute> {
    /// x, and which items have any.
    rows: C::Lent<'a>,
    features: &'a Features,
    weight: f32,
    /// W.
    map: C::Linear,
    /// The x of a batch, t, and its gradient.
    inputs: C::Table,
    values: C::Table,
    gradient: C::Table,
    targets: C::Table,
}

impl<'a, C: Compute> Modality<'a, C> {
    fn new(
        compute: C,
        (features, weight): &'a (Features, f32),
        settings: &Settings,
        seed: u64,
    ) -> Result<Modality<'a, C>> {
        let room = || compute.zeros(0, settings.factors);
        Ok(Modality {
            rows: compute.lend(features.table())?,
            features,
            weight: *weight,
            map: compute.linear(features.dim(), settings.factors, settings.rate, seed)?,
            inputs: compute.zeros(0, features.dim())?,
            values: room()?,
            gradient: room()?,
            targets: room()?,
        })
    }
}

struct Bm3<'a, C: Compute> {
    compute: C,
    given: &'a Given,
    triples: Triples,
    users: usize,
    /// The items that somebody had.
    had: Vec<bool>,
    /// E⁰: users, then items.
    base: C::Table,
    adam: C::Adam,
    smoothing: C::Smoothing,
    /// Each item itself.
    itself: C::Links,
    modalities: Vec<Modality<'a, C>>,
    /// P.
    predictor: C::Linear,
    steps: u64,
    batch: C::Batch,
    /// What P made of the batch, its gradient, and the targets.
    foretold: C::Table,
    slopes: C::Table,
    targets: C::Table,
}

impl<'a, C: Compute> Bm3<'a, C> {
    fn new(compute: C, data: &Dataset, given: &'a Given) -> Result<Bm3<'a, C>> {
        let (settings, users) = (&given.settings, data.n_users());
        let (dim, rate) = (settings.factors, settings.rate);
        let base = compute.table(settings.drawn(users, data.n_items()))?;
        let of = |(features, at): (&'a (Features, f32), u64)| {
            Modality::new(compute, features, settings, number(settings.seed, at))
        };
        let itself = (0..data.n_items() as u32).map(|item| (item, item, 1.0)).collect();
        let bipartite = compute.graph(Graph::new(&data.by_user, &data.by_item))?;
        let room = || compute.zeros(0, dim);
        Ok(Bm3 {
            compute,
            given,
            triples: Triples::new(data, 1, number(settings.seed, 2)),
            users,
            had: (0..data.n_items()).map(|item| data.by_item.degree(item) > 0).collect(),
            adam: compute.adam(&base, rate)?,
            smoothing: compute.smoothing(bipartite, given.layers, dim)?,
            itself: compute.links(users, graph(data.n_items(), itself))?,
            modalities: given.features.iter().zip(4..).map(of).collect::<Result<_>>()?,
            predictor: compute.linear(dim, dim, rate, number(settings.seed, 3))?,
            steps: 0,
            batch: compute.batch(users + data.n_items(), dim)?,
            foretold: room()?,
            slopes: room()?,
            targets: room()?,
            base,
        })
    }

    /// P, then W of each modality.
    fn trained(&mut self) -> Vec<&mut C::Table> {
        let compute = self.compute;
        let maps = self.modalities.iter_mut().map(|own| compute.weights(&mut own.map));
        [compute.weights(&mut self.predictor)].into_iter().chain(maps).collect()
    }

    /// Puts Σ_m P t_m in the place of items that nobody had, as long as the others are on average.
    fn stand_in(&self, items: &mut Table) -> Result<()> {
        let length = |row: &[f32]| row.iter().map(|value| value * value).sum::<f32>().sqrt();
        let (mut sum, mut number) = (0f64, 0f64);
        for item in (0..items.rows()).filter(|item| self.had[*item]) {
            sum += f64::from(length(items.row(item)));
            number += 1.0;
        }
        let mut content = Table::zeros(items.rows(), items.dim());
        for Modality { rows, map, weight, .. } in &self.modalities {
            let mut own = self.compute.zeros(items.rows(), items.dim())?;
            self.compute.through(map, rows.borrow(), &mut own)?;
            let foretold = self.foretell_all(own)?;
            let values = content.data_mut().iter_mut().zip(foretold.data());
            values.for_each(|(to, value)| *to += weight * value);
        }
        for item in (0..items.rows()).filter(|item| !self.had[*item]) {
            let own = length(content.row(item));
            let scale = if own > 0.0 { (sum / number) as f32 / own } else { 0.0 };
            let to = items.row_mut(item).iter_mut().zip(content.row(item));
            to.for_each(|(to, value)| *to = scale * value);
        }
        Ok(())
    }

    /// P of the rows of all items.
    fn foretell_all(&self, rows: C::Table) -> Result<Table> {
        let mut foretold = self.compute.zeros(self.had.len(), self.given.settings.factors)?;
        self.compute.through(&self.predictor, &rows, &mut foretold)?;
        self.compute.bring(foretold)
    }

    /// C(u, i) + C(i, u); the gradient goes to the batch.
    fn compare(&mut self, [users, items]: [&C::Places; 2]) -> Result<C::Loss> {
        let (compute, dropout) = (self.compute, self.given.dropout);
        let seed = number(self.given.settings.seed ^ self.steps, 5);
        let rows = compute.here(&self.batch).nodes.len();
        let Parts { nodes, values, gradient } = compute.parts(&mut self.batch);
        compute.through(&self.predictor, values, &mut self.foretold)?;
        compute.clear(&mut self.slopes, rows)?;
        compute.drop_out(values, nodes, dropout, seed, &mut self.targets)?;
        let (ends, mut loss) = ([&self.foretold, &self.targets], compute.no_loss()?);
        for pairs in [[users, items], [items, users]] {
            compute.align(ends, pairs, 1.0, &mut self.slopes, &mut loss)?;
        }
        compute.learn(&mut self.predictor, values, &self.slopes)?;
        compute.through_back(&self.predictor, &self.slopes, gradient)?;
        Ok(loss)
    }

    /// μ · (C(t, i) + C(t, t)) of a modality, and a step of its W. Only items that have an x take part.
    fn compare_content(&mut self, at: usize) -> Result<()> {
        let (compute, users) = (self.compute, self.users as u32);
        let seed = number(self.given.settings.seed ^ self.steps, 6 + at as u64);
        let own = &mut self.modalities[at];
        let here = compute.here(&self.batch);
        // The items of the batch with an x, and which of them each of its nodes is.
        let (mut items, mut rows) = (Vec::new(), vec![NOWHERE; here.nodes.len()]);
        for (node, row) in here.nodes.iter().zip(&mut rows) {
            let item = node.checked_sub(users).filter(|item| own.features.has(*item as usize));
            if let Some(item) = item {
                *row = items.len() as u32;
                items.push(item);
            }
        }
        let (count, nodes) = (items.len(), items.iter().map(|item| users + item).collect());
        let pairs = here.triples.iter().map(|[_, item, _]| *item);
        let (of_batch, of_items): (Vec<u32>, Vec<u32>) = pairs
            .map(|item| (item, rows[item as usize]))
            .filter(|(_, row)| *row != NOWHERE)
            .unzip();
        let [items, nodes] = [compute.places(items)?, compute.places(nodes)?];
        let [of_batch, of_items] = [compute.places(of_batch)?, compute.places(of_items)?];
        compute.gather(own.rows.borrow(), &items, &mut own.inputs)?;
        compute.through(&own.map, &own.inputs, &mut own.values)?;
        compute.through(&self.predictor, &own.values, &mut self.foretold)?;
        compute.drop_out(&own.values, &nodes, self.given.dropout, seed, &mut own.targets)?;
        compute.clear(&mut self.slopes, count)?;
        let (factor, mut loss) = (self.given.weight * own.weight, compute.no_loss()?);
        for (targets, at) in [(&self.targets, &of_batch), (&own.targets, &of_items)] {
            let ends = [&self.foretold, targets];
            compute.align(ends, [&of_items, at], factor, &mut self.slopes, &mut loss)?;
        }
        compute.learn(&mut self.predictor, &own.values, &self.slopes)?;
        compute.clear(&mut own.gradient, count)?;
        compute.through_back(&self.predictor, &self.slopes, &mut own.gradient)?;
        compute.learn(&mut own.map, &own.inputs, &own.gradient)?;
        compute.step_linear(&mut own.map)
    }
}

impl<C: Compute> Learner for Bm3<'_, C> {
    type State = Learned;

    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64> {
        let (compute, pairs) = (self.compute, self.triples.pairs(epoch));
        let mut loss = compute.no_loss()?;
        for part in pairs.chunks(self.given.settings.batch) {
            work.check()?;
            self.steps += 1;
            compute.take(&mut self.batch, part)?;
            compute.smooth(&mut self.smoothing, &self.base, &mut self.batch)?;
            let triples = &compute.here(&self.batch).triples;
            let of = |at: usize| compute.places(triples.iter().map(|pair| pair[at]).collect());
            let (users, items) = (of(0)?, of(1)?);
            let Parts { nodes, values, .. } = compute.parts(&mut self.batch);
            compute.near(&mut self.itself, &self.base, nodes, values)?;
            let own = self.compare([&users, &items])?;
            compute.add_loss(&mut loss, &own, part.len() as f64)?;
            (0..self.modalities.len()).try_for_each(|at| self.compare_content(at))?;
            compute.step_linear(&mut self.predictor)?;
            compute.decay(&mut self.batch, self.given.settings.regularization)?;
            let gradient = compute.smooth_back(&mut self.smoothing, &self.batch)?;
            let slopes = compute.gradient(&self.batch);
            compute.near_back(&mut self.itself, &self.batch, slopes, gradient)?;
            compute.step(&mut self.adam, &mut self.base, gradient)?;
        }
        Ok(compute.sum(loss)? / pairs.len().max(1) as f64)
    }

    fn state(&mut self) -> Result<Learned> {
        let compute = self.compute;
        let (mut items, levels) = compute.smooth_items(&mut self.smoothing, &self.base)?;
        let own = compute.near_all(&self.itself, &self.base)?;
        items.data_mut().iter_mut().zip(own.data()).for_each(|(value, own)| *value += own);
        self.stand_in(&mut items)?;
        let factors = self.foretell_all(compute.table(items)?)?;
        let sums = self.foretell_all(compute.table(levels)?)?;
        Ok(Learned { factors, sums: Some(sums) })
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
