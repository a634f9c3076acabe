//! Every backward against finite differences of its forward, propagation against dense matrices,
//! and what the loop around them promises.

#![expect(clippy::unwrap_used, reason = "tests")]

mod contrasts;

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
        let sum = pairwise(&mut batch, 1.0);
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
    assert!(pairwise(&mut batch, 1.0).is_finite());
    assert!(batch.gradient.data().iter().all(|value| value.is_finite()));
}

#[test]
fn smoothing_is_that_of_dense_matrices_and_so_is_its_gradient() {
    let data = data();
    for (dim, layers) in [(3, 1), (5, 2), (64, 3), (90, 2)] {
        let base = table(14, dim, 4);
        let mut smoothing = Smoothing::new(Graph::new(&data.by_user, &data.by_item), layers, dim);
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
            pairwise(&mut batch, 1.0);
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
    let (items, sums) =
        Smoothing::new(Graph::new(&data.by_user, &data.by_item), layers, 6).items(&base);
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

/// The sum of the entries of two tables' first rows, each with each: a loss whose gradient is the other.
fn inner(a: &Table, b: &Table, rows: usize) -> f64 {
    (0..rows)
        .map(|row| a.row(row).iter().zip(b.row(row)).map(|(a, b)| f64::from(a * b)).sum::<f64>())
        .sum()
}

#[test]
fn a_linear_map_and_its_gradients_are_those_of_its_matrix() {
    for (inputs, outputs) in [(5, 3), (40, 17)] {
        let rows = 150;
        let mut map = Linear::drawn(inputs, outputs, 0.1, 3);
        let (x, slopes) = (table(rows, inputs, 1), table(rows, outputs, 2));
        let forward = |map: &Linear, x: &Table| {
            let mut y = Table::zeros(rows, outputs);
            map.forward(x, rows, &mut y);
            inner(&y, &slopes, rows) / 100.0
        };
        let expected: f64 = (0..rows)
            .flat_map(|row| (0..outputs).map(move |at| (row, at)))
            .map(|(row, at)| {
                let (weights, _) = map.parts();
                let own: f32 = weights.row(at).iter().zip(x.row(row)).map(|(w, x)| w * x).sum();
                f64::from(own * slopes.row(row)[at]) / 100.0
            })
            .sum();
        assert!((forward(&map, &x) - expected).abs() < 1e-4);
        map.backward(&x, rows, &slopes);
        let mut scaled = map.parts().1.clone();
        scaled.data_mut().iter_mut().for_each(|value| *value /= 100.0);
        let base = map.parts().0.clone();
        let own = map.clone();
        let moved = |weights: &Table| {
            let mut map = own.clone();
            map.parts().0.clone_from(weights);
            forward(&map, &x)
        };
        // The rows that the weights are padded with take part in nothing.
        let part = |table: &Table| {
            let mut part = Table::zeros(outputs, inputs);
            part.data_mut().copy_from_slice(&table.data()[..outputs * table.stride()]);
            part
        };
        check(&part(&base), &part(&scaled), |weights| {
            let mut all = base.clone();
            all.part_mut(0..outputs).copy_from_slice(weights.data());
            moved(&all)
        });
        let mut back = Table::zeros(rows, inputs);
        map.backward_input(rows, &slopes, &mut back);
        back.data_mut().iter_mut().for_each(|value| *value /= 100.0);
        check(&x, &back, |x| forward(&map, x));
    }
}

#[test]
fn a_step_of_a_linear_map_goes_down_and_clears_the_gradient() {
    let mut map = Linear::drawn(4, 2, 0.01, 3);
    let before = map.parts().0.row(0)[0];
    let (x, slopes) = (table(3, 4, 1), table(3, 2, 2));
    map.backward(&x, 3, &slopes);
    let slope = map.parts().1.row(0)[0];
    map.step();
    let moved = map.parts().0.row(0)[0] - before;
    assert!((moved + 0.01 * slope.signum()).abs() < 1e-5, "{moved} against {slope}");
    assert!(map.parts().1.data().iter().all(|value| *value == 0.0));
}

/// A directed graph of the eight items with weights.
fn links() -> crate::Csr {
    let row = |item: u32| (0..8).filter(move |other| (item * 3 + other * 5) % 4 == 1);
    let indices: Vec<u32> = (0..8).flat_map(row).collect();
    let mut indptr = vec![0];
    (0..8).for_each(|item| indptr.push(indptr[item as usize] + row(item).count()));
    let values = (0..indices.len()).map(|at| 0.25 + (at % 5) as f32 / 8.0).collect();
    crate::Csr::from_parts(8, indptr, indices, values).unwrap()
}

#[test]
fn propagation_over_a_graph_of_items_is_its_matrix_and_so_is_its_gradient() {
    let (base, links) = (table(14, 5, 8), links());
    let graph = Directed::new(6, links.clone());
    let run = |base: &Table| {
        let mut batch = batch(base);
        graph.forward(base, &batch.nodes, &mut batch.values);
        batch
    };
    let mut batch = run(&base);
    for (at, node) in batch.nodes.iter().enumerate() {
        for (column, got) in batch.values.row(at)[..5].iter().enumerate() {
            let mut expected = base.row(*node as usize)[column];
            if let Some(item) = (*node as usize).checked_sub(6) {
                let (others, weights) = links.row(item);
                let near = others.iter().zip(weights);
                expected += near.map(|(at, w)| w * base.row(6 + *at as usize)[column]).sum::<f32>();
            }
            assert!((got - expected).abs() < 1e-5);
        }
    }
    pairwise(&mut batch, 1.0);
    let mut gradient = Table::zeros(14, 5);
    for (at, node) in batch.nodes.iter().enumerate() {
        gradient.row_mut(*node as usize).copy_from_slice(batch.gradient.row(at));
    }
    graph.backward(&batch, &batch.gradient, &mut gradient);
    check(&base, &gradient, |base| pairwise(&mut run(base), 1.0) / 5.0);
    let all = graph.all(&base);
    assert_eq!(all.rows(), 8);
    for (at, node) in batch.nodes.iter().enumerate().filter(|(_, node)| **node >= 6) {
        let near = all.row(*node as usize - 6).iter().zip(base.row(*node as usize));
        for (got, (near, own)) in batch.values.row(at).iter().zip(near) {
            assert!((got - near - own).abs() < 1e-5);
        }
    }
}

#[test]
fn rows_of_length_one_have_the_gradient_of_their_direction() {
    let (mut base, slopes) = (table(6, 5, 20), table(6, 5, 21));
    base.row_mut(3).fill(0.0);
    let run = |base: &Table| {
        let mut unit = base.clone();
        let scales = normalise(&mut unit, 6);
        (unit, scales)
    };
    let (unit, scales) = run(&base);
    for row in [0, 1, 5] {
        assert!((unit.row(row).iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
    }
    let mut gradient = slopes.clone();
    normalise_back(&unit, &scales, &mut gradient);
    assert!(gradient.row(3).iter().all(|slope| *slope == 0.0));
    let part = |table: &Table| {
        let mut part = Table::zeros(3, 5);
        part.data_mut().copy_from_slice(&table.data()[..3 * table.stride()]);
        part
    };
    check(&part(&base), &part(&gradient), |moved| {
        let mut all = base.clone();
        all.part_mut(0..3).copy_from_slice(moved.data());
        inner(&run(&all).0, &slopes, 6)
    });
}

/// The matrix of links, added up.
fn added(n: usize, links: &[(u32, u32, f32)]) -> crate::Csr {
    let mut links = links.to_vec();
    links.sort_by_key(|(row, column, _)| (*row, *column));
    let mut indptr = vec![0];
    (0..n).for_each(|row| indptr.push(links.partition_point(|link| link.0 as usize <= row)));
    let (indices, values) = links.iter().map(|(_, column, value)| (*column, *value)).unzip();
    crate::Csr::from_parts(n, indptr, indices, values).unwrap()
}

#[test]
fn a_graph_of_cosines_has_the_gradient_of_what_is_made_of_it() {
    // What x = L z gives, with the nearest fixed: from the items' rows z to the loss.
    let (mut base, x, slopes) = (table(8, 4, 30), table(14, 3, 31), table(8, 3, 32));
    base.row_mut(2).fill(0.0);
    base.data_mut().iter_mut().for_each(|value| *value = value.abs());
    let cosines = Cosines::new(base.clone(), 4, &Work::quiet()).unwrap();
    assert!(cosines.links.iter().all(|(a, b, _)| *a != 2 && *b != 2));
    assert_eq!(cosines.links.iter().filter(|(a, ..)| *a == 5).count(), 4);
    let loss = |rows: &Table| {
        let unit = |row: u32| -> Vec<f64> {
            let own: Vec<f64> = rows.row(row as usize).iter().map(|x| f64::from(*x)).collect();
            let length = own.iter().map(|x| x * x).sum::<f64>().sqrt();
            own.iter().map(|x| x / length).collect()
        };
        let cosine = |a, b| -> f64 { unit(a).iter().zip(unit(b)).map(|(a, b)| a * b).sum() };
        let mut sums = [0f64; 8];
        cosines.links.iter().for_each(|(a, b, _)| sums[*a as usize] += cosine(*a, *b));
        let share = |(a, b, _): &(u32, u32, f32)| {
            let own = slopes.row(*a as usize).iter().zip(x.row(6 + *b as usize));
            let along: f64 = own.map(|(a, b)| f64::from(a * b)).sum();
            along * cosine(*a, *b) / (sums[*a as usize] * sums[*b as usize]).sqrt()
        };
        cosines.links.iter().map(share).sum::<f64>()
    };
    let graph = added(8, &cosines.links);
    let normal = Directed::new(6, laplacian(&graph)).all(&x);
    assert!((inner(&normal, &slopes, 8) - loss(&base)).abs() < 1e-4);
    let entries = entries_back(&graph, Some, &slopes, &x, 6);
    let entries = laplacian_back(&graph, &entries);
    let of_link = |(row, column, _): &(u32, u32, f32)| {
        let at = graph.row(*row as usize).0.binary_search(column).unwrap();
        entries[graph.range(*row as usize).start + at]
    };
    let gradient = cosines.backward(&cosines.links.iter().map(of_link).collect::<Vec<_>>());
    let part = |table: &Table| {
        let mut part = Table::zeros(2, 4);
        part.data_mut().copy_from_slice(&table.data()[..2 * table.stride()]);
        part
    };
    check(&part(&base), &part(&gradient), |moved| {
        let mut all = base.clone();
        all.part_mut(0..2).copy_from_slice(moved.data());
        loss(&all)
    });
    assert!(gradient.row(2).iter().all(|slope| *slope == 0.0));
}

#[test]
fn rows_are_aligned_along_the_gradient() {
    let (base, targets) = (table(5, 6, 40), table(4, 6, 41));
    let pairs: [&[u32]; 2] = [&[0, 2, 0, 4], &[3, 1, 0, 3]];
    let mut gradient = Table::zeros(5, 6);
    let loss = align([&base, &targets], pairs, 0.5, &mut gradient);
    assert!(loss > 0.0 && loss < 2.0);
    check(&base, &gradient, |base| {
        0.5 * align([base, &targets], pairs, 0.5, &mut Table::zeros(5, 6))
    });
    let zero = Table::zeros(5, 6);
    assert_eq!(align([&zero, &targets], pairs, 0.5, &mut gradient), 1.0);
    assert!(align([&base, &base], [&[1, 3], &[1, 3]], 1.0, &mut gradient).abs() < 1e-6);
}

#[test]
fn what_is_dropped_out_is_a_share_and_decided_by_the_seed() {
    let (mut from, mut to) = (Table::zeros(1000, 48), Table::zeros(0, 48));
    from.data_mut().fill(2.0);
    let about: Vec<u32> = (0..1000).map(|row| row / 2).collect();
    drop_out(&from, &about, 0.3, 7, &mut to);
    let zeros = to.data().iter().filter(|value| **value == 0.0).count();
    let share = zeros as f64 / to.data().len() as f64;
    assert!((share - 0.3).abs() < 0.02, "{share}");
    assert!(to.data().iter().all(|value| *value == 0.0 || (*value - 2.0 / 0.7).abs() < 1e-5));
    assert_eq!(to.row(0), to.row(1), "rows about the same");
    assert_ne!(to.row(0), to.row(2));
    let first = to.clone();
    drop_out(&from, &about, 0.3, 7, &mut to);
    assert_eq!(to, first);
    drop_out(&from, &about, 0.3, 8, &mut to);
    assert_ne!(to, first);
    drop_out(&from, &about, 0.0, 8, &mut to);
    assert_eq!(to, from);
}

#[test]
fn pruning_keeps_a_share_and_less_of_what_is_popular() {
    // Item 0 is everybody's, the others are of one person each.
    let pairs = (0..200u64).flat_map(|user| [(user, 0), (user, user + 1)]);
    let pairs = pairs.map(|(user, item)| (UserId(user), ItemId(item), 1.0, None));
    let data = Dataset::build((0..201).map(ItemId).collect(), pairs).unwrap();
    let pruning = Pruning::new(&data.by_user, &data.by_item, 0.25, 5);
    let degrees = |epoch| -> Vec<usize> {
        let graph = pruning.graph(epoch);
        let scale = |node| graph.scale(node);
        (200..401).map(|node| (scale(node).powi(2).recip()).round() as usize).collect()
    };
    let of = |epoch: usize| -> (usize, usize) {
        let all: Vec<usize> = degrees(epoch).into_iter().map(|n| n.min(400)).collect();
        (if all[0] < 400 { all[0] } else { 0 }, all[1..].iter().filter(|n| **n == 1).count())
    };
    assert_eq!(degrees(1), degrees(1));
    assert_ne!(degrees(1), degrees(2));
    let sums = (1..40).map(of).fold((0, 0), |sum, own| (sum.0 + own.0, sum.1 + own.1));
    assert_eq!(sums.0 + sums.1, 39 * 100);
    // A pair of item 0 has a chance of √200 times less.
    assert!(sums.0 * 5 < sums.1, "{sums:?}");
    let whole = Pruning::new(&data.by_user, &data.by_item, 1.0, 5).graph(1);
    let plain = Graph::new(&data.by_user, &data.by_item);
    assert!((0..401).all(|node| whole.scale(node) == plain.scale(node)));
}

#[test]
fn features_are_centred_rows_and_zero_where_there_are_none() {
    let mut matrix = crate::EmbeddingMatrix::new("text", 3);
    for item in 0..8u64 {
        if item != 3 {
            let own = [item as f32, (item * item % 5) as f32, 1.0];
            matrix.set(ItemId(item), &own).unwrap();
        }
    }
    let items: Vec<ItemId> = (0..8).map(ItemId).collect();
    let features = Features::new(&[&matrix, &matrix], &items);
    assert_eq!(features.dim(), 6);
    assert!(!features.has(3) && features.has(4));
    let mut out = Table::zeros(0, 6);
    features.gather(&[9, 6], 6, &mut out);
    assert!(out.row(0).iter().all(|value| *value == 0.0), "without a vector");
    assert_eq!(out.row(1), features.table().row(0));
    let (once, twice) = features.table().row(0).split_at(3);
    assert_eq!(once, &twice[..3]);
    assert!((once.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
    // Only what an item has gives a map a gradient.
    let base = table(14, 4, 2);
    let mut batch = batch(&base);
    let mut projector = Projector::new(&features, 6, 4, 0.1, 1);
    batch.take(&[[0, 9, 6], [1, 7, 13]]);
    projector.forward(&batch);
    let all = projector.all();
    let before = batch.values.clone();
    projector.put(&mut batch, 0);
    for (at, node) in batch.nodes.iter().enumerate() {
        let expected = match projector.has(*node) {
            true => all.row(*node as usize - 6),
            false => before.row(at),
        };
        assert_eq!(batch.values.row(at), expected, "node {node}");
    }
    batch.take(&[[0, 9, 9]]);
    projector.forward(&batch);
    projector.step();
    assert_eq!(projector.all(), all);
}

#[test]
fn weighed_losses_have_weighed_gradients() {
    let base = table(14, 4, 12);
    let run = |base: &Table| {
        let mut batch = batch(base);
        batch.weights.copy_from_slice(&[1.0, 2.0, 0.5, 0.0, 1.5]);
        let loss = pairwise(&mut batch, 3.0);
        (loss * 3.0 / 5.0, batch)
    };
    let (_, batch) = run(&base);
    let mut gradient = Table::zeros(14, 4);
    for (at, node) in batch.nodes.iter().enumerate() {
        gradient.row_mut(*node as usize).copy_from_slice(batch.gradient.row(at));
    }
    check(&base, &gradient, |base| run(base).0);
    let mut beside = Batch::new(14, 4);
    beside.like(&batch, |[_, item, other]| *item != 7 && *other != 7);
    assert_eq!(beside.triples, [batch.triples[0], batch.triples[4]]);
    assert_eq!(beside.weights, [1.0, 1.5]);
}

#[test]
fn of_candidates_the_likely_one_is_chosen() {
    // Person 0 is like item 6 and not like items 7 and 8.
    let mut base = Table::zeros(14, 2);
    for (node, value) in [(0, 1.0), (6, 1.0), (7, -1.0), (8, -1.0)] {
        base.row_mut(node)[0] = value;
    }
    let mut batch = Batch::new(14, 2);
    let mut chosen = [0usize; 2];
    for seed in 0..200 {
        batch.take(&[[0, 6, 13], [0, 7, 13], [0, 8, 13]]);
        for (at, node) in batch.nodes.clone().into_iter().enumerate() {
            batch.values.row_mut(at).copy_from_slice(base.row(node as usize));
        }
        batch.choose(3, 0.5, seed);
        assert_eq!((batch.triples.len(), batch.weights.len()), (1, 1));
        let node = batch.nodes[batch.triples[0][1] as usize];
        chosen[usize::from(node != 6)] += 1;
        assert_eq!(batch.counts.iter().sum::<f32>(), 3.0);
    }
    // ln(1 + e^−1) and ln(1 + e^1) differ by one: e^−2 of the chance, twice.
    let expected = 200.0 / (1.0 + 2.0 * (-2f64).exp());
    assert!((chosen[0] as f64 - expected).abs() < 25.0, "{chosen:?}");
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
        adam.all(&mut values, &gradient);
    }
    let expected = adam_oracle(&slopes, 0.01);
    assert!((f64::from(values.row(299)[1]) - expected).abs() < 1e-6);
    assert!(values.row(298).iter().all(|value| *value == 0.0));
}

#[test]
fn a_decay_pulls_towards_zero() {
    let mut values = table(2, 3, 6);
    let before = values.clone();
    let (mut adam, mut gradient) = (Adam::new(&values, 0.01), Table::zeros(2, 3));
    let mut batch = Batch::new(2, 3);
    batch.take(&[[0, 0, 0]]);
    batch.decay_of(0.5, &values, &mut gradient);
    adam.all(&mut values, &gradient);
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
    for [first, second, third] in triples.epoch(1, 3).as_chunks().0 {
        assert!(triples.epoch(1, 1).contains(first));
        for other in [second, third] {
            assert_eq!((other[0], other[2]), (first[0], first[2]));
            let (own, _) = data.by_user.row(other[0] as usize);
            assert!(own.contains(&(other[1] - 6)));
        }
    }
    let (first, second) = (triples.epoch(1, 1), triples.epoch(2, 1));
    assert_eq!(first.len(), 2 * data.n_pairs());
    assert_ne!(first, second);
    assert_eq!(first, Triples::new(&data, 2, 9).epoch(1, 1));
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

    fn state(&mut self) -> Result<usize> {
        Ok(self.0)
    }
}

/// A learner whose loss is no number from an epoch on.
struct Exploding(usize);

impl Learner for Exploding {
    type State = ();

    fn epoch(&mut self, epoch: usize, _: &Work) -> Result<f64> {
        Ok(if epoch < self.0 { 1.0 } else { f64::NAN })
    }

    fn state(&mut self) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_loss_that_is_no_number_ends_the_training() {
    let schedule = Schedule { epochs: 9, every: 4, patience: 1 };
    let error = train(&mut Exploding(3), schedule, |()| 0.0, &Work::quiet()).unwrap_err();
    assert!(matches!(error, crate::Error::Diverged { epoch: 3 }), "{error}");
    assert_eq!(epoch(&mut Exploding(3), 2, &Work::quiet()).unwrap(), 1.0);
    assert!(epoch(&mut Exploding(3), 5, &Work::quiet()).is_err());
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
