//! RECOMMEND: who it is for, who answers, and what the slate must be like.

use crate::span::Span;

use super::{Expr, Located, Name, Operand, OrderByExpr, Query, SelectItem, WithOptions};

/// `RECOMMEND [columns FROM] table FOR context, … …`
#[derive(Debug, Clone, PartialEq)]
pub struct Recommend {
    /// What to return; `None` for the default columns.
    pub columns: Option<Vec<SelectItem>>,
    /// The table whose rows are recommended.
    pub table: Name,
    /// Whom or what it is for, at least one.
    pub contexts: Vec<Context>,
    /// Who answers; empty for the default.
    pub sources: Vec<Source>,
    /// Which candidates may appear.
    pub filter: Option<Expr>,
    /// What the slate as a whole must satisfy.
    pub having: Option<Located<Expr>>,
    /// How the slate is spread out.
    pub diversify: Option<Diversify>,
    /// How places are given away.
    pub explore: Option<Explore>,
    /// How candidates are re-scored; empty for by score, descending.
    pub order_by: Vec<OrderByExpr>,
    /// At most so many per value of some columns.
    pub limit_by: Option<LimitBy>,
    /// How many rows; the default if `None`.
    pub limit: Option<Operand>,
    /// How many rows to skip.
    pub offset: Option<Operand>,
    /// `seed`, `seen`, …
    pub options: WithOptions,
}

/// One context of a RECOMMEND.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Context {
    /// `USER id`
    User(Operand),
    /// `ITEM id`
    Item(Operand),
    /// `SESSION (id, …)`: what an anonymous visitor looked at, oldest first
    Session(Located<Vec<Operand>>),
    /// `LIKES (id, …)`
    Likes(Located<Vec<Operand>>),
    /// `DISLIKES (id, …)`
    Dislikes(Located<Vec<Operand>>),
    /// `VECTOR (column => expr, …)`
    Vector(Located<Vec<NamedValue>>),
    /// `PROFILE (column => expr, …)`
    Profile(Located<Vec<NamedValue>>),
    /// `USERS (query)`: one slate for each
    Users(Located<Box<Query>>),
}

/// `column => value`
#[derive(Debug, Clone, PartialEq)]
pub struct NamedValue {
    /// The column.
    pub name: Name,
    /// Its value.
    pub value: Operand,
}

/// `name [WEIGHT expr]`
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// A model, an index or a built-in.
    pub name: Name,
    /// Its share; equal shares if none is given.
    pub weight: Option<Operand>,
}

/// `DIVERSIFY BY column [STRENGTH x]`
#[derive(Debug, Clone, PartialEq)]
pub struct Diversify {
    /// The column whose likeness is avoided.
    pub column: Name,
    /// How strongly, 0 to 1.
    pub strength: Option<Operand>,
    /// Where the clause stands.
    pub span: Span,
}

/// `EXPLORE x [BY clicks PER impressions]`
#[derive(Debug, Clone, PartialEq)]
pub struct Explore {
    /// The probability of a place to be explored, 0 to 1.
    pub share: Operand,
    /// What tells the click rates of rows; without it they are drawn evenly.
    pub rate: Option<Rate>,
    /// Where the clause stands.
    pub span: Span,
}

/// `clicks PER impressions`
#[derive(Debug, Clone, PartialEq)]
pub struct Rate {
    /// What was clicked.
    pub clicks: Events,
    /// What was shown.
    pub shown: Events,
}

/// `table [WHERE condition]`
#[derive(Debug, Clone, PartialEq)]
pub struct Events {
    /// A table of interactions.
    pub table: Name,
    /// Which of them count.
    pub filter: Option<Expr>,
}

/// `LIMIT n BY column, …`
#[derive(Debug, Clone, PartialEq)]
pub struct LimitBy {
    /// At most so many rows …
    pub count: Operand,
    /// … of each combination of these columns' values.
    pub columns: Vec<Name>,
    /// Where the clause stands.
    pub span: Span,
}
