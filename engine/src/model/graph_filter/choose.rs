//! The automatic choice of settings, from the training pairs alone.
//!
//! Some pairs are hidden (see `holdout`). The first term alone tells which exponents are worth a look
//! (see `lazy`); for each of those the weights of all terms are searched together (see `ascent`),
//! since what is best for one term alone need not be best for all. The exponents that win are then
//! moved in small steps. Exponents that have proved themselves elsewhere stay unless others are better
//! by more than chance would make them.

use rayon::prelude::*;

use super::ascent::{Ascent, Knob, Weights, ascend};
use super::counts::Counts;
use super::fixed::Fixed;
use super::lazy::{self, Grid, Powers, Scratch};
use super::pool::{Pool, Source};
use super::settings::{Given, Settings, spoken};
use super::terms::Exponents;
use crate::item_graph::ItemGraph;
use crate::model::ease::{self, Ease};
use crate::model::gain::{DEPTH, Gains, lead, mean};
use crate::model::holdout::{Case, Holdout, holdouts};
use crate::model::ials::{self, Mixture};
use crate::spare::Spare;
use crate::{Dataset, Result, Work};

/// Exponents that did well on many datasets: for sparse data, and for check-ins.
const PRIORS: [Exponents; 3] = [
    Exponents { user: 0.25, history: 0.25, item: 0.1 },
    Exponents { user: 0.4, history: 0.6, item: 0.35 },
    Exponents { user: 0.5, history: 0.25, item: 0.1 },
];
/// A touch of popularity, so that no two items that nothing speaks for are alike.
const TOUCH: f32 = 0.001;
/// Items beyond which `ease` is not tried: its time grows with their cube.
pub(in crate::model) const EASE_ITEMS: usize = 12_000;
/// a of the `ease` that is mixed in.
pub(super) const EASE_EXPONENT: f64 = 0.25;
/// Users between two looks at the cancel token.
const BLOCK: usize = 256;
/// Moves of a and s from the best.
const MOVES: [f64; 2] = [-0.1, 0.1];

/// Users that exponents are compared on, or two in five if that is more.
const SCREEN: usize = 2_500;
/// Of a standard error: by so much other exponents must be better.
const BETTER: f64 = 1.0;
/// How much `ials` weighs where the search begins with it.
const MIXED: f32 = 0.7;
/// Times that each weight is looked at in the end.
const ROUNDS: usize = 4;

/// What was chosen, and why in words.
pub(super) struct Choice {
    pub(super) settings: Settings,
    /// How `ials` is trained, if it counts.
    pub(super) mixture: Option<Mixture>,
    pub(super) why: Vec<String>,
}

pub(super) fn choose(
    data: &Dataset,
    graphs: &[ItemGraph],
    given: &Given,
    seed: u64,
    work: &Work,
) -> Result<Choice> {
    let mut why = Vec::new();
    let knobs = knobs(data, given);
    let fixed = given.user.is_some() && given.history.is_some() && given.item.is_some();
    let mixed = given.ials.is_some_and(|weight| weight > 0.0);
    if knobs.is_empty() && fixed && !mixed {
        return Ok(Choice { settings: defaults(given), mixture: None, why });
    }
    let splits = holdouts(data, seed);
    if splits.is_empty() {
        why.push("no user has two items: nothing to choose by, so the defaults stand".to_owned());
    }
    if splits.is_empty() || knobs.is_empty() && fixed {
        let mixture = match mixed {
            true => Some(ials::mixed_in(&splits, data, given.factors, seed, work)?),
            false => None,
        };
        let mixture = mixture.map(|(mixture, told)| {
            why.extend(told);
            mixture
        });
        return Ok(Choice { settings: defaults(given), mixture, why });
    }
    let cases: usize = splits.iter().map(|split| split.cases.len()).sum();
    why.push(format!("chosen by recall + ndcg at {DEPTH} of {cases} users with hidden items"));

    let lazily = coarse(&splits, given, work)?;
    let search = Search::new(data, &splits, graphs, given, knobs, seed, work)?;
    why.extend(search.told.iter().cloned());
    let [first, others @ ..] = PRIORS.map(|prior| given.over(prior));
    let mut best = search.at(first, None, true, 2)?;
    why.push(search.tried(&best));
    for start in others.into_iter().chain([lazily]).filter(|start| *start != first) {
        let found = search.at(start, None, true, 2)?;
        why.push(search.tried(&found));
        best = best.or(found);
    }
    for (which, given) in [given.history, given.user].into_iter().enumerate() {
        if given.is_some() {
            continue;
        }
        for step in MOVES {
            let mut moved = Exponents { item: best.ascent.weights.item, ..best.exponents };
            let value = if which == 0 { &mut moved.history } else { &mut moved.user };
            *value = (*value + step).max(0.0);
            let found = search.at(moved, Some(&best.ascent.weights), true, 1)?;
            why.push(search.tried(&found));
            best = best.or(found);
        }
    }
    let last = Exponents { item: best.ascent.weights.item, ..best.exponents };
    let best = search.at(last, Some(&best.ascent.weights), false, ROUNDS)?;
    why.push(format!("chosen: {}: {:.4}", best.told(given), mean(&best.ascent.gains)));
    why.extend(best.worth);
    let Weights { item, two_hop, content, popularity, ease, ials } = best.ascent.weights;
    let settings = Settings {
        exponents: Exponents { item, ..best.exponents },
        two_hop,
        content,
        popularity,
        ease,
        ials,
    };
    let mixture = search.mixture.filter(|_| ials > 0.0);
    Ok(Choice { settings, mixture, why })
}

