//! The error codes that no script reaches: another process, a damaged file, a full disk, a
//! statement that is cancelled or overtaken. Each is reached by name, through the facade.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tastedb::{CancelToken, Create, Database, Error, ErrorKind, Options, Progress, Session};
use tastedb_query::Sql;
use tastedb_storage::directory::{Fault, FaultDirectory, MemDirectory, OsDirectory};
use tastedb_storage::format_file::{FORMAT_VERSION, Format};
use tastedb_storage::kv::{FaultKv, Kv, KvOptions, RocksKv};
use tastedb_storage::{Read, Store};

use crate::support::{cells, number};

const SCHEMA: &str = "
    CREATE TABLE people (id TEXT PRIMARY KEY) WITH (role = 'user');
    CREATE TABLE movies (id TEXT PRIMARY KEY, v VECTOR(2)) WITH (role = 'item');
    CREATE TABLE likes (u TEXT REFERENCES people, i TEXT REFERENCES movies);
    INSERT INTO people VALUES ('u1'), ('u2');
    INSERT INTO movies VALUES ('m1', '[1, 0]'), ('m2', '[0, 1]'), ('m3', NULL);
    INSERT INTO likes VALUES ('u1', 'm1'), ('u1', 'm2'), ('u2', 'm1');
    CREATE MODEL knn USING item_knn ON likes";

/// The code of an error, whatever layer it comes from.
#[track_caller]
fn code<T, E: Into<Error>>(result: Result<T, E>) -> &'static str {
    match result {
        Ok(_) => panic!("an error was expected"),
        Err(error) => error.into().code(),
    }
}

/// A database on disk with the schema, closed again.
fn closed() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("db");
    let db = Database::open(&path).expect("it opens");
    db.session().execute(&format!("{SCHEMA}; TRAIN MODEL knn")).expect("the schema is made");
    (folder, path)
}

/// The SQL of a store whose files or log can be made to fail.
fn faulty() -> (Sql, Store, Arc<FaultKv>, FaultDirectory) {
    let rocks = RocksKv::in_memory(&KvOptions::default()).expect("it opens");
    let kv = Arc::new(FaultKv::new(Arc::new(rocks)));
    let dir = FaultDirectory::new(Arc::new(MemDirectory::new()));
    let options = tastedb_storage::Options {
        // So little that a second vector is sealed in the midst of a statement.
        seal_bytes: 12,
        ..tastedb_storage::Options::default()
    };
    let store = Store::from_parts(Arc::clone(&kv) as Arc<dyn Kv>, Arc::new(dir.clone()), options)
        .expect("it opens");
    let settings = tastedb_query::Options { threads: 1, memory: None, clock: Arc::new(|| 0) };
    let sql = Sql::new(store.clone(), settings).expect("a query layer");
    sql.session().execute(SCHEMA).expect("the schema is made");
    (sql, store, kv, dir)
}

/// The one published file of a model.
fn model_file(path: &Path) -> PathBuf {
    let mut files = fs::read_dir(path.join("models/knn")).expect("the model is there");
    files.next().expect("a file").expect("an entry").path()
}

fn flip_last_byte(file: &Path) {
    let mut bytes = fs::read(file).expect("the file is there");
    *bytes.last_mut().expect("it is not empty") ^= 0xff;
    fs::write(file, bytes).expect("the file is written");
}

#[test]
fn a_database_that_is_open_elsewhere() {
    let (_folder, path) = closed();
    let db = Database::open(&path).expect("it opens");
    let second = Database::open(&path).expect_err("one process opens it");
    assert_eq!((second.code(), second.kind()), ("TD0504", ErrorKind::Locked));
    assert!(second.is_retryable());
    drop(db);
    Database::open(&path).expect("it is free again");
}

#[test]
fn a_database_opened_for_reading() {
    let (_folder, path) = closed();
    let db = Database::open_with(&path, Options::new().read_only(true)).expect("it opens");
    let mut session = db.session();
    for statement in [
        "INSERT INTO people VALUES ('u3')",
        "UPDATE movies SET v = NULL",
        "DELETE FROM likes",
        "BEGIN",
        "CREATE TABLE t (id TEXT PRIMARY KEY) WITH (role = 'user')",
        "ALTER TABLE people ADD n INT",
        "DROP MODEL knn",
        "TRAIN MODEL knn",
    ] {
        assert_eq!(code(session.execute(statement)), "TD0506", "{statement}");
    }
    assert_eq!(code(db.begin_write()), "TD0506");
    assert_eq!(number(&mut session, "SELECT count(*) FROM likes"), 3);
    assert_eq!(cells(&mut session, "RECOMMEND id FROM movies FOR USER 'u2' USING knn")[0], ["m2"]);
}

