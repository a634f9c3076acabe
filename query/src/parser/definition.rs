//! CREATE, ALTER, DROP, SHOW and DESCRIBE.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use crate::ast::{
    AlterAction, AlterTable, CreateIndex, CreateModel, Drop, Existing, IndexColumn, ObjectKind,
    Show, StatementKind, TrainingTable,
};
use crate::codes;
use crate::error::{Error, Result};

/// What can be created and dropped.
const OBJECTS: [&str; 4] = ["TABLE", "MODEL", "INDEX", "EMBEDDING"];

/// What other databases can create, alter, drop and show.
const FOREIGN: [&str; 24] = [
    "VIEW",
    "MATERIALIZED",
    "SCHEMA",
    "DATABASE",
    "FUNCTION",
    "PROCEDURE",
    "TRIGGER",
    "SEQUENCE",
    "TYPE",
    "DOMAIN",
    "EXTENSION",
    "ROLE",
    "USER",
    "POLICY",
    "TEMP",
    "TEMPORARY",
    "UNLOGGED",
    "EXTERNAL",
    "VIRTUAL",
    "UNIQUE",
    "AGGREGATE",
    "OPERATOR",
    "SERVER",
    "MACRO",
];

/// What SHOW can show.
const SHOWN: &[&str] =
    &["tables", "models", "indexes", "graphs", "embeddings", "forgets", "training"];

