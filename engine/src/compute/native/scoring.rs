//! Which rows are nearest, by blocks of products.

use std::ops::Range;

use super::Native;
use crate::Result;
use crate::compute::Scoring;
use crate::linalg::products_of;
use crate::topk::{Allow, Scored, top_k};
use crate::trainer::Table;

impl Scoring for Native {
    fn nearest(self, all: &Table, rows: Range<usize>, k: usize) -> Result<Vec<Vec<Scored>>> {
        let rows: Vec<u32> = rows.map(|row| row as u32).collect();
        Ok(products_of(&rows, all.data(), all.stride(), |row, products| {
            products[row as usize] = f32::NAN;
            top_k(products, k, Allow::All)
        }))
    }
}
