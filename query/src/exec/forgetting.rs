//! EVALUATE FORGETTING: models made to forget a part of what they learn from, in memory, and measured.

use std::sync::Arc;

use tastedb_engine::{Amount, ForgettingRequest, Projection, Scope};

use super::names;
use super::options::Options;
use super::show::Grid;
use crate::ast::{EvaluateForgetting, Forgotten};
use crate::error::{Error, Result};
use crate::expr::literal::Given;
use crate::expr::{SqlProjection, params};
use crate::outcome::Outcome;
use crate::session::Session;
use crate::storage::{ColumnType, Read, Role, Value};

/// The share that is forgotten where none is given.
const SHARE: f64 = 0.05;
/// The length of the lists where none is given.
const K: u64 = 20;

/// The columns of the rows.
pub(crate) const COLUMNS: &[(&str, ColumnType)] = &[
    ("model", ColumnType::Text),
    ("stage", ColumnType::Text),
    ("forget_recall", ColumnType::Double),
    ("test_recall", ColumnType::Double),
    ("validation_recall", ColumnType::Double),
    ("membership_auc", ColumnType::Double),
    ("seconds", ColumnType::Double),
    ("how", ColumnType::Text),
];

/// Runs an EVALUATE FORGETTING.
pub(crate) fn run(
    session: &mut Session,
    evaluate: &EvaluateForgetting,
    params: &[Value],
) -> Result<Outcome> {
    let snapshot = session.engine().snapshot();
    let catalog = Arc::clone(snapshot.catalog());
    let given = Given { params, now: session.sql().now() };
    let mut options = Options::new(&evaluate.options, given);
    let share = options.real("share")?;
    let count = options.number("count")?;
    let k = options.number("k")?.unwrap_or(K);
    let seed = options.number("seed")?.unwrap_or(0);
    options.end()?;
    let amount = match (share, count) {
        (Some((share, place)), None) if !(share > 0.0 && share < 1.0) => {
            return Err(Error::option_value("share", "a number between 0 and 1").at(place));
        }
        (Some((_, place)), Some(_)) => {
            return Err(Error::option_value("share", "given without count").at(place));
        }
        (Some((share, _)), None) => Amount::Share(share),
        (None, None) => Amount::Share(SHARE),
        (None, Some(count)) => Amount::Count(usize::try_from(count).unwrap_or(usize::MAX)),
    };

    let (mut table, mut split) = (None, None);
    if let Some(name) = &evaluate.table {
        let roles = [Role::Interaction];
        let of = names::table_of(&catalog, name, &roles, "an interaction table")?;
        table = Some(of.id);
        if let Some(expr) = &evaluate.split {
            let mut expr = expr.clone();
            params::bind(&mut expr, params)?;
            let planner = session.sql().planner();
            let compiled = SqlProjection::compiled(planner, &catalog, of, None, Some(expr))?;
            split = Some(Arc::new(compiled) as Arc<dyn Projection>);
        }
    }
    let scope = match evaluate.what {
        None | Some(Forgotten::Users) => Scope::User,
        Some(Forgotten::Items) => Scope::Item,
        Some(Forgotten::Interactions) => Scope::Interactions,
    };
    let request = ForgettingRequest {
        models: evaluate.models.iter().map(|name| name.value.clone()).collect(),
        scope,
        amount,
        table,
        split,
        k: usize::try_from(k.max(1)).unwrap_or(usize::MAX),
        seed,
    };
    let measured = session.engine().evaluate_forgetting(&snapshot, &request, &session.work());
    let place = evaluate.models.first().map(|name| name.span);
    let reports = measured.map_err(|cause| match place {
        Some(place) => Error::from(cause).at(place),
        None => Error::from(cause),
    })?;

    let mut grid = Grid::typed(COLUMNS);
    let mut notices = Vec::new();
    for (model, report) in &reports {
        for stage in &report.stages {
            let real = |value: Option<f64>| value.map_or(Value::Null, Value::Real);
            grid.push(vec![
                Value::Text(model.clone()),
                Value::Text(stage.stage.to_owned()),
                real(stage.forget),
                real(stage.test),
                real(stage.validation),
                real(stage.membership),
                Value::Real(stage.seconds),
                Value::Text(stage.how.clone()),
            ]);
        }
        let (subjects, pairs) = report.forgotten;
        let drawn = match evaluate.what {
            None | Some(Forgotten::Users) => format!("{subjects} users with "),
            Some(Forgotten::Items) => format!("{subjects} items with "),
            Some(Forgotten::Interactions) => String::new(),
        };
        notices.push(format!(
            "`{model}` forgot {drawn}{pairs} pairs and kept {}; recall of {} items, each with the \
             rest of a history",
            report.retained, request.k
        ));
    }
    let mut outcome = Outcome::with_rows("EVALUATE", grid.finish()?);
    outcome.notices = notices;
    Ok(outcome)
}
