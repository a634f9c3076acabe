//! Literals read without a planner: what nearly every single-row INSERT consists of.

use datafusion::sql::sqlparser::ast::{
    Array, DataType, Expr, FunctionArguments, ObjectNamePart, TypedString, UnaryOperator,
    Value as SqlValue,
};

use crate::ast::{Literal, Operand, OperandKind};
use crate::batch::{Cell, parse_text};
use crate::storage::{ColumnType, Value};

/// What literals may refer to: the statement's parameters and the present.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a> {
    /// `$1` and so on.
    pub(crate) params: &'a [Value],
    /// Microseconds since 1970.
    pub(crate) now: i64,
}

/// The value of an expression that is a literal, a parameter, `now()`, or an array of such;
/// `None`: it needs a planner.
pub(crate) fn value(expr: &Expr, given: Given<'_>) -> Option<Cell> {
    let value = match expr {
        Expr::Value(literal) => match &literal.value {
            SqlValue::Number(text, _) => number(text)?,
            SqlValue::SingleQuotedString(text)
            | SqlValue::EscapedStringLiteral(text)
            | SqlValue::UnicodeStringLiteral(text)
            | SqlValue::NationalStringLiteral(text) => Value::Text(text.clone()),
            SqlValue::Boolean(truth) => Value::Bool(*truth),
            SqlValue::Null => Value::Null,
            SqlValue::Placeholder(name) => {
                given.params.get(super::params::number(name)?.checked_sub(1)?)?.clone()
            }
            _ => return None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
            // With its sign: the least number of 64 bits has no positive counterpart.
            if let Expr::Value(literal) = expr.as_ref()
                && let SqlValue::Number(text, _) = &literal.value
            {
                return Some(Cell::Value(number(&format!("-{text}"))?));
            }
            match value(expr, given)? {
                Cell::Value(Value::Int(v)) => Value::Int(v.checked_neg()?),
                Cell::Value(Value::Real(v)) => Value::Real(-v),
                _ => return None,
            }
        }
        Expr::Nested(inner) => return value(inner, given),
        Expr::TypedString(TypedString { data_type, value: text, .. }) => {
            let SqlValue::SingleQuotedString(text) = &text.value else { return None };
            match data_type {
                DataType::Timestamp(..) => parse_text(text, ColumnType::Timestamp)?,
                DataType::Date => parse_text(text, ColumnType::Date)?,
                _ => return None,
            }
        }
        Expr::Array(Array { elem, .. }) => {
            let cells = elem.iter().map(|item| value(item, given)).collect::<Option<Vec<_>>>()?;
            return list(cells);
        }
        Expr::Function(call) => {
            let [ObjectNamePart::Identifier(name)] = call.name.0.as_slice() else { return None };
            let plain = match &call.args {
                FunctionArguments::None => true,
                FunctionArguments::List(list) => list.args.is_empty() && list.clauses.is_empty(),
                FunctionArguments::Subquery(_) => false,
            };
            let now = name.value.eq_ignore_ascii_case("now")
                || name.value.eq_ignore_ascii_case("current_timestamp");
            if !plain || !now || call.over.is_some() || call.filter.is_some() {
                return None;
            }
            Value::Timestamp(given.now)
        }
        _ => return None,
    };
    Some(Cell::Value(value))
}

/// The value of an operand that needs no planner.
pub(crate) fn operand(operand: &Operand, given: Given<'_>) -> Option<Cell> {
    let value = match &operand.kind {
        OperandKind::Literal(Literal::Null) => Value::Null,
        OperandKind::Literal(Literal::Bool(v)) => Value::Bool(*v),
        OperandKind::Literal(Literal::Int(v)) => Value::Int(*v),
        OperandKind::Literal(Literal::Real(v)) => Value::Real(*v),
        OperandKind::Literal(Literal::Text(v)) => Value::Text(v.clone()),
        OperandKind::Param(number) => {
            given.params.get(usize::try_from(*number).ok()?.checked_sub(1)?)?.clone()
        }
        OperandKind::Expr(expr) => return value(expr, given),
    };
    Some(Cell::Value(value))
}

fn number(text: &str) -> Option<Value> {
    match text.parse() {
        Ok(whole) => Some(Value::Int(whole)),
        Err(_) => text.parse().ok().map(Value::Real),
    }
}

fn list(cells: Vec<Cell>) -> Option<Cell> {
    let mut numbers = Vec::new();
    let mut texts = Vec::new();
    let length = cells.len();
    for cell in cells {
        match cell {
            Cell::Value(Value::Int(v)) => numbers.push(v as f32),
            Cell::Value(Value::Real(v)) => numbers.push(v as f32),
            Cell::Value(Value::Text(v)) => texts.push(v),
            _ => return None,
        }
    }
    if numbers.len() == length && length > 0 {
        return Some(Cell::Vector(numbers));
    }
    (texts.len() == length).then_some(Cell::Value(Value::TextList(texts)))
}
