//! RECOMMEND while a model is trained, from text to rows on ml-1m: how much slower than without.
//!
//! One session asks for one user after the other with a pause between, as an application would;
//! another trains. Times of quiet phases and of training alternate, so that both meet whatever else
//! the machine does. Prints a line per algorithm: p50 and p99 of both in microseconds, and their
//! ratios. Algorithms named as arguments take the place of the list.

#![expect(clippy::print_stdout, reason = "a bench reports")]

mod catalogue;

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tastedb::{Database, Session};

/// Quiet and training phases of each algorithm.
const ROUNDS: usize = 3;
/// The length of a phase; a shorter training is repeated, a longer one cancelled.
const PHASE: Duration = Duration::from_secs(8);
/// The pause between two questions.
const PAUSE: Duration = Duration::from_millis(1);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test` runs benches without doing their work.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let named = arguments.iter().map(String::as_str).filter(|name| !name.starts_with("--"));
    let mut algorithms: Vec<&str> = named.collect();
    if algorithms.is_empty() {
        algorithms = vec!["graph_filter", "ease", "ials", "lightgcn", "bpr"];
    }
    let Some(folder) = catalogue::dataset("ml-1m") else { return };
    let place = tempfile::tempdir().expect("a folder");
    let db = catalogue::filled(&place.path().join("db"), &folder, true);
    let mut session = db.session();
    catalogue::run(
        &mut session,
        "CREATE MODEL serving USING ease ON ratings; TRAIN MODEL serving;",
    );
    let mut users = (1..=6_040).cycle();
    let mut phase = |until: &dyn Fn() -> bool| -> Vec<f64> {
        let mut times = Vec::new();
        while !until() {
            let user = users.next().expect("it never ends");
            times.push(time(&mut session, user));
            std::thread::sleep(PAUSE);
        }
        times
    };
    phase(&lasting(PHASE / 4));
    for algorithm in algorithms {
        let sql = format!("CREATE MODEL {algorithm}_new USING {algorithm} ON ratings");
        catalogue::run(&mut db.session(), &sql);
        let (mut quiet, mut busy) = (Vec::new(), Vec::new());
        let mut trainings = 0;
        for _ in 0..ROUNDS {
            quiet.extend(phase(&lasting(PHASE)));
            let (answers, count) = training(&db, algorithm, &mut phase);
            busy.extend(answers);
            trainings += count;
        }
        line(algorithm, &mut quiet, &mut busy, trainings);
    }
}

fn lasting(time: Duration) -> impl Fn() -> bool {
    let end = Instant::now() + time;
    move || Instant::now() >= end
}

/// The times of answers while a model is trained, and the trainings that were finished.
fn training(
    db: &Database,
    algorithm: &str,
    phase: &mut impl FnMut(&dyn Fn() -> bool) -> Vec<f64>,
) -> (Vec<f64>, usize) {
    let mut trainer = db.session();
    let token = trainer.reset_cancel();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let training = scope.spawn(|| {
            let mut finished = 0;
            while !over.load(Ordering::Relaxed) {
                // Cancelled at the end of the phase.
                finished +=
                    usize::from(trainer.execute(&format!("TRAIN MODEL {algorithm}_new")).is_ok());
            }
            finished
        });
        let times = phase(&lasting(PHASE));
        over.store(true, Ordering::Relaxed);
        token.cancel();
        (times, training.join().expect("the trainer does not panic"))
    })
}

fn time(session: &mut Session, user: usize) -> f64 {
    let sql = format!("RECOMMEND things FOR USER '{user}' USING serving LIMIT 10");
    let start = Instant::now();
    let outcome = session.execute(&sql).unwrap_or_else(|error| panic!("{}", error.render(&sql)));
    black_box(outcome);
    start.elapsed().as_secs_f64() * 1e6
}

fn line(algorithm: &str, quiet: &mut [f64], busy: &mut [f64], trainings: usize) {
    let at = |times: &mut [f64], share: f64| {
        times.sort_by(f64::total_cmp);
        times[((times.len() - 1) as f64 * share) as usize]
    };
    let [q50, q99] = [0.5, 0.99].map(|share| at(quiet, share));
    let [b50, b99] = [0.5, 0.99].map(|share| at(busy, share));
    println!(
        "{algorithm:<14} quiet p50 {q50:>7.1}  p99 {q99:>7.1}   training p50 {b50:>7.1}  \
         p99 {b99:>7.1} µs   ratios {:.2}  {:.2}   ({} and {} answers, {trainings} trainings done)",
        b50 / q50,
        b99 / q99,
        quiet.len(),
        busy.len(),
    );
}
