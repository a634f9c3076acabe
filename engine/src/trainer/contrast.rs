//! Rows that are to be nearer to their counterparts than to any others: InfoNCE (van den Oord et al.
//! 2018) among some anchors.
//!
//! ```text
//! L = mean of −ln e^{⟨a_i, b_i⟩/t} / (Σ_j e^{⟨a_i, b_j⟩/t} + Σ_{j≠i} e^{⟨a_i, a_j⟩/t})
//! ```
//!
//! Papers contrast all nodes with all in every step. The anchors of a batch, a few hundred, are a
//! sample of them; sums are over those.

use rayon::prelude::*;

use super::Table;
use crate::linalg::{add_combinations, add_outer_products, products};

/// L over the first rows of two tables. `factor` times its gradient in both is added to the slopes.
pub(crate) fn contrast(
    [a, b]: [&Table; 2],
    rows: usize,
    temperature: f32,
    factor: f32,
    [a_slopes, b_slopes]: [&mut Table; 2],
) -> f64 {
    if rows == 0 {
        return 0.0;
    }
    let (stride, n) = (a.stride(), rows);
    let part = |table: &Table| table.data()[..n * stride].to_vec();
    let (own, other) = (part(a), part(b));
    let mut across = vec![0f32; n * n];
    let mut within = vec![0f32; n * n];
    products(&other, &own, stride, &mut across);
    products(&own, &own, stride, &mut within);
    let share = factor / (n as f32 * temperature);
    let rows = across.par_chunks_mut(n).zip(within.par_chunks_mut(n)).enumerate();
    let losses: Vec<f64> = rows
        .map(|(at, (across, within))| {
            within[at] = f32::NEG_INFINITY;
            let most = across.iter().chain(&*within).copied().fold(f32::NEG_INFINITY, f32::max);
            let right = f64::from((across[at] - most) / temperature);
            let mut sum = 0f64;
            for row in [&mut *across, &mut *within] {
                row.iter_mut().for_each(|value| *value = ((*value - most) / temperature).exp());
                sum += row.iter().map(|value| f64::from(*value)).sum::<f64>();
            }
            // From here on both hold the slopes of their products.
            let scale = share / sum as f32;
            for row in [&mut *across, within] {
                row.iter_mut().for_each(|value| *value *= scale);
            }
            across[at] -= share;
            sum.ln() - right
        })
        .collect();
    let to = a_slopes.part_mut(0..n);
    add_combinations(&across, n, &other, stride, to);
    add_combinations(&within, n, &own, stride, to);
    add_outer_products(&within, n, &own, stride, to);
    add_outer_products(&across, n, &own, stride, b_slopes.part_mut(0..n));
    losses.iter().sum::<f64>() / n as f64
}
