//! What the integration tests share: running statements and reading their cells as text.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

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

/// A virtual environment of Python with these packages, made once in the target folder; `None` where it
/// cannot be made.
pub(crate) fn python(name: &str, packages: &[&str]) -> Option<PathBuf> {
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let ready = folder.join("ready");
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&ready).is_ok_and(|made| made == wanted) {
        return Some(folder);
    }
    let ran = |command: &mut Command| command.output().is_ok_and(|out| out.status.success());
    let made = ran(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
        && ran(Command::new(folder.join("bin/python"))
            .args(["-m", "pip", "install", "-q", "--disable-pip-version-check"])
            .args(packages));
    if made {
        std::fs::write(&ready, wanted).ok()?;
    }
    made.then_some(folder)
}
