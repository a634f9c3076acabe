//! Transactions over the protocol: what PostgreSQL's clients count on.

use tokio_postgres::error::SqlState;

use super::Postgres;
use super::driver::{Connected, local};
use crate::server::{SHOP, database};

fn run(it: &Connected, sql: &str) -> Result<(), SqlState> {
    let ran = it.wait(it.client.batch_execute(sql));
    ran.map_err(|error| error.code().unwrap_or_else(|| panic!("{error:?}")).clone())
}

fn people(it: &Connected) -> i64 {
    let row = it.wait(it.client.query_one("SELECT count(*) FROM people", &[]));
    row.unwrap().get(0)
}

#[test]
fn a_transaction_that_only_reads_keeps_nobody_from_writing() {
    let server = Postgres::shop();
    let (reader, writer) = (local(&server), local(&server));
    run(&reader, "BEGIN").unwrap();
    assert_eq!(people(&reader), 3);
    run(&writer, "INSERT INTO people VALUES ('w1', 'NO')").unwrap();
    // READ COMMITTED: a statement sees what is committed when it begins.
    assert_eq!(people(&reader), 4);
    run(&reader, "INSERT INTO people VALUES ('w2', 'NO')").unwrap();
    assert_eq!(people(&reader), 5);
    assert_eq!(people(&writer), 4);
    run(&reader, "COMMIT").unwrap();
    assert_eq!(people(&writer), 5);
}

#[test]
fn after_a_failure_a_transaction_takes_a_rollback_only() {
    let server = Postgres::shop();
    let it = local(&server);
    run(&it, "BEGIN; INSERT INTO people VALUES ('a', 'NO')").unwrap();
    assert_eq!(run(&it, "INSERT INTO people VALUES ('a', 'NO')"), Err(SqlState::UNIQUE_VIOLATION));
    assert_eq!(run(&it, "SELECT 1"), Err(SqlState::IN_FAILED_SQL_TRANSACTION));
    // COMMIT undoes it, and says so.
    run(&it, "COMMIT").unwrap();
    assert_eq!(people(&it), 3);
    run(&it, "BEGIN").unwrap();
    assert_eq!(run(&it, "SELEC 1"), Err(SqlState::SYNTAX_ERROR));
    assert_eq!(
        run(&it, "INSERT INTO people VALUES ('b', 'NO')"),
        Err(SqlState::IN_FAILED_SQL_TRANSACTION)
    );
    run(&it, "ROLLBACK").unwrap();
    run(&it, "INSERT INTO people VALUES ('b', 'NO')").unwrap();
    assert_eq!(people(&it), 4);
}

#[test]
fn isolation_levels_are_taken_and_the_strict_ones_hold_the_lock() {
    let server = Postgres::shop();
    let (one, other) = (local(&server), local(&server));
    run(&one, "BEGIN ISOLATION LEVEL SERIALIZABLE").unwrap();
    run(&other, "SET statement_timeout = '10s'").unwrap();
    assert_eq!(
        run(&other, "INSERT INTO people VALUES ('x', 'NO')"),
        Err(SqlState::LOCK_NOT_AVAILABLE)
    );
    run(&one, "ROLLBACK").unwrap();
    run(&other, "INSERT INTO people VALUES ('x', 'NO')").unwrap();
    for begin in [
        "START TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE",
        "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ NOT DEFERRABLE",
        "BEGIN WORK",
    ] {
        run(&one, begin).unwrap();
        run(&one, "COMMIT AND NO CHAIN").unwrap();
    }
    // Without a transaction these are remarks, not errors.
    run(&one, "ROLLBACK").unwrap();
    run(&one, "COMMIT").unwrap();
    run(&one, "BEGIN; BEGIN; COMMIT").unwrap();
}

#[test]
fn a_transaction_that_its_client_leaves_is_undone() {
    let server = Postgres::shop();
    let it = local(&server);
    run(&it, "BEGIN; INSERT INTO people VALUES ('gone', 'NO')").unwrap();
    drop(it);
    let other = local(&server);
    run(&other, "INSERT INTO people VALUES ('gone', 'SE')").unwrap();
    assert_eq!(people(&other), 4);
}

#[test]
fn a_server_that_stops_tells_its_clients() {
    let server = Postgres::shop();
    let idle = local(&server);
    assert!(server.stop(), "it ends well");
    assert!(idle.wait(idle.client.simple_query("SELECT 1")).is_err());
}

#[test]
fn a_write_that_would_return_too_many_rows_changes_nothing() {
    let (_folder, path) = database(SHOP);
    let server = Postgres::with(&path, "max_rows = 2");
    let it = local(&server);
    let sql = "UPDATE people SET country = 'DK' RETURNING id";
    assert_eq!(run(&it, sql), Err(SqlState::PROGRAM_LIMIT_EXCEEDED));
    let prepared = it.wait(it.client.query(sql, &[])).unwrap_err();
    assert_eq!(prepared.code(), Some(&SqlState::PROGRAM_LIMIT_EXCEEDED));
    assert_eq!(prepared.as_db_error().unwrap().detail(), Some("TasteDB error TD1008"));
    assert_eq!(run(&it, "SELECT * FROM people"), Err(SqlState::PROGRAM_LIMIT_EXCEEDED));
    run(&it, "BEGIN; INSERT INTO people VALUES ('w', 'NO')").unwrap();
    assert_eq!(run(&it, "DELETE FROM people RETURNING id"), Err(SqlState::PROGRAM_LIMIT_EXCEEDED));
    run(&it, "COMMIT").unwrap();
    assert_eq!(people(&it), 3, "the transaction had failed");
    let row = it.wait(it.client.query_one("SELECT count(*) FROM people WHERE country = 'DK'", &[]));
    assert_eq!(row.unwrap().get::<_, i64>(0), 0);
    run(&it, "DELETE FROM people WHERE id = 'u3' RETURNING id").unwrap();
}
