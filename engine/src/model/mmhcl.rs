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
//! Guo et al. 2025. NCE ([`contrast`](crate::trainer::contrast)) is among some of the nodes of a batch in place of all nodes, and
//! of vectors of length one. What is kept is the item side, as for `lightgcn`: the p_u, like the e⁰_u,
//! serve to train it and go.

use std::borrow::Cow;
use std::ops::Range;

use super::comparisons::{CLIP, Comparing, Comparisons, DEBIAS, DENOISE};
use super::estimate::{MEMORY_LIMIT, within_limit};
use super::factors::{self, Factors};
use super::learning::{
    BATCH, EPOCHS, Everywhere, FACTORS, Learned, NEGATIVES, RETRAIN, Settings, layers,
    learning_rate, patience, regularization, validate_every,
};
use super::modalities::{MODALITIES, NEIGHBOURS, trained_on};
use super::views::{part_of, put};
use super::{Algorithm, Embeddings, Model};
use crate::compute::{Compute, Parts};
use crate::options::Checked;
use crate::seeded::number;
use crate::trainer::{Graph, Hypergraph, Learner, Table};
use crate::{
    Csr, Dataset, EmbeddingMatrix, ModelOptions, OptionKind, OptionSpec, Result, SideData, Work,
};

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
    let settings = Settings::new(&checked, seed).continuing_with(side, data, 2, &[]);
    let given = Given {
        alike: alike(&modalities, side, data, checked.int("neighbours") as usize, work)?,
        layers: checked.int("layers") as usize,
        hops: checked.int("hops") as usize,
        factors: ["user_contrast", "item_contrast"].map(|name| checked.real(name) as f32),
        temperature: checked.real("temperature") as f32,
        how: Comparing::new(&checked),
        settings,
    };
    let model = given.settings.learn_there(NAME, data, &given, work)?;
    Ok(Box::new(Factors { options: checked.into_list(), ..model }))
}

/// H.
pub(super) fn alike(
    modalities: &[(&EmbeddingMatrix, f32)],
    side: &SideData,
    data: &Dataset,
    k: usize,
    work: &Work,
) -> Result<Csr> {
    let n = data.n_items() as u32;
    let mut links = Vec::new();
    for (at, (matrix, _)) in (0u32..).zip(modalities) {
        for near in side.neighbours(matrix.modality(), &data.items, k - 1, work)? {
            let others = near.others.iter().map(|(other, _)| *other);
            let all = others.chain([near.row]);
            links.extend(all.map(|other| (near.row, at * n + other, 1.0)));
        }
    }
    links.sort_unstable_by_key(|(row, column, _)| (*row, *column));
    let columns = n as usize * modalities.len();
    Ok(Csr::from_entries(n as usize, columns, &links).expect("links are sorted and unique"))
}

/// What both trainings start from.
pub(super) struct Given {
    pub(super) settings: Settings,
    pub(super) how: Comparing,
    pub(super) layers: usize,
    pub(super) hops: usize,
    /// α_u and α_i.
    pub(super) factors: [f32; 2],
    pub(super) temperature: f32,
    /// H.
    pub(super) alike: Csr,
}

impl Everywhere for Given {
    fn learner<'a, C: Compute>(
        &'a self,
        compute: C,
        data: &Dataset,
    ) -> Result<impl Learner<State = Learned> + use<'a, C>> {
        Mmhcl::new(compute, data, self)
    }
}

/// One of P and Q.
struct Beside<C: Compute> {
    compute: C,
    rows: usize,
    base: C::Table,
    adam: C::Adam,
    graph: C::Hypergraph,
    /// α.
    factor: f32,
    /// p or q of all.
    values: C::Table,
}

impl<C: Compute> Beside<C> {
    fn new(
        compute: C,
        base: Table,
        graph: Hypergraph,
        factor: f32,
        rate: f32,
    ) -> Result<Beside<C>> {
        let (rows, dim) = (base.rows(), base.dim());
        let base = compute.table(base)?;
        Ok(Beside {
            compute,
            rows,
            adam: compute.adam(&base, rate)?,
            values: compute.zeros(rows, dim)?,
            base,
            graph: compute.hypergraph(graph)?,
            factor,
        })
    }

