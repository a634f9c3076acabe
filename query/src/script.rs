//! Where the statements of a text begin and end, without reading them: for a shell that waits for the
//! rest of one, and for a protocol some of whose statements are its own business.
//!
//! It knows strings, quoted names, dollar quotes and comments, nothing else. Invariant: it agrees
//! with the tokenizer about which semicolons separate statements.

use std::ops::Range;

/// Whether `text` needs no further line: nothing but blanks, or a statement that has its semicolon
/// and nothing after it.
pub fn is_complete(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut is_inside = false;
    let mut at = 0;
    while at < bytes.len() {
        let (piece, length) = piece(bytes, at);
        match piece {
            Piece::Blank => {}
            Piece::Semicolon => is_inside = false,
            Piece::Part => is_inside = true,
        }
        match length {
            Some(length) => at += length,
            None => return false,
        }
    }
    !is_inside
}

/// The statements of a text, in order, each as bytes of it: without its semicolon, and without blanks and
/// comments before and after it. What does not end (a string, a comment) goes to the end of the text.
pub fn statement_ranges(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut open: Option<Range<usize>> = None;
    let mut at = 0;
    while at < bytes.len() {
        let (piece, length) = piece(bytes, at);
        let end = length.map_or(bytes.len(), |length| at + length);
        match piece {
            Piece::Blank => {}
            Piece::Semicolon => found.extend(open.take()),
            Piece::Part => open.get_or_insert(at..end).end = end,
        }
        at = end;
    }
    found.extend(open);
    found
}

/// What a piece of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// White space or a comment.
    Blank,
    /// A semicolon that ends a statement.
    Semicolon,
    /// A part of a statement.
    Part,
}

/// The piece at a place, which is inside of the text, and its length; `None` if it does not end.
fn piece(bytes: &[u8], at: usize) -> (Piece, Option<usize>) {
    let (before, rest) = bytes.split_at(at);
    match rest[0] {
        b'-' if rest.starts_with(b"--") => (Piece::Blank, Some(line(rest))),
        b'/' if rest.starts_with(b"/*") => (Piece::Blank, comment(rest)),
        byte if byte.is_ascii_whitespace() => (Piece::Blank, Some(1)),
        b';' => (Piece::Semicolon, Some(1)),
        b'\'' => (Piece::Part, quoted(rest, b'\'', escapes(before))),
        b'"' => (Piece::Part, quoted(rest, b'"', false)),
        b'$' => (Piece::Part, dollar(rest)),
        _ => (Piece::Part, Some(word(rest))),
    }
}

/// A `--` comment, up to its line's end.
fn line(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

/// A `/* */` comment, nested ones inside; `None` if it does not end.
fn comment(rest: &[u8]) -> Option<usize> {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += 1;
        }
    }
    None
}

/// A string or quoted name, doubled quotes inside; `None` if it does not end.
fn quoted(rest: &[u8], quote: u8, escapes: bool) -> Option<usize> {
    let mut at = 1;
    while at < rest.len() {
        if escapes && rest[at] == b'\\' {
            at += 2;
        } else if rest[at] != quote {
            at += 1;
        } else if rest.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return Some(at + 1);
        }
    }
    None
}

/// Whether the string after `before` is one with backslashes: `E'…'`.
fn escapes(before: &[u8]) -> bool {
    match before {
        [.., previous, b'e' | b'E'] => !is_word_byte(*previous),
        [b'e' | b'E'] => true,
        _ => false,
    }
}

/// A dollar-quoted string, or one byte if it is none; `None` if it does not end.
fn dollar(rest: &[u8]) -> Option<usize> {
    let tag = rest[1..].iter().position(|byte| !is_word_byte(*byte) || *byte == b'$');
    match tag {
        // `$1` is a parameter.
        Some(length)
            if rest[1 + length] == b'$' && !rest.get(1).is_some_and(u8::is_ascii_digit) =>
        {
            let (open, body) = rest.split_at(length + 2);
            let end = body.windows(open.len()).position(|window| window == open)?;
            Some(open.len() + end + open.len())
        }
        _ => Some(1),
    }
}

/// A word, so that a `$` inside one begins nothing, or one byte.
fn word(rest: &[u8]) -> usize {
    let length =
        rest.iter().position(|byte| !is_word_byte(*byte) && *byte != b'$').unwrap_or(rest.len());
    length.max(1)
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{is_complete, statement_ranges};

    fn texts(sql: &str) -> Vec<&str> {
        statement_ranges(sql).into_iter().map(|range| &sql[range]).collect()
    }

    #[test]
    fn a_statement_is_complete_after_its_semicolon() {
        for text in
            ["", "  \n", "SELECT 1;", "SELECT 1; ", "SELECT 1;\n-- done", "-- only a comment"]
        {
            assert!(is_complete(text), "{text:?}");
        }
        for text in ["SELECT 1", "SELECT 1; SELECT", "SELECT\n"] {
            assert!(!is_complete(text), "{text:?}");
        }
    }

    #[test]
    fn semicolons_in_strings_names_and_comments_end_nothing() {
        for text in [
            "SELECT ';",
            "SELECT 'it''s;",
            "SELECT \"a;",
            "SELECT 1 /* ;",
            "SELECT 1 /* /* */ ;",
            "SELECT 1 -- ;",
            "SELECT $$ ;",
            "SELECT $tag$ ; $$ ;",
            "SELECT E'\\';",
        ] {
            assert!(!is_complete(text), "{text:?}");
        }
        for text in [
            "SELECT ';';",
            "SELECT 'it''s';",
            "SELECT \"a;\";",
            "SELECT 1 /* /* ; */ */;",
            "SELECT $$ ; $$;",
            "SELECT $tag$ ; $$ $tag$;",
            "SELECT E'\\'';",
            "SELECT name'\\';",
            "SELECT $1;",
            "SELECT a$b$c;",
        ] {
            assert!(is_complete(text), "{text:?}");
        }
    }

    #[test]
    fn semicolons_in_strings_and_comments_do_not_separate() {
        assert_eq!(texts(" SELECT 1 ; -- a;b\n ;SELECT ';' ;"), ["SELECT 1", "SELECT ';'"]);
        assert_eq!(
            texts("SELECT $x$;$x$; /* ; */ SELECT E'\\';'"),
            ["SELECT $x$;$x$", "SELECT E'\\';'"]
        );
        assert_eq!(texts("SELECT \"a;b\", $1"), ["SELECT \"a;b\", $1"]);
        assert!(texts(" ;; -- nothing").is_empty());
    }

    #[test]
    fn a_dollar_inside_a_name_begins_no_quote() {
        assert_eq!(texts("SELECT a$b$; SELECT 2 AS c$b$"), ["SELECT a$b$", "SELECT 2 AS c$b$"]);
        assert_eq!(texts("SELECT βe'\'; SELECT 2"), ["SELECT βe'\'", "SELECT 2"]);
    }

    proptest! {
        #[test]
        fn ranges_are_in_order_and_cut_no_character(text in "[a;'\"$E\\\\/* \\-\nβ1]{0,60}") {
            let mut before = 0;
            for range in statement_ranges(&text) {
                prop_assert!(before <= range.start && range.start < range.end);
                prop_assert!(text.get(range.clone()).is_some());
                before = range.end;
            }
        }
    }
}
