//! `bpr`: vectors of people and items, learned by comparing what people had with what not.
//!
//! ```text
//! L = mean −ln σ(⟨p_u, q_i⟩ − ⟨p_u, q_j⟩) + λ/2 · mean (|p_u|² + |q_i|² + |q_j|²)
//! ```
//!
//! Rendle et al. 2009, with Adam and the sampling of MMRec: each pair once an epoch, with one item
//! drawn evenly from those that anybody had and the user had not. The regularisation is squared, not
//! the plain norm of MMRec. A step costs what its batch touches. The p_u are not kept: a person is
//! the sum of the q_i of a history, or ridge on them, whichever finds more of what was hidden.

use std::borrow::Cow;

use super::comparisons::{CLIP, Comparing, Comparisons, DEBIAS, DENOISE};
use super::estimate::{MEMORY_LIMIT, within_limit};
use super::factors::{self, Factors};
use super::learning::{
    BATCH, EPOCHS, Everywhere, FACTORS, Learned, NEGATIVES, RETRAIN, Settings, UNLEARN,
    learning_rate, patience, regularization, validate_every,
};
use super::{Algorithm, Embeddings, Model};
use crate::compute::Compute;
use crate::options::Checked;
use crate::trainer::{Learner, Table};
use crate::{Dataset, ModelOptions, Result, SideData, Work};

const NAME: &str = "bpr";

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: NAME,
    summary: "vectors of people and items, learned by comparing what people had with what not",
    options: &[
        FACTORS,
        learning_rate(1e-3),
        regularization(0.1),
        BATCH,
        NEGATIVES,
        DENOISE,
        DEBIAS,
        CLIP,
        EPOCHS,
        validate_every(5),
        patience(10),
        RETRAIN,
        UNLEARN,
        MEMORY_LIMIT,
    ],
    embeddings: Embeddings::Unused,
    fit,
    load: factors::load,
    format: factors::FORMAT,
};

fn fit(
    data: &Dataset,
    side: &SideData,
    options: &ModelOptions,
    seed: u64,
    work: &Work,
) -> Result<Box<dyn Model>> {
    let checked = Checked::new(NAME, ALGORITHM.options, options)?;
    within_limit(NAME, data, side, options, &checked)?;
    let settings = Settings::new(&checked, seed).continuing(side, data);
    let given = Given::new(&checked, settings);
    let model = given.settings.learn_there(NAME, data, &given, work)?;
    Ok(Box::new(Factors { options: checked.into_list(), ..model }))
}

/// What both trainings start from.
pub(super) struct Given {
    settings: Settings,
    how: Comparing,
}

impl Given {
    pub(super) fn new(checked: &Checked, settings: Settings) -> Given {
        Given { settings, how: Comparing::new(checked) }
    }
}

impl Everywhere for Given {
    fn learner<'a, C: Compute>(
        &'a self,
        compute: C,
        data: &Dataset,
    ) -> Result<impl Learner<State = Learned> + use<'a, C>> {
        Bpr::new(compute, data, self)
    }
}

struct Bpr<'a, C: Compute> {
    compute: C,
    settings: &'a Settings,
    comparisons: Comparisons,
    users: usize,
    /// The p_u, then the q_i.
    base: C::LookUp,
    batch: C::Batch,
}

impl<'a, C: Compute> Bpr<'a, C> {
    fn new(compute: C, data: &Dataset, given: &'a Given) -> Result<Bpr<'a, C>> {
        let (settings, users) = (&given.settings, data.n_users());
        let base = settings.drawn(users, data.n_items());
        Ok(Bpr {
            compute,
            comparisons: Comparisons::new(data, settings, given.how),
            users,
            batch: compute.batch(base.rows(), settings.factors)?,
            base: compute.look_up(base, settings.rate)?,
            settings,
        })
    }
}

impl<C: Compute> Learner for Bpr<'_, C> {
    type State = Learned;

    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64> {
        let (compute, batch) = (self.compute, &mut self.batch);
        let mut loss = compute.no_loss()?;
        for part in self.comparisons.epoch(epoch) {
            work.check()?;
            compute.take(batch, &part)?;
            compute.look(&mut self.base, batch)?;
            self.comparisons.compare(compute, batch, &mut loss)?;
            compute.decay(batch, self.settings.regularization)?;
            compute.step_touched(&mut self.base, batch)?;
        }
        Ok(compute.sum(loss)? / self.comparisons.number as f64)
    }

    fn state(&mut self) -> Result<Learned> {
        let factors = self.compute.up_to_date(&mut self.base, self.users)?;
        Ok(Learned { factors, sums: None })
    }

    fn rows(&mut self) -> Result<Option<Cow<'_, Table>>> {
        self.compute.left(&self.base).map(Some)
    }
}
