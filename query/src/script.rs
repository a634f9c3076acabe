//! Where statements end, without reading them: for a shell that waits for the rest of one.
//!
//! It knows strings, quoted names, dollar quotes and comments, nothing else. Invariant: it agrees
//! with the tokenizer about which semicolons separate statements.

/// Whether `text` needs no further line: nothing but blanks, or a statement that has its semicolon
/// and nothing after it.
pub fn is_complete(text: &str) -> bool {
    match end_state(text) {
        State::Blank | State::Ended => true,
        State::Inside => false,
    }
}

/// What the end of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing but white space and comments since the start.
    Blank,
    /// A semicolon was the last thing.
    Ended,
    /// A statement, string or comment goes on.
    Inside,
}

fn end_state(text: &str) -> State {
    let bytes = text.as_bytes();
    let mut state = State::Blank;
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let length = match rest[0] {
            b'-' if rest.starts_with(b"--") => Some(line(rest)),
            b'/' if rest.starts_with(b"/*") => comment(rest),
            byte if byte.is_ascii_whitespace() => Some(1),
            b';' => {
                state = State::Ended;
                Some(1)
            }
            byte => {
                state = State::Inside;
                match byte {
                    b'\'' => quoted(rest, b'\'', escapes(&bytes[..at])),
                    b'"' => quoted(rest, b'"', false),
                    b'$' => dollar(rest),
                    _ => Some(word(rest)),
                }
            }
        };
        match length {
            Some(length) => at += length,
            None => return State::Inside,
        }
    }
    state
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
    use super::is_complete;

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
}
