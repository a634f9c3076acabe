//! EVALUATE: models measured on held-out interactions.

use std::collections::BTreeMap;
use std::sync::Arc;

use tastedb_engine::EvaluationRequest;
use tastedb_engine::evaluate::{Metric, parse_metric};

use super::options::Options;
use super::show::Grid;
use super::{names, select, template};
use crate::ast::{Evaluate, Expr};
use crate::batch::{Cell, describe};
use crate::error::{Error, Result};
use crate::expr::literal::Given;
use crate::expr::{SqlProjection, params};
use crate::outcome::Outcome;
use crate::provider::View;
use crate::session::Session;
use crate::storage::{Read, Role, Snapshot, TableId, UserId, Value};

/// Runs an EVALUATE.
pub(crate) fn run(session: &mut Session, evaluate: &Evaluate, params: &[Value]) -> Result<Outcome> {
    let snapshot = session.engine().snapshot();
    let catalog = Arc::clone(snapshot.catalog());
    let roles = [Role::Interaction];
    let table = names::table_of(&catalog, &evaluate.table, &roles, "an interaction table")?;
    let given = Given { params, now: session.sql().now() };
    let mut options = Options::new(&evaluate.options, given);
    let seed = options.number("seed")?.unwrap_or(0);
    options.end()?;

    let mut metrics: Vec<Metric> = Vec::new();
    let mut columns: Vec<String> = Vec::new();
    for asked in &evaluate.metrics {
        let name = asked.name.as_str();
        let metric = parse_metric(name, asked.k as usize)
            .map_err(|known| Error::no_such_metric(name, known.to_vec()).at(asked.name.span))?;
        metrics.push(metric);
        columns.push(format!("{}({})", name.to_ascii_lowercase(), asked.k));
    }
    let split = match &evaluate.split {
        None => None,
        Some(expr) => {
            let mut expr = expr.clone();
            params::bind(&mut expr, params)?;
            let planner = session.sql().planner();
            let projection = SqlProjection::compiled(planner, &catalog, table, None, Some(expr))?;
            Some(Arc::new(projection) as Arc<dyn tastedb_engine::Projection>)
        }
    };
    let grouped = !evaluate.group_by.is_empty();
    let groups = match &table.link {
        Some(link) if grouped => {
            Some(groups(session, &snapshot, link.user_table, &evaluate.group_by, params)?)
        }
        _ => None,
    };
    let request = EvaluationRequest {
        models: evaluate.sources.iter().map(|name| name.value.clone()).collect(),
        table: table.id,
        split,
        metrics,
        groups,
        seed,
    };
    let measured = session.engine().evaluate(&snapshot, &request, &session.work());
    let place = evaluate.sources.first().map(|name| name.span);
    let evaluation = measured.map_err(|cause| match place {
        Some(place) => Error::from(cause).at(place),
        None => Error::from(cause),
    })?;

    let mut header: Vec<String> = vec!["model".to_owned()];
    if grouped {
        header.push("group".to_owned());
    }
    header.push("users".to_owned());
    header.extend(columns);
    let mut grid = Grid::named(header);
    for row in &evaluation.rows {
        let mut line = vec![Value::Text(row.model.clone())];
        if grouped {
            line.push(row.group.clone().map_or(Value::Null, Value::Text));
        }
        line.push(Value::Int(i64::try_from(row.users).unwrap_or(i64::MAX)));
        line.extend(row.values.iter().map(|value| Value::Real(*value)));
        grid.push(line);
    }
    let mut outcome = Outcome::with_rows("EVALUATE", grid.finish()?);
    outcome.notices = evaluation.protocol;
    Ok(outcome)
}

/// The group of each user: an expression over the user table.
fn groups(
    session: &Session,
    snapshot: &Snapshot,
    users: TableId,
    exprs: &[Expr],
    values: &[Value],
) -> Result<BTreeMap<UserId, String>> {
    let catalog = snapshot.catalog();
    let Some(table) = catalog.table_by_id(users) else { return Ok(BTreeMap::new()) };
    let mut query = template::select_from(&table.name)?;
    let mut list = vec![template::named(params::column(&table.key_column), "__key")];
    for (at, expr) in exprs.iter().enumerate() {
        list.push(template::named(expr.clone(), &format!("__group{at}")));
    }
    template::fill(&mut query, list, None);
    let rows = select::rows(session, &query, values, View::Snapshot(snapshot.clone()))?;
    let mut groups = BTreeMap::new();
    for batch in &rows.batches {
        for row in 0..batch.num_rows() {
            let key = Cell::read(batch.column(0).as_ref(), row).unwrap_or(Cell::NULL);
            let groups_of = batch.columns()[1..].iter().map(|column| {
                match Cell::read(column.as_ref(), row).unwrap_or(Cell::NULL) {
                    Cell::Value(Value::Text(text)) => text,
                    other => describe(&other),
                }
            });
            let group = groups_of.collect::<Vec<_>>().join(", ");
            let Ok(key) = super::writer::canonical(key, table.key_type, 0) else { continue };
            if let Some(id) = snapshot.lookup(users, &key)? {
                groups.insert(UserId(id), group);
            }
        }
    }
    Ok(groups)
}
