//! The rows of a RECOMMEND: re-scoring by ORDER BY, the window of OFFSET and LIMIT, and the select
//! list.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, Float32Array, Float32Builder, Int32Array, Int64Array, ListBuilder,
    RecordBatch, RecordBatchOptions, StringArray, UInt32Array,
};
use datafusion::arrow::compute::{
    SortColumn, SortOptions, concat_batches, lexsort_to_indices, take,
};
use datafusion::arrow::datatypes::{DataType, Field as ArrowField, Schema, SchemaRef};
use tastedb_engine::{Recommendation, Response};

use super::{Bound, Order};
use crate::ast::{Expr, SelectItem};
use crate::batch::{Field, Shape};
use crate::candidates::Condition;
use crate::error::{Error, Result};
use crate::exec::returning::{expand, name_of};
use crate::expr::{Compiled, Scope, params};
use crate::outcome::Rows;
use crate::session::Session;
use crate::span::Span;
use crate::storage::Read;

/// What a recommendation has besides the columns of its row.
const SPECIAL: [(&str, DataType); 5] = [
    ("rank", DataType::Int32),
    ("score", DataType::Float32),
    ("source", DataType::Utf8),
    ("reason", DataType::Utf8),
    ("model_version", DataType::Int64),
];
const RANK: usize = 0;
const SCORE: usize = 1;
const SOURCE: usize = 2;
const REASON: usize = 3;
const MODEL_VERSION: usize = 4;

/// The name of the special columns' table in expressions.
const ANSWER: &str = "__answer";

/// Reasons that are told for a row.
const REASONS: usize = 3;

/// One column of the result.
enum Item {
    /// A special column, or the column of the row at a position behind those.
    Column(usize),
    /// Anything else; its inputs are such positions.
    Expression(Arc<Condition>),
}

