//! Tables and columns: creating, changing and dropping them.
//!
//! Adding or dropping a column rewrites no row: rows remember the table's version under which
//! they were written. Invariant: a table's definition never contradicts itself, and never refers
//! to a table that is gone.

use std::sync::Arc;

use super::WriteTxn;
use crate::catalog::{Column, ColumnSpec, Link, LinkSpec, Role, Table, TableSpec};
use crate::changes::Change;
use crate::codec::Encoder;
use crate::error::{Error, Result};
use crate::id::{ColumnId, TableId};
use crate::key;
use crate::kv::Cf;
use crate::read::Read;
use crate::row;
use crate::value::ColumnType;

/// The most components that a vector column may have.
const MAX_DIM: u32 = 65_536;

/// The most columns that a table may ever have had.
const MAX_COLUMNS: usize = 4096;

impl WriteTxn {
    /// Creates a table.
    pub fn create_table(&mut self, spec: TableSpec) -> Result<TableId> {
        if spec.name.is_empty() {
            return Err(invalid(&spec.name, "a table needs a name"));
        }
        self.need_free_name(&spec.name)?;
        let is_interaction = spec.role == Role::Interaction;
        if is_interaction != spec.link.is_some() {
            return Err(invalid(&spec.name, "interactions, and only they, refer to two tables"));
        }
        if !is_interaction && spec.key_column.is_empty() {
            return Err(invalid(&spec.name, "the key column needs a name"));
        }
        let mut table = Table {
            id: TableId(0),
            name: spec.name,
            role: spec.role,
            key_column: if is_interaction { String::new() } else { spec.key_column },
            key_type: spec.key_type,
            key_position: spec.key_position,
            columns: Vec::new(),
            version: 1,
            link: None,
        };
        if let Some(link) = &spec.link {
            self.check_link(&table.name, link)?;
            table.link = Some(Link {
                user_table: link.user_table,
                item_table: link.item_table,
                user_column: link.user_column.clone(),
                item_column: link.item_column.clone(),
                unique: None,
                on_unknown: link.on_unknown,
                user_position: link.user_position,
                item_position: link.item_position,
            });
        }
        for column in spec.columns {
            append_column(&mut table, column)?;
        }
        if let Some(names) = spec.link.and_then(|link| link.unique) {
            let unique = names.iter().map(|name| unique_column(&table, name));
            let unique = unique.collect::<Result<Vec<_>>>()?;
            if let Some(link) = &mut table.link {
                link.unique = Some(unique);
            }
        }
        table.id = self.schema.state.new_table();
        let id = table.id;
        self.set_table(table);
        Ok(id)
    }

    /// Drops a table with all its rows, interactions and embeddings. A table that others refer to
    /// stays.
    pub fn drop_table(&mut self, table: TableId) -> Result<()> {
        let name = self.schema.catalog.need(table)?.name.clone();
        let dependents: Vec<_> =
            self.schema.catalog.dependents(table).map(|table| table.name.clone()).collect();
        if !dependents.is_empty() {
            return Err(Error::StillReferenced { table: name, dependents });
        }
        Arc::make_mut(&mut self.schema.catalog).remove(table);
        self.overlay.delete(Cf::Catalog, key::table(table));
        if self.schema.manifest.columns().any(|(of, _)| of == table) {
            Arc::make_mut(&mut self.schema.manifest).remove_table(table);
        }
        if self.schema.pending.keys().any(|(of, _)| *of == table) {
            Arc::make_mut(&mut self.schema.pending).retain(|(of, _), _| *of != table);
        }
        self.schema.touched.retain(|(of, _)| *of != table);
        self.schema.outdated.retain(|(of, _)| *of != table);
        self.schema.state.drop_table(table);
        self.schema.dropped_tables.push(table);
        self.changes.push(Change::Schema);
        Ok(())
    }

    /// Gives a table another name.
    pub fn rename_table(&mut self, table: TableId, name: &str) -> Result<()> {
        let mut table = self.schema.catalog.need(table)?.as_ref().clone();
        if name.is_empty() {
            return Err(invalid(&table.name, "a table needs a name"));
        }
        if !table.name.eq_ignore_ascii_case(name) {
            self.need_free_name(name)?;
        }
        name.clone_into(&mut table.name);
        self.set_table(table);
        Ok(())
    }

    /// Adds a column. Rows that exist read its default.
    pub fn add_column(&mut self, table: TableId, spec: ColumnSpec) -> Result<ColumnId> {
        let old = Arc::clone(self.schema.catalog.need(table)?);
        if spec.not_null && spec.default.is_none() && !self.is_empty(&old)? {
            return Err(Error::NotNull { table: old.name.clone(), column: spec.name });
        }
        let mut table = old.as_ref().clone();
        table.version += 1;
        let id = append_column(&mut table, spec)?;
        self.set_table(table);
        Ok(id)
    }

    /// Drops a column and what it holds.
    pub fn drop_column(&mut self, table: TableId, name: &str) -> Result<()> {
        let mut table = self.schema.catalog.need(table)?.as_ref().clone();
        let id = need_column(&table, name)?.id;
        let is_key = |link: &Link| link.unique.as_ref().is_some_and(|key| key.contains(&id));
        if table.link.as_ref().is_some_and(is_key) {
            return Err(invalid(&table.name, "a column of the primary key cannot be dropped"));
        }
        table.version += 1;
        let version = table.version;
        for column in table.columns.iter_mut().filter(|column| column.id == id) {
            column.dropped_in = Some(version);
            if column.ty.is_vector() {
                let of = (table.id, id);
                if !self.schema.manifest.segments(of.0, of.1).is_empty() {
                    Arc::make_mut(&mut self.schema.manifest).remove_column(of.0, of.1);
                }
                if self.schema.pending.contains_key(&of) {
                    Arc::make_mut(&mut self.schema.pending).remove(&of);
                }
                self.schema.touched.remove(&of);
                self.schema.dropped_columns.push(of);
            }
        }
        self.set_table(table);
        Ok(())
    }

