//! What the benches share: where the datasets are and how a database is filled from them.

use std::path::{Path, PathBuf};

use tastedb::{Database, Session};

/// The folder of a dataset, or `None` (with a remark) where it is missing.
#[expect(clippy::print_stderr, reason = "a skipped bench must say so")]
pub(crate) fn dataset(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("TASTEDB_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let folder = root.join(name);
    if folder.join("items.csv").exists() {
        return Some(folder);
    }
    eprintln!("skipped: {} is not there (set TASTEDB_DATA)", folder.display());
    None
}

/// Runs statements that must work.
pub(crate) fn run(session: &mut Session, sql: &str) {
    if let Err(error) = session.execute(sql) {
        panic!("{}", error.render(sql));
    }
}

/// Tables for a dataset with users and items loaded, and `ratings` still empty.
pub(crate) fn tables(session: &mut Session, folder: &Path, with_attributes: bool) {
    let columns = if with_attributes { ", title TEXT, year INT" } else { "" };
    let list = if with_attributes { "id, title, year" } else { "id" };
    run(
        session,
        &format!(
            "CREATE TABLE people (id TEXT PRIMARY KEY) WITH (role = 'user');
             CREATE TABLE things (id TEXT PRIMARY KEY{columns}) WITH (role = 'item');
             CREATE TABLE ratings (user_id TEXT REFERENCES people, item_id TEXT REFERENCES things)
                 WITH (role = 'interaction', on_unknown = 'create');
             COPY things ({list}) FROM '{}';",
            folder.join("items.csv").display()
        ),
    );
}

/// The statement that loads the training interactions.
pub(crate) fn copy_train(folder: &Path) -> String {
    let plain = folder.join("train.csv");
    let file = if plain.exists() { plain } else { folder.join("train.csv.gz") };
    format!("COPY ratings (user_id, item_id) FROM '{}'", file.display())
}

/// A database of a dataset, at `path`.
pub(crate) fn filled(path: &Path, folder: &Path, with_attributes: bool) -> Database {
    let db = Database::open(path).expect("the database opens");
    let mut session = db.session();
    tables(&mut session, folder, with_attributes);
    run(&mut session, &copy_train(folder));
    db
}
