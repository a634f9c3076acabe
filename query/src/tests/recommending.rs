//! Models and RECOMMEND.

use super::support::{fails, header, rows, run, shop};
use crate::Session;
use crate::storage::Value;

fn trained() -> Session {
    let mut session = shop();
    run(
        &mut session,
        "CREATE MODEL taste USING item_knn ON ratings WEIGHT rating WHERE rating >= 1;
         TRAIN MODEL taste",
    );
    session
}

#[test]
fn a_model_recommends_what_was_not_seen() {
    let mut session = trained();
    assert_eq!(header(&mut session, "RECOMMEND movies FOR USER 'u1'"), "rank|id|score|source");
    let first = rows(&mut session, "RECOMMEND id, source FROM movies FOR USER 'u1' LIMIT 1");
    assert_eq!(first, "m3|taste");
    let all = rows(&mut session, "RECOMMEND id FROM movies FOR USER 'u1'");
    assert_eq!(all, "m3\nm4");
    assert_eq!(rows(&mut session, "RECOMMEND movies FOR USER 'u1' LIMIT 0"), "");
}

#[test]
fn where_filters_inside_and_follows_updates() {
    let mut session = trained();
    let sql = "RECOMMEND id FROM movies FOR USER 'u1' WHERE year > 2000";
    assert_eq!(rows(&mut session, sql), "m4");
    assert_eq!(rows(&mut session, sql), "m4");
    run(&mut session, "UPDATE movies SET year = 2020 WHERE id = 'm3'");
    assert_eq!(rows(&mut session, sql), "m3\nm4");
    run(
        &mut session,
        "INSERT INTO movies (id, year) VALUES ('m5', 2021); \
                       DELETE FROM movies WHERE id = 'm4'",
    );
    assert_eq!(rows(&mut session, sql), "m3\nm5");
    let params = [Value::Int(2020)];
    let sql = "RECOMMEND id FROM movies FOR USER 'u1' WHERE year > $1";
    let outcome = session.execute_with(sql, &params).expect("runs").remove(0);
    assert_eq!(super::support::text(&outcome), "m5");
}

#[test]
fn seen_says_exactly_what_is_left_out() {
    let mut session = trained();
    let mut of = |condition: &str| {
        let sql = format!("RECOMMEND id FROM movies FOR USER 'u1' WHERE {condition}");
        let mut ids: Vec<String> = rows(&mut session, &sql).lines().map(str::to_owned).collect();
        ids.sort();
        ids.join(" ")
    };
    assert_eq!(of("NOT seen('click')"), "m1 m3 m4");
    assert_eq!(of("NOT seen()"), "m3 m4");
    assert_eq!(of("seen('rating')"), "m1");
    assert_eq!(of("NOT seen('rating', INTERVAL '90 days') AND year < 2000"), "m1 m2 m3");
    assert_eq!(of("NOT seen('click', INTERVAL '90 days') AND year < 2000"), "m1 m3");
    let sql = "RECOMMEND id FROM movies FOR USER 'u1' WITH (seen = 'include')";
    assert_eq!(rows(&mut session, sql).lines().count(), 4);
    assert!(
        fails(&mut session, "RECOMMEND movies FOR USER 'u1' WHERE seen('a') OR year > 1")
            .starts_with("TD0110")
    );
}

#[test]
fn a_select_list_takes_columns_expressions_and_reasons() {
    let mut session = trained();
    assert_eq!(
        rows(
            &mut session,
            "RECOMMEND rank, upper(title) AS name, year + rank, genres, text \
             FROM movies FOR USER 'u2'"
        ),
        "1|ALIEN|1980|[horror]|[0.9, 0.1, 0.0]\n2|UP|2011|NULL|[0.0, 0.0, 1.0]"
    );
    let reason = rows(&mut session, "RECOMMEND id, reason FROM movies FOR USER 'u1' LIMIT 1");
    assert!(reason.starts_with("m3|m1 ("), "{reason}");
    assert_eq!(
        rows(&mut session, "RECOMMEND id, model_version FROM movies FOR USER 'u1' LIMIT 1"),
        "m3|1"
    );
    assert_eq!(
        fails(&mut session, "RECOMMEND titel FROM movies FOR USER 'u1'"),
        "TD0202 no column `titel` in `movies`; did you mean `title`? @titel"
    );
}

#[test]
fn order_by_scores_again_over_all_candidates() {
    let mut session = trained();
    assert_eq!(
        rows(
            &mut session,
            "RECOMMEND rank, id FROM movies FOR USER 'u1' ORDER BY year DESC LIMIT 1"
        ),
        "1|m4"
    );
    assert_eq!(
        rows(
            &mut session,
            "RECOMMEND id FROM movies FOR USER 'u1' \
             ORDER BY score * CASE WHEN title = 'Up' THEN 1000 ELSE 1 END DESC LIMIT 1 OFFSET 1"
        )
        .lines()
        .count(),
        1
    );
}

