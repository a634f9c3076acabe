//! The vector index on made-up clustered vectors: seconds to build, recall@10 against the exact answer,
//! microseconds of one query and queries a second on all cores, unfiltered and among 10 %, 1 % and 0.1 %
//! of the rows.
//!
//! ```text
//! vectors ROWS DIM CLUSTERS [NOISE [M [EF_CONSTRUCTION]]] [METRIC]
//! ```
//!
//! `x = centre + NOISE · n`, all normal, of length one for cosines, else times `exp(n / 2)`, so that lengths
//! vary by an order of magnitude; queries are drawn the same way. METRIC is `cosine`, `l2` or
//! `inner_product`; `augmented` finds the highest inner products by cosines, with the usual dimension more
//! that makes all rows of one length (Bachrach et al. 2014). With
//! `SAVE=folder` the vectors, the queries and the exact answers are written there, for
//! `benches/peers/vectors.py`, which runs other engines on the same.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for people")]

use std::sync::Arc;
use std::time::Instant;

use fixedbitset::FixedBitSet;
use tastedb_engine::index::{CurrentIndex, IndexOptions, Path, VectorIndex};
use tastedb_engine::storage::ItemId;
use tastedb_engine::{Allow, EmbeddingMatrix, Similarity, Work};

const K: usize = 10;
const QUERIES: usize = 1000;
/// Queries whose exact answer is looked up.
const JUDGED: usize = 300;
const SHARES: [f64; 4] = [1.0, 0.1, 0.01, 0.001];

/// splitmix64.
struct Random(u64);

impl Random {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn fraction(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.fraction()).ln()).sqrt();
        (radius * (std::f64::consts::TAU * self.fraction()).cos()) as f32
    }
}

fn clustered(
    random: &mut Random,
    n: usize,
    centres: &[Vec<f32>],
    noise: f32,
    metric: Similarity,
) -> EmbeddingMatrix {
    let dim = centres[0].len();
    let mut matrix = EmbeddingMatrix::to_compare("vectors", dim, metric);
    for item in 0..n {
        let centre = &centres[random.number() as usize % centres.len()];
        let mut vector: Vec<f32> = centre.iter().map(|x| x + noise * random.normal()).collect();
        if metric != Similarity::Cosine {
            let size = (0.5 * random.normal()).exp();
            vector.iter_mut().for_each(|value| *value *= size);
        }
        matrix.set(ItemId(item as u64), &vector).unwrap();
    }
    matrix
}

/// The rows with one dimension more, so that all are of one length; and queries, whose own is zero.
fn augmented(matrix: &EmbeddingMatrix, one_length: bool) -> EmbeddingMatrix {
    let square = |row: &[f32]| row.iter().map(|x| x * x).sum::<f32>();
    let most = (0..matrix.len()).map(|at| square(matrix.row(at))).fold(0.0, f32::max);
    let mut wider = EmbeddingMatrix::new("vectors", matrix.dim() + 1);
    for (at, item) in matrix.ids().iter().enumerate() {
        let mut row = matrix.row(at).to_vec();
        row.push(if one_length { (most - square(&row)).max(0.0).sqrt() } else { 0.0 });
        wider.set(*item, &row).unwrap();
    }
    wider
}

fn exact(
    matrix: &EmbeddingMatrix,
    query: &[f32],
    allow: Option<&FixedBitSet>,
    metric: Similarity,
) -> Vec<u32> {
    let dot = |row: usize| -> f32 {
        let both = matrix.row(row).iter().zip(query);
        match metric {
            Similarity::L2 => -both.map(|(a, b)| (a - b) * (a - b)).sum::<f32>(),
            Similarity::Cosine | Similarity::InnerProduct => both.map(|(a, b)| a * b).sum(),
        }
    };
    let rows = 0..matrix.len();
    let mut all: Vec<(f32, u32)> = rows
        .filter(|row| allow.is_none_or(|bits| bits.contains(*row)))
        .map(|row| (dot(row), row as u32))
        .collect();
    if all.len() > K {
        all.select_nth_unstable_by(K - 1, |a, b| b.0.total_cmp(&a.0));
        all.truncate(K);
    }
    all.into_iter().map(|(_, row)| row).collect()
}

fn save(folder: &str, name: &str, bytes: Vec<u8>) {
    std::fs::write(format!("{folder}/{name}"), bytes).unwrap();
}

fn floats(matrix: &EmbeddingMatrix) -> Vec<u8> {
    (0..matrix.len()).flat_map(|row| matrix.row(row)).flat_map(|x| x.to_le_bytes()).collect()
}

