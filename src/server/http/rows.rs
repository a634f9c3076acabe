//! Users, items and interactions: put, read, delete; their embeddings and histories.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Value_};
use tastedb::{KeyType, Role, Session, Table, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::ProblemDocument;
use super::auth::Who;
use super::idempotency::{self, Fresh};
use super::input::{IdempotencyKey, Input, Objects, Params, Segments};
use super::statement::{Composed, RowsAnswer, param, quoted, rows_of};
use crate::server::access::{Principal, Role as May};
use crate::server::problem::Problem;
use crate::server::state::Server;
use crate::server::work::Lane;

/// The routes of this noun.
pub(super) fn routes() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new()
        .routes(routes!(put_rows, list_rows))
        .routes(routes!(get_row, put_row, delete_row))
        .routes(routes!(history))
        .routes(routes!(get_embedding, put_embedding, delete_embedding))
        .routes(routes!(delete_interactions))
}

/// What a write did.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Written {
    /// Rows that were written or deleted.
    pub(super) affected: u64,
    /// The ticket of a forgetting.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub(super) ticket: Option<String>,
}

/// What happens to a row whose key is there already.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum OnConflict {
    /// The columns that are given are changed. Interactions are added.
    #[default]
    Update,
    /// It stays as it is.
    Ignore,
    /// It is an error, and nothing is written.
    Error,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Writing {
    /// What happens to a row that is there already.
    #[serde(default)]
    #[param(inline, required = false)]
    on_conflict: OnConflict,
}

