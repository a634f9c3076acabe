//! DELETE: rows, and with a user or item everything that is theirs; with forget_id(), for good.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field as ArrowField, Schema};
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};

use super::options::Options;
use super::update::{id_at, targets};
use super::{forget, names, returning, template};
use crate::ast::Delete;
use crate::batch::{Cell, Field, ID_COLUMN, OWNER_COLUMN, Shape};
use crate::error::{Error, Result};
use crate::expr::literal::{self, Given};
use crate::expr::params;
use crate::outcome::{Outcome, Rows};
use crate::provider::View;
use crate::session::{Session, with_txn};
use crate::storage::{InteractionId, Read, UserId, Value};

/// Runs a DELETE.
pub(crate) fn run(session: &mut Session, delete: &Delete, params: &[Value]) -> Result<Outcome> {
    session.write_view(|session, open| {
        let view = View::Transaction(Arc::clone(open));
        let catalog = view.catalog()?;
        let table = names::table(&catalog, &delete.table)?;
        let shape = session.sql().shapes().get(&catalog, table);
        let given = Given { params, now: session.sql().now() };
        if delete.returning.is_none()
            && delete.options.is_empty()
            && let Some(key) = key_of(&shape, delete.filter.as_ref(), given)
        {
            return with_txn(open, |txn| {
                let Some(id) = txn.lookup(shape.table.id, &key)? else {
                    return Ok(Outcome::changed("DELETE", 0));
                };
                let gone = txn.delete_row(shape.table.id, id)?;
                Ok(told(Outcome::changed("DELETE", 1), gone.interactions))
            });
        }
        let mut options = Options::new(&delete.options, given);
        let confirmed = options.truth("confirm", false)?;
        options.end()?;
        let mut list = vec![
            template::named(params::column(ID_COLUMN), "__id"),
            template::named(params::column(OWNER_COLUMN), "__owner"),
        ];
        let mut columns = Vec::new();
        for item in delete.returning.as_deref().unwrap_or_default() {
            if let Some(name) = forget::asked(item) {
                columns.push(Column::Ticket(name));
                continue;
            }
            for (name, expr) in returning::expand(&shape, std::slice::from_ref(item))? {
                columns.push(Column::Queried(list.len()));
                list.push(template::named(expr, &name));
            }
        }
        let forgets = columns.iter().any(|column| matches!(column, Column::Ticket(_)));
        let alias = delete.alias.as_ref().unwrap_or(&delete.table);
        let filter = delete.filter.as_ref();
        let rows = targets(session, &shape, alias, list, filter, params, &view)?;
        if delete.returning.is_some() {
            session.admit(rows.len())?;
        }
        let now = session.sql().now();
        let engine = session.engine().clone();
        let mut affected = 0;
        let mut interactions = 0;
        let mut ticket = None;
        with_txn(open, |txn| {
            let mut forgetting = forgets.then(|| engine.forgetting(&shape.table));
            for batch in &rows.batches {
                for row in 0..batch.num_rows() {
                    let id = id_at(batch, 0, row)?;
                    if shape.is_interaction() {
                        let (user, id) = (UserId(id_at(batch, 1, row)?), InteractionId(id));
                        affected += u64::from(match &mut forgetting {
                            Some(forgetting) => forgetting.interaction(txn, user, id)?,
                            None => txn.delete_interaction(shape.table.id, user, id)?,
                        });
                    } else if let Some(forgetting) = &mut forgetting {
                        affected += u64::from(forgetting.row(txn, id)?);
                        interactions = forgetting.interactions();
                    } else {
                        let gone = txn.delete_row(shape.table.id, id)?;
                        affected += u64::from(gone.existed);
                        interactions += gone.interactions;
                    }
                }
            }
            let Some(forgetting) = forgetting else { return Ok(()) };
            // One row that a condition names is meant, also where it is the only one.
            let many = filter.is_none() || forgetting.rows() > 1;
            if affected > 0 && many && !confirmed && forgetting.took_all(txn)? {
                return Err(Error::unconfirmed(&shape.table.name).at(delete.table.span));
            }
            ticket = forgetting.finish(txn, now)?;
            Ok(())
        })?;
        let mut outcome = told(Outcome::changed("DELETE", affected), interactions);
        if delete.returning.is_some() {
            let id = ticket.map(|ticket| ticket.id()).unwrap_or_default();
            outcome.rows = Some(returned(&rows, &columns, &id)?);
        }
        Ok(outcome)
    })
}

/// A column of a RETURNING list.
enum Column {
    /// A column of the query that found the rows.
    Queried(usize),
    /// The id of the ticket, under a name.
    Ticket(String),
}

fn told(outcome: Outcome, interactions: u64) -> Outcome {
    match interactions {
        0 => outcome,
        1 => outcome.notice("1 interaction was deleted with them"),
        many => outcome.notice(format!("{many} interactions were deleted with them")),
    }
}

/// The key in `WHERE key = literal`, which needs no planner.
fn key_of(shape: &Shape, condition: Option<&Expr>, given: Given<'_>) -> Option<String> {
    let Some(Expr::BinaryOp { left, op: BinaryOperator::Eq, right }) = condition else {
        return None;
    };
    let Expr::Identifier(ident) = left.as_ref() else { return None };
    let position = shape.position(&names::normal(ident))?;
    let Field::Key(ty) = shape.fields[position] else { return None };
    let value = match literal::value(right, given)? {
        // NULL equals nothing; a planner says so.
        Cell::Value(Value::Null) => return None,
        value => value,
    };
    super::writer::canonical(value, ty, position).ok()
}

/// The rows of a RETURNING list.
fn returned(rows: &Rows, columns: &[Column], ticket: &str) -> Result<Rows> {
    let fields = columns.iter().map(|column| match column {
        Column::Queried(at) => rows.schema.field(*at).clone(),
        Column::Ticket(name) => ArrowField::new(name, DataType::Utf8, false),
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let batches = rows.batches.iter().map(|batch| {
        let arrays = columns.iter().map(|column| match column {
            Column::Queried(at) => Arc::clone(batch.column(*at)),
            Column::Ticket(_) => {
                let ids = std::iter::repeat_n(ticket, batch.num_rows());
                Arc::new(StringArray::from_iter_values(ids)) as ArrayRef
            }
        });
        RecordBatch::try_new(Arc::clone(&schema), arrays.collect())
    });
    let batches = batches.collect::<std::result::Result<Vec<RecordBatch>, _>>();
    let batches = batches.map_err(|cause| Error::internal(cause.to_string()))?;
    Ok(Rows { schema, batches })
}