/// What holds where nothing is measured.
fn defaults(given: &Given) -> Settings {
    let content = given.content.unwrap_or(0.25) as f32;
    let named: f32 = given.modalities.iter().map(|(_, weight)| weight).sum();
    let share = match (named > 0.0, given.named) {
        (false, _) => 0.0,
        (true, true) => content,
        (true, false) => content / named,
    };
    Settings {
        exponents: given.over(PRIORS[0]),
        two_hop: given.two_hop.unwrap_or(0.25) as f32,
        content: given.modalities.iter().map(|(_, weight)| weight * share).collect(),
        popularity: given.popularity.map_or(TOUCH, |weight| weight as f32),
        ease: given.ease.unwrap_or(0.0) as f32,
        ials: given.ials.unwrap_or(0.0) as f32,
    }
}

/// What is to be searched.
fn knobs(data: &Dataset, given: &Given) -> Vec<Knob> {
    let mut knobs = Vec::new();
    if given.popularity.is_none() {
        knobs.push(Knob::Popularity);
    }
    if given.content.is_none() {
        if given.named {
            knobs.push(Knob::Content);
        } else {
            knobs.extend((0..given.modalities.len()).map(Knob::Modality));
        }
    }
    if given.two_hop.is_none() {
        knobs.push(Knob::TwoHop);
    }
    let n = data.n_items();
    let fits = n <= EASE_ITEMS && ease::peak_bytes(n as u64) <= given.memory_limit;
    if given.ease.is_none() && fits {
        knobs.push(Knob::Ease);
    }
    if given.ials.is_none() {
        knobs.push(Knob::Ials);
    }
    knobs
}

/// Exponents with the weights that were found for them.
struct Found {
    exponents: Exponents,
    ascent: Ascent,
    /// What each term gains, in words.
    worth: Vec<String>,
}

impl Found {
    /// This one, unless the other is better by more than chance.
    fn or(self, other: Found) -> Found {
        let (gained, error) = lead(&other.ascent.gains, &self.ascent.gains);
        if gained > BETTER * error { other } else { self }
    }

    fn told(&self, given: &Given) -> String {
        let Exponents { user, history, .. } = self.exponents;
        let Weights { item, two_hop, content, popularity, ease, ials } = &self.ascent.weights;
        let content = match spoken(&given.modalities, content) {
            none if none.is_empty() => "none".to_owned(),
            some => some,
        };
        format!(
            "exponents {user:.2}, {history:.2}, {item:.3}; two_hop {two_hop}, content {content}, \
             popularity {popularity}, ease {ease}, ials {ials}",
        )
    }
}

/// The search over exponents, with what is the same for all of them.
struct Search<'a> {
    splits: &'a [Holdout],
    graphs: &'a [ItemGraph],
    given: &'a Given,
    knobs: Vec<Knob>,
    fixed: Vec<Fixed>,
    mixture: Option<Mixture>,
    /// How the settings of `ials` were chosen.
    told: Vec<String>,
    work: &'a Work,
}

