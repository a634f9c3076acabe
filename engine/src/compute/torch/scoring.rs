//! Which rows are nearest, on a device: one product and one selection for all of them, and what was
//! selected comes back.

use std::ops::Range;

use tch::{Device, Kind, Tensor};

use super::tables::Rows;
use super::{Done, Torch};
use crate::Result;
use crate::compute::{PRODUCTS, Scoring};
use crate::topk::Scored;

impl Scoring for Torch {
    fn at_once(self, rows: usize) -> usize {
        (PRODUCTS / rows.max(1)).max(1)
    }

    fn nearest(self, all: &Rows, rows: Range<usize>, k: usize) -> Result<Vec<Vec<Scored>>> {
        let n = self.done(all.tensor.size2())?.0;
        let most = (k as i64).min(n - 1);
        if most < 1 {
            return Ok(vec![Vec::new(); rows.len()]);
        }
        let (values, places) = self.done(largest(&all.tensor, &rows, most))?;
        let count = rows.len() * most as usize;
        let (mut scores, mut others) = (vec![0f32; count], vec![0i64; count]);
        self.done(values.f_copy_data(&mut scores, count))?;
        self.done(places.f_copy_data(&mut others, count))?;
        let lists = scores.chunks_exact(most as usize).zip(others.chunks_exact(most as usize));
        let of = |(scores, others): (&[f32], &[i64])| {
            let both = others.iter().zip(scores);
            both.map(|(row, score)| Scored { row: *row as u32, score: *score }).collect()
        };
        Ok(lists.map(of).collect())
    }
}

/// The largest products of some rows with the others, and whose they are, here.
fn largest(all: &Tensor, rows: &Range<usize>, k: i64) -> Done<(Tensor, Tensor)> {
    let (first, count) = (rows.start as i64, rows.len() as i64);
    let products = all.f_narrow(0, first, count)?.f_mm(&all.f_tr()?)?;
    // Not with itself.
    let _ = products.f_narrow(1, first, count)?.f_fill_diagonal_(f64::NEG_INFINITY, false)?;
    let (values, places) = products.f_topk(k, 1, true, true)?;
    let values = values.f_to(Device::Cpu)?.f_contiguous()?;
    let places = places.f_to(Device::Cpu)?.f_to_kind(Kind::Int64)?.f_contiguous()?;
    Ok((values, places))
}
