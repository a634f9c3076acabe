//! CREATE MODEL, DROP MODEL, TRAIN MODEL, REFRESH MODEL and EXPLAIN TRAIN: statements about models
//! as calls of the engine.

use tastedb_engine::{
    CurvePoint, Existing, ModelOptions, ModelVersion, NewModel, OptionValue, TrainRequest,
};

use super::names;
use super::options::Options;
use super::show::Grid;
use crate::ast::{CreateModel, Drop, Expr, Name, TrainModel};
use crate::error::{Error, Result};
use crate::expr::literal::Given;
use crate::expr::{SqlProjection, params};
use crate::outcome::Outcome;
use crate::session::Session;
use crate::storage::{Role, Value};

/// Runs a CREATE MODEL.
pub(crate) fn create(
    session: &mut Session,
    create: &CreateModel,
    params: &[Value],
    statement: &str,
) -> Result<Outcome> {
    let engine = session.engine().clone();
    let given = Given { params, now: session.sql().now() };
    let options = model_options(Options::new(&create.options, given))?;
    let bound = |expr: &Option<Expr>| -> Result<Option<Expr>> {
        let Some(expr) = expr else { return Ok(None) };
        let mut expr = expr.clone();
        params::bind(&mut expr, params)?;
        Ok(Some(expr))
    };
    let (weight, filter) = (bound(&create.weight)?, bound(&create.filter)?);
    let catalog = session.view().catalog()?;
    let roles = [Role::Interaction];
    let expected = "a table of interactions, which is what a model learns from";
    let table = names::table_of(&catalog, &create.table, &roles, expected)?;
    // Compiled here first: errors then have their place in the statement.
    let planner = session.sql().planner();
    SqlProjection::compiled(planner, &catalog, table, weight.clone(), filter.clone())?;
    let new = NewModel {
        name: create.name.value.clone(),
        algorithm: create.algorithm.as_ref().map(|name| name.value.clone()),
        table: table.name.clone(),
        weight: weight.map(|expr| expr.to_string()),
        filter: filter.map(|expr| expr.to_string()),
        options,
        statement: statement.to_owned(),
        existing: match create.existing {
            crate::ast::Existing::Refuse => Existing::Refuse,
            crate::ast::Existing::Keep => Existing::Keep,
            crate::ast::Existing::Replace => Existing::Replace,
        },
    };
    let place = create.algorithm.as_ref().unwrap_or(&create.name).span;
    session.write(|txn| {
        engine.create_model(txn, new).map_err(|cause| Error::from(cause).at(place))?;
        Ok(())
    })?;
    Ok(Outcome::done("CREATE MODEL"))
}

/// Runs a DROP MODEL.
pub(crate) fn drop_model(session: &mut Session, drop: &Drop) -> Result<Outcome> {
    let engine = session.engine().clone();
    let model = drop.name.value.clone();
    let found = session.write(|txn| Ok(engine.drop_model(txn, &model)?))?;
    if found {
        return Ok(Outcome::done("DROP MODEL"));
    }
    if drop.if_exists {
        let notice = format!("there is no model `{model}`");
        return Ok(Outcome::done("DROP MODEL").notice(notice));
    }
    let known = session.models()?;
    let known = known.iter().map(|model| model.definition.name.as_str()).collect();
    Err(Error::no_such_model(&model, known).at(drop.name.span))
}

/// Runs a TRAIN MODEL or a REFRESH MODEL.
pub(crate) fn train(
    session: &mut Session,
    verb: &str,
    train: &TrainModel,
    params: &[Value],
    statement: &str,
) -> Result<Outcome> {
    if session.in_transaction() {
        return Err(Error::not_in_transaction(verb).at(train.model.span));
    }
    let request = request(session, train, params, statement)?;
    let trained = session.engine().train(&request, &session.work());
    let version = trained.map_err(|cause| Error::from(cause).at(train.model.span))?;
    let mut outcome = Outcome::done(verb);
    outcome.affected = version.pairs;
    Ok(outcome.notice(summary(&request.model, &version)))
}

/// Points of a learning curve that SHOW TRAINING tells, about.
const POINTS: usize = 24;

fn summary(model: &str, version: &ModelVersion) -> String {
    format!(
        "model `{model}` version {}: {} users, {} items, {} pairs; read {:.2} s, fit {:.2} s, {}",
        version.version,
        version.users,
        version.items,
        version.pairs,
        version.read_seconds,
        version.fit_seconds,
        bytes(version.bytes),
    )
}

