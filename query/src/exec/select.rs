//! Queries: SELECT, VALUES, WITH and what else returns rows from tables.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::datasource::MemTable;
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::{
    FunctionArg, Ident, ObjectName, ObjectNamePart, Statement, TableFactor, Visit, VisitMut,
    Visitor, VisitorMut,
};

use super::{failure, recommend, show, titles};
use crate::error::{Error, Result};
use crate::expr::params;
use crate::outcome::{Outcome, Rows};
use crate::pg;
use crate::provider::{SCHEMA, Tables, View};
use crate::session::Session;
use crate::span::Span;
use crate::storage::Value;

/// Runs a query.
pub(crate) fn run(session: &mut Session, query: &Statement, params: &[Value]) -> Result<Outcome> {
    let mut batches = Vec::new();
    let mut count = 0;
    let schema = stream(session, query, params, session.view(), &mut |batch| {
        count += batch.num_rows();
        session.admit(count)?;
        batches.push(batch);
        Ok(())
    })?;
    let rows = Rows { schema, batches };
    Ok(Outcome::with_rows("SELECT", titles::entitle(query, rows)?))
}

/// Runs a query and hands over its batches as they come.
pub(crate) fn stream(
    session: &Session,
    query: &Statement,
    params: &[Value],
    view: View,
    each: &mut dyn FnMut(RecordBatch) -> Result<()>,
) -> Result<datafusion::arrow::datatypes::SchemaRef> {
    let mut query = query.clone();
    let tables = prepare(session, &mut query, params, view)?;
    let now = session.sql().now();
    session.sql().planner().stream(tables, now, query, session.cancel(), each)
}

/// DataFusion's plan of a query; with `analyze` it has run, and the plan tells what it did.
pub(crate) fn explain(
    session: &mut Session,
    query: &Statement,
    params: &[Value],
    analyze: bool,
) -> Result<Outcome> {
    let mut query = query.clone();
    let tables = prepare(session, &mut query, params, session.view())?;
    let now = session.sql().now();
    let planner = session.sql().planner();
    let plan = match analyze {
        true => planner.explain_analyze(tables, now, query, session.cancel())?,
        false => planner.explain(tables, now, query, session.cancel())?,
    };
    Ok(Outcome::with_rows("EXPLAIN", show::text_rows("plan", plan.lines().map(str::to_owned))?))
}

/// The rows of a small query: a list of keys, a scalar.
pub(crate) fn rows(
    session: &Session,
    query: &Statement,
    params: &[Value],
    view: View,
) -> Result<Rows> {
    let mut batches = Vec::new();
    let schema = stream(session, query, params, view, &mut |batch| {
        batches.push(batch);
        Ok(())
    })?;
    Ok(Rows { schema, batches })
}

/// Puts the parameters into a query, computes its `recommend(…)` calls, and finds its tables.
pub(crate) fn prepare(
    session: &Session,
    query: &mut Statement,
    values: &[Value],
    view: View,
) -> Result<Tables> {
    prepare_with(session, query, values, view, |_| {})
}

/// The same with tables of the caller's own.
pub(crate) fn prepare_with(
    session: &Session,
    query: &mut Statement,
    values: &[Value],
    view: View,
    add: impl FnOnce(&mut Tables),
) -> Result<Tables> {
    params::bind(query, values)?;
    tables(session, query, view, recommend::call, add)
}

/// The tables of a query that is to be described: `recommend(…)` calls have their columns and no rows.
pub(crate) fn described(session: &Session, query: &mut Statement, view: View) -> Result<Tables> {
    tables(session, query, view, recommend::call_columns, |_| {})
}

/// What becomes of the call of a function in FROM.
type Call = fn(&Session, &[FunctionArg], &Ident) -> Result<Rows>;