/// The rows of the answer, as they come.
pub(super) struct Output {
    items: Vec<Item>,
    order: Vec<(Item, SortOptions)>,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Output {
    /// Resolves the select list and ORDER BY.
    pub(super) fn new(session: &Session, bound: &Bound<'_>) -> Result<Output> {
        let shape = &bound.shape;
        let mut items = Vec::new();
        let mut fields = Vec::new();
        if let Some(users) = &bound.users {
            fields.push(ArrowField::new(&users.column, DataType::Utf8, false));
        }
        for (name, expr) in list(shape, bound.list)? {
            let item = resolve(session, bound, &expr)?;
            let ty = match &item {
                Item::Column(at) => column_type(shape, *at),
                Item::Expression(compiled) => compiled.compiled.ty.clone(),
            };
            fields.push(ArrowField::new(name, ty, true));
            items.push(item);
        }
        let order = bound.order.iter().map(|order| {
            let Order { expr, descending, nulls_first } = *order;
            Ok((resolve(session, bound, expr)?, SortOptions { descending, nulls_first }))
        });
        let order = order.collect::<Result<Vec<_>>>()?;
        let schema = Arc::new(Schema::new(fields));
        Ok(Output { items, order, schema, batches: Vec::new() })
    }

    /// How many reasons the engine must find.
    pub(super) fn reasons(list: &[SelectItem]) -> usize {
        let named = |item: &SelectItem| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                params::names(expr, "reason")
            }
            _ => false,
        };
        if list.iter().any(named) { REASONS } else { 0 }
    }

    /// Adds an answer: of its rows, after re-scoring, those in the window.
    pub(super) fn add(
        &mut self,
        session: &Session,
        bound: &Bound<'_>,
        response: &Response,
        (offset, limit): (usize, usize),
        user: Option<&str>,
    ) -> Result<()> {
        let picked;
        let mut rows: &[Recommendation] = &response.rows;
        if !self.order.is_empty() {
            picked = self.reorder(session, bound, response, offset, limit)?;
            rows = &picked;
        }
        let mut source = Source { session, bound, response, rows, first: offset };
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        if let Some(user) = user {
            arrays.push(Arc::new(StringArray::from(vec![user; rows.len()])));
        }
        for item in &self.items {
            arrays.push(source.item(item)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options);
        self.batches.push(batch.map_err(|cause| Error::internal(cause.to_string()))?);
        Ok(())
    }

    /// Rows so far.
    pub(super) fn len(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// All rows, in one batch.
    pub(super) fn finish(mut self) -> Result<Rows> {
        let batch = match self.batches.len() {
            1 => self.batches.remove(0),
            _ => concat_batches(&self.schema, &self.batches)
                .map_err(|cause| Error::internal(cause.to_string()))?,
        };
        Ok(Rows::single(batch))
    }

    /// The rows in the order of ORDER BY; ties stay in the order of their scores.
    fn reorder(
        &self,
        session: &Session,
        bound: &Bound<'_>,
        response: &Response,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<Recommendation>> {
        let mut source = Source { session, bound, response, rows: &response.rows, first: 0 };
        let mut columns = Vec::with_capacity(self.order.len() + 1);
        for (item, options) in &self.order {
            let values = source.item(item)?;
            columns.push(SortColumn { values, options: Some(*options) });
        }
        let ranks: Vec<u32> = (0..response.rows.len() as u32).collect();
        columns.push(SortColumn { values: Arc::new(UInt32Array::from(ranks)), options: None });
        let wanted = offset.saturating_add(limit);
        let sorted = lexsort_to_indices(&columns, Some(wanted))
            .map_err(|cause| Error::internal(cause.to_string()))?;
        let picked = sorted.values().iter().skip(offset).take(limit);
        Ok(picked.map(|at| response.rows[*at as usize].clone()).collect())
    }
}

/// The select list as names and expressions.
fn list(shape: &Shape, list: &[SelectItem]) -> Result<Vec<(String, Expr)>> {
    let key = shape.fields.iter().position(|field| matches!(field, Field::Key(_))).unwrap_or(0);
    if list.is_empty() {
        let names = ["rank", &shape.names[key], "score", "source"];
        return Ok(names.map(|name| (name.to_owned(), params::column(name))).into());
    }
    let mut items = Vec::new();
    for item in list {
        match item {
            SelectItem::Wildcard(_) => {
                items.push(("rank".to_owned(), params::column("rank")));
                items.extend(expand(shape, std::slice::from_ref(item))?);
                for name in ["score", "source"] {
                    items.push((name.to_owned(), params::column(name)));
                }
            }
            SelectItem::UnnamedExpr(expr) => items.push((name_of(expr), expr.clone())),
            other => items.extend(expand(shape, std::slice::from_ref(other))?),
        }
    }
    Ok(items)
}

fn column_type(shape: &Shape, at: usize) -> DataType {
    match SPECIAL.get(at) {
        Some((_, ty)) => ty.clone(),
        None => shape.schema.field(at - SPECIAL.len()).data_type().clone(),
    }
}

fn resolve(session: &Session, bound: &Bound<'_>, expr: &Expr) -> Result<Item> {
    let shape = &bound.shape;
    if let Expr::Identifier(ident) = expr {
        let name = crate::exec::names::normal(ident);
        if let Some(at) = SPECIAL.iter().position(|(special, _)| *special == name) {
            return Ok(Item::Column(at));
        }
        if let Some(at) = shape.position(&name) {
            return Ok(Item::Column(SPECIAL.len() + at));
        }
        if name == "propensity" {
            return Err(Error::not_supported("propensity").at(Span::from(ident.span)));
        }
        let mut known: Vec<&str> = SPECIAL.iter().map(|(name, _)| *name).collect();
        known.extend(shape.names.iter().map(String::as_str));
        return Err(
            Error::no_such_column(&name, &shape.table.name, known).at(Span::from(ident.span))
        );
    }
    let compile = || -> Result<Compiled> {
        let mut expr = expr.clone();
        params::bind(&mut expr, bound.given.params)?;
        params::qualify_those(&mut expr, ANSWER, &SPECIAL.map(|(name, _)| name));
        let specials = SPECIAL.map(|(name, ty)| ArrowField::new(name, ty, true));
        let specials = Arc::new(Schema::new(specials.to_vec()));
        let scope = Scope::tables(&[(ANSWER, &specials), (&shape.table.name, &shape.schema)]);
        Compiled::new(session.sql().planner(), &expr, &scope, bound.given.now)
    };
    if params::is_volatile(expr) {
        return Ok(Item::Expression(Arc::new(Condition::new(compile()?))));
    }
    let mut key = format!("list {}.{} {expr}", shape.table.id.0, shape.table.version);
    for value in bound.given.params {
        key.push_str(&format!(" {value:?}"));
    }
    session.sql().masks().condition(&key, compile).map(Item::Expression)
}

/// Where the values of result columns come from.
struct Source<'a> {
    session: &'a Session,
    bound: &'a Bound<'a>,
    response: &'a Response,
    rows: &'a [Recommendation],
    /// The rank of the first row, less one.
    first: usize,
}

impl Source<'_> {
    fn item(&mut self, item: &Item) -> Result<ArrayRef> {
        match item {
            Item::Column(at) => self.column(*at),
            Item::Expression(condition) => {
                let compiled = &condition.compiled;
                let mut arrays = Vec::with_capacity(compiled.inputs.len());
                let mut fields = Vec::with_capacity(compiled.inputs.len());
                for at in &compiled.inputs {
                    let array = self.column(*at)?;
                    fields.push(ArrowField::new(format!("c{at}"), array.data_type().clone(), true));
                    arrays.push(array);
                }
                let options = RecordBatchOptions::new().with_row_count(Some(self.rows.len()));
                let schema = Arc::new(Schema::new(fields));
                let batch = RecordBatch::try_new_with_options(schema, arrays, &options)
                    .map_err(|cause| Error::internal(cause.to_string()))?;
                compiled.evaluate(&batch)
            }
        }
    }

    fn column(&self, at: usize) -> Result<ArrayRef> {
        let rows = self.rows;
        Ok(match at {
            RANK => {
                let first = self.first;
                let ranks = (0..rows.len()).map(|at| i32::try_from(first + at + 1));
                Arc::new(ranks.map(|rank| rank.unwrap_or(i32::MAX)).collect::<Int32Array>())
            }
            SCORE => Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| row.score))),
            SOURCE => {
                Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.source.as_ref())))
            }
            MODEL_VERSION => {
                let versions = rows.iter().map(|row| row.model_version);
                let versions = versions.map(|v| v.and_then(|v| i64::try_from(v).ok()));
                Arc::new(versions.collect::<Int64Array>())
            }
            REASON => {
                let reasons = rows.iter().map(|row| self.reason(row));
                Arc::new(reasons.collect::<Result<StringArray>>()?)
            }
            _ => return self.stored(at - SPECIAL.len()),
        })
    }

    /// Reasons as text: `m3 (62 %), m8 (21 %)`.
    fn reason(&self, row: &Recommendation) -> Result<Option<String>> {
        let mut parts = Vec::with_capacity(row.reasons.len());
        for reason in &row.reasons {
            let key = match self.response.entities.row_of(reason.item) {
                Some(row) => self.response.entities.key(row).to_owned(),
                None => {
                    let table = self.bound.shape.table.id;
                    let row = self.bound.snapshot.row(table, reason.item, &[])?;
                    row.map(|row| row.key).unwrap_or_default()
                }
            };
            parts.push(format!("{key} ({:.0} %)", reason.share * 100.0));
        }
        Ok((!parts.is_empty()).then(|| parts.join(", ")))
    }

    /// A column of the recommended rows themselves.
    fn stored(&self, position: usize) -> Result<ArrayRef> {
        let shape = &self.bound.shape;
        let snapshot = &self.bound.snapshot;
        if let Field::Embedding(id, ..) = shape.fields[position] {
            let mut vectors = ListBuilder::new(Float32Builder::new());
            for row in self.rows {
                match snapshot.embedding(shape.table.id, id, row.id)? {
                    Some(vector) => {
                        vectors.values().append_slice(&vector);
                        vectors.append(true);
                    }
                    None => vectors.append(false),
                }
            }
            return Ok(Arc::new(vectors.finish()));
        }
        if let Field::Key(crate::storage::KeyType::Text) = shape.fields[position] {
            let keys = self.rows.iter().map(|row| self.response.entities.key(row.row));
            return Ok(Arc::new(StringArray::from_iter_values(keys)));
        }
        let column = self.session.sql().columns().get(
            self.session.engine(),
            snapshot,
            &self.response.entities,
            shape,
            position,
        )?;
        let places: UInt32Array = self.rows.iter().map(|row| row.row).collect();
        take(column.array.as_ref(), &places, None)
            .map_err(|cause| Error::internal(cause.to_string()))
    }
}
