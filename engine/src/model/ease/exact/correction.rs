//! What is to be left out of the answers of a matrix before the matrix is made anew.
//!
//! ```text
//! leaves:      (A − v vᵀ)⁻¹ = P + z zᵀ    z = P v / √(1 − vᵀ P v)
//! joins:       (A + v vᵀ)⁻¹ = P − z zᵀ    z = P v / √(1 + vᵀ P v)
//! item i gone: A without row and column i, inverted: P − z zᵀ    z = P eᵢ / √Pᵢᵢ
//! ```
//!
//! (Sherman and Morrison; the last is the block inverse.) Each z is a row that scoring adds like those
//! of the history, so what left counts no more from the next answer on, and nothing of size n² is read
//! or written. The matrix still holds it: forgetting is done when the next version is.

use std::sync::Arc;

use super::Ease;
use crate::kernels::{LANES, Line, add_rows_precisely, stride};
use crate::linalg::Sparse;

/// The most rows that answers are corrected by. Beyond, they cost more than the history itself.
pub(super) const MOST: usize = 128;

/// The smallest part of a pivot that is taken for one and not for rounding.
const SOUND: f64 = 1e-6;

/// See the module.
#[derive(Clone, Default)]
pub(super) struct Correction {
    /// The rows z, each as long as one of P; shared with the corrections that go on from this one.
    rows: Vec<Arc<[Line]>>,
    /// Whether each is added to P or taken from it.
    signs: Vec<f32>,
}

/// How the matrix A changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The outer product of a vector leaves.
    Leaves,
    /// It joins.
    Joins,
    /// The row and the column leave that the vector, which is a unit, points to.
    Gone,
}

impl Correction {
    pub(super) fn len(&self) -> usize {
        self.signs.len()
    }

    /// The rows with their signs.
    fn iter(&self) -> impl Iterator<Item = (&[f32], f32)> {
        self.rows.iter().map(|row| bytemuck::cast_slice(row)).zip(self.signs.iter().copied())
    }

    /// The rows that P's rows of a history are to be followed by, with the factor of each.
    pub(super) fn of_history(&self, x: &[(u32, f32)]) -> Vec<(&[f32], f32)> {
        let with = |(row, sign): (&'_ [f32], f32)| -> f32 {
            sign * x.iter().map(|(at, weight)| weight * row[*at as usize]).sum::<f32>()
        };
        self.iter().map(|(row, sign)| (row, with((row, sign)))).collect()
    }

    /// What is added to one entry of P.
    pub(super) fn entry(&self, row: u32, column: u32) -> f32 {
        self.iter().map(|(z, sign)| sign * z[row as usize] * z[column as usize]).sum()
    }

    /// Takes in one more change; false, with nothing changed, where what would be left is no inverse.
    pub(super) fn push(&mut self, base: &Ease, vector: &Sparse, step: Step) -> bool {
        let n = base.items.len();
        // P v, with P as it is corrected so far.
        let of = |(at, x): &(u32, f64)| base.row(*at).map(|row| (row, *x));
        let Some(mut rows) = vector.iter().map(of).collect::<Option<Vec<_>>>() else {
            return false;
        };
        rows.extend(self.iter().map(|(row, sign)| {
            let with: f64 = vector.iter().map(|(at, x)| x * f64::from(row[*at as usize])).sum();
            (row, f64::from(sign) * with)
        }));
        let mut image = vec![0f64; n];
        add_rows_precisely(&mut image, &rows);
        let product: f64 = vector.iter().map(|(at, x)| x * image[*at as usize]).sum();
        let (pivot, sign) = match step {
            Step::Leaves => (1.0 - product, 1.0),
            Step::Joins => (1.0 + product, -1.0),
            Step::Gone => (product, -1.0),
        };
        // Also false for NaN.
        if !(pivot > SOUND * product.abs() && pivot.is_finite()) {
            return false;
        }
        let by = pivot.sqrt().recip();
        let mut row = vec![Line::default(); stride(n) / LANES];
        let floats: &mut [f32] = bytemuck::cast_slice_mut(&mut row);
        floats.iter_mut().zip(&image).for_each(|(to, value)| *to = (by * value) as f32);
        self.rows.push(row.into());
        self.signs.push(sign);
        true
    }

    /// 1 / diag P as it becomes, from what it was; 0 for what is gone.
    pub(super) fn scale(&self, before: &[f32], gone: &[u32], from: usize) -> Vec<f32> {
        let mut diagonal: Vec<f64> = before.iter().map(|scale| f64::from(*scale).recip()).collect();
        for (row, sign) in self.iter().skip(from) {
            let sign = f64::from(sign);
            let add = |(sum, z): (&mut f64, &f32)| *sum += sign * f64::from(*z).powi(2);
            diagonal.iter_mut().zip(row).for_each(add);
        }
        let mut scale: Vec<f32> = diagonal.into_iter().map(|d| d.recip() as f32).collect();
        gone.iter().for_each(|at| scale[*at as usize] = 0.0);
        scale
    }

    pub(super) fn bytes(&self) -> usize {
        self.rows.iter().map(|row| size_of_val::<[Line]>(row)).sum()
    }
}
