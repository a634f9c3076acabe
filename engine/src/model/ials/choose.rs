//! The automatic choice of α and λ, from the training pairs alone.
//!
//! Some pairs are hidden (see `holdout`), and small models of what is left are asked for them. The
//! search goes from the best of a few α downhill in steps of two, then of √2. It moves λ in units of
//! what a typical row adds up to, so that the same start does for small data and large.

use rayon::prelude::*;

use super::settings::Settings;
use super::side::{Basis, Side};
use super::solver::Solver;
use super::train;
use crate::kernels::{LANES, Line, dot_rows};
use crate::model::gain::{DEPTH, gain, mean};
use crate::model::holdout::{Case, Holdout, holdouts};
use crate::options::Checked;
use crate::{Allow, Dataset, Result, UNSCORED, Work, top_k};

/// What α is tried first.
const STARTS: [f64; 4] = [0.005, 0.02, 0.08, 0.32];
/// α where there is nothing to choose by.
const USUAL: f64 = 0.04;
/// λ in units of a typical row, to begin with.
const RIDGE: f64 = 4.0;
/// The factors of a model that is only tried, at most: λ does not change much beyond.
const FACTORS: usize = 128;
/// The fewest that are taken of them, however many pairs there are.
const FEW_FACTORS: usize = 32;
/// Multiplications of one iteration that are not too many.
const WORK: u64 = 12_000_000_000;
/// Its iterations, at most.
const ITERATIONS: usize = 8;
/// Models that are tried, at most.
const TRIES: usize = 20;
/// Scores that are ranked for one of them, about, unless that were too few users to tell.
const SCORES: usize = 50_000_000;
/// Users that are enough to tell.
const USERS: usize = 1_000;

/// The factors of a model that is only tried.
pub(in crate::model) fn tried_factors(n_pairs: u64, factors: usize) -> usize {
    let mut tried = factors.min(FACTORS);
    while tried / 2 >= FEW_FACTORS && n_pairs.saturating_mul((tried * tried) as u64) > WORK {
        tried /= 2;
    }
    tried
}

/// What was chosen, and why in words.
pub(super) struct Choice {
    pub(super) settings: Settings,
    pub(super) why: Vec<String>,
}

/// What is searched: α, and λ in units of a typical row.
#[derive(Clone, Copy, PartialEq)]
struct Point {
    unobserved: f64,
    ridge: f64,
}

/// What is wanted of a model, and what of its loss is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) dim: usize,
    pub(super) iterations: usize,
    /// α and λ; `None` where the choice is the database's.
    pub(super) given: [Option<f64>; 2],
    /// ν.
    pub(super) exponent: f64,
    pub(super) binary: bool,
    /// Models that may be tried.
    pub(super) tries: usize,
}

impl Wanted {
    pub(super) fn new(options: &Checked) -> Wanted {
        Wanted {
            dim: options.int("factors") as usize,
            iterations: options.int("iterations") as usize,
            given: [options.auto("unobserved_weight"), options.auto("regularization")],
            exponent: options.real("frequency_exponent"),
            binary: options.text("weighting") == "binary",
            tries: TRIES,
        }
    }
}

pub(super) fn choose(data: &Dataset, wanted: Wanted, seed: u64, work: &Work) -> Result<Choice> {
    if wanted.given.iter().all(Option::is_some) {
        let settings = Search::new(data, wanted, seed, work).usual();
        return Ok(Choice { settings, why: Vec::new() });
    }
    choose_by(&holdouts(data, seed), data, wanted, seed, work)
}

/// The choice by splits that were made of the data already.
pub(super) fn choose_by(
    splits: &[Holdout],
    data: &Dataset,
    wanted: Wanted,
    seed: u64,
    work: &Work,
) -> Result<Choice> {
    let search = Search::new(data, wanted, seed, work);
    if splits.is_empty() {
        let why = "no user has two items: nothing to choose by, so the defaults stand".to_owned();
        return Ok(Choice { settings: search.usual(), why: vec![why] });
    }
    search.run(splits)
}

/// A number of three digits.
fn rounded(number: f64) -> f64 {
    format!("{number:.2e}").parse().unwrap_or(number)
}

struct Search<'a> {
    data: &'a Dataset,
    wanted: Wanted,
    /// The factors and the iterations of a model that is only tried.
    dim: usize,
    iterations: usize,
    seed: u64,
    work: &'a Work,
}

