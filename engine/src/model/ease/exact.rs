//! The exact form: P whole, in f64 as a triangle, which is what exact updates need, and in f32 as full
//! rows, which is what scoring streams. A history of h items is a sum of h rows.

mod correction;
mod refresh;

use std::io::Write;
use std::sync::Arc;

use tastedb_storage::ItemId;

use super::{EXACT_FORMAT, NAME, mean_degree, solved};
use crate::kernels::{Line, add_rows, negate_scaled, stride};
use crate::linalg::{PANEL, Panels, Sparse, panels_len};
use crate::model::entries::{merged, sign};
use crate::model::file::{Array, Sections, Writer, corrupt};
use crate::model::news::{News, Pairs, Refreshed, TakenOut};
use crate::model::{Model, refitted, shares};
use crate::{Dataset, OptionValue, Reason, Result, ScoreInput, Served, UNSCORED, Work};
use correction::{Correction, Step};

pub(in crate::model) struct Ease {
    items: Vec<ItemId>,
    /// P in full rows of `stride` floats.
    rows: Arc<Rows>,
    /// 1 / diag P, as it is corrected.
    scale: Vec<f32>,
    /// The triangle of P.
    triangle: Arc<Array<f64>>,
    /// What answers leave out that P still holds.
    correction: Correction,
    binary: bool,
    /// The mean of the users' degrees that their weights are relative to; it stays when the matrix
    /// follows the data. `None` in files from before it was kept.
    mean_degree: Option<f64>,
    /// Vectors that came or left since the matrix was solved for.
    updates: u64,
    pub(super) options: Vec<(String, OptionValue)>,
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

impl Ease {
    /// Solves for the matrix. It has no options; whoever asked knows them.
    pub(in crate::model) fn solve(
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
        mean: Option<f64>,
        work: &Work,
    ) -> Result<Ease> {
        let mean = mean.unwrap_or_else(|| mean_degree(data));
        let matrix = solved::<f64>(data, lambda, exponent, binary, mean, work)?;
        Ok(Ease::of(data.items.clone(), matrix, binary, mean))
    }

    /// The model of an inverse.
    fn of(items: Vec<ItemId>, matrix: Panels<f64>, binary: bool, mean_degree: f64) -> Ease {
        let n = items.len();
        let mut rows = vec![Line::default(); n * stride(n) / crate::kernels::LANES];
        matrix.write_rows(bytemuck::cast_slice_mut(&mut rows), stride(n));
        let scale = (0..n).map(|item| matrix.diagonal(item).recip() as f32).collect();
        Ease {
            items,
            rows: Arc::new(Rows::Owned(rows)),
            scale,
            triangle: Arc::new(Array::Owned(matrix.into_inner())),
            correction: Correction::default(),
            binary,
            mean_degree: Some(mean_degree),
            updates: 0,
            options: Vec::new(),
        }
    }

    /// Reads the matrix of a saved model.
    pub(in crate::model) fn read(sections: &Sections, binary: bool) -> Result<Ease> {
        let items = sections.items()?;
        let n = items.len();
        let rows = n.checked_mul(stride(n)).ok_or_else(|| corrupt("it has too many items"))?;
        let scale = sections.array_of::<f32>("scale", n)?.to_vec();
        let mean_degree = match sections.has("mean degree") {
            true => Some(sections.array_of::<f64>("mean degree", 1)?[0]),
            false => None,
        };
        let updates = match sections.has("updates") {
            true => sections.array_of::<u64>("updates", 1)?[0],
            false => 0,
        };
        let sound = mean_degree.is_none_or(|mean| mean.is_finite() && mean > 0.0);
        if !sound || scale.iter().any(|value| !value.is_finite()) {
            return Err(corrupt("a number of it is none"));
        }
        Ok(Ease {
            rows: Arc::new(Rows::Loaded(sections.array_of("rows", rows)?)),
            triangle: Arc::new(sections.array_of("triangle", panels_len(n))?),
            correction: Correction::default(),
            items,
            scale,
            binary,
            mean_degree,
            updates,
            options: Vec::new(),
        })
    }

    /// Writes the matrix, but not the items.
    pub(in crate::model) fn write<'a>(&'a self, writer: &mut Writer<'a>) {
        writer.array("scale", &self.scale);
        writer.array("rows", self.rows.all());
        writer.array("triangle", &self.triangle);
        if let Some(mean_degree) = self.mean_degree {
            writer.owned("mean degree", vec![mean_degree]);
        }
        writer.owned("updates", vec![self.updates]);
    }

    /// A row of P as it is kept, without the correction.
    fn row(&self, item: u32) -> Option<&[f32]> {
        let stride = stride(self.items.len());
        let start = (item as usize).checked_mul(stride)?;
        self.rows.all().get(start..start.checked_add(stride)?)
    }

    fn history(&self, entries: &[(u32, f32)]) -> Vec<(u32, f32)> {
        merged(entries, self.items.len(), self.binary)
    }

