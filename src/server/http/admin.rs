//! Backups: made while others read and write, and turned into databases again.
//!
//! Both happen below one folder of the server, `backups`, which only its configuration names: a client
//! gives a name, never a path.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tastedb::Database;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::ProblemDocument;
use super::auth::Who;
use super::input::Input;
use crate::server::access::Role;
use crate::server::jobs::{Report, Task};
use crate::server::problem::Problem;
use crate::server::state::Server;

/// The routes of this noun.
pub(super) fn routes() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new().routes(routes!(backup)).routes(routes!(restore))
}

/// The name of a backup.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BackupName {
    /// A folder of this name is made in the server's folder of backups.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    name: String,
}

/// Back up the database, as a job, as of one moment
#[utoipa::path(
    post, path = "/v1/backups", tag = "system",
    request_body = BackupName,
    responses(
        (status = 202, body = Report),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn backup(
    State(server): Shared,
    who: Who,
    Input(asked): Input<BackupName>,
) -> Result<(StatusCode, Json<Report>), Problem> {
    who.0.need(Role::Admin)?;
    let folder = place(&server, &asked.name)?;
    let database = server.database.clone();
    let task: Task = Box::new(move |_| {
        std::fs::create_dir_all(folder.parent().unwrap_or(&folder))
            .map_err(|error| Problem::config(format!("the folder of backups: {error}")))?;
        database.backup(&folder)?;
        Ok(json!({ "tag": "BACKUP", "name": asked.name }))
    });
    let report = server.jobs.start("BACKUP", "backup", &who.0.name, task)?;
    Ok((StatusCode::ACCEPTED, Json(report)))
}

/// A backup, and the database that is made of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Restoring {
    /// The name of the backup.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    from: String,
    /// A folder of this name is made beside it. What the served database has forgotten since is deleted
    /// from it, too.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    to: String,
}

/// Make a database of a backup, as a job, beside the one that is served
#[utoipa::path(
    post, path = "/v1/backups/restore", tag = "system",
    request_body = Restoring,
    responses(
        (status = 202, body = Report),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []), ("password" = [])),
)]
async fn restore(
    State(server): Shared,
    who: Who,
    Input(asked): Input<Restoring>,
) -> Result<(StatusCode, Json<Report>), Problem> {
    who.0.need(Role::Admin)?;
    let (from, to) = (place(&server, &asked.from)?, place(&server, &asked.to)?);
    let database = server.database.clone();
    let task: Task = Box::new(move |_| {
        Database::restore(&from, &to)?;
        let restored = Database::open(&to)?;
        let tickets = restored.forget_again(&database)?;
        restored.vacuum()?;
        let rows: u64 = tickets.iter().map(|ticket| ticket.rows).sum();
        Ok(json!({ "tag": "RESTORE", "name": asked.to, "forgotten_again": rows }))
    });
    let report = server.jobs.start("RESTORE", "restore", &who.0.name, task)?;
    Ok((StatusCode::ACCEPTED, Json(report)))
}

/// The folder of a backup.
fn place(server: &Server, name: &str) -> Result<PathBuf, Problem> {
    let Some(folder) = &server.config.backups else {
        let problem = Problem::bad_request("this server has no folder of backups");
        return Err(problem.next("set `backups` in its configuration"));
    };
    let sound = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if !first || name.len() > 100 || !name.chars().all(sound) {
        return Err(Problem::bad_request(
            "the name of a backup has letters, digits and . _ - only",
        ));
    }
    Ok(folder.join(name))
}
