//! Models of the items of two tables, movies and books, with shared users: what somebody watched says
//! what they may want to read.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tastedb_storage::{ColumnId, ItemId, Options, Read, Role, Store, TableId, UserId, WriteTxn};

use super::{Context, Request, Response, keys, number};
use crate::forget::State;
use crate::made_up::{self, Tables};
use crate::{
    Engine, Error, EvaluationRequest, ModelOptions, NewModel, RefreshRequest, Source,
    TrainingTable, Work,
};

const TEXT: ColumnId = ColumnId(0);
const PEOPLE: u64 = 120;
const ITEMS: u64 = 20;

/// People of two tastes: even ones watch and read what is below 10, odd ones the rest. A few have
/// watched only, and one of them nothing.
struct Library {
    engine: Engine,
    people: TableId,
    movies: TableId,
    books: TableId,
    views: TableId,
    reads: TableId,
}

fn taste_of(at: u64) -> [f32; 2] {
    let lean = 0.1 * (at % 10) as f32 / 10.0;
    if at < 10 { [1.0, lean] } else { [lean, 1.0] }
}

impl Library {
    fn new() -> Library {
        let store = Store::in_memory(Options::default()).expect("a store");
        let engine = Engine::new(store, None);
        let text = || vec![made_up::vector("text", 2)];
        let Tables { people, items: movies, views } =
            Tables::create(engine.store(), "movies", text(), Vec::new());
        let mut txn = engine.store().begin().expect("a transaction");
        let books = txn.create_table(made_up::table("books", Role::Item, text())).expect("books");
        let mut reads = made_up::table("reads", Role::Interaction, Vec::new());
        reads.link = Some(made_up::link(people, books));
        let reads = txn.create_table(reads).expect("reads");
        txn.commit().expect("a commit");
        let library = Library { engine, people, movies, books, views, reads };
        library.fill();
        library
    }

    fn fill(&self) {
        self.write(|txn| {
            // One after the other, so that the ids of the two alternate.
            for at in 0..ITEMS {
                self.item(txn, self.movies, &format!("m{at}"));
                self.item(txn, self.books, &format!("b{at}"));
            }
            for user in 0..PEOPLE {
                let (id, _) = txn.put_row(self.people, &format!("u{user}"), &[]).expect("a user");
                for step in 0..6 {
                    let at = (user % 2) * 10 + (user / 2 + step) % 10;
                    self.had(txn, self.views, self.movies, id, &format!("m{at}"));
                    let at = (user % 2) * 10 + (user / 2 + step * 3) % 10;
                    self.had(txn, self.reads, self.books, id, &format!("b{at}"));
                }
            }
            for (key, watched) in [("new", None), ("watcher", Some(["m12", "m15", "m17", "m19"]))] {
                let (id, _) = txn.put_row(self.people, key, &[]).expect("a user");
                for movie in watched.into_iter().flatten() {
                    self.had(txn, self.views, self.movies, id, movie);
                }
            }
        });
    }

    fn write<T>(&self, work: impl FnOnce(&mut WriteTxn) -> T) -> T {
        let mut txn = self.engine.store().begin().expect("a transaction");
        let result = work(&mut txn);
        txn.commit().expect("a commit");
        result
    }

    fn item(&self, txn: &mut WriteTxn, table: TableId, key: &str) {
        let (id, _) = txn.put_row(table, key, &[]).expect("an item");
        txn.put_embedding(table, TEXT, id, &taste_of(number(key))).expect("a vector");
    }

    fn had(&self, txn: &mut WriteTxn, table: TableId, items: TableId, user: u64, key: &str) {
        let item = txn.lookup(items, key).expect("a lookup").expect("an item");
        txn.record_interaction(table, UserId(user), ItemId(item), &[]).expect("an interaction");
    }

    /// Creates a model of both tables, and trains it.
    fn train_with(&self, name: &str, algorithm: &str, options: ModelOptions) {
        let tables = ["views", "reads"].map(|table| TrainingTable::new(table.to_owned()));
        let new = NewModel { tables: tables.to_vec(), ..made_up::model(name, algorithm, options) };
        self.write(|txn| self.engine.create_model(txn, new)).expect("a model");
        made_up::train(&self.engine, name, &Work::quiet()).expect("it trains");
    }

    fn train(&self, name: &str, algorithm: &str) {
        self.train_with(name, algorithm, ModelOptions::new());
    }

    fn id(&self, table: TableId, key: &str) -> u64 {
        self.engine.snapshot().lookup(table, key).expect("a lookup").expect("a row")
    }

    fn user(&self, key: &str) -> Context {
        Context::User(UserId(self.id(self.people, key)))
    }

    /// The best rows of a table by a model.
    fn ask(&self, table: TableId, context: Context, model: &str, k: usize) -> Response {
        let source = Source { name: model.to_owned(), weight: 1.0 };
        let request =
            Request { sources: vec![source], reasons: 3, ..Request::new(table, context, k) };
        self.engine.recommend(&self.engine.snapshot(), &request).expect("an answer")
    }
}

