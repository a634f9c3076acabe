//! `vbpr`: vectors of people and items, of which a part of an item's comes from its embeddings.
//!
//! ```text
//! f_i = [q_i | W x_i]     x_i: the embeddings of the item, side by side
//! L = mean −ln σ(⟨p_u, f_i⟩ − ⟨p_u, f_j⟩) + λ/2 · mean (|p_u|² + |f_i|² + |f_j|²)
//! ```
//!
//! He and McAuley 2016, in the form of MMRec, without the bias that embeddings have there. Embeddings
//! are centred and of length one. An item that nobody had is W x_i alone, and is served by it. As for
//! `bpr`, the p_u are not kept.

use super::comparisons::{CLIP, Comparing, Comparisons, DEBIAS, DENOISE};
use super::estimate::{MEMORY_LIMIT, within_limit};
use super::factors::{self, Factors};
use super::learning::{
    BATCH, EPOCHS, FACTORS, Learned, NEGATIVES, RETRAIN, Settings, learning_rate, patience,
    regularization, validate_every,
};
use super::modalities::{MODALITIES, trained_on};
use super::{Algorithm, Embeddings, Model};
use crate::compute::Native;
use crate::options::Checked;
use crate::seeded::number;
use crate::trainer::{Batch, Features, Learner, LookUp, Projector, Table};
use crate::{Dataset, ModelOptions, Result, SideData, Work};

const NAME: &str = "vbpr";

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: NAME,
    summary: "vectors learned by comparing items, in part from the items' embeddings",
    options: &[
        MODALITIES,
        FACTORS,
        learning_rate(2e-3),
        regularization(0.1),
        BATCH,
        NEGATIVES,
        DENOISE,
        DEBIAS,
        CLIP,
        EPOCHS,
        validate_every(5),
        patience(5),
        RETRAIN,
        MEMORY_LIMIT,
    ],
    embeddings: Embeddings::InTraining,
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
    let without = "the items have no embeddings; `bpr` needs none";
    let modalities = trained_on(NAME, &checked, data, side, without)?;
    let matrices: Vec<_> = modalities.iter().map(|(matrix, _)| *matrix).collect();
    let features = Features::new(&matrices, &data.items);
    let (settings, how) = (Settings::new(&checked, seed), Comparing::new(&checked));
    let learner = |data: &Dataset| Ok(Vbpr::new(data, &settings, how, &features));
    let model = settings.learn(NAME, data, learner, work)?;
    Ok(Box::new(Factors { options: checked.into_list(), ..model }))
}

struct Vbpr<'a> {
    settings: &'a Settings,
    comparisons: Comparisons,
    users: usize,
    /// The items that somebody had.
    had: Vec<bool>,
    /// The p_u, then the [q_i | 0].
    base: LookUp,
    batch: Batch,
    /// W.
    content: Projector<'a>,
}

impl<'a> Vbpr<'a> {
    fn new(
        data: &Dataset,
        settings: &'a Settings,
        how: Comparing,
        features: &'a Features,
    ) -> Vbpr<'a> {
        let (users, items, half) = (data.n_users(), data.n_items(), settings.factors);
        let (mut base, drawn) =
            (Table::zeros(users + items, 2 * half), settings.drawn(users, items));
        for item in users..users + items {
            base.row_mut(item)[..half].copy_from_slice(&drawn.row(item)[..half]);
        }
        base.draw(0..users, (6.0 / (users + 2 * half) as f32).sqrt(), number(settings.seed, 3));
        let (rate, seed) = (settings.rate, number(settings.seed, 4));
        Vbpr {
            settings,
            comparisons: Comparisons::new(data, settings, how),
            users,
            had: (0..items).map(|item| data.by_item.degree(item) > 0).collect(),
            batch: Batch::new(base.rows(), base.dim()),
            base: LookUp::new(base, rate),
            content: Projector::new(features, users, half, rate, seed),
        }
    }

    /// Completes the items of the batch by W x_i.
    fn complete(&mut self) {
        let (half, batch) = (self.settings.factors, &mut self.batch);
        self.content.forward(batch);
        for (at, node) in batch.nodes.iter().enumerate() {
            if self.content.has(*node) {
                let to = &mut batch.values.row_mut(at)[half..2 * half];
                to.copy_from_slice(&self.content.values.row(at)[..half]);
            }
        }
    }

    /// Takes the gradient of the W x_i out of that of the items.
    fn take_out(&mut self) {
        let (half, batch) = (self.settings.factors, &mut self.batch);
        for (at, node) in batch.nodes.iter().enumerate() {
            if self.content.has(*node) {
                let from = &mut batch.gradient.row_mut(at)[half..2 * half];
                self.content.gradient.row_mut(at)[..half].copy_from_slice(from);
                from.fill(0.0);
            }
        }
    }
}

impl Learner for Vbpr<'_> {
    type State = Learned;

    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64> {
        let mut loss = 0.0;
        for part in self.comparisons.epoch(epoch) {
            work.check()?;
            self.batch.take(&part);
            self.base.forward(&mut self.batch);
            self.complete();
            self.comparisons.compare(Native, &mut self.batch, &mut loss)?;
            self.batch.decay(self.settings.regularization / self.batch.triples.len() as f32);
            self.take_out();
            self.base.step(&self.batch);
            self.content.step(&self.batch);
        }
        Ok(loss / self.comparisons.number as f64)
    }

    fn state(&mut self) -> Result<Learned> {
        let half = self.settings.factors;
        let mut factors = self.base.rows(self.users);
        let content = self.content.all();
        for (item, had) in self.had.iter().enumerate() {
            let row = factors.row_mut(item);
            if !had {
                row.fill(0.0);
            }
            row[half..2 * half].copy_from_slice(&content.row(item)[..half]);
        }
        Ok(Learned { factors, sums: None })
    }
}