impl Cursor<'_> {
    /// `CREATE [OR REPLACE] TABLE | MODEL | INDEX | EMBEDDING …`
    pub(super) fn create(&mut self) -> Result<StatementKind> {
        self.expect("create")?;
        let replace = self.here();
        let mut existing = Existing::Refuse;
        if self.accept_both("or", "replace") {
            existing = Existing::Replace;
        }
        let kind = self.object("CREATE")?;
        let computed = [ObjectKind::Model, ObjectKind::Embedding, ObjectKind::Index];
        if existing == Existing::Replace && !computed.contains(&kind) {
            return Err(Error::new(
                &codes::CLAUSE_UNSUPPORTED,
                "OR REPLACE is for models, embeddings and indexes: a table holds data that cannot be computed \
                 again",
            )
            .at(replace));
        }
        if self.is("if") {
            let start = self.here();
            self.words(&["if", "not", "exists"])?;
            if existing == Existing::Replace {
                let message = "OR REPLACE and IF NOT EXISTS exclude each other";
                return Err(Error::new(&codes::SYNTAX, message).at(self.since(start)));
            }
            existing = Existing::Keep;
        }
        match kind {
            ObjectKind::Table => self.create_table(existing),
            ObjectKind::Model => self.create_model(existing),
            ObjectKind::Index => self.create_index(existing),
            ObjectKind::Embedding => self.create_embedding(existing),
        }
    }

    /// TABLE, MODEL, INDEX or EMBEDDING.
    fn object(&mut self, verb: &str) -> Result<ObjectKind> {
        let kinds =
            [ObjectKind::Table, ObjectKind::Model, ObjectKind::Index, ObjectKind::Embedding];
        if let Some(at) = OBJECTS.iter().position(|word| self.is(word)) {
            self.sql.advance_token();
            return Ok(kinds[at]);
        }
        if let Some(word) = FOREIGN.iter().find(|word| self.is(word)) {
            let message = format!("{verb} {word} is not supported");
            return Err(Error::new(&codes::STATEMENT_UNSUPPORTED, message).at(self.here()));
        }
        Err(self.expected("TABLE, MODEL, INDEX or EMBEDDING").suggest(self.near(&OBJECTS)))
    }

    /// All these words, in this order.
    pub(super) fn words(&mut self, words: &[&'static str]) -> Result<()> {
        words.iter().try_for_each(|word| self.expect(word).map(|_| ()))
    }

    /// `[USING algorithm] ON table [WEIGHT expr] [WHERE expr] [, …] [WITH (…)]`, after `CREATE MODEL`
    fn create_model(&mut self, existing: Existing) -> Result<StatementKind> {
        let name = self.name("a model name")?;
        let algorithm = if self.accept("using") { Some(self.name("an algorithm")?) } else { None };
        self.expect_one_of(if algorithm.is_some() { &["on"] } else { &["using", "on"] })?;
        let tables = self.list(|cursor| {
            let table = cursor.name("an interaction table")?;
            let weight = if cursor.accept("weight") { Some(cursor.expr()?) } else { None };
            Ok(TrainingTable { table, weight, filter: cursor.filter()? })
        })?;
        let options = self.with_options()?;
        Ok(StatementKind::CreateModel(CreateModel { name, existing, algorithm, tables, options }))
    }

    /// `name ON table [USING method] (column [class], …) [WITH (…)]`, after `CREATE INDEX`
    fn create_index(&mut self, existing: Existing) -> Result<StatementKind> {
        let name = self.name("an index name")?;
        self.expect("on")?;
        let table = self.name("a table or model name")?;
        let method = if self.accept("using") { Some(self.name("an index method")?) } else { None };
        let columns = self
            .parenthesised(|cursor| {
                let column = cursor.name("a column name")?;
                let class = match cursor.peek().token {
                    Token::Word(_) => Some(cursor.name("an operator class")?),
                    _ => None,
                };
                Ok(IndexColumn { column, class })
            })?
            .node;
        let options = self.with_options()?;
        Ok(StatementKind::CreateIndex(CreateIndex {
            name,
            existing,
            table,
            method,
            columns,
            options,
        }))
    }

    /// `ALTER TABLE [IF EXISTS] name action`
    pub(super) fn alter(&mut self) -> Result<StatementKind> {
        self.expect("alter")?;
        let place = self.here();
        match self.object("ALTER")? {
            ObjectKind::Table => {}
            kind => {
                let (word, hint) = match kind {
                    ObjectKind::Model => ("MODEL", "write CREATE OR REPLACE MODEL"),
                    ObjectKind::Embedding => ("EMBEDDING", "write CREATE OR REPLACE EMBEDDING"),
                    _ => ("INDEX", "drop the index and create it again"),
                };
                let message = format!("ALTER {word} is not supported");
                return Err(Error::new(&codes::STATEMENT_UNSUPPORTED, message)
                    .at(place)
                    .hint(hint));
            }
        }
        let if_exists = self.if_exists()?;
        let name = self.name("a table name")?;
        let action = self.alter_action()?;
        if self.peek().token == Token::Comma {
            return Err(Error::new(
                &codes::CLAUSE_UNSUPPORTED,
                "ALTER TABLE makes one change at a time",
            )
            .at(self.here()));
        }
        Ok(StatementKind::AlterTable(AlterTable { name, if_exists, action }))
    }

    fn alter_action(&mut self) -> Result<AlterAction> {
        if self.is("alter") || self.is("set") || self.is("owner") {
            return Err(Error::new(
                &codes::CLAUSE_UNSUPPORTED,
                "the type and the constraints of a column cannot be changed",
            )
            .at(self.here())
            .hint("add a column, copy the values with UPDATE, drop the old one"));
        }
        match self.expect_one_of(&["add", "drop", "rename"])? {
            "add" => {
                let _ = self.accept("column");
                let if_not_exists = self.is("if");
                if if_not_exists {
                    self.words(&["if", "not", "exists"])?;
                }
                let column = Box::new(self.column_to_add()?);
                Ok(AlterAction::AddColumn { if_not_exists, column })
            }
            "drop" => {
                let _ = self.accept("column");
                let if_exists = self.if_exists()?;
                Ok(AlterAction::DropColumn { if_exists, column: self.name("a column name")? })
            }
            _ => {
                if self.accept("to") {
                    return Ok(AlterAction::RenameTable { to: self.name("a table name")? });
                }
                let _ = self.accept("column");
                let from = self.name("a column name")?;
                self.expect("to")?;
                Ok(AlterAction::RenameColumn { from, to: self.name("a column name")? })
            }
        }
    }

    /// `IF EXISTS`, if there.
    fn if_exists(&mut self) -> Result<bool> {
        let found = self.accept("if");
        if found {
            self.expect("exists")?;
        }
        Ok(found)
    }

    /// `DROP TABLE | MODEL | INDEX [IF EXISTS] name`, `DROP EMBEDDING [IF EXISTS] name ON table`
    pub(super) fn drop_object(&mut self) -> Result<StatementKind> {
        self.expect("drop")?;
        let kind = self.object("DROP")?;
        let if_exists = self.if_exists()?;
        let name = self.name(match kind {
            ObjectKind::Table => "a table name",
            ObjectKind::Model => "a model name",
            ObjectKind::Index => "an index name",
            ObjectKind::Embedding => "an embedding name",
        })?;
        let table = match kind {
            ObjectKind::Embedding => {
                self.expect("on")?;
                Some(self.name("a table name")?)
            }
            ObjectKind::Table | ObjectKind::Model | ObjectKind::Index => None,
        };
        if self.is("cascade") {
            return Err(Error::new(&codes::CLAUSE_UNSUPPORTED, "DROP … CASCADE is not supported")
                .at(self.here())
                .hint("drop what depends on it first; the error of a plain DROP names it"));
        }
        let _ = self.accept("restrict");
        if self.peek().token == Token::Comma {
            let message = "DROP drops one thing at a time";
            return Err(Error::new(&codes::CLAUSE_UNSUPPORTED, message).at(self.here()));
        }
        Ok(StatementKind::Drop(Drop { kind, if_exists, name, table }))
    }

    /// `SHOW TABLES | MODELS | EMBEDDINGS | INDEXES | GRAPHS | FORGETS | TRAINING model`
    pub(super) fn show(&mut self) -> Result<StatementKind> {
        self.expect("show")?;
        let foreign =
            ["COLUMNS", "DATABASES", "SCHEMAS", "CREATE", "FUNCTIONS", "VARIABLES", "ALL"];
        if let Some(word) = foreign.iter().find(|word| self.is(word)) {
            let message = format!("SHOW {word} is not supported");
            let error = Error::new(&codes::STATEMENT_UNSUPPORTED, message).at(self.here());
            return Err(match *word {
                "COLUMNS" | "CREATE" => error.hint("DESCRIBE table shows a table's definition"),
                _ => error,
            });
        }
        Ok(StatementKind::Show(match self.expect_one_of(SHOWN)? {
            "tables" => Show::Tables,
            "models" => Show::Models,
            "indexes" => Show::Indexes,
            "graphs" => Show::Graphs,
            "embeddings" => Show::Embeddings,
            "forgets" => Show::Forgets,
            _ => Show::Training(self.name("a model name")?),
        }))
    }

    /// `DESCRIBE name`
    pub(super) fn describe(&mut self) -> Result<StatementKind> {
        self.sql.advance_token();
        // `table` cannot be a name, so PostgreSQL's `DESCRIBE TABLE t` is not ambiguous.
        let _ = self.accept("table");
        self.name("a table or model name").map(StatementKind::Describe)
    }
}
