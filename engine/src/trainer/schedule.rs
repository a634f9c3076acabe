//! The loop around a model: epochs, validation, stopping early.

use std::borrow::Cow;

use super::Table;
use crate::{CurvePoint, Error, LearningCurve, Result, Work};

/// What is trained.
pub(crate) trait Learner {
    /// What is kept of it.
    type State;

    /// Goes through all pairs once; the mean loss.
    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64>;

    /// What would be kept of it now.
    fn state(&mut self) -> Result<Self::State>;

    /// The rows of users, then items, that a later training could begin from, beside the weights; `None`
    /// where there are no such rows.
    fn rows(&mut self) -> Result<Option<Cow<'_, Table>>> {
        Ok(None)
    }

    /// What is trained and belongs to no row, each in its place.
    fn weights(&mut self) -> Result<Vec<Cow<'_, Table>>> {
        Ok(Vec::new())
    }

    /// Gives these the numbers that an earlier training ended with.
    fn restore(&mut self, _earlier: &[Table]) -> Result<()> {
        Ok(())
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

/// An epoch, whose loss must be a number.
pub(crate) fn epoch<L: Learner>(learner: &mut L, epoch: usize, work: &Work) -> Result<f64> {
    let loss = learner.epoch(epoch, work)?;
    if loss.is_finite() { Ok(loss) } else { Err(Error::Diverged { epoch }) }
}

/// Trains until `recall` gains nothing any more; the best state.
pub(crate) fn train<L: Learner>(
    learner: &mut L,
    schedule: Schedule,
    recall: impl Fn(&L::State) -> f64,
    work: &Work,
) -> Result<(L::State, LearningCurve)> {
    let mut curve = LearningCurve::default();
    let mut best = learner.state()?;
    let mut most = recall(&best);
    let mut idle = 0;
    for at in 1..=schedule.epochs {
        work.step("epochs", at as u64 - 1, schedule.epochs as u64)?;
        let loss = epoch(learner, at, work)?;
        if at % schedule.every != 0 && at != schedule.epochs {
            continue;
        }
        let state = learner.state()?;
        let found = recall(&state);
        let epoch = at as u64;
        let point = CurvePoint { epoch, loss, recall: found };
        work.progress.learned(&point);
        curve.points.push(point);
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
