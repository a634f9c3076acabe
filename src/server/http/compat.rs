//! One route as clients of Gorse know it: keys of items for a user, by GET.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value as Value_;
use tastedb::{KeyType, Role};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::ProblemDocument;
use super::auth::Who;
use super::input::{Params, Segments};
use super::recommend::{Ask, For, Using};
use super::statement::{Key, quoted, rows_of};
use crate::server::problem::Problem;
use crate::server::state::Server;
use crate::server::work::Lane;

/// The routes of this noun.
pub(super) fn routes() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new().routes(routes!(recommend))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Wishes {
    /// How many; 10 if it is left out.
    #[param(minimum = 0)]
    n: Option<u32>,
    /// How many of the best are left out.
    offset: Option<u32>,
    /// The model; without it, the database chooses.
    model: Option<String>,
    /// A condition on the items, in SQL.
    r#where: Option<String>,
    /// The table of items, where there are several.
    table: Option<String>,
}

/// Keys of the best items for a user
#[utoipa::path(
    get, path = "/api/recommend/{user}", tag = "recommend",
    params(("user" = String, Path, description = "The key of the user"), Wishes),
    responses(
        (status = 200, body = Vec<String>),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn recommend(
    State(server): Shared,
    who: Who,
    Segments(user): Segments<String>,
    Params(wishes): Params<Wishes>,
) -> Result<Json<Vec<String>>, Problem> {
    let catalog = server.database.catalog();
    let mut items = catalog.tables().filter(|table| table.role == Role::Item);
    let table = match (&wishes.table, items.next(), items.next()) {
        (Some(name), ..) => {
            catalog.table(name).ok_or_else(|| Problem::bad_request(format!("no table `{name}`")))?
        }
        (None, Some(only), None) => only,
        (None, None, _) => return Err(Problem::bad_request("there is no table of items")),
        (None, Some(_), Some(_)) => {
            return Err(Problem::bad_request("there are several tables of items: give `table`"));
        }
    };
    let users = catalog.dependents(table.id).find_map(|events| {
        let link = events.link.as_ref()?;
        catalog.table_by_id(link.user_table)
    });
    let whole = users.filter(|users| users.key_type == KeyType::BigInt);
    let user = match whole.and_then(|_| user.parse::<i64>().ok()) {
        Some(key) => Key::Number(key),
        None => Key::Text(user),
    };
    let ask = Ask {
        table: table.name.clone(),
        r#for: For { user: Some(user), ..For::default() },
        using: wishes.model.map(|model| Using { model, weight: None }).into_iter().collect(),
        r#where: wishes.r#where,
        limit: Some(wishes.n.unwrap_or(10)),
        offset: wishes.offset,
        ..Ask::default()
    };
    let ask = Ask { columns: vec![quoted(&table.key_column)], ..ask };
    let text = ask.composed()?;
    let outcomes = text.run(&server, who.0, Lane::Quick, "RECOMMEND").await?;
    let rows = outcomes.last().map(rows_of).transpose()?.unwrap_or_default();
    let keys = rows.iter().map(|row| match &row[&table.key_column] {
        Value_::String(key) => key.clone(),
        other => other.to_string(),
    });
    Ok(Json(keys.collect()))
}
