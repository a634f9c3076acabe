//! Weighted links from items to items, of which each item keeps only its strongest: what sparse models
//! between items are made of, however they come to their weights.
//!
//! An item's score is the sum over the history of weight times link; items that nothing in the history
//! is linked to are not scored.

use super::file::{Sections, Writer};
use super::shares;
use crate::topk::Scored;
use crate::{Csr, Reason, Result, Served, UNSCORED};

/// The links of each item, by row; rows ascend.
pub(super) struct Links(Csr);

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
        Links(matrix.expect("rows ascend and are within the items"))
    }
}

impl Links {
    /// Reads the links of `n` items.
    pub(super) fn read(sections: &Sections, n: usize) -> Result<Links> {
        Ok(Links(sections.csr(["starts", "columns", "weights"], n, n)?))
    }

    pub(super) fn write<'a>(&'a self, writer: &mut Writer<'a>) {
        writer.owned("starts", self.0.indptr().iter().map(|at| *at as u64).collect());
        writer.array("columns", self.0.indices());
        writer.array("weights", self.0.values());
    }

    /// The memory it takes, in bytes.
    pub(super) fn memory(&self) -> u64 {
        (size_of_val(self.0.indptr())
            + size_of_val(self.0.indices())
            + size_of_val(self.0.values())) as u64
    }

    /// The number of links.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn n(&self) -> usize {
        self.0.n_rows()
    }

    /// The link from one item to another.
    fn link(&self, from: u32, to: u32) -> Option<f32> {
        if from as usize >= self.n() {
            return None;
        }
        let (columns, values) = self.0.row(from as usize);
        columns.binary_search(&to).ok().map(|at| values[at])
    }

    /// Adds links to rows; a row that nothing was added to holds zero.
    fn add(&self, item_row: u32, weight: f32, out: &mut [f32]) {
        if item_row as usize >= self.n() {
            return;
        }
        let (columns, values) = self.0.row(item_row as usize);
        for (column, value) in columns.iter().zip(values) {
            out[*column as usize] += weight * value;
        }
    }

    /// The items that are linked to none.
    pub(super) fn untouched(&self) -> Vec<u32> {
        (0..self.n() as u32).filter(|row| self.0.degree(*row as usize) == 0).collect()
    }

    /// Scores a history.
    pub(super) fn score(&self, entries: &[(u32, f32)], out: &mut [f32]) -> Served {
        out.fill(0.0);
        for (row, weight) in entries {
            self.add(*row, *weight, out);
        }
        mark_untouched(out)
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
