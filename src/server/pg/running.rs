//! Running one statement: whether it may, for how long, what it streams, and what its failure means for the
//! transaction.
//!
//! A statement that fails inside a transaction makes the rest of it fail, up to ROLLBACK, as PostgreSQL
//! does it: programs written for it count on COMMIT not keeping half of a transaction.

use std::io;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use tastedb::{Access, Outcome, Script, StreamEnd, Value};

use super::connection::{Connection, Failure};
use super::copy::{AHEAD, Incoming, Lines, Outgoing};
use super::frontend::Message;
use super::refusal::Refusal;
use crate::server::jobs;
use crate::server::problem::Problem;

/// Statements that take as long as they take: the limit of the server is not for them.
const LONG: &[&str] = &[
    "ALTER TABLE",
    "BACKUP DATABASE",
    "COPY",
    "CREATE EMBEDDING",
    "CREATE INDEX",
    "EVALUATE",
    "EXPORT DATABASE",
    "IMPORT DATABASE",
    "REFRESH EMBEDDING",
    "REFRESH INDEX",
    "REFRESH MODEL",
    "TRAIN MODEL",
    "VACUUM",
    "VERIFY FORGET",
];
/// What running a statement has led to.
pub(super) enum Ran {
    /// The client was told already.
    Told,
    /// The client is to be told this.
    Outcome(Outcome),
}

/// A failure to begin, told as what it is where it was for want of time.
fn in_time(failure: Failure, late: bool, limit: Option<Duration>) -> Failure {
    match (failure, limit) {
        (Failure::Refused(refusal), Some(limit)) if late && refusal.code == Some("TD0507") => {
            Problem::timeout(limit).into()
        }
        (failure, _) => failure,
    }
}

