//! The statements of the language as data: what was written, not yet what it means.
//!
//! Expressions and whole queries are sqlparser's, so that there is one expression language; the
//! rest is ours. Nothing here looks a name up. Invariant: every node that can later turn out to be
//! wrong (a name, a value, an option, an unsupported clause) knows its place in the text.

mod data;
mod definition;
mod display;
mod recommend;
mod training;

use std::fmt;

pub use datafusion::sql::sqlparser::ast::{Expr, OrderByExpr, Query, SelectItem};

pub use self::data::{
    Assignment, ConflictAction, CopyFrom, CopySource, CopyTo, Delete, Endpoint, Folder, Insert,
    InsertSource, OnConflict, Update,
};
pub use self::definition::{
    AlterAction, AlterTable, ColumnDef, CreateEmbedding, CreateIndex, CreateModel, CreateTable,
    DataType, Drop, Element, Existing, IndexColumn, ObjectKind, PrimaryKey, References,
    RefreshEmbedding, Show, TrainingTable, TypeName,
};
pub use self::recommend::{
    Context, Diversify, Events, Explore, LimitBy, NamedValue, Rate, Recommend, Source,
};
pub use self::training::{Evaluate, EvaluateForgetting, Forgotten, Metric, TrainModel};
use crate::span::Span;

/// One statement and the stretch of text it was read from (without its semicolon).
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// What it asks for.
    pub kind: StatementKind,
    /// Where it stands.
    pub span: Span,
    /// The highest parameter number used; 0 if none is.
    pub params: u32,
}

/// What a statement asks for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum StatementKind {
    /// `CREATE TABLE`
    CreateTable(CreateTable),
    /// `CREATE INDEX`
    CreateIndex(CreateIndex),
    /// `CREATE MODEL`
    CreateModel(CreateModel),
    /// `CREATE EMBEDDING`
    CreateEmbedding(CreateEmbedding),
    /// `REFRESH EMBEDDING`
    RefreshEmbedding(RefreshEmbedding),
    /// `REFRESH INDEX name`
    RefreshIndex(Name),
    /// `ALTER TABLE`
    AlterTable(AlterTable),
    /// `DROP TABLE | MODEL | INDEX | EMBEDDING`
    Drop(Drop),
    /// `SHOW …`
    Show(Show),
    /// `DESCRIBE table`
    Describe(Name),
    /// `COPY … FROM`
    CopyFrom(CopyFrom),
    /// `COPY … TO`
    CopyTo(CopyTo),
    /// `EXPORT DATABASE 'folder'`
    Export(Folder),
    /// `IMPORT DATABASE 'folder'`
    Import(Folder),
    /// `BACKUP DATABASE TO 'folder'`
    Backup(Folder),
    /// `INSERT`
    Insert(Insert),
    /// `UPDATE`
    Update(Update),
    /// `DELETE`
    Delete(Delete),
    /// `BEGIN`, `START TRANSACTION`
    Begin(Isolation),
    /// `COMMIT`, `END`
    Commit,
    /// `ROLLBACK`, `ABORT`
    Rollback,
    /// `TRAIN MODEL`
    TrainModel(TrainModel),
    /// `REFRESH MODEL`
    RefreshModel(TrainModel),
    /// `EXPLAIN TRAIN MODEL`: what training would take, without training
    ExplainTrain(TrainModel),
    /// `EVALUATE`
    Evaluate(Evaluate),
    /// `EVALUATE FORGETTING`
    EvaluateForgetting(EvaluateForgetting),
    /// `RECOMMEND`
    Recommend(Box<Recommend>),
    /// `EXPLAIN [ANALYZE]` of a `RECOMMEND` or a query
    Explain {
        /// Whether to run it and report what it did.
        analyze: bool,
        /// The statement explained: a [`StatementKind::Recommend`] or a [`StatementKind::Query`].
        statement: Box<Statement>,
    },
    /// `VERIFY FORGET 'f_…'`
    VerifyForget(Operand),
    /// `VACUUM`
    Vacuum,
    /// `SELECT`, `WITH`, `VALUES`
    Query(Box<Query>),
}

