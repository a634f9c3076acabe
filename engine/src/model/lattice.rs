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

use std::borrow::{Borrow, Cow};

use super::comparisons::{CLIP, Comparing, Comparisons, DEBIAS, DENOISE};
use super::estimate::{MEMORY_LIMIT, within_limit};
use super::factors::{self, Factors};
use super::learning::{
    BATCH, EPOCHS, Everywhere, FACTORS, Learned, NEGATIVES, RETRAIN, Settings, layers,
    learning_rate, patience, regularization, validate_every,
};
use super::modalities::{MODALITIES, NEIGHBOURS, graph, trained_on};
use super::{Algorithm, Embeddings, Model};
use crate::compute::{Compute, Parts};
use crate::options::Checked;
use crate::seeded::number;
use crate::trainer::{
    Cosines, Features, Graph, Learner, Table, entries_back, laplacian, laplacian_back, normalise,
};
use crate::{
    Csr, Dataset, EmbeddingMatrix, ModelOptions, OptionKind, OptionSpec, Result, SideData, Work,
};

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
    let settings = Settings::new(&checked, seed).continuing(side, data);
    let without = "the items have no embeddings; `lightgcn` needs none";
    let modalities = trained_on(NAME, &checked, data, side, without)?;
    let frozen = Frozen::new(&checked, settings, &modalities, data, work)?;
    let model = frozen.settings.learn_there(NAME, data, &frozen, work)?;
    Ok(Box::new(Factors { options: checked.into_list(), ..model }))
}

/// What both trainings start from.
pub(super) struct Frozen {
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

impl Frozen {
    pub(super) fn new(
        checked: &Checked,
        settings: Settings,
        modalities: &[(&EmbeddingMatrix, f32)],
        data: &Dataset,
        work: &Work,
    ) -> Result<Frozen> {
        let (k, n) = (checked.int("neighbours") as usize, data.n_items());
        let mut features = Vec::with_capacity(modalities.len());
        let mut links = Vec::new();
        for (matrix, weight) in modalities {
            let own = Features::new(&[*matrix], &data.items);
            let cosines = Cosines::new(own.table().clone(), k, work)?;
            let normal = laplacian(&graph(n, cosines.links));
            for (row, (columns, values)) in (0..).zip(normal.rows()) {
                let entries = columns.iter().zip(values);
                links.extend(entries.map(|(column, value)| (row, *column, weight * value)));
            }
            features.push((own, *weight));
        }
        Ok(Frozen {
            alike: graph(n, links),
            features,
            k,
            layers: checked.int("layers") as usize,
            share: checked.real("frozen") as f32,
            how: Comparing::new(checked),
            settings,
        })
    }
}

impl Everywhere for Frozen {
    fn learner<'a, C: Compute>(
        &'a self,
        compute: C,
        data: &Dataset,
    ) -> Result<impl Learner<State = Learned> + use<'a, C>> {
        Lattice::new(compute, data, self)
    }
}

/// The part of A that is learned, as it was made. Its weights are computed here, once in an epoch: what a
/// map makes of the items comes back for it, and the gradient goes there.
struct Made {
    cosines: Vec<Cosines>,
    /// Σ_m w_m S(W_m x).
    sum: Csr,
}

struct Lattice<'a, C: Compute> {
    compute: C,
    frozen: &'a Frozen,
    comparisons: Comparisons,
    users: usize,
    /// E⁰: users, then items.
    base: C::Table,
    adam: C::Adam,
    smoothing: C::Smoothing,
    /// The W_m, and the x_m.
    maps: Vec<C::Linear>,
    features: Vec<C::Lent<'a>>,
    /// A.
    alike: C::Links,
    batch: C::Batch,
    /// The h_i/|h_i| of a batch.
    near: C::Table,
}

