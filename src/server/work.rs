//! Statements on threads of their own: sessions that are lent, places that are taken, time that is
//! limited.
//!
//! The async threads only read and write sockets. A statement takes a place, then a thread that may
//! block, with a session from the pool; it is cancelled when its time is over or when whoever asked
//! has gone. Recommendations have places of their own, so that they do not queue behind long queries.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tastedb::{CancelToken, Database, Session};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;

/// How long a statement waits for a place.
const PATIENCE: Duration = Duration::from_secs(5);
/// Sessions that are kept for the next one.
const SPARE: usize = 64;

/// What kind of place a statement takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Recommendations and look-ups.
    Quick,
    /// Whatever else.
    Statement,
}

/// Where statements run.
#[derive(Debug)]
pub(crate) struct Work {
    database: Database,
    idle: Mutex<Vec<Session>>,
    quick: Arc<Semaphore>,
    statements: Arc<Semaphore>,
    places: usize,
    threads: usize,
    timeout: Duration,
    waiting: AtomicU64,
}

impl Work {
    /// Sessions of `database`, at most `places` in each lane, for `timeout` each, with `threads` threads
    /// for what takes long.
    pub(crate) fn new(
        database: Database,
        places: usize,
        threads: usize,
        timeout: Duration,
    ) -> Work {
        Work {
            database,
            idle: Mutex::default(),
            quick: Arc::new(Semaphore::new(places)),
            statements: Arc::new(Semaphore::new(places)),
            places,
            threads,
            timeout,
            waiting: AtomicU64::new(0),
        }
    }

    /// Runs `work` with a session.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Work>,
        lane: Lane,
        work: impl FnOnce(&mut Session) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let place = self.place(lane).await?;
        let session = self.session();
        let stop = CancelOnDrop(session.cancel_token());
        let pool = Arc::clone(self);
        let mut running = tokio::task::spawn_blocking(move || {
            let mut session = session;
            let done = work(&mut session);
            pool.give_back(session);
            drop(place);
            done
        });
        let late = match tokio::time::timeout(self.timeout, &mut running).await {
            Ok(done) => return finished(done),
            Err(_) => Problem::timeout(self.timeout),
        };
        stop.0.cancel();
        // It may have succeeded at the last moment: what it did stays done, and is told.
        match finished(running.await) {
            Err(problem) if problem.code == "TD0507" => Err(late),
            done => done,
        }
    }

    /// A place in a lane, for as long as what is returned is kept.
    pub(crate) async fn place(&self, lane: Lane) -> Result<OwnedSemaphorePermit, Problem> {
        let places = match lane {
            Lane::Quick => Arc::clone(&self.quick),
            Lane::Statement => Arc::clone(&self.statements),
        };
        let free = Arc::clone(&places).try_acquire_owned();
        if let Ok(place) = free {
            return Ok(place);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let place = tokio::time::timeout(PATIENCE, places.acquire_owned()).await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        match place {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Problem::busy(format!("{} statements are running already", self.places))),
        }
    }

    /// Statements that wait for a place, and those that run, quick ones among them.
    pub(crate) fn depth(&self) -> (u64, u64) {
        let taken = |places: &Semaphore| (self.places - places.available_permits()) as u64;
        (self.waiting.load(Ordering::Relaxed), taken(&self.quick) + taken(&self.statements))
    }

    /// Waits until nothing runs, or the time is over; whether nothing runs.
    pub(crate) async fn wait_idle(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        while self.depth() != (0, 0) {
            if Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        true
    }

    fn session(&self) -> Session {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| {
            let mut session = self.database.session();
            session.set_threads(self.threads);
            session
        })
    }

    fn give_back(&self, mut session: Session) {
        // A transaction that was left open is undone with its session.
        if session.in_transaction() {
            return;
        }
        session.reset_cancel();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < SPARE {
            idle.push(session);
        }
    }
}

/// Cancels what runs when nobody waits for it any more.
struct CancelOnDrop(CancelToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn finished<T>(done: Result<Result<T, Problem>, tokio::task::JoinError>) -> Result<T, Problem> {
    done.unwrap_or_else(|error| Err(Problem::internal(format!("a statement ended badly: {error}"))))
}
