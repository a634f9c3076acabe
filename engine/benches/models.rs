//! How long models take to train, evaluate and score on the shared data, with their quality beside.
//!
//! `cargo bench -p tastedb-engine --bench models -- [DATASET ALGORITHM [OPTION=VALUE …]]`; without
//! arguments a fixed list. Latencies are of one thread, for histories of several lengths. HELD_OUT=valid
//! in the environment measures on another file than `test`, SEED=1 trains with another seed than 0.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a benchmark has nobody to report to")]

#[path = "../tests/shared_data/data.rs"]
mod data;

use std::sync::Arc;
use std::time::Instant;

use tastedb_engine::evaluate::{Metric, evaluate};
use tastedb_engine::model::{Model, Size, estimate, fit, load};
use tastedb_engine::{
    Allow, History, ModelOptions, OptionValue, ScoreInput, SideData, Work, top_k,
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
