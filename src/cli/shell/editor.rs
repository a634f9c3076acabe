//! The line editor and what it asks while somebody types: is this complete, how is it coloured,
//! how might it go on.

use std::borrow::Cow;

use rustyline::completion::{Completer, Pair};
use rustyline::config::Configurer;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter};
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Helper};

use super::complete::Names;
use super::{highlight, words};
use crate::cli::statement::Scanner;

/// The editor with everything that helps typing.
pub(super) type Editor = rustyline::Editor<Assistant, FileHistory>;

/// An editor with an empty history.
pub(super) fn new() -> rustyline::Result<Editor> {
    let config = Config::builder()
        .history_ignore_space(true)
        .history_ignore_dups(true)?
        .max_history_size(10_000)?
        .completion_type(CompletionType::List)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_auto_add_history(false);
    Ok(editor)
}

/// Helps with one entry.
pub(super) struct Assistant {
    names: Names,
    colours: bool,
}

impl Assistant {
    pub(super) fn new(names: Names) -> Assistant {
        // See https://no-color.org.
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Assistant { names, colours }
    }
}

impl Helper for Assistant {}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if is_complete(context.input()) {
            ValidationResult::Valid(None)
        } else {
            ValidationResult::Incomplete
        })
    }
}

fn is_complete(entry: &str) -> bool {
    if entry.trim_start().starts_with('.') || words::habit(entry).is_some() {
        return true;
    }
    let mut scanner = Scanner::new();
    scanner.feed(entry);
    scanner.is_complete()
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        Ok(self.names.complete(&line[..pos]))
    }
}

/// A remark at the cursor; it is never inserted.
pub(super) struct Advice(String);

impl Hint for Advice {
    fn display(&self) -> &str {
        &self.0
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Hinter for Assistant {
    type Hint = Advice;

    /// Tells on an empty line why Enter did not run the statement.
    fn hint(&self, line: &str, pos: usize, _context: &Context<'_>) -> Option<Advice> {
        let at_end = pos == line.len();
        if !at_end || !line.ends_with('\n') || is_complete(line) {
            return None;
        }
        let mut scanner = Scanner::new();
        scanner.feed(line);
        Some(Advice(match scanner.open() {
            Some(what) => format!("   {what} is not closed"),
            None => "   a semicolon ends the statement".to_string(),
        }))
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, _pos: usize) -> Cow<'l, str> {
        if self.colours { highlight::coloured(line) } else { Cow::Borrowed(line) }
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(
        &'s self,
        prompt: &'p str,
        _default: bool,
    ) -> Cow<'b, str> {
        Cow::Borrowed(prompt)
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.colours { Cow::Owned(format!("\x1b[2m{hint}\x1b[0m")) } else { Cow::Borrowed(hint) }
    }

    fn highlight_char(&self, _line: &str, _pos: usize, kind: CmdKind) -> bool {
        self.colours && kind != CmdKind::MoveCursor
    }
}

#[cfg(test)]
mod tests {
    use super::is_complete;

    #[test]
    fn enter_runs_only_what_is_whole() {
        for whole in ["", "  ", "SELECT 1;", ".tables", "quit", "EXIT", "-- nothing", "help"] {
            assert!(is_complete(whole), "{whole:?}");
        }
        for part in ["SELECT 1", "SELECT ';", "INSERT INTO t\nVALUES", "/* ;"] {
            assert!(!is_complete(part), "{part:?}");
        }
    }
}
