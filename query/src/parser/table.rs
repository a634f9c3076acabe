//! CREATE TABLE: columns, types and keys.
//!
//! A key or a reference may be written at its column or at the table; the syntax tree holds each
//! once. Constraints that the database would not enforce are refused, never ignored.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::{Cursor, distinct};
use crate::ast::{
    ColumnDef, CreateTable, DataType, Element, Existing, Name, PrimaryKey, References,
    StatementKind, TypeName,
};
use crate::codes;
use crate::error::{Error, Result};
use crate::span::Span;
use crate::suggest;

/// The types, as messages list them.
const TYPES: &str = "BOOL, INT, BIGINT, REAL, DOUBLE, TEXT, DATE, TIMESTAMP, TEXT[], VECTOR(n), \
                     HALFVEC(n)";

/// The largest dimension of a vector.
const MAX_DIMENSION: u32 = 65_535;

/// A table's definition while it is read.
#[derive(Default)]
struct Draft {
    columns: Vec<ColumnDef>,
    primary_key: Option<PrimaryKey>,
    /// Table-level foreign keys: the column and what it refers to.
    foreign_keys: Vec<(Name, References)>,
}

impl Cursor<'_> {
    /// `name (…) [WITH (…)]`, after `CREATE TABLE [IF NOT EXISTS]`
    pub(super) fn create_table(&mut self, existing: Existing) -> Result<StatementKind> {
        let name = self.name("a table name")?;
        if self.is("as") {
            return Err(Error::new(
                &codes::CLAUSE_UNSUPPORTED,
                "CREATE TABLE … AS is not supported",
            )
            .at(self.here())
            .hint("create the table, then INSERT INTO it SELECT …"));
        }
        let mut draft = Draft::default();
        self.expect_token(&Token::LParen)?;
        loop {
            self.table_element(&mut draft)?;
            if !self.accept_token(&Token::Comma) {
                break;
            }
        }
        self.close()?;
        let options = self.with_options()?;
        let Draft { mut columns, primary_key, foreign_keys } = draft;
        distinct(columns.iter().map(|column| &column.name), "column")?;
        for (name, references) in foreign_keys {
            let column = own_column(&columns, &name)?;
            if columns[column].references.is_some() {
                return Err(twice("REFERENCES", name.span));
            }
            columns[column].references = Some(references);
        }
        if let Some(key) = &primary_key {
            distinct(key.columns.iter(), "column")?;
            for name in &key.columns {
                own_column(&columns, name)?;
            }
        }
        Ok(StatementKind::CreateTable(CreateTable {
            name,
            existing,
            columns,
            primary_key,
            options,
        }))
    }

    /// A column or a table constraint.
    fn table_element(&mut self, draft: &mut Draft) -> Result<()> {
        if self.accept("constraint") {
            self.name("a constraint name")?;
        }
        let start = self.here();
        if self.accept_both("primary", "key") {
            let columns = self.parenthesised(|cursor| cursor.name("a column name"))?.node;
            return draft.set_key(PrimaryKey { columns, span: self.since(start) });
        }
        if self.accept_both("foreign", "key") {
            let columns = self.parenthesised(|cursor| cursor.name("a column name"))?;
            let [column] = columns.node.as_slice() else {
                return Err(Error::new(
                    &codes::FEATURE_UNSUPPORTED,
                    "a FOREIGN KEY has one column",
                )
                .at(columns.span));
            };
            self.expect("references")?;
            let references = self.references()?;
            draft.foreign_keys.push((column.clone(), references));
            return Ok(());
        }
        self.refuse_constraint()?;
        let (column, key) = self.column()?;
        if let Some(span) = key {
            draft.set_key(PrimaryKey { columns: vec![column.name.clone()], span })?;
        }
        draft.columns.push(column);
        Ok(())
    }

    /// UNIQUE (…), CHECK (…) and EXCLUDE (…) at the table, which would not be enforced.
    fn refuse_constraint(&self) -> Result<()> {
        let words = ["UNIQUE", "CHECK", "EXCLUDE"];
        match words.iter().find(|word| self.is(word)) {
            // A column may be called so; then its type follows.
            Some(word) if self.peek_nth(1).token == Token::LParen => {
                Err(unsupported_constraint(word, self.here()))
            }
            _ => Ok(()),
        }
    }

    /// The column of ALTER TABLE … ADD COLUMN.
    pub(super) fn column_to_add(&mut self) -> Result<ColumnDef> {
        let (column, key) = self.column()?;
        match key {
            None => Ok(column),
            Some(span) => {
                let message = "a column that is added cannot be the primary key";
                Err(Error::new(&codes::CLAUSE_UNSUPPORTED, message).at(span))
            }
        }
    }

    /// `name type constraint …`, and where PRIMARY KEY stands, if it does.
    fn column(&mut self) -> Result<(ColumnDef, Option<Span>)> {
        let name = self.name("a column name")?;
        let ty = self.type_name()?;
        let mut column = ColumnDef { name, ty, not_null: false, default: None, references: None };
        let mut nullable = false;
        let mut key = None;
        loop {
            let start = self.here();
            if self.accept_both("not", "null") {
                column.not_null = true;
            } else if self.accept("null") {
                nullable = true;
            } else if self.accept("default") {
                if column.default.is_some() {
                    return Err(twice("DEFAULT", start));
                }
                column.default = Some(self.expr()?);
            } else if self.accept_both("primary", "key") {
                if key.is_some() {
                    return Err(twice("PRIMARY KEY", start));
                }
                key = Some(self.since(start));
            } else if self.accept("references") {
                if column.references.is_some() {
                    return Err(twice("REFERENCES", start));
                }
                column.references = Some(self.references()?);
            } else if self.accept("constraint") {
                self.name("a constraint name")?;
            } else if self.is_any(&["unique", "check", "generated", "collate"]) {
                let word = self.peek().token.to_string().to_ascii_uppercase();
                return Err(unsupported_constraint(&word, start));
            } else if matches!(
                self.peek().token,
                Token::Comma | Token::RParen | Token::SemiColon | Token::EOF
            ) || self.is("with")
            {
                break;
            } else {
                let words = ["NOT", "NULL", "DEFAULT", "PRIMARY", "REFERENCES"];
                return Err(self
                    .expected("`,`, `)`, NOT NULL, DEFAULT, PRIMARY KEY or REFERENCES")
                    .suggest(self.near(&words)));
            }
            if nullable && (column.not_null || key.is_some()) {
                let message = format!("column `{}` is both NULL and NOT NULL", column.name);
                return Err(Error::new(&codes::INVALID_DEFINITION, message).at(start));
            }
        }
        Ok((column, key))
    }

    /// `table [(column)] [ON DELETE CASCADE]`, after `REFERENCES`
    fn references(&mut self) -> Result<References> {
        let table = self.name("a table name")?;
        let mut column = None;
        if self.accept_token(&Token::LParen) {
            column = Some(self.name("a column name")?);
            self.close()?;
        }
        while self.is("on") && (self.nth_is(1, "delete") || self.nth_is(1, "update")) {
            let start = self.here();
            // Deleting a user or an item deletes its interactions: CASCADE is what happens.
            if self.nth_is(1, "delete") && self.nth_is(2, "cascade") {
                self.words(&["on", "delete", "cascade"])?;
                continue;
            }
            let message = "interactions always go with their user and item: ON DELETE CASCADE";
            return Err(Error::new(&codes::CLAUSE_UNSUPPORTED, message).at(start));
        }
        Ok(References { table, column })
    }

    /// A column type.
    fn type_name(&mut self) -> Result<TypeName> {
        let start = self.here();
        let word = match &self.peek().token {
            Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_lowercase(),
            _ => return Err(self.expected("a type").hint(format!("types are {TYPES}"))),
        };
        self.sql.advance_token();
        let mut ty = match word.as_str() {
            "bool" | "boolean" => DataType::Bool,
            "int" | "integer" | "int4" => DataType::Int,
            "bigint" | "int8" => DataType::BigInt,
            "real" | "float4" => DataType::Real,
            "double" => {
                let _ = self.accept("precision");
                DataType::Double
            }
            "float8" => DataType::Double,
            "text" | "varchar" => DataType::Text,
            "date" => DataType::Date,
            "timestamptz" => DataType::Timestamp,
            "timestamp" => {
                if self.is("with") && self.nth_is(1, "time") {
                    self.words(&["with", "time", "zone"])?;
                } else if self.is("without") {
                    self.words(&["without", "time", "zone"])?;
                }
                DataType::Timestamp
            }
            "vector" => DataType::Vector { dim: self.dimension()?, element: Element::F32 },
            "halfvec" => DataType::Vector { dim: self.dimension()?, element: Element::F16 },
            other => return Err(unknown_type(other, start)),
        };
        if self.accept_token(&Token::LBracket) {
            if !self.accept_token(&Token::RBracket) {
                return Err(self.expected("`]`"));
            }
            if ty != DataType::Text {
                let message = "the only list type is TEXT[]";
                return Err(Error::new(&codes::FEATURE_UNSUPPORTED, message)
                    .at(self.since(start))
                    .hint("a list of numbers of fixed length is a VECTOR(n)"));
            }
            ty = DataType::TextList;
        }
        if self.peek().token == Token::LParen {
            let message = format!("{} takes no length", word.to_ascii_uppercase());
            return Err(Error::new(&codes::FEATURE_UNSUPPORTED, message)
                .at(self.here())
                .hint("lengths and precisions are not limited: leave it out"));
        }
        Ok(TypeName { ty, span: self.since(start) })
    }

    /// `(n)`
    fn dimension(&mut self) -> Result<u32> {
        if self.peek().token != Token::LParen {
            return Err(self
                .expected("`(` and the number of components")
                .hint("write VECTOR(384)"));
        }
        self.expect_token(&Token::LParen)?;
        let here = self.here();
        let dimension = match &self.peek().token {
            Token::Number(digits, _) => digits.parse::<u32>().ok(),
            _ => None,
        };
        match dimension {
            Some(dimension @ 1..=MAX_DIMENSION) => {
                self.sql.advance_token();
                self.close()?;
                Ok(dimension)
            }
            _ => Err(Error::new(
                &codes::INVALID_DEFINITION,
                format!("a vector has 1 to {MAX_DIMENSION} components"),
            )
            .at(here)),
        }
    }
}

