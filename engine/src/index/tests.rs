//! What an index promises: near the exact answer, always as many rows as there are, the same every time.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use fixedbitset::FixedBitSet;
use proptest::prelude::*;
use tastedb_storage::ItemId;

use super::{CurrentIndex, IndexOptions, Path, VectorIndex};
use crate::seeded::fraction;
use crate::topk::{Allow, Scored, top_k};
use crate::{CancelToken, EmbeddingMatrix, Error, Similarity, Work};

/// A normal number, nearly: the sum of uniform ones.
fn normal(seed: u64, at: u64) -> f32 {
    (0..6).map(|part| fraction(seed, at * 6 + part) - 0.5).sum()
}

/// Vectors around centres, which are the same whatever the seed, of length one.
fn clustered(n: u64, dim: u64, clusters: u64, seed: u64) -> EmbeddingMatrix {
    lying(Similarity::Cosine, n, dim, clusters, seed)
}

/// The same, of several lengths where they count.
fn lying(metric: Similarity, n: u64, dim: u64, clusters: u64, seed: u64) -> EmbeddingMatrix {
    let mut matrix = EmbeddingMatrix::to_compare("text", dim as usize, metric);
    for item in 0..n {
        let cluster = crate::seeded::number(seed, item) % clusters;
        let size = normal(seed ^ 3, item).exp();
        let vector: Vec<f32> = (0..dim)
            .map(|d| normal(1, cluster * dim + d) + 0.5 * normal(seed ^ 2, item * dim + d))
            .map(|value| size * value)
            .collect();
        matrix.set(ItemId(item), &vector).unwrap();
    }
    matrix
}

/// An index of a matrix and the matrix, whose rows are the catalogue.
struct Indexed {
    matrix: Arc<EmbeddingMatrix>,
    current: CurrentIndex,
}

impl Indexed {
    fn with(matrix: EmbeddingMatrix, options: &IndexOptions, work: &Work) -> Indexed {
        let matrix = Arc::new(matrix);
        let index = VectorIndex::build(matrix.as_ref(), options, work).unwrap();
        let current = CurrentIndex::new(Arc::new(index), matrix.clone(), matrix.ids());
        Indexed { matrix, current }
    }

    fn nearest(
        &self,
        vector: &[f32],
        k: usize,
        ef: usize,
        allow: Allow<'_>,
    ) -> crate::Result<(Vec<Scored>, Path)> {
        let found = self.current.nearest(self.matrix.ids(), vector, k, ef, allow)?;
        Ok((found.rows, found.path))
    }
}

fn built(matrix: EmbeddingMatrix) -> Indexed {
    let options = IndexOptions { m: 8, ef_construction: 64, seed: 1, ..IndexOptions::default() };
    Indexed::with(matrix, &options, &Work::quiet())
}

/// The exact answer, by definition.
fn exact(
    metric: Similarity,
    matrix: &EmbeddingMatrix,
    vector: &[f32],
    k: usize,
    allow: Allow<'_>,
) -> Vec<Scored> {
    let length = |of: &[f32]| of.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let score = |row: usize| {
        let both =
            || matrix.row(row).iter().zip(vector).map(|(x, y)| (f64::from(*x), f64::from(*y)));
        let product: f64 = both().map(|(x, y)| x * y).sum();
        let score = match metric {
            Similarity::Cosine => product / length(vector).max(1e-30),
            Similarity::InnerProduct => product,
            Similarity::L2 => -both().map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt(),
        };
        score as f32
    };
    let scores: Vec<f32> = (0..matrix.len()).map(score).collect();
    top_k(&scores, k, allow)
}

fn recall(found: &[Scored], expected: &[Scored]) -> f64 {
    let hits = found.iter().filter(|f| expected.iter().any(|e| e.row == f.row)).count();
    hits as f64 / expected.len().max(1) as f64
}

