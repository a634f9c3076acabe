//! A session over an empty database, and rows as text.

use std::sync::Arc;

use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use tastedb_engine::storage::{Options as StoreOptions, Store};

use crate::{Options, Outcome, Session, Sql};

/// 2020-01-02 03:04:05 UTC.
pub(super) const NOW: i64 = 1_577_934_245_000_000;

pub(crate) fn sql() -> Sql {
    let store = Store::in_memory(StoreOptions::default()).expect("a store in memory");
    Sql::new(store, Options { threads: 1, memory: None, clock: Arc::new(|| NOW) })
        .expect("a query layer")
}

/// A session over a small shop: four movies, three people, some ratings.
pub(super) fn shop() -> Session {
    let mut session = sql().session();
    run(
        &mut session,
        "CREATE TABLE people (id TEXT PRIMARY KEY, country TEXT, birth_year INT) \
           WITH (role = 'user');
         CREATE TABLE movies (id TEXT PRIMARY KEY, title TEXT, year INT, genres TEXT[], \
           price REAL, text VECTOR(3)) WITH (role = 'item');
         CREATE TABLE ratings (user_id TEXT REFERENCES people, item_id TEXT REFERENCES movies, \
           kind TEXT DEFAULT 'rating', rating REAL, ts TIMESTAMP) WITH (role = 'interaction');
         INSERT INTO people VALUES ('u1', 'NO', 1980), ('u2', 'SE', 1990), ('u3', 'NO', NULL);
         INSERT INTO movies VALUES
           ('m1', 'Heat', 1995, ARRAY['crime', 'drama'], 9.5, '[1, 0, 0]'),
           ('m2', 'Alien', 1979, ARRAY['horror'], 5, '[0.9, 0.1, 0]'),
           ('m3', 'Fargo', 1996, '{crime}', NULL, NULL),
           ('m4', 'Up', 2009, NULL, 7.25, ARRAY[0, 0, 1]);
         INSERT INTO ratings VALUES
           ('u1', 'm1', 'rating', 5, TIMESTAMP '2000-01-01'),
           ('u1', 'm2', 'click', 1, TIMESTAMP '2019-12-30 12:00:00'),
           ('u2', 'm1', DEFAULT, 4, NULL),
           ('u2', 'm3', 'rating', 3.5, NULL);",
    );
    session
}

pub(super) fn run(session: &mut Session, sql: &str) -> Vec<Outcome> {
    match session.execute(sql) {
        Ok(outcomes) => outcomes,
        Err(error) => panic!("{}", error.render(sql)),
    }
}

/// The rows of the last statement, fields apart by `|`, rows by a new line.
pub(super) fn rows(session: &mut Session, sql: &str) -> String {
    let outcomes = run(session, sql);
    text(outcomes.last().expect("an outcome"))
}

pub(super) fn text(outcome: &Outcome) -> String {
    let rows = outcome.rows.as_ref().expect("the statement returns rows");
    let format = FormatOptions::default().with_null("NULL");
    let mut lines = Vec::new();
    for batch in &rows.batches {
        assert_eq!(batch.schema().fields().len(), rows.schema.fields().len());
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &format).expect("formats"))
            .collect();
        for row in 0..batch.num_rows() {
            let fields: Vec<String> =
                columns.iter().map(|column| column.value(row).to_string()).collect();
            lines.push(fields.join("|"));
        }
    }
    lines.join("\n")
}

/// The names of the columns of the last statement.
pub(super) fn header(session: &mut Session, sql: &str) -> String {
    let outcomes = run(session, sql);
    let rows = outcomes.last().and_then(|outcome| outcome.rows.as_ref()).expect("rows");
    let names: Vec<&str> = rows.schema.fields().iter().map(|field| field.name().as_str()).collect();
    names.join("|")
}

/// The code and the message of the error that a script ends with, and the text under its caret.
pub(super) fn fails(session: &mut Session, sql: &str) -> String {
    match session.execute(sql) {
        Ok(_) => panic!("`{sql}` succeeds"),
        Err(error) => {
            let place = error.span().map_or("", |span| span.text(sql));
            format!("{} {error} @{place}", error.code())
        }
    }
}

pub(super) fn tag(session: &mut Session, sql: &str) -> String {
    run(session, sql).last().expect("an outcome").tag.clone()
}
