//! A place in the token stream, and the pieces that every statement is made of: words, names,
//! values, options, expressions.
//!
//! It wraps sqlparser's `Parser`, so that one walk over one token vector serves our statements and
//! its expressions alike. Words are compared by their text: most of ours are no keywords of
//! sqlparser. Invariant: a function either consumes what it names or returns an error that points
//! at the first token that does not fit.

use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::dialect::DIALECT;
use super::tokens;
use crate::ast::{
    Expr, Literal, Located, Name, Operand, OperandKind, Query, SelectItem, WithOption, WithOptions,
};
use crate::codes;
use crate::error::{Error, Result};
use crate::span::{Position, Span};
use crate::suggest;

/// How deep expressions and queries may nest, in calls of sqlparser.
const DEPTH: usize = 64;

/// A place in the tokens of a source text.
pub(super) struct Cursor<'s> {
    pub(super) sql: Parser<'static>,
    source: &'s str,
    /// Why the tokens end before the text does.
    broken: Option<Error>,
}

impl<'s> Cursor<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        let (tokens, broken) = tokens::tokenize(source);
        let sql =
            Parser::new(&DIALECT).with_recursion_limit(DEPTH).with_tokens_with_locations(tokens);
        Cursor { sql, source, broken }
    }

    /// Why the tokens end early, once they have ended.
    pub(super) fn take_broken(&mut self) -> Option<Error> {
        if self.at_end() { self.broken.take() } else { None }
    }

    pub(super) fn source(&self) -> &'s str {
        self.source
    }

    // Looking.

    pub(super) fn peek(&self) -> &TokenWithSpan {
        self.sql.peek_token_ref()
    }

    pub(super) fn peek_nth(&self, n: usize) -> &TokenWithSpan {
        self.sql.peek_nth_token_ref(n)
    }

    pub(super) fn at_end(&self) -> bool {
        self.peek().token == Token::EOF
    }

    /// Where the next token stands; after the last one, the end of the text.
    pub(super) fn here(&self) -> Span {
        let token = self.peek();
        if token.token == Token::EOF { self.end_span() } else { token.span.into() }
    }

    fn end_span(&self) -> Span {
        tokens::end_of(self.source)
    }

    /// Where the token last consumed stands.
    pub(super) fn last(&self) -> Span {
        let mut index = self.sql.get_current_index();
        loop {
            let token = self.sql.token_at(index);
            if !tokens::is_blank(&token.token) && token.token != Token::EOF {
                return token.span.into();
            }
            match index.checked_sub(1) {
                Some(before) => index = before,
                None => return Span::default(),
            }
        }
    }

    /// From `start` to the token last consumed.
    pub(super) fn since(&self, start: Span) -> Span {
        start.to(self.last())
    }

    pub(super) fn is(&self, word: &str) -> bool {
        is_word(&self.peek().token, word)
    }

    pub(super) fn nth_is(&self, n: usize, word: &str) -> bool {
        is_word(&self.peek_nth(n).token, word)
    }

    pub(super) fn is_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }

    // Consuming.

    pub(super) fn accept(&mut self, word: &str) -> bool {
        let found = self.is(word);
        if found {
            self.sql.advance_token();
        }
        found
    }

    /// Both words or none.
    pub(super) fn accept_both(&mut self, first: &str, second: &str) -> bool {
        let found = self.is(first) && self.nth_is(1, second);
        if found {
            self.sql.advance_token();
            self.sql.advance_token();
        }
        found
    }

    pub(super) fn expect(&mut self, word: &'static str) -> Result<Span> {
        self.expect_one_of(&[word]).map(|_| self.last())
    }

    /// One of these words; which.
    pub(super) fn expect_one_of(&mut self, words: &[&'static str]) -> Result<&'static str> {
        match words.iter().find(|word| self.is(word)) {
            Some(word) => {
                self.sql.advance_token();
                Ok(word)
            }
            None => Err(self.expected(&any_of(words)).suggest(self.near(words))),
        }
    }

    pub(super) fn accept_token(&mut self, token: &Token) -> bool {
        self.sql.consume_token(token)
    }

    pub(super) fn expect_token(&mut self, token: &Token) -> Result<Span> {
        if self.accept_token(token) {
            Ok(self.last())
        } else {
            Err(self.expected(&format!("`{token}`")))
        }
    }

    // Errors.

    /// "expected …, found …" at the next token.
    pub(super) fn expected(&self, what: &str) -> Error {
        let found = match &self.peek().token {
            Token::EOF => "the end of the text".to_owned(),
            Token::SemiColon => "the end of the statement".to_owned(),
            token => format!("`{token}`"),
        };
        Error::new(&codes::SYNTAX, format!("expected {what}, found {found}")).at(self.here())
    }

    /// The word among `words` that the next token nearly is.
    pub(super) fn near<'w>(&self, words: &[&'w str]) -> Option<&'w str> {
        match &self.peek().token {
            Token::Word(word) if word.quote_style.is_none() => {
                // The word itself is there, but in the wrong place.
                let others = words.iter().copied();
                let others = others.filter(|other| !other.eq_ignore_ascii_case(&word.value));
                suggest::nearest(&word.value, others)
            }
            _ => None,
        }
    }

    /// An error of sqlparser's, in our words and at its place.
    pub(super) fn convert(&self, error: ParserError) -> Error {
        let text = match error {
            ParserError::RecursionLimitExceeded => {
                return Error::new(&codes::TOO_COMPLEX, "the statement is nested too deeply")
                    .at(self.here());
            }
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
        };
        let (text, at) = match text.rsplit_once(" at Line: ") {
            Some((before, place)) => (before, parse_place(place)),
            None => (text.as_str(), None),
        };
        let span = match at {
            Some(position) => self.token_span(position),
            None => self.end_span(),
        };
        let message = match text.strip_prefix("Expected: ").and_then(|t| t.split_once(", found: "))
        {
            Some((wanted, "EOF")) => format!("expected {wanted}, found the end of the text"),
            Some((wanted, ";")) => format!("expected {wanted}, found the end of the statement"),
            Some((wanted, found)) => format!("expected {wanted}, found `{found}`"),
            None => {
                let mut chars = text.chars();
                let first = chars.next().map(|c| c.to_ascii_lowercase().to_string());
                first.unwrap_or_default() + chars.as_str()
            }
        };
        Error::new(&codes::SYNTAX, message).at(span)
    }

    /// The span of the token that starts at `position`.
    fn token_span(&self, position: Position) -> Span {
        let mut index = 0;
        loop {
            let token = self.sql.token_at(index);
            let span = Span::from(token.span);
            if token.token == Token::EOF || span.start > position {
                return Span::new(
                    position,
                    Position::new(position.line, position.column.saturating_add(1)),
                );
            }
            if span.start == position {
                return span;
            }
            index += 1;
        }
    }

    // The pieces.

    /// A name; `what` says of what, for the error.
    pub(super) fn name(&mut self, what: &str) -> Result<Name> {
        let TokenWithSpan { token, span } = self.peek();
        let span = Span::from(*span);
        let Token::Word(word) = token else { return Err(self.expected(what)) };
        let quoted = word.quote_style.is_some();
        if !quoted && is_reserved(&word.value) {
            let quoted = word.value.to_ascii_lowercase();
            return Err(self.expected(what).hint(format!(
                "`{}` is a reserved word; as a name, write \"{quoted}\"",
                word.value
            )));
        }
        let value = if quoted { word.value.clone() } else { word.value.to_ascii_lowercase() };
        if value.is_empty() {
            return Err(self.expected(what).hint("a name has at least one character"));
        }
        self.sql.advance_token();
        if self.peek().token == Token::Period {
            return Err(Error::new(
                &codes::FEATURE_UNSUPPORTED,
                "names have one part: there are no schemas or catalogues",
            )
            .at(self.here()));
        }
        Ok(Name { value, quoted, span })
    }

    /// `item, item, …`, at least one.
    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.accept_token(&Token::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// `(item, …)`, at least one.
    pub(super) fn parenthesised<T>(
        &mut self,
        item: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Located<Vec<T>>> {
        let start = self.expect_token(&Token::LParen)?;
        let node = self.list(item)?;
        self.close()?;
        Ok(Located { node, span: self.since(start) })
    }

    /// The `)` after a list.
    pub(super) fn close(&mut self) -> Result<Span> {
        if self.accept_token(&Token::RParen) {
            Ok(self.last())
        } else {
            Err(self.expected("`,` or `)`"))
        }
    }

    /// `(column, …)` if there is one; no column twice.
    pub(super) fn columns(&mut self) -> Result<Option<Vec<Name>>> {
        if self.peek().token != Token::LParen {
            return Ok(None);
        }
        let columns = self.parenthesised(|cursor| cursor.name("a column name"))?.node;
        distinct(columns.iter(), "column")?;
        Ok(Some(columns))
    }

    pub(super) fn expr(&mut self) -> Result<Expr> {
        self.sql.parse_expr().map_err(|error| self.convert(error))
    }

    pub(super) fn query(&mut self) -> Result<Box<Query>> {
        self.sql.parse_query().map_err(|error| self.convert(error))
    }

    pub(super) fn projection(&mut self) -> Result<Vec<SelectItem>> {
        self.list(|cursor| cursor.sql.parse_select_item().map_err(|error| cursor.convert(error)))
    }

    /// `RETURNING …`, if there.
    pub(super) fn returning(&mut self) -> Result<Option<Vec<SelectItem>>> {
        if self.accept("returning") { self.projection().map(Some) } else { Ok(None) }
    }

    /// `WHERE expr`, if there.
    pub(super) fn filter(&mut self) -> Result<Option<Expr>> {
        if self.accept("where") { self.expr().map(Some) } else { Ok(None) }
    }

    /// One value. Constants and parameters, the usual case, make no expression.
    pub(super) fn operand(&mut self) -> Result<Operand> {
        let span = self.here();
        if let Some((kind, length)) = self.simple()? {
            for _ in 0..length {
                self.sql.advance_token();
            }
            return Ok(Operand { kind, span: self.since(span) });
        }
        let expr = self.expr()?;
        Ok(Operand { kind: OperandKind::Expr(Box::new(expr)), span: self.since(span) })
    }

    /// A constant or a parameter that nothing continues into a longer expression, and how many
    /// tokens it takes.
    fn simple(&self) -> Result<Option<(OperandKind, usize)>> {
        let negative = self.peek().token == Token::Minus;
        let token = self.peek_nth(usize::from(negative));
        let literal = match &token.token {
            Token::Number(digits, _) => OperandKind::Literal(
                number(digits, negative).map_err(|error| error.at(token.span.into()))?,
            ),
            _ if negative => return Ok(None),
            Token::SingleQuotedString(text)
            | Token::EscapedStringLiteral(text)
            | Token::UnicodeStringLiteral(text) => {
                OperandKind::Literal(Literal::Text(text.clone()))
            }
            Token::DollarQuotedString(text) => {
                OperandKind::Literal(Literal::Text(text.value.clone()))
            }
            Token::Placeholder(text) => {
                OperandKind::Param(parameter(text).map_err(|error| error.at(token.span.into()))?)
            }
            Token::Word(word) if word.quote_style.is_none() => {
                let value = &word.value;
                if value.eq_ignore_ascii_case("true") {
                    OperandKind::Literal(Literal::Bool(true))
                } else if value.eq_ignore_ascii_case("false") {
                    OperandKind::Literal(Literal::Bool(false))
                } else if value.eq_ignore_ascii_case("null") {
                    OperandKind::Literal(Literal::Null)
                } else {
                    return Ok(None);
                }
            }
            _ => return Ok(None),
        };
        let length = 1 + usize::from(negative);
        let ends = match &self.peek_nth(length).token {
            Token::Comma | Token::RParen | Token::SemiColon | Token::EOF => true,
            Token::Word(word) => !continues(&word.value),
            // Two constants in a row: the second begins what comes next, or is an error there.
            Token::Number(..) | Token::Placeholder(_) => true,
            _ => false,
        };
        Ok(ends.then_some((literal, length)))
    }

    /// `WITH (name = value, …)`, if there.
    pub(super) fn with_options(&mut self) -> Result<WithOptions> {
        if !self.is("with") {
            return Ok(WithOptions::default());
        }
        self.sql.advance_token();
        self.option_list(self.last())
    }

    /// `(name = value, …)`; `start` is where the clause begins.
    pub(super) fn option_list(&mut self, start: Span) -> Result<WithOptions> {
        let items = self.parenthesised(Cursor::with_option)?.node;
        distinct(items.iter().map(|option| &option.name), "option")?;
        Ok(WithOptions { items, span: self.since(start) })
    }

    fn with_option(&mut self) -> Result<WithOption> {
        let ends = |token: &Token| matches!(token, Token::Comma | Token::RParen);
        // Options such as `null` and `default` are reserved elsewhere, so any word will do.
        let name = match &self.peek().token {
            Token::Word(word) => Name {
                value: word.value.to_ascii_lowercase(),
                quoted: word.quote_style.is_some(),
                span: self.here(),
            },
            _ => return Err(self.expected("an option name")),
        };
        self.sql.advance_token();
        if ends(&self.peek().token) {
            let kind = OperandKind::Literal(Literal::Bool(true));
            return Ok(WithOption { value: Operand { kind, span: name.span }, name });
        }
        // PostgreSQL's COPY writes options without the sign.
        let _ = self.accept_token(&Token::Eq);
        if let Token::Word(word) = &self.peek().token
            && ends(&self.peek_nth(1).token)
            && !["true", "false", "null"].iter().any(|word| self.is(word))
        {
            let text = match word.quote_style {
                None => word.value.to_ascii_lowercase(),
                Some(_) => word.value.clone(),
            };
            let value =
                Operand { kind: OperandKind::Literal(Literal::Text(text)), span: self.here() };
            self.sql.advance_token();
            return Ok(WithOption { name, value });
        }
        Ok(WithOption { name, value: self.operand()? })
    }
}

/// Whether the token is this word, unquoted, in any case.
pub(super) fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found)
        if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