impl Draft {
    fn set_key(&mut self, key: PrimaryKey) -> Result<()> {
        if self.primary_key.is_some() {
            return Err(twice("PRIMARY KEY", key.span)
                .hint("a key of several columns is written once: PRIMARY KEY (a, b)"));
        }
        self.primary_key = Some(key);
        Ok(())
    }
}

fn unsupported_constraint(word: &str, span: Span) -> Error {
    let message = format!("the constraint {word} is not supported");
    let error = Error::new(&codes::CLAUSE_UNSUPPORTED, message).at(span);
    if word == "UNIQUE" { error.hint("a PRIMARY KEY is unique") } else { error }
}

fn twice(what: &str, span: Span) -> Error {
    Error::new(&codes::GIVEN_TWICE, format!("{what} is given twice")).at(span)
}

/// The position of the column that a constraint names.
fn own_column(columns: &[ColumnDef], name: &Name) -> Result<usize> {
    columns.iter().position(|column| column.name.value == name.value).ok_or_else(|| {
        let known = columns.iter().map(|column| column.name.as_str());
        Error::unknown(&codes::NO_SUCH_COLUMN, "column", name, known)
    })
}

fn unknown_type(word: &str, span: Span) -> Error {
    let known = [
        "bool",
        "boolean",
        "int",
        "integer",
        "bigint",
        "real",
        "double",
        "text",
        "varchar",
        "date",
        "timestamp",
        "timestamptz",
        "vector",
        "halfvec",
    ];
    let instead = match word {
        "smallint" | "tinyint" | "int2" | "serial" => Some("INT"),
        "bigserial" | "uint64" => Some("BIGINT"),
        "float" | "decimal" | "numeric" | "number" | "money" => Some("DOUBLE"),
        "string" | "char" | "character" | "uuid" | "json" | "jsonb" | "clob" => Some("TEXT"),
        "datetime" | "time" => Some("TIMESTAMP"),
        "embedding" | "float32" => Some("VECTOR(n)"),
        "array" | "list" | "set" => Some("TEXT[]"),
        _ => None,
    };
    let upper = word.to_ascii_uppercase();
    let error = Error::new(&codes::FEATURE_UNSUPPORTED, format!("no type {upper}"))
        .at(span)
        .hint(format!("types are {TYPES}"));
    match instead {
        Some(instead) => error.suggest(Some(instead)),
        None => error.suggest(suggest::nearest(word, known)),
    }
}