impl<'a, C: Compute> Lattice<'a, C> {
    fn new(compute: C, data: &Dataset, frozen: &'a Frozen) -> Result<Lattice<'a, C>> {
        let (settings, users) = (&frozen.settings, data.n_users());
        let (dim, rate) = (settings.factors, settings.rate);
        let map = |((features, _), at): (&(Features, f32), u64)| {
            compute.linear(features.dim(), dim, rate, number(settings.seed, at))
        };
        let features = frozen.features.iter().map(|(features, _)| compute.lend(features.table()));
        let graph = compute.graph(Graph::new(&data.by_user, &data.by_item))?;
        let base = compute.table(settings.drawn(users, data.n_items()))?;
        Ok(Lattice {
            compute,
            frozen,
            comparisons: Comparisons::new(data, settings, frozen.how),
            users,
            adam: compute.adam(&base, rate)?,
            smoothing: compute.smoothing(graph, frozen.layers, dim)?,
            maps: frozen.features.iter().zip(4..).map(map).collect::<Result<_>>()?,
            features: features.collect::<Result<_>>()?,
            alike: compute.links(users, frozen.alike.clone())?,
            batch: compute.batch(users + data.n_items(), dim)?,
            near: compute.zeros(0, dim)?,
            base,
        })
    }

    /// Makes A anew.
    fn make(&mut self, work: &Work) -> Result<Made> {
        // The neighbours of each epoch are a part of it and are not told of.
        let silent = Work { progress: Work::quiet().progress, ..work.clone() };
        let (n, share) = (self.frozen.alike.n_rows(), self.frozen.share);
        let (mut cosines, mut links) = (Vec::new(), Vec::new());
        let all = self.frozen.features.iter().zip(&self.features).zip(&self.maps);
        for (((_, weight), features), map) in all {
            let mut projected = self.compute.zeros(n, self.frozen.settings.factors)?;
            self.compute.through(map, features.borrow(), &mut projected)?;
            let own = Cosines::new(self.compute.bring(projected)?, self.frozen.k, &silent)?;
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
        self.alike = self.compute.links(self.users, graph(n, all))?;
        Ok(Made { cosines, sum })
    }

    /// Adds h_i/|h_i| to the vectors of the batch; one over the |h_i|.
    fn look_around(&mut self) -> Result<C::Numbers> {
        let compute = self.compute;
        compute.clear(&mut self.near, compute.here(&self.batch).nodes.len())?;
        let Parts { nodes, values, .. } = compute.parts(&mut self.batch);
        compute.near(&mut self.alike, &self.base, nodes, &mut self.near)?;
        let scales = compute.normalise(&mut self.near)?;
        compute.add(values, &self.near)?;
        Ok(scales)
    }

    /// A step of the W_m, from the gradient of the h_i.
    fn learn(&mut self, made: Made, gradient: &C::Table) -> Result<()> {
        let compute = self.compute;
        let (gradient, base) = (compute.read(gradient)?, compute.read(&self.base)?);
        let here = compute.here(&self.batch);
        let place = |item| here.place(self.users + item);
        let mut slopes = entries_back(&made.sum, place, &gradient, &base, self.users);
        slopes.iter_mut().for_each(|slope| *slope *= 1.0 - self.frozen.share);
        let slopes = laplacian_back(&made.sum, &slopes);
        let own = self.features.iter().zip(&mut self.maps);
        for (((_, weight), (features, map)), cosines) in
            self.frozen.features.iter().zip(own).zip(&made.cosines)
        {
            let slope = |(row, column, _): &(u32, u32, f32)| {
                let (columns, _) = made.sum.row(*row as usize);
                let at = columns.binary_search(column).expect("the sum has each link");
                weight * slopes[made.sum.range(*row as usize).start + at]
            };
            let own: Vec<f32> = cosines.links.iter().map(slope).collect();
            let back = compute.table(cosines.backward(&own))?;
            compute.learn(map, features.borrow(), &back)?;
            compute.step_linear(map)?;
        }
        Ok(())
    }
}

impl<C: Compute> Learner for Lattice<'_, C> {
    type State = Learned;

    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64> {
        let compute = self.compute;
        let mut made = if self.frozen.share < 1.0 { Some(self.make(work)?) } else { None };
        let mut loss = compute.no_loss()?;
        for part in self.comparisons.epoch(epoch) {
            work.check()?;
            compute.take(&mut self.batch, &part)?;
            compute.smooth(&mut self.smoothing, &self.base, &mut self.batch)?;
            let scales = self.look_around()?;
            self.comparisons.compare(compute, &mut self.batch, &mut loss)?;
            compute.decay(&mut self.batch, self.frozen.settings.regularization)?;
            let mut around = compute.copy(compute.gradient(&self.batch))?;
            compute.normalise_back(&self.near, &scales, &mut around)?;
            if let Some(made) = made.take() {
                self.learn(made, &around)?;
            }
            let gradient = compute.smooth_back(&mut self.smoothing, &self.batch)?;
            compute.near_back(&mut self.alike, &self.batch, &around, gradient)?;
            compute.step(&mut self.adam, &mut self.base, gradient)?;
        }
        Ok(compute.sum(loss)? / self.comparisons.number as f64)
    }

    fn state(&mut self) -> Result<Learned> {
        let compute = self.compute;
        let (mut factors, sums) = compute.smooth_items(&mut self.smoothing, &self.base)?;
        let mut near = compute.near_all(&self.alike, &self.base)?;
        let rows = near.rows();
        normalise(&mut near, rows);
        let values = factors.data_mut().iter_mut().zip(near.data());
        values.for_each(|(value, near)| *value += near);
        Ok(Learned { factors, sums: Some(sums) })
    }

    fn rows(&mut self) -> Result<Option<Cow<'_, Table>>> {
        self.compute.read(&self.base).map(Some)
    }
}
