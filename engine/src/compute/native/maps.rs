//! Trained maps, by the trainer.

use rayon::prelude::*;

use super::Native;
use crate::Result;
use crate::compute::Maps;
use crate::kernels::dot;
use crate::trainer::{Batch, Features, Linear, Projector, Shares, Table, slerp, slerp_back};

impl Maps for Native {
    type Map<'a> = Projector<'a>;
    type Linear = Linear;
    type Shares = Shares;

    fn map<'a>(
        self,
        features: &'a Features,
        users: usize,
        dim: usize,
        rate: f32,
        seed: u64,
    ) -> Result<Projector<'a>> {
        Ok(Projector::new(features, users, dim, rate, seed))
    }

    fn apply(self, map: &mut Projector<'_>, batch: &Batch) -> Result<()> {
        map.forward(batch);
        Ok(())
    }

    fn put(self, map: &Projector<'_>, batch: &mut Batch, at: usize) -> Result<()> {
        map.put(batch, at);
        Ok(())
    }

    fn take_out(self, map: &mut Projector<'_>, batch: &mut Batch, at: usize) -> Result<()> {
        map.take_out(batch, at);
        Ok(())
    }

    fn step_map(self, map: &mut Projector<'_>) -> Result<()> {
        map.step();
        Ok(())
    }

    fn weights_of_map<'a>(self, map: &'a mut Projector<'_>) -> &'a mut Table {
        map.weights()
    }

    fn mapped(self, map: &Projector<'_>) -> Result<Table> {
        Ok(map.all())
    }

    fn like(self, beside: &mut Batch, batch: &Batch, map: &Projector<'_>) -> Result<()> {
        beside.like(batch, |triple| triple[1..].iter().all(|node| map.has(*node)));
        Ok(())
    }

    fn linear(self, inputs: usize, outputs: usize, rate: f32, seed: u64) -> Result<Linear> {
        Ok(Linear::drawn(inputs, outputs, rate, seed))
    }

    fn through(self, map: &Linear, from: &Table, to: &mut Table) -> Result<()> {
        let rows = from.rows();
        to.fit(rows);
        map.forward(from, rows, to);
        Ok(())
    }

    fn learn(self, map: &mut Linear, from: &Table, gradient: &Table) -> Result<()> {
        map.backward(from, from.rows(), gradient);
        Ok(())
    }

    fn through_back(self, map: &Linear, gradient: &Table, out: &mut Table) -> Result<()> {
        map.backward_input(gradient.rows(), gradient, out);
        Ok(())
    }

    fn step_linear(self, map: &mut Linear) -> Result<()> {
        map.step();
        Ok(())
    }

    fn weights(self, map: &mut Linear) -> &mut Table {
        map.weights()
    }

    fn rectify(self, rows: &mut Table, leak: f32) -> Result<()> {
        let values = rows.data_mut().par_iter_mut().with_min_len(4096);
        values.for_each(|value| *value = if *value > 0.0 { *value } else { leak * *value });
        Ok(())
    }

    fn rectify_back(self, rows: &Table, leak: f32, gradient: &mut Table) -> Result<()> {
        let both = gradient.data_mut().par_iter_mut().zip(rows.data().par_iter());
        both.with_min_len(4096).for_each(|(slope, value)| {
            *slope *= if *value > 0.0 { 1.0 } else { leak };
        });
        Ok(())
    }

    fn between(self, [a, b]: [&Table; 2], shares: &Vec<f32>, out: &mut Table) -> Result<()> {
        out.fit(a.rows());
        for (row, share) in shares.iter().enumerate() {
            let (first, second, to) = (a.row(row), b.row(row), out.row_mut(row));
            match [first, second].map(is_there) {
                [true, true] => slerp(first, second, *share, to),
                [false, _] => to.copy_from_slice(second),
                [true, false] => to.copy_from_slice(first),
            }
        }
        Ok(())
    }

    fn between_back(
        self,
        [a, b]: [&Table; 2],
        shares: &Vec<f32>,
        gradient: &Table,
    ) -> Result<[Table; 2]> {
        let [mut before, mut own] = [0, 1].map(|_| Table::zeros(gradient.rows(), gradient.dim()));
        for (row, share) in shares.iter().enumerate() {
            let (rows, slopes) = ([a.row(row), b.row(row)], gradient.row(row));
            let to = [before.row_mut(row), own.row_mut(row)];
            match (rows.map(is_there), to) {
                ([true, true], to) => slerp_back(rows, *share, slopes, to),
                ([false, _], [_, to]) | ([true, false], [to, _]) => to.copy_from_slice(slopes),
            }
        }
        Ok([before, own])
    }

    fn shares(self, blocks: usize, rate: f32) -> Result<Shares> {
        Ok(Shares::new(blocks, rate))
    }

    fn share(self, shares: &Shares, batch: &mut Batch, users: usize) -> Result<()> {
        shares.forward(batch, users);
        Ok(())
    }

    fn share_back(self, shares: &mut Shares, batch: &mut Batch, users: usize) -> Result<()> {
        shares.backward(batch, users);
        Ok(())
    }

    fn shared(self, shares: &Shares) -> Result<Vec<f32>> {
        Ok(shares.values())
    }

    fn theta(self, shares: &mut Shares) -> &mut Table {
        shares.theta()
    }
}

/// Whether a row is not zero.
fn is_there(row: &[f32]) -> bool {
    dot(row, row) > 0.0
}