    fn smooth(&mut self, hops: usize) -> Result<()> {
        self.values = self.compute.meet(&self.graph, &self.base)?;
        for _ in 1..hops {
            self.values = self.compute.meet(&self.graph, &self.values)?;
        }
        Ok(())
    }

    /// A step from the gradient in the values.
    fn step(&mut self, mut gradient: C::Table, hops: usize) -> Result<()> {
        for _ in 0..hops {
            gradient = self.compute.meet_back(&self.graph, &gradient)?;
        }
        self.compute.step(&mut self.adam, &mut self.base, &gradient)
    }
}

/// Where the nodes of one side are in a batch, and which of that side they are.
struct OfSide<C: Compute> {
    places: C::Places,
    own: C::Places,
    /// Some of the places, as many as are contrasted.
    anchors: Vec<u32>,
}

struct Mmhcl<'a, C: Compute> {
    compute: C,
    given: &'a Given,
    comparisons: Comparisons,
    users: usize,
    /// E⁰: users, then items.
    base: C::Table,
    adam: C::Adam,
    smoothing: C::Smoothing,
    /// P, then Q.
    beside: [Beside<C>; 2],
    batch: C::Batch,
}

impl<'a, C: Compute> Mmhcl<'a, C> {
    fn new(compute: C, data: &Dataset, given: &'a Given) -> Result<Mmhcl<'a, C>> {
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
        let base = compute.table(match begun {
            Some(begun) => part_of(begun, 0..nodes, 0, dim),
            None => settings.drawn(users, data.n_items()),
        })?;
        let [of_users, of_items] = given.factors;
        let sharing = Hypergraph::of_others(&data.by_user);
        let alike = Hypergraph::symmetric(&given.alike);
        let graph = compute.graph(Graph::new(&data.by_user, &data.by_item))?;
        Ok(Mmhcl {
            compute,
            given,
            comparisons: Comparisons::new(data, settings, given.how),
            users,
            adam: compute.adam(&base, rate)?,
            smoothing: compute.smoothing(graph, given.layers, dim)?,
            beside: [
                Beside::new(compute, drawn(0..users, 4), sharing, of_users, rate)?,
                Beside::new(compute, drawn(users..nodes, 5), alike, of_items, rate)?,
            ],
            batch: compute.batch(nodes, dim)?,
            base,
        })
    }

    /// The nodes of the batch, people and items.
    fn sides(&self) -> Result<[OfSide<C>; 2]> {
        let (mut places, mut own) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        for (at, node) in (0..).zip(&self.compute.here(&self.batch).nodes) {
            let (side, row) = match node.checked_sub(self.users as u32) {
                Some(item) => (1, item),
                None => (0, *node),
            };
            places[side].push(at);
            own[side].push(row);
        }
        let of = |places: Vec<u32>, own| -> Result<OfSide<C>> {
            Ok(OfSide {
                anchors: places.iter().copied().take(ANCHORS).collect(),
                places: self.compute.places(places)?,
                own: self.compute.places(own)?,
            })
        };
        let ([people, items], [own_people, own_items]) = (places, own);
        Ok([of(people, own_people)?, of(items, own_items)?])
    }

    /// The vectors beside those of the batch, of length one, with one over their lengths.
    fn look_beside(&self, sides: &[OfSide<C>]) -> Result<(C::Table, C::Numbers)> {
        let (compute, nodes) = (self.compute, self.compute.here(&self.batch).nodes.len());
        let mut found = compute.zeros(nodes, self.given.settings.factors)?;
        for (beside, side) in self.beside.iter().zip(sides) {
            compute.carry((&beside.values, &side.own), (&mut found, &side.places))?;
        }
        let scales = compute.normalise(&mut found)?;
        Ok((found, scales))
    }

    /// The contrasts of some of the batch, whose own vectors these are; gradients are added to that of the
    /// batch and to the others.
    fn contrast(
        &mut self,
        sides: &[OfSide<C>],
        [own, near]: [&C::Table; 2],
        near_slopes: &mut C::Table,
    ) -> Result<()> {
        let (compute, dim) = (self.compute, self.given.settings.factors);
        let Parts { gradient, .. } = compute.parts(&mut self.batch);
        for (beside, side) in self.beside.iter().zip(sides) {
            let rows = side.anchors.len();
            if beside.factor == 0.0 || rows == 0 {
                continue;
            }
            let anchors = compute.places(side.anchors.clone())?;
            let (mut unit, mut other) = (compute.zeros(0, dim)?, compute.zeros(0, dim)?);
            compute.gather(own, &anchors, &mut unit)?;
            compute.gather(near, &anchors, &mut other)?;
            let scales = compute.normalise(&mut unit)?;
            let (mut back, mut other_back) = (compute.zeros(rows, dim)?, compute.zeros(rows, dim)?);
            let slopes = [&mut back, &mut other_back];
            compute.contrast([&unit, &other], self.given.temperature, beside.factor, slopes)?;
            compute.normalise_back(&unit, &scales, &mut back)?;
            compute.scatter(gradient, &anchors, &back)?;
            compute.scatter(near_slopes, &anchors, &other_back)?;
        }
        Ok(())
    }

    /// A step of P and Q from the gradient in the vectors beside those of the batch.
    fn step_beside(&mut self, sides: &[OfSide<C>], slopes: &C::Table) -> Result<()> {
        let (compute, dim) = (self.compute, self.given.settings.factors);
        for (beside, side) in self.beside.iter_mut().zip(sides) {
            let mut gradient = compute.zeros(beside.rows, dim)?;
            compute.carry((slopes, &side.places), (&mut gradient, &side.own))?;
            beside.step(gradient, self.given.hops)?;
        }
        Ok(())
    }
}

impl<C: Compute> Learner for Mmhcl<'_, C> {
    type State = Learned;

    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64> {
        let (compute, hops) = (self.compute, self.given.hops);
        let mut loss = compute.no_loss()?;
        for part in self.comparisons.epoch(epoch) {
            work.check()?;
            compute.take(&mut self.batch, &part)?;
            compute.smooth(&mut self.smoothing, &self.base, &mut self.batch)?;
            self.beside.iter_mut().try_for_each(|beside| beside.smooth(hops))?;
            let sides = self.sides()?;
            let (near, scales) = self.look_beside(&sides)?;
            let Parts { values, .. } = compute.parts(&mut self.batch);
            let own = compute.copy(values)?;
            compute.add(values, &near)?;
            self.comparisons.compare(compute, &mut self.batch, &mut loss)?;
            compute.decay(&mut self.batch, self.given.settings.regularization)?;
            let mut near_slopes = compute.copy(compute.gradient(&self.batch))?;
            self.contrast(&sides, [&own, &near], &mut near_slopes)?;
            compute.normalise_back(&near, &scales, &mut near_slopes)?;
            self.step_beside(&sides, &near_slopes)?;
            let gradient = compute.smooth_back(&mut self.smoothing, &self.batch)?;
            compute.step(&mut self.adam, &mut self.base, gradient)?;
        }
        Ok(compute.sum(loss)? / self.comparisons.number as f64)
    }

    fn state(&mut self) -> Result<Learned> {
        let compute = self.compute;
        let (mut factors, sums) = compute.smooth_items(&mut self.smoothing, &self.base)?;
        let [_, alike] = &mut self.beside;
        alike.smooth(self.given.hops)?;
        let mut near = compute.copy(&alike.values)?;
        compute.normalise(&mut near)?;
        let near = compute.bring(near)?;
        let values = factors.data_mut().iter_mut().zip(near.data());
        values.for_each(|(value, near)| *value += near);
        Ok(Learned { factors, sums: Some(sums) })
    }

    fn rows(&mut self) -> Result<Option<Cow<'_, Table>>> {
        let base = self.compute.read(&self.base)?;
        let mut rows = Table::zeros(base.rows(), 2 * base.dim());
        put(&mut rows, 0, 0, base.dim(), &base);
        for (first, beside) in [0, self.users].into_iter().zip(&self.beside) {
            put(&mut rows, first, 1, base.dim(), &*self.compute.read(&beside.base)?);
        }
        Ok(Some(Cow::Owned(rows)))
    }
}
