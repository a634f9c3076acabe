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

use std::borrow::Cow;

use super::comparisons::{CLIP, Comparing, Comparisons, DEBIAS, DENOISE};
use super::estimate::{MEMORY_LIMIT, within_limit};
use super::factors::{self, Factors};
use super::learning::{
    self, BATCH, EPOCHS, Everywhere, FACTORS, Learned, NEGATIVES, RETRAIN, Settings, learning_rate,
    patience, regularization, validate_every,
};
use super::modalities::{MODALITIES, trained_on};
use super::{Algorithm, Embeddings, Model};
use crate::compute::Compute;
use crate::options::Checked;
use crate::seeded::number;
use crate::trainer::{Features, Learner, Linear, Table};
use crate::{Dataset, ModelOptions, Result, SideData, Work};

const NAME: &str = "vbpr";
/// The epochs of a refresh: with more it ranks worse.
const MORE: usize = 3;

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
    let settings = Settings::new(&checked, seed);
    let weights = [Linear::shape(features.dim(), settings.factors)];
    let settings = settings.continuing_with(side, data, 2, &weights).going_on_for(MORE);
    let given = Given::new(&checked, settings, features);
    let model = given.settings.learn_there(NAME, data, &given, work)?;
    Ok(Box::new(Factors { options: checked.into_list(), ..model }))
}

/// What both trainings start from.
pub(super) struct Given {
    settings: Settings,
    how: Comparing,
    features: Features,
}

impl Given {
    pub(super) fn new(checked: &Checked, settings: Settings, features: Features) -> Given {
        Given { settings, how: Comparing::new(checked), features }
    }
}

impl Everywhere for Given {
    fn learner<'a, C: Compute>(
        &'a self,
        compute: C,
        data: &Dataset,
    ) -> Result<impl Learner<State = Learned> + use<'a, C>> {
        Vbpr::new(compute, data, self)
    }
}

struct Vbpr<'a, C: Compute> {
    compute: C,
    settings: &'a Settings,
    comparisons: Comparisons,
    users: usize,
    /// The items that somebody had.
    had: Vec<bool>,
    /// The p_u, then the [q_i | 0].
    base: C::LookUp,
    batch: C::Batch,
    /// W.
    content: C::Map<'a>,
}

impl<'a, C: Compute> Vbpr<'a, C> {
    fn new(compute: C, data: &Dataset, given: &'a Given) -> Result<Vbpr<'a, C>> {
        let settings = &given.settings;
        let (users, items, half) = (data.n_users(), data.n_items(), settings.factors);
        let base = match settings.begun(users + items) {
            Some(begun) => {
                let mut base = begun.clone();
                (users..users + items).for_each(|item| base.row_mut(item)[half..].fill(0.0));
                base
            }
            None => drawn(settings, users, items),
        };
        let (rate, seed) = (settings.rate, number(settings.seed, 4));
        Ok(Vbpr {
            compute,
            comparisons: Comparisons::new(data, settings, given.how),
            users,
            had: (0..items).map(|item| data.by_item.degree(item) > 0).collect(),
            batch: compute.batch(base.rows(), base.dim())?,
            base: compute.look_up(base, rate)?,
            content: compute.map(&given.features, users, half, rate, seed)?,
            settings,
        })
    }
}

/// The p_u, then the [q_i | 0], before anything is learned.
fn drawn(settings: &Settings, users: usize, items: usize) -> Table {
    let half = settings.factors;
    let (mut base, drawn) = (Table::zeros(users + items, 2 * half), settings.drawn(users, items));
    for item in users..users + items {
        base.row_mut(item)[..half].copy_from_slice(&drawn.row(item)[..half]);
    }
    base.draw(0..users, (6.0 / (users + 2 * half) as f32).sqrt(), number(settings.seed, 3));
    base
}

impl<C: Compute> Learner for Vbpr<'_, C> {
    type State = Learned;

    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64> {
        let (compute, batch, content) = (self.compute, &mut self.batch, &mut self.content);
        let half = self.settings.factors;
        let mut loss = compute.no_loss()?;
        for part in self.comparisons.epoch(epoch) {
            work.check()?;
            compute.take(batch, &part)?;
            compute.look(&mut self.base, batch)?;
            // The second half of an item is W x_i, and trains W.
            compute.apply(content, batch)?;
            compute.put(content, batch, half)?;
            self.comparisons.compare(compute, batch, &mut loss)?;
            compute.decay(batch, self.settings.regularization)?;
            compute.take_out(content, batch, half)?;
            compute.step_touched(&mut self.base, batch)?;
            compute.step_map(content)?;
        }
        Ok(compute.sum(loss)? / self.comparisons.number as f64)
    }

    fn state(&mut self) -> Result<Learned> {
        let half = self.settings.factors;
        let mut factors = self.compute.up_to_date(&mut self.base, self.users)?;
        let content = self.compute.mapped(&self.content)?;
        for (item, had) in self.had.iter().enumerate() {
            let row = factors.row_mut(item);
            if !had {
                row.fill(0.0);
            }
            row[half..2 * half].copy_from_slice(&content.row(item)[..half]);
        }
        Ok(Learned { factors, sums: None })
    }

    fn rows(&mut self) -> Result<Option<Cow<'_, Table>>> {
        // With the second half of the items, which is what people's is made of again.
        let mut rows = self.compute.left(&self.base)?.into_owned();
        let (half, content) = (self.settings.factors, self.compute.mapped(&self.content)?);
        for item in 0..content.rows() {
            let to = &mut rows.row_mut(self.users + item)[half..2 * half];
            to.copy_from_slice(&content.row(item)[..half]);
        }
        Ok(Some(Cow::Owned(rows)))
    }

    fn weights(&mut self) -> Result<Vec<Cow<'_, Table>>> {
        learning::read(self.compute, vec![self.compute.weights_of_map(&mut self.content)])
    }

    fn restore(&mut self, earlier: &[Table]) -> Result<()> {
        let weights = vec![self.compute.weights_of_map(&mut self.content)];
        learning::restore(self.compute, weights, earlier)
    }
}