impl<'a> Search<'a> {
    fn new(data: &'a Dataset, wanted: Wanted, seed: u64, work: &'a Work) -> Search<'a> {
        Search {
            data,
            wanted,
            dim: tried_factors(data.n_pairs() as u64, wanted.dim),
            iterations: ITERATIONS.min(wanted.iterations),
            seed,
            work,
        }
    }

    /// What holds where nothing is measured.
    fn usual(&self) -> Settings {
        self.settings(Point { unobserved: USUAL, ridge: RIDGE })
    }

    fn settings(&self, point: Point) -> Settings {
        let Wanted { given, exponent, binary, .. } = self.wanted;
        let unobserved = given[0].unwrap_or_else(|| rounded(point.unobserved));
        let (users, items) = (self.data.n_users() as f64, self.data.n_items() as f64);
        let pairs = self.data.n_pairs() as f64;
        let typical = (pairs / users + unobserved * items) * (pairs / items + unobserved * users);
        let chosen = || rounded(point.ridge / typical.sqrt().powf(exponent));
        Settings { unobserved, regularization: given[1].unwrap_or_else(chosen), exponent, binary }
    }

    fn run(&self, splits: &[Holdout]) -> Result<Choice> {
        let cases = (SCORES / self.data.n_items().max(1)).max(USERS);
        let users: usize = splits.iter().map(|split| split.cases.len().min(cases)).sum();
        let mut why =
            vec![format!("chosen by recall + ndcg at {DEPTH} of {users} users with hidden items")];
        let mut tried: Vec<(Point, f64)> = Vec::new();
        let mut worth = |point: Point, tried: &mut Vec<(Point, f64)>| -> Result<f64> {
            self.work.step("settings", tried.len() as u64, self.wanted.tries as u64)?;
            let settings = self.settings(point);
            let found = mean(&self.gains(splits, cases, settings)?);
            let Settings { unobserved, regularization, .. } = settings;
            why.push(format!(
                "tried: unobserved_weight {unobserved}, regularization {regularization}: {found:.4}"
            ));
            tried.push((point, found));
            Ok(found)
        };
        let starts = if self.wanted.given[0].is_some() { &[USUAL][..] } else { &STARTS };
        let mut best = (Point { unobserved: USUAL, ridge: RIDGE }, f64::NEG_INFINITY);
        for start in starts {
            let point = Point { unobserved: *start, ridge: RIDGE };
            let found = worth(point, &mut tried)?;
            if found > best.1 {
                best = (point, found);
            }
        }
        for step in [2.0, f64::sqrt(2.0)] {
            let mut moved = true;
            while moved {
                moved = false;
                for by in [(1.0, step), (1.0, step.recip()), (step, 1.0), (step.recip(), 1.0)] {
                    let at = best.0;
                    let point = Point { unobserved: at.unobserved * by.0, ridge: at.ridge * by.1 };
                    let held =
                        if by.0 == 1.0 { self.wanted.given[1] } else { self.wanted.given[0] };
                    let known = tried.iter().any(|(other, _)| other.is_near(point));
                    if held.is_some() || known || tried.len() >= self.wanted.tries {
                        continue;
                    }
                    let found = worth(point, &mut tried)?;
                    if found > best.1 {
                        best = (point, found);
                        moved = true;
                    }
                }
            }
        }
        self.work.step("settings", self.wanted.tries as u64, self.wanted.tries as u64)?;
        let settings = self.settings(best.0);
        let Settings { unobserved, regularization, .. } = settings;
        why.push(format!(
            "chosen: unobserved_weight {unobserved}, regularization {regularization}: {:.4}",
            best.1
        ));
        Ok(Choice { settings, why })
    }

    /// What a model of these settings is worth to each user.
    fn gains(&self, splits: &[Holdout], cases: usize, settings: Settings) -> Result<Vec<f32>> {
        let mut gains = Vec::new();
        let silent = Work { progress: std::sync::Arc::new(crate::Silent), ..self.work.clone() };
        for split in splits {
            let items = train(
                &split.data,
                self.dim,
                self.iterations,
                settings,
                self.seed,
                "settings",
                &silent,
            )?;
            gains.extend(asked(&items, split, cases, settings, self.work)?);
        }
        Ok(gains)
    }
}

impl Point {
    fn is_near(self, other: Point) -> bool {
        let near = |a: f64, b: f64| (a / b).ln().abs() < 0.01;
        near(self.unobserved, other.unobserved) && near(self.ridge, other.ridge)
    }
}

/// The gains of the first so many users of a split.
fn asked(
    items: &Side,
    split: &Holdout,
    cases: usize,
    settings: Settings,
    work: &Work,
) -> Result<Vec<f32>> {
    let basis = items.basis();
    let ask = |(solver, scores): &mut (Solver<'_>, Vec<f32>), case: &Case| -> f32 {
        if work.cancel.is_cancelled() {
            return 0.0;
        }
        score(basis, solver, split, case, scores);
        let ranked: Vec<u32> =
            top_k(scores, DEPTH, Allow::All).iter().map(|scored| scored.row).collect();
        gain(&ranked, &case.hidden, case.hidden.len())
    };
    let cases = &split.cases[..cases.min(split.cases.len())];
    let gains = cases
        .par_iter()
        .with_min_len(8)
        .map_init(|| (Solver::new(basis, settings), vec![0f32; basis.len()]), ask)
        .collect();
    work.check()?;
    Ok(gains)
}

/// The scores of all items but those of the history.
fn score(
    basis: Basis<'_>,
    solver: &mut Solver<'_>,
    split: &Holdout,
    case: &Case,
    scores: &mut [f32],
) {
    let (rows, weights) = split.data.by_user.row(case.user as usize);
    let seen: Vec<(u32, f32)> = rows.iter().copied().zip(weights.iter().copied()).collect();
    let mut own = vec![Line::default(); basis.stride() / LANES];
    let own: &mut [f32] = bytemuck::cast_slice_mut(&mut own);
    solver.fold_in(&seen, own);
    dot_rows(basis.rows, basis.stride(), own, scores);
    rows.iter().for_each(|row| scores[*row as usize] = UNSCORED);
}
