//! The rows that a batch of triples touches, each once, side by side.
//!
//! Looking rows up (gather) puts them into a small table that stays in the cache; the gradient of it
//! is a table of the same shape, whose rows go back to where they came from.

use super::{Table, Triple};
use crate::kernels::dot;
use crate::seeded::fraction;

/// The touched rows of a batch with what is computed for them.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The nodes, in the order in which they first occur.
    pub(crate) nodes: Vec<u32>,
    /// The triples, with places among `nodes` for nodes.
    pub(crate) triples: Vec<Triple>,
    /// How much each triple counts; the usual is 1.
    pub(crate) weights: Vec<f32>,
    /// How often each node occurs.
    pub(crate) counts: Vec<f32>,
    /// The values of the nodes.
    pub(crate) values: Table,
    /// The gradient of the loss in `values`.
    pub(crate) gradient: Table,
    /// Where each of all nodes is among those of the batch of that number.
    places: Vec<(u32, u32)>,
    number: u32,
}

impl Batch {
    /// Room for batches of so many nodes.
    pub(crate) fn new(nodes: usize, dim: usize) -> Batch {
        Batch {
            nodes: Vec::new(),
            triples: Vec::new(),
            weights: Vec::new(),
            counts: Vec::new(),
            values: Table::zeros(0, dim),
            gradient: Table::zeros(0, dim),
            places: vec![(0, 0); nodes],
            number: 0,
        }
    }

    /// Takes the triples of the next batch. Gradients are zero, values are whatever they were.
    pub(crate) fn take(&mut self, triples: &[Triple]) {
        self.number += 1;
        self.nodes.clear();
        self.counts.clear();
        self.triples.clear();
        for triple in triples {
            self.triples.push(triple.map(|node| {
                let (number, place) = &mut self.places[node as usize];
                if *number != self.number {
                    (*number, *place) = (self.number, self.nodes.len() as u32);
                    self.nodes.push(node);
                    self.counts.push(0.0);
                }
                self.counts[*place as usize] += 1.0;
                *place
            }));
        }
        self.weights.clear();
        self.weights.resize(triples.len(), 1.0);
        self.values.fit(self.nodes.len());
        self.gradient.fit(self.nodes.len());
        self.gradient.part_mut(0..self.nodes.len()).fill(0.0);
    }

    /// Takes the rows of another batch and those of its triples that are `wanted`, by their nodes.
    pub(crate) fn like(&mut self, other: &Batch, wanted: impl Fn(&Triple) -> bool) {
        self.nodes.clone_from(&other.nodes);
        self.triples.clear();
        self.weights.clear();
        for (triple, weight) in other.triples.iter().zip(&other.weights) {
            if wanted(&triple.map(|at| other.nodes[at as usize])) {
                self.triples.push(*triple);
                self.weights.push(*weight);
            }
        }
        let (rows, stride) = (self.nodes.len(), self.values.stride());
        self.values.fit(rows);
        self.values.part_mut(0..rows).copy_from_slice(&other.values.data()[..rows * stride]);
        self.gradient.fit(rows);
        self.gradient.part_mut(0..rows).fill(0.0);
    }

    /// Adds the gradient of a batch with the same rows.
    pub(crate) fn add_gradient(&mut self, other: &Batch) {
        let slopes = self.gradient.part_mut(0..other.nodes.len()).iter_mut();
        slopes.zip(other.gradient.data()).for_each(|(to, slope)| *to += slope);
    }

    /// The place of a node, if the batch touches it.
    pub(crate) fn place(&self, node: usize) -> Option<usize> {
        let (number, place) = self.places[node];
        (number == self.number).then_some(place as usize)
    }

    /// Adds `cost` times the values to the gradient, as often as each occurs.
    pub(crate) fn decay(&mut self, cost: f32) {
        let rows = 0..self.nodes.len();
        for (at, count) in rows.zip(&self.counts) {
            let slopes = self.gradient.row_mut(at).iter_mut().zip(self.values.row(at));
            slopes.for_each(|(slope, value)| *slope += cost * count * value);
        }
    }

    /// Adds `cost` times rows of a table of all nodes to the gradient in it, those of the batch's nodes as
    /// often as each occurs.
    pub(crate) fn decay_of(&self, cost: f32, values: &Table, gradient: &mut Table) {
        for (node, count) in self.nodes.iter().zip(&self.counts) {
            let slopes = gradient.row_mut(*node as usize).iter_mut();
            let both = slopes.zip(values.row(*node as usize));
            both.for_each(|(slope, value)| *slope += cost * count * value);
        }
    }

    /// Of each `group` of triples, which differ in the item that was had, keeps one: the smaller its
    /// loss the likelier, by the softmax of −loss / temperature. (The resampling of PLD.)
    pub(crate) fn choose(&mut self, group: usize, temperature: f32, seed: u64) {
        let groups = self.triples.len() / group;
        let mut chances = vec![0f32; group];
        self.counts.fill(0.0);
        for at in 0..groups {
            let own = &self.triples[at * group..][..group];
            for (chance, triple) in chances.iter_mut().zip(own) {
                *chance = self.loss(triple);
            }
            let least = chances.iter().copied().fold(f32::INFINITY, f32::min);
            chances.iter_mut().for_each(|loss| *loss = ((least - *loss) / temperature).exp());
            let mut drawn = fraction(seed, at as u64) * chances.iter().sum::<f32>();
            let found = chances.iter().position(|chance| {
                drawn -= chance;
                drawn < 0.0
            });
            let triple = own[found.unwrap_or(group - 1)];
            triple.iter().for_each(|place| self.counts[*place as usize] += 1.0);
            self.triples[at] = triple;
        }
        self.triples.truncate(groups);
        self.weights.truncate(groups);
    }

    /// The pairwise loss of a triple.
    fn loss(&self, [user, item, other]: &Triple) -> f32 {
        let [user, item, other] = [user, item, other].map(|place| self.values.row(*place as usize));
        let margin = dot(user, item) - dot(user, other);
        (-margin.abs()).exp().ln_1p() + (-margin).max(0.0)
    }
}
