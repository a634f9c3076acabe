//! Contrasts, layers and hypergraphs against finite differences and dense sums.

use super::*;
use crate::kernels::dot;

fn unit(rows: usize, dim: usize, seed: u64) -> Table {
    let mut table = table(rows, dim, seed);
    normalise(&mut table, rows);
    table
}

#[test]
fn a_contrast_is_its_sum_and_has_its_gradient() {
    let (a, b, n, temperature) = (unit(7, 5, 60), unit(7, 5, 61), 6, 0.4);
    let run = |a: &Table, b: &Table| {
        let (mut back, mut other) = (Table::zeros(7, 5), Table::zeros(7, 5));
        let loss = contrast([a, b], n, temperature, 0.5, [&mut back, &mut other]);
        (loss, back, other)
    };
    let (loss, back, other) = run(&a, &b);
    let e = |x: &[f32], y: &[f32]| f64::from(dot(x, y) / temperature).exp();
    let own = |i: usize| {
        let all: f64 = (0..n).map(|j| e(a.row(i), b.row(j))).sum();
        let rest: f64 = (0..n).filter(|j| *j != i).map(|j| e(a.row(i), a.row(j))).sum();
        ((all + rest) / e(a.row(i), b.row(i))).ln()
    };
    let expected = (0..n).map(own).sum::<f64>() / n as f64;
    assert!((loss - expected).abs() < 1e-5, "{loss} for {expected}");
    check(&a, &back, |a| 0.5 * run(a, &b).0);
    check(&b, &other, |b| 0.5 * run(&a, b).0);
    assert_eq!(contrast([&a, &b], 0, 1.0, 1.0, [&mut a.clone(), &mut b.clone()]), 0.0);
}

#[test]
fn a_layer_of_interactions_has_the_gradient_of_its_sums() {
    let data = data();
    let (graph, base, slopes) =
        (Graph::new(&data.by_user, &data.by_item), table(14, 5, 70), table(14, 5, 71));
    for rate in [0.0, 0.4] {
        let mut layer = Interaction::drawn(14, 5, 0.01, 3);
        let run = |layer: &mut Interaction, base: &Table| {
            let mut y = Table::zeros(14, 5);
            layer.forward(&graph, base, rate, 9, &mut y);
            let both = y.data().iter().zip(slopes.data());
            both.map(|(y, slope)| f64::from(y * slope)).sum::<f64>() / 20.0
        };
        run(&mut layer, &base);
        let (mut gradient, mut back) = (slopes.clone(), Table::zeros(14, 5));
        layer.backward(&graph, &base, &mut gradient, &mut back);
        back.data_mut().iter_mut().for_each(|value| *value /= 20.0);
        // A kink of the rectifier may lie within a difference; most slopes have none nearby.
        let step = 1f32 / 512.0;
        let mut wrong = 0;
        for row in 0..14 {
            for at in 0..5 {
                let mut moved = |by: f32| {
                    let mut moved = base.clone();
                    moved.row_mut(row)[at] += by;
                    run(&mut layer, &moved)
                };
                let expected = (moved(step) - moved(-step)) / f64::from(2.0 * step);
                let got = f64::from(back.row(row)[at]);
                wrong += usize::from((got - expected).abs() > 2e-3 * (1.0 + expected.abs()));
            }
        }
        assert!(wrong <= 3, "{wrong} of 70 slopes are others with {rate}");
        let mut y = Table::zeros(14, 5);
        layer.forward(&graph, &base, rate, 9, &mut y);
        let dropped = (0..14).flat_map(|row| y.row(row)[..5].to_vec());
        let dropped = dropped.filter(|value| *value == 0.0).count();
        assert_eq!(dropped > 5, rate > 0.0, "{dropped} are zero");
    }
}

