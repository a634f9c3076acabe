//! INSERT: rows given or queried into one table, all of them or none.
//!
//! Rows of literals and parameters go straight to storage; only an expression or a query brings
//! in a planner. That is what makes a single durable INSERT cost little more than its sync.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::Schema;
use datafusion::sql::sqlparser::ast::{Expr, SelectItem, Spanned, Statement};

use super::failure;
use super::returning::Returning;
use super::writer::{OnExisting, RowFault, RowWriter, Written, fitted, vector};
use super::{names, select};
use crate::ast::{Assignment, ConflictAction, Insert, InsertSource, Located, OnConflict};
use crate::batch::{BatchBuilder, Cell, Field, Shape};
use crate::error::{Error, Result};
use crate::expr::literal::{self, Given};
use crate::expr::{Compiled, Planner, Scope, params};
use crate::outcome::Outcome;
use crate::provider::View;
use crate::session::Session;
use crate::span::Span;
use crate::storage::{ColumnId, EntityId, Put, Read, TableId, Value, WriteTxn};

/// Runs an INSERT.
pub(crate) fn run(session: &mut Session, insert: &Insert, params: &[Value]) -> Result<Outcome> {
    let view = session.view();
    let catalog = view.catalog()?;
    let table = names::table(&catalog, &insert.table)?;
    let shape = session.sql().shapes().get(&catalog, table);
    let targets = names::written(&shape, insert.columns.as_deref())?;
    let now = session.sql().now();
    let given = Given { params, now };
    let planner = session.sql().planner().clone();

    let (existing, update) = match &insert.on_conflict {
        None => (OnExisting::Refuse, None),
        Some(conflict) => {
            check_target(&shape, conflict)?;
            let update = match &conflict.action {
                ConflictAction::Nothing => None,
                ConflictAction::Update { assignments, filter } => Some(Update::new(
                    &planner,
                    &shape,
                    &targets,
                    assignments,
                    filter.as_ref(),
                    given,
                )?),
            };
            (OnExisting::Keep, update)
        }
    };
    let mut returning = match &insert.returning {
        Some(list) => {
            Some(Returning::new(&planner, &shape, list, params, now, session.row_limit())?)
        }
        None => None,
    };
    let rows = Source::new(session, insert, &shape, &targets, given, view)?;
    let make = |column: usize| default(&planner, &shape, column, given);
    let mut affected = 0;
    let engine = session.engine().clone();
    session.write(|txn| {
        let mut writer = RowWriter::new(Arc::clone(&shape), targets.clone(), existing, &make);
        rows.each(&mut |place, cells| {
            let kept = update.as_ref().map(|_| cells.to_vec());
            let written = match writer.put(txn, cells) {
                Ok(Written::Exists(id)) => match (&update, kept) {
                    (Some(update), Some(excluded)) => {
                        let place = failure::in_row(place, &targets);
                        match update.apply(txn, id, &excluded, &place)? {
                            Some(written) => written,
                            None => return Ok(()),
                        }
                    }
                    _ => return Ok(()),
                },
                Ok(written) => written,
                Err(fault) => {
                    let place = failure::in_row(place, &targets);
                    return Err(failure::of_row(fault, &shape, &place));
                }
            };
            affected += 1;
            match (&mut returning, written) {
                (Some(returning), Written::Entity(id, _)) => {
                    engine.keep_embeddings(txn)?;
                    returning.entity(txn, id)
                }
                (Some(returning), Written::Interaction(user, id, _)) => {
                    returning.interaction(txn, user, id)
                }
                _ => Ok(()),
            }
        })
    })?;
    let mut outcome = Outcome::changed("INSERT", affected);
    outcome.rows = returning.map(Returning::finish).transpose()?;
    Ok(outcome)
}

/// ON CONFLICT (columns) can only mean the key.
fn check_target(shape: &Shape, conflict: &OnConflict) -> Result<()> {
    for name in &conflict.target {
        let position = names::column(shape, name)?;
        if !shape.is_interaction() && !matches!(shape.fields[position], Field::Key(_)) {
            return Err(Error::not_supported("ON CONFLICT on anything but the key").at(name.span));
        }
    }
    if shape.is_interaction() {
        let what = "ON CONFLICT on interactions; with a PRIMARY KEY every INSERT updates";
        return Err(Error::not_supported(what).at(conflict.span));
    }
    Ok(())
}

