//! `mmhcl`: vectors smoothed over interactions, beside ones smoothed over who shares items and what is
//! alike, which are to agree.
//!
//! ```text
//! E = (E⁰ + Â E⁰ + … + Â^L E⁰) / (L + 1)
//! e_u + p_u/|p_u|     p = (R Rᵀ)^n P⁰     who shares items with whom, without oneself, by rows
//! e_i + q_i/|q_i|     q = (H Hᵀ)^n Q⁰     H = [K₁ | K₂ | …]: an item and its nearest, by modality
//! L = mean −ln σ(⟨e_u + …, e_i + …⟩ − ⟨e_u + …, e_j + …⟩) + λ/2 · mean of squares
//!   + α_i · NCE(e_i, q_i) + α_u · NCE(e_u, p_u)
//! ```
//!
//! Guo et al. 2025. NCE ([`contrast`]) is among some of the nodes of a batch in place of all nodes, and
//! of vectors of length one. What is kept is the item side, as for `lightgcn`: the p_u, like the e⁰_u,
//! serve to train it and go.

use std::borrow::Cow;
use std::ops::Range;

use super::comparisons::{CLIP, Comparing, Comparisons, DEBIAS, DENOISE};
use super::estimate::{MEMORY_LIMIT, within_limit};
use super::factors::{self, Factors};
use super::learning::{
    BATCH, EPOCHS, FACTORS, Learned, NEGATIVES, RETRAIN, Settings, layers, learning_rate, patience,
    regularization, validate_every,
};
use super::modalities::{MODALITIES, NEIGHBOURS, trained_on};
use super::views::{part_of, put};
use super::{Algorithm, Embeddings, Model};
use crate::compute::Native;
use crate::options::Checked;
use crate::seeded::number;
use crate::trainer::{
    Adam, Batch, Graph, Hypergraph, Learner, Smoothing, Table, contrast, normalise, normalise_back,
};
use crate::{Csr, Dataset, ModelOptions, OptionKind, OptionSpec, Result, SideData, Work};

const NAME: &str = "mmhcl";
/// The nodes of a batch that are contrasted, of each side.
const ANCHORS: usize = 256;

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: NAME,
    summary: "vectors smoothed over interactions, contrasted with ones of shared tastes and content",
    options: &[
        MODALITIES,
        NEIGHBOURS,
        FACTORS,
        layers(2),
        OptionSpec {
            name: "hops",
            kind: OptionKind::Int { default: 1, min: 1, max: 8 },
            help: "how often vectors are smoothed over what is shared and what is alike",
        },
        OptionSpec {
            name: "item_contrast",
            kind: OptionKind::Real { default: 0.1, min: 0.0, max: 100.0 },
            help: "how much the agreement of items with what they are alike counts",
        },
        OptionSpec {
            name: "user_contrast",
            kind: OptionKind::Real { default: 0.05, min: 0.0, max: 100.0 },
            help: "how much the agreement of people with those who share items counts",
        },
        OptionSpec {
            name: "temperature",
            kind: OptionKind::Real { default: 0.5, min: 0.01, max: 100.0 },
            help: "what products are divided by where they are contrasted",
        },
        learning_rate(1e-3),
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
    let (n, k) = (data.n_items() as u32, checked.int("neighbours") as usize);
    let mut links = Vec::new();
    for (at, (matrix, _)) in (0u32..).zip(&modalities) {
        for near in side.neighbours(matrix.modality(), &data.items, k - 1, work)? {
            let others = near.others.iter().map(|(other, _)| *other);
            let all = others.chain([near.row]);
            links.extend(all.map(|other| (near.row, at * n + other, 1.0)));
        }
    }
    links.sort_unstable_by_key(|(row, column, _)| (*row, *column));
    let columns = n as usize * modalities.len();
    let given = Given {
        alike: Csr::from_entries(n as usize, columns, &links).expect("links are sorted and unique"),
        layers: checked.int("layers") as usize,
        hops: checked.int("hops") as usize,
        factors: ["user_contrast", "item_contrast"].map(|name| checked.real(name) as f32),
        temperature: checked.real("temperature") as f32,
        how: Comparing::new(&checked),
        settings: Settings::new(&checked, seed).continuing_with(side, data, 2, &[]),
    };
    let learner = |data: &Dataset| Ok(Mmhcl::new(data, &given));
    let model = given.settings.learn(NAME, data, learner, work)?;
    Ok(Box::new(Factors { options: checked.into_list(), ..model }))
}

