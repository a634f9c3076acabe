//! `cm3`: people near what they had, everything else evenly around, but what is alike less far apart.
//!
//! ```text
//! E⁰_i = [y(W₂ f(W₁ x_m)) of each modality m | s]     s: between the P_m x_m/|P_m x_m|     see `views`
//! L = mean |e_u − e_i|² + γ/2 · (spread of the e_u + spread of the e_j, by how alike their s are)
//!   + λ/2 · mean of squares
//! ```
//!
//! Zhou et al. 2025. All vectors are of length one in L but for its last term; the spread is that of [`spread`]. Where s lies
//! between two modalities is drawn for each item and step from Beta(α, α), and halfway for what is kept;
//! more than two are mixed one after the other. The spread is that of some nodes of a batch. People
//! weigh the views alike. The score is the product of vectors as they are.

use super::estimate::{MEMORY_LIMIT, within_limit};
use super::factors::{self, Factors};
use super::freedom::alike;
use super::learning::{
    BATCH, EPOCHS, FACTORS, Learned, RETRAIN, Settings, layers, learning_rate, patience,
    regularization, validate_every,
};
use super::modalities::{MODALITIES, NEIGHBOURS, trained_on};
use super::views::{Fusion, Views};
use super::{Algorithm, Embeddings, Model};
use crate::options::Checked;
use crate::seeded::number;
use crate::trainer::{
    Features, Learner, Linear, Table, Triples, align, normalise, normalise_back, slerp, slerp_back,
    spread,
};
use crate::{Csr, Dataset, ModelOptions, OptionKind, OptionSpec, Result, SideData, Work};

const NAME: &str = "cm3";
/// The nodes of a batch whose spread is looked at, of each side.
const ANCHORS: usize = 256;
/// Draws before the halves are taken.
const DRAWS: u64 = 64;

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
    let given = Given {
        alike: alike(&modalities, side, data, checked.int("neighbours") as usize, work)?,
        features: modalities.iter().map(feature).collect(),
        layers: checked.int("layers") as usize,
        spread: checked.real("spread") as f32,
        mixing: checked.real("mixing"),
        most_alike: checked.real("most_alike") as f32,
        settings: Settings::new(&checked, seed),
    };
    let learner = |data: &Dataset| Ok(Cm3::new(data, &given));
    let model = given.settings.learn(NAME, data, learner, work)?;
    Ok(Box::new(Factors { options: checked.into_list(), ..model }))
}

/// What both trainings start from.
struct Given {
    settings: Settings,
    layers: usize,
    spread: f32,
    mixing: f64,
    most_alike: f32,
    alike: Csr,
    features: Vec<Features>,
}

/// The s of all items.
struct Mixture<'a> {
    given: &'a Given,
    maps: Vec<Linear>,
    /// The P_m x_m/|P_m x_m|, with one over their lengths.
    units: Vec<Table>,
    scales: Vec<Vec<f32>>,
    /// What was mixed after each modality; the last is s.
    mixed: Vec<Table>,
    step: Option<u64>,
}

impl Mixture<'_> {
    /// The share of what came before, where an item's modality `at` is mixed in.
    fn share(&self, item: usize, at: usize) -> f32 {
        let Some(step) = self.step else { return 0.5 };
        let seed = number(number(self.given.settings.seed ^ step, at as u64), item as u64);
        // Jöhnk 1964.
        let power = self.given.mixing.recip();
        let drawn = |about| {
            let bits = (number(seed, about) >> 11) as f64;
            ((bits + 0.5) / (1u64 << 53) as f64).powf(power)
        };
        let pairs = (0..DRAWS).map(|at| (drawn(2 * at), drawn(2 * at + 1)));
        let mut fit = pairs.filter(|(a, b)| a + b <= 1.0 && a + b > 0.0);
        fit.next().map_or(0.5, |(a, b)| (a / (a + b)) as f32)
    }

    /// Whether an item has anything in the modalities before one, and in that one.
    fn has(&self, item: usize, at: usize) -> (bool, bool) {
        let there = |at: usize| self.scales[at][item] > 0.0;
        ((0..at).any(there), there(at))
    }
}

