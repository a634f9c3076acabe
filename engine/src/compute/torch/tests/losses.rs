//! Losses of rows: pointing where others do, being contrasted with them, being spread.

use super::*;
use crate::compute::{Compute, Tables};

const FACTOR: f32 = 0.7;
const HEAT: f32 = 0.4;
const MOST: f32 = 0.6;
const PLACES: [&[u32]; 2] = [&[0, 2, 0, 4, 6], &[3, 1, 0, 3, 5]];

/// Rows of length one: the same that the trainer makes.
fn unit(seed: u64) -> Table {
    let mut table = drawn(7, DIM, seed);
    Native.normalise(&mut table).unwrap();
    table
}

/// The losses, but that of contrasts, and the gradients.
fn by_operations<C: Compute>(compute: C) -> (Vec<f64>, Vec<Table>) {
    let table = |seed| compute.table(unit(seed)).unwrap();
    let (a, b) = (table(1), table(2));
    let zeros = || compute.zeros(7, DIM).unwrap();
    let places = PLACES.map(|places| compute.places(places.to_vec()).unwrap());
    let (mut losses, mut gradients) = (Vec::new(), Vec::new());
    let (mut slopes, mut loss) = (zeros(), compute.no_loss().unwrap());
    let long = compute.table(drawn(7, DIM, 3)).unwrap();
    let [own, targets] = &places;
    compute.align([&long, &b], [own, targets], FACTOR, &mut slopes, &mut loss).unwrap();
    losses.push(compute.sum(loss).unwrap());
    gradients.push(compute.bring(slopes).unwrap());
    let (mut slopes, mut others) = (zeros(), zeros());
    compute.contrast([&a, &b], HEAT, FACTOR, [&mut slopes, &mut others]).unwrap();
    gradients.extend([slopes, others].map(|slopes| compute.bring(slopes).unwrap()));
    for alike in [None, Some((&b, MOST))] {
        let (mut slopes, mut loss) = (zeros(), compute.no_loss().unwrap());
        compute.spread(&a, alike, FACTOR, &mut slopes, &mut loss).unwrap();
        let mut all = compute.no_loss().unwrap();
        compute.add_loss(&mut all, &loss, 2.0).unwrap();
        losses.push(compute.sum(all).unwrap());
        gradients.push(compute.bring(slopes).unwrap());
    }
    (losses, gradients)
}

fn lengths(rows: &Tensor) -> Tensor {
    rows.square().sum_dim_intlist([1i64].as_slice(), true, Kind::Float).sqrt()
}

#[test]
fn losses_have_the_gradients_of_autograd() {
    let torch = Torch::on_cpu();
    let (mut losses, mut expected) = (Vec::new(), Vec::new());
    let (long, b) = (wanted(&drawn(7, DIM, 3)), torch.rows(&unit(2)).unwrap().tensor);
    let [own, targets] = PLACES.map(|places| {
        Tensor::from_slice(&places.iter().map(|place| i64::from(*place)).collect::<Vec<_>>())
    });
    let (own, target) = (long.index_select(0, &own), b.index_select(0, &targets));
    let cosines = (&own / lengths(&own)) * (&target / lengths(&target));
    let cosines = cosines.sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
    let loss: Tensor = cosines.mean(Kind::Float) * -1.0 + 1.0;
    (&loss * f64::from(FACTOR)).backward();
    losses.push(loss.double_value(&[]));
    expected.push(slopes(&long, DIM));
    let (a, b) = (wanted(&unit(1)), wanted(&unit(2)));
    let heat = f64::from(HEAT);
    let mut within = a.mm(&a.tr()) / heat;
    let _ = within.fill_diagonal_(f64::NEG_INFINITY, false);
    let across = a.mm(&b.tr()) / heat;
    let sums = Tensor::cat(&[&across, &within], 1).logsumexp([1i64].as_slice(), false);
    let loss = (sums - across.diagonal(0, 0, 1)).mean(Kind::Float);
    (loss * f64::from(FACTOR)).backward();
    expected.extend([slopes(&a, DIM), slopes(&b, DIM)]);
    for alike in [None, Some(f64::from(MOST))] {
        let (a, b) = (wanted(&unit(1)), torch.rows(&unit(2)).unwrap().tensor);
        let s = match alike {
            None => Tensor::ones([7, 7], (Kind::Float, tch::Device::Cpu)),
            Some(most) => b.mm(&b.tr()).clamp(0.0, most),
        };
        let pairs = (a.mm(&a.tr()) * 4.0 - s * 4.0).exp();
        let rest: Tensor = Tensor::eye(7, (Kind::Float, tch::Device::Cpu)) * -1.0 + 1.0;
        let loss = ((pairs * rest).sum(Kind::Float) / 42.0).log() * f64::from(FACTOR);
        loss.backward();
        losses.push(2.0 * loss.double_value(&[]));
        expected.push(slopes(&a, DIM));
    }
    let (native, there) = (by_operations(Native), by_operations(torch));
    for found in [&native.0, &there.0] {
        for (found, expected) in found.iter().zip(&losses) {
            assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
        }
    }
    agree("losses", &expected, [&native.1, &there.1]);
}

/// Rows of zeros point nowhere, and nothing is alone or spread.
fn degenerate<C: Compute>(compute: C) -> (f64, Table) {
    let mut rows = unit(1);
    rows.row_mut(2).fill(0.0);
    let (rows, one) = (compute.table(rows).unwrap(), compute.table(drawn(1, DIM, 4)).unwrap());
    let places = PLACES.map(|places| compute.places(places.to_vec()).unwrap());
    let [own, targets] = &places;
    let (mut slopes, mut loss) = (compute.zeros(7, DIM).unwrap(), compute.no_loss().unwrap());
    compute.align([&rows, &rows], [own, targets], 1.0, &mut slopes, &mut loss).unwrap();
    let mut none = compute.zeros(1, DIM).unwrap();
    compute.spread(&one, None, 1.0, &mut none, &mut loss).unwrap();
    assert_eq!(apart(&compute.bring(none).unwrap(), &Table::zeros(1, DIM)), 0.0);
    (compute.sum(loss).unwrap(), compute.bring(slopes).unwrap())
}

#[test]
fn rows_of_zeros_and_rows_alone_have_no_gradient() {
    let (native, torch) = (degenerate(Native), degenerate(Torch::on_cpu()));
    assert!((native.0 - torch.0).abs() < 1e-5, "{} {}", native.0, torch.0);
    assert!(apart(&native.1, &torch.1) < 1e-5);
    assert!(native.1.row(2).iter().all(|slope| *slope == 0.0));
}
