//! `lattice`: vectors smoothed over who had what, and over a graph of what is alike that is learned.
//!
//! ```text
//! E = (E⁰ + Â E⁰ + … + Â^L E⁰) / (L + 1)
//! e_i + h_i/|h_i|     h = A E⁰     A = (1 − s) L(Σ_m w_m S(W_m x)) + s Σ_m w_m L(S(x_m))
//! S: cosines of an item with its nearest and itself     L: normalised by the row sums
//! L = mean −ln σ(⟨e_u, ·⟩) + λ/2 · mean (|e_u|² + |e_i + …|² + |e_j + …|²)
//! ```
//!
//! Zhang et al. 2021, as in MMRec: neighbours in W_m x are looked for once in an epoch, whose first step
//! is also the one that W_m takes. Two things differ: the graph of interactions is normalised as in
//! `lightgcn`, and the w_m are given by `modalities` and do not move. An item without any embedding is
//! e_i alone. What is kept is the item side, as for `lightgcn`.

use std::borrow::Cow;

use super::comparisons::{CLIP, Comparing, Comparisons, DEBIAS, DENOISE};
use super::estimate::{MEMORY_LIMIT, within_limit};
use super::factors::{self, Factors};
use super::learning::{
    BATCH, EPOCHS, FACTORS, Learned, NEGATIVES, RETRAIN, Settings, layers, learning_rate, patience,
    regularization, validate_every,
};
use super::modalities::{MODALITIES, NEIGHBOURS, graph, trained_on};
use super::{Algorithm, Embeddings, Model};
use crate::compute::Native;
use crate::options::Checked;
use crate::seeded::number;
use crate::trainer::{
    Adam, Batch, Cosines, Directed, Features, Graph, Learner, Linear, Smoothing, Table,
    entries_back, laplacian, laplacian_back, normalise, normalise_back,
};
use crate::{Csr, Dataset, ModelOptions, OptionKind, OptionSpec, Result, SideData, Work};

const NAME: &str = "lattice";

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: NAME,
    summary: "vectors smoothed over interactions and over a learned graph of what is alike",
    options: &[
        MODALITIES,
        NEIGHBOURS,
        FACTORS,
        layers(2),
        OptionSpec {
            name: "frozen",
            kind: OptionKind::Real { default: 0.9, min: 0.0, max: 1.0 },
            help: "the share of the graph that is that of the embeddings as they are",
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
    let (k, n) = (checked.int("neighbours") as usize, data.n_items());
    let mut features = Vec::with_capacity(modalities.len());
    let mut links = Vec::new();
    for (matrix, weight) in modalities {
        let own = Features::new(&[matrix], &data.items);
        let cosines = Cosines::new(own.table().clone(), k, work)?;
        let normal = laplacian(&graph(n, cosines.links));
        for (row, (columns, values)) in (0..).zip(normal.rows()) {
            let entries = columns.iter().zip(values);
            links.extend(entries.map(|(column, value)| (row, *column, weight * value)));
        }
        features.push((own, weight));
    }
    let frozen = Frozen {
        alike: graph(n, links),
        features,
        k,
        layers: checked.int("layers") as usize,
        share: checked.real("frozen") as f32,
        how: Comparing::new(&checked),
        settings: Settings::new(&checked, seed).continuing(side, data),
    };
    let learner = |data: &Dataset| Ok(Lattice::new(data, &frozen));
    let model = frozen.settings.learn(NAME, data, learner, work)?;
    Ok(Box::new(Factors { options: checked.into_list(), ..model }))
}

/// What both trainings start from.
struct Frozen {
    settings: Settings,
    how: Comparing,
    layers: usize,
    k: usize,
    /// s.
    share: f32,
    /// Σ_m w_m L(S(x_m)).
    alike: Csr,
    features: Vec<(Features, f32)>,
}

/// The part of A that is learned, as it was made.
struct Made {
    cosines: Vec<Cosines>,
    /// Σ_m w_m S(W_m x).
    sum: Csr,
}

struct Lattice<'a> {
    frozen: &'a Frozen,
    comparisons: Comparisons,
    users: usize,
    /// E⁰: users, then items.
    base: Table,
    adam: Adam,
    smoothing: Smoothing,
    /// The W_m.
    maps: Vec<Linear>,
    /// A.
    alike: Directed,
    batch: Batch,
    /// The h_i/|h_i| of a batch.
    near: Table,
}

