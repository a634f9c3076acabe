//! What an index promises: near the exact answer, always as many rows as there are, the same every time.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use fixedbitset::FixedBitSet;
use proptest::prelude::*;
use tastedb_storage::ItemId;

use super::{IndexOptions, Path, VectorIndex};
use crate::seeded::fraction;
use crate::topk::{Allow, Scored, top_k};
use crate::{CancelToken, EmbeddingMatrix, Error, Work};

/// A normal number, nearly: the sum of uniform ones.
fn normal(seed: u64, at: u64) -> f32 {
    (0..6).map(|part| fraction(seed, at * 6 + part) - 0.5).sum()
}

/// Vectors around centres, which are the same whatever the seed.
fn clustered(n: u64, dim: u64, clusters: u64, seed: u64) -> EmbeddingMatrix {
    let mut matrix = EmbeddingMatrix::new("text", dim as usize);
    for item in 0..n {
        let cluster = crate::seeded::number(seed, item) % clusters;
        let vector: Vec<f32> = (0..dim)
            .map(|d| normal(1, cluster * dim + d) + 0.5 * normal(seed ^ 2, item * dim + d))
            .collect();
        matrix.set(ItemId(item), &vector).unwrap();
    }
    matrix
}

fn built(matrix: EmbeddingMatrix) -> VectorIndex {
    let options = IndexOptions { m: 8, ef_construction: 64, seed: 1 };
    VectorIndex::build(Arc::new(matrix), &options, &Work::quiet()).unwrap()
}

/// The exact answer.
fn exact(index: &VectorIndex, vector: &[f32], k: usize, allow: Allow<'_>) -> Vec<Scored> {
    let matrix = index.matrix();
    let query = matrix.normalised(vector).unwrap();
    let mut scores = vec![0.0; matrix.len()];
    let query: &[f32] = bytemuck::cast_slice(&query);
    crate::kernels::dot_rows(matrix.data(), matrix.stride(), query, &mut scores);
    top_k(&scores, k, allow)
}

fn recall(found: &[Scored], expected: &[Scored]) -> f64 {
    let hits = found.iter().filter(|f| expected.iter().any(|e| e.row == f.row)).count();
    hits as f64 / expected.len().max(1) as f64
}

#[test]
fn it_finds_nearly_all_of_the_nearest_with_and_without_a_filter() {
    let matrix = Arc::new(clustered(6000, 24, 40, 3));
    let index = VectorIndex::build(matrix, &IndexOptions::default(), &Work::quiet()).unwrap();
    let queries = clustered(100, 24, 40, 9);
    for share in [1.0, 0.5, 0.2, 0.05, 0.005] {
        let mut bits = FixedBitSet::with_capacity(6000);
        bits.extend((0..6000).filter(|row| f64::from(fraction(5, *row as u64)) < share));
        let allow = if share == 1.0 { Allow::All } else { Allow::Bits(&bits) };
        let mut sum = 0.0;
        for query in 0..queries.len() {
            let vector = queries.row(query);
            let (found, path) = index.nearest(vector, 10, 64, allow).unwrap();
            assert_eq!(found.len(), 10);
            assert!(share == 1.0 || found.iter().all(|row| bits.contains(row.row as usize)));
            assert_eq!(path == Path::Graph, share == 1.0);
            sum += recall(&found, &exact(&index, vector, 10, allow));
        }
        assert!(sum / queries.len() as f64 >= 0.95, "share {share}: {}", sum / 100.0);
    }
}

#[test]
fn the_same_vectors_give_the_same_graph_on_any_number_of_threads() {
    let answers = |threads: usize| {
        let options = IndexOptions { m: 6, ef_construction: 40, seed: 4 };
        let work = Work { threads, ..Work::quiet() };
        let matrix = Arc::new(clustered(3000, 16, 10, 7));
        let index = VectorIndex::build(Arc::clone(&matrix), &options, &work).unwrap();
        let answer = |row: usize| index.nearest(matrix.row(row), 10, 10, Allow::All).unwrap();
        (0..200).map(answer).collect::<Vec<_>>()
    };
    assert_eq!(answers(1), answers(3));
}

#[test]
fn equal_and_missing_vectors_still_give_as_many_rows_as_there_are() {
    let mut matrix = EmbeddingMatrix::new("text", 3);
    for item in 0..500 {
        let vector = if item % 5 == 0 { [0.0; 3] } else { [1.0, 2.0, 3.0] };
        matrix.set(ItemId(item), &vector).unwrap();
    }
    let index = built(matrix);
    let (found, _) = index.nearest(&[1.0, 2.0, 3.0], 50, 50, Allow::All).unwrap();
    assert_eq!(found.len(), 50);
    assert!(found.iter().all(|row| row.score > 0.999));
    assert_eq!(index.nearest(&[0.0; 3], 7, 50, Allow::All).unwrap().0.len(), 7);
    assert_eq!(index.nearest(&[1.0, 0.0, 0.0], 900, 50, Allow::All).unwrap().0.len(), 500);
    let none = built(EmbeddingMatrix::new("text", 3));
    assert_eq!(none.nearest(&[1.0, 0.0, 0.0], 5, 50, Allow::All).unwrap().0, []);
}

#[test]
fn what_cannot_be_is_refused() {
    let matrix = Arc::new(clustered(50, 4, 2, 1));
    let build = |m, ef_construction| {
        let options = IndexOptions { m, ef_construction, seed: 0 };
        VectorIndex::build(Arc::clone(&matrix), &options, &Work::quiet())
    };
    for (m, ef, option) in [(0, 200, "m"), (129, 200, "m"), (16, 15, "ef"), (16, 5000, "ef")] {
        let error = build(m, ef).unwrap_err();
        assert!(
            matches!(&error, Error::InvalidOption { option: of, .. } if of.starts_with(option))
        );
    }
    let index = build(4, 4).unwrap();
    let short = index.nearest(&[1.0], 3, 10, Allow::All);
    assert!(matches!(short, Err(Error::DimensionMismatch { expected: 4, actual: 1, .. })));
    let hole = index.nearest(&[1.0, f32::NAN, 0.0, 0.0], 3, 10, Allow::All);
    assert!(matches!(hole, Err(Error::NotFinite { .. })));
    let cancel = CancelToken::new();
    cancel.cancel();
    let work = Work { cancel, ..Work::quiet() };
    let stopped = VectorIndex::build(matrix, &IndexOptions::default(), &work);
    assert!(matches!(stopped, Err(Error::Cancelled)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn rows_are_allowed_distinct_in_order_and_as_many_as_there_are(
        n in 0u64..900, k in 0usize..40, ef in 1usize..80, share in 0.0f32..1.0, seed in any::<u64>(),
    ) {
        let matrix = clustered(n, 8, 5, seed);
        let index = built(matrix);
        let mut bits = FixedBitSet::with_capacity(n as usize);
        bits.extend((0..n as usize).filter(|row| fraction(seed, *row as u64) < share));
        let vector: Vec<f32> = (0..8).map(|d| normal(seed ^ 8, d)).collect();
        let (found, _) = index.nearest(&vector, k, ef, Allow::Bits(&bits)).unwrap();
        prop_assert_eq!(found.len(), k.min(bits.count_ones(..)));
        prop_assert!(found.iter().all(|row| bits.contains(row.row as usize)));
        let ordered = found.is_sorted_by(|a, b| {
            a.score > b.score || (a.score == b.score && a.row < b.row)
        });
        prop_assert!(ordered);
    }
}
