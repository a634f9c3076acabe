//! The interactive shell: a prompt, statements over several lines until `;`, dot commands.
//!
//! A whole statement is one entry of the line editor: it can be walked through and mended before it
//! runs, and comes back from the history as a whole. An error never ends the shell.

mod complete;
pub(crate) mod dot;
mod editor;
pub(crate) mod grammar;
mod highlight;
mod history;
pub(crate) mod near;
mod schema;
mod words;

use rustyline::error::ReadlineError;
use tastedb::Database;

use super::args::Open;
use super::interrupt;
use super::output::{self, Fit};
use super::runner::{Runner, Settings, Stop, say};
use complete::Names;
use editor::Assistant;

/// Rows of a table that the shell shows unless told otherwise by `.rows`.
const ROWS_SHOWN: usize = 200;

/// Talks until `.quit`, Ctrl-D or a terminal that is gone.
pub(crate) fn run(database: Database, args: &Open) -> Result<(), Stop> {
    interrupt::install(interrupt::Idle::Ignore);
    let fit = Fit { width: output::terminal_width(), rows: ROWS_SHOWN };
    let settings = Settings { format: args.format, timer: true, fit };
    let mut runner = Runner::new(&database, settings)?;
    let mut editor = editor::new().map_err(cannot_edit)?;
    greet(&database, args);
    let history = history::file();
    if let Some(history) = &history {
        // There is none before the first time.
        let _ = editor.load_history(history);
    }
    loop {
        editor.set_helper(Some(Assistant::new(Names::of(&database))));
        match editor.readline(&prompt(&runner)) {
            Ok(entry) => {
                remember(&mut editor, history.as_deref(), &entry);
                match take(&mut runner, &entry) {
                    Ok(()) => {}
                    Err(Stop::Quit) => break,
                    Err(Stop::BrokenPipe) => return Err(Stop::BrokenPipe),
                    Err(Stop::Failed(message)) => say(&message),
                }
            }
            // Ctrl-C drops what was typed.
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(cannot_edit(error)),
        }
    }
    runner.finish()
}

fn greet(database: &Database, args: &Open) {
    let version = env!("CARGO_PKG_VERSION");
    let place = match &args.path {
        Some(path) if path.as_os_str() != ":memory:" => path.display().to_string(),
        _ => "a database in memory, gone at the end".to_string(),
    };
    say(&format!("TasteDB {version} on {place}"));
    say("Statements end with a semicolon. `.help` lists the commands, `.quit` leaves.");
    if database.catalog().tables().next().is_none() {
        say("There are no tables yet: begin with CREATE TABLE, or see `tastedb demo`.");
    }
}

/// The prompt with its colours; a star tells of an open transaction.
fn prompt(runner: &Runner) -> (String, String) {
    let raw = if runner.session.in_transaction() { "tastedb*> " } else { "tastedb> " };
    (raw.to_string(), format!("\x1b[1m{raw}\x1b[0m"))
}

fn remember(editor: &mut editor::Editor, history: Option<&std::path::Path>, entry: &str) {
    let entry = entry.trim();
    if entry.is_empty() {
        return;
    }
    // A history that cannot be kept is a pity and nothing else.
    let _ = editor.add_history_entry(entry);
    if let Some(history) = history {
        let _ = editor.append_history(history);
    }
}

/// Runs what was entered.
fn take(runner: &mut Runner, entry: &str) -> Result<(), Stop> {
    runner.settings.fit.width = output::terminal_width();
    match words::habit(entry) {
        Some(words::Habit::Leave) => Err(Stop::Quit),
        Some(words::Habit::Run(command)) => dot::run(runner, command),
        None => runner.run_script("", &mut entry.as_bytes()),
    }
}

fn cannot_edit(error: ReadlineError) -> Stop {
    Stop::said(format!("error: the terminal does not work: {error}"))
}
