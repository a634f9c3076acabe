//! Where a later training of a gradient model begins: the item rows that the last one ended with, and
//! the weights that it learned beside them.
//!
//! ```text
//! e_u of Σ e_i               the rows of people, whom nobody keeps: see `people`
//! e_j ∥ Σ e_u of who had j   the rows of items that nobody had before, as long as rows are in the mean
//! ```
//!
//! Neither is where training would end, but much nearer to it than where it would begin.
//!
//! Not here: moments of Adam, which are soon found again, and how long a refresh goes on, but for the
//! number of its epochs.

use std::sync::{Arc, OnceLock};

use super::factors::{MOST_FACTORS, WIDEST};
use super::file::{Array, Sections, Writer, corrupt};
use super::people::{People, sum_up};
use super::undoing::Reach;
use crate::kernels::stride;
use crate::trainer::Table;
use crate::{Dataset, Result};
use tastedb_storage::ItemId;

/// A refresh goes on for one in so many of the epochs of the training.
const SHARE: usize = 4;
/// Epochs of a refresh at least: where one table of rows is all, and where more was trained and is kept.
const LEAST: [usize; 2] = [10, 5];
/// Numbers of a row at most: those of the widest model.
const MOST: usize = WIDEST * MOST_FACTORS;

/// What a model keeps of its training for the next one.
pub(super) struct Beginning {
    /// The rows of the items before smoothing, of a whole number of lines.
    pub(super) rows: Array<f32>,
    /// The numbers of such a row.
    dim: usize,
    pub(super) people: People,
    /// What was trained beside the rows, one after the other, and its shapes.
    weights: Array<f32>,
    shapes: Vec<[usize; 2]>,
    /// The epochs of the training.
    pub(super) epochs: usize,
    /// How histories become vectors: the shares of ridge, or sums.
    pub(super) ridge: Option<[f64; 2]>,
    /// How far to step to forget, where the model undoes, something could be hidden to measure it, and
    /// the file is not from before it was kept.
    pub(super) reach: Option<Reach>,
}

/// What an earlier training left, as the next one takes it.
#[derive(Debug)]
pub(crate) struct Earlier {
    items: Vec<ItemId>,
    rows: Vec<f32>,
    dim: usize,
    people: People,
    weights: Vec<Table>,
    pub(super) epochs: usize,
    pub(super) ridge: Option<[f64; 2]>,
    pub(super) reach: Option<Reach>,
    pub(super) notes: Vec<String>,
    /// The epochs that a training went on from it, once one has.
    went_on: OnceLock<usize>,
}

impl Beginning {
    /// What rows of users, then items, leave behind. `data` has the users and items in that order; what
    /// nobody had of them has learned nothing, and its row is zero.
    pub(super) fn of(
        base: &Table,
        data: &Dataset,
        people: People,
        weights: Vec<Table>,
    ) -> Beginning {
        let (users, stride) = (data.n_users(), base.stride());
        let mut rows = base.data()[users * stride..].to_vec();
        for (item, row) in rows.chunks_exact_mut(stride).enumerate() {
            if data.by_item.degree(item) == 0 {
                row.fill(0.0);
            }
        }
        Beginning {
            rows: Array::Owned(rows),
            dim: base.dim(),
            people,
            shapes: weights.iter().map(|table| [table.rows(), table.dim()]).collect(),
            weights: Array::Owned(weights.iter().flat_map(Table::data).copied().collect()),
            epochs: 0,
            ridge: None,
            reach: None,
        }
    }

    pub(super) fn write<'a>(&'a self, writer: &mut Writer<'a>) {
        writer.array("base", &self.rows);
        let [all, diagonal] = self.ridge.unwrap_or([-1.0; 2]);
        // The first was a c, where there was one for all.
        writer.owned("beginning", vec![0.0, self.epochs as f64, all, diagonal]);
        if let Some(Reach { level, step, content }) = self.reach {
            writer.owned("reach", vec![level, step]);
            writer.owned("content", vec![content]);
        }
        writer.owned("base_dim", vec![self.dim as u32]);
        self.people.write(writer);
        if !self.shapes.is_empty() {
            writer.array("weights", &self.weights);
            let shapes = self.shapes.iter().flatten().map(|number| *number as u32);
            writer.owned("shapes", shapes.collect::<Vec<u32>>());
        }
    }

    /// The same of other rows.
    pub(super) fn with_rows(&self, rows: Array<f32>) -> Beginning {
        let Beginning { dim, epochs, ridge, reach, .. } = *self;
        let (people, shapes) = (self.people.clone(), self.shapes.clone());
        let weights = Array::Owned(self.weights.to_vec());
        Beginning { rows, dim, people, weights, shapes, epochs, ridge, reach }
    }

    /// Reads what was written for so many items; `None` where nothing was. Where they are not told, rows are
    /// of `dim` numbers.
    pub(super) fn read(sections: &Sections, items: usize, dim: usize) -> Result<Option<Beginning>> {
        if !sections.has("base") {
            return Ok(None);
        }
        let [first, epochs, all, diagonal] = *sections.array_of::<f64>("beginning", 4)? else {
            return Err(corrupt("it has not four numbers to begin from"));
        };
        if [first, epochs, all, diagonal].iter().any(|value| !value.is_finite()) {
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
        let dim = match sections.has("base_dim") {
            true => *sections.array_of::<u32>("base_dim", 1)?.first().unwrap_or(&0) as usize,
            false => dim,
        };
        if dim == 0 || dim > MOST {
            return Err(corrupt("the rows to begin from have no length"));
        }
        let people = People::read(sections, dim, first as f32)?;
        let numbers = items.checked_mul(stride(dim));
        let numbers = numbers.ok_or_else(|| corrupt("it has too many rows to begin from"))?;
        let (weights, shapes) = weights(sections)?;
        Ok(Some(Beginning {
            rows: sections.array_of("base", numbers)?,
            dim,
            people,
            weights,
            shapes,
            epochs: epochs.clamp(0.0, 1e9) as usize,
            ridge: (all >= 0.0 && diagonal >= 0.0).then_some([all, diagonal]),
            reach,
        }))
    }

    /// The same for a training that goes on from it.
    pub(super) fn earlier(&self, items: Vec<ItemId>, notes: Vec<String>) -> Earlier {
        let mut left = &*self.weights;
        let table = |[rows, dim]: &[usize; 2]| {
            let mut table = Table::zeros(*rows, *dim);
            let (own, rest) = left.split_at(table.data().len().min(left.len()));
            table.data_mut()[..own.len()].copy_from_slice(own);
            left = rest;
            table
        };
        Earlier {
            items,
            rows: self.rows.to_vec(),
            dim: self.dim,
            people: self.people.clone(),
            weights: self.shapes.iter().map(table).collect(),
            epochs: self.epochs,
            ridge: self.ridge,
            reach: self.reach,
            notes,
            went_on: OnceLock::new(),
        }
    }

    /// The bytes in use.
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.rows) + size_of_val(&*self.weights) + self.people.memory()
    }
}

