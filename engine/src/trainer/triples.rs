//! What a pairwise model learns from: a user, an item they had, and one they had not.
//!
//! Each pair occurs once in an epoch, in an order that the seed and the epoch decide, with items
//! drawn evenly from those that anybody had. A draw depends on the seed, the epoch and the pair
//! alone, so threads share the work.

use rayon::prelude::*;

use crate::seeded::number;
use crate::{Csr, Dataset};

/// Draws before an item that the user had is taken after all: they had nearly everything.
const DRAWS: u64 = 64;

/// A user, an item of theirs and another, as nodes of a [`super::Graph`].
pub(crate) type Triple = [u32; 3];

/// The source of triples.
#[derive(Debug)]
pub(crate) struct Triples {
    by_user: Csr,
    /// The items that anybody had.
    drawn: Vec<u32>,
    /// The user of each pair.
    users: Vec<u32>,
    negatives: usize,
    seed: u64,
}

impl Triples {
    pub(crate) fn new(data: &Dataset, negatives: usize, seed: u64) -> Triples {
        let had = |item: &u32| data.by_item.degree(*item as usize) > 0;
        let drawn = (0..data.n_items() as u32).filter(had).collect();
        let users = (0..data.n_users())
            .flat_map(|user| std::iter::repeat_n(user as u32, data.by_user.degree(user)));
        let (by_user, users) = (data.by_user.clone(), users.collect());
        Triples { by_user, drawn, users, negatives, seed }
    }

    /// The triples of an epoch, those of a pair side by side. Each is there as often as there are to
    /// be `candidates`, once with the pair's item, else with any of the user's, drawn evenly.
    pub(crate) fn epoch(&self, epoch: usize, candidates: usize) -> Vec<Triple> {
        let order = self.order(epoch);
        let seed = number(number(self.seed, epoch as u64), u64::MAX);
        let pairs = order.par_iter().with_min_len(4096);
        let of = |pair: &u32| {
            let pair = *pair as usize;
            let (user, item) = (self.users[pair], self.by_user.indices()[pair]);
            let first = self.by_user.n_rows() as u32;
            (0..self.negatives).flat_map(move |at| {
                let own = number(seed, (pair * self.negatives + at) as u64);
                let other = first + self.other(user, own);
                (0..candidates).map(move |candidate| match candidate {
                    0 => [user, first + item, other],
                    _ => [user, first + self.own(user, number(own, candidate as u64)), other],
                })
            })
        };
        pairs.flat_map_iter(of).collect()
    }

    /// The pairs of an epoch, with their item once more in the place of another.
    pub(crate) fn pairs(&self, epoch: usize) -> Vec<Triple> {
        let first = self.by_user.n_rows() as u32;
        let of = |pair: u32| {
            let item = first + self.by_user.indices()[pair as usize];
            [self.users[pair as usize], item, item]
        };
        self.order(epoch).into_iter().map(of).collect()
    }

    /// The order of the pairs in an epoch.
    fn order(&self, epoch: usize) -> Vec<u32> {
        let seed = number(self.seed, epoch as u64);
        let mut order: Vec<u32> = (0..self.users.len() as u32).collect();
        for at in (1..order.len()).rev() {
            let to = number(seed, at as u64) % (at as u64 + 1);
            order.swap(at, to as usize);
        }
        order
    }

    fn own(&self, user: u32, seed: u64) -> u32 {
        let (own, _) = self.by_user.row(user as usize);
        own[(seed % own.len() as u64) as usize]
    }

    fn other(&self, user: u32, seed: u64) -> u32 {
        let (own, _) = self.by_user.row(user as usize);
        let draw = |at| self.drawn[(number(seed, at) % self.drawn.len() as u64) as usize];
        let new = (0..DRAWS).map(draw).find(|item| own.binary_search(item).is_err());
        new.unwrap_or_else(|| draw(0))
    }
}
