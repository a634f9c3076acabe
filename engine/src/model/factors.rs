//! Factors of items, and how a history becomes a vector among them: what factor models answer with.
//!
//! ```text
//! score = ⟨v, q_i⟩
//! v = |x|^−½ Σ x_i q_i                own: the sum of the history's factors
//! v = |x|^−½ Σ x_i s_i                sums: of rows that are there for that
//! v = (Σ q_i q_iᵀ + A)⁻¹ Σ x_i q_i    ridge: A is one matrix for everybody; see [`Ridge`]
//! ```

use std::io::Write;
use std::sync::Arc;

use tastedb_storage::ItemId;

use super::continuing::{Beginning, Earlier};
use super::entries::{merged, sign};
use super::file::{Array, Sections, Writer, corrupt};
use super::news::{News, Refreshed};
use super::ridge::Ridge;
use super::undoing::{self, Tried};
use super::{ANEW, ItemVectors, Model, algorithm, learning, refitted, shares};
use crate::kernels::{dot, dot_rows, stride};
use crate::{
    History, LearningCurve, OptionValue, Reason, Result, ScoreInput, Served, SideData, UNSCORED,
    Work,
};

/// How a history becomes a vector.
pub(super) enum Fold {
    /// The sum of the items' factors, over the root of their number.
    Own,
    /// The same of other rows, one for each item.
    Sums(Array<f32>),
    /// The solution of a small system.
    Ridge(Ridge),
}

/// The version of the sections, for every algorithm that saves factors.
pub(super) const FORMAT: u32 = 1;

const OWN: u32 = 0;
const SUMS: u32 = 1;
const RIDGE: u32 = 2;

/// A model of item factors.
pub(super) struct Factors {
    pub(super) algorithm: &'static str,
    pub(super) items: Vec<ItemId>,
    pub(super) dim: usize,
    /// In rows of `stride(dim)`.
    pub(super) factors: Array<f32>,
    pub(super) fold: Fold,
    pub(super) options: Vec<(String, OptionValue)>,
    pub(super) notes: Vec<String>,
    /// What the next training can begin from.
    pub(super) beginning: Option<Beginning>,
    pub(super) curve: LearningCurve,
}

/// Reads the model of whichever algorithm saved it.
pub(super) fn load(sections: &Sections) -> Result<Box<dyn Model>> {
    Ok(Box::new(Factors::read(algorithm(sections.algorithm())?.name, sections)?))
}

fn row(rows: &[f32], stride: usize, at: u32) -> &[f32] {
    &rows[at as usize * stride..][..stride]
}

impl Fold {
    /// The rows that are summed; for ridge, before its system is solved.
    fn rows<'a>(&'a self, factors: &'a [f32]) -> &'a [f32] {
        match self {
            Fold::Sums(rows) => rows,
            Fold::Own | Fold::Ridge(_) => factors,
        }
    }

    /// The vector of a history, whose rows are below the number of items.
    pub(super) fn vector(&self, factors: &[f32], dim: usize, x: &[(u32, f32)], out: &mut [f32]) {
        let stride = stride(dim);
        out.fill(0.0);
        for (item, weight) in x {
            let row = row(self.rows(factors), stride, *item);
            out.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
        }
        match self {
            Fold::Own | Fold::Sums(_) => {
                let scale = (x.len().max(1) as f32).sqrt().recip();
                out.iter_mut().for_each(|sum| *sum *= scale);
            }
            Fold::Ridge(ridge) => ridge.solve(factors, x, out),
        }
    }
}