    /// What having one item adds to the score of another.
    pub(in crate::model) fn link(&self, from: u32, to: u32) -> f32 {
        let row = self.row(to).filter(|_| (from as usize) < self.items.len());
        row.map_or(0.0, |row| -self.entry(row, from, to) * self.scale[to as usize])
    }

    /// An entry of P, of whose `row` the kept numbers are given.
    fn entry(&self, kept: &[f32], column: u32, row: u32) -> f32 {
        kept[column as usize] + self.correction.entry(row, column)
    }

    fn exponent(&self) -> f64 {
        match self.options.iter().find(|(name, _)| name == "user_exponent") {
            Some((_, OptionValue::Real(exponent))) => *exponent,
            _ => f64::NAN,
        }
    }

    /// What a user without a weight of its own adds to the matrix, in the rows of the items that are
    /// not `gone`.
    fn vector(&self, pairs: &Pairs, gone: &[u32]) -> Sparse {
        let row = |(item, weight): &(ItemId, f32)| {
            let row = self.items.binary_search(item).ok()? as u32;
            let value = match self.binary {
                true => f64::from(u8::from(*weight > 0.0)),
                false => f64::from(*weight),
            };
            (value != 0.0 && !gone.contains(&row)).then_some((row, value))
        };
        pairs.iter().filter_map(row).collect()
    }

    /// The same matrix with what was taken out of the data left out of its answers.
    fn corrected(&self, out: &TakenOut<'_>) -> Option<Ease> {
        if self.exponent() != 0.0 {
            // The weights of all users are relative to a mean that is another one now.
            return None;
        }
        let row = |item: &ItemId| self.items.binary_search(item).ok().map(|row| row as u32);
        let gone: Vec<u32> = out.gone.iter().filter_map(row).collect();
        let mut steps: Vec<(Sparse, Step)> =
            gone.iter().map(|row| (vec![(*row, 1.0)], Step::Gone)).collect();
        for user in out.changed {
            let (old, new) = (self.vector(&user.before, &gone), self.vector(&user.after, &gone));
            if old != new {
                steps.extend([(new, Step::Joins), (old, Step::Leaves)]);
            }
        }
        steps.retain(|(vector, _)| !vector.is_empty());
        if self.correction.len() + steps.len() > correction::MOST {
            return None;
        }
        let (mut correction, from) = (self.correction.clone(), self.correction.len());
        for (vector, step) in &steps {
            if !correction.push(self, vector, *step) {
                return None;
            }
        }
        Some(Ease {
            items: self.items.clone(),
            rows: Arc::clone(&self.rows),
            scale: correction.scale(&self.scale, &gone, from),
            triangle: Arc::clone(&self.triangle),
            correction,
            binary: self.binary,
            mean_degree: self.mean_degree,
            updates: self.updates,
            options: self.options.clone(),
        })
    }

    /// Scores a history of rows, each once.
    pub(in crate::model) fn score_rows(&self, x: &[(u32, f32)], out: &mut [f32]) -> Served {
        let mut rows: Vec<(&[f32], f32)> =
            x.iter().filter_map(|(row, weight)| Some((self.row(*row)?, *weight))).collect();
        if rows.is_empty() {
            out.fill(UNSCORED);
            return Served::No;
        }
        rows.extend(self.correction.of_history(x));
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
        let sum: f32 =
            others.map(|(other, weight)| weight * self.entry(row, *other, item_row)).sum();
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
            (entry, -weight * self.entry(row, *other, item_row) * scale, None)
        });
        shares(spoken, k)
    }

    fn untouched(&self) -> Option<Vec<u32>> {
        let linked = |item: u32| {
            let mut row = (0u32..).zip(self.row(item).unwrap_or_default());
            row.any(|(other, value)| other != item && *value != 0.0)
        };
        Some((0..self.items.len() as u32).filter(|item| !linked(*item)).collect())
    }

    fn options(&self) -> Vec<(String, OptionValue)> {
        self.options.clone()
    }

    fn refresh(&self, news: &News<'_>, _: u64, work: &Work) -> Result<Refreshed> {
        self.refreshed(news, work)
    }

    fn unlearn(&self, news: &News<'_>, seed: u64, work: &Work) -> Result<Refreshed> {
        if self.exponent() != 0.0 {
            // Then the mean degree counts, and the one that is kept is of other data.
            return refitted(NAME, self.options.clone(), news, seed, work);
        }
        self.refreshed(news, work)
    }

    fn without(&self, out: &TakenOut<'_>) -> Option<Arc<dyn Model>> {
        Some(Arc::new(self.corrected(out)?))
    }

    fn memory(&self) -> u64 {
        (size_of_val(self.items.as_slice())
            + size_of_val(self.rows.all())
            + self.correction.bytes()
            + size_of_val(self.scale.as_slice())
            + size_of_val::<[f64]>(&self.triangle)) as u64
    }

    fn save(&self, out: &mut dyn Write) -> Result<()> {
        let mut writer = Writer::new(NAME, EXACT_FORMAT);
        writer.options(&self.options);
        writer.items(&self.items);
        Ease::write(self, &mut writer);
        writer.write(out)
    }
}
