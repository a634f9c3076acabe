//! The rows of a RECOMMEND: re-scoring by ORDER BY, the window of OFFSET and LIMIT, and the select
//! list.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float32Array, Float32Builder, Float64Array, Int32Array, Int64Array,
    ListBuilder, RecordBatch, RecordBatchOptions, StringArray, UInt32Array,
};
use datafusion::arrow::compute::{SortColumn, SortOptions, lexsort_to_indices, take};
use datafusion::arrow::datatypes::{DataType, Field as ArrowField, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::Spanned;
use fixedbitset::FixedBitSet;
use tastedb_engine::{Context, Recommendation, Request, Response};

use super::slate::{self, Picked, Slate, What};
use super::{Bound, Order, Wanted};
use crate::ast::{Expr, SelectItem};
use crate::batch::{Field, Shape};
use crate::candidates::Condition;
use crate::error::{Error, Result};
use crate::exec::failure;
use crate::exec::returning::{expand, name_of};
use crate::expr::{Compiled, Scope, params};
use crate::session::Session;
use crate::span::Span;
use crate::storage::{ItemId, Read};

/// What a recommendation has besides the columns of its row.
const SPECIAL: [(&str, DataType); 6] = [
    ("rank", DataType::Int32),
    ("score", DataType::Float32),
    ("source", DataType::Utf8),
    ("reason", DataType::Utf8),
    ("model_version", DataType::Int64),
    ("propensity", DataType::Float64),
];
const RANK: usize = 0;
const SCORE: usize = 1;
const SOURCE: usize = 2;
const REASON: usize = 3;
const MODEL_VERSION: usize = 4;
const PROPENSITY: usize = 5;

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

/// The columns of the answer, and what its rows are chosen by.
pub(super) struct Output {
    items: Vec<Item>,
    order: Vec<(Item, SortOptions)>,
    /// The conditions of HAVING, in its order; `None` where one counts values.
    having: Vec<Option<Item>>,
    schema: SchemaRef,
    reasons: Reasons,
    /// Whether propensities are shown.
    propensities: bool,
}

/// Which rows need reasons.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reasons {
    None,
    /// Those that are shown.
    Shown,
    /// All, because rows are chosen by them.
    All,
}

/// The rows that are returned, in order.
pub(super) struct Window {
    pub(super) rows: Vec<Recommendation>,
    /// The probability that each stands where it does, given those before; empty: all 1.
    propensities: Vec<Option<f64>>,
    /// The rank of the first row, less one.
    first: usize,
}

