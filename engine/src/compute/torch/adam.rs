//! Steps of Adam on a device: the sums of [`crate::trainer::Adam`], a tensor at a time.

use tch::Tensor;

use super::Done;
use crate::trainer::{EPSILON, FIRST, SECOND, Step, Steps};

/// The moments of all rows of a table and the steps so far.
#[derive(Debug)]
pub(crate) struct Adam {
    steps: Steps,
    mean: Tensor,
    square: Tensor,
}

impl Adam {
    pub(super) fn new(values: &Tensor, rate: f32) -> Done<Adam> {
        let (mean, square) = (values.f_zeros_like()?, values.f_zeros_like()?);
        // Only the number of the step counts: every row takes part in every one.
        Ok(Adam { steps: Steps::new(0, rate), mean, square })
    }

    /// A step of all rows.
    pub(super) fn all(&mut self, values: &mut Tensor, gradient: &Tensor) -> Done<()> {
        let step = self.steps.next();
        apply(step, values, &mut self.mean, &mut self.square, gradient)
    }
}

/// Moves rows along their gradients.
pub(super) fn apply(
    step: Step,
    values: &mut Tensor,
    mean: &mut Tensor,
    square: &mut Tensor,
    gradient: &Tensor,
) -> Done<()> {
    let _ = mean.f_mul_scalar_(number(FIRST))?;
    let _ = mean.f_add_(&gradient.f_mul_scalar(number(1.0 - FIRST))?)?;
    let _ = square.f_mul_scalar_(number(SECOND))?;
    let _ = square.f_add_(&gradient.f_square()?.f_mul_scalar_(number(1.0 - SECOND))?)?;
    let mut far = mean.f_mul_scalar(number(step.rate))?;
    let mut over = square.f_sqrt()?;
    let _ = over.f_mul_scalar_(number(step.spread))?;
    let _ = over.f_add_scalar_(number(EPSILON))?;
    let _ = far.f_div_(&over)?;
    let _ = values.f_sub_(&far)?;
    Ok(())
}

/// A factor as libtorch takes it.
pub(super) fn number(number: f32) -> f64 {
    f64::from(number)
}
