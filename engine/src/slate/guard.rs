//! Taking rows one after the other without losing the quotas: before each place, which rows may stand
//! there so that the rest of the slate can still be filled up as well as it could before.
//!
//! It keeps a whole slate that does: the rows taken and, behind them, a completion. A row is open if it
//! is of the completion or can be exchanged for one of it. That is a rule and no search: some rows that
//! two exchanges could make room for stay out. What is open depends on the rows taken alone, so the
//! probabilities of draws from it are exact.

use std::collections::HashMap;

use super::tally::{Cap, Quota, Tally};

/// A slate that may still become another.
pub(super) struct Guard<'a> {
    rows: &'a [u32],
    /// A number for each place; places with the same are exchangeable.
    kinds: Vec<u32>,
    /// Of the rows taken and the completion.
    tally: Tally<'a>,
    /// Places, ascending.
    completion: Vec<usize>,
    /// The shortfall that must not be exceeded.
    limit: u32,
}

impl<'a> Guard<'a> {
    /// Keeps to the quotas as well as `slate` does, which are places of `rows` and ascend.
    pub(super) fn new(
        rows: &'a [u32],
        caps: &'a [Cap<'a>],
        quotas: &'a [Quota<'a>],
        slate: &[usize],
    ) -> Guard<'a> {
        let mut tally = Tally::new(caps, quotas);
        let kinds = tally.kinds(rows);
        slate.iter().for_each(|place| tally.add(rows[*place]));
        let limit = tally.shortfall();
        Guard { rows, kinds, tally, completion: slate.to_vec(), limit }
    }

    /// Those of the places that are open.
    pub(super) fn open(&mut self, places: &[usize]) -> Vec<usize> {
        let mut known: HashMap<u32, bool> = HashMap::new();
        let mut open = Vec::new();
        for place in places {
            let kind = self.kinds[*place];
            let free = match known.get(&kind) {
                Some(free) => *free,
                None => {
                    let free = self.room(*place).is_some();
                    known.insert(kind, free);
                    free
                }
            };
            if free {
                open.push(*place);
            }
        }
        open
    }

    /// A place that is open was taken.
    pub(super) fn take(&mut self, place: usize) {
        let Some(at) = self.room(place) else { return };
        self.tally.remove(self.rows[self.completion[at]]);
        self.tally.add(self.rows[place]);
        self.completion.remove(at);
    }

    /// Which of the completion goes for a place: itself, one that is like it, or the one ranked lowest
    /// that can.
    fn room(&mut self, place: usize) -> Option<usize> {
        if let Ok(at) = self.completion.binary_search(&place) {
            return Some(at);
        }
        let alike = |at: &usize| self.kinds[self.completion[*at]] == self.kinds[place];
        if let Some(at) = (0..self.completion.len()).rev().find(alike) {
            return Some(at);
        }
        let mut tried: Vec<u32> = Vec::new();
        for at in (0..self.completion.len()).rev() {
            let kind = self.kinds[self.completion[at]];
            if tried.contains(&kind) {
                continue;
            }
            tried.push(kind);
            let (out, row) = (self.rows[self.completion[at]], self.rows[place]);
            if self.tally.allows(out, row, self.limit) {
                return Some(at);
            }
        }
        None
    }
}
