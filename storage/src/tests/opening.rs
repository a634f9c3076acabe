//! Opening and creating, and what is refused.

use std::path::Path;

use super::*;
use crate::error::Error;
use crate::read::Read;
use crate::store::Create;

fn open(path: &Path, create: Create) -> crate::Result<Store> {
    Store::open(path, Options { create, ..small() })
}

#[test]
fn creating_is_asked_for_or_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a/b/db");
    assert!(matches!(open(&path, Create::Never), Err(Error::NotFound { .. })));
    assert!(!path.exists());
    drop(open(&path, Create::MustBeNew).expect("creates"));
    assert!(matches!(open(&path, Create::MustBeNew), Err(Error::DatabaseExists { .. })));
    drop(open(&path, Create::Never).expect("opens"));
    drop(open(&path, Create::IfMissing).expect("opens"));
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).expect("made");
    assert!(matches!(open(&empty, Create::Never), Err(Error::NotFound { .. })));
    drop(open(&empty, Create::IfMissing).expect("creates in an empty directory"));
}

#[test]
fn a_directory_of_something_else_is_left_as_it_is() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("thesis.tex"), "precious").expect("writes");
    for create in [Create::IfMissing, Create::Never, Create::MustBeNew] {
        assert!(matches!(open(dir.path(), create), Err(Error::NotADatabase { .. })));
    }
    assert_eq!(std::fs::read_dir(dir.path()).expect("reads").count(), 1);
    let file = dir.path().join("thesis.tex");
    assert!(matches!(open(&file, Create::IfMissing), Err(Error::Io { .. })));
}

#[test]
fn a_second_opening_is_refused_while_the_first_or_its_snapshots_live() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("db");
    let store = open(&path, Create::IfMissing).expect("creates");
    assert!(matches!(open(&path, Create::IfMissing), Err(Error::Locked { .. })));
    let snapshot = store.snapshot();
    drop(store);
    assert!(matches!(open(&path, Create::IfMissing), Err(Error::Locked { .. })));
    drop(snapshot);
    drop(open(&path, Create::IfMissing).expect("opens"));
}

#[test]
fn a_creation_that_was_interrupted_is_taken_up_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("db");
    drop(open(&path, Create::IfMissing).expect("creates"));
    std::fs::remove_file(path.join("FORMAT")).expect("removes");
    let store = open(&path, Create::IfMissing).expect("no commit was lost with the file");
    in_txn(&store, create_tables);
    drop(store);
    std::fs::remove_file(path.join("FORMAT")).expect("removes");
    let error = open(&path, Create::IfMissing).expect_err("there is data that the file speaks of");
    assert!(matches!(error, Error::MissingFile { path } if path.ends_with("FORMAT")));
}

#[test]
fn read_only_reads_what_was_committed_and_writes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("db");
    let store = open(&path, Create::IfMissing).expect("creates");
    let tables = in_txn(&store, create_tables);
    in_txn(&store, |txn| put_user(txn, tables, "u"));
    drop(store);
    let store = Store::open(&path, Options { read_only: true, ..small() }).expect("opens");
    assert_eq!(store.snapshot().lookup(tables.users, "u").expect("reads"), Some(1));
    assert!(matches!(store.begin(), Err(Error::ReadOnly)));
    assert!(matches!(store.stage("m"), Err(Error::ReadOnly)));
    assert!(matches!(store.flush(), Err(Error::ReadOnly)));
}

