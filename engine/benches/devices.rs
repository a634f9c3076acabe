//! The time of an epoch by device, on the shared data.
//!
//! `cargo bench --profile release --workspace --features torch --bench devices -- DATASET [DEVICE … ALGORITHM …]`;
//! without devices `cpu`, `torch` and `gpu`. One that is not there is passed over and says so. An epoch
//! is all of it: comparisons are drawn, sent and learned from; nothing is validated between. The recall on
//! the test users after these few epochs tells whether the devices came to the same.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

#[path = "../tests/shared_data/data.rs"]
mod data;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use tastedb_engine::evaluate::{Metric, evaluate};
use tastedb_engine::model::fit;
use tastedb_engine::{Device, ModelOptions, OptionValue, Progress, Work};

/// The epochs that are measured; the first is left out, in which libraries and caches warm up.
const EPOCHS: usize = 6;

const ALGORITHMS: [&str; 10] =
    ["bpr", "lightgcn", "ngcf", "vbpr", "freedom", "lattice", "bm3", "mmhcl", "lirdrec", "cm3"];

/// When epochs begin and end.
#[derive(Default)]
struct Clock(Mutex<Vec<Instant>>);

impl Progress for Clock {
    fn report(&self, stage: &str, _done: u64, _total: u64, _note: &str) {
        if stage == "epochs" {
            self.0.lock().expect("a lock").push(Instant::now());
        }
    }
}

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [dataset, names @ ..] = arguments.as_slice() else {
        println!("usage: devices DATASET [DEVICE … ALGORITHM …]");
        return;
    };
    let mut devices: Vec<Device> = names.iter().filter_map(|name| Device::named(name)).collect();
    let named = |algorithm: &&str| names.iter().any(|name| name == algorithm);
    let mut algorithms: Vec<&str> = ALGORITHMS.into_iter().filter(named).collect();
    if algorithms.is_empty() {
        algorithms = ALGORITHMS.to_vec();
    }
    if devices.is_empty() {
        devices = vec![Device::Cpu, Device::Torch, Device::Gpu];
    }
    let Some(split) = data::dataset(dataset) else { return };
    let options = ModelOptions::new()
        .with("epochs", OptionValue::Int(EPOCHS as i64))
        .with("validate_every", OptionValue::Int(1000))
        .with("retrain", OptionValue::Text("no".to_owned()));
    let metrics = [Metric::Recall(20)];
    println!("{dataset}, {} pairs: seconds of an epoch", split.train.n_pairs());
    for algorithm in algorithms {
        for device in &devices {
            let clock = Arc::new(Clock::default());
            let progress = Arc::clone(&clock) as Arc<dyn Progress>;
            let work = Work { progress, device: *device, ..Work::quiet() };
            let told = match fit(algorithm, &split.train, &split.side, &options, 1, &work) {
                Ok(model) => {
                    let found =
                        evaluate(&[model.as_ref()], &split.task(), &metrics, &Work::quiet());
                    let recall = found.ok().and_then(|found| found.value(0, metrics[0]));
                    let recall = recall.unwrap_or(f64::NAN);
                    format!("{}, recall@20 {recall:.4}", median(&clock.0.lock().expect("a lock")))
                }
                Err(error) => error.to_string(),
            };
            println!("  {algorithm:<10} {:<6} {told}", device.name());
        }
    }
}

/// The median of the times between, without the first and the last, in which recall is measured.
fn median(times: &[Instant]) -> String {
    let mut each: Vec<f64> =
        times.windows(2).map(|both| (both[1] - both[0]).as_secs_f64()).collect();
    each.pop();
    let mut each = each.split_off(1.min(each.len()));
    each.sort_by(f64::total_cmp);
    each.get(each.len() / 2).map_or("nothing to measure".to_owned(), |time| format!("{time:.3}"))
}
