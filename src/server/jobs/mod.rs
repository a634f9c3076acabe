//! Jobs: statements that take long, with progress, a result to fetch later, and a way to stop them.
//!
//! A job runs with `job_threads` threads for its work, so that answers go on meanwhile; `max_jobs` run at a
//! time, the others wait in order. One that nobody waits for has a thread of its own; a statement that somebody
//! waits for, over whatever protocol, runs where it was asked for ([`turn`]). The last finished ones are
//! remembered, in memory only: what a job did is in the database.

mod job;
mod report;
mod turn;

use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value as Json;
use tastedb::{CancelToken, Database, Outcome, Progress, Script, Session, Silent, Value};
use tokio::sync::watch;

use self::job::Job;
pub(crate) use self::report::Report;
use self::turn::Turn;
use super::http;
use super::problem::Problem;

/// Jobs that are remembered, running ones not counted.
const REMEMBERED: usize = 100;
/// Jobs that may wait.
const QUEUE: usize = 100;
/// Statements that are jobs wherever they come from.
const LONG: [&str; 4] = ["EVALUATE", "REFRESH MODEL", "TRAIN MODEL", "VACUUM"];

/// Whether a statement is a job, by its name.
pub(crate) fn is_job(name: &str) -> bool {
    LONG.contains(&name)
}

/// What a job does with its session; what came of it.
pub(crate) type Task = Box<dyn FnOnce(&mut Session) -> Result<Json, Problem> + Send>;

/// All jobs of a server.
#[derive(Debug)]
pub(crate) struct Jobs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    max: usize,
    threads: usize,
    board: Mutex<Board>,
}

#[derive(Debug, Default)]
struct Board {
    next: u64,
    running: usize,
    waiting: VecDeque<(Arc<Job>, Waiting)>,
    all: VecDeque<Arc<Job>>,
    closed: bool,
}

/// What is done when the turn of a job has come.
enum Waiting {
    /// This runs, on a thread of its own.
    Task(Task),
    /// Whoever waits for it is told.
    Turn(SyncSender<()>),
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Waiting::Task(_) => "Task",
            Waiting::Turn(_) => "Turn",
        })
    }
}

impl Jobs {
    /// At most `max` at a time, with `threads` threads each.
    pub(crate) fn new(database: Database, max: usize, threads: usize) -> Jobs {
        let board = Mutex::default();
        Jobs { inner: Arc::new(Inner { database, max, threads, board }) }
    }

    /// Starts a job, or puts it in the queue; its report so far.
    pub(crate) fn start(
        &self,
        kind: &'static str,
        statement: &str,
        account: &str,
        task: Task,
    ) -> Result<Report, Problem> {
        let report = |id| Report::new(id, kind, statement, account);
        let job = self.inner.board().enlist(report, CancelToken::new(), Waiting::Task(task))?;
        let report = job.report();
        self.inner.advance();
        Ok(report)
    }

    /// Runs the statement at a place of a script as one of the jobs, when its turn has come. A session with a
    /// transaction does not wait for it, since it may hold what the others wait for.
    ///
    /// The outer error says that it has not run.
    pub(crate) fn run(
        &self,
        session: &mut Session,
        (script, at): (&Script, usize),
        values: &[Value],
        statement: &str,
        account: &str,
    ) -> Result<tastedb::Result<Outcome>, Problem> {
        let Some(prepared) = script.get(at) else {
            return Err(Problem::internal("the script has no such statement"));
        };
        let (sender, come) = sync_channel(1);
        let report = |id| Report::new(id, prepared.name, statement, account);
        let job = {
            let mut board = self.inner.board();
            if session.in_transaction() && board.running + board.waiting.len() >= self.inner.max {
                let message = "other jobs run, and a statement of a transaction does not wait";
                return Err(Problem::busy(message));
            }
            board.enlist(report, session.cancel_token(), Waiting::Turn(sender))?
        };
        self.inner.advance();
        let turn = Turn::wait(&self.inner, job, &come)?;
        session.set_progress(turn.progress());
        let ran = session.execute_at(script, at, values);
        session.set_progress(Arc::new(Silent));
        turn.end(match &ran {
            Ok(outcome) => http::whole(outcome),
            Err(error) => Err(Problem::from(error)),
        });
        Ok(ran)
    }

