//! Real data, published numbers: the protocol and the models against figures known from elsewhere.
//!
//! The datasets are other parties' and are not part of the project: they are read from
//! `../shared/data` (or `TASTEDB_DATA`) where that exists; a test that does not find them says so
//! and passes. Everything goes through SQL, as a user would do it.

use std::path::PathBuf;

use tastedb::{Database, Session};

use crate::support::rows_as_text;

/// The folder of a dataset, or a remark that the test is skipped.
pub(crate) fn dataset(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("TASTEDB_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let folder = root.join(name);
    if folder.join("items.csv").exists() {
        return Some(folder);
    }
    crate::support::skipped(&format!("{} is not there", folder.display()));
    None
}

/// A database with users, items, `ratings` (train) and `held_out` (test) of a dataset.
fn load(folder: &std::path::Path) -> (Database, Session) {
    let db = Database::in_memory().expect("a database in memory");
    let mut session = db.session();
    let train = if folder.join("train.csv").exists() { "train.csv" } else { "train.csv.gz" };
    let script = format!(
        "CREATE TABLE people (id TEXT PRIMARY KEY) WITH (role = 'user');
         CREATE TABLE things (id TEXT PRIMARY KEY) WITH (role = 'item');
         CREATE TABLE ratings (user_id TEXT REFERENCES people, item_id TEXT REFERENCES things)
             WITH (role = 'interaction', on_unknown = 'create');
         CREATE TABLE held_out (user_id TEXT REFERENCES people, item_id TEXT REFERENCES things)
             WITH (role = 'interaction', on_unknown = 'create');
         COPY things (id) FROM '{0}/items.csv';
         COPY ratings (user_id, item_id) FROM '{0}/{train}';
         COPY held_out (user_id, item_id) FROM '{0}/test.csv';",
        folder.display()
    );
    session.execute(&script).unwrap_or_else(|error| panic!("{}", error.render(&script)));
    (db, session)
}

/// Runs an EVALUATE and gives `(model, metric values…)` by row.
fn evaluate(session: &mut Session, statement: &str) -> Vec<(String, Vec<f64>)> {
    let outcomes =
        session.execute(statement).unwrap_or_else(|error| panic!("{}", error.render(statement)));
    rows_as_text(&outcomes[0])
        .into_iter()
        .map(|row| {
            let figures = row.iter().skip(1).filter_map(|cell| cell.parse::<f64>().ok());
            // The first number is the count of users.
            (row[0].clone(), figures.skip(1).collect())
        })
        .collect()
}

fn assert_near(what: &str, actual: f64, expected: f64, tolerance: f64) {
    assert!(
        (actual - expected).abs() <= tolerance,
        "{what}: {actual:.4}, expected {expected:.4} within {tolerance}"
    );
}

#[test]
fn popularity_gives_the_known_figures_on_every_small_dataset() {
    let known = [
        ("amazon-baby", 0.0495, 0.0212),
        ("amazon-sports", 0.0287, 0.0131),
        ("ml-100k", 0.1788, 0.1652),
        ("ml-1m", 0.1162, 0.1207),
        ("tiktok", 0.0597, 0.0255),
    ];
    for (name, recall, ndcg) in known {
        let Some(folder) = dataset(name) else { continue };
        let (_db, mut session) = load(&folder);
        let measured =
            evaluate(&mut session, "EVALUATE popular ON held_out METRICS recall(20), ndcg(20)");
        assert_near(&format!("{name} recall@20"), measured[0].1[0], recall, 0.00006);
        assert_near(&format!("{name} ndcg@20"), measured[0].1[1], ndcg, 0.00006);
    }
}

#[test]
fn ease_on_amazon_baby_gives_the_known_figures() {
    let Some(folder) = dataset("amazon-baby") else { return };
    let (_db, mut session) = load(&folder);
    session
        .execute(
            "CREATE MODEL e USING ease ON ratings WITH (lambda = 300);
             TRAIN MODEL e;",
        )
        .expect("ease trains");
    let measured = evaluate(&mut session, "EVALUATE e ON held_out METRICS recall(20), ndcg(20)");
    assert_near("recall@20", measured[0].1[0], 0.0823, 0.0005);
    assert_near("ndcg@20", measured[0].1[1], 0.0396, 0.0005);
}

#[test]
fn on_ml_1m_ease_beats_item_knn_beats_popular() {
    let Some(folder) = dataset("ml-1m") else { return };
    let (_db, mut session) = load(&folder);
    session
        .execute(
            "CREATE MODEL e USING ease ON ratings WITH (lambda = 300);
             CREATE MODEL k USING item_knn ON ratings
                 WITH (weighting = 'bm25', k1 = 1.2, b = 0.4, k = 400);
             TRAIN MODEL e; TRAIN MODEL k;",
        )
        .expect("both train");
    let measured = evaluate(&mut session, "EVALUATE e, k, popular ON held_out METRICS ndcg(20)");
    let figure = |at: usize| measured[at].1[0];
    assert!(figure(0) > figure(1), "ease {} and item_knn {}", figure(0), figure(1));
    assert!(figure(1) > figure(2), "item_knn {} and popular {}", figure(1), figure(2));
    assert_near("item_knn ndcg@20, as another implementation has it", figure(1), 0.2153, 0.002);
}