/// Asserts that all rows are of a taste, in one table, and given by the model itself.
fn assert_odd(response: &Response, table: char, what: &str) {
    let found = keys(response);
    assert!(!found.is_empty(), "{what}");
    for (key, row) in found.iter().zip(&response.rows) {
        assert!(key.starts_with(table) && number(key) >= 10, "{what}: {found:?}");
        assert!(!row.source.contains("fallback"), "{what}: {key} by {}", row.source);
    }
}

#[test]
fn what_was_watched_says_what_to_read_by_every_model() {
    let library = Library::new();
    let algorithms = [
        "item_knn",
        "ease",
        "ials",
        "graph_filter",
        "bpr",
        "lightgcn",
        "ngcf",
        "vbpr",
        "freedom",
        "lattice",
        "bm3",
        "mmhcl",
        "lirdrec",
        "cm3",
    ];
    for algorithm in algorithms {
        library.train(algorithm, algorithm);
        let books = library.ask(library.books, library.user("watcher"), algorithm, 5);
        assert_odd(&books, 'b', algorithm);
        assert_eq!(books.rows.len(), 5, "{algorithm}");
        // Movies stay movies, without those that were watched.
        let movies = library.ask(library.movies, library.user("watcher"), algorithm, 4);
        assert_odd(&movies, 'm', algorithm);
        let seen = ["m12", "m15", "m17", "m19"];
        assert!(keys(&movies).iter().all(|key| !seen.contains(&key.as_str())), "{algorithm}");
        // What speaks for a book are movies, and they are told to be.
        for reason in books.rows.iter().flat_map(|row| &row.reasons) {
            assert_eq!(reason.table, library.movies, "{algorithm}");
            let snapshot = library.engine.snapshot();
            let row = snapshot.row(library.movies, reason.item, &[]).expect("read");
            assert!(seen.contains(&row.expect("a movie").key.as_str()), "{algorithm}");
        }
    }
    let told = library.ask(library.books, library.user("watcher"), "ease", 5);
    assert!(told.rows.iter().any(|row| !row.reasons.is_empty()));
}

#[test]
fn an_item_of_one_table_leads_to_those_of_the_other() {
    let library = Library::new();
    for algorithm in ["item_knn", "ease", "ials", "graph_filter", "lightgcn"] {
        library.train(algorithm, algorithm);
        let movie = ItemId(library.id(library.movies, "m14"));
        for context in [Context::Item(movie), Context::Likes(vec![movie])] {
            let books = library.ask(library.books, context, algorithm, 4);
            assert_odd(&books, 'b', algorithm);
        }
        // Who would like it: people of the taste, who have not had it.
        let book = ItemId(library.id(library.books, "b14"));
        let source = Source { name: algorithm.to_owned(), weight: 1.0 };
        let request = Request {
            sources: vec![source],
            items: Some(library.books),
            ..Request::new(library.people, Context::Item(book), 3)
        };
        let people = library.engine.recommend(&library.engine.snapshot(), &request);
        for key in keys(&people.expect("an answer")) {
            assert!(key == "watcher" || number(&key) % 2 == 1, "{algorithm}: {key}");
        }
    }
}

#[test]
fn candidates_are_rows_of_the_table_that_is_asked() {
    let library = Library::new();
    library.train("home", "item_knn");
    let engine = &library.engine;
    let snapshot = engine.snapshot();
    let books = engine.live().entities(engine.store(), &snapshot, library.books).expect("books");
    let allowed = [11, 3, 16].map(|at| books.row_of(library.id(library.books, &format!("b{at}"))));
    let allowed = allowed.into_iter().map(|row| row.expect("a row") as usize).collect();
    let request = Request {
        candidates: Some(std::sync::Arc::new(allowed)),
        ..Request::new(library.books, library.user("watcher"), 5)
    };
    let found = engine.recommend(&snapshot, &request).expect("an answer");
    let mut learned = keys(&found);
    assert_eq!(learned.pop().as_deref(), Some("b3"), "of the other taste, it comes last");
    learned.sort();
    assert_eq!(learned, ["b11", "b16"]);
}

