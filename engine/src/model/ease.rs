//! `ease`: the linear model of items by items with a closed form.
//!
//! ```text
//! P = (Xᵀ W X + λI)⁻¹    W = diag((d_u / mean d)^−2a)    B = I − P · diag(1 / diag P)
//! score(x) = xB = x − (xP) / diag P
//! ```
//!
//! Only P is kept: in f64 as a triangle, which is what exact updates need, and in f32 as full rows,
//! which is what scoring streams. A history of h items is a sum of h rows, whoever the person is.

mod refresh;

use std::io::Write;

use rayon::prelude::*;
use tastedb_storage::ItemId;

use super::entries::{merged, sign};
use super::file::{Array, Sections, Writer, corrupt};
use super::news::{News, Refreshed};
use super::{Algorithm, Embeddings, Model, shares};
use crate::kernels::{Line, add_rows, negate_scaled, stride};
use crate::linalg::{InverseError, PANEL, Panels, invert, panels_len};
use crate::options::Checked;
use crate::{
    Dataset, Error, ModelOptions, OptionKind, OptionSpec, OptionValue, Reason, Result, ScoreInput,
    Served, SideData, UNSCORED, Work,
};

const NAME: &str = "ease";
const FORMAT: u32 = 1;

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: NAME,
    summary: "a linear model between items in closed form, for catalogues up to some 20,000 items",
    options: &[
        OptionSpec {
            name: "lambda",
            kind: OptionKind::Real { default: 300.0, min: 1e-6, max: 1e12 },
            help: "the regularisation; more for dense data",
        },
        OptionSpec {
            name: "user_exponent",
            kind: OptionKind::Real { default: 0.0, min: 0.0, max: 2.0 },
            help: "a: how much users with long histories are held back",
        },
        OptionSpec {
            name: "weighting",
            kind: OptionKind::Choice(&["binary", "weighted"]),
            help: "whether an interaction counts one if its weight is positive, or its weight",
        },
        OptionSpec {
            name: "memory_limit",
            kind: OptionKind::Int { default: 8 << 30, min: 1, max: i64::MAX },
            help: "the bytes that training may take; beyond, it fails before it starts",
        },
    ],
    embeddings: Embeddings::Unused,
    fit,
    load,
    format: FORMAT,
};

