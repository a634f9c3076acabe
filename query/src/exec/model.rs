//! CREATE MODEL, DROP MODEL, TRAIN MODEL, REFRESH MODEL and EXPLAIN TRAIN: statements about models
//! as calls of the engine.

use tastedb_engine::{
    CurvePoint, Device, Error as EngineError, Existing, Lineage, ModelOptions, ModelVersion,
    NewModel, OptionValue, RefreshRequest, Refreshment, TrainRequest, TrainingTable,
};

use super::names;
use super::options::{Options, place_of};
use super::show::Grid;
use crate::ast::{CreateModel, Drop, Expr, Name, TrainModel};
use crate::error::{Error, Result};
use crate::expr::literal::Given;
use crate::expr::{SqlProjection, params};
use crate::outcome::Outcome;
use crate::session::Session;
use crate::span::Span;
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
    let options = model_options(Options::new(&create.options, given).rest()?)?;
    let bound = |expr: &Option<Expr>| -> Result<Option<Expr>> {
        let Some(expr) = expr else { return Ok(None) };
        let mut expr = expr.clone();
        params::bind(&mut expr, params)?;
        Ok(Some(expr))
    };
    let catalog = session.view().catalog()?;
    let roles = [Role::Interaction];
    let expected = "a table of interactions, which is what a model learns from";
    let mut tables = Vec::with_capacity(create.tables.len());
    let mut users = None;
    for given in &create.tables {
        let table = names::table_of(&catalog, &given.table, &roles, expected)?;
        let own = table.link.as_ref().map(|link| link.user_table);
        if own != *users.get_or_insert(own) {
            let what = "a model over tables of different users";
            return Err(Error::not_supported(what).at(given.table.span).hint(
                "the tables of a model refer to the same table of users: who had what in one of \
                 them tells nothing about the users of another",
            ));
        }
        // Compiled here first: errors then have their place in the statement.
        let (weight, filter) = (bound(&given.weight)?, bound(&given.filter)?);
        let planner = session.sql().planner();
        SqlProjection::compiled(planner, &catalog, table, weight.clone(), filter.clone())?;
        tables.push(TrainingTable {
            table: table.name.clone(),
            weight: weight.map(|expr| expr.to_string()),
            filter: filter.map(|expr| expr.to_string()),
        });
    }
    let new = NewModel {
        name: create.name.value.clone(),
        algorithm: create.algorithm.as_ref().map(|name| name.value.clone()),
        tables,
        options,
        statement: statement.to_owned(),
        existing: existing(create.existing),
    };
    session.write(|txn| {
        engine.create_model(txn, new).map_err(|cause| {
            let place = match &cause {
                EngineError::NoSuchAlgorithm { .. } => create.algorithm.as_ref().map(|it| it.span),
                cause => place_of(&create.options, cause),
            };
            Error::from(cause).at(place.unwrap_or(create.name.span))
        })?;
        Ok(())
    })?;
    Ok(Outcome::done("CREATE MODEL"))
}

