//! EXPORT DATABASE and IMPORT DATABASE: everything comes back, or nothing does.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tastedb_engine::{CancelToken, Progress};

use super::support::{fails, rows, run, shop, sql, tag};
use crate::Session;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn export(session: &mut Session, path: &Path) -> String {
    tag(session, &format!("EXPORT DATABASE '{}'", path.display()))
}

fn import(path: &Path) -> String {
    format!("IMPORT DATABASE '{}'", path.display())
}

/// A database with every type, every option, and values that are easily lost on the way.
fn everything() -> Session {
    let mut session = sql().session();
    run(
        &mut session,
        r#"CREATE TABLE "People of 世界" (
             name TEXT NOT NULL DEFAULT 'it''''s "x" \', "Key" BIGINT PRIMARY KEY, born DATE,
             made TIMESTAMP DEFAULT now(), since TIMESTAMP DEFAULT TIMESTAMP '1969-07-20 20:17:40.5',
             ok BOOL DEFAULT true, n INT DEFAULT -5, big BIGINT, x REAL DEFAULT 0.5, y DOUBLE,
             tags TEXT[] DEFAULT ARRAY['a', 'it''s, {b}'], face HALFVEC(2)
           ) WITH (role = 'user');
         CREATE TABLE films (
             id TEXT PRIMARY KEY, title TEXT, genres TEXT[], text VECTOR(3), image VECTOR(2)
           ) WITH (role = 'item');
         CREATE TABLE empty (id TEXT PRIMARY KEY, text VECTOR(2)) WITH (role = 'item');
         CREATE TABLE log (
             who BIGINT REFERENCES "People of 世界", what TEXT REFERENCES films,
             kind TEXT DEFAULT 'view', weight DOUBLE, ts TIMESTAMP
           ) WITH (role = 'interaction', on_unknown = 'create');
         CREATE TABLE shelf (
             film TEXT REFERENCES films, place INT NOT NULL, note TEXT,
             owner BIGINT REFERENCES "People of 世界", PRIMARY KEY (owner, film, place)
           ) WITH (role = 'interaction');
         INSERT INTO "People of 世界" ("Key") VALUES (1), (-9223372036854775808);
         INSERT INTO "People of 世界" VALUES
           ('', 3, DATE '1899-12-31', TIMESTAMP '1969-12-31 23:59:59.999999', NULL, false,
            -2147483648, 9223372036854775807, 'NaN', 1e300, '{}', '[65504, -0.25]'),
           ('Zoë 🎬' || chr(10) || '千と千尋, "q" | \', 4, NULL, NULL, NULL, NULL, NULL, NULL,
            '-inf', -0.0, NULL, NULL);
         INSERT INTO films VALUES
           ('a|b', 'Amélie', ARRAY['Comédie', 'a|b', '', 'c,d', '"q"'], '[1, 2.5, -3]', NULL),
           ('2', '', '{}', NULL, '[0.1, 1e-30]'),
           ('🎬', NULL, NULL, NULL, NULL),
           ('gone', 'gone', NULL, '[1, 1, 1]', NULL);
         DELETE FROM films WHERE id = 'gone';
         INSERT INTO log VALUES
           (3, '2', 'click', 0.1, TIMESTAMP '2001-02-03 04:05:06.000007'),
           (1, 'a|b', NULL, NULL, NULL), (3, 'a|b', DEFAULT, 5, NULL),
           (3, '2', 'click', 0.1, NULL), (77, 'new', 'view', 1, NULL);
         INSERT INTO shelf VALUES ('2', 1, NULL, 1), ('2', 2, 'two', 1), ('🎬', -1, '', 4);
         CREATE MODEL "taste-1" USING item_knn ON log WEIGHT weight * 2
           WHERE kind <> 'it''s' AND weight > -1 WITH (k = 7, weighting = 'cosine');
         CREATE MODEL alike USING content ON shelf WITH (modalities = 'text');
         CREATE MODEL linear USING ease ON log
           WITH (lambda = 2.5, refresh = 'auto', refresh_events = 50)"#,
    );
    session
}

/// Rows of all tables: four films, five people, five and three interactions.
const ROWS: u64 = 17;

const LOOKS: [&str; 12] = [
    "SHOW TABLES",
    "SHOW MODELS",
    r#"DESCRIBE "People of 世界""#,
    "DESCRIBE films",
    "DESCRIBE empty",
    "DESCRIBE log",
    "DESCRIBE shelf",
    r#"SELECT * FROM "People of 世界" ORDER BY "Key""#,
    "SELECT * FROM films",
    "SELECT * FROM empty",
    "SELECT * FROM log",
    "SELECT * FROM shelf",
];

#[test]
fn everything_comes_back_from_an_export() {
    let dir = folder();
    let mut session = everything();
    let path = dir.path().join("export");
    assert_eq!(export(&mut session, &path), format!("EXPORT {ROWS}"));
    let mut other = sql().session();
    assert_eq!(tag(&mut other, &import(&path)), format!("IMPORT {ROWS}"));
    for look in LOOKS {
        assert_eq!(rows(&mut other, look), rows(&mut session, look), "{look}");
    }
    // An export of the import is the same script.
    let again = dir.path().join("again");
    export(&mut other, &again);
    let script = |path: &Path| fs::read_to_string(path.join("schema.sql")).expect("reads");
    assert_eq!(script(&again), script(&path));
    // What is imported works: defaults, keys, unknown users, models.
    for session in [&mut session, &mut other] {
        run(session, r#"INSERT INTO "People of 世界" ("Key") VALUES (99)"#);
        run(session, "INSERT INTO shelf VALUES ('2', 1, 'changed', 1)");
        run(session, "INSERT INTO log (who, what) VALUES (100, 'more')");
        run(session, "TRAIN MODEL \"taste-1\"; TRAIN MODEL linear");
    }
    for look in LOOKS.iter().filter(|look| **look != "SHOW MODELS") {
        assert_eq!(rows(&mut other, look), rows(&mut session, look), "{look}");
    }
    let ask = "RECOMMEND films FOR USER 3 USING linear LIMIT 5 WITH (seen = 'include')";
    assert_eq!(rows(&mut other, ask), rows(&mut session, ask));
}

#[test]
fn an_import_takes_an_export_and_an_empty_database() {
    let dir = folder();
    let mut session = shop();
    let path = dir.path().join("export");
    assert_eq!(export(&mut session, &path), "EXPORT 11");
    let again = format!("EXPORT DATABASE '{}'", path.display());
    assert!(fails(&mut session, &again).starts_with("TD0408"));
    assert!(fails(&mut session, &import(&path)).starts_with("TD0212"));
    assert!(fails(&mut session, &import(dir.path())).starts_with("TD0410"));
    assert!(fails(&mut session, &import(&dir.path().join("none"))).starts_with("TD0401"));
}

/// That a failed import left a database as it was: empty, without an open transaction.
fn is_empty(session: &mut Session) {
    assert!(!session.in_transaction());
    assert_eq!(rows(session, "SHOW TABLES"), "");
    assert_eq!(rows(session, "SHOW MODELS"), "");
}

#[test]
fn a_failed_import_leaves_nothing_behind() {
    let dir = folder();
    let path = dir.path().join("export");
    export(&mut everything(), &path);
    let mut session = sql().session();
    // A file that is missing, and one that is cut short: the last of the tables, after the others.
    let file = path.join("shelf.parquet");
    let whole = fs::read(&file).expect("reads");
    fs::remove_file(&file).expect("removes");
    let error = fails(&mut session, &import(&path));
    assert!(error.starts_with("TD0401") && error.contains("shelf.parquet"), "{error}");
    is_empty(&mut session);
    fs::write(&file, &whole[..whole.len() / 2]).expect("writes");
    assert!(fails(&mut session, &import(&path)).starts_with("TD0409"));
    is_empty(&mut session);
    fs::write(&file, &whole).expect("writes");
    // A script that is wrong in its last statement, and one that would end the transaction.
    let script = path.join("schema.sql");
    let sql = fs::read_to_string(&script).expect("reads");
    fs::write(&script, format!("{sql}CREATE MODEL x USING esae ON log;\n")).expect("writes");
    let error = fails(&mut session, &import(&path));
    assert!(error.starts_with("TD0206") && error.contains("schema.sql, line "), "{error}");
    assert!(error.contains("did you mean `ease`?"), "{error}");
    assert!(error.ends_with(&format!("@'{}'", path.display())), "{error}");
    is_empty(&mut session);
    fs::write(&script, format!("{sql}COMMIT;\nSELECT 1;\n")).expect("writes");
    let error = fails(&mut session, &import(&path));
    assert!(error.starts_with("TD0410") && error.contains("COMMIT"), "{error}");
    is_empty(&mut session);
    fs::write(&script, &sql).expect("writes");
    // In a transaction it could not be undone alone.
    let error = fails(&mut session, &format!("BEGIN; {}", import(&path)));
    assert!(error.starts_with("TD0502"), "{error}");
    run(&mut session, "ROLLBACK");
    is_empty(&mut session);
    assert_eq!(tag(&mut session, &import(&path)), format!("IMPORT {ROWS}"));
}

/// Cancels the work at its first report.
struct Cancel(CancelToken);

impl Progress for Cancel {
    fn report(&self, _stage: &str, _done: u64, _total: u64, _note: &str) {
        self.0.cancel();
    }
}

#[test]
fn a_failed_export_leaves_no_folder_behind() {
    let dir = folder();
    let mut session = shop();
    let path = dir.path().join("new").join("export");
    session.set_progress(Arc::new(Cancel(session.cancel_token())));
    let sql = format!("EXPORT DATABASE '{}'", path.display());
    assert!(fails(&mut session, &sql).starts_with("TD0507"));
    session.reset_cancel();
    assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 0);
    // A folder that was there stays, as empty as it was.
    fs::create_dir_all(&path).expect("makes");
    session.set_progress(Arc::new(Cancel(session.cancel_token())));
    assert!(fails(&mut session, &sql).starts_with("TD0507"));
    session.reset_cancel();
    assert_eq!(fs::read_dir(&path).expect("lists").count(), 0);
    session.set_progress(Arc::new(tastedb_engine::Silent));
    assert_eq!(export(&mut session, &path), "EXPORT 11");
}

#[test]
fn a_cancelled_import_leaves_nothing_behind() {
    let dir = folder();
    let path = dir.path().join("export");
    export(&mut shop(), &path);
    let mut session = sql().session();
    session.set_progress(Arc::new(Cancel(session.cancel_token())));
    assert!(fails(&mut session, &import(&path)).starts_with("TD0507"));
    session.reset_cancel();
    is_empty(&mut session);
    session.set_progress(Arc::new(tastedb_engine::Silent));
    assert_eq!(tag(&mut session, &import(&path)), "IMPORT 11");
}
