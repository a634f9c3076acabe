//! `freedom`: vectors smoothed over a thinned graph of who had what, and over a frozen one of what
//! is alike.
//!
//! ```text
//! E = (E⁰ + Â E⁰ + … + Â^L E⁰) / (L + 1)     Â drawn anew for each epoch
//! e_i + h_i     h = S E⁰     S: the mean of an item and those nearest to it, by each modality
//! L = mean −ln σ(⟨e_u, e_i + h_i⟩ − ⟨e_u, e_j + h_j⟩)
//!   + μ · Σ_m mean −ln σ(⟨e_u, W_m x_i⟩ − ⟨e_u, W_m x_j⟩)
//! ```
//!
//! Zhou and Shen 2023, as in MMRec, except that embeddings are centred and stay as they are. S is made
//! of the neighbours of each modality, weighed by `modalities`; an item that lacks one is linked by the
//! others, one without any to itself. What is kept is the item side, as for `lightgcn`.

use std::borrow::Cow;

use super::comparisons::{CLIP, Comparing, Comparisons, DEBIAS, DENOISE};
use super::estimate::{MEMORY_LIMIT, within_limit};
use super::factors::{self, Factors};
use super::learning::{
    BATCH, EPOCHS, Everywhere, FACTORS, Learned, NEGATIVES, RETRAIN, Settings, UNLEARN, layers,
    learning_rate, patience, regularization, validate_every,
};
use super::modalities::{MODALITIES, NEIGHBOURS, graph, trained_on};
use super::{Algorithm, Embeddings, Model};
use crate::compute::{Compute, Parts};
use crate::item_graph::Near;
use crate::options::Checked;
use crate::seeded::number;
use crate::trainer::{Features, Graph, Learner, Pruning, Table};
use crate::{
    Csr, Dataset, EmbeddingMatrix, ModelOptions, OptionKind, OptionSpec, Result, SideData, Work,
};

const NAME: &str = "freedom";

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: NAME,
    summary: "vectors smoothed over interactions and over what is alike, learned by comparing items",
    options: &[
        MODALITIES,
        NEIGHBOURS,
        FACTORS,
        layers(2),
        OptionSpec {
            name: "keep",
            kind: OptionKind::Real { default: 0.2, min: 0.001, max: 1.0 },
            help: "the share of the pairs that an epoch smooths over",
        },
        OptionSpec {
            name: "modality_weight",
            kind: OptionKind::Real { default: 1e-3, min: 0.0, max: 100.0 },
            help: "how much comparing the embeddings themselves counts",
        },
        learning_rate(2e-3),
        regularization(0.0),
        BATCH,
        NEGATIVES,
        DENOISE,
        DEBIAS,
        CLIP,
        EPOCHS,
        validate_every(2),
        patience(10),
        RETRAIN,
        UNLEARN,
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
    let frozen = Frozen {
        alike: alike(&modalities, side, data, checked.int("neighbours") as usize, work)?,
        features: modalities.iter().map(|(m, _)| Features::new(&[*m], &data.items)).collect(),
        layers: checked.int("layers") as usize,
        keep: checked.real("keep"),
        weight: checked.real("modality_weight") as f32,
        how: Comparing::new(&checked),
        settings: Settings::new(&checked, seed).continuing(side, data),
    };
    let model = frozen.settings.learn_there(NAME, data, &frozen, work)?;
    Ok(Box::new(Factors { options: checked.into_list(), ..model }))
}

/// S.
pub(super) fn alike(
    modalities: &[(&EmbeddingMatrix, f32)],
    side: &SideData,
    data: &Dataset,
    k: usize,
    work: &Work,
) -> Result<Csr> {
    let (mut links, mut sums) = (Vec::new(), vec![0f32; data.n_items()]);
    for (matrix, weight) in modalities {
        for Near { row, others } in side.neighbours(matrix.modality(), &data.items, k - 1, work)? {
            let share = weight / (others.len() + 1) as f32;
            sums[row as usize] += weight;
            links.push((row, row, share));
            links.extend(others.into_iter().map(|(other, _)| (row, other, share)));
        }
    }
    links.iter_mut().for_each(|(row, _, weight)| *weight /= sums[*row as usize]);
    let alone = (0..data.n_items() as u32).filter(|row| sums[*row as usize] == 0.0);
    links.extend(alone.map(|row| (row, row, 1.0)));
    Ok(graph(data.n_items(), links))
}

/// What both trainings start from.
pub(super) struct Frozen {
    pub(super) settings: Settings,
    pub(super) how: Comparing,
    pub(super) layers: usize,
    pub(super) keep: f64,
    pub(super) weight: f32,
    pub(super) alike: Csr,
    pub(super) features: Vec<Features>,
}