/// What to do where the name is taken, in the engine's words.
pub(crate) fn existing(existing: crate::ast::Existing) -> Existing {
    match existing {
        crate::ast::Existing::Refuse => Existing::Refuse,
        crate::ast::Existing::Keep => Existing::Keep,
        crate::ast::Existing::Replace => Existing::Replace,
    }
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

/// Runs a TRAIN MODEL.
pub(crate) fn train(
    session: &mut Session,
    train: &TrainModel,
    params: &[Value],
    statement: &str,
) -> Result<Outcome> {
    const VERB: &str = "TRAIN MODEL";
    if session.in_transaction() {
        return Err(Error::not_in_transaction(VERB).at(train.model.span));
    }
    let request = request(session, train, params, statement)?;
    let trained = session.engine().train(&request, &session.work());
    let version = trained.map_err(|cause| placed(train, cause))?;
    let mut outcome = Outcome::done(VERB);
    outcome.affected = version.pairs;
    Ok(outcome.notice(summary(&request.model, &version)))
}

/// Runs a REFRESH MODEL.
pub(crate) fn refresh(
    session: &mut Session,
    refresh: &TrainModel,
    params: &[Value],
    statement: &str,
) -> Result<Outcome> {
    const VERB: &str = "REFRESH MODEL";
    if session.in_transaction() {
        return Err(Error::not_in_transaction(VERB).at(refresh.model.span));
    }
    let given = Given { params, now: session.sql().now() };
    let Run { seed, device, options } = run_options(Options::new(&refresh.options, given))?;
    let request = RefreshRequest {
        model: refresh.model.value.clone(),
        options: model_options(options)?,
        seed,
        device,
        statement: statement.to_owned(),
    };
    let refreshed = session.engine().refresh(&request, &session.work());
    let Refreshment { version, changed } = refreshed.map_err(|cause| placed(refresh, cause))?;
    let mut outcome = Outcome::done(VERB);
    if !changed {
        let version = version.version;
        let notice =
            format!("nothing is new: model `{}` stays at version {version}", request.model);
        return Ok(outcome.notice(notice));
    }
    outcome.affected = version.pairs;
    let outcome = match &version.refreshed {
        Some(lineage) => outcome.notice(news(lineage)),
        None => outcome,
    };
    Ok(outcome.notice(summary(&request.model, &version)))
}

/// An error with the place of what it is about. Who misspells an option may have meant one of a run.
fn placed(train: &TrainModel, mut cause: EngineError) -> Error {
    let place = place_of(&train.options, &cause).unwrap_or(train.model.span);
    if let EngineError::NoSuchOption { known, .. } = &mut cause {
        known.extend([SEED, DEVICE].map(str::to_owned));
    }
    Error::from(cause).at(place)
}

/// What a refresh found and did.
fn news(lineage: &Lineage) -> String {
    let Lineage { from, how, users, items, pairs, .. } = lineage;
    format!("since version {from}: {users:+} users, {items:+} items, {pairs:+} pairs; {how}")
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
    if let Some(lineage) = &version.refreshed {
        line("refreshed from", format!("version {}", lineage.from));
        line("trained as", format!("version {}", lineage.trained));
        line("new", news(lineage));
    }
    if let Some(failure) = &model.failure {
        line("last automatic refresh", format!("failed: {failure}"));
    }
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
    let plan = planned.map_err(|cause| placed(train, cause))?;
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
    line("device", plan.device.name().to_owned());
    line("estimated memory", bytes(plan.estimate.bytes));
    line("estimated model size", bytes(plan.estimate.model_bytes));
    match plan.estimate.device_bytes.filter(|_| plan.device != Device::Cpu) {
        Some(of_device) => line("estimated memory of the device", bytes(of_device)),
        None => line("estimated time", format!("{:.1} s", plan.estimate.seconds)),
    }
    Ok(Outcome::with_rows("EXPLAIN", grid.finish()?))
}

fn request(
    session: &Session,
    train: &TrainModel,
    params: &[Value],
    statement: &str,
) -> Result<TrainRequest> {
    let given = Given { params, now: session.sql().now() };
    let Run { seed, device, options } = run_options(Options::new(&train.options, given))?;
    Ok(TrainRequest {
        model: train.model.value.clone(),
        options: model_options(options)?,
        seed: seed.unwrap_or(0),
        device,
        statement: statement.to_owned(),
    })
}

/// Options as they were given, each with its place.
type Rest = Vec<(String, Value, Span)>;

/// The options that a run has beside those of the algorithm.
const SEED: &str = "seed";
const DEVICE: &str = "device";

/// The options of a run; the last are those of the algorithm.
struct Run {
    seed: Option<u64>,
    device: Device,
    options: Rest,
}

fn run_options(mut options: Options<'_>) -> Result<Run> {
    let seed = options.number(SEED)?;
    let device = match options.text(DEVICE)? {
        None => Device::default(),
        Some((name, place)) => Device::named(&name).ok_or_else(|| {
            Error::option_value(DEVICE, "'auto', 'cpu', 'gpu' or 'torch'").at(place)
        })?,
    };
    Ok(Run { seed, device, options: options.rest()? })
}

/// Options as the engine takes them.
pub(crate) fn model_options(options: Rest) -> Result<ModelOptions> {
    let mut model = ModelOptions::new();
    for (name, value, place) in options {
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
pub(crate) fn bytes(bytes: u64) -> String {
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
