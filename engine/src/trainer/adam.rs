//! Adam (Kingma and Ba 2015), for all rows of a table or for those that a batch touched.
//!
//! A row that no gradient reaches still moves in Adam, by what is left of its mean gradient. For
//! touched rows that is made up for when they are next looked at: `k` idle steps are a geometric
//! series, so the rows are those of a dense Adam (up to the bias correction, which is taken as it is
//! early in the pause, and ε) at the cost of the touched ones alone.

use rayon::prelude::*;

use super::{ROWS, Table};
use crate::kernels::vectorised;

pub(crate) const FIRST: f32 = 0.9;
pub(crate) const SECOND: f32 = 0.999;
pub(crate) const EPSILON: f32 = 1e-8;
/// The idle steps in which half of what is left of a mean gradient is gone.
const HALF: u32 = 7;

/// The moments of the rows of a table and the steps so far.
#[derive(Clone, Debug)]
pub(crate) struct Adam {
    steps: Steps,
    /// First and second moment of each row, one after the other.
    moments: Table,
}

/// The steps so far, and which of them rows have missed.
#[derive(Clone, Debug)]
pub(crate) struct Steps {
    rate: f32,
    number: u32,
    /// The step at which a row was last brought up to date; of use to touched rows only.
    seen: Vec<u32>,
}

/// The factors of one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) rate: f32,
    pub(crate) spread: f32,
}

/// What the steps that a row has missed come to: how far it goes along its mean gradient, over
/// √square · spread + ε, and what becomes of the moments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Missed {
    pub(crate) far: f32,
    pub(crate) spread: f32,
    pub(crate) first: f32,
    pub(crate) second: f32,
}

impl Steps {
    /// No steps of so many rows.
    pub(crate) fn new(rows: usize, rate: f32) -> Steps {
        Steps { rate, number: 0, seen: vec![0; rows] }
    }

    /// Begins the next step.
    pub(crate) fn next(&mut self) -> Step {
        self.number += 1;
        self.at(self.number)
    }

    fn at(&self, steps: u32) -> Step {
        let steps = steps.min(1 << 20) as i32;
        Step {
            rate: self.rate / (1.0 - FIRST.powi(steps)),
            spread: (1.0 - SECOND.powi(steps)).sqrt().recip(),
        }
    }

    /// Notes that a row takes part in this step.
    #[inline(always)]
    pub(crate) fn touch(&mut self, row: usize) {
        self.seen[row] = self.number;
    }

    /// What the steps come to that a row has missed, up to the last one; then it has missed none.
    #[inline(always)]
    pub(crate) fn missed(&mut self, row: usize) -> Option<Missed> {
        let idle = self.number.saturating_sub(self.seen[row]);
        if idle == 0 {
            return None;
        }
        let seen = std::mem::replace(&mut self.seen[row], self.number);
        if seen == 0 {
            return None;
        }
        // Half of the way is behind after so many steps.
        let step = self.at(seen + idle.min(2 * HALF).div_ceil(2));
        let idle = idle.min(1 << 20) as i32;
        let (first, root) = (FIRST.powi(idle), SECOND.powi(idle).sqrt());
        // Σ (β₁ / √β₂)^s for s = 1 … idle.
        let ratio = FIRST / SECOND.sqrt();
        let far = step.rate * ratio * (1.0 - first / root) / (1.0 - ratio);
        Some(Missed { far, spread: step.spread, first, second: root * root })
    }
}

impl Adam {
    pub(crate) fn new(values: &Table, rate: f32) -> Adam {
        let (rows, width) = (values.rows(), 2 * values.stride());
        Adam { steps: Steps::new(rows, rate), moments: Table::zeros(rows, width) }
    }

    /// Begins the next step.
    pub(crate) fn step(&mut self) -> Step {
        self.steps.next()
    }

    /// A step of all rows.
    pub(crate) fn all(&mut self, values: &mut Table, gradient: &Table) {
        let (step, stride, width) = (self.step(), values.stride(), self.moments.stride());
        let rows = values.data_mut().par_chunks_mut(ROWS * stride);
        let moments = self.moments.data_mut().par_chunks_mut(ROWS * width);
        rows.zip(moments).enumerate().for_each(|(block, (rows, moments))| {
            vectorised(
                #[inline(always)]
                move || {
                    let rows = rows.chunks_exact_mut(stride).zip(moments.chunks_exact_mut(width));
                    for (node, (row, moments)) in (block * ROWS..).zip(rows) {
                        step.apply(row, moments, gradient.row(node));
                    }
                },
            );
        });
    }

    /// Applies a step to one row.
    #[inline(always)]
    pub(crate) fn touch(&mut self, step: Step, row: usize, values: &mut [f32], gradient: &[f32]) {
        self.steps.touch(row);
        step.apply(values, self.moments.row_mut(row), gradient);
    }

    /// Lets a row make up for the steps that it was not touched in, up to the last one.
    #[inline(always)]
    pub(crate) fn catch_up(&mut self, row: usize, values: &mut [f32]) {
        let Some(Missed { far, spread, first, second }) = self.steps.missed(row) else {
            return;
        };
        let (mean, square) = self.moments.row_mut(row).split_at_mut(values.len());
        for ((value, mean), square) in values.iter_mut().zip(mean).zip(square) {
            *value -= far * *mean / (square.sqrt() * spread + EPSILON);
            *mean *= first;
            *square *= second;
        }
    }
}

impl Step {
    /// Moves a row along its gradient. `moments` are both moments of the row.
    #[inline(always)]
    pub(crate) fn apply(self, values: &mut [f32], moments: &mut [f32], gradient: &[f32]) {
        let n = values.len();
        let (mean, square) = moments.split_at_mut(n);
        let (square, gradient) = (&mut square[..n], &gradient[..n]);
        for at in 0..n {
            let slope = gradient[at];
            mean[at] = FIRST * mean[at] + (1.0 - FIRST) * slope;
            square[at] = SECOND * square[at] + (1.0 - SECOND) * (slope * slope);
            values[at] -= self.rate * mean[at] / (square[at].sqrt() * self.spread + EPSILON);
        }
    }
}
