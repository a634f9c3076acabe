//! The rows that a batch of triples touches, each once, side by side.
//!
//! Looking rows up (gather) puts them into a small table that stays in the cache; the gradient of it
//! is a table of the same shape, whose rows go back to where they came from.

use super::{Table, Triple};

/// The touched rows of a batch with what is computed for them.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The nodes, in the order in which they first occur.
    pub(crate) nodes: Vec<u32>,
    /// The triples, with places among `nodes` for nodes.
    pub(crate) triples: Vec<Triple>,
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
        self.values.reach(self.nodes.len());
        self.gradient.reach(self.nodes.len());
        self.gradient.part_mut(0..self.nodes.len()).fill(0.0);
    }
}