impl Window {
    /// Rows of an answer by their places, without the first `offset`.
    pub(super) fn of(
        response: &Response,
        places: &[(usize, Option<f64>)],
        offset: usize,
    ) -> Window {
        let places = places.get(offset..).unwrap_or_default();
        Window {
            rows: places.iter().map(|(place, _)| response.rows[*place].clone()).collect(),
            propensities: places.iter().map(|(_, propensity)| *propensity).collect(),
            first: offset,
        }
    }
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
        let explores = bound.slate.as_ref().is_some_and(Slate::explores);
        let list = list(shape, bound.list, explores)?;
        for (name, expr) in &list {
            let item = resolve(session, bound, expr)?;
            let ty = match &item {
                Item::Column(at) => column_type(shape, *at),
                Item::Expression(compiled) => compiled.compiled.ty.clone(),
            };
            fields.push(ArrowField::new(name.as_str(), ty, true));
            items.push(item);
        }
        let order = bound.order.iter().map(|order| {
            let Order { expr, descending, nulls_first } = *order;
            Ok((resolve(session, bound, expr)?, SortOptions { descending, nulls_first }))
        });
        let order = order.collect::<Result<Vec<_>>>()?;
        let rules = bound.slate.iter().flat_map(|slate| &slate.rules);
        let having = rules.map(|rule| match rule.counted {
            What::Rows(condition) => match resolve(session, bound, condition)? {
                Item::Expression(compiled) if compiled.compiled.is_condition() => {
                    Ok(Some(Item::Expression(compiled)))
                }
                Item::Column(at) if column_type(shape, at) == DataType::Boolean => {
                    Ok(Some(Item::Column(at)))
                }
                Item::Expression(compiled) => {
                    let error = failure::not_a_condition(&compiled.compiled.ty);
                    Err(error.at(Span::from(condition.span())))
                }
                Item::Column(at) => {
                    let error = failure::not_a_condition(&column_type(shape, at));
                    Err(error.at(Span::from(condition.span())))
                }
            },
            What::Distinct(_) => Ok(None),
        });
        let having = having.collect::<Result<Vec<_>>>()?;
        let schema = Arc::new(Schema::new(fields));
        let shown = |special: &str| list.iter().any(|(_, expr)| params::names(expr, special));
        let mut conditions = bound.slate.iter().flat_map(|slate| &slate.rules);
        let all = bound.order.iter().any(|order| params::names(order.expr, "reason"))
            || conditions.any(|rule| match rule.counted {
                What::Rows(condition) => params::names(condition, "reason"),
                What::Distinct(_) => false,
            });
        let reasons = match all {
            true => Reasons::All,
            false if shown("reason") => Reasons::Shown,
            false => Reasons::None,
        };
        let propensities = shown("propensity");
        Ok(Output { items, order, having, schema, reasons, propensities })
    }

    /// The columns.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many reasons each row needs before rows are chosen.
    pub(super) fn early_reasons(&self) -> usize {
        if self.reasons == Reasons::All { REASONS } else { 0 }
    }

    /// How many reasons the rows that were chosen still need.
    pub(super) fn late_reasons(&self) -> usize {
        if self.reasons == Reasons::Shown { REASONS } else { 0 }
    }

    /// The rows in the window of OFFSET and LIMIT, after re-scoring, taken out of the answer.
    pub(super) fn window(
        &self,
        session: &Session,
        bound: &Bound<'_>,
        response: &mut Response,
        Wanted { offset, limit }: Wanted,
    ) -> Result<Window> {
        let rows = if self.order.is_empty() {
            std::mem::take(&mut response.rows)
        } else {
            let order = self.order(session, bound, response, offset.saturating_add(limit))?;
            let window = order.iter().skip(offset).take(limit);
            window.map(|at| response.rows[*at as usize].clone()).collect()
        };
        Ok(Window { rows, propensities: Vec::new(), first: offset })
    }

    /// Chooses a slate of `k` rows from an answer, after re-scoring. Places are those in the answer.
    pub(super) fn pick(
        &self,
        session: &Session,
        bound: &Bound<'_>,
        slate: &Slate<'_>,
        request: &Request,
        response: &Response,
        k: usize,
    ) -> Result<Picked> {
        let order = match self.order.is_empty() {
            true => None,
            false => Some(self.order(session, bound, response, usize::MAX)?),
        };
        let ranked: Option<Vec<Recommendation>> = order
            .as_ref()
            .map(|order| order.iter().map(|at| response.rows[*at as usize].clone()).collect());
        let rows = ranked.as_deref().unwrap_or(&response.rows);
        let ids: Vec<ItemId> = rows.iter().map(|row| ItemId(row.id)).collect();
        let scores: Vec<f32> = match &order {
            None => rows.iter().map(|row| row.score).collect(),
            // After re-scoring a row is worth its rank.
            Some(_) => (0..rows.len()).map(|at| -(at as f32)).collect(),
        };
        let source = Source { session, bound, response, rows, propensities: &[], first: 0 };
        let ranking = Ranking { output: self, source };
        let seed = match request.contexts.first() {
            Some(Context::User(user)) => request.seed ^ user.0.rotate_left(32),
            _ => request.seed,
        };
        let mut picked = slate.pick((&ids, &scores), &ranking, k, seed, self.propensities)?;
        if let Some(order) = order {
            for (place, _) in &mut picked.places {
                *place = order[*place] as usize;
            }
        }
        Ok(picked)
    }

    /// The rows of a window.
    pub(super) fn rows(
        &self,
        session: &Session,
        bound: &Bound<'_>,
        response: &Response,
        window: &Window,
        user: Option<&str>,
    ) -> Result<RecordBatch> {
        let Window { rows, propensities, first } = window;
        let source = Source { session, bound, response, rows, propensities, first: *first };
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        if let Some(user) = user {
            arrays.push(Arc::new(StringArray::from(vec![user; rows.len()])));
        }
        for item in &self.items {
            arrays.push(source.item(item)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options);
        batch.map_err(|cause| Error::internal(cause.to_string()))
    }

    /// The first rows in the order of ORDER BY; ties stay in the order of their scores.
    fn order(
        &self,
        session: &Session,
        bound: &Bound<'_>,
        response: &Response,
        wanted: usize,
    ) -> Result<Vec<u32>> {
        let rows = &response.rows;
        let source = Source { session, bound, response, rows, propensities: &[], first: 0 };
        let mut columns = Vec::with_capacity(self.order.len() + 1);
        for (item, options) in &self.order {
            let values = source.item(item)?;
            columns.push(SortColumn { values, options: Some(*options) });
        }
        let ranks: Vec<u32> = (0..response.rows.len() as u32).collect();
        columns.push(SortColumn { values: Arc::new(UInt32Array::from(ranks)), options: None });
        let sorted = lexsort_to_indices(&columns, Some(wanted))
            .map_err(|cause| Error::internal(cause.to_string()))?;
        Ok(sorted.values().to_vec())
    }
}

