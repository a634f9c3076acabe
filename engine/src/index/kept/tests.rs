//! Indexes of a database: never a row that should not be there, never one too few, whatever goes on.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicBool, Ordering};

use fixedbitset::FixedBitSet;
use tastedb_storage::{ColumnId, ItemId, Options, Read, Store, TableId, UserId};

use super::{NewIndex, Stale};
use crate::made_up::{self, Tables};
use crate::recommend::{Context, Request, Seen};
use crate::seeded::{fraction, number};
use crate::{Engine, Error, Existing, ModelOptions, OptionValue, Similarity, TrainRequest, Work};

struct Shop {
    engine: Engine,
    items: TableId,
    people: TableId,
    views: TableId,
    column: ColumnId,
}

fn vector(seed: u64) -> Vec<f32> {
    let cluster = seed % 13;
    (0..8).map(|d| fraction(cluster, d) - 0.5 + 0.4 * (fraction(seed ^ 99, d) - 0.5)).collect()
}

fn new_index(m: i64) -> NewIndex {
    NewIndex {
        name: "near".to_owned(),
        table: "items".to_owned(),
        column: "v".to_owned(),
        method: None,
        options: ModelOptions::new()
            .with("m", OptionValue::Int(m))
            .with("ef_construction", OptionValue::Int(40)),
        existing: Existing::Refuse,
    }
}

fn near() -> Stale {
    Stale::Column("near".to_owned())
}

impl Shop {
    fn new(store: Store) -> Shop {
        let engine = Engine::new(store, None);
        let Tables { people, items, views } =
            Tables::create(engine.store(), "items", vec![made_up::vector("v", 8)], Vec::new());
        let snapshot = engine.snapshot();
        let column = snapshot.catalog().table("items").unwrap().column("v").unwrap().id;
        Shop { engine, items, people, views, column }
    }

    fn put(&self, from: u64, n: u64) {
        let mut txn = self.engine.store().begin().unwrap();
        for at in from..from + n {
            let (id, _) = txn.put_row(self.items, &format!("i{at}"), &[]).unwrap();
            txn.put_embedding(self.items, self.column, id, &vector(at)).unwrap();
        }
        txn.commit().unwrap();
    }

    fn remove(&self, keys: impl IntoIterator<Item = u64>) {
        let mut txn = self.engine.store().begin().unwrap();
        for key in keys {
            if let Some(id) = txn.lookup(self.items, &format!("i{key}")).unwrap() {
                txn.delete_row(self.items, id).unwrap();
            }
        }
        txn.commit().unwrap();
    }

    fn create(&self) {
        let snapshot = self.engine.snapshot();
        let fitted = self.engine.fit_index(&snapshot, &new_index(8), &Work::quiet()).unwrap();
        let mut txn = self.engine.store().begin().unwrap();
        assert!(self.engine.create_index(&mut txn, &new_index(8), Some(fitted)).unwrap());
        txn.commit().unwrap();
    }

    /// Asks for what is near to a vector among a share of the rows, and holds the answer against the
    /// snapshot; the part of the exact answer that it has.
    fn ask(&self, seed: u64, share: f32, k: usize) -> f64 {
        let snapshot = self.engine.snapshot();
        let live = self.engine.live();
        let entities = live.entities(self.engine.store(), &snapshot, self.items).unwrap();
        let mut bits = FixedBitSet::with_capacity(entities.len());
        bits.extend((0..entities.len()).filter(|row| fraction(seed, *row as u64) < share));
        let query = vector(seed);
        let mut exact: Vec<(f32, u64)> = bits
            .ones()
            .map(|row| {
                let id = entities.id(row as u32);
                let own = snapshot.embedding(self.items, self.column, id).unwrap().unwrap();
                let dot: f32 = own.iter().zip(&query).map(|(a, b)| a * b).sum();
                let length: f32 = own.iter().map(|x| x * x).sum::<f32>().sqrt();
                (dot / length, id)
            })
            .collect();
        exact.sort_by(|a, b| b.0.total_cmp(&a.0));
        exact.truncate(k);
        let request = Request {
            candidates: Some(bits.clone().into()),
            seen: Vec::<Seen>::new(),
            ..Request::new(self.items, Context::Vector(self.column, query), k)
        };
        let response = self.engine.recommend(&snapshot, &request).unwrap();
        assert_eq!(response.rows.len(), k.min(bits.count_ones(..)));
        for row in &response.rows {
            assert!(bits.contains(row.row as usize), "a row that is not a candidate");
            assert_eq!(entities.id(row.row), row.id);
            assert!(snapshot.row(self.items, row.id, &[]).unwrap().is_some(), "a row that is gone");
            assert_eq!(&*row.source, "vector");
        }
        let hit = |(_, id): &&(f32, u64)| response.rows.iter().any(|row| row.id == *id);
        exact.iter().filter(hit).count() as f64 / exact.len().max(1) as f64
    }
}

