//! Weighted links from items to items, of which each item keeps only its strongest: what sparse models
//! between items are made of, however they come to their weights.
//!
//! An item's score is the sum over the history of weight times link; items that nothing in the history
//! is linked to are not scored.

use super::file::{Sections, Writer};
use super::shares;
use super::sums::Sums;
use super::touched::Touched;
use crate::spare::Spare;
use crate::topk::Scored;
use crate::{Csr, Reason, Result, Served, UNSCORED};

/// The links of each item, by row; rows ascend.
pub(super) struct Links {
    matrix: Csr,
    spare: Spare<Sums>,
}

/// Row after row of links, as they are found.
pub(super) struct Growing {
    n: usize,
    indptr: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl Growing {
    /// Nothing yet, of `n` items.
    pub(super) fn new(n: usize) -> Growing {
        let mut indptr = Vec::with_capacity(n + 1);
        indptr.push(0);
        Growing { n, indptr, indices: Vec::new(), values: Vec::new() }
    }

    /// Adds the links of the next item, which ascend.
    pub(super) fn push(&mut self, row: &[Scored]) {
        self.indices.extend(row.iter().map(|near| near.row));
        self.values.extend(row.iter().map(|near| near.score));
        self.indptr.push(self.indices.len());
    }

    /// The links of all items.
    pub(super) fn finish(self) -> Links {
        let Growing { n, indptr, indices, values } = self;
        let matrix = Csr::from_parts(n, indptr, indices, values);
        Links::new(matrix.expect("rows ascend and are within the items"))
    }
}

impl Links {
    fn new(matrix: Csr) -> Links {
        Links { matrix, spare: Spare::default() }
    }

    /// Reads the links of `n` items.
    pub(super) fn read(sections: &Sections, n: usize) -> Result<Links> {
        Ok(Links::new(sections.csr(["starts", "columns", "weights"], n, n)?))
    }

    pub(super) fn write<'a>(&'a self, writer: &mut Writer<'a>) {
        writer.owned("starts", self.matrix.indptr().iter().map(|at| *at as u64).collect());
        writer.array("columns", self.matrix.indices());
        writer.array("weights", self.matrix.values());
    }

    /// The memory it takes, in bytes.
    pub(super) fn memory(&self) -> u64 {
        (size_of_val(self.matrix.indptr())
            + size_of_val(self.matrix.indices())
            + size_of_val(self.matrix.values())) as u64
    }

    /// The number of links.
    pub(super) fn len(&self) -> usize {
        self.matrix.len()
    }

    fn n(&self) -> usize {
        self.matrix.n_rows()
    }

    /// The link from one item to another.
    fn link(&self, from: u32, to: u32) -> Option<f32> {
        if from as usize >= self.n() {
            return None;
        }
        let (columns, values) = self.matrix.row(from as usize);
        columns.binary_search(&to).ok().map(|at| values[at])
    }

    /// Adds links to rows; a row that nothing was added to holds zero.
    fn add(&self, item_row: u32, weight: f32, out: &mut [f32]) {
        if item_row as usize >= self.n() {
            return;
        }
        let (columns, values) = self.matrix.row(item_row as usize);
        for (column, value) in columns.iter().zip(values) {
            out[*column as usize] += weight * value;
        }
    }

    /// The items that are linked to none.
    pub(super) fn untouched(&self) -> Vec<u32> {
        (0..self.n() as u32).filter(|row| self.matrix.degree(*row as usize) == 0).collect()
    }

    /// Scores a history.
    pub(super) fn score(&self, entries: &[(u32, f32)], out: &mut [f32]) -> Served {
        out.fill(0.0);
        for (row, weight) in entries {
            self.add(*row, *weight, out);
        }
        mark_untouched(out)
    }

    /// The rows that a history is linked to, with their scores; `None` where nothing is.
    pub(super) fn touched(&self, entries: &[(u32, f32)]) -> Option<Touched<'_>> {
        let mut sums = self.spare.take(Sums::default);
        for (row, weight) in entries.iter().filter(|(row, _)| (*row as usize) < self.n()) {
            let (columns, values) = self.matrix.row(*row as usize);
            let both = columns.iter().zip(values);
            sums.add(both.map(|(column, value)| (*column, weight * value)));
        }
        let mut rows = sums.drain(|_| 0.0, |_, sum| sum).to_vec();
        rows.retain(|touched| touched.score != 0.0);
        (!rows.is_empty()).then_some(Touched { rows, ..Touched::default() })
    }

    /// The rows that one item is linked to, without itself.
    pub(super) fn touched_by(&self, item_row: u32) -> Option<Touched<'_>> {
        let mut touched = self.touched(&[(item_row, 1.0)])?;
        touched.rows.retain(|touched| touched.row != item_row);
        (!touched.rows.is_empty()).then_some(touched)
    }

    /// The score of one row.
    pub(super) fn score_one(&self, entries: &[(u32, f32)], item_row: u32) -> Option<f32> {
        let linked = entries.iter().filter_map(|(row, weight)| {
            let link = self.link(*row, item_row)?;
            Some(weight * link)
        });
        let sum: f32 = linked.sum();
        (sum != 0.0).then_some(sum)
    }

    /// Scores by the links of one item, without itself.
    pub(super) fn similar(&self, item_row: u32, out: &mut [f32]) -> Served {
        out.fill(0.0);
        self.add(item_row, 1.0, out);
        if let Some(own) = out.get_mut(item_row as usize) {
            *own = 0.0;
        }
        mark_untouched(out)
    }

    /// Which entries of a history speak for an item.
    pub(super) fn explain(&self, entries: &[(u32, f32)], item_row: u32, k: usize) -> Vec<Reason> {
        let spoken = entries.iter().enumerate().filter_map(|(entry, (row, weight))| {
            let link = self.link(*row, item_row)?;
            Some((entry, weight * link, None))
        });
        shares(spoken, k)
    }
}

/// Marks the rows that hold zero as not scored, and says whether any other is left.
fn mark_untouched(out: &mut [f32]) -> Served {
    let mut any = false;
    for value in out.iter_mut() {
        any |= *value != 0.0;
        *value = if *value == 0.0 { UNSCORED } else { *value };
    }
    if any { Served::Touched } else { Served::No }
}
