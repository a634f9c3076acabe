//! What is told of a job: where it is, how far, what came of it, and the learning curve as it grows.

use serde::Serialize;
use serde_json::Value as Json;
use tastedb::CurvePoint;
use utoipa::ToSchema;

/// Points of a curve that are told. Where there are more, every second one is left out, as often as it takes.
const POINTS: usize = 240;
/// Letters of a statement that are told.
const LONGEST: usize = 4000;

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

/// One validation of a training by gradients.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Point {
    /// The epochs that were over, from 1.
    pub(crate) epoch: u64,
    /// The mean loss of the last of them; null where it is no number.
    pub(crate) loss: Option<f64>,
    /// The recall@20 of the pairs that are hidden from it.
    pub(crate) recall: f64,
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
    /// A remark, or nothing.
    pub(crate) note: String,
    /// The learning curve so far, of a training that has one.
    pub(crate) curve: Vec<Point>,
    /// Seconds since it began to run.
    pub(crate) seconds: f64,
    /// What came of it: tag, rows, notices.
    #[schema(value_type = Option<Object>)]
    pub(crate) result: Option<Json>,
    /// Why it failed, as a problem document.
    #[schema(value_type = Option<Object>)]
    pub(crate) error: Option<Json>,
}

impl Report {
    /// A job that is to run.
    pub(super) fn new(id: u64, kind: &'static str, statement: &str, account: &str) -> Report {
        let mut told: String = statement.chars().take(LONGEST).collect();
        if told.len() < statement.len() {
            told.push('…');
        }
        Report {
            id,
            kind,
            statement: told,
            account: account.to_owned(),
            state: State::Queued,
            stage: String::new(),
            done: 0,
            total: 0,
            note: String::new(),
            curve: Vec::new(),
            seconds: 0.0,
            result: None,
            error: None,
        }
    }

    /// Adds a validation to the curve. One of an epoch that was before belongs to another training of the same
    /// job, whose curve begins.
    pub(super) fn learned(&mut self, point: &CurvePoint) {
        if self.curve.last().is_some_and(|last| last.epoch >= point.epoch) {
            self.curve.clear();
        }
        if self.curve.len() >= POINTS {
            let mut at = 0;
            self.curve.retain(|_| {
                at += 1;
                at % 2 == 1
            });
        }
        let CurvePoint { epoch, loss, recall } = *point;
        self.curve.push(Point { epoch, loss: loss.is_finite().then_some(loss), recall });
    }
}

#[cfg(test)]
mod tests {
    use tastedb::CurvePoint;

    use super::{POINTS, Report};

    #[test]
    fn a_curve_is_bounded_and_keeps_its_beginning_and_end() {
        let mut report = Report::new(1, "TRAIN MODEL", "TRAIN MODEL a", "ann");
        for epoch in 1..=1000 {
            report.learned(&CurvePoint { epoch, loss: 0.5, recall: 0.1 });
        }
        let epochs: Vec<u64> = report.curve.iter().map(|point| point.epoch).collect();
        assert!(epochs.len() <= POINTS && epochs.is_sorted(), "{epochs:?}");
        assert_eq!((epochs.first(), epochs.last()), (Some(&1), Some(&1000)));
        report.learned(&CurvePoint { epoch: 5, loss: 0.5, recall: 0.1 });
        assert_eq!(report.curve.len(), 1, "another training begins");
    }

    #[test]
    fn a_long_statement_is_told_in_part() {
        let report = Report::new(1, "EVALUATE", &"ä".repeat(5000), "ann");
        assert_eq!(report.statement.chars().count(), 4001);
    }
}