#[test]
fn rows_are_right_while_a_writer_writes_and_indexes_are_swapped() {
    let shop = Shop::new(Store::in_memory(Options::default()).unwrap());
    shop.put(0, 2500);
    shop.create();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..30 {
                shop.put(10_000 + round * 20, 20);
                let gone = |at| number(round, at) % (10_000 + round * 20);
                shop.remove((0..15).map(gone).filter(|key| *key < 2500 || *key >= 10_000));
            }
            stop.store(true, Ordering::Relaxed);
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                shop.engine.rebuild_index("near", &Work::quiet()).unwrap();
            }
        });
        let (mut recall, mut asked) = (0.0, 0);
        while !stop.load(Ordering::Relaxed) || asked < 60 {
            for share in [1.0, 0.9, 0.3, 0.05, 0.002] {
                recall += shop.ask(asked, share, 10);
                asked += 1;
            }
        }
        assert!(recall / asked as f64 >= 0.95, "{recall} of {asked}");
    });
    let info = &shop.engine.index_infos(&shop.engine.snapshot()).unwrap()[0];
    assert!(info.items > 2000 && info.trouble.is_none(), "{info:?}");
}

#[test]
fn a_column_has_an_index_for_each_metric_and_answers_depend_on_none() {
    let shop = Shop::new(Store::in_memory(Options::default()).unwrap());
    shop.put(0, 3000);
    shop.remove((0..40).map(|at| at * 3));
    let ask = |seed: u64, share: f32, metric, correct_hubs| {
        let snapshot = shop.engine.snapshot();
        let live = shop.engine.live();
        let n = live.entities(shop.engine.store(), &snapshot, shop.items).unwrap().len();
        let mut bits = FixedBitSet::with_capacity(n);
        bits.extend((0..n).filter(|row| fraction(seed, *row as u64) < share));
        let request = Request {
            candidates: Some(bits.clone().into()),
            seen: Vec::<Seen>::new(),
            metric,
            correct_hubs,
            ..Request::new(shop.items, Context::Vector(shop.column, vector(seed)), 10)
        };
        let response = shop.engine.recommend(&snapshot, &request).unwrap();
        assert!(response.rows.iter().all(|row| bits.contains(row.row as usize)));
        assert_eq!(response.rows.len(), 10);
        let walked = response.trace.iter().any(|stage| stage.detail.contains("walk"));
        let rows = response.rows.into_iter().map(|row| (row.id, row.score)).collect::<Vec<_>>();
        (rows, walked)
    };
    let ways = [
        (None, false),
        (None, true),
        (Some(Similarity::Cosine), true),
        (Some(Similarity::L2), false),
        (Some(Similarity::InnerProduct), false),
    ];
    let cases: Vec<_> = (0..60u64)
        .flat_map(|seed| {
            ways.map(|(metric, hubs)| (seed, [1.0, 0.6][seed as usize % 2], metric, hubs))
        })
        .collect();
    let exact: Vec<_> = cases
        .iter()
        .map(|(seed, share, metric, hubs)| ask(*seed, *share, *metric, *hubs))
        .collect();
    assert!(exact.iter().all(|(_, walked)| !walked));
    for metric in Similarity::ALL {
        let name = format!("by_{metric}");
        let options = ModelOptions::new().with("metric", OptionValue::Text(metric.to_string()));
        let new = NewIndex { name, options, ..new_index(8) };
        let engine = &shop.engine;
        let fitted = engine.fit_index(&engine.snapshot(), &new, &Work::quiet()).unwrap();
        let mut txn = engine.store().begin().unwrap();
        assert!(engine.create_index(&mut txn, &new, Some(fitted)).unwrap());
        let second = NewIndex { name: "second".to_owned(), ..new.clone() };
        let refused = engine.create_index(&mut txn, &second, None);
        assert!(matches!(refused, Err(Error::AlreadyIndexed { index, .. }) if index == new.name));
        txn.commit().unwrap();
    }
    let (mut same, mut walks) = (0, 0);
    for ((seed, share, metric, hubs), (exact, _)) in cases.iter().zip(&exact) {
        let (rows, walked) = ask(*seed, *share, *metric, *hubs);
        walks += usize::from(walked);
        for row in rows {
            let close = |of: &&(u64, f32)| of.0 == row.0 && (of.1 - row.1).abs() < 1e-5;
            same += usize::from(exact.iter().any(|of| close(&of)));
        }
    }
    assert!(same as f64 >= 0.95 * 10.0 * cases.len() as f64, "{same} of {}", 10 * cases.len());
    assert!(walks >= cases.len() / 2, "{walks} of {}", cases.len());
    let infos = shop.engine.index_infos(&shop.engine.snapshot()).unwrap();
    let metrics: Vec<Similarity> = infos.iter().map(|info| info.metric).collect();
    assert_eq!(metrics, [Similarity::Cosine, Similarity::InnerProduct, Similarity::L2]);
    assert!(infos.iter().all(|info| info.covered == info.items && info.trouble.is_none()));

    // What comes and goes is known to each of them.
    shop.put(3000, 5);
    shop.remove([500]);
    let infos = shop.engine.index_infos(&shop.engine.snapshot()).unwrap();
    assert!(infos.iter().all(|info| info.items - info.covered == 5), "{infos:?}");
    for metric in Similarity::ALL {
        let (rows, _) = ask(3000, 1.1, Some(metric), false);
        let newest = shop.engine.snapshot().lookup(shop.items, "i3000").unwrap().unwrap();
        let among = rows.iter().any(|(id, _)| *id == newest);
        assert!(
            among || metric == Similarity::InnerProduct,
            "{metric}: its own vector is near to it"
        );
    }
    let mut txn = shop.engine.store().begin().unwrap();
    txn.drop_column(shop.items, "v").unwrap();
    shop.engine.drop_indexes_of_gone(&mut txn).unwrap();
    txn.commit().unwrap();
    let left = shop.engine.snapshot().artifacts();
    assert!(left.iter().all(|name| !name.starts_with("derived/")), "{left:?}");
}

