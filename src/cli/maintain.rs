//! `check`, `backup` and `restore`: keeping a database without talking to it.

use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use tastedb::{CheckReport, Create, Database, Options};

use super::runner::{Stop, duration, say};

/// Verifies the database at `path`; its problems go to standard output, one a line.
pub(crate) fn check(path: &Path) -> Result<(), Stop> {
    let began = Instant::now();
    let report = Database::check(path).map_err(Stop::of)?;
    let mut out = io::stdout().lock();
    for problem in &report.problems {
        writeln!(out, "{problem}")?;
    }
    out.flush()?;
    for leftover in &report.leftovers {
        say(&format!("note: {leftover} belongs to nothing; the next open removes it"));
    }
    for lost in &report.lost {
        say(&format!("note: {lost} is missing or damaged; the database makes it again"));
    }
    let took = duration(began.elapsed());
    if report.is_sound() {
        say(&format!("{}: sound; {} ({took})", path.display(), what_was_checked(&report)));
        return Ok(());
    }
    let n = report.problems.len() as u64 + report.unlisted;
    let noun = if n == 1 { "problem" } else { "problems" };
    Err(Stop::said(format!("error: {}: {n} {noun} found ({took})", path.display())))
}

fn what_was_checked(report: &CheckReport) -> String {
    let checked = &report.checked;
    format!(
        "{} tables, {} rows, {} interactions, {} embeddings, {} files of {:.1} MB",
        checked.tables,
        checked.rows,
        checked.interactions,
        checked.pending + checked.embeddings,
        checked.segments + checked.artifacts,
        checked.file_bytes as f64 / 1e6,
    )
}

/// Copies the database at `path` to the new folder `destination`.
pub(crate) fn backup(path: &Path, destination: &Path) -> Result<(), Stop> {
    let began = Instant::now();
    let options = Options::new().create(Create::Never);
    let database = Database::open_with(path, options).map_err(Stop::of)?;
    database.backup(destination).map_err(Stop::of)?;
    say(&format!("{}: backed up ({})", destination.display(), duration(began.elapsed())));
    Ok(())
}

/// Makes the database `destination` from the backup `source`, without what the database `now` has
/// forgotten since.
pub(crate) fn restore(source: &Path, destination: &Path, now: Option<&Path>) -> Result<(), Stop> {
    let began = Instant::now();
    let open = |path: &Path, options: Options| Database::open_with(path, options).map_err(Stop::of);
    let existing = || Options::new().create(Create::Never);
    // Before anything is made: it may be that there is no such database.
    let now = now.map(|path| open(path, existing().read_only(true))).transpose()?;
    let report = Database::restore(source, destination).map_err(Stop::of)?;
    let mut what = what_was_checked(&report);
    if let Some(now) = &now {
        let restored = open(destination, existing())?;
        let tickets = restored.forget_again(now).map_err(Stop::of)?;
        restored.vacuum().map_err(Stop::of)?;
        let rows: u64 = tickets.iter().map(|ticket| ticket.rows).sum();
        what.push_str(&format!("; {rows} rows forgotten again"));
    }
    let took = duration(began.elapsed());
    say(&format!("{}: restored; {what} ({took})", destination.display()));
    Ok(())
}
