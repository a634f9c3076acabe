//! Lists as rows: `generate_series` among tables, `generate_subscripts`, `array_upper`, and `_pg_expandarray`,
//! whose rows are records of a place `n` and an item `x`.
//!
//! The planner makes rows of lists, several side by side, but no records; so each field becomes a list of its
//! own, and a column of such records one of their items.

use datafusion::sql::sqlparser::ast::{
    AccessExpr, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    ObjectName, SelectItem, Statement, TableAlias, TableFactor, TableFunctionArgs,
};

use super::rewrite::{call, cast, parts};
use crate::exec::template;
use crate::expr::params;
use crate::storage::Value;

/// What stands for a field of an expanded list, or for the whole of it.
pub(super) fn expanded(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::Function(function) => list(function, "_pg_expandarray").map(items),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let [AccessExpr::Dot(Expr::Identifier(field))] = access_chain.as_slice() else {
                return None;
            };
            let root = match root.as_ref() {
                Expr::Nested(inner) => inner.as_ref(),
                other => other,
            };
            match (root, field.value.as_str()) {
                (Expr::Function(function), "n") => list(function, "_pg_expandarray").map(places),
                (Expr::Function(function), "x") => list(function, "_pg_expandarray").map(items),
                (Expr::Identifier(_) | Expr::CompoundIdentifier(_), "x") => Some(root.clone()),
                _ => None,
            }
        }
        _ => None,
    }
}

/// What stands for a function of the places of a list.
pub(super) fn of_places(function: &Function) -> Option<Expr> {
    list(function, "generate_subscripts")
        .map(places)
        .or_else(|| list(function, "array_upper").map(length))
}

/// What stands for `generate_series(from, to) AS alias (column)` among the tables of a query.
pub(super) fn series(
    name: &ObjectName,
    args: &TableFunctionArgs,
    alias: Option<&TableAlias>,
) -> Option<TableFactor> {
    if parts(name).last().is_none_or(|last| last != "generate_series") {
        return None;
    }
    let args = args.args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) => Some(arg.clone()),
        _ => None,
    });
    let numbers = call("unnest", vec![call("generate_series", args.collect::<Option<_>>()?)]);
    let mut alias = alias.cloned().unwrap_or_else(|| TableAlias {
        explicit: true,
        name: Ident::new("generate_series"),
        columns: Vec::new(),
        at: None,
    });
    // Without a name of its own the column has the table's.
    let column = alias.columns.pop().map_or_else(|| alias.name.clone(), |column| column.name);
    let mut query = template::select().ok()?;
    let list = vec![SelectItem::ExprWithAlias { expr: numbers, alias: column }];
    template::fill(&mut query, list, None);
    let Statement::Query(subquery) = query else { return None };
    Some(TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None })
}

/// The first argument of a call of this function.
fn list(function: &Function, name: &str) -> Option<Expr> {
    if parts(&function.name).last().is_none_or(|last| last != name) {
        return None;
    }
    let FunctionArguments::List(list) = &function.args else { return None };
    match list.args.first()? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(of)) => Some(of.clone()),
        _ => None,
    }
}

/// The items of a list as rows.
fn items(list: Expr) -> Expr {
    call("unnest", vec![list])
}

/// The numbers from 1 on, as many as a list has items, as rows.
fn places(list: Expr) -> Expr {
    let one = params::literal(&Value::Int(1));
    call("unnest", vec![call("generate_series", vec![one, length(list)])])
}

fn length(list: Expr) -> Expr {
    cast(call("array_length", vec![list]), DataType::BigInt(None))
}
