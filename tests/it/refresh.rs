//! Models that the database refreshes by itself: when, what happens to writers and on closing, and
//! what is told when it fails.

use std::path::Path;
use std::time::{Duration, Instant};

use tastedb::{Database, Session};

use crate::support::{cells, number};

const SCHEMA: &str = "
    CREATE TABLE people (id TEXT PRIMARY KEY) WITH (role = 'user');
    CREATE TABLE movies (id TEXT PRIMARY KEY, v VECTOR(2)) WITH (role = 'item');
    CREATE TABLE likes (u TEXT REFERENCES people, i TEXT REFERENCES movies)
      WITH (role = 'interaction', on_unknown = 'create');
    INSERT INTO likes VALUES ('u1', 'm1'), ('u1', 'm2'), ('u2', 'm1'), ('u2', 'm2'), ('u2', 'm3');";

/// Long enough for the slowest machine; what is waited for takes a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until a query gives what is wanted.
#[track_caller]
pub(crate) fn wait_for(session: &mut Session, sql: &str, wanted: impl Fn(&str) -> bool) -> String {
    let start = Instant::now();
    loop {
        let found = cells(session, sql)[0][0].clone();
        if wanted(&found) {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{sql} still gives {found}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn with_model(session: &mut Session, options: &str) {
    session.execute(SCHEMA).unwrap();
    let model =
        format!("CREATE MODEL knn USING item_knn ON likes WITH ({options}); TRAIN MODEL knn");
    session.execute(&model).unwrap();
}

const VERSION: &str = "SELECT version FROM models WHERE name = 'knn'";
const PAIRS: &str = "SELECT pairs FROM models WHERE name = 'knn'";

#[test]
fn events_beyond_the_threshold_refresh_a_model_without_a_statement() {
    let db = Database::in_memory().unwrap();
    let mut session = db.session();
    with_model(&mut session, "refresh = 'auto', refresh_events = 3, refresh_seconds = 100000");
    session.execute("INSERT INTO likes VALUES ('u3', 'm1'), ('u3', 'm4')").unwrap();
    // Two are not enough; the worker has had the time to look twice.
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(number(&mut session, VERSION), 1);
    session.execute("INSERT INTO likes VALUES ('u4', 'm4')").unwrap();
    wait_for(&mut session, PAIRS, |pairs| pairs == "8");
    assert_eq!(number(&mut session, VERSION), 2);
    let told = cells(&mut session, "SHOW TRAINING knn");
    let value = |name: &str| told.iter().find(|row| row[0] == name).map(|row| row[1].clone());
    assert_eq!(value("statement").as_deref(), Some("automatic refresh"));
    assert_eq!(value("refreshed from").as_deref(), Some("version 1"));
    assert!(value("new").unwrap().starts_with("since version 1: +2 users, +1 items, +3 pairs"));
}

#[test]
fn the_first_event_waits_so_long_at_most() {
    let db = Database::in_memory().unwrap();
    let mut session = db.session();
    with_model(&mut session, "refresh = 'auto', refresh_events = 1000000, refresh_seconds = 1");
    session.execute("INSERT INTO likes VALUES ('u3', 'm1')").unwrap();
    wait_for(&mut session, PAIRS, |pairs| pairs == "6");
}

#[test]
fn events_from_before_a_reopen_count() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    {
        let db = Database::open(&path).unwrap();
        let mut session = db.session();
        with_model(&mut session, "refresh = 'auto', refresh_events = 3, refresh_seconds = 100000");
        session.execute("INSERT INTO likes VALUES ('u3', 'm1'), ('u3', 'm2')").unwrap();
    }
    let db = Database::open(&path).unwrap();
    let mut session = db.session();
    assert_eq!(number(&mut session, VERSION), 1);
    session.execute("INSERT INTO likes VALUES ('u3', 'm3')").unwrap();
    wait_for(&mut session, PAIRS, |pairs| pairs == "8");
}

#[test]
fn a_database_is_closed_while_its_worker_works() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    for round in 0..12 {
        let db = Database::open(&path).unwrap();
        let mut session = db.session();
        if round == 0 {
            with_model(&mut session, "refresh = 'auto', refresh_events = 1, refresh_seconds = 1");
        }
        for at in 0..round {
            let click = format!("INSERT INTO likes VALUES ('u{round}', 'm{at}')");
            session.execute(&click).unwrap();
        }
        // Closed at some point of a refresh, or of the pause before it.
        std::thread::sleep(Duration::from_millis(round * 17));
        drop((session, db));
        sound(&path);
    }
}

fn sound(path: &Path) {
    let report = Database::check(path).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

#[test]
fn a_refresh_that_fails_is_told_with_the_model_until_one_succeeds() {
    let db = Database::in_memory().unwrap();
    let mut session = db.session();
    with_model(&mut session, "refresh = 'auto', refresh_events = 1, refresh_seconds = 1");
    let state = "SELECT refresh FROM models WHERE name = 'knn'";
    assert_eq!(cells(&mut session, state)[0][0], "auto");
    session.execute("DELETE FROM likes").unwrap();
    let failed = wait_for(&mut session, state, |state| state != "auto");
    assert!(failed.starts_with("auto, failed: `item_knn` cannot be trained"), "{failed}");
    let told = cells(&mut session, "SHOW TRAINING knn");
    assert!(told.iter().any(|row| row[0] == "last automatic refresh"), "{told:?}");
    // The old version serves; and it is tried again.
    assert_eq!(number(&mut session, VERSION), 1);
    session.execute("INSERT INTO likes VALUES ('u1', 'm1'), ('u2', 'm1'), ('u1', 'm2')").unwrap();
    wait_for(&mut session, state, |state| state == "auto");
    wait_for(&mut session, PAIRS, |pairs| pairs == "3");
}
