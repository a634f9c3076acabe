//! Text embeddings over a small store, and their parts against plain computations.

use std::sync::Arc;

use proptest::prelude::*;
use tastedb_storage::{
    ColumnId, ColumnSpec, ColumnType, EntityId, Options, Read, Role, Store, TableId, Value,
};

use super::corpus::Corpus;
use super::embedder::Embedder;
use super::settings::Settings;
use super::svd::svd;
use super::weighting::Weighting;
use super::{FittedEmbedding, NewEmbedding};
use crate::linalg::eigen;
use crate::made_up;
use crate::matrix::Csr;
use crate::seeded::{fraction, number};
use crate::{CancelToken, Engine, Error, Existing, ModelOptions, OptionValue, Work};

const TITLE: ColumnId = ColumnId(0);
const TAGS: ColumnId = ColumnId(1);

struct Library {
    engine: Engine,
    books: TableId,
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn int(value: i64) -> OptionValue {
    OptionValue::Int(value)
}

impl Library {
    /// Books on two subjects, `rows` of each.
    fn new(rows: u64) -> Library {
        let engine = Engine::new(Store::in_memory(Options::default()).expect("a store"), None);
        let mut txn = engine.store().begin().expect("a transaction");
        let columns = vec![
            ColumnSpec::new("title", ColumnType::Text),
            ColumnSpec::new("tags", ColumnType::TextList),
            ColumnSpec::new("price", ColumnType::Int),
        ];
        let spec = made_up::table("books", Role::Item, columns);
        let books = txn.create_table(spec).expect("a table");
        for row in 0..rows {
            for (subject, words) in [("sea", SEA), ("desert", SAND)] {
                let word = |at: u64| words[(number(row, at) % words.len() as u64) as usize];
                let title = format!("{} {} {}", word(1), word(2), word(3));
                let values = [(TITLE, text(&title)), (TAGS, Value::TextList(vec![word(4).into()]))];
                txn.put_row(books, &format!("{subject}{row}"), &values).expect("a row");
            }
        }
        txn.commit().expect("a commit");
        Library { engine, books }
    }

    fn new_embedding(&self, options: &[(&str, i64)]) -> NewEmbedding {
        NewEmbedding {
            name: "words".to_owned(),
            table: "books".to_owned(),
            sources: vec!["title".to_owned(), "tags".to_owned()],
            options: options
                .iter()
                .map(|(name, value)| ((*name).to_owned(), int(*value)))
                .collect(),
            ..NewEmbedding::default()
        }
    }

    fn fit(&self, new: &NewEmbedding, work: &Work) -> crate::Result<FittedEmbedding> {
        self.engine.fit_embedding(&self.engine.snapshot(), new, work)
    }

    fn create(&self, options: &[(&str, i64)]) {
        let new = self.new_embedding(options);
        let fitted = self.fit(&new, &Work::quiet()).expect("it is computed");
        let mut txn = self.engine.store().begin().expect("a transaction");
        self.engine
            .create_embedding(&mut txn, &new, fitted, &Work::quiet())
            .expect("it is created");
        txn.commit().expect("a commit");
    }

    /// Puts a row, and brings its vector up to date.
    fn put(&self, key: &str, values: &[(ColumnId, Value)]) -> EntityId {
        let mut txn = self.engine.store().begin().expect("a transaction");
        let (id, _) = txn.put_row(self.books, key, values).expect("a row");
        self.engine.keep_embeddings(&mut txn).expect("its vector is made");
        txn.commit().expect("a commit");
        id
    }

    fn column(&self) -> ColumnId {
        let snapshot = self.engine.snapshot();
        let table = snapshot.catalog().table_by_id(self.books).expect("the table");
        table.column("words").expect("the column").id
    }