#[test]
fn a_file_that_is_lost_costs_no_row_and_is_built_again() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Store::open(dir.path(), Options::default()).unwrap();
    let shop = Shop::new(open());
    shop.put(0, 600);
    shop.create();
    shop.put(600, 10);
    let Shop { items, people, views, column, .. } = shop;
    drop(shop);
    let file = {
        let folder = dir.path().join(format!("models/derived/index/{items}/{column}"));
        let mut files = std::fs::read_dir(folder).unwrap();
        files.next().unwrap().unwrap().path()
    };
    let reopened = || Shop { engine: Engine::new(open(), None), items, people, views, column };
    let stale = |shop: &Shop| shop.engine.stale_indexes(&shop.engine.snapshot()).unwrap();
    let info = |shop: &Shop| shop.engine.index_infos(&shop.engine.snapshot()).unwrap().remove(0);

    let shop = reopened();
    assert!(shop.engine.has_work());
    assert_eq!((info(&shop).items, info(&shop).covered), (610, 600));
    assert_eq!(stale(&shop), [] as [Stale; 0]);
    assert!(shop.ask(3, 1.0, 10) >= 0.9);
    drop(shop);

    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    std::fs::write(&file, bytes).unwrap();
    let shop = reopened();
    assert_eq!(shop.ask(4, 1.0, 10), 1.0);
    assert_eq!(stale(&shop), [near()]);
    assert!(info(&shop).trouble.unwrap().starts_with("lost: "), "it says so");
    shop.engine.rebuild_index("near", &Work::quiet()).unwrap();
    assert_eq!((info(&shop).covered, info(&shop).trouble), (610, None));
    drop(shop);

    let shop = reopened();
    assert_eq!(stale(&shop), [] as [Stale; 0]);
    assert!(shop.ask(5, 1.0, 10) >= 0.9);
}

