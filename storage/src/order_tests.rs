//! The order of publication, seen from where a power cut could come.
//!
//! A script runs against a real store whose directory remembers what was synced and whose
//! key-value store looks at that directory whenever it is given a batch: every file that the
//! batch names must already be durable, whole and under its name; and no file that a durable
//! batch names may be gone. The same script then runs with the n-th operation on files failing,
//! and with the n-th write or sync of the key-value store failing, for every n.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::check::check_store;
use crate::codec::Place;
use crate::directory::{
    CrashImageDirectory, Directory, Fault, FaultDirectory, MemDirectory, PowerCut,
};
use crate::kv::{Batch, Cf, FaultKv, Kv, KvOptions, KvSize, KvView, Op, RocksKv};
use crate::manifest::decode_file;
use crate::staged::FileRef;
use crate::{
    ColumnId, ColumnSpec, ColumnType, Create, Element, KeyType, LinkSpec, OnUnknown, Options, Read,
    Result, Role, Store, TableId, TableSpec,
};

const TEXT: ColumnId = ColumnId(0);

fn options() -> Options {
    Options { seal_rows: 4, create: Create::IfMissing, ..Options::default() }
}

fn entities(name: &str, role: Role, columns: Vec<ColumnSpec>) -> TableSpec {
    TableSpec {
        name: name.to_owned(),
        role,
        key_column: "id".to_owned(),
        key_type: KeyType::Text,
        key_position: 0,
        columns,
        link: None,
    }
}

/// What the script has been told is durable.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Acknowledged {
    commits: u64,
    clicks: usize,
    embeddings: usize,
    artifacts: usize,
}

/// Tables, rows, clicks, sealed and pending embeddings, deletions, merges, artifacts.
fn script(store: &Store, done: &mut Acknowledged) -> Result<()> {
    let vector = ColumnType::Vector { dim: 3, element: Element::F16 };
    let mut txn = store.begin()?;
    let users = txn.create_table(entities("users", Role::User, Vec::new()))?;
    let columns = vec![ColumnSpec::new("text", vector)];
    let items = txn.create_table(entities("items", Role::Item, columns))?;
    let link = LinkSpec {
        user_table: users,
        item_table: items,
        user_column: "user".to_owned(),
        item_column: "item".to_owned(),
        unique: None,
        on_unknown: OnUnknown::Error,
        user_position: 0,
        item_position: 1,
    };
    let spec = TableSpec { link: Some(link), ..entities("clicks", Role::Interaction, Vec::new()) };
    let clicks = txn.create_table(TableSpec { key_column: String::new(), ..spec })?;
    done.commits = txn.commit()?;
    for round in 0..4_u64 {
        let mut txn = store.begin()?;
        let (user, _) = txn.put_row(users, &format!("u{round}"), &[])?;
        for n in 0..5 {
            let (item, _) = txn.put_row(items, &format!("i{round}.{n}"), &[])?;
            txn.put_embedding(items, TEXT, item, &[round as f32, n as f32, 0.5])?;
            txn.record_interaction(clicks, crate::UserId(user), crate::ItemId(item), &[])?;
        }
        done.commits = txn.commit()?;
        done.clicks += 5;
        done.embeddings += 5;
    }
    let mut artifact = store.stage("home/1")?;
    let io = |e| crate::Error::Io { path: "artifact".into(), op: "write", source: e };
    artifact.write_all(&[9; 70_000]).map_err(io)?;
    let staged = artifact.finish()?;
    let mut txn = store.begin()?;
    txn.publish(staged)?;
    txn.put_record("model/home", b"1");
    done.commits = txn.commit()?;
    done.artifacts = 1;
    let mut txn = store.begin()?;
    for n in 0..3 {
        let id = txn.lookup(items, &format!("i1.{n}"))?.expect("was put");
        txn.delete_row(items, id)?;
    }
    txn.compact_embeddings()?;
    done.commits = txn.commit()?;
    done.clicks -= 3;
    done.embeddings -= 3;
    Ok(())
}

