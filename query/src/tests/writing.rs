//! INSERT, UPDATE, DELETE and transactions.

use super::support::{fails, rows, run, shop, sql, tag};

#[test]
fn insert_fills_in_defaults_and_returns_what_it_wrote() {
    let mut session = shop();
    assert_eq!(
        rows(
            &mut session,
            "INSERT INTO ratings (item_id, user_id, ts) VALUES ('m4', 'u3', now()) \
             RETURNING item_id, kind, ts, rating IS NULL AS unrated"
        ),
        "m4|rating|2020-01-02T03:04:05|true"
    );
    assert_eq!(tag(&mut session, "INSERT INTO people (id) VALUES ('u9'), ('u8')"), "INSERT 2");
    assert_eq!(
        rows(&mut session, "INSERT INTO movies (id, text) VALUES (7, '[1, 2, 3]') RETURNING *"),
        "7|NULL|NULL|NULL|NULL|[1.0, 2.0, 3.0]"
    );
}

#[test]
fn insert_takes_expressions_and_queries() {
    let mut session = shop();
    run(
        &mut session,
        "INSERT INTO people VALUES ('x' || 1, upper('dk'), 2000 - 1), \
           ('x2', 'FI', (SELECT max(year) FROM movies));
         INSERT INTO ratings (user_id, item_id, rating) SELECT 'u3', id, year FROM movies \
           WHERE year < 1996",
    );
    assert_eq!(
        rows(&mut session, "SELECT * FROM people WHERE id LIKE 'x%'"),
        "x1|DK|1999\nx2|FI|2009"
    );
    assert_eq!(
        rows(&mut session, "SELECT item_id, kind, rating FROM ratings WHERE user_id = 'u3'"),
        "m1|rating|1995.0\nm2|rating|1979.0"
    );
}

#[test]
fn a_failed_insert_writes_nothing() {
    let mut session = shop();
    assert_eq!(
        fails(&mut session, "INSERT INTO people VALUES ('n1', 'NO', 1), ('u1', 'NO', 2)"),
        "TD0306 `people` has a row with the key `u1` already @'u1'"
    );
    assert_eq!(
        fails(&mut session, "INSERT INTO ratings (user_id, item_id) VALUES ('u1', 'mx')"),
        "TD0307 no item `mx` in `movies` @'mx'"
    );
    assert_eq!(
        fails(&mut session, "INSERT INTO people VALUES ('n1', 'NO', 'old')"),
        "TD0301 column `birth_year`: expected INTEGER, found 'old' @'old'"
    );
    assert_eq!(
        fails(&mut session, "INSERT INTO people (id, country) VALUES ('n1')"),
        "TD0309 expected 2 values, one for each column, found 1 @('n1')"
    );
    assert_eq!(
        fails(&mut session, "INSERT INTO movies (id, text) VALUES ('n1', '[1, 2]')"),
        "TD0304 column `text`: expected 3 numbers, found 2 @'[1, 2]'"
    );
    assert_eq!(
        fails(&mut session, "INSERT INTO movies (id, text) VALUES ('n1', '[1, 2, NaN]')"),
        "TD0305 column `text`: number 3 of the vector is not finite @'[1, 2, NaN]'"
    );
    assert_eq!(
        fails(&mut session, "INSERT INTO people (id, contry) VALUES ('n1', 'x')"),
        "TD0202 no column `contry` in `people`; did you mean `country`? @contry"
    );
    assert!(fails(&mut session, "INSERT INTO people VALUES (NULL, 'NO', 1)").starts_with("TD0303"));
    assert_eq!(rows(&mut session, "SELECT count(*) FROM people WHERE id = 'n1'"), "0");
    assert_eq!(rows(&mut session, "SELECT count(*) FROM movies WHERE id = 'n1'"), "0");
}

