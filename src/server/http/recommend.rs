//! Who would like what: RECOMMEND with every clause as a member of a request.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value as Value_};
use tastedb::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::ProblemDocument;
use super::auth::Who;
use super::input::Input;
use super::statement::{Composed, Key, RowsAnswer, param, params, quoted};
use crate::server::problem::Problem;
use crate::server::state::Server;
use crate::server::work::Lane;

/// The routes of this noun.
pub(super) fn routes() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new()
        .routes(routes!(recommend))
        .routes(routes!(similar))
        .routes(routes!(session))
}

/// A recommendation: for whom, from what, under which conditions.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    /// The table whose rows are recommended.
    pub(super) table: String,
    /// For whom. Several members together are one context.
    pub(super) r#for: For,
    /// The model, or several with weights; without it, the database chooses.
    #[serde(default)]
    pub(super) using: Vec<Using>,
    /// What is returned of each row, as a select list: `["id", "title", "score", "reason"]`.
    #[serde(default)]
    pub(super) columns: Vec<String>,
    /// A condition on the rows, in SQL: `stock > 0`. Values may be parameters.
    pub(super) r#where: Option<String>,
    /// A condition on the slate: `share(year < 2000) >= 0.2`.
    pub(super) having: Option<String>,
    /// A column, or embedding, by which rows are to differ.
    pub(super) diversify: Option<Diversify>,
    /// A share of the places given to rows that are less known.
    pub(super) explore: Option<Explore>,
    /// The order of the slate, in SQL, where it is not the score: `year DESC`.
    pub(super) order_by: Option<String>,
    /// At most so many rows with one value of these columns.
    pub(super) limit_by: Option<LimitBy>,
    /// How many rows; 10 if it is left out.
    #[schema(minimum = 0)]
    pub(super) limit: Option<u32>,
    /// How many of the best are left out.
    pub(super) offset: Option<u32>,
    /// Options of the statement: `{"seed": 7, "seen": "include", "strict": true}`.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(super) with: Map<String, Value_>,
    /// Values for `$1`, `$2`, … in `where`, `having` and `columns`.
    #[serde(default)]
    #[schema(value_type = Vec<serde_json::Value>)]
    pub(super) params: Vec<Value_>,
}

/// For whom.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct For {
    /// A user, by key: by the history as it is now.
    pub(super) user: Option<Key>,
    /// An item, by key: what is similar to it.
    pub(super) item: Option<Key>,
    /// Items that a visitor without a name looked at, oldest first.
    pub(super) session: Option<Vec<Key>>,
    /// Items that are liked, besides the history.
    pub(super) likes: Option<Vec<Key>>,
    /// Items that are disliked.
    pub(super) dislikes: Option<Vec<Key>>,
    /// A vector by embedding column.
    pub(super) vector: Option<std::collections::BTreeMap<String, Vec<f32>>>,
}

/// A model and its weight.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Using {
    /// The model, or `popular`, `trending`, `latest`, `random`.
    pub(super) model: String,
    /// Its weight among several.
    pub(super) weight: Option<f64>,
}

/// DIVERSIFY BY.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Diversify {
    /// The column.
    pub(super) by: String,
    /// From 0 (not at all) to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub(super) strength: Option<f64>,
}

/// EXPLORE.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Explore {
    /// The probability that a place is given away.
    #[schema(minimum = 0, maximum = 1)]
    pub(super) share: f64,
    /// The table of clicks, for Thompson sampling.
    pub(super) clicks: Option<String>,
    /// The table of impressions, for Thompson sampling.
    pub(super) impressions: Option<String>,
}

/// LIMIT n BY.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitBy {
    /// How many.
    pub(super) count: u32,
    /// The columns.
    pub(super) columns: Vec<String>,
}

impl Ask {
    /// The statement.
    pub(super) fn composed(&self) -> Result<Composed, Problem> {
        let mut text = Composed::new("RECOMMEND", params(&self.params)?);
        if !self.columns.is_empty() {
            text.clause("columns", &self.columns.join(", ")).words("FROM");
        }
        text.name(&self.table).words("FOR");
        self.r#for.write(&mut text)?;
        for (n, using) in self.using.iter().enumerate() {
            text.words(if n == 0 { "USING" } else { "," }).name(&using.model);
            if let Some(weight) = using.weight {
                text.words("WEIGHT").value(Value::Real(weight));
            }
        }
        if let Some(condition) = &self.r#where {
            text.words("WHERE (").clause("where", condition).words(")");
        }
        if let Some(condition) = &self.having {
            text.words("HAVING").clause("having", condition);
        }
        if let Some(diversify) = &self.diversify {
            text.words("DIVERSIFY BY").name(&diversify.by);
            if let Some(strength) = diversify.strength {
                text.words("STRENGTH").value(Value::Real(strength));
            }
        }
        if let Some(explore) = &self.explore {
            text.words("EXPLORE").value(Value::Real(explore.share));
            match (&explore.clicks, &explore.impressions) {
                (Some(clicks), Some(impressions)) => {
                    text.words("BY").name(clicks).words("PER").name(impressions);
                }
                (None, None) => {}
                _ => return Err(Problem::bad_request("`clicks` and `impressions` go together")),
            }
        }
        if let Some(order) = &self.order_by {
            text.words("ORDER BY").clause("order_by", order);
        }
        self.write_limits(&mut text);
        for (n, (name, value)) in self.with.iter().enumerate() {
            text.words(if n == 0 { "WITH (" } else { "," }).name(name).words("=");
            text.value(param(value)?);
        }
        if !self.with.is_empty() {
            text.words(")");
        }
        Ok(text)
    }

    fn write_limits(&self, text: &mut Composed) {
        if self.limit.is_some() || self.limit_by.is_some() {
            text.words("LIMIT");
        }
        if let Some(by) = &self.limit_by {
            let columns: Vec<String> = by.columns.iter().map(|name| quoted(name)).collect();
            text.value(Value::Int(by.count.into())).words("BY").words(&columns.join(", "));
        }
        if self.limit.is_some() || self.limit_by.is_some() {
            text.value(Value::Int(self.limit.unwrap_or(10).into()));
        }
        if let Some(offset) = self.offset {
            text.words("OFFSET").value(Value::Int(offset.into()));
        }
    }

    async fn answer(self, server: &Arc<Server>, who: Who) -> Result<Json<RowsAnswer>, Problem> {
        let composed = self.composed()?;
        let outcomes = composed.run(server, who.0, Lane::Quick, "RECOMMEND").await?;
        RowsAnswer::of(&outcomes).map(Json)
    }
}

