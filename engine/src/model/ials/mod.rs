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
mod settings;
mod side;
mod solver;

use std::io::Write;

use tastedb_storage::ItemId;

pub(super) use self::choose::tried_factors;
use self::choose::{Choice, choose};
use self::settings::Settings;
use self::side::{Basis, Side};
use self::solver::Solver;
use super::entries::merged;
use super::estimate::{MEMORY_LIMIT, within_limit};
use super::file::{Array, Sections, Writer, corrupt};
use super::{Algorithm, Embeddings, Model, shares};
use crate::kernels::{Line, dot, dot_rows, stride};
use crate::options::Checked;
use crate::{
    Dataset, Error, ModelOptions, OptionKind, OptionSpec, OptionValue, Reason, Result, ScoreInput,
    Served, SideData, UNSCORED, Work,
};

const NAME: &str = "ials";
const FORMAT: u32 = 1;
/// Factors at most.
const FACTORS: i64 = 2048;

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: NAME,
    summary: "factors of users and items by alternating least squares",
    options: &[
        OptionSpec {
            name: "factors",
            kind: OptionKind::Int { default: 64, min: 1, max: FACTORS },
            help: "the numbers that stand for an item",
        },
        OptionSpec {
            name: "iterations",
            kind: OptionKind::Int { default: 16, min: 1, max: 10_000 },
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
    dim: usize,
    /// The factors of the items in rows of a whole number of lines.
    rows: Rows,
    /// The diagonal of FᵀF, which is diagonal.
    spectrum: Vec<f32>,
    /// One over the length of each item's factors; 0 for an item that has none.
    scales: Vec<f32>,
    settings: Settings,
    options: Vec<(String, OptionValue)>,
    notes: Vec<String>,
}

enum Rows {
    Owned(Vec<Line>),
    Loaded(Array<f32>),
}

impl Rows {
    fn all(&self) -> &[f32] {
        match self {
            Rows::Owned(lines) => bytemuck::cast_slice(lines),
            Rows::Loaded(values) => values,
        }
    }
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
    _: &SideData,
    options: &ModelOptions,
    seed: u64,
    work: &Work,
) -> Result<Box<dyn Model>> {
    let checked = Checked::new(NAME, ALGORITHM.options, options)?;
    if !data.by_user.values().iter().any(|weight| *weight > 0.0) {
        return Err(Error::EmptyTraining { algorithm: NAME, why: "there are no interactions" });
    }
    let dim = checked.int("factors") as usize;
    within_limit(NAME, data, options, &checked)?;
    let Choice { settings, why } = choose(data, &checked, seed, work)?;
    let iterations = checked.int("iterations") as usize;
    let side = train(data, dim, iterations, settings, seed, "iterations", work)?;
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
        dim,
        scales: scales(side.basis()),
        rows: Rows::Owned(side.lines),
        spectrum: side.spectrum,
        settings,
        options,
        notes: why,
    }))
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
    let mut items = Side::start(&data.items, dim, seed);
    let mut users = Side::zeros(data.n_users(), dim);
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

fn scales(basis: Basis<'_>) -> Vec<f32> {
    let over = |length: f32| if length > 0.0 { length.recip() } else { 0.0 };
    let rows = basis.rows.chunks_exact(basis.stride());
    rows.map(|row| over(dot(row, row).sqrt())).collect()
}

fn load(sections: &Sections) -> Result<Box<dyn Model>> {
    let items = sections.items()?;
    let options = sections.options()?;
    let int = |wanted: &str| {
        options.iter().find_map(|(name, value)| match value {
            OptionValue::Int(value) if name == wanted => Some(*value),
            _ => None,
        })
    };
    let dim = int("factors")
        .filter(|dim| (1..=FACTORS).contains(dim))
        .ok_or_else(|| corrupt("it has no number of factors"))? as usize;
    let weighting = options.iter().find(|(name, _)| name == "weighting");
    let binary = weighting.is_none_or(|(_, value)| *value == OptionValue::Text("binary".into()));
    let numbers = sections.array_of::<f64>("loss", 3)?;
    let spectrum = sections.array_of::<f32>("spectrum", dim)?.to_vec();
    let scales = sections.array_of::<f32>("scales", items.len())?.to_vec();
    let known = |value: f64| value.is_finite() && value >= 0.0;
    if !numbers.iter().copied().chain(spectrum.iter().map(|own| f64::from(*own))).all(known) {
        return Err(corrupt("a number of it is none"));
    }
    let length = items.len().checked_mul(stride(dim));
    let length = length.ok_or_else(|| corrupt("it has too many items"))?;
    let text = sections.array::<u8>("notes")?;
    let text = std::str::from_utf8(&text).map_err(|_| corrupt("a text in it is none"))?;
    Ok(Box::new(Ials {
        dim,
        rows: Rows::Loaded(sections.array_of("factors", length)?),
        spectrum,
        scales,
        settings: Settings {
            unobserved: numbers[0],
            regularization: numbers[1],
            exponent: numbers[2],
            binary,
        },
        notes: text.lines().map(str::to_owned).collect(),
        items,
        options,
    }))
}

