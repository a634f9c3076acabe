//! `ials` brought up to date: a few iterations more, from the factors that are there.
//!
//! Users are solved for from the factors of the items, as ever; so what is known of an item is where
//! its factors begin, and a new item begins as in training. Settings are not chosen again.

use super::side::Side;
use super::{Ials, NAME, Rows, peak_bytes, scales, swept};
use crate::kernels::stride;
use crate::{Dataset, Error, OptionValue, Result, Work};

/// Iterations of a refresh.
const ITERATIONS: usize = 2;

impl Ials {
    /// The model of other data with the same settings.
    pub(in crate::model) fn refreshed(
        &self,
        data: &Dataset,
        seed: u64,
        work: &Work,
    ) -> Result<(Ials, String)> {
        if !data.by_user.values().iter().any(|weight| *weight > 0.0) {
            return Err(Error::EmptyTraining { algorithm: NAME, why: "there are no interactions" });
        }
        let needed = peak_bytes(data.n_users() as u64, data.n_items() as u64, self.dim);
        let limit = self.options.iter().find(|(name, _)| name == "memory_limit");
        if let Some((_, OptionValue::Int(limit))) = limit
            && needed > *limit as u64
        {
            return Err(Error::TooLarge { algorithm: NAME, needed, limit: *limit as u64 });
        }
        let (start, new) = self.start(data, seed);
        let side = swept(start, data, ITERATIONS, self.settings, "iterations", work)?;
        let model = Ials {
            items: data.items.clone(),
            dim: self.dim,
            scales: scales(side.basis()),
            rows: Rows::Owned(side.lines),
            spectrum: side.spectrum,
            settings: self.settings,
            options: self.options.clone(),
            notes: self.notes.clone(),
        };
        Ok((model, format!("{ITERATIONS} iterations more, {new} new items")))
    }

    /// The factors to begin with, and how many items had none.
    fn start(&self, data: &Dataset, seed: u64) -> (Side, usize) {
        let mut side = Side::start(&data.items, self.dim, seed);
        let stride = stride(self.dim);
        let rows: &mut [f32] = bytemuck::cast_slice_mut(&mut side.lines);
        let mut new = 0;
        for (item, row) in data.items.iter().zip(rows.chunks_exact_mut(stride)) {
            let known = self.items.binary_search(item).ok();
            match known.and_then(|at| self.row(at as u32)) {
                Some(own) => row.copy_from_slice(own),
                None => new += 1,
            }
        }
        (side, new)
    }
}
