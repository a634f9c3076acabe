//! SHOW, DESCRIBE and the system tables: what the database knows about itself, as rows.

use std::sync::Arc;

use super::{forget, names};
use crate::ast::{Name, Show};
use crate::batch::{BatchBuilder, Field, Shape, arrow_type};
use crate::error::Result;
use crate::outcome::{Outcome, Rows};
use crate::provider::View;
use crate::session::Session;
use crate::storage::{Catalog, ColumnId, ColumnType, OnUnknown, Read, Role, Table, Value};
use datafusion::arrow::datatypes::{Field as ArrowField, Schema};
use tastedb_engine::index::IndexOf;
use tastedb_engine::{TextEmbedding, TrainingTable};

/// Tables that every database has.
pub(crate) const SYSTEM_TABLES: &[&str] =
    &["models", "indexes", "graphs", "embeddings", "forgets", "receipts"];

/// The columns of SHOW TABLES.
pub(crate) const TABLES: &[(&str, ColumnType)] = &[
    ("name", ColumnType::Text),
    ("role", ColumnType::Text),
    ("columns", ColumnType::BigInt),
    ("rows", ColumnType::BigInt),
];

/// The columns of DESCRIBE.
pub(crate) const DESCRIBE: &[(&str, ColumnType)] = &[
    ("column", ColumnType::Text),
    ("type", ColumnType::Text),
    ("null", ColumnType::Bool),
    ("key", ColumnType::Text),
    ("default", ColumnType::Text),
];

/// The system table that a SHOW shows, if it is one.
pub(crate) fn system_name(show: &Show) -> Option<&'static str> {
    match show {
        Show::Models => Some("models"),
        Show::Indexes => Some("indexes"),
        Show::Graphs => Some("graphs"),
        Show::Embeddings => Some("embeddings"),
        Show::Forgets => Some("forgets"),
        Show::Tables | Show::Training(_) => None,
    }
}

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
    let mut grid = Grid::typed(TABLES);
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

/// SHOW EMBEDDINGS.
pub(crate) fn embeddings(session: &Session) -> Result<Outcome> {
    Ok(Outcome::with_rows("SHOW", embedding_rows(session, &session.view())?))
}

