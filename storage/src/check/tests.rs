//! The check finds each thing that can be wrong, and nothing in a sound database.
//!
//! The database is made by hand, record by record, so that each of them can be broken.

use std::io::Write;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::{ProblemKind, Report, check, check_store};
use crate::adjacency::{self, Chunk, Direction};
use crate::artifact::StagedArtifact;
use crate::backup::{Backup, restore};
use crate::catalog::{Column, KeyType, Link, OnUnknown, Role, Table};
use crate::codec::Encoder;
use crate::directory::{Directory, MemDirectory, OsDirectory, walk};
use crate::error::Error;
use crate::format_file::{Access, DatabaseId, FORMAT_FILE, Format};
use crate::id::{ColumnId, TableId};
use crate::key;
use crate::kv::{Batch, Cf, Kv, KvOptions, RocksKv};
use crate::lock::Lock;
use crate::manifest::encode_file;
use crate::row;
use crate::segment::{SegmentHeader, SegmentWriter};
use crate::staged::FileRef;
use crate::state::State;
use crate::value::{ColumnType, Element, Value};

const USERS: TableId = TableId(1);
const ITEMS: TableId = TableId(2);
const CLICKS: TableId = TableId(3);
const TEXT: ColumnId = ColumnId(1);

struct Sample {
    kv: RocksKv,
    dir: Arc<dyn Directory>,
    segment: FileRef,
    artifact: FileRef,
}

fn column(id: u16, name: &str, ty: ColumnType) -> Column {
    Column {
        id: ColumnId(id),
        name: name.to_owned(),
        ty,
        not_null: false,
        default: None,
        default_expr: None,
        computed: false,
        added_in: 0,
        dropped_in: None,
    }
}

fn table(id: TableId, role: Role, columns: Vec<Column>, link: Option<Link>) -> Table {
    Table {
        id,
        name: format!("t{id}"),
        role,
        key_column: if link.is_none() { "id".to_owned() } else { String::new() },
        key_type: KeyType::Text,
        key_position: 0,
        columns,
        version: 0,
        link,
    }
}

fn clicks() -> Table {
    let link = Link {
        user_table: USERS,
        item_table: ITEMS,
        user_column: "user".to_owned(),
        item_column: "item".to_owned(),
        unique: Some(Vec::new()),
        on_unknown: OnUnknown::Error,
        user_position: 0,
        item_position: 1,
    };
    table(CLICKS, Role::Interaction, vec![column(0, "weight", ColumnType::Real)], Some(link))
}

fn items() -> Table {
    let vector = ColumnType::Vector { dim: 2, element: Element::F32 };
    let columns = vec![column(0, "title", ColumnType::Text), column(TEXT.0, "text", vector)];
    table(ITEMS, Role::Item, columns, None)
}

fn put_table(batch: &mut Batch, table: &Table) {
    let mut bytes = Vec::new();
    table.encode(&mut Encoder::new(&mut bytes));
    batch.put(Cf::Catalog, key::table(table.id), bytes);
}

fn put_row(batch: &mut Batch, table: TableId, id: u64, name: &str) {
    let title = Value::Text(format!("title {id}"));
    let values = if table == ITEMS { vec![(ColumnId(0), &title)] } else { Vec::new() };
    batch.put(Cf::Entities, key::entity(table, id).to_vec(), row::encode_entity(name, 0, values));
    batch.put(Cf::Ids, key::id(table, name), row::encode_id(id));
}

/// A list of one chunk.
fn put_list(batch: &mut Batch, direction: Direction, entity: u64, entries: &[(u64, u64)]) {
    put_chunk(batch, direction, entity, key::TAIL, false, entries);
}

fn put_chunk(
    batch: &mut Batch,
    direction: Direction,
    entity: u64,
    at: u64,
    has_older: bool,
    entries: &[(u64, u64)],
) {
    let mut values = Vec::new();
    if direction == Direction::ByUser {
        row::encode(&mut values, 0, [(ColumnId(0), &Value::Real(1.5))]);
    }
    let first = entries.first().map_or(0, |entry| entry.0);
    let mut bytes = Vec::new();
    let mut last = first;
    for (id, other) in entries {
        let entry = adjacency::Entry { id: *id, other: *other, values: &values };
        adjacency::push(&mut bytes, direction, last, entry);
        last = *id;
    }
    let chunk = Chunk { has_older, first, entries: &bytes }.encode();
    batch.put(direction.cf(), key::chunk(CLICKS, entity, at).to_vec(), chunk);
}