impl StatementKind {
    /// The statement's name in capitals, as tags and messages say it.
    pub fn name(&self) -> &'static str {
        match self {
            StatementKind::CreateTable(_) => "CREATE TABLE",
            StatementKind::CreateIndex(_) => "CREATE INDEX",
            StatementKind::CreateModel(_) => "CREATE MODEL",
            StatementKind::CreateEmbedding(_) => "CREATE EMBEDDING",
            StatementKind::RefreshEmbedding(_) => "REFRESH EMBEDDING",
            StatementKind::RefreshIndex(_) => "REFRESH INDEX",
            StatementKind::AlterTable(_) => "ALTER TABLE",
            StatementKind::Drop(drop) => match drop.kind {
                ObjectKind::Table => "DROP TABLE",
                ObjectKind::Model => "DROP MODEL",
                ObjectKind::Index => "DROP INDEX",
                ObjectKind::Embedding => "DROP EMBEDDING",
            },
            StatementKind::Show(_) => "SHOW",
            StatementKind::Describe(_) => "DESCRIBE",
            StatementKind::CopyFrom(_) | StatementKind::CopyTo(_) => "COPY",
            StatementKind::Export(_) => "EXPORT DATABASE",
            StatementKind::Import(_) => "IMPORT DATABASE",
            StatementKind::Backup(_) => "BACKUP DATABASE",
            StatementKind::Insert(_) => "INSERT",
            StatementKind::Update(_) => "UPDATE",
            StatementKind::Delete(_) => "DELETE",
            StatementKind::Begin(_) => "BEGIN",
            StatementKind::Commit => "COMMIT",
            StatementKind::Rollback => "ROLLBACK",
            StatementKind::TrainModel(_) => "TRAIN MODEL",
            StatementKind::RefreshModel(_) => "REFRESH MODEL",
            StatementKind::ExplainTrain(_) | StatementKind::Explain { .. } => "EXPLAIN",
            StatementKind::Evaluate(_) | StatementKind::EvaluateForgetting(_) => "EVALUATE",
            StatementKind::Recommend(_) => "RECOMMEND",
            StatementKind::VerifyForget(_) => "VERIFY FORGET",
            StatementKind::Vacuum => "VACUUM",
            StatementKind::Query(_) => "SELECT",
        }
    }
}

/// What a transaction sees of others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Isolation {
    /// Not said: what the session takes by default.
    #[default]
    Default,
    /// `READ COMMITTED`: it writes from its first write on; until then each statement reads what is
    /// committed by then, and others may write.
    ReadCommitted,
    /// `SERIALIZABLE`, `REPEATABLE READ`: it is the one writer from its beginning on.
    Serializable,
}

/// The name of a table, column, model, index, algorithm or option.
///
/// A name without quotes is folded to lower case, as in PostgreSQL; `"Quoted"` is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name, folded.
    pub value: String,
    /// Whether it was written in double quotes.
    pub quoted: bool,
    /// Where it stands.
    pub span: Span,
}

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.value
    }
}

/// The name itself, without quotes, as messages show it.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.value)
    }
}

/// A constant as written.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `NULL`
    Null,
    /// `TRUE`, `FALSE`
    Bool(bool),
    /// A whole number that fits 64 bits.
    Int(i64),
    /// A number with a point or an exponent, or too large for [`Literal::Int`].
    Real(f64),
    /// `'text'`
    Text(String),
}

/// Where one value stands: a constant, a parameter, or an expression that must be constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Operand {
    /// What was written.
    pub kind: OperandKind,
    /// Where it stands.
    pub span: Span,
}

/// What was written where a value stands.
#[derive(Debug, Clone, PartialEq)]
pub enum OperandKind {
    /// A constant; the common case, which needs no expression evaluation.
    Literal(Literal),
    /// `$n`, from 1.
    Param(u32),
    /// Anything else.
    Expr(Box<Expr>),
}

impl Operand {
    /// The constant, if it is one.
    pub fn literal(&self) -> Option<&Literal> {
        match &self.kind {
            OperandKind::Literal(literal) => Some(literal),
            OperandKind::Param(_) | OperandKind::Expr(_) => None,
        }
    }

    /// The constant text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self.literal() {
            Some(Literal::Text(text)) => Some(text),
            _ => None,
        }
    }
}

/// A clause and where it stands, from its first keyword on.
#[derive(Debug, Clone, PartialEq)]
pub struct Located<T> {
    /// The clause.
    pub node: T,
    /// Where it stands.
    pub span: Span,
}

/// The options of a `WITH (name = value, …)`, in the order written, each name once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WithOptions {
    /// The options.
    pub items: Vec<WithOption>,
    /// Where the clause stands; unknown if there is none.
    pub span: Span,
}

/// One `name = value`.
#[derive(Debug, Clone, PartialEq)]
pub struct WithOption {
    /// The option's name.
    pub name: Name,
    /// Its value. A word without quotes is text: `format = csv` is `format = 'csv'`. A name alone
    /// means TRUE.
    pub value: Operand,
}

impl WithOptions {
    /// The option called `name` (lower case), if given.
    pub fn get(&self, name: &str) -> Option<&WithOption> {
        self.items.iter().find(|option| option.name.value == name)
    }

    /// Whether no option was given.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}
