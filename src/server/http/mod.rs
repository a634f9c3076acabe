//! REST over the database, the console, metrics and health.
//!
//! Each file below holds the routes of one noun. A handler takes what it needs by extractors
//! ([`input`]), turns the request into a statement with parameters ([`statement`]) and its outcome into
//! JSON; it holds no rule of the database. The OpenAPI document is made from the same declarations.

mod admin;
mod answer;
mod auth;
mod compat;
mod console;
mod evaluate;
mod forget;
mod idempotency;
mod input;
mod jobs;
mod map;
mod models;
mod recommend;
mod rows;
mod sql;
mod statement;
mod system;
mod tables;
mod trace;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{Method, Uri};
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

use super::problem::Problem;
use super::state::Server;

pub(crate) use answer::document;
pub(crate) use idempotency::Repeats;
pub(crate) use statement::whole;

/// What every handler can ask for.
type Shared = axum::extract::State<Arc<Server>>;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "TasteDB",
        description = "Recommendations from one database: rows, models, slates, forgetting. \
            Errors are RFC 9457 documents with the code of docs/errors.md.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "recommend", description = "Who would like what"),
        (name = "rows", description = "Users, items, interactions and their embeddings"),
        (name = "models", description = "Create, train, look at, measure"),
        (name = "jobs", description = "Long work: progress, result, cancellation"),
        (name = "forget", description = "Tickets and receipts of forgetting"),
        (name = "sql", description = "Every statement of the language"),
        (name = "system", description = "Health, metrics, backups"),
    ),
)]
struct Document;

/// All routes of a server.
pub(crate) fn router(server: &Arc<Server>) -> Router {
    let (router, mut document) = OpenApiRouter::with_openapi(Document::openapi())
        .merge(recommend::routes())
        .merge(compat::routes())
        .merge(rows::routes())
        .merge(tables::routes())
        .merge(map::routes())
        .merge(models::routes())
        .merge(evaluate::routes())
        .merge(jobs::routes())
        .merge(forget::routes())
        .merge(sql::routes())
        .merge(admin::routes())
        .merge(system::routes())
        .split_for_parts();
    describe_security(&mut document);
    let document = Bytes::from(serde_json::to_vec(&document).unwrap_or_default());
    router
        .merge(console::routes())
        .route(
            "/openapi.json",
            axum::routing::get(move || async move { system::openapi(document) }),
        )
        .fallback(|uri: Uri| async move { Problem::no_route(format!("nothing at {}", uri.path())) })
        .method_not_allowed_fallback(|method: Method, uri: Uri| async move {
            Problem::no_method(format!("no {method} of {}", uri.path()))
        })
        .layer(axum::middleware::from_fn_with_state(Arc::clone(server), input::read_small))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(server), trace::trace))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(Arc::clone(server))
}

fn describe_security(document: &mut utoipa::openapi::OpenApi) {
    let components = document.components.get_or_insert_default();
    let key = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let password = SecurityScheme::Http(Http::new(HttpAuthScheme::Basic));
    components.add_security_scheme("key", key);
    components.add_security_scheme("password", password);
}
