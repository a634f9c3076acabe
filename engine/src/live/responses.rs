//! How many interactions of one table each item has, as click rates need it: of all or of those that a
//! condition lets through, each counting 1 or the less the older it is.
//!
//! An interaction of age `a` counts `2^(-a / half-life)`. Ages are relative to the newest interaction in
//! the table, not to a clock. Sums are told in single precision: however a sum was come by, patched or
//! made anew, it is the same.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tastedb_storage::{Change, Interaction, ItemId, Read, Snapshot, TableId, UserId, Value};

use crate::error::Result;
use crate::projection::Projection;
use crate::slate::Posterior;

/// Which interactions are counted, and for how long.
#[derive(Clone)]
pub struct Counting {
    /// The table.
    pub table: TableId,
    /// Which of them count, and their times.
    pub projection: Arc<dyn Projection>,
    /// Tells `projection` apart from others on the table; `None`: all count.
    pub condition: Option<String>,
    /// After so many microseconds an interaction counts half; `None`: never.
    pub half_life: Option<u64>,
}

impl fmt::Debug for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counting")
            .field("table", &self.table)
            .field("condition", &self.condition)
            .field("half_life", &self.half_life)
            .finish_non_exhaustive()
    }
}

/// What [`Counting`]s are kept by.
pub(super) type Key = (TableId, Option<String>, Option<u64>);

impl Counting {
    pub(super) fn key(&self) -> Key {
        (self.table, self.condition.clone(), self.half_life)
    }

    fn time(&self) -> Option<usize> {
        self.half_life.and_then(|_| self.projection.time())
    }

    fn moment(&self, interaction: &Interaction) -> Option<i64> {
        match interaction.values.get(self.time()?) {
            Some(Value::Timestamp(micros)) => Some(*micros),
            _ => None,
        }
    }

    /// What an interaction counts after so many microseconds.
    fn decay(&self, age: i64) -> f64 {
        match self.half_life {
            Some(half_life) => (-(age.max(0) as f64) / half_life.max(1) as f64).exp2(),
            None => 1.0,
        }
    }
}

/// Rows whose conditions are evaluated at a time.
const BATCH: usize = 8192;

/// Sums by item id, relative to `newest`.
#[derive(Clone, Debug)]
pub(crate) struct Responses {
    newest: i64,
    sums: Vec<f64>,
    total: f64,
}

impl Responses {
    pub(super) fn build(snapshot: &Snapshot, counting: &Counting) -> Result<Responses> {
        let columns = counting.projection.columns();
        let mut responses = Responses { newest: i64::MIN, sums: Vec::new(), total: 0.0 };
        if counting.time().is_some() {
            for interaction in snapshot.interactions(counting.table, columns)? {
                let moment = counting.moment(&interaction?).unwrap_or(i64::MIN);
                responses.newest = responses.newest.max(moment);
            }
        }
        let mut batch = Vec::new();
        for interaction in snapshot.interactions(counting.table, columns)? {
            batch.push(interaction?);
            if batch.len() == BATCH {
                responses.add(&batch, counting)?;
                batch.clear();
            }
        }
        responses.add(&batch, counting)?;
        responses.total = responses.sums.iter().sum();
        Ok(responses)
    }

    /// After the changes. Additions are added; a removal is taken off where all count the same for
    /// ever, and counts everything anew elsewhere, because what was removed no longer tells what it was.
    pub(super) fn patched(
        &self,
        snapshot: &Snapshot,
        counting: &Counting,
        changes: &[Change],
    ) -> Result<Responses> {
        let mut added: BTreeMap<UserId, BTreeMap<ItemId, usize>> = BTreeMap::new();
        let plain = counting.condition.is_none() && counting.half_life.is_none();
        let mut next = self.clone();
        for change in changes {
            match change {
                Change::Interaction { item, added, .. } if plain => {
                    *next.sum(*item) += if *added { 1.0 } else { -1.0 };
                }
                Change::Interaction { user, item, added: true, .. } => {
                    *added.entry(*user).or_default().entry(*item).or_default() += 1;
                }
                _ => return Responses::build(snapshot, counting),
            }
        }
        let mut new = Vec::new();
        for (user, mut items) in added {
            let history = snapshot.history(counting.table, user, counting.projection.columns())?;
            // The history is in the order of recording: the last n of an item are the new ones.
            for interaction in history.into_iter().rev() {
                if let Some(left) = items.get_mut(&interaction.item).filter(|left| **left > 0) {
                    *left -= 1;
                    new.push(interaction);
                }
            }
        }
        let newest = new.iter().filter_map(|interaction| counting.moment(interaction)).max();
        if let Some(newest) = newest.filter(|newest| *newest > next.newest) {
            let fade = counting.decay(newest.saturating_sub(next.newest));
            next.sums.iter_mut().for_each(|sum| *sum *= fade);
            next.newest = newest;
        }
        next.add(&new, counting)?;
        next.total = next.sums.iter().sum();
        Ok(next)
    }