#[test]
fn a_hypergraph_is_its_matrix_and_has_its_gradient() {
    let data = data();
    let n = data.n_users();
    let meets = |a: usize, b: usize| {
        let own = data.by_user.row(a).0;
        own.iter().filter(|item| data.by_user.row(b).0.contains(item)).count() as f32
    };
    let x = table(n, 5, 80);
    let slopes = table(n, 5, 81);
    let degree = |a: usize| (0..n).map(|b| meets(a, b)).sum::<f32>();
    for others in [true, false] {
        let graph = match others {
            true => Hypergraph::of_others(&data.by_user),
            false => Hypergraph::symmetric(&data.by_user),
        };
        let weight = |a: usize, b: usize| match (others, a == b) {
            (true, true) => 0.0,
            (true, false) => meets(a, b) / (degree(a) - meets(a, a)),
            (false, _) => meets(a, b) / (degree(a) * degree(b)).sqrt(),
        };
        let y = graph.forward(&x);
        for a in 0..n {
            for at in 0..5 {
                let expected: f32 = (0..n).map(|b| weight(a, b) * x.row(b)[at]).sum();
                assert!((y.row(a)[at] - expected).abs() < 1e-5, "{} {expected}", y.row(a)[at]);
            }
        }
        check(&x, &graph.backward(&slopes), |x| {
            let y = graph.forward(x);
            let both = y.data().iter().zip(slopes.data());
            both.map(|(y, slope)| f64::from(y * slope)).sum()
        });
    }
}

#[test]
fn a_vector_between_two_is_of_length_one_and_has_its_gradient() {
    let (a, b, slopes) = (unit(6, 5, 90), unit(6, 5, 91), table(6, 5, 92));
    for p in [0.1, 0.5, 0.93] {
        let run = |a: &Table, b: &Table| {
            let mut y = Table::zeros(6, 5);
            (0..6).for_each(|row| slerp(a.row(row), b.row(row), p, y.row_mut(row)));
            y
        };
        let y = run(&a, &b);
        assert!((0..6).all(|row| (dot(y.row(row), y.row(row)) - 1.0).abs() < 1e-5));
        let angle = |x: &Table| dot(x.row(0), b.row(0)).clamp(-1.0, 1.0).acos();
        assert!((angle(&y) - p * angle(&a)).abs() < 1e-3, "p is the share of the first");
        let (mut back, mut other) = (Table::zeros(6, 5), Table::zeros(6, 5));
        for row in 0..6 {
            let to = [back.row_mut(row), other.row_mut(row)];
            slerp_back([a.row(row), b.row(row)], p, slopes.row(row), to);
        }
        // Differences go through vectors of other lengths, so their errors are larger.
        let inner = |y: &Table| -> f64 {
            let both = y.data().iter().zip(slopes.data());
            both.map(|(y, slope)| f64::from(y * slope)).sum::<f64>() / 50.0
        };
        let scaled = |table: &Table| {
            let mut table = table.clone();
            table.data_mut().iter_mut().for_each(|value| *value /= 50.0);
            table
        };
        check(&a, &scaled(&back), |a| inner(&run(a, &b)));
        check(&b, &scaled(&other), |b| inner(&run(&a, b)));
    }
}

#[test]
fn a_spread_is_its_mean_and_has_its_gradient() {
    let (rows, near, n) = (unit(7, 5, 100), unit(7, 4, 101), 6);
    for most in [None, Some(0.8f32)] {
        let run = |rows: &Table| {
            let mut slopes = Table::zeros(7, 5);
            let alike = most.map(|most| (&near, most));
            (spread(rows, alike, n, 0.5, &mut slopes), slopes)
        };
        let (loss, slopes) = run(&rows);
        let pair = |i: usize, j: usize| {
            let s = most.map_or(1.0, |most| dot(near.row(i), near.row(j)).clamp(0.0, most));
            f64::from(4.0 * dot(rows.row(i), rows.row(j)) - 4.0 * s).exp()
        };
        let all: f64 =
            (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| pair(i, j)).sum();
        let expected = (all / 15.0).ln();
        assert!((loss - expected).abs() < 1e-5, "{loss} for {expected}");
        let mut scaled = slopes.clone();
        scaled.data_mut().iter_mut().for_each(|value| *value /= 10.0);
        check(&rows, &scaled, |rows| 0.05 * run(rows).0);
        assert!(slopes.row(6).iter().all(|slope| *slope == 0.0), "it is not among the first");
    }
}
