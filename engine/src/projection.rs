//! Which interactions a model sees, and with what weight: its `WEIGHT` and `WHERE`.
//!
//! The same projection is applied to the whole table when a model is trained and to one user's
//! history when they are served, so that a click counts at once and counts the same. The engine
//! does not evaluate SQL: whoever does implements [`Projection`] and [`ProjectionCompiler`].

use std::sync::Arc;

use tastedb_storage::{Catalog, ColumnId, Interaction, Table, TableId, Value};

use crate::error::{Error, Result};

/// A model's view of interactions.
pub trait Projection: Send + Sync {
    /// The columns that [`Projection::weights`] needs in [`Interaction::values`], in this order.
    fn columns(&self) -> &[ColumnId];

    /// Appends one entry for each interaction: its weight, or `None` where it does not count.
    /// A weight that is NULL, zero or not finite does not count either.
    fn weights(&self, rows: &[Interaction], out: &mut Vec<Option<f32>>) -> Result<()>;

    /// The position in `columns` of the time of the event, where the table has one.
    fn time(&self) -> Option<usize>;
}

/// Turns the text of `WEIGHT` and `WHERE` into a [`Projection`]. Implemented above the engine.
pub trait ProjectionCompiler: Send + Sync {
    /// Compiles both expressions over the columns of `table`.
    fn compile(
        &self,
        catalog: &Catalog,
        table: &Table,
        weight: Option<&str>,
        filter: Option<&str>,
    ) -> Result<Arc<dyn Projection>>;
}

/// One of the tables that a model learns from, as the model sees it.
#[derive(Clone)]
pub(crate) struct Projected {
    pub(crate) table: TableId,
    pub(crate) projection: Arc<dyn Projection>,
}

/// Every interaction counts, all the same or by the number in one column.
#[derive(Debug)]
pub struct PlainProjection {
    columns: Vec<ColumnId>,
    weight: Option<usize>,
    time: Option<usize>,
}

impl PlainProjection {
    /// The projection of a model without `WHERE` whose weight is absent or names a column.
    pub fn new(table: &Table, weight: Option<&str>) -> Result<PlainProjection> {
        let mut columns = Vec::new();
        let time = time_column(table);
        columns.extend(time);
        let weight = match weight {
            None => None,
            Some(name) => {
                let column = table.column(name).ok_or_else(|| Error::NeedsSql {
                    what: format!("the weight `{name}` of a model on `{}`", table.name),
                })?;
                columns.push(column.id);
                Some(columns.len() - 1)
            }
        };
        Ok(PlainProjection { columns, weight, time: time.map(|_| 0) })
    }
}

/// The first TIMESTAMP column of an interaction table: the time of its events.
pub fn time_column(table: &Table) -> Option<ColumnId> {
    table.columns().find(|c| c.ty == tastedb_storage::ColumnType::Timestamp).map(|c| c.id)
}

impl Projection for PlainProjection {
    fn columns(&self) -> &[ColumnId] {
        &self.columns
    }

    fn weights(&self, rows: &[Interaction], out: &mut Vec<Option<f32>>) -> Result<()> {
        out.extend(rows.iter().map(|row| {
            match self.weight {
                None => Some(1.0),
                Some(at) => match row.values.get(at) {
                    Some(Value::Int(v)) => Some(*v as f32),
                    Some(Value::Real(v)) => Some(*v as f32),
                    Some(Value::Bool(v)) => Some(f32::from(u8::from(*v))),
                    _ => None,
                }
                .filter(|w| w.is_finite() && *w != 0.0),
            }
        }));
        Ok(())
    }

    fn time(&self) -> Option<usize> {
        self.time
    }
}
