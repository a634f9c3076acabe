//! The PostgreSQL protocol: whatever speaks it connects (psql, psycopg, JDBC, SQLAlchemy, Grafana).
//!
//! ```text
//! wire        messages of a socket             startup      TLS, proof (scram), first settings
//! frontend    bytes → messages                 connection   the loop over messages, simple queries
//! backend     messages → bytes                 extended     prepared statements, portals (statement)
//! oids        PostgreSQL's types               running      one statement, COPY (copy)
//! encode      values → bytes (moments,         session      SET, SHOW, DISCARD (settings)
//!             numeric)
//! decode      bytes → values                   refusal      errors with an SQLSTATE
//! registry    cancel, time limits, stop
//! ```
//!
//! The protocol is read and written here, by no library: what strangers send must not make anything
//! panic, and a few hundred lines with exact limits are easier to be sure of than somebody else's
//! machinery. Each connection has a thread of its own, as PostgreSQL gives it a process: nothing is
//! handed between threads from a question to its answer.

mod backend;
mod connection;
mod copy;
mod decode;
mod encode;
mod extended;
mod frontend;
mod moments;
mod numeric;
mod oids;
mod refusal;
mod registry;
mod running;
mod scram;
mod session;
mod settings;
mod startup;
mod statement;
mod wire;

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use self::backend::Output;
use self::connection::Connection;
use self::refusal::Refusal;
use self::registry::Registry;
use self::startup::Begun;
use self::wire::{Broken, Wire};
use super::listen;
use super::state::Server;

/// How often statements are looked at that may have run for too long.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes of a connection's stack: the language reads nested expressions by recursion.
const STACK: usize = 8 << 20;

/// Serves the protocol until the server stops, then lets running statements end.
pub(crate) async fn listen(server: Arc<Server>, listener: TcpListener) {
    let registry = Arc::new(Registry::default());
    let sweeper = tokio::spawn({
        let registry = Arc::clone(&registry);
        async move {
            loop {
                tokio::time::sleep(LOOK).await;
                registry.sweep();
            }
        }
    });
    while let Some(stream) = listen::next(&server, &listener).await {
        let Ok(place) = Arc::clone(&server.connections).try_acquire_owned() else {
            tracing::warn!(limit = server.config.max_connections, "a connection too many");
            let mut out = Output::default();
            out.error(&Refusal {
                code: Some("TD1006"),
                ..Refusal::fatal("53300", "the server has as many connections as it may")
            });
            // There is room for it in the buffer of a new socket; where not, the client sees the end.
            let _ = stream.try_write(&out.bytes);
            continue;
        };
        let Ok(stream) = stream.into_std() else { continue };
        let (served, known) = (Arc::clone(&server), Arc::clone(&registry));
        let thread = std::thread::Builder::new()
            .name("tastedb-pg".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                let open = served.metrics.connection("pg");
                if let Err(error) = connect(&served, &known, stream) {
                    tracing::debug!("a connection ended: {error}");
                }
                drop((open, place));
            });
        if let Err(error) = thread {
            tracing::warn!("the system refuses a thread: {error}");
        }
    }
    registry.stop();
    let patience = server.config.shutdown_timeout;
    if !emptied(&registry, patience).await {
        registry.cancel_all();
        emptied(&registry, patience).await;
    }
    sweeper.abort();
}

/// Waits until there are no connections; whether there are none.
async fn emptied(registry: &Registry, patience: Duration) -> bool {
    let empty = async {
        while registry.len() > 0 {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(patience, empty).await.is_ok()
}

/// Serves one connection to its end.
fn connect(server: &Server, registry: &Arc<Registry>, stream: TcpStream) -> Result<(), String> {
    let told = |error: std::io::Error| error.to_string();
    stream.set_nonblocking(false).map_err(told)?;
    let peer = stream.peer_addr().map_err(told)?;
    let watched = stream.try_clone().map_err(told)?;
    let mut wire = Wire::new(stream, server.config.body_timeout).map_err(told)?;
    let secret = super::accounts::random_number().map_err(|problem| problem.to_string())?;
    let place = registry.add(watched, secret);
    let begun = match startup::begin(server, registry, &mut wire, peer) {
        Ok(begun) => begun,
        Err(Broken::Malformed(malformed)) => {
            wire.out.error(&Refusal::malformed(malformed.0));
            return wire.flush().map_err(|broken| format!("{broken:?}"));
        }
        Err(broken) => return Err(format!("{broken:?}")),
    };
    let Begun::Session(settled) = begun else { return Ok(()) };
    let connection = Connection::new(server, &mut wire, &place.entry, *settled);
    connection.serve().map_err(|broken| format!("{broken:?}"))
}
