//! The beginning of a connection: TLS, who is there, and what the session is told.
//!
//! Invariant: until somebody has proved who is there, nothing is read but small packets, for a short
//! time, and nothing of the database is told.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::frontend::{Message, Opening};
use super::refusal::Refusal;
use super::registry::Registry;
use super::scram::{Exchange, NAME};
use super::settings::Settings;
use super::wire::{Broken, Wire};
use crate::server::access::Principal;
use crate::server::accounts;
use crate::server::state::Server;

/// Requests for encryption that are answered before a session must be asked for.
const REQUESTS: usize = 4;

/// What a connection has become.
pub(super) enum Begun {
    /// A session.
    Session(Box<Settled>),
    /// It is over: something was cancelled, or the client has gone or was refused.
    Over,
}

/// A session that may begin.
pub(super) struct Settled {
    /// Who is there.
    pub(super) who: Principal,
    /// What the client has set.
    pub(super) settings: Settings,
    /// The name of the database that it asked for.
    pub(super) database: String,
}

/// Brings a connection to where statements can be run.
pub(super) fn begin(
    server: &Server,
    registry: &Arc<Registry>,
    wire: &mut Wire,
    peer: SocketAddr,
) -> Result<Begun, Broken> {
    for _ in 0..REQUESTS {
        match wire.opening()? {
            Opening::Ssl => match &server.tls {
                Some(tls) if !wire.is_secure() => {
                    wire.answer(b'S')?;
                    wire.secure(tls)?;
                }
                _ => wire.answer(b'N')?,
            },
            Opening::Gss => wire.answer(b'N')?,
            Opening::Cancel { pid, secret } => {
                registry.cancel(pid, secret);
                return Ok(Begun::Over);
            }
            Opening::Unknown { major, minor } => {
                let message = format!("protocol {major}.{minor} is not spoken here; 3.0 is");
                return refuse(wire, &Refusal::fatal("0A000", message));
            }
            Opening::Startup { minor, params } => {
                let unknown: Vec<&str> = params
                    .iter()
                    .map(|(name, _)| name.as_str())
                    .filter(|name| name.starts_with("_pq_."))
                    .collect();
                if minor > 0 || !unknown.is_empty() {
                    wire.out.negotiate(&unknown);
                }
                return session(server, wire, peer, &params);
            }
        }
    }
    refuse(wire, &Refusal::malformed("no session is asked for"))
}

/// Sends an error that ends the connection.
fn refuse(wire: &mut Wire, refusal: &Refusal) -> Result<Begun, Broken> {
    wire.out.error(refusal);
    wire.flush()?;
    Ok(Begun::Over)
}

fn session(
    server: &Server,
    wire: &mut Wire,
    peer: SocketAddr,
    params: &[(String, String)],
) -> Result<Begun, Broken> {
    let param =
        |wanted: &str| params.iter().find(|(name, _)| name == wanted).map(|(_, v)| v.as_str());
    let Some(user) = param("user").filter(|user| !user.is_empty()) else {
        return refuse(wire, &Refusal::fatal("28000", "the startup names no user"));
    };
    if params.iter().any(|(name, value)| name == "replication" && value != "false") {
        return refuse(wire, &Refusal::fatal("0A000", "replication is not spoken here"));
    }
    if server.is_stopping() {
        return refuse(wire, &Refusal::stopping());
    }
    let is_local = match peer.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback(),
    };
    if server.tls.is_some() && !wire.is_secure() && !is_local && !server.config.insecure {
        let refusal = Refusal::fatal("28000", "connections from elsewhere need TLS");
        return refuse(wire, &refusal.hint("connect with sslmode=require"));
    }
    let who = if server.accounts.is_open() {
        Principal { name: Arc::from(user), ..Principal::anybody() }
    } else {
        match prove(server, wire, user)? {
            Some(who) => who,
            None => {
                let message = format!("no account `{user}` with this password");
                let refusal = Refusal { code: Some("TD1001"), ..Refusal::fatal("28P01", message) };
                tracing::info!(peer = %peer.ip(), "a login was refused");
                return refuse(wire, &refusal);
            }
        }
    };
    let mut settings = Settings::new(user);
    for (name, value) in params {
        let set = match name.as_str() {
            "user" | "database" | "replication" => continue,
            "options" => options(&mut settings, value),
            // Clients send the zone of their machine. Moments are UTC here, and the session says so.
            "TimeZone" | "timezone" => continue,
            name if name.starts_with("_pq_.") => continue,
            name => settings.set(name, Some(value)).map(drop),
        };
        if let Err(refusal) = set {
            let severity = super::refusal::Severity::Fatal;
            return refuse(wire, &Refusal { severity, ..refusal });
        }
    }
    let database = param("database").unwrap_or(user).to_owned();
    Ok(Begun::Session(Box::new(Settled { who, settings, database })))
}

/// The settings in `-c name=value`.
fn options(settings: &mut Settings, text: &str) -> Result<(), Refusal> {
    let mut words = text.split_ascii_whitespace();
    while let Some(word) = words.next() {
        let pair = match word {
            "-c" => words.next().unwrap_or_default(),
            word => word.strip_prefix("--").or(word.strip_prefix("-c")).unwrap_or_default(),
        };
        let Some((name, value)) = pair.split_once('=') else {
            let message = format!("`{word}` is no option; `-c name=value` is");
            return Err(Refusal::new("22023", message));
        };
        settings.set(&name.replace('-', "_"), Some(value))?;
    }
    Ok(())
}

/// Asks for the proof of a password; who has proved to be there.
fn prove(server: &Server, wire: &mut Wire, user: &str) -> Result<Option<Principal>, Broken> {
    wire.out.authentication(10, format!("{NAME}\0\0").as_bytes());
    let Message::Proof(first) = wire.message()? else { return Ok(None) };
    let Some(message) = initial(&first) else { return Ok(None) };
    let Ok(nonce) = accounts::random_password() else { return Ok(None) };
    let verifier = server.accounts.verifier(user);
    let Some(exchange) = Exchange::begin(verifier, message, &nonce) else { return Ok(None) };
    wire.out.authentication(11, exchange.server_first.as_bytes());
    let Message::Proof(last) = wire.message()? else { return Ok(None) };
    let proved = exchange.finish(&last);
    let who = server.accounts.principal(user, server.now());
    let (Some(signature), Some(who)) = (proved, who) else { return Ok(None) };
    wire.out.authentication(12, signature.as_bytes());
    Ok(Some(who))
}

/// The client's first message out of its envelope: mechanism, length, message.
fn initial(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let (mechanism, rest) = bytes.split_at_checked(end)?;
    let (length, message) = rest.get(1..)?.split_at_checked(4)?;
    let length = i32::from_be_bytes(length.try_into().ok()?);
    let fits = usize::try_from(length).is_ok_and(|length| length == message.len());
    (mechanism == NAME.as_bytes() && fits).then_some(message)
}
