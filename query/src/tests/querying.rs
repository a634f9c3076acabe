//! SELECT: projection, filters, look-ups, joins, functions, parameters, errors.

use super::support::{fails, header, rows, run, shop};
use crate::storage::Value;

#[test]
fn a_table_comes_back_in_the_order_of_its_columns_and_rows() {
    let mut session = shop();
    assert_eq!(
        rows(&mut session, "SELECT * FROM movies"),
        "m1|Heat|1995|[crime, drama]|9.5|[1.0, 0.0, 0.0]\n\
         m2|Alien|1979|[horror]|5.0|[0.9, 0.1, 0.0]\n\
         m3|Fargo|1996|[crime]|NULL|NULL\n\
         m4|Up|2009|NULL|7.25|[0.0, 0.0, 1.0]"
    );
    assert_eq!(header(&mut session, "SELECT * FROM ratings"), "user_id|item_id|kind|rating|ts");
    assert_eq!(
        header(
            &mut session,
            "SELECT 1, 'x', year+1, max(year), count(*), m.year, title AS t, NULL \
             FROM movies m GROUP BY year, title"
        ),
        "1|'x'|year + 1|max(year)|count(*)|year|t|NULL"
    );
    assert_eq!(
        fails(&mut session, "SELECT 1, 1"),
        "TD0107 two columns of the query have the same name @"
    );
    assert_eq!(
        rows(&mut session, "SELECT * FROM ratings"),
        "u1|m1|rating|5.0|2000-01-01T00:00:00\n\
         u1|m2|click|1.0|2019-12-30T12:00:00\n\
         u2|m1|rating|4.0|NULL\n\
         u2|m3|rating|3.5|NULL"
    );
}

#[test]
fn keys_users_and_items_are_looked_up() {
    let mut session = shop();
    for (condition, expected) in [
        ("movies WHERE id = 'm2'", "1"),
        ("movies WHERE 'm2' = id AND year > 2000", "0"),
        ("movies WHERE id IN ('m1', 'm4', 'zz')", "2"),
        ("movies WHERE id = 'm1' OR id = 'm3'", "2"),
        ("ratings WHERE user_id = 'u1'", "2"),
        ("ratings WHERE item_id = 'm1'", "2"),
        ("ratings WHERE item_id = 'm1' AND user_id = 'u2'", "1"),
        ("ratings WHERE user_id = 'nobody'", "0"),
    ] {
        assert_eq!(rows(&mut session, &format!("SELECT count(*) FROM {condition}")), expected);
    }
}

#[test]
fn queries_join_group_order_and_nest() {
    let mut session = shop();
    assert_eq!(
        rows(
            &mut session,
            "SELECT m.title, count(*) AS n, avg(r.rating) FROM ratings r \
             JOIN movies m ON m.id = r.item_id GROUP BY m.title ORDER BY n DESC, m.title"
        ),
        "Heat|2|4.5\nAlien|1|1.0\nFargo|1|3.5"
    );
    assert_eq!(
        rows(
            &mut session,
            "WITH seen AS (SELECT item_id FROM ratings) \
             SELECT title FROM movies WHERE id NOT IN (SELECT item_id FROM seen)"
        ),
        "Up"
    );
    assert_eq!(
        rows(&mut session, "SELECT upper(title) FROM movies WHERE array_has(genres, 'crime')"),
        "HEAT\nFARGO"
    );
    assert_eq!(rows(&mut session, "VALUES (1, 'a'), (2, 'b')"), "1|a\n2|b");
}

#[test]
fn now_is_the_clock_that_was_given() {
    let mut session = shop();
    assert_eq!(
        rows(&mut session, "SELECT item_id FROM ratings WHERE ts > now() - INTERVAL '7 days'"),
        "m2"
    );
}

#[test]
fn parameters_stand_for_values() {
    let mut session = shop();
    let params = [Value::Text("NO".into()), Value::Int(1985)];
    let sql = "SELECT id FROM people WHERE country = $1 AND birth_year < $2";
    let outcomes = session.execute_with(sql, &params).expect("runs");
    assert_eq!(super::support::text(&outcomes[0]), "u1");
    let error = session.execute_with(sql, &params[..1]).expect_err("one is missing");
    assert_eq!(error.code(), "TD0106");
}

#[test]
fn errors_name_the_place_and_what_was_meant() {
    let mut session = shop();
    assert_eq!(
        fails(&mut session, "SELECT * FROM moveis"),
        "TD0201 no table `moveis`; did you mean `movies`? @moveis"
    );
    assert!(
        fails(&mut session, "SELECT titel FROM movies")
            .starts_with("TD0202 no column `titel`; did you mean `title`? @titel")
    );
    assert!(fails(&mut session, "SELECT lowr(title) FROM movies").starts_with("TD0204"));
    assert!(fails(&mut session, "SELECT 1 / 0").starts_with("TD0311"));
    let error = fails(&mut session, "SELECT title + 1 FROM movies");
    assert!(error.starts_with("TD03"), "{error}");
    assert!(!error.contains("Utf8"), "{error}");
}

#[test]
fn explain_shows_a_plan() {
    let mut session = shop();
    let plan = rows(&mut session, "EXPLAIN SELECT id FROM movies WHERE year > 1990");
    assert!(plan.contains("FilterExec"), "{plan}");
}

#[test]
fn a_large_table_streams_whole() {
    let mut session = shop();
    let people: Vec<String> = (1..=20_000).map(|n| format!("('p{n}', 'DK', {n})")).collect();
    run(&mut session, &format!("INSERT INTO people VALUES {}", people.join(", ")));
    assert_eq!(
        rows(
            &mut session,
            "SELECT count(*), min(birth_year), max(birth_year) FROM people \
                            WHERE country = 'DK'"
        ),
        "20000|1|20000"
    );
    assert_eq!(rows(&mut session, "SELECT id FROM people LIMIT 2 OFFSET 19999"), "p19997\np19998");
}
