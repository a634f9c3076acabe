//! Models: create, look at, train and refresh as jobs, drop.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value as Json_};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::ProblemDocument;
use super::auth::Who;
use super::input::{Input, Segments};
use super::statement::{Composed, RowsAnswer, param, whole};
use crate::server::access::Role;
use crate::server::jobs::Report;
use crate::server::problem::Problem;
use crate::server::state::Server;
use crate::server::work::Lane;

/// The routes of this noun.
pub(super) fn routes() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, drop_model))
        .routes(routes!(training))
        .routes(routes!(train))
        .routes(routes!(refresh))
}

/// Every model, with the version that serves
#[utoipa::path(
    get, path = "/v1/models", tag = "models",
    responses(
        (status = 200, body = RowsAnswer),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn list(State(server): Shared, who: Who) -> Result<Json<RowsAnswer>, Problem> {
    let outcomes = Composed::new("SHOW MODELS", Vec::new());
    let outcomes = outcomes.run(&server, who.0, Lane::Quick, "SHOW").await?;
    RowsAnswer::of(&outcomes).map(Json)
}

/// A model to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewModel {
    /// Its name.
    name: String,
    /// `graph_filter`, `ease`, `ials`, …; without it, the default.
    algorithm: Option<String>,
    /// The tables of interactions that it learns from.
    on: Vec<String>,
    /// Options of the algorithm.
    #[serde(default)]
    #[schema(value_type = Object)]
    with: Map<String, Json_>,
}

/// Create a model; training is another step
#[utoipa::path(
    post, path = "/v1/models", tag = "models",
    request_body = NewModel,
    responses(
        (status = 201, body = Object),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn create(
    State(server): Shared,
    who: Who,
    Input(new): Input<NewModel>,
) -> Result<(StatusCode, Json<Json_>), Problem> {
    who.0.need(Role::Admin)?;
    let mut text = Composed::new("CREATE MODEL", Vec::new());
    text.name(&new.name);
    if let Some(algorithm) = &new.algorithm {
        text.words("USING").name(algorithm);
    }
    if new.on.is_empty() {
        return Err(Problem::bad_request("`on` names no table of interactions"));
    }
    for (n, table) in new.on.iter().enumerate() {
        text.words(if n == 0 { "ON" } else { "," }).name(table);
    }
    options(&mut text, &new.with)?;
    let outcomes = text.run(&server, who.0, Lane::Statement, "CREATE MODEL").await?;
    let outcome = outcomes.last().map(whole).transpose()?.unwrap_or_default();
    Ok((StatusCode::CREATED, Json(outcome)))
}

/// One model
#[utoipa::path(
    get, path = "/v1/models/{model}", tag = "models",
    params(("model" = String, Path, description = "The model")),
    responses(
        (status = 200, body = Object),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn get(
    State(server): Shared,
    who: Who,
    Segments(model): Segments<String>,
) -> Result<Json<Json_>, Problem> {
    let text = Composed::new("SHOW MODELS", Vec::new());
    let outcomes = text.run(&server, who.0, Lane::Quick, "SHOW").await?;
    let rows = RowsAnswer::of(&outcomes)?.rows;
    let found = rows.into_iter().find(|row| row["name"] == model.as_str());
    found.map(Json).ok_or_else(|| Problem::no_route(format!("no model `{model}`")))
}

/// Drop a model with its versions
#[utoipa::path(
    delete, path = "/v1/models/{model}", tag = "models",
    params(("model" = String, Path, description = "The model")),
    responses(
        (status = 204),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn drop_model(
    State(server): Shared,
    who: Who,
    Segments(model): Segments<String>,
) -> Result<StatusCode, Problem> {
    who.0.need(Role::Admin)?;
    let mut text = Composed::new("DROP MODEL", Vec::new());
    text.name(&model);
    text.run(&server, who.0, Lane::Statement, "DROP MODEL")
        .await
        .map_err(Problem::without_place)?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the last training of a model chose, measured and cost: one row for each point of its curve
#[utoipa::path(
    get, path = "/v1/models/{model}/training", tag = "models",
    params(("model" = String, Path, description = "The model")),
    responses(
        (status = 200, body = RowsAnswer),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn training(
    State(server): Shared,
    who: Who,
    Segments(model): Segments<String>,
) -> Result<Json<RowsAnswer>, Problem> {
    let mut text = Composed::new("SHOW TRAINING", Vec::new());
    text.name(&model);
    let outcomes = text.run(&server, who.0, Lane::Quick, "SHOW").await?;
    RowsAnswer::of(&outcomes).map(Json)
}

/// How a training is to go.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Training {
    /// Options of the training.
    #[serde(default)]
    #[schema(value_type = Object)]
    with: Map<String, Json_>,
}

/// Train a model, as a job
#[utoipa::path(
    post, path = "/v1/models/{model}/train", tag = "models",
    params(("model" = String, Path, description = "The model")),
    request_body = Training,
    responses(
        (status = 202, body = Report),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn train(
    State(server): Shared,
    who: Who,
    Segments(model): Segments<String>,
    Input(training): Input<Training>,
) -> Result<(StatusCode, Json<Report>), Problem> {
    start(&server, &who, "TRAIN MODEL", &model, &training)
}

/// Bring a model up to date, as a job
#[utoipa::path(
    post, path = "/v1/models/{model}/refresh", tag = "models",
    params(("model" = String, Path, description = "The model")),
    request_body = Training,
    responses(
        (status = 202, body = Report),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn refresh(
    State(server): Shared,
    who: Who,
    Segments(model): Segments<String>,
    Input(training): Input<Training>,
) -> Result<(StatusCode, Json<Report>), Problem> {
    start(&server, &who, "REFRESH MODEL", &model, &training)
}

fn start(
    server: &Arc<Server>,
    who: &Who,
    kind: &'static str,
    model: &str,
    training: &Training,
) -> Result<(StatusCode, Json<Report>), Problem> {
    who.0.need(Role::Write)?;
    let known = server.database.models()?;
    if !known.iter().any(|known| known.definition.name == model) {
        return Err(Problem::no_route(format!("no model `{model}`")));
    }
    let mut text = Composed::new(kind, Vec::new());
    text.name(model);
    options(&mut text, &training.with)?;
    text.start(server, &who.0, kind)
}

fn options(text: &mut Composed, with: &Map<String, Json_>) -> Result<(), Problem> {
    for (n, (name, value)) in with.iter().enumerate() {
        text.words(if n == 0 { "WITH (" } else { "," }).name(name).words("=");
        text.value(param(value)?);
    }
    if !with.is_empty() {
        text.words(")");
    }
    Ok(())
}
