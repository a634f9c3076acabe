//! `ials`: factors of users and items by alternating least squares over implicit feedback.
//!
//! ```text
//! loss = Σ observed c(ŷ − p)² + α Σ all ŷ² + λ Σ rows (d + α n)^ν ‖row‖²    ŷ = ⟨user, item⟩
//! ```
//!
//! c is the confidence in a pair, 1 or its weight; p is 1, or 0 for a dislike; d is the sum of a
//! row's confidences and n the number of rows it could have had. This is the model of Hu, Koren and
//! Volinsky (2008) with the regularisation of Rendle et al. (2022), who found that it is as good as
//! newer ones once λ and α are right. They are chosen on hidden pairs (see `choose`).
//!
//! Every half of an iteration is solved exactly, and cheaply: see `solver`. No user is kept: a
//! person's factors are solved for from the history when a question comes.

mod choose;
mod item_factors;
mod refresh;
mod settings;
mod side;
mod solver;

use std::io::Write;

use tastedb_storage::ItemId;

pub(super) use self::choose::tried_factors;
use self::choose::{Choice, Wanted, choose, choose_by};
use self::item_factors::MOST;
pub(super) use self::item_factors::{ItemFactors, Person};
use self::settings::Settings;
use self::side::Side;
use super::entries::merged;
use super::estimate::{MEMORY_LIMIT, within_limit};
use super::file::{Sections, Writer, corrupt};
use super::holdout::Holdout;
use super::news::{News, Refreshed};
use super::{Algorithm, Embeddings, ItemVectors, Model, shares};
use crate::kernels::{dot, dot_rows};
use crate::options::Checked;
use crate::{
    Dataset, Error, History, ModelOptions, OptionKind, OptionSpec, OptionValue, Reason, Result,
    ScoreInput, Served, SideData, UNSCORED, Work,
};

const NAME: &str = "ials";
const FORMAT: u32 = 1;
/// Iterations.
pub(super) const ITERATIONS: usize = 16;
/// Models that are tried, at most, for one that is mixed into another.
pub(super) const MIXED_TRIES: usize = 10;

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: NAME,
    summary: "factors of users and items by alternating least squares",
    options: &[
        OptionSpec {
            name: "factors",
            kind: OptionKind::Int { default: 64, min: 1, max: MOST as i64 },
            help: "the numbers that stand for an item",
        },
        OptionSpec {
            name: "iterations",
            kind: OptionKind::Int { default: ITERATIONS as i64, min: 1, max: 10_000 },
            help: "how often users and items are solved for",
        },
        OptionSpec {
            name: "unobserved_weight",
            kind: OptionKind::Auto { min: 1e-6, max: 1e3 },
            help: "α: what a pair that was not observed weighs beside one that was",
        },
        OptionSpec {
            name: "regularization",
            kind: OptionKind::Auto { min: 1e-9, max: 1e6 },
            help: "λ: how much factors are held back",
        },
        OptionSpec {
            name: "frequency_exponent",
            kind: OptionKind::Real { default: 1.0, min: 0.0, max: 2.0 },
            help: "ν: how much more so for frequent users and items",
        },
        OptionSpec {
            name: "weighting",
            kind: OptionKind::Choice(&["binary", "weighted"]),
            help: "whether an interaction counts one, or its weight",
        },
        MEMORY_LIMIT,
    ],
    embeddings: Embeddings::Unused,
    fit,
    load,
    format: FORMAT,
};

struct Ials {
    items: Vec<ItemId>,
    factors: ItemFactors,
    /// One over the length of each item's factors; 0 for an item that has none.
    scales: Vec<f32>,
    options: Vec<(String, OptionValue)>,
    notes: Vec<String>,
}

/// The size of a model.
pub(super) fn model_bytes(n_items: u64, factors: usize) -> u64 {
    side::bytes(n_items, factors).saturating_add(n_items.saturating_mul(12))
}

/// The memory that training takes at most.
pub(super) fn peak_bytes(n_users: u64, n_items: u64, factors: usize) -> u64 {
    let threads = rayon::current_num_threads();
    model_bytes(n_items, factors)
        .saturating_add(side::bytes(n_users, factors))
        .saturating_add(side::scratch_bytes(factors, threads))
}

