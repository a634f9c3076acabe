//! What statements take and return, told without running them, against what they do return.

use super::support::{run, shop};
use crate::Session;
use crate::batch::arrow_type;
use crate::storage::{ColumnType, Value};
use datafusion::arrow::datatypes::DataType;

/// Types of parameters and names of columns.
fn described(
    session: &mut Session,
    sql: &str,
    known: &[Option<DataType>],
) -> (Vec<Option<DataType>>, Option<Vec<String>>) {
    let statements = session.statements(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let described = session.describe(&statements[0], known);
    let described = described.unwrap_or_else(|error| panic!("{sql}\n{}", error.render(sql)));
    let names = described
        .columns
        .map(|schema| schema.fields().iter().map(|field| field.name().clone()).collect());
    (described.params, names)
}

#[test]
fn parameters_have_the_types_of_what_they_stand_beside() {
    use ColumnType::{BigInt, Bool, Double, Int, Real, Text, TextList, Timestamp};

    let mut session = shop();
    for (sql, expected) in [
        ("SELECT * FROM movies WHERE id = $1 AND year > $2", vec![Some(Text), Some(Int)]),
        ("SELECT * FROM movies WHERE price BETWEEN $1 AND $2", vec![Some(Real), Some(Real)]),
        ("SELECT * FROM movies WHERE title LIKE $1 LIMIT $2", vec![Some(Text), Some(BigInt)]),
        ("SELECT $1::bigint AS a, $2::bool AS b", vec![Some(BigInt), Some(Bool)]),
        ("SELECT $1", vec![None]),
        (
            "SELECT * FROM ratings WHERE ts < $1 AND user_id IN ($2, $3)",
            vec![Some(Timestamp), Some(Text), Some(Text)],
        ),
        (
            "INSERT INTO movies (id, year, genres) VALUES ($1, $2, $3)",
            vec![Some(Text), Some(Int), Some(TextList)],
        ),
        (
            "UPDATE movies SET price = $1, year = year + $2 WHERE id = $3",
            vec![Some(Real), Some(Int), Some(Text)],
        ),
        ("DELETE FROM ratings WHERE rating < $1", vec![Some(Real)]),
        (
            "RECOMMEND movies FOR USER $1 USING popular WEIGHT $2 WHERE year > $3 LIMIT $4 OFFSET $5",
            vec![Some(Text), Some(Double), Some(Int), Some(BigInt), Some(BigInt)],
        ),
        (
            "SELECT * FROM recommend('movies', user => $1, k => $2) r WHERE r.rank > $3",
            vec![Some(Text), Some(BigInt), Some(Int)],
        ),
        ("COPY (SELECT * FROM movies WHERE year = $1) TO STDOUT", vec![Some(Int)]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|ty| ty.map(arrow_type)).collect();
        assert_eq!(described(&mut session, sql, &[]).0, expected, "{sql}");
    }
    let (params, _) = described(&mut session, "SELECT $1", &[Some(DataType::Int64)]);
    assert_eq!(params, [Some(DataType::Int64)], "what is known stays");
}

#[test]
fn columns_are_those_that_come() {
    let mut session = shop();
    run(&mut session, "CREATE MODEL taste USING item_knn ON ratings; TRAIN MODEL taste");
    for sql in [
        "SELECT *, year + 1, price AS cost FROM movies",
        "SELECT count(*), max(year) FROM movies GROUP BY year",
        "RECOMMEND movies FOR USER 'u1'",
        "RECOMMEND id, title, score, reason FROM movies FOR USER 'u1' LIMIT 1",
        "RECOMMEND movies FOR USER 'u1' EXPLORE 0.1",
        "RECOMMEND id FROM movies FOR USERS (SELECT id FROM people) LIMIT 1",
        "SELECT * FROM recommend('movies', user => 'u1', k => 2)",
        "EXPLAIN SELECT 1",
        "EXPLAIN RECOMMEND movies FOR USER 'u1'",
        "EXPLAIN ANALYZE RECOMMEND movies FOR USER 'u1'",
        "EXPLAIN TRAIN MODEL taste",
        "SHOW TABLES",
        "SHOW MODELS",
        "SHOW INDEXES",
        "SHOW GRAPHS",
        "SHOW EMBEDDINGS",
        "SHOW FORGETS",
        "SHOW TRAINING taste",
        "DESCRIBE movies",
        "INSERT INTO people VALUES ('n1', 'NO', 1) RETURNING id, birth_year + 1 AS next",
        "UPDATE people SET country = 'FI' WHERE id = 'n1' RETURNING *",
        "DELETE FROM people WHERE id = 'n1' RETURNING id, forget_id() AS ticket",
        "INSERT INTO people VALUES ('n2', 'NO', 1)",
        "BEGIN",
        "COMMIT",
    ] {
        let (_, names) = described(&mut session, sql, &[]);
        let outcome = run(&mut session, sql).remove(0);
        let came = outcome
            .rows
            .map(|rows| rows.schema.fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>());
        assert_eq!(names, came, "{sql}");
    }
}

#[test]
fn describing_runs_nothing_and_looks_nobody_up() {
    let mut session = shop();
    let (params, names) = described(
        &mut session,
        "INSERT INTO people SELECT id || $1, country, birth_year FROM people RETURNING id",
        &[],
    );
    assert_eq!((params, names), (vec![Some(DataType::Utf8)], Some(vec!["id".to_owned()])));
    assert_eq!(
        described(&mut session, "RECOMMEND movies FOR USER 'nobody' USING nothing", &[]).0,
        []
    );
    let sql = "EVALUATE popular ON ratings METRICS recall(2), ndcg(3)";
    let names = described(&mut session, sql, &[]).1.expect("columns");
    assert_eq!(names, ["model", "users", "recall(2)", "ndcg(3)"]);
    let count = session.execute_with("SELECT count(*) FROM people", &[]).expect("a count");
    assert_eq!(count[0].rows.as_ref().map(crate::Rows::len), Some(1));
    let outcome = session.execute_with("SELECT id FROM people WHERE id = $1", &[Value::Null]);
    assert!(outcome.is_ok());
    for sql in [
        "SELECT nope FROM movies WHERE id = $1",
        "RECOMMEND nope FOR USER $1",
        "COPY nope FROM STDIN",
    ] {
        let statements = session.statements(sql).expect("well-formed");
        assert!(session.describe(&statements[0], &[]).is_err(), "{sql}");
    }
}
