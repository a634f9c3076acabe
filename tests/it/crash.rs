//! Killed at any moment, nothing acknowledged is lost.
//!
//! The test runs its own executable as a child that works on a database and writes down, in a file
//! of its own, what was acknowledged. The parent kills it with SIGKILL at a random moment, opens
//! the database, checks every checksum and reference, and compares it with what was written down.
//! A killed process does not lose the page cache, so this tests recovery; what a power cut would
//! leave is tested on segment files, where the project owns the I/O.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tastedb::{Database, Options, Session};

use crate::support::{cells, number};

/// Where the child finds its folder; its presence is what makes a child of the test.
const FOLDER: &str = "TASTEDB_CRASH_FOLDER";
const ROUND: &str = "TASTEDB_CRASH_ROUND";
/// How many times the child is killed. `TASTEDB_CRASH_KILLS` raises it.
const KILLS: u64 = 200;
/// Rounds that go on with the database that the last kill left.
const ROUNDS_PER_DATABASE: u64 = 20;

const COPY_ROWS: u64 = 400;
const VECTORS: u64 = 40;

fn options() -> Options {
    // Small, so that every few statements seal a segment.
    Options::new().seal_rows(32)
}

fn schema() -> &'static str {
    "CREATE TABLE people (id TEXT PRIMARY KEY) WITH (role = 'user');
     CREATE TABLE movies (id TEXT PRIMARY KEY, title TEXT, text VECTOR(8)) WITH (role = 'item');
     CREATE TABLE clicks (user_id TEXT REFERENCES people, item_id TEXT REFERENCES movies, n BIGINT)
         WITH (role = 'interaction', on_unknown = 'create');
     CREATE TABLE bulk (user_id TEXT REFERENCES people, item_id TEXT REFERENCES movies, n BIGINT)
         WITH (role = 'interaction', on_unknown = 'create');
     CREATE MODEL k USING item_knn ON clicks WITH (refresh = 'auto', refresh_events = 2);
     INSERT INTO movies (id, title) VALUES ('m0', 'zero'), ('m1', 'one'), ('m2', 'two');
     INSERT INTO clicks VALUES ('u0', 'm0', -1), ('u0', 'm1', -1), ('u1', 'm1', -1), ('u1', 'm2', -1);
     TRAIN MODEL k;
     CREATE EMBEDDING words ON movies FROM (title) WITH (dim = 3, min_df = 1, max_df = 1);
     CREATE INDEX near ON movies (text) WITH (m = 4, ef_construction = 8, ef = 4);"
}

/// A small generator, so that each round does and is killed at something else.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// The child: works until it is killed. It writes `begin` before and `done` after each statement.
#[test]
fn the_process_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let round: u64 = std::env::var(ROUND).expect("a round").parse().expect("a number");
    let mut log = OpenOptions::new()
        .append(true)
        .create(true)
        .open(folder.join("acknowledged"))
        .expect("the log opens");
    let db = Database::open_with(folder.join("db"), options()).expect("the database opens");
    let mut session = db.session();
    writeln!(log, "begin open {round}").expect("the log is written");
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ (round + 1);
    for step in 0..1_000_000u64 {
        let n = round * 1_000_000 + step;
        let (kind, statements) = work(&folder, n, next(&mut state) % 13);
        writeln!(log, "begin {kind} {n}").expect("the log is written");
        session.execute(&statements).unwrap_or_else(|e| panic!("{}", e.render(&statements)));
        writeln!(log, "done {kind} {n}").expect("the log is written");
    }
}

