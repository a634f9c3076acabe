//! SQL expressions outside of SELECT: literals without planning, parameters, and compiled
//! expressions over the columns of one table.
//!
//! There is one expression language. What DataFusion compiles here is what it would run in a
//! SELECT; only what is a plain literal is read directly, because a planner is too slow for it.

mod compile;
pub(crate) mod literal;
pub(crate) mod params;
mod planner;
mod projection;

pub(crate) use compile::{Compiled, Scope};
pub(crate) use planner::Planner;
pub(crate) use projection::{Compiler, Projections, SqlProjection};

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use crate::ast::Expr;
use crate::error::{Error, Result};

/// An expression that was kept as text: a default, the weight of a model.
pub(crate) fn parse(text: &str) -> Result<Expr> {
    Parser::new(&PostgreSqlDialect {})
        .try_with_sql(text)
        .and_then(|mut parser| parser.parse_expr())
        .map_err(|cause| Error::internal(format!("the expression `{text}`: {cause}")))
}
