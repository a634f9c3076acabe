//! Writing and opening: COPY, durable single INSERTs from one and eight threads, open.

mod catalogue;

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tastedb::Database;

fn copy(c: &mut Criterion) {
    let Some(folder) = catalogue::dataset("ml-1m") else { return };
    let mut group = c.benchmark_group("copy");
    group.sample_size(10).throughput(Throughput::Elements(802_553));
    group.bench_function("ml-1m train, csv.gz, on disk", |b| {
        b.iter_batched(
            || {
                let place = tempfile::tempdir().expect("a folder");
                let db = Database::open(place.path().join("db")).expect("it opens");
                catalogue::tables(&mut db.session(), &folder, false);
                (place, db)
            },
            |(place, db)| {
                catalogue::run(&mut db.session(), &catalogue::copy_train(&folder));
                (place, db)
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Durable single-row INSERTs: `threads` sessions share the iterations.
fn insert(c: &mut Criterion) {
    let place = tempfile::tempdir().expect("a folder");
    let db = Database::open(place.path().join("db")).expect("it opens");
    catalogue::run(
        &mut db.session(),
        "CREATE TABLE people (id TEXT PRIMARY KEY) WITH (role = 'user');
         CREATE TABLE things (id TEXT PRIMARY KEY) WITH (role = 'item');
         CREATE TABLE clicks (user_id TEXT REFERENCES people, item_id TEXT REFERENCES things)
             WITH (role = 'interaction', on_unknown = 'create');",
    );
    let counter = AtomicU64::new(0);
    let mut group = c.benchmark_group("durable insert");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(8))
        .throughput(Throughput::Elements(1));
    for threads in [1u64, 8] {
        group.bench_function(format!("{threads} threads"), |b| {
            b.iter_custom(|rounds| {
                let each = rounds.div_ceil(threads);
                let start = Instant::now();
                thread::scope(|scope| {
                    for _ in 0..threads {
                        scope.spawn(|| {
                            let mut session = db.session();
                            for _ in 0..each {
                                let n = counter.fetch_add(1, Ordering::Relaxed);
                                let (user, item) = (n % 6_000, n * 7 % 4_000);
                                catalogue::run(
                                    &mut session,
                                    &format!("INSERT INTO clicks VALUES ('u{user}', 'm{item}')"),
                                );
                            }
                        });
                    }
                });
                start.elapsed().mul_f64(rounds as f64 / (each * threads) as f64)
            });
        });
    }
    group.finish();
}

fn open(c: &mut Criterion) {
    let Some(folder) = catalogue::dataset("ml-1m") else { return };
    let place = tempfile::tempdir().expect("a folder");
    let path = place.path().join("db");
    {
        let db = catalogue::filled(&path, &folder, true);
        catalogue::run(
            &mut db.session(),
            "CREATE MODEL e USING ease ON ratings WITH (lambda = 300); TRAIN MODEL e;",
        );
    }
    let mut group = c.benchmark_group("open");
    group.sample_size(20);
    group.bench_function("ml-1m", |b| {
        b.iter(|| black_box(Database::open(&path).expect("it opens")));
    });
    group.bench_function("ml-1m to the first answer", |b| {
        b.iter(|| {
            let db = Database::open(&path).expect("it opens");
            catalogue::run(&mut db.session(), "RECOMMEND things FOR USER '1' LIMIT 10");
        });
    });
    group.finish();
}

criterion_group!(benches, copy, insert, open);
criterion_main!(benches);
