//! The search for weights: one after the other, each at the value that ranks the hidden items best,
//! until none moves.
//!
//! All values of a weight are compared on the same users, so that small differences show. Among those
//! that are as good as the best, within a part of a standard error, nothing is taken sooner than little,
//! and else the one in the middle, which is as far as can be from where it gets worse. Of few users
//! nearly all values are as good as the best, and their middle says nothing: there the smallest is taken.

use super::layout::{CONTENT_TERMS, Layout};
use super::pool::{Point, Pool};
use super::settings::CONTENT;
use crate::model::gain::{lead, mean};
use crate::{Result, Work};

/// What weights can be. The first are for popularity alone: so little of another term is not worth
/// what it costs to compute.
const WEIGHTS: [f32; 14] =
    [0.001, 0.05, 0.0, 0.1, 0.2, 0.3, 0.45, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0, 9.0];
/// The most that popularity can weigh: what is popular changes, and pairs that are hidden at random
/// are of the same days as those that are left, so they make it look better than it will be.
const POPULAR: f32 = 1.0;
/// How many of them are for popularity alone.
const TOUCHES: usize = 2;
/// Fewer users than these, and little is sooner taken than much.
const FEW: usize = 500;
/// How t moves.
const STEPS: [f64; 6] = [-0.2, -0.1, -0.05, 0.05, 0.1, 0.2];
/// What t can be.
const RANGE: std::ops::RangeInclusive<f64> = -0.6..=1.2;

/// Weights in units of the spreads, and the t.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Weights {
    pub(super) item: f64,
    pub(super) two_hop: f32,
    pub(super) content: Vec<f32>,
    pub(super) popularity: f32,
    pub(super) ease: f32,
    pub(super) ials: f32,
}

impl Weights {
    /// How much there is of what a knob turns.
    fn amount(&self, knob: Knob) -> f32 {
        match knob {
            Knob::Item => 0.0,
            Knob::TwoHop => self.two_hop,
            Knob::Content => self.content.iter().copied().fold(0.0, f32::max),
            Knob::Modality(at) => self.content[at],
            Knob::Popularity => self.popularity,
            Knob::Ease => self.ease,
            Knob::Ials => self.ials,
        }
    }

    /// How a unit of content is shared by the modalities.
    fn shares(&self, knob: Knob) -> Vec<f32> {
        let most = self.amount(knob);
        match knob {
            Knob::Content if most > 0.0 => self.content.iter().map(|own| own / most).collect(),
            _ => vec![1.0; self.content.len()],
        }
    }

    /// The same weights with another value of one.
    fn with(&self, knob: Knob, shares: &[f32], value: f32) -> Weights {
        let mut other = self.clone();
        match knob {
            Knob::Item => {}
            Knob::TwoHop => other.two_hop = value,
            Knob::Content => other.content = shares.iter().map(|share| share * value).collect(),
            Knob::Modality(at) => other.content[at] = value,
            Knob::Popularity => other.popularity = value,
            Knob::Ease => other.ease = value,
            Knob::Ials => other.ials = value,
        }
        other
    }

    fn point(&self, layout: Layout) -> Point {
        Point { terms: self.terms(layout), item: self.item }
    }

    /// One weight for each term.
    fn terms(&self, layout: Layout) -> Vec<f32> {
        let mut all = vec![0.0; layout.width()];
        all[Layout::FIRST] = 1.0;
        all[Layout::SECOND] = self.two_hop;
        for (at, weight) in self.content.iter().enumerate() {
            for term in 0..CONTENT_TERMS {
                all[layout.content(at) + term] = weight * CONTENT[term];
            }
        }
        all[layout.popularity()] = self.popularity;
        if layout.ease {
            all[layout.ease()] = self.ease;
        }
        if layout.ials {
            all[layout.ials()] = self.ials;
        }
        all
    }
}

/// One of the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Knob {
    Item,
    TwoHop,
    /// All modalities by one factor.
    Content,
    Modality(usize),
    Popularity,
    Ease,
    Ials,
}

/// Where the search ended, and each user's gain there.
pub(super) struct Ascent {
    pub(super) weights: Weights,
    pub(super) gains: Vec<f32>,
}

/// Moves the knobs, one after the other, up to so many times each.
pub(super) fn ascend(
    pools: &[Pool],
    start: Weights,
    knobs: &[Knob],
    rounds: usize,
    work: &Work,
) -> Result<Ascent> {
    let Some(layout) = pools.first().map(|pool| pool.layout) else {
        return Ok(Ascent { weights: start, gains: Vec::new() });
    };
    let mut here = Ascent { gains: Vec::new(), weights: start };
    for _ in 0..rounds {
        let before = here.weights.clone();
        for knob in knobs {
            work.check()?;
            let mut tried = along(pools, layout, &here.weights, *knob);
            tried.sort_by(|a, b| knob.size(&a.weights).total_cmp(&knob.size(&b.weights)));
            here = settled(tried, *knob);
        }
        if here.weights == before {
            break;
        }
    }
    if here.gains.is_empty() {
        here.gains = gains(pools, &here.weights.point(layout), &[], &[0.0]).remove(0);
    }
    Ok(here)
}

