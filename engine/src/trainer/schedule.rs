//! The loop around a model: epochs, validation, stopping early.

use std::fmt::Write;

use super::Table;
use crate::{Result, Work};

/// What is trained.
pub(crate) trait Learner {
    /// What is kept of it.
    type State;

    /// Goes through all pairs once; the mean loss.
    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64>;

    /// What would be kept of it now.
    fn state(&mut self) -> Self::State;

    /// The rows of users, then items, that a later training could begin from; `None` where there is
    /// more to it than those.
    fn base(&self) -> Option<&Table> {
        None
    }
}

/// When to look and when to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// Epochs at most.
    pub(crate) epochs: usize,
    /// Epochs between two validations.
    pub(crate) every: usize,
    /// Validations without gain before it stops.
    pub(crate) patience: usize,
}

/// How a training went.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Curve {
    /// Epoch, mean loss and recall@20 of each validation.
    pub(crate) points: Vec<(usize, f64, f64)>,
    /// The epoch that was best; 0 without any.
    pub(crate) best: usize,
}

impl Curve {
    /// Each point in a few characters: `10 .5312 .0721`, the best one marked.
    pub(crate) fn line(&self) -> String {
        let width = self.points.len().div_ceil(POINTS).max(1);
        let mut text = String::from("epoch, loss, recall@20:");
        for (at, (epoch, loss, recall)) in self.points.iter().enumerate() {
            let best = *epoch == self.best;
            if best || at % width == 0 || at + 1 == self.points.len() {
                let mark = if best { " best" } else { "" };
                let _ = write!(text, " {epoch} {loss:.4} {recall:.4}{mark};");
            }
        }
        text.trim_end_matches(';').to_owned()
    }
}

/// Points of a curve that are told, about.
const POINTS: usize = 24;

/// Trains until `recall` gains nothing any more; the best state.
pub(crate) fn train<L: Learner>(
    learner: &mut L,
    schedule: Schedule,
    recall: impl Fn(&L::State) -> f64,
    work: &Work,
) -> Result<(L::State, Curve)> {
    let mut curve = Curve::default();
    let mut best = learner.state();
    let mut most = recall(&best);
    let mut idle = 0;
    for epoch in 1..=schedule.epochs {
        work.step("epochs", epoch as u64 - 1, schedule.epochs as u64)?;
        let loss = learner.epoch(epoch, work)?;
        if epoch % schedule.every != 0 && epoch != schedule.epochs {
            continue;
        }
        let state = learner.state();
        let found = recall(&state);
        curve.points.push((epoch, loss, found));
        if found > most {
            (most, best, curve.best, idle) = (found, state, epoch, 0);
        } else {
            idle += 1;
            if idle >= schedule.patience {
                break;
            }
        }
    }
    work.step("epochs", schedule.epochs as u64, schedule.epochs as u64)?;
    Ok((best, curve))
}
