//! SHOW, DESCRIBE and the system tables: what the database knows about itself, as rows.

use std::sync::Arc;

use super::names;
use crate::ast::Name;
use crate::batch::{BatchBuilder, Field, Shape, arrow_type};
use crate::error::Result;
use crate::outcome::{Outcome, Rows};
use crate::provider::View;
use crate::session::Session;
use crate::storage::{Catalog, ColumnId, ColumnType, OnUnknown, Read, Role, Table, Value};
use datafusion::arrow::datatypes::{Field as ArrowField, Schema};

/// Tables that every database has.
pub(crate) const SYSTEM_TABLES: &[&str] = &["models", "indexes", "graphs"];

/// Rows made by hand. The type of a column is that of its first value that is not NULL.
pub(crate) struct Grid {
    names: Vec<String>,
    rows: Vec<Vec<Value>>,
    types: Vec<Option<ColumnType>>,
}

impl Grid {
    /// An empty grid with these columns.
    pub(crate) fn new(names: &[&'static str]) -> Grid {
        Grid::named(names.iter().map(|name| (*name).to_owned()).collect())
    }

    /// The same with names that are not known before.
    pub(crate) fn named(names: Vec<String>) -> Grid {
        let types = vec![None; names.len()];
        Grid { names, rows: Vec::new(), types }
    }

    /// The same with the types of its columns.
    pub(crate) fn typed(columns: &[(&'static str, ColumnType)]) -> Grid {
        Grid {
            names: columns.iter().map(|(name, _)| (*name).to_owned()).collect(),
            rows: Vec::new(),
            types: columns.iter().map(|(_, ty)| Some(*ty)).collect(),
        }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: Vec<Value>) {
        for (ty, value) in self.types.iter_mut().zip(&row) {
            let of = match value {
                Value::Null => None,
                Value::Bool(_) => Some(ColumnType::Bool),
                Value::Int(_) => Some(ColumnType::BigInt),
                Value::Real(_) => Some(ColumnType::Double),
                Value::Text(_) => Some(ColumnType::Text),
                Value::Date(_) => Some(ColumnType::Date),
                Value::Timestamp(_) => Some(ColumnType::Timestamp),
                Value::TextList(_) => Some(ColumnType::TextList),
            };
            *ty = ty.or(of);
        }
        self.rows.push(row);
    }

    /// The rows.
    pub(crate) fn finish(self) -> Result<Rows> {
        let types: Vec<ColumnType> =
            self.types.iter().map(|ty| ty.unwrap_or(ColumnType::Text)).collect();
        let fields: Vec<Field> = types.iter().map(|ty| Field::Value(ColumnId(0), *ty)).collect();
        let columns = self.names.iter().zip(&types);
        let schema = Schema::new(
            columns
                .map(|(name, ty)| ArrowField::new(name, arrow_type(*ty), true))
                .collect::<Vec<_>>(),
        );
        let mut builder = BatchBuilder::new(Arc::new(schema), &fields);
        for row in &self.rows {
            for (column, value) in row.iter().enumerate() {
                builder.value(column, value);
            }
            builder.end_row();
        }
        Ok(Rows::single(builder.finish()?))
    }
}

/// Lines of text as rows.
pub(crate) fn text_rows(name: &'static str, lines: impl Iterator<Item = String>) -> Result<Rows> {
    let mut grid = Grid::typed(&[(name, ColumnType::Text)]);
    lines.for_each(|line| grid.push(vec![Value::Text(line)]));
    grid.finish()
}

fn text(value: impl Into<String>) -> Value {
    Value::Text(value.into())
}

fn count(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn role(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Item => "item",
        Role::Interaction => "interaction",
    }
}

/// SHOW TABLES.
pub(crate) fn tables(session: &Session) -> Result<Outcome> {
    let view = session.view();
    let catalog = view.catalog()?;
    let mut grid = Grid::typed(&[
        ("name", ColumnType::Text),
        ("role", ColumnType::Text),
        ("columns", ColumnType::BigInt),
        ("rows", ColumnType::BigInt),
    ]);
    for table in catalog.tables() {
        let shape = Shape::of(&catalog, table);
        let rows = view.read(|read| rows_in(read, table))?;
        let columns = count(shape.fields.len() as u64);
        grid.push(vec![text(&table.name), text(role(table.role)), columns, count(rows)]);
    }
    Ok(Outcome::with_rows("SHOW", grid.finish()?))
}

/// How many rows a table has.
pub(crate) fn rows_in(read: &dyn Read, table: &Table) -> Result<u64> {
    let mut rows = 0;
    if table.role == Role::Interaction {
        for row in read.interactions(table.id, &[])? {
            row?;
            rows += 1;
        }
    } else {
        for row in read.rows(table.id, &[], 0)? {
            row?;
            rows += 1;
        }
    }
    Ok(rows)
}

/// SHOW MODELS.
pub(crate) fn models(session: &Session) -> Result<Outcome> {
    Ok(Outcome::with_rows("SHOW", model_rows(session, &session.view())?))
}

/// SHOW GRAPHS.
pub(crate) fn graphs(session: &Session) -> Result<Outcome> {
    Ok(Outcome::with_rows("SHOW", graph_rows(session, &session.view())?))
}

/// SHOW INDEXES.
pub(crate) fn indexes() -> Result<Outcome> {
    Ok(Outcome::with_rows("SHOW", index_rows()?))
}

fn model_rows(session: &Session, view: &View) -> Result<Rows> {
    let mut grid = Grid::typed(&[
        ("name", ColumnType::Text),
        ("algorithm", ColumnType::Text),
        ("table_name", ColumnType::Text),
        ("weight", ColumnType::Text),
        ("condition", ColumnType::Text),
        ("options", ColumnType::Text),
        ("version", ColumnType::BigInt),
        ("users", ColumnType::BigInt),
        ("items", ColumnType::BigInt),
        ("pairs", ColumnType::BigInt),
        ("bytes", ColumnType::BigInt),
        ("fit_seconds", ColumnType::Double),
        ("seed", ColumnType::BigInt),
        ("refresh", ColumnType::Text),
    ]);
    let catalog = view.catalog()?;
    for model in view.read(|read| Ok(session.engine().models(read)?))? {
        let definition = &model.definition;
        let serving = model.serving.as_ref();
        let table = catalog.table_by_id(definition.table).map(|table| table.name.clone());
        let options: Vec<String> = definition.given().collect();
        let given = |text: &Option<String>| text.clone().map_or(Value::Null, Value::Text);
        let number = |value: Option<u64>| value.map_or(Value::Null, count);
        grid.push(vec![
            text(&definition.name),
            text(&definition.algorithm),
            table.map_or(Value::Null, Value::Text),
            given(&definition.weight),
            given(&definition.filter),
            if options.is_empty() { Value::Null } else { text(options.join(", ")) },
            number(serving.map(|version| version.version)),
            number(serving.map(|version| version.users)),
            number(serving.map(|version| version.items)),
            number(serving.map(|version| version.pairs)),
            number(serving.map(|version| version.bytes)),
            serving.map_or(Value::Null, |version| Value::Real(version.fit_seconds)),
            number(serving.map(|version| version.seed)),
            text(match (definition.refresh.automatic(), &model.failure) {
                (None, _) => "manual".to_owned(),
                (Some(_), None) => "auto".to_owned(),
                (Some(_), Some(failure)) => format!("auto, failed: {failure}"),
            }),
        ]);
    }
    grid.finish()
}

fn graph_rows(session: &Session, view: &View) -> Result<Rows> {
    let mut grid = Grid::typed(&[
        ("table_name", ColumnType::Text),
        ("modality", ColumnType::Text),
        ("neighbours", ColumnType::BigInt),
        ("items", ColumnType::BigInt),
        ("edges", ColumnType::BigInt),
        ("bytes", ColumnType::BigInt),
        ("generation", ColumnType::BigInt),
    ]);
    for graph in view.read(|read| Ok(session.engine().graphs(read)?))? {
        grid.push(vec![
            text(graph.table),
            text(graph.modality),
            count(graph.neighbours),
            count(graph.items),
            count(graph.edges),
            count(graph.bytes),
            count(graph.generation),
        ]);
    }
    grid.finish()
}

fn index_rows() -> Result<Rows> {
    Grid::typed(&[
        ("name", ColumnType::Text),
        ("table_name", ColumnType::Text),
        ("column_name", ColumnType::Text),
        ("method", ColumnType::Text),
    ])
    .finish()
}

/// The rows of a system table, where the name is one.
pub(crate) fn system_table(session: &Session, name: &str, view: &View) -> Result<Option<Rows>> {
    match name {
        "models" => model_rows(session, view).map(Some),
        "indexes" => index_rows().map(Some),
        "graphs" => graph_rows(session, view).map(Some),
        _ => Ok(None),
    }
}

/// DESCRIBE table.
pub(crate) fn describe(session: &Session, name: &Name) -> Result<Outcome> {
    let catalog = session.view().catalog()?;
    let table = names::table(&catalog, name)?;
    let mut grid = Grid::typed(&[
        ("column", ColumnType::Text),
        ("type", ColumnType::Text),
        ("null", ColumnType::Bool),
        ("key", ColumnType::Text),
        ("default", ColumnType::Text),
    ]);
    for line in columns(&catalog, table) {
        grid.push(line);
    }
    let mut outcome = Outcome::with_rows("DESCRIBE", grid.finish()?);
    if table.link.as_ref().is_some_and(|link| link.on_unknown == OnUnknown::Create) {
        outcome = outcome.notice("unknown users and items are created");
    }
    Ok(outcome)
}

fn columns(catalog: &Catalog, table: &Table) -> Vec<Vec<Value>> {
    let shape = Shape::of(catalog, table);
    let name_of = |id| catalog.table_by_id(id).map_or("?", |table| table.name.as_str());
    let unique = table.link.as_ref().and_then(|link| link.unique.as_ref());
    let mut lines = Vec::with_capacity(shape.fields.len());
    for (at, field) in shape.fields.iter().enumerate() {
        let column = shape.column(at);
        let reference = |table| {
            let primary = if unique.is_some() { "primary key, " } else { "" };
            text(format!("{primary}references {}", name_of(table)))
        };
        let key = match (field, &table.link) {
            (Field::Key(_), _) => text("primary key"),
            (Field::User(_), Some(link)) => reference(link.user_table),
            (Field::Item(_), Some(link)) => reference(link.item_table),
            (Field::Value(id, _), _) if unique.is_some_and(|extra| extra.contains(id)) => {
                text("primary key")
            }
            _ => Value::Null,
        };
        let default = column.and_then(|column| {
            let constant = column.default.as_ref().map(crate::expr::params::literal_text);
            column.default_expr.clone().or(constant)
        });
        lines.push(vec![
            text(&shape.names[at]),
            text(field.column_type().to_string()),
            Value::Bool(column.is_some_and(|column| !column.not_null)),
            key,
            default.map_or(Value::Null, Value::Text),
        ]);
    }
    lines
}
