//! What has happened since a version of a model: which histories changed, and from what.
//!
//! The store's list of recent changes tells it, as long as it goes back far enough. After a reopen
//! there is no list. Then all pairs are read and compared by their sum with those that the version
//! has learned from: what is new has a higher id than any interaction of then, and what was deleted
//! to be forgotten is kept until the next vacuum. Where the sum of then comes out, that was all; where
//! it does not (a row was changed, or deleted otherwise), nothing is known.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use tastedb_storage::{
    Change, Interaction, InteractionId, ItemId, Read, Snapshot, TableId, UserId,
};

use crate::data_sum::{DataSum, Direction};
use crate::dataset::Dataset;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::forget::{Removed, removed_since};
use crate::model::{self, Changed, Embeddings, Pairs};
use crate::progress::Work;
use crate::recommend::project;
use crate::registry::Serving;
use crate::train;

/// Histories are taken in one by one while their users are no more than one in so many.
const SHARE: u64 = 2;

/// Whether so many changed histories are few among those of so many users.
pub(crate) fn few(changed: usize, users: u64) -> bool {
    changed as u64 * SHARE <= users
}

/// Whether a model makes use of so many changed histories.
fn of_use(changed: usize, serving: &Serving) -> bool {
    few(changed, serving.version.users) || serving.model.undoes()
}

/// What has happened.
pub(super) struct Since {
    /// The histories that changed, by user; `None` where that is not known, or they are many and of no
    /// use then.
    pub(super) changed: Option<Vec<Changed>>,
    /// Whether there is, or may be, anything that a refresh could take in.
    pub(super) news: bool,
    /// The interactions of the tables now, where they were counted.
    pub(super) rows: Option<u64>,
    /// All pairs, where they had to be read to find out.
    pub(super) read: Option<Dataset>,
}

pub(super) fn since(
    engine: &Engine,
    snapshot: &Snapshot,
    serving: &Serving,
    items: &[ItemId],
    work: &Work,
) -> Result<Since> {
    match Log::read(engine, snapshot, serving)? {
        Some(log) => {
            let rows = serving.version.interactions;
            Ok(Since {
                changed: log.histories(snapshot, serving)?,
                news: log.is_news(serving, items),
                rows: rows.map(|rows| (rows + log.added).saturating_sub(log.removed)),
                read: None,
            })
        }
        None => by_sum(snapshot, serving, items, work),
    }
}

/// Where no list of changes goes back far enough.
fn by_sum(snapshot: &Snapshot, serving: &Serving, items: &[ItemId], work: &Work) -> Result<Since> {
    let version = &serving.version;
    let mut since = Since { changed: None, news: true, rows: None, read: None };
    let gone = Gone::since(snapshot, serving)?;
    let Some((then, gone)) = version.data.zip(gone) else { return Ok(since) };
    let mut users: BTreeSet<UserId> = gone.0.keys().copied().collect();
    let mut every = |row: &Interaction| {
        if row.id >= then.next && users.last() != Some(&row.user) {
            users.insert(row.user);
        }
        true
    };
    let sources = &serving.sources;
    let (data, rows) = train::counted_dataset(snapshot, sources, items.to_vec(), work, &mut every)?;
    since.rows = Some(rows);
    if of_use(users.len(), serving) {
        let mut changed = Vec::with_capacity(users.len());
        for user in users {
            let after = data.user_row(user).map_or_else(Pairs::new, |row| {
                let (items, weights) = data.by_user.row(row as usize);
                let ids = items.iter().map(|item| data.items[*item as usize]);
                ids.zip(weights.iter().copied()).collect()
            });
            let mut before = Pairs::new();
            for source in sources {
                let columns = source.projection.columns();
                let rows = snapshot.history(source.table, user, columns)?;
                let gone = gone.of(source.table, user);
                before.extend(earlier(source, &rows, gone, then.next)?);
            }
            let changes = Changed { user, before: summed(before)?, after };
            if changes.before != changes.after {
                changed.push(changes);
            }
        }
        let now = DataSum::of(&data, snapshot);
        if now.with(&changed, Direction::Backwards).sum == then.sum {
            since.changed = Some(changed);
        }
    }
    since.read = Some(data);
    Ok(since)
}

