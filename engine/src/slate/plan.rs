//! All clauses of a slate together: a ranking goes in, places of it come out.
//!
//! Spread out and explored is the front of a slate; behind it the ranking goes on. Quotas are met by
//! exchanging rows of what was chosen; where places are explored, by taking only rows with which the
//! quotas can still be met, because an exchange afterwards would leave no propensity.

use fixedbitset::FixedBitSet;

use super::diversify::{Pool, Spread};
use super::explore::{Draw, Explore};
use super::guard::Guard;
use super::posterior::Posterior;
use super::repair::{Repair, repair};
use super::tally::{Cap, Quota, Tally};

/// The best rows that a slate is taken from, unless it is long; the rest only fills up or mends it.
const POOL: usize = 1000;

/// The least rows of the pool for each row of a slate.
const POOL_PER_ROW: usize = 10;

/// The places that are spread out or explored; behind them the ranking goes on. Each is compared with
/// the whole pool.
pub const MOST_SPREAD: usize = 500;

/// The longest slate that quotas mend.
pub const MOST_MENDED: usize = 10_000;

/// What a slate must be like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan<'a> {
    /// What it may have at most.
    pub caps: &'a [Cap<'a>],
    /// How it is spread out.
    pub spread: Option<Spread<'a>>,
    /// How places are given away.
    pub explore: Option<Explore<'a>>,
    /// The best rows that it is taken from; `None`: 1,000, or ten for each row if that is more.
    pub pool: Option<usize>,
}

/// A slate.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// Places in the ranking, in the order of the slate.
    pub places: Vec<usize>,
    /// The probability that each stands where it does, given those before it; `None` where nobody
    /// asked.
    pub propensities: Vec<Option<f64>>,
    /// How the quotas were met.
    pub repair: Repair,
}

impl Plan<'_> {
    /// How much of the ranking is looked at first for a slate of so many rows. It is the same for all
    /// pages of a slate that is not long, so that they go on from each other.
    pub fn pool(&self, rows: usize) -> usize {
        self.pool.unwrap_or_else(|| rows.saturating_mul(POOL_PER_ROW).max(POOL)).max(rows)
    }

    /// Chooses up to `k` places of a ranking, given by the scores of its rows, best first. `quotas` makes
    /// the quotas of a slate of the length that it is given: a share is of the rows there are.
    pub fn choose<'q>(
        &self,
        scores: &[f32],
        k: usize,
        quotas: impl FnOnce(usize) -> Vec<Quota<'q>>,
    ) -> Chosen {
        let n = scores.len() as u32;
        let explored = self.explore.filter(|explore| explore.share > 0.0);
        let spread = self.spread.filter(|spread| spread.strength > 0.0);
        let all: Vec<u32> = (0..n).collect();
        let pool = Pool { rows: &all, scores, spread, caps: self.caps, explore: None };
        let order = match spread {
            None => all.clone(),
            Some(_) => self.front(&pool, k).0,
        };
        let places = fill(&order, k, self.caps);
        let quotas = quotas(places.len());
        if explored.is_none() {
            let (places, repair) = mended(&order, places, self.caps, &quotas);
            let propensities = vec![Some(1.0); places.len()];
            return Chosen { places, propensities, repair };
        }
        let pool = Pool { explore: explored, ..pool };
        if quotas.is_empty() {
            let (order, mut propensities) = self.front(&pool, k);
            let places = fill(&order, k, self.caps);
            propensities.resize(order.len(), Some(1.0));
            let propensities = places.iter().map(|place| propensities[*place]).collect();
            let (places, repair) = mended(&order, places, self.caps, &quotas);
            return Chosen { places, propensities, repair };
        }
        let (slate, repair) = mended(&order, places, self.caps, &quotas);
        self.guarded(&pool, &quotas, slate, repair)
    }

    /// Explores as far as quotas allow. `slate` meets them as well as it can be done.
    fn guarded(
        &self,
        pool: &Pool<'_>,
        quotas: &[Quota<'_>],
        mut slate: Vec<usize>,
        repair: Repair,
    ) -> Chosen {
        slate.sort_unstable();
        let first = self.pool(slate.len()).min(pool.rows.len());
        let mut rows: Vec<u32> = (0..first as u32).collect();
        // What mending had to reach for is of the pool, too.
        rows.extend(slate.iter().filter(|place| **place >= first).map(|place| *place as u32));
        let at = |place: &usize| rows.binary_search(&(*place as u32)).unwrap_or(0);
        let within: Vec<usize> = slate.iter().map(at).collect();
        let scores: Vec<f32> = rows.iter().map(|row| pool.scores[*row as usize]).collect();
        let guard = Guard::new(&rows, self.caps, quotas, &within);
        let posteriors: Vec<Posterior> = match pool.explore {
            Some(Explore { draw: Draw::Thompson(all), .. }) => {
                rows.iter().map(|row| all[*row as usize]).collect()
            }
            _ => Vec::new(),
        };
        let explore = pool.explore.map(|explore| match explore.draw {
            Draw::Thompson(_) => Explore { draw: Draw::Thompson(&posteriors), ..explore },
            Draw::Uniform => explore,
        });
        let taken =
            Pool { rows: &rows, scores: &scores, explore, ..*pool }.take(slate.len(), Some(guard));
        let places: Vec<usize> = taken.iter().map(|taken| rows[taken.place] as usize).collect();
        let mut tally = Tally::new(self.caps, quotas);
        places.iter().for_each(|place| tally.add(*place as u32));
        let counts = tally.counts().to_vec();
        let repair = Repair { counts, shortfall: tally.shortfall(), ..repair };
        Chosen {
            places,
            propensities: taken.iter().map(|taken| taken.propensity).collect(),
            repair,
        }
    }

    /// The ranking with what is spread out or explored in front, and the propensities of those.
    fn front(&self, pool: &Pool<'_>, k: usize) -> (Vec<u32>, Vec<Option<f64>>) {
        let k = k.min(MOST_SPREAD);
        let first = self.pool(k).min(pool.rows.len());
        let best = Pool { rows: &pool.rows[..first], scores: &pool.scores[..first], ..*pool };
        let taken = best.take(k, None);
        let mut front = FixedBitSet::with_capacity(pool.rows.len());
        let mut order = Vec::with_capacity(pool.rows.len());
        for taken in &taken {
            front.insert(taken.place);
            order.push(taken.place as u32);
        }
        order.extend(pool.rows.iter().filter(|place| !front.contains(**place as usize)));
        (order, taken.iter().map(|taken| taken.propensity).collect())
    }
}

/// The first places of an order that caps leave room for.
pub(super) fn fill(order: &[u32], k: usize, caps: &[Cap<'_>]) -> Vec<usize> {
    let mut tally = Tally::new(caps, &[]);
    let mut places = Vec::with_capacity(k.min(order.len()));
    for (place, row) in order.iter().enumerate() {
        if places.len() == k {
            break;
        }
        if tally.fits(*row) {
            tally.add(*row);
            places.push(place);
        }
    }
    places
}

/// Places of an order, mended, as rows.
pub(super) fn mended(
    order: &[u32],
    mut places: Vec<usize>,
    caps: &[Cap<'_>],
    quotas: &[Quota<'_>],
) -> (Vec<usize>, Repair) {
    let repair = repair(order, caps, quotas, &mut places);
    (places.iter().map(|place| order[*place] as usize).collect(), repair)
}