/// What takes the rows, one after the other, with the place of each where it has one.
type Taker<'a> = &'a mut dyn FnMut(Option<&Located<Vec<Expr>>>, &mut [Cell]) -> Result<()>;

/// The rows to insert.
enum Source<'a> {
    /// Literals, as they stand in the statement.
    Rows(Vec<(&'a Located<Vec<Expr>>, Vec<Cell>)>),
    /// Batches of a query.
    Batches(Vec<RecordBatch>),
    /// One row without values.
    Defaults,
}

impl<'a> Source<'a> {
    fn new(
        session: &Session,
        insert: &'a Insert,
        shape: &Shape,
        targets: &[usize],
        given: Given<'_>,
        view: View,
    ) -> Result<Source<'a>> {
        let query = match &insert.source {
            InsertSource::Defaults => return Ok(Source::Defaults),
            InsertSource::Values(rows) => {
                return Source::literals(session, rows, shape, targets, given);
            }
            InsertSource::Query(query) => query,
        };
        let statement = Statement::Query(query.clone());
        let rows = select::rows(session, &statement, given.params, view)?;
        if rows.schema.fields().len() != targets.len() {
            let error = Error::value_count(targets.len(), rows.schema.fields().len());
            return Err(error.at(Span::from(query.span())));
        }
        Ok(Source::Batches(rows.batches))
    }

    fn literals(
        session: &Session,
        given_rows: &'a [Located<Vec<Expr>>],
        shape: &Shape,
        targets: &[usize],
        given: Given<'_>,
    ) -> Result<Source<'a>> {
        let mut rows = Vec::with_capacity(given_rows.len());
        for row in given_rows {
            let exprs: &[Expr] = &row.node;
            if exprs.len() != targets.len() {
                return Err(Error::value_count(targets.len(), exprs.len()).at(row.span));
            }
            let mut cells = Vec::with_capacity(exprs.len());
            for (expr, target) in exprs.iter().zip(targets) {
                cells.push(evaluate(session, expr, shape, *target, given)?);
            }
            rows.push((row, cells));
        }
        Ok(Source::Rows(rows))
    }

    fn each(self, put: Taker<'_>) -> Result<()> {
        match self {
            Source::Defaults => put(None, &mut []),
            Source::Rows(rows) => {
                for (row, mut cells) in rows {
                    put(Some(row), &mut cells)?;
                }
                Ok(())
            }
            Source::Batches(batches) => {
                let mut cells = Vec::new();
                for batch in batches {
                    for row in 0..batch.num_rows() {
                        cells.clear();
                        for column in batch.columns() {
                            cells.push(Cell::read(column.as_ref(), row).ok_or_else(|| {
                                Error::unstorable(&column.data_type().to_string())
                            })?);
                        }
                        put(None, &mut cells)?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// One value of a VALUES list.
fn evaluate(
    session: &Session,
    expr: &Expr,
    shape: &Shape,
    target: usize,
    given: Given<'_>,
) -> Result<Cell> {
    if let Some(cell) = literal::value(expr, given) {
        return Ok(cell);
    }
    let planner = session.sql().planner();
    if let Expr::Identifier(word) = expr
        && word.quote_style.is_none()
        && word.value.eq_ignore_ascii_case("default")
    {
        let made = default(planner, shape, target, given).transpose()?;
        return Ok(made.or_else(|| constant(shape, target)).unwrap_or(Cell::NULL));
    }
    let mut expr = expr.clone();
    params::bind(&mut expr, given.params)?;
    if params::subquery(&expr).is_some() {
        let mut query = super::template::select()?;
        super::template::fill(&mut query, vec![SelectItem::UnnamedExpr(expr)], None);
        let rows = select::rows(session, &query, &[], session.view())?;
        return scalar(&rows.batches);
    }
    constant_value(planner, &expr, given.now)
}

/// The value of an expression without columns.
pub(crate) fn constant_value(planner: &Planner, expr: &Expr, now: i64) -> Result<Cell> {
    let compiled = Compiled::new(planner, expr, &Scope::empty(), now)?;
    let array = compiled.evaluate(&one_row()?)?;
    Cell::read(array.as_ref(), 0)
        .ok_or_else(|| Error::unstorable(&compiled.ty.to_string()).at(Span::from(expr.span())))
}

fn scalar(batches: &[RecordBatch]) -> Result<Cell> {
    let mut rows = batches.iter().filter(|batch| batch.num_rows() > 0);
    match rows.next() {
        None => Ok(Cell::NULL),
        Some(batch) => {
            let column = batch.column(0);
            Cell::read(column.as_ref(), 0)
                .ok_or_else(|| Error::unstorable(&column.data_type().to_string()))
        }
    }
}

fn one_row() -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)
        .map_err(|cause| Error::internal(cause.to_string()))
}

/// The computed default of a column, where it has one.
pub(crate) fn default(
    planner: &Planner,
    shape: &Shape,
    column: usize,
    given: Given<'_>,
) -> Option<Result<Cell>> {
    let text = shape.column(column)?.default_expr.as_deref()?;
    let make = || {
        let expr = crate::expr::parse(text)?;
        match literal::value(&expr, given) {
            Some(cell) => Ok(cell),
            None => constant_value(planner, &expr, given.now),
        }
    };
    Some(make())
}

fn constant(shape: &Shape, column: usize) -> Option<Cell> {
    shape.column(column)?.default.clone().map(Cell::Value)
}

/// ON CONFLICT DO UPDATE, compiled: expressions over the old row and over `excluded`.
struct Update {
    shape: Arc<Shape>,
    /// For each column of the shape, the cell of the refused row that it would have had.
    given: Vec<Option<usize>>,
    /// For each column of the shape, what the refused row would have had where nothing was given.
    defaults: Vec<Cell>,
    /// The assigned columns, each with where its new value stands.
    sets: Vec<(usize, Span, Compiled)>,
    /// Which old rows are updated.
    filter: Option<Compiled>,
}

impl Update {
    fn new(
        planner: &Planner,
        shape: &Arc<Shape>,
        targets: &[usize],
        assignments: &[Assignment],
        filter: Option<&Expr>,
        given: Given<'_>,
    ) -> Result<Update> {
        let scope =
            Scope::tables(&[(&shape.table.name, &shape.schema), ("excluded", &shape.schema)]);
        let compile = |expr: &Expr| {
            let mut expr = expr.clone();
            params::bind(&mut expr, given.params)?;
            params::qualify(&mut expr, &shape.table.name);
            Compiled::new(planner, &expr, &scope, given.now)
        };
        let mut sets = Vec::new();
        for (column, expr) in self::assignments(shape, assignments)? {
            sets.push((column, Span::from(expr.span()), compile(expr)?));
        }
        let filter = filter.map(compile).transpose()?;
        let places = (0..shape.fields.len()).map(|at| targets.iter().position(|t| *t == at));
        let defaults = (0..shape.fields.len()).map(|at| match default(planner, shape, at, given) {
            Some(made) => made,
            None => Ok(constant(shape, at).unwrap_or(Cell::NULL)),
        });
        let defaults = defaults.collect::<Result<_>>()?;
        Ok(Update { shape: Arc::clone(shape), given: places.collect(), defaults, sets, filter })
    }

    fn apply(
        &self,
        txn: &mut WriteTxn,
        id: EntityId,
        excluded: &[Cell],
        place: &dyn Fn(Option<usize>) -> Span,
    ) -> Result<Option<Written>> {
        let width = self.shape.fields.len();
        let fields = [self.shape.fields.as_slice(), self.shape.fields.as_slice()].concat();
        let both = self.shape.schema.fields().iter().chain(self.shape.schema.fields());
        let schema = Schema::new(
            both.map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>(),
        );
        let mut builder = BatchBuilder::new(Arc::new(schema), &fields);
        let key = push_entity(&mut builder, txn, &self.shape, id)?;
        for (column, field) in self.shape.fields.iter().enumerate() {
            let offered = self.given[column].and_then(|at| excluded.get(at));
            let cell = offered.unwrap_or(&self.defaults[column]);
            match (field, cell) {
                (Field::Key(ty), _) => builder.key(width + column, *ty, &key),
                (Field::Embedding(..), _) => {
                    let fitted = vector(cell.clone(), *field, column);
                    let fitted = fitted.map_err(|f| failure::of_row(f, &self.shape, place))?;
                    builder.vector(width + column, fitted.as_deref());
                }
                _ => {
                    let fitted = fitted(cell.clone(), *field, column);
                    let fitted = fitted.map_err(|f| failure::of_row(f, &self.shape, place))?;
                    builder.value(width + column, &fitted);
                }
            }
        }
        builder.end_row();
        let batch = builder.finish()?;
        let inputs = |expr: &Compiled| {
            batch.project(&expr.inputs).map_err(|cause| Error::internal(cause.to_string()))
        };
        if let Some(filter) = &self.filter
            && !filter.condition(&inputs(filter)?)?.value(0)
        {
            return Ok(None);
        }
        let mut set = Vec::new();
        for (column, _, expr) in &self.sets {
            let inputs = inputs(expr)?;
            let array = expr.evaluate(&inputs)?;
            let cell = Cell::read(array.as_ref(), 0)
                .ok_or_else(|| Error::unstorable(&expr.ty.to_string()))?;
            set.push((*column, cell));
        }
        apply_entity(txn, &self.shape, id, &key, set).map_err(|fault| {
            let place = |column: Option<usize>| {
                let set = self.sets.iter().find(|(target, ..)| Some(*target) == column);
                set.map_or(Span::default(), |(_, place, _)| *place)
            };
            failure::of_row(fault, &self.shape, &place)
        })?;
        Ok(Some(Written::Entity(id, Put::Updated)))
    }
}

/// The assignments of SET as columns and expressions.
pub(crate) fn assignments<'a>(
    shape: &Shape,
    assignments: &'a [Assignment],
) -> Result<Vec<(usize, &'a Expr)>> {
    let mut sets: Vec<(usize, &Expr)> = Vec::with_capacity(assignments.len());
    for Assignment { column: name, value } in assignments {
        let column = names::column(shape, name)?;
        let fixed = match shape.fields[column] {
            Field::Key(_) => Some("the key of a row"),
            Field::User(_) | Field::Item(_) => Some("the user or item of an interaction"),
            _ => None,
        };
        if let Some(fixed) = fixed {
            return Err(Error::key_fixed(fixed).at(name.span));
        }
        if shape.is_computed(column) {
            return Err(Error::computed(name.as_str(), &shape.table.name).at(name.span));
        }
        if sets.iter().any(|(known, _)| *known == column) {
            return Err(Error::column_twice(&shape.names[column]).at(name.span));
        }
        sets.push((column, value));
    }
    Ok(sets)
}

/// Puts new values into an entity.
pub(crate) fn apply_entity(
    txn: &mut WriteTxn,
    shape: &Shape,
    id: EntityId,
    key: &str,
    set: Vec<(usize, Cell)>,
) -> std::result::Result<(), RowFault> {
    let table: TableId = shape.table.id;
    let mut values: Vec<(ColumnId, Value)> = Vec::new();
    for (column, cell) in set {
        let field = shape.fields[column];
        match field {
            Field::Value(id, _) => values.push((id, fitted(cell, field, column)?)),
            Field::Embedding(embedding, ..) => match vector(cell, field, column)? {
                Some(vector) => txn.put_embedding(table, embedding, id, &vector)?,
                None => {
                    txn.delete_embedding(table, embedding, id)?;
                }
            },
            Field::Key(_) | Field::User(_) | Field::Item(_) | Field::Id | Field::Owner => {}
        }
    }
    if !values.is_empty() {
        txn.put_row(table, key, &values)?;
    }
    Ok(())
}

/// Appends an entity's columns to a row under construction; returns its key.
fn push_entity(
    builder: &mut BatchBuilder,
    read: &dyn Read,
    shape: &Shape,
    id: EntityId,
) -> Result<String> {
    let columns: Vec<ColumnId> = shape
        .fields
        .iter()
        .filter_map(|field| match field {
            Field::Value(id, _) => Some(*id),
            _ => None,
        })
        .collect();
    let row = read
        .row(shape.table.id, id, &columns)?
        .ok_or_else(|| Error::internal("a row is gone while it is updated"))?;
    let mut values = row.values.iter();
    for (column, field) in shape.fields.iter().enumerate() {
        match field {
            Field::Key(ty) => builder.key(column, *ty, &row.key),
            Field::Value(..) => builder.value(column, values.next().unwrap_or(&Value::Null)),
            Field::Embedding(embedding, ..) => {
                let vector = read.embedding(shape.table.id, *embedding, id)?;
                builder.vector(column, vector.as_deref());
            }
            Field::User(_) | Field::Item(_) | Field::Id | Field::Owner => {
                builder.value(column, &Value::Null);
            }
        }
    }
    Ok(row.key)
}