#[test]
fn it_finds_nearly_all_of_the_nearest_with_and_without_a_filter() {
    for metric in Similarity::ALL {
        let matrix = lying(metric, 6000, 24, 40, 3);
        let options = IndexOptions { metric, ..IndexOptions::default() };
        let index = Indexed::with(matrix, &options, &Work::quiet());
        let queries = lying(metric, 100, 24, 40, 9);
        // Products are harder to walk by.
        let ef = if metric == Similarity::InnerProduct { 128 } else { 64 };
        for share in [1.0, 0.5, 0.2, 0.05, 0.005] {
            let mut bits = FixedBitSet::with_capacity(6000);
            bits.extend((0..6000).filter(|row| f64::from(fraction(5, *row as u64)) < share));
            let allow = if share == 1.0 { Allow::All } else { Allow::Bits(&bits) };
            let mut sum = 0.0;
            for query in 0..queries.len() {
                let vector = queries.row(query);
                let (found, path) = index.nearest(vector, 10, ef, allow).unwrap();
                assert_eq!(found.len(), 10);
                assert!(share == 1.0 || found.iter().all(|row| bits.contains(row.row as usize)));
                assert_eq!(path == Path::Graph, share == 1.0);
                let expected = exact(metric, &index.matrix, vector, 10, allow);
                sum += recall(&found, &expected);
                for row in &found {
                    let of = expected.iter().find(|other| other.row == row.row);
                    let close =
                        |of: &Scored| (of.score - row.score).abs() < 1e-4 * of.score.abs().max(1.0);
                    assert!(of.is_none_or(close), "{metric}: {row:?}, not {of:?}");
                }
            }
            assert!(sum / queries.len() as f64 >= 0.95, "{metric}, {share}: {}", sum / 100.0);
        }
    }
}

