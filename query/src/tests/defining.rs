//! CREATE, ALTER, DROP, SHOW, DESCRIBE.

use super::support::{fails, rows, run, shop, sql, tag};

#[test]
fn tables_and_their_columns_can_be_looked_at() {
    let mut session = shop();
    assert_eq!(
        rows(&mut session, "SHOW TABLES"),
        "people|user|3|3\nmovies|item|6|4\nratings|interaction|5|4"
    );
    assert_eq!(
        rows(&mut session, "DESCRIBE ratings"),
        "user_id|TEXT|false|references people|NULL\n\
         item_id|TEXT|false|references movies|NULL\n\
         kind|TEXT|true|NULL|'rating'\n\
         rating|REAL|true|NULL|NULL\n\
         ts|TIMESTAMP|true|NULL|NULL"
    );
    assert_eq!(rows(&mut session, "SHOW INDEXES"), "");
    assert_eq!(rows(&mut session, "SELECT count(*) FROM models"), "0");
}

#[test]
fn a_key_may_stand_anywhere_and_be_a_number() {
    let mut session = sql().session();
    run(
        &mut session,
        "CREATE TABLE t (name TEXT, n BIGINT PRIMARY KEY, made TIMESTAMP DEFAULT now()) \
           WITH (role = 'item');
         INSERT INTO t (n, name) VALUES (007, 'bond')",
    );
    assert_eq!(rows(&mut session, "SELECT * FROM t WHERE n = 7"), "bond|7|2020-01-02T03:04:05");
    assert!(fails(&mut session, "INSERT INTO t (n) VALUES ('x')").starts_with("TD0301"));
}

#[test]
fn alter_table_changes_columns() {
    let mut session = shop();
    run(
        &mut session,
        "ALTER TABLE people ADD COLUMN city TEXT DEFAULT 'Oslo';
         ALTER TABLE people RENAME COLUMN country TO land;
         ALTER TABLE people DROP COLUMN birth_year;
         ALTER TABLE people RENAME TO persons",
    );
    assert_eq!(rows(&mut session, "SELECT * FROM persons WHERE id = 'u1'"), "u1|NO|Oslo");
    assert!(fails(&mut session, "ALTER TABLE persons DROP COLUMN id").starts_with("TD0212"));
    assert!(fails(&mut session, "ALTER TABLE persons ADD COLUMN land INT").starts_with("TD0205"));
    assert_eq!(tag(&mut session, "ALTER TABLE IF EXISTS nothing ADD COLUMN x INT"), "ALTER TABLE");
}

#[test]
fn drop_table_sees_the_models_of_its_own_transaction() {
    let mut session = shop();
    run(&mut session, "BEGIN; CREATE MODEL best USING popular ON ratings");
    assert_eq!(
        fails(&mut session, "DROP TABLE ratings"),
        "TD0209 table `ratings` is used by model `best` @ratings"
    );
    assert!(rows(&mut session, "SHOW MODELS").starts_with("best|popular|ratings|"));
    assert_eq!(rows(&mut session, "SELECT count(*) FROM models"), "1");
    run(&mut session, "DROP MODEL best; DROP TABLE ratings; COMMIT");
    assert_eq!(rows(&mut session, "SHOW TABLES"), "people|user|3|3\nmovies|item|6|4");
}

#[test]
fn drop_table_minds_what_depends_on_it() {
    let mut session = shop();
    assert!(fails(&mut session, "DROP TABLE movies").starts_with("TD0209"));
    run(&mut session, "CREATE MODEL best USING popular ON ratings");
    assert!(fails(&mut session, "DROP TABLE ratings").starts_with("TD0209"));
    run(&mut session, "DROP MODEL best; DROP TABLE ratings; DROP TABLE movies");
    assert_eq!(rows(&mut session, "SHOW TABLES"), "people|user|3|3");
    assert!(fails(&mut session, "DROP TABLE moves").starts_with("TD0201"));
    assert_eq!(tag(&mut session, "DROP TABLE IF EXISTS moves"), "DROP TABLE");
}

#[test]
fn contradictory_definitions_are_refused() {
    let mut session = shop();
    for (sql, code) in [
        ("CREATE TABLE people (id TEXT PRIMARY KEY) WITH (role = 'user')", "TD0205"),
        ("CREATE TABLE t (id TEXT PRIMARY KEY)", "TD0212"),
        ("CREATE TABLE t (id TEXT) WITH (role = 'user')", "TD0212"),
        ("CREATE TABLE t (id REAL PRIMARY KEY) WITH (role = 'user')", "TD0212"),
        ("CREATE TABLE t (id TEXT PRIMARY KEY) WITH (role = 'shop')", "TD0109"),
        ("CREATE TABLE t (id TEXT PRIMARY KEY) WITH (role = 'user', rol = 1)", "TD0108"),
        ("CREATE TABLE t (u TEXT REFERENCES people) WITH (role = 'interaction')", "TD0212"),
        ("CREATE TABLE t (u INT REFERENCES people, i TEXT REFERENCES movies)", "TD0212"),
        ("CREATE TABLE t (u TEXT REFERENCES poeple, i TEXT REFERENCES movies)", "TD0201"),
        ("CREATE TABLE t (id TEXT PRIMARY KEY, n INT DEFAULT 'x') WITH (role = 'item')", "TD0301"),
    ] {
        let error = fails(&mut session, sql);
        assert!(error.starts_with(code), "{sql}: {error}");
    }
    assert_eq!(
        tag(&mut session, "CREATE TABLE IF NOT EXISTS people (id TEXT PRIMARY KEY)"),
        "CREATE TABLE"
    );
}
