//! The time of an epoch by device, on the shared data.
//!
//! `cargo bench --profile release --workspace --features torch --bench devices -- DATASET [DEVICE … ALGORITHM …]`;
//! without devices `cpu`, `torch` and `gpu`. One that is not there is passed over and says so. An epoch
//! is all of it: comparisons are drawn, sent and learned from; nothing is validated between. The recall on
//! the test users after these few epochs tells whether the devices came to the same. BATCH in the environment
//! is how many pairs a step takes, 2048 unless said. A DATASET with a `/` is a folder that
//! `benches/gpu/made_up.py` has written.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

#[path = "../tests/shared_data/data.rs"]
mod data;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tastedb_engine::evaluate::{Case, Metric, evaluate};
use tastedb_engine::model::fit;
use tastedb_engine::storage::{ItemId, UserId};
use tastedb_engine::{Dataset, Device, ModelOptions, OptionValue, Progress, SideData, Work};

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
    let split = match dataset.contains('/') {
        true => made_up(Path::new(dataset)),
        false => data::dataset(dataset),
    };
    let Some(split) = split else { return };
    let batch = std::env::var("BATCH").ok().and_then(|text| text.parse().ok()).unwrap_or(2048);
    let options = ModelOptions::new()
        .with("batch", OptionValue::Int(batch))
        .with("epochs", OptionValue::Int(EPOCHS as i64))
        .with("validate_every", OptionValue::Int(1000))
        .with("retrain", OptionValue::Text("no".to_owned()));
    let metrics = [Metric::Recall(20)];
    let pairs = split.train.n_pairs();
    println!("{dataset}, {pairs} pairs, {batch} a step: seconds of an epoch");
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

/// What `made_up.py` has written.
fn made_up(folder: &Path) -> Option<data::Split> {
    let (train, test) = (pairs(&folder.join("train.npy")), pairs(&folder.join("test.npy")));
    let items = train.iter().chain(&test).map(|(_, item)| item + 1).max()?;
    let weighed = train.iter().map(|(user, item)| (UserId(*user), ItemId(*item), 1.0, None));
    let train = Dataset::build((0..items).map(ItemId).collect(), weighed).expect("pairs");
    let mut held_out: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for (user, item) in test {
        held_out.entry(user).or_default().push(item as u32);
    }
    let case = |(user, held_out): (u64, Vec<u32>)| {
        let row = train.user_row(UserId(user))?;
        let (items, weights) = train.by_user.row(row as usize);
        let history = items.iter().copied().zip(weights.iter().copied()).collect();
        Some(Case { history, held_out, group: None })
    };
    let cases = held_out.into_iter().filter_map(case).collect();
    Some(data::Split { train, cases, side: SideData::default() })
}

/// The rows of a `.npy` file of two 32-bit integers each.
fn pairs(file: &Path) -> Vec<(u64, u64)> {
    let bytes = std::fs::read(file).expect("a file of made_up.py");
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let number = |bytes: &[u8]| u64::from(u32::from_le_bytes(bytes.try_into().expect("four")));
    let rows = bytes[header..].chunks_exact(8);
    rows.map(|row| (number(&row[..4]), number(&row[4..]))).collect()
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
