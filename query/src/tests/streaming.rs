//! COPY from and to a client, and transactions that begin to write late.

use std::io::{self, Cursor};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;

use super::support::{fails, rows, run, shop, sql, tag};
use crate::ast::Isolation;
use crate::stream::{CopyOut, Layout, StreamFormat};

/// A stream that was begun: its layout, its columns, its rows so far.
type Begun = (Layout, Vec<String>, usize);

/// Keeps what it gets.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<Begun>>>);

impl CopyOut for Sink {
    fn begin(&mut self, layout: &Layout, columns: &SchemaRef) -> io::Result<()> {
        let names = columns.fields().iter().map(|field| field.name().clone()).collect();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push((layout.clone(), names, 0));
        Ok(())
    }

    fn rows(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, _, rows)) = kept.last_mut() {
            *rows += batch.num_rows();
        }
        Ok(())
    }
}

#[test]
fn rows_come_from_a_stream_as_text_and_as_csv() {
    let mut session = shop();
    let mut load = |sql: &str, text: &str| {
        session.set_input(Some(Box::new(Cursor::new(text.to_owned().into_bytes()))));
        tag(&mut session, sql)
    };
    assert_eq!(load("COPY people FROM STDIN", "a1\tNO\t1990\na2\t\\N\t\\N\n\\.\n"), "COPY 2");
    assert_eq!(load("COPY people (id) FROM STDIN CSV", "a3\n"), "COPY 1");
    assert_eq!(
        load("COPY people FROM STDIN (FORMAT csv, HEADER)", "birth_year,id\n1,a4\n"),
        "COPY 1"
    );
    assert_eq!(
        load(
            "COPY movies (id, genres) FROM STDIN WITH CSV DELIMITER AS ';'",
            "b1;\"{x,\"\"y z\"\"}\"\n"
        ),
        "COPY 1"
    );
    let sql = "SELECT id, country, birth_year FROM people WHERE id LIKE 'a%' ORDER BY id";
    let shown = rows(&mut session, sql);
    assert_eq!(shown.lines().count(), 4, "{shown}");
    assert!(rows(&mut session, "SELECT genres[2] FROM movies WHERE id = 'b1'").contains("y z"));
}

#[test]
fn a_faulty_row_of_a_stream_stops_the_copy() {
    let mut session = shop();
    session.set_input(Some(Box::new(Cursor::new(b"a1\tNO\t1990\na2\tNO\tx\n".to_vec()))));
    let error = fails(&mut session, "COPY people FROM STDIN");
    assert!(error.contains("TD0404") && error.contains("STDIN, line 2"), "{error}");
    assert!(rows(&mut session, "SELECT count(*) FROM people").contains('3'));
    assert!(fails(&mut session, "COPY people FROM STDIN").contains("TD0902"));
    assert!(fails(&mut session, "COPY people TO STDOUT").contains("TD0902"));
}

#[test]
fn rows_go_to_a_stream_with_their_layout() {
    let mut session = shop();
    let sink = Sink::default();
    for sql in [
        "COPY movies (id, title) TO STDOUT",
        "COPY (SELECT 1 AS one WHERE false) TO STDOUT WITH (FORMAT csv, HEADER, DELIMITER ';', NULL '-')",
        "COPY (RECOMMEND id FROM movies FOR USER 'u1' USING popular LIMIT 1) TO STDOUT",
    ] {
        session.set_output(Some(Box::new(sink.clone())));
        run(&mut session, sql);
    }
    let kept = sink.0.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(
        (kept[0].1.as_slice(), kept[0].2),
        (["id".to_owned(), "title".to_owned()].as_slice(), 4)
    );
    let csv =
        Layout { format: StreamFormat::Csv, header: true, delimiter: b';', null: "-".to_owned() };
    assert_eq!((&kept[1].0, kept[1].2), (&csv, 0));
    assert_eq!(kept[2].2, 1);
}

#[test]
fn a_transaction_that_is_read_committed_writes_late() {
    let sql = sql();
    let (mut one, mut other) = (sql.session(), sql.session());
    run(&mut one, "CREATE TABLE t (id TEXT PRIMARY KEY) WITH (role = 'item')");
    one.set_isolation(Isolation::ReadCommitted);
    run(&mut one, "BEGIN");
    assert!(one.in_transaction());
    run(&mut other, "INSERT INTO t VALUES ('a')");
    assert!(rows(&mut one, "SELECT id FROM t").contains('a'), "it reads what is committed by now");
    run(&mut one, "INSERT INTO t VALUES ('b')");
    assert!(!rows(&mut other, "SELECT id FROM t").contains('b'));
    run(&mut one, "ROLLBACK");
    assert!(!rows(&mut one, "SELECT id FROM t").contains('b'));
    for (begin, writes_at_once) in [
        ("BEGIN ISOLATION LEVEL READ COMMITTED", false),
        ("START TRANSACTION READ WRITE, ISOLATION LEVEL SERIALIZABLE", true),
        ("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ", true),
    ] {
        run(&mut one, begin);
        assert_eq!(one.is_writing(), writes_at_once, "{begin}");
        run(&mut one, "COMMIT");
        assert!(!one.in_transaction());
    }
    assert!(fails(&mut one, "COMMIT").contains("TD0501"));
}
