//! `ials` brought up to date: a few iterations more, from the factors that are there.
//!
//! Users are solved for from the factors of the items, as ever; so what is known of an item is where
//! its factors begin, and a new item begins as in training. Settings are not chosen again.

use tastedb_storage::ItemId;

use super::side::Side;
use super::{Ials, ItemFactors, NAME, peak_bytes, scales, solved, swept};
use crate::kernels::stride;
use crate::{Dataset, Error, OptionValue, Result, Work};

/// Iterations of a refresh.
const ITERATIONS: usize = 4;

impl Ials {
    /// The model of other data with the same settings.
    pub(super) fn refreshed(
        &self,
        data: &Dataset,
        seed: u64,
        work: &Work,
    ) -> Result<(Ials, String)> {
        if !data.by_user.values().iter().any(|weight| *weight > 0.0) {
            return Err(Error::EmptyTraining { algorithm: NAME, why: "there are no interactions" });
        }
        let dim = self.factors.dim;
        let needed = peak_bytes(data.n_users() as u64, data.n_items() as u64, dim);
        let limit = self.options.iter().find(|(name, _)| name == "memory_limit");
        if let Some((_, OptionValue::Int(limit))) = limit
            && needed > *limit as u64
        {
            return Err(Error::TooLarge { algorithm: NAME, needed, limit: *limit as u64 });
        }
        let (factors, how) = self.factors.follow(&self.items, data, seed, work)?;
        let model = Ials {
            items: data.items.clone(),
            scales: scales(&factors),
            factors,
            options: self.options.clone(),
            notes: self.notes.clone(),
        };
        Ok((model, how))
    }
}

impl ItemFactors {
    /// The factors of other data with the same settings, from the beginning.
    pub(in crate::model) fn anew(
        &self,
        data: &Dataset,
        seed: u64,
        work: &Work,
    ) -> Result<ItemFactors> {
        solved(data, self.dim, super::ITERATIONS, self.settings, seed, work)
    }

    /// The factors of other data with the same settings; these are of the items `known`.
    pub(in crate::model) fn follow(
        &self,
        known: &[ItemId],
        data: &Dataset,
        seed: u64,
        work: &Work,
    ) -> Result<(ItemFactors, String)> {
        let mut start = Side::start(&data.items, self.dim, seed);
        let rows: &mut [f32] = bytemuck::cast_slice_mut(&mut start.lines);
        let mut new = 0;
        for (item, row) in data.items.iter().zip(rows.chunks_exact_mut(stride(self.dim))) {
            let own = known.binary_search(item).ok().and_then(|at| self.row(at as u32));
            match own {
                Some(own) => row.copy_from_slice(own),
                None => new += 1,
            }
        }
        let side = swept(start, data, ITERATIONS, self.settings, "iterations", work)?;
        let how = format!("{ITERATIONS} iterations more, {new} new items");
        Ok((ItemFactors::new(side, self.settings), how))
    }
}
