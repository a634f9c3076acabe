//! The sparse form: of each item's row of B, the links of largest magnitude.
//!
//! The system is solved whole, in single precision, and cut afterwards, by the item that a link comes
//! from: cut by the item that it leads to, the links to popular items push out all others.

use std::io::Write;

use rayon::prelude::*;
use tastedb_storage::ItemId;

use super::{NAME, SPARSE_FORMAT};
use crate::linalg::{PANEL, Panels};
use crate::model::Model;
use crate::model::entries::{merged, sign};
use crate::model::file::{Sections, Writer};
use crate::model::links::{Growing, Links};
use crate::{Allow, OptionValue, Reason, Result, ScoreInput, Scored, Served, Work, top_k};

/// Panels that are cut at a time: their rows are there in full meanwhile.
const AT_ONCE: usize = 4;

pub(super) struct Sparse {
    items: Vec<ItemId>,
    links: Links,
    binary: bool,
    options: Vec<(String, OptionValue)>,
}

/// The size of a model.
pub(super) fn model_bytes(n_items: u64, k: u64) -> u64 {
    n_items.saturating_mul(k.min(n_items).saturating_mul(8).saturating_add(16))
}

/// The memory that training takes at most.
pub(super) fn peak_bytes(n_items: u64, k: u64) -> u64 {
    let panel = PANEL as u64;
    let triangle = n_items.saturating_mul(n_items.saturating_add(panel)).saturating_mul(2);
    // Two blocks of columns while it is solved; full rows of some panels and the links when it is cut,
    // which grow into place twice as large as they are at most.
    let columns = n_items.saturating_mul(2 * 4 * panel);
    let rows = n_items.saturating_mul(4 * panel * AT_ONCE as u64);
    let links = model_bytes(n_items, k).saturating_mul(2);
    triangle.saturating_add(columns.max(rows.saturating_add(links)))
}

impl Sparse {
    /// Keeps the `k` strongest links of each item.
    pub(super) fn keep(
        inverse: Panels<f32>,
        items: Vec<ItemId>,
        k: usize,
        binary: bool,
        options: Vec<(String, OptionValue)>,
        work: &Work,
    ) -> Result<Sparse> {
        let n = inverse.n();
        let scale: Vec<f32> = (0..n).map(|item| -inverse.diagonal(item).recip()).collect();
        let mut links = Growing::new(n);
        let blocks: Vec<usize> = (0..inverse.count()).collect();
        for blocks in blocks.chunks(AT_ONCE) {
            work.step("links", blocks[0] as u64, inverse.count() as u64)?;
            let found: Vec<Vec<Vec<Scored>>> = blocks
                .par_iter()
                .map(|block| {
                    let mut rows = vec![0f32; inverse.columns(*block).len() * n];
                    inverse.write_block(*block, &mut rows, n);
                    let own = inverse.columns(*block).zip(rows.chunks_exact_mut(n));
                    own.map(|(item, row)| strongest(item, row, &scale, k)).collect()
                })
                .collect();
            found.iter().flatten().for_each(|row| links.push(row));
        }
        work.step("links", inverse.count() as u64, inverse.count() as u64)?;
        Ok(Sparse { items, links: links.finish(), binary, options })
    }

    pub(super) fn read(
        sections: &Sections,
        binary: bool,
        options: Vec<(String, OptionValue)>,
    ) -> Result<Sparse> {
        let items = sections.items()?;
        let links = Links::read(sections, items.len())?;
        Ok(Sparse { items, links, binary, options })
    }

    fn history(&self, input: &ScoreInput<'_>) -> Vec<(u32, f32)> {
        merged(input.history.entries, self.items.len(), self.binary)
    }
}

/// The strongest links of an item, of a row of P, ascending.
fn strongest(item: usize, row: &mut [f32], scale: &[f32], k: usize) -> Vec<Scored> {
    row[item] = 0.0;
    row.iter_mut().zip(scale).for_each(|(value, scale)| *value *= scale);
    let magnitudes: Vec<f32> = row.iter().map(|value| value.abs()).collect();
    let mut kept = top_k(&magnitudes, k, Allow::All);
    kept.retain(|link| link.score > 0.0);
    kept.iter_mut().for_each(|link| link.score = row[link.row as usize]);
    kept.sort_unstable_by_key(|link| link.row);
    kept
}

impl Model for Sparse {
    fn algorithm(&self) -> &'static str {
        NAME
    }

    fn items(&self) -> &[ItemId] {
        &self.items
    }

    fn score(&self, input: &ScoreInput<'_>, out: &mut [f32]) -> Served {
        self.links.score(&self.history(input), out)
    }

    fn score_one(&self, input: &ScoreInput<'_>, item_row: u32) -> Option<f32> {
        self.links.score_one(&self.history(input), item_row)
    }

    fn similar(&self, _: &ScoreInput<'_>, item_row: u32, out: &mut [f32]) -> Served {
        self.links.similar(item_row, out)
    }

    fn explain(&self, input: &ScoreInput<'_>, item_row: u32, k: usize) -> Vec<Reason> {
        let signed = |weight| if self.binary { sign(weight) } else { weight };
        let entries = input.history.entries.iter().map(|(row, weight)| (*row, signed(*weight)));
        self.links.explain(&entries.collect::<Vec<_>>(), item_row, k)
    }

    fn untouched(&self) -> Option<Vec<u32>> {
        Some(self.links.untouched())
    }

    fn options(&self) -> Vec<(String, OptionValue)> {
        self.options.clone()
    }

    fn notes(&self) -> Vec<String> {
        vec![format!(
            "form sparse, the strongest links of each item: {} links of {} items",
            self.links.len(),
            self.items.len()
        )]
    }

    fn memory(&self) -> u64 {
        size_of_val(self.items.as_slice()) as u64 + self.links.memory()
    }

    fn save(&self, out: &mut dyn Write) -> Result<()> {
        let mut writer = Writer::new(NAME, SPARSE_FORMAT);
        writer.options(&self.options);
        writer.items(&self.items);
        self.links.write(&mut writer);
        writer.write(out)
    }
}
