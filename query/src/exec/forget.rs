//! VACUUM, VERIFY FORGET and SHOW FORGETS: what becomes of deletions that are to be forgotten.
//!
//! DELETE … RETURNING forget_id() makes the ticket (see `delete`); the work is the engine's. Here are
//! the clock, the transaction that must not be open, and the rows that tell.

use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field as ArrowField, FieldRef, Schema};
use datafusion::sql::sqlparser::ast::{Expr, FunctionArguments, SelectItem};
use tastedb_engine::{Receipt, Ticket};

use super::names;
use super::show::Grid;
use crate::ast::Operand;
use crate::batch::Cell;
use crate::error::{Error, Result};
use crate::expr::literal::{self, Given};
use crate::outcome::{Outcome, Rows};
use crate::provider::View;
use crate::session::Session;
use crate::span::Span;
use crate::storage::{ColumnType, Value};

/// How long a VACUUM waits for those who read an older state.
const PATIENCE: Duration = Duration::from_secs(5);

/// The function whose call stands for the ticket in the RETURNING of a DELETE.
const FUNCTION: &str = "forget_id";

/// The name of the result column, where an item of a RETURNING list is the ticket.
pub(super) fn asked(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(expr) => is_forget_id(expr).then(|| FUNCTION.to_owned()),
        SelectItem::ExprWithAlias { expr, alias } => {
            is_forget_id(expr).then(|| names::normal(alias))
        }
        _ => None,
    }
}

/// Rows with columns that hold the id of a ticket, at places of the whole.
pub(super) fn with_tickets(rows: Rows, places: &[(usize, String)], ticket: &str) -> Result<Rows> {
    if places.is_empty() {
        return Ok(rows);
    }
    let mut fields: Vec<FieldRef> = rows.schema.fields().iter().cloned().collect();
    for (at, name) in places {
        fields.insert(*at, Arc::new(ArrowField::new(name, DataType::Utf8, false)));
    }
    let schema = Arc::new(Schema::new(fields));
    let batches = rows.batches.iter().map(|batch| {
        let mut arrays = batch.columns().to_vec();
        for (at, _) in places {
            let ids = std::iter::repeat_n(ticket, batch.num_rows());
            arrays.insert(*at, Arc::new(StringArray::from_iter_values(ids)) as ArrayRef);
        }
        RecordBatch::try_new(Arc::clone(&schema), arrays)
    });
    let batches = batches.collect::<std::result::Result<Vec<RecordBatch>, _>>();
    let batches = batches.map_err(|cause| Error::internal(cause.to_string()))?;
    Ok(Rows { schema, batches })
}

fn is_forget_id(expr: &Expr) -> bool {
    let Expr::Function(function) = expr else { return false };
    let named = function.name.to_string().eq_ignore_ascii_case(FUNCTION);
    let bare = match &function.args {
        FunctionArguments::None => true,
        FunctionArguments::List(list) => list.args.is_empty(),
        FunctionArguments::Subquery(_) => false,
    };
    named && bare
}

/// Runs a VACUUM.
pub(crate) fn vacuum(session: &mut Session, place: Span) -> Result<Outcome> {
    const VERB: &str = "VACUUM";
    if session.in_transaction() {
        return Err(Error::not_in_transaction(VERB).at(place));
    }
    let sql = session.sql().clone();
    let clock = || sql.now();
    let vacuumed = session.engine().vacuum(&clock, PATIENCE, &session.work())?;
    let mut outcome = Outcome::done(VERB);
    outcome.affected = vacuumed.tickets.len() as u64;
    for (name, how) in &vacuumed.renewed {
        outcome = outcome.notice(format!("`{name}` was made anew: {how}"));
    }
    for (name, why) in &vacuumed.failed {
        outcome = outcome.notice(format!("`{name}` could not be made anew: {why}"));
    }
    for ticket in &vacuumed.tickets {
        outcome = outcome.notice(format!("{}: {}", ticket.id(), ticket.state().name()));
    }
    Ok(outcome)
}

