//! What went wrong, as a client is told: a code, a message, a place, a next step, a status.
//!
//! The codes are those of the whole database (`docs/errors.md`). Over HTTP a problem is an RFC 9457
//! document. Invariant: what is at fault with a request has a status of 4xx; 5xx is for the server's
//! own trouble.

use std::ops::{Deref, DerefMut};

use tastedb::{Error, ErrorKind, Place};
use tastedb_query::codes;

use super::access::Role;

/// Why a request was not carried out.
#[derive(Clone, Debug)]
pub(crate) struct Problem(Box<Details>);

/// What is known of a problem.
#[derive(Clone, Debug)]
pub(crate) struct Details {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The stable code, such as `TD0201`.
    pub(crate) code: &'static str,
    /// One line without a full stop.
    pub(crate) message: String,
    /// Where in the text of a statement.
    pub(crate) place: Option<Place>,
    /// The member of a request that the place is in; `None`: the statement itself.
    pub(crate) field: Option<&'static str>,
    /// What to do about it.
    pub(crate) next: Option<String>,
    /// The number of the row of a batch that is at fault, from 0.
    pub(crate) row: Option<usize>,
}

impl Problem {
    fn new(status: u16, code: &'static codes::Code, message: impl Into<String>) -> Problem {
        Problem(Box::new(Details {
            status,
            code: code.id,
            message: message.into(),
            place: None,
            field: None,
            next: codes::next_step(code.id),
            row: None,
        }))
    }

    /// Nobody has said who is there, or not rightly.
    pub(crate) fn unauthenticated(message: impl Into<String>) -> Problem {
        Problem::new(401, &codes::UNAUTHENTICATED, message)
    }

    /// The account's role is too low.
    pub(crate) fn forbidden(needed: Role) -> Problem {
        let message = format!("this needs the role `{}`", needed.name());
        Problem::new(403, &codes::FORBIDDEN, message)
    }

    /// There is nothing at this path.
    pub(crate) fn no_route(message: impl Into<String>) -> Problem {
        Problem::new(404, &codes::NO_ROUTE, message)
    }

    /// There is something at this path, but not for this method.
    pub(crate) fn no_method(message: impl Into<String>) -> Problem {
        Problem::new(405, &codes::NO_ROUTE, message)
    }

    /// The request is not what the route takes.
    pub(crate) fn bad_request(message: impl Into<String>) -> Problem {
        Problem::new(400, &codes::BAD_REQUEST, message)
    }

    /// The request is too large.
    pub(crate) fn too_large(limit: usize) -> Problem {
        let message = format!("the body is larger than {limit} bytes");
        Problem::new(413, &codes::SERVER_TOO_LARGE, message)
    }

    /// The request came too slowly.
    pub(crate) fn too_slow(message: impl Into<String>) -> Problem {
        Problem::new(408, &codes::SERVER_TOO_LARGE, message)
    }

    /// There is too much to do already.
    pub(crate) fn busy(message: impl Into<String>) -> Problem {
        Problem::new(503, &codes::SERVER_BUSY, message)
    }

    /// A statement took longer than it may.
    pub(crate) fn timeout(limit: std::time::Duration) -> Problem {
        let message = format!("the statement was cancelled after {} s", limit.as_secs_f64());
        Problem::new(408, &codes::SERVER_TIMEOUT, message)
    }

    /// Somebody has stopped it.
    pub(crate) fn cancelled() -> Problem {
        Problem::new(408, &codes::CANCELLED, "cancelled")
    }

    /// There is no table of this name.
    pub(crate) fn no_table(name: &str, known: &[&str]) -> Problem {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Problem::new(404, &codes::NO_SUCH_TABLE, format!("no table `{name}`; there are: {known}"))
    }

    /// There is no row of this key.
    pub(crate) fn no_row(table: &str) -> Problem {
        Problem::new(404, &codes::NO_ROUTE, format!("no such row in table `{table}`"))
    }

    /// A setting of the server is wrong.
    pub(crate) fn config(message: impl Into<String>) -> Problem {
        Problem::new(500, &codes::SERVER_CONFIG, message)
    }

    /// An idempotency key belongs to another request.
    pub(crate) fn key_reused() -> Problem {
        let message = "this idempotency key came with another request";
        Problem::new(409, &codes::KEY_REUSED, message)
    }

    /// An account is missing, or there already.
    pub(crate) fn account(message: impl Into<String>) -> Problem {
        Problem::new(400, &codes::ACCOUNT, message)
    }

    /// There is no such job.
    pub(crate) fn no_job(id: u64) -> Problem {
        Problem::new(404, &codes::NO_JOB, format!("no job {id}"))
    }

    /// Something that cannot happen did.
    pub(crate) fn internal(message: impl Into<String>) -> Problem {
        Problem::new(500, &codes::INTERNAL, message)
    }

    /// The same problem, with another next step.
    #[must_use]
    pub(crate) fn next(mut self, next: impl Into<String>) -> Problem {
        self.next = Some(next.into());
        self
    }

    /// The same problem, in this row of a batch.
    #[must_use]
    pub(crate) fn in_row(mut self, row: usize) -> Problem {
        self.row = Some(row);
        self
    }

    /// The same problem about no place: the text it stands in was not written by the client.
    #[must_use]
    pub(crate) fn without_place(mut self) -> Problem {
        self.place = None;
        self
    }

    /// The short name of the code.
    pub(crate) fn title(&self) -> &'static str {
        codes::find(self.code).map_or("error", |code| code.name)
    }
}

impl Deref for Problem {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

impl DerefMut for Problem {
    fn deref_mut(&mut self) -> &mut Details {
        &mut self.0
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        Problem::from(&error)
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Problem {
        Problem(Box::new(Details {
            status: status(error.kind(), error.code()),
            code: error.code(),
            message: error.to_string(),
            place: error.place(),
            field: None,
            next: error.next_step().map(str::to_owned),
            row: None,
        }))
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "error {}: {}", self.code, self.message)?;
        match &self.next {
            Some(next) => write!(f, "\nhint: {next}"),
            None => Ok(()),
        }
    }
}

/// The HTTP status of an error.
fn status(kind: ErrorKind, code: &str) -> u16 {
    match kind {
        _ if code == codes::TOO_MANY_ROWS.id => 422,
        // A data file that the statement names, as opposed to one of the database.
        ErrorKind::Io if code.starts_with("TD04") => 400,
        ErrorKind::InvalidInput => 400,
        ErrorKind::ReadOnly => 403,
        ErrorKind::NotFound => 404,
        ErrorKind::Cancelled => 408,
        ErrorKind::AlreadyExists | ErrorKind::Conflict | ErrorKind::Unavailable => 409,
        ErrorKind::Unsupported => 422,
        ErrorKind::Locked => 503,
        ErrorKind::Corrupted | ErrorKind::Io | ErrorKind::Poisoned | ErrorKind::Internal => 500,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::{Problem, Role};

    #[test]
    fn what_the_client_did_wrong_is_4xx_and_has_a_code() {
        for problem in [
            Problem::unauthenticated("x"),
            Problem::forbidden(Role::Admin),
            Problem::no_route("x"),
            Problem::bad_request("x"),
            Problem::too_large(1),
            Problem::key_reused(),
            Problem::no_job(1),
        ] {
            assert!((400..500).contains(&problem.status), "{problem}");
            assert!(problem.code.starts_with("TD10") && problem.title() != "error", "{problem}");
        }
    }
}
