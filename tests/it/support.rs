//! What the integration tests share: running statements and reading their cells as text.

use tastedb::arrow::util::display::{ArrayFormatter, FormatOptions};
use tastedb::{Outcome, Session};

/// Says that a test did not run, and why.
#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
pub(crate) fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// The cells of an outcome, by row; NULL is the empty text.
pub(crate) fn rows_as_text(outcome: &Outcome) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for batch in outcome.rows.iter().flat_map(|rows| &rows.batches) {
        let options = FormatOptions::default();
        let columns: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).expect("a column that prints"))
            .collect();
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|column| column.value(row).to_string()).collect());
        }
    }
    rows
}

/// Runs one statement and gives its cells.
pub(crate) fn cells(session: &mut Session, sql: &str) -> Vec<Vec<String>> {
    let outcomes = session.execute(sql).unwrap_or_else(|error| panic!("{}", error.render(sql)));
    outcomes.last().map(rows_as_text).unwrap_or_default()
}

/// Runs one statement that gives one number.
pub(crate) fn number(session: &mut Session, sql: &str) -> u64 {
    cells(session, sql)[0][0].parse().expect("a number")
}
