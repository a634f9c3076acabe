//! Rows of numbers in memory.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;

use super::Native;
use crate::Result;
use crate::compute::{NOWHERE, Tables};
use crate::trainer::{Adam, ROWS, Table, drop_out, normalise, normalise_back};

impl Tables for Native {
    type Table = Table;
    type Lent<'a> = &'a Table;
    type Places = Vec<u32>;
    type Numbers = Vec<f32>;
    type Adam = Adam;

    fn table(self, values: Table) -> Result<Table> {
        Ok(values)
    }

    fn lend(self, values: &Table) -> Result<&Table> {
        Ok(values)
    }

    fn zeros(self, rows: usize, dim: usize) -> Result<Table> {
        Ok(Table::zeros(rows, dim))
    }

    fn read(self, table: &Table) -> Result<Cow<'_, Table>> {
        Ok(Cow::Borrowed(table))
    }

    fn bring(self, table: Table) -> Result<Table> {
        Ok(table)
    }

    fn copy(self, table: &Table) -> Result<Table> {
        Ok(table.clone())
    }

    fn clear(self, table: &mut Table, rows: usize) -> Result<()> {
        table.fit(rows);
        table.data_mut().fill(0.0);
        Ok(())
    }

    fn add(self, to: &mut Table, from: &Table) -> Result<()> {
        to.data_mut().iter_mut().zip(from.data()).for_each(|(to, value)| *to += value);
        Ok(())
    }

    fn places(self, places: Vec<u32>) -> Result<Vec<u32>> {
        Ok(places)
    }

    fn numbers(self, numbers: Vec<f32>) -> Result<Vec<f32>> {
        Ok(numbers)
    }

    fn gather(self, from: &Table, places: &Vec<u32>, to: &mut Table) -> Result<()> {
        to.fit(places.len());
        let stride = from.stride();
        let blocks = to.data_mut().par_chunks_mut(ROWS * stride.max(1));
        blocks.zip(places.par_chunks(ROWS)).for_each(|(rows, places)| {
            for (row, place) in rows.chunks_exact_mut(stride).zip(places) {
                match *place {
                    NOWHERE => row.fill(0.0),
                    place => row.copy_from_slice(from.row(place as usize)),
                }
            }
        });
        Ok(())
    }

    fn scatter(self, to: &mut Table, places: &Vec<u32>, from: &Table) -> Result<()> {
        for (at, place) in places.iter().enumerate() {
            let values = to.row_mut(*place as usize).iter_mut().zip(from.row(at));
            values.for_each(|(to, value)| *to += value);
        }
        Ok(())
    }

    fn carry(self, from: (&Table, &Vec<u32>), to: (&mut Table, &Vec<u32>)) -> Result<()> {
        for (place, other) in from.1.iter().zip(to.1) {
            to.0.row_mut(*other as usize).copy_from_slice(from.0.row(*place as usize));
        }
        Ok(())
    }

    fn cut(self, from: &Table, rows: Range<usize>, column: usize, to: &mut Table) -> Result<()> {
        let dim = to.dim();
        to.fit(rows.len());
        for (at, row) in rows.enumerate() {
            to.row_mut(at)[..dim].copy_from_slice(&from.row(row)[column..][..dim]);
        }
        Ok(())
    }

    fn paste(self, from: &Table, to: &mut Table, row: usize, column: usize) -> Result<()> {
        let dim = from.dim();
        for at in 0..from.rows() {
            to.row_mut(row + at)[column..][..dim].copy_from_slice(&from.row(at)[..dim]);
        }
        Ok(())
    }

    fn normalise(self, table: &mut Table) -> Result<Vec<f32>> {
        let rows = table.rows();
        Ok(normalise(table, rows))
    }

    fn normalise_back(self, unit: &Table, scales: &Vec<f32>, gradient: &mut Table) -> Result<()> {
        normalise_back(unit, scales, gradient);
        Ok(())
    }

    fn drop_out(
        self,
        from: &Table,
        about: &Vec<u32>,
        rate: f32,
        seed: u64,
        to: &mut Table,
    ) -> Result<()> {
        drop_out(from, about, rate, seed, to);
        Ok(())
    }

    fn adam(self, values: &Table, rate: f32) -> Result<Adam> {
        Ok(Adam::new(values, rate))
    }

    fn step(self, adam: &mut Adam, values: &mut Table, gradient: &Table) -> Result<()> {
        adam.all(values, gradient);
        Ok(())
    }
}