impl<'a> Search<'a> {
    fn new(
        data: &Dataset,
        splits: &'a [Holdout],
        graphs: &'a [ItemGraph],
        given: &'a Given,
        mut knobs: Vec<Knob>,
        seed: u64,
        work: &'a Work,
    ) -> Result<Search<'a>> {
        let wanted = knobs.contains(&Knob::Ease) || given.ease.is_some_and(|weight| weight > 0.0);
        let solve = |split: &Holdout| match wanted {
            true => Ease::solve(&split.data, given.lambda, EASE_EXPONENT, true, work).map(Some),
            false => Ok(None),
        };
        let wanted = knobs.contains(&Knob::Ials) || given.ials.is_some_and(|weight| weight > 0.0);
        let (mixture, told) = match wanted {
            true => {
                let (mixture, told) = ials::mixed_in(splits, data, given.factors, seed, work)?;
                (Some(mixture), told)
            }
            false => (None, Vec::new()),
        };
        let train = |split: &Holdout| match &mixture {
            Some(mixture) => mixture.train(&split.data, work).map(Some),
            None => Ok(None),
        };
        let fixed = |split| Fixed::new(split, solve(split)?, train(split)?, work);
        let fixed = splits.iter().map(fixed).collect::<Result<Vec<_>>>()?;
        if given.item.is_none() {
            knobs.insert(0, Knob::Item);
        }
        Ok(Search { splits, graphs, given, knobs, fixed, mixture, told, work })
    }

    /// The best weights for exponents, whose t may move.
    fn at(
        &self,
        exponents: Exponents,
        start: Option<&Weights>,
        screen: bool,
        rounds: usize,
    ) -> Result<Found> {
        let mut pools = Vec::with_capacity(self.splits.len());
        for (split, fixed) in self.splits.iter().zip(&self.fixed) {
            let (by_user, by_item) = (&split.data.by_user, &split.data.by_item);
            let counts = Counts::build(by_user, by_item, exponents.user, self.work)?;
            let source = Source { split, graphs: self.graphs, fixed, middle: self.given.middle };
            let all = split.cases.len();
            let users = if screen { all.min(SCREEN.max(2 * all / 5)) } else { all };
            pools.push(Pool::build(&source, &counts, exponents, users, self.work)?);
        }
        let mut ascents = Vec::new();
        for weights in self.starts(exponents, start) {
            ascents.push(ascend(&pools, weights, &self.knobs, rounds, self.work)?);
        }
        // Of equal ones the first.
        let best = ascents.into_iter().reduce(|best, other| {
            if mean(&other.gains) > mean(&best.gains) { other } else { best }
        });
        let ascent = best.expect("there is a start");
        let mut worth = Vec::new();
        if !screen {
            for knob in &self.knobs {
                if let Some((gained, error)) = ascent.worth(&pools, *knob) {
                    let name = knob.name(&self.given.modalities);
                    worth.push(format!("{name} gains {gained:+.4} ± {error:.4}"));
                }
            }
        }
        Ok(Found { exponents, ascent, worth })
    }

    /// Where the ascents begin. What is best for the other weights depends on whether `ials` is there, and
    /// a step of one weight at a time does not lead from one to the other; so it is begun from both.
    fn starts(&self, exponents: Exponents, start: Option<&Weights>) -> Vec<Weights> {
        let Settings { two_hop, content, popularity, ease, ials, .. } = defaults(self.given);
        let usual = Weights { item: exponents.item, two_hop, content, popularity, ease, ials };
        let mut starts = vec![start.unwrap_or(&usual).clone()];
        if self.knobs.contains(&Knob::Ials) {
            starts.push(Weights { ials: MIXED, ..usual });
        }
        starts
    }

    fn tried(&self, found: &Found) -> String {
        format!("tried: {}: {:.4}", found.told(self.given), mean(&found.ascent.gains))
    }
}

// ---- exponents by the first term alone --------------------------------------------------------

fn coarse(splits: &[Holdout], given: &Given, work: &Work) -> Result<Exponents> {
    let lanes = |given: Option<f64>, tried: [f64; 4]| given.map_or(tried, |given| [given; 4]);
    let grid = Grid {
        user: lanes(given.user, [0.15, 0.25, 0.4, 0.55]),
        history: lanes(given.history, [0.1, 0.25, 0.45, 0.65]),
        item: given.item.map_or_else(
            || vec![-0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8],
            |given| vec![given],
        ),
    };
    let settings = grid.settings();
    let mut gains = Gains::new(settings.len());
    for split in splits {
        let powers = Powers::new(split, &grid);
        let ask = |case: &Case, scratch: &mut Scratch| lazy::gains(split, &powers, case, scratch);
        let spare = Spare::default();
        let total = split.cases.len() as u64;
        for (block, cases) in split.cases.chunks(BLOCK).enumerate() {
            work.step("exponents", (block * BLOCK) as u64, total)?;
            let found: Vec<Vec<f32>> = cases
                .par_iter()
                .with_min_len(8)
                .map_init(|| spare.take(|| Scratch::new(split)), |scratch, case| ask(case, scratch))
                .collect();
            found.iter().for_each(|found| gains.push(found));
        }
        work.step("exponents", total, total)?;
    }
    Ok(settings[gains.best()])
}