/// Put rows into a table: one, an array, or one a line
///
/// All are written, or none. A repeated request with the same idempotency key gets the answer of the first.
#[utoipa::path(
    post, path = "/v1/tables/{table}/rows", tag = "rows",
    params(
        ("table" = String, Path, description = "The table"),
        Writing,
        ("idempotency-key" = Option<String>, Header, description = "Names the request, for repeating it"),
    ),
    request_body(content(
        (Vec<Object> = "application/json"),
        (String = "application/x-ndjson"),
    )),
    responses(
        (status = 200, body = Written),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn put_rows(
    State(server): Shared,
    who: Who,
    Segments(table): Segments<String>,
    Params(writing): Params<Writing>,
    IdempotencyKey(key): IdempotencyKey,
    Objects { rows, body }: Objects,
) -> Result<Response, Problem> {
    who.0.need(May::Write)?;
    let fresh = match key {
        None => None,
        Some(key) => match server.repeats.begin(&who.0, &key, &["rows", &table], &body).await? {
            idempotency::Begun::Fresh(fresh) => Some(fresh),
            idempotency::Begun::Known(written) => return Ok(Json(written).into_response()),
        },
    };
    let written = write(&server, who.0, table, rows, writing.on_conflict).await?;
    if let Some(fresh) = fresh {
        Fresh::finish(fresh, written.clone());
    }
    Ok(Json(written).into_response())
}

async fn write(
    server: &Arc<Server>,
    who: Principal,
    table: String,
    rows: Vec<Map<String, Value_>>,
    on_conflict: OnConflict,
) -> Result<Written, Problem> {
    let shared = Arc::clone(server);
    let writing = move |session: &mut Session| {
        let catalog = shared.database.catalog();
        let schema = find(&catalog, &table)?;
        let mut affected = 0;
        in_transaction(session, rows.len() > 1, |session| {
            for (n, row) in rows.iter().enumerate() {
                let insert = insert(schema, row, on_conflict).map_err(|p| p.in_row(n))?;
                let done = insert.run_in(&shared, session, &who, "INSERT");
                affected += affected_by(&done.map_err(|p| p.without_place().in_row(n))?);
            }
            Ok(())
        })?;
        Ok(Written { affected, ticket: None })
    };
    server.work.run(Lane::Statement, writing).await
}

fn affected_by(outcomes: &[tastedb::Outcome]) -> u64 {
    outcomes.iter().map(|outcome| outcome.affected).sum()
}

/// Runs `work` in a transaction, which is undone if it fails.
fn in_transaction(
    session: &mut Session,
    needed: bool,
    work: impl FnOnce(&mut Session) -> Result<(), Problem>,
) -> Result<(), Problem> {
    if !needed {
        return work(session);
    }
    session.execute("BEGIN")?;
    match work(session) {
        Ok(()) => {
            session.execute("COMMIT")?;
            Ok(())
        }
        Err(problem) => {
            session.execute("ROLLBACK")?;
            Err(problem)
        }
    }
}

fn insert(
    table: &Table,
    row: &Map<String, Value_>,
    on_conflict: OnConflict,
) -> Result<Composed, Problem> {
    let names: Vec<String> = row.keys().map(|name| quoted(name)).collect();
    let mut text = Composed::new("INSERT INTO", Vec::new());
    text.name(&table.name);
    if row.is_empty() {
        return Err(Problem::bad_request("a row without columns"));
    }
    text.words(&format!("({})", names.join(", "))).words("VALUES");
    text.values(row.values().map(param).collect::<Result<Vec<_>, _>>()?);
    let unique = table.link.as_ref().is_none_or(|link| link.unique.is_some());
    match on_conflict {
        OnConflict::Update if unique => {
            let keys = key_columns(table);
            let others: Vec<String> = row
                .keys()
                .filter(|name| !keys.contains(name))
                .map(|name| format!("{0} = excluded.{0}", quoted(name)))
                .collect();
            let keys: Vec<String> = keys.iter().map(|name| quoted(name)).collect();
            text.words(&format!("ON CONFLICT ({})", keys.join(", ")));
            if others.is_empty() {
                text.words("DO NOTHING");
            } else {
                text.words("DO UPDATE SET").words(&others.join(", "));
            }
        }
        OnConflict::Ignore if unique => {
            text.words("ON CONFLICT DO NOTHING");
        }
        OnConflict::Update | OnConflict::Ignore | OnConflict::Error => {}
    }
    Ok(text)
}

/// The columns of which two rows cannot have the same values.
fn key_columns(table: &Table) -> Vec<String> {
    let Some(link) = &table.link else { return vec![table.key_column.clone()] };
    let mut keys = vec![link.user_column.clone(), link.item_column.clone()];
    for id in link.unique.iter().flatten() {
        let column = table.columns().find(|column| column.id == *id);
        keys.extend(column.map(|column| column.name.clone()));
    }
    keys
}

/// A key of a path or a parameter, as the table has keys.
fn typed(table: &Table, key: &str) -> Result<Value, Problem> {
    match table.key_type {
        KeyType::Text => Ok(Value::Text(key.to_owned())),
        KeyType::BigInt => key.parse().map(Value::Int).map_err(|_| {
            Problem::bad_request(format!("keys of table `{}` are whole numbers", table.name))
        }),
    }
}

fn find<'a>(catalog: &'a tastedb::Catalog, name: &str) -> Result<&'a Table, Problem> {
    catalog.table(name).ok_or_else(|| {
        let known: Vec<&str> = catalog.tables().map(|table| table.name.as_str()).collect();
        Problem::no_table(name, &known)
    })
}

fn entity<'a>(catalog: &'a tastedb::Catalog, name: &str) -> Result<&'a Table, Problem> {
    let table = find(catalog, name)?;
    if table.role == Role::Interaction {
        let message = format!("table `{name}` holds interactions, which have no key of their own");
        return Err(Problem::bad_request(message));
    }
    Ok(table)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Page {
    /// How many; 100 if it is left out.
    #[param(minimum = 0)]
    limit: Option<u32>,
    /// The key after which they begin, of a table of users or items.
    after: Option<String>,
}

