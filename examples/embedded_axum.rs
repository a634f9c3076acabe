//! Recommendations inside a web service: the database lives in the server's own process, so an
//! answer costs no network, and a click counts from the next request on.
//!
//! ```text
//! cargo run --release --example embedded_axum
//! curl localhost:3000/recommend/u7
//! curl -X POST localhost:3000/click/u7/p3
//! curl localhost:3000/recommend/u7
//! ```
//!
//! An answer takes well under a millisecond and waits for nobody, so the handler asks directly. A
//! click waits for the disk: it is handed to a thread that may block.

#![expect(clippy::print_stdout, reason = "an example says where it listens")]

use std::fmt::Write as _;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use tastedb::{ColumnType, Database, ErrorKind, NewTable};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let db = Database::in_memory()?;
    fill(&db)?;
    let app = router(db);
    if std::env::args().any(|argument| argument == "--once") {
        return answer_once(app).await;
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

fn router(db: Database) -> Router {
    Router::new()
        .route("/recommend/{user}", get(recommend))
        .route("/click/{user}/{product}", post(click))
        .with_state(db)
}

/// Ten products for a user; one line each.
async fn recommend(
    State(db): State<Database>,
    Path(user): Path<String>,
) -> Result<String, (StatusCode, String)> {
    let answer = db.recommend("products").user(user).using("taste").k(10).run();
    let answer = answer.map_err(|error| (status(&error), error.to_string()))?;
    let mut lines = String::new();
    for row in &answer.rows {
        let _ = writeln!(lines, "{}\t{:.4}\t{}", row.key, row.score, row.source);
    }
    Ok(lines)
}

/// A user clicked a product. It is on disk when this answers.
async fn click(
    State(db): State<Database>,
    Path((user, product)): Path<(String, String)>,
) -> Result<&'static str, (StatusCode, String)> {
    let written = tokio::task::spawn_blocking(move || {
        let mut write = db.begin_write()?;
        write.record("clicks", &user, &product, ())?;
        write.commit()
    });
    match written.await {
        Ok(Ok(())) => Ok("recorded\n"),
        Ok(Err(error)) => Err((status(&error), error.to_string())),
        Err(panic) => Err((StatusCode::INTERNAL_SERVER_ERROR, panic.to_string())),
    }
}

fn status(error: &tastedb::Error) -> StatusCode {
    match error.kind() {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::InvalidInput => StatusCode::BAD_REQUEST,
        _ if error.is_retryable() => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Twenty products of four kinds, and forty users who mostly click one kind.
fn fill(db: &Database) -> tastedb::Result<()> {
    let mut write = db.begin_write()?;
    write.create_table(NewTable::users("users"))?;
    write.create_table(NewTable::items("products").column("kind", ColumnType::Text))?;
    write.create_table(NewTable::interactions("clicks", "users", "products"))?;
    for product in 0..20 {
        let kind = ["books", "games", "tools", "garden"][product % 4];
        write.put_item("products", &format!("p{product}"), [("kind", kind)])?;
    }
    for user in 0..40 {
        let key = format!("u{user}");
        write.put_user("users", &key, ())?;
        for step in 0..3 {
            let product = (user + 4 * (step + user / 4)) % 20;
            write.record("clicks", &key, &format!("p{product}"), ())?;
        }
    }
    write.commit()?;
    db.create_model("taste", "item_knn", "clicks").create()?;
    db.train("taste").run()?;
    Ok(())
}

/// Asks the service itself once and leaves: `--once`, for a test that it works.
async fn answer_once(app: Router) -> Result<(), Box<dyn std::error::Error>> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    for request in ["POST /click/u7/p2", "GET /recommend/u7", "GET /recommend/nobody"] {
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        let text = format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        println!("{request}\n{answer}\n");
    }
    Ok(())
}