fn fit(
    data: &Dataset,
    side: &SideData,
    options: &ModelOptions,
    seed: u64,
    work: &Work,
) -> Result<Box<dyn Model>> {
    let checked = Checked::new(NAME, ALGORITHM.options, options)?;
    if !data.by_user.values().iter().any(|weight| *weight > 0.0) {
        return Err(Error::EmptyTraining { algorithm: NAME, why: "there are no interactions" });
    }
    let dim = checked.int("factors") as usize;
    within_limit(NAME, data, side, options, &checked)?;
    let Choice { settings, why } = choose(data, Wanted::new(&checked), seed, work)?;
    let iterations = checked.int("iterations") as usize;
    let factors = solved(data, dim, iterations, settings, seed, work)?;
    let mut options = checked.into_list();
    for (name, value) in &mut options {
        match name.as_str() {
            "unobserved_weight" => *value = OptionValue::Real(settings.unobserved),
            "regularization" => *value = OptionValue::Real(settings.regularization),
            _ => {}
        }
    }
    Ok(Box::new(Ials {
        items: data.items.clone(),
        scales: scales(&factors),
        factors,
        options,
        notes: why,
    }))
}

/// Settings for a model of so many factors that another one mixes in, with what was tried in words:
/// pairs only count, and fewer models are tried than for one that stands alone.
pub(super) fn mixed_in(
    splits: &[Holdout],
    data: &Dataset,
    dim: usize,
    seed: u64,
    work: &Work,
) -> Result<(Mixture, Vec<String>)> {
    let iterations = ITERATIONS;
    let given = [None; 2];
    let wanted = Wanted { dim, iterations, given, exponent: 1.0, binary: true, tries: MIXED_TRIES };
    let Choice { settings, why } = choose_by(splits, data, wanted, seed, work)?;
    let told = why.into_iter().map(|line| format!("ials {line}")).collect();
    Ok((Mixture { dim, settings, seed }, told))
}

/// How a model that another one mixes in is trained.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mixture {
    dim: usize,
    settings: Settings,
    seed: u64,
}

impl Mixture {
    pub(super) fn train(&self, data: &Dataset, work: &Work) -> Result<ItemFactors> {
        solved(data, self.dim, ITERATIONS, self.settings, self.seed, work)
    }
}

/// The factors of the items, ready to answer.
fn solved(
    data: &Dataset,
    dim: usize,
    iterations: usize,
    settings: Settings,
    seed: u64,
    work: &Work,
) -> Result<ItemFactors> {
    let side = train(data, dim, iterations, settings, seed, "iterations", work)?;
    Ok(ItemFactors::new(side, settings))
}

/// The factors of the items.
fn train(
    data: &Dataset,
    dim: usize,
    iterations: usize,
    settings: Settings,
    seed: u64,
    stage: &str,
    work: &Work,
) -> Result<Side> {
    swept(Side::start(&data.items, dim, seed), data, iterations, settings, stage, work)
}

/// The factors of the items after so many iterations more.
fn swept(
    mut items: Side,
    data: &Dataset,
    iterations: usize,
    settings: Settings,
    stage: &str,
    work: &Work,
) -> Result<Side> {
    let mut users = Side::zeros(data.n_users(), items.dim);
    items.turn()?;
    for iteration in 0..iterations {
        work.step(stage, iteration as u64, iterations as u64)?;
        users.solve(&items, &data.by_user, settings, work)?;
        users.turn()?;
        items.solve(&users, &data.by_item, settings, work)?;
        items.turn()?;
    }
    work.step(stage, iterations as u64, iterations as u64)?;
    Ok(items)
}

fn scales(factors: &ItemFactors) -> Vec<f32> {
    let over = |length: f32| if length > 0.0 { length.recip() } else { 0.0 };
    factors.rows().map(|row| over(dot(row, row).sqrt())).collect()
}