    fn add(&mut self, interactions: &[Interaction], counting: &Counting) -> Result<()> {
        let mut weights = Vec::with_capacity(interactions.len());
        counting.projection.weights(interactions, &mut weights)?;
        for (interaction, weight) in interactions.iter().zip(weights) {
            if weight.is_none() {
                continue;
            }
            let part = match counting.time() {
                None => 1.0,
                // In a table with times, an interaction of unknown time is of no time.
                Some(_) => match counting.moment(interaction) {
                    Some(moment) => counting.decay(self.newest.saturating_sub(moment)),
                    None => 0.0,
                },
            };
            *self.sum(interaction.item) += part;
        }
        Ok(())
    }

    fn sum(&mut self, item: ItemId) -> &mut f64 {
        let at = item.0 as usize;
        if self.sums.len() <= at {
            self.sums.resize(at + 1, 0.0);
        }
        &mut self.sums[at]
    }
}

/// What is known of the click rates of items.
#[derive(Clone, Debug)]
pub struct ClickRates {
    clicks: Arc<Responses>,
    shown: Arc<Responses>,
    /// What brings both to the same present.
    fades: (f64, f64),
    overall: f64,
}

impl ClickRates {
    pub(super) fn new(
        (clicks, counting): (Arc<Responses>, &Counting),
        shown: Arc<Responses>,
    ) -> ClickRates {
        let newest = clicks.newest.max(shown.newest);
        let fade = |responses: &Responses| match responses.newest {
            i64::MIN => 1.0,
            then => counting.decay(newest.saturating_sub(then)),
        };
        let fades = (fade(&clicks), fade(&shown));
        let (a, b) = (told(clicks.total * fades.0), told(shown.total * fades.1));
        // One click in two looks, where nothing is known.
        let overall = (a + 1.0) / (b.max(a) + 2.0);
        ClickRates { clicks, shown, fades, overall }
    }

    /// What is known of one item.
    pub fn of(&self, item: ItemId) -> Posterior {
        let sum = |responses: &Responses, fade: f64| {
            told(responses.sums.get(item.0 as usize).copied().unwrap_or(0.0) * fade)
        };
        let (clicks, shown) = (sum(&self.clicks, self.fades.0), sum(&self.shown, self.fades.1));
        Posterior::new(clicks, shown, self.overall)
    }

    /// The click rate of all items together.
    pub fn overall(&self) -> f64 {
        self.overall
    }
}

/// Without the last digits, in which the order of a sum shows.
fn told(sum: f64) -> f64 {
    f64::from(sum as f32)
}

#[cfg(test)]
mod tests {
    use tastedb_storage::{ColumnSpec, ColumnType, Options, Store};

    use super::*;
    use crate::live::Live;
    use crate::made_up::Tables;
    use crate::projection::PlainProjection;

    const DAY: i64 = 86_400_000_000;

    /// A table of four items and three users, without interactions.
    fn empty() -> (Store, TableId) {
        let store = Store::in_memory(Options::default()).expect("a store");
        let at = ColumnSpec::new("at", ColumnType::Timestamp);
        let Tables { people: users, items, views } =
            Tables::create(&store, "goods", Vec::new(), vec![at]);
        let mut txn = store.begin().expect("a transaction");
        for n in 0..4 {
            txn.put_row(items, &format!("g{n}"), &[]).expect("an item");
            txn.put_row(users, &format!("p{n}"), &[]).expect("a user");
        }
        txn.commit().expect("a commit");
        (store, views)
    }