/// What both trainings start from.
struct Given {
    settings: Settings,
    how: Comparing,
    layers: usize,
    hops: usize,
    /// α_u and α_i.
    factors: [f32; 2],
    temperature: f32,
    /// H.
    alike: Csr,
}

/// One of P and Q.
struct Beside {
    base: Table,
    adam: Adam,
    graph: Hypergraph,
    /// α.
    factor: f32,
    /// p or q of all.
    values: Table,
}

impl Beside {
    fn new(base: Table, graph: Hypergraph, factor: f32, rate: f32) -> Beside {
        Beside { adam: Adam::new(&base, rate), values: base.clone(), base, graph, factor }
    }

    fn smooth(&mut self, hops: usize) {
        self.values = self.graph.forward(&self.base);
        for _ in 1..hops {
            self.values = self.graph.forward(&self.values);
        }
    }

    /// A step from the gradient in the values.
    fn step(&mut self, mut gradient: Table, hops: usize) {
        for _ in 0..hops {
            gradient = self.graph.backward(&gradient);
        }
        self.adam.all(&mut self.base, &gradient);
    }
}

struct Mmhcl<'a> {
    given: &'a Given,
    comparisons: Comparisons,
    users: usize,
    /// E⁰: users, then items.
    base: Table,
    adam: Adam,
    smoothing: Smoothing,
    /// P, then Q.
    beside: [Beside; 2],
    batch: Batch,
}

