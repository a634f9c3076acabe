//! RETURNING: expressions over the rows that a statement wrote or removed.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Field as ArrowField, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{Expr, SelectItem};

use super::names;
use crate::batch::{BatchBuilder, Field, Shape};
use crate::error::{Error, Result};
use crate::expr::{Compiled, Planner, Scope, params};
use crate::outcome::Rows;
use crate::storage::{ColumnId, EntityId, Interaction, InteractionId, Read, UserId, Value};

/// A compiled RETURNING list.
pub(crate) struct Returning {
    shape: Arc<Shape>,
    items: Vec<Compiled>,
    schema: SchemaRef,
    builder: BatchBuilder,
    /// The stored columns of the shape, in order.
    columns: Vec<ColumnId>,
    rows: usize,
    most: Option<usize>,
}

impl Returning {
    /// Compiles the list over the columns of a table, for at most so many rows.
    pub(crate) fn new(
        planner: &Planner,
        shape: &Arc<Shape>,
        list: &[SelectItem],
        values: &[Value],
        now: i64,
        most: Option<usize>,
    ) -> Result<Returning> {
        let scope = Scope::table(&shape.table.name, &shape.schema);
        let mut items = Vec::new();
        let mut fields = Vec::new();
        for (name, expr) in expand(shape, list)? {
            let mut expr = expr;
            params::bind(&mut expr, values)?;
            let compiled = Compiled::new(planner, &expr, &scope, now)?;
            fields.push(ArrowField::new(name, compiled.ty.clone(), true));
            items.push(compiled);
        }
        let columns = shape.fields.iter().filter_map(|field| match field {
            Field::Value(id, _) => Some(*id),
            _ => None,
        });
        Ok(Returning {
            columns: columns.collect(),
            builder: BatchBuilder::new(Arc::clone(&shape.schema), &shape.fields),
            shape: Arc::clone(shape),
            items,
            schema: Arc::new(Schema::new(fields)),
            rows: 0,
            most,
        })
    }

    /// The columns of the list.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Counts one more row, so that a statement fails as soon as it would return too many.
    fn count(&mut self) -> Result<()> {
        self.rows += 1;
        match self.most {
            Some(most) if self.rows > most => Err(Error::too_many_rows(most)),
            _ => Ok(()),
        }
    }

    /// Adds an entity as it stands in `read`.
    pub(crate) fn entity(&mut self, read: &dyn Read, id: EntityId) -> Result<()> {
        self.count()?;
        let table = self.shape.table.id;
        let Some(row) = read.row(table, id, &self.columns)? else { return Ok(()) };
        let mut values = row.values.iter();
        for (column, field) in self.shape.fields.iter().enumerate() {
            match field {
                Field::Key(ty) => self.builder.key(column, *ty, &row.key),
                Field::Value(..) => {
                    self.builder.value(column, values.next().unwrap_or(&Value::Null));
                }
                Field::Embedding(id, ..) => {
                    let vector = read.embedding(table, *id, row.id)?;
                    self.builder.vector(column, vector.as_deref());
                }
                Field::User(_) | Field::Item(_) | Field::Id | Field::Owner => {
                    self.builder.value(column, &Value::Null);
                }
            }
        }
        self.builder.end_row();
        Ok(())
    }

    /// Adds an interaction as it stands in `read`.
    pub(crate) fn interaction(
        &mut self,
        read: &dyn Read,
        user: UserId,
        id: InteractionId,
    ) -> Result<()> {
        self.count()?;
        let history = read.history(self.shape.table.id, user, &self.columns)?;
        let Some(row) = history.iter().find(|row| row.id == id) else { return Ok(()) };
        self.push(read, row)
    }

    fn push(&mut self, read: &dyn Read, row: &Interaction) -> Result<()> {
        let Some(link) = self.shape.table.link.clone() else { return Ok(()) };
        let mut values = row.values.iter();
        for (column, field) in self.shape.fields.iter().enumerate() {
            let key = |table, id| read.row(table, id, &[]);
            match field {
                Field::User(ty) => {
                    let user = key(link.user_table, row.user.0)?;
                    self.builder.key(column, *ty, user.as_ref().map_or("", |user| &user.key));
                }
                Field::Item(ty) => {
                    let item = key(link.item_table, row.item.0)?;
                    self.builder.key(column, *ty, item.as_ref().map_or("", |item| &item.key));
                }
                Field::Value(..) => {
                    self.builder.value(column, values.next().unwrap_or(&Value::Null));
                }
                Field::Key(_) | Field::Embedding(..) | Field::Id | Field::Owner => {
                    self.builder.value(column, &Value::Null);
                }
            }
        }
        self.builder.end_row();
        Ok(())
    }

    /// The rows of the list.
    pub(crate) fn finish(mut self) -> Result<Rows> {
        let batch = self.builder.finish()?;
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.items.len());
        for item in &self.items {
            let inputs =
                batch.project(&item.inputs).map_err(|cause| Error::internal(cause.to_string()))?;
            arrays.push(item.evaluate(&inputs)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|cause| Error::internal(cause.to_string()))?;
        Ok(Rows { schema: self.schema, batches: vec![batch] })
    }
}

/// A select list as names and expressions; `*` is every column.
pub(crate) fn expand(shape: &Shape, list: &[SelectItem]) -> Result<Vec<(String, Expr)>> {
    let mut items = Vec::new();
    for item in list {
        match item {
            SelectItem::UnnamedExpr(expr) => items.push((name_of(expr), expr.clone())),
            SelectItem::ExprWithAlias { expr, alias } => {
                items.push((names::normal(alias), expr.clone()));
            }
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
                let all = shape.names.iter();
                items.extend(all.map(|name| (name.clone(), params::column(name))));
            }
            SelectItem::ExprWithAliases { .. } => {
                return Err(Error::not_supported("several names for one expression"));
            }
        }
    }
    Ok(items)
}

/// The name of a result column: that of the column, or the expression as written.
pub(crate) fn name_of(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => names::normal(ident),
        Expr::CompoundIdentifier(parts) => parts.last().map(names::normal).unwrap_or_default(),
        other => other.to_string(),
    }
}
