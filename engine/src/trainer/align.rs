//! Rows that are to point where others do.
//!
//! ```text
//! C(a, b) = mean of 1 − cos(a, b)     b is a target: it has no gradient
//! ```
//!
//! Targets are dropped out of (Srivastava et al. 2014), so that there is something to find.

use super::Table;
use crate::kernels::dot;
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
    let mut sum = 0.0;
    for (at, target) in pairs {
        let (own, target) = (a.row(*at as usize), b.row(*target as usize));
        let (length, other) = (dot(own, own).sqrt(), dot(target, target).sqrt());
        if length == 0.0 || other == 0.0 {
            sum += 1.0;
            continue;
        }
        let cosine = dot(own, target) / (length * other);
        sum += f64::from(1.0 - cosine);
        // ∂/∂a of cos is (b/|b| − cos a/|a|) / |a|.
        let (near, along) = (-share / (length * other), share * cosine / (length * length));
        let slopes = slopes.row_mut(*at as usize).iter_mut();
        for ((slope, own), target) in slopes.zip(own).zip(target) {
            *slope += near * target + along * own;
        }
    }
    sum / pairs.len().max(1) as f64
}

/// Copies rows, each number with the chance `rate` of becoming zero; the others grow by as much as
/// is lost on average. A mask depends on the seed and on what the row is about.
pub(crate) fn drop_out(from: &Table, about: &[u32], rate: f32, seed: u64, to: &mut Table) {
    to.reach(about.len());
    let (grown, limit) = ((1.0 - rate).recip(), (rate * 65536.0) as u64);
    for (at, about) in about.iter().enumerate() {
        let own = number(seed, u64::from(*about));
        let parts = to.row_mut(at).chunks_exact_mut(4).zip(from.row(at).chunks_exact(4));
        for (part, (to, from)) in (0..).zip(parts) {
            let drawn = number(own, part);
            for (lane, (to, from)) in to.iter_mut().zip(from).enumerate() {
                let kept = (drawn >> (16 * lane)) & 0xffff >= limit;
                *to = if kept { grown * from } else { 0.0 };
            }
        }
    }
}