/// One statement (or two) of the workload.
fn work(folder: &Path, n: u64, choice: u64) -> (&'static str, String) {
    match choice {
        0..=4 => {
            ("insert", format!("INSERT INTO clicks VALUES ('u{}', 'm{}', {n})", n % 7, n % 11))
        }
        5 => {
            let path = folder.join("bulk.csv");
            let mut csv = String::from("user_id,item_id,n\n");
            for row in 0..COPY_ROWS {
                csv.push_str(&format!("u{},m{},{n}\n", row % 37, row % 23));
            }
            fs::write(&path, csv).expect("the file is written");
            ("copy", format!("COPY bulk FROM '{}'", path.display()))
        }
        6 => ("train", "TRAIN MODEL k".to_string()),
        7 => {
            let rows: Vec<String> = (0..VECTORS)
                .map(|at| {
                    format!(
                        "('v{n}_{at}', 'zero t', '[{}]')",
                        vec![format!("{}", at + 1); 8].join(",")
                    )
                })
                .collect();
            ("seal", format!("INSERT INTO movies (id, title, text) VALUES {}", rows.join(", ")))
        }
        8 => (
            "transaction",
            format!(
                "BEGIN; INSERT INTO clicks VALUES ('a', 'm1', {n}); \
                 INSERT INTO clicks VALUES ('b', 'm1', {n}); COMMIT"
            ),
        ),
        9 => ("refresh", "REFRESH EMBEDDING words ON movies".to_string()),
        10 => ("index", "REFRESH INDEX near".to_string()),
        11 => (
            "replace",
            "CREATE OR REPLACE INDEX near ON movies (text) \
             WITH (m = 4, ef_construction = 8, ef = 4)"
                .to_string(),
        ),
        _ => ("update", format!("UPDATE movies SET title = 'n{n}' WHERE id = 'm1'")),
    }
}

#[test]
fn killed_at_random_points_nothing_acknowledged_is_lost() {
    let kills =
        std::env::var("TASTEDB_CRASH_KILLS").ok().and_then(|k| k.parse().ok()).unwrap_or(KILLS);
    let mut state = u64::from(std::process::id()) << 20 | 0x5bd1;
    let mut interrupted: BTreeSet<String> = BTreeSet::new();
    let mut counts = std::collections::BTreeMap::<String, u64>::new();
    let mut folder = tempfile::tempdir().expect("a folder");
    for round in 0..kills {
        if round % ROUNDS_PER_DATABASE == 0 {
            folder = tempfile::tempdir().expect("a folder");
            let db = Database::open_with(folder.path().join("db"), options()).expect("it opens");
            db.session().execute(schema()).expect("the schema is made");
        }
        let seed = next(&mut state);
        let child = spawn(folder.path(), round);
        let killed_in = kill_after(child, folder.path(), Duration::from_micros(seed % 60_000));
        *counts.entry(killed_in.clone()).or_default() += 1;
        interrupted.insert(killed_in);
        verify(folder.path(), round);
    }
    for kind in ["insert", "copy", "train", "seal", "index"] {
        assert!(
            interrupted.contains(kind),
            "no kill fell into {kind} (round seed {state:#x}): {counts:?}"
        );
    }
}

