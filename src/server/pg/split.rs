//! Where the statements of a script begin and end, without reading them: some are the connection's own
//! business (SET, SHOW, DEALLOCATE) and never reach the language.
//!
//! It knows strings, quoted names, dollar quotes and comments, as the language does.

use std::ops::Range;

/// The statements of a text, each without its semicolon and without blanks and comments before it.
pub(super) fn statements(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut start = None;
    let mut end = 0;
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let length = match rest[0] {
            b'-' if rest.starts_with(b"--") => line(rest),
            b'/' if rest.starts_with(b"/*") => comment(rest),
            byte if byte.is_ascii_whitespace() => 1,
            b';' => {
                found.extend(start.take().map(|start| start..end));
                1
            }
            byte => {
                start.get_or_insert(at);
                let length = match byte {
                    b'\'' => quoted(rest, b'\'', is_escaped(&bytes[..at])),
                    b'"' => quoted(rest, b'"', false),
                    b'$' => dollar(rest),
                    _ => word(rest),
                };
                end = (at + length).min(bytes.len());
                length
            }
        };
        at += length;
    }
    found.extend(start.map(|start| start..end));
    found
}

fn line(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

fn comment(rest: &[u8]) -> usize {
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
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// A string or a quoted name, with its quotes.
fn quoted(rest: &[u8], quote: u8, escapes: bool) -> usize {
    let mut at = 1;
    while at < rest.len() {
        if escapes && rest[at] == b'\\' {
            at += 2;
        } else if rest[at] == quote {
            if rest.get(at + 1) == Some(&quote) {
                at += 2;
            } else {
                return at + 1;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// Whether a string after this has escapes with a backslash: `E'…'`.
fn is_escaped(before: &[u8]) -> bool {
    match before {
        [.., other, b'e' | b'E'] => !is_letter(*other),
        [b'e' | b'E'] => true,
        _ => false,
    }
}

/// `$tag$ … $tag$`, or a dollar that is something else.
fn dollar(rest: &[u8]) -> usize {
    let tag = rest[1..].iter().position(|byte| !is_letter(*byte));
    let Some(tag) = tag.filter(|tag| rest[1 + tag] == b'$' && !rest[1].is_ascii_digit()) else {
        return 1;
    };
    let quote = &rest[..tag + 2];
    let body = &rest[quote.len()..];
    let end = body.windows(quote.len()).position(|part| part == quote);
    end.map_or(rest.len(), |end| end + 2 * quote.len())
}

/// Letters that belong together; a dollar inside of them begins no quote.
fn word(rest: &[u8]) -> usize {
    let end = rest.iter().position(|byte| !is_letter(*byte) && *byte != b'$');
    end.unwrap_or(rest.len()).max(1)
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::statements;

    fn texts(sql: &str) -> Vec<&str> {
        statements(sql).into_iter().map(|range| &sql[range]).collect()
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
            for range in statements(&text) {
                prop_assert!(before <= range.start && range.start < range.end);
                prop_assert!(text.get(range.clone()).is_some());
                before = range.end;
            }
        }
    }
}
