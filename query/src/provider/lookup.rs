//! How a scan reaches its rows: all of them, or those that a filter names by key.
//!
//! Recognised are equalities of a key, user or item column with a literal, `IN` lists of such, and
//! `OR` of both over one column. Keys are text inside, whatever their type in SQL.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use crate::batch::{Field, Shape};

/// The way to the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Every row.
    All,
    /// Entities with these keys.
    Keys(Vec<String>),
    /// Interactions of the users with these keys.
    Users(Vec<String>),
    /// Interactions on the items with these keys.
    Items(Vec<String>),
}

impl Access {
    /// What one filter allows, if it names rows by key.
    pub(crate) fn of(shape: &Shape, filter: &Expr) -> Option<Access> {
        let (column, mut keys) = keys_of(filter)?;
        let field = shape.fields[shape.position(column)?];
        keys.sort_unstable();
        keys.dedup();
        match field {
            Field::Key(_) => Some(Access::Keys(keys)),
            Field::User(_) => Some(Access::Users(keys)),
            Field::Item(_) => Some(Access::Items(keys)),
            Field::Value(..) | Field::Embedding(..) | Field::Id | Field::Owner => None,
        }
    }

    /// The narrowest way among several filters, all of which hold.
    pub(crate) fn best(shape: &Shape, filters: &[Expr]) -> Access {
        filters
            .iter()
            .filter_map(|filter| Access::of(shape, filter))
            .min_by_key(Access::cost)
            .unwrap_or(Access::All)
    }

    /// Lower is narrower: keys before users before items, fewer before more.
    fn cost(&self) -> (u8, usize) {
        match self {
            Access::Keys(keys) => (0, keys.len()),
            Access::Users(keys) => (1, keys.len()),
            Access::Items(keys) => (2, keys.len()),
            Access::All => (3, 0),
        }
    }
}

/// The column and the keys that a filter asks for.
fn keys_of(filter: &Expr) -> Option<(&str, Vec<String>)> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            let (column, literal) = match (left.as_ref(), right.as_ref()) {
                (Expr::Column(column), literal) | (literal, Expr::Column(column)) => {
                    (column, literal)
                }
                _ => return None,
            };
            Some((&column.name, vec![key_of(literal)?]))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let (column, mut keys) = keys_of(left)?;
            let (other, more) = keys_of(right)?;
            keys.extend(more);
            (column == other).then_some((column, keys))
        }
        Expr::InList(list) if !list.negated => {
            let Expr::Column(column) = list.expr.as_ref() else { return None };
            let keys = list.list.iter().map(key_of).collect::<Option<Vec<_>>>()?;
            Some((&column.name, keys))
        }
        _ => None,
    }
}

fn key_of(literal: &Expr) -> Option<String> {
    let Expr::Literal(value, _) = literal else { return None };
    match value {
        ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text))
        | ScalarValue::Utf8View(Some(text)) => Some(text.clone()),
        ScalarValue::Int64(Some(number)) => Some(number.to_string()),
        ScalarValue::Int32(Some(number)) => Some(number.to_string()),
        _ => None,
    }
}
