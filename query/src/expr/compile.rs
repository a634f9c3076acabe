//! Expressions over the columns of one table, compiled once and evaluated batch by batch.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, DataFusionError, TableReference};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::Expr as LogicalExpr;
use datafusion::optimizer::simplify_expressions::{ExprSimplifier, SimplifyContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::sqlparser::ast::{Expr, ExprWithAlias};

use super::Planner;
use crate::codes;
use crate::error::{Error, Result};
use crate::exec::failure;

/// What an expression may name: columns, bare or behind the name of their table.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// Every column, with the table it belongs to.
    schema: DFSchema,
}

impl Scope {
    /// The columns of one table.
    pub(crate) fn table(name: &str, schema: &SchemaRef) -> Scope {
        Scope::tables(&[(name, schema)])
    }

    /// The columns of several tables. A bare name means the first table that has such a column.
    pub(crate) fn tables(tables: &[(&str, &SchemaRef)]) -> Scope {
        let fields = tables.iter().flat_map(|(name, schema)| {
            let table = TableReference::bare(*name);
            schema.fields().iter().map(move |field| (Some(table.clone()), Arc::clone(field)))
        });
        let schema = DFSchema::new_with_metadata(fields.collect(), HashMap::new());
        // Column names are unique within a table, so this cannot fail.
        Scope { schema: schema.unwrap_or_else(|_| DFSchema::empty()) }
    }

    /// No columns at all.
    pub(crate) fn empty() -> Scope {
        Scope { schema: DFSchema::empty() }
    }

    /// The columns at some positions.
    fn narrow(&self, positions: &[usize]) -> DfResult<DFSchema> {
        let fields = positions.iter().map(|at| {
            let (table, field) = self.schema.qualified_field(*at);
            (table.cloned(), Arc::clone(field))
        });
        DFSchema::new_with_metadata(fields.collect(), HashMap::new())
    }
}

/// An expression that is ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    expr: Arc<dyn PhysicalExpr>,
    /// The positions, in the scope's schema, of the columns that the expression reads; batches
    /// hold these columns in this order.
    pub(crate) inputs: Vec<usize>,
    /// The type of the result.
    pub(crate) ty: DataType,
}

impl Compiled {
    /// Compiles `expr` over `scope`. `now` is what `now()` returns.
    pub(crate) fn new(planner: &Planner, expr: &Expr, scope: &Scope, now: i64) -> Result<Compiled> {
        if let Some(place) = super::params::subquery(expr) {
            return Err(Error::not_supported("a query inside of this expression").at(place));
        }
        let state = planner.state(None, now);
        let build = || -> DfResult<Compiled> {
            let schema = scope.schema.clone();
            let expr = ExprWithAlias { expr: expr.clone(), alias: None };
            let logical = state.create_logical_expr_from_sql_expr(expr, &schema)?;
            if logical.exists(|part| Ok(is_of_many_rows(part)))? {
                let what = "an aggregate or a window cannot be evaluated here, on one row";
                let error = Error::new(&codes::NOT_ALLOWED_HERE, what);
                return Err(DataFusionError::External(Box::new(error)));
            }
            let context = SimplifyContext::builder()
                .with_schema(Arc::new(schema.clone()))
                .with_config_options(Arc::clone(state.config_options()))
                .with_query_execution_start_time(state.execution_props().query_execution_start_time)
                .build();
            let simplifier = ExprSimplifier::new(context);
            let logical = simplifier.simplify(simplifier.coerce(logical, &schema)?)?;
            let mut inputs: Vec<usize> = logical
                .column_refs()
                .into_iter()
                .map(|column| schema.index_of_column(column))
                .collect::<Result<_, _>>()?;
            inputs.sort_unstable();
            let narrow = scope.narrow(&inputs)?;
            let expr = state.create_physical_expr(logical, &narrow)?;
            let ty = expr.data_type(narrow.as_arrow())?;
            Ok(Compiled { expr, inputs, ty })
        };
        build().map_err(failure::of_datafusion)
    }

    /// The value of every row of `batch`, which holds the columns [`Compiled::inputs`].
    pub(crate) fn evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        self.expr
            .evaluate(batch)
            .and_then(|value| value.into_array(batch.num_rows()))
            .map_err(failure::of_datafusion)
    }

    /// The rows for which a condition is true; NULL is not.
    pub(crate) fn condition(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let array = self.evaluate(batch)?;
        match array.as_any().downcast_ref::<BooleanArray>() {
            Some(truth) if truth.null_count() == 0 => Ok(truth.clone()),
            Some(truth) => Ok(datafusion::arrow::compute::prep_null_mask_filter(truth)),
            None if array.data_type() == &DataType::Null => {
                Ok(BooleanArray::from(vec![false; array.len()]))
            }
            None => Err(failure::not_a_condition(array.data_type())),
        }
    }

    /// Whether the expression is a condition.
    pub(crate) fn is_condition(&self) -> bool {
        matches!(self.ty, DataType::Boolean | DataType::Null)
    }
}

/// Whether an expression is about several rows at once.
fn is_of_many_rows(expr: &LogicalExpr) -> bool {
    matches!(expr, LogicalExpr::AggregateFunction(_) | LogicalExpr::WindowFunction(_))
}
