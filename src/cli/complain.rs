//! Errors as people read them: code and message, the place, the line with a caret.

use std::fmt::Write as _;

use tastedb::Error;

use super::input::Place;
use super::shell::grammar;

/// Where a statement came from.
#[derive(Clone, Debug)]
pub(crate) struct Source<'a> {
    /// A file's name, `-c` or `stdin`; empty in the shell.
    pub(crate) name: &'a str,
    /// The statement as it was run.
    pub(crate) text: &'a str,
    /// Where it begins.
    pub(crate) at: Place,
}

/// The code of a statement that was cancelled.
const CANCELLED: &str = "TD0507";

/// The code of a statement that is not one of the language.
const SYNTAX: &str = "TD0101";

/// The error with its code, the line that it is about, and what to do next.
pub(crate) fn explain(error: &Error, source: &Source<'_>) -> String {
    let mut shown = headline(error);
    match error.place() {
        // Nothing in the statement is wrong.
        _ if error.code() == CANCELLED => {
            shown.push_str("; the statement changed nothing");
            return shown;
        }
        Some(place) => point(&mut shown, place, source),
        None if source.name.is_empty() => {}
        None => {
            let _ = write!(shown, "\n --> {}:{}", source.name, first_line(source));
        }
    }
    if let Some(next) = error.next_step() {
        let _ = write!(shown, "\nhint: {next}");
    } else if error.code() == SYNTAX
        && source.name.is_empty()
        && !headline(error).contains("did you mean")
        && let Some(name) = grammar::name_of(source.text)
    {
        let _ = write!(shown, "\nhint: `.help {name}` shows how it is written");
    }
    shown
}

/// Code, message and next step: for what is not about a statement.
pub(crate) fn without_place(error: &Error) -> String {
    let next = error.next_step().map_or_else(String::new, |next| format!("\nhint: {next}"));
    headline(error) + &next
}

/// Code and message alone.
pub(crate) fn headline(error: &Error) -> String {
    format!("error {}: {error}", error.code())
}

/// A mistake that the program finds before the library does, in the same form.
pub(crate) fn mistake(code: &str, message: &str, next: &str) -> String {
    format!("error {code}: {message}\nhint: {next}")
}

/// The line on which the statement's first word stands.
fn first_line(source: &Source<'_>) -> usize {
    let lead = source.text.len() - source.text.trim_start().len();
    source.at.line + source.text[..lead].matches('\n').count()
}

/// Shows a place: its number in the whole script, the line, a caret under what is meant.
fn point(shown: &mut String, place: tastedb::Place, source: &Source<'_>) {
    let lines: Vec<&str> = source.text.lines().collect();
    let last = lines.len().max(1);
    let (mut nth, mut column) = (place.line.clamp(1, last), place.column.max(1));
    let rest = lines.get(nth - 1).map_or("", |line| from_column(line, column));
    // An error at the end of the text points behind its last word, not at an empty line.
    if place.line > last
        || (rest.trim().is_empty()
            && lines.get(nth..).unwrap_or_default().iter().all(|l| l.trim().is_empty()))
    {
        nth = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(1, |i| i + 1);
        column = lines.get(nth - 1).map_or(1, |line| line.trim_end().chars().count() + 1);
    }
    let line = lines.get(nth - 1).copied().unwrap_or("");
    let width = if place.end_line == nth { place.end_column.saturating_sub(column) } else { 1 };
    let excerpt = Excerpt::of(line, column - 1, width);
    let number = (source.at.line + nth - 1).to_string();
    let margin = " ".repeat(number.len());
    let column = if nth == 1 { source.at.column + column - 1 } else { column };
    let name = if source.name.is_empty() { String::new() } else { format!("{}:", source.name) };
    let _ = write!(
        shown,
        "\n{margin}--> {name}{number}:{column}\n{margin} |\n{number} | {}\n{margin} | {}{}",
        excerpt.text, excerpt.lead, excerpt.carets,
    );
}

fn from_column(line: &str, column: usize) -> &str {
    line.char_indices().nth(column - 1).map_or("", |(at, _)| &line[at..])
}

/// The part of a line around an error, short enough for a terminal.
struct Excerpt {
    text: String,
    lead: String,
    carets: String,
}

impl Excerpt {
    /// How much of a line is shown before and after the error.
    const AROUND: usize = 60;

    fn of(line: &str, start: usize, width: usize) -> Excerpt {
        let chars: Vec<char> = line.chars().collect();
        let start = start.min(chars.len());
        let width = width.clamp(1, Self::AROUND.min(chars.len() - start).max(1));
        let from = start.saturating_sub(Self::AROUND);
        let until = (start + Self::AROUND).min(chars.len());
        // Tabs stay tabs under the caret, so that it stands right whatever their width.
        let clean = |c: &char| if c.is_control() && *c != '\t' { ' ' } else { *c };
        let mut text: String = chars[from..until].iter().map(clean).collect();
        let mut lead: String =
            chars[from..start].iter().map(|c| if *c == '\t' { '\t' } else { ' ' }).collect();
        if from > 0 {
            text.insert(0, '…');
            lead.insert(0, ' ');
        }
        if until < chars.len() {
            text.push('…');
        }
        Excerpt { text, lead, carets: "^".repeat(width) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Source, point};

    fn shown(text: &str, line: usize, column: usize, width: usize) -> String {
        let mut out = String::new();
        let source = Source { name: "a.sql", text, at: Place { line: 3, column: 1 } };
        let place = tastedb::Place { line, column, end_line: line, end_column: column + width };
        point(&mut out, place, &source);
        out
    }

    #[test]
    fn caret_stands_under_the_word() {
        assert_eq!(
            shown("SELECT *\nFROM moveis;", 2, 6, 6),
            "\n --> a.sql:4:6\n  |\n4 | FROM moveis;\n  |      ^^^^^^"
        );
    }

    #[test]
    fn an_error_at_the_end_points_behind_the_last_word() {
        let expected = "\n --> a.sql:3:14\n  |\n3 | SELECT * FROM\n  |              ^";
        assert_eq!(shown("SELECT * FROM\n\n", 3, 1, 1), expected);
        assert_eq!(shown("SELECT * FROM", 1, 14, 1), expected);
    }

    #[test]
    fn a_long_line_is_cut_around_the_error() {
        let text = format!("SELECT {} wrong {};", "a, ".repeat(100), "b, ".repeat(100));
        let at = text.find("wrong").expect("there");
        let out = shown(&text, 1, at + 1, 5);
        assert!(out.lines().all(|line| line.chars().count() < 140), "{out}");
        let column = |line: &str, what: &str| line.find(what).map(|b| line[..b].chars().count());
        let caret = out.lines().last().and_then(|line| column(line, "^"));
        let word = out.lines().nth(3).and_then(|line| column(line, "wrong"));
        assert!(caret.is_some() && caret == word, "{out}");
    }

    #[test]
    fn strange_places_do_not_break_it() {
        for line in 0..4 {
            for column in 0..20 {
                shown("SELECT 'é…'\n\t千", line, column, 7);
                shown("", line, column, 0);
            }
        }
    }
}
