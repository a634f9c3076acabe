//! Indexes that the database builds by itself: after a transaction, when too much came since, and when
//! a file is lost.

use std::fs;

use tastedb::{Database, Session};

use crate::refresh::wait_for;
use crate::support::cells;

/// Inserts items with vectors around a circle.
fn insert(session: &mut Session, from: u32, n: u32) {
    let row = |at: u32| {
        let turn = f64::from(at) * 0.37;
        format!("('i{at}', '[{:.5}, {:.5}, 0.5]')", turn.sin(), turn.cos())
    };
    let rows: Vec<String> = (from..from + n).map(row).collect();
    session.execute(&format!("INSERT INTO items (id, v) VALUES {}", rows.join(", "))).unwrap();
}

const COVERED: &str = "SELECT covered FROM indexes";
const STATE: &str = "SELECT state FROM indexes";

#[test]
fn an_index_is_built_after_its_transaction_again_when_it_is_old_and_again_when_its_file_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let db = Database::open(&path).unwrap();
    let mut session = db.session();
    session
        .execute("CREATE TABLE items (id TEXT PRIMARY KEY, v VECTOR(3)) WITH (role = 'item')")
        .unwrap();
    insert(&mut session, 0, 400);
    session
        .execute("BEGIN; CREATE INDEX near ON items (v) WITH (m = 4, ef_construction = 20)")
        .unwrap();
    assert_eq!(cells(&mut session, STATE)[0][0], "not built");
    session.execute("COMMIT").unwrap();
    wait_for(&mut session, STATE, |state| state == "ready");
    wait_for(&mut session, COVERED, |covered| covered == "400");

    insert(&mut session, 400, 1100);
    let nearest = "RECOMMEND id FROM items FOR VECTOR (v => '[0, 1, 0.5]') LIMIT 1";
    assert_eq!(cells(&mut session, nearest)[0][0], "i0");
    wait_for(&mut session, COVERED, |covered| covered == "1500");
    drop(session);
    drop(db);

    let indexes = path.join("models/derived/index");
    assert!(indexes.is_dir());
    fs::remove_dir_all(&indexes).unwrap();
    let report = Database::check(&path).unwrap();
    assert!(report.problems.is_empty() && report.lost.len() == 1, "{report:?}");
    let db = Database::open(&path).unwrap();
    let mut session = db.session();
    assert_eq!(cells(&mut session, nearest)[0][0], "i0");
    wait_for(&mut session, STATE, |state| state == "ready");
    assert_eq!(cells(&mut session, COVERED)[0][0], "1500");
}
