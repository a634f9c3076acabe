//! Every statement of the language, as JSON or as an Arrow stream.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json_;
use tastedb::arrow::ipc::writer::StreamWriter;
use tastedb::{Outcome, Session, Value};
use tastedb_query::statement_ranges;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::ProblemDocument;
use super::auth::Who;
use super::input::Input;
use super::statement::{checked, params, rows_of};
use crate::server::access::Principal;
use crate::server::jobs;
use crate::server::problem::Problem;
use crate::server::state::Server;
use crate::server::work::Lane;

/// The type of an Arrow stream.
const ARROW: &str = "application/vnd.apache.arrow.stream";

/// The routes of this noun.
pub(super) fn routes() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new().routes(routes!(sql))
}

/// Statements, and values for their parameters.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Script {
    /// One statement or several; each is atomic. `BEGIN … COMMIT` must be in one request.
    sql: String,
    /// Values for `$1`, `$2`, ….
    #[serde(default)]
    params: Vec<Json_>,
}

/// What came of a script.
#[derive(Debug, Serialize, ToSchema)]
struct ScriptAnswer {
    /// One for each statement.
    results: Vec<StatementAnswer>,
}

/// What came of a statement.
#[derive(Debug, Serialize, ToSchema)]
struct StatementAnswer {
    /// What was done: `INSERT 3`, `SELECT 10`.
    tag: String,
    /// Names and types of the columns; none where it returns no rows.
    #[schema(required = false)]
    columns: Option<Vec<ColumnAnswer>>,
    /// One object for each row.
    #[schema(value_type = Vec<Object>)]
    rows: Vec<Json_>,
    /// Rows that were written or returned.
    affected: u64,
    /// Remarks that are no errors.
    notices: Vec<String>,
    /// Seconds it took.
    seconds: f64,
}

/// A column of a result.
#[derive(Debug, Serialize, ToSchema)]
struct ColumnAnswer {
    name: String,
    /// Its type in Arrow.
    r#type: String,
}

/// Run statements; rows as JSON, or of the last one as an Arrow stream, by the header `accept`
#[utoipa::path(
    post, path = "/v1/sql", tag = "sql",
    request_body = Script,
    responses(
        (status = 200, content(
            (ScriptAnswer = "application/json"),
            (String = "application/vnd.apache.arrow.stream"),
        )),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn sql(
    State(server): Shared,
    who: Who,
    headers: HeaderMap,
    Input(script): Input<Script>,
) -> Result<Response, Problem> {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let arrow = accept.is_some_and(|accept| accept.contains(ARROW));
    let shared = Arc::clone(&server);
    let run = move |session: &mut Session| {
        let params = params(&script.params)?;
        let outcomes = outcomes(&shared, session, &who.0, &script.sql, &params)?;
        if arrow {
            let body = stream(outcomes.last())?;
            return Ok(([(header::CONTENT_TYPE, ARROW)], body).into_response());
        }
        let results = outcomes.iter().map(answer).collect::<Result<_, _>>()?;
        Ok(Json(ScriptAnswer { results }).into_response())
    };
    server.work.run(Lane::Statement, run).await
}

/// Runs a script; what takes long in it as jobs.
fn outcomes(
    server: &Server,
    session: &mut Session,
    who: &Principal,
    sql: &str,
    params: &[Value],
) -> Result<Vec<Outcome>, Problem> {
    let script = session.script(sql)?;
    let texts = statement_ranges(sql);
    session.set_row_limit(Some(server.config.max_rows));
    checked(server, session, who, &script, &mut |session, at| {
        if !script.get(at).is_some_and(|statement| jobs::is_job(statement.name)) {
            return Ok(session.execute_at(&script, at, params)?);
        }
        let text = texts.get(at).map_or(sql, |range| &sql[range.clone()]);
        Ok(server.jobs.run(session, (&script, at), params, text, &who.name)??)
    })
}

fn answer(outcome: &Outcome) -> Result<StatementAnswer, Problem> {
    let columns = outcome.rows.as_ref().map(|rows| {
        let fields = rows.schema.fields().iter();
        let column = |field: &Arc<tastedb::arrow::datatypes::Field>| ColumnAnswer {
            name: field.name().clone(),
            r#type: field.data_type().to_string(),
        };
        fields.map(column).collect()
    });
    Ok(StatementAnswer {
        tag: outcome.tag.clone(),
        columns,
        rows: rows_of(outcome)?,
        affected: outcome.affected,
        notices: outcome.notices.clone(),
        seconds: outcome.elapsed.map_or(0.0, |elapsed| elapsed.as_secs_f64()),
    })
}

fn stream(outcome: Option<&Outcome>) -> Result<Vec<u8>, Problem> {
    let Some(rows) = outcome.and_then(|outcome| outcome.rows.as_ref()) else {
        return Err(Problem::bad_request("the last statement returns no rows for an Arrow stream"));
    };
    let failed = |error: tastedb::arrow::error::ArrowError| Problem::internal(error.to_string());
    let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema).map_err(failed)?;
    for batch in &rows.batches {
        writer.write(batch).map_err(failed)?;
    }
    writer.into_inner().map_err(failed)
}