/// SHOW INDEXES.
pub(crate) fn indexes(session: &Session) -> Result<Outcome> {
    Ok(Outcome::with_rows("SHOW", index_rows(session, &session.view())?))
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
        let tables = definition
            .tables
            .iter()
            .filter_map(|source| Some((catalog.table_by_id(source.table)?.name.clone(), source)));
        let tables: Vec<_> = tables.collect();
        let options: Vec<String> = definition.given().collect();
        let number = |value: Option<u64>| value.map_or(Value::Null, count);
        grid.push(vec![
            text(&definition.name),
            text(&definition.algorithm),
            text(tables.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")),
            by_table(&tables, |source| source.weight.as_deref()),
            by_table(&tables, |source| source.filter.as_deref()),
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

/// A clause of the tables of a model: as written where there is one table, else with the name of
/// each table that has it.
fn by_table(
    tables: &[(String, &TrainingTable)],
    clause: impl Fn(&TrainingTable) -> Option<&str>,
) -> Value {
    match tables {
        [(_, only)] => clause(only).map_or(Value::Null, text),
        several => {
            let given = several.iter().filter_map(|(name, source)| Some((name, clause(source)?)));
            let given: Vec<String> =
                given.map(|(name, clause)| format!("{name}: {clause}")).collect();
            if given.is_empty() { Value::Null } else { text(given.join(", ")) }
        }
    }
}

fn embedding_rows(session: &Session, view: &View) -> Result<Rows> {
    let mut grid = Grid::typed(&[
        ("name", ColumnType::Text),
        ("table_name", ColumnType::Text),
        ("sources", ColumnType::Text),
        ("method", ColumnType::Text),
        ("options", ColumnType::Text),
        ("dim", ColumnType::BigInt),
        ("terms", ColumnType::BigInt),
        ("rows", ColumnType::BigInt),
        ("explained", ColumnType::Double),
        ("bytes", ColumnType::BigInt),
        ("fit_seconds", ColumnType::Double),
    ]);
    let catalog = view.catalog()?;
    for embedding in view.read(|read| Ok(session.engine().embeddings(read, None)?))? {
        let Some(table) = catalog.table_by_id(embedding.table) else { continue };
        let Some(column) = table.column_by_id(embedding.column) else { continue };
        let dim = match column.ty {
            ColumnType::Vector { dim, .. } => u64::from(dim),
            _ => 0,
        };
        let options: Vec<String> =
            embedding.options.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        grid.push(vec![
            text(&column.name),
            text(&table.name),
            text(sources_of(table, &embedding).join(", ")),
            text(&embedding.method),
            if options.is_empty() { Value::Null } else { text(options.join(", ")) },
            count(dim),
            count(embedding.terms),
            count(embedding.rows),
            Value::Real(embedding.explained),
            count(embedding.bytes),
            Value::Real(embedding.seconds),
        ]);
    }
    grid.finish()
}

/// The names of the columns that an embedding is computed from.
pub(crate) fn sources_of<'a>(table: &'a Table, embedding: &TextEmbedding) -> Vec<&'a str> {
    let columns = embedding.sources.iter().filter_map(|id| table.column_by_id(*id));
    columns.map(|column| column.name.as_str()).collect()
}

fn index_rows(session: &Session, view: &View) -> Result<Rows> {
    let mut grid = Grid::typed(&[
        ("name", ColumnType::Text),
        ("table_name", ColumnType::Text),
        ("column_name", ColumnType::Text),
        ("model", ColumnType::Text),
        ("method", ColumnType::Text),
        ("metric", ColumnType::Text),
        ("options", ColumnType::Text),
        ("items", ColumnType::BigInt),
        ("covered", ColumnType::BigInt),
        ("recall", ColumnType::Double),
        ("bytes", ColumnType::BigInt),
        ("memory", ColumnType::BigInt),
        ("build_seconds", ColumnType::Double),
        ("state", ColumnType::Text),
    ]);
    let catalog = view.catalog()?;
    for index in view.read(|read| Ok(session.engine().index_infos(read)?))? {
        let Some(table) = catalog.table_by_id(index.table) else { continue };
        let (name, column, model, options) = match &index.of {
            IndexOf::Column(definition) => {
                let Some(column) = table.column_by_id(definition.column) else { continue };
                let options: Vec<String> = definition.given().collect();
                (text(&definition.name), text(&column.name), Value::Null, options)
            }
            IndexOf::Factors(model) => (Value::Null, Value::Null, text(model), Vec::new()),
        };
        let built = index.built.as_ref();
        let number = |value: Option<f64>| value.map_or(Value::Null, Value::Real);
        grid.push(vec![
            name,
            text(&table.name),
            column,
            model,
            text("hnsw"),
            text(index.metric.name()),
            if options.is_empty() { Value::Null } else { text(options.join(", ")) },
            count(index.items),
            count(index.covered),
            number(built.map(|built| built.recall)),
            built.map_or(Value::Null, |built| count(built.bytes)),
            count(index.memory),
            number(built.map(|built| built.seconds)),
            match (&index.trouble, built) {
                (Some(why), _) => text(why),
                (None, Some(_)) => text("ready"),
                (None, None) => text("not built"),
            },
        ]);
    }
    grid.finish()
}

/// The rows of a system table, where the name is one.
pub(crate) fn system_table(session: &Session, name: &str, view: &View) -> Result<Option<Rows>> {
    match name {
        "models" => model_rows(session, view).map(Some),
        "indexes" => index_rows(session, view).map(Some),
        "graphs" => graph_rows(session, view).map(Some),
        "embeddings" => embedding_rows(session, view).map(Some),
        "forgets" => forget::ticket_rows(session, view).map(Some),
        "receipts" => forget::receipt_rows(session, view).map(Some),
        _ => Ok(None),
    }
}

/// DESCRIBE table.
pub(crate) fn describe(session: &Session, name: &Name) -> Result<Outcome> {
    let catalog = session.view().catalog()?;
    let table = names::table(&catalog, name)?;
    let mut grid = Grid::typed(DESCRIBE);
    let embeddings =
        session.view().read(|read| Ok(session.engine().embeddings(read, Some(table.id))?))?;
    for line in columns(&catalog, table, &embeddings) {
        grid.push(line);
    }
    let mut outcome = Outcome::with_rows("DESCRIBE", grid.finish()?);
    if table.link.as_ref().is_some_and(|link| link.on_unknown == OnUnknown::Create) {
        outcome = outcome.notice("unknown users and items are created");
    }
    Ok(outcome)
}

fn columns(catalog: &Catalog, table: &Table, embeddings: &[TextEmbedding]) -> Vec<Vec<Value>> {
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
            let computed = embeddings.iter().find(|embedding| embedding.column == column.id);
            let computed = computed.map(|embedding| {
                format!("computed from {}", sources_of(table, embedding).join(", "))
            });
            column.default_expr.clone().or(constant).or(computed)
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
