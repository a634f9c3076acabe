//! Rows of numbers on a device.

use std::borrow::Cow;
use std::ops::Range;

use tch::{Kind, Tensor};

use super::adam::Adam;
use super::{Done, Torch};
use crate::Result;
use crate::compute::{NOWHERE, Tables};
use crate::kernels::stride;
use crate::trainer::{Table, dropped};

/// Rows of numbers on a device.
#[derive(Debug)]
pub(crate) struct Rows {
    /// The rows with their padding.
    pub(super) tensor: Tensor,
    pub(super) dim: usize,
}

/// The numbers of rows, here and there.
#[derive(Debug)]
pub(crate) struct Places {
    pub(super) here: Vec<u32>,
    pub(super) there: Tensor,
    /// Zero for those that are [`NOWHERE`], which are 0 there, and one for the others, where there are any.
    found: Option<Tensor>,
}

impl Places {
    /// Places all of which are somewhere.
    pub(super) fn known(here: Vec<u32>, there: Tensor) -> Places {
        Places { here, there, found: None }
    }
}

impl Torch {
    /// Rows of these values.
    pub(super) fn rows(self, table: &Table) -> Result<Rows> {
        let shape = [table.rows() as i64, table.stride() as i64];
        let values = self.send(table.data())?;
        Ok(Rows { tensor: self.done(values.f_reshape(shape))?, dim: table.dim() })
    }

    /// The values of rows of `dim` numbers.
    pub(super) fn receive(self, values: &Tensor, dim: usize) -> Result<Table> {
        let rows = self.done(values.size2())?.0 as usize;
        let mut table = Table::zeros(rows, dim);
        let here = values.f_to(tch::Device::Cpu).and_then(|here| here.f_contiguous());
        let (here, count) = (self.done(here)?, table.data().len());
        self.done(here.f_copy_data(table.data_mut(), count))?;
        Ok(table)
    }
}

impl Rows {
    /// Rows of other numbers that are as long.
    pub(super) fn like(&self, tensor: Tensor) -> Rows {
        Rows { tensor, dim: self.dim }
    }

    /// As many numbers of other rows as these have, from a column on.
    fn part(&self, rows: &Tensor, row: i64, count: i64, column: usize) -> Done<Tensor> {
        rows.f_narrow(0, row, count)?.f_narrow(1, column as i64, self.dim as i64)
    }

    fn cut(&mut self, from: &Rows, rows: Range<usize>, column: usize) -> Done<()> {
        let count = rows.len() as i64;
        let options = (Kind::Float, from.tensor.device());
        let tensor = Tensor::f_zeros([count, stride(self.dim) as i64], options)?;
        let part = self.part(&from.tensor, rows.start as i64, count, column)?;
        self.part(&tensor, 0, count, 0)?.f_copy_(&part)?;
        self.tensor = tensor;
        Ok(())
    }

    fn paste(&self, to: &Rows, row: usize, column: usize) -> Done<()> {
        let count = self.tensor.size2()?.0;
        let own = self.part(&self.tensor, 0, count, 0)?;
        self.part(&to.tensor, row as i64, count, column)?.f_copy_(&own)
    }
}

/// The rows at some places.
fn gather(from: &Tensor, places: &Places) -> Done<Tensor> {
    let mut rows = from.f_index_select(0, &places.there)?;
    if let Some(found) = &places.found {
        let _ = rows.f_mul_(found)?;
    }
    Ok(rows)
}

/// ⟨a, b⟩ of rows, below each other.
pub(super) fn products(a: &Tensor, b: &Tensor) -> Done<Tensor> {
    a.f_mul(b)?.f_sum_dim_intlist([1i64].as_slice(), true, Kind::Float)
}

/// One over what is not zero, and zero.
pub(super) fn over(lengths: &Tensor) -> Done<Tensor> {
    lengths.f_reciprocal()?.f_masked_fill(&lengths.f_eq(0.0)?, 0.0)
}

fn normalise(rows: &mut Tensor) -> Done<Tensor> {
    let scales = over(&products(rows, rows)?.f_sqrt()?)?;
    let _ = rows.f_mul_(&scales)?;
    Ok(scales)
}

fn normalise_back(unit: &Tensor, scales: &Tensor, gradient: &mut Tensor) -> Done<()> {
    let along = products(unit, gradient)?;
    let _ = gradient.f_sub_(&unit.f_mul(&along)?)?;
    gradient.f_mul_(scales).map(drop)
}

