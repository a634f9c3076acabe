//! A layer of NGCF on a device; see [`crate::trainer::Interaction`].
//!
//! Which numbers are dropped out is drawn here and sent.

use tch::{Kind, Tensor};

use super::linear::Linear;
use super::{Done, Rows, Sparse, Torch};
use crate::Result;
use crate::seeded::number;
use crate::trainer::{LEAK, dropped_of_layer};

/// The maps of a layer with what its backward needs.
#[derive(Debug)]
pub(crate) struct Interaction {
    maps: [Linear; 2],
    /// Â x, and what goes into the maps.
    near: Tensor,
    inputs: [Tensor; 2],
    /// The slopes of f.
    slopes: Tensor,
}

impl Interaction {
    pub(super) fn new(torch: Torch, dim: usize, rate: f32, seed: u64) -> Result<Interaction> {
        let map = |at| Linear::drawn(torch, dim, dim, rate, number(seed, at));
        let none = || torch.blank(0, 0);
        Ok(Interaction {
            maps: [map(1)?, map(2)?],
            near: none()?,
            inputs: [none()?, none()?],
            slopes: none()?,
        })
    }

    pub(super) fn weights(&mut self) -> [&mut Rows; 2] {
        self.maps.each_mut().map(Linear::weights)
    }

    /// The layer of all rows of x. Each number has the chance `rate` of being dropped out.
    pub(super) fn forward(
        &mut self,
        torch: Torch,
        graph: &Sparse,
        x: &Tensor,
        rate: f32,
        seed: u64,
    ) -> Result<Tensor> {
        let dropped = if rate > 0.0 {
            let (rows, width) = torch.done(x.size2())?;
            Some(torch.send(&dropped_of_layer(rows as usize, width as usize, rate, seed))?)
        } else {
            None
        };
        torch.done(self.values(graph, x, dropped))
    }

    fn values(&mut self, graph: &Sparse, x: &Tensor, dropped: Option<Tensor>) -> Done<Tensor> {
        self.near = graph.times(x)?;
        self.inputs = [self.near.f_add(x)?, self.near.f_mul(x)?];
        let [first, second] = &self.maps;
        let [sum, product] = &self.inputs;
        let mut y = first.forward(sum)?;
        let _ = y.f_add_(&second.forward(product)?)?;
        self.slopes = rectifier(&y, LEAK)?;
        if let Some(dropped) = dropped {
            let _ = self.slopes.f_mul_(&dropped.f_view_as(x)?)?;
        }
        let _ = y.f_mul_(&self.slopes)?;
        Ok(y)
    }

    /// The gradient in x, from that in y, which is used up; the maps move along theirs.
    pub(super) fn backward(
        &mut self,
        graph: &Sparse,
        x: &Tensor,
        gradient: &mut Tensor,
    ) -> Done<Tensor> {
        let _ = gradient.f_mul_(&self.slopes)?;
        for (map, input) in self.maps.iter_mut().zip(&self.inputs) {
            map.backward(input, gradient)?;
        }
        let [first, second] = &self.maps;
        let (sum, product) = (first.backward_input(gradient)?, second.backward_input(gradient)?);
        let own = sum.f_add(&product.f_mul(x)?)?;
        let mut out = sum.f_add(&product.f_mul(&self.near)?)?;
        let _ = out.f_add_(&graph.times(&own)?)?;
        self.maps.iter_mut().try_for_each(Linear::step)?;
        Ok(out)
    }
}

/// The slopes of a rectifier that has one of `leak` below zero.
pub(super) fn rectifier(values: &Tensor, leak: f32) -> Done<Tensor> {
    let mut slopes = values.f_gt(0.0)?.f_to_kind(Kind::Float)?;
    let _ = slopes.f_mul_scalar_(f64::from(1.0 - leak))?;
    let _ = slopes.f_add_scalar_(f64::from(leak))?;
    Ok(slopes)
}