/// What a user had in a table before the interaction `next`, in the order of recording.
fn earlier<'a>(
    source: &crate::projection::Projected,
    rows: &[Interaction],
    gone: impl Iterator<Item = &'a Removed>,
    next: InteractionId,
) -> Result<Pairs> {
    let mut all: Vec<(InteractionId, ItemId, f32)> = Vec::with_capacity(rows.len());
    project(source.projection.as_ref(), rows, |row, weight| all.push((row.id, row.item, weight)))?;
    let counted = gone.filter_map(|row| Some((row.id, row.item, row.weight?)));
    all.extend(counted.filter(|(_, _, weight)| *weight != 0.0));
    all.retain(|(id, ..)| *id < next);
    all.sort_unstable_by_key(|(id, ..)| *id);
    Ok(all.into_iter().map(|(_, item, weight)| (item, weight)).collect())
}

/// What was deleted since a version to be forgotten, by user.
struct Gone(BTreeMap<UserId, Vec<Removed>>);

impl Gone {
    /// `None` where some of it was not written down.
    fn since(snapshot: &Snapshot, serving: &Serving) -> Result<Option<Gone>> {
        let removed = removed_since(snapshot, &serving.definition, serving.version.generation)?;
        Ok(removed.map(|all| {
            let mut by_user: BTreeMap<UserId, Vec<Removed>> = BTreeMap::new();
            all.into_iter().for_each(|row| by_user.entry(row.user).or_default().push(row));
            Gone(by_user)
        }))
    }

    fn of(&self, table: TableId, user: UserId) -> impl Iterator<Item = &Removed> {
        self.0.get(&user).into_iter().flatten().filter(move |row| row.table == table)
    }
}

/// What happened to one user's interactions in one table.
#[derive(Default)]
struct Touched {
    /// How many of each item were added and removed.
    items: BTreeMap<ItemId, (usize, usize)>,
    removed: bool,
}

/// What the store remembers of the time since a version.
#[derive(Default)]
struct Log {
    users: BTreeMap<UserId, BTreeMap<TableId, Touched>>,
    added: u64,
    removed: u64,
    rows: bool,
    embeddings: bool,
    schema: bool,
}

impl Log {
    /// What is remembered; `None` where it is not all.
    fn read(engine: &Engine, snapshot: &Snapshot, serving: &Serving) -> Result<Option<Log>> {
        let generation = serving.version.generation;
        let Some(changes) = engine.store().changes_since(generation, snapshot) else {
            return Ok(None);
        };
        let definition = &serving.definition;
        let items = train::item_tables(snapshot, definition)?;
        // One that looks at embeddings whenever it answers has nothing to take in.
        let looks = model::algorithm(&definition.algorithm)?.embeddings == Embeddings::InTraining;
        let mut log = Log::default();
        for change in &changes {
            match change {
                Change::Interaction { table, user, item, added }
                    if definition.learns_from(*table) =>
                {
                    let touched = log.users.entry(*user).or_default();
                    let touched = touched.entry(*table).or_default();
                    let counts = touched.items.entry(*item).or_default();
                    if *added {
                        counts.0 += 1;
                        log.added += 1;
                    } else {
                        counts.1 += 1;
                        touched.removed = true;
                        log.removed += 1;
                    }
                }
                Change::Row { table, .. } if items.contains(table) => log.rows = true,
                Change::Embedding { table, .. } if items.contains(table) => log.embeddings |= looks,
                Change::Schema => log.schema = true,
                Change::Interaction { .. } | Change::Row { .. } | Change::Embedding { .. } => {}
            }
        }
        Ok(Some(log))
    }

    /// Whether there is anything that a refresh could take in.
    fn is_news(&self, serving: &Serving, items: &[ItemId]) -> bool {
        let model = serving.model.as_ref();
        let other_items = self.rows && !model.is_live() && model.items() != items;
        !self.users.is_empty() || self.embeddings || self.schema || other_items
    }

    /// The histories that changed, before and after; `None` where reading all is as cheap, or where
    /// what was removed can no longer be told.
    fn histories(&self, snapshot: &Snapshot, serving: &Serving) -> Result<Option<Vec<Changed>>> {
        if self.schema || !of_use(self.users.len(), serving) {
            return Ok(None);
        }
        let kept = Kept { snapshot, serving, gone: OnceCell::new() };
        let mut histories = Vec::with_capacity(self.users.len());
        for (user, touched) in &self.users {
            match history(touched, &kept, *user)? {
                Some(changed) if changed.before == changed.after => {}
                Some(changed) => histories.push(changed),
                None => return Ok(None),
            }
        }
        Ok(Some(histories))
    }
}

