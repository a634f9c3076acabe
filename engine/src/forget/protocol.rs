//! How well a model forgets, measured: before, unlearned, and trained without (the gold standard).
//!
//! The protocol is that of MMRecUn (Sinha et al. 2024), with what a database can add. A part of the
//! pairs is hidden from all three models to validate on; of the rest, users, items or pairs are
//! drawn to be forgotten. Then the model is fitted on all, corrected as answers are from the deletion on
//! where it can be, made to unlearn by the very call that a vacuum makes, and fitted on what is left.
//! Reported for each: recall of what was forgotten, of the test set and of the validation set for whom
//! is left, the membership AUC of what was forgotten, and seconds, without those for reading and writing.
//!
//! A forgotten user is asked about as somebody who comes with half of that history: how much of the
//! other half is found? An item that was forgotten is not in the catalogue, so nobody finds it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tastedb_storage::{ItemId, UserId};

use super::membership::{Popularity, Probe, exposure};
use super::ticket::Scope;
use crate::dataset::{Dataset, Pair, UNKNOWN_TIME};
use crate::error::{Error, Result};
use crate::evaluate::{Case, Metric, Task, evaluate};
use crate::history::SideData;
use crate::model::{self, Changed, Model, News, TakenOut};
use crate::options::ModelOptions;
use crate::progress::Work;
use crate::refresh::few;
use crate::seeded::{fraction, number};

/// One pair in so many is hidden to validate on, of users with enough.
const VALIDATION: f32 = 1.0 / 20.0;
const ENOUGH: usize = 5;
/// Pairs whose membership is asked about, at most.
const PROBES: usize = 1_000;

/// How much is forgotten.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// A part of all, in 0..1.
    Share(f64),
    /// So many.
    Count(usize),
}

/// What to measure, on data that is in memory.
#[derive(Clone, Copy, Debug)]
pub struct Protocol<'a> {
    /// The algorithm and its options.
    pub algorithm: &'a str,
    /// See `algorithm`.
    pub options: &'a ModelOptions,
    /// The pairs to learn from, without those of the test set.
    pub data: &'a Dataset,
    /// The test set: items by user.
    pub test: &'a BTreeMap<UserId, Vec<ItemId>>,
    /// What is known about the items beside.
    pub side: &'a SideData,
    /// What is forgotten.
    pub scope: Scope,
    /// How much of it.
    pub amount: Amount,
    /// The length of the lists that recall looks at.
    pub k: usize,
    /// Seed of every draw and every fit.
    pub seed: u64,
}