impl Factors {
    fn read(algorithm: &'static str, sections: &Sections) -> Result<Factors> {
        let items = sections.items()?;
        let dim = *sections.array_of::<u32>("dim", 1)?.first().unwrap_or(&0) as usize;
        let numbers = Some(stride(dim)).filter(|_| dim > 0 && dim <= WIDEST * MOST_FACTORS);
        let numbers = numbers.and_then(|stride| items.len().checked_mul(stride));
        let numbers = numbers.ok_or_else(|| corrupt("it has too many factors"))?;
        let factors = sections.array_of::<f32>("factors", numbers)?;
        let fold = match *sections.array_of::<u32>("fold", 1)? {
            [OWN] => Fold::Own,
            [SUMS] => Fold::Sums(sections.array_of("sums", numbers)?),
            [RIDGE] => Fold::Ridge(Ridge::new(dim, sections.array_of("ridge", dim * dim)?)),
            _ => return Err(corrupt("it folds histories in an unknown way")),
        };
        let notes = sections.array::<u8>("notes")?;
        let notes = std::str::from_utf8(&notes).map_err(|_| corrupt("a text in it is none"))?;
        let notes = notes.lines().map(str::to_owned).collect();
        let options = sections.options()?;
        let beginning = Beginning::read(sections, items.len(), dim)?;
        Ok(Factors {
            algorithm,
            items,
            dim,
            factors,
            fold,
            options,
            notes,
            beginning,
            curve: LearningCurve::default(),
        })
    }

    fn history(&self, entries: &[(u32, f32)]) -> Vec<(u32, f32)> {
        merged(entries, self.items.len(), true)
    }

    /// What the next training can go on from.
    fn earlier(&self) -> Option<Earlier> {
        let beginning = self.beginning.as_ref()?;
        Some(beginning.earlier(self.items.clone(), self.notes.clone()))
    }

    fn folded(&self, x: &[(u32, f32)]) -> Vec<f32> {
        let mut vector = vec![0f32; stride(self.dim)];
        self.fold.vector(&self.factors, self.dim, x, &mut vector);
        vector
    }

    fn scores(&self, x: &[(u32, f32)], out: &mut [f32]) -> Served {
        if x.is_empty() {
            out.fill(UNSCORED);
            return Served::No;
        }
        dot_rows(&self.factors, stride(self.dim), &self.folded(x), out);
        Served::Dense
    }
}

/// The largest number of factors that an option may ask for.
pub(super) const MOST_FACTORS: usize = 1024;
/// The vectors of some models hold several of so many: `ngcf` all its layers.
pub(super) const WIDEST: usize = 9;

