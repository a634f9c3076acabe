//! The gradients of the trainer and of the operations here against those that autograd finds, and
//! what becomes of failures.

#![expect(clippy::unwrap_used, reason = "tests")]

mod layers;
mod losses;
mod maps;
mod scoring;

use tastedb_storage::{ItemId, UserId};
use tch::{Kind, Tensor};

use super::*;
use crate::compute::{Batches, Losses, Maps, Native, Parts};
use crate::trainer::{Features, Graph, Table, Triple};
use crate::{Csr, Dataset, EmbeddingMatrix, Error};

const DIM: usize = 20;
const REGULARIZATION: f32 = 0.3;
const TRIPLES: [Triple; 6] = [[0, 6, 8], [1, 7, 6], [0, 7, 13], [5, 8, 7], [2, 6, 13], [0, 6, 8]];

fn data() -> Dataset {
    let pairs = (0..24u64).map(|at| (UserId(at % 6), ItemId(at * at % 7 + at % 2), 1.0, None));
    Dataset::build((0..8).map(ItemId).collect(), pairs).unwrap()
}

fn base() -> Table {
    let mut base = Table::zeros(14, DIM);
    base.draw(0..14, 1.0, 3);
    base
}

/// Â, densely.
fn adjacency(data: &Dataset) -> Tensor {
    let graph = Graph::new(&data.by_user, &data.by_item);
    let n = graph.nodes();
    let mut dense = vec![0f32; n * n];
    for node in 0..n {
        for other in &graph.others[graph.starts[node]..graph.starts[node + 1]] {
            dense[node * n + *other as usize] = graph.scales[node] * graph.scales[*other as usize];
        }
    }
    Torch::on_cpu().send(&dense).unwrap().reshape([n as i64, n as i64])
}

/// The loss of the paper and its gradient in the rows, by autograd, with a dense matrix.
fn by_autograd(data: &Dataset, layers: usize) -> (f64, Table) {
    let (torch, dense) = (Torch::on_cpu(), adjacency(data));
    let rows = torch.rows(&base()).unwrap().tensor.set_requires_grad(true);
    let (mut level, mut sum) = (rows.shallow_clone(), rows.shallow_clone());
    for _ in 0..layers {
        level = dense.mm(&level);
        sum = sum.g_add(&level);
    }
    let smooth = sum / (layers + 1) as f64;
    let column = |at: usize| {
        let nodes: Vec<i64> = TRIPLES.iter().map(|triple| i64::from(triple[at])).collect();
        Tensor::from_slice(&nodes)
    };
    let of = |rows: &Tensor| [0, 1, 2].map(|at| rows.index_select(0, &column(at)));
    let [u, i, j] = of(&smooth);
    let margin = (&u * (i - j)).sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
    let loss = margin.log_sigmoid().neg().mean(Kind::Float);
    let squares = of(&rows).map(|rows| rows.square().sum(Kind::Float));
    let [u, i, j] = squares;
    let lengths = (u + i + j) * f64::from(REGULARIZATION) / (2 * TRIPLES.len()) as f64;
    (&loss + lengths).backward();
    (loss.double_value(&[]), torch.receive(&rows.grad(), DIM).unwrap())
}

/// The same by the operations of a place.
fn by_operations<C: Compute>(compute: C, data: &Dataset, layers: usize) -> (f64, Table) {
    let rows = compute.table(base()).unwrap();
    let mut batch = compute.batch(14, DIM).unwrap();
    let mut loss = compute.no_loss().unwrap();
    compute.take(&mut batch, &TRIPLES).unwrap();
    let graph = Graph::new(&data.by_user, &data.by_item);
    let graph = compute.graph(graph).unwrap();
    let mut smoothing = compute.smoothing(graph, layers, DIM).unwrap();
    compute.smooth(&mut smoothing, &rows, &mut batch).unwrap();
    compute.compare(&mut batch, 1.0, &mut loss).unwrap();
    let gradient = compute.smooth_back(&mut smoothing, &batch).unwrap();
    compute.decay_of(&batch, REGULARIZATION, &rows, gradient).unwrap();
    let gradient = compute.read(gradient).unwrap().into_owned();
    (compute.sum(loss).unwrap() / TRIPLES.len() as f64, gradient)
}

fn drawn(rows: usize, dim: usize, seed: u64) -> Table {
    let mut table = Table::zeros(rows, dim);
    table.draw(0..rows, 1.0, seed);
    table
}

/// Numbers that want a gradient.
fn wanted(table: &Table) -> Tensor {
    Torch::on_cpu().rows(table).unwrap().tensor.set_requires_grad(true)
}

/// The gradient that autograd found in them.
fn slopes(of: &Tensor, dim: usize) -> Table {
    Torch::on_cpu().receive(&of.grad(), dim).unwrap()
}

