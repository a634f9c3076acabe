//! CREATE INDEX, REFRESH INDEX and DROP INDEX as calls of the engine.
//!
//! Building reads a snapshot and holds no lock; what it made becomes a part of the database with the
//! index. Within a transaction only the index is made, and the open database builds it afterwards.

use tastedb_engine::index::{Built, NewIndex};
use tastedb_engine::{
    Error as EngineError, Existing as Present, ModelOptions, OptionValue, Similarity,
};

use super::model::{bytes, existing, model_options};
use super::names;
use super::options::{Options, place_of};
use crate::ast::{CreateIndex, Drop, IndexColumn, Name};
use crate::batch::Field;
use crate::error::{Error, Result};
use crate::expr::literal::Given;
use crate::outcome::Outcome;
use crate::provider::View;
use crate::session::Session;
use crate::storage::{Role, Value};

/// The operator classes, by the names they have in pgvector.
const CLASSES: [(&str, Similarity); 3] = [
    ("vector_cosine_ops", Similarity::Cosine),
    ("vector_l2_ops", Similarity::L2),
    ("vector_ip_ops", Similarity::InnerProduct),
];

/// The option that says the same.
const METRIC: &str = "metric";

/// Runs a CREATE INDEX.
pub(crate) fn create(
    session: &mut Session,
    create: &CreateIndex,
    params: &[Value],
) -> Result<Outcome> {
    let given = Given { params, now: session.sql().now() };
    let mut options = model_options(Options::new(&create.options, given).rest()?)?;
    let view = session.view();
    let catalog = view.catalog()?;
    let expected = "a table of items, whose embeddings an index is of";
    let table = names::table_of(&catalog, &create.table, &[Role::Item], expected)?;
    let [IndexColumn { column, class }] = create.columns.as_slice() else {
        let what = "an index of several columns";
        return Err(Error::clause_unsupported(what).at(create.columns[1].column.span));
    };
    if let Some(class) = class {
        set_metric(&mut options, class)?;
    }
    let shape = session.sql().shapes().get(&catalog, table);
    let at = names::column(&shape, column)?;
    let Field::Embedding(..) = shape.fields[at] else {
        return Err(Error::not_a_vector(&shape.names[at]).at(column.span));
    };
    let new = NewIndex {
        name: create.name.value.clone(),
        table: table.name.clone(),
        column: shape.names[at].clone(),
        method: create.method.as_ref().map(|method| method.value.clone()),
        options,
        existing: existing(create.existing),
    };
    let engine = session.engine().clone();
    let known = view.read(|read| Ok(engine.indexes(read)?))?;
    let exists = known.iter().any(|index| index.name == new.name);
    if exists && new.existing == Present::Keep {
        return Ok(exists_already(&new.name));
    }
    // What is refused anyway is not built first.
    let refused = |cause| placed(create, cause);
    engine.check_index(&catalog, &known, &new).map_err(refused)?;
    let fitted = match &view {
        View::Transaction(_) => None,
        View::Snapshot(snapshot) => {
            Some(engine.fit_index(snapshot, &new, &session.work()).map_err(refused)?)
        }
    };
    let built = fitted.as_ref().map(|fitted| fitted.built().clone());
    let created = session.write(|txn| engine.create_index(txn, &new, fitted).map_err(refused))?;
    if !created {
        return Ok(exists_already(&new.name));
    }
    let mut outcome = Outcome::done("CREATE INDEX");
    outcome.affected = built.as_ref().map_or(0, |built| built.items);
    Ok(match built {
        None => outcome.notice(format!("index `{}` is built after COMMIT", new.name)),
        Some(built) => outcome.notice(told(&new.name, &built)),
    })
}

/// Takes the metric of an operator class. Fails where there is no such class, or the options say another.
fn set_metric(options: &mut ModelOptions, class: &Name) -> Result<()> {
    let known = CLASSES.iter().find(|(name, _)| name.eq_ignore_ascii_case(class.as_str()));
    let Some((name, metric)) = known else {
        let names = CLASSES.iter().map(|(name, _)| *name).collect();
        return Err(Error::operator_class(class.as_str(), names).at(class.span));
    };
    match options.get(METRIC) {
        Some(OptionValue::Text(other)) if !other.eq_ignore_ascii_case(metric.name()) => {
            Err(Error::two_metrics(name, other).at(class.span))
        }
        Some(_) => Ok(()),
        None => {
            options.set(METRIC, OptionValue::Text(metric.name().to_owned()));
            Ok(())
        }
    }
}

/// The operator class of a metric, where it is not the usual one.
pub(crate) fn class_of(metric: Similarity) -> Option<&'static str> {
    let unusual = CLASSES.iter().filter(|(_, of)| *of != Similarity::default());
    unusual.filter(|(_, of)| *of == metric).map(|(name, _)| *name).next()
}

fn exists_already(name: &str) -> Outcome {
    Outcome::done("CREATE INDEX").notice(format!("index `{name}` exists already"))
}

/// Runs a REFRESH INDEX: builds it from the rows of now.
pub(crate) fn refresh(session: &mut Session, name: &Name) -> Result<Outcome> {
    if session.in_transaction() {
        return Err(Error::not_in_transaction("REFRESH INDEX").at(name.span));
    }
    let engine = session.engine().clone();
    let built = engine.rebuild_index(name.as_str(), &session.work());
    let index = match built {
        Err(EngineError::NoSuchIndex { .. }) => return Err(missing(session, name)?),
        other => other.map_err(|cause| Error::from(cause).at(name.span))?,
    };
    let mut outcome = Outcome::done("REFRESH INDEX");
    outcome.affected = index.built.as_ref().map_or(0, |built| built.items);
    Ok(match &index.built {
        Some(built) => outcome.notice(told(&index.name, built)),
        None => outcome,
    })
}

/// Runs a DROP INDEX.
pub(crate) fn drop(session: &mut Session, drop: &Drop) -> Result<Outcome> {
    let engine = session.engine().clone();
    let found = session.write(|txn| Ok(engine.drop_index(txn, drop.name.as_str())?))?;
    let done = Outcome::done("DROP INDEX");
    match (found, drop.if_exists) {
        (true, _) => Ok(done),
        (false, true) => Ok(done.notice(format!("there is no index `{}`", drop.name))),
        (false, false) => Err(missing(session, &drop.name)?),
    }
}

fn missing(session: &Session, name: &Name) -> Result<Error> {
    let all = session.view().read(|read| Ok(session.engine().indexes(read)?))?;
    let known = all.iter().map(|index| index.name.as_str()).collect();
    Ok(Error::no_such_index(name.as_str(), known).at(name.span))
}

/// An error with the place of what it is about.
fn placed(create: &CreateIndex, cause: EngineError) -> Error {
    let place = match &cause {
        EngineError::NoSuchAlgorithm { .. } => create.method.as_ref().map(|method| method.span),
        EngineError::AlreadyIndexed { .. } | EngineError::NotAVector { .. } => {
            create.columns.first().map(|column| column.column.span)
        }
        cause => place_of(&create.options, cause),
    };
    Error::from(cause).at(place.unwrap_or(create.name.span))
}

/// What was built, for people.
fn told(name: &str, built: &Built) -> String {
    format!(
        "index `{name}`: {} items, {}, recall@10 {:.3} on a sample; {:.2} s",
        built.items,
        bytes(built.bytes),
        built.recall,
        built.seconds,
    )
}
