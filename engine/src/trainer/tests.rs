//! Every backward against finite differences of its forward, propagation against dense matrices,
//! and what the loop around them promises.

#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use tastedb_storage::{ItemId, UserId};

use super::*;
use crate::seeded::number;
use crate::{Dataset, Result, Work};

/// Six users and seven items, one of which nobody had.
fn data() -> Dataset {
    let pairs = (0..24u64).map(|at| (UserId(at % 6), ItemId(at * at % 7 + at % 2), 1.0, None));
    Dataset::build((0..8).map(ItemId).collect(), pairs).unwrap()
}

fn table(rows: usize, dim: usize, seed: u64) -> Table {
    let mut table = Table::zeros(rows, dim);
    table.draw(0..rows, 1.0, seed);
    table
}

/// A x, densely.
fn dense(data: &Dataset, x: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let users = data.n_users();
    let mut out = vec![vec![0.0; x[0].len()]; x.len()];
    for (user, (items, _)) in data.by_user.rows().enumerate() {
        for item in items {
            let degrees = data.by_user.degree(user) * data.by_item.degree(*item as usize);
            let weight = (degrees as f64).sqrt().recip();
            for (to, from) in [(user, users + *item as usize), (users + *item as usize, user)] {
                for at in 0..x[0].len() {
                    out[to][at] += weight * x[from][at];
                }
            }
        }
    }
    out
}

fn wide(table: &Table) -> Vec<Vec<f64>> {
    let row = |row: usize| table.row(row)[..table.dim()].iter().map(|x| f64::from(*x)).collect();
    (0..table.rows()).map(row).collect()
}

/// The mean of all levels, densely.
fn smooth(data: &Dataset, base: &Table, layers: usize) -> Vec<Vec<f64>> {
    let mut level = wide(base);
    let mut sum = level.clone();
    for _ in 0..layers {
        level = dense(data, &level);
        for (sum, level) in sum.iter_mut().flatten().zip(level.iter().flatten()) {
            *sum += level;
        }
    }
    sum.iter_mut().flatten().for_each(|value| *value /= (layers + 1) as f64);
    sum
}

/// The mean loss of triples of rows.
fn loss(rows: &[Vec<f64>], triples: &[Triple]) -> f64 {
    let dot = |a: u32, b: u32| -> f64 {
        rows[a as usize].iter().zip(&rows[b as usize]).map(|(a, b)| a * b).sum()
    };
    let one = |[u, i, j]: &Triple| (1.0 + (dot(*u, *j) - dot(*u, *i)).exp()).ln();
    triples.iter().map(one).sum::<f64>() / triples.len() as f64
}

/// Checks each entry of a gradient in `base` against central differences of `f`.
fn check(base: &Table, gradient: &Table, f: impl Fn(&Table) -> f64) {
    let step = 1f32 / 128.0;
    for row in 0..base.rows() {
        for at in 0..base.dim() {
            let moved = |by: f32| {
                let mut moved = base.clone();
                moved.row_mut(row)[at] += by;
                f(&moved)
            };
            let expected = (moved(step) - moved(-step)) / f64::from(2.0 * step);
            let got = f64::from(gradient.row(row)[at]);
            assert!((got - expected).abs() < 1e-4, "row {row}, {at}: {got} for {expected}");
        }
    }
}

const TRIPLES: [Triple; 5] = [[0, 6, 8], [1, 7, 6], [0, 7, 13], [5, 8, 7], [2, 6, 13]];

/// A batch of the triples among so many nodes, with the rows of a table.
fn batch(base: &Table) -> Batch {
    let mut batch = Batch::new(base.rows(), base.dim());
    batch.take(&TRIPLES);
    for (at, node) in batch.nodes.clone().into_iter().enumerate() {
        batch.values.row_mut(at).copy_from_slice(base.row(node as usize));
    }
    batch
}

#[test]
fn a_batch_holds_each_touched_row_once() {
    let base = table(14, 5, 1);
    let mut batch = batch(&base);
    assert_eq!(batch.nodes, [0, 6, 8, 1, 7, 13, 5, 2]);
    assert_eq!(batch.counts, [2.0, 3.0, 2.0, 1.0, 3.0, 2.0, 1.0, 1.0]);
    let back = |batch: &Batch| -> Vec<Triple> {
        batch.triples.iter().map(|triple| triple.map(|at| batch.nodes[at as usize])).collect()
    };
    assert_eq!(back(&batch), TRIPLES);
    batch.take(&TRIPLES[3..]);
    assert_eq!(batch.nodes, [5, 8, 7, 2, 6, 13]);
    assert_eq!(back(&batch), TRIPLES[3..]);
}