fn load(sections: &Sections) -> Result<Box<dyn Model>> {
    let items = sections.items()?;
    let text = sections.array::<u8>("notes")?;
    let text = std::str::from_utf8(&text).map_err(|_| corrupt("a text in it is none"))?;
    Ok(Box::new(Ials {
        factors: ItemFactors::read(sections, items.len())?,
        scales: sections.array_of::<f32>("scales", items.len())?.to_vec(),
        notes: text.lines().map(str::to_owned).collect(),
        options: sections.options()?,
        items,
    }))
}

impl Ials {
    /// What the history says, item by item.
    fn history(&self, entries: &[(u32, f32)]) -> Vec<(u32, f32)> {
        merged(entries, self.factors.len(), false)
    }
}

impl Model for Ials {
    fn algorithm(&self) -> &'static str {
        NAME
    }

    fn items(&self) -> &[ItemId] {
        &self.items
    }

    fn score(&self, input: &ScoreInput<'_>, out: &mut [f32]) -> Served {
        self.factors.scores(&self.history(input.history.entries), out)
    }

    fn score_one(&self, input: &ScoreInput<'_>, item_row: u32) -> Option<f32> {
        let person = self.factors.fold_in(&self.history(input.history.entries))?;
        self.factors.score(&person, item_row)
    }

    fn similar(&self, _: &ScoreInput<'_>, item_row: u32, out: &mut [f32]) -> Served {
        let scale = self.scales.get(item_row as usize).copied().unwrap_or(0.0);
        let Some(row) = self.factors.row(item_row).filter(|_| scale > 0.0) else {
            out.fill(UNSCORED);
            return Served::No;
        };
        dot_rows(self.factors.all(), row.len(), row, out);
        for (value, other) in out.iter_mut().zip(&self.scales) {
            *value = if *other > 0.0 { *value * scale * other } else { UNSCORED };
        }
        out[item_row as usize] = UNSCORED;
        Served::Touched
    }

    fn factors(&self) -> Option<ItemVectors<'_>> {
        Some(self.factors.vectors())
    }

    fn vector(&self, history: History<'_>, similar: Option<u32>) -> Option<Vec<f32>> {
        // Similar items are by cosine, which is another score.
        let x = self.history(history.entries);
        let person = similar.is_none().then(|| self.factors.fold_in(&x)).flatten()?;
        Some(person.values().to_vec())
    }

    fn explain(&self, input: &ScoreInput<'_>, item_row: u32, k: usize) -> Vec<Reason> {
        let x = self.history(input.history.entries);
        let parts = self.factors.parts(&x, item_row);
        let entries = input.history.entries.iter().enumerate();
        let spoken = entries.filter_map(|(entry, (own, weight))| {
            let part = parts[parts.binary_search_by_key(own, |(row, _)| *row).ok()?].1;
            // Of entries of the same item each has its part of the weight.
            let whole = x[x.binary_search_by_key(own, |(row, _)| *row).ok()?].1;
            Some((entry, part * weight / whole, None))
        });
        shares(spoken, k)
    }

    fn untouched(&self) -> Option<Vec<u32>> {
        let rows = (0u32..).zip(&self.scales);
        Some(rows.filter(|(_, scale)| **scale == 0.0).map(|(row, _)| row).collect())
    }

    fn options(&self) -> Vec<(String, OptionValue)> {
        self.options.clone()
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn refresh(&self, news: &News<'_>, seed: u64, work: &Work) -> Result<Refreshed> {
        let (model, how) = self.refreshed(news.data()?, seed, work)?;
        Ok(Refreshed { model: Box::new(model), how, anew: false })
    }

    fn memory(&self) -> u64 {
        let own = size_of_val(self.items.as_slice()) + size_of_val(self.scales.as_slice());
        own as u64 + self.factors.memory()
    }

    fn save(&self, out: &mut dyn Write) -> Result<()> {
        let mut writer = Writer::new(NAME, FORMAT);
        writer.options(&self.options);
        writer.items(&self.items);
        writer.array("scales", &self.scales);
        self.factors.write(&mut writer);
        writer.owned("notes", self.notes.join("\n").into_bytes());
        writer.write(out)
    }
}

#[cfg(test)]
mod tests;
