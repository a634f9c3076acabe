//! Where a statement ends: a scanner that knows quotes and comments, and nothing else of the
//! language.
//!
//! It is fed text piece by piece and remembers where it is, so that a script is looked at once
//! however long a statement runs. A `;` inside quotes, dollar quotes or a comment ends nothing.

/// Follows the text of a script and tells where its statements end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scanner {
    state: State,
    /// Whether anything but space and comments has come since the last end of a statement.
    begun: bool,
    /// Whether the last thing of weight that came was a `;` (or nothing has come).
    ended: bool,
    before: Before,
}

/// What came directly before, as far as it decides what a quote or a dollar begins.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Before {
    #[default]
    Other,
    /// A letter, digit or underscore: a dollar belongs to the word.
    Word,
    /// The word `E`, or the end of a text that began so: a quote begins a text with backslashes.
    Escape,
}

#[derive(Clone, Debug, Default, PartialEq)]
enum State {
    #[default]
    Code,
    /// Inside `'…'` or `"…"`; a doubled quote is left and entered again, which comes to the same.
    Quoted(char),
    /// Inside `E'…'`; tells whether a backslash came last.
    Escaped(bool),
    LineComment,
    /// Depth of `/* … */`, which nest.
    BlockComment(u32),
    /// Inside `$tag$ … $tag$`; holds the whole delimiter.
    Dollar(String),
}

impl Scanner {
    /// A scanner at the beginning of a statement.
    pub(crate) fn new() -> Scanner {
        Scanner::default()
    }

    /// Reads on. Text may be cut anywhere but inside `--`, `/*`, `*/` and dollar delimiters; line
    /// ends are always safe.
    pub(crate) fn feed(&mut self, text: &str) {
        let mut rest = text;
        while let Some(end) = self.next_end(rest) {
            rest = &rest[end..];
        }
    }

    /// Reads on to the end of a statement, and returns the position after its `;`. Without one,
    /// all of `text` has been read.
    pub(crate) fn next_end(&mut self, text: &str) -> Option<usize> {
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let in_code = self.state == State::Code;
            at += self.step(c, &text[at..]);
            if in_code && c == ';' {
                return Some(at);
            }
        }
        None
    }

    /// Whether all statements that began have ended.
    pub(crate) fn is_complete(&self) -> bool {
        match self.state {
            State::Code | State::LineComment => !self.begun || self.ended,
            State::Quoted(_) | State::Escaped(_) | State::BlockComment(_) | State::Dollar(_) => {
                false
            }
        }
    }

    /// Whether nothing has begun: only space and comments so far.
    pub(crate) fn is_blank(&self) -> bool {
        !self.begun && matches!(self.state, State::Code | State::LineComment)
    }

    /// What the scanner stands in, where more input cannot help by a `;` alone.
    pub(crate) fn open(&self) -> Option<&'static str> {
        match self.state {
            State::Code | State::LineComment => None,
            State::Quoted('"') => Some("a quoted name (\")"),
            State::Quoted(_) | State::Escaped(_) => Some("a text (')"),
            State::BlockComment(_) => Some("a comment (/*)"),
            State::Dollar(_) => Some("a dollar-quoted text"),
        }
    }

    fn step(&mut self, c: char, rest: &str) -> usize {
        match &mut self.state {
            State::Code => self.code(c, rest),
            State::Quoted(quote) => {
                if c == *quote {
                    self.state = State::Code;
                }
                c.len_utf8()
            }
            State::Escaped(backslash) => {
                if *backslash {
                    *backslash = false;
                } else if c == '\\' {
                    *backslash = true;
                } else if c == '\'' {
                    self.state = State::Code;
                    self.before = Before::Escape;
                }
                c.len_utf8()
            }
            State::LineComment => {
                if c == '\n' {
                    self.state = State::Code;
                }
                c.len_utf8()
            }
            State::BlockComment(depth) => {
                if rest.starts_with("*/") {
                    *depth -= 1;
                    if *depth == 0 {
                        self.state = State::Code;
                    }
                    2
                } else if rest.starts_with("/*") {
                    *depth += 1;
                    2
                } else {
                    c.len_utf8()
                }
            }
            State::Dollar(tag) => {
                if rest.starts_with(tag.as_str()) {
                    let len = tag.len();
                    self.state = State::Code;
                    len
                } else {
                    c.len_utf8()
                }
            }
        }
    }

    fn code(&mut self, c: char, rest: &str) -> usize {
        let before = self.before;
        self.before = match c {
            'e' | 'E' if before == Before::Other => Before::Escape,
            c if c.is_alphanumeric() || c == '_' => Before::Word,
            _ => Before::Other,
        };
        if rest.starts_with("--") {
            self.state = State::LineComment;
            return 2;
        }
        if rest.starts_with("/*") {
            self.state = State::BlockComment(1);
            return 2;
        }
        if c.is_whitespace() {
            return c.len_utf8();
        }
        self.begun = true;
        self.ended = c == ';';
        match c {
            '\'' if before == Before::Escape => self.state = State::Escaped(false),
            '\'' | '"' => self.state = State::Quoted(c),
            // Within a word, and after the word `E`, a dollar begins nothing.
            '$' if before == Before::Other => {
                if let Some(tag) = dollar_tag(rest) {
                    self.state = State::Dollar(tag.to_string());
                    return tag.len();
                }
            }
            _ => {}
        }
        c.len_utf8()
    }
}

