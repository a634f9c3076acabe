//! One session over the protocol: the loop over its messages, and what each does.
//!
//! A connection has a thread of its own, which waits for its client, runs its statements and writes their
//! rows; so nothing of one connection waits for another, and no asynchronous thread for a statement.

use std::collections::HashMap;
use std::sync::Arc;

use tastedb::{Script, Session};
use tastedb_query::statement_ranges;

use super::backend::Status;
use super::frontend::{Message, Target};
use super::refusal::{Refusal, Severity};
use super::registry::Entry;
use super::running::Ran;
use super::settings::{self, Settings};
use super::startup::Settled;
use super::statement::{Body, Portal, Prepared, Recent, Rows, tag};
use super::wire::{Broken, Wire};
use crate::server::access::Principal;
use crate::server::problem::Problem;
use crate::server::state::Server;

/// Bytes of rows that are gathered before they are sent.
pub(super) const FULL: usize = 64 << 10;
/// Why a statement did not end well.
pub(super) enum Failure {
    /// The client is told, and the connection goes on.
    Refused(Refusal),
    /// The connection cannot go on.
    Broken(Broken),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(refusal)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        Failure::Refused(problem.into())
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Failure {
        Failure::Broken(broken)
    }
}

/// A session and its client.
pub(super) struct Connection<'a> {
    pub(super) server: &'a Server,
    pub(super) wire: &'a mut Wire,
    pub(super) entry: &'a Entry,
    pub(super) session: Session,
    pub(super) who: Principal,
    pub(super) settings: Settings,
    /// Whether a statement of the open transaction has failed.
    pub(super) failed: bool,
    /// Whether messages are passed over up to the next Sync.
    pub(super) skipping: bool,
    pub(super) statements: HashMap<String, Arc<Prepared>>,
    pub(super) portals: HashMap<String, Portal>,
    /// The savepoints of the open transaction, each with how often it had written by then.
    pub(super) savepoints: Vec<(String, u64)>,
    /// How many statements of the open transaction have written.
    pub(super) writes: u64,
    pub(super) recent: Recent,
    /// Whether the open transaction has changed definitions, which nobody else sees yet.
    pub(super) defines: bool,
}

