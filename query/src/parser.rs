//! Text into statements.
//!
//! One token vector, one walk: our statements are read here word by word; expressions, queries and
//! select lists by sqlparser on the same tokens. Nothing is looked up and nothing is executed.
//! Invariant: no input makes it panic or recurse without bound, and every error has a place.

mod cursor;
mod data;
mod definition;
mod dialect;
mod embedding;
mod query;
mod recommend;
mod table;
mod tokens;
mod training;

use datafusion::sql::sqlparser::tokenizer::Token;

use self::cursor::Cursor;
use crate::ast::{Statement, StatementKind};
use crate::codes;
use crate::error::{Error, Result};
use crate::suggest;

/// The words that begin a statement.
const STATEMENTS: [&str; 33] = [
    "ABORT",
    "ALTER",
    "BACKUP",
    "BEGIN",
    "COMMIT",
    "COPY",
    "CREATE",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DROP",
    "END",
    "EVALUATE",
    "EXPLAIN",
    "EXPORT",
    "IMPORT",
    "INSERT",
    "RECOMMEND",
    "REFRESH",
    "ROLLBACK",
    "SELECT",
    "SHOW",
    "START",
    "TRAIN",
    "UPDATE",
    "VACUUM",
    "VALUES",
    "VERIFY",
    "WITH",
    "TABLE",
    "SET",
    "TRUNCATE",
    "MERGE",
];

/// The words that begin a clause, for mistyped ones at the end of a statement.
const CLAUSES: [&str; 26] = [
    "WHERE",
    "LIMIT",
    "OFFSET",
    "ORDER",
    "GROUP",
    "HAVING",
    "USING",
    "WEIGHT",
    "DIVERSIFY",
    "EXPLORE",
    "STRENGTH",
    "WITH",
    "FROM",
    "FOR",
    "RETURNING",
    "METRICS",
    "SPLIT",
    "JOIN",
    "ON",
    "UNION",
    "VALUES",
    "SET",
    "CONFLICT",
    "INTO",
    "FORMAT",
    "BETWEEN",
];

/// The statements of a text, read one by one.
///
/// A statement is read when it is asked for, so that those before a mistake can be executed before
/// it is found. After an error there are no more statements.
pub struct Statements<'s> {
    cursor: Cursor<'s>,
    failed: bool,
}

/// Reads the statements of `source`, which are separated by semicolons.
pub fn statements(source: &str) -> Statements<'_> {
    Statements { cursor: Cursor::new(source), failed: false }
}

/// All statements of `source`, or the first error.
pub fn parse(source: &str) -> Result<Vec<Statement>> {
    statements(source).collect()
}

/// The one statement of `source`.
pub fn parse_one(source: &str) -> Result<Statement> {
    let mut all = statements(source);
    let first = all.next().unwrap_or_else(|| {
        Err(Error::new(&codes::SYNTAX, "expected a statement, found the end of the text")
            .at(all.cursor.here()))
    })?;
    match all.next() {
        None => Ok(first),
        Some(second) => {
            let second = second?;
            Err(Error::new(&codes::SYNTAX, "expected one statement, found two").at(second.span))
        }
    }
}

impl Iterator for Statements<'_> {
    type Item = Result<Statement>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        while self.cursor.accept_token(&Token::SemiColon) {}
        if self.cursor.at_end() {
            return self.cursor.take_broken().map(|error| {
                self.failed = true;
                Err(error)
            });
        }
        let statement = self.cursor.statement();
        // What stopped the tokens explains better than a statement that ends too early.
        let statement = match self.cursor.take_broken() {
            Some(broken) => Err(broken),
            None => statement,
        };
        self.failed = statement.is_err();
        Some(statement)
    }
}

