//! COPY … TO: a table or a query into a file.

use std::path::Path;

use datafusion::sql::sqlparser::ast::{SelectItem, Statement};

use super::options::Options;
use super::{copy_from, names, recommend, select, template, titles};
use crate::ast::{CopySource, CopyTo, Name};
use crate::copy::write::{WriteOptions, Writer};
use crate::copy::{FORMATS, Format};
use crate::error::{Error, Result};
use crate::expr::literal::Given;
use crate::expr::params;
use crate::outcome::Outcome;
use crate::provider::View;
use crate::session::Session;
use crate::storage::Value;

/// Runs a COPY … TO.
pub(crate) fn run(session: &mut Session, copy: &CopyTo, params: &[Value]) -> Result<Outcome> {
    let given = Given { params, now: session.sql().now() };
    let path = copy_from::file(&copy.path, given)?;
    let mut options = Options::new(&copy.options, given);
    let named = options.text("format")?;
    let format = match &named {
        Some((name, place)) => Format::named(name)
            .ok_or_else(|| Error::no_such_format(name, &FORMATS[..3]).at(*place))?,
        None => Format::of_path(&path)
            .ok_or_else(|| Error::unknown_format(&path.to_string_lossy()).at(copy.path.span))?,
    };
    let tabs = match &named {
        Some((name, _)) => name.eq_ignore_ascii_case("tsv"),
        None => crate::copy::ending(&path).as_deref() == Some("tsv"),
    };
    let mut write = WriteOptions {
        header: options.truth("header", true)?,
        delimiter: if tabs { b'\t' } else { b',' },
        list_delimiter: "|".to_owned(),
        gzip: path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz")),
    };
    if let Some((delimiter, place)) = options.text("delimiter")? {
        let [byte] = delimiter.as_bytes() else {
            return Err(Error::option_value("delimiter", "one character").at(place));
        };
        write.delimiter = *byte;
    }
    if let Some((delimiter, _)) = options.text("list_delimiter")? {
        write.list_delimiter = delimiter;
    }
    options.end()?;
    let view = session.view();
    let query = match &copy.source {
        CopySource::Query(query) => Statement::Query(query.clone()),
        CopySource::Table { table, columns } => table_query(&view, table, columns.as_deref())?,
        CopySource::Recommend(recommend) => {
            let running = recommend::Running::new(session, recommend, params)?;
            let mut writer = Writer::create(&path, format, &write, running.schema())?;
            let told = running.run(session, &mut |batch| writer.write(&batch))?;
            let mut outcome = Outcome::changed("COPY", writer.finish()?);
            outcome.notices = told.notices;
            return Ok(outcome);
        }
    };
    let rows = write_query(session, &query, params, &view, &path, format, &write)?;
    Ok(Outcome::changed("COPY", rows))
}

/// Writes the rows of a query into a file.
pub(crate) fn write_query(
    session: &Session,
    query: &Statement,
    params: &[Value],
    view: &View,
    path: &Path,
    format: Format,
    options: &WriteOptions,
) -> Result<u64> {
    // The schema is known before the first row, so that an empty result is a valid file too.
    let mut planned = query.clone();
    let tables = select::prepare(session, &mut planned, params, view.clone())?;
    let now = session.sql().now();
    let planner = session.sql().planner();
    let schema = planner.schema_of(tables.clone(), now, planned.clone(), session.cancel())?;
    let schema = titles::schema(query, &schema);
    let mut writer = Writer::create(path, format, options, &schema)?;
    let mut rows = 0;
    planner.stream(tables, now, planned, session.cancel(), &mut |batch| {
        rows += batch.num_rows() as u64;
        session.progress().report("copy", rows, 0, "");
        writer.write(&titles::renamed(batch, &schema)?)
    })?;
    writer.finish()
}

/// The query that reads columns of a table.
fn table_query(view: &View, table: &Name, columns: Option<&[Name]>) -> Result<Statement> {
    let catalog = view.catalog()?;
    let stored = names::table(&catalog, table)?;
    let shape = crate::batch::Shape::of(&catalog, stored);
    let positions = names::columns(&shape, columns)?;
    let list =
        positions.iter().map(|at| SelectItem::UnnamedExpr(params::column(&shape.names[*at])));
    let mut query = template::select_from(&stored.name)?;
    template::fill(&mut query, list.collect(), None);
    Ok(query)
}