impl For {
    fn write(&self, text: &mut Composed) -> Result<(), Problem> {
        let mut first = true;
        let mut context = |text: &mut Composed, words: &str| {
            if !std::mem::take(&mut first) {
                text.words(",");
            }
            text.words(words);
        };
        for (words, one) in [("USER", &self.user), ("ITEM", &self.item)] {
            if let Some(one) = one {
                context(text, words);
                text.value(one.clone().into());
            }
        }
        let lists =
            [("SESSION", &self.session), ("LIKES", &self.likes), ("DISLIKES", &self.dislikes)];
        for (words, list) in lists {
            if let Some(list) = list {
                context(text, words);
                text.values(list.iter().cloned().map(Value::from));
            }
        }
        if let Some(vectors) = &self.vector {
            context(text, "VECTOR (");
            for (n, (column, vector)) in vectors.iter().enumerate() {
                if n > 0 {
                    text.words(",");
                }
                let numbers: Vec<String> = vector.iter().map(|x| format!("{x:?}")).collect();
                text.name(column).words("=>");
                text.value(Value::Text(format!("[{}]", numbers.join(","))));
            }
            text.words(")");
        }
        if first {
            let message = "`for` says for nobody: give user, item, session, likes or vector";
            return Err(Problem::bad_request(message));
        }
        Ok(())
    }
}

/// Recommend rows of a table for somebody
#[utoipa::path(
    post, path = "/v1/recommend", tag = "recommend",
    request_body = Ask,
    responses(
        (status = 200, body = RowsAnswer),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn recommend(
    State(server): Shared,
    who: Who,
    Input(ask): Input<Ask>,
) -> Result<Json<RowsAnswer>, Problem> {
    ask.answer(&server, who).await
}

/// What is similar to an item.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Similar {
    /// The table of items.
    table: String,
    /// The item, by key.
    item: Key,
    /// The model; without it, the database chooses.
    model: Option<String>,
    /// What is returned of each row.
    #[serde(default)]
    columns: Vec<String>,
    /// A condition on the rows, in SQL.
    r#where: Option<String>,
    /// How many rows; 10 if it is left out.
    #[schema(minimum = 0)]
    limit: Option<u32>,
}

/// Items that are similar to one
#[utoipa::path(
    post, path = "/v1/similar", tag = "recommend",
    request_body = Similar,
    responses(
        (status = 200, body = RowsAnswer),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn similar(
    State(server): Shared,
    who: Who,
    Input(similar): Input<Similar>,
) -> Result<Json<RowsAnswer>, Problem> {
    let ask = Ask {
        table: similar.table,
        r#for: For { item: Some(similar.item), ..For::default() },
        using: similar.model.map(|model| Using { model, weight: None }).into_iter().collect(),
        columns: similar.columns,
        r#where: similar.r#where,
        limit: similar.limit,
        ..Ask::default()
    };
    ask.answer(&server, who).await
}

/// What suits a visitor.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SessionAsk {
    /// The table of items.
    table: String,
    /// Keys of items the visitor looked at, oldest first.
    items: Vec<Key>,
    /// The model; without it, the database chooses.
    model: Option<String>,
    /// What is returned of each row.
    #[serde(default)]
    columns: Vec<String>,
    /// A condition on the rows, in SQL.
    r#where: Option<String>,
    /// How many rows; 10 if it is left out.
    #[schema(minimum = 0)]
    limit: Option<u32>,
}

/// Items for a visitor without a name
#[utoipa::path(
    post, path = "/v1/session", tag = "recommend",
    request_body = SessionAsk,
    responses(
        (status = 200, body = RowsAnswer),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn session(
    State(server): Shared,
    who: Who,
    Input(session): Input<SessionAsk>,
) -> Result<Json<RowsAnswer>, Problem> {
    let ask = Ask {
        table: session.table,
        r#for: For { session: Some(session.items), ..For::default() },
        using: session.model.map(|model| Using { model, weight: None }).into_iter().collect(),
        columns: session.columns,
        r#where: session.r#where,
        limit: session.limit,
        ..Ask::default()
    };
    ask.answer(&server, who).await
}
