//! How long models take to train, evaluate and score on the shared data, with their quality beside.
//!
//! `cargo bench -p tastedb-engine --bench models -- [DATASET ALGORITHM [OPTION=VALUE …]]`; without
//! arguments a fixed list. Latencies are of one thread, for histories of several lengths. HELD_OUT=valid
//! in the environment measures on another file than `test`, SEED=1 trains with another seed than 0, WALK=1
//! says what an index of a model's factors finds.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a benchmark has nobody to report to")]

#[path = "../tests/shared_data/data.rs"]
mod data;

use std::sync::Arc;
use std::time::Instant;

use fixedbitset::FixedBitSet;
use tastedb_engine::evaluate::{Metric, evaluate};
use tastedb_engine::index::{CurrentIndex, IndexOptions, VectorIndex, Vectors};
use tastedb_engine::model::{ItemVectors, Model, Size, estimate, fit, load};
use tastedb_engine::storage::ItemId;
use tastedb_engine::{
    Allow, Dataset, History, ModelOptions, OptionValue, ScoreInput, SideData, Similarity, Work,
    top_k,
};

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    match arguments.as_slice() {
        [dataset, algorithm, options @ ..] => {
            let options = options.iter().filter_map(|option| option.split_once('='));
            measure(dataset, algorithm, &options.collect::<Vec<_>>());
        }
        _ => {
            measure("ml-1m", "ease", &[]);
            measure("ml-1m", "item_knn", &[("b", "0.4")]);
            measure("amazon-baby", "ease", &[]);
            measure("amazon-baby", "item_knn", &[("b", "0.0")]);
            measure("amazon-sports", "item_knn", &[("b", "0.0")]);
        }
    }
}

fn value(text: &str) -> OptionValue {
    let int = text.parse().map(OptionValue::Int);
    let real = || text.parse().map(OptionValue::Real);
    int.or_else(|_| real()).unwrap_or_else(|_| OptionValue::Text(text.to_owned()))
}

fn measure(dataset: &str, algorithm: &str, options: &[(&str, &str)]) {
    let split = match std::env::var("HELD_OUT") {
        Ok(held) => data::dataset_with(dataset, &held),
        Err(_) => data::dataset(dataset),
    };
    let Some(split) = split else { return };
    let options: ModelOptions =
        options.iter().map(|(name, text)| ((*name).to_owned(), value(text))).collect();
    let train = &split.train;
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    println!("\n{dataset} {algorithm} {options:?}");
    let guess = estimate(algorithm, &Size::of(train, &split.side), &options, 0).unwrap();
    let (before, start, cpu) = (memory_before(), Instant::now(), cpu_seconds());
    let model = fit(algorithm, train, &split.side, &options, seed, &Work::quiet()).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let cpu = cpu_seconds() - cpu;
    let peak = memory("VmHWM:") - before;
    println!(
        "  fit {seconds:.2} s, {cpu:.2} s of all threads (estimated {:.2}), {:.1} MB (estimated {:.1})",
        guess.seconds,
        model.memory() as f64 / 1e6,
        guess.model_bytes as f64 / 1e6,
    );
    println!("  at most {peak:.1} MB of memory (estimated {:.1})", guess.bytes as f64 / 1e6);
    model.notes().iter().for_each(|note| println!("  {note}"));
    let metrics = [10, 20].map(|k| [Metric::Recall(k), Metric::Ndcg(k)]).concat();
    let start = Instant::now();
    let found = evaluate(&[model.as_ref()], &split.task(), &metrics, &Work::quiet()).unwrap();
    let figures: Vec<String> = found
        .figures
        .iter()
        .map(|figure| format!("{} {:.4}", figure.metric, figure.value))
        .collect();
    println!("  {} ({:.2} s)", figures.join("  "), start.elapsed().as_secs_f64());

    let mut bytes = Vec::new();
    model.save(&mut bytes).unwrap();
    let bytes: Arc<Vec<u8>> = Arc::new(bytes);
    let start = Instant::now();
    drop(load(bytes).unwrap());
    println!("  load {:.2} ms", start.elapsed().as_secs_f64() * 1e3);
    for length in [1, 10, 50, 165, 500, 1000] {
        latency(model.as_ref(), length);
    }
    if std::env::var_os("WALK").is_some() {
        walk(model.as_ref(), train);
    }
}

/// The factors of a model as an index sees them.
struct Factors<'a> {
    items: &'a [ItemId],
    of: ItemVectors<'a>,
}

impl Vectors for Factors<'_> {
    fn name(&self) -> &str {
        "factors"
    }

    fn ids(&self) -> &[ItemId] {
        self.items
    }

    fn dim(&self) -> usize {
        self.of.dim
    }

    fn padded(&self, at: usize) -> &[f32] {
        let stride = self.of.rows.len() / self.items.len();
        &self.of.rows[at * stride..][..stride]
    }
}

