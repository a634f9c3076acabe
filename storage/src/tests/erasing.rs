//! Erasing: after it, no file holds what was deleted before, wherever it had been; and where it fails,
//! nothing that stays is lost and a second try succeeds.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::directory::{Directory, Fault, FaultDirectory, MemDirectory, OsDirectory, walk};
use crate::error::Error;
use crate::key;
use crate::kv::{FaultKv, Kv, KvOptions, RocksKv};
use crate::read::Read;
use crate::segment::SEGMENTS_DIR;

const PERSON: &str = "person-to-be-forgotten";
const THING: &str = "thing-to-be-forgotten";

fn open(path: &Path) -> Store {
    Store::open(path, small()).expect("opens")
}

/// Rows with a distinctive number each, so that its bytes occur nowhere by chance.
fn image(n: u64) -> [f32; 3] {
    [1.0 / 3.0 + n as f32, -7.0 / 11.0, (n + 1) as f32 / 9.0]
}

/// People and things with histories and vectors; those to be forgotten are among them.
fn fill(store: &Store, round: u64) -> (Tables, UserId, ItemId) {
    let mut txn = store.begin().expect("begins");
    let tables = match txn.catalog().table("users").map(|table| table.id) {
        None => create_tables(&mut txn),
        Some(users) => {
            let id = |name| txn.catalog().table(name).expect("created together").id;
            Tables { users, items: id("items"), clicks: id("clicks"), ratings: id("ratings") }
        }
    };
    let person = put_user(&mut txn, tables, PERSON);
    let thing = put_item(&mut txn, tables, THING);
    for n in 0..12 {
        let user = put_user(&mut txn, tables, &format!("u{round}.{n}"));
        let item = put_item(&mut txn, tables, &format!("i{round}.{n}"));
        txn.put_embedding(tables.items, IMAGE, item.0, &image(100 + n)).expect("put");
        for (user, item) in [(user, item), (person, item), (user, thing)] {
            let weight = [(WEIGHT, Value::Real(0.375))];
            txn.record_interaction(tables.clicks, user, item, &weight).expect("recorded");
        }
    }
    txn.put_embedding(tables.items, IMAGE, thing.0, &image(1)).expect("put");
    txn.commit().expect("commits");
    (tables, person, thing)
}

/// The files that hold any of some bytes.
fn holders(root: &Path, needles: &[Vec<u8>]) -> Vec<String> {
    let dir = OsDirectory::open(root).expect("opens");
    let names = walk(&dir, "").expect("walks").into_iter().map(|(name, _)| name);
    let holds = |name: &String| {
        let bytes = dir.open(name).expect("opens");
        needles.iter().any(|needle| bytes.windows(needle.len()).any(|window| window == needle))
    };
    names.filter(holds).collect()
}

/// What may not be in any file: keys, keys of rows and lists, vectors.
fn needles(tables: Tables, person: UserId, thing: ItemId) -> Vec<Vec<u8>> {
    let vector: Vec<u8> = image(1).iter().flat_map(|value| value.to_le_bytes()).collect();
    vec![
        PERSON.as_bytes().to_vec(),
        THING.as_bytes().to_vec(),
        key::entity(tables.users, person.0).to_vec(),
        key::entity(tables.items, thing.0).to_vec(),
        key::entity(tables.clicks, person.0).to_vec(),
        key::entity(tables.clicks, thing.0).to_vec(),
        vector,
    ]
}

fn delete(store: &Store, tables: Tables, person: UserId, thing: ItemId) {
    in_txn(store, |txn| {
        assert!(txn.delete_row(tables.users, person.0).expect("deletes").existed);
        assert!(txn.delete_row(tables.items, thing.0).expect("deletes").existed);
    });
}

#[test]
fn what_was_deleted_is_in_no_file_wherever_it_was() {
    // Only in the log and pending; in sorted files and segments; merged and reopened in between.
    for depth in 0..3 {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("db");
        let mut store = open(&path);
        // The numbers of the forgotten are such that their keys occur nowhere by chance.
        in_txn(&store, |txn| {
            let tables = create_tables(txn);
            for n in 0..300 {
                put_user(txn, tables, &format!("early{n}"));
                put_item(txn, tables, &format!("early{n}"));
            }
        });
        let (tables, person, thing) = fill(&store, 0);
        for round in 1..3 {
            match depth {
                0 => {}
                1 => store.flush().expect("flushes"),
                _ => {
                    store.compact().expect("compacts");
                    drop(store);
                    store = open(&path);
                }
            }
            fill(&store, round);
        }
        let needles = needles(tables, person, thing);
        assert!(!holders(&path, &needles).is_empty(), "depth {depth}");
        delete(&store, tables, person, thing);
        store.erase(Duration::from_secs(60)).expect("erases");
        assert_eq!(holders(&path, &needles), Vec::<String>::new(), "depth {depth}");
        let prints = [PERSON, THING, "u1.3"].map(|key| store.fingerprint(key.as_bytes()));
        let searched = store.search(&prints).expect("searches");
        assert!(searched.found.iter().all(|found| found.which == 2), "{searched:?}");
        assert!(!searched.found.is_empty() && searched.files > 5 && searched.records > 50);
        assert!(store.check().expect("checks").is_sound());
        drop(store);
        let store = open(&path);
        assert_eq!(holders(&path, &needles), Vec::<String>::new(), "reopened at depth {depth}");
        let kept = store.snapshot().lookup(tables.items, "i2.11").expect("reads");
        let kept = store.snapshot().embedding(tables.items, IMAGE, kept.expect("kept"));
        assert_eq!(kept.expect("reads"), Some(image(111).to_vec()));
    }
}

