//! Text into tokens, with the limits that keep every later step within time and stack.
//!
//! sqlparser bounds nesting, but builds a chain such as `a + a + …` as a tree as deep as the chain
//! is long, and reads some parentheses twice on every level; so both are bounded here. Invariant:
//! tokens that pass parse in time about linear in their number, into trees that can be walked,
//! copied and dropped by recursion on an ordinary stack.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{
    Token, TokenWithSpan, Tokenizer, TokenizerError, Whitespace,
};

use super::dialect::DIALECT;
use crate::codes;
use crate::error::Error;
use crate::span::{Position, Span};

/// The most tokens between two commas (or semicolons) at one level of parentheses.
const LONGEST_CHAIN: u32 = 3_000;
/// The most parentheses and brackets inside one another.
const DEEPEST: usize = 40;
/// The most of those inside one another that sqlparser may read twice.
const DEEPEST_RETRIED: usize = 10;

/// The tokens of `source`, as far as they can be read, and what stopped them if not at the end.
pub(super) fn tokenize(source: &str) -> (Vec<TokenWithSpan>, Option<Error>) {
    let mut tokens = Vec::with_capacity(source.len() / 3 + 4);
    let result = Tokenizer::new(&DIALECT, source)
        .tokenize_with_location_into_buf_with_mapper(&mut tokens, neutralise);
    let broken = result.err().map(|error| unreadable(error, source));
    match limits(&tokens) {
        Some((keep, error)) => {
            tokens.truncate(keep);
            (tokens, Some(error))
        }
        None => (tokens, broken),
    }
}

/// `user` is a function in PostgreSQL; here it is a likely column name and nothing else.
fn neutralise(mut token: TokenWithSpan) -> TokenWithSpan {
    if let Token::Word(word) = &mut token.token
        && word.keyword == Keyword::USER
    {
        word.keyword = Keyword::NoKeyword;
    }
    token
}

/// An open parenthesis.
struct Open {
    /// How many tokens there were at its level since the last comma, itself included.
    count: u32,
    /// Whether it is one of those that count for [`DEEPEST_RETRIED`].
    retried: bool,
}

/// The first token beyond a limit: how many tokens to keep, which is the statements before that of
/// the token, and the error.
fn limits(tokens: &[TokenWithSpan]) -> Option<(usize, Error)> {
    let mut open: Vec<Open> = Vec::new();
    let mut retried = 0;
    let mut count = 0;
    let mut statement = 0;
    let mut before = &Token::SemiColon;
    for (at, token) in tokens.iter().enumerate() {
        match &token.token {
            Token::Whitespace(_) => continue,
            Token::Comma => count = 0,
            Token::SemiColon => {
                open.clear();
                (count, retried, statement) = (0, 0, at + 1);
            }
            Token::LParen | Token::LBracket | Token::LBrace => {
                let inherits = *before == Token::LParen && open.last().is_some_and(|it| it.retried);
                let this = inherits || is_retried(before);
                retried += usize::from(this);
                open.push(Open { count: count + 1, retried: this });
                count = 0;
            }
            Token::RParen | Token::RBracket | Token::RBrace => match open.pop() {
                Some(closed) => {
                    count = closed.count + 1;
                    retried -= usize::from(closed.retried);
                }
                None => count += 1,
            },
            _ => count += 1,
        }
        before = &token.token;
        let message = if count > LONGEST_CHAIN {
            "the expression is too long"
        } else if open.len() > DEEPEST || retried > DEEPEST_RETRIED {
            "the parentheses are nested too deeply"
        } else {
            continue;
        };
        return Some((statement, Error::new(&codes::TOO_COMPLEX, message).at(token.span.into())));
    }
    None
}

/// Whether sqlparser may read what is in the parenthesis after this token twice: as the special
/// form of CAST, ARRAY, FROM and others, and when that fails as something ordinary. What it reads
/// twice inside one another takes time exponential in the depth.
fn is_retried(before: &Token) -> bool {
    let Token::Word(word) = before else { return false };
    !matches!(
        word.keyword,
        Keyword::NoKeyword
            | Keyword::ALL
            | Keyword::AND
            | Keyword::AS
            | Keyword::BETWEEN
            | Keyword::BY
            | Keyword::COUNT
            | Keyword::ELSE
            | Keyword::HAVING
            | Keyword::IN
            | Keyword::LIKE
            | Keyword::MAX
            | Keyword::MIN
            | Keyword::NOT
            | Keyword::ON
            | Keyword::OR
            | Keyword::SELECT
            | Keyword::SET
            | Keyword::SUM
            | Keyword::THEN
            | Keyword::VALUES
            | Keyword::WHEN
            | Keyword::WHERE
    )
}

fn unreadable(error: TokenizerError, source: &str) -> Error {
    let at = Position::from(error.location);
    let message = match error.message.as_str() {
        "Unterminated string literal" => "the string is not closed".to_owned(),
        "Unexpected EOF while in a multi-line comment" => "the comment is not closed".to_owned(),
        text if text.starts_with("Expected close delimiter") => {
            "the quoted name is not closed".to_owned()
        }
        text => {
            let mut chars = text.chars();
            let first = chars.next().map(|c| c.to_lowercase().to_string()).unwrap_or_default();
            first + chars.as_str()
        }
    };
    let mut span = Span::new(at, Position::new(at.line, at.column.saturating_add(1)));
    if at.offset(source) >= source.len() {
        span = end_of(source);
    }
    Error::new(&codes::UNTERMINATED, message).at(span)
}

/// The place just after the last character of `source` that is not white space.
pub(super) fn end_of(source: &str) -> Span {
    let text = source.trim_end();
    let line_start = text.rfind('\n').map_or(0, |at| at + 1);
    let line = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = text[line_start..].chars().count() + 1;
    let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let at = Position::new(narrow(line), narrow(column));
    Span::new(at, at)
}

/// Whether a token is white space or a comment.
pub(super) fn is_blank(token: &Token) -> bool {
    matches!(
        token,
        Token::Whitespace(
            Whitespace::Space
                | Whitespace::Newline
                | Whitespace::Tab
                | Whitespace::SingleLineComment { .. }
                | Whitespace::MultiLineComment(_)
        )
    )
}