impl<'a> Lattice<'a> {
    fn new(data: &Dataset, frozen: &'a Frozen) -> Lattice<'a> {
        let (settings, users) = (&frozen.settings, data.n_users());
        let base = settings.drawn(users, data.n_items());
        let map = |((features, _), at): (&(Features, f32), u64)| {
            let seed = number(settings.seed, at);
            Linear::drawn(features.dim(), settings.factors, settings.rate, seed)
        };
        let graph = Graph::new(&data.by_user, &data.by_item);
        Lattice {
            frozen,
            comparisons: Comparisons::new(data, settings, frozen.how),
            users,
            adam: Adam::new(&base, settings.rate),
            smoothing: Smoothing::new(graph, frozen.layers, base.dim()),
            maps: frozen.features.iter().zip(4..).map(map).collect(),
            alike: Directed::new(users, frozen.alike.clone()),
            batch: settings.room(base.rows()),
            near: Table::zeros(0, base.dim()),
            base,
        }
    }

    /// Makes A anew.
    fn make(&mut self, work: &Work) -> Result<Made> {
        // The neighbours of each epoch are a part of it and are not told of.
        let silent = Work { cancel: work.cancel.clone(), threads: work.threads, ..Work::quiet() };
        let (n, share) = (self.frozen.alike.n_rows(), self.frozen.share);
        let (mut cosines, mut links) = (Vec::new(), Vec::new());
        for ((features, weight), map) in self.frozen.features.iter().zip(&self.maps) {
            let mut projected = Table::zeros(n, self.base.dim());
            map.forward(features.table(), n, &mut projected);
            let own = Cosines::new(projected, self.frozen.k, &silent)?;
            links.extend(own.links.iter().map(|(a, b, cosine)| (*a, *b, weight * cosine)));
            cosines.push(own);
        }
        let sum = graph(n, links);
        let mut all = Vec::new();
        for (part, share) in [(&laplacian(&sum), 1.0 - share), (&self.frozen.alike, share)] {
            for (row, (columns, values)) in (0..).zip(part.rows()) {
                let entries = columns.iter().zip(values);
                all.extend(entries.map(|(column, value)| (row, *column, share * value)));
            }
        }
        self.alike = Directed::new(self.users, graph(n, all));
        Ok(Made { cosines, sum })
    }

    /// Adds h_i/|h_i| to the vectors of the batch; one over the |h_i|.
    fn look_around(&mut self) -> Vec<f32> {
        let rows = self.batch.nodes.len();
        self.near.reach(rows);
        self.near.part_mut(0..rows).fill(0.0);
        self.alike.forward(&self.base, &self.batch.nodes, &mut self.near);
        let scales = normalise(&mut self.near, rows);
        let values = self.batch.values.part_mut(0..rows).iter_mut();
        values.zip(self.near.data()).for_each(|(value, near)| *value += near);
        scales
    }

    /// A step of the W_m, from the gradient of the h_i.
    fn learn(&mut self, made: Made, gradient: &Table) {
        let place = |item| self.batch.place(self.users + item);
        let mut slopes = entries_back(&made.sum, place, gradient, &self.base, self.users);
        slopes.iter_mut().for_each(|slope| *slope *= 1.0 - self.frozen.share);
        let slopes = laplacian_back(&made.sum, &slopes);
        let all = self.frozen.features.iter().zip(&mut self.maps).zip(&made.cosines);
        for (((features, weight), map), cosines) in all {
            let slope = |(row, column, _): &(u32, u32, f32)| {
                let (columns, _) = made.sum.row(*row as usize);
                let at = columns.binary_search(column).expect("the sum has each link");
                weight * slopes[made.sum.range(*row as usize).start + at]
            };
            let own: Vec<f32> = cosines.links.iter().map(slope).collect();
            let table = features.table();
            map.backward(table, table.rows(), &cosines.backward(&own));
            map.step();
        }
    }
}

impl Learner for Lattice<'_> {
    type State = Learned;

    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64> {
        let mut made = if self.frozen.share < 1.0 { Some(self.make(work)?) } else { None };
        let mut loss = 0.0;
        for part in self.comparisons.epoch(epoch) {
            work.check()?;
            self.batch.take(&part);
            self.smoothing.forward(&self.base, &mut self.batch);
            let scales = self.look_around();
            self.comparisons.compare(Native, &mut self.batch, &mut loss)?;
            let triples = self.batch.triples.len() as f32;
            self.batch.decay(self.frozen.settings.regularization / triples);
            let mut around = self.batch.gradient.clone();
            normalise_back(&self.near, &scales, &mut around);
            if let Some(made) = made.take() {
                self.learn(made, &around);
            }
            let gradient = self.smoothing.backward(&self.batch);
            self.alike.backward(&self.batch, &around, gradient);
            self.adam.all(&mut self.base, gradient);
        }
        Ok(loss / self.comparisons.number as f64)
    }

    fn state(&mut self) -> Result<Learned> {
        let (mut factors, sums) = self.smoothing.items(&self.base);
        let mut near = self.alike.all(&self.base);
        let rows = near.rows();
        normalise(&mut near, rows);
        let values = factors.data_mut().iter_mut().zip(near.data());
        values.for_each(|(value, near)| *value += near);
        Ok(Learned { factors, sums: Some(sums) })
    }

    fn rows(&mut self) -> Result<Option<Cow<'_, Table>>> {
        Ok(Some(Cow::Borrowed(&self.base)))
    }
}