pub(super) struct Ease {
    items: Vec<ItemId>,
    /// P in full rows of `stride` floats.
    rows: Rows,
    /// 1 / diag P.
    scale: Vec<f32>,
    /// The triangle of P.
    triangle: Array<f64>,
    binary: bool,
    /// The mean of the users' degrees that their weights are relative to; it stays when the matrix
    /// follows the data. `None` in files from before it was kept.
    mean_degree: Option<f64>,
    options: Vec<(String, OptionValue)>,
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
pub(super) fn model_bytes(n_items: u64) -> u64 {
    let triangle = n_items.saturating_mul(n_items.saturating_add(PANEL as u64)).saturating_mul(4);
    triangle.saturating_add(n_items.saturating_mul(n_items.saturating_add(28)).saturating_mul(4))
}

/// The memory that training takes at most.
pub(super) fn peak_bytes(n_items: u64) -> u64 {
    // The rows are made when the two blocks of columns are no longer needed.
    let columns = n_items.saturating_mul(2 * 8 * PANEL as u64);
    let rows = n_items.saturating_mul(n_items).saturating_mul(4);
    model_bytes(n_items).saturating_add(columns.saturating_sub(rows))
}

fn fit(
    data: &Dataset,
    _: &SideData,
    options: &ModelOptions,
    _: u64,
    work: &Work,
) -> Result<Box<dyn Model>> {
    let checked = Checked::new(NAME, ALGORITHM.options, options)?;
    let binary = checked.text("weighting") == "binary";
    if data.n_pairs() == 0 {
        return Err(Error::EmptyTraining { algorithm: NAME, why: "there are no interactions" });
    }
    let (needed, limit) = (peak_bytes(data.n_items() as u64), checked.int("memory_limit") as u64);
    if needed > limit {
        return Err(Error::TooLarge { algorithm: NAME, needed, limit });
    }
    let (lambda, exponent) = (checked.real("lambda"), checked.real("user_exponent"));
    let mut ease = Ease::solve(data, lambda, exponent, binary, work)?;
    ease.options = checked.into_list();
    Ok(Box::new(ease))
}

/// The weight of a user of a degree.
fn user_weight(degree: usize, mean_degree: f64, exponent: f64) -> f64 {
    (degree as f64 / mean_degree).powf(-2.0 * exponent)
}

/// Xᵀ W X + λI. Every entry is summed over the users in their order by one thread.
fn gram(
    data: &Dataset,
    lambda: f64,
    exponent: f64,
    binary: bool,
    mean_degree: f64,
    work: &Work,
) -> Result<Panels<Vec<f64>>> {
    let value = |x: f32| match binary {
        true => f64::from(u8::from(x > 0.0)),
        false => f64::from(x),
    };
    let by_user: Vec<f64> = data.by_user.values().iter().map(|x| value(*x)).collect();
    let user_weight: Vec<f64> = (0..data.n_users())
        .map(|user| user_weight(data.by_user.degree(user), mean_degree, exponent))
        .collect();
    let mut matrix = Panels::zeros(data.n_items());
    work.step("co-occurrences", 0, 1)?;
    matrix.columns_mut().into_par_iter().with_max_len(16).for_each(|(item, column)| {
        if work.cancel.is_cancelled() {
            return;
        }
        column[0] = lambda;
        let (users, weights) = data.by_item.row(item);
        for (user, x) in users.iter().zip(weights) {
            let factor = value(*x) * user_weight[*user as usize];
            if factor == 0.0 {
                continue;
            }
            let range = data.by_user.range(*user as usize);
            let others = &data.by_user.indices()[range.clone()];
            let first = others.partition_point(|other| (*other as usize) < item);
            for (other, x) in others[first..].iter().zip(&by_user[range][first..]) {
                column[*other as usize - item] += factor * x;
            }
        }
    });
    work.step("co-occurrences", 1, 1)?;
    Ok(matrix)
}

fn load(sections: &Sections) -> Result<Box<dyn Model>> {
    let options = sections.options()?;
    let weighting = options.iter().find(|(name, _)| name == "weighting");
    let binary = weighting.is_none_or(|(_, value)| *value == OptionValue::Text("binary".into()));
    let mut ease = Ease::read(sections, binary)?;
    ease.options = options;
    Ok(Box::new(ease))
}

impl Ease {
    /// Solves for the matrix. It has no options; whoever asked knows them.
    pub(super) fn solve(
        data: &Dataset,
        lambda: f64,
        exponent: f64,
        binary: bool,
        work: &Work,
    ) -> Result<Ease> {
        Ease::solve_relative(data, lambda, exponent, binary, None, work)
    }

    /// The same with the weights of users relative to a mean degree that was in force before.
    fn solve_relative(
        data: &Dataset,
        lambda: f64,
        exponent: f64,
        binary: bool,
        mean_degree: Option<f64>,
        work: &Work,
    ) -> Result<Ease> {
        let own = data.n_pairs() as f64 / data.n_users() as f64;
        let mean_degree = mean_degree.unwrap_or(own);
        let mut matrix = gram(data, lambda, exponent, binary, mean_degree, work)?;
        invert(&mut matrix, "inverse", work).map_err(|error| match error {
            InverseError::Cancelled => Error::Cancelled,
            InverseError::NotPositiveDefinite => {
                Error::NotPositiveDefinite { algorithm: NAME, option: "lambda" }
            }
        })?;
        Ok(Ease::of(data.items.clone(), matrix, binary, mean_degree))
    }

    /// The model of an inverse.
    fn of(items: Vec<ItemId>, matrix: Panels<Vec<f64>>, binary: bool, mean_degree: f64) -> Ease {
        let n = items.len();
        let mut rows = vec![Line::default(); n * stride(n) / crate::kernels::LANES];
        matrix.write_rows(bytemuck::cast_slice_mut(&mut rows), stride(n));
        let scale = (0..n).map(|item| matrix.diagonal(item).recip() as f32).collect();
        Ease {
            items,
            rows: Rows::Owned(rows),
            scale,
            triangle: Array::Owned(matrix.into_inner()),
            binary,
            mean_degree: Some(mean_degree),
            options: Vec::new(),
        }
    }

    /// Reads the matrix of a saved model.
    pub(super) fn read(sections: &Sections, binary: bool) -> Result<Ease> {
        let items = sections.items()?;
        let n = items.len();
        let rows = n.checked_mul(stride(n)).ok_or_else(|| corrupt("it has too many items"))?;
        let scale = sections.array_of::<f32>("scale", n)?.to_vec();
        let mean_degree = match sections.has("mean degree") {
            true => Some(sections.array_of::<f64>("mean degree", 1)?[0]),
            false => None,
        };
        let sound = mean_degree.is_none_or(|mean| mean.is_finite() && mean > 0.0);
        if !sound || scale.iter().any(|value| !value.is_finite()) {
            return Err(corrupt("a number of it is none"));
        }
        Ok(Ease {
            rows: Rows::Loaded(sections.array_of("rows", rows)?),
            triangle: sections.array_of("triangle", panels_len(n))?,
            items,
            scale,
            binary,
            mean_degree,
            options: Vec::new(),
        })
    }

