//! Who sends a request: by an API key, by a name and a password, or, where no account was ever made,
//! anybody on this machine.
//!
//! Where nobody has to say who they are, a web page in the browser of somebody on this machine must not
//! be able to ask either: a request that comes from another origin, or that names this machine by
//! anything but a loopback name, is refused.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::server::access::Principal;
use crate::server::problem::Problem;
use crate::server::state::Server;

/// Somebody who may ask; what they may do is another question.
pub(super) struct Who(pub(super) Principal);

impl FromRequestParts<Arc<Server>> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Who, Problem> {
        if server.accounts.is_open() {
            same_machine(&parts.headers)?;
            return Ok(Who(Principal::anybody()));
        }
        let wrong = || Problem::unauthenticated("the key, or the name and password, are not right");
        let now = server.now();
        match credentials(&parts.headers)? {
            Credentials::Key(key) => server.accounts.by_key(&key, now).map(Who).ok_or_else(wrong),
            Credentials::Password(name, password) => {
                // Deriving the key of a password takes a millisecond: not on a thread that others wait for.
                let shared = Arc::clone(server);
                let check = move || shared.accounts.by_password(&name, &password, now);
                let proved = tokio::task::spawn_blocking(check).await;
                proved.ok().flatten().map(Who).ok_or_else(wrong)
            }
        }
    }
}

enum Credentials {
    Key(String),
    Password(String, String),
}

fn credentials(headers: &HeaderMap) -> Result<Credentials, Problem> {
    let missing = || Problem::unauthenticated("nobody has said who is asking");
    let unreadable = || Problem::unauthenticated("the header `authorization` cannot be read");
    if let Some(key) = headers.get("x-api-key") {
        return Ok(Credentials::Key(key.to_str().map_err(|_| unreadable())?.to_owned()));
    }
    let header = headers.get(header::AUTHORIZATION).ok_or_else(missing)?;
    let header = header.to_str().map_err(|_| unreadable())?;
    let (scheme, rest) = header.split_once(' ').ok_or_else(unreadable)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Credentials::Key(rest.trim().to_owned()));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let pair = STANDARD.decode(rest.trim()).map_err(|_| unreadable())?;
        let pair = String::from_utf8(pair).map_err(|_| unreadable())?;
        let (name, password) = pair.split_once(':').ok_or_else(unreadable)?;
        return Ok(Credentials::Password(name.to_owned(), password.to_owned()));
    }
    Err(unreadable())
}

/// Refuses what a foreign page makes a browser send.
fn same_machine(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text(header::HOST).unwrap_or("");
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host }
    });
    let loopback = ["localhost", "127.0.0.1", "[::1]"].contains(&name);
    let origin = text(header::ORIGIN);
    let ours = origin.is_none_or(|origin| {
        origin.split_once("://").is_some_and(|(_, authority)| authority == host)
    });
    if loopback && ours {
        return Ok(());
    }
    let message = "without accounts, only this machine may ask, by a loopback name";
    Err(Problem::unauthenticated(message).next("make an account: tastedb user add PATH NAME"))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue};

    use super::{Credentials, credentials, same_machine};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs.map(|(k, v)| (k.parse().expect("a name"), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn a_foreign_page_is_refused() {
        for good in [
            headers(&[("host", "localhost:8700")]),
            headers(&[("host", "127.0.0.1:8700"), ("origin", "http://127.0.0.1:8700")]),
            headers(&[("host", "[::1]:8700")]),
        ] {
            assert!(same_machine(&good).is_ok(), "{good:?}");
        }
        for bad in [
            headers(&[("host", "evil.example:8700")]),
            headers(&[("host", "localhost:8700"), ("origin", "https://evil.example")]),
            headers(&[("host", "localhost:8700"), ("origin", "null")]),
            headers(&[]),
        ] {
            assert!(same_machine(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn credentials_come_in_three_ways() {
        let key = credentials(&headers(&[("authorization", "Bearer tdb_x")]));
        assert!(matches!(key, Ok(Credentials::Key(key)) if key == "tdb_x"));
        let key = credentials(&headers(&[("x-api-key", "tdb_y")]));
        assert!(matches!(key, Ok(Credentials::Key(key)) if key == "tdb_y"));
        let basic = credentials(&headers(&[("authorization", "Basic YTpiOmM=")]));
        assert!(matches!(basic, Ok(Credentials::Password(a, b)) if a == "a" && b == "b:c"));
        for wrong in ["Basic ///", "Digest x", "Bearer"] {
            let mut map = HeaderMap::new();
            map.insert("authorization", HeaderValue::from_static(wrong));
            assert!(credentials(&map).is_err(), "{wrong}");
        }
    }
}