#[test]
fn on_conflict_keeps_or_updates() {
    let mut session = shop();
    assert_eq!(
        tag(&mut session, "INSERT INTO people VALUES ('u1', 'X', 1) ON CONFLICT DO NOTHING"),
        "INSERT 0"
    );
    assert_eq!(
        rows(
            &mut session,
            "INSERT INTO movies (id, title, year) VALUES ('m1', 'Heat!', 3), ('m9', 'New', 4) \
             ON CONFLICT (id) DO UPDATE SET title = excluded.title, year = year + excluded.year \
             RETURNING id, title, year, price"
        ),
        "m1|Heat!|1998|9.5\nm9|New|4|NULL"
    );
    assert_eq!(
        tag(
            &mut session,
            "INSERT INTO movies (id, title) VALUES ('m1', 'no') ON CONFLICT (id) DO UPDATE \
             SET title = excluded.title WHERE movies.year < 0"
        ),
        "INSERT 0"
    );
}

#[test]
fn a_primary_key_on_interactions_makes_insert_update() {
    let mut session = shop();
    run(
        &mut session,
        "CREATE TABLE stars (user_id TEXT REFERENCES people, item_id TEXT REFERENCES movies, \
           n INT, PRIMARY KEY (user_id, item_id)) WITH (role = 'interaction', on_unknown = create);
         INSERT INTO stars VALUES ('u1', 'm1', 3), ('u1', 'm1', 5), ('new', 'm2', 1)",
    );
    assert_eq!(rows(&mut session, "SELECT * FROM stars"), "u1|m1|5\nnew|m2|1");
    assert_eq!(rows(&mut session, "SELECT id FROM people WHERE id = 'new'"), "new");
}

#[test]
fn update_sets_values_vectors_and_nothing() {
    let mut session = shop();
    assert_eq!(
        rows(
            &mut session,
            "UPDATE movies SET price = price * 2, text = '[0, 1, 0]' WHERE year < 1996 \
             RETURNING id, price, text"
        ),
        "m1|19.0|[0.0, 1.0, 0.0]\nm2|10.0|[0.0, 1.0, 0.0]"
    );
    run(&mut session, "UPDATE movies SET text = NULL, title = NULL WHERE id = 'm1'");
    assert_eq!(rows(&mut session, "SELECT title, text FROM movies WHERE id = 'm1'"), "NULL|NULL");
    assert_eq!(
        tag(&mut session, "UPDATE ratings AS r SET rating = r.rating + 1 WHERE r.user_id = 'u2'"),
        "UPDATE 2"
    );
    assert_eq!(rows(&mut session, "SELECT rating FROM ratings WHERE user_id = 'u2'"), "5.0\n4.5");
    assert_eq!(tag(&mut session, "UPDATE people SET country = 'EU'"), "UPDATE 3");
    assert!(fails(&mut session, "UPDATE movies SET id = 'x'").starts_with("TD0313"));
    assert_eq!(
        fails(&mut session, "UPDATE movies SET year = title WHERE id = 'm2'"),
        "TD0301 column `year`: expected INTEGER, found 'Alien' @title"
    );
}

#[test]
fn errors_of_update_stand_under_the_new_value() {
    let mut session = shop();
    for (sql, expected) in [
        (
            "UPDATE movies SET title = 'x', text = '[1, 2]' WHERE id = 'm1'",
            "TD0304 column `text`: expected 3 numbers, found 2 @'[1, 2]'",
        ),
        (
            "UPDATE movies SET text = '[1, NaN, 2]' WHERE id = 'm1'",
            "TD0305 column `text`: number 2 of the vector is not finite @'[1, NaN, 2]'",
        ),
        (
            "UPDATE ratings SET kind = 'x', ts = 'never' WHERE user_id = 'u1'",
            "TD0301 column `ts`: expected TIMESTAMP, found 'never' @'never'",
        ),
        (
            "INSERT INTO movies (id) VALUES ('m1') ON CONFLICT (id) DO UPDATE SET year = title",
            "TD0301 column `year`: expected INTEGER, found 'Heat' @title",
        ),
    ] {
        assert_eq!(fails(&mut session, sql), expected);
    }
    run(&mut session, "ALTER TABLE movies ADD COLUMN must INT NOT NULL DEFAULT 1");
    let error = fails(&mut session, "UPDATE movies SET must = NULL");
    assert!(error.starts_with("TD0303") && error.ends_with("@NULL"), "{error}");
    assert_eq!(
        rows(&mut session, "SELECT title, text FROM movies WHERE id = 'm1'"),
        "Heat|[1.0, 0.0, 0.0]"
    );
}