impl Connection<'_> {
    /// Runs one statement of the language.
    pub(super) fn run(&mut self, script: &Script, values: &[Value]) -> Result<Ran, Failure> {
        let Some(statement) = script.get(0) else { return Ok(Ran::Told) };
        let name = statement.name;
        let open = self.session.in_transaction();
        if let Some(who) = self.server.who_is(&self.who) {
            self.who = who;
        } else {
            return Err(Refusal::fatal("28000", "the account has expired or is gone").into());
        }
        match name {
            "BEGIN" if open || self.failed => {
                self.wire.out.notice("a transaction is open already");
                self.wire.out.complete("BEGIN");
                return Ok(Ran::Told);
            }
            "COMMIT" | "ROLLBACK" if self.failed => {
                self.failed = false;
                self.defines = false;
                self.savepoints.clear();
                self.writes = 0;
                if open {
                    // The statement that failed may have been cancelled, and that is over.
                    self.session.reset_cancel();
                    let undo = self.session.script("ROLLBACK");
                    let undone = undo.and_then(|undo| self.session.execute_at(&undo, 0, &[]));
                    undone.map_err(|error| Refusal::of(&error, ""))?;
                }
                self.wire.out.complete("ROLLBACK");
                return Ok(Ran::Told);
            }
            "COMMIT" | "ROLLBACK" if !open => {
                self.wire.out.notice("no transaction is open");
                self.wire.out.complete(name);
                return Ok(Ran::Told);
            }
            _ if self.failed => return Err(Refusal::in_failed_transaction().into()),
            _ => {}
        }
        self.who.may(statement.access)?;
        self.session.set_read_committed(!self.settings.is_serializable());
        let limit = self.limit(statement.name);
        self.entry.begin(self.session.reset_cancel(), limit);
        let began = Instant::now();
        let ran = match statement.stream {
            None if jobs::is_job(name) => self.as_job(script, values),
            None => Ok(self.session.execute_at(script, 0, values)),
            Some(StreamEnd::Input) => self.copy_in(script, values),
            Some(StreamEnd::Output) => self.copy_out(script, values),
        };
        let late = self.entry.end();
        self.defines =
            self.session.in_transaction() && (self.defines || statement.access == Access::Admin);
        let outcome = match ran.map_err(|failure| in_time(failure, late, limit))? {
            Ok(outcome) => outcome,
            Err(error) => {
                let code = if late { "TD1007" } else { error.code() };
                self.server.metrics.statement("pg", name, Some(code), began.elapsed());
                return Err(self.refusal(&error, script.text(), late, limit).into());
            }
        };
        self.server.metrics.statement("pg", name, None, began.elapsed());
        if !self.session.in_transaction() {
            self.savepoints.clear();
            self.writes = 0;
        } else if statement.access > Access::Read {
            self.writes += 1;
        }
        if !self.settings.is_quiet() {
            outcome.notices.iter().for_each(|notice| self.wire.out.notice(notice));
        }
        Ok(Ran::Outcome(outcome))
    }

    /// A statement has failed: so has the transaction, if one is open.
    pub(super) fn fail(&mut self) {
        self.failed |= self.session.in_transaction();
    }

    /// How long a statement may run: as the client has set it, else what takes long may take it.
    pub(super) fn limit(&self, name: &str) -> Option<Duration> {
        let set = self.settings.timeout();
        set.or_else(|| (!LONG.contains(&name)).then_some(self.server.config.statement_timeout))
    }

    pub(super) fn refusal(
        &self,
        error: &tastedb::Error,
        sql: &str,
        late: bool,
        limit: Option<Duration>,
    ) -> Refusal {
        match (late, error.code(), limit) {
            (true, "TD0507", Some(limit)) => Problem::timeout(limit).into(),
            _ => Refusal::of(error, sql),
        }
    }

    /// Runs a statement that takes long as one of the server's jobs.
    fn as_job(
        &mut self,
        script: &Script,
        values: &[Value],
    ) -> Result<tastedb::Result<Outcome>, Failure> {
        let jobs = &self.server.jobs;
        let text = script.text();
        Ok(jobs.run(&mut self.session, (script, 0), values, text, &self.who.name)?)
    }

    /// Runs a COPY … FROM STDIN: asks the client for rows and gives them to the statement.
    fn copy_in(
        &mut self,
        script: &Script,
        values: &[Value],
    ) -> Result<tastedb::Result<Outcome>, Failure> {
        // What is wrong with the statement is told before the client sends its rows.
        if let Err(error) = self.session.describe(script, 0, &[]) {
            return Ok(Err(error));
        }
        self.wire.out.copy(b'G', 0);
        self.wire.flush()?;
        let (sender, receiver) = sync_channel(AHEAD);
        self.session.set_input(Some(Box::new(Incoming::new(receiver))));
        let (session, wire) = (&mut self.session, &mut *self.wire);
        std::thread::scope(|scope| {
            let running = scope.spawn(|| {
                let ran = session.execute_at(script, 0, values);
                // The channel ends with the statement, also where it did not take the stream.
                session.set_input(None);
                ran
            });
            let mut broken = None;
            loop {
                let chunk = match wire.message() {
                    Ok(Message::CopyData(bytes)) => Ok(bytes),
                    Ok(Message::CopyDone) => break,
                    Ok(Message::Flush | Message::Sync) => continue,
                    Ok(Message::CopyFail(why)) => {
                        Err(io::Error::other(format!("the client gave up: {why}")))
                    }
                    Ok(_) => Err(io::Error::other("another message came instead of rows")),
                    Err(other) => {
                        broken = Some(other);
                        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
                    }
                };
                let last = chunk.is_err();
                // A statement that has failed takes nothing more; the rest is passed over.
                if sender.send(chunk).is_err() || last {
                    break;
                }
            }
            drop(sender);
            let ran =
                running.join().map_err(|_| Refusal::new("XX000", "the statement was lost"))?;
            match broken {
                Some(broken) => Err(Failure::Broken(broken)),
                None => Ok(ran),
            }
        })
    }

    /// Runs a COPY … TO STDOUT and sends its rows as they come.
    fn copy_out(
        &mut self,
        script: &Script,
        values: &[Value],
    ) -> Result<tastedb::Result<Outcome>, Failure> {
        let (sender, receiver) = sync_channel(AHEAD);
        self.session.set_output(Some(Box::new(Lines::new(sender))));
        let (session, wire) = (&mut self.session, &mut *self.wire);
        std::thread::scope(|scope| {
            let running = scope.spawn(|| {
                let ran = session.execute_at(script, 0, values);
                // The channel ends with the statement, also where it did not take the sink.
                session.set_output(None);
                ran
            });
            let mut sent = Ok(());
            let mut begun = false;
            while let Ok(what) = receiver.recv() {
                match what {
                    Outgoing::Begin(columns) => {
                        begun = true;
                        wire.out.copy(b'H', columns);
                    }
                    Outgoing::Rows(messages) => wire.out.bytes.extend_from_slice(&messages),
                }
                sent = wire.flush_if_full();
                if sent.is_err() {
                    break;
                }
            }
            drop(receiver);
            let ran =
                running.join().map_err(|_| Refusal::new("XX000", "the statement was lost"))?;
            sent?;
            if begun && ran.is_ok() {
                wire.out.copy_done();
            }
            Ok(ran)
        })
    }
}
