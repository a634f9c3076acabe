//! The graph against comparing every pair, and vectors that have no direction.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::seeded::fraction;

fn matrix(n: u64, dim: u64) -> EmbeddingMatrix {
    let mut matrix = EmbeddingMatrix::new("text", dim as usize);
    for id in (0..n).filter(|id| id % 7 != 3) {
        let vector: Vec<f32> = (0..dim).map(|at| fraction(id, at) - 0.3).collect();
        matrix.set(ItemId(id), &vector).unwrap();
    }
    matrix
}

#[test]
fn neighbours_are_those_of_all_pairs() {
    // More rows than one block, and a dimension that fills no line.
    let (n, k) = (300u64, 5);
    let matrix = matrix(n, 19);
    let items: Vec<ItemId> = (0..n).map(ItemId).collect();
    let graph = ItemGraph::build(&matrix, &items, k, &Work::quiet()).unwrap();

    let mut mean = vec![0f64; 19];
    for row in 0..matrix.len() {
        mean.iter_mut().zip(matrix.row(row)).for_each(|(sum, x)| *sum += f64::from(*x));
    }
    mean.iter_mut().for_each(|sum| *sum /= matrix.len() as f64);
    let centred = |item: u64| -> Option<Vec<f64>> {
        let own = matrix.get(ItemId(item))?;
        let off: Vec<f64> = own.iter().zip(&mean).map(|(x, mean)| f64::from(*x) - mean).collect();
        let length = off.iter().map(|x| x * x).sum::<f64>().sqrt();
        Some(off.iter().map(|x| x / length).collect())
    };
    let all: Vec<Option<Vec<f64>>> = (0..n).map(centred).collect();
    let mut expected = vec![vec![0f64; n as usize]; n as usize];
    for (i, own) in all.iter().enumerate() {
        let Some(own) = own else { continue };
        let mut near: Vec<(f64, usize)> = all
            .iter()
            .enumerate()
            .filter(|(j, other)| *j != i && other.is_some())
            .map(|(j, other)| {
                (own.iter().zip(other.as_ref().unwrap()).map(|(a, b)| a * b).sum(), j)
            })
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (cosine, j) in near.into_iter().take(k).filter(|(cosine, _)| *cosine > 0.0) {
            expected[i][j] = expected[i][j].max(cosine);
            expected[j][i] = expected[j][i].max(cosine);
        }
    }
    let sums: Vec<f64> = expected.iter().map(|row| row.iter().sum()).collect();
    for i in 0..n as usize {
        let (columns, values) = graph.weights.row(i);
        let known: Vec<u32> = (0..n as u32).filter(|j| expected[i][*j as usize] > 0.0).collect();
        assert_eq!(columns, known, "neighbours of {i}");
        for (j, value) in columns.iter().zip(values) {
            let j = *j as usize;
            let wanted = expected[i][j] / (sums[i] * sums[j]).sqrt();
            assert!((f64::from(*value) - wanted).abs() < 1e-5, "{i} {j}: {value} {wanted}");
        }
    }
}

#[test]
fn alike_vectors_have_no_neighbours_and_twins_have_each_other() {
    let mut matrix = EmbeddingMatrix::new("text", 3);
    let items: Vec<ItemId> = (0..6).map(ItemId).collect();
    for item in &items {
        matrix.set(*item, &[1.0, 2.0, 3.0]).unwrap();
    }
    let graph = ItemGraph::build(&matrix, &items, 3, &Work::quiet()).unwrap();
    assert!(graph.weights.is_empty());
    matrix.set(ItemId(4), &[-1.0, 0.5, 0.0]).unwrap();
    matrix.set(ItemId(5), &[-1.0, 0.5, 0.0]).unwrap();
    let graph = ItemGraph::build(&matrix, &items, 1, &Work::quiet()).unwrap();
    assert_eq!(graph.weights.row(4).0, [5]);
    assert_eq!(graph.weights.row(5).0, [4]);
}

#[test]
fn items_outside_of_the_list_are_left_out() {
    let matrix = matrix(50, 8);
    let items: Vec<ItemId> = (10..20).map(ItemId).collect();
    let graph = ItemGraph::build(&matrix, &items, 4, &Work::quiet()).unwrap();
    assert_eq!(graph.weights.n_rows(), 10);
    assert!(graph.weights.row(0).0.is_empty(), "item 10 has no embedding");
    assert!(!graph.weights.row(1).0.is_empty());
    let nothing = ItemGraph::build(&EmbeddingMatrix::new("x", 4), &items, 4, &Work::quiet());
    assert!(nothing.unwrap().weights.is_empty());
}

#[test]
fn more_equals_than_are_looked_at_are_still_told_apart_by_their_rows() {
    let mut rows = Table::zeros(90, 4);
    for row in 0..90 {
        rows.row_mut(row)[0] = 1.0;
    }
    let near = nearest(&rows, 3, &Work::quiet()).unwrap();
    for (row, near) in (0u32..).zip(near) {
        let expected: Vec<u32> = (0..90).filter(|other| *other != row).take(3).collect();
        assert_eq!(near.iter().map(|near| near.row).collect::<Vec<_>>(), expected);
    }
    assert!(nearest(&rows, 0, &Work::quiet()).unwrap().iter().all(Vec::is_empty));
}
