//! COPY … TO: a table or a query into a file, or to the client.

use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast::{SelectItem, Statement};

use super::options::Options;
use super::{copy_from, names, recommend, select, template, titles};
use crate::ast::{CopySource, CopyTo, Endpoint, Name};
use crate::copy::write::{WriteOptions, Writer};
use crate::copy::{FORMATS, Format};
use crate::error::{Error, Result};
use crate::expr::literal::Given;
use crate::expr::params;
use crate::outcome::Outcome;
use crate::provider::View;
use crate::session::Session;
use crate::storage::Value;
use crate::stream::{CopyOut, Layout, StreamFormat};

/// Runs a COPY … TO.
pub(crate) fn run(session: &mut Session, copy: &CopyTo, params: &[Value]) -> Result<Outcome> {
    let given = Given { params, now: session.sql().now() };
    let path = match &copy.to {
        Endpoint::File(path) => copy_from::file(path, given)?,
        Endpoint::Client(place) => {
            let what = "COPY … TO STDOUT gives its rows to the client of a server";
            let sink = session.take_output().ok_or_else(|| Error::no_client(what).at(*place))?;
            return stream(session, copy, params, sink);
        }
    };
    let place = copy.to.span();
    let mut options = Options::new(&copy.options, given);
    let named = options.text("format")?;
    let format = match &named {
        Some((name, place)) => Format::named(name)
            .ok_or_else(|| Error::no_such_format(name, &FORMATS[..3]).at(*place))?,
        None => Format::of_path(&path)
            .ok_or_else(|| Error::unknown_format(&path.to_string_lossy()).at(place))?,
    };
    let tabs = match &named {
        Some((name, _)) => name.eq_ignore_ascii_case("tsv"),
        None => crate::copy::ending(&path).as_deref() == Some("tsv"),
    };
    let mut write = WriteOptions {
        header: copy_from::header(&mut options, true)?,
        delimiter: if tabs { b'\t' } else { b',' },
        list_delimiter: "|".to_owned(),
        gzip: path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz")),
    };
    copy_from::plain_quotes(&mut options)?;
    if let Some(delimiter) = delimiter(&mut options)? {
        write.delimiter = delimiter;
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

/// The one byte between fields, where it is given.
fn delimiter(options: &mut Options<'_>) -> Result<Option<u8>> {
    let Some((delimiter, place)) = options.text("delimiter")? else { return Ok(None) };
    match delimiter.as_bytes() {
        [byte] => Ok(Some(*byte)),
        _ => Err(Error::option_value("delimiter", "one character").at(place)),
    }
}

/// Hands the rows of a COPY … TO STDOUT to the client.
fn stream(
    session: &Session,
    copy: &CopyTo,
    params: &[Value],
    mut sink: Box<dyn CopyOut>,
) -> Result<Outcome> {
    let given = Given { params, now: session.sql().now() };
    let mut options = Options::new(&copy.options, given);
    let format = options.choice("format", &["text", "csv"])?;
    let csv = format == Some("csv");
    let mut layout = Layout {
        format: if csv { StreamFormat::Csv } else { StreamFormat::Text },
        header: copy_from::header(&mut options, false)?,
        delimiter: if csv { b',' } else { b'\t' },
        null: if csv { String::new() } else { "\\N".to_owned() },
    };
    copy_from::plain_quotes(&mut options)?;
    if let Some(delimiter) = delimiter(&mut options)? {
        layout.delimiter = delimiter;
    }
    if let Some((null, _)) = options.text("null")? {
        layout.null = null;
    }
    options.end()?;
    let gone = |source| Error::file_write(Path::new("STDOUT"), "write", source);
    let view = session.view();
    let query = match &copy.source {
        CopySource::Query(query) => Statement::Query(query.clone()),
        CopySource::Table { table, columns } => table_query(&view, table, columns.as_deref())?,
        CopySource::Recommend(recommend) => {
            let running = recommend::Running::new(session, recommend, params)?;
            sink.begin(&layout, running.schema()).map_err(gone)?;
            let mut rows = 0;
            let told = running.run(session, &mut |batch| {
                rows += batch.num_rows() as u64;
                sink.rows(&batch).map_err(gone)
            })?;
            let mut outcome = Outcome::changed("COPY", rows);
            outcome.notices = told.notices;
            return Ok(outcome);
        }
    };
    let rows = read_query(
        session,
        &query,
        params,
        &view,
        &mut sink,
        &mut |sink, columns| sink.begin(&layout, columns).map_err(gone),
        &mut |sink, batch| sink.rows(batch).map_err(gone),
    )?;
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
    let mut file = None;
    read_query(
        session,
        query,
        params,
        view,
        &mut file,
        &mut |file, columns| {
            *file = Some(Writer::create(path, format, options, columns)?);
            Ok(())
        },
        &mut |file, batch| file.as_mut().map_or(Ok(()), |writer| writer.write(batch)),
    )?;
    file.map_or(Ok(0), Writer::finish)
}

/// Runs a query for something that wants to know its columns before the first row, so that an empty
/// result is told of too; how many rows there were.
fn read_query<T>(
    session: &Session,
    query: &Statement,
    params: &[Value],
    view: &View,
    to: &mut T,
    begin: &mut dyn FnMut(&mut T, &SchemaRef) -> Result<()>,
    each: &mut dyn FnMut(&mut T, &RecordBatch) -> Result<()>,
) -> Result<u64> {
    let mut planned = query.clone();
    let tables = select::prepare(session, &mut planned, params, view.clone())?;
    let now = session.sql().now();
    let planner = session.sql().planner();
    let schema = planner.schema_of(tables.clone(), now, planned.clone(), session.cancel())?;
    let schema = titles::schema(query, &schema);
    begin(to, &schema)?;
    let mut rows = 0;
    planner.stream(tables, now, planned, session.cancel(), &mut |batch| {
        rows += batch.num_rows() as u64;
        session.progress().report("copy", rows, 0, "");
        each(to, &titles::renamed(batch, &schema)?)
    })?;
    Ok(rows)
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