#[test]
fn who_reads_an_older_state_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("db");
    let store = open(&path);
    let (tables, person, thing) = fill(&store, 0);
    let needles = needles(tables, person, thing)[..2].to_vec();
    let older = store.snapshot();
    delete(&store, tables, person, thing);
    let held = store.erase(Duration::from_millis(20)).expect_err("it is held");
    assert!(matches!(held, Error::Held { .. }), "{held}");
    assert_eq!(older.lookup(tables.users, PERSON).expect("reads"), Some(person.0));
    let waiting = store.clone();
    let thread = std::thread::spawn(move || waiting.erase(Duration::from_secs(60)));
    // Others come and go, and write.
    for round in 0..5 {
        let between = store.snapshot();
        in_txn(&store, |txn| put_user(txn, tables, &format!("late{round}")));
        drop(between);
    }
    drop(older);
    thread.join().expect("it ends").expect("it erases");
    assert_eq!(holders(&path, &needles), Vec::<String>::new());
    assert!(store.snapshot().lookup(tables.users, "late4").expect("reads").is_some());
}

#[test]
fn older_artifacts_go_too() {
    use std::io::Write;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("db");
    let store = open(&path);
    fill(&store, 0);
    for what in ["the-first-version", "the-second-version"] {
        let mut staged = store.stage("model").expect("stages");
        staged.write_all(what.as_bytes()).expect("writes");
        let staged = staged.finish().expect("finishes");
        in_txn(&store, |txn| txn.publish(staged).expect("publishes"));
    }
    // A file that could not be removed when its time came.
    std::fs::write(path.join("models/model/0000099999.art"), "a-left-version").expect("writes");
    store.erase(Duration::from_secs(60)).expect("erases");
    let holds = |what: &str| !holders(&path, &[what.as_bytes().to_vec()]).is_empty();
    assert!(!holds("the-first-version") && !holds("a-left-version"));
    assert!(holds("the-second-version"));
}

#[test]
fn a_file_operation_or_a_write_that_fails_loses_nothing_and_a_second_try_succeeds() {
    for of_log in [true, false] {
        let mut n = 1;
        loop {
            let rocks: Arc<dyn Kv> =
                Arc::new(RocksKv::in_memory(&KvOptions::default()).expect("opens"));
            let kv = Arc::new(FaultKv::new(Arc::clone(&rocks)));
            let inner: Arc<dyn Directory> = Arc::new(MemDirectory::new());
            let dir = Arc::new(FaultDirectory::new(Arc::clone(&inner)));
            let store = Store::from_parts(
                Arc::clone(&kv) as Arc<dyn Kv>,
                Arc::clone(&dir) as Arc<dyn Directory>,
                small(),
            )
            .expect("opens");
            let (tables, person, thing) = fill(&store, 0);
            delete(&store, tables, person, thing);
            match of_log {
                true => kv.fail_after(n - 1),
                false => dir.fail_from(None, u64::from(n), Fault::NoSpace),
            }
            let result = store.erase(Duration::from_secs(60));
            let injected = if of_log { result.is_err() } else { dir.injected() > 0 };
            drop(store);
            dir.heal();
            let store = Store::from_parts(rocks, Arc::clone(&inner), small()).expect("reopens");
            assert!(store.check().expect("checks").is_sound(), "fault {n}");
            store.erase(Duration::from_secs(60)).expect("erases");
            let count = walk(&*inner, SEGMENTS_DIR).expect("walks").len();
            assert_eq!(count, 1, "one segment is left of one column");
            let prints = [PERSON, THING].map(|key| store.fingerprint(key.as_bytes()));
            let searched = store.search(&prints).expect("searches");
            assert_eq!((searched.found.len(), searched.records > 20), (0, true));
            let item = store.snapshot().lookup(tables.items, "i0.11").expect("reads");
            let vector = store.snapshot().embedding(tables.items, IMAGE, item.expect("there"));
            assert_eq!(vector.expect("reads"), Some(image(111).to_vec()));
            if !injected {
                break;
            }
            n += 1;
        }
        assert!(n > 2, "{n} faults");
    }
}