/// What the store holds, counted the way the script counts.
fn count(store: &Store) -> Acknowledged {
    let snapshot = store.snapshot();
    let mut found = Acknowledged { commits: snapshot.generation(), ..Acknowledged::default() };
    let id = |name: &str| snapshot.catalog().table(name).map(|table| table.id);
    if let (Some(items), Some(clicks)) = (id("items"), id("clicks")) {
        let interactions = snapshot.interactions(clicks, &[]).expect("reads");
        for click in interactions {
            click.expect("reads");
            found.clicks += 1;
        }
        let mut each = |_, vector: &[f32]| {
            assert_eq!((vector.len(), vector[2]), (3, 0.5));
            found.embeddings += 1;
            Ok(())
        };
        snapshot.embeddings(items, TEXT, &mut each).expect("reads");
    }
    if let Some(bytes) = snapshot.artifact("home/1").expect("reads") {
        assert!(bytes.len() == 70_000 && bytes.iter().all(|byte| *byte == 9));
        found.artifacts = 1;
    }
    found
}

/// Looks at the directory whenever something is committed.
struct Watch {
    inner: Arc<dyn Kv>,
    crash: CrashImageDirectory,
    named: Mutex<BTreeMap<Vec<u8>, FileRef>>,
    durable: Mutex<Vec<FileRef>>,
}

impl Watch {
    /// Whatever a power cut leaves now, these files are in it.
    fn survive(&self, files: &[FileRef]) {
        let torn = (0..4).map(|seed| PowerCut::Torn { seed });
        for cut in [PowerCut::LoseAll, PowerCut::KeepNames].into_iter().chain(torn) {
            let image = self.crash.image(cut);
            for file in files {
                file.verify(&image).expect("a named file survives a power cut");
            }
        }
    }
}

impl Kv for Watch {
    fn view(&self) -> Arc<dyn KvView> {
        self.inner.view()
    }

    fn write(&self, batch: Batch) -> Result<()> {
        let mut named = self.named.lock().expect("no test thread panics holding it");
        // Before the batch: what is durable must be there still.
        self.survive(&self.durable.lock().expect("likewise"));
        for op in batch.ops() {
            match op {
                Op::Put(Cf::Manifest, key, value) if key[0] != 2 => {
                    let place = Place { cf: Cf::Manifest, key };
                    named.insert(key.clone(), decode_file(value, place).expect("decodes"));
                }
                Op::Delete(Cf::Manifest, key) => {
                    named.remove(key);
                }
                _ => {}
            }
        }
        let files: Vec<FileRef> = named.values().cloned().collect();
        // The batch may become durable at any moment from now on.
        self.survive(&files);
        self.inner.write(batch)
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()?;
        let named = self.named.lock().expect("likewise");
        *self.durable.lock().expect("likewise") = named.values().cloned().collect();
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        self.inner.flush()
    }

    fn compact(&self) -> Result<()> {
        self.inner.compact()
    }

    fn sequence(&self) -> u64 {
        self.inner.sequence()
    }

    fn erase(&self, since: u64, patience: std::time::Duration) -> Result<()> {
        self.inner.erase(since, patience)
    }

    fn checkpoint(&self, to: &Path) -> Result<()> {
        self.inner.checkpoint(to)
    }

    fn verify(&self) -> Result<()> {
        self.inner.verify()
    }

    fn size(&self) -> KvSize {
        self.inner.size()
    }
}

fn memory() -> Arc<dyn Kv> {
    Arc::new(RocksKv::in_memory(&KvOptions::default()).expect("opens"))
}

#[test]
fn a_file_is_durable_before_it_is_named_and_until_it_is_not() {
    let crash = CrashImageDirectory::new();
    let kv = Arc::new(Watch {
        inner: memory(),
        crash: crash.clone(),
        named: Mutex::default(),
        durable: Mutex::default(),
    });
    let store = Store::from_parts(kv.clone(), Arc::new(crash.clone()), options()).expect("opens");
    let mut done = Acknowledged::default();
    script(&store, &mut done).expect("runs");
    assert_eq!(count(&store), done);
    let stats = store.stats();
    assert!(stats.segments == 1 && stats.artifacts == 1, "{stats:?}");
    kv.survive(&kv.durable.lock().expect("not poisoned"));
    assert!(crash.syncs() > 10);
    drop(store);
    // The image of a power cut now, with all that was committed, is a sound database.
    for cut in [PowerCut::LoseAll, PowerCut::KeepNames, PowerCut::Torn { seed: 1 }] {
        let image = crash.image(cut);
        assert_eq!(check_store(&*kv.inner, &image).problems, []);
        let store = Store::from_parts(Arc::clone(&kv.inner), Arc::new(image), options());
        assert_eq!(count(&store.expect("opens")), done);
    }
}

