//! The loss of Bayesian personalised ranking (Rendle et al. 2009).
//!
//! ```text
//! L = mean of −ln σ(⟨u, i⟩ − ⟨u, j⟩)
//! ```

use super::Batch;
use crate::kernels::{LANES, dot_lanes, vectorised};

/// The loss of the batch, summed over its triples, each times its weight. `factor` times the gradient
/// of its mean is added to the batch's.
pub(crate) fn pairwise(batch: &mut Batch, factor: f32) -> f64 {
    vectorised(
        #[inline(always)]
        move || {
            let (values, gradient) = (&batch.values, &mut batch.gradient);
            let share = factor / batch.triples.len().max(1) as f32;
            let mut loss = 0.0;
            for (triple, weight) in batch.triples.iter().zip(&batch.weights) {
                let [user, item, other] = triple.map(|at| at as usize);
                let (u, i, j) = (values.row(user), values.row(item), values.row(other));
                let margin = dot_lanes(u, i) - dot_lanes(u, j);
                // ln(1 + e^−x) without overflow, and its slope −σ(−x).
                let small = (-margin.abs()).exp();
                loss += f64::from(weight * (small.ln_1p() + (-margin).max(0.0)));
                let sigma = if margin > 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) };
                let slope = -sigma * share * weight;
                add(gradient.row_mut(user), slope, i);
                add(gradient.row_mut(user), -slope, j);
                add(gradient.row_mut(item), slope, u);
                add(gradient.row_mut(other), -slope, u);
            }
            loss
        },
    )
}

#[inline(always)]
fn add(to: &mut [f32], factor: f32, from: &[f32]) {
    for (to, from) in to.chunks_exact_mut(LANES).zip(from.chunks_exact(LANES)) {
        for lane in 0..LANES {
            to[lane] += factor * from[lane];
        }
    }
}