impl Ascent {
    /// What the terms that a knob turns gain, with the standard error; `None` if they are off.
    pub(super) fn worth(&self, pools: &[Pool], knob: Knob) -> Option<(f64, f64)> {
        let layout = pools.first()?.layout;
        if knob == Knob::Item || self.weights.amount(knob) == 0.0 {
            return None;
        }
        let without = self.weights.with(knob, &self.weights.shares(knob), 0.0).point(layout);
        let gains = gains(pools, &without, &[], &[0.0]).remove(0);
        Some(lead(&self.gains, &gains))
    }
}

/// The gains at each value, by value and then by user.
fn gains(pools: &[Pool], point: &Point, along: &[f32], values: &[f32]) -> Vec<Vec<f32>> {
    let mut all = vec![Vec::new(); values.len()];
    for pool in pools {
        for user in pool.gains(point, along, values) {
            all.iter_mut().zip(user).for_each(|(all, gain)| all.push(gain));
        }
    }
    all
}

/// Every value of a knob, the one it is at among them.
fn along(pools: &[Pool], layout: Layout, here: &Weights, knob: Knob) -> Vec<Ascent> {
    if knob == Knob::Item {
        let moved = STEPS.iter().map(|step| here.item + step).chain([here.item]);
        return moved
            .filter(|item| RANGE.contains(item) || *item == here.item)
            .map(|item| {
                let weights = Weights { item, ..here.clone() };
                let gains = gains(pools, &weights.point(layout), &[], &[0.0]).remove(0);
                Ascent { weights, gains }
            })
            .collect();
    }
    let shares = here.shares(knob);
    let at = here.amount(knob);
    let mut values = match knob {
        // Never nothing, so that no two items that nothing speaks for are alike.
        Knob::Popularity => {
            WEIGHTS.iter().copied().filter(|value| *value > 0.0 && *value <= POPULAR).collect()
        }
        _ => WEIGHTS[TOUCHES..].to_vec(),
    };
    if !values.contains(&at) {
        values.push(at);
    }
    let without = here.with(knob, &shares, 0.0);
    let base = without.point(layout);
    let unit = here.with(knob, &shares, 1.0).point(layout);
    let step: Vec<f32> =
        unit.terms.iter().zip(&base.terms).map(|(unit, base)| unit - base).collect();
    let found = gains(pools, &base, &step, &values);
    values
        .iter()
        .zip(found)
        .map(|(value, gains)| Ascent { weights: here.with(knob, &shares, *value), gains })
        .collect()
}

/// Of settings in the order of their size, one that is as good as the best.
fn settled(tried: Vec<Ascent>, knob: Knob) -> Ascent {
    let means: Vec<f64> = tried.iter().map(|tried| mean(&tried.gains)).collect();
    let best = (1..tried.len()).fold(0, |best, at| if means[at] > means[best] { at } else { best });
    let as_good = |at: &usize| {
        let (behind, error) = lead(&tried[best].gains, &tried[*at].gains);
        let (errors, share) = knob.tolerance(&tried[*at].weights);
        behind <= (errors * error).max(share * means[best])
    };
    let good: Vec<usize> = (0..tried.len()).filter(as_good).collect();
    let [smallest, middle] = [good[0], good[good.len() / 2]];
    let little = tried[smallest].weights.amount(knob) == 0.0
        || knob.stays_small()
        || tried[smallest].gains.len() < FEW;
    let taken = if little { smallest } else { middle };
    tried.into_iter().nth(taken).expect("it is one of them")
}

impl Knob {
    /// What is as good as the best: so many standard errors, or such a share of the gain, below it.
    /// Nothing of a term is as good sooner than little of it, since it costs less; and `ease` takes
    /// memory with the square of the items.
    fn tolerance(self, weights: &Weights) -> (f64, f64) {
        match self {
            Knob::Ease if weights.ease == 0.0 => (2.0, 0.01),
            Knob::Ials if weights.ials == 0.0 => (2.0, 0.01),
            Knob::Content | Knob::Modality(_) | Knob::TwoHop if weights.amount(self) == 0.0 => {
                (1.0, 0.002)
            }
            // What is middling elsewhere is more likely to be so here than what chance prefers.
            Knob::Item => (1.0, 0.0),
            _ => (0.5, 0.0),
        }
    }

    /// Whether the smallest of what is as good is taken: hidden pairs make popularity look better than it
    /// will be, and t has a middling value that it is small beside.
    fn stays_small(self) -> bool {
        matches!(self, Knob::Popularity | Knob::Item)
    }

    /// What it turns, in words.
    pub(super) fn name(self, modalities: &[(String, f32)]) -> &str {
        match self {
            Knob::Item => "item_exponent",
            Knob::TwoHop => "two_hop",
            Knob::Content => "content",
            Knob::Modality(at) => modalities.get(at).map_or("content", |(name, _)| name),
            Knob::Popularity => "popularity",
            Knob::Ease => "ease",
            Knob::Ials => "ials",
        }
    }

    /// How much of a term there is; for t, how far it is from a middling value.
    fn size(self, weights: &Weights) -> f64 {
        match self {
            Knob::Item => (weights.item - 0.1).abs(),
            _ => f64::from(weights.amount(self)),
        }
    }
}