impl Everywhere for Frozen {
    fn learner<'a, C: Compute>(
        &'a self,
        compute: C,
        data: &Dataset,
    ) -> Result<impl Learner<State = Learned> + use<'a, C>> {
        Freedom::new(compute, data, self)
    }
}

struct Freedom<'a, C: Compute> {
    compute: C,
    frozen: &'a Frozen,
    comparisons: Comparisons,
    /// E⁰: users, then items.
    base: C::Table,
    adam: C::Adam,
    whole: C::Graph,
    pruning: Pruning,
    smoothing: C::Smoothing,
    alike: C::Links,
    modalities: Vec<C::Map<'a>>,
    batch: C::Batch,
    beside: C::Batch,
}

impl<'a, C: Compute> Freedom<'a, C> {
    fn new(compute: C, data: &Dataset, frozen: &'a Frozen) -> Result<Freedom<'a, C>> {
        let (settings, users) = (&frozen.settings, data.n_users());
        let (dim, rate) = (settings.factors, settings.rate);
        let seed = |about| number(settings.seed, about);
        let graph = Graph::new(&data.by_user, &data.by_item);
        let nodes = graph.nodes();
        let whole = compute.graph(graph)?;
        let base = compute.table(settings.drawn(users, data.n_items()))?;
        let map = |(features, at)| compute.map(features, users, dim, rate, seed(at));
        Ok(Freedom {
            compute,
            frozen,
            comparisons: Comparisons::new(data, settings, frozen.how),
            adam: compute.adam(&base, rate)?,
            pruning: Pruning::new(&data.by_user, &data.by_item, frozen.keep, seed(3)),
            smoothing: compute.smoothing(whole.clone(), frozen.layers, dim)?,
            whole,
            alike: compute.links(users, frozen.alike.clone())?,
            modalities: frozen.features.iter().zip(4..).map(map).collect::<Result<_>>()?,
            batch: compute.batch(nodes, dim)?,
            beside: compute.batch(nodes, dim)?,
            base,
        })
    }

    /// Compares the embeddings of the items of the batch.
    fn compare_content(&mut self) -> Result<()> {
        let (compute, batch, beside) = (self.compute, &mut self.batch, &mut self.beside);
        for map in &mut self.modalities {
            compute.apply(map, batch)?;
            compute.like(beside, batch, map)?;
            compute.put(map, beside, 0)?;
            compute.compare(beside, self.frozen.weight, &mut compute.no_loss()?)?;
            compute.take_out(map, beside, 0)?;
            compute.add_gradient(batch, beside)?;
            compute.step_map(map)?;
        }
        Ok(())
    }
}

impl<C: Compute> Learner for Freedom<'_, C> {
    type State = Learned;

    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64> {
        let compute = self.compute;
        if self.frozen.keep < 1.0 {
            let thin = compute.graph(self.pruning.graph(epoch))?;
            compute.smooth_over(&mut self.smoothing, thin);
        }
        let mut loss = compute.no_loss()?;
        for part in self.comparisons.epoch(epoch) {
            work.check()?;
            compute.take(&mut self.batch, &part)?;
            compute.smooth(&mut self.smoothing, &self.base, &mut self.batch)?;
            let Parts { nodes, values, .. } = compute.parts(&mut self.batch);
            compute.near(&mut self.alike, &self.base, nodes, values)?;
            self.comparisons.compare(compute, &mut self.batch, &mut loss)?;
            if self.frozen.weight > 0.0 {
                self.compare_content()?;
            }
            let gradient = compute.smooth_back(&mut self.smoothing, &self.batch)?;
            let slopes = compute.gradient(&self.batch);
            compute.near_back(&mut self.alike, &self.batch, slopes, gradient)?;
            let cost = self.frozen.settings.regularization;
            compute.decay_of(&self.batch, cost, &self.base, gradient)?;
            compute.step(&mut self.adam, &mut self.base, gradient)?;
        }
        Ok(compute.sum(loss)? / self.comparisons.number as f64)
    }

    fn state(&mut self) -> Result<Learned> {
        let compute = self.compute;
        let thin = compute.smooth_over(&mut self.smoothing, self.whole.clone());
        let (mut factors, sums) = compute.smooth_items(&mut self.smoothing, &self.base)?;
        compute.smooth_over(&mut self.smoothing, thin);
        let alike = compute.near_all(&self.alike, &self.base)?;
        let values = factors.data_mut().iter_mut().zip(alike.data());
        values.for_each(|(value, alike)| *value += alike);
        Ok(Learned { factors, sums: Some(sums) })
    }

    fn rows(&mut self) -> Result<Option<Cow<'_, Table>>> {
        self.compute.read(&self.base).map(Some)
    }
}
