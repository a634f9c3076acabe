//! Random operations against the store and against maps that are obviously right.
//!
//! After every commit, the published snapshot equals the oracle; inside a transaction, so does
//! the transaction; snapshots taken earlier equal what the oracle was then, to the end. In the
//! end the integrity check finds nothing.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::read::{Interaction, Read};
use crate::snapshot::Snapshot;
use crate::txn::Put;

type Fact = (u64, u64, Vec<Value>);

#[derive(Clone, Debug, Default, PartialEq)]
struct Oracle {
    users: BTreeMap<u64, (String, Vec<Value>)>,
    items: BTreeMap<u64, (String, Vec<Value>)>,
    clicks: BTreeMap<u64, Fact>,
    ratings: BTreeMap<u64, Fact>,
    images: BTreeMap<u64, Vec<f32>>,
    texts: BTreeMap<u64, Vec<f32>>,
    records: BTreeMap<String, Vec<u8>>,
    artifacts: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone, Debug)]
enum Step {
    PutUser(u8, Option<i32>),
    PutItem(u8, Option<String>, Option<Vec<String>>),
    DeleteUser(u8),
    DeleteItem(u8),
    Click(u8, u8, f32),
    Rate(u8, u8, f32, Option<bool>),
    UpdateClick(u8, f32),
    MoveRating(u8, bool),
    DeleteClick(u8),
    DeleteRating(u8),
    PutImage(u8, i8),
    PutText(u8, i8),
    DeleteImage(u8),
    PutRecord(u8, u8),
    DeleteRecord(u8),
    Publish(u8, u8),
    Unpublish(u8),
    Savepoint,
    RollbackToSavepoint,
    Commit,
    Rollback,
    Keep,
    Compact,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0..12u8;
    prop_oneof![
        4 => (0..24u8, prop::option::of(any::<i32>())).prop_map(|(k, v)| Step::PutUser(k, v)),
        4 => (0..24u8, prop::option::of("[a-z]{0,5}"),
              prop::option::of(prop::collection::vec("[a-z]{0,3}", 0..3)))
            .prop_map(|(k, t, g)| Step::PutItem(k, t, g)),
        1 => id.clone().prop_map(Step::DeleteUser),
        1 => id.clone().prop_map(Step::DeleteItem),
        12 => (id.clone(), id.clone(), -4f32..4.0).prop_map(|(u, i, w)| Step::Click(u, i, w)),
        8 => (id.clone(), id.clone(), -4f32..4.0, any::<Option<bool>>())
            .prop_map(|(u, i, w, c)| Step::Rate(u, i, w, c)),
        2 => (any::<u8>(), -4f32..4.0).prop_map(|(n, w)| Step::UpdateClick(n, w)),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(n, c)| Step::MoveRating(n, c)),
        3 => any::<u8>().prop_map(Step::DeleteClick),
        2 => any::<u8>().prop_map(Step::DeleteRating),
        6 => (id.clone(), any::<i8>()).prop_map(|(i, x)| Step::PutImage(i, x)),
        4 => (id.clone(), any::<i8>()).prop_map(|(i, x)| Step::PutText(i, x)),
        2 => id.prop_map(Step::DeleteImage),
        1 => (0..4u8, any::<u8>()).prop_map(|(k, v)| Step::PutRecord(k, v)),
        1 => (0..4u8).prop_map(Step::DeleteRecord),
        1 => (0..3u8, any::<u8>()).prop_map(|(k, v)| Step::Publish(k, v)),
        1 => (0..3u8).prop_map(Step::Unpublish),
        3 => Just(Step::Savepoint),
        2 => Just(Step::RollbackToSavepoint),
        6 => Just(Step::Commit),
        1 => Just(Step::Rollback),
        2 => Just(Step::Keep),
        1 => Just(Step::Compact),
        1 => Just(Step::Reopen),
    ]
}

/// The n-th of the ids, counted round.
fn pick<T>(map: &BTreeMap<u64, T>, n: u8) -> Option<u64> {
    map.keys().nth(usize::from(n) % map.len().max(1)).copied()
}

fn rows(
    read: &dyn Read,
    table: TableId,
    columns: &[ColumnId],
) -> BTreeMap<u64, (String, Vec<Value>)> {
    let rows = read.rows(table, columns, 0).expect("reads");
    let rows: Vec<_> = rows.map(|row| row.expect("decodes")).collect();
    assert!(rows.is_sorted_by(|a, b| a.id < b.id));
    for row in &rows {
        assert_eq!(read.lookup(table, &row.key).expect("reads"), Some(row.id));
        assert_eq!(read.row(table, row.id, columns).expect("reads").as_ref(), Some(row));
    }
    rows.into_iter().map(|row| (row.id, (row.key, row.values))).collect()
}

