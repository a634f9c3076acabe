//! Jobs: statements that take long, with progress, a result to fetch later, and a way to stop them.
//!
//! A job runs on a thread of its own with `job_threads` threads for its work, so that answers go on
//! meanwhile; `max_jobs` run at a time, the others wait in order. The last finished ones are
//! remembered, in memory only: what a job did is in the database.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;
use serde_json::Value as Json;
use tastedb::{CancelToken, Database, Progress, Session};
use tokio::sync::watch;
use utoipa::ToSchema;

use super::problem::Problem;

/// Jobs that are remembered, running ones not counted.
const REMEMBERED: usize = 100;
/// Jobs that may wait.
const QUEUE: usize = 100;

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It waits for others to end.
    Queued,
    /// It runs.
    Running,
    /// It has ended well.
    Done,
    /// It has ended with an error.
    Failed,
    /// It was stopped; nothing of it stays.
    Cancelled,
}

impl State {
    /// Whether it has ended.
    pub(crate) fn is_over(self) -> bool {
        !matches!(self, State::Queued | State::Running)
    }
}

/// What is known of a job.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Report {
    /// Its number.
    pub(crate) id: u64,
    /// What it does: `TRAIN MODEL`, `EVALUATE`, …
    pub(crate) kind: &'static str,
    /// The statement, or what stands for it.
    pub(crate) statement: String,
    /// Whose it is.
    pub(crate) account: String,
    /// Where it is.
    pub(crate) state: State,
    /// The stage it is at, in words.
    pub(crate) stage: String,
    /// Steps of the stage that are done.
    pub(crate) done: u64,
    /// Steps of the stage; 0 where that is not known.
    pub(crate) total: u64,
    /// A remark, such as the loss of the last epoch.
    pub(crate) note: String,
    /// Seconds since it began to run.
    pub(crate) seconds: f64,
    /// What came of it: tag, rows, notices.
    #[schema(value_type = Option<Object>)]
    pub(crate) result: Option<Json>,
    /// Why it failed, as a problem document.
    #[schema(value_type = Option<Object>)]
    pub(crate) error: Option<Json>,
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

struct Waiting(Task);

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Task")
    }
}

#[derive(Debug)]
struct Job {
    cancel: CancelToken,
    now: watch::Sender<Report>,
    began: Mutex<Option<Instant>>,
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
        statement: String,
        account: &str,
        task: Task,
    ) -> Result<Report, Problem> {
        let mut board = self.inner.board();
        if board.closed {
            return Err(Problem::busy("the server is stopping"));
        }
        if board.waiting.len() >= QUEUE {
            return Err(Problem::busy(format!("{QUEUE} jobs are waiting already")));
        }
        board.next += 1;
        let report = Report {
            id: board.next,
            kind,
            statement,
            account: account.to_owned(),
            state: State::Queued,
            stage: String::new(),
            done: 0,
            total: 0,
            note: String::new(),
            seconds: 0.0,
            result: None,
            error: None,
        };
        let now = watch::Sender::new(report.clone());
        let job = Arc::new(Job { cancel: CancelToken::new(), now, began: Mutex::default() });
        board.all.push_back(Arc::clone(&job));
        while board.all.len() > REMEMBERED {
            let Some(over) = board.all.iter().position(|job| job.now.borrow().state.is_over())
            else {
                break;
            };
            board.all.remove(over);
        }
        board.waiting.push_back((job, Waiting(task)));
        drop(board);
        self.inner.advance();
        Ok(report)
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
        self.inner.find(id).map(|job| job.now.subscribe())
    }

    /// Asks a job to stop; its report. One that is over stays as it is.
    pub(crate) fn cancel(&self, id: u64) -> Result<Report, Problem> {
        let job = self.inner.find(id)?;
        job.cancel.cancel();
        // One that waits never begins.
        let mut board = self.inner.board();
        if let Some(at) = board.waiting.iter().position(|(other, _)| Arc::ptr_eq(other, &job)) {
            board.waiting.remove(at);
            job.now.send_modify(|report| report.state = State::Cancelled);
        }
        Ok(job.report())
    }

    /// Stops all of them, and takes no more.
    pub(crate) fn cancel_all(&self) {
        let mut board = self.inner.board();
        board.closed = true;
        board.waiting.clear();
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

impl Inner {
    fn board(&self) -> std::sync::MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: u64) -> Result<Arc<Job>, Problem> {
        let board = self.board();
        let found = board.all.iter().find(|job| job.now.borrow().id == id);
        found.map(Arc::clone).ok_or_else(|| Problem::no_job(id))
    }

    /// Begins jobs while there is room.
    fn advance(self: &Arc<Inner>) {
        loop {
            let mut board = self.board();
            if board.running >= self.max {
                return;
            }
            let Some((job, task)) = board.waiting.pop_front() else { return };
            board.running += 1;
            drop(board);
            let inner = Arc::clone(self);
            let begun = std::thread::Builder::new()
                .name("tastedb-job".to_owned())
                .spawn(move || {
                    inner.run(&job, task.0);
                    inner.board().running -= 1;
                    inner.advance();
                })
                .is_ok();
            if !begun {
                self.board().running -= 1;
                return;
            }
        }
    }

    fn run(&self, job: &Arc<Job>, task: Task) {
        *job.began.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        job.now.send_modify(|report| report.state = State::Running);
        let mut session = self.database.session();
        session.set_threads(self.threads);
        session.set_progress(Arc::clone(job) as Arc<dyn Progress>);
        session.set_cancel(job.cancel.clone());
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| task(&mut session)));
        let done = caught.unwrap_or_else(|_| Err(Problem::internal("the job panicked")));
        let seconds = job.seconds();
        job.now.send_modify(|report| {
            report.seconds = seconds;
            match done {
                Ok(result) => {
                    report.state = State::Done;
                    report.result = Some(result);
                }
                Err(problem) if problem.code == "TD0507" => report.state = State::Cancelled,
                Err(problem) => {
                    report.state = State::Failed;
                    report.error = Some(super::http::document(&problem));
                }
            }
        });
    }
}

impl Job {
    fn report(&self) -> Report {
        let mut report = self.now.borrow().clone();
        if !report.state.is_over() {
            report.seconds = self.seconds();
        }
        report
    }

    fn seconds(&self) -> f64 {
        let began = *self.began.lock().unwrap_or_else(PoisonError::into_inner);
        began.map_or(0.0, |began| began.elapsed().as_secs_f64())
    }
}

impl Progress for Job {
    fn report(&self, stage: &str, done: u64, total: u64, note: &str) {
        let seconds = self.seconds();
        self.now.send_modify(|report| {
            if report.stage != stage {
                stage.clone_into(&mut report.stage);
            }
            (report.done, report.total, report.seconds) = (done, total, seconds);
            note.clone_into(&mut report.note);
        });
    }
}
