//! A statement that somebody waits for, as one of the jobs: it runs where it was asked for, with the session
//! of whoever asked, but when its turn has come, and seen by all.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use serde_json::Value as Json;
use tastedb::Progress;

use super::Inner;
use super::job::Job;
use crate::server::problem::Problem;

/// How often a statement that waits looks whether it was cancelled.
const LOOK: Duration = Duration::from_millis(20);

/// A place among the jobs that run; given back when it is dropped.
pub(super) struct Turn {
    inner: Arc<Inner>,
    job: Arc<Job>,
}

impl Turn {
    /// Waits for the turn of a job that is in the queue.
    pub(super) fn wait(
        inner: &Arc<Inner>,
        job: Arc<Job>,
        come: &Receiver<()>,
    ) -> Result<Turn, Problem> {
        loop {
            match come.recv_timeout(LOOK) {
                Ok(()) => return Ok(Turn { inner: Arc::clone(inner), job }),
                Err(RecvTimeoutError::Timeout) if !job.cancel.is_cancelled() => {}
                // Where it is in the queue no more, its turn has come at this very moment.
                Err(RecvTimeoutError::Timeout) if !inner.withdraw(&job) => {}
                Err(_) => {
                    job.end(Err(Problem::cancelled()));
                    return Err(Problem::cancelled());
                }
            }
        }
    }

    /// Where the statement reports.
    pub(super) fn progress(&self) -> Arc<dyn Progress> {
        Arc::clone(&self.job) as Arc<dyn Progress>
    }

    /// The statement has ended.
    pub(super) fn end(self, done: Result<Json, Problem>) {
        self.job.end(done);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // One that has ended stays as it is.
        self.job.end(Err(Problem::internal("the statement was lost")));
        self.inner.leave();
    }
}
