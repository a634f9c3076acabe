//! RECOMMEND.
//!
//! The clauses come in the order of the grammar; one that is out of order or given twice is named
//! as such, since "expected the end of the statement" would not help.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::{Cursor, distinct};
use crate::ast::{
    Context, Diversify, Events, Explore, LimitBy, Located, NamedValue, Rate, Recommend, Source,
};
use crate::codes;
use crate::error::{Error, Result};
use crate::span::Span;

/// The clauses after the contexts, in their order.
const CLAUSES: [&str; 9] =
    ["USING", "WHERE", "HAVING", "DIVERSIFY", "EXPLORE", "ORDER", "LIMIT", "OFFSET", "WITH"];

/// The words that begin a context.
const CONTEXTS: [&str; 8] =
    ["USER", "ITEM", "SESSION", "LIKES", "DISLIKES", "VECTOR", "PROFILE", "USERS"];

impl Cursor<'_> {
    /// `RECOMMEND [select_list FROM] table FOR context [, …] [clauses]`
    pub(super) fn recommend(&mut self) -> Result<Recommend> {
        self.expect("recommend")?;
        let columns = if self.has_select_list() {
            let columns = self.projection()?;
            self.expect("from")?;
            Some(columns)
        } else {
            None
        };
        let table = self.name("the table to recommend from")?;
        if !self.is("for") {
            return Err(self.missing_for(&table.value));
        }
        self.expect("for")?;
        let contexts = self.list(Cursor::context)?;
        let mut recommend = Recommend {
            columns,
            table,
            contexts,
            sources: Vec::new(),
            filter: None,
            having: None,
            diversify: None,
            explore: None,
            order_by: Vec::new(),
            limit_by: None,
            limit: None,
            offset: None,
            options: Default::default(),
        };
        let mut next = 0;
        while let Some(clause) = CLAUSES.iter().position(|word| self.is(word)) {
            if clause < next {
                return Err(self.out_of_order(clause, next - 1));
            }
            next = clause + 1;
            self.clause(CLAUSES[clause], &mut recommend)?;
        }
        Ok(recommend)
    }

    fn clause(&mut self, word: &str, recommend: &mut Recommend) -> Result<()> {
        let start = self.here();
        if word == "WITH" {
            recommend.options = self.with_options()?;
            return Ok(());
        }
        self.sql.advance_token();
        match word {
            "USING" => {
                recommend.sources = self.list(Cursor::recommend_source)?;
                distinct(recommend.sources.iter().map(|source| &source.name), "source")?;
            }
            "WHERE" => recommend.filter = Some(self.expr()?),
            "HAVING" => {
                let node = self.expr()?;
                recommend.having = Some(Located { node, span: self.since(start) });
            }
            "DIVERSIFY" => recommend.diversify = Some(self.diversify(start)?),
            "EXPLORE" => {
                let share = self.operand()?;
                let rate = if self.accept("by") { Some(self.rate()?) } else { None };
                recommend.explore = Some(Explore { share, rate, span: self.since(start) });
            }
            "ORDER" => {
                self.expect("by")?;
                recommend.order_by = self.list(|cursor| {
                    cursor.sql.parse_order_by_expr().map_err(|error| cursor.convert(error))
                })?;
            }
            "LIMIT" => self.limit(start, recommend)?,
            _ => recommend.offset = Some(self.operand()?),
        }
        Ok(())
    }

    /// Whether a FROM comes before the FOR: then a select list comes first.
    fn has_select_list(&self) -> bool {
        // The usual case: `RECOMMEND table FOR …`.
        if self.nth_is(1, "for") {
            return false;
        }
        let mut depth = 0_usize;
        for n in 0.. {
            match &self.peek_nth(n).token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                Token::EOF | Token::SemiColon => return false,
                Token::Word(_) if depth == 0 && self.nth_is(n, "from") => return true,
                Token::Word(_) if depth == 0 && self.nth_is(n, "for") => return false,
                _ => {}
            }
        }
        false
    }

    /// Nobody recommends for everyone by accident: the error says what to write.
    fn missing_for(&self, table: &str) -> Error {
        let near = self.near(&["FOR", "FROM"]);
        if near.is_some() && !self.is("from") {
            return self.expected("FOR").suggest(near);
        }
        Error::new(&codes::MISSING_FOR, "RECOMMEND does not say for whom").at(self.here()).hint(
            format!(
                "write RECOMMEND {table} FOR USER 'id' …, or FOR ITEM 'id', FOR SESSION ('id', …)"
            ),
        )
    }

    fn out_of_order(&self, clause: usize, last: usize) -> Error {
        let name = |clause: usize| match CLAUSES[clause] {
            "ORDER" => "ORDER BY",
            "DIVERSIFY" => "DIVERSIFY BY",
            word => word,
        };
        let error = if clause == last {
            Error::new(&codes::GIVEN_TWICE, format!("{} is given twice", name(clause)))
        } else {
            let message = format!("{} comes before {}", name(clause), name(last));
            Error::new(&codes::SYNTAX, message)
        };
        error.at(self.here())
    }

    fn context(&mut self) -> Result<Context> {
        let word = match CONTEXTS.iter().find(|word| self.is(word)) {
            Some(word) => *word,
            None => {
                return Err(self
                    .expected("USER, ITEM, SESSION, LIKES, DISLIKES, VECTOR, PROFILE or USERS")
                    .suggest(self.near(&CONTEXTS)));
            }
        };
        self.sql.advance_token();
        Ok(match word {
            "USER" => Context::User(self.operand()?),
            "ITEM" => Context::Item(self.operand()?),
            "SESSION" => Context::Session(self.parenthesised(Cursor::operand)?),
            "LIKES" => Context::Likes(self.parenthesised(Cursor::operand)?),
            "DISLIKES" => Context::Dislikes(self.parenthesised(Cursor::operand)?),
            "VECTOR" => Context::Vector(self.parenthesised(Cursor::named_value)?),
            "PROFILE" => Context::Profile(self.parenthesised(Cursor::named_value)?),
            _ => {
                let start = self.expect_token(&Token::LParen)?;
                let node = self.query()?;
                self.close()?;
                Context::Users(Located { node, span: self.since(start) })
            }
        })
    }

    /// `column => value`
    fn named_value(&mut self) -> Result<NamedValue> {
        let name = self.name("a column name")?;
        if !self.accept_token(&Token::RArrow) {
            return Err(self.expected("`=>`"));
        }
        Ok(NamedValue { name, value: self.operand()? })
    }

    /// `name [WEIGHT expr]`
    fn recommend_source(&mut self) -> Result<Source> {
        let name = self.name("a model or a built-in: popular, trending, latest, random")?;
        let weight = if self.accept("weight") { Some(self.operand()?) } else { None };
        Ok(Source { name, weight })
    }

    /// `DIVERSIFY BY column [STRENGTH x]`, after its first word.
    fn diversify(&mut self, start: Span) -> Result<Diversify> {
        self.expect("by")?;
        let column = self.name("a column name")?;
        let strength = if self.accept("strength") { Some(self.operand()?) } else { None };
        Ok(Diversify { column, strength, span: self.since(start) })
    }

    /// `clicks [WHERE expr] PER impressions [WHERE expr]`
    fn rate(&mut self) -> Result<Rate> {
        let clicks = self.events("the table of clicks")?;
        self.expect("per")?;
        Ok(Rate { clicks, shown: self.events("the table of impressions")? })
    }

    /// `table [WHERE expr]`
    fn events(&mut self, what: &'static str) -> Result<Events> {
        let table = self.name(what)?;
        let filter = if self.accept("where") { Some(self.expr()?) } else { None };
        Ok(Events { table, filter })
    }

    /// `LIMIT k`, `LIMIT n BY column, … k` or `LIMIT n BY column, … LIMIT k`, after its first word.
    fn limit(&mut self, start: Span, recommend: &mut Recommend) -> Result<()> {
        let count = self.operand()?;
        if !self.accept("by") {
            recommend.limit = Some(count);
            return Ok(());
        }
        let columns = self.list(|cursor| cursor.name("a column name"))?;
        recommend.limit_by = Some(LimitBy { count, columns, span: self.since(start) });
        let again = self.accept("limit");
        let begins_value = matches!(
            self.peek().token,
            Token::Number(..) | Token::Placeholder(_) | Token::LParen | Token::Minus
        );
        if again || begins_value {
            recommend.limit = Some(self.operand()?);
        }
        Ok(())
    }
}