impl<'a> Mmhcl<'a> {
    fn new(data: &Dataset, given: &'a Given) -> Mmhcl<'a> {
        let (settings, users) = (&given.settings, data.n_users());
        let (dim, rate) = (settings.factors, settings.rate);
        let nodes = users + data.n_items();
        let begun = settings.begun(nodes);
        let drawn = |nodes: Range<usize>, about| match begun {
            Some(begun) => part_of(begun, nodes, 1, dim),
            None => {
                let rows = nodes.len();
                let mut table = Table::zeros(rows, dim);
                let bound = (6.0 / (rows + dim) as f32).sqrt();
                table.draw(0..rows, bound, number(settings.seed, about));
                table
            }
        };
        let base = match begun {
            Some(begun) => part_of(begun, 0..nodes, 0, dim),
            None => settings.drawn(users, data.n_items()),
        };
        let [of_users, of_items] = given.factors;
        let sharing = Hypergraph::of_others(&data.by_user);
        let alike = Hypergraph::symmetric(&given.alike);
        Mmhcl {
            given,
            comparisons: Comparisons::new(data, settings, given.how),
            users,
            adam: Adam::new(&base, rate),
            smoothing: Smoothing::new(Graph::new(&data.by_user, &data.by_item), given.layers, dim),
            beside: [
                Beside::new(drawn(0..users, 4), sharing, of_users, rate),
                Beside::new(drawn(users..nodes, 5), alike, of_items, rate),
            ],
            batch: settings.room(base.rows()),
            base,
        }
    }

    /// Whether a node is an item, and its row on its side.
    fn place(&self, node: u32) -> (usize, usize) {
        match (node as usize).checked_sub(self.users) {
            Some(item) => (1, item),
            None => (0, node as usize),
        }
    }

    /// The vectors beside those of the batch, of length one, with one over their lengths.
    fn look_beside(&self) -> (Table, Vec<f32>) {
        let mut found = Table::zeros(self.batch.nodes.len(), self.base.dim());
        for (at, node) in self.batch.nodes.iter().enumerate() {
            let (side, row) = self.place(*node);
            found.row_mut(at).copy_from_slice(self.beside[side].values.row(row));
        }
        let rows = found.rows();
        let scales = normalise(&mut found, rows);
        (found, scales)
    }

    /// The contrasts of some of the batch, whose own vectors these are; gradients are added to those of
    /// both.
    fn contrast(&self, own: &Table, near: &Table, slopes: &mut Table, near_slopes: &mut Table) {
        for (side, beside) in self.beside.iter().enumerate() {
            let nodes = self.batch.nodes.iter().enumerate();
            let of_side = nodes.filter(|(_, node)| self.place(**node).0 == side);
            let anchors: Vec<usize> = of_side.map(|(at, _)| at).take(ANCHORS).collect();
            if beside.factor == 0.0 || anchors.is_empty() {
                continue;
            }
            let rows = anchors.len();
            let taken = |from: &Table| {
                let mut table = Table::zeros(rows, from.dim());
                let each = anchors.iter().enumerate();
                each.for_each(|(to, at)| table.row_mut(to).copy_from_slice(from.row(*at)));
                table
            };
            let (mut unit, other) = (taken(own), taken(near));
            let scales = normalise(&mut unit, rows);
            let zeros = || Table::zeros(rows, own.dim());
            let (mut back, mut other_back) = (zeros(), zeros());
            let temperature = self.given.temperature;
            let both = [&mut back, &mut other_back];
            contrast([&unit, &other], rows, temperature, beside.factor, both);
            normalise_back(&unit, &scales, &mut back);
            for (from, at) in anchors.iter().enumerate() {
                for (to, back) in [(&mut *slopes, &back), (&mut *near_slopes, &other_back)] {
                    let to = to.row_mut(*at).iter_mut().zip(back.row(from));
                    to.for_each(|(to, slope)| *to += slope);
                }
            }
        }
    }
}

impl Learner for Mmhcl<'_> {
    type State = Learned;

    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64> {
        let (mut loss, hops) = (0.0, self.given.hops);
        for part in self.comparisons.epoch(epoch) {
            work.check()?;
            self.batch.take(&part);
            self.smoothing.forward(&self.base, &mut self.batch);
            self.beside.iter_mut().for_each(|beside| beside.smooth(hops));
            let (near, scales) = self.look_beside();
            let rows = self.batch.nodes.len();
            let own = self.batch.values.clone();
            let values = self.batch.values.part_mut(0..rows).iter_mut();
            values.zip(near.data()).for_each(|(value, near)| *value += near);
            self.comparisons.compare(Native, &mut self.batch, &mut loss)?;
            let triples = self.batch.triples.len() as f32;
            self.batch.decay(self.given.settings.regularization / triples);
            let mut slopes = std::mem::take(&mut self.batch.gradient);
            let mut near_slopes = slopes.clone();
            self.contrast(&own, &near, &mut slopes, &mut near_slopes);
            normalise_back(&near, &scales, &mut near_slopes);
            let mut gradients = [0, 1]
                .map(|side: usize| Table::zeros(self.beside[side].base.rows(), self.base.dim()));
            for (at, node) in self.batch.nodes.iter().enumerate() {
                let (side, row) = self.place(*node);
                gradients[side].row_mut(row).copy_from_slice(near_slopes.row(at));
            }
            for (beside, gradient) in self.beside.iter_mut().zip(gradients) {
                beside.step(gradient, hops);
            }
            self.batch.gradient = slopes;
            let gradient = self.smoothing.backward(&self.batch);
            self.adam.all(&mut self.base, gradient);
        }
        Ok(loss / self.comparisons.number as f64)
    }

    fn state(&mut self) -> Result<Learned> {
        let (mut factors, sums) = self.smoothing.items(&self.base);
        let [_, alike] = &mut self.beside;
        alike.smooth(self.given.hops);
        let mut near = alike.values.clone();
        let rows = near.rows();
        normalise(&mut near, rows);
        let values = factors.data_mut().iter_mut().zip(near.data());
        values.for_each(|(value, near)| *value += near);
        Ok(Learned { factors, sums: Some(sums) })
    }

    fn rows(&mut self) -> Result<Option<Cow<'_, Table>>> {
        let (nodes, dim) = (self.base.rows(), self.base.dim());
        let mut rows = Table::zeros(nodes, 2 * dim);
        put(&mut rows, 0, 0, dim, &self.base);
        for (first, beside) in [0, self.users].into_iter().zip(&self.beside) {
            put(&mut rows, first, 1, dim, &beside.base);
        }
        Ok(Some(Cow::Owned(rows)))
    }
}
