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

use pulp::Arch;

use super::estimate::{MEMORY_LIMIT, within_limit};
use super::factors::{self, Factors};
use super::file::Sections;
use super::learning::{
    BATCH, EPOCHS, FACTORS, Learned, NEGATIVES, RETRAIN, Settings, learning_rate, patience,
    regularization, validate_every,
};
use super::{Algorithm, Embeddings, Model};
use crate::options::Checked;
use crate::seeded::number;
use crate::trainer::{Adam, Batch, Learner, Table, Triples, pairwise};
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
        EPOCHS,
        validate_every(5),
        patience(10),
        RETRAIN,
        MEMORY_LIMIT,
    ],
    embeddings: Embeddings::Unused,
    fit,
    load,
    format: factors::FORMAT,
};

fn fit(
    data: &Dataset,
    _: &SideData,
    options: &ModelOptions,
    seed: u64,
    work: &Work,
) -> Result<Box<dyn Model>> {
    let checked = Checked::new(NAME, ALGORITHM.options, options)?;
    within_limit(NAME, data, options, &checked)?;
    let settings = Settings::new(&checked, seed);
    let model = settings.learn(NAME, data, |data| Bpr::new(data, &settings), work)?;
    Ok(Box::new(Factors { options: checked.into_list(), ..model }))
}

fn load(sections: &Sections) -> Result<Box<dyn Model>> {
    Ok(Box::new(Factors::read(NAME, sections)?))
}

struct Bpr<'a> {
    settings: &'a Settings,
    triples: Triples,
    users: usize,
    /// The p_u, then the q_i.
    base: Table,
    adam: Adam,
    batch: Batch,
}

impl<'a> Bpr<'a> {
    fn new(data: &Dataset, settings: &'a Settings) -> Bpr<'a> {
        let base = settings.drawn(data.n_users(), data.n_items());
        Bpr {
            settings,
            triples: Triples::new(data, settings.negatives, number(settings.seed, 2)),
            users: data.n_users(),
            adam: Adam::new(&base, settings.rate),
            batch: settings.room(base.rows()),
            base,
        }
    }
}

/// Copies the rows that a batch touches into it.
fn look_up(base: &mut Table, adam: &mut Adam, batch: &mut Batch) {
    Arch::new().dispatch(
        #[inline(always)]
        move || {
            // Taken by value: only a closure that can be called once is inlined for sure.
            let (base, adam, batch) = (base, adam, batch);
            for (at, node) in batch.nodes.iter().enumerate() {
                let row = base.row_mut(*node as usize);
                adam.catch_up(*node as usize, row);
                batch.values.row_mut(at).copy_from_slice(row);
            }
        },
    );
}

/// Moves the rows that a batch touches along their gradients.
fn step(base: &mut Table, adam: &mut Adam, batch: &mut Batch, cost: f32) {
    Arch::new().dispatch(
        #[inline(always)]
        move || {
            let (base, adam, batch) = (base, adam, batch);
            let step = adam.step();
            for (at, node) in batch.nodes.iter().enumerate() {
                let (decay, gradient) = (cost * batch.counts[at], batch.gradient.row_mut(at));
                let own = batch.values.row(at);
                gradient.iter_mut().zip(own).for_each(|(slope, value)| *slope += decay * value);
                adam.touch(step, *node as usize, base.row_mut(*node as usize), gradient);
            }
        },
    );
}

impl Learner for Bpr<'_> {
    type State = Learned;

    fn epoch(&mut self, epoch: usize, work: &Work) -> Result<f64> {
        let triples = self.triples.epoch(epoch);
        let mut loss = 0.0;
        for part in triples.chunks(self.settings.triples()) {
            work.check()?;
            self.batch.take(part);
            look_up(&mut self.base, &mut self.adam, &mut self.batch);
            loss += pairwise(&mut self.batch);
            let cost = self.settings.regularization / part.len() as f32;
            step(&mut self.base, &mut self.adam, &mut self.batch, cost);
        }
        Ok(loss / triples.len().max(1) as f64)
    }

    fn state(&mut self) -> Learned {
        let (dim, stride) = (self.base.dim(), self.base.stride());
        for node in self.users..self.base.rows() {
            self.adam.catch_up(node, self.base.row_mut(node));
        }
        let mut factors = Table::zeros(self.base.rows() - self.users, dim);
        factors.data_mut().copy_from_slice(&self.base.data()[self.users * stride..]);
        Learned { factors, sums: None }
    }
}