/// The weights in a file, and their shapes.
fn weights(sections: &Sections) -> Result<(Array<f32>, Vec<[usize; 2]>)> {
    if !sections.has("shapes") {
        return Ok((Array::Owned(Vec::new()), Vec::new()));
    }
    let numbers = sections.array::<u32>("shapes")?;
    let (shapes, rest) = numbers.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(corrupt("a shape of weights lacks a number"));
    }
    let shapes: Vec<[usize; 2]> = shapes.iter().map(|shape| shape.map(|x| x as usize)).collect();
    let length = shapes
        .iter()
        .try_fold(0usize, |sum, [rows, dim]| sum.checked_add(rows.checked_mul(stride(*dim))?));
    let length = length.ok_or_else(|| corrupt("it has too many weights"))?;
    Ok((sections.array_of("weights", length)?, shapes))
}

fn length(row: &[f32]) -> f32 {
    row.iter().map(|value| value * value).sum::<f32>().sqrt()
}

impl Earlier {
    /// The epochs that a refresh goes on for.
    pub(super) fn more(&self) -> usize {
        let more = self.people.blocks() > 1 || !self.weights.is_empty();
        (self.epochs / SHARE).max(LEAST[usize::from(more)])
    }

    /// How many of some items are new.
    pub(super) fn new_items(&self, items: &[ItemId]) -> usize {
        items.iter().filter(|item| self.items.binary_search(item).is_err()).count()
    }

    /// Whether it has rows of so many blocks of so many factors, and weights of these shapes.
    pub(super) fn fits(&self, [blocks, factors]: [usize; 2], weights: &[[usize; 2]]) -> bool {
        let own = self.weights.iter().map(|table| [table.rows(), table.dim()]);
        self.people.blocks() == blocks
            && self.dim == blocks * factors
            && own.eq(weights.iter().copied())
    }

    /// A training has gone on from it for so many epochs.
    pub(super) fn go_on(&self, epochs: usize) {
        self.went_on.get_or_init(|| epochs);
    }

    /// The epochs that one has; `None` where none did.
    pub(super) fn went_on(&self) -> Option<usize> {
        self.went_on.get().copied()
    }

    /// The weights that it ended with.
    pub(super) fn weights(&self) -> &[Table] {
        &self.weights
    }

    /// The rows of the users and items of other data, users first.
    pub(super) fn table(&self, data: &Dataset) -> Table {
        let (users, stride) = (data.n_users(), stride(self.dim));
        let mut table = Table::zeros(users + data.n_items(), self.dim);
        let mut fresh = Vec::new();
        let blocks = self.people.blocks();
        let factors = self.dim / blocks.max(1);
        let (mut lengths, mut known) = (vec![0f64; blocks], 0u32);
        for (row, item) in data.items.iter().enumerate() {
            let own =
                self.items.binary_search(item).ok().map(|at| &self.rows[at * stride..][..stride]);
            match own.filter(|own| own.iter().any(|value| *value != 0.0)) {
                Some(own) => {
                    table.row_mut(users + row).copy_from_slice(own);
                    for (sum, own) in lengths.iter_mut().zip(own.chunks(factors)) {
                        *sum += f64::from(length(own));
                    }
                    known += 1;
                }
                None => fresh.push(row),
            }
        }
        let mut sum = vec![0f32; stride];
        for user in 0..users {
            let rows = &table.data()[users * stride..];
            sum_up(rows, stride, data.by_user.row(user).0, &mut sum);
            self.people.row(&sum, self.dim, table.row_mut(user));
        }
        for row in fresh {
            let people = &table.data()[..users * stride];
            sum_up(people, stride, data.by_item.row(row).0, &mut sum);
            let to = table.row_mut(users + row)[..self.dim].chunks_mut(factors);
            for (all, (to, sum)) in lengths.iter().zip(to.zip(sum.chunks(factors))) {
                let (mean, length) = ((all / f64::from(known.max(1))) as f32, length(sum));
                if length > 0.0 {
                    to.iter_mut().zip(sum).for_each(|(to, value)| *to = value * mean / length);
                }
            }
        }
        table
    }
}

/// The same behind a pointer, as it is handed to a training.
pub(crate) type Continued = Arc<Earlier>;
