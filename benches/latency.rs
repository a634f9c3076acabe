//! RECOMMEND from text to rows, one user at a time: median and tail. Not a criterion bench, because
//! a mean would hide the users with long histories.
//!
//! Prints one line per case: p50, p90, p99, the worst, in microseconds; then the peak memory.

#![expect(clippy::print_stdout, reason = "a bench reports")]

mod catalogue;

use std::hint::black_box;
use std::time::Instant;

use tastedb::Session;

const ROUNDS: usize = 3;

fn main() {
    // `cargo test` runs benches without doing their work.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    ml_1m();
    if std::env::var_os("TASTEDB_BENCH_LARGE").is_some() {
        sports();
    }
    println!("peak memory: {} MiB", peak_mib());
}

fn ml_1m() {
    let Some(folder) = catalogue::dataset("ml-1m") else { return };
    let place = tempfile::tempdir().expect("a folder");
    let db = catalogue::filled(&place.path().join("db"), &folder, true);
    let mut session = db.session();
    catalogue::run(
        &mut session,
        "CREATE MODEL ease USING ease ON ratings WITH (lambda = 300); TRAIN MODEL ease;
         CREATE MODEL knn USING item_knn ON ratings
             WITH (weighting = 'bm25', k1 = 1.2, b = 0.4, k = 400);
         TRAIN MODEL knn;",
    );
    for (what, tail) in [
        ("ease", "USING ease LIMIT 10"),
        (
            "ease, WHERE on two columns",
            "USING ease WHERE year >= 1990 AND title LIKE 'S%' LIMIT 10",
        ),
        ("item_knn", "USING knn LIMIT 10"),
        ("popular", "USING popular LIMIT 10"),
        ("ease, LIMIT 100", "USING ease LIMIT 100"),
    ] {
        report(what, &mut session, |user, _| format!("RECOMMEND things FOR USER '{user}' {tail}"));
    }
    report("ease, with reasons", &mut session, |user, _| {
        format!("RECOMMEND id, score, reason FROM things FOR USER '{user}' USING ease LIMIT 10")
    });
    // Every answer follows a durable click of the same user: nothing is answered from a cache.
    let mut times = Vec::new();
    for user in 1..=1_000 {
        let item = 1 + user * 7 % 3_000;
        let click = format!("INSERT INTO ratings VALUES ('{user}', '{item}')");
        if session.execute(&click).is_err() {
            continue;
        }
        times.push(time(
            &mut session,
            &format!("RECOMMEND things FOR USER '{user}' USING ease LIMIT 10"),
        ));
    }
    line("ease, after a click", &mut times);
}

fn sports() {
    let Some(folder) = catalogue::dataset("amazon-sports") else { return };
    let place = tempfile::tempdir().expect("a folder");
    let db = catalogue::filled(&place.path().join("db"), &folder, false);
    let mut session = db.session();
    let start = Instant::now();
    catalogue::run(
        &mut session,
        "CREATE MODEL ease USING ease ON ratings WITH (lambda = 300); TRAIN MODEL ease;",
    );
    println!("train ease amazon-sports: {:.1} s", start.elapsed().as_secs_f64());
}

fn report(what: &str, session: &mut Session, statement: impl Fn(usize, usize) -> String) {
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        for user in 1..=6_040 {
            let sql = statement(user, round);
            times.push(time(session, &sql));
        }
    }
    line(what, &mut times);
}

fn time(session: &mut Session, sql: &str) -> f64 {
    let start = Instant::now();
    let outcome = session.execute(sql).unwrap_or_else(|error| panic!("{}", error.render(sql)));
    black_box(outcome);
    start.elapsed().as_secs_f64() * 1e6
}

fn line(what: &str, times: &mut [f64]) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "{what:<32} p50 {:>8.1}  p90 {:>8.1}  p99 {:>8.1}  max {:>9.1} µs  ({} answers)",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0),
        times.len()
    );
}

/// The most memory that this process has held, where the system tells.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
