//! CREATE EMBEDDING, REFRESH EMBEDDING and DROP EMBEDDING as calls of the engine.
//!
//! Computing reads a view and holds no lock, unless a transaction is open; what it made, and the
//! vectors of all rows, become a part of the database in one transaction.

use tastedb_engine::{Error as EngineError, NewEmbedding, TextEmbedding};

use super::model::{bytes, existing, model_options};
use super::names;
use super::options::{Options, place_of};
use crate::ast::{CreateEmbedding, Drop, Existing, Name, RefreshEmbedding};
use crate::batch::Field;
use crate::error::{Error, Result};
use crate::expr::literal::Given;
use crate::outcome::Outcome;
use crate::session::Session;
use crate::storage::{ColumnType, Role, Table, Value};

/// Runs a CREATE EMBEDDING.
pub(crate) fn create(
    session: &mut Session,
    create: &CreateEmbedding,
    params: &[Value],
    statement: &str,
) -> Result<Outcome> {
    let engine = session.engine().clone();
    let given = Given { params, now: session.sql().now() };
    let options = model_options(Options::new(&create.options, given).rest()?)?;
    let view = session.view();
    let catalog = view.catalog()?;
    let expected = "a table of items, whose text an embedding is of";
    let table = names::table_of(&catalog, &create.table, &[Role::Item], expected)?;
    let shape = session.sql().shapes().get(&catalog, table);
    if let Some(at) = shape.position(create.name.as_str()) {
        let name = &shape.names[at];
        match create.existing {
            Existing::Keep if shape.is_computed(at) => {
                let notice = format!("embedding `{name}` exists already");
                return Ok(Outcome::done("CREATE EMBEDDING").notice(notice));
            }
            Existing::Replace if shape.is_computed(at) => {}
            _ => return Err(Error::exists("column", name).at(create.name.span)),
        }
    }
    for name in &create.sources {
        let at = names::column(&shape, name)?;
        let Field::Value(_, ColumnType::Text | ColumnType::TextList) = shape.fields[at] else {
            let found = match shape.fields[at] {
                Field::Key(_) => "the key".to_owned(),
                field => format!("a column of {}", field.column_type()),
            };
            return Err(
                Error::wrong_type("expected a column of TEXT or TEXT[]", &found).at(name.span)
            );
        };
    }
    let new = NewEmbedding {
        name: create.name.value.clone(),
        table: table.name.clone(),
        sources: create.sources.iter().map(|name| name.value.clone()).collect(),
        method: create.method.as_ref().map(|method| method.value.clone()),
        options,
        statement: statement.to_owned(),
        existing: existing(create.existing),
    };
    let work = session.work();
    let fitted = view.read(|read| {
        engine.fit_embedding(read, &new, &work).map_err(|cause| placed(create, cause))
    })?;
    let made = session.write(|txn| {
        let made = engine.create_embedding(txn, &new, fitted, &work);
        made.map_err(|cause| Error::from(cause).at(create.name.span))
    })?;
    outcome("CREATE EMBEDDING", session, &made)
}

/// An error with the place of what it is about.
fn placed(create: &CreateEmbedding, cause: EngineError) -> Error {
    let place = match &cause {
        EngineError::NoSuchAlgorithm { .. } => create.method.as_ref().map(|method| method.span),
        cause => place_of(&create.options, cause),
    };
    Error::from(cause).at(place.unwrap_or(create.name.span))
}

/// Runs a REFRESH EMBEDDING.
pub(crate) fn refresh(session: &mut Session, refresh: &RefreshEmbedding) -> Result<Outcome> {
    let engine = session.engine().clone();
    let view = session.view();
    let catalog = view.catalog()?;
    let table = names::table(&catalog, &refresh.table)?;
    let Some(embedding) =
        view.read(|read| Ok(engine.embedding(read, table, refresh.name.as_str())?))?
    else {
        return Err(missing(session, table, &refresh.name)?);
    };
    let place = refresh.name.span;
    let work = session.work();
    let fitted = view.read(|read| {
        let fitted = engine.refit_embedding(read, &embedding, &work);
        fitted.map_err(|cause| Error::from(cause).at(place))
    })?;
    let made = session.write(|txn| {
        let made = engine.refresh_embedding(txn, &embedding, fitted, &work);
        made.map_err(|cause| Error::from(cause).at(place))
    })?;
    outcome("REFRESH EMBEDDING", session, &made)
}

/// Runs a DROP EMBEDDING.
pub(crate) fn drop(session: &mut Session, drop: &Drop) -> Result<Outcome> {
    let done = || Outcome::done("DROP EMBEDDING");
    let Some(on) = &drop.table else { return Err(Error::internal("an embedding on no table")) };
    let name = &drop.name;
    let catalog = session.view().catalog()?;
    if drop.if_exists && catalog.table(on.as_str()).is_none() {
        return Ok(done().notice(format!("there is no table `{on}`")));
    }
    let table = names::table(&catalog, on)?;
    let engine = session.engine().clone();
    let found = session.write(|txn| {
        let found = engine.embedding(txn, table, name.as_str())?;
        if let Some(embedding) = &found {
            engine.drop_embedding(txn, embedding)?;
        }
        Ok(found.is_some())
    })?;
    match (found, drop.if_exists) {
        (true, _) => Ok(done()),
        (false, true) => Ok(done().notice(format!("there is no embedding `{name}` on `{on}`"))),
        (false, false) => Err(missing(session, table, name)?),
    }
}

fn missing(session: &Session, table: &Table, name: &Name) -> Result<Error> {
    let all =
        session.view().read(|read| Ok(session.engine().embeddings(read, Some(table.id))?))?;
    let known = all.iter().filter_map(|embedding| table.column_by_id(embedding.column));
    let known = known.map(|column| column.name.as_str()).collect();
    Ok(Error::no_such_embedding(name.as_str(), &table.name, known).at(name.span))
}

fn outcome(verb: &'static str, session: &Session, made: &TextEmbedding) -> Result<Outcome> {
    let catalog = session.view().catalog()?;
    let column = catalog.table_by_id(made.table).and_then(|t| t.column_by_id(made.column));
    let (name, dim) = match column.map(|column| (&column.name, column.ty)) {
        Some((name, ColumnType::Vector { dim, .. })) => (name.as_str(), dim),
        _ => ("", 0),
    };
    let mut outcome = Outcome::done(verb);
    outcome.affected = made.rows;
    Ok(outcome.notice(format!(
        "embedding `{name}`: {} rows, {} terms, {dim} dimensions keep {:.0} % of the variation; \
         {:.2} s, {}",
        made.rows,
        made.terms,
        100.0 * made.explained,
        made.seconds,
        bytes(made.bytes),
    )))
}