/// A model at one stage.
#[derive(Clone, Debug, PartialEq)]
pub struct ForgettingStage {
    /// `before`, `corrected`, `unlearned` or `retrained`.
    pub stage: &'static str,
    /// What was done.
    pub how: String,
    /// Recall of what was forgotten; `None` where nobody could be asked.
    pub forget: Option<f64>,
    /// Recall of the test set, of whom is left.
    pub test: Option<f64>,
    /// Recall of the validation set, of whom is left.
    pub validation: Option<f64>,
    /// The chance that a forgotten pair is scored above a pair that never was, as popular.
    pub membership: Option<f64>,
    /// How long it took.
    pub seconds: f64,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct ForgettingReport {
    /// Before, corrected where the model can be, unlearned, retrained.
    pub stages: Vec<ForgettingStage>,
    /// What was forgotten, in numbers: users or items, where these were drawn, and pairs.
    pub forgotten: (u64, u64),
    /// The pairs that were left.
    pub retained: u64,
}

/// Runs the protocol.
pub fn measure_forgetting(protocol: &Protocol<'_>, work: &Work) -> Result<ForgettingReport> {
    let parts = Parts::draw(protocol)?;
    let Protocol { algorithm, options, side, seed, .. } = *protocol;
    let without = parts.side(protocol);

    let start = Instant::now();
    let before = model::fit(algorithm, &parts.whole, side, options, seed, work)?;
    let seconds = start.elapsed().as_secs_f64();
    let how = "trained on everything".to_owned();
    let first = parts.stage(protocol, "before", how, before.as_ref(), side, seconds, work)?;

    let mut stages = vec![first];

    let changed = Changed::between(&parts.whole, &parts.retain);
    let gone: Vec<ItemId> = parts.gone.iter().copied().collect();
    let start = Instant::now();
    let corrected = before.without(&TakenOut { changed: &changed, gone: &gone });
    let seconds = start.elapsed().as_secs_f64();
    if let Some(model) = corrected {
        let how = "answers as if trained on what is left".to_owned();
        let model = model.as_ref();
        stages.push(parts.stage(protocol, "corrected", how, model, &without, seconds, work)?);
    }

    let of_use = few(changed.len(), parts.whole.n_users() as u64) || before.undoes();
    let changed = of_use.then_some(changed);
    let data = Mutex::new(Some(parts.retain.clone()));
    let news = News::new(parts.retain.items.clone(), &without, changed, || {
        let data = data.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(data.unwrap_or_else(|| parts.retain.clone()))
    });
    let start = Instant::now();
    let unlearned = model::unlearn(before.as_ref(), &news, seed, work)?;
    let seconds = start.elapsed().as_secs_f64();
    drop(before);
    let model = unlearned.model.as_ref();
    let how = unlearned.how;
    stages.push(parts.stage(protocol, "unlearned", how, model, &without, seconds, work)?);
    drop(unlearned.model);

    let start = Instant::now();
    let gold = model::fit(algorithm, &parts.retain, &without, options, seed, work)?;
    let seconds = start.elapsed().as_secs_f64();
    let how = "trained on what is left".to_owned();
    let gold = gold.as_ref();
    stages.push(parts.stage(protocol, "retrained", how, gold, &without, seconds, work)?);
    Ok(ForgettingReport {
        stages,
        forgotten: (parts.subjects, parts.forgotten.len() as u64),
        retained: parts.retain.n_pairs() as u64,
    })
}

/// The data in its parts.
struct Parts {
    whole: Dataset,
    retain: Dataset,
    validation: BTreeMap<UserId, Vec<ItemId>>,
    /// The forgotten pairs, by user, each ascending by item.
    forgotten: BTreeSet<(UserId, ItemId)>,
    /// Users or items that were drawn.
    subjects: u64,
    gone: BTreeSet<ItemId>,
}

/// Every pair of a dataset.
fn pairs(data: &Dataset) -> impl Iterator<Item = Pair> {
    data.users.iter().enumerate().flat_map(move |(row, user)| {
        let (items, weights) = data.by_user.row(row);
        let range = data.by_user.range(row);
        items.iter().zip(weights).zip(range).map(move |((item, weight), at)| {
            let time = data.times.as_ref().map(|times| times[at]);
            let time = time.filter(|time| *time != UNKNOWN_TIME);
            (*user, data.items[*item as usize], *weight, time)
        })
    })
}

/// The first of some things in a random order.
fn drawn<T: Ord + Copy>(all: &[T], amount: Amount, key: impl Fn(&T) -> u64) -> BTreeSet<T> {
    let number = match amount {
        Amount::Share(share) => (share * all.len() as f64).round() as usize,
        Amount::Count(count) => count,
    };
    let mut order: Vec<(u64, T)> = all.iter().map(|it| (key(it), *it)).collect();
    order.sort_unstable();
    order.into_iter().take(number.max(1)).map(|(_, it)| it).collect()
}

impl Parts {
    fn draw(protocol: &Protocol<'_>) -> Result<Parts> {
        let Protocol { data, scope, amount, seed, .. } = *protocol;
        let of = |about: u64, user: UserId, item: ItemId| {
            number(number(number(seed, about), user.0), item.0)
        };
        let mut validation: BTreeMap<UserId, Vec<ItemId>> = BTreeMap::new();
        let mut known = Vec::with_capacity(data.n_pairs());
        for pair in pairs(data) {
            let (user, item, weight, _) = pair;
            let row = data.user_row(user).unwrap_or_default();
            let enough = data.by_user.degree(row as usize) >= ENOUGH && weight > 0.0;
            if enough && fraction(of(1, user, item), 0) < VALIDATION {
                validation.entry(user).or_default().push(item);
            } else {
                known.push(pair);
            }
        }
        let whole = Dataset::build(data.items.clone(), known)?;
        let (mut forgotten, mut gone) = (BTreeSet::new(), BTreeSet::new());
        let mut subjects = 0;
        let every = || pairs(&whole).map(|(user, item, ..)| (user, item));
        match scope {
            Scope::User => {
                let users = drawn(&whole.users, amount, |user| number(number(seed, 2), user.0));
                subjects = users.len() as u64;
                forgotten.extend(every().filter(|(user, _)| users.contains(user)));
            }
            Scope::Item => {
                let had = |row: &usize| whole.by_item.degree(*row) > 0;
                let items = (0..whole.n_items()).filter(had).map(|row| whole.items[row]);
                let items: Vec<ItemId> = items.collect();
                gone = drawn(&items, amount, |item| number(number(seed, 2), item.0));
                subjects = gone.len() as u64;
                forgotten.extend(every().filter(|(_, item)| gone.contains(item)));
            }
            Scope::Modality | Scope::Attribute | Scope::InteractionAttribute => {
                let what = "measuring how values are forgotten";
                return Err(Error::NotSupported { what });
            }
            Scope::Interactions => {
                let all: Vec<(UserId, ItemId)> = every().collect();
                forgotten = drawn(&all, amount, |(user, item)| of(2, *user, *item));
            }
        }
        let left = pairs(&whole).filter(|(user, item, ..)| !forgotten.contains(&(*user, *item)));
        let items = data.items.iter().copied().filter(|item| !gone.contains(item)).collect();
        let retain = Dataset::build(items, left)?;
        if retain.n_pairs() == 0 || forgotten.is_empty() {
            return Err(Error::NothingHeldOut);
        }
        Ok(Parts { whole, retain, validation, forgotten, subjects, gone })
    }

