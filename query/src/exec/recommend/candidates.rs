//! RECOMMEND's WHERE: conditions on the rows as a set of candidates, and `[NOT] seen(…)` as rules
//! about the user.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::compute::kernels::cast_utils::parse_interval_month_day_nano;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Interval,
    ObjectNamePart, Spanned, UnaryOperator, Value as SqlValue, Visit, Visitor,
};
use fixedbitset::FixedBitSet;
use tastedb_engine::{Seen, Stage};

use super::stage;
use crate::batch::{Cell, Shape};
use crate::candidates::Condition;
use crate::error::{Error, Result};
use crate::exec::failure;
use crate::expr::literal::{self, Given};
use crate::expr::{Compiled, Scope, params};
use crate::session::Session;
use crate::span::Span;
use crate::storage::{Snapshot, Value};

/// What a WHERE comes to: the rows it lets through, rules about the user, and what was done.
type Found = (Option<Arc<FixedBitSet>>, Vec<Seen>, Vec<Stage>);

/// Evaluates a WHERE.
pub(super) fn find(
    session: &Session,
    snapshot: &Snapshot,
    shape: &Shape,
    condition: Option<&Expr>,
    given: Given<'_>,
) -> Result<Found> {
    let Some(condition) = condition else { return Ok((None, Vec::new(), Vec::new())) };
    let start = Instant::now();
    let mut conjuncts = Vec::new();
    split(condition, &mut conjuncts);
    let mut rules = Vec::new();
    let mut plain: Vec<&Expr> = Vec::new();
    for conjunct in conjuncts {
        match rule(conjunct, given)? {
            Some(rule) => rules.push(rule),
            None => plain.push(conjunct),
        }
    }
    if plain.is_empty() {
        return Ok((None, rules, Vec::new()));
    }
    if let Some(place) = plain.iter().find_map(|expr| holds_seen(expr)) {
        return Err(Error::misplaced_seen().at(place));
    }
    let sql = session.sql();
    let table = &shape.table;
    let text = plain.iter().map(ToString::to_string).collect::<Vec<_>>().join(" AND ");
    let compile = || -> Result<Compiled> {
        let joined = plain.iter().map(|expr| Expr::Nested(Box::new((*expr).clone())));
        let joined = joined.reduce(|left, right| Expr::BinaryOp {
            left: Box::new(left),
            op: BinaryOperator::And,
            right: Box::new(right),
        });
        let Some(mut expr) = joined else { return Err(Error::internal("an empty condition")) };
        params::bind(&mut expr, given.params)?;
        let scope = Scope::table(&table.name, &shape.schema);
        let compiled = Compiled::new(sql.planner(), &expr, &scope, given.now)?;
        if !compiled.is_condition() {
            return Err(failure::not_a_condition(&compiled.ty).at(Span::from(condition.span())));
        }
        Ok(compiled)
    };
    let entities =
        session.engine().live().entities(session.engine().store(), snapshot, table.id)?;
    let condition = if plain.iter().any(|expr| params::is_volatile(expr)) {
        Arc::new(Condition::new(compile()?))
    } else {
        // Everything that the meaning of the text depends on.
        let mut key = format!("where {}.{} {text}", table.id.0, table.version);
        for value in given.params {
            key.push_str(&format!(" {value:?}"));
        }
        sql.masks().condition(&key, compile)?
    };
    let rows = condition.rows(sql.columns(), session.engine(), snapshot, &entities, shape)?;
    let detail = format!("{text}: {} of {} rows", rows.count_ones(..), entities.len());
    Ok((Some(rows), rules, vec![stage("filter", &detail, start)]))
}

/// The parts of a chain of AND.
pub(super) fn split<'a>(expr: &'a Expr, out: &mut Vec<&'a Expr>) {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            split(left, out);
            split(right, out);
        }
        Expr::Nested(inner) => split(inner, out),
        other => out.push(other),
    }
}

/// `seen(…)` or `NOT seen(…)` as a rule.
fn rule(expr: &Expr, given: Given<'_>) -> Result<Option<Seen>> {
    let (call, keep) = match expr {
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => match expr.as_ref() {
            Expr::Nested(inner) => (inner.as_ref(), false),
            inner => (inner, false),
        },
        other => (other, true),
    };
    let Expr::Function(call) = call else { return Ok(None) };
    if !is_seen(call) {
        return Ok(None);
    }
    let place = || Span::from(call.name.span());
    let FunctionArguments::List(list) = &call.args else {
        return Err(Error::bad_seen("seen takes a kind and an interval").at(place()));
    };
    let mut arguments = Vec::new();
    for argument in &list.args {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument else {
            return Err(Error::bad_seen("seen takes a kind and an interval").at(place()));
        };
        arguments.push(expr);
    }
    let (kind, interval) = match arguments.as_slice() {
        [] => (None, None),
        [only @ Expr::Interval(_)] => (None, Some(*only)),
        [kind] => (Some(*kind), None),
        [kind, interval] => (Some(*kind), Some(*interval)),
        _ => return Err(Error::bad_seen("seen takes a kind and an interval").at(place())),
    };
    let kind = match kind {
        None => None,
        Some(expr) => match literal::value(expr, given) {
            Some(Cell::Value(Value::Text(kind))) => Some(kind),
            Some(Cell::Value(Value::Null)) => None,
            _ => {
                let what = "the kind in seen(kind) must be a text";
                return Err(Error::bad_seen(what).at(Span::from(expr.span())));
            }
        },
    };
    let within = match interval {
        None => None,
        Some(expr) => Some(duration(expr, given).ok_or_else(|| {
            let what = "expected an interval, such as INTERVAL '90 days'";
            Error::bad_seen(what).at(Span::from(expr.span()))
        })?),
    };
    Ok(Some(Seen::Kind { kind, within, now: given.now, keep }))
}

fn duration(expr: &Expr, given: Given<'_>) -> Option<Duration> {
    let text = match expr {
        Expr::Interval(Interval { value, leading_field, .. }) => {
            let amount = match value.as_ref() {
                Expr::Value(literal) => match &literal.value {
                    SqlValue::SingleQuotedString(text) => text.clone(),
                    SqlValue::Number(text, _) => text.clone(),
                    _ => return None,
                },
                _ => return None,
            };
            match leading_field {
                Some(unit) => format!("{amount} {unit}"),
                None => amount,
            }
        }
        other => match literal::value(other, given)? {
            Cell::Value(Value::Text(text)) => text,
            _ => return None,
        },
    };
    let interval = parse_interval_month_day_nano(&text).ok()?;
    let days = i64::from(interval.months) * 30 + i64::from(interval.days);
    let micros = days.checked_mul(crate::batch::MICROS_PER_DAY)? + interval.nanoseconds / 1000;
    u64::try_from(micros).ok().map(Duration::from_micros)
}

fn is_seen(call: &Function) -> bool {
    matches!(
        call.name.0.as_slice(),
        [ObjectNamePart::Identifier(name)] if name.value.eq_ignore_ascii_case("seen")
    )
}

fn holds_seen(expr: &Expr) -> Option<Span> {
    struct Finder;
    impl Visitor for Finder {
        type Break = Span;

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Span> {
            match expr {
                Expr::Function(call) if is_seen(call) => {
                    ControlFlow::Break(Span::from(call.name.span()))
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    match expr.visit(&mut Finder) {
        ControlFlow::Break(place) => Some(place),
        ControlFlow::Continue(()) => None,
    }
}
