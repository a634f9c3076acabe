//! Statements that move data: COPY, whole databases, INSERT, UPDATE, DELETE.

use crate::span::Span;

use super::{Expr, Located, Name, Operand, Query, Recommend, SelectItem, WithOptions};

/// The other end of a COPY.
#[derive(Debug, Clone, PartialEq)]
pub enum Endpoint {
    /// A file.
    File(Operand),
    /// `STDIN` or `STDOUT`: the client.
    Client(Span),
}

impl Endpoint {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Endpoint::File(path) => path.span,
            Endpoint::Client(span) => *span,
        }
    }
}

/// `COPY table [(column, …)] FROM 'file' | STDIN [WITH (…)]`
#[derive(Debug, Clone, PartialEq)]
pub struct CopyFrom {
    /// The table filled.
    pub table: Name,
    /// The columns that the file gives, in its order; `None` where the file or the table says so.
    pub columns: Option<Vec<Name>>,
    /// Where the rows come from.
    pub from: Endpoint,
    /// `format`, `ids`, `on_error`, `header`, `delimiter`, `null`, …
    pub options: WithOptions,
}

/// `COPY source TO 'file' | STDOUT [WITH (…)]`
#[derive(Debug, Clone, PartialEq)]
pub struct CopyTo {
    /// What is written.
    pub source: CopySource,
    /// Where the rows go.
    pub to: Endpoint,
    /// `format`, `header`, `delimiter`, …
    pub options: WithOptions,
}

/// What a COPY … TO writes.
#[derive(Debug, Clone, PartialEq)]
pub enum CopySource {
    /// A table, or some of its columns.
    Table {
        /// The table.
        table: Name,
        /// The columns; all if `None`.
        columns: Option<Vec<Name>>,
    },
    /// `(SELECT …)`
    Query(Box<Query>),
    /// `(RECOMMEND …)`
    Recommend(Box<Recommend>),
}

/// The folder of an EXPORT, IMPORT or BACKUP DATABASE.
#[derive(Debug, Clone, PartialEq)]
pub struct Folder {
    /// The folder.
    pub path: Operand,
    /// Options; none are known today.
    pub options: WithOptions,
}

/// `INSERT INTO table [(column, …)] source [ON CONFLICT …] [RETURNING …]`
#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    /// The table.
    pub table: Name,
    /// The columns given; `None` means all of the table's, in order.
    pub columns: Option<Vec<Name>>,
    /// The rows.
    pub source: InsertSource,
    /// What to do when a row of the same key exists.
    pub on_conflict: Option<OnConflict>,
    /// What to return of each written row.
    pub returning: Option<Vec<SelectItem>>,
}

/// Where the rows of an INSERT come from.
#[derive(Debug, Clone, PartialEq)]
pub enum InsertSource {
    /// `VALUES (…), …`; the identifier `DEFAULT` alone stands for the column's default.
    Values(Vec<Located<Vec<Expr>>>),
    /// `SELECT …`
    Query(Box<Query>),
    /// `DEFAULT VALUES`
    Defaults,
}

/// `ON CONFLICT [(column, …)] DO …`
#[derive(Debug, Clone, PartialEq)]
pub struct OnConflict {
    /// The key columns named; empty if none were.
    pub target: Vec<Name>,
    /// What to do.
    pub action: ConflictAction,
    /// Where the clause stands.
    pub span: Span,
}

/// What to do with a row whose key exists.
#[expect(
    clippy::large_enum_variant,
    reason = "one per statement: nothing is gained by another allocation"
)]
#[derive(Debug, Clone, PartialEq)]
pub enum ConflictAction {
    /// `DO NOTHING`
    Nothing,
    /// `DO UPDATE SET … [WHERE …]`; the row offered is called `excluded`.
    Update {
        /// The assignments.
        assignments: Vec<Assignment>,
        /// Which existing rows are updated; all if `None`.
        filter: Option<Expr>,
    },
}

/// `column = expr`
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// The column.
    pub column: Name,
    /// Its new value.
    pub value: Expr,
}

/// `UPDATE table [AS alias] SET … [WHERE …] [RETURNING …]`
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The table.
    pub table: Name,
    /// Its name inside the statement.
    pub alias: Option<Name>,
    /// The assignments, at least one, columns distinct.
    pub assignments: Vec<Assignment>,
    /// Which rows; all if `None`.
    pub filter: Option<Expr>,
    /// What to return of each updated row.
    pub returning: Option<Vec<SelectItem>>,
}

/// `DELETE FROM table [AS alias] [WHERE …] [RETURNING …] [WITH (…)]`
#[derive(Debug, Clone, PartialEq)]
pub struct Delete {
    /// The table.
    pub table: Name,
    /// Its name inside the statement.
    pub alias: Option<Name>,
    /// Which rows; all if `None`.
    pub filter: Option<Expr>,
    /// What to return of each deleted row.
    pub returning: Option<Vec<SelectItem>>,
    /// `confirm`
    pub options: WithOptions,
}
