//! COPY, whole databases, INSERT, UPDATE and DELETE.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::{Cursor, distinct};
use crate::ast::{
    Assignment, ConflictAction, CopyFrom, CopySource, CopyTo, Delete, Expr, Folder, Insert,
    InsertSource, Name, OnConflict, StatementKind, Update, WithOptions,
};
use crate::codes;
use crate::error::{Error, Result};

impl Cursor<'_> {
    /// `COPY table [(column, …)] FROM | TO 'file' [WITH (…)]`, `COPY (query) TO 'file' [WITH (…)]`
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
                self.no_stream()?;
                let path = self.operand()?;
                let options = self.file_options()?;
                Ok(StatementKind::CopyFrom(CopyFrom { table, columns, path, options }))
            }
        }
    }

    fn copy_to(&mut self, source: CopySource) -> Result<StatementKind> {
        self.no_stream()?;
        let path = self.operand()?;
        let options = self.file_options()?;
        Ok(StatementKind::CopyTo(CopyTo { source, path, options }))
    }

    /// PostgreSQL's streams and programs.
    fn no_stream(&self) -> Result<()> {
        if self.is_any(&["stdin", "stdout", "program"]) {
            return Err(Error::new(&codes::CLAUSE_UNSUPPORTED, "COPY reads and writes files only")
                .at(self.here())
                .hint("write the path of a file in quotes"));
        }
        Ok(())
    }

    fn file_options(&mut self) -> Result<WithOptions> {
        if self.peek().token == Token::LParen {
            return Err(self.expected("WITH"));
        }
        self.with_options()
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