/// The gradients of both places are those of autograd, which are not all small.
fn agree(what: &str, expected: &[Table], places: [&[Table]; 2]) {
    for place in places {
        assert_eq!(place.len(), expected.len(), "{what}");
        for (at, (own, expected)) in place.iter().zip(expected).enumerate() {
            assert!(expected.data().iter().any(|slope| slope.abs() > 1e-3), "{what} {at}");
            let far = apart(own, expected);
            assert!(far < 1e-5, "{what} {at}: {far}");
        }
    }
}

fn apart(a: &Table, b: &Table) -> f32 {
    let pairs = a.data().iter().zip(b.data());
    pairs.map(|(a, b)| (a - b).abs()).fold(0f32, f32::max)
}

#[test]
fn gradients_are_those_of_autograd() {
    let data = data();
    for layers in [1, 2, 3] {
        let (expected, slopes) = by_autograd(&data, layers);
        assert!(slopes.data().iter().any(|slope| slope.abs() > 1e-2));
        let native = by_operations(Native, &data, layers);
        let torch = by_operations(Torch::on_cpu(), &data, layers);
        for (loss, gradient) in [native, torch] {
            assert!((loss - expected).abs() < 1e-5, "{loss} for {expected}");
            assert!(apart(&gradient, &slopes) < 1e-5, "{layers}");
        }
    }
}

/// Links between the eight items, and vectors of all but one of them.
fn content(data: &Dataset) -> (Csr, Features) {
    let row = |item: u32| (0..8u32).filter(move |other| (item * 3 + other * 5) % 4 == 1);
    let indices: Vec<u32> = (0..8).flat_map(row).collect();
    let mut indptr = vec![0];
    (0..8).for_each(|item| indptr.push(indptr[item as usize] + row(item).count()));
    let entries = (0..indices.len()).map(|at| 0.25 + (at % 5) as f32 / 8.0).collect();
    let links = Csr::from_parts(8, indptr, indices, entries).unwrap();
    let mut matrix = EmbeddingMatrix::new("text", 5);
    for item in (0..8u64).filter(|item| *item != 7) {
        let vector: Vec<f32> = (0..5).map(|at| ((item * 7 + at * 3) % 11) as f32).collect();
        matrix.set(ItemId(item), &vector).unwrap();
    }
    (links, Features::new(&[&matrix], &data.items))
}

const WEIGHT: f32 = 0.7;

/// What comparing items by their links, and by what a map makes of their vectors, is in the rows: the
/// gradient, and what the map makes of all items after a step along its own.
fn by_content<C: Compute>(compute: C, data: &Dataset) -> (Table, Table) {
    let (links, features) = content(data);
    let rows = compute.table(base()).unwrap();
    let graph = compute.graph(Graph::new(&data.by_user, &data.by_item)).unwrap();
    let mut smoothing = compute.smoothing(graph, 1, DIM).unwrap();
    let mut links = compute.links(6, links).unwrap();
    let mut map = compute.map(&features, 6, DIM, 0.05, 4).unwrap();
    let [mut batch, mut beside] = [0, 1].map(|_| compute.batch(14, DIM).unwrap());
    let mut loss = compute.no_loss().unwrap();
    compute.take(&mut batch, &TRIPLES).unwrap();
    compute.smooth(&mut smoothing, &rows, &mut batch).unwrap();
    let Parts { nodes, values, .. } = compute.parts(&mut batch);
    compute.near(&mut links, &rows, nodes, values).unwrap();
    compute.compare(&mut batch, 1.0, &mut loss).unwrap();
    compute.apply(&mut map, &batch).unwrap();
    compute.like(&mut beside, &batch, &map).unwrap();
    compute.put(&map, &mut beside, 0).unwrap();
    compute.compare(&mut beside, WEIGHT, &mut loss).unwrap();
    compute.take_out(&mut map, &mut beside, 0).unwrap();
    compute.add_gradient(&mut batch, &beside).unwrap();
    compute.step_map(&mut map).unwrap();
    let gradient = compute.smooth_back(&mut smoothing, &batch).unwrap();
    let slopes = compute.gradient(&batch);
    compute.near_back(&mut links, &batch, slopes, gradient).unwrap();
    let gradient = compute.read(gradient).unwrap().into_owned();
    (gradient, compute.mapped(&map).unwrap())
}

