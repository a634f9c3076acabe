//! Every write, sync and file operation of a workload fails once: the error is clean, the store
//! refuses to go on where it must, and what was acknowledged is there after reopening.

use std::sync::Arc;

use super::*;
use crate::directory::{
    CrashImageDirectory, Directory, Fault, FaultDirectory, MemDirectory, PowerCut,
};
use crate::error::{Error, Result};
use crate::kv::{Batch, FaultKv, Kv, KvOptions, KvSize, KvView, RocksKv};
use crate::read::Read;

/// Commits that insert, update, seal, merge and publish; counts those acknowledged.
fn workload(store: &Store, acknowledged: &mut u64) -> Result<()> {
    use std::io::Write;
    let mut txn = store.begin()?;
    let tables = create_tables(&mut txn);
    let user = txn.put_row(tables.users, "u", &[])?.0;
    let items: Vec<u64> = (0..12)
        .map(|n| txn.put_row(tables.items, &format!("i{n}"), &[]).map(|put| put.0))
        .collect::<Result<_>>()?;
    txn.commit()?;
    *acknowledged += 1;
    for round in 0..4u64 {
        let mut txn = store.begin()?;
        for item in &items {
            txn.put_embedding(tables.items, IMAGE, *item, &[round as f32, 1.0, *item as f32])?;
            txn.record_interaction(tables.clicks, UserId(user), ItemId(*item), &[])?;
        }
        let mut staged = store.stage("model")?;
        staged.write_all(&[round as u8; 300]).map_err(|source| Error::Io {
            path: "model".into(),
            op: "write",
            source,
        })?;
        txn.publish(staged.finish()?)?;
        txn.commit()?;
        *acknowledged += 1;
    }
    Ok(())
}

/// The state after so many acknowledged commits, or one more.
fn verify(store: &Store, acknowledged: u64) {
    let snapshot = store.snapshot();
    let generation = snapshot.generation();
    assert!(generation == acknowledged || generation == acknowledged + 1);
    let report = store.check().expect("checks");
    assert!(report.is_sound(), "{report:?}");
    let Some(items) = snapshot.catalog().table("items").map(|table| table.id) else {
        assert_eq!(generation, 0);
        return;
    };
    let clicks = snapshot.catalog().table("clicks").expect("created together").id;
    let rounds = generation - 1;
    let history = snapshot.history(clicks, UserId(1), &[]).expect("reads");
    assert_eq!(history.len() as u64, rounds * 12);
    let mut embeddings = 0;
    snapshot
        .embeddings(items, IMAGE, &mut |id, vector| {
            assert_eq!(vector, [(rounds - 1) as f32, 1.0, id as f32]);
            embeddings += 1;
            Ok(())
        })
        .expect("reads");
    assert_eq!(embeddings, if rounds == 0 { 0 } else { 12 });
    let model = snapshot.artifact("model").expect("reads").map(|blob| blob.to_vec());
    assert_eq!(model, (rounds > 0).then(|| vec![rounds as u8 - 1; 300]));
}

fn rocks() -> Arc<dyn Kv> {
    Arc::new(RocksKv::in_memory(&KvOptions::default()).expect("opens"))
}

#[test]
fn every_write_and_sync_of_the_log_may_fail() {
    let mut n = 0;
    loop {
        let inner = rocks();
        let dir: Arc<dyn Directory> = Arc::new(MemDirectory::new());
        let kv = Arc::new(FaultKv::new(Arc::clone(&inner)));
        let store = Store::from_parts(Arc::clone(&kv) as Arc<dyn Kv>, Arc::clone(&dir), small())
            .expect("opens");
        kv.fail_after(n);
        let mut acknowledged = 0;
        let result = workload(&store, &mut acknowledged);
        if result.is_err() {
            assert!(matches!(store.begin(), Err(Error::Poisoned)));
            assert_eq!(store.snapshot().generation(), acknowledged);
        }
        drop(store);
        let store = Store::from_parts(inner, dir, small()).expect("reopens");
        verify(&store, acknowledged);
        drop(store);
        if result.is_ok() {
            assert_eq!(acknowledged, 5);
            break;
        }
        n += 1;
    }
    assert!(n >= 10, "each of five commits writes and syncs");
}

