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

use super::comparisons::{CLIP, Comparing, Comparisons, DEBIAS, DENOISE};
use super::estimate::{MEMORY_LIMIT, within_limit};
use super::factors::{self, Factors};
use super::learning::{
    BATCH, EPOCHS, FACTORS, Learned, NEGATIVES, RETRAIN, Settings, UNLEARN, learning_rate,
    patience, regularization, validate_every,
};
use super::{Algorithm, Embeddings, Model};
use crate::options::Checked;
use crate::trainer::{Batch, Learner, LookUp, Table};
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
    let how = Comparing::new(&checked);
    let model = settings.learn(NAME, data, |data| Bpr::new(data, &settings, how), work)?;
    Ok(Box::new(Factors { options: checked.into_list(), ..model }))
}

struct Bpr<'a> {
    settings: &'a Settings,
    comparisons: Comparisons,
    users: usize,
    /// The p_u, then the q_i.
    base: LookUp,
    batch: Batch,
}

impl<'a> Bpr<'a> {
    fn new(data: &Dataset, settings: &'a Settings, how: Comparing) -> Bpr<'a> {
        let base = settings.drawn(data.n_users(), data.n_items());
        Bpr {
            settings,
            comparisons: Comparisons::new(data, settings, how),
            users: data.n_users(),
            batch: settings.room(base.rows()),
            base: LookUp::new(base, settings.rate),
        }
    }
}

impl Learner for Bpr<'_> {
    type State = Learned;

    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64> {
        let mut loss = 0.0;
        for part in self.comparisons.epoch(epoch) {
            work.check()?;
            let batch = &mut self.batch;
            batch.take(&part);
            self.base.forward(batch);
            loss += self.comparisons.compare(batch);
            batch.decay(self.settings.regularization / batch.triples.len() as f32);
            self.base.step(batch);
        }
        Ok(loss / self.comparisons.number as f64)
    }

    fn state(&mut self) -> Learned {
        Learned { factors: self.base.rows(self.users), sums: None }
    }

    fn base(&self) -> Option<&Table> {
        Some(self.base.values())
    }
}
