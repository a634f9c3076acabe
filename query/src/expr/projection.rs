//! A model's `WEIGHT` and `WHERE` as the engine's [`Projection`].
//!
//! Both are compiled once and evaluated over small batches of interactions: the whole table when
//! the model is trained, one user's history when they are served.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float32Type, Schema, SchemaRef};
use tastedb_engine::{
    Error as EngineError, Projection, ProjectionCompiler, Result as EngineResult,
};

use super::{Compiled, Planner, Scope};
use crate::batch::{BatchBuilder, Field, Shape};
use crate::error::{Error, Result};
use crate::storage::{Catalog, ColumnId, ColumnType, Interaction, Table, Value};

/// Compiles for the engine.
pub(crate) struct Compiler {
    planner: Planner,
}

impl Compiler {
    /// A compiler that plans with `planner`.
    pub(crate) fn new(planner: Planner) -> Compiler {
        Compiler { planner }
    }
}

impl ProjectionCompiler for Compiler {
    fn compile(
        &self,
        catalog: &Catalog,
        table: &Table,
        weight: Option<&str>,
        filter: Option<&str>,
    ) -> EngineResult<Arc<dyn Projection>> {
        SqlProjection::new(&self.planner, catalog, table, weight, filter)
            .map(|projection| Arc::new(projection) as Arc<dyn Projection>)
            .map_err(|error| EngineError::Expression {
                what: error.to_string(),
                source: Box::new(error),
            })
    }
}

/// Compiled `WEIGHT` and `WHERE`.
pub(crate) struct SqlProjection {
    columns: Vec<ColumnId>,
    fields: Vec<Field>,
    schema: SchemaRef,
    weight: Option<Part>,
    filter: Option<Part>,
    time: Option<usize>,
}

/// An expression and where its inputs are among the projection's columns.
struct Part {
    compiled: Compiled,
    inputs: Vec<usize>,
}

impl SqlProjection {
    /// Compiles the two texts over the columns of an interaction table.
    pub(crate) fn new(
        planner: &Planner,
        catalog: &Catalog,
        table: &Table,
        weight: Option<&str>,
        filter: Option<&str>,
    ) -> Result<SqlProjection> {
        let parse = |text: Option<&str>| text.map(crate::expr::parse).transpose();
        SqlProjection::compiled(planner, catalog, table, parse(weight)?, parse(filter)?)
    }

    /// Compiles two parsed expressions.
    pub(crate) fn compiled(
        planner: &Planner,
        catalog: &Catalog,
        table: &Table,
        weight: Option<crate::ast::Expr>,
        filter: Option<crate::ast::Expr>,
    ) -> Result<SqlProjection> {
        let shape = Shape::of(catalog, table);
        let scope = Scope::table(&table.name, &shape.schema);
        // Without a clock a model would not be a function of its data.
        let compile = |expr: Option<crate::ast::Expr>| {
            expr.map(|expr| Compiled::new(planner, &expr, &scope, 0)).transpose()
        };
        let (weight, filter) = (compile(weight)?, compile(filter)?);
        if let Some(filter) = &filter
            && !filter.is_condition()
        {
            return Err(crate::exec::failure::not_a_condition(&filter.ty));
        }
        if let Some(weight) = &weight
            && !(weight.ty.is_numeric() || weight.ty == DataType::Boolean)
        {
            return Err(crate::exec::failure::not_a_number("WEIGHT", &weight.ty));
        }
        let mut projection = SqlProjection {
            columns: Vec::new(),
            fields: Vec::new(),
            schema: Arc::new(Schema::empty()),
            weight: None,
            filter: None,
            time: None,
        };
        let mut positions = Vec::new();
        projection.weight =
            weight.map(|part| projection.part(&shape, part, &mut positions)).transpose()?;
        projection.filter =
            filter.map(|part| projection.part(&shape, part, &mut positions)).transpose()?;
        let time = shape
            .fields
            .iter()
            .position(|field| matches!(field, Field::Value(_, ColumnType::Timestamp)));
        if let Some(time) = time {
            projection.time = Some(projection.place(&shape, time, &mut positions)?);
        }
        let fields = positions.iter().map(|at| shape.schema.field(*at).clone().with_nullable(true));
        projection.schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(projection)
    }

