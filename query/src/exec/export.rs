//! EXPORT DATABASE and IMPORT DATABASE: everything as files that other programs read.
//!
//! ```text
//! folder/schema.sql      CREATE TABLE, CREATE EMBEDDING and CREATE MODEL statements
//! folder/<table>.parquet the rows of a table, vectors as lists of numbers
//! ```
//!
//! What models have learned is not exported: it is made again by TRAIN MODEL. Neither are the
//! vectors of text embeddings: an import computes them again, from the rows that it has loaded.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::options::Options;
use super::{copy_from, copy_to, template};
use crate::ast::{
    CopyFrom, Endpoint, Folder, Isolation, Literal, Name, Operand, OperandKind, Statement,
    StatementKind as Kind, WithOptions,
};
use crate::batch::{Field, Shape};
use crate::codes;
use crate::copy::Format;
use crate::copy::write::WriteOptions;
use crate::error::{Error, Result};
use crate::expr::literal::Given;
use crate::expr::params;
use crate::outcome::Outcome;
use crate::parser;
use crate::session::Session;
use crate::span::Span;
use crate::storage::{Catalog, OnUnknown, Role, Table, Value};
use tastedb_engine::TextEmbedding;
use tastedb_engine::index::IndexDefinition;

/// The file of statements.
const SCHEMA: &str = "schema.sql";

/// Runs an EXPORT DATABASE.
pub(crate) fn export(session: &mut Session, export: &Folder, params: &[Value]) -> Result<Outcome> {
    let folder = folder(session, export, params)?;
    let is_new = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let made: Vec<PathBuf> = folder.ancestors().take_while(is_new).map(Path::to_owned).collect();
    let mut files = Vec::new();
    let exported = write_into(session, &folder, export.path.span, &mut files);
    if exported.is_err() {
        // Of an export that did not become whole, nothing is left.
        for file in files {
            let _ = fs::remove_file(file);
        }
        for folder in made {
            let _ = fs::remove_dir(folder);
        }
    }
    Ok(Outcome::changed("EXPORT", exported?))
}

/// Writes the files of an export, whose paths are added to `files`; returns the number of rows.
fn write_into(
    session: &Session,
    folder: &Path,
    place: Span,
    files: &mut Vec<PathBuf>,
) -> Result<u64> {
    fs::create_dir_all(folder).map_err(|source| Error::file_write(folder, "create", source))?;
    let mut entries =
        fs::read_dir(folder).map_err(|source| Error::file_io(folder, "read", source))?;
    if entries.next().is_some() {
        return Err(Error::file_exists(folder).at(place));
    }
    let view = session.view();
    let catalog = view.catalog()?;
    let mut sql = String::new();
    let mut rows = 0;
    for (at, table) in in_order(&catalog).into_iter().enumerate() {
        sql.push_str(&create_table(&catalog, table));
        let mut query = template::select_from(&table.name)?;
        let all = Shape::of(&catalog, table);
        let given = all.names.iter().enumerate().filter(|(at, _)| !all.is_computed(*at));
        let list = given.map(|(_, name)| {
            datafusion::sql::sqlparser::ast::SelectItem::UnnamedExpr(params::column(name))
        });
        template::fill(&mut query, list.collect(), None);
        let options = WriteOptions {
            header: true,
            delimiter: b',',
            list_delimiter: "|".to_owned(),
            gzip: false,
        };
        let file = folder.join(file_name(table, at));
        files.push(file.clone());
        let format = Format::Parquet;
        rows += copy_to::write_query(session, &query, &[], &view, &file, format, &options)?;
    }
    for embedding in view.read(|read| Ok(session.engine().embeddings(read, None)?))? {
        sql.push_str(&create_embedding(&catalog, &embedding));
    }
    for index in view.read(|read| Ok(session.engine().indexes(read)?))? {
        sql.push_str(&create_index(&catalog, &index));
    }
    let mut models = session.models()?;
    models.sort_by_key(|model| model.definition.created);
    for model in models {
        let definition = model.definition;
        let (name, algorithm) = (quoted(&definition.name), &definition.algorithm);
        let _ = write!(sql, "CREATE MODEL {name} USING {algorithm} ON ");
        for (at, source) in definition.tables.iter().enumerate() {
            let Some(table) = catalog.table_by_id(source.table) else { continue };
            sql.push_str(if at > 0 { ", " } else { "" });
            sql.push_str(&quoted(&table.name));
            if let Some(weight) = &source.weight {
                let _ = write!(sql, " WEIGHT {weight}");
            }
            if let Some(filter) = &source.filter {
                let _ = write!(sql, " WHERE {filter}");
            }
        }
        sql.push_str(&with(definition.given()));
        sql.push_str(";\n");
    }
    // Written last: a folder without it is not a whole export.
    let file = folder.join(SCHEMA);
    files.push(file.clone());
    fs::write(&file, sql).map_err(|source| Error::file_write(&file, "write", source))?;
    Ok(rows)
}