#[test]
fn numbers_too_large_for_half_precision_are_refused_at_their_value() {
    let mut session = shop();
    run(&mut session, "ALTER TABLE movies ADD COLUMN half HALFVEC(2)");
    assert_eq!(
        fails(&mut session, "INSERT INTO movies (id, half) VALUES ('n1', '[1, 70000]')"),
        "TD0305 column `half`: number 2 of the vector is too large for HALFVEC @'[1, 70000]'"
    );
    assert_eq!(
        fails(&mut session, "ALTER TABLE movies ADD COLUMN h HALFVEC(2) DEFAULT '[1, 1e9]'"),
        "TD0305 default of `h`: number 2 of the vector is too large for HALFVEC @'[1, 1e9]'"
    );
    assert_eq!(rows(&mut session, "SELECT count(*) FROM movies"), "4");
}

#[test]
fn delete_takes_interactions_along() {
    let mut session = shop();
    let outcome = run(&mut session, "DELETE FROM people WHERE id = 'u1'").remove(0);
    assert_eq!(outcome.tag, "DELETE 1");
    assert_eq!(outcome.notices, ["2 interactions were deleted with them"]);
    assert_eq!(rows(&mut session, "SELECT count(*) FROM ratings"), "2");
    assert_eq!(
        rows(&mut session, "DELETE FROM ratings WHERE rating < 4 RETURNING item_id, rating"),
        "m3|3.5"
    );
    assert_eq!(tag(&mut session, "DELETE FROM movies WHERE id = 'none'"), "DELETE 0");
    assert_eq!(tag(&mut session, "DELETE FROM movies"), "DELETE 4");
    assert_eq!(rows(&mut session, "SELECT count(*) FROM ratings"), "0");
    assert!(
        fails(&mut session, "DELETE FROM people WHERE id = 'u2' RETURNING upper(forget_id())")
            .starts_with("TD0110")
    );
    assert_eq!(rows(&mut session, "SELECT count(*) FROM people"), "2");
}

#[test]
fn a_transaction_sees_its_own_writes_and_can_be_undone() {
    let db = sql();
    let mut one = db.session();
    run(&mut one, "CREATE TABLE people (id TEXT PRIMARY KEY, n INT) WITH (role = 'user')");
    let mut two = db.session();
    run(&mut one, "BEGIN; INSERT INTO people VALUES ('a', 1); UPDATE people SET n = n + 1");
    assert!(one.in_transaction());
    assert_eq!(rows(&mut one, "SELECT * FROM people"), "a|2");
    assert_eq!(rows(&mut two, "SELECT count(*) FROM people"), "0");
    assert!(fails(&mut one, "INSERT INTO people VALUES ('b', 1), ('a', 9)").starts_with("TD0306"));
    assert_eq!(rows(&mut one, "SELECT * FROM people"), "a|2");
    run(&mut one, "COMMIT");
    assert_eq!(rows(&mut two, "SELECT * FROM people"), "a|2");
    run(&mut one, "BEGIN; DELETE FROM people; ROLLBACK");
    assert_eq!(rows(&mut one, "SELECT count(*) FROM people"), "1");
    assert!(fails(&mut one, "COMMIT").starts_with("TD0501"));
    assert!(fails(&mut one, "BEGIN; BEGIN").starts_with("TD0502"));
}