impl Tables for Torch {
    type Table = Rows;
    type Lent<'a> = Rows;
    type Places = Places;
    /// Below each other.
    type Numbers = Tensor;
    type Adam = Adam;

    fn table(self, values: Table) -> Result<Rows> {
        self.rows(&values)
    }

    fn lend(self, values: &Table) -> Result<Rows> {
        self.rows(values)
    }

    fn zeros(self, rows: usize, dim: usize) -> Result<Rows> {
        Ok(Rows { tensor: self.blank(rows as i64, stride(dim) as i64)?, dim })
    }

    fn read(self, table: &Rows) -> Result<Cow<'_, Table>> {
        self.receive(&table.tensor, table.dim).map(Cow::Owned)
    }

    fn bring(self, table: Rows) -> Result<Table> {
        self.receive(&table.tensor, table.dim)
    }

    fn copy(self, table: &Rows) -> Result<Rows> {
        Ok(table.like(self.done(table.tensor.f_detach_copy())?))
    }

    fn clear(self, table: &mut Rows, rows: usize) -> Result<()> {
        table.tensor = self.blank(rows as i64, stride(table.dim) as i64)?;
        Ok(())
    }

    fn add(self, to: &mut Rows, from: &Rows) -> Result<()> {
        self.done(to.tensor.f_add_(&from.tensor)).map(drop)
    }

    fn places(self, places: Vec<u32>) -> Result<Places> {
        let somewhere = |place: u32| if place == NOWHERE { 0 } else { i64::from(place) };
        let numbers: Vec<i64> = places.iter().map(|place| somewhere(*place)).collect();
        let found = match places.contains(&NOWHERE) {
            true => {
                let found = places.iter().map(|place| f32::from(u8::from(*place != NOWHERE)));
                Some(self.numbers(found.collect())?)
            }
            false => None,
        };
        Ok(Places { there: self.send(&numbers)?, here: places, found })
    }

    fn numbers(self, numbers: Vec<f32>) -> Result<Tensor> {
        let sent = self.send(&numbers)?;
        self.done(sent.f_unsqueeze(1))
    }

    fn gather(self, from: &Rows, places: &Places, to: &mut Rows) -> Result<()> {
        to.tensor = self.done(gather(&from.tensor, places))?;
        Ok(())
    }

    fn scatter(self, to: &mut Rows, places: &Places, from: &Rows) -> Result<()> {
        self.done(to.tensor.f_index_add_(0, &places.there, &from.tensor)).map(drop)
    }

    fn carry(self, from: (&Rows, &Places), to: (&mut Rows, &Places)) -> Result<()> {
        let rows = self.done(gather(&from.0.tensor, from.1))?;
        self.done(to.0.tensor.f_index_copy_(0, &to.1.there, &rows)).map(drop)
    }

    fn cut(self, from: &Rows, rows: Range<usize>, column: usize, to: &mut Rows) -> Result<()> {
        self.done(to.cut(from, rows, column))
    }

    fn paste(self, from: &Rows, to: &mut Rows, row: usize, column: usize) -> Result<()> {
        self.done(from.paste(to, row, column))
    }

    fn normalise(self, table: &mut Rows) -> Result<Tensor> {
        self.done(normalise(&mut table.tensor))
    }

    fn normalise_back(self, unit: &Rows, scales: &Tensor, gradient: &mut Rows) -> Result<()> {
        self.done(normalise_back(&unit.tensor, scales, &mut gradient.tensor))
    }

    fn drop_out(
        self,
        from: &Rows,
        about: &Places,
        rate: f32,
        seed: u64,
        to: &mut Rows,
    ) -> Result<()> {
        let factors = self.send(&dropped(&about.here, from.dim, rate, seed))?;
        let dropped = factors.f_view_as(&from.tensor).and_then(|own| own.f_mul(&from.tensor));
        to.tensor = self.done(dropped)?;
        Ok(())
    }

    fn adam(self, values: &Rows, rate: f32) -> Result<Adam> {
        self.done(Adam::new(&values.tensor, rate))
    }

    fn step(self, adam: &mut Adam, values: &mut Rows, gradient: &Rows) -> Result<()> {
        self.done(adam.all(&mut values.tensor, &gradient.tensor))
    }
}