impl Cursor<'_> {
    /// A statement and the semicolon after it, unless the text ends there.
    fn statement(&mut self) -> Result<Statement> {
        let first = self.sql.get_current_index();
        let start = self.here();
        let kind = self.kind()?;
        let span = self.since(start);
        if !self.at_end() && !self.accept_token(&Token::SemiColon) {
            return Err(self.trailing());
        }
        let params = self.highest_parameter(first, self.sql.get_current_index())?;
        Ok(Statement { kind, span, params })
    }

    fn kind(&mut self) -> Result<StatementKind> {
        let word = match &self.peek().token {
            Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
            Token::LParen => return self.query().map(StatementKind::Query),
            _ => return Err(self.expected("a statement")),
        };
        match word.as_str() {
            "SELECT" | "WITH" | "VALUES" => self.query().map(StatementKind::Query),
            "RECOMMEND" => self.recommend().map(|it| StatementKind::Recommend(Box::new(it))),
            "INSERT" => self.insert(),
            "UPDATE" => self.update(),
            "DELETE" => self.delete(),
            "COPY" => self.copy(),
            "EXPORT" | "IMPORT" | "BACKUP" => self.database(&word),
            "CREATE" => self.create(),
            "ALTER" => self.alter(),
            "DROP" => self.drop_object(),
            "SHOW" => self.show(),
            "DESCRIBE" | "DESC" => self.describe(),
            "TRAIN" => self.train(),
            "REFRESH" => self.refresh(),
            "EVALUATE" => self.evaluate(),
            "EXPLAIN" => self.explain(),
            "BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" => self.transaction(&word),
            "VERIFY" => self.verify(),
            "VACUUM" => self.vacuum(),
            _ => Err(self.unknown_statement(&word)),
        }
    }

    /// A word that begins no statement of ours: another dialect's, or a mistake.
    fn unknown_statement(&self, word: &str) -> Error {
        if let Some(instead) = elsewhere(word) {
            let error =
                Error::new(&codes::STATEMENT_UNSUPPORTED, format!("{word} is not supported"))
                    .at(self.here());
            return if instead.is_empty() { error } else { error.hint(instead) };
        }
        Error::new(&codes::UNKNOWN_STATEMENT, format!("`{word}` begins no statement"))
            .at(self.here())
            .suggest(suggest::nearest(word, STATEMENTS))
    }

    /// What to say where a statement should end but does not.
    fn trailing(&self) -> Error {
        let error = self.expected("the end of the statement");
        if let Some(clause) = self.near(&CLAUSES) {
            return error.suggest(Some(clause));
        }
        // A mistyped clause may have been read as an alias: `FROM movies WHER year > 1990`.
        let before = self.last();
        let text = before.text(self.source());
        match suggest::nearest(text, CLAUSES) {
            Some(clause) if !text.eq_ignore_ascii_case(clause) && text.len() > 3 => {
                Error::new(&codes::SYNTAX, format!("`{text}` does not fit here"))
                    .at(before)
                    .suggest(Some(clause))
            }
            _ => error,
        }
    }

    /// The highest `$n` among the tokens from `first` to `last`.
    fn highest_parameter(&self, first: usize, last: usize) -> Result<u32> {
        let mut highest = 0;
        for index in first..=last {
            let token = self.sql.token_at(index);
            if let Token::Placeholder(text) = &token.token {
                let number =
                    cursor::parameter(text).map_err(|error| error.at(token.span.into()))?;
                highest = highest.max(number);
            }
        }
        Ok(highest)
    }
}

/// Statements of other databases: what to use instead, or nothing to say.
fn elsewhere(word: &str) -> Option<&'static str> {
    Some(match word {
        "TRUNCATE" => "DELETE FROM the table without a WHERE",
        "REPLACE" | "MERGE" | "UPSERT" => "write INSERT … ON CONFLICT … DO UPDATE",
        "SAVEPOINT" | "RELEASE" => "each statement is atomic by itself, also inside BEGIN … COMMIT",
        "SET" | "RESET" | "PRAGMA" => "settings are given when the database is opened",
        "ANALYZE" | "REINDEX" | "OPTIMIZE" => "statistics and indexes keep themselves up to date",
        "USE" | "ATTACH" | "DETACH" => "a connection has one database",
        "TABLE" => "write SELECT * FROM the table",
        "PREPARE" | "EXECUTE" | "DEALLOCATE" => "give the parameters $1, $2, … with the statement",
        "LOCK" | "UNLOCK" => "readers never wait, and one transaction writes at a time",
        "CHECKPOINT" => "BACKUP DATABASE TO 'folder' copies the database while it is in use",
        "ASSERT" | "CACHE" | "CALL" | "CASE" | "CLOSE" | "CLUSTER" | "COMMENT" | "DECLARE"
        | "DENY" | "DISCARD" | "FETCH" | "FLUSH" | "FROM" | "GRANT" | "IF" | "INSTALL" | "KILL"
        | "LISTEN" | "LOAD" | "MSCK" | "NOTIFY" | "OPEN" | "PRINT" | "RAISE" | "RAISERROR"
        | "RENAME" | "RETURN" | "REVOKE" | "THROW" | "UNCACHE" | "UNLISTEN" | "UNLOAD"
        | "WAITFOR" | "WHILE" => "",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
