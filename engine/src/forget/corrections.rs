//! What the answers of a version leave out from the commit of a deletion on, before the next vacuum
//! makes a version that has not learned from it.
//!
//! Some models can be made to answer as if they had been trained without what is gone
//! ([`Model::without`]). For that it must be known what each person had when the version was trained:
//! what is left of it, and what was deleted since. Deletions with a ticket are in its forget set. That
//! there were no others is seen by the number of interactions that were ever deleted. Where there
//! were, or where a model weighs or picks interactions by values that may have changed since, answers
//! only leave out the deleted rows, and the rest is the vacuum's.
//!
//! What is answered depends on the snapshot and the version alone, not on who asked before: tickets are
//! taken in one after the other, in their order.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tastedb_storage::{InteractionId, ItemId, Read, Snapshot, UserId};

use super::forget_set::{self, Removed};
use super::ledger;
use super::ticket::{Scope, Ticket};
use crate::error::Result;
use crate::model::{Changed, Model, Pairs, TakenOut};
use crate::projection::Projected;
use crate::recommend::project;
use crate::registry::Serving;

/// How many states are kept: readers that hold a snapshot for a moment while others are forgotten.
const KEPT: usize = 4;

/// The corrected models of one version.
#[derive(Default)]
pub(crate) struct Corrections {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    states: VecDeque<State>,
    /// The commit that was asked about last, and who answers in it.
    last: Option<(u64, Option<Arc<dyn Model>>)>,
}

/// A version after a ticket.
#[derive(Clone)]
struct State {
    /// The number of the last ticket that is taken in.
    ticket: u64,
    /// The interactions that were ever deleted by then.
    deleted: u64,
    answer: Answer,
}

/// Who answers.
#[derive(Clone)]
enum Answer {
    /// The version: nothing that it has learned from is gone.
    Version,
    /// The version without what is gone.
    Without(Arc<dyn Model>),
    /// The version, since it is not known what to leave out, or too much is gone.
    Anyway,
}

impl Answer {
    fn model(&self) -> Option<Arc<dyn Model>> {
        match self {
            Answer::Without(model) => Some(Arc::clone(model)),
            Answer::Version | Answer::Anyway => None,
        }
    }
}

impl Corrections {
    /// The model that answers instead of the version's; `None` where that answers itself.
    pub(crate) fn model(
        &self,
        snapshot: &Snapshot,
        serving: &Serving,
    ) -> Result<Option<Arc<dyn Model>>> {
        let Some(trained) = serving.version.data else { return Ok(None) };
        let now = snapshot.deleted_interactions();
        let Some(then) = trained.deleted.filter(|then| *then != now) else { return Ok(None) };
        if forget_set::weighs(&serving.definition) {
            return Ok(None);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, model)) =
            known.last.as_ref().filter(|(generation, _)| *generation == snapshot.generation())
        {
            return Ok(model.clone());
        }
        let model = known.model(snapshot, serving, trained.next, [then, now])?;
        known.last = Some((snapshot.generation(), model.clone()));
        Ok(model)
    }
}

impl Known {
    /// See [`Corrections::model`]; with the interactions that had been deleted `then`, when the version
    /// was trained, and `now`.
    fn model(
        &mut self,
        snapshot: &Snapshot,
        serving: &Serving,
        trained_to: InteractionId,
        [then, now]: [u64; 2],
    ) -> Result<Option<Arc<dyn Model>>> {
        let last = ledger::last(snapshot)?;
        // After a vacuum that could not make this model anew nothing tells any more what is gone.
        if last == 0 || ledger::get(snapshot, last)?.is_vacuumed() {
            return Ok(None);
        }
        let states = &mut self.states;
        if let Some(state) =
            states.iter().find(|state| (state.ticket, state.deleted) == (last, now))
        {
            return Ok(state.answer.model());
        }
        let older = states.iter().filter(|state| state.ticket < last && state.deleted <= now);
        let before = older.max_by_key(|state| state.ticket).cloned();
        let trained_with = State { ticket: 0, deleted: then, answer: Answer::Version };
        let answer = next(snapshot, serving, trained_to, &before.unwrap_or(trained_with), last)?;
        let model = answer.model();
        states.push_back(State { ticket: last, deleted: now, answer });
        if states.len() > KEPT {
            states.pop_front();
        }
        Ok(model)
    }
}