/// An error if two of the names are equal, at the second.
pub(super) fn distinct<'n>(
    names: impl Iterator<Item = &'n Name> + Clone,
    what: &str,
) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        if !seen.insert(name.value.as_str()) {
            let message = format!("{what} `{name}` is given twice");
            return Err(Error::new(&codes::GIVEN_TWICE, message).at(name.span));
        }
    }
    Ok(())
}

/// "A, B or C"
fn any_of(words: &[&str]) -> String {
    let upper: Vec<String> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
    match upper.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

fn parse_place(place: &str) -> Option<Position> {
    let (line, column) = place.split_once(", Column: ")?;
    Some(Position::new(line.parse().ok()?, column.parse().ok()?))
}

fn number(digits: &str, negative: bool) -> Result<Literal> {
    let mut text = String::with_capacity(digits.len() + 1);
    if negative {
        text.push('-');
    }
    text.extend(digits.chars().filter(|c| *c != '_'));
    if let Ok(whole) = text.parse::<i64>() {
        return Ok(Literal::Int(whole));
    }
    match text.parse::<f64>() {
        Ok(real) if real.is_finite() => Ok(Literal::Real(real)),
        _ => Err(Error::new(&codes::INVALID_VALUE, format!("`{text}` is not a number that fits"))),
    }
}

/// The number of `$n`.
pub(super) fn parameter(text: &str) -> Result<u32> {
    match text.strip_prefix('$').and_then(|digits| digits.parse::<u32>().ok()) {
        Some(n @ 1..=MAX_PARAMETER) => Ok(n),
        _ => Err(Error::new(&codes::PARAMETER, format!("`{text}` is not a parameter"))
            .hint(format!("parameters are $1 to ${MAX_PARAMETER}"))),
    }
}

/// The highest parameter number.
const MAX_PARAMETER: u32 = 65_535;

/// Whether a word after a complete value can make a longer expression of it.
fn continues(word: &str) -> bool {
    const WORDS: [&str; 20] = [
        "and", "or", "is", "in", "not", "like", "ilike", "rlike", "regexp", "similar", "between",
        "collate", "at", "isnull", "notnull", "operator", "overlaps", "xor", "div", "member",
    ];
    word.len() <= 8 && WORDS.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// Words that cannot be names without quotes, since a clause begins or an expression goes on there.
fn is_reserved(word: &str) -> bool {
    const WORDS: [&str; 45] = [
        "all",
        "and",
        "as",
        "between",
        "by",
        "case",
        "create",
        "cross",
        "default",
        "distinct",
        "else",
        "end",
        "except",
        "for",
        "from",
        "full",
        "group",
        "having",
        "in",
        "inner",
        "intersect",
        "into",
        "is",
        "join",
        "left",
        "like",
        "limit",
        "natural",
        "not",
        "null",
        "offset",
        "on",
        "or",
        "order",
        "outer",
        "primary",
        "references",
        "returning",
        "right",
        "select",
        "set",
        "table",
        "union",
        "using",
        "where",
    ];
    const MORE: [&str; 5] = ["then", "values", "when", "with", "window"];
    (2..=10).contains(&word.len())
        && WORDS.iter().chain(&MORE).any(|known| word.eq_ignore_ascii_case(known))
}
