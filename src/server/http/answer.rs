//! What goes back: JSON, or a problem document.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use crate::server::problem::Problem;

/// A problem as RFC 9457 has it, with what is known of the mistake.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemDocument {
    /// `urn:tastedb:error:` and the code.
    r#type: String,
    /// The short name of the code.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong.
    detail: String,
    /// The stable code, such as `TD0201`.
    code: String,
    /// Where in the text of a statement or of a clause; lines and columns count from 1.
    #[schema(required = false)]
    place: Option<PlaceDocument>,
    /// What to do about it.
    #[schema(required = false)]
    next_step: Option<String>,
    /// The row of a batch that is at fault, from 0.
    #[schema(required = false)]
    row: Option<u64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Place)]
pub(super) struct PlaceDocument {
    line: u64,
    column: u64,
    end_line: u64,
    end_column: u64,
    /// The member of the request whose text this is.
    #[schema(required = false)]
    field: Option<String>,
}

/// The problem as a document.
pub(crate) fn document(problem: &Problem) -> Json {
    let mut document = json!({
        "type": format!("urn:tastedb:error:{}", problem.code),
        "title": problem.title(),
        "status": problem.status,
        "detail": problem.message,
        "code": problem.code,
    });
    if let Some(place) = problem.place {
        document["place"] = json!({
            "line": place.line,
            "column": place.column,
            "end_line": place.end_line,
            "end_column": place.end_column,
        });
        if let Some(field) = problem.field {
            document["place"]["field"] = field.into();
        }
    }
    if let Some(next) = &problem.next {
        document["next_step"] = next.as_str().into();
    }
    if let Some(row) = problem.row {
        document["row"] = row.into();
    }
    document
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_server_error() {
            tracing::error!(code = self.code, "{}", self.title());
        }
        let body = document(&self).to_string();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match status {
            StatusCode::UNAUTHORIZED => {
                let schemes = HeaderValue::from_static("Bearer, Basic realm=\"tastedb\"");
                headers.insert(header::WWW_AUTHENTICATE, schemes);
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        // For the line in the log.
        response.extensions_mut().insert(Code(self.code));
        response
    }
}

/// The code of the problem that a response tells.
#[derive(Clone, Copy)]
pub(super) struct Code(pub(super) &'static str);