    /// Writes the matrix, but not the items.
    pub(super) fn write<'a>(&'a self, writer: &mut Writer<'a>) {
        writer.array("scale", &self.scale);
        writer.array("rows", self.rows.all());
        writer.array("triangle", &self.triangle);
        if let Some(mean_degree) = self.mean_degree {
            writer.owned("mean degree", vec![mean_degree]);
        }
    }

    fn row(&self, item: u32) -> Option<&[f32]> {
        let stride = stride(self.items.len());
        let start = (item as usize).checked_mul(stride)?;
        self.rows.all().get(start..start.checked_add(stride)?)
    }

    fn history(&self, entries: &[(u32, f32)]) -> Vec<(u32, f32)> {
        merged(entries, self.items.len(), self.binary)
    }

    /// What having one item adds to the score of another.
    pub(super) fn link(&self, from: u32, to: u32) -> f32 {
        let row = self.row(to).filter(|_| (from as usize) < self.items.len());
        row.map_or(0.0, |row| -row[from as usize] * self.scale[to as usize])
    }

    /// Scores a history of rows, each once.
    pub(super) fn score_rows(&self, x: &[(u32, f32)], out: &mut [f32]) -> Served {
        let rows: Vec<(&[f32], f32)> =
            x.iter().filter_map(|(row, weight)| Some((self.row(*row)?, *weight))).collect();
        if rows.is_empty() {
            out.fill(UNSCORED);
            return Served::No;
        }
        out.fill(0.0);
        add_rows(out, &rows);
        negate_scaled(out, &self.scale);
        for (row, weight) in x {
            out[*row as usize] += weight;
        }
        Served::Dense
    }
}

impl Model for Ease {
    fn algorithm(&self) -> &'static str {
        NAME
    }

    fn items(&self) -> &[ItemId] {
        &self.items
    }

    fn score(&self, input: &ScoreInput<'_>, out: &mut [f32]) -> Served {
        self.score_rows(&self.history(input.history.entries), out)
    }

    fn score_one(&self, input: &ScoreInput<'_>, item_row: u32) -> Option<f32> {
        let x = self.history(input.history.entries);
        let row = self.row(item_row).filter(|_| !x.is_empty())?;
        let others = x.iter().filter(|(other, _)| *other != item_row);
        let sum: f32 = others.map(|(other, weight)| weight * row[*other as usize]).sum();
        Some(-(sum * self.scale[item_row as usize]))
    }

    fn similar(&self, _: &ScoreInput<'_>, item_row: u32, out: &mut [f32]) -> Served {
        match self.score_rows(&self.history(&[(item_row, 1.0)]), out) {
            Served::No => Served::No,
            _ => {
                out[item_row as usize] = UNSCORED;
                Served::Touched
            }
        }
    }

    fn explain(&self, input: &ScoreInput<'_>, item_row: u32, k: usize) -> Vec<Reason> {
        let Some(row) = self.row(item_row) else { return Vec::new() };
        let scale = self.scale[item_row as usize];
        let entries = input.history.entries.iter().enumerate();
        let known = entries
            .filter(|(_, (other, _))| (*other as usize) < self.items.len() && *other != item_row);
        let spoken = known.map(|(entry, (other, weight))| {
            let weight = if self.binary { sign(*weight) } else { *weight };
            (entry, -weight * row[*other as usize] * scale, None)
        });
        shares(spoken, k)
    }

    fn options(&self) -> Vec<(String, OptionValue)> {
        self.options.clone()
    }

    fn refresh(&self, news: &News<'_>, _: u64, work: &Work) -> Result<Refreshed> {
        self.refreshed(news, work)
    }

    fn memory(&self) -> u64 {
        (size_of_val(self.items.as_slice())
            + size_of_val(self.rows.all())
            + size_of_val(self.scale.as_slice())
            + size_of_val(&*self.triangle)) as u64
    }

    fn save(&self, out: &mut dyn Write) -> Result<()> {
        let mut writer = Writer::new(NAME, FORMAT);
        writer.options(&self.options);
        writer.items(&self.items);
        Ease::write(self, &mut writer);
        writer.write(out)
    }
}
