//! Maps of rows, what is between them, weights of blocks, and rows that move about.

use super::*;
use crate::compute::{Compute, NOWHERE, Tables};

const LEAK: f32 = 0.1;
const SHARES: [f32; 9] = [0.1, 0.5, 0.93, 0.3, 0.7, 0.0, 1.0, 0.25, 0.6];

/// Rows of two kinds, of which one lacks the first and one the second.
fn inputs() -> [Table; 2] {
    let mut inputs = [drawn(9, 11, 21), drawn(9, 6, 22)];
    inputs[0].row_mut(3).fill(0.0);
    inputs[1].row_mut(5).fill(0.0);
    inputs
}

/// What is between two maps of length one, one of them rectified; and the gradients of the maps' weights
/// and of what went into the second.
fn by_maps<C: Compute>(
    compute: C,
    learned: impl Fn(&mut C::Linear) -> Table,
) -> (Table, Vec<Table>) {
    let [first, second] = inputs().map(|rows| compute.table(rows).unwrap());
    let mut maps =
        [compute.linear(11, DIM, 0.1, 1).unwrap(), compute.linear(6, DIM, 0.1, 2).unwrap()];
    let [mut a, mut b, mut y] = [(); 3].map(|()| compute.zeros(0, DIM).unwrap());
    compute.through(&maps[0], &first, &mut a).unwrap();
    compute.rectify(&mut a, LEAK).unwrap();
    let rectified = compute.copy(&a).unwrap();
    let a_scales = compute.normalise(&mut a).unwrap();
    compute.through(&maps[1], &second, &mut b).unwrap();
    let b_scales = compute.normalise(&mut b).unwrap();
    let shares = compute.numbers(SHARES.to_vec()).unwrap();
    compute.between([&a, &b], &shares, &mut y).unwrap();
    let slopes = compute.table(drawn(9, DIM, 23)).unwrap();
    let [mut a_slopes, mut b_slopes] = compute.between_back([&a, &b], &shares, &slopes).unwrap();
    compute.normalise_back(&a, &a_scales, &mut a_slopes).unwrap();
    compute.rectify_back(&rectified, LEAK, &mut a_slopes).unwrap();
    compute.learn(&mut maps[0], &first, &a_slopes).unwrap();
    compute.normalise_back(&b, &b_scales, &mut b_slopes).unwrap();
    compute.learn(&mut maps[1], &second, &b_slopes).unwrap();
    let mut back = compute.zeros(9, 6).unwrap();
    compute.through_back(&maps[1], &b_slopes, &mut back).unwrap();
    let mut gradients: Vec<Table> = maps.iter_mut().map(learned).collect();
    gradients.push(compute.bring(back).unwrap());
    (compute.bring(y).unwrap(), gradients)
}

fn product(a: &Tensor, b: &Tensor) -> Tensor {
    (a * b).sum_dim_intlist([1i64].as_slice(), true, Kind::Float)
}

/// What is between two maps, by the formula.
fn between(first: &Tensor, second: &Tensor, weights: [&Tensor; 2], p: &Tensor) -> Tensor {
    let a = first.mm(&weights[0].tr());
    let a = a.clamp_min(0.0) + a.clamp_max(0.0) * f64::from(LEAK);
    let b = second.mm(&weights[1].tr());
    // Where one is not there it is not divided by its length, and the other is taken.
    let there = |rows: &Tensor| product(rows, rows).gt(0.0);
    let length =
        |rows: &Tensor| product(rows, rows).where_self(&there(rows), &Tensor::from(1f32)).sqrt();
    let (a, b) = (&a / length(&a), &b / length(&b));
    let angle = product(&a, &b).clamp(-0.9999, 0.9999).acos();
    let rest: Tensor = p * -1.0 + 1.0;
    let curve = ((p * &angle).sin() * &a + (rest * &angle).sin() * &b) / angle.sin();
    let both = there(&a).logical_and(&there(&b));
    curve.where_self(&both, &a.where_self(&there(&a), &b))
}

#[test]
fn maps_and_what_is_between_have_the_gradients_of_autograd() {
    let torch = Torch::on_cpu();
    let native = by_maps(Native, |map| map.parts().1.clone());
    let there = by_maps(torch, |map| {
        let width = map.weights().dim;
        torch.receive(map.slopes(), width).unwrap()
    });
    let [first, second] = inputs();
    let (first, second) = (torch.rows(&first).unwrap().tensor, wanted(&second));
    let weights = [(11, 1), (6, 2)].map(|(inputs, seed)| {
        wanted(crate::trainer::Linear::drawn(inputs, DIM, 0.1, seed).weights())
    });
    let p = torch.numbers(SHARES.to_vec()).unwrap();
    let y = between(&first, &second, [&weights[0], &weights[1]], &p);
    (&y * torch.rows(&drawn(9, DIM, 23)).unwrap().tensor).sum(Kind::Float).backward();
    let values = torch.receive(&y.detach(), DIM).unwrap();
    assert!(apart(&native.0, &values) < 1e-5 && apart(&there.0, &values) < 1e-5);
    let expected = [slopes(&weights[0], 11), slopes(&weights[1], 6), slopes(&second, 6)];
    agree("maps", &expected, [&native.1, &there.1]);
}