    fn part(
        &mut self,
        shape: &Shape,
        compiled: Compiled,
        positions: &mut Vec<usize>,
    ) -> Result<Part> {
        let inputs = compiled
            .inputs
            .iter()
            .map(|at| self.place(shape, *at, positions))
            .collect::<Result<_>>()?;
        Ok(Part { compiled, inputs })
    }

    fn place(
        &mut self,
        shape: &Shape,
        position: usize,
        positions: &mut Vec<usize>,
    ) -> Result<usize> {
        if let Some(known) = positions.iter().position(|at| *at == position) {
            return Ok(known);
        }
        let Field::Value(id, _) = shape.fields[position] else {
            return Err(Error::not_supported(format!(
                "`{}` in a WEIGHT or WHERE over interactions",
                shape.names[position]
            )));
        };
        positions.push(position);
        self.columns.push(id);
        self.fields.push(shape.fields[position]);
        Ok(positions.len() - 1)
    }

    fn batch(&self, rows: &[Interaction]) -> Result<RecordBatch> {
        let mut builder = BatchBuilder::new(Arc::clone(&self.schema), &self.fields);
        for row in rows {
            for column in 0..self.fields.len() {
                builder.value(column, row.values.get(column).unwrap_or(&Value::Null));
            }
            builder.end_row();
        }
        builder.finish()
    }

    fn evaluate(&self, rows: &[Interaction], out: &mut Vec<Option<f32>>) -> Result<()> {
        let batch = self.batch(rows)?;
        let project = |part: &Part| {
            batch.project(&part.inputs).map_err(|cause| Error::internal(cause.to_string()))
        };
        let weights: Option<ArrayRef> = match &self.weight {
            None => None,
            Some(part) => {
                let raw = part.compiled.evaluate(&project(part)?)?;
                let cast = cast(&raw, &DataType::Float32);
                Some(cast.map_err(|cause| Error::internal(cause.to_string()))?)
            }
        };
        let truth = match &self.filter {
            None => None,
            Some(part) => Some(part.compiled.condition(&project(part)?)?),
        };
        for row in 0..rows.len() {
            let counts = truth.as_ref().is_none_or(|truth| truth.is_valid(row) && truth.value(row));
            let weight = match &weights {
                _ if !counts => None,
                None => Some(1.0),
                Some(weights) if weights.is_null(row) => None,
                Some(weights) => Some(weights.as_primitive::<Float32Type>().value(row)),
            };
            out.push(weight.filter(|weight| weight.is_finite() && *weight != 0.0));
        }
        Ok(())
    }
}

/// Compiled conditions on interactions, by what tells them apart. One per open database.
#[derive(Default)]
pub(crate) struct Projections(Mutex<HashMap<String, Arc<SqlProjection>>>);

/// Conditions that are kept: an application has a few.
const KEPT: usize = 64;

impl Projections {
    /// The condition of this name, compiled where it is new.
    pub(crate) fn get(
        &self,
        name: &str,
        compile: impl FnOnce() -> Result<SqlProjection>,
    ) -> Result<Arc<SqlProjection>> {
        if let Some(known) = self.kept().get(name) {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(compile()?);
        let mut kept = self.kept();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(name.to_owned(), Arc::clone(&made));
        Ok(made)
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, Arc<SqlProjection>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Projection for SqlProjection {
    fn columns(&self) -> &[ColumnId] {
        &self.columns
    }

    fn weights(&self, rows: &[Interaction], out: &mut Vec<Option<f32>>) -> EngineResult<()> {
        self.evaluate(rows, out).map_err(|error| EngineError::Expression {
            what: error.to_string(),
            source: Box::new(error),
        })
    }

    fn time(&self) -> Option<usize> {
        self.time
    }
}
