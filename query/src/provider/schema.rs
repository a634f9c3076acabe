//! The list of tables of one statement: those of the store, and those made for the statement.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::ScalarUDF;

use super::{StoredTable, View};
use crate::batch::Shape;
use crate::storage::Catalog;

/// The name of the only catalogue.
pub(crate) const CATALOG: &str = "tastedb";
/// The name of the only schema.
pub(crate) const SCHEMA: &str = "public";

/// Every table that one statement may name.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    view: View,
    catalog: Arc<Catalog>,
    extra: HashMap<String, Arc<dyn TableProvider>>,
    functions: Vec<Arc<ScalarUDF>>,
}

impl Tables {
    /// The tables of a view.
    pub(crate) fn new(view: View, catalog: Arc<Catalog>) -> Tables {
        Tables { view, catalog, extra: HashMap::new(), functions: Vec::new() }
    }

    /// Adds a table for this statement only; it hides a stored table of the same name.
    pub(crate) fn add(&mut self, name: impl Into<String>, table: Arc<dyn TableProvider>) {
        self.extra.insert(name.into(), table);
    }

    /// Adds functions for this statement only.
    pub(crate) fn add_functions(&mut self, functions: Vec<Arc<ScalarUDF>>) {
        self.functions.extend(functions);
    }

    /// The functions that were added.
    pub(crate) fn functions(&self) -> &[Arc<ScalarUDF>] {
        &self.functions
    }

    /// The names of all tables.
    pub(crate) fn names(&self) -> Vec<String> {
        let stored = self.catalog.tables().map(|table| table.name.clone());
        stored.chain(self.extra.keys().cloned()).collect()
    }

    fn find(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        if let Some(table) = self.extra.get(name) {
            return Some(Arc::clone(table));
        }
        let table = self.catalog.table(name)?;
        let shape = Arc::new(Shape::of(&self.catalog, table));
        Some(Arc::new(StoredTable::new(self.view.clone(), shape)))
    }
}

#[async_trait]
impl SchemaProvider for Tables {
    fn table_names(&self) -> Vec<String> {
        // Tables made for one statement have names that nobody typed.
        self.catalog.tables().map(|table| table.name.clone()).collect()
    }

    async fn table(&self, name: &str) -> DfResult<Option<Arc<dyn TableProvider>>> {
        Ok(self.find(name))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.extra.contains_key(name) || self.catalog.table(name).is_some()
    }
}

impl CatalogProvider for Tables {
    fn schema_names(&self) -> Vec<String> {
        vec![SCHEMA.to_owned()]
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        (name == SCHEMA).then(|| Arc::new(self.clone()) as Arc<dyn SchemaProvider>)
    }
}

impl CatalogProviderList for Tables {
    fn register_catalog(
        &self,
        _name: String,
        _catalog: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![CATALOG.to_owned()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        (name == CATALOG).then(|| Arc::new(self.clone()) as Arc<dyn CatalogProvider>)
    }
}