#[test]
fn the_gradient_of_the_pairwise_loss_is_its_slope() {
    for dim in [3, 16, 70] {
        let base = table(14, dim, 2);
        let mut batch = batch(&base);
        let sum = pairwise(&mut batch);
        let expected = loss(&wide(&base), &TRIPLES);
        assert!((sum / 5.0 - expected).abs() < 1e-5, "{sum} for {expected}");
        let mut gradient = Table::zeros(14, dim);
        for (at, node) in batch.nodes.iter().enumerate() {
            gradient.row_mut(*node as usize).copy_from_slice(batch.gradient.row(at));
        }
        check(&base, &gradient, |moved| loss(&wide(moved), &TRIPLES));
    }
}

#[test]
fn a_loss_of_far_apart_scores_is_finite() {
    let mut base = Table::zeros(14, 4);
    base.draw(0..14, 1e4, 3);
    let mut batch = batch(&base);
    assert!(pairwise(&mut batch).is_finite());
    assert!(batch.gradient.data().iter().all(|value| value.is_finite()));
}

#[test]
fn smoothing_is_that_of_dense_matrices_and_so_is_its_gradient() {
    let data = data();
    for (dim, layers) in [(3, 1), (5, 2), (64, 3), (90, 2)] {
        let base = table(14, dim, 4);
        let mut smoothing = Smoothing::new(Graph::new(&data), layers, dim);
        let mut batch = batch(&base);
        for _ in 0..2 {
            batch.take(&TRIPLES);
            smoothing.forward(&base, &mut batch);
            let expected = smooth(&data, &base, layers);
            for (at, node) in batch.nodes.iter().enumerate() {
                for (got, expected) in batch.values.row(at).iter().zip(&expected[*node as usize]) {
                    assert!((f64::from(*got) - expected).abs() < 1e-5);
                }
            }
            pairwise(&mut batch);
            let gradient = smoothing.backward(&batch);
            // The second time, so that nothing is left over from the first.
            check(&base, gradient, |moved| loss(&smooth(&data, moved, layers), &TRIPLES));
        }
    }
}

#[test]
fn the_items_add_up_to_a_person_without_their_own_level() {
    let (data, layers) = (data(), 3);
    let base = table(14, 6, 5);
    let (items, sums) = Smoothing::new(Graph::new(&data), layers, 6).items(&base);
    let expected = smooth(&data, &base, layers);
    for item in 0..8 {
        for (got, expected) in items.row(item).iter().zip(&expected[6 + item]) {
            assert!((f64::from(*got) - expected).abs() < 1e-5);
        }
    }
    for (user, expected) in expected[..6].iter().enumerate() {
        let (own, _) = data.by_user.row(user);
        let scale = (own.len() as f32).sqrt().recip();
        for (at, expected) in expected[..6].iter().enumerate() {
            let folded: f32 = own.iter().map(|item| scale * sums.row(*item as usize)[at]).sum();
            let own_level = base.row(user)[at] / (layers + 1) as f32;
            assert!((f64::from(folded + own_level) - expected).abs() < 1e-5);
        }
    }
}

/// Adam as it is written in the paper.
fn adam_oracle(gradients: &[f64], rate: f64) -> f64 {
    let (mut value, mut mean, mut square) = (1.0, 0.0, 0.0);
    for (at, slope) in gradients.iter().enumerate() {
        mean = 0.9 * mean + 0.1 * slope;
        square = 0.999 * square + 0.001 * slope * slope;
        let steps = at as i32 + 1;
        let (mean, square) =
            (mean / (1.0 - 0.9f64.powi(steps)), square / (1.0 - 0.999f64.powi(steps)));
        value -= rate * mean / (square.sqrt() + 1e-8);
    }
    value
}

#[test]
fn adam_is_that_of_the_paper() {
    let slopes = [0.5, -0.25, 1.0, 0.0, 0.0, 2.0, -0.125];
    let mut values = Table::zeros(300, 3);
    values.row_mut(299).fill(1.0);
    let mut adam = Adam::new(&values, 0.01);
    for slope in slopes {
        let mut gradient = Table::zeros(300, 3);
        gradient.row_mut(299).fill(slope as f32);
        adam.all(&mut values, &gradient, &vec![0.0; 300]);
    }
    let expected = adam_oracle(&slopes, 0.01);
    assert!((f64::from(values.row(299)[1]) - expected).abs() < 1e-6);
    assert!(values.row(298).iter().all(|value| *value == 0.0));
}

