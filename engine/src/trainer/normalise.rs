//! Rows scaled to length one.
//!
//! ```text
//! y = x / |x|     ∂/∂x = (g − y ⟨y, g⟩) / |x|     g = ∂/∂y
//! ```

use super::Table;
use crate::kernels::dot;

/// Scales the first rows of a table to length one; what one over their lengths was. A row of zeros
/// stays, and has 0 for that.
pub(crate) fn normalise(table: &mut Table, rows: usize) -> Vec<f32> {
    let scale = |row: &mut [f32]| {
        let square = dot(row, row);
        let scale = if square > 0.0 { square.sqrt().recip() } else { 0.0 };
        row.iter_mut().for_each(|value| *value *= scale);
        scale
    };
    (0..rows).map(|row| scale(table.row_mut(row))).collect()
}

/// Replaces the gradient of scaled rows by that of the rows before.
pub(crate) fn normalise_back(unit: &Table, scales: &[f32], gradient: &mut Table) {
    for (row, scale) in scales.iter().enumerate() {
        let (own, slopes) = (unit.row(row), gradient.row_mut(row));
        let along = dot(own, slopes);
        for (slope, value) in slopes.iter_mut().zip(own) {
            *slope = scale * (*slope - along * value);
        }
    }
}
