//! What an embedding looks like: rows on a plane, with the value of an attribute to colour them by.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json_;
use tastedb::{Session, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::ProblemDocument;
use super::auth::Who;
use super::input::{Params, Segments};
use crate::server::access::Role;
use crate::server::problem::Problem;
use crate::server::state::Server;
use crate::server::work::Lane;

/// Points that are sent if nothing else is asked for, and at most.
const POINTS: u32 = 2_000;
const MOST: u32 = 20_000;

/// The routes of this noun.
pub(super) fn routes() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new().routes(routes!(map))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// The embedding column.
    column: String,
    /// A column whose values come with the points.
    color: Option<String>,
    /// At most so many points, evenly from all rows; 2,000 if it is left out.
    #[param(minimum = 0, maximum = 20000)]
    limit: Option<u32>,
}

/// Rows on a plane.
#[derive(Debug, Serialize, ToSchema)]
struct MapAnswer {
    /// The rows.
    points: Vec<Point>,
    /// The share of the variance that lies in each direction.
    explained: [f64; 2],
}

/// A row on a plane.
#[derive(Debug, Serialize, ToSchema)]
struct Point {
    /// Its key.
    key: String,
    x: f32,
    y: f32,
    /// Its value in the column that was asked for.
    value: Json_,
}

/// Rows on the plane in which their embeddings differ most
#[utoipa::path(
    get, path = "/v1/tables/{table}/map", tag = "rows",
    params(("table" = String, Path, description = "The table"), Which),
    responses(
        (status = 200, body = MapAnswer),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn map(
    State(server): Shared,
    who: Who,
    Segments(table): Segments<String>,
    Params(which): Params<Which>,
) -> Result<Json<MapAnswer>, Problem> {
    who.0.need(Role::Read)?;
    let shared = Arc::clone(&server);
    let limit = which.limit.unwrap_or(POINTS).min(MOST) as usize;
    let look = move |_: &mut Session| {
        let snapshot = shared.database.snapshot();
        let map = snapshot.map(&table, &which.column, limit)?;
        let value = |key: &str| -> Result<Json_, Problem> {
            let Some(color) = &which.color else { return Ok(Json_::Null) };
            let row = snapshot.get(&table, key)?;
            Ok(row.map_or(Json_::Null, |row| json(row.get(color))))
        };
        if let Some(color) = &which.color {
            let catalog = snapshot.catalog();
            let known = catalog.table(&table).is_some_and(|table| table.column(color).is_some());
            if !known {
                return Err(Problem::bad_request(format!("no column `{color}` to colour by")));
            }
        }
        let points = map.points.into_iter().map(|(key, [x, y])| {
            let value = value(&key)?;
            Ok(Point { key, x, y, value })
        });
        let points = points.collect::<Result<_, Problem>>()?;
        Ok(Json(MapAnswer { points, explained: map.explained }))
    };
    server.work.run(Lane::Statement, look).await
}

/// A stored value as JSON; days and microseconds since 1970 as numbers.
fn json(value: &Value) -> Json_ {
    match value {
        Value::Null => Json_::Null,
        Value::Bool(b) => (*b).into(),
        Value::Int(n) | Value::Timestamp(n) => (*n).into(),
        Value::Real(x) => (*x).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Date(days) => (*days).into(),
        Value::TextList(texts) => texts.as_slice().into(),
    }
}