    fn vector(&self, key: &str) -> Option<Vec<f32>> {
        let snapshot = self.engine.snapshot();
        let id = snapshot.lookup(self.books, key).expect("a lookup").expect("a row");
        snapshot.embedding(self.books, self.column(), id).expect("a read")
    }
}

const SEA: &[&str] = &["ship", "whale", "harbour", "tide", "sailor", "storm", "anchor"];
const SAND: &[&str] = &["camel", "dune", "oasis", "caravan", "nomad", "storm", "mirage"];

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn words_that_rows_share_are_told_by_weight_and_not_of_rows_that_are_gone() {
    let library = Library::new(40);
    let title = |words: &str| [(TITLE, text(words))];
    let one = library.put("one", &title("A whale, a whale! The storm"));
    let other = library.put("other", &title("whale anchor storm zeppelin ship tide"));
    let last = library.put("last", &title("tide anchor, SHIP whale"));
    library.create(&[("dim", 2)]);
    let shared = |modality: &str, rows: [EntityId; 2]| {
        let snapshot = library.engine.snapshot();
        let mut shared = library.engine.shared_terms(&snapshot, library.books);
        shared.of(modality, rows).expect("they are found")
    };
    // What stands twice in a row weighs more, and `storm`, which both subjects have, less. `zeppelin`
    // does not count: one row has it.
    assert_eq!(shared("words", [one, other]), ["whale", "storm"]);
    assert_eq!(shared("words", [other, one]), ["whale", "storm"]);
    assert_eq!(shared("words", [other, last]).len(), 3);
    assert_eq!(shared("words", [one, u64::MAX]), [""; 0]);
    for modality in ["title", "nothing"] {
        assert_eq!(shared(modality, [one, other]), [""; 0], "{modality}");
    }
    // The text as it is now, whatever the embedding was made of.
    library.put("other", &title("storm"));
    assert_eq!(shared("words", [one, other]), ["storm"]);
    let mut txn = library.engine.store().begin().expect("a transaction");
    txn.delete_row(library.books, other).expect("it goes");
    txn.commit().expect("a commit");
    assert_eq!(shared("words", [one, other]), [""; 0]);
}

#[test]
fn texts_of_one_subject_are_alike() {
    let library = Library::new(40);
    library.create(&[("dim", 2)]);
    let of = |key: String| library.vector(&key).expect("a vector");
    let (mut same, mut other) = (0.0, 0.0);
    for row in 0..40 {
        let own = of(format!("sea{row}"));
        assert!((dot(&own, &own) - 1.0).abs() < 1e-5);
        same += dot(&own, &of(format!("sea{}", (row + 1) % 40)));
        other += dot(&own, &of(format!("desert{row}")));
    }
    assert!(same > other + 20.0, "{same} against {other}");
}

#[test]
fn rows_that_come_change_or_lose_their_text_are_kept_current() {
    let library = Library::new(20);
    library.create(&[("dim", 4)]);
    let known = library.vector("sea3").expect("a vector");
    let row = library.engine.snapshot();
    let id = row.lookup(library.books, "sea3").expect("a lookup").expect("a row");
    let values = row.row(library.books, id, &[TITLE, TAGS]).expect("a read").expect("a row").values;
    library.put("copy", &[(TITLE, values[0].clone()), (TAGS, values[1].clone())]);
    assert_eq!(library.vector("copy"), Some(known), "equal texts have equal vectors");

    let before = library.vector("copy");
    library.put("copy", &[(ColumnId(2), Value::Int(3))]);
    assert_eq!(library.vector("copy"), before, "a price is no text");
    library.put("copy", &[(TITLE, text("camel dune"))]);
    assert_ne!(library.vector("copy"), before);
    library.put("copy", &[(TITLE, Value::Null), (TAGS, Value::Null)]);
    assert_eq!(library.vector("copy"), None);
    library.put("copy", &[(TITLE, text("quantum chromodynamics"))]);
    assert_eq!(library.vector("copy"), None, "no term of it is known");
    library.put("copy", &[(TITLE, text("WHALE!"))]);
    assert!(library.vector("copy").is_some());
}

#[test]
fn what_is_changed_for_another_reason_is_not_written_again() {
    let library = Library::new(5);
    library.create(&[("dim", 2)]);
    let from = library.engine.snapshot().generation();
    library.put("sea1", &[(ColumnId(2), Value::Int(9))]);
    let changes = library.engine.store().changes_since(from, &library.engine.snapshot());
    let changes = changes.expect("they are remembered");
    let touched = |change: &&tastedb_storage::Change| {
        matches!(change, tastedb_storage::Change::Embedding { .. })
    };
    assert_eq!(changes.iter().filter(touched).count(), 0);
}

#[test]
fn a_computed_column_takes_no_vectors_and_no_commit_leaves_it_behind() {
    let library = Library::new(5);
    library.create(&[("dim", 2)]);
    let column = library.column();
    let mut txn = library.engine.store().begin().expect("a transaction");
    let id = txn.lookup(library.books, "sea1").expect("a lookup").expect("a row");
    for refused in [
        txn.put_embedding(library.books, column, id, &[1.0, 0.0]).map(|()| true),
        txn.delete_embedding(library.books, column, id),
    ] {
        assert!(matches!(refused, Err(tastedb_storage::Error::Computed { .. })), "{refused:?}");
    }
    txn.put_row(library.books, "late", &[(TITLE, text("whale"))]).expect("a row");
    let left = txn.commit().expect_err("the vector is missing");
    assert!(matches!(left, tastedb_storage::Error::Outdated { .. }), "{left:?}");
    let snapshot = library.engine.snapshot();
    assert_eq!(snapshot.lookup(library.books, "late").expect("a lookup"), None);
}

#[test]
fn a_savepoint_takes_back_what_is_outdated_too() {
    let library = Library::new(5);
    library.create(&[("dim", 2)]);
    let mut txn = library.engine.store().begin().expect("a transaction");
    txn.savepoint();
    txn.put_row(library.books, "late", &[(TITLE, text("whale"))]).expect("a row");
    txn.rollback_to_savepoint().expect("it rolls back");
    assert_eq!(txn.take_outdated(), []);
    txn.put_row(library.books, "later", &[(TITLE, text("whale"))]).expect("a row");
    library.engine.keep_embeddings(&mut txn).expect("its vector is made");
    txn.commit().expect("a commit");
    assert!(library.vector("later").is_some());
}

#[test]
fn a_refresh_learns_new_words() {
    let library = Library::new(10);
    library.create(&[("dim", 3)]);
    for row in 0..6 {
        library.put(&format!("snow{row}"), &[(TITLE, text("glacier husky igloo"))]);
    }
    assert_eq!(library.vector("snow1"), None);
    let snapshot = library.engine.snapshot();
    let table = snapshot.catalog().table_by_id(library.books).expect("the table");
    let found = library.engine.embedding(&snapshot, table, "WORDS").expect("a read");
    let old = found.expect("the embedding");
    let work = Work::quiet();
    let fitted = library.engine.refit_embedding(&snapshot, &old, &work).expect("it is computed");
    let again = library.engine.refit_embedding(&snapshot, &old, &work).expect("it is computed");
    let mut txn = library.engine.store().begin().expect("a transaction");
    let new = library.engine.refresh_embedding(&mut txn, &old, fitted, &work).expect("refreshed");
    let raced = library.engine.refresh_embedding(&mut txn, &old, again, &work);
    assert!(matches!(raced, Err(Error::Conflict { .. })), "{raced:?}");
    txn.commit().expect("a commit");
    assert!(new.terms > old.terms && new.rows == old.rows + 6);
    assert_eq!(library.vector("snow1").map(|vector| vector.len()), Some(3));
    library.put("snow9", &[(TITLE, text("igloo"))]);
    assert!(library.vector("snow9").is_some(), "the new terms serve rows that come later");
}

#[test]
fn what_is_dropped_leaves_nothing() {
    let library = Library::new(5);
    library.create(&[("dim", 2)]);
    let mut txn = library.engine.store().begin().expect("a transaction");
    let all = library.engine.embeddings(&txn, Some(library.books)).expect("a list");
    library.engine.drop_embedding(&mut txn, &all[0]).expect("it is dropped");
    txn.commit().expect("a commit");
    let snapshot = library.engine.snapshot();
    assert_eq!(library.engine.embeddings(&snapshot, None).expect("a list"), []);
    assert!(snapshot.records("embedding/").expect("records").is_empty());
    let table = snapshot.catalog().table_by_id(library.books).expect("the table");
    assert!(table.column("words").is_none());
    library.create(&[("dim", 3)]);
    assert_eq!(library.vector("sea1").map(|vector| vector.len()), Some(3));
}

#[test]
fn what_will_not_do_is_refused() {
    let library = Library::new(5);
    let fit = |change: &dyn Fn(&mut NewEmbedding)| {
        let mut new = library.new_embedding(&[("dim", 2)]);
        change(&mut new);
        library.fit(&new, &Work::quiet()).map(drop).expect_err("it is refused").to_string()
    };
    let option = |name: &'static str, value: OptionValue| {
        move |new: &mut NewEmbedding| new.options = ModelOptions::new().with(name, value.clone())
    };
    let large = fit(&option("dim", int(11)));
    assert!(large.starts_with("option `dim` of `tfidf_svd` cannot be 11: 10 rows and "), "{large}");
    assert!(fit(&option("min_df", int(100))).contains("lower min_df"));
    assert!(fit(&option("memory_limit", int(100))).contains("memory_limit is 100"));
    assert!(fit(&option("dims", int(2))).contains("no option `dims`"));
    assert!(fit(&|new| new.table = "book".to_owned()).contains("no table `book`"));
    assert!(fit(&|new| new.sources = vec!["tite".to_owned()]).contains("no column `tite`"));
    assert!(fit(&|new| new.sources = vec!["price".to_owned()]).contains("holds no text"));
    assert!(fit(&|new| new.sources.clear()).contains("names no column"));
    assert!(fit(&|new| new.name = "title".to_owned()).contains("`title` exists already"));
    assert!(fit(&|new| new.name = "ID".to_owned()).contains("`ID` exists already"));
    assert!(fit(&|new| new.method = Some("bert".to_owned())).contains("no algorithm"));
    let empty = Library::new(0);
    let none = empty.fit(&empty.new_embedding(&[]), &Work::quiet()).map(drop);
    assert!(matches!(none, Err(Error::EmptyText { .. })), "{none:?}");
    let cancel = CancelToken::new();
    cancel.cancel();
    let stopped = library.fit(&library.new_embedding(&[]), &Work { cancel, ..Work::quiet() });
    assert!(matches!(stopped.map(drop), Err(Error::Cancelled)));
}