    fn view(store: &Store, table: TableId, user: &str, item: &str, day: Option<i64>) {
        let mut txn = store.begin().expect("a transaction");
        let catalog = store.snapshot().catalog().clone();
        let views = catalog.table_by_id(table).expect("the table");
        let link = views.link.as_ref().expect("a link");
        let user = txn.lookup(link.user_table, user).expect("a lookup").expect("a user");
        let item = txn.lookup(link.item_table, item).expect("a lookup").expect("an item");
        let at = views.column("at").expect("a column").id;
        let values = day.map(|day| (at, Value::Timestamp(day * DAY)));
        let values: Vec<_> = values.into_iter().collect();
        let (user, item) = (UserId(user), ItemId(item));
        txn.record_interaction(table, user, item, &values).expect("a view");
        txn.commit().expect("a commit");
    }

    #[test]
    fn what_is_patched_is_what_is_counted_anew() {
        let (store, table) = empty();
        let catalog = store.snapshot().catalog().clone();
        let views = catalog.table_by_id(table).expect("the table");
        let plain: Arc<dyn Projection> = Arc::new(PlainProjection::new(views, None).expect("fits"));
        // A condition that all meet, so that rows are read back.
        let conditional = Some("at least".to_string());
        let kinds: Vec<Counting> = [
            (None, None),
            (None, Some(3 * DAY as u64)),
            (conditional.clone(), None),
            (conditional, Some(DAY as u64)),
        ]
        .map(|(condition, half_life)| Counting {
            table,
            projection: plain.clone(),
            condition,
            half_life,
        })
        .into();
        let live = Live::new();
        let mut last = 0.0;
        let steps = [
            ("p0", "g0", Some(1)),
            ("p1", "g0", Some(2)),
            ("p0", "g2", Some(9)),
            ("p0", "g0", Some(4)),
            ("p2", "g3", None),
            ("p0", "g0", Some(12)),
        ];
        for (user, item, day) in steps {
            view(&store, table, user, item, day);
            let snapshot = store.snapshot();
            for counting in &kinds {
                let patched = live.click_rates(&store, &snapshot, counting, counting);
                let patched = patched.expect("counts");
                let anew = Live::new().click_rates(&store, &snapshot, counting, counting);
                let anew = anew.expect("counts");
                for id in 0..10 {
                    assert_eq!(patched.of(ItemId(id)), anew.of(ItemId(id)), "{counting:?} {id}");
                }
                assert_eq!(patched.overall(), anew.overall());
            }
            let faded = live.click_rates(&store, &snapshot, &kinds[1], &kinds[1]).expect("counts");
            last = f64::from(faded.shown.sums.iter().sum::<f64>() as f32);
        }
        // On day 12: 2^(−11/3) + 2^(−10/3) + 2^(−1) + 2^(−8/3) + nothing + 1.
        let powers = [-11.0 / 3.0, -10.0 / 3.0, -1.0, -8.0 / 3.0, 0.0].map(f64::exp2);
        assert!((last - powers.iter().sum::<f64>()).abs() < 1e-6, "{last}");
    }

    #[test]
    fn what_is_taken_out_counts_no_longer() {
        let (store, table) = empty();
        for item in ["g0", "g0", "g1"] {
            view(&store, table, "p0", item, Some(3));
        }
        let catalog = store.snapshot().catalog().clone();
        let views = catalog.table_by_id(table).expect("the table");
        let projection = Arc::new(PlainProjection::new(views, None).expect("fits"));
        let live = Live::new();
        for half_life in [None, Some(DAY as u64)] {
            let counting =
                Counting { table, projection: projection.clone(), condition: None, half_life };
            let snapshot = store.snapshot();
            let sums = |snapshot: &Snapshot| {
                let rates = live.click_rates(&store, snapshot, &counting, &counting);
                rates.expect("counts").shown.sums.iter().sum::<f64>()
            };
            let before = sums(&snapshot);
            let people = views.link.as_ref().expect("a link").user_table;
            let user = snapshot.lookup(people, "p0").expect("a lookup").expect("a user");
            let history = snapshot.history(table, UserId(user), &[]).expect("a history");
            let first = history.first().expect("an interaction");
            let mut txn = store.begin().expect("a transaction");
            assert!(txn.delete_interaction(table, UserId(user), first.id).expect("deletes"));
            txn.commit().expect("a commit");
            assert_eq!(sums(&store.snapshot()), before - 1.0);
            // Who still looks at the old state sees the old counts.
            assert_eq!(sums(&snapshot), before);
        }
    }
}
