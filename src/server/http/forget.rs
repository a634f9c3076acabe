//! Forgetting: tickets, receipts, and carrying it out now.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value as Json_;
use tastedb::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::ProblemDocument;
use super::auth::Who;
use super::input::{Input, Segments};
use super::rows::Written;
use super::statement::{Composed, Key, RowsAnswer, rows_of};
use crate::server::access::Role;
use crate::server::jobs::Report;
use crate::server::problem::Problem;
use crate::server::state::Server;
use crate::server::work::Lane;

/// The routes of this noun.
pub(super) fn routes() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new()
        .routes(routes!(list, forget))
        .routes(routes!(get))
        .routes(routes!(verify))
        .routes(routes!(vacuum))
}

/// Every ticket, oldest first
#[utoipa::path(
    get, path = "/v1/forgets", tag = "forget",
    responses(
        (status = 200, body = RowsAnswer),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn list(State(server): Shared, who: Who) -> Result<Json<RowsAnswer>, Problem> {
    let text = Composed::new("SHOW FORGETS", Vec::new());
    let outcomes = text.run(&server, who.0, Lane::Quick, "SHOW").await?;
    RowsAnswer::of(&outcomes).map(Json)
}

/// Who or what is to be forgotten.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Subject {
    /// The table.
    table: String,
    /// The key of the user or item.
    key: Key,
}

/// Forget a user or an item: it is deleted at once, and the ticket says what follows
#[utoipa::path(
    post, path = "/v1/forgets", tag = "forget",
    request_body = Subject,
    responses(
        (status = 202, body = Written),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn forget(
    State(server): Shared,
    who: Who,
    Input(subject): Input<Subject>,
) -> Result<(StatusCode, Json<Written>), Problem> {
    who.0.need(Role::Write)?;
    let catalog = server.database.catalog();
    let table = catalog.table(&subject.table);
    let table = table.ok_or_else(|| Problem::no_table(&subject.table, &[]))?;
    if table.link.is_some() {
        let message = "interactions are forgotten by DELETE /v1/tables/{table}/interactions";
        return Err(Problem::bad_request(message));
    }
    let mut text = Composed::new("DELETE FROM", Vec::new());
    text.name(&table.name).words("WHERE").name(&table.key_column).words("=");
    text.value(subject.key.into()).ticket();
    let outcomes = text.run(&server, who.0, Lane::Statement, "DELETE").await?;
    let rows = outcomes.last().map(rows_of).transpose()?.unwrap_or_default();
    let Some(row) = rows.first() else { return Err(Problem::no_row(&subject.table)) };
    let ticket = row["ticket"].as_str().map(str::to_owned);
    Ok((StatusCode::ACCEPTED, Json(Written { affected: rows.len() as u64, ticket })))
}

/// One ticket
#[utoipa::path(
    get, path = "/v1/forgets/{ticket}", tag = "forget",
    params(("ticket" = String, Path, description = "The ticket, as `f_1`")),
    responses(
        (status = 200, body = Object),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn get(
    State(server): Shared,
    who: Who,
    Segments(ticket): Segments<String>,
) -> Result<Json<Json_>, Problem> {
    let text = Composed::new("SHOW FORGETS", Vec::new());
    let outcomes = text.run(&server, who.0, Lane::Quick, "SHOW").await?;
    let rows = RowsAnswer::of(&outcomes)?.rows;
    let found = rows.into_iter().find(|row| row["id"] == ticket.as_str());
    found.map(Json).ok_or_else(|| Problem::no_route("no such ticket"))
}

/// Look for what a ticket is about in everything that is stored; the receipt
#[utoipa::path(
    post, path = "/v1/forgets/{ticket}/verify", tag = "forget",
    params(("ticket" = String, Path, description = "The ticket, as `f_1`")),
    responses(
        (status = 200, body = RowsAnswer),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn verify(
    State(server): Shared,
    who: Who,
    Segments(ticket): Segments<String>,
) -> Result<Json<RowsAnswer>, Problem> {
    let mut text = Composed::new("VERIFY FORGET", Vec::new());
    text.value(Value::Text(ticket));
    let outcomes = text.run(&server, who.0, Lane::Statement, "VERIFY FORGET").await?;
    RowsAnswer::of(&outcomes).map(Json)
}

/// Carry out now what the open tickets ask for, as a job
#[utoipa::path(
    post, path = "/v1/vacuum", tag = "forget",
    responses(
        (status = 202, body = Report),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn vacuum(State(server): Shared, who: Who) -> Result<(StatusCode, Json<Report>), Problem> {
    who.0.need(Role::Admin)?;
    Composed::new("VACUUM", Vec::new()).start(&server, &who.0, "VACUUM")
}
