//! RECOMMEND … FOR USERS, and COPY of it: many users in blocks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tastedb_engine::{CancelToken, Progress};

use super::support::{fails, rows, run, sql};
use crate::Session;

/// 2,500 people, 40 goods, five purchases each; the name of a person tells their place.
fn many() -> Session {
    let mut session = sql().session();
    session.set_threads(2);
    run(
        &mut session,
        "CREATE TABLE people (id TEXT PRIMARY KEY, n INT) WITH (role = 'user');
         CREATE TABLE goods (id TEXT PRIMARY KEY, brand INT) WITH (role = 'item');
         CREATE TABLE buys (user_id TEXT REFERENCES people, item_id TEXT REFERENCES goods)
           WITH (role = 'interaction');",
    );
    let list = |rows: &mut dyn Iterator<Item = String>| rows.collect::<Vec<_>>().join(", ");
    let people = list(&mut (0..2500).map(|n| format!("('p{n}', {n})")));
    let goods = list(&mut (0..40).map(|n| format!("('g{n}', {})", n % 5)));
    let buys = (0..2500).flat_map(|n| (0..5).map(move |m| (n, (n * 7 + m * (n % 11 + 1)) % 40)));
    let buys = list(&mut buys.map(|(n, m)| format!("('p{n}', 'g{m}')")));
    for (table, rows) in [("people", people), ("goods", goods), ("buys", buys)] {
        run(&mut session, &format!("INSERT INTO {table} VALUES {rows}"));
    }
    run(&mut session, "CREATE MODEL taste USING item_knn ON buys; TRAIN MODEL taste");
    session
}

const TAIL: &str = "USING taste EXPLORE 0.2 LIMIT 2 BY brand 4 WITH (seed = 3)";

#[test]
fn users_in_blocks_get_what_each_gets_alone_in_the_order_of_the_query() {
    let mut session = many();
    let users = "SELECT id FROM people ORDER BY n DESC";
    let list = "RECOMMEND rank, id, score, reason, propensity FROM goods";
    let outcome = run(&mut session, &format!("{list} FOR USERS ({users}) {TAIL}")).remove(0);
    assert_eq!(outcome.tag, "RECOMMEND 10000");
    let batches = outcome.rows.as_ref().expect("rows").batches.len();
    assert!(batches >= 3, "{batches} blocks");
    let all = super::support::text(&outcome);
    let all: Vec<&str> = all.lines().collect();
    for (at, n) in [(0, 2499), (1023, 1476), (1024, 1475), (2047, 452), (2499, 0)] {
        let alone = rows(&mut session, &format!("{list} FOR USER 'p{n}' {TAIL}"));
        let alone: Vec<String> = alone.lines().map(|line| format!("p{n}|{line}")).collect();
        assert_eq!(all[at * 4..at * 4 + 4], alone, "p{n}");
    }
    // Neither the number of threads nor the size of a block shows.
    session.set_threads(1);
    let again = rows(&mut session, &format!("{list} FOR USERS ({users}) {TAIL}"));
    assert_eq!(again.lines().collect::<Vec<_>>(), all);
    let few = format!("{list} FOR USERS ({users} LIMIT 3) {TAIL}");
    assert_eq!(rows(&mut session, &few).lines().collect::<Vec<_>>(), all[..12]);
}

/// Counts the rows of a block by what is reported between two of them.
#[derive(Default)]
struct Reports(Mutex<Vec<u64>>);

impl Progress for Reports {
    fn report(&self, stage: &str, done: u64, _: u64, _: &str) {
        if stage == "recommend" {
            self.0.lock().expect("no panic").push(done);
        }
    }
}

#[test]
fn a_copy_streams_blocks_into_the_file_and_says_how_far_it_is() {
    let mut session = many();
    let reports = Arc::new(Reports::default());
    session.set_progress(reports.clone());
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["recs.parquet", "recs.csv"] {
        let file = folder.path().join(name).display().to_string();
        let copy = format!(
            "COPY (RECOMMEND goods FOR USERS (SELECT id FROM people ORDER BY n) LIMIT 3) TO '{file}'"
        );
        assert_eq!(run(&mut session, &copy).remove(0).tag, "COPY 7500");
    }
    let done = std::mem::take(&mut *reports.0.lock().expect("no panic"));
    assert_eq!(done, [1024, 2048, 2500, 1024, 2048, 2500]);
    // The longer the slates, the fewer users are held at a time.
    let file = folder.path().join("long.csv").display().to_string();
    let copy =
        format!("COPY (RECOMMEND goods FOR USERS (SELECT id FROM people) LIMIT 1000) TO '{file}'");
    run(&mut session, &copy);
    let done = reports.0.lock().expect("no panic");
    assert!(done.windows(2).all(|pair| pair[1] - pair[0] <= 65), "{done:?}");
    let file = folder.path().join("recs.csv").display().to_string();
    let text = std::fs::read_to_string(file).expect("a file");
    assert_eq!(text.lines().nth(1).map(|line| line.split(',').next()), Some(Some("p0")));
    assert!(text.lines().last().is_some_and(|line| line.starts_with("p2499,3,")));
}

/// Cancels once so many users are done.
struct Stop(CancelToken, AtomicU64);

impl Progress for Stop {
    fn report(&self, _: &str, done: u64, _: u64, _: &str) {
        self.1.store(done, Ordering::Relaxed);
        self.0.cancel();
    }
}

#[test]
fn a_batch_that_is_cancelled_or_fails_leaves_no_file() {
    let mut session = many();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("recs.csv").display().to_string();
    let copy =
        |users: &str| format!("COPY (RECOMMEND goods FOR USERS ({users}) LIMIT 3) TO '{file}'");
    let stop = Arc::new(Stop(session.cancel_token(), AtomicU64::new(0)));
    session.set_progress(stop.clone());
    assert!(fails(&mut session, &copy("SELECT id FROM people")).starts_with("TD0507"));
    assert_eq!(stop.1.load(Ordering::Relaxed), 1024);
    session.reset_cancel();
    // The last of many keys is nobody's.
    let users = "SELECT id FROM people UNION ALL SELECT 'nobody'";
    assert!(fails(&mut session, &copy(users)).starts_with("TD0701"));
    let users = "SELECT id, n FROM people";
    assert!(fails(&mut session, &copy(users)).starts_with("TD0703"));
    let none = "SELECT id, n FROM people WHERE n < 0";
    assert!(fails(&mut session, &copy(none)).starts_with("TD0703"));
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    let none = "SELECT id FROM people WHERE n < 0";
    assert_eq!(run(&mut session, &copy(none)).remove(0).tag, "COPY 0");
}
