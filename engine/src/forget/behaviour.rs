//! What models gave away of a forget set before they unlearned it, and after.
//!
//! The vacuum is the one moment at which the version that has learned from it, the one that has not,
//! and the forget set are all there. So it asks both, and the ticket keeps the numbers.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use tastedb_storage::{ItemId, Read, Snapshot, TableId, UserId};

use super::forget_set::{self, Removed};
use super::membership::{Popularity, Probe, exposure};
use super::ticket::Ticket;
use crate::engine::Engine;
use crate::error::Result;
use crate::progress::Work;
use crate::recommend::project;
use crate::registry::Serving;

/// Interactions that a model is asked about, of a ticket and of all tickets at most.
const EACH: usize = 64;
const IN_ALL: usize = 1024;
/// Of each ticket, so many all the same.
const LEAST: usize = 2;

/// What a model gave away of the interactions of a ticket.
#[derive(Clone, Debug, PartialEq)]
pub struct Behaviour {
    /// The model.
    pub model: String,
    /// How many interactions it was asked about, each with the rest of the history.
    pub interactions: u64,
    /// The chance that the version before scored one above an item as popular that the person never
    /// had, and of the version after; none where it does not know the items any more.
    pub auc: (f64, Option<f64>),
    /// The standard error of either, the larger.
    pub error: f64,
    /// The median rank that they gave the items.
    pub rank: (u64, Option<u64>),
    /// The items that were ranked.
    pub items: u64,
}

impl Behaviour {
    /// Whether the version after does not tell them better from what it never saw than the one before.
    pub fn passed(&self) -> bool {
        self.auc.1.is_none_or(|after| after <= self.auc.0 + 2.0 * self.error)
    }

    /// In words.
    pub fn describe(&self) -> String {
        let Behaviour { interactions, auc, rank, items, .. } = self;
        let asked = format!("asked about {interactions} of the interactions");
        match (auc.1, rank.1) {
            (Some(after), Some(rank_after)) => format!(
                "{asked}: membership AUC {:.3} before, {after:.3} after; median rank {} before, \
                 {rank_after} after, of {items}",
                auc.0, rank.0
            ),
            _ => format!(
                "{asked}: membership AUC {:.3} and median rank {} of {items} before; the items are \
                 not known any more",
                auc.0, rank.0
            ),
        }
    }

    pub(super) fn encode(&self) -> String {
        let optional = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        format!(
            "{} {} {} {} {} {} {}",
            self.interactions,
            self.auc.0,
            optional(self.auc.1.map(|value| value.to_string())),
            self.error,
            self.rank.0,
            optional(self.rank.1.map(|value| value.to_string())),
            self.items,
        )
    }

    pub(super) fn decode(model: &str, text: &str) -> Option<Behaviour> {
        let words: Vec<&str> = text.split(' ').collect();
        let [interactions, before, after, error, rank, rank_after, items] = words[..] else {
            return None;
        };
        fn optional<T: std::str::FromStr>(word: &str) -> Option<Option<T>> {
            if word == "-" { Some(None) } else { word.parse().ok().map(Some) }
        }
        Some(Behaviour {
            model: model.to_owned(),
            interactions: interactions.parse().ok()?,
            auc: (before.parse().ok()?, optional(after)?),
            error: error.parse().ok()?,
            rank: (rank.parse().ok()?, optional(rank_after)?),
            items: items.parse().ok()?,
        })
    }
}

/// Asks the version before and the one after about the forget sets of tickets, as of a snapshot from
/// after the deletions; by number of the ticket.
pub(super) fn compare(
    engine: &Engine,
    snapshot: &Snapshot,
    tickets: &[Ticket],
    [before, after]: [&Serving; 2],
    work: &Work,
) -> Result<BTreeMap<u64, Behaviour>> {
    let mut told = BTreeMap::new();
    // One that scores whatever there is has learned nothing to give away.
    if before.model.is_live() || after.model.is_live() {
        return Ok(told);
    }
    let (definition, catalog) = (&before.definition, snapshot.catalog().clone());
    let mut sets: Vec<(u64, Vec<Removed>)> = Vec::new();
    for ticket in tickets {
        let learned = ticket.generation > before.version.generation;
        if learned
            && ticket.concerns(definition, &catalog)
            && let Some(set) = forget_set::of(snapshot, ticket, definition)?
        {
            sets.push((ticket.number, set));
        }
    }
    let asking = Asking::new(engine, snapshot, before, &sets)?;
    let each = (IN_ALL / sets.len().max(1)).clamp(LEAST, EACH);
    for (ticket, set) in &sets {
        let probes = asking.probes(set, each)?;
        let Some(old) = exposure(before.model.as_ref(), &probes, work)? else { continue };
        let new = exposure(after.model.as_ref(), &probes, work)?;
        told.insert(
            *ticket,
            Behaviour {
                model: definition.name.clone(),
                interactions: old.probes,
                auc: (old.auc, new.map(|new| new.auc)),
                error: new.map_or(old.error, |new| new.error.max(old.error)),
                rank: (old.rank, new.map(|new| new.rank)),
                items: old.items,
            },
        );
    }
    Ok(told)
}

