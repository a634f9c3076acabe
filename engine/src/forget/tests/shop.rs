//! A small store of people, movies and views, in which things are forgotten.

use std::sync::atomic::{AtomicI64, Ordering};

use tastedb_storage::{
    ColumnId, ColumnSpec, ColumnType, ItemId, Options, Read, Store, TableId, UserId, Value,
    WriteTxn,
};

use crate::forget::{Receipt, Ticket, Vacuumed};
use crate::history::{History, ScoreInput, SideData};
use crate::made_up::{self, Tables};
use crate::{Engine, ModelOptions, OptionValue, RefreshRequest, Result, Work};

pub(super) struct Shop {
    pub(super) engine: Engine,
    pub(super) people: TableId,
    pub(super) movies: TableId,
    pub(super) views: TableId,
    pub(super) now: AtomicI64,
}

const AT: ColumnId = ColumnId(0);
const STARS: ColumnId = ColumnId(1);
const VECTOR: ColumnId = ColumnId(0);

/// How many stars somebody gives a movie; none, which does not count, to some.
fn stars(user: u64, movie: u64) -> f64 {
    (crate::seeded::number(user, movie) % 5) as f64 / 2.0
}

impl Shop {
    pub(super) fn new() -> Shop {
        Shop::over(Store::in_memory(Options::default()).unwrap())
    }

    /// The same database, closed and opened again.
    pub(super) fn reopened(self, folder: &std::path::Path) -> Shop {
        let Shop { engine, people, movies, views, now } = self;
        drop(engine);
        let engine = Engine::new(Store::open(folder, Options::default()).unwrap(), None);
        Shop { engine, people, movies, views, now }
    }

    pub(super) fn over(store: Store) -> Shop {
        let engine = Engine::new(store, None);
        let of_views = vec![
            ColumnSpec::new("at", ColumnType::Timestamp),
            ColumnSpec::new("stars", ColumnType::Real),
        ];
        let of_movies = vec![made_up::vector("text", 4)];
        let Tables { people, items: movies, views } =
            Tables::create(engine.store(), "movies", of_movies, of_views);
        Shop { engine, people, movies, views, now: AtomicI64::new(1) }
    }

    pub(super) fn write<T>(&self, work: impl FnOnce(&mut WriteTxn) -> T) -> T {
        let mut txn = self.engine.store().begin().unwrap();
        let result = work(&mut txn);
        txn.commit().unwrap();
        result
    }

    pub(super) fn movie(&self, txn: &mut WriteTxn, key: &str) -> ItemId {
        if let Some(id) = txn.lookup(self.movies, key).unwrap() {
            return ItemId(id);
        }
        let (id, _) = txn.put_row(self.movies, key, &[]).unwrap();
        let vector: Vec<f32> = (0..4).map(|part| crate::seeded::fraction(id, part)).collect();
        txn.put_embedding(self.movies, VECTOR, id, &vector).unwrap();
        ItemId(id)
    }

    pub(super) fn view(&self, txn: &mut WriteTxn, user: &str, movie: &str, day: i64) {
        let (user, _) = txn.put_row(self.people, user, &[]).unwrap();
        let movie = self.movie(txn, movie);
        let at = (AT, Value::Timestamp(day * 86_400_000_000));
        let stars = (STARS, Value::Real(stars(user, movie.0)));
        txn.record_interaction(self.views, UserId(user), movie, &[at, stars]).unwrap();
    }

    /// Twenty people in two groups and ten movies.
    pub(super) fn fill(&self) {
        self.write(|txn| {
            for user in 0..20 {
                for step in 0..3 {
                    let movie = (user % 2) * 5 + (user + step * step) % 5;
                    self.view(txn, &format!("u{user}"), &format!("m{movie}"), user + step);
                }
            }
        });
    }

    pub(super) fn create(&self, name: &str, algorithm: &str, options: ModelOptions) {
        self.write(|txn| {
            let new = made_up::model(name, algorithm, options);
            self.engine.create_model(txn, new).unwrap();
        });
    }

    pub(super) fn train(&self, name: &str, work: &Work) -> Result<crate::ModelVersion> {
        made_up::train(&self.engine, name, work)
    }

    pub(super) fn refresh(&self, name: &str) -> Result<crate::Refreshment> {
        let request = RefreshRequest { model: name.to_owned(), ..RefreshRequest::default() };
        self.engine.refresh(&request, &Work::quiet())
    }

    pub(super) fn forget(&self, table: TableId, key: &str) -> Option<Ticket> {
        self.write(|txn| {
            let catalog = txn.catalog().clone();
            let mut forgetting = self.engine.forgetting(catalog.table_by_id(table).unwrap());
            if let Some(id) = txn.lookup(table, key).unwrap() {
                assert!(forgetting.row(txn, id).unwrap());
            }
            forgetting.finish(txn, self.now.load(Ordering::Relaxed)).unwrap()
        })
    }

    /// Forgets some views of somebody.
    pub(super) fn forget_views(
        &self,
        user: &str,
        wanted: impl Fn(usize, &str) -> bool,
    ) -> Option<Ticket> {
        self.write(|txn| {
            let catalog = txn.catalog().clone();
            let mut forgetting = self.engine.forgetting(catalog.table_by_id(self.views).unwrap());
            let user = UserId(txn.lookup(self.people, user).unwrap().unwrap());
            for (at, row) in txn.history(self.views, user, &[]).unwrap().iter().enumerate() {
                let movie = txn.row(self.movies, row.item.0, &[]).unwrap().unwrap().key;
                if wanted(at, &movie) {
                    assert!(forgetting.interaction(txn, user, row.id).unwrap());
                }
            }
            forgetting.finish(txn, self.now.load(Ordering::Relaxed)).unwrap()
        })
    }

