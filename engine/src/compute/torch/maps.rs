//! Trained maps on a device.

use tch::{Kind, Tensor};

use super::interaction::rectifier;
use super::linear::Linear;
use super::map::Map;
use super::shares::Shares;
use super::tables::products;
use super::{Batch, Done, Rows, Torch};
use crate::Result;
use crate::compute::Maps;
use crate::trainer::{Features, STRAIGHT, Table};

impl Maps for Torch {
    type Map<'a> = Map<'a>;
    type Linear = Linear;
    type Shares = Shares;

    fn map<'a>(
        self,
        features: &'a Features,
        users: usize,
        dim: usize,
        rate: f32,
        seed: u64,
    ) -> Result<Map<'a>> {
        Map::new(self, features, users, dim, rate, seed)
    }

    fn apply(self, map: &mut Map<'_>, batch: &Batch) -> Result<()> {
        map.apply(self, batch)
    }

    fn put(self, map: &Map<'_>, batch: &mut Batch, at: usize) -> Result<()> {
        self.done(map.put(batch, at))
    }

    fn take_out(self, map: &mut Map<'_>, batch: &mut Batch, at: usize) -> Result<()> {
        self.done(map.take_out(batch, at))
    }

    fn step_map(self, map: &mut Map<'_>) -> Result<()> {
        self.done(map.step())
    }

    fn weights_of_map<'a>(self, map: &'a mut Map<'_>) -> &'a mut Rows {
        map.weights()
    }

    fn mapped(self, map: &Map<'_>) -> Result<Table> {
        map.all(self)
    }

    fn like(self, beside: &mut Batch, batch: &Batch, map: &Map<'_>) -> Result<()> {
        self.done(beside.like(batch, map))
    }

    fn linear(self, inputs: usize, outputs: usize, rate: f32, seed: u64) -> Result<Linear> {
        Linear::drawn(self, inputs, outputs, rate, seed)
    }

    fn through(self, map: &Linear, from: &Rows, to: &mut Rows) -> Result<()> {
        to.tensor = self.done(map.forward(&from.tensor))?;
        Ok(())
    }

    fn learn(self, map: &mut Linear, from: &Rows, gradient: &Rows) -> Result<()> {
        self.done(map.backward(&from.tensor, &gradient.tensor))
    }

    fn through_back(self, map: &Linear, gradient: &Rows, out: &mut Rows) -> Result<()> {
        let back = map.backward_input(&gradient.tensor);
        self.done(back.and_then(|back| out.tensor.f_add_(&back))).map(drop)
    }

    fn step_linear(self, map: &mut Linear) -> Result<()> {
        self.done(map.step())
    }

    fn weights(self, map: &mut Linear) -> &mut Rows {
        map.weights()
    }

    fn rectify(self, rows: &mut Rows, leak: f32) -> Result<()> {
        let slopes = self.done(rectifier(&rows.tensor, leak))?;
        self.done(rows.tensor.f_mul_(&slopes)).map(drop)
    }

    fn rectify_back(self, rows: &Rows, leak: f32, gradient: &mut Rows) -> Result<()> {
        let slopes = self.done(rectifier(&rows.tensor, leak))?;
        self.done(gradient.tensor.f_mul_(&slopes)).map(drop)
    }

    fn between(self, [a, b]: [&Rows; 2], shares: &Tensor, out: &mut Rows) -> Result<()> {
        let between = || -> Done<Tensor> {
            let [first, second, ..] = weights(&a.tensor, &b.tensor, shares)?;
            a.tensor.f_mul(&first)?.f_add(&b.tensor.f_mul(&second)?)
        };
        out.tensor = self.done(between())?;
        Ok(())
    }

    fn between_back(
        self,
        [a, b]: [&Rows; 2],
        shares: &Tensor,
        gradient: &Rows,
    ) -> Result<[Rows; 2]> {
        let back = || -> Done<[Tensor; 2]> {
            let (x, y, slopes) = (&a.tensor, &b.tensor, &gradient.tensor);
            let [first, second, first_slope, second_slope] = weights(x, y, shares)?;
            let mut along = first_slope.f_mul(&products(slopes, x)?)?;
            let _ = along.f_add_(&second_slope.f_mul(&products(slopes, y)?)?)?;
            let of = |weight: &Tensor, other: &Tensor| {
                slopes.f_mul(weight)?.f_add_(&other.f_mul(&along)?)
            };
            Ok([of(&first, y)?, of(&second, x)?])
        };
        Ok(self.done(back())?.map(|back| gradient.like(back)))
    }

    fn shares(self, blocks: usize, rate: f32) -> Result<Shares> {
        Shares::new(self, blocks, rate)
    }

    fn share(self, shares: &Shares, batch: &mut Batch, users: usize) -> Result<()> {
        self.done(shares.forward(batch, users))
    }

    fn share_back(self, shares: &mut Shares, batch: &mut Batch, users: usize) -> Result<()> {
        self.done(shares.backward(batch, users))
    }

    fn shared(self, shares: &Shares) -> Result<Vec<f32>> {
        let values = self.done(shares.values().and_then(|values| values.f_view([-1])))?;
        self.done(Vec::<f32>::try_from(&values))
    }

    fn theta(self, shares: &mut Shares) -> &mut Rows {
        shares.theta()
    }
}

/// The weights of the rows of a and b in what is between, and their slopes by the cosine; where one is
/// zero, all weight is that of the other. See [`crate::trainer::slerp`].
fn weights(a: &Tensor, b: &Tensor, p: &Tensor) -> Done<[Tensor; 4]> {
    let cosine = products(a, b)?.f_clamp(-1.0, 1.0)?;
    let sine = cosine.f_square()?.f_neg()?.f_add_scalar(1.0)?.f_sqrt()?;
    let angle = cosine.f_acos()?;
    let straight = sine.f_lt(f64::from(STRAIGHT))?;
    // Where it is zero what is divided by it is not looked at.
    let sine = sine.f_masked_fill(&straight, 1.0)?;
    let is_there = |rows: &Tensor| products(rows, rows)?.f_gt(0.0)?.f_to_kind(Kind::Float);
    let (first, second) = (is_there(a)?, is_there(b)?);
    let both = first.f_mul(&second)?;
    let curved = straight.f_logical_not()?.f_to_kind(Kind::Float)?.f_mul_(&both)?;
    let of = |p: &Tensor, own: &Tensor, other: &Tensor| -> Done<(Tensor, Tensor)> {
        let part = p.f_mul(&angle)?;
        let (near, slope) = (part.f_sin()?, part.f_cos()?);
        let weight = near.f_div(&sine)?;
        let mut by_angle = p.f_mul(&slope)?.f_mul_(&sine)?.f_sub_(&near.f_mul(&cosine)?)?;
        let _ = by_angle.f_div_(&sine)?.f_div_(&sine)?.f_div_(&sine)?.f_neg_()?;
        let weight = weight.f_where_self(&straight.f_logical_not()?, p)?;
        // All of it where the other is not there, and none where it is itself not.
        let mut alone = other.f_neg()?.f_add_scalar(1.0)?;
        let weight = weight.f_mul(&both)?.f_add_(&alone.f_mul_(own)?)?;
        Ok((weight, by_angle.f_mul(&curved)?))
    };
    let rest = p.f_neg()?.f_add_scalar(1.0)?;
    let ((a, a_slope), (b, b_slope)) = (of(p, &first, &second)?, of(&rest, &second, &first)?);
    Ok([a, b, a_slope, b_slope])
}
