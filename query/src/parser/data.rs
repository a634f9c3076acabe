//! COPY, whole databases, INSERT, UPDATE and DELETE.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::{Cursor, distinct};
use crate::ast::{
    Assignment, ConflictAction, CopyFrom, CopySource, CopyTo, Delete, Endpoint, Expr, Folder,
    Insert, InsertSource, Literal, Name, OnConflict, Operand, OperandKind, StatementKind, Update,
    WithOption, WithOptions,
};
use crate::codes;
use crate::error::{Error, Result};
use crate::span::Span;

impl Cursor<'_> {
    /// `COPY table [(column, …)] FROM | TO end [WITH (…)]`, `COPY (query) TO end [WITH (…)]`
    pub(super) fn copy(&mut self) -> Result<StatementKind> {
        self.expect("copy")?;
        if self.accept_token(&Token::LParen) {
            let source = if self.is("recommend") {
                CopySource::Recommend(Box::new(self.recommend()?))
            } else if self.is_any(&["select", "with", "values"])
                || self.peek().token == Token::LParen
            {
                CopySource::Query(self.query()?)
            } else {
                return Err(self.expected("SELECT or RECOMMEND"));
            };
            self.expect_token(&Token::RParen)?;
            self.expect("to")?;
            return self.copy_to(source);
        }
        let table = self.name("a table name")?;
        let columns = self.columns()?;
        match self.expect_one_of(&["from", "to"])? {
            "to" => self.copy_to(CopySource::Table { table, columns }),
            _ => {
                let from = self.endpoint("stdin")?;
                let options = self.copy_options()?;
                Ok(StatementKind::CopyFrom(CopyFrom { table, columns, from, options }))
            }
        }
    }

    fn copy_to(&mut self, source: CopySource) -> Result<StatementKind> {
        let to = self.endpoint("stdout")?;
        let options = self.copy_options()?;
        Ok(StatementKind::CopyTo(CopyTo { source, to, options }))
    }

    /// A file, or the client's own end.
    fn endpoint(&mut self, client: &'static str) -> Result<Endpoint> {
        if self.accept(client) {
            return Ok(Endpoint::Client(self.last()));
        }
        if self.is_any(&["stdin", "stdout", "program"]) {
            let what = "COPY reads files or STDIN, and writes files or STDOUT";
            return Err(Error::new(&codes::CLAUSE_UNSUPPORTED, what)
                .at(self.here())
                .hint("write the path of a file in quotes"));
        }
        self.operand().map(Endpoint::File)
    }

    /// `[WITH] (name value, …)`, or the older `[WITH] CSV HEADER DELIMITER ';' NULL ''`.
    fn copy_options(&mut self) -> Result<WithOptions> {
        let start = self.here();
        let with = self.accept("with");
        if self.peek().token == Token::LParen {
            return self.option_list(start);
        }
        let mut items: Vec<WithOption> = Vec::new();
        let option = |name: &str, span: Span, value: Operand| WithOption {
            name: Name { value: name.to_owned(), quoted: false, span },
            value,
        };
        let word = |kind: Literal, span: Span| Operand { kind: OperandKind::Literal(kind), span };
        loop {
            if self.accept("csv") {
                let span = self.last();
                items.push(option("format", span, word(Literal::Text("csv".to_owned()), span)));
            } else if self.accept("header") {
                let span = self.last();
                items.push(option("header", span, word(Literal::Bool(true), span)));
            } else if self.is_any(&["delimiter", "null", "quote", "escape", "encoding"]) {
                let word = ["delimiter", "null", "quote", "escape", "encoding"];
                let name = self.expect_one_of(&word)?;
                let span = self.last();
                let _ = self.accept("as");
                items.push(option(name, span, self.operand()?));
            } else {
                break;
            }
        }
        if with && items.is_empty() {
            return Err(self.expected("`(`"));
        }
        distinct(items.iter().map(|option| &option.name), "option")?;
        let span = if items.is_empty() { Span::default() } else { self.since(start) };
        Ok(WithOptions { items, span })
    }

    /// `EXPORT DATABASE 'folder'`, `IMPORT DATABASE 'folder'`, `BACKUP DATABASE TO 'folder'`
    pub(super) fn database(&mut self, word: &str) -> Result<StatementKind> {
        self.sql.advance_token();
        self.expect("database")?;
        let _ = match word {
            "IMPORT" => self.accept("from"),
            "EXPORT" => self.accept("to"),
            _ => self.expect("to").map(|_| true)?,
        };
        let folder = Folder { path: self.operand()?, options: self.with_options()? };
        Ok(match word {
            "EXPORT" => StatementKind::Export(folder),
            "IMPORT" => StatementKind::Import(folder),
            _ => StatementKind::Backup(folder),
        })
    }

    /// `INSERT INTO table [(column, …)] rows [ON CONFLICT …] [RETURNING …]`
    pub(super) fn insert(&mut self) -> Result<StatementKind> {
        self.expect("insert")?;
        self.expect("into")?;
        let table = self.name("a table name")?;
        let columns = self.columns()?;
        let source = if self.accept("values") {
            InsertSource::Values(self.list(|cursor| cursor.parenthesised(Cursor::expr))?)
        } else if self.accept_both("default", "values") {
            InsertSource::Defaults
        } else if self.is_any(&["select", "with"]) || self.peek().token == Token::LParen {
            InsertSource::Query(self.query()?)
        } else {
            let words = ["VALUES", "SELECT", "DEFAULT VALUES"];
            return Err(self.expected("VALUES or SELECT").suggest(self.near(&words)));
        };
        let on_conflict = self.on_conflict()?;
        let returning = self.returning()?;
        Ok(StatementKind::Insert(Insert { table, columns, source, on_conflict, returning }))
    }

    /// `ON CONFLICT [(column, …)] DO NOTHING | DO UPDATE SET … [WHERE …]`
    fn on_conflict(&mut self) -> Result<Option<OnConflict>> {
        let start = self.here();
        if !self.accept("on") {
            return Ok(None);
        }
        self.expect("conflict")?;
        let target = self.columns()?.unwrap_or_default();
        self.expect("do")?;
        let action = match self.expect_one_of(&["nothing", "update"])? {
            "nothing" => ConflictAction::Nothing,
            _ => {
                self.expect("set")?;
                ConflictAction::Update { assignments: self.assignments()?, filter: self.filter()? }
            }
        };
        Ok(Some(OnConflict { target, action, span: self.since(start) }))
    }

    /// `column = expr, …`; no column twice.
    fn assignments(&mut self) -> Result<Vec<Assignment>> {
        let assignments = self.list(|cursor| {
            let column = cursor.name("a column name")?;
            cursor.expect_token(&Token::Eq)?;
            Ok(Assignment { column, value: cursor.expr()? })
        })?;
        distinct(assignments.iter().map(|assignment| &assignment.column), "column")?;
        Ok(assignments)
    }

    /// `[AS] alias`, unless one of `clauses` comes.
    fn alias(&mut self, clauses: &[&'static str]) -> Result<Option<Name>> {
        if self.accept("as") {
            return self.name("an alias").map(Some);
        }
        let is_alias = matches!(&self.peek().token, Token::Word(_))
            && !self.is_any(clauses)
            && self.near(clauses).is_none();
        if is_alias { self.name("an alias").map(Some) } else { Ok(None) }
    }

    /// `UPDATE table [AS alias] SET … [WHERE …] [RETURNING …]`
    pub(super) fn update(&mut self) -> Result<StatementKind> {
        self.expect("update")?;
        let table = self.name("a table name")?;
        let alias = self.alias(&["set"])?;
        self.expect("set")?;
        let assignments = self.assignments()?;
        self.one_table("from", "UPDATE")?;
        let filter = self.filter()?;
        let returning = self.returning()?;
        Ok(StatementKind::Update(Update { table, alias, assignments, filter, returning }))
    }

    /// `DELETE FROM table [AS alias] [WHERE …] [RETURNING …] [WITH (…)]`
    pub(super) fn delete(&mut self) -> Result<StatementKind> {
        self.expect("delete")?;
        self.expect("from")?;
        let table = self.name("a table name")?;
        let alias = self.alias(&["where", "returning", "using", "with"])?;
        self.one_table("using", "DELETE")?;
        let filter: Option<Expr> = self.filter()?;
        let returning = self.returning()?;
        let options = self.with_options()?;
        if returning.is_none() && self.is("returning") {
            let message = "RETURNING comes before WITH";
            return Err(Error::new(&codes::SYNTAX, message).at(self.here()));
        }
        Ok(StatementKind::Delete(Delete { table, alias, filter, returning, options }))
    }

    /// UPDATE … FROM and DELETE … USING.
    fn one_table(&self, word: &str, statement: &str) -> Result<()> {
        if !self.is(word) {
            return Ok(());
        }
        let message = format!("{statement} … {} is not supported", word.to_ascii_uppercase());
        Err(Error::new(&codes::CLAUSE_UNSUPPORTED, message)
            .at(self.here())
            .hint("write the other table in a subquery: WHERE id IN (SELECT …)"))
    }
}
