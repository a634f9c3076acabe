//! Rows that are to point where others do.
//!
//! ```text
//! C(a, b) = mean of 1 − cos(a, b)     b is a target: it has no gradient
//! ```
//!
//! Targets are dropped out of (Srivastava et al. 2014), so that there is something to find.

use rayon::prelude::*;

use super::{ROWS, Table};
use crate::kernels::{LANES, dot_lanes, vectorised};
use crate::seeded::number;

/// C over pairs of rows. `factor` times its gradient in the rows of `a` is added to `slopes`.
pub(crate) fn align(
    a: &Table,
    b: &Table,
    pairs: &[(u32, u32)],
    factor: f32,
    slopes: &mut Table,
) -> f64 {
    let share = factor / pairs.len().max(1) as f32;
    let sum = vectorised(
        #[inline(always)]
        move || {
            let mut sum = 0.0;
            for (at, target) in pairs {
                let (own, target) = (a.row(*at as usize), b.row(*target as usize));
                let (length, other) =
                    (dot_lanes(own, own).sqrt(), dot_lanes(target, target).sqrt());
                if length == 0.0 || other == 0.0 {
                    sum += 1.0;
                    continue;
                }
                let cosine = dot_lanes(own, target) / (length * other);
                sum += f64::from(1.0 - cosine);
                // ∂/∂a of cos is (b/|b| − cos a/|a|) / |a|.
                let (near, along) = (-share / (length * other), share * cosine / (length * length));
                let slopes = slopes.row_mut(*at as usize).chunks_exact_mut(LANES);
                let both = own.chunks_exact(LANES).zip(target.chunks_exact(LANES));
                for (slope, (own, target)) in slopes.zip(both) {
                    for lane in 0..LANES {
                        slope[lane] += near * target[lane] + along * own[lane];
                    }
                }
            }
            sum
        },
    );
    sum / pairs.len().max(1) as f64
}

/// Copies rows, each number with the chance `rate` of becoming zero; the others grow by as much as
/// is lost on average. A mask depends on the seed and on what the row is about.
pub(crate) fn drop_out(from: &Table, about: &[u32], rate: f32, seed: u64, to: &mut Table) {
    to.reach(about.len());
    let (grown, limit) = ((1.0 - rate).recip(), (rate * 65536.0) as u64);
    let stride = from.stride();
    let blocks = to.part_mut(0..about.len()).par_chunks_mut(ROWS * stride);
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
                        let drawn = number(own, part);
                        for lane in 0..4 {
                            let kept = (drawn >> (16 * lane)) & 0xffff >= limit;
                            // A mask, since half of the branches would be guessed wrong.
                            let mask = u32::from(kept).wrapping_neg();
                            to[lane] = f32::from_bits((grown * from[lane]).to_bits() & mask);
                        }
                    }
                }
            },
        );
    });
}