#[test]
fn contexts_other_than_users() {
    let mut session = trained();
    assert_eq!(rows(&mut session, "RECOMMEND id FROM movies FOR ITEM 'm3' LIMIT 1"), "m1");
    assert_eq!(
        rows(&mut session, "RECOMMEND id FROM movies FOR SESSION ('m2', 'm3') LIMIT 1"),
        "m1"
    );
    run(
        &mut session,
        "CREATE MODEL like_it USING content ON ratings WITH (modalities = 'text'); \
                       TRAIN MODEL like_it",
    );
    assert_eq!(
        rows(
            &mut session,
            "RECOMMEND id FROM movies FOR VECTOR (text => '[0, 0, 2]') USING like_it LIMIT 1"
        ),
        "m4"
    );
    assert_eq!(
        fails(&mut session, "RECOMMEND movies FOR VECTOR (text => '[0, 2]')"),
        "TD0304 expected 3 numbers, found 2 @'[0, 2]'"
    );
    assert!(
        rows(&mut session, "RECOMMEND id FROM people FOR ITEM 'm3' USING taste").starts_with("u1")
    );
}

#[test]
fn a_batch_has_a_slate_for_each_user() {
    let mut session = trained();
    assert_eq!(
        rows(
            &mut session,
            "RECOMMEND rank, id FROM movies FOR USERS (SELECT id FROM people ORDER BY id) LIMIT 1"
        ),
        "u1|1|m3\nu2|1|m2\nu3|1|m1"
    );
    assert_eq!(
        header(&mut session, "RECOMMEND movies FOR USERS (SELECT id FROM people)"),
        "user_id|rank|id|score|source"
    );
}

#[test]
fn recommend_is_a_table_too() {
    let mut session = trained();
    assert_eq!(
        rows(
            &mut session,
            "SELECT r.rank, i.title FROM recommend('movies', user => 'u1', k => 1) r \
             JOIN movies i USING (id)"
        ),
        "1|Fargo"
    );
    assert!(fails(&mut session, "SELECT * FROM recommend('movies')").starts_with("TD0204"));
    assert!(
        fails(&mut session, "SELECT * FROM recommend('movies', usr => 'u1')")
            .starts_with("TD0108 no option `usr`")
    );
}

#[test]
fn wrong_requests_name_what_is_wrong() {
    let mut session = trained();
    for (sql, expected) in [
        ("RECOMMEND movies FOR USER 'nobody'", "TD0701 no user `nobody` in `people` @'nobody'"),
        ("RECOMMEND movies FOR ITEM 'mx'", "TD0702 no item `mx` in `movies` @'mx'"),
        ("RECOMMEND ratings FOR USER 'u1'", "TD0208"),
        ("RECOMMEND movies FOR USER 'u1' USING tast", "TD0203"),
        ("RECOMMEND movies FOR USER 'u1' LIMIT -1", "TD0705"),
        ("RECOMMEND movies FOR USER 'u1' WHERE yaer > 1990", "TD0202"),
        ("RECOMMEND movies FOR USER 'u1' WHERE title", "TD0301"),
        ("RECOMMEND movies FOR USER 'u1' EXPLORE 1.1", "TD0706"),
        ("RECOMMEND movies FOR PROFILE (title => 'x')", "TD0902"),
        ("RECOMMEND movies FOR USER 'u1' WITH (sed = 1)", "TD0108"),
    ] {
        let error = fails(&mut session, sql);
        assert!(error.starts_with(expected), "{sql}: {error}");
    }
}

#[test]
fn a_model_that_is_not_trained_says_so() {
    let mut session = shop();
    run(&mut session, "CREATE MODEL taste USING ease ON ratings");
    let error = fails(&mut session, "RECOMMEND movies FOR USER 'u1' USING taste");
    assert!(error.starts_with("TD0601"), "{error}");
    let error = fails(&mut session, "CREATE MODEL m USING esae ON ratings");
    assert!(error.starts_with("TD0206"), "{error}");
    assert!(fails(&mut session, "CREATE MODEL m USING ease ON movies").starts_with("TD0208"));
    assert!(
        fails(&mut session, "CREATE MODEL m USING ease ON ratings WHERE ratin > 1")
            .starts_with("TD0202")
    );
}

#[test]
fn explain_tells_the_stages() {
    let mut session = trained();
    let plan = rows(&mut session, "EXPLAIN RECOMMEND movies FOR USER 'u1' WHERE year > 1990");
    assert!(plan.starts_with("filter|"), "{plan}");
    assert!(plan.contains("score|"), "{plan}");
    assert_eq!(
        header(&mut session, "EXPLAIN ANALYZE RECOMMEND movies FOR USER 'u1'"),
        "stage|detail|microseconds"
    );
    let plan = rows(&mut session, "EXPLAIN TRAIN MODEL taste");
    assert!(plan.contains("interactions|4"), "{plan}");
}

#[test]
fn models_are_listed_and_evaluated() {
    let mut session = trained();
    assert!(rows(&mut session, "SHOW MODELS").starts_with("taste|item_knn|ratings|"));
    assert_eq!(rows(&mut session, "SELECT name, version FROM models"), "taste|1");
    run(
        &mut session,
        "CREATE TABLE held (user_id TEXT REFERENCES people, item_id TEXT REFERENCES movies);
         INSERT INTO held VALUES ('u1', 'm3'), ('u2', 'm2')",
    );
    assert_eq!(
        rows(&mut session, "EVALUATE taste, popular ON held METRICS recall(1), ndcg(2)")
            .lines()
            .next(),
        Some("taste|2|1.0|1.0")
    );
    assert_eq!(
        header(
            &mut session,
            "EVALUATE popular ON ratings SPLIT BY kind = 'click' METRICS recall(2) GROUP BY country"
        ),
        "model|group|users|recall(2)"
    );
}
