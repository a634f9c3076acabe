//! Text embeddings through the facade: writes from Rust, and a database that is opened again.

use tastedb::{ColumnType, Database, Fields, NewTable};

use crate::data::dataset;
use crate::support::{cells, number};

fn library() -> NewTable {
    NewTable::items("books").column("title", ColumnType::Text).column("price", ColumnType::Int)
}

/// Six books on two subjects, and an embedding of their titles.
fn filled(db: &Database) {
    let mut write = db.begin_write().unwrap();
    write.create_table(library()).unwrap();
    let titles = ["ship at sea", "sea and ship", "the sea", "camel and dune", "dune", "a camel"];
    for (at, title) in titles.iter().enumerate() {
        write.put_item("books", &format!("b{at}"), Fields::new().set("title", *title)).unwrap();
    }
    write.commit().unwrap();
    let sql = "CREATE EMBEDDING words ON books FROM (title) WITH (dim = 2)";
    db.session().execute(sql).unwrap_or_else(|error| panic!("{}", error.render(sql)));
}

#[test]
fn rows_written_from_rust_get_their_vectors() {
    let db = Database::in_memory().unwrap();
    filled(&db);
    let mut write = db.begin_write().unwrap();
    write.put_item("books", "new", Fields::new().set("title", "A ship")).unwrap();
    write.put_item("books", "b0", Fields::new().set("title", "quarks")).unwrap();
    let refused = write.put_embedding("books", "b1", "words", &[1.0, 0.0]).unwrap_err();
    assert_eq!(refused.code(), "TD0314");
    let refused = write.delete_embedding("books", "b1", "words").unwrap_err();
    assert_eq!(refused.code(), "TD0314");
    write.commit().unwrap();
    let mut session = db.session();
    let with = "SELECT id FROM books WHERE words IS NOT NULL ORDER BY id";
    assert_eq!(cells(&mut session, with).concat(), ["b1", "b2", "b3", "b4", "b5", "new"]);
    let embeddings = db.embeddings().unwrap();
    assert_eq!((embeddings.len(), embeddings[0].rows), (1, 6));
}

#[test]
fn an_embedding_outlives_the_process_and_a_backup() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let db = Database::open(&path).unwrap();
    filled(&db);
    let before = cells(&mut db.session(), "SELECT words FROM books ORDER BY id");
    let copy = folder.path().join("copy");
    db.backup(&copy).unwrap();
    drop(db);
    for path in [path, copy] {
        let report = Database::check(&path).unwrap();
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        let db = Database::open(&path).unwrap();
        let mut session = db.session();
        assert_eq!(cells(&mut session, "SELECT words FROM books ORDER BY id"), before);
        session.execute("INSERT INTO books (id, title) VALUES ('twin', 'ship at sea')").unwrap();
        let same = "SELECT count(*) FROM books a JOIN books b ON a.words = b.words \
                    WHERE a.id = 'b0' AND b.id = 'twin'";
        assert_eq!(number(&mut session, same), 1, "equal texts have equal vectors");
    }
}

/// Recommending by text alone, for all users with something held out: chance would find 20 in 3,883.
#[test]
fn text_alone_finds_what_people_watched_far_more_often_than_chance() {
    let Some(folder) = dataset("ml-1m") else { return };
    let db = Database::in_memory().unwrap();
    let mut session = db.session();
    let script = format!(
        "CREATE TABLE people (id TEXT PRIMARY KEY) WITH (role = 'user');
         CREATE TABLE movies (id TEXT PRIMARY KEY, title TEXT, genres TEXT[]) WITH (role = 'item');
         CREATE TABLE ratings (user_id TEXT REFERENCES people, item_id TEXT REFERENCES movies)
             WITH (role = 'interaction', on_unknown = 'create');
         CREATE TABLE held_out (user_id TEXT REFERENCES people, item_id TEXT REFERENCES movies)
             WITH (role = 'interaction', on_unknown = 'create');
         COPY movies FROM '{0}/items.csv' WITH (ignore_extra = true);
         COPY ratings (user_id, item_id) FROM '{0}/train.csv.gz';
         COPY held_out (user_id, item_id) FROM '{0}/valid.csv';
         CREATE EMBEDDING words ON movies FROM (title, genres);
         CREATE MODEL near USING content ON ratings WITH (modalities = 'words');
         TRAIN MODEL near;",
        folder.display()
    );
    session.execute(&script).unwrap_or_else(|error| panic!("{}", error.render(&script)));
    let rows = cells(&mut session, "EVALUATE near ON held_out METRICS recall(20)");
    let recall: f64 = rows[0][2].parse().unwrap();
    assert!(recall > 5.0 * 20.0 / 3883.0, "recall(20) is {recall}");
    let near = "SELECT title FROM recommend('movies', item => '1', k => 1) r \
                JOIN movies USING (id)";
    assert_eq!(cells(&mut session, near)[0][0], "Toy Story 2 (1999)");
}
