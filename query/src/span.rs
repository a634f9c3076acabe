//! Places in a statement's text: line, column and, on demand, bytes.
//!
//! A [`Span`] is what every node that can later turn out to be wrong carries. Lines and columns
//! count from 1, columns count characters. The byte range is computed from the source text only
//! when an error is shown, so that parsing pays nothing for it. Invariant: a span is meaningful
//! only together with the text that was parsed.

use std::fmt;
use std::ops::Range;

use datafusion::sql::sqlparser::tokenizer;

/// One place in a text: a line and a column, both from 1, or both 0 where the place is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

/// A stretch of a text, from `start` up to but not including `end`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Where it starts.
    pub start: Position,
    /// Where it ends: the place of the first character after it.
    pub end: Position,
}

impl Position {
    /// The place at `line` and `column`, both from 1.
    pub fn new(line: u32, column: u32) -> Self {
        Position { line, column }
    }

    /// The byte offset of this place in `source`, at most its length.
    pub fn offset(self, source: &str) -> usize {
        let mut start = 0;
        for _ in 1..self.line {
            match source[start..].find('\n') {
                Some(at) => start += at + 1,
                None => return source.len(),
            }
        }
        let skip = self.column.saturating_sub(1) as usize;
        source[start..].char_indices().nth(skip).map_or(source.len(), |(at, _)| start + at)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

impl Span {
    /// The stretch from `start` up to `end`.
    pub fn new(start: Position, end: Position) -> Self {
        Span { start, end }
    }

    /// Whether the place is known.
    pub fn is_known(self) -> bool {
        self.start.line > 0
    }

    /// The smallest span that covers both; an unknown span adds nothing.
    pub fn to(self, other: Span) -> Span {
        match (self.is_known(), other.is_known()) {
            (true, true) => {
                Span { start: self.start.min(other.start), end: self.end.max(other.end) }
            }
            (true, false) => self,
            _ => other,
        }
    }

    /// The bytes of `source` that the span covers; always a valid range of `source`.
    pub fn range(self, source: &str) -> Range<usize> {
        let start = self.start.offset(source);
        start..self.end.offset(source).max(start)
    }

    /// The text that the span covers.
    pub fn text(self, source: &str) -> &str {
        &source[self.range(source)]
    }
}

impl From<tokenizer::Location> for Position {
    fn from(location: tokenizer::Location) -> Self {
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Position { line: narrow(location.line), column: narrow(location.column) }
    }
}

impl From<tokenizer::Span> for Span {
    fn from(span: tokenizer::Span) -> Self {
        Span { start: span.start.into(), end: span.end.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_finds_its_bytes_across_lines_and_wide_characters() {
        let source = "αβ γ\nδε ζ";
        let span = Span::new(Position::new(2, 4), Position::new(2, 5));
        assert_eq!(span.text(source), "ζ");
        let both = Span::new(Position::new(1, 4), Position::new(2, 3));
        assert_eq!(both.text(source), "γ\nδε");
    }

    #[test]
    fn a_place_beyond_the_text_is_its_end() {
        assert_eq!(Position::new(9, 9).offset("ab"), 2);
        assert_eq!(Position::new(1, 9).offset("ab"), 2);
        assert_eq!(Span::default().range("ab"), 0..0);
    }

    #[test]
    fn joining_spans_covers_both_and_ignores_the_unknown() {
        let a = Span::new(Position::new(1, 1), Position::new(1, 3));
        let b = Span::new(Position::new(1, 7), Position::new(2, 1));
        assert_eq!(a.to(b), Span::new(a.start, b.end));
        assert_eq!(b.to(a), a.to(b));
        assert_eq!(a.to(Span::default()), a);
        assert_eq!(Span::default().to(b), b);
    }
}
