//! One line in the log and one count for each request.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::answer::Code;
use crate::server::state::Server;

/// Lets the request through, and tells what came of it.
pub(super) async fn trace(
    State(server): State<Arc<Server>>,
    route: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let start = Instant::now();
    // The pattern, never the path: a path can hold the key of a person.
    let route = route.map_or_else(|| "none".to_owned(), |route| route.as_str().to_owned());
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => {
            known.to_owned()
        }
        _ => "other".to_owned(),
    };
    let response = next.run(request).await;
    let took = start.elapsed();
    let status = response.status().as_u16();
    server.metrics.request(&method, &route, status, took);
    let code = response.extensions().get::<Code>().map_or("", |code| code.0);
    let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    tracing::info!(target: "tastedb::request", method, route, status, code, microseconds);
    response
}