/// Rows of a table, by key; interactions as they lie
#[utoipa::path(
    get, path = "/v1/tables/{table}/rows", tag = "rows",
    params(("table" = String, Path, description = "The table"), Page),
    responses(
        (status = 200, body = RowsAnswer),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn list_rows(
    State(server): Shared,
    who: Who,
    Segments(table): Segments<String>,
    Params(page): Params<Page>,
) -> Result<Json<RowsAnswer>, Problem> {
    who.0.need(May::Read)?;
    let catalog = server.database.catalog();
    let schema = find(&catalog, &table)?;
    let mut text = Composed::new("SELECT * FROM", Vec::new());
    text.name(&schema.name);
    if schema.role != Role::Interaction {
        if let Some(after) = page.after {
            text.words("WHERE").name(&schema.key_column).words(">");
            text.value(typed(schema, &after)?);
        }
        text.words("ORDER BY").name(&schema.key_column);
    } else if page.after.is_some() {
        return Err(Problem::bad_request("interactions have no key to begin after"));
    }
    text.words("LIMIT").value(Value::Int(page.limit.unwrap_or(100).into()));
    let outcomes = text.run(&server, who.0, Lane::Statement, "SELECT").await?;
    RowsAnswer::of(&outcomes).map(Json)
}

/// One user or item
#[utoipa::path(
    get, path = "/v1/tables/{table}/rows/{key}", tag = "rows",
    params(
        ("table" = String, Path, description = "The table"),
        ("key" = String, Path, description = "The key"),
    ),
    responses(
        (status = 200, body = Object),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn get_row(
    State(server): Shared,
    who: Who,
    Segments((table, key)): Segments<(String, String)>,
) -> Result<Json<Value_>, Problem> {
    who.0.need(May::Read)?;
    let catalog = server.database.catalog();
    let schema = entity(&catalog, &table)?;
    let mut text = Composed::new("SELECT * FROM", Vec::new());
    text.name(&schema.name).words("WHERE").name(&schema.key_column).words("=");
    text.value(typed(schema, &key)?);
    let outcomes = text.run(&server, who.0, Lane::Quick, "SELECT").await?;
    let row = outcomes.last().map(rows_of).transpose()?.and_then(|rows| rows.into_iter().next());
    row.map(Json).ok_or_else(|| Problem::no_row(&table))
}

/// Put one user or item: columns that are given are changed, a new one is made
#[utoipa::path(
    put, path = "/v1/tables/{table}/rows/{key}", tag = "rows",
    params(
        ("table" = String, Path, description = "The table"),
        ("key" = String, Path, description = "The key"),
    ),
    request_body = Object,
    responses(
        (status = 200, body = Written),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn put_row(
    State(server): Shared,
    who: Who,
    Segments((table, key)): Segments<(String, String)>,
    Input(mut row): Input<Map<String, Value_>>,
) -> Result<Json<Written>, Problem> {
    who.0.need(May::Write)?;
    let catalog = server.database.catalog();
    let schema = entity(&catalog, &table)?;
    let key = match typed(schema, &key)? {
        Value::Int(key) => key.into(),
        _ => Value_::String(key),
    };
    if row.get(&schema.key_column).is_some_and(|given| *given != key) {
        return Err(Problem::bad_request("the key in the body is not that of the path"));
    }
    row.insert(schema.key_column.clone(), key);
    let written = write(&server, who.0, table, vec![row], OnConflict::Update).await;
    written.map(Json).map_err(|mut problem| {
        problem.row = None;
        problem
    })
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Deleting {
    /// Whether it is to be forgotten: models unlearn it and files lose it; the answer has the ticket.
    #[serde(default)]
    #[param(required = false)]
    forget: bool,
}

/// Delete one user or item with its interactions
#[utoipa::path(
    delete, path = "/v1/tables/{table}/rows/{key}", tag = "rows",
    params(
        ("table" = String, Path, description = "The table"),
        ("key" = String, Path, description = "The key"),
        Deleting,
    ),
    responses(
        (status = 200, body = Written),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn delete_row(
    State(server): Shared,
    who: Who,
    Segments((table, key)): Segments<(String, String)>,
    Params(deleting): Params<Deleting>,
) -> Result<Json<Written>, Problem> {
    who.0.need(May::Write)?;
    let catalog = server.database.catalog();
    let schema = entity(&catalog, &table)?;
    let mut text = Composed::new("DELETE FROM", Vec::new());
    text.name(&schema.name).words("WHERE").name(&schema.key_column).words("=");
    text.value(typed(schema, &key)?);
    if deleting.forget {
        text.ticket();
    }
    let outcomes = text.run(&server, who.0, Lane::Statement, "DELETE").await?;
    let row = outcomes.last().map(rows_of).transpose()?.and_then(|rows| rows.into_iter().next());
    let ticket = row.and_then(|row| row["ticket"].as_str().map(str::to_owned));
    match affected_by(&outcomes) {
        0 => Err(Problem::no_row(&table)),
        affected => Ok(Json(Written { affected, ticket })),
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Pair {
    /// The user, by key.
    user: String,
    /// The item, by key; without it, all of the user's.
    item: Option<String>,
    /// Whether they are to be forgotten.
    #[serde(default)]
    #[param(required = false)]
    forget: bool,
}

/// Delete interactions of a user, or of a user and an item
#[utoipa::path(
    delete, path = "/v1/tables/{table}/interactions", tag = "rows",
    params(("table" = String, Path, description = "The table of interactions"), Pair),
    responses(
        (status = 200, body = Written),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn delete_interactions(
    State(server): Shared,
    who: Who,
    Segments(table): Segments<String>,
    Params(pair): Params<Pair>,
) -> Result<Json<Written>, Problem> {
    who.0.need(May::Write)?;
    let catalog = server.database.catalog();
    let schema = find(&catalog, &table)?;
    let Some(link) = &schema.link else {
        return Err(Problem::bad_request(format!("table `{table}` holds no interactions")));
    };
    let mut text = Composed::new("DELETE FROM", Vec::new());
    text.name(&schema.name).words("WHERE").name(&link.user_column).words("=");
    let side =
        |id| catalog.table_by_id(id).ok_or_else(|| Problem::internal("a table without side"));
    text.value(typed(side(link.user_table)?, &pair.user)?);
    if let Some(item) = pair.item {
        text.words("AND").name(&link.item_column).words("=");
        text.value(typed(side(link.item_table)?, &item)?);
    }
    if pair.forget {
        text.ticket();
    }
    let outcomes = text.run(&server, who.0, Lane::Statement, "DELETE").await?;
    let row = outcomes.last().map(rows_of).transpose()?.and_then(|rows| rows.into_iter().next());
    let ticket = row.and_then(|row| row["ticket"].as_str().map(str::to_owned));
    Ok(Json(Written { affected: affected_by(&outcomes), ticket }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// How many; 100 if it is left out.
    #[param(minimum = 0)]
    limit: Option<u32>,
    /// The table of interactions; without it, the first one of this table of users.
    interactions: Option<String>,
}

/// The interactions of a user, the last one first
#[utoipa::path(
    get, path = "/v1/tables/{table}/rows/{key}/history", tag = "rows",
    params(
        ("table" = String, Path, description = "The table of users"),
        ("key" = String, Path, description = "The key of the user"),
        Which,
    ),
    responses(
        (status = 200, body = RowsAnswer),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn history(
    State(server): Shared,
    who: Who,
    Segments((table, key)): Segments<(String, String)>,
    Params(which): Params<Which>,
) -> Result<Json<RowsAnswer>, Problem> {
    who.0.need(May::Read)?;
    let catalog = server.database.catalog();
    let users = entity(&catalog, &table)?;
    let events = match &which.interactions {
        Some(name) => find(&catalog, name)?,
        None => catalog
            .dependents(users.id)
            .find(|events| events.link.as_ref().is_some_and(|link| link.user_table == users.id))
            .ok_or_else(|| Problem::bad_request(format!("table `{table}` has no histories")))?,
    };
    let link = events.link.as_ref().filter(|link| link.user_table == users.id);
    let Some(link) = link else {
        let message = format!("table `{}` holds no interactions of `{table}`", events.name);
        return Err(Problem::bad_request(message));
    };
    let mut text = Composed::new("SELECT * FROM", Vec::new());
    text.name(&events.name).words("WHERE").name(&link.user_column).words("=");
    text.value(typed(users, &key)?);
    let times = |ty: tastedb::ColumnType| {
        matches!(ty, tastedb::ColumnType::Timestamp | tastedb::ColumnType::Date)
    };
    if let Some(time) = events.columns().find(|column| times(column.ty)) {
        text.words("ORDER BY").name(&time.name).words("DESC NULLS LAST");
    }
    text.words("LIMIT").value(Value::Int(which.limit.unwrap_or(100).into()));
    let outcomes = text.run(&server, who.0, Lane::Quick, "SELECT").await?;
    RowsAnswer::of(&outcomes).map(Json)
}

/// An embedding.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Embedding {
    /// As many numbers as the column has dimensions.
    vector: Vec<f32>,
}

/// The embedding of a user or an item
#[utoipa::path(
    get, path = "/v1/tables/{table}/rows/{key}/embeddings/{column}", tag = "rows",
    params(
        ("table" = String, Path, description = "The table"),
        ("key" = String, Path, description = "The key"),
        ("column" = String, Path, description = "The embedding column"),
    ),
    responses(
        (status = 200, body = Embedding),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn get_embedding(
    State(server): Shared,
    who: Who,
    Segments((table, key, column)): Segments<(String, String, String)>,
) -> Result<Json<Embedding>, Problem> {
    who.0.need(May::Read)?;
    let database = server.database.clone();
    let look = move |_: &mut Session| {
        let found = database.snapshot().embedding(&table, &key, &column)?;
        let vector = found
            .ok_or_else(|| Problem::no_route(format!("this row has no embedding in `{column}`")))?;
        Ok(Json(Embedding { vector }))
    };
    server.work.run(Lane::Quick, look).await
}

/// Put the embedding of a user or an item
#[utoipa::path(
    put, path = "/v1/tables/{table}/rows/{key}/embeddings/{column}", tag = "rows",
    params(
        ("table" = String, Path, description = "The table"),
        ("key" = String, Path, description = "The key"),
        ("column" = String, Path, description = "The embedding column"),
    ),
    request_body = Embedding,
    responses(
        (status = 204),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn put_embedding(
    State(server): Shared,
    who: Who,
    Segments((table, key, column)): Segments<(String, String, String)>,
    Input(embedding): Input<Embedding>,
) -> Result<StatusCode, Problem> {
    who.0.need(May::Write)?;
    let database = server.database.clone();
    let put = move |_: &mut Session| {
        let mut write = database.begin_write()?;
        write.put_embedding(&table, &key, &column, &embedding.vector)?;
        write.commit()?;
        Ok(StatusCode::NO_CONTENT)
    };
    server.work.run(Lane::Statement, put).await
}

/// Delete the embedding of a user or an item
#[utoipa::path(
    delete, path = "/v1/tables/{table}/rows/{key}/embeddings/{column}", tag = "rows",
    params(
        ("table" = String, Path, description = "The table"),
        ("key" = String, Path, description = "The key"),
        ("column" = String, Path, description = "The embedding column"),
    ),
    responses(
        (status = 200, body = Written),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn delete_embedding(
    State(server): Shared,
    who: Who,
    Segments((table, key, column)): Segments<(String, String, String)>,
) -> Result<Json<Written>, Problem> {
    who.0.need(May::Write)?;
    let database = server.database.clone();
    let delete = move |_: &mut Session| {
        let mut write = database.begin_write()?;
        let existed = write.delete_embedding(&table, &key, &column)?;
        write.commit()?;
        Ok(Json(Written { affected: existed.into(), ticket: None }))
    };
    server.work.run(Lane::Statement, delete).await
}