#[test]
fn gradients_through_links_and_maps_are_those_of_autograd() {
    let (data, torch) = (data(), Torch::on_cpu());
    let (links, features) = content(&data);
    let mut dense = vec![0f32; 14 * 14];
    for item in 0..8 {
        let (others, weights) = links.row(item);
        for (other, weight) in others.iter().zip(weights) {
            dense[(6 + item) * 14 + 6 + *other as usize] = *weight;
        }
    }
    let dense = torch.send(&dense).unwrap().reshape([14, 14]);
    let rows = torch.rows(&base()).unwrap().tensor.set_requires_grad(true);
    let smooth = (&rows + adjacency(&data).mm(&rows)) / 2.0 + dense.mm(&rows);
    let map = torch.map(&features, 6, DIM, 0.05, 4).unwrap();
    let mut mapped = Table::zeros(14, DIM);
    for (item, row) in torch.mapped(&map).unwrap().data().chunks_exact(mapped.stride()).enumerate()
    {
        mapped.row_mut(6 + item).copy_from_slice(row);
    }
    let mapped = torch.rows(&mapped).unwrap().tensor;
    let loss = |triples: &[Triple], items: &Tensor| {
        let column = |at: usize| {
            let nodes: Vec<i64> = triples.iter().map(|triple| i64::from(triple[at])).collect();
            Tensor::from_slice(&nodes)
        };
        let u = smooth.index_select(0, &column(0));
        let apart = items.index_select(0, &column(1)) - items.index_select(0, &column(2));
        let margin = (u * apart).sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
        margin.log_sigmoid().neg().mean(Kind::Float)
    };
    // The node of the item without a vector is 13.
    let both: Vec<Triple> =
        TRIPLES.into_iter().filter(|[_, item, other]| *item != 13 && *other != 13).collect();
    assert!(!both.is_empty() && both.len() < TRIPLES.len());
    (loss(&TRIPLES, &smooth) + loss(&both, &mapped) * f64::from(WEIGHT)).backward();
    let slopes = torch.receive(&rows.grad(), DIM).unwrap();
    let (native, torch) = (by_content(Native, &data), by_content(torch, &data));
    for (gradient, _) in [&native, &torch] {
        assert!(apart(gradient, &slopes) < 1e-5, "{}", apart(gradient, &slopes));
    }
    assert!(apart(&native.1, &torch.1) < 1e-5);
}

/// The rows that are touched after a step of theirs along the gradient of comparing them.
fn looked_up<C: Compute>(compute: C, steps: &[&[Triple]]) -> Table {
    let mut rows = compute.look_up(base(), 0.05).unwrap();
    let mut batch = compute.batch(14, DIM).unwrap();
    let mut loss = compute.no_loss().unwrap();
    for triples in steps {
        compute.take(&mut batch, triples).unwrap();
        compute.look(&mut rows, &mut batch).unwrap();
        compute.compare(&mut batch, 1.0, &mut loss).unwrap();
        compute.decay(&mut batch, REGULARIZATION).unwrap();
        compute.step_touched(&mut rows, &batch).unwrap();
    }
    let left = compute.left(&rows).unwrap().into_owned();
    let mut all = compute.up_to_date(&mut rows, 0).unwrap();
    assert!(apart(&left, &all) > 0.0, "some row had missed a step");
    all.data_mut().iter_mut().zip(left.data()).for_each(|(all, left)| *all += left);
    all
}

#[test]
fn rows_that_missed_steps_make_up_for_them_alike() {
    let steps: Vec<&[Triple]> = (0..40).map(|at| &TRIPLES[at % 5..at % 5 + 1]).collect();
    let (native, torch) = (looked_up(Native, &steps), looked_up(Torch::on_cpu(), &steps));
    assert!(apart(&native, &torch) < 1e-4);
    assert!(apart(&native, &base()) > 0.1);
}

#[test]
fn a_device_without_memory_is_an_error() {
    let error = Torch::on_cpu().blank(1 << 40, 1 << 10).unwrap_err();
    let Error::DeviceFailed { device, what } = &error else { panic!("{error}") };
    assert_eq!(device, "the processor");
    assert!(what.starts_with("out of memory: "), "{what}");
    assert_eq!(what.lines().count(), 1);
}

#[test]
fn a_call_that_makes_no_sense_is_an_error() {
    let torch = Torch::on_cpu();
    let rows = torch.rows(&base()).unwrap();
    let places = torch.send(&[14i64]).unwrap();
    let error = torch.done(rows.tensor.f_index_select(0, &places)).unwrap_err();
    assert!(matches!(error, Error::DeviceFailed { .. }), "{error}");
}

#[test]
fn a_loss_that_is_no_number_comes_back_as_it_is() {
    let torch = Torch::on_cpu();
    let mut values = base();
    values.row_mut(6)[0] = f32::NAN;
    let mut rows = torch.look_up(values, 0.1).unwrap();
    let (mut batch, mut loss) = (torch.batch(14, DIM).unwrap(), torch.no_loss().unwrap());
    torch.take(&mut batch, &TRIPLES).unwrap();
    torch.look(&mut rows, &mut batch).unwrap();
    torch.compare(&mut batch, 1.0, &mut loss).unwrap();
    assert!(torch.sum(loss).unwrap().is_nan());
}
