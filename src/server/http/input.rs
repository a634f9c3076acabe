//! What comes in: bodies, segments of a path, parameters behind a question mark. A mistake in any of
//! them is a problem document, as every other mistake.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::server::problem::Problem;
use crate::server::state::Server;

/// The segments of the path.
#[derive(FromRequestParts)]
#[from_request(via(Path), rejection(Problem))]
pub(super) struct Segments<T>(pub(super) T);

/// The parameters behind the question mark.
#[derive(FromRequestParts)]
#[from_request(via(Query), rejection(Problem))]
pub(super) struct Params<T>(pub(super) T);

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Problem {
        Problem::bad_request(format!("the path: {}", rejection.body_text().to_lowercase()))
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Problem {
        let text = rejection.body_text();
        let why = text.split_once(": ").map_or(text.as_str(), |(_, why)| why);
        Problem::bad_request(format!("a parameter: {why}"))
    }
}

/// A JSON body.
pub(super) struct Input<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Server>> for Input<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, server: &Arc<Server>) -> Result<Input<T>, Problem> {
        let body = read(request, server).await?;
        parse(&body, "the body").map(Input)
    }
}

/// One object, an array of objects, or one object a line (`application/x-ndjson`), with the bytes they
/// came as.
pub(super) struct Objects {
    pub(super) rows: Vec<serde_json::Map<String, Json>>,
    pub(super) body: Bytes,
}

impl FromRequest<Arc<Server>> for Objects {
    type Rejection = Problem;

    async fn from_request(request: Request, server: &Arc<Server>) -> Result<Objects, Problem> {
        let lines = is_lines(request.headers());
        let body = read(request, server).await?;
        let rows = if lines {
            let text = std::str::from_utf8(&body)
                .map_err(|_| Problem::bad_request("the body is not UTF-8"))?;
            let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
            lines
                .map(|(n, line)| parse(line.as_bytes(), &format!("line {}", n + 1)))
                .collect::<Result<_, _>>()?
        } else {
            match parse(&body, "the body")? {
                Json::Object(row) => vec![row],
                Json::Array(rows) => rows
                    .into_iter()
                    .enumerate()
                    .map(|(n, row)| match row {
                        Json::Object(row) => Ok(row),
                        _ => Err(Problem::bad_request("a row is not an object").in_row(n)),
                    })
                    .collect::<Result<_, _>>()?,
                _ => return Err(Problem::bad_request("the body is no object and no array")),
            }
        };
        Ok(Objects { rows, body })
    }
}

fn is_lines(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim();
    ["application/x-ndjson", "application/ndjson", "application/jsonl"].contains(&kind)
}

fn parse<T: DeserializeOwned>(text: &[u8], what: &str) -> Result<T, Problem> {
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::bad_request(format!("{what} is empty; JSON is expected")));
    }
    serde_json::from_slice(text).map_err(|error| Problem::bad_request(format!("{what}: {error}")))
}

/// Bodies up to so many bytes are read before anything is decided about their request.
const SMALL: u64 = 64 << 10;

/// Reads a small body before the request goes on: a refusal that leaves a body unread ends the connection,
/// and a client that sends its next request on it finds it closed.
pub(super) async fn read_small(
    State(server): State<Arc<Server>>,
    request: Request,
    next: Next,
) -> Response {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if !length.is_some_and(|length| (1..=SMALL).contains(&length)) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let reading = axum::body::to_bytes(body, SMALL as usize);
    match tokio::time::timeout(server.config.body_timeout, reading).await {
        Ok(Ok(body)) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Ok(Err(error)) => {
            Problem::bad_request(format!("the body ended early: {error}")).into_response()
        }
        Err(_) => Problem::too_slow("the body came too slowly").into_response(),
    }
}

/// Reads a body that is neither too large nor too slow.
async fn read(request: Request, server: &Server) -> Result<Bytes, Problem> {
    let limit = server.config.max_body;
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(Problem::too_large(limit));
    }
    let reading = axum::body::to_bytes(request.into_body(), limit);
    match tokio::time::timeout(server.config.body_timeout, reading).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) => {
            let error = error.to_string();
            if error.contains("length limit") {
                Err(Problem::too_large(limit))
            } else {
                Err(Problem::bad_request(format!("the body ended early: {error}")))
            }
        }
        Err(_) => Err(Problem::too_slow("the body came too slowly")),
    }
}

/// Whether a request is repeated: the key it has for that.
pub(super) struct IdempotencyKey(pub(super) Option<String>);

impl FromRequestParts<Arc<Server>> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        _server: &Arc<Server>,
    ) -> Result<IdempotencyKey, Problem> {
        let Some(value) = parts.headers.get("idempotency-key") else {
            return Ok(IdempotencyKey(None));
        };
        match value.to_str() {
            Ok(key) if (1..=255).contains(&key.len()) => Ok(IdempotencyKey(Some(key.to_owned()))),
            _ => Err(Problem::bad_request("an idempotency key has 1 to 255 visible ASCII letters")),
        }
    }
}
