//! For each user with hidden items: the items that could rank high, with every term of each.
//!
//! Terms are costly and weights are cheap, so the terms are computed once, for a few hundred items of
//! each user, and any weights can then be tried on them. The first and the last content term are kept
//! without their power of the degree, so that t can be tried as well.

use rayon::prelude::*;

use super::columns::Column;
use super::counts::Counts;
use super::fixed::{EACH, Fixed};
use super::layout::Layout;
use super::settings::over;
use super::terms::{Exponents, Parts, Scales, Wanted};
use super::{degrees, ease_scores};
use crate::item_graph::ItemGraph;
use crate::model::gain::{DEPTH, gain};
use crate::model::holdout::{Case, Holdout};
use crate::model::sums::Sums;
use crate::spare::Spare;
use crate::{Allow, Result, Work, top_k};

/// Users between two looks at the cancel token.
const BLOCK: usize = 256;

/// The items of one user, term after term.
struct Sheet {
    /// The logarithms of the degrees; zero where the degree is.
    degrees: Vec<f32>,
    /// One column a term, in units of its spread.
    terms: Vec<f32>,
    /// Which of the items were hidden.
    hidden: Vec<u32>,
    /// How many were hidden in all.
    all_hidden: usize,
}

/// The sheets of all users of a split.
pub(super) struct Pool {
    pub(super) layout: Layout,
    /// The t that the spreads belong to.
    item: f64,
    sheets: Vec<Sheet>,
}

/// What the terms of a split are made of.
pub(super) struct Source<'a> {
    pub(super) split: &'a Holdout,
    pub(super) graphs: &'a [ItemGraph],
    pub(super) fixed: &'a Fixed,
    pub(super) middle: usize,
}

impl Pool {
    /// Computes the terms of the first cases, of so many users.
    pub(super) fn build(
        source: &Source<'_>,
        counts: &Counts,
        exponents: Exponents,
        users: usize,
        work: &Work,
    ) -> Result<Pool> {
        let degrees = degrees(&source.split.data);
        let scales = Scales::new(&degrees, exponents);
        let parts = Parts { counts, graphs: source.graphs, scales: &scales, middle: source.middle };
        let layout = Layout {
            modalities: source.graphs.len(),
            ease: source.fixed.ease.is_some(),
            ials: source.fixed.ials.is_some(),
        };
        let spare = Spare::default();
        let total = source.split.cases.len().min(users);
        let mut found = Vec::with_capacity(total);
        for (block, cases) in source.split.cases[..total].chunks(BLOCK).enumerate() {
            work.step("terms", (block * BLOCK) as u64, total as u64)?;
            let sheets: Vec<(Sheet, Vec<f32>)> = cases
                .par_iter()
                .enumerate()
                .with_max_len(4)
                .map(|(at, case)| {
                    let case = (block * BLOCK + at, case);
                    sheet(source, &parts, layout, &degrees, &spare, case)
                })
                .collect();
            found.extend(sheets);
        }
        work.step("terms", total as u64, total as u64)?;
        let mean = |term: usize| -> f32 {
            let sum: f64 = found.iter().map(|(_, spreads)| f64::from(spreads[term])).sum();
            (sum / found.len().max(1) as f64) as f32
        };
        let means: Vec<f32> = (0..layout.width()).map(mean).collect();
        let mut sheets: Vec<Sheet> = found.into_iter().map(|(sheet, _)| sheet).collect();
        sheets.par_iter_mut().for_each(|sheet| {
            let n = sheet.degrees.len();
            for (term, mean) in means.iter().enumerate() {
                let by = over(*mean);
                sheet.terms[term * n..(term + 1) * n].iter_mut().for_each(|value| *value *= by);
            }
        });
        Ok(Pool { layout, item: exponents.item, sheets })
    }

    /// Each user's gain at every value of one weight: `along` says what a unit of it adds.
    pub(super) fn gains(&self, point: &Point, along: &[f32], values: &[f32]) -> Vec<Vec<f32>> {
        let power = (self.item - point.item) as f32;
        self.sheets
            .par_iter()
            .with_min_len(64)
            .map_init(Vec::new, |sums: &mut Vec<f32>, sheet| {
                let base = sheet.sum(self.layout, &point.terms, power);
                let step = sheet.sum(self.layout, along, power);
                let gain = |value: &f32| {
                    sums.clear();
                    sums.extend(base.iter().zip(&step).map(|(base, step)| base + value * step));
                    sheet.gain(sums)
                };
                values.iter().map(gain).collect()
            })
            .collect()
    }
}

/// Weights of the terms, and a t in the place of the one that the pool was made with.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) terms: Vec<f32>,
    pub(super) item: f64,
}

impl Sheet {
    /// The weighted sum of the terms, those with a power of the degree taken to another power.
    fn sum(&self, layout: Layout, weights: &[f32], power: f32) -> Vec<f32> {
        let n = self.degrees.len();
        let mut sums = vec![0f32; n];
        let add = |sums: &mut [f32], powered: bool| {
            let mut any = false;
            for (term, (column, weight)) in
                self.terms.chunks_exact(n.max(1)).zip(weights).enumerate()
            {
                if *weight != 0.0 && layout.takes_power(term) == powered {
                    any = true;
                    sums.iter_mut().zip(column).for_each(|(sum, value)| *sum += weight * value);
                }
            }
            any
        };
        if add(&mut sums, true) && power != 0.0 {
            sums.iter_mut().zip(&self.degrees).for_each(|(sum, log)| *sum *= (power * log).exp());
        }
        add(&mut sums, false);
        sums
    }

    fn gain(&self, scores: &[f32]) -> f32 {
        let best = top_k(scores, DEPTH, Allow::All);
        let rows: Vec<u32> = best.iter().map(|best| best.row).collect();
        gain(&rows, &self.hidden, self.all_hidden)
    }
}

fn sheet(
    source: &Source<'_>,
    parts: &Parts<'_>,
    layout: Layout,
    degrees: &[u32],
    spare: &Spare<Sums>,
    (at, case): (usize, &Case),
) -> (Sheet, Vec<f32>) {
    let x: Vec<(u32, f32)> = case.history.iter().map(|item| (*item, 1.0)).collect();
    let wanted = vec![true; layout.modalities];
    let mut columns = parts.columns(&x, Wanted { second: true, content: &wanted }, spare);
    let Fixed { popular, ease, ials } = source.fixed;
    columns.push(Column::Popular(popular));
    if let Some(ease) = ease {
        let mut scores = vec![0f32; degrees.len()];
        ease_scores(ease, &x, &mut scores);
        columns.push(Column::Every(scores));
    }
    if let Some((factors, liked)) = ials {
        columns.push(Column::Liked(&liked[at], factors));
    }
    let spreads = columns.iter().map(Column::spread).collect();
    let mut rows: Vec<u32> =
        columns.iter().flat_map(|column| column.best(EACH, &case.history)).collect();
    rows.sort_unstable();
    rows.dedup();
    let mut terms = Vec::with_capacity(rows.len() * columns.len());
    for column in &columns {
        terms.extend(rows.iter().map(|row| column.value(*row)));
    }
    let sheet = Sheet {
        degrees: rows.iter().map(|row| (degrees[*row as usize].max(1) as f32).ln()).collect(),
        hidden: (0u32..)
            .zip(&rows)
            .filter(|(_, row)| case.hidden.binary_search(row).is_ok())
            .map(|(at, _)| at)
            .collect(),
        all_hidden: case.hidden.len(),
        terms,
    };
    (sheet, spreads)
}