    pub(super) fn forget_first_view(&self, user: &str) {
        self.forget_views(user, |at, _| at == 0).unwrap();
    }

    pub(super) fn forget_view(&self, user: &str, movie: &str) {
        self.forget_views(user, |_, own| own == movie).unwrap();
    }

    pub(super) fn vacuum(&self) -> Vacuumed {
        let clock = || self.now.fetch_add(1, Ordering::Relaxed);
        self.engine.vacuum(&clock, std::time::Duration::from_secs(20), &Work::quiet()).unwrap()
    }

    pub(super) fn verify(&self, id: &str) -> Receipt {
        self.engine.verify_forget(id, 99, &Work::quiet()).unwrap()
    }

    pub(super) fn version(&self, name: &str) -> Option<crate::ModelVersion> {
        let models = self.engine.models(&self.engine.snapshot()).unwrap();
        models.into_iter().find(|model| model.definition.name == name).unwrap().serving
    }

    /// Of each person and movie with something to go on, the score that the version gives.
    pub(super) fn scores(&self, name: &str) -> Vec<(String, String, f32)> {
        let serving = self.engine.registry().serving(&self.engine.snapshot(), name).unwrap();
        self.scores_of(serving.model.as_ref())
    }

    /// The same as it is answered.
    pub(super) fn answers(&self, name: &str) -> Vec<(String, String, f32)> {
        let snapshot = self.engine.snapshot();
        let serving = self.engine.registry().serving(&snapshot, name).unwrap();
        self.scores_of(serving.answering(&snapshot).unwrap().as_ref())
    }

    /// Whether answers are corrected.
    pub(super) fn corrects(&self, name: &str) -> bool {
        let snapshot = self.engine.snapshot();
        let serving = self.engine.registry().serving(&snapshot, name).unwrap();
        !std::sync::Arc::ptr_eq(&serving.answering(&snapshot).unwrap(), &serving.model)
    }

    pub(super) fn scores_of(&self, model: &dyn crate::model::Model) -> Vec<(String, String, f32)> {
        let snapshot = self.engine.snapshot();
        let side = SideData::default();
        let mut scores = Vec::new();
        for person in snapshot.rows(self.people, &[], 0).unwrap() {
            let person = person.unwrap();
            let history = snapshot.history(self.views, UserId(person.id), &[]).unwrap();
            let mut entries: Vec<(u32, f32)> = history
                .iter()
                .map(|row| (model.items().binary_search(&row.item).unwrap() as u32, 1.0))
                .collect();
            entries.sort_unstable_by_key(|(row, _)| *row);
            let history = History::new(&entries);
            let mut out = vec![0.0; model.items().len()];
            let input = ScoreInput { history, items: model.items(), side: &side, vectors: &[] };
            model.score(&input, &mut out);
            for (item, score) in model.items().iter().zip(out) {
                // What is gone is not answered.
                if let Some(row) = snapshot.row(self.movies, item.0, &[]).unwrap() {
                    scores.push((person.key.clone(), row.key, score));
                }
            }
        }
        scores
    }

    /// A database that was never told anything but what this one holds now.
    pub(super) fn fresh(&self) -> Shop {
        let (other, snapshot) = (Shop::new(), self.engine.snapshot());
        let key = |table, id| snapshot.row(table, id, &[]).unwrap().unwrap().key;
        other.write(|txn| {
            for row in snapshot.rows(self.people, &[], 0).unwrap() {
                txn.put_row(other.people, &row.unwrap().key, &[]).unwrap();
            }
            for row in snapshot.rows(self.movies, &[], 0).unwrap() {
                other.movie(txn, &row.unwrap().key);
            }
            for row in snapshot.interactions(self.views, &[AT]).unwrap() {
                let row = row.unwrap();
                let Value::Timestamp(at) = row.values[0] else { panic!("no time") };
                let (user, movie) = (key(self.people, row.user.0), key(self.movies, row.item.0));
                other.view(txn, &user, &movie, at / 86_400_000_000);
            }
        });
        other
    }
}

/// Models that are a function of the data, by name.
pub(super) const EXACT: [&str; 4] = ["inverse", "near", "often", "recent"];
/// The same, and one that is but for the scale of its scores, which stays as it was chosen.
pub(super) const ALL: [&str; 5] = ["inverse", "near", "often", "recent", "chains"];

impl Shop {
    pub(super) fn create_exact(&self, name: &str) {
        let none = ModelOptions::new();
        match name {
            "inverse" => self.create(name, "ease", none.with("lambda", OptionValue::Real(2.0))),
            "near" => self.create(name, "item_knn", none),
            "often" => self.create(name, "popular", none),
            "chains" => {
                let real = [
                    ("user_exponent", 0.3),
                    ("history_exponent", 0.2),
                    ("item_exponent", 0.1),
                    ("two_hop", 0.0),
                    ("content", 0.0),
                    ("popularity", 0.0),
                    ("ease", 0.0),
                    ("ials", 0.0),
                ];
                let with = |all: ModelOptions, (name, value): (&str, f64)| {
                    all.with(name, OptionValue::Real(value))
                };
                self.create(name, "graph_filter", real.into_iter().fold(none, with));
            }
            _ => self.create(name, "trending", none),
        }
    }
}
