//! UPDATE: new values for the rows that a condition picks, in any table.
//!
//! The rows and their new values come from one query over the table with the ids of its rows, so
//! that every expression means what it means in a SELECT. All rows are read before the first is
//! written: a statement does not see its own changes.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Expr, SelectItem, Value as SqlValue};

use super::failure;
use super::returning::Returning;
use super::writer::RowFault;
use super::{forget, insert, names, select, template};
use crate::ast::{Name, Update};
use crate::batch::{Cell, Field, ID_COLUMN, OWNER_COLUMN, Shape};
use crate::error::{Error, Result};
use crate::expr::params;
use crate::outcome::{Outcome, Rows};
use crate::provider::{StoredTable, View};
use crate::session::{Session, with_txn};
use crate::storage::{ColumnId, InteractionId, Read, UserId, Value};

/// Runs an UPDATE.
pub(crate) fn run(session: &mut Session, update: &Update, params: &[Value]) -> Result<Outcome> {
    session.write_view(|session, open| {
        let view = View::Transaction(Arc::clone(open));
        let catalog = view.catalog()?;
        let table = names::table(&catalog, &update.table)?;
        let shape = session.sql().shapes().get(&catalog, table);
        let sets = insert::assignments(&shape, &update.assignments)?;
        let mut list = vec![
            template::named(params::column(ID_COLUMN), "__id"),
            template::named(params::column(OWNER_COLUMN), "__owner"),
        ];
        for (at, (_, expr)) in sets.iter().enumerate() {
            list.push(template::named((*expr).clone(), &format!("__set{at}")));
        }
        let alias = update.alias.as_ref().unwrap_or(&update.table);
        let filter = update.filter.as_ref();
        let rows = targets(session, &shape, alias, list, filter, params, &view)?;
        let now = session.sql().now();
        let planner = session.sql().planner();
        let (list, tickets) = split(update.returning.as_deref().unwrap_or_default());
        let mut returning = match &update.returning {
            Some(_) => {
                let most = session.row_limit();
                Some(Returning::new(planner, &shape, &list, params, now, most)?)
            }
            None => None,
        };
        if !tickets.is_empty() {
            check_nulls(&shape, &sets, update)?;
        }
        let place = failure::in_sets(&sets);
        let wrong = |fault: RowFault| failure::of_row(fault, &shape, &place);
        let mut affected = 0;
        let engine = session.engine().clone();
        let ids: Vec<ColumnId> = sets.iter().filter_map(|(at, _)| shape.fields[*at].id()).collect();
        let mut forgetting =
            (!tickets.is_empty()).then(|| engine.forgetting_values(&shape.table, &ids));
        let mut ticket = None;
        with_txn(open, |txn| {
            for batch in &rows.batches {
                for row in 0..batch.num_rows() {
                    let id = id_at(batch, 0, row)?;
                    let mut set = Vec::with_capacity(sets.len());
                    for (at, (column, _)) in sets.iter().enumerate() {
                        let array = batch.column(2 + at);
                        let cell = Cell::read(array.as_ref(), row);
                        let unstorable = || {
                            let error = Error::unstorable(&array.data_type().to_string());
                            error.at(place(Some(*column)))
                        };
                        set.push((*column, cell.ok_or_else(unstorable)?));
                    }
                    if shape.is_interaction() {
                        let user = UserId(id_at(batch, 1, row)?);
                        let mut values = Vec::with_capacity(set.len());
                        for (column, cell) in set {
                            let field = shape.fields[column];
                            let Field::Value(id, _) = field else { continue };
                            let value = super::writer::fitted(cell, field, column);
                            values.push((id, value.map_err(&wrong)?));
                        }
                        let id = InteractionId(id);
                        if let Some(forgetting) = &mut forgetting {
                            forgetting.values_of_interaction(txn, user, id)?;
                        }
                        let updated = txn.update_interaction(shape.table.id, user, id, &values);
                        if updated.map_err(|cause| wrong(cause.into()))? {
                            affected += 1;
                            if let Some(returning) = &mut returning {
                                returning.interaction(txn, user, id)?;
                            }
                        }
                    } else if let Some(old) = txn.row(shape.table.id, id, &[])? {
                        if let Some(forgetting) = &mut forgetting {
                            forgetting.values(txn, id)?;
                        }
                        insert::apply_entity(txn, &shape, id, &old.key, set).map_err(&wrong)?;
                        affected += 1;
                        if let Some(returning) = &mut returning {
                            engine.keep_embeddings(txn)?;
                            returning.entity(txn, id)?;
                        }
                    }
                }
            }
            if let Some(forgetting) = forgetting.take() {
                ticket = forgetting.finish(txn, now)?;
            }
            Ok(())
        })?;
        let mut outcome = Outcome::changed("UPDATE", affected);
        outcome.rows = returning.map(Returning::finish).transpose()?;
        if let Some(rows) = outcome.rows.take() {
            let id = ticket.map(|ticket| ticket.id()).unwrap_or_default();
            outcome.rows = Some(forget::with_tickets(rows, &tickets, &id)?);
        }
        Ok(outcome)
    })
}

/// A RETURNING list without the items that stand for a ticket, and these with their places.
fn split(list: &[SelectItem]) -> (Vec<SelectItem>, Vec<(usize, String)>) {
    let (mut rest, mut tickets) = (Vec::with_capacity(list.len()), Vec::new());
    for item in list {
        match forget::asked(item) {
            Some(name) => tickets.push((rest.len() + tickets.len(), name)),
            None => rest.push(item.clone()),
        }
    }
    (rest, tickets)
}

/// What is forgotten must be gone, so nothing but NULL is set.
fn check_nulls(shape: &Shape, sets: &[(usize, &Expr)], update: &Update) -> Result<()> {
    for ((at, expr), assignment) in sets.iter().zip(&update.assignments) {
        let null = matches!(expr, Expr::Value(value) if value.value == SqlValue::Null);
        if !null || shape.fields[*at].id().is_none() {
            let name = &assignment.column;
            return Err(Error::misplaced_ticket(name.as_str()).at(name.span));
        }
    }
    Ok(())
}

/// The rows of `list` for the rows of a table that meet a condition.
pub(crate) fn targets(
    session: &Session,
    shape: &Arc<Shape>,
    alias: &Name,
    list: Vec<SelectItem>,
    condition: Option<&Expr>,
    values: &[Value],
    view: &View,
) -> Result<Rows> {
    let mut query = template::select_from_target(alias)?;
    template::fill(&mut query, list, condition.cloned());
    let with_ids = Arc::new(shape.with_ids());
    let target = Arc::new(StoredTable::new(view.clone(), with_ids));
    let tables = select::prepare_with(session, &mut query, values, view.clone(), |tables| {
        tables.add(template::TARGET, target);
    })?;
    let now = session.sql().now();
    session.sql().planner().rows(tables, now, query, session.cancel())
}

/// An internal id in a batch.
pub(crate) fn id_at(
    batch: &datafusion::arrow::array::RecordBatch,
    column: usize,
    row: usize,
) -> Result<u64> {
    match Cell::read(batch.column(column).as_ref(), row) {
        Some(Cell::Value(Value::Int(id))) => Ok(id as u64),
        _ => Err(Error::internal("a row has no id")),
    }
}