impl<'a> Connection<'a> {
    /// A session that may begin.
    pub(super) fn new(
        server: &'a Server,
        wire: &'a mut Wire,
        entry: &'a Entry,
        settled: Settled,
    ) -> Connection<'a> {
        let mut session = server.database.session();
        session.set_threads(server.config.job_threads);
        session.set_row_limit(Some(server.config.max_rows));
        session.set_caller(tastedb::Caller {
            user: settled.who.name.to_string(),
            database: settled.database,
            process: entry.pid,
        });
        Connection {
            server,
            wire,
            entry,
            session,
            who: settled.who,
            settings: settled.settings,
            failed: false,
            skipping: false,
            statements: HashMap::new(),
            portals: HashMap::new(),
            savepoints: Vec::new(),
            writes: 0,
            recent: Recent::default(),
            defines: false,
        }
    }

    /// Serves the client until it goes, or the server stops.
    pub(super) fn serve(mut self) -> Result<(), Broken> {
        self.wire.welcome(self.server.config.max_body);
        self.wire.out.authentication(0, &[]);
        for (name, value) in self.settings.greeting() {
            self.wire.out.parameter(name, &value);
        }
        self.wire.out.key(self.entry.pid, self.entry.secret);
        self.ready();
        loop {
            if self.server.is_stopping() {
                return self.end(&Refusal::stopping());
            }
            let message = match self.wire.message() {
                Ok(message) => message,
                Err(Broken::Gone) if self.server.is_stopping() => {
                    return self.end(&Refusal::stopping());
                }
                Err(Broken::Malformed(malformed)) => {
                    return self.end(&Refusal::malformed(malformed.0));
                }
                Err(Broken::Large(limit)) => {
                    let message = format!("a message is larger than {limit} bytes");
                    let refusal = Refusal::fatal("54000", message);
                    return self.end(&Refusal { code: Some("TD1005"), ..refusal });
                }
                Err(broken) => return Err(broken),
            };
            if let Message::Terminate = message {
                return Ok(());
            }
            match self.take(message) {
                Ok(()) => {}
                Err(Failure::Broken(broken)) => return Err(broken),
                Err(Failure::Refused(refusal)) if refusal.severity == Severity::Fatal => {
                    return self.end(&refusal);
                }
                Err(Failure::Refused(refusal)) => {
                    self.fail();
                    self.wire.out.error(&refusal);
                    self.skipping = true;
                }
            }
            self.wire.flush_if_full()?;
        }
    }

    fn end(self, refusal: &Refusal) -> Result<(), Broken> {
        self.wire.out.error(refusal);
        self.wire.flush()
    }

    fn status(&self) -> Status {
        match (self.session.in_transaction(), self.failed) {
            (_, true) => Status::Failed,
            (true, false) => Status::Open,
            (false, false) => Status::Idle,
        }
    }

    fn ready(&mut self) {
        let status = self.status();
        self.wire.out.ready(status);
    }

    fn take(&mut self, message: Message) -> Result<(), Failure> {
        match message {
            Message::Query(sql) => {
                self.skipping = false;
                self.portals.remove("");
                match self.script(&sql) {
                    Err(Failure::Refused(refusal)) if refusal.severity != Severity::Fatal => {
                        self.fail();
                        self.wire.out.error(&refusal);
                    }
                    other => other?,
                }
                self.ready();
                Ok(self.wire.flush()?)
            }
            Message::Sync => {
                self.skipping = false;
                if !self.session.in_transaction() {
                    self.portals.clear();
                }
                self.ready();
                Ok(self.wire.flush()?)
            }
            Message::Flush => Ok(self.wire.flush()?),
            _ if self.skipping => Ok(()),
            Message::Parse { name, sql, types } => self.parse(name, &sql, types),
            Message::Bind { portal, statement, formats, values, results } => {
                self.bind(portal, &statement, &formats, values, results)
            }
            Message::Describe { target, name } => self.describe(target, &name),
            Message::Execute { portal, rows } => self.execute(&portal, rows),
            Message::Close { target, name } => {
                match target {
                    Target::Statement => drop(self.statements.remove(&name)),
                    Target::Portal => drop(self.portals.remove(&name)),
                }
                self.wire.out.done(b'3');
                Ok(())
            }
            // What a COPY that has failed did not take any more.
            Message::CopyData(_) | Message::CopyDone | Message::CopyFail(_) => Ok(()),
            Message::FunctionCall => {
                Err(Refusal::new("0A000", "function calls are not taken; SELECT is").into())
            }
            Message::Proof(_) | Message::Terminate => {
                Err(Refusal::malformed("not expected here").into())
            }
        }
    }

    // ---- simple queries -------------------------------------------------------------------

    /// Runs the statements of a text. All are parsed before the first runs.
    fn script(&mut self, sql: &str) -> Result<(), Failure> {
        let ranges = statement_ranges(sql);
        if ranges.is_empty() {
            self.wire.out.empty();
            return Ok(());
        }
        let mut parts = Vec::with_capacity(ranges.len());
        for range in ranges {
            let text = &sql[range.clone()];
            let body = self.body(text).map_err(|refusal| within(refusal, sql, range.start))?;
            parts.push((range.start, body));
        }
        for (start, body) in parts {
            let ran = match &body {
                Body::Empty => Ok(()),
                Body::Command(command) => self.command(command, true),
                Body::Script(script) => self.statement(script),
            };
            ran.map_err(|failure| match failure {
                Failure::Refused(refusal) => Failure::Refused(within(refusal, sql, start)),
                broken => broken,
            })?;
        }
        Ok(())
    }

    /// What a text of at most one statement is.
    pub(super) fn body(&mut self, sql: &str) -> Result<Body, Refusal> {
        if let Some(command) = settings::command(sql) {
            return Ok(Body::Command(command));
        }
        match self.session.script(sql) {
            Ok(script) if script.is_empty() => Ok(Body::Empty),
            Ok(script) => Ok(Body::Script(script)),
            Err(error) => Err(Refusal::of(&error, sql)),
        }
    }

    /// Runs one statement and sends all of its rows as text.
    fn statement(&mut self, script: &Script) -> Result<(), Failure> {
        let outcome = match self.run(script, &[])? {
            Ran::Told => return Ok(()),
            Ran::Outcome(outcome) => outcome,
        };
        match Rows::new(&outcome, None)? {
            None => self.wire.out.complete(&tag(&outcome)),
            Some(mut rows) => {
                self.wire.out.columns(rows.columns(), &[]);
                while !rows.is_done() {
                    rows.append(&mut self.wire.out, &[], usize::MAX, FULL)?;
                    self.wire.flush_if_full()?;
                }
                self.wire.out.complete(&rows.tag());
            }
        }
        Ok(())
    }
}

/// The same error with its position in the whole text, of which the statement begins at a byte.
pub(super) fn within(refusal: Refusal, sql: &str, start: usize) -> Refusal {
    let before = sql[..start].chars().count();
    Refusal { position: refusal.position.map(|position| before + position), ..refusal }
}
