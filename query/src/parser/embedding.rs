//! CREATE EMBEDDING and REFRESH EMBEDDING.

use super::cursor::Cursor;
use crate::ast::{CreateEmbedding, Existing, RefreshEmbedding, StatementKind};
use crate::error::Result;

impl Cursor<'_> {
    /// `name ON table FROM (column, …) [USING method] [WITH (…)]`, after `CREATE EMBEDDING`
    pub(super) fn create_embedding(&mut self, existing: Existing) -> Result<StatementKind> {
        let name = self.name("an embedding name")?;
        self.expect("on")?;
        let table = self.name("a table of items")?;
        self.expect("from")?;
        let sources = self.parenthesised(|cursor| cursor.name("a column name"))?.node;
        super::cursor::distinct(sources.iter(), "column")?;
        let method = if self.accept("using") { Some(self.name("a method")?) } else { None };
        let options = self.with_options()?;
        Ok(StatementKind::CreateEmbedding(CreateEmbedding {
            name,
            existing,
            table,
            sources,
            method,
            options,
        }))
    }

    /// `REFRESH EMBEDDING name ON table`
    pub(super) fn refresh_embedding(&mut self) -> Result<StatementKind> {
        self.words(&["refresh", "embedding"])?;
        let name = self.name("an embedding name")?;
        self.expect("on")?;
        let table = self.name("a table name")?;
        Ok(StatementKind::RefreshEmbedding(RefreshEmbedding { name, table }))
    }
}