#[test]
fn as_many_dimensions_as_there_are_where_none_are_asked_for() {
    let library = Library::new(10);
    library.create(&[]);
    let most = library.vector("sea1").map(|vector| vector.len());
    assert!(most.is_some_and(|dim| (8..=14).contains(&dim)), "{most:?}");
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let library = Library::new(300);
    let new = library.new_embedding(&[("dim", 6)]);
    let saved = |threads: usize| {
        let fitted = library.fit(&new, &Work { threads, ..Work::quiet() }).expect("computed");
        let mut bytes = Vec::new();
        fitted.embedder.save(&mut bytes).expect("it is saved");
        bytes
    };
    assert_eq!(saved(1), saved(3));
}

#[test]
fn an_embedder_comes_back_and_damage_is_an_error() {
    let library = Library::new(10);
    let fitted = library.fit(&library.new_embedding(&[("dim", 3)]), &Work::quiet()).expect("made");
    let mut bytes = Vec::new();
    fitted.embedder.save(&mut bytes).expect("it is saved");
    let back = Embedder::load(Arc::new(bytes.clone())).expect("it is loaded");
    let texts = [text("The whale and the storm"), Value::TextList(vec!["dune".to_owned()])];
    assert!(back.embed(&texts).is_some());
    assert_eq!(back.embed(&texts), fitted.embedder.embed(&texts));
    for cut in 0..bytes.len() {
        assert!(Embedder::load(Arc::new(bytes[..cut].to_vec())).is_err(), "cut at {cut}");
    }
}

