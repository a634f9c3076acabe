//! What the columns of a query are called that have no name of their own: as they were written.
//!
//! The planner calls `year + 1` by its plan, `movies.year + Int64(1)`. Invariant: only names that
//! show a plan are changed, and nothing but the name of a column of the result.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{Expr, SelectItem, SetExpr, Statement};

use crate::error::{Error, Result};
use crate::outcome::Rows;

/// The rows of `query` with readable names.
pub(super) fn entitle(query: &Statement, rows: Rows) -> Result<Rows> {
    let schema = schema(query, &rows.schema);
    let batches = rows.batches.into_iter().map(|batch| renamed(batch, &schema));
    Ok(Rows { batches: batches.collect::<Result<_>>()?, schema })
}

/// The columns of the rows of `query` with readable names.
pub(super) fn schema(query: &Statement, planned: &SchemaRef) -> SchemaRef {
    let list = list(query).filter(|list| list.len() == planned.fields().len());
    let Some(list) = list else { return Arc::clone(planned) };
    let fields: Vec<Field> = planned
        .fields()
        .iter()
        .zip(list)
        .map(|(field, item)| match item {
            SelectItem::UnnamedExpr(expr) if is_computed(expr) && shows_plan(field.name()) => {
                field.as_ref().clone().with_name(expr.to_string())
            }
            _ => field.as_ref().clone(),
        })
        .collect();
    Arc::new(Schema::new_with_metadata(fields, planned.metadata().clone()))
}

/// The same rows under the names of `schema`.
pub(super) fn renamed(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec())
        .map_err(|cause| Error::internal(cause.to_string()))
}

/// The list of a plain SELECT; a star stands for more than one column.
fn list(query: &Statement) -> Option<&[SelectItem]> {
    let Statement::Query(query) = query else { return None };
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let star = |item: &SelectItem| {
        matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
    };
    if select.projection.iter().any(star) { None } else { Some(&select.projection) }
}

fn is_computed(expr: &Expr) -> bool {
    !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

/// Whether a name has the planner's words for constants or its qualified columns in it.
fn shows_plan(name: &str) -> bool {
    ["Int64(", "Float64(", "Utf8(", "Boolean(", "Decimal128(", "IntervalMonthDayNano(", "."]
        .iter()
        .any(|word| name.contains(word))
        || name == "NULL"
}
