//! `tastedb serve`: one process that others connect to, over the same engine as embedded.
//!
//! ```text
//! config     flags and a TOML file → settings        state      what all connections share
//! accounts   who there is: keys, passwords, roles    work       sessions and the threads they run on
//! access     what a role may do                      jobs       training and other long work
//! listen     sockets, TLS, limits on connections     metrics    counters and histograms
//! http       REST, the console                       pg         the PostgreSQL protocol
//! ```
//!
//! Everything goes through the public library. Invariants:
//! 1. Nothing runs before the role of whoever asks was checked, statement by statement.
//! 2. An async thread never waits for the database; statements run on threads of their own, long work
//!    on others still.
//! 3. Nothing secret and no key of a row is logged at the level `info` or above.

pub(crate) mod access;
pub(crate) mod accounts;
pub(crate) mod config;
mod http;
mod jobs;
mod listen;
mod log;
mod metrics;
mod pg;
pub(crate) mod problem;
mod state;
mod tls;
mod work;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use tastedb::Database;

use config::Config;
use problem::Problem;
use state::Server;

pub(crate) use state::now;

/// Serves until it is told to stop, then finishes what is under way. Returns what could not be done.
pub(crate) fn run(database: Database, config: Config) -> Result<(), Problem> {
    log::install(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("tastedb-server")
        .build()
        .map_err(|error| Problem::config(format!("the system refuses threads: {error}")))?;
    runtime.block_on(serve(database, config))
}

async fn serve(database: Database, config: Config) -> Result<(), Problem> {
    let server = Arc::new(Server::new(database, config)?);
    let config = &server.config;
    let mut hangup = handler(SignalKind::hangup())?;
    let mut terminate = handler(SignalKind::terminate())?;
    let mut interrupt = handler(SignalKind::interrupt())?;
    let http = TcpListener::bind(config.http)
        .await
        .map_err(|error| Problem::config(format!("cannot listen on {}: {error}", config.http)))?;
    let at = http.local_addr().map_or_else(|_| config.http.to_string(), |at| at.to_string());
    let scheme = if server.tls.is_some() { "https" } else { "http" };
    tracing::info!(address = %at, tls = server.tls.is_some(), "listening for HTTP");
    announce(&format!("tastedb: {scheme}://{at}/ (the console, REST, metrics)"));
    let router = http::router(&server);
    let listening = tokio::spawn(listen::http(Arc::clone(&server), http, router));
    let postgres = match config.pg {
        None => None,
        Some(address) => {
            let listener = TcpListener::bind(address)
                .await
                .map_err(|error| Problem::config(format!("cannot listen on {address}: {error}")))?;
            let at =
                listener.local_addr().map_or_else(|_| address.to_string(), |at| at.to_string());
            tracing::info!(address = %at, tls = server.tls.is_some(), "listening for PostgreSQL");
            announce(&format!("tastedb: postgres://{at}/ (the PostgreSQL protocol)"));
            Some(tokio::spawn(pg::listen(Arc::clone(&server), listener)))
        }
    };
    loop {
        tokio::select! {
            _ = hangup.recv() => server.reload(),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    tracing::info!("stopping: no new connections, what runs is finished");
    server.stop();
    let patience = config.shutdown_timeout;
    let drained = tokio::time::timeout(patience, listening).await.is_ok();
    if let Some(postgres) = postgres {
        // It cancels what does not end by itself.
        let _ = tokio::time::timeout(patience, postgres).await;
    }
    server.jobs.cancel_all();
    let quiet = server.work.wait_idle(Duration::from_secs(10)).await;
    tracing::info!(drained, quiet, "stopped");
    Ok(())
}

fn handler(kind: SignalKind) -> Result<Signal, Problem> {
    signal(kind).map_err(|error| Problem::config(format!("cannot take signals: {error}")))
}

/// Tells whoever started the server, on standard error.
fn announce(line: &str) {
    use std::io::Write;
    // Standard error may be closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}
