//! Tells steps on standard output: a heading, a sentence, the SQL, what came of it and how long it
//! took.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tastedb::{Database, Error, Outcome, Rows, Session};

use crate::cli::args::Format;
use crate::cli::complain;
use crate::cli::interrupt;
use crate::cli::output::{self, Fit};
use crate::cli::progress::Bar;
use crate::cli::runner::{Stop, duration};

/// A session with a voice.
pub(super) struct Narrator {
    session: Session,
    bar: Arc<Bar>,
    step: usize,
    colours: bool,
    fit: Fit,
}

impl Narrator {
    pub(super) fn new(database: &Database) -> Result<Narrator, Stop> {
        let mut session = database.session();
        let bar = Arc::new(Bar::new());
        session.set_progress(bar.clone());
        let terminal = io::stdout().is_terminal();
        let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        let width = if terminal { output::terminal_width() } else { Some(110) };
        let fit = Fit { width, rows: 40 };
        Ok(Narrator { session, bar, step: 0, colours, fit })
    }

    /// Opens the next step.
    pub(super) fn step(&mut self, title: &str, about: &str) -> Result<(), Stop> {
        self.step += 1;
        let heading = format!("{}. {title}", self.step);
        let rule = "─".repeat(76_usize.saturating_sub(heading.chars().count()));
        self.line("")?;
        self.line(&self.styled("1", &format!("── {heading} {rule}")))?;
        self.say(about)
    }

    /// A remark, wrapped.
    pub(super) fn say(&self, text: &str) -> Result<(), Stop> {
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > 80 {
                self.line(&line)?;
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(&line)
    }

    /// Shows a statement, runs it, shows what came of it. Returns its rows.
    pub(super) fn run(&mut self, sql: &str) -> Result<Option<Rows>, Stop> {
        self.show_sql(sql)?;
        let (result, took) = self.execute(sql);
        let outcome = result.map_err(|error| Stop::Failed(complain::headline(&error)))?;
        self.show_outcome(&outcome, took)?;
        Ok(outcome.rows)
    }

    /// Shows a statement that must fail, and the error it gets.
    pub(super) fn run_to_fail(&mut self, sql: &str) -> Result<(), Stop> {
        self.show_sql(sql)?;
        match self.execute(sql).0 {
            Ok(outcome) => self.show_outcome(&outcome, Duration::ZERO),
            Err(error) => self.line(&format!("  {}", complain::headline(&error))),
        }
    }

    /// Runs a statement that is not part of the story.
    pub(super) fn ask(&mut self, sql: &str) -> Result<Rows, Stop> {
        let outcome = self.execute(sql).0.map_err(Stop::of)?;
        outcome.rows.ok_or_else(|| Stop::said(format!("error: no rows from: {sql}")))
    }

    fn execute(&mut self, sql: &str) -> (Result<Outcome, Error>, Duration) {
        let began = Instant::now();
        self.bar.begin();
        let token = self.session.reset_cancel();
        let session = &mut self.session;
        let result = interrupt::during(token, || session.execute(sql));
        self.bar.end();
        let took = began.elapsed();
        (result.map(|outcomes| outcomes.into_iter().next_back().unwrap_or_default()), took)
    }

    fn show_sql(&self, sql: &str) -> Result<(), Stop> {
        self.line("")?;
        for line in sql.lines() {
            self.line(&format!("  {}", self.styled("36", line)))?;
        }
        Ok(())
    }

    fn show_outcome(&self, outcome: &Outcome, took: Duration) -> Result<(), Stop> {
        let mut said = outcome.tag.clone();
        if let Some(rows) = &outcome.rows {
            let mut out = io::stdout().lock();
            output::write(&mut out, rows, Format::Table, self.fit)?;
            said.clear();
        }
        let mut time = duration(took);
        let per_second = outcome.affected as f64 / took.as_secs_f64();
        if outcome.tag.starts_with("COPY") && per_second.is_finite() {
            time.push_str(&format!(", {per_second:.0} rows/s"));
        }
        let gap = if said.is_empty() { "" } else { "  " };
        self.line(&format!("  {said}{gap}{}", self.styled("2", &format!("({time})"))))?;
        for notice in &outcome.notices {
            self.line(&format!("  note: {notice}"))?;
        }
        Ok(())
    }

    fn styled(&self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    pub(super) fn line(&self, text: &str) -> Result<(), Stop> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()?;
        Ok(())
    }
}
