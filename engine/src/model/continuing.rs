//! Where a later training of a gradient model begins: the item rows that the last one ended with.
//!
//! ```text
//! e_u = c · |x|^−½ Σ e_i     the rows of people, whom nobody keeps: c makes them as long as they were
//! e_j ∥ Σ e_u of who had j   the rows of new items, as long as rows are in the mean
//! ```
//!
//! Neither is where training would end, but much nearer to it than where it would begin.

use std::sync::Arc;

use super::file::{Array, Sections, Writer, corrupt};
use super::undoing::Reach;
use crate::kernels::stride;
use crate::trainer::Table;
use crate::{Dataset, Result};
use tastedb_storage::ItemId;

/// A refresh goes on for one in so many of the epochs of the training.
const SHARE: usize = 4;
/// Epochs of a refresh at least.
const LEAST: usize = 10;

/// What a model keeps of its training for the next one.
pub(super) struct Beginning {
    /// The rows of the items before smoothing, of a whole number of lines.
    pub(super) rows: Array<f32>,
    /// c.
    pub(super) people: f32,
    /// The epochs of the training.
    pub(super) epochs: usize,
    /// How histories become vectors: the shares of ridge, or sums.
    pub(super) ridge: Option<[f64; 2]>,
    /// How far to step to forget, where the model undoes, something could be hidden to measure it, and
    /// the file is not from before it was kept.
    pub(super) reach: Option<Reach>,
}

/// What an earlier training left, as the next one takes it.
#[derive(Clone, Debug)]
pub(crate) struct Earlier {
    pub(super) items: Vec<ItemId>,
    pub(super) rows: Vec<f32>,
    pub(super) dim: usize,
    pub(super) people: f32,
    pub(super) epochs: usize,
    pub(super) ridge: Option<[f64; 2]>,
    pub(super) reach: Option<Reach>,
    pub(super) notes: Vec<String>,
}

impl Beginning {
    /// What rows of users, then items, leave behind. `data` has the users and items in that order.
    pub(super) fn of(
        base: &Table,
        data: &Dataset,
        epochs: usize,
        ridge: Option<[f64; 2]>,
        reach: Option<Reach>,
    ) -> Beginning {
        let users = data.n_users();
        let rows = base.data()[users * base.stride()..].to_vec();
        let (mut both, mut own) = (0f64, 0f64);
        let mut sum = vec![0f32; base.stride()];
        for user in 0..users {
            history(&rows, base.stride(), data.by_user.row(user).0, &mut sum);
            for (value, other) in sum.iter().zip(base.row(user)) {
                both += f64::from(*value) * f64::from(*other);
                own += f64::from(*value) * f64::from(*value);
            }
        }
        let people = if own > 0.0 { (both / own) as f32 } else { 0.0 };
        Beginning { rows: Array::Owned(rows), people, epochs, ridge, reach }
    }

    pub(super) fn write<'a>(&'a self, writer: &mut Writer<'a>) {
        writer.array("base", &self.rows);
        let [all, diagonal] = self.ridge.unwrap_or([-1.0; 2]);
        let numbers = vec![f64::from(self.people), self.epochs as f64, all, diagonal];
        writer.owned("beginning", numbers);
        if let Some(Reach { level, step, content }) = self.reach {
            writer.owned("reach", vec![level, step]);
            writer.owned("content", vec![content]);
        }
    }

    /// The same of other rows.
    pub(super) fn with_rows(&self, rows: Array<f32>) -> Beginning {
        let Beginning { people, epochs, ridge, reach, .. } = *self;
        Beginning { rows, people, epochs, ridge, reach }
    }

    /// Reads what was written; `None` where nothing was.
    pub(super) fn read(sections: &Sections, numbers: usize) -> Result<Option<Beginning>> {
        if !sections.has("base") {
            return Ok(None);
        }
        let [people, epochs, all, diagonal] = *sections.array_of::<f64>("beginning", 4)? else {
            return Err(corrupt("it has not four numbers to begin from"));
        };
        if [people, epochs, all, diagonal].iter().any(|value| !value.is_finite()) {
            return Err(corrupt("a number of it is none"));
        }
        let reach = match sections.has("reach") {
            true => {
                let numbers = sections.array_of::<f64>("reach", 2)?;
                let content = sections.array_of::<u64>("content", 1)?;
                match (&*numbers, &*content) {
                    // A step may be infinite.
                    ([level, step], [content]) if level.is_finite() && *step >= 0.0 => {
                        Some(Reach { level: *level, step: *step, content: *content })
                    }
                    _ => return Err(corrupt("a number of it is none")),
                }
            }
            false => None,
        };
        Ok(Some(Beginning {
            reach,
            rows: sections.array_of("base", numbers)?,
            people: people as f32,
            epochs: epochs.clamp(0.0, 1e9) as usize,
            ridge: (all >= 0.0 && diagonal >= 0.0).then_some([all, diagonal]),
        }))
    }
}

/// |x|^−½ Σ e_i.
pub(super) fn history(rows: &[f32], stride: usize, items: &[u32], out: &mut [f32]) {
    out.fill(0.0);
    for item in items {
        let row = &rows[*item as usize * stride..][..stride];
        out.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    let scale = (items.len().max(1) as f32).sqrt().recip();
    out.iter_mut().for_each(|sum| *sum *= scale);
}

fn length(row: &[f32]) -> f32 {
    row.iter().map(|value| value * value).sum::<f32>().sqrt()
}

impl Earlier {
    /// The epochs that a refresh goes on for.
    pub(super) fn more(&self) -> usize {
        (self.epochs / SHARE).max(LEAST)
    }

    /// How many of some items are new.
    pub(super) fn new_items(&self, items: &[ItemId]) -> usize {
        items.iter().filter(|item| self.items.binary_search(item).is_err()).count()
    }

    /// The rows of the users and items of other data, users first.
    pub(super) fn table(&self, data: &Dataset) -> Table {
        let (users, stride) = (data.n_users(), stride(self.dim));
        let mut table = Table::zeros(users + data.n_items(), self.dim);
        let mut fresh = Vec::new();
        let (mut mean, mut known) = (0f64, 0u32);
        for (row, item) in data.items.iter().enumerate() {
            match self.items.binary_search(item) {
                Ok(at) => {
                    let own = &self.rows[at * stride..][..stride];
                    table.row_mut(users + row).copy_from_slice(own);
                    mean += f64::from(length(own));
                    known += 1;
                }
                Err(_) => fresh.push(row),
            }
        }
        let mean = (mean / f64::from(known.max(1))) as f32;
        let mut sum = vec![0f32; stride];
        for user in 0..users {
            let rows = &table.data()[users * stride..];
            history(rows, stride, data.by_user.row(user).0, &mut sum);
            let to = table.row_mut(user).iter_mut();
            to.zip(&sum).for_each(|(to, value)| *to = self.people * value);
        }
        for row in fresh {
            sum.fill(0.0);
            for user in data.by_item.row(row).0 {
                let own = table.row(*user as usize);
                sum.iter_mut().zip(own).for_each(|(sum, value)| *sum += value);
            }
            let length = length(&sum);
            if length > 0.0 {
                let to = table.row_mut(users + row).iter_mut();
                to.zip(&sum).for_each(|(to, value)| *to = value * mean / length);
            }
        }
        table
    }
}

/// The same behind a pointer, as it is handed to a training.
pub(crate) type Continued = Arc<Earlier>;
