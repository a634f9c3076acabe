//! Vectors rounded to signed bytes, one unit for all of them: what a graph is built and walked on.
//!
//! A byte per number is a quarter of the memory traffic of f32, and traffic is what a walk over a
//! graph costs. Codes only find candidates: whoever answers scores those again with the vectors
//! themselves.

use super::kernel::{GRAIN, MOST};

/// Rows of codes, as kernels read them.
#[derive(Clone, Copy)]
pub(crate) struct Codes<'a> {
    stride: usize,
    rows: &'a [i8],
}

impl<'a> Codes<'a> {
    pub(crate) fn new(dim: usize, bytes: &'a [u8]) -> Codes<'a> {
        Codes { stride: stride(dim), rows: bytemuck::cast_slice(bytes) }
    }

    /// A row.
    #[inline(always)]
    pub(crate) fn row(self, at: u32) -> &'a [i8] {
        &self.rows[at as usize * self.stride..][..self.stride]
    }
}

/// The bytes of a row of `dim` numbers.
pub(crate) fn stride(dim: usize) -> usize {
    dim.next_multiple_of(GRAIN)
}

/// The unit that rounds numbers up to `largest` to codes.
pub(crate) fn unit(largest: f32) -> f32 {
    if largest > 0.0 { largest / MOST } else { 1.0 }
}

/// Rounds a vector; `out` is [`stride`] long, and zero beyond the vector.
pub(crate) fn encode(vector: &[f32], unit: f32, out: &mut [u8]) {
    let scale = unit.recip();
    for (value, to) in vector.iter().zip(out) {
        *to = (*value * scale).round().clamp(-MOST, MOST) as i8 as u8;
    }
}

/// A vector to compare codes with. Sixteen bits leave its own rounding without effect.
pub(crate) struct Query(Vec<i16>);

impl Query {
    /// Rounds a vector of finite numbers as finely as sums of products with codes allow.
    pub(crate) fn new(vector: &[f32]) -> Query {
        let (largest, sum) = vector.iter().fold((0f64, 0f64), |(largest, sum), value| {
            let size = f64::from(value.abs());
            (largest.max(size), sum + size)
        });
        let scale = if largest > 0.0 {
            // Each entry fits 16 bits, and a sum of products with codes 32, rounding included.
            let room = f64::from(i32::MAX) / f64::from(MOST) - vector.len() as f64;
            (f64::from(i16::MAX) / largest).min(room / sum)
        } else {
            0.0
        };
        let mut rounded = vec![0i16; stride(vector.len())];
        for (value, to) in vector.iter().zip(&mut rounded) {
            *to = (f64::from(*value) * scale).round() as i16;
        }
        Query(rounded)
    }

    /// A row as a query, to compare it with others.
    pub(crate) fn of_row(row: &[i8]) -> Query {
        Query(row.iter().map(|code| i16::from(*code)).collect())
    }

    #[inline(always)]
    pub(crate) fn entries(&self) -> &[i16] {
        &self.0
    }
}
