//! What there is: tables with their columns and sizes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tastedb::{ColumnType, Element, KeyType, Role, Table};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::ProblemDocument;
use super::auth::Who;
use super::input::Segments;
use crate::server::access::Role as May;
use crate::server::problem::Problem;
use crate::server::state::Server;
use crate::server::work::Lane;

/// The routes of this noun.
pub(super) fn routes() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get))
}

/// A table.
#[derive(Debug, Serialize, ToSchema)]
struct TableInfo {
    /// Its name.
    name: String,
    /// `user`, `item` or `interaction`.
    role: &'static str,
    /// How many rows it has.
    rows: u64,
    /// The column of the keys; none of interactions.
    #[schema(required = false)]
    key: Option<String>,
    /// Whose interactions with what, where it holds interactions.
    #[schema(required = false)]
    between: Option<Between>,
    /// Its columns, without those.
    columns: Vec<ColumnInfo>,
}

/// What an interaction is between.
#[derive(Debug, Serialize, ToSchema)]
struct Between {
    user_column: String,
    user_table: String,
    item_column: String,
    item_table: String,
}

/// A column.
#[derive(Debug, Serialize, ToSchema)]
struct ColumnInfo {
    /// Its name.
    name: String,
    /// Its type, as CREATE TABLE has it.
    r#type: String,
    /// The dimensions of a vector.
    #[schema(required = false)]
    dim: Option<u32>,
}

/// Every table
#[utoipa::path(
    get, path = "/v1/tables", tag = "rows",
    responses(
        (status = 200, body = Vec<TableInfo>),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn list(State(server): Shared, who: Who) -> Result<Json<Vec<TableInfo>>, Problem> {
    who.0.need(May::Read)?;
    look(&server, None).await.map(Json)
}

/// One table
#[utoipa::path(
    get, path = "/v1/tables/{table}", tag = "rows",
    params(("table" = String, Path, description = "The table")),
    responses(
        (status = 200, body = TableInfo),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn get(
    State(server): Shared,
    who: Who,
    Segments(table): Segments<String>,
) -> Result<Json<TableInfo>, Problem> {
    who.0.need(May::Read)?;
    let mut found = look(&server, Some(table.clone())).await?;
    found.pop().map(Json).ok_or_else(|| Problem::no_table(&table, &[]))
}

async fn look(server: &Arc<Server>, only: Option<String>) -> Result<Vec<TableInfo>, Problem> {
    let database = server.database.clone();
    let look = move |_: &mut tastedb::Session| {
        let snapshot = database.snapshot();
        let catalog = snapshot.catalog();
        if let Some(name) = &only
            && catalog.table(name).is_none()
        {
            let known: Vec<&str> = catalog.tables().map(|table| table.name.as_str()).collect();
            return Err(Problem::no_table(name, &known));
        }
        let wanted = |table: &&Table| only.as_ref().is_none_or(|name| *name == table.name);
        let name_of = |id| catalog.table_by_id(id).map(|table| table.name.clone());
        let tables = catalog.tables().filter(wanted).map(|table| {
            let link = table.link.as_ref();
            Ok(TableInfo {
                name: table.name.clone(),
                role: role(table.role),
                rows: snapshot.count(&table.name)?,
                key: link.is_none().then(|| table.key_column.clone()),
                between: link.map(|link| Between {
                    user_column: link.user_column.clone(),
                    user_table: name_of(link.user_table).unwrap_or_default(),
                    item_column: link.item_column.clone(),
                    item_table: name_of(link.item_table).unwrap_or_default(),
                }),
                columns: columns(table),
            })
        });
        tables.collect::<Result<Vec<_>, Problem>>()
    };
    server.work.run(Lane::Quick, look).await
}

fn columns(table: &Table) -> Vec<ColumnInfo> {
    let key = table.link.is_none().then(|| ColumnInfo {
        name: table.key_column.clone(),
        r#type: match table.key_type {
            KeyType::Text => "TEXT".to_owned(),
            KeyType::BigInt => "BIGINT".to_owned(),
        },
        dim: None,
    });
    let others = table.columns().map(|column| ColumnInfo {
        name: column.name.clone(),
        r#type: type_name(column.ty),
        dim: match column.ty {
            ColumnType::Vector { dim, .. } => Some(dim),
            _ => None,
        },
    });
    key.into_iter().chain(others).collect()
}

fn role(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Item => "item",
        Role::Interaction => "interaction",
    }
}

fn type_name(ty: ColumnType) -> String {
    match ty {
        ColumnType::Bool => "BOOL".to_owned(),
        ColumnType::Int => "INT".to_owned(),
        ColumnType::BigInt => "BIGINT".to_owned(),
        ColumnType::Real => "REAL".to_owned(),
        ColumnType::Double => "DOUBLE".to_owned(),
        ColumnType::Text => "TEXT".to_owned(),
        ColumnType::Date => "DATE".to_owned(),
        ColumnType::Timestamp => "TIMESTAMP".to_owned(),
        ColumnType::TextList => "TEXT[]".to_owned(),
        ColumnType::Vector { dim, element: Element::F32 } => format!("VECTOR({dim})"),
        ColumnType::Vector { dim, element: Element::F16 } => format!("HALFVEC({dim})"),
    }
}
