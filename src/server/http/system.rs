//! Health, metrics, the OpenAPI document.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::ProblemDocument;
use super::auth::Who;
use crate::server::access::Role;
use crate::server::metrics::TEXT;
use crate::server::problem::Problem;
use crate::server::state::Server;

/// The routes of this noun.
pub(super) fn routes() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// Whether the process lives
#[utoipa::path(
    get, path = "/healthz", tag = "system",
    responses((status = 200, body = String, content_type = "text/plain")),
)]
async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the server takes requests
#[utoipa::path(
    get, path = "/readyz", tag = "system",
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = 503, body = String, content_type = "text/plain"),
    ),
)]
async fn readyz(State(server): Shared) -> (StatusCode, &'static str) {
    if server.is_stopping() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    (StatusCode::OK, "ready\n")
}

/// Metrics for Prometheus
#[utoipa::path(
    get, path = "/metrics", tag = "system",
    responses(
        (status = 200, body = String, content_type = "application/openmetrics-text"),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn metrics(State(server): Shared, who: Who) -> Result<Response, Problem> {
    who.0.need(Role::Read)?;
    let shared = Arc::clone(&server);
    // Looking at models and tables reads the database.
    let text = tokio::task::spawn_blocking(move || shared.metrics.text(&shared)).await;
    let text = text.map_err(|error| Problem::internal(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, TEXT)], text).into_response())
}

/// The OpenAPI document.
pub(super) fn openapi(document: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document).into_response()
}