fn pending(vector: [f32; 2]) -> Vec<u8> {
    vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn put_bitmap(batch: &mut Batch, rows: &[u32]) {
    let mut bytes = Vec::new();
    rows.iter().copied().collect::<RoaringBitmap>().serialize_into(&mut bytes).expect("a Vec");
    batch.put(Cf::Manifest, key::deleted(ITEMS, TEXT, 1), bytes);
}

/// Three users, four items, five clicks, vectors in a segment and pending, an artifact, a record.
fn sample(kv: RocksKv, dir: Arc<dyn Directory>) -> Sample {
    let mut batch = Batch::default();
    let mut state = State::new();
    for _ in 0..3 {
        state.new_table();
    }
    put_table(&mut batch, &table(USERS, Role::User, Vec::new(), None));
    put_table(&mut batch, &items());
    put_table(&mut batch, &clicks());
    for id in 1..=3 {
        assert_eq!(state.new_entity(USERS, Role::User), id);
        put_row(&mut batch, USERS, id, &format!("u{id}"));
    }
    for id in 1..=4 {
        assert_eq!(state.new_entity(ITEMS, Role::Item), id);
        put_row(&mut batch, ITEMS, id, &format!("i{id}"));
    }
    for _ in 0..6 {
        state.new_interaction();
    }
    put_chunk(&mut batch, Direction::ByUser, 1, 1, false, &[(1, 1), (3, 2)]);
    put_chunk(&mut batch, Direction::ByUser, 1, key::TAIL, true, &[(4, 3)]);
    put_list(&mut batch, Direction::ByUser, 2, &[(2, 1), (6, 4)]);
    put_list(&mut batch, Direction::ByItem, 1, &[(1, 1), (2, 2)]);
    put_list(&mut batch, Direction::ByItem, 2, &[(3, 1)]);
    put_list(&mut batch, Direction::ByItem, 3, &[(4, 1)]);
    put_list(&mut batch, Direction::ByItem, 4, &[(6, 2)]);

    Format::new(DatabaseId([1; 16])).write(&*dir).expect("written");
    let header = SegmentHeader {
        table: ITEMS,
        column: TEXT,
        element: Element::F32,
        dim: 2,
        rows: 3,
        number: 1,
    };
    let mut writer = SegmentWriter::create(&dir, header, &[1, 2, 3]).expect("starts");
    for id in 1..=3_u8 {
        writer.push(&[f32::from(id), 0.5]).expect("fits");
    }
    let segment = writer.finish().and_then(|s| s.publish()).expect("published");
    batch.put(Cf::Manifest, key::segment(ITEMS, TEXT, 1), encode_file(&segment));
    // Item 3 was given a new vector, which is pending.
    put_bitmap(&mut batch, &[2]);
    batch.put(Cf::Pending, key::pending(ITEMS, TEXT, 3), pending([1.0, 2.0]));
    let mut artifact = StagedArtifact::create(&dir, "home/1", 2).expect("starts");
    artifact.write_all(&[7; 100]).expect("written");
    let artifact = artifact.finish().and_then(|s| s.publish()).expect("published");
    batch.put(Cf::Manifest, key::artifact("home/1"), encode_file(&artifact));
    batch.put(Cf::Records, b"model/home".to_vec(), b"ease".to_vec());
    state.next_file = 3;
    batch.put(Cf::Catalog, key::STATE.to_vec(), state.encode());
    kv.write(batch).expect("written");
    Sample { kv, dir, segment, artifact }
}

fn in_memory() -> Sample {
    let kv = RocksKv::in_memory(&KvOptions::default()).expect("opens");
    sample(kv, Arc::new(MemDirectory::new()))
}

impl Sample {
    fn report(&self) -> Report {
        check_store(&self.kv, &*self.dir)
    }

    fn write(&self, change: impl FnOnce(&mut Batch)) {
        let mut batch = Batch::default();
        change(&mut batch);
        self.kv.write(batch).expect("written");
    }
}

/// After the change, a problem of this kind is found whose text has these words, and no other.
fn finds(kind: ProblemKind, words: &str, change: impl FnOnce(&mut Batch)) {
    let sample = in_memory();
    sample.write(change);
    only(&sample.report(), kind, words);
}

fn only(report: &Report, kind: ProblemKind, words: &str) {
    let found: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    assert!(!report.is_sound(), "nothing was found, expected {kind}: {words}");
    for problem in &report.problems {
        let is_meant = problem.kind == kind && problem.to_string().contains(words);
        assert!(is_meant, "expected {kind}: {words}\nfound {found:#?}");
    }
}

#[test]
fn a_sound_database_has_no_problems() {
    let report = in_memory().report();
    assert_eq!(report.problems, []);
    assert!(report.is_sound() && report.leftovers.is_empty());
    let checked = report.checked;
    assert_eq!((checked.tables, checked.rows, checked.interactions), (3, 7, 5));
    assert_eq!((checked.pending, checked.embeddings, checked.records), (1, 2, 1));
    assert_eq!((checked.segments, checked.artifacts), (1, 1));
}

#[test]
fn an_empty_database_has_no_problems() {
    let dir = MemDirectory::new();
    Format::new(DatabaseId([1; 16])).write(&dir).expect("written");
    let kv = RocksKv::in_memory(&KvOptions::default()).expect("opens");
    assert_eq!(check_store(&kv, &dir).problems, []);
}

#[test]
fn broken_rows_are_found() {
    use ProblemKind::{Damaged, Dangling, Invalid, Mismatch, Missing};
    finds(Missing, "`u2` does not lead to the row", |b| b.delete(Cf::Ids, key::id(USERS, "u2")));
    finds(Dangling, "row 9 does not exist", |b| {
        b.put(Cf::Ids, key::id(USERS, "u9"), row::encode_id(9));
    });
    finds(Mismatch, "row 1", |b| {
        b.put(Cf::Ids, key::id(USERS, "alias"), row::encode_id(1));
    });
    finds(Mismatch, "row", |b| {
        b.put(Cf::Ids, key::id(USERS, "u2"), row::encode_id(1));
    });
    finds(Damaged, "ids", |b| {
        b.put(Cf::Ids, key::id(ITEMS, "more"), vec![1, 2]);
    });
    finds(Damaged, "entities", |b| {
        b.put(Cf::Entities, key::entity(ITEMS, 4).to_vec(), vec![0xFF; 3]);
    });
    finds(Invalid, "`title` is TEXT", |b| {
        let bytes = row::encode_entity("i4", 0, [(ColumnId(0), &Value::Bool(true))]);
        b.put(Cf::Entities, key::entity(ITEMS, 4).to_vec(), bytes);
    });
    finds(Dangling, "column 8", |b| {
        let bytes = row::encode_entity("i4", 0, [(ColumnId(8), &Value::Bool(true))]);
        b.put(Cf::Entities, key::entity(ITEMS, 4).to_vec(), bytes);
    });
    finds(Mismatch, "version 5", |b| {
        let bytes = row::encode_entity("i4", 5, []);
        b.put(Cf::Entities, key::entity(ITEMS, 4).to_vec(), bytes);
    });
    finds(Dangling, "no table of users or items", |b| {
        b.put(Cf::Entities, key::entity(TableId(9), 1).to_vec(), Vec::new());
        b.put(Cf::Ids, key::id(CLICKS, "x"), Vec::new());
    });
}

#[test]
fn a_broken_catalog_is_found() {
    use ProblemKind::{Damaged, Mismatch, Missing};
    finds(Damaged, "catalog", |b| b.put(Cf::Catalog, key::STATE.to_vec(), vec![0xFF]));
    finds(Missing, "counters", |b| b.delete(Cf::Catalog, key::STATE.to_vec()));
    finds(Damaged, "catalog", |b| b.put(Cf::Catalog, key::table(TableId(7)), vec![1, 2, 3]));
    finds(Mismatch, "that of table 3", |b| {
        let mut bytes = Vec::new();
        clicks().encode(&mut Encoder::new(&mut bytes));
        b.put(Cf::Catalog, key::table(TableId(7)), bytes);
    });
    finds(Mismatch, "same name", |b| {
        let mut items = items();
        items.columns.push(column(2, "Title", ColumnType::Int));
        put_table(b, &items);
    });
    finds(Mismatch, "the next one would be 1", |b| {
        b.put(Cf::Catalog, key::STATE.to_vec(), State::new().encode());
    });
}

#[test]
fn broken_lists_are_found() {
    use ProblemKind::{Damaged, Dangling, Mismatch, Missing};
    // A click that only one direction knows.
    finds(Mismatch, "user 2, item 2: missing in the list of the item", |b| {
        put_list(b, Direction::ByUser, 2, &[(2, 1), (5, 2), (6, 4)]);
    });
    finds(Mismatch, "user 1, item 2: missing in the list of the item", |b| {
        b.delete(Cf::ByItem, key::chunk(CLICKS, 2, key::TAIL).to_vec());
    });
    finds(Mismatch, "user 3, item 2: missing in the list of the user", |b| {
        put_list(b, Direction::ByItem, 2, &[(3, 1), (5, 3)]);
    });
    // Users and items that do not exist.
    finds(Dangling, "does not exist", |b| {
        put_list(b, Direction::ByUser, 9, &[(5, 4)]);
        put_list(b, Direction::ByItem, 4, &[(5, 9), (6, 2)]);
    });
    finds(Dangling, "does not exist", |b| {
        put_list(b, Direction::ByUser, 3, &[(5, 9)]);
        put_list(b, Direction::ByItem, 9, &[(5, 3)]);
    });
    finds(Dangling, "table 2 is not an interaction table", |b| {
        b.put(Cf::ByUser, key::chunk(ITEMS, 1, key::TAIL).to_vec(), vec![0, 0]);
    });
    // The same click twice.
    finds(Mismatch, "two interactions with item 1", |b| {
        put_list(b, Direction::ByUser, 2, &[(2, 1), (5, 1), (6, 4)]);
        put_list(b, Direction::ByItem, 1, &[(1, 1), (2, 2), (5, 2)]);
    });
    // Structure.
    finds(Mismatch, "the chunks before it are unknown", |b| {
        put_chunk(b, Direction::ByUser, 1, key::TAIL, false, &[(4, 3)]);
    });
    finds(Mismatch, "first id", |b| {
        b.delete(Cf::ByUser, key::chunk(CLICKS, 1, 1).to_vec());
        put_chunk(b, Direction::ByUser, 1, 0, false, &[(1, 1), (3, 2)]);
    });
    let sample = in_memory();
    sample.write(|b| b.delete(Cf::ByUser, key::chunk(CLICKS, 1, key::TAIL).to_vec()));
    let report = sample.report();
    let has = |kind, words: &str| {
        report.problems.iter().any(|p| p.kind == kind && p.to_string().contains(words))
    };
    assert!(has(Missing, "the last chunk") && has(Mismatch, "item 3"), "{:?}", report.problems);
    let sample = in_memory();
    sample.write(|b| {
        b.put(Cf::ByItem, key::chunk(CLICKS, 4, key::TAIL).to_vec(), vec![0, 6, 0x80]);
    });
    let report = sample.report();
    let has = |kind, words: &str| {
        report.problems.iter().any(|p| p.kind == kind && p.to_string().contains(words))
    };
    assert!(has(Damaged, "torn") && has(Mismatch, "item 4"), "{:?}", report.problems);
}

#[test]
fn broken_embeddings_are_found() {
    use ProblemKind::{Damaged, Dangling, Invalid, Mismatch};
    let put = |id: u64, bytes: Vec<u8>| {
        move |b: &mut Batch| b.put(Cf::Pending, key::pending(ITEMS, TEXT, id), bytes)
    };
    finds(Damaged, "3 bytes for 2 numbers", put(4, vec![0; 3]));
    finds(Invalid, "not finite", put(4, pending([1.0, f32::NAN])));
    finds(Dangling, "row 9", put(9, pending([1.0, 2.0])));
    finds(Mismatch, "a second embedding of row 1", put(1, pending([1.0, 2.0])));
    finds(Dangling, "2.0 is not a vector column", |b| {
        b.put(Cf::Pending, key::pending(ITEMS, ColumnId(0), 1), pending([1.0, 2.0]));
    });
    finds(Mismatch, "a second embedding of row 3", |b| {
        b.delete(Cf::Manifest, key::deleted(ITEMS, TEXT, 1));
    });
    finds(Invalid, "row 7 is deleted of 3 rows", |b| put_bitmap(b, &[2, 7]));
    finds(Damaged, "manifest", |b| {
        b.put(Cf::Manifest, key::deleted(ITEMS, TEXT, 1), vec![1, 2, 3]);
        b.delete(Cf::Pending, key::pending(ITEMS, TEXT, 3));
    });
    finds(Dangling, "without a segment", |b| {
        b.put(Cf::Manifest, key::deleted(ITEMS, TEXT, 2), Vec::new());
    });
    finds(Mismatch, "it has 2 numbers of F32", |b| {
        let mut items = items();
        items.columns[1].ty = ColumnType::Vector { dim: 2, element: Element::F16 };
        b.delete(Cf::Pending, key::pending(ITEMS, TEXT, 3));
        put_table(b, &items);
    });
}

#[test]
fn files_and_manifest_are_compared_both_ways() {
    use ProblemKind::{Damaged, Missing};
    let sample = in_memory();
    sample.dir.remove(&sample.segment.name).expect("removed");
    only(&sample.report(), Missing, "0000000001.vec");
    let sample = in_memory();
    sample.dir.remove(&sample.artifact.name).expect("removed");
    only(&sample.report(), Missing, "0000000002.art");
    for file in ["segment", "artifact"] {
        let sample = in_memory();
        let file = if file == "segment" { &sample.segment } else { &sample.artifact };
        let bytes = sample.dir.read(&file.name).expect("read").expect("there");
        sample.dir.replace(&file.name, &bytes[..bytes.len() - 1]).expect("written");
        only(&sample.report(), Damaged, "length");
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            sample.dir.replace(&file.name, &damaged).expect("written");
            only(&sample.report(), Damaged, &file.name);
        }
    }
    let sample = in_memory();
    for name in ["segments/2.1/0000000009.vec", "models/x/0000000008.art", "tmp/scratch"] {
        sample.dir.make_dir(crate::directory::parent(name)).expect("made");
        sample.dir.replace(name, b"left over").expect("written");
    }
    let report = sample.report();
    assert!(report.is_sound(), "what a crash leaves is no damage");
    assert_eq!(
        report.leftovers,
        ["segments/2.1/0000000009.vec", "models/x/0000000008.art", "tmp/scratch"]
    );
}

