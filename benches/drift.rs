//! Click rates where preferences drift: Thompson sampling beside what never explores, what explores
//! evenly, and the best that could be had.
//!
//! Prints a line for each policy: clicks per thing shown, over some seeds, and the time.

#![expect(clippy::print_stdout, reason = "a bench reports")]

#[path = "drift/simulator.rs"]
mod simulator;

use std::time::Instant;

use simulator::{POLICIES, Shop, click_rate};

const SEEDS: u64 = 5;

fn main() {
    // `cargo test` runs benches without doing their work.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    for (drift, half_life) in [(0.01, 720.0), (0.05, 144.0), (0.1, 72.0), (0.2, 48.0)] {
        let shop =
            Shop { things: 60, people: 300, hours: 600, visits: 25, slate: 4, drift, half_life };
        println!("an appeal wanders by {drift} an hour, half-life {half_life} hours");
        for policy in POLICIES {
            let start = Instant::now();
            let rates: Vec<f64> = (0..SEEDS).map(|seed| click_rate(shop, policy, seed)).collect();
            let mean = rates.iter().sum::<f64>() / SEEDS as f64;
            let policy = format!("{policy:?}");
            let each: Vec<String> = rates.iter().map(|rate| format!("{rate:.4}")).collect();
            println!("  {policy:<9} {mean:.4}  ({})  {:.0?}", each.join(" "), start.elapsed());
        }
    }
}