    /// What is known about the items that are left.
    fn side(&self, protocol: &Protocol<'_>) -> SideData {
        let mut side = protocol.side.clone();
        if !self.gone.is_empty() {
            // A kept graph knows the items that are gone, and was built with their mean.
            side.graphs = None;
            for matrix in side.embeddings.values_mut() {
                let mut left = matrix.as_ref().clone();
                // Nothing can be wrong with a vector that is not there.
                drop(left.apply(self.gone.iter().map(|item| (*item, None))));
                *matrix = left.into();
            }
        }
        side
    }

    #[expect(clippy::too_many_arguments, reason = "a stage is told whole, by one caller")]
    fn stage(
        &self,
        protocol: &Protocol<'_>,
        stage: &'static str,
        how: String,
        model: &dyn Model,
        side: &SideData,
        seconds: f64,
        work: &Work,
    ) -> Result<ForgettingStage> {
        let items = if stage == "before" { &self.whole.items } else { &self.retain.items };
        let model_on = model::on_catalogue(model, items, side);
        let recall = |cases: Vec<Case>| -> Result<Option<f64>> {
            if cases.is_empty() {
                return Ok(None);
            }
            let task = Task { items, among: None, cases: &cases, groups: &[], side: Some(side) };
            let metric = Metric::Recall(protocol.k);
            Ok(evaluate(&[model_on.as_ref()], &task, &[metric], work)?.value(0, metric))
        };
        let forget = match (protocol.scope, stage) {
            // What is not in the catalogue is not found.
            (Scope::Item, stage) if stage != "before" => Some(0.0),
            _ => recall(self.forgotten_cases(protocol, items))?,
        };
        let test = recall(self.left_cases(protocol.test, items))?;
        let validation = recall(self.left_cases(&self.validation, items))?;
        let nobody = model.is_live() || protocol.scope == Scope::Item && stage != "before";
        let membership = match nobody {
            true => None,
            false => exposure(model, &self.probes(protocol), work)?.map(|told| told.auc),
        };
        Ok(ForgettingStage { stage, how, forget, test, validation, membership, seconds })
    }