#[test]
fn an_index_says_when_it_is_to_be_built_and_a_changed_one_is_not_published() {
    let shop = Shop::new(Store::in_memory(Options::default()).unwrap());
    shop.put(0, 50);
    let stale = || shop.engine.stale_indexes(&shop.engine.snapshot()).unwrap();
    let mut txn = shop.engine.store().begin().unwrap();
    assert!(shop.engine.create_index(&mut txn, &new_index(8), None).unwrap());
    txn.commit().unwrap();
    assert_eq!(stale(), [near()]);
    assert_eq!(shop.ask(1, 0.5, 10), 1.0);
    shop.engine.rebuild_index("near", &Work::quiet()).unwrap();
    assert_eq!(stale(), [] as [Stale; 0]);
    shop.put(50, 900);
    assert_eq!(stale(), [] as [Stale; 0]);
    shop.put(950, 200);
    assert_eq!(stale(), [near()]);

    let snapshot = shop.engine.snapshot();
    let replaced = NewIndex { existing: Existing::Replace, ..new_index(4) };
    let mut txn = shop.engine.store().begin().unwrap();
    assert!(shop.engine.create_index(&mut txn, &replaced, None).unwrap());
    txn.commit().unwrap();
    assert_eq!(shop.engine.indexes(&snapshot).unwrap()[0].options.m, 8);
    assert_eq!(shop.engine.indexes(&shop.engine.snapshot()).unwrap()[0].options.m, 4);
    let gone = shop.engine.rebuild_index("far", &Work::quiet());
    assert!(matches!(gone, Err(Error::NoSuchIndex { name }) if name == "far"));
    let mut txn = shop.engine.store().begin().unwrap();
    txn.drop_column(shop.items, "v").unwrap();
    shop.engine.drop_indexes_of_gone(&mut txn).unwrap();
    txn.commit().unwrap();
    assert!(shop.engine.indexes(&shop.engine.snapshot()).unwrap().is_empty());
}

#[test]
fn what_is_gone_leaves_the_file_of_an_index_with_a_vacuum() {
    let shop = Shop::new(Store::in_memory(Options::default()).unwrap());
    shop.put(0, 300);
    shop.create();
    let vacuum = || {
        shop.engine.vacuum(&|| 0, std::time::Duration::from_secs(5), &Work::quiet()).unwrap();
        shop.engine.index_infos(&shop.engine.snapshot()).unwrap().remove(0)
    };
    assert_eq!(vacuum().covered, 300, "nothing is gone, so the file stays");
    shop.remove([7]);
    let info = vacuum();
    assert_eq!((info.covered, info.built, info.trouble), (0, None, None));
    assert_eq!(shop.engine.stale_indexes(&shop.engine.snapshot()).unwrap(), [near()]);
    assert_eq!(shop.ask(2, 0.5, 10), 1.0);
    shop.engine.rebuild_index("near", &Work::quiet()).unwrap();
    let info = vacuum();
    assert_eq!((info.items, info.covered), (299, 299));
}

#[test]
fn an_index_of_what_was_forgotten_meanwhile_is_not_published() {
    let shop = Shop::new(Store::in_memory(Options::default()).unwrap());
    shop.put(0, 300);
    let engine = &shop.engine;
    let fit = || engine.fit_index(&engine.snapshot(), &new_index(8), &Work::quiet()).unwrap();
    let create = |fitted| {
        let mut txn = engine.store().begin().unwrap();
        let created = engine.create_index(&mut txn, &new_index(8), Some(fitted))?;
        txn.commit()?;
        Ok::<bool, Error>(created)
    };
    let before = fit();
    let mut txn = engine.store().begin().unwrap();
    let catalog = txn.catalog().clone();
    let mut forgetting = engine.forgetting(catalog.table_by_id(shop.items).unwrap());
    let id = txn.lookup(shop.items, "i7").unwrap().unwrap();
    assert!(forgetting.row(&mut txn, id).unwrap());
    assert!(forgetting.finish(&mut txn, 0).unwrap().is_some());
    txn.commit().unwrap();
    engine.vacuum(&|| 0, std::time::Duration::from_secs(5), &Work::quiet()).unwrap();
    assert!(matches!(create(before), Err(Error::Conflict { .. })));
    assert!(engine.indexes(&engine.snapshot()).unwrap().is_empty(), "nothing is half created");
    assert!(create(fit()).unwrap());
}

