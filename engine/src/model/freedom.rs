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
    BATCH, EPOCHS, FACTORS, Learned, NEGATIVES, RETRAIN, Settings, UNLEARN, layers, learning_rate,
    patience, regularization, validate_every,
};
use super::modalities::{MODALITIES, NEIGHBOURS, graph, trained_on};
use super::{Algorithm, Embeddings, Model};
use crate::compute::Native;
use crate::item_graph::Near;
use crate::options::Checked;
use crate::seeded::number;
use crate::trainer::{
    Adam, Batch, Directed, Features, Graph, Learner, Projector, Pruning, Smoothing, Table, pairwise,
};
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
    let learner = |data: &Dataset| Ok(Freedom::new(data, &frozen));
    let model = frozen.settings.learn(NAME, data, learner, work)?;
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
struct Frozen {
    settings: Settings,
    how: Comparing,
    layers: usize,
    keep: f64,
    weight: f32,
    alike: Csr,
    features: Vec<Features>,
}

struct Freedom<'a> {
    frozen: &'a Frozen,
    comparisons: Comparisons,
    /// E⁰: users, then items.
    base: Table,
    adam: Adam,
    whole: Graph,
    pruning: Pruning,
    smoothing: Smoothing,
    alike: Directed,
    modalities: Vec<Projector<'a>>,
    batch: Batch,
    beside: Batch,
}

impl<'a> Freedom<'a> {
    fn new(data: &Dataset, frozen: &'a Frozen) -> Freedom<'a> {
        let (settings, users) = (&frozen.settings, data.n_users());
        let seed = |about| number(settings.seed, about);
        let whole = Graph::new(&data.by_user, &data.by_item);
        let base = settings.drawn(users, data.n_items());
        let project = |(features, at)| {
            Projector::new(features, users, settings.factors, settings.rate, seed(at))
        };
        Freedom {
            frozen,
            comparisons: Comparisons::new(data, settings, frozen.how),
            adam: Adam::new(&base, settings.rate),
            pruning: Pruning::new(&data.by_user, &data.by_item, frozen.keep, seed(3)),
            smoothing: Smoothing::new(whole.clone(), frozen.layers, base.dim()),
            whole,
            alike: Directed::new(users, frozen.alike.clone()),
            modalities: frozen.features.iter().zip(4..).map(project).collect(),
            batch: settings.room(base.rows()),
            beside: settings.room(base.rows()),
            base,
        }
    }

    /// Compares the embeddings of the items of the batch.
    fn compare_content(&mut self) {
        let (batch, beside) = (&mut self.batch, &mut self.beside);
        for projector in &mut self.modalities {
            projector.forward(batch);
            beside.like(batch, |triple| triple[1..].iter().all(|node| projector.has(*node)));
            for (at, node) in batch.nodes.iter().enumerate() {
                let from = if projector.has(*node) { &projector.values } else { &batch.values };
                beside.values.row_mut(at).copy_from_slice(from.row(at));
            }
            pairwise(beside, self.frozen.weight);
            for (at, node) in batch.nodes.iter().enumerate() {
                let own = projector.has(*node);
                let to = if own { &mut projector.gradient } else { &mut batch.gradient };
                let slopes = to.row_mut(at).iter_mut().zip(beside.gradient.row(at));
                slopes.for_each(|(to, slope)| *to += slope);
            }
            projector.step(batch);
        }
    }
}

impl Learner for Freedom<'_> {
    type State = Learned;

    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64> {
        if self.frozen.keep < 1.0 {
            self.smoothing.over(self.pruning.graph(epoch));
        }
        let mut loss = 0.0;
        for part in self.comparisons.epoch(epoch) {
            work.check()?;
            self.batch.take(&part);
            self.smoothing.forward(&self.base, &mut self.batch);
            self.alike.forward(&self.base, &self.batch.nodes, &mut self.batch.values);
            self.comparisons.compare(Native, &mut self.batch, &mut loss)?;
            if self.frozen.weight > 0.0 {
                self.compare_content();
            }
            let batch = &self.batch;
            let gradient = self.smoothing.backward(batch);
            self.alike.backward(batch, &batch.gradient, gradient);
            let cost = self.frozen.settings.regularization / batch.triples.len() as f32;
            batch.decay_of(cost, &self.base, gradient);
            self.adam.all(&mut self.base, gradient);
        }
        Ok(loss / self.comparisons.number as f64)
    }

    fn state(&mut self) -> Result<Learned> {
        let thin = self.smoothing.over(self.whole.clone());
        let (mut factors, sums) = self.smoothing.items(&self.base);
        self.smoothing.over(thin);
        let alike = self.alike.all(&self.base);
        let values = factors.data_mut().iter_mut().zip(alike.data());
        values.for_each(|(value, alike)| *value += alike);
        Ok(Learned { factors, sums: Some(sums) })
    }

    fn rows(&mut self) -> Result<Option<Cow<'_, Table>>> {
        Ok(Some(Cow::Borrowed(&self.base)))
    }
}
