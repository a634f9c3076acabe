//! Group commit: what is acknowledged is there, syncs are shared, readers see only what is durable.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;
use crate::changes::Change;
use crate::directory::MemDirectory;
use crate::error::{Error, Result};
use crate::kv::{Batch, FaultKv, Kv, KvOptions, KvSize, KvView, RocksKv};
use crate::read::Read;

/// A store whose syncs take as long as those of a disk.
struct SlowSync(RocksKv);

impl Kv for SlowSync {
    fn view(&self) -> Arc<dyn KvView> {
        self.0.view()
    }
    fn write(&self, batch: Batch) -> Result<()> {
        self.0.write(batch)
    }
    fn sync(&self) -> Result<()> {
        std::thread::sleep(Duration::from_millis(2));
        self.0.sync()
    }
    fn flush(&self) -> Result<()> {
        self.0.flush()
    }
    fn compact(&self) -> Result<()> {
        self.0.compact()
    }
    fn sequence(&self) -> u64 {
        self.0.sequence()
    }
    fn erase(&self, since: u64, patience: std::time::Duration) -> Result<()> {
        self.0.erase(since, patience)
    }
    fn checkpoint(&self, to: &std::path::Path) -> Result<()> {
        self.0.checkpoint(to)
    }
    fn verify(&self) -> Result<()> {
        self.0.verify()
    }
    fn size(&self) -> KvSize {
        self.0.size()
    }
}

fn slow() -> Store {
    let kv = RocksKv::in_memory(&KvOptions::default()).expect("opens");
    Store::from_parts(Arc::new(SlowSync(kv)), Arc::new(MemDirectory::new()), small())
        .expect("opens")
}

