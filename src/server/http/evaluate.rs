//! Measuring models on interactions that they have not seen, as a job.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use tastedb::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::ProblemDocument;
use super::auth::Who;
use super::input::Input;
use super::statement::Composed;
use crate::server::access::Role;
use crate::server::jobs::Report;
use crate::server::problem::Problem;
use crate::server::state::Server;

/// The routes of this noun.
pub(super) fn routes() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new().routes(routes!(evaluate))
}

/// What is measured on what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Evaluation {
    /// Models, and the built-in `popular`, `trending`, `latest`, `random`.
    models: Vec<String>,
    /// The table of held-out interactions.
    on: String,
    /// Metrics, as `recall(20)`, `ndcg(20)`.
    metrics: Vec<String>,
    /// The seed of what is drawn.
    seed: Option<i64>,
}

/// Measure models, as a job
#[utoipa::path(
    post, path = "/v1/evaluate", tag = "models",
    request_body = Evaluation,
    responses(
        (status = 202, body = Report),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn evaluate(
    State(server): Shared,
    who: Who,
    Input(asked): Input<Evaluation>,
) -> Result<(StatusCode, Json<Report>), Problem> {
    who.0.need(Role::Read)?;
    let mut text = Composed::new("EVALUATE", Vec::new());
    if asked.models.is_empty() || asked.metrics.is_empty() {
        return Err(Problem::bad_request("`models` and `metrics` name at least one each"));
    }
    for (n, model) in asked.models.iter().enumerate() {
        if n > 0 {
            text.words(",");
        }
        text.name(model);
    }
    text.words("ON").name(&asked.on);
    text.words("METRICS").clause("metrics", &asked.metrics.join(", "));
    if let Some(seed) = asked.seed {
        text.words("WITH (seed =").value(Value::Int(seed)).words(")");
    }
    text.start(&server, &who.0, "EVALUATE")
}
