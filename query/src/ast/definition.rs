//! Statements that define: tables, indexes, models, and looking at what is defined.

use crate::span::Span;

use super::{Expr, Name, WithOptions};

/// What to do when the object exists already (CREATE).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It is an error.
    Refuse,
    /// `IF NOT EXISTS`: leave it as it is.
    Keep,
    /// `OR REPLACE`: replace it.
    Replace,
}

/// `CREATE TABLE [IF NOT EXISTS] name (…) WITH (role = …)`
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    /// The table's name.
    pub name: Name,
    /// What to do when it exists; never [`Existing::Replace`].
    pub existing: Existing,
    /// The columns, at least one, names distinct.
    pub columns: Vec<ColumnDef>,
    /// The primary key, whether written at a column or at the table.
    pub primary_key: Option<PrimaryKey>,
    /// `role`, `on_unknown`, …
    pub options: WithOptions,
}

/// `PRIMARY KEY (column, …)`
#[derive(Debug, Clone, PartialEq)]
pub struct PrimaryKey {
    /// The key's columns, at least one; each names a column of the table.
    pub columns: Vec<Name>,
    /// Where it stands.
    pub span: Span,
}

/// One column of a CREATE TABLE or ALTER TABLE ADD COLUMN.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDef {
    /// The column's name.
    pub name: Name,
    /// Its type.
    pub ty: TypeName,
    /// `NOT NULL`.
    pub not_null: bool,
    /// `DEFAULT expr`.
    pub default: Option<Expr>,
    /// `REFERENCES table [(column)]`, whether written at the column or as a FOREIGN KEY.
    pub references: Option<References>,
}

/// `REFERENCES table [(column)]`
#[derive(Debug, Clone, PartialEq)]
pub struct References {
    /// The table referred to.
    pub table: Name,
    /// The column named, which can only be that table's key.
    pub column: Option<Name>,
}

/// A type and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeName {
    /// The type.
    pub ty: DataType,
    /// Where it stands.
    pub span: Span,
}

/// A column type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    /// `BOOL`, `BOOLEAN`
    Bool,
    /// `INT`, `INTEGER`
    Int,
    /// `BIGINT`
    BigInt,
    /// `REAL`
    Real,
    /// `DOUBLE [PRECISION]`
    Double,
    /// `TEXT`, `VARCHAR`
    Text,
    /// `DATE`
    Date,
    /// `TIMESTAMP`, `TIMESTAMPTZ`: microseconds, UTC
    Timestamp,
    /// `TEXT[]`
    TextList,
    /// `VECTOR(n)`, `HALFVEC(n)`
    Vector {
        /// The number of components, 1 to 65,535.
        dim: u32,
        /// How a component is stored.
        element: Element,
    },
}

/// How a component of a vector is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// `VECTOR`: 32-bit floats.
    F32,
    /// `HALFVEC`: 16-bit floats.
    F16,
}

/// `CREATE INDEX [IF NOT EXISTS] name ON table [USING method] (column [operator class], …)`
#[derive(Debug, Clone, PartialEq)]
pub struct CreateIndex {
    /// The index's name.
    pub name: Name,
    /// What to do when it exists.
    pub existing: Existing,
    /// The table, or model, that is indexed.
    pub table: Name,
    /// `USING hnsw`.
    pub method: Option<Name>,
    /// What is indexed.
    pub columns: Vec<IndexColumn>,
    /// `m`, `ef_construction`, …
    pub options: WithOptions,
}

/// One column of a CREATE INDEX.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexColumn {
    /// The column.
    pub column: Name,
    /// Its operator class, such as `vector_cosine_ops`.
    pub class: Option<Name>,
}

/// `CREATE [OR REPLACE] EMBEDDING [IF NOT EXISTS] name ON table FROM (column, …) [USING method]
/// [WITH (…)]`
#[derive(Debug, Clone, PartialEq)]
pub struct CreateEmbedding {
    /// The embedding's name, which is that of the vector column it makes.
    pub name: Name,
    /// What to do when it exists.
    pub existing: Existing,
    /// The table of items.
    pub table: Name,
    /// The columns of text, at least one.
    pub sources: Vec<Name>,
    /// How the vectors are made; the default method if not given.
    pub method: Option<Name>,
    /// `dim`, `min_df`, …
    pub options: WithOptions,
}

/// `REFRESH EMBEDDING name ON table`
#[derive(Debug, Clone, PartialEq)]
pub struct RefreshEmbedding {
    /// The embedding.
    pub name: Name,
    /// Its table.
    pub table: Name,
}

/// `table [WEIGHT expr] [WHERE expr]`
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingTable {
    /// The interaction table.
    pub table: Name,
    /// How much one interaction counts, as an expression over its columns; 1 if not given.
    pub weight: Option<Expr>,
    /// Which interactions count; all if not given.
    pub filter: Option<Expr>,
}

/// `CREATE [OR REPLACE] MODEL [IF NOT EXISTS] name [USING algorithm] ON table [WEIGHT expr]
/// [WHERE expr] [, …] [WITH (…)]`
#[derive(Debug, Clone, PartialEq)]
pub struct CreateModel {
    /// The model's name.
    pub name: Name,
    /// What to do when it exists.
    pub existing: Existing,
    /// The algorithm; the default one if not given.
    pub algorithm: Option<Name>,
    /// The interaction tables it learns from, at least one.
    pub tables: Vec<TrainingTable>,
    /// The algorithm's options.
    pub options: WithOptions,
}

/// `ALTER TABLE [IF EXISTS] name action`
#[derive(Debug, Clone, PartialEq)]
pub struct AlterTable {
    /// The table.
    pub name: Name,
    /// Whether a missing table is no error.
    pub if_exists: bool,
    /// The change.
    pub action: AlterAction,
}

/// One change of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum AlterAction {
    /// `ADD [COLUMN] [IF NOT EXISTS] column type …`
    AddColumn {
        /// Whether an existing column is no error.
        if_not_exists: bool,
        /// The new column.
        column: Box<ColumnDef>,
    },
    /// `DROP [COLUMN] [IF EXISTS] column`
    DropColumn {
        /// Whether a missing column is no error.
        if_exists: bool,
        /// The column.
        column: Name,
    },
    /// `RENAME [COLUMN] from TO to`
    RenameColumn {
        /// The column's name until now.
        from: Name,
        /// Its new name.
        to: Name,
    },
    /// `RENAME TO name`
    RenameTable {
        /// The table's new name.
        to: Name,
    },
}

/// `DROP kind [IF EXISTS] name`, after EMBEDDING with `ON table`
#[derive(Debug, Clone, PartialEq)]
pub struct Drop {
    /// What kind of thing is dropped.
    pub kind: ObjectKind,
    /// Whether a missing one is no error.
    pub if_exists: bool,
    /// Its name.
    pub name: Name,
    /// The table that it is on; for an embedding only.
    pub table: Option<Name>,
}

/// A kind of thing that has a name of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A table.
    Table,
    /// A model.
    Model,
    /// An index.
    Index,
    /// A text embedding.
    Embedding,
}

/// `SHOW …`
#[derive(Debug, Clone, PartialEq)]
pub enum Show {
    /// `SHOW TABLES`
    Tables,
    /// `SHOW MODELS`
    Models,
    /// `SHOW INDEXES`
    Indexes,
    /// `SHOW GRAPHS`
    Graphs,
    /// `SHOW EMBEDDINGS`
    Embeddings,
    /// `SHOW FORGETS`
    Forgets,
    /// `SHOW TRAINING model`: how its last training went
    Training(Name),
}