#[test]
fn what_is_at_the_path() {
    let (folder, path) = closed();
    let never = || Options::new().create(Create::Never);
    let new = || Options::new().create(Create::MustBeNew);
    assert_eq!(code(Database::open_with(folder.path().join("other"), never())), "TD0806");
    assert_eq!(code(Database::open_with(&path, new())), "TD0807");
    assert_eq!(code(Database::restore(&path, &path)), "TD0807");
    let other = folder.path().join("photos");
    fs::create_dir(&other).expect("a folder");
    fs::write(other.join("cat.jpg"), "meow").expect("a file");
    assert_eq!(code(Database::open(&other)), "TD0805");
    assert_eq!(code(Database::open(other.join("cat.jpg").join("db"))), "TD0801");
}

#[test]
fn a_database_of_a_newer_version() {
    let (_folder, path) = closed();
    let dir = OsDirectory::open(&path).expect("the folder opens");
    let mut format = Format::read(&dir).expect("it reads").expect("it is there");
    format.version = FORMAT_VERSION + 1;
    format.oldest_reader = FORMAT_VERSION + 1;
    format.write(&dir).expect("it is written");
    let error = Database::open(&path).expect_err("it is too new");
    assert_eq!((error.code(), error.kind()), ("TD0804", ErrorKind::Unsupported));
}

#[test]
fn a_damaged_file_of_the_database() {
    let (_folder, path) = closed();
    flip_last_byte(&model_file(&path));
    let asked = Database::open(&path)
        .and_then(|db| db.session().execute("RECOMMEND movies FOR USER 'u2' USING knn"));
    let error = asked.expect_err("the model's file is damaged");
    assert_eq!((error.code(), error.kind()), ("TD0803", ErrorKind::Corrupted));
    flip_last_byte(&path.join("FORMAT"));
    assert_eq!(code(Database::open(&path)), "TD0803");
}

/// The bytes are those that were written, but they were never a model.
#[test]
fn a_saved_model_that_makes_no_sense() {
    use std::io::Write;
    let (_folder, path) = closed();
    let store = Store::open(&path, tastedb_storage::Options::default()).expect("it opens");
    let mut staged = store.stage("knn").expect("a file begins");
    staged.write_all(b"no model at all").expect("it is written");
    let staged = staged.finish().expect("it is synced");
    let mut txn = store.begin().expect("it begins");
    txn.publish(staged).expect("it is published");
    txn.commit().expect("it commits");
    drop(store);
    let db = Database::open(&path).expect("it opens");
    let mut session = db.session();
    let asked = session.execute("RECOMMEND movies FOR USER 'u2' USING knn");
    assert_eq!(code(asked), "TD0605");
    // Training makes a new file.
    session.execute("TRAIN MODEL knn").expect("it trains");
    session.execute("RECOMMEND movies FOR USER 'u2' USING knn").expect("it answers");
}

#[test]
fn a_file_that_cannot_be_written() {
    let (sql, _store, _kv, dir) = faulty();
    let mut session = sql.session();
    dir.fail_from(None, 1, Fault::Io);
    assert_eq!(code(session.execute("TRAIN MODEL knn")), "TD0801");
    dir.fail_from(None, 1, Fault::NoSpace);
    let full: Error = session.execute("TRAIN MODEL knn").expect_err("the disk is full").into();
    assert_eq!((full.code(), full.kind()), ("TD0801", ErrorKind::Io));
    assert!(full.next_step().is_some_and(|step| step.contains("disk is full")), "{full:?}");
    dir.heal();
    session.execute("TRAIN MODEL knn").expect("it trains now");
}

#[test]
fn a_log_that_cannot_be_written() {
    let (sql, _store, kv, _dir) = faulty();
    let mut session = sql.session();
    kv.fail_after(0);
    assert_eq!(code(session.execute("INSERT INTO people VALUES ('u3')")), "TD0802");
    // What is durable is unknown now: nothing more is written, reading goes on.
    kv.fail_after(u32::MAX);
    let after: Error =
        session.execute("INSERT INTO people VALUES ('u4')").expect_err("it is poisoned").into();
    assert_eq!((after.code(), after.kind()), ("TD0808", ErrorKind::Poisoned));
    session.execute("SELECT * FROM people").expect("it reads");
}