#[test]
fn a_new_book_and_a_new_interaction_are_taken_in() {
    let library = Library::new();
    // Of all three, `graph_filter` alone keeps what it measured of the old data in a refresh.
    let (algorithms, exact) = (["ease", "item_knn", "graph_filter"], ["ease", "item_knn"]);
    algorithms.into_iter().for_each(|algorithm| library.train(algorithm, algorithm));
    let key = "b99";
    library.write(|txn| library.item(txn, library.books, key));
    for algorithm in algorithms {
        let books = library.ask(library.books, library.user("watcher"), algorithm, 30);
        let at = keys(&books).iter().position(|found| found == key).expect("it is there");
        assert_eq!(&*books.rows[at].source, algorithm, "known by its embedding");
    }
    library.write(|txn| {
        let id = txn.lookup(library.people, "watcher").expect("a lookup").expect("a user");
        library.had(txn, library.reads, library.books, id, key);
        library.had(txn, library.views, library.movies, id, "m13");
    });
    for algorithm in algorithms {
        let request = RefreshRequest { model: algorithm.to_owned(), ..RefreshRequest::default() };
        let refreshed = library.engine.refresh(&request, &Work::quiet()).expect("refreshed");
        let version = &refreshed.version;
        assert!(refreshed.changed && version.items == 2 * ITEMS + 1, "{version:?}");
        let one = library.ask(library.books, library.user("u1"), algorithm, 8);
        if !exact.contains(&algorithm) {
            assert_eq!(one.rows.len(), 8);
            continue;
        }
        // The settings are those of the first training, chosen or not.
        let trained = library.engine.models(&library.engine.snapshot()).expect("models");
        let trained = trained.into_iter().find(|model| model.definition.name == algorithm);
        let options = trained.and_then(|model| model.serving).expect("it serves").options;
        let again = format!("{algorithm}-again");
        let options =
            options.into_iter().map(|(name, value)| (name, crate::registry::option_value(&value)));
        library.train_with(&again, algorithm, options.collect());
        let other = library.ask(library.books, library.user("u1"), &again, 8);
        assert_eq!(keys(&one), keys(&other), "{algorithm}");
    }
}

#[test]
fn a_book_and_a_person_are_forgotten_by_a_model_of_both() {
    let library = Library::new();
    library.train("home", "graph_filter");
    library.train("inverse", "ease");
    let now = AtomicI64::new(1);
    let clock = || now.fetch_add(1, Ordering::Relaxed);
    for (table, key) in [(library.books, "b14"), (library.people, "u3")] {
        library.write(|txn| {
            let catalog = txn.catalog().clone();
            let table = catalog.table_by_id(table).expect("a table");
            let mut forgetting = library.engine.forgetting(table);
            let id = txn.lookup(table.id, key).expect("a lookup").expect("a row");
            assert!(forgetting.row(txn, id).expect("forgotten"));
            forgetting.finish(txn, clock()).expect("a ticket");
        });
        // From the commit on, the next answer leaves it out.
        let books = library.ask(library.books, library.user("watcher"), "home", 30);
        assert!(!keys(&books).iter().any(|found| found == "b14"));
    }
    let vacuumed =
        library.engine.vacuum(&clock, Duration::from_secs(20), &Work::quiet()).expect("vacuumed");
    for ticket in &vacuumed.tickets {
        assert_eq!(ticket.state(), State::Unlearned, "{vacuumed:?}");
        let receipt = library.engine.verify_forget(&ticket.id(), clock(), &Work::quiet());
        let receipt = receipt.expect("a receipt");
        assert!(receipt.passed(), "{receipt:?}");
    }
    let models = library.engine.models(&library.engine.snapshot()).expect("models");
    for model in models {
        assert_eq!(model.serving.expect("it serves").items, 2 * ITEMS - 1);
    }
}

#[test]
fn an_evaluation_ranks_the_items_that_the_held_out_ones_are_among() {
    let library = Library::new();
    library.train("home", "ease");
    // Whoever watched odd movies is asked whether they find an odd book.
    let held = library.write(|txn| {
        let mut held = made_up::table("held", Role::Interaction, Vec::new());
        held.link = Some(made_up::link(library.people, library.books));
        let held = txn.create_table(held).expect("a table");
        let id = txn.lookup(library.people, "watcher").expect("a lookup").expect("a user");
        for at in 10..20 {
            library.had(txn, held, library.books, id, &format!("b{at}"));
        }
        held
    });
    let request = EvaluationRequest {
        models: vec!["home".to_owned()],
        table: held,
        split: None,
        metrics: vec![crate::evaluate::Metric::Recall(10), crate::evaluate::Metric::Coverage(10)],
        groups: None,
        seed: 0,
    };
    let engine = &library.engine;
    let told = engine.evaluate(&engine.snapshot(), &request, &Work::quiet()).expect("evaluated");
    assert_eq!(told.rows[0].values, [1.0, 0.5], "the ten of twenty books: {told:?}");
    assert!(told.protocol[0].contains("ranking of 20 items"), "{told:?}");

    library
        .write(|txn| {
            engine.create_model(txn, made_up::model("movies", "ease", ModelOptions::new()))
        })
        .expect("a model");
    made_up::train(engine, "movies", &Work::quiet()).expect("it trains");
    let wrong = EvaluationRequest { models: vec!["movies".to_owned()], ..request };
    let wrong = engine.evaluate(&engine.snapshot(), &wrong, &Work::quiet());
    assert!(matches!(wrong, Err(Error::WrongTable { .. })), "{wrong:?}");
}