fn tables(
    session: &Session,
    query: &mut Statement,
    view: View,
    call: Call,
    add: impl FnOnce(&mut Tables),
) -> Result<Tables> {
    let catalog = view.catalog()?;
    let mut tables = Tables::new(view.clone(), catalog);
    add(&mut tables);
    if let Some(asked) = pg::prepare(session, &view, query)? {
        for (name, rows) in asked.tables {
            tables.add(name, mem_table(rows)?);
        }
        tables.add_functions(asked.functions);
    }
    for (name, rows) in calls(session, query, call)? {
        tables.add(name, mem_table(rows)?);
    }
    resolve(session, query, &view, &mut tables)?;
    Ok(tables)
}

/// Rows as a table.
pub(crate) fn mem_table(rows: Rows) -> Result<Arc<MemTable>> {
    let table = MemTable::try_new(Arc::clone(&rows.schema), vec![rows.batches]);
    table.map(Arc::new).map_err(failure::of_datafusion)
}

/// Computes the calls of `recommend(…)` in FROM and puts tables in their places.
fn calls(session: &Session, query: &mut Statement, call: Call) -> Result<Vec<(String, Rows)>> {
    struct Calls<'a> {
        session: &'a Session,
        call: Call,
        done: Vec<(String, Rows)>,
    }
    impl VisitorMut for Calls<'_> {
        type Break = Error;

        fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
            let TableFactor::Table { name, alias, args, .. } = factor else {
                return ControlFlow::Continue(());
            };
            let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
                return ControlFlow::Continue(());
            };
            if !ident.value.eq_ignore_ascii_case("recommend") {
                return ControlFlow::Continue(());
            }
            let Some(arguments) = args.take() else { return ControlFlow::Continue(()) };
            match (self.call)(self.session, &arguments.args, ident) {
                Ok(rows) => {
                    let made = format!("__recommend_{}", self.done.len());
                    if alias.is_none() {
                        *alias = Some(recommend::alias(ident));
                    }
                    *name = ObjectName::from(vec![Ident::with_quote('"', made.clone())]);
                    self.done.push((made, rows));
                    ControlFlow::Continue(())
                }
                Err(error) => ControlFlow::Break(error),
            }
        }
    }
    let mut calls = Calls { session, call, done: Vec::new() };
    match query.visit(&mut calls) {
        ControlFlow::Continue(()) => Ok(calls.done),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Checks that every table exists, and adds the system tables that the query names.
fn resolve(session: &Session, query: &Statement, view: &View, tables: &mut Tables) -> Result<()> {
    let statement = DfStatement::Statement(Box::new(query.clone()));
    let (references, _) =
        resolve_table_references(&statement, true).map_err(failure::of_datafusion)?;
    let mut known = tables.names();
    for reference in references {
        if reference.schema() == Some("information_schema") {
            continue;
        }
        let name = reference.table();
        if reference.schema().is_some_and(|schema| schema != SCHEMA) {
            let error = Error::not_supported("a name of several parts: there are no schemas");
            return Err(match places(query).get(name) {
                Some(place) => error.at(*place),
                None => error,
            });
        }
        if known.iter().any(|table| table == name)
            || known.iter().any(|table| table.eq_ignore_ascii_case(name))
        {
            continue;
        }
        if let Some(rows) = show::system_table(session, name, view)? {
            tables.add(name, mem_table(rows)?);
            continue;
        }
        known.retain(|table| !table.starts_with("__"));
        known.extend(show::SYSTEM_TABLES.iter().map(|table| (*table).to_owned()));
        let error = Error::no_such_table(name, known.iter().map(String::as_str).collect());
        return Err(match places(query).get(name) {
            Some(place) => error.at(*place),
            None => error,
        });
    }
    Ok(())
}

/// Where a query names its tables.
fn places(query: &Statement) -> BTreeMap<String, Span> {
    struct Places(BTreeMap<String, Span>);
    impl Visitor for Places {
        type Break = ();

        fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
            if let Some(ident) = relation.0.last().and_then(ObjectNamePart::as_ident) {
                let place = Span::from(ident.span);
                self.0.entry(super::names::normal(ident)).or_insert(place);
            }
            ControlFlow::Continue(())
        }
    }
    let mut places = Places(BTreeMap::new());
    let _ = query.visit(&mut places);
    places.0
}
