//! Statements about training and measuring models.

use crate::span::Span;

use super::{Expr, Name, WithOptions};

/// `TRAIN MODEL name [WITH (…)]`, and the same shape after REFRESH and EXPLAIN TRAIN
#[derive(Debug, Clone, PartialEq)]
pub struct TrainModel {
    /// The model.
    pub model: Name,
    /// Options of this run, over those of the model: `epochs`, `seed`, …
    pub options: WithOptions,
}

/// `EVALUATE source, … ON table [SPLIT BY expr] METRICS … [GROUP BY …] [WITH (…)]`
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluate {
    /// The models or built-ins measured, at least one.
    pub sources: Vec<Name>,
    /// Without `split`, a table of held-out interactions; with it, the table that is split.
    pub table: Name,
    /// TRUE for the interactions that are held out of training.
    pub split: Option<Expr>,
    /// What is measured, at least one.
    pub metrics: Vec<Metric>,
    /// Columns of the user table by which results are grouped; empty for one result.
    pub group_by: Vec<Expr>,
    /// Options: `seed`, …
    pub options: WithOptions,
}

/// `EVALUATE FORGETTING [MODEL] name, … [OF what] [ON table [SPLIT BY expr]] [WITH (…)]`
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluateForgetting {
    /// The models, at least one.
    pub models: Vec<Name>,
    /// What is forgotten; users where nothing is said.
    pub what: Option<Forgotten>,
    /// The table of the test set, or with `split` the table that is split; without one, a part of what
    /// the models learn from is drawn.
    pub table: Option<Name>,
    /// TRUE for the interactions of the test set.
    pub split: Option<Expr>,
    /// Options: `share`, `count`, `k`, `seed`.
    pub options: WithOptions,
}

/// What EVALUATE FORGETTING forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgotten {
    /// Users, with all that is theirs.
    Users,
    /// Items, with all that is theirs.
    Items,
    /// Interactions.
    Interactions,
}

impl Forgotten {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Forgotten::Users => "USERS",
            Forgotten::Items => "ITEMS",
            Forgotten::Interactions => "INTERACTIONS",
        }
    }
}

/// `name(k)`
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// `recall`, `ndcg`, `coverage`, …; not checked here.
    pub name: Name,
    /// The length of the list it looks at, at least 1.
    pub k: u32,
    /// Where it stands.
    pub span: Span,
}
