//! RECOMMEND under forget requests, from text to rows on ml-1m: how much slower than without.
//!
//! Four sessions ask for one user after the other, with a pause between, as an application would. In the
//! loaded phases somebody is forgotten every few milliseconds, a thousand people in all; quiet and loaded
//! phases alternate, so that both meet whatever else the machine does. Prints p50 and p99 of both in
//! microseconds and their ratios, the time of a request, and that of the VACUUM that follows.

#![expect(clippy::print_stdout, reason = "a bench reports")]

mod catalogue;

use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tastedb::Database;

const READERS: usize = 4;
/// Quiet and loaded phases.
const ROUNDS: usize = 5;
/// Requests in a loaded phase.
const REQUESTS: usize = 200;
/// The pause between two requests, and between two questions of a reader.
const BETWEEN: Duration = Duration::from_millis(10);
const PAUSE: Duration = Duration::from_millis(2);

fn main() {
    // `cargo test` runs benches without doing their work.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let Some(folder) = catalogue::dataset("ml-1m") else { return };
    let place = tempfile::tempdir().expect("a folder");
    let db = catalogue::filled(&place.path().join("db"), &folder, true);
    catalogue::run(
        &mut db.session(),
        "CREATE MODEL serving USING ease ON ratings WITH (lambda = 300); TRAIN MODEL serving;",
    );
    phase(&db, &mut |over| {
        std::thread::sleep(BETWEEN * REQUESTS as u32 / 2);
        over.store(true, Ordering::Relaxed);
    });
    let (mut quiet, mut loaded, mut requests) = (Vec::new(), Vec::new(), Vec::new());
    let mut people = 1..;
    for _ in 0..ROUNDS {
        quiet.extend(phase(&db, &mut |over| {
            std::thread::sleep(BETWEEN * REQUESTS as u32);
            over.store(true, Ordering::Relaxed);
        }));
        loaded.extend(phase(&db, &mut |over| {
            for person in people.by_ref().take(REQUESTS) {
                let start = Instant::now();
                let mut write = db.begin_write().expect("it begins");
                black_box(write.forget("people", &person.to_string()).expect("deletes"));
                write.commit().expect("commits");
                requests.push(start.elapsed().as_secs_f64() * 1e6);
                std::thread::sleep(BETWEEN);
            }
            over.store(true, Ordering::Relaxed);
        }));
    }
    let at = |times: &mut [f64], share: f64| {
        times.sort_by(f64::total_cmp);
        times[((times.len() - 1) as f64 * share) as usize]
    };
    let [q50, q99] = [0.5, 0.99].map(|share| at(&mut quiet, share));
    let [l50, l99] = [0.5, 0.99].map(|share| at(&mut loaded, share));
    println!(
        "{READERS} readers: quiet p50 {q50:.1}  p99 {q99:.1}   loaded p50 {l50:.1}  p99 {l99:.1} µs   \
         ratios {:.2}  {:.2}   ({} and {} answers)",
        l50 / q50,
        l99 / q99,
        quiet.len(),
        loaded.len(),
    );
    let [r50, r99] = [0.5, 0.99].map(|share| at(&mut requests, share));
    println!("{} forget requests: p50 {r50:.1}  p99 {r99:.1} µs", requests.len());
    let start = Instant::now();
    let vacuumed = db.vacuum().expect("nobody reads an older state");
    println!(
        "VACUUM of {} tickets: {:.2} s; {:?}",
        vacuumed.tickets.len(),
        start.elapsed().as_secs_f64(),
        vacuumed.renewed
    );
}

/// The times of answers of all readers while `work` goes on, in microseconds.
fn phase(db: &Database, work: &mut dyn FnMut(&AtomicBool)) -> Vec<f64> {
    let (over, times) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for reader in 0..READERS {
            let mut session = db.session();
            let (over, times) = (&over, &times);
            scope.spawn(move || {
                let mut own = Vec::new();
                let mut user = 1 + reader * 1_511;
                while !over.load(Ordering::Relaxed) {
                    user = 1 + (user + 7) % 6_040;
                    let sql = format!("RECOMMEND things FOR USER '{user}' USING serving LIMIT 10");
                    let start = Instant::now();
                    // Whoever was forgotten is an error, which is an answer too.
                    let _ = black_box(session.execute(&sql));
                    own.push(start.elapsed().as_secs_f64() * 1e6);
                    std::thread::sleep(PAUSE);
                }
                times.lock().expect("nobody panicked").extend(own);
            });
        }
        work(&over);
    });
    times.into_inner().expect("nobody panicked")
}