#[test]
fn all_problems_are_listed_and_many_are_counted() {
    let sample = in_memory();
    sample.write(|b| {
        b.delete(Cf::Ids, key::id(USERS, "u2"));
        b.put(Cf::Pending, key::pending(ITEMS, TEXT, 4), vec![0; 3]);
        for id in 100..1300 {
            b.put(Cf::Pending, key::pending(ITEMS, TEXT, id), pending([1.0, 2.0]));
        }
    });
    sample.dir.remove(&sample.segment.name).expect("removed");
    sample.dir.replace(FORMAT_FILE, b"short").expect("written");
    let report = sample.report();
    let count = |kind| report.problems.iter().filter(|p| p.kind == kind).count();
    assert_eq!(count(ProblemKind::Missing), 2);
    assert_eq!(count(ProblemKind::Damaged), 2);
    assert_eq!(count(ProblemKind::Dangling), 1000);
    assert_eq!(report.unlisted, 200);
}

#[test]
fn a_database_on_disk_is_checked_without_changing_it() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let root = place.path().join("db");
    assert!(matches!(check(&root), Err(Error::NotFound { .. })));
    let dir: Arc<dyn Directory> = Arc::new(OsDirectory::create(&root).expect("created"));
    assert!(matches!(check(&root), Err(Error::NotADatabase { .. })));
    let lock = Lock::acquire(&root, Access::Write).expect("free");
    let kv = RocksKv::open(&root.join("kv"), &KvOptions::default()).expect("opens");
    let made = sample(kv, dir);
    assert!(matches!(check(&root), Err(Error::Locked { .. })));
    let segment = made.segment.name.clone();
    drop((made, lock));
    let report = check(&root).expect("checked");
    assert_eq!(report.problems, []);
    assert_eq!(report.checked.interactions, 5);
    let dir = OsDirectory::open(&root).expect("opens");
    let mut bytes = dir.read(&segment).expect("read").expect("there");
    bytes[200] ^= 1;
    dir.replace(&segment, &bytes).expect("written");
    only(&check(&root).expect("checked"), ProblemKind::Damaged, &segment);
}