#[test]
fn counts_are_those_of_the_words() {
    let library = Library::new(0);
    let mut txn = library.engine.store().begin().expect("a transaction");
    let rows = ["a b a", "", "b c", "A a"];
    for (at, row) in rows.iter().enumerate() {
        txn.put_row(library.books, &at.to_string(), &[(TITLE, text(row))]).expect("a row");
    }
    let corpus = Corpus::read(&txn, library.books, &[TITLE], 1 << 20, &Work::quiet());
    let corpus = corpus.expect("it is read");
    assert_eq!(corpus.terms, ["a".into(), "b".into(), Box::<str>::from("c")]);
    assert_eq!(corpus.rows_with, [2, 2, 1]);
    let found: Vec<&[(u32, u32)]> = corpus.rows().collect();
    assert_eq!(found, [&[(0, 2), (1, 1)][..], &[(1, 1), (2, 1)], &[(0, 2)]]);

    let given = ModelOptions::new().with("min_df", int(1)).with("max_df", OptionValue::Real(1.0));
    let settings = Settings::new(&given).expect("options");
    let (weighting, matrix) = Weighting::of(&corpus, &settings);
    assert_eq!(weighting.terms, ["a".into(), "b".into(), Box::<str>::from("c")]);
    let idf = |rows: f32| ((1.0 + 3.0) / (1.0 + rows)).ln() + 1.0;
    let (a, b) = ((1.0 + 2f32.ln()) * idf(2.0), idf(2.0));
    let length = a.hypot(b);
    let (columns, values) = matrix.row(0);
    assert_eq!(columns, [0, 1]);
    assert!((values[0] - a / length).abs() < 1e-6 && (values[1] - b / length).abs() < 1e-6);
    assert_eq!(matrix.n_rows(), 3);
}

