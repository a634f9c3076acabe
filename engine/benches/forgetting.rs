//! How well and how fast models forget, on the shared data: before, unlearned, trained without.
//!
//! `cargo bench --release --workspace --bench forgetting -- DATASET ALGORITHM SCOPE AMOUNT [OPTION=VALUE …]`, where
//! SCOPE is users, items or interactions, and AMOUNT a number, or a share such as 0.05. One line for
//! each stage. SEED=1 in the environment takes another seed than 0.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a benchmark has nobody to report to")]

#[path = "../tests/shared_data/data.rs"]
mod data;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use tastedb_engine::storage::{ItemId, UserId};
use tastedb_engine::{
    Amount, ModelOptions, OptionValue, Protocol, Scope, Work, measure_forgetting,
};

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [dataset, algorithm, scope, amount, options @ ..] = arguments.as_slice() else {
        return;
    };
    let Some(split) = data::dataset(dataset) else { return };
    let scope = match scope.as_str() {
        "users" => Scope::User,
        "items" => Scope::Item,
        _ => Scope::Interactions,
    };
    let amount = match amount.parse::<usize>() {
        Ok(count) => Amount::Count(count),
        Err(_) => Amount::Share(amount.parse().unwrap()),
    };
    let options: ModelOptions = options
        .iter()
        .filter_map(|option| option.split_once('='))
        .map(|(name, text)| (name.to_owned(), value(text)))
        .collect();
    let test = test(dataset);
    let protocol = Protocol {
        algorithm,
        options: &options,
        data: &split.train,
        test: &test,
        side: &split.side,
        scope,
        amount,
        k: 20,
        seed: std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0),
    };
    let report = measure_forgetting(&protocol, &Work::quiet()).unwrap();
    let held: usize = split.task().cases.iter().map(|case| case.held_out.len()).sum();
    println!(
        "\n{dataset} {algorithm} {options:?}: {scope:?} {amount:?}, {} pairs forgotten, {} left, {held} to test on",
        report.forgotten.1, report.retained
    );
    for stage in &report.stages {
        let figure = |value: Option<f64>| value.map_or("    –".to_owned(), |v| format!("{v:.4}"));
        println!(
            "  {:<10} forget {}  test {}  validation {}  membership {}  {:>11.6} s  {}",
            stage.stage,
            figure(stage.forget),
            figure(stage.test),
            figure(stage.validation),
            figure(stage.membership),
            stage.seconds,
            stage.how,
        );
    }
}

/// The test set, with the ids that [`data::dataset`] gives.
fn test(dataset: &str) -> BTreeMap<UserId, Vec<ItemId>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("TASTEDB_DATA").map_or(beside, PathBuf::from).join(dataset);
    let read = |file: &str| {
        let mut reader = csv::Reader::from_path(folder.join(file)).unwrap();
        let headers = reader.headers().unwrap().clone();
        let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let at = move |name: &str| headers.iter().position(|own| own == name).unwrap();
        (records, at)
    };
    let (records, at) = read("items.csv");
    let items: HashMap<String, u64> =
        records.iter().map(|record| record[at("item_id")].to_owned()).zip(1..).collect();
    let (records, at) = read("test.csv");
    let mut test: BTreeMap<UserId, Vec<ItemId>> = BTreeMap::new();
    for record in records {
        let user = UserId(record[at("user_id")].parse().unwrap());
        test.entry(user).or_default().push(ItemId(items[&record[at("item_id")]]));
    }
    test
}

fn value(text: &str) -> OptionValue {
    let int = text.parse().map(OptionValue::Int);
    let real = || text.parse().map(OptionValue::Real);
    int.or_else(|_| real()).unwrap_or_else(|_| OptionValue::Text(text.to_owned()))
}
