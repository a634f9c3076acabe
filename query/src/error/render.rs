//! Showing an error with its line and a caret. It only lays text out; it decides nothing.

use std::fmt::Write;

use super::Problem;
use crate::span::Span;

/// The widest piece of a source line that is shown.
const WIDTH: usize = 100;

pub(super) fn render(problem: &Problem, source: &str) -> String {
    let mut out = format!("error {}: {problem}", problem.code);
    if let Some(span) = problem.span {
        let _ = write!(out, "\n --> {}", span.start);
        excerpt(&mut out, span, source);
    }
    if let Some(hint) = problem.next_step() {
        let _ = write!(out, "\nhint: {hint}");
    }
    out
}

/// The span's first line, cut around the span if long, and the carets under it.
fn excerpt(out: &mut String, span: Span, source: &str) {
    let Some(text) = source.lines().nth(span.start.line.saturating_sub(1) as usize) else {
        return;
    };
    let line: Vec<char> = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let start = (span.start.column.saturating_sub(1) as usize).min(line.len());
    let end = if span.end.line > span.start.line {
        line.len()
    } else {
        (span.end.column.saturating_sub(1) as usize).min(line.len())
    };
    let from = if line.len() <= WIDTH || start < WIDTH / 2 { 0 } else { start - WIDTH / 2 };
    let to = line.len().min(from + WIDTH);
    let (before, after) = (if from > 0 { "…" } else { "" }, if to < line.len() { "…" } else { "" });
    let shown: String = line[from..to].iter().collect();
    let number = span.start.line.to_string();
    let margin = " ".repeat(number.len());
    let indent = " ".repeat(start - from + before.chars().count());
    let carets = "^".repeat(end.min(to).saturating_sub(start).max(1));
    let _ = write!(
        out,
        "\n{margin} |\n{number} | {before}{}{after}\n{margin} | {indent}{carets}",
        shown.trim_end()
    );
}
