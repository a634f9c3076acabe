//! Losses on a device.

use tch::{Kind, Tensor};

use super::tables::{over, products};
use super::{Batch, Done, Places, Rows, Torch};
use crate::Result;
use crate::compute::Losses;

impl Losses for Torch {
    /// One number of double precision.
    type Loss = Tensor;

    fn no_loss(self) -> Result<Tensor> {
        self.done(Tensor::f_zeros([0i64; 0].as_slice(), (Kind::Double, self.0)))
    }

    fn add_loss(self, loss: &mut Tensor, more: &Tensor, times: f64) -> Result<()> {
        self.done(more.f_mul_scalar(times).and_then(|more| loss.f_add_(&more))).map(drop)
    }

    fn sum(self, loss: Tensor) -> Result<f64> {
        self.done(loss.f_double_value(&[]))
    }

    fn compare(self, batch: &mut Batch, factor: f32, loss: &mut Tensor) -> Result<()> {
        self.done(batch.compare(factor, loss))
    }

    fn align(
        self,
        [a, b]: [&Rows; 2],
        [places, targets]: [&Places; 2],
        factor: f32,
        slopes: &mut Rows,
        loss: &mut Tensor,
    ) -> Result<()> {
        let pairs = places.here.len().max(1) as f64;
        let mut align = || -> Done<()> {
            let own = a.tensor.f_index_select(0, &places.there)?;
            let target = b.tensor.f_index_select(0, &targets.there)?;
            let length = over(&products(&own, &own)?.f_sqrt()?)?;
            let other = over(&products(&target, &target)?.f_sqrt()?)?;
            let both = length.f_mul(&other)?;
            let cosine = products(&own, &target)?.f_mul(&both)?;
            let apart = cosine.f_neg()?.f_add_scalar(1.0)?.f_sum(Kind::Double)?;
            let _ = loss.f_add_(&apart.f_div_scalar(pairs)?)?;
            let along = cosine.f_mul(&length)?.f_mul_(&length)?;
            let back = own.f_mul(&along)?.f_sub_(&target.f_mul(&both)?)?;
            let back = back.f_mul_scalar(f64::from(factor) / pairs)?;
            slopes.tensor.f_index_add_(0, &places.there, &back).map(drop)
        };
        self.done(align())
    }

    fn contrast(
        self,
        [a, b]: [&Rows; 2],
        temperature: f32,
        factor: f32,
        [a_slopes, b_slopes]: [&mut Rows; 2],
    ) -> Result<()> {
        let mut contrast = || -> Done<()> {
            let (own, other) = (&a.tensor, &b.tensor);
            let n = own.size2()?.0;
            let across = own.f_mm(&other.f_tr()?)?;
            let mut within = own.f_mm(&own.f_tr()?)?;
            let _ = within.f_fill_diagonal_(f64::NEG_INFINITY, false)?;
            let logits = Tensor::f_cat(&[&across, &within], 1)?;
            let logits = logits.f_div_scalar(f64::from(temperature))?;
            let chances = logits.f_softmax(1, Kind::Float)?;
            let share = f64::from(factor) / (n as f64 * f64::from(temperature));
            let slopes = chances.f_mul_scalar(share)?;
            let (across, within) = (slopes.f_narrow(1, 0, n)?, slopes.f_narrow(1, n, n)?);
            let mut right = across.f_diagonal(0, 0, 1)?;
            let _ = right.f_sub_scalar_(share)?;
            let _ = a_slopes.tensor.f_add_(&across.f_mm(other)?)?;
            let _ = a_slopes.tensor.f_add_(&within.f_mm(own)?)?;
            let _ = a_slopes.tensor.f_add_(&within.f_tr()?.f_mm(own)?)?;
            let _ = b_slopes.tensor.f_add_(&across.f_tr()?.f_mm(own)?)?;
            Ok(())
        };
        self.done(contrast())
    }

    fn spread(
        self,
        rows: &Rows,
        alike: Option<(&Rows, f32)>,
        factor: f32,
        slopes: &mut Rows,
        loss: &mut Tensor,
    ) -> Result<()> {
        let mut spread = || -> Done<()> {
            let own = &rows.tensor;
            let n = own.size2()?.0;
            if n < 2 {
                return Ok(());
            }
            let near = match alike {
                Some((near, most)) => {
                    let near = near.tensor.f_mm(&near.tensor.f_tr()?)?;
                    near.f_clamp(0.0, f64::from(most))?
                }
                None => Tensor::f_ones([1, 1], (Kind::Float, own.device()))?,
            };
            let apart = own.f_mm(&own.f_tr()?)?.f_sub(&near)?.f_mul_scalar(4.0)?;
            let mut pairs = apart.f_exp()?;
            let _ = pairs.f_fill_diagonal_(0.0, false)?;
            let sum = pairs.f_sum(Kind::Double)?;
            let mean = sum.f_div_scalar((n * (n - 1)) as f64)?;
            let _ = loss.f_add_(&mean.f_log()?.f_mul_scalar(f64::from(factor))?)?;
            let sum = sum.f_clamp_min(f64::MIN_POSITIVE)?.f_to_kind(Kind::Float)?;
            let back = pairs.f_mm(own)?.f_mul_scalar(8.0 * f64::from(factor))?.f_div(&sum)?;
            slopes.tensor.f_add_(&back).map(drop)
        };
        self.done(spread())
    }
}