fn facts(read: &dyn Read, table: TableId, oracle: &Oracle) -> BTreeMap<u64, Fact> {
    let columns = [ColumnId(0), ColumnId(1)];
    let scanned: Vec<Interaction> = read
        .interactions(table, &columns)
        .expect("reads")
        .map(|one| one.expect("decodes"))
        .collect();
    assert!(scanned.is_sorted_by(|a, b| (a.user, a.id) < (b.user, b.id)));
    let mut listed = Vec::new();
    for user in oracle.users.keys() {
        listed.extend(read.history(table, UserId(*user), &columns).expect("reads"));
    }
    assert_eq!(listed, scanned);
    let mut turned = BTreeSet::new();
    for item in oracle.items.keys() {
        let audience = read.audience(table, ItemId(*item)).expect("reads");
        assert!(audience.is_sorted_by(|a, b| a.0 < b.0));
        turned.extend(audience.into_iter().map(|(id, user)| (id.0, user.0, *item)));
    }
    let straight: BTreeSet<_> = scanned.iter().map(|i| (i.id.0, i.user.0, i.item.0)).collect();
    assert_eq!(turned, straight);
    scanned.into_iter().map(|i| (i.id.0, (i.user.0, i.item.0, i.values))).collect()
}

fn embeddings(read: &dyn Read, table: TableId, column: ColumnId) -> BTreeMap<u64, Vec<f32>> {
    let mut out = Vec::new();
    read.embeddings(table, column, &mut |id, vector| {
        out.push((id, vector.to_vec()));
        Ok(())
    })
    .expect("reads");
    assert!(out.is_sorted_by(|a, b| a.0 < b.0));
    for (id, vector) in &out {
        let one = read.embedding(table, column, *id).expect("reads");
        assert_eq!(one.as_ref(), Some(vector));
    }
    out.into_iter().collect()
}

fn compare(read: &dyn Read, tables: Tables, oracle: &Oracle) {
    let artifact = |name: &String| {
        let blob = read.artifact(name).expect("reads");
        (name.clone(), blob.expect("published").to_vec())
    };
    let seen = Oracle {
        users: rows(read, tables.users, &[AGE]),
        items: rows(read, tables.items, &[TITLE, TAGS]),
        clicks: facts(read, tables.clicks, oracle),
        ratings: facts(read, tables.ratings, oracle),
        images: embeddings(read, tables.items, IMAGE),
        texts: embeddings(read, tables.items, TEXT),
        records: read.records("r").expect("reads").into_iter().collect(),
        artifacts: oracle.artifacts.keys().map(artifact).collect(),
    };
    assert_eq!(&seen, oracle);
    for name in ["m0", "m1", "m2"] {
        if !oracle.artifacts.contains_key(name) {
            assert!(read.artifact(name).expect("reads").is_none());
        }
    }
}

struct Run {
    store: Option<Store>,
    path: Option<tempfile::TempDir>,
    tables: Tables,
    txn: Option<WriteTxn>,
    committed: Oracle,
    now: Oracle,
    savepoint: Option<Oracle>,
    kept: Vec<(Snapshot, Oracle)>,
}

impl Run {
    fn new(path: Option<tempfile::TempDir>) -> Run {
        let store = match &path {
            Some(path) => Store::open(path.path().join("db"), small()).expect("opens"),
            None => Store::in_memory(small()).expect("opens"),
        };
        let tables = in_txn(&store, create_tables);
        Run {
            store: Some(store),
            path,
            tables,
            txn: None,
            committed: Oracle::default(),
            now: Oracle::default(),
            savepoint: None,
            kept: Vec::new(),
        }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("open")
    }