/// How much of the exact top 20 of people, without what they have seen, a walk over the factors finds,
/// and the time of both.
fn walk(model: &dyn Model, train: &Dataset) {
    let Some(of) = model.factors() else { return };
    let (items, n) = (model.items(), model.items().len());
    let vectors: Arc<dyn Vectors> =
        Arc::new(Factors { items: items.to_vec().leak(), of: leaked(of) });
    let start = Instant::now();
    let options = IndexOptions { metric: Similarity::InnerProduct, ..IndexOptions::default() };
    let index = VectorIndex::build(vectors.as_ref(), &options, &Work::quiet()).unwrap();
    println!("  index of {n} built in {:.1} s", start.elapsed().as_secs_f64());
    let current = CurrentIndex::new(Arc::new(index), vectors, items);
    let (side, mut out) = (SideData::default(), vec![0f32; n]);
    for ef in [32, 64, 128, 256] {
        let (mut hits, mut all, mut times) = (0, 0, Vec::new());
        for user in (0..train.n_users()).step_by((train.n_users() / 1000).max(1)) {
            let (rows, weights) = train.by_user.row(user);
            let entries: Vec<(u32, f32)> =
                rows.iter().copied().zip(weights.iter().copied()).collect();
            let history = History::new(&entries);
            let input = ScoreInput { history, items, side: &side, vectors: &[] };
            let mut allowed = FixedBitSet::with_capacity(n);
            allowed.insert_range(..);
            rows.iter().for_each(|row| allowed.set(*row as usize, false));
            let start = Instant::now();
            model.score(&input, &mut out);
            let exact = top_k(&out, 20, Allow::Bits(&allowed));
            let scan = start.elapsed().as_secs_f64() * 1e6;
            let start = Instant::now();
            let Some(vector) = model.vector(history, None) else { continue };
            let fold = start.elapsed().as_secs_f64() * 1e6;
            let vector = &vector[..of.dim];
            let found = current.nearest(items, vector, 20, ef, Allow::Bits(&allowed)).unwrap();
            times.push([scan, fold, start.elapsed().as_secs_f64() * 1e6 - fold]);
            all += exact.len();
            hits += exact.iter().filter(|one| found.rows.iter().any(|o| o.row == one.row)).count();
        }
        let median = |at: usize| {
            let mut own: Vec<f64> = times.iter().map(|time| time[at]).collect();
            own.sort_by(f64::total_cmp);
            own[own.len() / 2]
        };
        println!(
            "  ef {ef}: {:.4} of the top 20; all scored {:.0} µs, folded in {:.0} µs, walked {:.0} µs",
            f64::from(hits as u32) / f64::from(all.max(1) as u32),
            median(0),
            median(1),
            median(2),
        );
    }
}

fn leaked(of: ItemVectors<'_>) -> ItemVectors<'static> {
    ItemVectors { dim: of.dim, rows: of.rows.to_vec().leak() }
}

/// The time that all threads of the process have run, where the system says so. A shared machine
/// makes the time on the clock meaningless.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The memory in use, in megabytes, from which the peak is counted anew.
fn memory_before() -> f64 {
    // Refused where the system has no such file; the peak then is that of the whole process.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    memory("VmRSS:")
}

/// A line of what Linux says of the process's memory, in megabytes; 0 elsewhere.
fn memory(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|own| own.strip_prefix(line));
    let kib = found.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1024.0 / 1e6
}

/// The median time of a scoring call and of the top 20 after it.
fn latency(model: &dyn Model, length: usize) {
    let (n, side) = (model.items().len(), SideData::default());
    let mut out = vec![0f32; n];
    let mut score = Vec::new();
    let mut top = Vec::new();
    for round in 0..200usize {
        let entries: Vec<(u32, f32)> =
            (0..length).map(|at| (((round * 7919 + at * 104_729) % n) as u32, 1.0)).collect();
        let input = ScoreInput {
            history: History::new(&entries),
            items: model.items(),
            side: &side,
            vectors: &[],
        };
        let start = Instant::now();
        model.score(&input, &mut out);
        score.push(start.elapsed());
        let start = Instant::now();
        let best = top_k(&out, 20, Allow::All);
        top.push(start.elapsed());
        assert!(best.len() <= 20);
    }
    score.sort();
    top.sort();
    let micros = |times: &[std::time::Duration], at: usize| times[at].as_secs_f64() * 1e6;
    println!(
        "  history {length:5}: score p50 {:7.1} µs p99 {:7.1} µs, top 20 of {n} p50 {:5.1} µs",
        micros(&score, 100),
        micros(&score, 198),
        micros(&top, 100),
    );
}
