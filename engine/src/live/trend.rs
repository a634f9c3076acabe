//! Time-decayed interaction counts: what the built-in `trending` ranks by.
//!
//! An interaction of age `a` counts `2^(-a / half-life)`. Ages are relative to the newest
//! interaction in the table, not to a clock, so the same data gives the same ranking. A table
//! without a time column ranks by plain counts.

use std::collections::BTreeMap;

use tastedb_storage::{Change, ColumnId, ItemId, Read, Snapshot, TableId, UserId, Value};

use crate::error::Result;
use crate::projection::time_column;

/// Half-life of the built-in `trending`, in microseconds: 30 days. A model `USING trending` has
/// its own, as an option.
const HALF_LIFE: f64 = 30.0 * 86_400.0 * 1e6;

/// Decayed counts by item id, relative to `newest`.
#[derive(Clone, Debug)]
pub(crate) struct Trend {
    newest: i64,
    pub(crate) scores: Vec<f64>,
}

impl Trend {
    pub(super) fn build(snapshot: &Snapshot, table: TableId) -> Result<Trend> {
        let time = time_of(snapshot, table);
        let columns: Vec<ColumnId> = time.into_iter().collect();
        let mut newest = i64::MIN;
        for interaction in snapshot.interactions(table, &columns)? {
            newest = newest.max(moment(&interaction?.values).unwrap_or(i64::MIN));
        }
        let mut trend = Trend { newest, scores: Vec::new() };
        for interaction in snapshot.interactions(table, &columns)? {
            let interaction = interaction?;
            trend.add(interaction.item, moment(&interaction.values), time.is_some());
        }
        Ok(trend)
    }

    /// After the changes. Additions are added; a removal rebuilds, because what was removed no
    /// longer tells its time.
    pub(super) fn patched(
        &self,
        snapshot: &Snapshot,
        table: TableId,
        changes: &[Change],
    ) -> Result<Trend> {
        let time = time_of(snapshot, table);
        let columns: Vec<ColumnId> = time.into_iter().collect();
        let mut added: BTreeMap<(UserId, ItemId), usize> = BTreeMap::new();
        for change in changes {
            let Change::Interaction { user, item, added: true, .. } = change else {
                return Trend::build(snapshot, table);
            };
            *added.entry((*user, *item)).or_default() += 1;
        }
        let mut trend = self.clone();
        for ((user, item), n) in added {
            let history = snapshot.history(table, user, &columns)?;
            // The history is in the order of recording: the last n of this item are the new ones.
            for interaction in history.iter().rev().filter(|i| i.item == item).take(n) {
                let when = moment(&interaction.values);
                if let Some(when) = when.filter(|w| *w > trend.newest) {
                    let fade = decay(when.saturating_sub(trend.newest));
                    trend.scores.iter_mut().for_each(|s| *s *= fade);
                    trend.newest = when;
                }
                trend.add(item, when, time.is_some());
            }
        }
        Ok(trend)
    }

    fn add(&mut self, item: ItemId, when: Option<i64>, timed: bool) {
        let at = item.0 as usize;
        if self.scores.len() <= at {
            self.scores.resize(at + 1, 0.0);
        }
        // In a table with times, an interaction of unknown time says nothing about a trend.
        self.scores[at] += match when {
            Some(when) => decay(self.newest.saturating_sub(when)),
            None if timed => 0.0,
            None => 1.0,
        };
    }
}

fn decay(age: i64) -> f64 {
    (-(age as f64) / HALF_LIFE).exp2()
}

fn time_of(snapshot: &Snapshot, table: TableId) -> Option<ColumnId> {
    snapshot.catalog().table_by_id(table).and_then(time_column)
}

fn moment(values: &[Value]) -> Option<i64> {
    match values.first() {
        Some(Value::Timestamp(micros)) => Some(*micros),
        _ => None,
    }
}