    fn end(&mut self, commit: bool) {
        let Some(txn) = self.txn.take() else { return };
        self.savepoint = None;
        if commit {
            compare(&txn, self.tables, &self.now);
            let generation = txn.commit().expect("commits");
            self.committed = self.now.clone();
            let snapshot = self.store().snapshot();
            assert_eq!(snapshot.generation(), generation);
            compare(&snapshot, self.tables, &self.committed);
        } else {
            drop(txn);
            self.now = self.committed.clone();
            compare(&self.store().snapshot(), self.tables, &self.committed);
        }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Commit => return self.end(true),
            Step::Rollback => return self.end(false),
            Step::Keep => {
                self.kept.push((self.store().snapshot(), self.committed.clone()));
                return;
            }
            Step::Compact => {
                self.end(true);
                return self.store().compact().expect("compacts");
            }
            Step::Reopen => {
                self.end(true);
                let Some(path) = &self.path else { return };
                for (snapshot, oracle) in self.kept.drain(..) {
                    compare(&snapshot, self.tables, &oracle);
                }
                self.store = None;
                let store = Store::open(path.path().join("db"), small()).expect("reopens");
                self.store = Some(store);
                return compare(&self.store().snapshot(), self.tables, &self.committed);
            }
            _ => {}
        }
        if self.txn.is_none() {
            self.txn = Some(self.store().begin().expect("begins"));
        }
        let store = self.store().clone();
        let txn = self.txn.as_mut().expect("begun");
        let (tables, now) = (self.tables, &mut self.now);
        match step {
            Step::PutUser(key, age) => {
                let key = format!("u{key}");
                let given: Vec<_> =
                    age.map(|age| (AGE, Value::Int(age.into()))).into_iter().collect();
                let (id, put) = txn.put_row(tables.users, &key, &given).expect("put");
                let known = now.users.contains_key(&id);
                assert_eq!(put, if known { Put::Updated } else { Put::Inserted });
                let row = now.users.entry(id).or_insert((key, vec![Value::Null]));
                for (_, value) in given {
                    row.1[0] = value;
                }
            }
            Step::PutItem(key, title, tags) => {
                let key = format!("i{key}");
                let mut given = Vec::new();
                given.extend(title.map(|title| (TITLE, Value::Text(title))));
                given.extend(tags.map(|tags| (TAGS, Value::TextList(tags))));
                let (id, _) = txn.put_row(tables.items, &key, &given).expect("put");
                let row = now.items.entry(id).or_insert((key, vec![Value::Null; 2]));
                for (column, value) in given {
                    row.1[usize::from(column.0)] = value;
                }
            }
            Step::DeleteUser(n) => {
                let Some(id) = pick(&now.users, n) else { return };
                let deleted = txn.delete_row(tables.users, id).expect("deletes");
                let before = now.clicks.len() + now.ratings.len();
                now.users.remove(&id);
                now.clicks.retain(|_, (user, _, _)| *user != id);
                now.ratings.retain(|_, (user, _, _)| *user != id);
                let after = now.clicks.len() + now.ratings.len();
                assert_eq!(deleted.interactions, (before - after) as u64);
                assert!(txn.history(tables.clicks, UserId(id), &[]).expect("reads").is_empty());
            }
            Step::DeleteItem(n) => {
                let Some(id) = pick(&now.items, n) else { return };
                let deleted = txn.delete_row(tables.items, id).expect("deletes");
                let before = now.clicks.len() + now.ratings.len();
                now.items.remove(&id);
                now.clicks.retain(|_, (_, item, _)| *item != id);
                now.ratings.retain(|_, (_, item, _)| *item != id);
                let after = now.clicks.len() + now.ratings.len();
                assert_eq!(deleted.interactions, (before - after) as u64);
                let removed = [now.images.remove(&id), now.texts.remove(&id)];
                assert_eq!(deleted.embeddings, removed.iter().flatten().count() as u64);
            }
            Step::Click(user, item, weight) => {
                let (Some(user), Some(item)) = (pick(&now.users, user), pick(&now.items, item))
                else {
                    return;
                };
                let weight = Value::Real(weight.into());
                let given = [(WEIGHT, weight.clone())];
                let (id, put) = txn
                    .record_interaction(tables.clicks, UserId(user), ItemId(item), &given)
                    .expect("records");
                assert_eq!(put, Put::Inserted);
                now.clicks.insert(id.0, (user, item, vec![weight, Value::Null]));
            }
            Step::Rate(user, item, stars, context) => {
                let (Some(user), Some(item)) = (pick(&now.users, user), pick(&now.items, item))
                else {
                    return;
                };
                let stars = Value::Real(stars.into());
                let mut given = vec![(STARS, stars.clone())];
                let name = text(if context == Some(true) { "search" } else { "home" });
                given.extend(context.map(|_| (CONTEXT, name.clone())));
                let (id, put) = txn
                    .record_interaction(tables.ratings, UserId(user), ItemId(item), &given)
                    .expect("records");
                let same = now
                    .ratings
                    .iter()
                    .find(|(_, fact)| fact.0 == user && fact.1 == item && fact.2[1] == name)
                    .map(|(id, _)| *id);
                assert_eq!(put, if same.is_some() { Put::Updated } else { Put::Inserted });
                assert!(same.is_none_or(|same| same == id.0));
                now.ratings.insert(id.0, (user, item, vec![stars, name]));
            }
            Step::UpdateClick(n, weight) => {
                let Some(id) = pick(&now.clicks, n) else { return };
                let fact = now.clicks.get_mut(&id).expect("picked");
                let given = [
                    (AT, Value::Timestamp(i64::from(n) << 40)),
                    (WEIGHT, Value::Real(weight.into())),
                ];
                let found = txn
                    .update_interaction(
                        tables.clicks,
                        UserId(fact.0),
                        crate::InteractionId(id),
                        &given,
                    )
                    .expect("updates");
                assert!(found);
                fact.2 = vec![given[1].1.clone(), given[0].1.clone()];
            }
            Step::MoveRating(n, search) => {
                let Some(id) = pick(&now.ratings, n) else { return };
                let name = text(if search { "search" } else { "home" });
                let fact = now.ratings[&id].clone();
                let taken = now.ratings.iter().any(|(other, it)| {
                    *other != id && (it.0, it.1) == (fact.0, fact.1) && it.2[1] == name
                });
                let given = [(CONTEXT, name.clone())];
                let moved = txn.update_interaction(
                    tables.ratings,
                    UserId(fact.0),
                    crate::InteractionId(id),
                    &given,
                );
                if taken {
                    let error = moved.expect_err("the key is taken");
                    assert!(matches!(error, crate::Error::DuplicateInteraction { .. }));
                } else {
                    assert!(moved.expect("updates"));
                    now.ratings.get_mut(&id).expect("picked").2[1] = name;
                }
            }
            Step::DeleteClick(n) => {
                let Some(id) = pick(&now.clicks, n) else { return };
                let (user, _, _) = now.clicks.remove(&id).expect("picked");
                let mut delete = || {
                    txn.delete_interaction(tables.clicks, UserId(user), crate::InteractionId(id))
                        .expect("deletes")
                };
                assert!(delete());
                assert!(!delete());
            }
            Step::DeleteRating(n) => {
                let Some(id) = pick(&now.ratings, n) else { return };
                let (user, _, _) = now.ratings.remove(&id).expect("picked");
                assert!(
                    txn.delete_interaction(tables.ratings, UserId(user), crate::InteractionId(id))
                        .expect("deletes")
                );
            }
            Step::PutImage(n, x) => {
                let Some(id) = pick(&now.items, n) else { return };
                let vector = vec![f32::from(x), 0.5, id as f32];
                txn.put_embedding(tables.items, IMAGE, id, &vector).expect("put");
                now.images.insert(id, vector);
            }
            Step::PutText(n, x) => {
                let Some(id) = pick(&now.items, n) else { return };
                let vector = vec![f32::from(x), -0.25, 2.0, f32::from(n)];
                txn.put_embedding(tables.items, TEXT, id, &vector).expect("put");
                now.texts.insert(id, vector);
            }
            Step::DeleteImage(n) => {
                let Some(id) = pick(&now.items, n) else { return };
                let existed = txn.delete_embedding(tables.items, IMAGE, id).expect("deletes");
                assert_eq!(existed, now.images.remove(&id).is_some());
            }
            Step::PutRecord(key, value) => {
                let key = format!("r{key}");
                txn.put_record(&key, &[value]);
                now.records.insert(key, vec![value]);
            }
            Step::DeleteRecord(key) => {
                let key = format!("r{key}");
                txn.delete_record(&key);
                now.records.remove(&key);
            }
            Step::Publish(key, value) => {
                use std::io::Write;
                let name = format!("m{key}");
                let mut staged = store.stage(&name).expect("stages");
                staged.write_all(&[value; 100]).expect("writes");
                txn.publish(staged.finish().expect("finishes")).expect("publishes");
                now.artifacts.insert(name, vec![value; 100]);
            }
            Step::Unpublish(key) => {
                let name = format!("m{key}");
                let existed = txn.unpublish(&name);
                assert_eq!(existed, now.artifacts.remove(&name).is_some());
            }
            Step::Savepoint => {
                txn.savepoint();
                self.savepoint = Some(now.clone());
            }
            Step::RollbackToSavepoint => match &self.savepoint {
                None => assert!(txn.rollback_to_savepoint().is_err()),
                Some(before) => {
                    txn.rollback_to_savepoint().expect("rolls back");
                    now.clone_from(before);
                    compare(&*txn, tables, now);
                }
            },
            Step::Commit | Step::Rollback | Step::Keep | Step::Compact | Step::Reopen => {}
        }
    }

    fn finish(mut self) {
        self.end(true);
        for (snapshot, oracle) in self.kept.drain(..) {
            compare(&snapshot, self.tables, &oracle);
        }
        let report = self.store().check().expect("checks");
        assert!(report.is_sound(), "{report:?}");
    }
}

fn run(steps: Vec<Step>, path: Option<tempfile::TempDir>) {
    let mut run = Run::new(path);
    for step in steps {
        run.apply(step);
    }
    run.finish();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_store_in_memory_is_a_few_maps(steps in prop::collection::vec(step(), 1..200)) {
        run(steps, None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_store_on_disk_is_a_few_maps_that_survive(
        steps in prop::collection::vec(step(), 1..200),
    ) {
        run(steps, Some(tempfile::tempdir().expect("a directory")));
    }
}
