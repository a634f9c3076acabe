//! How long a refresh takes beside a training, and how well it ranks beside one, on the shared data.
//!
//! `cargo bench -p tastedb-engine --bench refresh -- DATASET ALGORITHM [OPTION=VALUE …]`. A model is
//! trained on all training pairs but some, then refreshed with them and, beside it, trained on all.
//! NEW in the environment is the share of pairs that are new, .1 unless said; USERS the number of
//! users they are of, all unless said. HELD_OUT=valid measures on another file than `test`.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a benchmark has nobody to report to")]

#[path = "../tests/shared_data/data.rs"]
mod data;
#[path = "../tests/shared_data/earlier.rs"]
mod earlier;

use std::time::Instant;

use tastedb_engine::evaluate::{Metric, evaluate};
use tastedb_engine::model::{Changed, Model, News, fit, refresh};
use tastedb_engine::{Dataset, ModelOptions, OptionValue, Work};

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [dataset, algorithm, options @ ..] = arguments.as_slice() else {
        println!("usage: refresh DATASET ALGORITHM [OPTION=VALUE …]");
        return;
    };
    let options = options.iter().filter_map(|option| option.split_once('='));
    let options: ModelOptions =
        options.map(|(name, text)| (name.to_owned(), value(text))).collect();
    measure(dataset, algorithm, &options);
}

fn value(text: &str) -> OptionValue {
    let int = text.parse().map(OptionValue::Int);
    let real = || text.parse().map(OptionValue::Real);
    int.or_else(|_| real()).unwrap_or_else(|_| OptionValue::Text(text.to_owned()))
}

fn number(name: &str, default: f64) -> f64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn measure(dataset: &str, algorithm: &str, options: &ModelOptions) {
    let split = match std::env::var("HELD_OUT") {
        Ok(held) => data::dataset_with(dataset, &held),
        Err(_) => data::dataset(dataset),
    };
    let Some(split) = split else { return };
    let (share, users) = (number("NEW", 0.1), number("USERS", f64::INFINITY));
    let (old, new) = (earlier::without(&split.train, share, users), &split.train);
    println!("\n{dataset} {algorithm} {options:?}: {} of {} pairs", old.n_pairs(), new.n_pairs());
    let work = Work::quiet();
    let timed = |what: &str, make: &dyn Fn() -> Box<dyn Model>| {
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let model = make();
        let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        let metrics = [Metric::Recall(20), Metric::Ndcg(20)];
        let found = evaluate(&[model.as_ref()], &split.task(), &metrics, &work).unwrap();
        let figures: Vec<String> = found
            .figures
            .iter()
            .map(|figure| format!("{} {:.4}", figure.metric, figure.value))
            .collect();
        println!("  {what}: {seconds:.2} s, {cpu:.2} s of all threads; {}", figures.join("  "));
        model
    };
    let fitted = |data: &Dataset| fit(algorithm, data, &split.side, options, 0, &work).unwrap();
    let first = timed("trained without", &|| fitted(&old));
    let changed = Changed::between(&old, new);
    timed("refreshed", &|| {
        let changed = Some(changed.clone());
        let news = News::new(new.items.clone(), &split.side, changed, || Ok(new.clone()));
        let refreshed = refresh(first.as_ref(), &news, 0, &work).unwrap();
        println!("  {}", refreshed.how);
        refreshed.model
    });
    timed("trained with", &|| fitted(new));
}

/// The time that all threads of the process have run, where the system says so.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
