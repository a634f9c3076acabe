//! One stored table as a DataFusion table: its schema, what it can look up, and its scan.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::streaming::StreamingTableExec;

use super::View;
use super::lookup::Access;
use super::scan::Scan;
use crate::batch::Shape;

/// A table of the store in one view.
#[derive(Clone, Debug)]
pub(crate) struct StoredTable {
    view: View,
    shape: Arc<Shape>,
}

impl StoredTable {
    /// The table of `shape`, read from `view`.
    pub(crate) fn new(view: View, shape: Arc<Shape>) -> StoredTable {
        StoredTable { view, shape }
    }
}

#[async_trait]
impl TableProvider for StoredTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.shape.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DfResult<Vec<TableProviderFilterPushDown>> {
        // A lookup narrows the scan; the filter itself is left in place above it.
        Ok(filters
            .iter()
            .map(|filter| match Access::of(&self.shape, filter) {
                Some(_) => TableProviderFilterPushDown::Inexact,
                None => TableProviderFilterPushDown::Unsupported,
            })
            .collect())
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let positions = match projection {
            Some(positions) => positions.clone(),
            None => (0..self.shape.fields.len()).collect(),
        };
        let access = Access::best(&self.shape, filters);
        let scan = Scan::new(self.view.clone(), Arc::clone(&self.shape), positions, access, limit);
        let schema = Arc::clone(scan.output());
        let plan =
            StreamingTableExec::try_new(schema, vec![Arc::new(scan)], None, [], false, limit)?;
        Ok(Arc::new(plan))
    }
}
