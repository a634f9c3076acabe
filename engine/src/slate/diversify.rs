//! Spreading a slate out: the order in which rows of a pool are taken, each chosen for its relevance
//! and for being unlike those before it.
//!
//! [`Method::Mmr`] is maximal marginal relevance (Carbonell and Goldstein 1998). [`Method::Dpp`] is
//! greedy MAP inference of a determinantal point process with an incremental Cholesky factor (Chen,
//! Zhang and Zhou 2018). Both are greedy: the slate of k + 1 rows begins with that of k.

use super::explore::Explore;
use super::guard::Guard;
use super::likeness::Likeness;
use super::tally::{Cap, Tally};

/// How likeness is weighed against relevance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Against the likest row that was taken.
    Mmr,
    /// Against the volume that all rows taken span.
    Dpp,
}

/// The part of the kernel that is its diagonal, which keeps rows apart that are all alike.
const RIDGE: f64 = 0.01;

/// What a slate is taken from, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pool<'a> {
    /// Rows in the order of their ranking.
    pub(super) rows: &'a [u32],
    /// What each is worth; higher is better.
    pub(super) scores: &'a [f32],
    /// How they are spread out; `None`: the ranking stands.
    pub(super) spread: Option<Spread<'a>>,
    /// What the slate may have at most.
    pub(super) caps: &'a [Cap<'a>],
    /// How places are given away.
    pub(super) explore: Option<Explore<'a>>,
}

/// How rows are spread out.
#[derive(Clone, Copy, Debug)]
pub struct Spread<'a> {
    /// What rows are compared by.
    pub likeness: Likeness<'a>,
    /// How likeness is weighed against worth.
    pub method: Method,
    /// From 0, the ranking itself, to 1, which asks for likeness alone.
    pub strength: f32,
}

/// One place of a slate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Taken {
    /// The place in the pool.
    pub(super) place: usize,
    /// The probability that this one stands here, given those before; `None` where nobody asks.
    pub(super) propensity: Option<f64>,
}

impl Pool<'_> {
    /// Takes up to `k` rows within the caps, in order; with a guard, only what it leaves open.
    pub(super) fn take(&self, k: usize, mut guard: Option<Guard<'_>>) -> Vec<Taken> {
        let relevance = scaled(self.scores);
        let mut values = self.values();
        let mut tally = Tally::new(self.caps, &[]);
        let mut left: Vec<usize> = (0..self.rows.len()).collect();
        let mut odds = None;
        let mut slate = Vec::with_capacity(k.min(self.rows.len()));
        while slate.len() < k {
            // What does not fit now never will: counts only rise.
            left.retain(|place| tally.fits(self.rows[*place]));
            let guarded = guard.as_mut().map(|guard| guard.open(&left));
            let open = guarded.as_deref().unwrap_or(&left);
            let mut best: Option<(f64, usize)> = None;
            for place in open {
                let value = values.value(*place, relevance[*place]);
                if best.is_none_or(|(most, _)| value > most) {
                    best = Some((value, *place));
                }
            }
            let Some((_, greedy)) = best else { break };
            let (place, propensity) = match &self.explore {
                None => (greedy, Some(1.0)),
                Some(explore) => {
                    let place = explore.choose(slate.len(), greedy, open);
                    let odds = odds.get_or_insert_with(|| explore.odds(open)).as_mut();
                    (place, odds.map(|odds| odds.of(place, greedy, open)))
                }
            };
            left.retain(|other| *other != place);
            tally.add(self.rows[place]);
            if let Some(guard) = &mut guard {
                guard.take(place);
            }
            slate.push(Taken { place, propensity });
            if let Some(spread) = &self.spread {
                values.take(place, &mut || spread.likeness.to(self.rows[place], self.rows));
            }
        }
        slate
    }

    fn values(&self) -> Box<dyn Values> {
        let Some(spread) = &self.spread else { return Box::new(Plain) };
        let strength = f64::from(spread.strength.clamp(0.0, 1.0));
        match spread.method {
            _ if strength == 0.0 => Box::new(Plain),
            Method::Mmr => Box::new(Mmr { strength, likest: vec![0.0; self.rows.len()] }),
            Method::Dpp => Box::new(Dpp {
                // The trade-off of the paper: theta is what is left for relevance.
                alpha: (1.0 - strength) / (2.0 * strength),
                steps: Vec::new(),
                left: vec![1.0; self.rows.len()],
            }),
        }
    }
}

/// Scores brought to 0..1; all 1 where they are the same, 0 where there is none.
fn scaled(scores: &[f32]) -> Vec<f64> {
    let finite = || scores.iter().filter(|score| score.is_finite()).map(|score| f64::from(*score));
    let low = finite().fold(f64::INFINITY, f64::min);
    let high = finite().fold(f64::NEG_INFINITY, f64::max);
    let scale = |score: &f32| match f64::from(*score) {
        score if !score.is_finite() => 0.0,
        _ if high == low => 1.0,
        score => (score - low) / (high - low),
    };
    scores.iter().map(scale).collect()
}

/// What each place is worth beside those taken.
trait Values {
    /// What a place adds to the rows taken so far. Of equal ones the better ranked is taken.
    fn value(&self, place: usize, relevance: f64) -> f64;

    /// A place was taken; `likeness` tells that of every place to it.
    fn take(&mut self, place: usize, likeness: &mut dyn FnMut() -> Vec<f32>);
}

struct Plain;

impl Values for Plain {
    fn value(&self, place: usize, _: f64) -> f64 {
        -(place as f64)
    }

    fn take(&mut self, _: usize, _: &mut dyn FnMut() -> Vec<f32>) {}
}

struct Mmr {
    strength: f64,
    /// The likeness to the likest row taken; from 0 on, so that opposites are no better than
    /// strangers.
    likest: Vec<f64>,
}

impl Values for Mmr {
    fn value(&self, place: usize, relevance: f64) -> f64 {
        (1.0 - self.strength) * relevance - self.strength * self.likest[place]
    }

    fn take(&mut self, _: usize, likeness: &mut dyn FnMut() -> Vec<f32>) {
        for (likest, like) in self.likest.iter_mut().zip(likeness()) {
            *likest = likest.max(f64::from(like));
        }
    }
}

struct Dpp {
    alpha: f64,
    /// A column of the Cholesky factor for each row taken.
    steps: Vec<Vec<f64>>,
    /// The squared diagonal that each place would have.
    left: Vec<f64>,
}

impl Values for Dpp {
    fn value(&self, place: usize, relevance: f64) -> f64 {
        self.left[place].max(1e-12).ln() + 2.0 * self.alpha * relevance
    }

    fn take(&mut self, taken: usize, likeness: &mut dyn FnMut() -> Vec<f32>) {
        let likeness = likeness();
        let diagonal = self.left[taken].max(1e-12).sqrt();
        let mut column = vec![0.0; likeness.len()];
        for (place, like) in likeness.iter().enumerate() {
            let kernel = if place == taken { 1.0 } else { (1.0 - RIDGE) * f64::from(*like) };
            let known: f64 = self.steps.iter().map(|step| step[taken] * step[place]).sum();
            column[place] = (kernel - known) / diagonal;
        }
        for (left, entry) in self.left.iter_mut().zip(&column) {
            *left -= entry * entry;
        }
        self.steps.push(column);
    }
}