#[test]
fn eight_writers_share_syncs_and_lose_nothing() {
    const WRITERS: u64 = 8;
    const COMMITS: u64 = 40;
    let store = slow();
    let tables = in_txn(&store, create_tables);
    let item = in_txn(&store, |txn| put_item(txn, tables, "i"));
    let users: Vec<_> = in_txn(&store, |txn| {
        (0..WRITERS).map(|n| put_user(txn, tables, &format!("u{n}"))).collect()
    });
    let before = store.stats().syncs;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut last = 0;
            while !done.load(Ordering::Relaxed) {
                let generation = store.snapshot().generation();
                assert!(generation >= last);
                last = generation;
            }
        });
        let writers: Vec<_> = users
            .iter()
            .map(|user| {
                let store = store.clone();
                scope.spawn(move || {
                    for n in 1..=COMMITS {
                        let mut txn = store.begin().expect("begins");
                        txn.record_interaction(tables.clicks, *user, item, &[]).expect("records");
                        let generation = txn.commit().expect("commits");
                        // Acknowledged means visible to every later snapshot.
                        let snapshot = store.snapshot();
                        assert!(snapshot.generation() >= generation);
                        let seen = snapshot.history(tables.clicks, *user, &[]).expect("reads");
                        assert_eq!(seen.len() as u64, n);
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().expect("no panic");
        }
        done.store(true, Ordering::Relaxed);
        reader.join().expect("no panic");
    });
    let snapshot = store.snapshot();
    assert_eq!(snapshot.audience(tables.clicks, item).expect("reads").len() as u64, 320);
    let syncs = store.stats().syncs - before;
    assert!(syncs < WRITERS * COMMITS / 2, "{syncs} syncs for {} commits", WRITERS * COMMITS);
}

#[test]
fn a_second_writer_waits_and_is_then_told_that_the_store_is_busy() {
    let (store, tables) = memory();
    let mut first = store.begin().expect("begins");
    put_user(&mut first, tables, "u");
    let refused = store.begin_within(Duration::from_millis(10));
    assert!(matches!(refused, Err(Error::Busy { .. })));
    std::thread::scope(|scope| {
        let second = scope.spawn(|| store.begin().map(drop));
        std::thread::sleep(Duration::from_millis(10));
        // A transaction may end on another thread than it began on.
        scope.spawn(move || first.commit().expect("commits")).join().expect("no panic");
        second.join().expect("no panic").expect("begins");
    });
    assert!(store.snapshot().lookup(tables.users, "u").expect("reads").is_some());
}

#[test]
fn a_failed_sync_poisons_the_store_and_hides_what_it_did_not_make_durable() {
    let kv = RocksKv::in_memory(&KvOptions::default()).expect("opens");
    let kv = Arc::new(FaultKv::new(Arc::new(kv)));
    let store =
        Store::from_parts(Arc::clone(&kv) as Arc<dyn Kv>, Arc::new(MemDirectory::new()), small())
            .expect("opens");
    let tables = in_txn(&store, create_tables);
    let old = store.snapshot();
    let mut txn = store.begin().expect("begins");
    put_user(&mut txn, tables, "u");
    // The write passes, its sync does not.
    kv.fail_after(1);
    assert!(matches!(txn.commit(), Err(Error::Kv { op: "sync", .. })));
    assert_eq!(store.snapshot().generation(), old.generation());
    assert_eq!(store.snapshot().lookup(tables.users, "u").expect("reads"), None);
    assert!(matches!(store.begin(), Err(Error::Poisoned)));
}

#[test]
fn an_empty_transaction_writes_nothing() {
    let (store, tables) = memory();
    let before = store.stats();
    let mut txn = store.begin().expect("begins");
    assert!(
        !txn.delete_interaction(tables.clicks, UserId(7), crate::InteractionId(7)).expect("ok")
    );
    assert!(!txn.delete_row(tables.users, 7).expect("ok").existed);
    assert_eq!(txn.commit().expect("commits"), before.generation);
    assert_eq!(store.stats(), before);
}

#[test]
fn deleted_interactions_are_counted_and_changed_ones_are_not() {
    let (store, tables) = memory();
    let deleted = || store.snapshot().deleted_interactions();
    let (user, item) =
        in_txn(&store, |txn| (put_user(txn, tables, "u"), put_item(txn, tables, "i")));
    let ids = in_txn(&store, |txn| {
        let mut record = || txn.record_interaction(tables.clicks, user, item, &[]).expect("ok").0;
        [record(), record(), record()]
    });
    in_txn(&store, |txn| {
        txn.update_interaction(tables.clicks, user, ids[0], &[(WEIGHT, Value::Real(2.0))])
            .expect("updates")
    });
    let before = store.snapshot();
    assert_eq!(deleted(), 0);
    in_txn(&store, |txn| {
        txn.delete_interaction(tables.clicks, user, ids[0]).expect("deletes");
        txn.savepoint();
        txn.delete_interaction(tables.clicks, user, ids[1]).expect("deletes");
        txn.rollback_to_savepoint().expect("rolls back");
    });
    assert_eq!(deleted(), 1);
    in_txn(&store, |txn| txn.delete_row(tables.items, item.0).expect("deletes"));
    assert_eq!((deleted(), before.deleted_interactions()), (3, 0));
}

#[test]
fn what_changed_is_told_until_it_is_forgotten() {
    let (store, tables) = memory();
    let from = store.snapshot().generation();
    let (user, item) =
        in_txn(&store, |txn| (put_user(txn, tables, "u"), put_item(txn, tables, "i")));
    let middle = store.snapshot();
    let (id, _) = in_txn(&store, |txn| {
        txn.record_interaction(tables.clicks, user, item, &[]).expect("records")
    });
    in_txn(&store, |txn| {
        txn.update_interaction(tables.clicks, user, id, &[(WEIGHT, Value::Real(2.0))])
            .expect("updates")
    });
    in_txn(&store, |txn| txn.delete_row(tables.users, user.0).expect("deletes"));
    let now = store.snapshot();
    let click = |added| Change::Interaction { table: tables.clicks, user, item, added };
    let changes = store.changes_since(middle.generation(), &now).expect("remembered");
    let changes: Vec<_> = changes.iter().copied().collect();
    let row = Change::Row { table: tables.users, id: user.0 };
    assert_eq!(changes, [click(true), click(false), click(true), click(false), row]);
    let rows = store.changes_since(from, &middle).expect("remembered");
    assert_eq!(rows.len(), 2);
    assert!(store.changes_since(0, &now).expect("remembered").iter().any(|c| *c == Change::Schema));
    // What a rolled-back statement did is not told.
    let mut txn = store.begin().expect("begins");
    put_user(&mut txn, tables, "v");
    txn.savepoint();
    put_user(&mut txn, tables, "w");
    txn.rollback_to_savepoint().expect("rolls back");
    txn.commit().expect("commits");
    let changes = store.changes_since(now.generation(), &store.snapshot()).expect("remembered");
    assert_eq!(changes.len(), 1);
}
