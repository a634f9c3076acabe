//! How well items that a model has not learned of are ranked by what they are alike, on the shared data.
//!
//! `cargo bench -p tastedb-engine --bench newcomers -- DATASET ALGORITHM [OPTION=VALUE …]`. One item in ten
//! loses all its training pairs, and the model is trained without these items; then it is asked about
//! all. HELD_OUT=valid measures on another file than `test`.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a benchmark has nobody to report to")]

#[path = "../tests/shared_data/cold.rs"]
mod cold;
#[path = "../tests/shared_data/data.rs"]
mod data;

use std::time::Instant;

use tastedb_engine::model::{Model, fit, on_catalogue};
use tastedb_engine::{History, ModelOptions, OptionValue, ScoreInput, SideData, Work};

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [dataset, algorithm, options @ ..] = arguments.as_slice() else {
        println!("usage: newcomers DATASET ALGORITHM [OPTION=VALUE …]");
        return;
    };
    let options = options.iter().filter_map(|option| option.split_once('='));
    let options: ModelOptions =
        options.map(|(name, text)| (name.to_owned(), value(text))).collect();
    let split = match std::env::var("HELD_OUT") {
        Ok(held) => data::dataset_with(dataset, &held),
        Err(_) => data::dataset(dataset),
    };
    let Some(split) = split else { return };
    let cold = cold::without_items(&split, 10);
    println!(
        "\n{dataset} {algorithm} {options:?}: {} items of {} new",
        cold.new.len(),
        split.train.n_items()
    );
    let model = fit(algorithm, &cold.train, &split.side, &options, 0, &Work::quiet()).unwrap();
    let start = Instant::now();
    let all = on_catalogue(model.as_ref(), &split.train.items, &split.side);
    println!("  neighbours in {:.3} s", start.elapsed().as_secs_f64());
    let without = on_catalogue(model.as_ref(), &split.train.items, &SideData::default());
    for (what, model) in [("without them", &without), ("with them", &all)] {
        println!("  {what}: {}", cold::measure(model.as_ref(), &split, &cold));
        println!("    score p50 {:.1} µs", latency(model.as_ref(), &split));
    }
}

fn value(text: &str) -> OptionValue {
    let int = text.parse().map(OptionValue::Int);
    let real = || text.parse().map(OptionValue::Real);
    int.or_else(|_| real()).unwrap_or_else(|_| OptionValue::Text(text.to_owned()))
}

fn latency(model: &dyn Model, split: &data::Split) -> f64 {
    let mut out = vec![0f32; split.train.n_items()];
    let mut times = Vec::new();
    for case in split.cases.iter().filter(|case| !case.history.is_empty()).take(500) {
        let input = ScoreInput {
            history: History::new(&case.history),
            items: &split.train.items,
            side: &split.side,
            vectors: &[],
        };
        let start = Instant::now();
        model.score(&input, &mut out);
        times.push(start.elapsed());
    }
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}