/// Runs an IMPORT DATABASE into a database without tables.
pub(crate) fn import(session: &mut Session, import: &Folder, params: &[Value]) -> Result<Outcome> {
    if session.in_transaction() {
        return Err(Error::not_in_transaction("IMPORT DATABASE"));
    }
    let folder = folder(session, import, params)?;
    let place = import.path.span;
    let file = folder.join(SCHEMA);
    let sql = match fs::read_to_string(&file) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound && folder.is_dir() => {
            return Err(Error::not_an_export(&folder).at(place));
        }
        read => read.map_err(|source| Error::file_io(&file, "read", source).at(place))?,
    };
    if session.view().catalog()?.tables().next().is_some() {
        let what = "IMPORT DATABASE needs a database without tables";
        return Err(Error::invalid_definition(what).at(place));
    }
    // Its script may hold nothing but definitions: a COMMIT in it would end the transaction.
    let script = parser::parse(&sql).map_err(|error| in_script(&error, &file).at(place))?;
    let defines = |kind: &Kind| {
        matches!(
            kind,
            Kind::CreateTable(_)
                | Kind::CreateModel(_)
                | Kind::CreateEmbedding(_)
                | Kind::CreateIndex(_)
        )
    };
    if let Some(other) = script.iter().find(|statement| !defines(&statement.kind)) {
        let what = format!("{} does not belong into an export", other.kind.name());
        let error = Error::new(&codes::NOT_AN_EXPORT, what).at(other.span);
        return Err(in_script(&error, &file).at(place));
    }
    // One transaction: an import that fails leaves nothing behind.
    session.begin(Isolation::Serializable)?;
    let imported = statements(session, &script, &sql, &folder, place);
    match &imported {
        Ok(_) => session.commit()?,
        Err(_) => session.rollback()?,
    }
    Ok(Outcome::changed("IMPORT", imported?))
}

/// An error of the script of an export: its place is in that file, not in the statement.
fn in_script(error: &Error, file: &Path) -> Error {
    let line = error.span().map_or_else(String::new, |at| format!(", {}", at.start));
    let problem = error.problem();
    let told = Error::new(problem.code, format!("{}{line}: {}", file.display(), problem.message))
        .suggest(problem.suggestion.as_deref());
    match &problem.hint {
        Some(hint) => told.hint(hint.clone()),
        None => told,
    }
}

fn statements(
    session: &mut Session,
    script: &[Statement],
    sql: &str,
    folder: &Path,
    place: Span,
) -> Result<u64> {
    let file = folder.join(SCHEMA);
    let (computed, defined): (Vec<&Statement>, Vec<&Statement>) =
        script.iter().partition(|statement| {
            matches!(statement.kind, Kind::CreateEmbedding(_) | Kind::CreateIndex(_))
        });
    let run = |session: &mut Session, statements: &[&Statement]| {
        statements.iter().try_for_each(|statement| {
            let ran = super::execute(session, statement, sql, &[]).map(|_| ());
            ran.map_err(|error| in_script(&error, &file).at(place))
        })
    };
    run(session, &defined)?;
    let catalog = session.view().catalog()?;
    let mut rows = 0;
    for (at, table) in in_order(&catalog).into_iter().enumerate() {
        let path = folder.join(file_name(table, at)).to_string_lossy().into_owned();
        let kind = OperandKind::Literal(Literal::Text(path));
        let copy = CopyFrom {
            table: Name { value: table.name.clone(), quoted: true, span: place },
            columns: None,
            from: Endpoint::File(Operand { kind, span: place }),
            options: WithOptions::default(),
        };
        rows += copy_from::run(session, &copy, &[])?.affected;
    }
    // Computed from the rows, so after them.
    run(session, &computed)?;
    Ok(rows)
}

/// Runs a BACKUP DATABASE: a copy of the whole directory, models and all.
pub(crate) fn backup(session: &mut Session, backup: &Folder, params: &[Value]) -> Result<Outcome> {
    let folder = folder(session, backup, params)?;
    let done = session.engine().store().backup(&folder);
    done.map_err(|cause| Error::from(cause).at(backup.path.span))?;
    Ok(Outcome::done("BACKUP DATABASE"))
}

