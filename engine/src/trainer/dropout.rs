//! Numbers that are dropped out in training (Srivastava et al. 2014), so that there is something to find.
//!
//! Each becomes zero with some chance, and the others grow by as much as is lost on average. Which ones
//! depends on a seed and on what a row is about, not on who computes.

use rayon::prelude::*;

use super::{ROWS, Table};
#[cfg(feature = "torch")]
use crate::kernels::stride;
use crate::kernels::vectorised;
use crate::seeded::number;

/// How often numbers are dropped out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dropout {
    limit: u64,
    grown: f32,
}

impl Dropout {
    /// Each number has the chance `rate`.
    pub(crate) fn new(rate: f32) -> Dropout {
        Dropout { limit: (rate * 65536.0) as u64, grown: (1.0 - rate).recip() }
    }

    /// What four numbers side by side are multiplied by.
    #[inline(always)]
    pub(crate) fn factors(self, seed: u64, part: u64) -> [f32; 4] {
        self.masks(seed, part).map(|mask| f32::from_bits(self.grown.to_bits() & mask))
    }

    /// Which of them stay: all ones or all zeros, since half of the branches would be guessed wrong.
    #[inline(always)]
    fn masks(self, seed: u64, part: u64) -> [u32; 4] {
        let drawn = if self.limit > 0 { number(seed, part) } else { 0 };
        [0, 1, 2, 3].map(|lane| {
            let kept = (drawn >> (16 * lane)) & 0xffff >= self.limit;
            u32::from(kept).wrapping_neg()
        })
    }
}

/// Copies rows, with what is dropped out of them. That depends on what each row is about.
pub(crate) fn drop_out(from: &Table, about: &[u32], rate: f32, seed: u64, to: &mut Table) {
    to.fit(about.len());
    let (dropout, stride) = (Dropout::new(rate), from.stride());
    let blocks = to.data_mut().par_chunks_mut(ROWS * stride);
    let blocks = blocks.zip(from.data().par_chunks(ROWS * stride));
    blocks.zip(about.par_chunks(ROWS)).for_each(|((to, from), about)| {
        vectorised(
            #[inline(always)]
            || {
                let rows = to.chunks_exact_mut(stride).zip(from.chunks_exact(stride));
                for ((to, from), about) in rows.zip(about) {
                    let own = number(seed, u64::from(*about));
                    let parts = to.chunks_exact_mut(4).zip(from.chunks_exact(4));
                    for (part, (to, from)) in (0..).zip(parts) {
                        let masks = dropout.masks(own, part);
                        for lane in 0..4 {
                            let grown = (dropout.grown * from[lane]).to_bits();
                            to[lane] = f32::from_bits(grown & masks[lane]);
                        }
                    }
                }
            },
        );
    });
}

/// What [`drop_out`] multiplies the numbers of rows by, padding included.
#[cfg(feature = "torch")]
pub(crate) fn dropped(about: &[u32], dim: usize, rate: f32, seed: u64) -> Vec<f32> {
    let dropout = Dropout::new(rate);
    let row = |about: &u32| {
        let own = number(seed, u64::from(*about));
        (0..stride(dim) as u64 / 4).flat_map(move |part| dropout.factors(own, part))
    };
    about.iter().flat_map(row).collect()
}