#[test]
fn a_decay_pulls_towards_zero() {
    let mut values = table(2, 3, 6);
    let before = values.clone();
    let mut adam = Adam::new(&values, 0.01);
    adam.all(&mut values, &Table::zeros(2, 3), &[0.5, 0.0]);
    let shorter = values.row(0).iter().zip(before.row(0)).take(3).all(|(a, b)| a.abs() < b.abs());
    assert!(shorter);
    assert_eq!(values.row(1), before.row(1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// A touched row follows a dense Adam within a small part of the way it goes.
    #[test]
    fn a_row_makes_up_for_the_steps_it_was_not_touched_in(seed in any::<u64>(), often in 1u64..30) {
        let slopes: Vec<f64> = (0..400)
            .map(|at| match number(seed, at) % often {
                0 => (number(seed, at + 1000) % 200) as f64 / 100.0 - 0.5,
                _ => 0.0,
            })
            .collect();
        let mut values = Table::zeros(1, 2);
        values.row_mut(0)[..2].fill(1.0);
        let mut adam = Adam::new(&values, 0.01);
        for slope in &slopes {
            if *slope == 0.0 {
                adam.step();
                continue;
            }
            adam.catch_up(0, values.row_mut(0));
            let step = adam.step();
            let mut gradient = vec![0f32; values.stride()];
            gradient[..2].fill(*slope as f32);
            adam.touch(step, 0, values.row_mut(0), &gradient);
        }
        adam.catch_up(0, values.row_mut(0));
        let (got, expected) = (f64::from(values.row(0)[0]), adam_oracle(&slopes, 0.01));
        let way = (expected - 1.0).abs().max(0.05);
        prop_assert!((got - expected).abs() < 0.15 * way, "{got} for {expected}");
    }
}

#[test]
fn an_epoch_takes_each_pair_once_with_items_that_the_user_had_not() {
    let data = data();
    let triples = Triples::new(&data, 2, 9);
    let (first, second) = (triples.epoch(1), triples.epoch(2));
    assert_eq!(first.len(), 2 * data.n_pairs());
    assert_ne!(first, second);
    assert_eq!(first, Triples::new(&data, 2, 9).epoch(1));
    let mut seen: Vec<(u32, u32)> = first.iter().step_by(2).map(|[u, i, _]| (*u, *i - 6)).collect();
    seen.sort_unstable();
    let rows = data.by_user.rows().enumerate();
    let all: Vec<(u32, u32)> =
        rows.flat_map(|(u, (items, _))| items.iter().map(move |i| (u as u32, *i))).collect();
    assert_eq!(seen, all);
    for [user, item, other] in first {
        let (own, _) = data.by_user.row(user as usize);
        assert!(own.contains(&(item - 6)));
        let everything = (0..8).filter(|item| data.by_item.degree(*item) > 0).count();
        assert!(own.len() == everything || !own.contains(&(other - 6)));
        assert!(data.by_item.degree(other as usize - 6) > 0);
    }
}

/// A learner whose recall follows a script.
struct Script(usize);

impl Learner for Script {
    type State = usize;

    fn epoch(&mut self, epoch: usize, _: &Work) -> Result<f64> {
        self.0 = epoch;
        Ok(1.0)
    }

    fn state(&mut self) -> usize {
        self.0
    }
}

#[test]
fn training_stops_without_gain_and_keeps_the_best() {
    let recall = |epoch: &usize| [0.0, 0.1, 0.3, 0.2, 0.3, 0.1, 0.9][(*epoch).min(6)];
    let run = |patience, every| {
        let schedule = Schedule { epochs: 50, every, patience };
        train(&mut Script(0), schedule, recall, &Work::quiet()).unwrap()
    };
    let (best, curve) = run(3, 1);
    assert_eq!((best, curve.best, curve.points.len()), (2, 2, 5));
    assert_eq!(curve.points[3], crate::CurvePoint { epoch: 4, loss: 1.0, recall: 0.3 });
    assert_eq!(curve.reached(), 0.3);
    let told: Vec<u64> = curve.told(2).map(|point| point.epoch).collect();
    assert_eq!(told, [1, 2, 4, 5]);
    assert_eq!(run(4, 1).0, 6);
    assert_eq!(run(3, 4).1.points[0].epoch, 4);
}

#[test]
fn recall_counts_what_was_hidden_and_not_what_is_known() {
    // The items' only factor is their row; the best 20 of 30 are 10 to 29.
    let mut items = Table::zeros(30, 1);
    (0..30).for_each(|row| items.row_mut(row)[0] = row as f32);
    let question = |history: &[u32], hidden: &[u32]| Question {
        history: history.to_vec(),
        hidden: hidden.to_vec(),
    };
    let questions = vec![question(&[], &[9, 10, 29]), question(&[29, 28], &[5, 8])];
    let found = recall(&questions, items.data(), items.stride(), |_, out| out[0] = 1.0);
    assert!((found - (2.0 / 3.0 + 0.5) / 2.0).abs() < 1e-9);
}
