//! Jobs: what runs, how far it is, how to stop it.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::Stream;
use futures::stream;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::ProblemDocument;
use super::auth::Who;
use super::input::Segments;
use crate::server::access::Role;
use crate::server::jobs::Report;
use crate::server::problem::Problem;
use crate::server::state::Server;

/// The routes of this noun.
pub(super) fn routes() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, cancel)).routes(routes!(events))
}

/// Every job that runs or has run lately, the latest first
#[utoipa::path(
    get, path = "/v1/jobs", tag = "jobs",
    responses(
        (status = 200, body = Vec<Report>),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn list(State(server): Shared, who: Who) -> Result<Json<Vec<Report>>, Problem> {
    who.0.need(Role::Read)?;
    Ok(Json(server.jobs.list()))
}

/// One job
#[utoipa::path(
    get, path = "/v1/jobs/{job}", tag = "jobs",
    params(("job" = u64, Path, description = "The number of the job")),
    responses(
        (status = 200, body = Report),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn get(
    State(server): Shared,
    who: Who,
    Segments(job): Segments<u64>,
) -> Result<Json<Report>, Problem> {
    who.0.need(Role::Read)?;
    server.jobs.get(job).map(Json)
}

/// Stop a job; it leaves nothing behind
#[utoipa::path(
    delete, path = "/v1/jobs/{job}", tag = "jobs",
    params(("job" = u64, Path, description = "The number of the job")),
    responses(
        (status = 200, body = Report),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn cancel(
    State(server): Shared,
    who: Who,
    Segments(job): Segments<u64>,
) -> Result<Json<Report>, Problem> {
    who.0.need(Role::Write)?;
    server.jobs.cancel(job).map(Json)
}

/// An event of a job.
#[derive(Serialize, ToSchema)]
struct JobEvent {
    /// `job`.
    event: String,
    /// The report of the job, as JSON.
    data: String,
}

/// A job as it goes: one event for each change, until it ends
#[utoipa::path(
    get, path = "/v1/jobs/{job}/events", tag = "jobs",
    params(("job" = u64, Path, description = "The number of the job")),
    responses(
        (status = 200, body = JobEvent, content_type = "text/event-stream"),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn events(
    State(server): Shared,
    who: Who,
    Segments(job): Segments<u64>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    who.0.need(Role::Read)?;
    let watch = server.jobs.watch(job)?;
    // What has happened so far comes first.
    let events = stream::unfold((watch, true, false), |(mut watch, first, over)| async move {
        if over || (!first && watch.changed().await.is_err()) {
            return None;
        }
        let report = watch.borrow_and_update().clone();
        let over = report.state.is_over();
        let event = Event::default().event("job").json_data(&report);
        let event = event.unwrap_or_else(|_| Event::default().event("error"));
        // Steps that come quicker than anybody reads are told together.
        if !over {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Some((Ok(event), (watch, false, over)))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}
