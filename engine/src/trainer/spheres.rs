//! Vectors of length one: between two of them, and evenly around.
//!
//! ```text
//! slerp   y = (sin(pθ) a + sin((1 − p)θ) b) / sin θ     θ: the angle between a and b
//! spread  L = ln mean over pairs of e^{−2 (|x − y|² − 2 + 2 s)}     s: how alike both may be
//! ```
//!
//! The uniformity of Wang and Isola (2020) is the spread with s = 1 for every pair; with s between 0
//! and 1, what is alike need not be far apart (CM3).

use rayon::prelude::*;

use super::Table;
use crate::kernels::dot;
use crate::linalg::{add_combinations, products};

/// Below this sine two vectors are mixed on the straight line.
pub(crate) const STRAIGHT: f32 = 1e-3;

/// The weights of a and b, and their slopes by the cosine.
fn weights(cosine: f32, p: f32) -> [f32; 4] {
    let cosine = cosine.clamp(-1.0, 1.0);
    let (angle, sine) = (cosine.acos(), (1.0 - cosine * cosine).sqrt());
    if sine < STRAIGHT {
        return [p, 1.0 - p, 0.0, 0.0];
    }
    let of = |p: f32| {
        let (own, slope) = (p * angle).sin_cos();
        let by_angle = (p * slope * sine - own * cosine) / (sine * sine);
        (own / sine, -by_angle / sine)
    };
    let ((a, a_slope), (b, b_slope)) = (of(p), of(1.0 - p));
    [a, b, a_slope, b_slope]
}

/// The vector between two, for the share `p` of the first.
pub(crate) fn slerp(a: &[f32], b: &[f32], p: f32, out: &mut [f32]) {
    let [first, second, ..] = weights(dot(a, b), p);
    for ((to, a), b) in out.iter_mut().zip(a).zip(b) {
        *to = first * a + second * b;
    }
}

/// Adds the gradients in a and b, from that in the vector between.
pub(crate) fn slerp_back(
    [a, b]: [&[f32]; 2],
    p: f32,
    gradient: &[f32],
    [a_slopes, b_slopes]: [&mut [f32]; 2],
) {
    let [first, second, first_slope, second_slope] = weights(dot(a, b), p);
    let along = first_slope * dot(gradient, a) + second_slope * dot(gradient, b);
    for (at, slope) in gradient.iter().enumerate() {
        a_slopes[at] += first * slope + along * b[at];
        b_slopes[at] += second * slope + along * a[at];
    }
}

/// The spread of the first rows of a table, of length one, where the rows of another tell how alike they
/// may be: their cosine, between 0 and `most`; all alike without one. `factor` times its gradient is
/// added to the slopes.
pub(crate) fn spread(
    rows: &Table,
    alike: Option<(&Table, f32)>,
    n: usize,
    factor: f32,
    slopes: &mut Table,
) -> f64 {
    if n < 2 {
        return 0.0;
    }
    let stride = rows.stride();
    let own = &rows.data()[..n * stride];
    let mut pairs = vec![0f32; n * n];
    products(own, own, stride, &mut pairs);
    let mut near = Vec::new();
    if let Some((table, _)) = alike {
        near.resize(n * n, 0.0);
        let own = &table.data()[..n * table.stride()];
        products(own, own, table.stride(), &mut near);
    }
    // |x − y|² = 2 − 2⟨x, y⟩.
    let of_row = |(at, row): (usize, &mut [f32])| -> f64 {
        for (other, value) in row.iter_mut().enumerate() {
            let s = alike.map_or(1.0, |(_, most)| near[at * n + other].clamp(0.0, most));
            *value = if other == at { 0.0 } else { (4.0 * *value - 4.0 * s).exp() };
        }
        row.iter().map(|value| f64::from(*value)).sum()
    };
    let sums: Vec<f64> = pairs.par_chunks_mut(n).enumerate().map(of_row).collect();
    // Each pair is there twice.
    let sum: f64 = sums.iter().sum();
    let scale = 8.0 * factor / sum.max(f64::MIN_POSITIVE) as f32;
    pairs.iter_mut().for_each(|value| *value *= scale);
    add_combinations(&pairs, n, own, stride, slopes.part_mut(0..n));
    (sum / (n * (n - 1)) as f64).ln()
}