#[test]
fn every_file_operation_may_fail() {
    let mut n = 1;
    loop {
        let kv = rocks();
        let inner: Arc<dyn Directory> = Arc::new(MemDirectory::new());
        let dir = Arc::new(FaultDirectory::new(Arc::clone(&inner)));
        let open =
            || Store::from_parts(Arc::clone(&kv), Arc::clone(&dir) as Arc<dyn Directory>, small());
        let store = open().expect("opens");
        dir.fail_from(None, n, Fault::Io);
        let mut acknowledged = 0;
        let result = workload(&store, &mut acknowledged);
        let failed = dir.injected() > 0;
        if result.is_err() {
            // A file that could not be written fails its transaction and nothing else.
            assert_eq!(store.snapshot().generation(), acknowledged);
            assert!(store.begin().is_ok());
        }
        drop(store);
        dir.heal();
        let store = Store::from_parts(Arc::clone(&kv), inner, small()).expect("reopens");
        verify(&store, acknowledged);
        if !failed {
            assert_eq!(acknowledged, 5);
            break;
        }
        n += 1;
    }
    assert!(n > 20, "the workload seals, merges and publishes");
}

/// Accepts nothing once the power is cut.
struct CutKv {
    kv: Arc<dyn Kv>,
    dir: Arc<CrashImageDirectory>,
}

impl Kv for CutKv {
    fn view(&self) -> Arc<dyn KvView> {
        self.kv.view()
    }
    fn write(&self, batch: Batch) -> Result<()> {
        if self.dir.is_cut() {
            return Err(Error::Kv { op: "write", cf: None, message: "no power".to_owned() });
        }
        self.kv.write(batch)
    }
    fn sync(&self) -> Result<()> {
        self.kv.sync()
    }
    fn flush(&self) -> Result<()> {
        self.kv.flush()
    }
    fn compact(&self) -> Result<()> {
        self.kv.compact()
    }
    fn sequence(&self) -> u64 {
        self.kv.sequence()
    }
    fn erase(&self, since: u64, patience: std::time::Duration) -> Result<()> {
        self.kv.erase(since, patience)
    }
    fn checkpoint(&self, to: &std::path::Path) -> Result<()> {
        self.kv.checkpoint(to)
    }
    fn verify(&self) -> Result<()> {
        self.kv.verify()
    }
    fn size(&self) -> KvSize {
        self.kv.size()
    }
}

#[test]
fn a_power_cut_at_any_file_operation_leaves_what_was_acknowledged() {
    let mut step = 1;
    loop {
        // RocksDB's files are its own concern: it keeps what it has written when the cut comes.
        let kv = rocks();
        let dir = Arc::new(CrashImageDirectory::cut_before(step));
        let cut_kv = Arc::new(CutKv { kv: Arc::clone(&kv), dir: Arc::clone(&dir) });
        let mut acknowledged = 0;
        if let Ok(store) =
            Store::from_parts(cut_kv, Arc::clone(&dir) as Arc<dyn Directory>, small())
        {
            let result = workload(&store, &mut acknowledged);
            assert_eq!(result.is_ok(), acknowledged == 5);
        }
        for cut in [PowerCut::LoseAll, PowerCut::KeepNames, PowerCut::Torn { seed: step }] {
            let image: Arc<dyn Directory> = Arc::new(dir.image(cut));
            let store = Store::from_parts(Arc::clone(&kv), image, small()).expect("reopens");
            verify(&store, acknowledged);
        }
        if !dir.is_cut() {
            assert_eq!(acknowledged, 5);
            break;
        }
        step += 1;
    }
    assert!(step > 20);
}