/// What was deleted to be forgotten, read when it is first of use.
struct Kept<'a> {
    snapshot: &'a Snapshot,
    serving: &'a Serving,
    gone: OnceCell<Option<Gone>>,
}

impl Kept<'_> {
    fn gone(&self) -> Result<Option<&Gone>> {
        if self.gone.get().is_none() {
            let gone = Gone::since(self.snapshot, self.serving)?;
            return Ok(self.gone.get_or_init(|| gone).as_ref());
        }
        Ok(self.gone.get().and_then(Option::as_ref))
    }
}

/// The history of a user in all tables of a model, before and after what happened in some of them;
/// `None` where what was removed can no longer be told.
fn history(
    touched: &BTreeMap<TableId, Touched>,
    kept: &Kept<'_>,
    user: UserId,
) -> Result<Option<Changed>> {
    let (mut before, mut after) = (Pairs::new(), Pairs::new());
    let untouched = Touched::default();
    let serving = kept.serving;
    for (source, own) in serving.sources.iter().zip(&serving.definition.tables) {
        let projection = source.projection.as_ref();
        let rows = kept.snapshot.history(source.table, user, projection.columns())?;
        let touched = touched.get(&source.table).unwrap_or(&untouched);
        project(projection, &rows, |row, weight| after.push((row.item, weight)))?;
        if touched.removed && (own.weight.is_some() || own.filter.is_some()) {
            // What is gone has lost its values, so it must have been written down what it counted.
            let next = serving.version.data.map(|data| data.next);
            let Some((gone, next)) = kept.gone()?.zip(next) else { return Ok(None) };
            let gone: Vec<&Removed> = gone.of(source.table, user).collect();
            if !touched.is_removal_of(&gone) {
                return Ok(None);
            }
            before.extend(earlier(source, &rows, gone.into_iter(), next)?);
        } else if touched.removed {
            match touched.counts(&rows) {
                Some(counts) => before.extend(counts),
                None => return Ok(None),
            }
        } else {
            let old = touched.old(rows);
            project(projection, &old, |row, weight| before.push((row.item, weight)))?;
        }
    }
    Ok(Some(Changed { user, before: summed(before)?, after: summed(after)? }))
}

impl Touched {
    /// Whether what was removed is what was written down.
    fn is_removal_of(&self, gone: &[&Removed]) -> bool {
        let mut left: BTreeMap<ItemId, usize> = BTreeMap::new();
        for row in gone {
            *left.entry(row.item).or_default() += 1;
        }
        let removed = self.items.iter().filter(|(_, (_, removed))| *removed > 0);
        removed.map(|(item, (_, removed))| (*item, *removed)).eq(left)
    }

    /// Rows of which none is gone, without the new ones.
    fn old(&self, rows: Vec<Interaction>) -> Vec<Interaction> {
        // Histories are in the order of recording: the last so many of an item are the new ones.
        let mut new: BTreeMap<ItemId, usize> =
            self.items.iter().map(|(item, (added, _))| (*item, *added)).collect();
        let mut old: Vec<Interaction> = Vec::with_capacity(rows.len());
        for row in rows.into_iter().rev() {
            match new.get_mut(&row.item).filter(|left| **left > 0) {
                Some(left) => *left -= 1,
                None => old.push(row),
            }
        }
        old.reverse();
        old
    }

    /// How many interactions there were with each item, each of which counts one.
    fn counts(&self, rows: &[Interaction]) -> Option<Pairs> {
        let mut counts: BTreeMap<ItemId, i64> = BTreeMap::new();
        for row in rows {
            *counts.entry(row.item).or_default() += 1;
        }
        for (item, (added, removed)) in &self.items {
            *counts.entry(*item).or_default() += *removed as i64 - *added as i64;
        }
        if counts.values().any(|count| *count < 0) {
            return None;
        }
        let before = counts.into_iter().filter(|(_, count)| *count > 0);
        Some(before.map(|(item, count)| (item, count as f32)).collect())
    }
}

/// The pairs of one user, as a dataset has them.
fn summed(mut pairs: Pairs) -> Result<Pairs> {
    // Stable, so that weights are summed in the order of tables and of recording.
    pairs.sort_by_key(|(item, _)| *item);
    pairs.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        kept.1 += if same { later.1 } else { 0.0 };
        same
    });
    if pairs.iter().any(|(_, weight)| !weight.is_finite()) {
        return Err(Error::NotFinite { what: "the summed weight of interactions" });
    }
    Ok(pairs)
}