/// A matrix with a few strong directions.
fn matrix(rows: usize, columns: usize, seed: u64) -> Csr {
    let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    for row in 0..rows {
        for column in 0..columns {
            let about = (row * columns + column) as u64;
            if (row + column) % 3 == 0 || fraction(seed, about) < 0.2 {
                indices.push(column as u32);
                values.push(0.2 + fraction(seed + 1, about) + (row % 4) as f32);
            }
        }
        indptr.push(indices.len());
    }
    Csr::from_parts(columns, indptr, indices, values).expect("a matrix")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn singular_vectors_are_those_of_the_dense_matrix(
        rows in 30usize..80,
        columns in 20usize..60,
        dim in 1usize..6,
        seed in 0u64..1000,
    ) {
        let x = matrix(rows, columns, seed);
        let mut gram = vec![0f64; columns * columns];
        for (at, weights) in x.rows() {
            for (i, a) in at.iter().zip(weights) {
                for (j, b) in at.iter().zip(weights) {
                    gram[*j as usize * columns + *i as usize] += f64::from(*a) * f64::from(*b);
                }
            }
        }
        let (values, _) = eigen(&gram, columns).expect("eigenvalues");
        let found = svd(&x, dim, seed, &Work::quiet()).expect("it is found");
        // X v is as long as the singular value says, and the vectors are orthonormal.
        for i in 0..dim {
            let v: Vec<f64> =
                found.vectors.chunks_exact(dim).map(|row| f64::from(row[i])).collect();
            let long: f64 = x
                .rows()
                .map(|(at, weights)| {
                    let entry = |(j, w): (&u32, &f32)| f64::from(*w) * v[*j as usize];
                    at.iter().zip(weights).map(entry).sum::<f64>().powi(2)
                })
                .sum();
            let expected = values[columns - 1 - i];
            prop_assert!((long - expected).abs() < 1e-3 * values[columns - 1], "{long} {expected}");
            for j in 0..=i {
                let product: f64 = found
                    .vectors
                    .chunks_exact(dim)
                    .map(|row| f64::from(row[i]) * f64::from(row[j]))
                    .sum();
                prop_assert!((product - f64::from(u8::from(i == j))).abs() < 1e-4);
            }
        }
        let all: f64 = x.values().iter().map(|value| f64::from(*value).powi(2)).sum();
        let kept: f64 = values.iter().rev().take(dim).sum();
        prop_assert!((found.explained - kept / all).abs() < 1e-3);
    }
}

#[test]
fn beyond_the_rank_the_dimensions_are_zero() {
    // Three different rows, many times.
    let rows = 30;
    let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    for row in 0..rows {
        indices.extend([row % 3 * 2, row % 3 * 2 + 1]);
        values.extend([1.0, 2.0]);
        indptr.push(indices.len());
    }
    let x = Csr::from_parts(6, indptr, indices, values).expect("a matrix");
    let found = svd(&x, 5, 1, &Work::quiet()).expect("it is found");
    let lengths: Vec<f32> =
        (0..5).map(|i| found.vectors.chunks_exact(5).map(|row| row[i] * row[i]).sum()).collect();
    assert!(lengths[..3].iter().all(|length| (length - 1.0).abs() < 1e-4), "{lengths:?}");
    assert_eq!(lengths[3..], [0.0, 0.0]);
    assert!((found.explained - 1.0).abs() < 1e-5);
}

#[test]
fn a_text_off_all_directions_has_no_vector() {
    // One direction, along the words of most rows: the others share none with them.
    let library = Library::new(0);
    for row in 0..12 {
        let words = if row < 9 { "ship sea" } else { "husky igloo" };
        library.put(&row.to_string(), &[(TITLE, text(words))]);
    }
    let new = NewEmbedding {
        options: ModelOptions::new().with("dim", int(1)).with("max_df", OptionValue::Real(1.0)),
        ..library.new_embedding(&[])
    };
    let fitted = library.fit(&new, &Work::quiet()).expect("computed");
    assert!(fitted.embedder.embed(&[text("sea")]).is_some());
    assert_eq!(fitted.embedder.embed(&[text("husky igloo")]), None);
}

#[test]
fn an_embedding_can_be_replaced() {
    let library = Library::new(10);
    library.create(&[("dim", 2)]);
    let new = NewEmbedding { existing: Existing::Replace, ..library.new_embedding(&[("dim", 4)]) };
    let fitted = library.fit(&new, &Work::quiet()).expect("computed");
    let mut txn = library.engine.store().begin().expect("a transaction");
    library.engine.create_embedding(&mut txn, &new, fitted, &Work::quiet()).expect("replaced");
    txn.commit().expect("a commit");
    assert_eq!(library.vector("sea2").map(|vector| vector.len()), Some(4));
    let snapshot = library.engine.snapshot();
    assert_eq!(library.engine.embeddings(&snapshot, None).expect("a list").len(), 1);
}
