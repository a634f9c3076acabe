//! Sockets: connections are accepted, counted, given TLS where there are certificates, and ended when
//! the server stops.
//!
//! What a connection says is the business of `http` and `pg`. A client that is slow with a handshake or
//! with the head of a request is let go after `body_timeout`; more clients than `max_connections` are
//! let go at once, so that those who are there are served.

use std::sync::Arc;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use super::state::Server;

/// A socket, with or without TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Serves HTTP until the server stops, then lets running requests end.
pub(crate) async fn http(server: Arc<Server>, listener: TcpListener, router: Router) {
    let graceful = GracefulShutdown::new();
    while let Some(stream) = next(&server, &listener).await {
        let Ok(place) = Arc::clone(&server.connections).try_acquire_owned() else {
            tracing::warn!(limit = server.config.max_connections, "a connection too many");
            continue;
        };
        let (server, router) = (Arc::clone(&server), router.clone());
        let watcher = graceful.watcher();
        tokio::spawn(async move {
            let open = server.metrics.connection("http");
            if let Some(stream) = secured(&server, stream).await {
                let mut builder = hyper::server::conn::http1::Builder::new();
                builder.timer(TokioTimer::new()).header_read_timeout(server.config.body_timeout);
                let service = TowerToHyperService::new(router);
                let connection = builder.serve_connection(TokioIo::new(stream), service);
                if let Err(error) = watcher.watch(connection).await {
                    tracing::debug!("a connection ended: {error}");
                }
            }
            drop((open, place));
        });
    }
    graceful.shutdown().await;
}

/// The next connection; `None` when the server stops.
pub(crate) async fn next(server: &Server, listener: &TcpListener) -> Option<TcpStream> {
    loop {
        tokio::select! {
            () = server.stopped() => return None,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // An answer goes out at once. Where that cannot be set, it goes out later.
                    let _ = stream.set_nodelay(true);
                    return Some(stream);
                }
                Err(error) => {
                    // Out of file descriptors, as a rule: others will end.
                    tracing::warn!("no connection was accepted: {error}");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
        }
    }
}

/// The stream with TLS where there are certificates; `None` where the handshake fails.
async fn secured(server: &Server, stream: TcpStream) -> Option<Box<dyn Stream>> {
    let Some(tls) = &server.tls else { return Some(Box::new(stream)) };
    let handshake = tls.acceptor().accept(stream);
    match tokio::time::timeout(server.config.body_timeout, handshake).await {
        Ok(Ok(stream)) => Some(Box::new(stream)),
        Ok(Err(error)) => {
            tracing::debug!("a TLS handshake failed: {error}");
            None
        }
        Err(_) => None,
    }
}