/// Runs a VERIFY FORGET.
pub(crate) fn verify(session: &mut Session, id: &Operand, params: &[Value]) -> Result<Outcome> {
    const VERB: &str = "VERIFY FORGET";
    if session.in_transaction() {
        return Err(Error::not_in_transaction(VERB).at(id.span));
    }
    let given = Given { params, now: session.sql().now() };
    let Some(Cell::Value(Value::Text(ticket))) = literal::operand(id, given) else {
        let what = "the id of a ticket, such as 'f_1'";
        return Err(Error::option_value("forget", what).at(id.span));
    };
    let verified = session.engine().verify_forget(&ticket, given.now, &session.work());
    let receipt = verified.map_err(|cause| Error::from(cause).at(id.span))?;
    let mut grid = Grid::typed(&[
        ("check", ColumnType::Text),
        ("passed", ColumnType::Bool),
        ("detail", ColumnType::Text),
    ]);
    for line in &receipt.lines {
        let (check, detail) = (text(&line.check), text(&line.detail));
        grid.push(vec![check, Value::Bool(line.passed), detail]);
    }
    let told = match receipt.passed() {
        true => "nothing of it was found",
        false => "not everything is as it should be",
    };
    let notice = format!("receipt {}: {told}; hash {}", receipt.number, receipt.hash);
    Ok(Outcome::with_rows(VERB, grid.finish()?).notice(notice))
}

/// Runs a SHOW FORGETS.
pub(crate) fn show(session: &Session) -> Result<Outcome> {
    Ok(Outcome::with_rows("SHOW", ticket_rows(session, &session.view())?))
}

/// The table `forgets`.
pub(super) fn ticket_rows(session: &Session, view: &View) -> Result<Rows> {
    let mut grid = Grid::typed(&[
        ("id", ColumnType::Text),
        ("scope", ColumnType::Text),
        ("table_name", ColumnType::Text),
        ("state", ColumnType::Text),
        ("rows", ColumnType::BigInt),
        ("interactions", ColumnType::BigInt),
        ("embeddings", ColumnType::BigInt),
        ("requested", ColumnType::Timestamp),
        ("masked", ColumnType::Timestamp),
        ("erased", ColumnType::Timestamp),
        ("unlearned", ColumnType::Timestamp),
        ("verified", ColumnType::Timestamp),
        ("deadline", ColumnType::Timestamp),
        ("methods", ColumnType::TextList),
        ("behaviour", ColumnType::TextList),
    ]);
    for ticket in view.read(|read| Ok(session.engine().forgets(read)?))? {
        let time = |at: Option<i64>| at.map_or(Value::Null, Value::Timestamp);
        let methods = methods(&ticket);
        grid.push(vec![
            text(&ticket.id()),
            text(ticket.scope.name()),
            text(&ticket.table_name),
            text(ticket.state().name()),
            count(ticket.rows),
            count(ticket.interactions),
            count(ticket.embeddings),
            Value::Timestamp(ticket.requested),
            Value::Timestamp(ticket.requested),
            time(ticket.erased),
            time(ticket.unlearned),
            time(ticket.verified),
            Value::Timestamp(ticket.deadline),
            methods,
            behaviour(&ticket),
        ]);
    }
    grid.finish()
}

fn methods(ticket: &Ticket) -> Value {
    let told = ticket.methods.iter().map(|(model, how)| format!("{model}: {how}"));
    Value::TextList(told.collect())
}

fn behaviour(ticket: &Ticket) -> Value {
    let told = ticket.behaviour.iter();
    Value::TextList(told.map(|of| format!("{}: {}", of.model, of.describe())).collect())
}

/// The table `receipts`.
pub(super) fn receipt_rows(session: &Session, view: &View) -> Result<Rows> {
    let mut grid = Grid::typed(&[
        ("number", ColumnType::BigInt),
        ("forget_id", ColumnType::Text),
        ("at", ColumnType::Timestamp),
        ("passed", ColumnType::Bool),
        ("lines", ColumnType::TextList),
        ("previous", ColumnType::Text),
        ("hash", ColumnType::Text),
    ]);
    for receipt in view.read(|read| Ok(session.engine().receipts(read)?))? {
        grid.push(vec![
            count(receipt.number),
            text(&receipt.ticket),
            Value::Timestamp(receipt.at),
            Value::Bool(receipt.passed()),
            lines(&receipt),
            text(&receipt.previous),
            text(&receipt.hash),
        ]);
    }
    grid.finish()
}

fn lines(receipt: &Receipt) -> Value {
    let told = receipt.lines.iter().map(|line| {
        let passed = if line.passed { "passed" } else { "failed" };
        format!("{} {passed}: {}", line.check, line.detail)
    });
    Value::TextList(told.collect())
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn count(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}