#[test]
fn files_that_no_commit_named_are_swept_and_those_of_dropped_snapshots_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("db");
    let store = open(&path, Create::IfMissing).expect("creates");
    let tables = in_txn(&store, create_tables);
    let fill = |txn: &mut WriteTxn| {
        for n in 0..6 {
            let item = put_item(txn, tables, &format!("i{n}"));
            txn.put_embedding(tables.items, IMAGE, item.0, &[1.0, 2.0, 3.0]).expect("put");
        }
    };
    in_txn(&store, fill);
    let column = path.join(crate::segment::segment_dir(tables.items, IMAGE));
    let files = || std::fs::read_dir(&column).map_or(0, Iterator::count);
    assert_eq!(files(), 1);
    // An aborted transaction leaves nothing.
    let mut txn = store.begin().expect("begins");
    fill(&mut txn);
    txn.compact_embeddings().expect("compacts");
    assert!(files() > 1);
    drop(txn);
    assert_eq!(files(), 1);
    // A merged segment stays as long as a snapshot reads it.
    let old = store.snapshot();
    in_txn(&store, fill);
    store.compact().expect("compacts");
    assert_eq!(old.embedding(tables.items, IMAGE, 1).expect("reads"), Some(vec![1.0, 2.0, 3.0]));
    assert_eq!(files(), 2);
    drop(old);
    assert_eq!(files(), 1);
    // What a crash left is swept.
    drop(store);
    std::fs::write(column.join("9999999999.vec"), "torn").expect("writes");
    std::fs::write(path.join("tmp/segment-7"), "torn").expect("writes");
    let store = open(&path, Create::Never).expect("opens");
    assert_eq!(files(), 1);
    assert_eq!(std::fs::read_dir(path.join("tmp")).expect("reads").count(), 0);
    assert!(store.check().expect("checks").is_sound());
}

#[test]
fn ids_are_not_reused_after_deletes_and_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("db");
    let store = open(&path, Create::IfMissing).expect("creates");
    let tables = in_txn(&store, create_tables);
    let (user, item, click) = in_txn(&store, |txn| {
        let (user, item) = (put_user(txn, tables, "u"), put_item(txn, tables, "i"));
        let click = txn.record_interaction(tables.clicks, user, item, &[]).expect("records").0;
        txn.delete_row(tables.users, user.0).expect("deletes");
        txn.delete_row(tables.items, item.0).expect("deletes");
        (user, item, click)
    });
    drop(store);
    let store = open(&path, Create::Never).expect("opens");
    in_txn(&store, |txn| {
        let (again, other) = (put_user(txn, tables, "u"), put_item(txn, tables, "i"));
        assert!(again > user && other > item);
        let next = txn.record_interaction(tables.clicks, again, other, &[]).expect("records").0;
        assert!(next > click);
        txn.drop_table(tables.clicks).expect("drops");
        let columns = Vec::new();
        let spec = interactions("clicks", (tables.users, tables.items), columns, None);
        assert!(txn.create_table(spec).expect("creates") > tables.ratings);
    });
}

#[test]
fn a_flipped_byte_in_a_sorted_file_is_found_and_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("db");
    let store = open(&path, Create::IfMissing).expect("creates");
    let tables = in_txn(&store, create_tables);
    in_txn(&store, |txn| {
        for n in 0..200 {
            let value = [(TITLE, text(&format!("title {n}")))];
            txn.put_row(tables.items, &format!("item {n}"), &value).expect("put");
        }
    });
    store.flush().expect("flushes");
    drop(store);
    let copy = dir.path().join("copy");
    let mut found = 0;
    for entry in std::fs::read_dir(path.join("kv")).expect("reads") {
        let name = entry.expect("reads").file_name().to_string_lossy().into_owned();
        if !name.ends_with(".sst") {
            continue;
        }
        let _earlier = std::fs::remove_dir_all(&copy);
        copy_dir(&path, &copy);
        let file = copy.join("kv").join(&name);
        let mut bytes = std::fs::read(&file).expect("reads");
        bytes[10] ^= 1;
        std::fs::write(&file, &bytes).expect("writes");
        let problem = match open(&copy, Create::Never) {
            Err(error) => error.to_string(),
            Ok(store) => {
                let report = store.check().expect("checks");
                report.problems.iter().map(|problem| format!("{problem}\n")).collect()
            }
        };
        assert!(problem.contains(&name), "{name} is not in: {problem}");
        found += 1;
    }
    assert!(found > 2);
}