    /// Every job that is remembered, the latest first.
    pub(crate) fn list(&self) -> Vec<Report> {
        self.inner.board().all.iter().rev().map(|job| job.report()).collect()
    }

    /// One job.
    pub(crate) fn get(&self, id: u64) -> Result<Report, Problem> {
        self.inner.find(id).map(|job| job.report())
    }

    /// What tells of every change of a job.
    pub(crate) fn watch(&self, id: u64) -> Result<watch::Receiver<Report>, Problem> {
        self.inner.find(id).map(|job| job.watch())
    }

    /// Asks a job to stop; its report. One that is over stays as it is.
    pub(crate) fn cancel(&self, id: u64) -> Result<Report, Problem> {
        let job = self.inner.find(id)?;
        job.cancel.cancel();
        // One that waits never begins.
        if self.inner.withdraw(&job) {
            job.end(Err(Problem::cancelled()));
        }
        Ok(job.report())
    }

    /// Stops all of them, and takes no more.
    pub(crate) fn cancel_all(&self) {
        let mut board = self.inner.board();
        board.closed = true;
        for (job, _) in board.waiting.drain(..) {
            job.end(Err(Problem::cancelled()));
        }
        for job in &board.all {
            job.cancel.cancel();
        }
    }

    /// Jobs that wait, and jobs that run.
    pub(crate) fn depth(&self) -> (u64, u64) {
        let board = self.inner.board();
        (board.waiting.len() as u64, board.running as u64)
    }
}

impl Board {
    /// Puts a job at the end of the queue.
    fn enlist(
        &mut self,
        report: impl FnOnce(u64) -> Report,
        cancel: CancelToken,
        waiting: Waiting,
    ) -> Result<Arc<Job>, Problem> {
        if self.closed {
            return Err(Problem::busy("the server is stopping"));
        }
        if self.waiting.len() >= QUEUE {
            return Err(Problem::busy(format!("{QUEUE} jobs are waiting already")));
        }
        self.next += 1;
        let job = Arc::new(Job::new(report(self.next), cancel));
        self.all.push_back(Arc::clone(&job));
        while self.all.len() > REMEMBERED {
            let Some(over) = self.all.iter().position(|job| job.is_over()) else { break };
            self.all.remove(over);
        }
        self.waiting.push_back((Arc::clone(&job), waiting));
        Ok(job)
    }
}

impl Inner {
    fn board(&self) -> std::sync::MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: u64) -> Result<Arc<Job>, Problem> {
        let board = self.board();
        let found = board.all.iter().find(|job| job.id() == id);
        found.map(Arc::clone).ok_or_else(|| Problem::no_job(id))
    }

    /// Takes a job out of the queue; whether it was in it.
    fn withdraw(&self, job: &Arc<Job>) -> bool {
        let mut board = self.board();
        let at = board.waiting.iter().position(|(other, _)| Arc::ptr_eq(other, job));
        at.and_then(|at| board.waiting.remove(at)).is_some()
    }

    /// A job has ended, and its place is for the next.
    fn leave(self: &Arc<Inner>) {
        self.board().running -= 1;
        self.advance();
    }

    /// Begins jobs while there is room.
    fn advance(self: &Arc<Inner>) {
        loop {
            let (job, waiting) = {
                let mut board = self.board();
                if board.running >= self.max {
                    return;
                }
                let Some(next) = board.waiting.pop_front() else { return };
                board.running += 1;
                next
            };
            job.begin();
            let begun = match waiting {
                Waiting::Turn(turn) => turn.send(()).is_ok(),
                Waiting::Task(task) => {
                    let (inner, job) = (Arc::clone(self), Arc::clone(&job));
                    let thread = std::thread::Builder::new().name("tastedb-job".to_owned());
                    let run = move || {
                        inner.run(&job, task);
                        inner.leave();
                    };
                    thread.spawn(run).is_ok()
                }
            };
            if !begun {
                job.end(Err(Problem::busy("the system refuses a thread")));
                self.board().running -= 1;
            }
        }
    }

    fn run(&self, job: &Arc<Job>, task: Task) {
        let mut session = self.database.session();
        session.set_threads(self.threads);
        session.set_progress(Arc::clone(job) as Arc<dyn Progress>);
        session.set_cancel(job.cancel.clone());
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| task(&mut session)));
        job.end(caught.unwrap_or_else(|_| Err(Problem::internal("the job panicked"))));
    }
}