/// A shop with visitors of some tastes, where `ials` and `bpr` are trained.
fn trained(items: u64, model: &str) -> (Shop, TableId) {
    let shop = Shop::new(Store::in_memory(Options::default()).unwrap());
    shop.put(0, items);
    let mut txn = shop.engine.store().begin().unwrap();
    let Shop { people, views, .. } = shop;
    for user in 0..300 {
        let (id, _) = txn.put_row(people, &format!("u{user}"), &[]).unwrap();
        for at in 0..20 {
            // Of one item in thirteen, and some at random.
            let any = number(user, at) % items;
            let item = if at < 15 { any - any % 13 + user % 13 } else { any };
            if let Some(item) = txn.lookup(shop.items, &format!("i{item}")).unwrap() {
                txn.record_interaction(views, UserId(id), ItemId(item), &[]).unwrap();
            }
        }
    }
    shop.engine.create_model(&mut txn, made_up::model("m", model, ModelOptions::new())).unwrap();
    txn.commit().unwrap();
    made_up::train(&shop.engine, "m", &Work::quiet()).unwrap();
    (shop, people)
}

#[test]
fn the_factors_of_a_model_are_walked_with_what_is_new_among_them() {
    for model in ["ials", "bpr"] {
        let (shop, people) = trained(1200, model);
        // What comes after the training, and what goes.
        shop.put(1200, 30);
        shop.remove((0..40).map(|at| at * 7));
        let ask = |user: u64, share: f32| {
            let snapshot = shop.engine.snapshot();
            let user = snapshot.lookup(people, &format!("u{user}")).unwrap().unwrap();
            let live = shop.engine.live();
            let n = live.entities(shop.engine.store(), &snapshot, shop.items).unwrap().len();
            let mut bits = FixedBitSet::with_capacity(n);
            bits.extend((0..n).filter(|row| fraction(user, *row as u64) < share));
            let request = Request {
                candidates: Some(bits.into()),
                ..Request::new(shop.items, Context::User(UserId(user)), 10)
            };
            let response = shop.engine.recommend(&snapshot, &request).unwrap();
            let walked = response.trace.iter().any(|stage| stage.name == "retrieve");
            (response.rows.into_iter().map(|row| (row.id, row.score)).collect::<Vec<_>>(), walked)
        };
        let cases: Vec<(u64, f32)> =
            (0..60).map(|user| (user, [1.0, 0.7, 0.2][user as usize % 3])).collect();
        let before: Vec<_> = cases.iter().map(|(user, share)| ask(*user, *share)).collect();
        assert!(before.iter().all(|(rows, walked)| !walked && rows.len() == 10));
        super::factors::build(&shop.engine, "m", &Work::quiet()).unwrap();
        let (mut same, mut new) = (0, 0);
        for ((user, share), (exact, _)) in cases.iter().zip(&before) {
            let (rows, walked) = ask(*user, *share);
            assert!(walked && rows.len() == 10, "{model}");
            assert!(rows.is_sorted_by(|a, b| a.1 >= b.1));
            for (id, score) in &rows {
                if let Some((_, of)) = exact.iter().find(|(other, _)| other == id) {
                    // What is new is placed by the best of the others, which a walk may miss.
                    let close = if *id >= 1200 { 1e-2 } else { 1e-4 };
                    let far = (score - of).abs() > close * of.abs().max(1.0);
                    assert!(!far, "{model}: {score} {of}");
                    same += 1;
                }
                new += usize::from(*id >= 1200);
            }
        }
        assert!(same >= 570, "{model}: {same} of 600");
        assert!(new > 0, "{model}: what is new is among them");

        // Of a version that was trained since, it says nothing, and is not asked.
        let mut txn = shop.engine.store().begin().unwrap();
        let user = txn.lookup(people, "u1").unwrap().unwrap();
        let views = txn.catalog().table("views").unwrap().id;
        let item = txn.lookup(shop.items, "i500").unwrap().unwrap();
        txn.record_interaction(views, UserId(user), ItemId(item), &[]).unwrap();
        txn.commit().unwrap();
        let request = TrainRequest { model: "m".to_owned(), seed: 9, ..TrainRequest::default() };
        shop.engine.train(&request, &Work::quiet()).unwrap();
        assert!(!ask(0, 1.0).1, "{model}: an index of other factors");
        super::factors::build(&shop.engine, "m", &Work::quiet()).unwrap();
        assert!(ask(0, 1.0).1);
        let mut txn = shop.engine.store().begin().unwrap();
        shop.engine.drop_model(&mut txn, "m").unwrap();
        txn.commit().unwrap();
        let left = shop.engine.snapshot().artifacts();
        assert!(left.iter().all(|name| !name.starts_with("derived/")), "{left:?}");
    }
}