/// A closed database on disk.
fn on_disk(root: &std::path::Path) -> (FileRef, FileRef) {
    let dir: Arc<dyn Directory> = Arc::new(OsDirectory::create(root).expect("created"));
    let _lock = Lock::acquire(root, Access::Write).expect("free");
    let kv = RocksKv::open(&root.join("kv"), &KvOptions::default()).expect("opens");
    let made = sample(kv, dir);
    made.kv.flush().expect("flushed");
    made.kv.sync().expect("synced");
    // Something in the log too.
    made.write(|b| b.put(Cf::Records, b"model/other".to_vec(), b"popular".to_vec()));
    made.kv.sync().expect("synced");
    (made.segment, made.artifact)
}

#[test]
fn a_flipped_byte_in_any_file_is_found_and_the_file_named() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let root = place.path().join("db");
    on_disk(&root);
    assert_eq!(check(&root).expect("checked").problems, []);
    let dir = OsDirectory::open(&root).expect("opens");
    let mut missed = Vec::new();
    let mut unnamed = Vec::new();
    for (name, len) in walk(&dir, "").expect("walks") {
        let last = name.rsplit('/').next().unwrap_or_default().to_owned();
        if len == 0 || last == "IDENTITY" || last.starts_with("LOG") || last.starts_with("OPTIONS")
        {
            continue;
        }
        let sound = dir.read(&name).expect("read").expect("there");
        let step = (sound.len() / 40).max(1);
        for at in (0..sound.len()).step_by(step) {
            let mut bytes = sound.clone();
            bytes[at] ^= 0x41;
            dir.replace(&name, &bytes).expect("written");
            let report = check(&root).expect("the check itself does not fail");
            if report.is_sound() {
                missed.push(format!("{name} at {at} of {len}"));
            } else if !report.problems.iter().any(|p| p.to_string().contains(&last)) {
                unnamed.push(format!("{name} at {at} of {len}: {:?}", report.problems));
            }
        }
        dir.replace(&name, &sound).expect("written");
    }
    assert_eq!(check(&root).expect("checked").problems, [], "restored");
    assert!(missed.is_empty(), "went unnoticed: {missed:#?}");
    assert!(unnamed.is_empty(), "the file is not named: {unnamed:#?}");
}

