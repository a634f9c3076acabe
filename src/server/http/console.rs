//! The console: one page, in the program itself.
//!
//! The page holds no data and needs no network but this server: whatever it shows it asks for over REST,
//! with the key that whoever looks at it gives. Its content policy forbids everything else.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::server::state::Server;

/// The page, as `npm run build` makes it of `console/src` (`console/README.md`).
const PAGE: &str = include_str!("console/index.html");

/// What the page may do.
const POLICY: &str = "default-src 'none'; script-src 'self' 'unsafe-inline'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The route of the page.
pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new().route("/", get(page))
}

async fn page() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, PAGE)
}
