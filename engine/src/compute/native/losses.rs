//! Losses, by the trainer.

use super::Native;
use crate::Result;
use crate::compute::Losses;
use crate::trainer::{Batch, Table, align, contrast, pairwise, spread};

impl Losses for Native {
    type Loss = f64;

    fn no_loss(self) -> Result<f64> {
        Ok(0.0)
    }

    fn add_loss(self, loss: &mut f64, more: &f64, times: f64) -> Result<()> {
        *loss += more * times;
        Ok(())
    }

    fn sum(self, loss: f64) -> Result<f64> {
        Ok(loss)
    }

    fn compare(self, batch: &mut Batch, factor: f32, loss: &mut f64) -> Result<()> {
        *loss += pairwise(batch, factor);
        Ok(())
    }

    fn align(
        self,
        rows: [&Table; 2],
        [places, targets]: [&Vec<u32>; 2],
        factor: f32,
        slopes: &mut Table,
        loss: &mut f64,
    ) -> Result<()> {
        *loss += align(rows, [places, targets], factor, slopes);
        Ok(())
    }

    fn contrast(
        self,
        [rows, others]: [&Table; 2],
        temperature: f32,
        factor: f32,
        slopes: [&mut Table; 2],
    ) -> Result<()> {
        contrast([rows, others], rows.rows(), temperature, factor, slopes);
        Ok(())
    }

    fn spread(
        self,
        rows: &Table,
        alike: Option<(&Table, f32)>,
        factor: f32,
        slopes: &mut Table,
        loss: &mut f64,
    ) -> Result<()> {
        *loss += f64::from(factor) * spread(rows, alike, rows.rows(), factor, slopes);
        Ok(())
    }
}
