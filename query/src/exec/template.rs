//! Queries that statements are turned into: made by the parser from a fixed text, then filled with
//! the statement's own expressions, which keep their places in the user's text.

use datafusion::sql::sqlparser::ast::{Expr, GroupByExpr, Ident, SelectItem, SetExpr, Statement};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use crate::ast::Name;
use crate::error::{Error, Result};

/// The name of the table that UPDATE and DELETE read, with the ids of its rows.
pub(crate) const TARGET: &str = "__target";

/// `SELECT 1`.
pub(crate) fn select() -> Result<Statement> {
    parse("SELECT 1")
}

/// `SELECT 1 FROM "__target" AS "name"`.
pub(crate) fn select_from_target(name: &Name) -> Result<Statement> {
    let quoted = name.as_str().replace('"', "\"\"");
    parse(&format!("SELECT 1 FROM \"{TARGET}\" AS \"{quoted}\""))
}

/// `SELECT 1 FROM "table"`.
pub(crate) fn select_from(table: &str) -> Result<Statement> {
    parse(&format!("SELECT 1 FROM \"{}\"", table.replace('"', "\"\"")))
}

/// Puts a select list and a condition into a template.
pub(crate) fn fill(statement: &mut Statement, list: Vec<SelectItem>, condition: Option<Expr>) {
    if let Statement::Query(query) = statement
        && let SetExpr::Select(select) = query.body.as_mut()
    {
        select.projection = list;
        select.selection = condition;
        debug_assert!(
            matches!(&select.group_by, GroupByExpr::Expressions(list, _) if list.is_empty())
        );
    }
}

/// An item of a select list with a name of our own.
pub(crate) fn named(expr: Expr, name: &str) -> SelectItem {
    SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) }
}

fn parse(sql: &str) -> Result<Statement> {
    let parsed = Parser::parse_sql(&PostgreSqlDialect {}, sql);
    parsed
        .ok()
        .and_then(|mut statements| statements.pop())
        .ok_or_else(|| Error::internal("a query of our own does not parse"))
}
