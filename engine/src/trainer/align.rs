//! Rows that are to point where others do.
//!
//! ```text
//! C(a, b) = mean of 1 − cos(a, b)     b is a target: it has no gradient
//! ```

use super::Table;
use crate::kernels::{LANES, dot_lanes, vectorised};

/// C over the rows of `a` at some places and those of `b` at as many others. `factor` times its gradient
/// in the rows of `a` is added to `slopes`.
pub(crate) fn align(
    [a, b]: [&Table; 2],
    [places, targets]: [&[u32]; 2],
    factor: f32,
    slopes: &mut Table,
) -> f64 {
    let pairs = places.len().max(1);
    let share = factor / pairs as f32;
    let sum = vectorised(
        #[inline(always)]
        || {
            let mut sum = 0.0;
            for (at, target) in places.iter().zip(targets) {
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
    sum / pairs as f64
}
