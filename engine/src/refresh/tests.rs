//! Refreshes over a small store: what is patched, what is not, and what a version says of it.

#![expect(clippy::unwrap_used, reason = "tests")]

use tastedb_storage::{ItemId, Options, Read, Role, Store, TableId, UserId, WriteTxn};

use super::*;
use crate::made_up::{self, Tables};
use crate::{NewModel, OptionValue, TrainRequest, TrainingTable};

struct Shop {
    engine: Engine,
    people: TableId,
    movies: TableId,
    views: TableId,
}

impl Shop {
    /// Sixty people in two groups, twenty movies with a vector each.
    fn new() -> Shop {
        let engine = Engine::new(Store::in_memory(Options::default()).unwrap(), None);
        let Tables { people, items: movies, views } =
            Tables::create(engine.store(), "movies", vec![made_up::vector("text", 4)], Vec::new());
        let mut txn = engine.store().begin().unwrap();
        let shop = Shop { engine, people, movies, views };
        for at in 0..20 {
            shop.add_movie(&mut txn, at);
        }
        for user in 0..60u64 {
            txn.put_row(people, &format!("u{user}"), &[]).unwrap();
            for step in 0..5u64 {
                shop.view(&mut txn, user, (user % 2) * 10 + (user + step * step) % 10);
            }
        }
        txn.commit().unwrap();
        shop
    }

    fn add_movie(&self, txn: &mut WriteTxn, at: u64) {
        let (id, _) = txn.put_row(self.movies, &format!("m{at}"), &[]).unwrap();
        let column = txn.catalog().table_by_id(self.movies).unwrap().columns().next().unwrap().id;
        let vector: Vec<f32> =
            (0..4).map(|part| crate::seeded::fraction(at, part) + (at / 10) as f32).collect();
        txn.put_embedding(self.movies, column, id, &vector).unwrap();
    }

    fn view(&self, txn: &mut WriteTxn, user: u64, movie: u64) {
        let user = txn.lookup(self.people, &format!("u{user}")).unwrap().unwrap();
        let movie = txn.lookup(self.movies, &format!("m{movie}")).unwrap().unwrap();
        txn.record_interaction(self.views, UserId(user), ItemId(movie), &[]).unwrap();
    }

    fn write(&self, work: impl FnOnce(&mut WriteTxn)) {
        let mut txn = self.engine.store().begin().unwrap();
        work(&mut txn);
        txn.commit().unwrap();
    }

    fn create(&self, name: &str, algorithm: &str, options: ModelOptions) {
        self.write(|txn| {
            let new = made_up::model(name, algorithm, options);
            self.engine.create_model(txn, new).unwrap();
        });
    }

    fn train(&self, name: &str) -> ModelVersion {
        made_up::train(&self.engine, name, &Work::quiet()).unwrap()
    }

    fn refresh(&self, name: &str) -> Result<Refreshment> {
        let request = RefreshRequest { model: name.to_owned(), ..RefreshRequest::default() };
        self.engine.refresh(&request, &Work::quiet())
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        self.engine.snapshot().artifact(name).unwrap().unwrap().as_ref().to_vec()
    }
}

fn by_hand() -> ModelOptions {
    let real = [
        ("user_exponent", 0.3),
        ("history_exponent", 0.2),
        ("item_exponent", 0.1),
        ("two_hop", 0.5),
        ("content", 0.75),
        ("popularity", 0.05),
        ("ease", 0.0),
        ("ials", 0.0),
    ];
    let options = ModelOptions::new().with("neighbours", OptionValue::Int(5));
    real.into_iter().fold(options, |all, (name, value)| all.with(name, OptionValue::Real(value)))
}

fn lineage(refreshed: &Refreshment) -> &Lineage {
    refreshed.version.refreshed.as_ref().unwrap()
}

#[test]
fn what_changed_is_patched_and_the_rest_is_not_read() {
    let shop = Shop::new();
    shop.create("home", "graph_filter", by_hand());
    let first = shop.train("home");
    assert_eq!((first.users, first.items, first.interactions), (60, 20, Some(300)));
    shop.write(|txn| {
        txn.put_row(shop.people, "u60", &[]).unwrap();
        shop.add_movie(txn, 20);
        shop.view(txn, 60, 20);
        shop.view(txn, 60, 3);
        shop.view(txn, 7, 2);
        // What is there already makes no pair.
        shop.view(txn, 0, 0);
    });
    let refreshed = shop.refresh("home").unwrap();
    assert!(refreshed.changed);
    let Lineage { from, trained, how, users, items, pairs } = lineage(&refreshed);
    assert_eq!((*from, *trained, *users, *items, *pairs), (1, 1, 1, 1, 3));
    assert_eq!(how, "counts patched for 3 users");
    let version = &refreshed.version;
    assert_eq!((version.version, version.users, version.items), (2, 61, 21));
    assert_eq!((version.pairs, version.interactions), (first.pairs + 3, Some(304)));
    assert_eq!(version.options, first.options);

    // The same from all pairs: those of a store that remembers nothing of it.
    let patched = shop.bytes("home");
    shop.write(|txn| {
        let other = made_up::table("other", Role::Item, Vec::new());
        txn.create_table(other).unwrap();
    });
    let again = shop.refresh("home").unwrap();
    assert_eq!(lineage(&again).how, "all pairs counted again");
    assert_eq!((lineage(&again).from, lineage(&again).trained), (2, 1));
    assert_eq!(shop.bytes("home"), patched);
}