impl Model for Factors {
    fn algorithm(&self) -> &'static str {
        self.algorithm
    }

    fn items(&self) -> &[ItemId] {
        &self.items
    }

    fn score(&self, input: &ScoreInput<'_>, out: &mut [f32]) -> Served {
        self.scores(&self.history(input.history.entries), out)
    }

    fn score_one(&self, input: &ScoreInput<'_>, item_row: u32) -> Option<f32> {
        let x = self.history(input.history.entries);
        if x.is_empty() || item_row as usize >= self.items.len() {
            return None;
        }
        Some(dot(row(&self.factors, stride(self.dim), item_row), &self.folded(&x)))
    }

    fn similar(&self, _: &ScoreInput<'_>, item_row: u32, out: &mut [f32]) -> Served {
        match self.scores(&self.history(&[(item_row, 1.0)]), out) {
            Served::No => Served::No,
            _ => {
                out[item_row as usize] = UNSCORED;
                Served::Touched
            }
        }
    }

    fn factors(&self) -> Option<ItemVectors<'_>> {
        Some(ItemVectors { dim: self.dim, rows: &self.factors })
    }

    fn vector(&self, history: History<'_>, similar: Option<u32>) -> Option<Vec<f32>> {
        let x = match similar {
            Some(item_row) => self.history(&[(item_row, 1.0)]),
            None => self.history(history.entries),
        };
        (!x.is_empty()).then(|| self.folded(&x))
    }

    fn explain(&self, input: &ScoreInput<'_>, item_row: u32, k: usize) -> Vec<Reason> {
        if item_row as usize >= self.items.len() {
            return Vec::new();
        }
        // A score is linear in what the history's items count; this is what they are multiplied by.
        let stride = stride(self.dim);
        let target = row(&self.factors, stride, item_row);
        let (rows, mut target) = (self.fold.rows(&self.factors), target.to_vec());
        if let Fold::Ridge(ridge) = &self.fold {
            let x = self.history(input.history.entries);
            ridge.solve(&self.factors, &x, &mut target);
        }
        let entries = input.history.entries.iter().enumerate();
        let known =
            entries.filter(|(_, (row, _))| (*row as usize) < self.items.len() && *row != item_row);
        let spoken = known.map(|(at, (item, weight))| {
            (at, sign(*weight) * dot(row(rows, stride, *item), &target), None)
        });
        shares(spoken, k)
    }

    fn untouched(&self) -> Option<Vec<u32>> {
        let rows = (0u32..).zip(self.factors.chunks_exact(stride(self.dim)));
        let zero = |row: &[f32]| row.iter().all(|value| *value == 0.0);
        Some(rows.filter(|(_, values)| zero(values)).map(|(row, _)| row).collect())
    }

    fn options(&self) -> Vec<(String, OptionValue)> {
        self.options.clone()
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn refresh(&self, news: &News<'_>, seed: u64, work: &Work) -> Result<Refreshed> {
        let (name, options) = (self.algorithm, self.options.clone());
        let Some(earlier) = self.earlier() else {
            return refitted(name, options, news, seed, work);
        };
        let new = earlier.new_items(news.items());
        let earlier = Arc::new(earlier);
        let side = SideData { earlier: Some(Arc::clone(&earlier)), ..news.side().clone() };
        let options = options.into_iter().collect();
        let model = (algorithm(name)?.fit)(news.data()?, &side, &options, seed, work)?;
        // With other columns of vectors than it was trained on there is nothing to go on from.
        let how = match earlier.went_on() {
            None => ANEW.to_owned(),
            Some(0) => format!("made again from what was learned, {new} new items"),
            Some(more) => format!("{more} epochs more, {new} new items"),
        };
        Ok(Refreshed { model, how, anew: earlier.went_on().is_none() })
    }

    fn unlearn(&self, news: &News<'_>, seed: u64, work: &Work) -> Result<Refreshed> {
        match undoing::undo(self, news, seed, work)? {
            Tried::Undone(model, how) if undoing::more_is_new(self, news) => {
                let refreshed = model.refresh(news, seed, work)?;
                let how = format!("{how}; then {}", refreshed.how);
                Ok(Refreshed { how, ..refreshed })
            }
            Tried::Undone(model, how) => Ok(Refreshed { model, how, anew: false }),
            Tried::Not(why) => {
                let refitted = refitted(self.algorithm, self.options.clone(), news, seed, work)?;
                let how = match why {
                    Some(why) => format!("{}, since not {why}", refitted.how),
                    None => refitted.how,
                };
                Ok(Refreshed { how, ..refitted })
            }
        }
    }

    fn undoes(&self) -> bool {
        learning::undoes(&self.options)
    }

    fn curve(&self) -> LearningCurve {
        self.curve.clone()
    }

    fn memory(&self) -> u64 {
        let beginning = self.beginning.as_ref().map_or(0, Beginning::memory);
        let fold = match &self.fold {
            Fold::Own => 0,
            Fold::Sums(values) => size_of_val(&**values),
            Fold::Ridge(ridge) => ridge.memory(),
        };
        (size_of_val(self.items.as_slice()) + size_of_val(&*self.factors) + fold + beginning) as u64
    }

    fn save(&self, out: &mut dyn Write) -> Result<()> {
        let mut writer = Writer::new(self.algorithm, FORMAT);
        writer.options(&self.options);
        writer.items(&self.items);
        writer.owned("dim", vec![self.dim as u32]);
        writer.array("factors", &self.factors);
        let fold = match &self.fold {
            Fold::Own => OWN,
            Fold::Sums(rows) => {
                writer.array("sums", rows);
                SUMS
            }
            Fold::Ridge(ridge) => {
                writer.array("ridge", ridge.matrix());
                RIDGE
            }
        };
        writer.owned("fold", vec![fold]);
        if let Some(beginning) = &self.beginning {
            beginning.write(&mut writer);
        }
        writer.owned("notes", self.notes.join("\n").into_bytes());
        writer.write(out)
    }
}