/// The delimiter `$tag$` at the start of `text`; a parameter such as `$1` is none.
fn dollar_tag(text: &str) -> Option<&str> {
    let end = text[1..].find('$')? + 1;
    let tag = &text[1..end];
    let first_ok = !tag.starts_with(|c: char| c.is_ascii_digit());
    (first_ok && tag.chars().all(|c| c.is_alphanumeric() || c == '_')).then(|| &text[..=end])
}

#[cfg(test)]
mod tests {
    use super::Scanner;

    fn complete(text: &str) -> bool {
        let mut scanner = Scanner::new();
        scanner.feed(text);
        scanner.is_complete()
    }

    #[test]
    fn semicolon_ends_a_statement_only_in_code() {
        assert!(complete("SELECT 1;"));
        assert!(complete("SELECT ';' AS a, \"b;\" ; -- more"));
        assert!(!complete("SELECT 1"));
        assert!(!complete("SELECT ';"));
        assert!(!complete("SELECT 'it''s;"));
        assert!(complete("SELECT 'it''s';"));
        assert!(!complete("SELECT \";"));
        assert!(!complete("/* ; /* ; */ ;"));
        assert!(!complete("SELECT 1 -- ;"));
        assert!(!complete("SELECT 1; SELECT 2"));
    }

    #[test]
    fn dollar_quotes_are_texts_and_parameters_are_not() {
        assert!(!complete("SELECT $$ ; "));
        assert!(complete("SELECT $$ ; $$;"));
        assert!(!complete("SELECT $a$ ; $$ ; "));
        assert!(complete("SELECT $a$ ; $$ ; $a$;"));
        assert!(complete("SELECT $1 + $2;"));
    }

    #[test]
    fn backslashes_hide_quotes_in_texts_that_say_so() {
        assert!(complete(r"SELECT E'it\'s; ' ;"));
        assert!(!complete(r"SELECT E'it\'s;"));
        assert!(complete(r"SELECT E'a''\'b', e'\\' ;"));
        assert!(complete(r"SELECT 'C:\' ;"));
        assert!(complete(r"SELECT name'\' ;"));
        assert!(complete("SELECT a$b$c ;"));
    }

    #[test]
    fn nothing_but_space_and_comments_is_complete_and_blank() {
        for text in ["", "  \n", "-- a comment;", "/* one */ -- two\n"] {
            let mut scanner = Scanner::new();
            scanner.feed(text);
            assert!(scanner.is_complete() && scanner.is_blank(), "{text:?}");
        }
    }

    #[test]
    fn text_may_come_line_by_line() {
        let mut scanner = Scanner::new();
        for line in ["SELECT 'a\n", "b;' -- ;\n", " FROM t\n"] {
            scanner.feed(line);
            assert!(!scanner.is_complete());
        }
        scanner.feed("; \n");
        assert!(scanner.is_complete() && !scanner.is_blank());
    }
}