#[test]
fn a_flipped_byte_in_the_log_never_hides_a_commit_that_was_acknowledged() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("db");
    let store = open(&path, Create::IfMissing).expect("creates");
    let tables = in_txn(&store, create_tables);
    for n in 0..20 {
        in_txn(&store, |txn| put_user(txn, tables, &format!("u{n}")));
    }
    let generation = store.snapshot().generation();
    drop(store);
    let log = std::fs::read_dir(path.join("kv"))
        .expect("reads")
        .map(|entry| entry.expect("reads").path())
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
        .max()
        .expect("a log");
    let sound = std::fs::read(&log).expect("reads");
    let copy = dir.path().join("copy");
    let mut found = 0;
    for at in (0..sound.len()).step_by(sound.len() / 60 + 1).chain([4, 5, 6, sound.len() - 1]) {
        let _earlier = std::fs::remove_dir_all(&copy);
        copy_dir(&path, &copy);
        let mut bytes = sound.clone();
        bytes[at] ^= 0x41;
        let name = log.file_name().expect("a name");
        std::fs::write(copy.join("kv").join(name), &bytes).expect("writes");
        match open(&copy, Create::Never) {
            Ok(store) => assert_eq!(store.snapshot().generation(), generation, "byte {at}"),
            Err(error) => {
                assert!(error.is_corruption(), "byte {at}: {error}");
                let name = name.to_string_lossy().into_owned();
                assert!(error.to_string().contains(&name), "byte {at}: {error}");
                found += 1;
            }
        }
    }
    assert!(found > 40, "{found}");
    // A tail that nobody was told of may be torn: what a crash amid a write leaves.
    std::fs::write(&log, [sound.as_slice(), &sound[..100]].concat()).expect("writes");
    let store = open(&path, Create::Never);
    assert!(store.is_ok_and(|store| store.snapshot().generation() == generation));
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("made");
    for entry in std::fs::read_dir(from).expect("reads") {
        let entry = entry.expect("reads");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copies");
        }
    }
}

#[test]
fn a_lost_artifact_that_can_be_made_again_keeps_nobody_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("db");
    let file_of = |part: &str| {
        let files = crate::directory::walk(
            &crate::directory::OsDirectory::open(&path).expect("opens"),
            crate::artifact::MODELS_DIR,
        );
        let files = files.expect("walks").into_iter().map(|(name, _)| name);
        let found = files.filter(|name| name.contains(part)).collect::<Vec<_>>();
        assert_eq!(found.len(), 1, "{found:?}");
        path.join(&found[0])
    };
    let publish = |store: &Store, name: &str| {
        let mut staged = store.stage(name).expect("stages");
        std::io::Write::write_all(&mut staged, &[7; 200_000]).expect("writes");
        let staged = staged.finish().expect("finishes");
        in_txn(store, |txn| txn.publish(staged).expect("publishes"));
    };
    let name = format!("{}index/1/2", crate::DERIVED);
    let there = |store: &Store| store.snapshot().artifact(&name).map(|blob| blob.is_some());
    let store = open(&path, Create::IfMissing).expect("creates");
    publish(&store, &name);
    publish(&store, "model");
    drop(store);
    // Damaged in its middle, which shows when it is read.
    let mut bytes = std::fs::read(file_of("derived")).expect("reads");
    bytes[100_000] ^= 1;
    std::fs::write(file_of("derived"), &bytes).expect("writes");
    let report = crate::check::check(&path).expect("checks");
    assert!(report.is_sound() && report.lost.len() == 1, "{report:?}");
    let store = open(&path, Create::Never).expect("opens");
    assert!(there(&store).is_err());
    publish(&store, &name);
    assert!(there(&store).expect("reads"));
    drop(store);
    // Missing, and cut off so that it cannot even be opened.
    for lose in [|path: &Path| std::fs::remove_file(path), |path: &Path| std::fs::write(path, "x")]
    {
        lose(&file_of("derived")).expect("loses it");
        let report = crate::check::check(&path).expect("checks");
        assert!(report.is_sound() && report.lost.len() == 1, "{report:?}");
        let store = open(&path, Create::Never).expect("opens");
        assert!(!there(&store).expect("nothing to read"));
        assert_eq!(store.snapshot().artifact_number(&name), None);
        publish(&store, &name);
        assert!(there(&store).expect("reads"));
        drop(store);
        let store = open(&path, Create::Never).expect("opens");
        assert!(there(&store).expect("reads"));
    }
    // What is lost can be given up, and then is not asked for again.
    std::fs::remove_file(file_of("derived")).expect("removes");
    let store = open(&path, Create::Never).expect("opens");
    assert!(in_txn(&store, |txn| txn.unpublish(&name)));
    drop(store);
    assert_eq!(crate::check::check(&path).expect("checks").lost, [] as [&str; 0]);
    // What cannot be made again is needed.
    std::fs::remove_file(file_of("model")).expect("removes");
    assert!(matches!(open(&path, Create::Never), Err(Error::MissingFile { .. })));
}
