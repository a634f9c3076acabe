//! Which rows are nearest, by blocks of products.

use std::ops::Range;

use super::Native;
use crate::Result;
use crate::compute::Scoring;
use crate::linalg::{BLOCK, products_of};
use crate::topk::{Allow, Scored, top_k};
use crate::trainer::Table;

impl Scoring for Native {
    /// Two blocks for each thread.
    fn at_once(self, _: usize) -> usize {
        rayon::current_num_threads().max(1) * 2 * BLOCK
    }

    fn nearest(self, all: &Table, rows: Range<usize>, k: usize) -> Result<Vec<Vec<Scored>>> {
        let rows: Vec<u32> = rows.map(|row| row as u32).collect();
        Ok(products_of(&rows, all.data(), all.stride(), |row, products| {
            products[row as usize] = f32::NAN;
            top_k(products, k, Allow::All)
        }))
    }
}
