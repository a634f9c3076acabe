//! Colours for what is being typed: keywords, texts, numbers, comments.

use std::borrow::Cow;

use super::words;

const KEYWORD: &str = "\x1b[1;34m";
const TEXT: &str = "\x1b[32m";
const NUMBER: &str = "\x1b[36m";
const COMMENT: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// `line` with colours; what is shown is otherwise the same.
pub(crate) fn coloured(line: &str) -> Cow<'_, str> {
    if line.is_empty() || line.trim_start().starts_with('.') {
        return Cow::Borrowed(line);
    }
    let mut shown = String::with_capacity(line.len() * 2);
    let mut rest = line;
    while !rest.is_empty() {
        let (token, colour) = next_token(rest);
        match colour {
            Some(colour) => {
                shown.push_str(colour);
                shown.push_str(token);
                shown.push_str(PLAIN);
            }
            None => shown.push_str(token),
        }
        rest = &rest[token.len()..];
    }
    Cow::Owned(shown)
}

/// The next stretch of `text`, which is not empty, and its colour.
fn next_token(text: &str) -> (&str, Option<&'static str>) {
    let first = text.chars().next().unwrap_or(' ');
    let word = |c: char| c.is_alphanumeric() || c == '_';
    if text.starts_with("--") {
        (&text[..text.find('\n').unwrap_or(text.len())], Some(COMMENT))
    } else if text.starts_with("/*") {
        (&text[..text.find("*/").map_or(text.len(), |end| end + 2)], Some(COMMENT))
    } else if first == '\'' || first == '"' {
        let end = text[1..].find(first).map_or(text.len(), |end| end + 2);
        (&text[..end], (first == '\'').then_some(TEXT))
    } else if first.is_ascii_digit() {
        let end = text.find(|c: char| !word(c) && c != '.').unwrap_or(text.len());
        (&text[..end], Some(NUMBER))
    } else if word(first) {
        let token = &text[..text.find(|c| !word(c)).unwrap_or(text.len())];
        (token, words::is_keyword(token).then_some(KEYWORD))
    } else {
        (&text[..first.len_utf8()], None)
    }
}

#[cfg(test)]
mod tests {
    use super::{KEYWORD, PLAIN, TEXT, coloured};

    #[test]
    fn keywords_and_texts_are_coloured_and_nothing_is_lost() {
        let shown = coloured("SELECT title FROM 'x y'");
        let expected =
            format!("{KEYWORD}SELECT{PLAIN} title {KEYWORD}FROM{PLAIN} {TEXT}'x y'{PLAIN}");
        assert_eq!(shown, expected);
    }

    #[test]
    fn unfinished_and_foreign_text_passes() {
        for line in ["'open", "/* open", "-- c", "é 千 'ü", "\"", "1.5e3x", "$1"] {
            let shown = coloured(line);
            let bare: String =
                shown.split("\x1b[").enumerate().fold(String::new(), |mut bare, (i, part)| {
                    let text = if i == 0 { part } else { part.split_once('m').map_or("", |p| p.1) };
                    bare.push_str(text);
                    bare
                });
            assert_eq!(bare, line);
        }
    }
}