    /// Gives a column, a key or a reference another name.
    pub fn rename_column(&mut self, table: TableId, from: &str, to: &str) -> Result<()> {
        let mut table = self.schema.catalog.need(table)?.as_ref().clone();
        if to.is_empty() {
            return Err(invalid(&table.name, "a column needs a name"));
        }
        if !from.eq_ignore_ascii_case(to) && table.has_name(to) {
            return Err(Error::AlreadyExists { what: "column", name: to.to_owned() });
        }
        let slot = if let Some(id) = table.column(from).map(|column| column.id) {
            table.columns.iter_mut().find(|column| column.id == id).map(|column| &mut column.name)
        } else if let Some(link) = &mut table.link {
            [&mut link.user_column, &mut link.item_column]
                .into_iter()
                .find(|name| name.eq_ignore_ascii_case(from))
        } else {
            Some(&mut table.key_column).filter(|name| name.eq_ignore_ascii_case(from))
        };
        match slot {
            Some(name) => to.clone_into(name),
            None => return Err(no_column(&table, from)),
        }
        self.set_table(table);
        Ok(())
    }

    fn set_table(&mut self, table: Table) {
        let mut bytes = Vec::new();
        table.encode(&mut Encoder::new(&mut bytes));
        self.overlay.put(Cf::Catalog, key::table(table.id), bytes);
        Arc::make_mut(&mut self.schema.catalog).insert(table);
        self.changes.push(Change::Schema);
    }

    fn need_free_name(&self, name: &str) -> Result<()> {
        if self.schema.catalog.tables().any(|table| table.name.eq_ignore_ascii_case(name)) {
            return Err(Error::AlreadyExists { what: "table", name: name.to_owned() });
        }
        Ok(())
    }

    fn check_link(&self, name: &str, link: &LinkSpec) -> Result<()> {
        let users = self.schema.catalog.need(link.user_table)?;
        if users.role != Role::User {
            return Err(Error::WrongRole { table: users.name.clone(), expected: "a user table" });
        }
        let items = self.schema.catalog.need(link.item_table)?;
        if items.role != Role::Item {
            return Err(Error::WrongRole { table: items.name.clone(), expected: "an item table" });
        }
        if link.user_column.is_empty()
            || link.item_column.is_empty()
            || link.user_column.eq_ignore_ascii_case(&link.item_column)
        {
            return Err(invalid(name, "the two references need two names"));
        }
        Ok(())
    }

    fn is_empty(&self, table: &Table) -> Result<bool> {
        Ok(match table.role {
            Role::Interaction => self.interactions(table.id, &[])?.next().transpose()?.is_none(),
            Role::User | Role::Item => self.rows(table.id, &[], 0)?.next().transpose()?.is_none(),
        })
    }
}

/// Adds a column to a definition.
fn append_column(table: &mut Table, spec: ColumnSpec) -> Result<ColumnId> {
    if spec.name.is_empty() {
        return Err(invalid(&table.name, "a column needs a name"));
    }
    if table.has_name(&spec.name) {
        return Err(Error::AlreadyExists { what: "column", name: spec.name });
    }
    if table.columns.len() >= MAX_COLUMNS {
        return Err(invalid(&table.name, "too many columns"));
    }
    if spec.computed && !spec.ty.is_vector() {
        return Err(invalid(&table.name, "only a vector column can be computed"));
    }
    if let ColumnType::Vector { dim, .. } = spec.ty {
        if table.role == Role::Interaction {
            return Err(invalid(&table.name, "interactions have no vector columns"));
        }
        if dim == 0 || dim > MAX_DIM {
            return Err(invalid(&table.name, "a vector has 1 to 65536 components"));
        }
        if spec.not_null || spec.default.is_some() || spec.default_expr.is_some() {
            return Err(invalid(&table.name, "a vector column can be empty and has no default"));
        }
    }
    let id = ColumnId(table.columns.len() as u16);
    let column = Column {
        id,
        name: spec.name,
        ty: spec.ty,
        not_null: spec.not_null,
        default: spec.default,
        default_expr: spec.default_expr,
        computed: spec.computed,
        added_in: table.version,
        dropped_in: None,
    };
    if let Some(default) = &column.default {
        row::check(table, &column, default)?;
    }
    table.columns.push(column);
    Ok(id)
}

fn unique_column(table: &Table, name: &str) -> Result<ColumnId> {
    let column = need_column(table, name)?;
    if column.ty.is_vector() {
        return Err(invalid(&table.name, "a vector column cannot be part of a key"));
    }
    Ok(column.id)
}

fn need_column<'a>(table: &'a Table, name: &str) -> Result<&'a Column> {
    table.column(name).ok_or_else(|| no_column(table, name))
}

fn no_column(table: &Table, name: &str) -> Error {
    Error::NoSuchColumn { table: table.name.clone(), column: name.to_owned() }
}

fn invalid(table: &str, what: &str) -> Error {
    Error::InvalidSchema { table: table.to_owned(), what: what.to_owned() }
}