/// An answer in its order, as the slate looks at it.
struct Ranking<'a> {
    output: &'a Output,
    source: Source<'a>,
}

impl slate::Rows for Ranking<'_> {
    fn column(&self, position: usize) -> Result<ArrayRef> {
        self.source.stored(position)
    }

    fn holds(&self, rule: usize) -> Result<FixedBitSet> {
        let mut rows = FixedBitSet::with_capacity(self.source.rows.len());
        if let Some(Some(item)) = self.output.having.get(rule) {
            let truth = self.source.item(item)?;
            let truth = truth.as_boolean_opt().ok_or_else(|| Error::internal("not a condition"))?;
            rows.extend((0..truth.len()).filter(|at| truth.is_valid(*at) && truth.value(*at)));
        }
        Ok(rows)
    }
}

/// The select list as names and expressions. Without one, what was explored tells its propensity.
fn list(shape: &Shape, list: &[SelectItem], explores: bool) -> Result<Vec<(String, Expr)>> {
    let key = shape.fields.iter().position(|field| matches!(field, Field::Key(_))).unwrap_or(0);
    if list.is_empty() {
        let mut names = vec!["rank", &shape.names[key], "score", "source"];
        names.extend(explores.then_some("propensity"));
        let named = |name: &str| (name.to_owned(), params::column(name));
        return Ok(names.into_iter().map(named).collect());
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
    propensities: &'a [Option<f64>],
    /// The rank of the first row, less one.
    first: usize,
}

impl Source<'_> {
    fn item(&self, item: &Item) -> Result<ArrayRef> {
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
            PROPENSITY => {
                let of = |at| self.propensities.get(at).copied().unwrap_or(Some(1.0));
                Arc::new((0..rows.len()).map(of).collect::<Float64Array>())
            }
            REASON => {
                let reasons = rows.iter().map(|row| self.reason(row));
                Arc::new(reasons.collect::<Result<StringArray>>()?)
            }
            _ => return self.stored(at - SPECIAL.len()),
        })
    }

    /// Reasons as text: `m3 (62 % by plot: robot, moon), m8 (21 %)`.
    fn reason(&self, row: &Recommendation) -> Result<Option<String>> {
        let mut parts = Vec::with_capacity(row.reasons.len());
        for reason in &row.reasons {
            let own = (reason.table == self.bound.shape.table.id).then_some(reason.item);
            let key = match own.and_then(|item| self.response.entities.row_of(item)) {
                Some(row) => self.response.entities.key(row).to_owned(),
                None => {
                    let row = self.bound.snapshot.row(reason.table, reason.item, &[])?;
                    row.map(|row| row.key).unwrap_or_default()
                }
            };
            let by = match (&reason.modality, reason.terms.as_slice()) {
                (None, _) => String::new(),
                (Some(modality), []) => format!(" by {modality}"),
                (Some(modality), terms) => format!(" by {modality}: {}", terms.join(", ")),
            };
            parts.push(format!("{key} ({:.0} %{by})", reason.share * 100.0));
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