/// What questions are made of.
struct Asking<'a> {
    snapshot: &'a Snapshot,
    serving: &'a Serving,
    /// What each person lost, over all sets.
    gone: HashMap<UserId, Vec<&'a Removed>>,
    counts: HashMap<ItemId, u32>,
    popularity: Popularity,
}

impl<'a> Asking<'a> {
    fn new(
        engine: &Engine,
        snapshot: &'a Snapshot,
        serving: &'a Serving,
        sets: &'a [(u64, Vec<Removed>)],
    ) -> Result<Asking<'a>> {
        let mut counts: HashMap<ItemId, u32> =
            serving.model.items().iter().map(|item| (*item, 0)).collect();
        for source in &serving.sources {
            let own = engine.live().counts(engine.store(), snapshot, source.table)?;
            for (id, n) in own.iter().enumerate() {
                if let Some(count) = counts.get_mut(&ItemId(id as u64)) {
                    *count += n;
                }
            }
        }
        let mut gone: HashMap<UserId, Vec<&Removed>> = HashMap::new();
        for row in sets.iter().flat_map(|(_, set)| set) {
            gone.entry(row.user).or_default().push(row);
            if let Some(count) = counts.get_mut(&row.item) {
                *count += 1;
            }
        }
        let popularity = Popularity::new(counts.iter().map(|(item, n)| (*item, *n)));
        Ok(Asking { snapshot, serving, gone, counts, popularity })
    }

    /// Questions about some of a set.
    fn probes(&self, set: &[Removed], each: usize) -> Result<Vec<Probe>> {
        let mut pairs: Vec<(u64, UserId, ItemId)> = set
            .iter()
            .filter(|row| counted(row) > 0.0)
            .map(|row| (crate::seeded::number(1, row.id.0), row.user, row.item))
            .collect();
        pairs.sort_unstable();
        let mut seen = HashSet::new();
        pairs.retain(|(_, user, item)| seen.insert((*user, *item)));
        let mut histories: HashMap<UserId, BTreeMap<ItemId, f32>> = HashMap::new();
        let mut probes = Vec::with_capacity(each);
        for (_, user, item) in pairs {
            if probes.len() == each {
                break;
            }
            let history = match histories.entry(user) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.history(user)?),
            };
            let rest: Vec<(ItemId, f32)> =
                history.iter().filter(|(of, _)| **of != item).map(|(of, w)| (*of, *w)).collect();
            if rest.is_empty() {
                continue;
            }
            let count = self.counts.get(&item).copied().unwrap_or(0);
            let others = self.popularity.near(count, |other| !history.contains_key(&other));
            probes.push(Probe { history: rest, item, others });
        }
        Ok(probes)
    }

    /// What somebody had before anything was deleted.
    fn history(&self, user: UserId) -> Result<BTreeMap<ItemId, f32>> {
        let mut history: BTreeMap<ItemId, f32> = BTreeMap::new();
        for source in &self.serving.sources {
            let table: TableId = source.table;
            let rows = self.snapshot.history(table, user, source.projection.columns())?;
            project(source.projection.as_ref(), &rows, |row, weight| {
                *history.entry(row.item).or_default() += weight;
            })?;
        }
        for row in self.gone.get(&user).into_iter().flatten() {
            *history.entry(row.item).or_default() += counted(row);
        }
        history.retain(|_, weight| weight.is_finite() && *weight != 0.0);
        Ok(history)
    }
}

/// What an interaction counted; where that was not written down, one.
fn counted(row: &Removed) -> f32 {
    row.weight.unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaviour_comes_back_as_it_was_written() {
        let whole = Behaviour {
            model: "home".to_owned(),
            interactions: 7,
            auc: (0.9, Some(1.0 / 3.0)),
            error: 0.02,
            rank: (3, Some(400)),
            items: 1000,
        };
        let gone = Behaviour { auc: (0.9, None), rank: (3, None), ..whole.clone() };
        for behaviour in [whole.clone(), gone] {
            assert_eq!(Behaviour::decode("home", &behaviour.encode()), Some(behaviour.clone()));
            assert!(behaviour.passed());
        }
        assert!(!Behaviour { auc: (0.5, Some(0.6)), ..whole }.passed());
        for wrong in ["", "1 2 3", "1 0.5 x 0 1 - 3", "- 0.5 - 0 1 - 3"] {
            assert_eq!(Behaviour::decode("home", wrong), None, "{wrong}");
        }
    }
}