/// SQL undoes a statement that failed half-way; a transaction of the layer below cannot go on.
#[test]
fn a_transaction_that_failed_half_way() {
    let (sql, store, _kv, dir) = faulty();
    let snapshot = store.snapshot();
    let movies = snapshot.catalog().table("movies").expect("the table is there");
    let column = movies.column("v").expect("the column is there").id;
    let item = |key| snapshot.lookup(movies.id, key).expect("it reads").expect("it is there");
    let mut txn = store.begin().expect("it begins");
    dir.fail_from(None, 1, Fault::Io);
    let put = ["m1", "m2", "m3"]
        .into_iter()
        .try_for_each(|key| txn.put_embedding(movies.id, column, item(key), &[1.0, 2.0]));
    assert_eq!(code(put), "TD0801");
    dir.heal();
    assert_eq!(code(txn.commit()), "TD0505");
    let mut session = sql.session();
    session.execute("BEGIN").expect("it begins");
    dir.fail_from(None, 1, Fault::Io);
    let update = "UPDATE movies SET v = '[1, 1]'";
    assert_eq!(code(session.execute(update)), "TD0801");
    dir.heal();
    session.execute(update).expect("the statement before was undone");
    session.execute("COMMIT").expect("the transaction goes on");
}

/// Does something at the first report of a long statement.
struct Once<F>(AtomicBool, F);

impl<F: Fn() + Send + Sync> Progress for Once<F> {
    fn report(&self, _stage: &str, _done: u64, _total: u64, _note: &str) {
        if !self.0.swap(true, Ordering::SeqCst) {
            (self.1)();
        }
    }
}

fn at_the_first_report(session: &mut Session, act: impl Fn() + Send + Sync + 'static) {
    session.set_progress(Arc::new(Once(AtomicBool::new(false), act)));
}

#[test]
fn a_statement_that_is_cancelled() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = Database::in_memory().expect("it opens");
    let mut session = db.session();
    session.execute(SCHEMA).expect("the schema is made");
    let rows: String = (0..40_000).map(|n| format!("c{n}\n")).collect();
    let file = folder.path().join("people.csv");
    fs::write(&file, format!("id\n{rows}")).expect("a file");

    let token: CancelToken = session.cancel_token();
    at_the_first_report(&mut session, move || token.cancel());
    let copied = session.execute(&format!("COPY people FROM '{}'", file.display()));
    let error = copied.expect_err("it was cancelled");
    assert_eq!((error.code(), error.kind()), ("TD0507", ErrorKind::Cancelled));
    assert_eq!(code(session.execute("SELECT 1")), "TD0507");

    let token = session.reset_cancel();
    assert_eq!(number(&mut session, "SELECT count(*) FROM people"), 2);
    at_the_first_report(&mut session, move || token.cancel());
    assert_eq!(code(session.execute("TRAIN MODEL knn")), "TD0507");
    session.reset_cancel();
    assert_eq!(code(session.execute("RECOMMEND movies FOR USER 'u2' USING knn")), "TD0601");
}

#[test]
fn a_training_that_is_overtaken() {
    let db = Database::in_memory().expect("it opens");
    let mut session = db.session();
    session.execute(SCHEMA).expect("the schema is made");
    let other = Mutex::new(db.session());
    at_the_first_report(&mut session, move || {
        let mut other = other.lock().expect("one report at a time");
        let replace = "CREATE OR REPLACE MODEL knn USING item_knn ON likes WITH (k = 1)";
        other.execute(replace).expect("the model is replaced");
    });
    let error = session.execute("TRAIN MODEL knn").expect_err("the model is another");
    assert_eq!((error.code(), error.kind()), ("TD0508", ErrorKind::Conflict));
    assert!(error.is_retryable());
    session.execute("TRAIN MODEL knn").expect("it trains again");
}

#[test]
fn a_query_that_needs_too_much_memory() {
    let db = Database::in_memory_with(Options::new().query_memory(1 << 20)).expect("it opens");
    let mut session = db.session();
    session.execute(SCHEMA).expect("the schema is made");
    let rows: Vec<String> = (0..400).map(|n| format!("('c{n}')")).collect();
    session.execute(&format!("INSERT INTO people VALUES {}", rows.join(", "))).expect("rows");
    let sorted = "SELECT a.id || '/' || b.id AS pair FROM people a, people b ORDER BY pair DESC";
    let error = session.execute(sorted).expect_err("it does not fit");
    assert_eq!((error.code(), error.kind()), ("TD0810", ErrorKind::Unavailable));
    // The memory is free again.
    assert_eq!(number(&mut session, "SELECT count(*) FROM people"), 402);
}

/// A script says so by another connection; a program has a timeout of its own.
#[test]
fn a_writer_that_waits_in_vain() {
    let options = Options::new().busy_timeout(Duration::from_millis(5));
    let db = Database::in_memory_with(options).expect("it opens");
    let _first = db.begin_write().expect("it begins");
    let error = db.begin_write().expect_err("one writes at a time");
    assert_eq!(error.code(), "TD0503");
    assert!(error.is_retryable());
}