/// Queries a second when every core asks: each thread goes through all of them, three times.
fn per_second(ask: impl Fn(usize) + Sync) -> f64 {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..3 * QUERIES).for_each(|at| ask(at % QUERIES)));
        }
    });
    (threads * 3 * QUERIES) as f64 / start.elapsed().as_secs_f64()
}

fn main() {
    let given: Vec<f64> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let number = |at: usize, default: f64| given.get(at).copied().unwrap_or(default);
    let (rows, dim, clusters) =
        (number(0, 20_000.0) as usize, number(1, 64.0) as usize, number(2, 500.0) as usize);
    let noise = number(3, 0.7) as f32;
    let word = |word: &str| std::env::args().skip(1).any(|arg| arg == word);
    let one_length = word("augmented");
    let metric = match one_length {
        true => Similarity::InnerProduct,
        false => Similarity::ALL.into_iter().find(|metric| word(metric.name())).unwrap_or_default(),
    };
    let options = IndexOptions {
        metric: if one_length { Similarity::Cosine } else { metric },
        m: number(4, 16.0) as usize,
        ef_construction: number(5, 200.0) as usize,
        ..IndexOptions::default()
    };
    let mut random = Random(42);
    let centres: Vec<Vec<f32>> =
        (0..clusters).map(|_| (0..dim).map(|_| random.normal()).collect()).collect();
    let matrix = Arc::new(clustered(&mut random, rows, &centres, noise, metric));
    let queries = clustered(&mut random, QUERIES, &centres, noise, metric);
    let (indexed, asked) = match one_length {
        true => (Arc::new(augmented(&matrix, true)), augmented(&queries, false)),
        false => (matrix.clone(), queries.clone()),
    };

    let start = Instant::now();
    let index = VectorIndex::build(indexed.as_ref(), &options, &Work::quiet()).unwrap();
    println!("{rows} × {dim}, {clusters} clusters, noise {noise}, {metric}");
    println!(
        "built in {:.1} s, {:.0} MB besides {:.0} MB of vectors",
        start.elapsed().as_secs_f64(),
        index.memory() as f64 / 1e6,
        matrix.memory() as f64 / 1e6,
    );
    let mut file = Vec::new();
    index.save(&mut file).unwrap();
    println!("file of {:.0} MB", file.len() as f64 / 1e6);
    drop(file);
    let index = CurrentIndex::new(Arc::new(index), indexed.clone(), matrix.ids());
    let folder = std::env::var("SAVE").ok();
    if let Some(folder) = &folder {
        save(folder, "vectors.f32", floats(&matrix));
        save(folder, "queries.f32", floats(&queries));
    }
    println!("share  ef   recall@10  p50 µs  p99 µs  queries/s  path");
    for share in SHARES {
        let mut bits = FixedBitSet::with_capacity(rows);
        bits.extend((0..rows).filter(|_| random.fraction() < share));
        let among = (share < 1.0).then_some(&bits);
        let truth: Vec<Vec<u32>> =
            (0..JUDGED).map(|query| exact(&matrix, queries.row(query), among, metric)).collect();
        if let Some(folder) = &folder {
            let rows = |of: &[u32]| of.iter().flat_map(|row| row.to_le_bytes()).collect();
            let set: Vec<u32> = bits.ones().map(|row| row as u32).collect();
            save(folder, &format!("truth.{share}.u32"), rows(&truth.concat()));
            save(folder, &format!("allowed.{share}.u32"), rows(&set));
        }
        let allow = among.map_or(Allow::All, Allow::Bits);
        for ef in [16, 32, 64, 128] {
            let mut times = Vec::with_capacity(3 * QUERIES);
            let (mut hits, mut path): (usize, Option<Path>) = (0, None);
            for round in 0..3 {
                for query in 0..QUERIES {
                    let start = Instant::now();
                    let found =
                        index.nearest(matrix.ids(), asked.row(query), K, ef, allow).unwrap();
                    times.push(start.elapsed().as_nanos() as f64 / 1000.0);
                    path = Some(found.path);
                    if let (0, Some(truth)) = (round, truth.get(query)) {
                        hits += found.rows.iter().filter(|one| truth.contains(&one.row)).count();
                    }
                }
            }
            times.sort_by(f64::total_cmp);
            let rate = per_second(|at| {
                std::hint::black_box(
                    index.nearest(matrix.ids(), asked.row(at), K, ef, allow).unwrap(),
                );
            });
            println!(
                "{share:<6} {ef:<4} {:<10.4} {:<7.1} {:<7.1} {rate:<10.0} {}",
                hits as f64 / truth.iter().map(Vec::len).sum::<usize>() as f64,
                times[times.len() / 2],
                times[times.len() * 99 / 100],
                path.map_or_else(String::new, |path| format!("{path:?}")),
            );
        }
    }
}