/// A batch whose users' blocks are weighed: the gradient in its rows, and θ after some steps.
fn by_shares<C: Compute>(compute: C) -> (Vec<f32>, Vec<Table>) {
    let mut shares = compute.shares(4, 0.05).unwrap();
    let mut batch = compute.batch(14, DIM).unwrap();
    let mut rows = compute.look_up(base(), 0.01).unwrap();
    let (mut loss, mut gradients) = (compute.no_loss().unwrap(), Vec::new());
    for _ in 0..3 {
        compute.take(&mut batch, &TRIPLES).unwrap();
        compute.look(&mut rows, &mut batch).unwrap();
        compute.share(&shares, &mut batch, 6).unwrap();
        compute.compare(&mut batch, 1.0, &mut loss).unwrap();
        compute.share_back(&mut shares, &mut batch, 6).unwrap();
        gradients.push(compute.read(compute.gradient(&batch)).unwrap().into_owned());
    }
    gradients.push(compute.read(compute.theta(&mut shares)).unwrap().into_owned());
    (compute.shared(&shares).unwrap(), gradients)
}

#[test]
fn weights_of_blocks_have_the_gradients_of_autograd() {
    let torch = Torch::on_cpu();
    let (native, there) = (by_shares(Native), by_shares(torch));
    let mut steps = torch.adam(&torch.zeros(1, 4).unwrap(), 0.05).unwrap();
    let mut expected = Vec::new();
    let (nodes, places) = {
        let mut batch = torch.batch(14, DIM).unwrap();
        torch.take(&mut batch, &TRIPLES).unwrap();
        let here = torch.here(&batch);
        let column = |at: usize| {
            Tensor::from_slice(&here.triples.iter().map(|t| i64::from(t[at])).collect::<Vec<_>>())
        };
        let nodes: Vec<i64> = here.nodes.iter().map(|node| i64::from(*node)).collect();
        (Tensor::from_slice(&nodes), [0, 1, 2].map(column))
    };
    let is_user = nodes.lt(6).unsqueeze(1);
    let mut theta_rows = torch.zeros(1, 4).unwrap();
    for _ in 0..3 {
        let theta = theta_rows.tensor.narrow(1, 0, 4).reshape([4]).detach().copy();
        let theta = theta.set_requires_grad(true);
        let rows = torch.rows(&base()).unwrap().tensor.index_select(0, &nodes);
        let rows = rows.set_requires_grad(true);
        let weights = (theta.softmax(0, Kind::Float) * 4.0).repeat_interleave_self_int(
            DIM as i64 / 4,
            0,
            None,
        );
        let own = rows.narrow(1, 0, DIM as i64);
        let own = (&own * weights.unsqueeze(0)).where_self(&is_user, &own);
        let [u, i, j] = [0, 1, 2].map(|at: usize| own.index_select(0, &places[at]));
        product(&u, &(i - j)).log_sigmoid().neg().mean(Kind::Float).backward();
        expected.push(slopes(&rows, DIM));
        let gradient = torch.zeros(1, 4).unwrap();
        gradient.tensor.narrow(1, 0, 4).copy_(&theta.grad().unsqueeze(0));
        torch.step(&mut steps, &mut theta_rows, &gradient).unwrap();
    }
    expected.push(torch.receive(&theta_rows.tensor, 4).unwrap());
    agree("weights of blocks", &expected, [&native.1, &there.1]);
    assert!((native.0.iter().sum::<f32>() - 4.0).abs() < 1e-5);
    assert!(native.0.iter().zip(&there.0).all(|(a, b)| (a - b).abs() < 1e-5));
    assert!(native.0.iter().any(|weight| (weight - 1.0).abs() > 0.01));
}

/// Rows that are looked at, put elsewhere, cut, and dropped out of.
fn moved<C: Compute>(compute: C) -> Vec<Table> {
    let from = compute.table(base()).unwrap();
    let places = |places: &[u32]| compute.places(places.to_vec()).unwrap();
    let mut to = compute.zeros(3, DIM).unwrap();
    compute.gather(&from, &places(&[13, NOWHERE, 0, 0, 5]), &mut to).unwrap();
    let mut all = compute.copy(&from).unwrap();
    compute.scatter(&mut all, &places(&[2, 4, 1, 0, 9]), &to).unwrap();
    compute.carry((&from, &places(&[7, 8])), (&mut all, &places(&[3, 12]))).unwrap();
    let mut part = compute.zeros(1, 6).unwrap();
    compute.cut(&from, 4..9, 5, &mut part).unwrap();
    compute.paste(&part, &mut all, 6, 11).unwrap();
    let mut dropped = compute.zeros(0, DIM).unwrap();
    compute.drop_out(&to, &places(&[3, 1, 4, 1, 5]), 0.4, 8, &mut dropped).unwrap();
    let mut cleared = compute.copy(&from).unwrap();
    compute.clear(&mut cleared, 4).unwrap();
    [to, all, part, dropped, cleared].map(|table| compute.bring(table).unwrap()).into()
}

#[test]
fn rows_move_about_alike() {
    let (native, torch) = (moved(Native), moved(Torch::on_cpu()));
    assert!(native.iter().zip(&torch).all(|(native, torch)| apart(native, torch) == 0.0));
    let rows: Vec<usize> = native.iter().map(Table::rows).collect();
    assert_eq!(rows, [5, 14, 5, 5, 4]);
    assert_eq!(rows, torch.iter().map(Table::rows).collect::<Vec<_>>());
    assert!(native[0].row(1).iter().all(|value| *value == 0.0), "nothing is nowhere");
    assert_eq!(native[0].row(2), base().row(0));
    assert_eq!(&native[2].row(0)[..6], &base().row(4)[5..11]);
}