#[test]
fn what_is_removed_is_taken_out() {
    let shop = Shop::new();
    shop.create("home", "graph_filter", by_hand());
    shop.train("home");
    shop.write(|txn| {
        let user = UserId(txn.lookup(shop.people, "u4").unwrap().unwrap());
        let row = txn.history(shop.views, user, &[]).unwrap()[0].clone();
        txn.delete_interaction(shop.views, user, row.id).unwrap();
    });
    let patched = shop.refresh("home").unwrap();
    assert_eq!(lineage(&patched).how, "counts patched for 1 users");
    assert_eq!((lineage(&patched).users, lineage(&patched).pairs), (0, -1));
    // A movie that goes moves the rows of the others: everything is counted.
    shop.write(|txn| {
        let movie = txn.lookup(shop.movies, "m5").unwrap().unwrap();
        txn.delete_row(shop.movies, movie).unwrap();
    });
    let counted = shop.refresh("home").unwrap();
    assert_eq!(lineage(&counted).how, "all pairs counted again");
    assert_eq!(lineage(&counted).items, -1);
    let version = counted.version;
    shop.create("beside", "graph_filter", by_hand());
    let beside = shop.train("beside");
    assert_eq!((version.users, version.pairs), (beside.users, beside.pairs));
}

#[test]
fn nothing_new_is_told_and_costs_no_version() {
    let shop = Shop::new();
    shop.create("home", "graph_filter", by_hand());
    shop.create("knn", "item_knn", ModelOptions::new());
    let (home, knn) = (shop.train("home"), shop.train("knn"));
    // Other tables, titles, and for `knn` vectors are none of it.
    shop.write(|txn| {
        txn.put_row(shop.people, "somebody", &[]).unwrap();
        txn.put_row(shop.movies, "m3", &[]).unwrap();
    });
    for (name, version) in [("home", &home), ("knn", &knn)] {
        let refreshed = shop.refresh(name).unwrap();
        assert!(!refreshed.changed, "{name}");
        assert_eq!(refreshed.version, *version);
    }
    shop.write(|txn| {
        let column = txn.catalog().table_by_id(shop.movies).unwrap().columns().next().unwrap().id;
        let movie = txn.lookup(shop.movies, "m3").unwrap().unwrap();
        txn.put_embedding(shop.movies, column, movie, &[9.0, 1.0, -3.0, 2.0]).unwrap();
    });
    assert!(!shop.refresh("knn").unwrap().changed);
    let refreshed = shop.refresh("home").unwrap();
    assert_eq!((refreshed.version.version, lineage(&refreshed).pairs), (2, 0));
    assert_eq!(lineage(&refreshed).how, "counts patched for 0 users");
    // Models that continue from nothing are fitted again.
    shop.write(|txn| shop.view(txn, 1, 2));
    let refreshed = shop.refresh("knn").unwrap();
    assert_eq!(lineage(&refreshed).how, "fitted again with the same settings");
    assert_eq!(lineage(&refreshed).pairs, 1);
}

#[test]
fn a_refresh_without_a_training_or_with_settings_is_refused() {
    let shop = Shop::new();
    shop.create("home", "graph_filter", by_hand());
    assert!(matches!(shop.refresh("home"), Err(Error::NotFitted { .. })));
    assert!(matches!(shop.refresh("nobody"), Err(Error::NoSuchModel { .. })));
    shop.train("home");
    let request = RefreshRequest {
        model: "home".to_owned(),
        options: ModelOptions::new().with("content", OptionValue::Real(2.0)),
        ..RefreshRequest::default()
    };
    let refused = shop.engine.refresh(&request, &Work::quiet());
    assert!(matches!(refused, Err(Error::FrozenOption { .. })));
    // A model of another definition has no version to go on from.
    shop.write(|txn| {
        let new = NewModel {
            name: "home".to_owned(),
            tables: vec![TrainingTable::new("views".to_owned())],
            existing: crate::Existing::Replace,
            ..NewModel::default()
        };
        shop.engine.create_model(txn, new).unwrap();
    });
    assert!(matches!(shop.refresh("home"), Err(Error::NotFitted { .. })));
}

#[test]
fn graphs_are_shared_stored_and_followed() {
    let shop = Shop::new();
    shop.create("home", "graph_filter", by_hand());
    shop.create("beside", "graph_filter", by_hand());
    let graphs = || shop.engine.graphs(&shop.engine.snapshot()).unwrap();
    assert_eq!(graphs(), []);
    shop.train("home");
    let stored = graphs();
    assert_eq!(stored.len(), 1);
    let graph = &stored[0];
    assert_eq!((graph.table.as_str(), graph.modality.as_str()), ("movies", "text"));
    assert_eq!((graph.neighbours, graph.items), (5, 20));
    assert!(graph.edges > 0 && graph.edges <= 100 && graph.bytes > 0);
    // The second model takes it as it is.
    shop.train("beside");
    assert_eq!(graphs(), stored);
    shop.write(|txn| shop.add_movie(txn, 20));
    shop.refresh("home").unwrap();
    let followed = graphs();
    assert_eq!((followed.len(), followed[0].items), (1, 21));
    assert!(followed[0].generation > stored[0].generation);

    // Another engine over the same store finds the file, and makes the same model of it.
    let other = Engine::new(shop.engine.store().clone(), None);
    shop.train("beside");
    let here = shop.bytes("beside");
    let request = TrainRequest { model: "beside".to_owned(), ..TrainRequest::default() };
    other.train(&request, &Work::quiet()).unwrap();
    assert_eq!(shop.bytes("beside"), here);
    assert_eq!(graphs(), followed);

    // A graph goes with its column.
    shop.write(|txn| {
        txn.drop_column(shop.movies, "text").unwrap();
    });
    assert_eq!(graphs(), []);
}