#[test]
fn a_backup_is_a_database_and_restores_to_one() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| place.path().join(name);
    let dir: Arc<dyn Directory> = Arc::new(OsDirectory::create(&at("db")).expect("created"));
    let kv = RocksKv::open(&at("db/kv"), &KvOptions::default()).expect("opens");
    let made = sample(kv, Arc::clone(&dir));
    let format = Format::read(&*dir).expect("read").expect("there");
    let files = [made.segment.clone(), made.artifact.clone()];

    let backup = Backup::begin(&at("backup")).expect("begins");
    made.kv.checkpoint(&backup.kv_path()).expect("copied");
    // What is written meanwhile is not in it.
    made.write(|b| b.put(Cf::Records, b"later".to_vec(), Vec::new()));
    backup.finish(&*dir, &files, &format).expect("finished");
    let report = check(&at("backup")).expect("checked");
    assert_eq!((report.problems.len(), report.checked.records), (0, 1));
    assert_eq!((report.checked.segments, report.leftovers.len()), (1, 0));
    assert!(matches!(Backup::begin(&at("backup")), Err(Error::DatabaseExists { .. })));

    let restored = restore(&at("backup"), &at("restored")).expect("restored");
    assert_eq!(restored.checked, report.checked);
    let report = check(&at("restored")).expect("checked");
    assert_eq!((report.problems.len(), report.checked.interactions), (0, 5));
    let again = restore(&at("backup"), &at("restored"));
    assert!(matches!(again, Err(Error::DatabaseExists { .. })));
    // The restored database is its own: opening and changing it leaves the backup alone.
    let kv = RocksKv::open(&at("restored/kv"), &KvOptions::default()).expect("opens");
    let mut batch = Batch::default();
    batch.delete(Cf::Records, b"model/home".to_vec());
    kv.write(batch).and_then(|()| kv.compact()).expect("changed");
    drop(kv);
    assert_eq!(check(&at("backup")).expect("checked").checked.records, 1);

    // Damage: neither backed up nor restored.
    let bytes = dir.read(&files[0].name).expect("read").expect("there");
    let out = OsDirectory::open(&at("backup")).expect("opens");
    let mut damaged = bytes.clone();
    damaged[200] ^= 1;
    out.replace(&files[0].name, &damaged).expect("written");
    let refused = restore(&at("backup"), &at("other")).expect_err("damaged");
    assert!(matches!(&refused, Error::Unsound { first, .. } if first.contains(&files[0].name)));
    dir.replace(&files[0].name, &damaged).expect("written");
    let backup = Backup::begin(&at("second")).expect("begins");
    made.kv.checkpoint(&backup.kv_path()).expect("copied");
    assert!(backup.finish(&*dir, &files, &format).is_err());
    for name in ["other", "other.partial", "second", "second.partial"] {
        assert!(!OsDirectory::exists(&at(name)), "{name} was left behind");
    }
    assert!(matches!(restore(&at("nothing"), &at("other")), Err(Error::NotFound { .. })));
    assert!(matches!(restore(place.path(), &at("other")), Err(Error::NotADatabase { .. })));
}