/// Who answers after the tickets up to `last`, from who did `before` them.
fn next(
    snapshot: &Snapshot,
    serving: &Serving,
    next: InteractionId,
    before: &State,
    last: u64,
) -> Result<Answer> {
    let mut tickets = Vec::new();
    for number in (before.ticket + 1..=last).rev() {
        let ticket = ledger::get(snapshot, number)?;
        if ticket.generation <= serving.version.generation {
            break;
        }
        tickets.push(ticket);
    }
    tickets.reverse();
    let by_tickets: u64 = tickets.iter().map(|ticket| ticket.interactions).sum();
    let all_are_known = before.deleted + by_tickets == snapshot.deleted_interactions();
    let mut model = match &before.answer {
        Answer::Version if all_are_known => Arc::clone(&serving.model),
        Answer::Without(model) if all_are_known => Arc::clone(model),
        _ => return Ok(Answer::Anyway),
    };
    let Some(steps) = steps(snapshot, serving, next, &tickets)? else {
        return Ok(Answer::Anyway);
    };
    if steps.is_empty() {
        return Ok(before.answer.clone());
    }
    for Step { changed, gone } in steps {
        let out = TakenOut { changed: &changed, gone: &gone };
        match model.without(&out) {
            Some(without) => model = without,
            None => return Ok(Answer::Anyway),
        }
    }
    Ok(Answer::Without(model))
}

/// What one ticket took.
struct Step {
    changed: Vec<Changed>,
    gone: Vec<ItemId>,
}

/// What each ticket took from what the version was trained on; `None` where that is not known.
fn steps(
    snapshot: &Snapshot,
    serving: &Serving,
    next: InteractionId,
    tickets: &[Ticket],
) -> Result<Option<Vec<Step>>> {
    let catalog = snapshot.catalog();
    let definition = &serving.definition;
    // What users have left, and then what they had before each ticket, from the last one back.
    let mut having: BTreeMap<UserId, BTreeMap<ItemId, f32>> = BTreeMap::new();
    let mut steps = Vec::new();
    for ticket in tickets.iter().rev() {
        if ticket.interactions == 0 || !ticket.concerns(definition, catalog) {
            continue;
        }
        let Some(removed) = forget_set::of(snapshot, ticket, definition)? else { return Ok(None) };
        let removed: Vec<Removed> = removed.into_iter().filter(|row| row.id < next).collect();
        if removed.is_empty() {
            continue;
        }
        let users: BTreeSet<UserId> = removed.iter().map(|row| row.user).collect();
        let mut changed = Vec::with_capacity(users.len());
        for user in users {
            let own = match having.entry(user) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(left(snapshot, &serving.sources, user, next)?),
            };
            let after = pairs(own);
            for row in removed.iter().filter(|row| row.user == user) {
                *own.entry(row.item).or_default() += row.weight.unwrap_or(0.0);
            }
            changed.push(Changed { user, before: pairs(own), after });
        }
        let gone: BTreeSet<ItemId> = match ticket.scope {
            Scope::Item => removed.iter().map(|row| row.item).collect(),
            _ => BTreeSet::new(),
        };
        steps.push(Step { changed, gone: gone.into_iter().collect() });
    }
    steps.reverse();
    Ok(Some(steps))
}

/// What a user has of the interactions before `next`.
fn left(
    snapshot: &Snapshot,
    sources: &[Projected],
    user: UserId,
    next: InteractionId,
) -> Result<BTreeMap<ItemId, f32>> {
    let mut left = BTreeMap::new();
    for source in sources {
        let projection = source.projection.as_ref();
        let rows = snapshot.history(source.table, user, projection.columns())?;
        project(projection, &rows, |row, weight| {
            if row.id < next {
                *left.entry(row.item).or_insert(0.0) += weight;
            }
        })?;
    }
    Ok(left)
}

fn pairs(having: &BTreeMap<ItemId, f32>) -> Pairs {
    having.iter().map(|(item, weight)| (*item, *weight)).collect()
}