#[test]
fn the_same_vectors_give_the_same_graph_on_any_number_of_threads() {
    let answers = |threads: usize| {
        let usual = IndexOptions::default();
        let options = IndexOptions { m: 6, ef_construction: 40, seed: 4, ..usual };
        let work = Work { threads, ..Work::quiet() };
        let index = Indexed::with(clustered(3000, 16, 10, 7), &options, &work);
        let row = |row: usize| index.matrix.row(row);
        let answer = |at: usize| index.nearest(row(at), 10, 10, Allow::All).unwrap();
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
    let matrix = clustered(50, 4, 2, 1);
    let build = |m, ef_construction| {
        let options = IndexOptions { m, ef_construction, ..IndexOptions::default() };
        VectorIndex::build(&matrix, &options, &Work::quiet())
    };
    for (m, ef, option) in [(0, 200, "m"), (129, 200, "m"), (16, 15, "ef"), (16, 5000, "ef")] {
        let error = build(m, ef).unwrap_err();
        assert!(
            matches!(&error, Error::InvalidOption { option: of, .. } if of.starts_with(option))
        );
    }
    let index = built(matrix.clone());
    let short = index.nearest(&[1.0], 3, 10, Allow::All);
    assert!(matches!(short, Err(Error::DimensionMismatch { expected: 4, actual: 1, .. })));
    let hole = index.nearest(&[1.0, f32::NAN, 0.0, 0.0], 3, 10, Allow::All);
    assert!(matches!(hole, Err(Error::NotFinite { .. })));
    let cancel = CancelToken::new();
    cancel.cancel();
    let work = Work { cancel, ..Work::quiet() };
    let stopped = VectorIndex::build(&matrix, &IndexOptions::default(), &work);
    assert!(matches!(stopped, Err(Error::Cancelled)));
}

#[test]
fn a_file_gives_the_same_answers_and_a_damaged_one_none() {
    for metric in Similarity::ALL {
        a_file_of(metric);
    }
}

fn a_file_of(metric: Similarity) {
    let matrix = Arc::new(lying(metric, 700, 8, 6, 2));
    let options = IndexOptions { m: 4, ef_construction: 20, metric, ..IndexOptions::default() };
    let index = VectorIndex::build(matrix.as_ref(), &options, &Work::quiet()).unwrap();
    let mut file = Vec::new();
    index.save(&mut file).unwrap();
    let read = VectorIndex::load(Arc::new(file.clone())).unwrap();
    assert_eq!((read.len(), read.options()), (700, &options));
    let answers = |index: VectorIndex| {
        let current = CurrentIndex::new(Arc::new(index), matrix.clone(), matrix.ids());
        assert_eq!((current.uncovered(), current.dead()), (0, 0));
        let near = |row| current.nearest(matrix.ids(), matrix.row(row), 9, 20, Allow::All).unwrap();
        (0..100).map(near).collect::<Vec<_>>()
    };
    assert_eq!(answers(read), answers(index));
    for cut in (0..file.len()).step_by(97) {
        assert!(VectorIndex::load(Arc::new(file[..cut].to_vec())).is_err(), "cut at {cut}");
    }
    // Without the checksum that storage has over it, some damage shows in no number that is followed:
    // what must not be is a walk that leaves the graph.
    for at in (0..file.len()).step_by(31) {
        let mut damaged = file.clone();
        damaged[at] ^= 0xff;
        if let Ok(index) = VectorIndex::load(Arc::new(damaged)) {
            let current = CurrentIndex::new(Arc::new(index), matrix.clone(), matrix.ids());
            let found = current.nearest(matrix.ids(), matrix.row(3), 5, 10, Allow::All);
            assert!(found.map_or(true, |found| found.rows.len() == 5), "byte {at}");
        }
    }
}

/// A catalogue that changes under an index that was built once.
struct Changing {
    items: Vec<ItemId>,
    matrix: EmbeddingMatrix,
    next: u64,
}

impl Changing {
    fn new(n: u64, metric: Similarity) -> Changing {
        let items = (0..n).map(|item| ItemId(item * 2)).collect();
        let mut matrix = EmbeddingMatrix::to_compare("text", 6, metric);
        for item in (0..n).filter(|item| item % 7 != 3) {
            matrix.set(ItemId(item * 2), &vector(item)).unwrap();
        }
        Changing { items, matrix, next: n * 2 }
    }

    /// One change, and the item whose embedding it touched.
    fn change(&mut self, what: u64) -> Option<ItemId> {
        let at = (what >> 8) as usize % self.items.len().max(1);
        let known = self.items.get(at).copied();
        match (what % 5, known) {
            (0, _) => {
                self.items.push(ItemId(self.next));
                self.next += 3;
                None
            }
            (1, _) => {
                let item = ItemId(self.next);
                self.items.push(item);
                self.matrix.set(item, &vector(what)).unwrap();
                self.next += 1;
                Some(item)
            }
            (2, Some(item)) => {
                self.matrix.set(item, &vector(what)).unwrap();
                Some(item)
            }
            (3, Some(item)) => {
                self.items.remove(at);
                self.matrix.remove(item);
                Some(item)
            }
            (_, known) => {
                if let Some(item) = known {
                    self.matrix.remove(item);
                }
                known
            }
        }
    }
}

fn vector(seed: u64) -> Vec<f32> {
    (0..6).map(|d| normal(seed, d)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_came_later_is_found_and_what_is_gone_is_not(
        n in 0u64..500,
        steps in prop::collection::vec(prop::collection::vec(any::<u64>(), 1..9), 1..12),
        share in 0.2f32..1.0,
        metric in prop::sample::select(&Similarity::ALL[..]),
    ) {
        let mut now = Changing::new(n, metric);
        let options = IndexOptions { m: 4, ef_construction: 16, metric, ..IndexOptions::default() };
        let index = Arc::new(VectorIndex::build(&now.matrix, &options, &Work::quiet()).unwrap());
        let first = Arc::new(now.matrix.clone());
        let mut current = CurrentIndex::new(Arc::clone(&index), first, &now.items);
        for step in steps {
            let mut touched: Vec<ItemId> =
                step.iter().filter_map(|what| now.change(*what)).collect();
            touched.sort_unstable();
            touched.dedup();
            let matrix = Arc::new(now.matrix.clone());
            current = current.patched(matrix.clone(), &now.items, &touched);
            let anew = CurrentIndex::new(Arc::clone(&index), matrix.clone(), &now.items);
            prop_assert_eq!(current.uncovered(), anew.uncovered());
            prop_assert_eq!(current.dead(), anew.dead());
            let mut bits = FixedBitSet::with_capacity(now.items.len());
            let chosen = |row: &usize| fraction(step[0], *row as u64) < share;
            bits.extend((0..now.items.len()).filter(chosen));
            let has = |row: u32| matrix.row_of(now.items[row as usize]).is_some();
            let there = bits.ones().filter(|row| has(*row as u32)).count();
            let query = vector(step[0] ^ 1);
            let allow = Allow::Bits(&bits);
            let found = current.nearest(&now.items, &query, 5, 8, allow).unwrap();
            prop_assert_eq!(&found, &anew.nearest(&now.items, &query, 5, 8, allow).unwrap());
            prop_assert_eq!(found.rows.len(), there.min(5));
            prop_assert!(found.rows.iter().all(|row| bits.contains(row.row as usize) && has(row.row)));
            // Items that came later are compared exactly, so the best of them cannot be missed.
            let covered = |row: u32| {
                index.node_of(now.items[row as usize]).is_some()
            };
            let all = super::nearest_exactly(
                matrix.as_ref(), metric, &now.items, bytemuck::cast_slice(&matrix.as_row(&query).unwrap()), 5, allow,
            );
            for best in all.iter().filter(|best| !covered(best.row)) {
                prop_assert!(found.rows.iter().any(|row| row.row == best.row));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn rows_are_allowed_distinct_in_order_and_as_many_as_there_are(
        n in 0u64..900, k in 0usize..40, ef in 1usize..80, share in 0.0f32..1.0, seed in any::<u64>(),
        metric in prop::sample::select(&Similarity::ALL[..]),
    ) {
        let options = IndexOptions { m: 8, ef_construction: 64, seed: 1, metric, ..IndexOptions::default() };
        let index = Indexed::with(lying(metric, n, 8, 5, seed), &options, &Work::quiet());
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