#[test]
fn every_fault_of_a_file_operation_ends_cleanly() {
    let whole = FaultDirectory::new(Arc::new(MemDirectory::new()));
    let store = Store::from_parts(memory(), Arc::new(whole.clone()), options()).expect("opens");
    let before = whole.operations();
    script(&store, &mut Acknowledged::default()).expect("runs");
    let operations = whole.operations() - before;
    assert!(operations > 40, "{operations}");
    for nth in 1..=operations {
        for stays in [false, true] {
            let disk: Arc<dyn Directory> = Arc::new(MemDirectory::new());
            let faulty = FaultDirectory::new(Arc::clone(&disk));
            let kv = memory();
            let store = Store::from_parts(Arc::clone(&kv), Arc::new(faulty.clone()), options());
            let store = store.expect("opens");
            if stays {
                faulty.fail_from(None, nth, Fault::NoSpace);
            } else {
                faulty.fail(None, nth, Fault::Io);
            }
            let mut done = Acknowledged::default();
            let result = script(&store, &mut done);
            assert!(faulty.injected() > 0, "operation {nth} was not reached");
            // A file that cannot be removed is left for the next open: that is no failure.
            if let Err(error) = &result {
                assert!(crate::directory::is_injected(error), "operation {nth}: {error}");
            }
            assert_eq!(count(&store), done, "operation {nth}: as before what failed");
            drop(store);
            let report = check_store(&*kv, &*disk);
            assert_eq!(report.problems, [], "operation {nth}");
            let store = Store::from_parts(Arc::clone(&kv), Arc::clone(&disk), options());
            let store = store.expect("opens without the fault");
            assert_eq!(count(&store), done, "operation {nth}");
            assert_eq!(check_store(&*kv, &*disk).leftovers, [] as [&str; 0], "swept");
        }
    }
}

#[test]
fn every_fault_of_the_key_value_store_ends_cleanly() {
    let whole = Arc::new(FaultKv::new(memory()));
    let store = Store::from_parts(whole.clone(), Arc::new(MemDirectory::new()), options());
    script(&store.expect("opens"), &mut Acknowledged::default()).expect("runs");
    let operations = u32::try_from(whole.writes() + whole.syncs()).expect("few");
    assert!(operations >= 14, "{operations}");
    for n in 0..operations {
        let kv = memory();
        let faulty = Arc::new(FaultKv::new(Arc::clone(&kv)));
        let disk: Arc<dyn Directory> = Arc::new(MemDirectory::new());
        let store = Store::from_parts(faulty.clone(), Arc::clone(&disk), options()).expect("opens");
        faulty.fail_after(n);
        let mut done = Acknowledged::default();
        script(&store, &mut done).expect_err("the fault is reported");
        assert!(store.begin().is_err(), "the store refuses to go on after {n}");
        assert_eq!(count(&store).commits, done.commits, "only what is durable is seen");
        drop(store);
        let store = Store::from_parts(Arc::clone(&kv), Arc::clone(&disk), options());
        let found = count(&store.expect("opens without the fault"));
        // A commit whose sync failed may or may not have come through.
        assert!(found.commits == done.commits || found.commits == done.commits + 1, "{n}");
        assert_eq!(check_store(&*kv, &*disk).problems, [], "{n}");
    }
}

#[test]
fn tables_have_the_ids_that_the_tests_rely_on() {
    let store = Store::in_memory(options()).expect("opens");
    script(&store, &mut Acknowledged::default()).expect("runs");
    let snapshot = store.snapshot();
    let items = snapshot.catalog().table("items").expect("exists");
    assert_eq!((items.id, items.column("text").map(|c| c.id)), (TableId(2), Some(TEXT)));
}

#[test]
fn an_open_store_can_be_checked() {
    let store = Store::in_memory(options()).expect("opens");
    script(&store, &mut Acknowledged::default()).expect("runs");
    let report = store.check().expect("checked");
    assert_eq!((report.problems.len(), report.leftovers.len()), (0, 0));
    assert_eq!((report.checked.rows, report.checked.interactions), (21, 17));
    assert_eq!((report.checked.embeddings, report.checked.artifacts), (17, 1));
}