/// Runs a SHOW TRAINING: how the training went that made the serving version.
pub(crate) fn show_training(session: &Session, name: &Name) -> Result<Outcome> {
    let models = session.models()?;
    let Some(model) = models.iter().find(|model| model.definition.name == name.value) else {
        let known = models.iter().map(|model| model.definition.name.as_str()).collect();
        return Err(Error::no_such_model(&name.value, known).at(name.span));
    };
    let Some(version) = &model.serving else {
        return Err(Error::from(tastedb_engine::Error::NotFitted { model: name.value.clone() })
            .at(name.span));
    };
    let mut grid = Grid::new(&["property", "value"]);
    let mut line = |name: &str, value: String| {
        grid.push(vec![Value::Text(name.to_owned()), Value::Text(value)]);
    };
    line("algorithm", model.definition.algorithm.clone());
    line("version", version.version.to_string());
    line("statement", version.statement.clone());
    line("seed", version.seed.to_string());
    line("users", version.users.to_string());
    line("items", version.items.to_string());
    line("pairs", version.pairs.to_string());
    for (option, value) in &version.options {
        line(option, value.clone());
    }
    for note in &version.notes {
        line("choice", note.clone());
    }
    line("model size", bytes(version.bytes));
    line("reading", format!("{:.2} s", version.read_seconds));
    line("fitting", format!("{:.2} s", version.fit_seconds));
    let curve = &version.curve;
    for CurvePoint { epoch, loss, recall } in curve.told(POINTS) {
        let kept = if *epoch == curve.best { ", kept" } else { "" };
        line(&format!("epoch {epoch}"), format!("loss {loss:.4}, recall@20 {recall:.4}{kept}"));
    }
    let mut outcome = Outcome::with_rows("SHOW", grid.finish()?);
    outcome.curve = (!curve.points.is_empty()).then(|| curve.clone());
    Ok(outcome)
}

/// Runs an EXPLAIN TRAIN.
pub(crate) fn explain_train(
    session: &mut Session,
    train: &TrainModel,
    params: &[Value],
    statement: &str,
) -> Result<Outcome> {
    let request = request(session, train, params, statement)?;
    let planned = session.engine().plan_training(&request);
    let plan = planned.map_err(|cause| Error::from(cause).at(train.model.span))?;
    let mut grid = Grid::new(&["property", "value"]);
    let mut line = |name: &str, value: String| {
        grid.push(vec![Value::Text(name.to_owned()), Value::Text(value)]);
    };
    line("algorithm", plan.definition.algorithm.clone());
    line("users", plan.users.to_string());
    line("items", plan.items.to_string());
    line("interactions", plan.interactions.to_string());
    for (option, value) in &plan.options {
        line(option, value.clone());
    }
    line("estimated memory", bytes(plan.estimate.bytes));
    line("estimated model size", bytes(plan.estimate.model_bytes));
    line("estimated time", format!("{:.1} s", plan.estimate.seconds));
    Ok(Outcome::with_rows("EXPLAIN", grid.finish()?))
}

fn request(
    session: &Session,
    train: &TrainModel,
    params: &[Value],
    statement: &str,
) -> Result<TrainRequest> {
    let given = Given { params, now: session.sql().now() };
    let mut options = Options::new(&train.options, given);
    let seed = options.number("seed")?.unwrap_or(0);
    if let Some((device, place)) = options.text("device")? {
        match device.as_str() {
            "auto" | "cpu" => {}
            "gpu" => return Err(Error::not_supported("device = 'gpu'").at(place)),
            _ => return Err(Error::option_value("device", "'auto', 'cpu' or 'gpu'").at(place)),
        }
    }
    Ok(TrainRequest {
        model: train.model.value.clone(),
        options: model_options(options)?,
        seed,
        statement: statement.to_owned(),
    })
}

fn model_options(options: Options<'_>) -> Result<ModelOptions> {
    let mut model = ModelOptions::new();
    for (name, value, place) in options.rest()? {
        let value = match value {
            Value::Bool(value) => OptionValue::Bool(value),
            Value::Int(value) => OptionValue::Int(value),
            Value::Real(value) => OptionValue::Real(value),
            Value::Text(value) => OptionValue::Text(value),
            _ => return Err(Error::option_value(&name, "a number or a text").at(place)),
        };
        model.set(name, value);
    }
    Ok(model)
}

/// A number of bytes for people.
fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}
