//! One job: its report, which others watch while it changes, and what stops it.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde_json::Value as Json;
use tastedb::{CancelToken, CurvePoint, Progress};
use tokio::sync::watch;

use super::report::{Report, State};
use crate::server::http;
use crate::server::problem::Problem;

/// One job.
#[derive(Debug)]
pub(super) struct Job {
    /// What stops it.
    pub(super) cancel: CancelToken,
    now: watch::Sender<Report>,
    began: Mutex<Option<Instant>>,
}

impl Job {
    /// A job that is to run.
    pub(super) fn new(report: Report, cancel: CancelToken) -> Job {
        Job { cancel, now: watch::Sender::new(report), began: Mutex::default() }
    }

    /// Its number.
    pub(super) fn id(&self) -> u64 {
        self.now.borrow().id
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.now.borrow().state.is_over()
    }

    /// What is known of it.
    pub(super) fn report(&self) -> Report {
        let mut report = self.now.borrow().clone();
        if !report.state.is_over() {
            report.seconds = self.seconds();
        }
        report
    }

    /// What tells of every change of it.
    pub(super) fn watch(&self) -> watch::Receiver<Report> {
        self.now.subscribe()
    }

    /// It begins to run.
    pub(super) fn begin(&self) {
        *self.began.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.now.send_modify(|report| report.state = State::Running);
    }

    /// It has ended; only the first end counts.
    pub(super) fn end(&self, done: Result<Json, Problem>) {
        let seconds = self.seconds();
        self.now.send_if_modified(|report| {
            if report.state.is_over() {
                return false;
            }
            report.seconds = seconds;
            match done {
                Ok(result) => {
                    report.state = State::Done;
                    report.result = Some(result);
                }
                Err(problem) if problem.code == "TD0507" => report.state = State::Cancelled,
                Err(problem) => {
                    report.state = State::Failed;
                    report.error = Some(http::document(&problem));
                }
            }
            true
        });
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

    fn learned(&self, point: &CurvePoint) {
        self.now.send_modify(|report| report.learned(point));
    }
}