    /// Whoever is left, asked about what was hidden of them.
    fn left_cases(&self, hidden: &BTreeMap<UserId, Vec<ItemId>>, items: &[ItemId]) -> Vec<Case> {
        let cases = hidden.iter().filter_map(|(user, hidden)| {
            let history = history(&self.retain, *user, items)?;
            case(history, hidden, items)
        });
        cases.collect()
    }

    /// What was forgotten, asked for.
    fn forgotten_cases(&self, protocol: &Protocol<'_>, items: &[ItemId]) -> Vec<Case> {
        let mut by_user: BTreeMap<UserId, Vec<ItemId>> = BTreeMap::new();
        for (user, item) in &self.forgotten {
            by_user.entry(*user).or_default().push(*item);
        }
        let cases = by_user.iter().filter_map(|(user, own)| {
            if protocol.scope != Scope::User {
                return case(history(&self.retain, *user, items)?, own, items);
            }
            let mut order = own.clone();
            let seed = number(number(protocol.seed, 3), user.0);
            order.sort_unstable_by_key(|item| number(seed, item.0));
            let (kept, asked) = order.split_at(order.len() / 2);
            let whole = history(&self.whole, *user, items)?;
            let kept: BTreeSet<ItemId> = kept.iter().copied().collect();
            let history: Vec<(u32, f32)> =
                whole.into_iter().filter(|(row, _)| kept.contains(&items[*row as usize])).collect();
            case(Some(history).filter(|history| !history.is_empty())?, asked, items)
        });
        cases.collect()
    }

    /// Questions about the membership of what was forgotten.
    fn probes(&self, protocol: &Protocol<'_>) -> Vec<Probe> {
        let degrees = (0..self.whole.n_items()).map(|row| self.whole.by_item.degree(row) as u32);
        let popularity = Popularity::new(self.whole.items.iter().copied().zip(degrees));
        let seed = number(protocol.seed, 4);
        let mut order: Vec<(u64, UserId, ItemId)> = self
            .forgotten
            .iter()
            .map(|(user, item)| (number(number(seed, user.0), item.0), *user, *item))
            .collect();
        order.sort_unstable();
        let probes = order.into_iter().filter_map(|(_, user, item)| {
            let row = self.whole.user_row(user)? as usize;
            let (items, weights) = self.whole.by_user.row(row);
            let own = items.iter().map(|row| self.whole.items[*row as usize]);
            let all: BTreeMap<ItemId, f32> = own.zip(weights.iter().copied()).collect();
            let hidden = [&self.validation, protocol.test].map(|hidden| hidden.get(&user));
            let strange = |other: ItemId| {
                let known = hidden.iter().flatten().any(|items| items.contains(&other));
                !known && !all.contains_key(&other)
            };
            let count = self.whole.by_item.degree(self.whole.item_row(item)? as usize) as u32;
            let others = popularity.near(count, strange);
            let history = all.iter().filter(|(of, _)| **of != item);
            let history: Vec<(ItemId, f32)> = history.map(|(of, w)| (*of, *w)).collect();
            (!history.is_empty()).then_some(Probe { history, item, others })
        });
        probes.take(PROBES).collect()
    }
}

/// The history of a user in the rows of a catalogue; `None` where it is empty.
fn history(data: &Dataset, user: UserId, items: &[ItemId]) -> Option<Vec<(u32, f32)>> {
    let (rows, weights) = data.by_user.row(data.user_row(user)? as usize);
    let place = |row: &u32| items.binary_search(&data.items[*row as usize]).ok();
    let entries = rows.iter().zip(weights);
    let entries = entries.filter_map(|(row, weight)| Some((place(row)? as u32, *weight)));
    Some(entries.collect()).filter(|history: &Vec<_>| !history.is_empty())
}

/// Somebody to ask about some items; `None` where the catalogue has none of them.
fn case(history: Vec<(u32, f32)>, asked: &[ItemId], items: &[ItemId]) -> Option<Case> {
    let rows = asked.iter().filter_map(|item| items.binary_search(item).ok());
    let mut held_out: Vec<u32> = rows.map(|row| row as u32).collect();
    held_out.sort_unstable();
    held_out.dedup();
    (!held_out.is_empty()).then_some(Case { history, held_out, group: None })
}

#[cfg(test)]
mod tests;