impl Fusion for Mixture<'_> {
    fn forward(&mut self, step: Option<u64>) {
        self.step = step;
        self.scales.clear();
        for ((map, features), unit) in
            self.maps.iter().zip(&self.given.features).zip(&mut self.units)
        {
            let rows = unit.rows();
            map.forward(features.table(), rows, unit);
            self.scales.push(normalise(unit, rows));
        }
        self.mixed[0].clone_from(&self.units[0]);
        for at in 1..self.units.len() {
            let mut own = std::mem::take(&mut self.mixed[at]);
            for item in 0..own.rows() {
                let (before, after) = (self.mixed[at - 1].row(item), self.units[at].row(item));
                match self.has(item, at) {
                    (true, true) => slerp(before, after, self.share(item, at), own.row_mut(item)),
                    (false, _) => own.row_mut(item).copy_from_slice(after),
                    (true, false) => own.row_mut(item).copy_from_slice(before),
                }
            }
            self.mixed[at] = own;
        }
    }

    fn values(&self) -> &Table {
        &self.mixed[self.mixed.len() - 1]
    }

    fn step(&mut self, gradient: &mut Table) {
        for at in (0..self.units.len()).rev() {
            let mut own = Table::zeros(gradient.rows(), gradient.dim());
            let mut before = own.clone();
            for item in 0..gradient.rows() {
                match self.has(item, at) {
                    (true, true) => slerp_back(
                        [self.mixed[at - 1].row(item), self.units[at].row(item)],
                        self.share(item, at),
                        gradient.row(item),
                        [before.row_mut(item), own.row_mut(item)],
                    ),
                    (false, _) => own.row_mut(item).copy_from_slice(gradient.row(item)),
                    (true, false) => before.row_mut(item).copy_from_slice(gradient.row(item)),
                }
            }
            normalise_back(&self.units[at], &self.scales[at], &mut own);
            let features = self.given.features[at].table();
            self.maps[at].backward(features, features.rows(), &own);
            self.maps[at].step();
            *gradient = before;
        }
    }
}

struct Cm3<'a> {
    given: &'a Given,
    triples: Triples,
    users: usize,
    views: Views<'a, Mixture<'a>>,
}

impl<'a> Cm3<'a> {
    fn new(data: &Dataset, given: &'a Given) -> Cm3<'a> {
        let settings = &given.settings;
        let (dim, rate) = (settings.factors, settings.rate);
        let map = |(features, at): (&Features, u64)| {
            Linear::drawn(features.dim(), dim, rate, number(settings.seed, 32 + at))
        };
        let table = |_: &Features| Table::zeros(data.n_items(), dim);
        let fusion = Mixture {
            given,
            maps: given.features.iter().zip(0..).map(map).collect(),
            units: given.features.iter().map(table).collect(),
            scales: Vec::new(),
            mixed: given.features.iter().map(table).collect(),
            step: None,
        };
        let Given { features, layers, alike, .. } = given;
        Cm3 {
            given,
            triples: Triples::new(data, 1, number(settings.seed, 2)),
            users: data.n_users(),
            views: Views::new(data, settings, features, fusion, *layers, alike),
        }
    }

    /// γ/2 times the spread of some places of the batch.
    fn spread(&mut self, places: &[usize]) -> f64 {
        let (batch, rows) = (&mut self.views.batch, places.len());
        let mut unit = Table::zeros(rows, batch.values.dim());
        let mut near = Table::zeros(rows, self.given.settings.factors);
        let mut items = false;
        for (to, at) in places.iter().enumerate() {
            unit.row_mut(to).copy_from_slice(batch.values.row(*at));
            if let Some(item) = (batch.nodes[*at] as usize).checked_sub(self.users) {
                near.row_mut(to).copy_from_slice(self.views.fusion.values().row(item));
                items = true;
            }
        }
        let scales = normalise(&mut unit, rows);
        let mut slopes = Table::zeros(rows, unit.dim());
        let alike = items.then_some((&near, self.given.most_alike));
        let factor = self.given.spread / 2.0;
        let loss = spread(&unit, alike, rows, factor, &mut slopes);
        normalise_back(&unit, &scales, &mut slopes);
        for (from, at) in places.iter().enumerate() {
            let to = batch.gradient.row_mut(*at).iter_mut().zip(slopes.row(from));
            to.for_each(|(to, slope)| *to += slope);
        }
        f64::from(factor) * loss
    }
}

/// Some of the places, each once.
fn anchors(places: impl Iterator<Item = u32>) -> Vec<usize> {
    let mut seen = std::collections::HashSet::new();
    places.map(|at| at as usize).filter(|at| seen.insert(*at)).take(ANCHORS).collect()
}

impl Learner for Cm3<'_> {
    type State = Learned;

    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64> {
        let (mut loss, triples) = (0.0, self.triples.epoch(epoch, 1));
        for part in triples.chunks(self.given.settings.batch) {
            work.check()?;
            self.views.batch.take(part);
            self.views.forward();
            let batch = &mut self.views.batch;
            let pairs: Vec<(u32, u32)> = batch.triples.iter().map(|[u, i, _]| (*u, *i)).collect();
            let back: Vec<(u32, u32)> = pairs.iter().map(|(u, i)| (*i, *u)).collect();
            let mut own = 0.0;
            // |a − b|² is 2 − 2 cos, and either end has a gradient.
            for pairs in [&pairs, &back] {
                own += align(&batch.values, &batch.values, pairs, 2.0, &mut batch.gradient);
            }
            let users = anchors(batch.triples.iter().map(|[user, ..]| *user));
            let others = anchors(batch.triples.iter().map(|[.., other]| *other));
            own += self.spread(&users) + self.spread(&others);
            loss += own * part.len() as f64;
            let cost = self.given.settings.regularization / part.len() as f32;
            self.views.batch.decay(cost);
            self.views.step();
        }
        Ok(loss / triples.len().max(1) as f64)
    }

    fn state(&mut self) -> Result<Learned> {
        Ok(self.views.learned())
    }
}
