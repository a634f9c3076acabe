//! DELETE: rows, and with a user or item everything that is theirs.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};

use super::update::{id_at, targets};
use super::{names, returning, template};
use crate::ast::Delete;
use crate::batch::{Cell, Field, ID_COLUMN, OWNER_COLUMN, Shape};
use crate::error::Result;
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
        let mut list = vec![
            template::named(params::column(ID_COLUMN), "__id"),
            template::named(params::column(OWNER_COLUMN), "__owner"),
        ];
        for (name, expr) in
            returning::expand(&shape, delete.returning.as_deref().unwrap_or_default())?
        {
            list.push(template::named(expr, &name));
        }
        let alias = delete.alias.as_ref().unwrap_or(&delete.table);
        let filter = delete.filter.as_ref();
        let rows = targets(session, &shape, alias, list, filter, params, &view)?;
        let mut affected = 0;
        let mut interactions = 0;
        with_txn(open, |txn| {
            for batch in &rows.batches {
                for row in 0..batch.num_rows() {
                    let id = id_at(batch, 0, row)?;
                    if shape.is_interaction() {
                        let user = UserId(id_at(batch, 1, row)?);
                        let id = InteractionId(id);
                        affected += u64::from(txn.delete_interaction(shape.table.id, user, id)?);
                    } else {
                        let gone = txn.delete_row(shape.table.id, id)?;
                        affected += u64::from(gone.existed);
                        interactions += gone.interactions;
                    }
                }
            }
            Ok(())
        })?;
        let mut outcome = told(Outcome::changed("DELETE", affected), interactions);
        if delete.returning.is_some() {
            outcome.rows = Some(without_ids(rows)?);
        }
        Ok(outcome)
    })
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

fn without_ids(rows: Rows) -> Result<Rows> {
    let keep: Vec<usize> = (2..rows.schema.fields().len()).collect();
    let fields = keep.iter().map(|at| rows.schema.field(*at).clone());
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let batches = rows.batches.iter().map(|batch| batch.project(&keep));
    let batches = batches.collect::<std::result::Result<Vec<RecordBatch>, _>>();
    let batches = batches.map_err(|cause| crate::error::Error::internal(cause.to_string()))?;
    Ok(Rows { schema, batches })
}
