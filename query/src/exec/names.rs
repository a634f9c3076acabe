//! From names in a statement to tables and columns, with errors that know what was meant.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::Ident;

use crate::ast::Name;
use crate::batch::Shape;
use crate::error::{Error, Result};
use crate::storage::{Catalog, Role, Table};

/// An identifier as SQL means it: lower-case unless it is quoted.
pub(crate) fn normal(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// The table of this name.
pub(crate) fn table<'a>(catalog: &'a Catalog, name: &Name) -> Result<&'a Table> {
    catalog.table(name.as_str()).ok_or_else(|| {
        let known: Vec<&str> = catalog.tables().map(|table| table.name.as_str()).collect();
        Error::no_such_table(name.as_str(), known).at(name.span)
    })
}

/// A table of one of some roles.
pub(crate) fn table_of<'a>(
    catalog: &'a Catalog,
    name: &Name,
    roles: &[Role],
    expected: &str,
) -> Result<&'a Table> {
    let table = table(catalog, name)?;
    if roles.contains(&table.role) {
        return Ok(table);
    }
    Err(Error::wrong_role(&table.name, expected).at(name.span))
}

/// The position of a column.
pub(crate) fn column(shape: &Shape, name: &Name) -> Result<usize> {
    shape.position(name.as_str()).ok_or_else(|| {
        let known: Vec<&str> = shape.names.iter().map(String::as_str).collect();
        Error::no_such_column(name.as_str(), &shape.table.name, known).at(name.span)
    })
}

/// The positions of a column list to write to; each column once. No list means all that are not
/// computed.
pub(crate) fn written(shape: &Shape, names: Option<&[Name]>) -> Result<Vec<usize>> {
    let positions = columns(shape, names)?;
    let Some(names) = names else {
        return Ok(positions.into_iter().filter(|at| !shape.is_computed(*at)).collect());
    };
    match positions.iter().zip(names).find(|(at, _)| shape.is_computed(**at)) {
        Some((_, name)) => Err(Error::computed(name.as_str(), &shape.table.name).at(name.span)),
        None => Ok(positions),
    }
}

/// The positions of a column list; each column once. No list means all.
pub(crate) fn columns(shape: &Shape, names: Option<&[Name]>) -> Result<Vec<usize>> {
    let Some(names) = names else { return Ok((0..shape.fields.len()).collect()) };
    let mut positions = Vec::with_capacity(names.len());
    for name in names {
        let position = column(shape, name)?;
        if positions.contains(&position) {
            return Err(Error::column_twice(&shape.names[position]).at(name.span));
        }
        positions.push(position);
    }
    Ok(positions)
}

/// Shapes of the tables of one catalogue, made once.
#[derive(Default)]
pub(crate) struct Shapes {
    kept: std::sync::Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    catalog: Option<Arc<Catalog>>,
    shapes: std::collections::HashMap<crate::storage::TableId, Arc<Shape>>,
}

impl Shapes {
    /// The shape of a table of `catalog`.
    pub(crate) fn get(&self, catalog: &Arc<Catalog>, table: &Table) -> Arc<Shape> {
        let mut kept = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !kept.catalog.as_ref().is_some_and(|known| Arc::ptr_eq(known, catalog)) {
            kept.catalog = Some(Arc::clone(catalog));
            kept.shapes.clear();
        }
        let shape = kept.shapes.entry(table.id);
        Arc::clone(shape.or_insert_with(|| Arc::new(Shape::of(catalog, table))))
    }
}