impl Ials {
    fn basis(&self) -> Basis<'_> {
        Basis { dim: self.dim, rows: self.rows.all(), spectrum: &self.spectrum }
    }

    fn row(&self, item: u32) -> Option<&[f32]> {
        let stride = stride(self.dim);
        self.rows.all().chunks_exact(stride).nth(item as usize)
    }

    /// What the history says, item by item.
    fn history(&self, entries: &[(u32, f32)]) -> Vec<(u32, f32)> {
        merged(entries, self.rows.all().len() / stride(self.dim), false)
    }

    /// The factors of a person; `None` where nothing speaks for anything.
    fn fold_in(&self, entries: &[(u32, f32)]) -> Option<Vec<Line>> {
        let x = self.history(entries);
        if !x.iter().any(|(_, weight)| *weight > 0.0) {
            return None;
        }
        let mut lines = vec![Line::default(); stride(self.dim) / crate::kernels::LANES];
        let out: &mut [f32] = bytemuck::cast_slice_mut(&mut lines);
        Solver::new(self.basis(), self.settings).fold_in(&x, out);
        out.iter().all(|value| value.is_finite()).then_some(lines)
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
        let Some(own) = self.fold_in(input.history.entries) else {
            out.fill(UNSCORED);
            return Served::No;
        };
        dot_rows(self.rows.all(), stride(self.dim), bytemuck::cast_slice(&own), out);
        Served::Dense
    }

    fn score_one(&self, input: &ScoreInput<'_>, item_row: u32) -> Option<f32> {
        let row = self.row(item_row)?;
        let own = self.fold_in(input.history.entries)?;
        Some(dot(row, bytemuck::cast_slice(&own)))
    }

    fn similar(&self, _: &ScoreInput<'_>, item_row: u32, out: &mut [f32]) -> Served {
        let scale = self.scales.get(item_row as usize).copied().unwrap_or(0.0);
        let Some(row) = self.row(item_row).filter(|_| scale > 0.0) else {
            out.fill(UNSCORED);
            return Served::No;
        };
        dot_rows(self.rows.all(), stride(self.dim), row, out);
        for (value, other) in out.iter_mut().zip(&self.scales) {
            *value = if *other > 0.0 { *value * scale * other } else { UNSCORED };
        }
        out[item_row as usize] = UNSCORED;
        Served::Touched
    }

    fn explain(&self, input: &ScoreInput<'_>, item_row: u32, k: usize) -> Vec<Reason> {
        let Some(row) = self.row(item_row) else { return Vec::new() };
        let x = self.history(input.history.entries);
        let parts = Solver::new(self.basis(), self.settings).parts(&x, row);
        let entries = input.history.entries.iter().enumerate();
        let spoken = entries.filter_map(|(entry, (own, weight))| {
            let part = parts[parts.binary_search_by_key(own, |(row, _)| *row).ok()?].1;
            // Of entries of the same item each has its part of the weight.
            let whole = x[x.binary_search_by_key(own, |(row, _)| *row).ok()?].1;
            Some((entry, part * weight / whole, None))
        });
        shares(spoken, k)
    }

    fn options(&self) -> Vec<(String, OptionValue)> {
        self.options.clone()
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn memory(&self) -> u64 {
        (size_of_val(self.items.as_slice())
            + size_of_val(self.rows.all())
            + size_of_val(self.spectrum.as_slice())
            + size_of_val(self.scales.as_slice())) as u64
    }

    fn save(&self, out: &mut dyn Write) -> Result<()> {
        let mut writer = Writer::new(NAME, FORMAT);
        writer.options(&self.options);
        writer.items(&self.items);
        let Settings { unobserved, regularization, exponent, .. } = self.settings;
        writer.owned("loss", vec![unobserved, regularization, exponent]);
        writer.array("spectrum", &self.spectrum);
        writer.array("scales", &self.scales);
        writer.array("factors", self.rows.all());
        writer.owned("notes", self.notes.join("\n").into_bytes());
        writer.write(out)
    }
}

#[cfg(test)]
mod tests;