/// The folder that a statement names.
fn folder(session: &Session, folder: &Folder, params: &[Value]) -> Result<PathBuf> {
    let given = Given { params, now: session.sql().now() };
    Options::new(&folder.options, given).end()?;
    copy_from::file(&folder.path, given)
}

/// Tables that others refer to come first.
fn in_order(catalog: &Arc<Catalog>) -> Vec<&Table> {
    let (links, entities): (Vec<&Table>, Vec<&Table>) =
        catalog.tables().partition(|table| table.role == Role::Interaction);
    entities.into_iter().chain(links).collect()
}

/// A file name that every system takes. The table's place in the script keeps names apart that look
/// the same; its id would not do, since the importing database gives it another one.
fn file_name(table: &Table, at: usize) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    let name: String = table.name.chars().map(plain).collect();
    if name == table.name && !name.chars().any(|c| c.is_ascii_uppercase()) {
        format!("{name}.parquet")
    } else {
        format!("{name}-{}.parquet", at + 1)
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// An embedding as the statement that makes it.
fn create_embedding(catalog: &Catalog, embedding: &TextEmbedding) -> String {
    let Some(table) = catalog.table_by_id(embedding.table) else { return String::new() };
    let name = table.column_by_id(embedding.column).map_or("", |column| column.name.as_str());
    let sources = super::show::sources_of(table, embedding);
    let sources: Vec<String> = sources.into_iter().map(quoted).collect();
    format!(
        "CREATE EMBEDDING {} ON {} FROM ({}) USING {}{};\n",
        quoted(name),
        quoted(&table.name),
        sources.join(", "),
        embedding.method,
        with(embedding.options.iter().map(|(name, value)| format!("{name} = {value}"))),
    )
}

fn create_index(catalog: &Catalog, index: &IndexDefinition) -> String {
    let Some(table) = catalog.table_by_id(index.table) else { return String::new() };
    let column = table.column_by_id(index.column).map_or("", |column| column.name.as_str());
    format!(
        "CREATE INDEX {} ON {} USING hnsw ({}){};\n",
        quoted(&index.name),
        quoted(&table.name),
        quoted(column),
        with(index.given()),
    )
}

/// Options as they were written.
fn with(options: impl Iterator<Item = String>) -> String {
    let options: Vec<String> = options.collect();
    if options.is_empty() { String::new() } else { format!(" WITH ({})", options.join(", ")) }
}

/// A table as the statement that makes it, without the columns that are computed.
pub(crate) fn create_table(catalog: &Catalog, table: &Table) -> String {
    let shape = Shape::of(catalog, table);
    let name_of = |id| catalog.table_by_id(id).map_or("", |table| table.name.as_str());
    let mut parts = Vec::new();
    for (at, field) in shape.fields.iter().enumerate() {
        if shape.is_computed(at) {
            continue;
        }
        let mut part = format!("{} {}", quoted(&shape.names[at]), field.column_type());
        match (field, &table.link) {
            (Field::Key(_), _) => part.push_str(" PRIMARY KEY"),
            (Field::User(_), Some(link)) => {
                let _ = write!(part, " REFERENCES {}", quoted(name_of(link.user_table)));
            }
            (Field::Item(_), Some(link)) => {
                let _ = write!(part, " REFERENCES {}", quoted(name_of(link.item_table)));
            }
            _ => {}
        }
        if let Some(column) = shape.column(at) {
            part = format!("{} {}", quoted(&column.name), column.ty);
            if column.not_null {
                part.push_str(" NOT NULL");
            }
            if let Some(expr) = &column.default_expr {
                let _ = write!(part, " DEFAULT {expr}");
            } else if let Some(value) = &column.default {
                let _ = write!(part, " DEFAULT {}", params::literal_text(value));
            }
        }
        parts.push(part);
    }
    let mut with = Vec::new();
    with.push(match table.role {
        Role::User => "role = 'user'",
        Role::Item => "role = 'item'",
        Role::Interaction => "role = 'interaction'",
    });
    if let Some(link) = &table.link {
        if let Some(extra) = &link.unique {
            let mut key = vec![quoted(&link.user_column), quoted(&link.item_column)];
            let columns = extra.iter().filter_map(|id| table.column_by_id(*id));
            key.extend(columns.map(|column| quoted(&column.name)));
            parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
        }
        if link.on_unknown == OnUnknown::Create {
            with.push("on_unknown = 'create'");
        }
    }
    format!(
        "CREATE TABLE {} (\n  {}\n) WITH ({});\n",
        quoted(&table.name),
        parts.join(",\n  "),
        with.join(", ")
    )
}