fn spawn(folder: &Path, round: u64) -> Child {
    Command::new(std::env::current_exe().expect("our own path"))
        .args(["--exact", "crash::the_process_that_is_killed", "--nocapture"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdout(Stdio::null())
        .stderr(File::create(folder.join("stderr")).expect("a file"))
        .spawn()
        .expect("the child starts")
}

/// Waits until the child works, lets it work for a while, kills it, and tells what it was at.
fn kill_after(mut child: Child, folder: &Path, work: Duration) -> String {
    let log = folder.join("acknowledged");
    let before = fs::read_to_string(&log).unwrap_or_default().len();
    let mut waited = 0;
    while fs::read_to_string(&log).unwrap_or_default().len() == before {
        thread::sleep(Duration::from_millis(2));
        waited += 1;
        let ended = child.try_wait().expect("the child can be asked");
        assert!(
            ended.is_none() && waited < 30_000,
            "the child did not start working: {}",
            fs::read_to_string(folder.join("stderr")).unwrap_or_default()
        );
    }
    thread::sleep(work);
    child.kill().expect("the child is killed");
    child.wait().expect("the child is gone");
    let text = fs::read_to_string(&log).expect("the log is there");
    let stderr = fs::read_to_string(folder.join("stderr")).unwrap_or_default();
    assert!(!stderr.contains("panicked"), "the child failed by itself: {stderr}");
    match last_line(&text).split_whitespace().collect::<Vec<_>>()[..] {
        ["begin", kind, _] => kind.to_string(),
        _ => "between".to_string(),
    }
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or("")
}

/// Everything acknowledged is there, whole; what was interrupted is there whole or not at all.
fn verify(folder: &Path, round: u64) {
    let path = folder.join("db");
    let report = Database::check(&path).expect("the check runs");
    assert!(report.problems.is_empty(), "round {round}: {:?}", report.problems);

    let db = Database::open_with(&path, options()).expect("the database opens");
    let mut session = db.session();
    let log = fs::read_to_string(folder.join("acknowledged")).expect("the log");
    let (mut inserts, mut copies, mut seals, mut pairs) = (0, 0, 0, 0);
    let mut title = "one".to_string();
    for line in log.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["done", "insert", _] => inserts += 1,
            ["done", "copy", _] => copies += 1,
            ["done", "seal", _] => seals += 1,
            ["done", "transaction", _] => pairs += 1,
            ["done", "update", n] => title = format!("n{n}"),
            _ => {}
        }
    }
    // Every kill may have left one statement that was durable but not yet acknowledged.
    let kills = log.lines().filter(|line| line.starts_with("begin open")).count() as u64;
    let within = |what: &str, actual: u64, acknowledged: u64| {
        assert!(
            actual >= acknowledged && actual <= acknowledged + kills,
            "round {round}: {what}: {actual} in the database, {acknowledged} acknowledged"
        );
    };
    let count = |session: &mut Session, sql: &str| number(session, sql);
    let singles = "SELECT count(*) FROM clicks WHERE n >= 0 AND user_id NOT IN ('a', 'b')";
    within("inserts", count(&mut session, singles), inserts);
    let bulk = count(&mut session, "SELECT count(*) FROM bulk");
    assert_eq!(bulk % COPY_ROWS, 0, "round {round}: a COPY was cut in two");
    within("copies", bulk / COPY_ROWS, copies);
    let vectors = count(&mut session, "SELECT count(*) FROM movies WHERE id LIKE 'v%'");
    assert_eq!(vectors % VECTORS, 0, "round {round}: an INSERT was cut in two");
    within("sealed inserts", vectors / VECTORS, seals);
    let words = count(&mut session, "SELECT count(words) FROM movies WHERE id LIKE 'v%'");
    assert_eq!(words, vectors, "round {round}: rows without the vectors of their text");
    let a = count(&mut session, "SELECT count(*) FROM clicks WHERE user_id = 'a'");
    let b = count(&mut session, "SELECT count(*) FROM clicks WHERE user_id = 'b'");
    assert_eq!(a, b, "round {round}: a transaction was cut in two");
    within("transactions", a, pairs);
    let stored = &cells(&mut session, "SELECT title FROM movies WHERE id = 'm1'")[0][0];
    let interrupted_update =
        last_line(&log).strip_prefix("begin update ").is_some_and(|n| *stored == format!("n{n}"));
    let older = interrupted_update || *stored == title || is_newer(stored, &title);
    assert!(older, "round {round}: the title is {stored}, {title} was acknowledged");
    let served = cells(
        &mut session,
        "RECOMMEND movies FOR USER 'u0' USING k LIMIT 3 WITH (seen = 'include')",
    );
    assert_eq!(served.len(), 3, "round {round}: the model serves");
    let near = cells(
        &mut session,
        "RECOMMEND id FROM movies FOR VECTOR (text => '[1, 1, 1, 1, 1, 1, 1, 2]') LIMIT 7",
    );
    let movies = count(&mut session, "SELECT count(*) FROM movies");
    assert_eq!(near.len() as u64, movies.min(7), "round {round}: all rows that there are");
    let state = &cells(&mut session, "SELECT state FROM indexes")[0][0];
    assert_eq!(state, "ready", "round {round}: an index without its file");
}

/// An update that an earlier kill interrupted may stand, if no later one was acknowledged.
fn is_newer(stored: &str, acknowledged: &str) -> bool {
    let number = |title: &str| title.strip_prefix('n').and_then(|n| n.parse::<u64>().ok());
    match (number(stored), number(acknowledged)) {
        (Some(stored), Some(acknowledged)) => stored > acknowledged,
        (Some(_), None) => true,
        _ => false,
    }
}
