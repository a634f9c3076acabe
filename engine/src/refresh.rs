//! `REFRESH MODEL`: the next version of a trained model, from where the last one stands.
//!
//! What changed since the version's snapshot is taken from the store's list of recent changes. Where
//! that tells all, only the histories that changed are read; else everything is. The settings are
//! those of the version. What comes out is published as a training is: by one commit.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tastedb_storage::{Change, Interaction, ItemId, Read, Snapshot, TableId, UserId};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::learning_curve::LearningCurve;
use crate::model::{self, Changed, Embeddings, News, Pairs};
use crate::options::ModelOptions;
use crate::progress::Work;
use crate::recommend::project;
use crate::registry::{Lineage, ModelDefinition, ModelVersion, Serving};
use crate::train;

/// Histories are read one by one while their users are no more than one in so many.
const SHARE: u64 = 2;

/// What to refresh.
#[derive(Clone, Debug, Default)]
pub struct RefreshRequest {
    /// The model's name.
    pub model: String,
    /// There must be none: settings stay. They are taken so that the error can name one.
    pub options: ModelOptions,
    /// Seed of everything random; that of the version if there is none.
    pub seed: Option<u64>,
    /// The statement, as written, for the lineage.
    pub statement: String,
}

/// What came of a refresh.
#[derive(Clone, Debug, PartialEq)]
pub struct Refreshment {
    /// The version that serves now.
    pub version: ModelVersion,
    /// Whether anything was new; if not, it is the version that served before.
    pub changed: bool,
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
struct Since {
    users: BTreeMap<UserId, BTreeMap<TableId, Touched>>,
    added: u64,
    removed: u64,
    rows: bool,
    embeddings: bool,
    schema: bool,
}

/// How a version follows another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It continues it, as cheaply as the algorithm allows; nothing is done where nothing is new.
    Continue,
    /// It takes over its settings and nothing else that it has learned.
    Unlearn,
}

pub(crate) fn refresh(
    engine: &Engine,
    request: &RefreshRequest,
    mode: Mode,
    work: &Work,
) -> Result<Refreshment> {
    let snapshot = engine.snapshot();
    let name = &request.model;
    let definition = engine.model(&snapshot, name)?;
    if let Some((option, _)) = request.options.iter().next() {
        let (model, option) = (name.clone(), option.to_owned());
        return Err(Error::FrozenOption { model, option });
    }
    let serving = engine.registry().serving(&snapshot, name)?;
    let before = &serving.version;

    let reading = Instant::now();
    let items = train::catalogue(engine, &snapshot, &definition)?;
    let since = since(engine, &snapshot, &serving)?;
    if mode == Mode::Continue
        && let Some(since) = &since
        && !since.is_news(&serving, &items)
    {
        return Ok(Refreshment { version: before.clone(), changed: false });
    }
    let graphs = train::graphs(engine, &snapshot, &definition)?;
    let side = train::side_data(engine, &snapshot, &definition, &graphs)?;
    let changed = match &since {
        Some(since) => since.histories(&snapshot, &serving)?,
        None => None,
    };
    let steps = changed.as_deref().map(Steps::of);
    let mut read_seconds = reading.elapsed().as_secs_f64();

    // All interactions are read within the refresh, if at all.
    let (rows, nanos) = (AtomicU64::new(0), AtomicU64::new(0));
    let n_items = items.len() as u64;
    let sources = serving.sources.as_slice();
    let news = News::new(items.clone(), &side, changed, || {
        let reading = Instant::now();
        let (items, every) = (items.clone(), |_, _| true);
        let (data, read) = train::counted_dataset(&snapshot, sources, items, work, &every)?;
        rows.store(read, Ordering::Relaxed);
        nanos.store(reading.elapsed().as_nanos() as u64, Ordering::Relaxed);
        Ok(data)
    });
    let seed = request.seed.unwrap_or(before.seed);
    let fitting = Instant::now();
    let refreshed = match mode {
        Mode::Continue => model::refresh(serving.model.as_ref(), &news, seed, work)?,
        Mode::Unlearn => model::unlearn(serving.model.as_ref(), &news, seed, work)?,
    };
    let anew = refreshed.anew;
    let within = nanos.load(Ordering::Relaxed) as f64 * 1e-9;
    let fit_seconds = (fitting.elapsed().as_secs_f64() - within).max(0.0);
    read_seconds += within;
    work.check()?;

    let (users, pairs, interactions) = match (news.into_read(), steps, &since) {
        (Some(data), ..) => {
            let rows = Some(rows.load(Ordering::Relaxed));
            (data.n_users() as u64, data.n_pairs() as u64, rows)
        }
        (None, steps, since) => {
            let steps = steps.unwrap_or_default();
            let (added, removed) = since.as_ref().map_or((0, 0), |s| (s.added, s.removed));
            let rows = before.interactions.map(|rows| (rows + added).saturating_sub(removed));
            let sum = |count: u64, step: i64| count.saturating_add_signed(step);
            (sum(before.users, steps.users), sum(before.pairs, steps.pairs), rows)
        }
    };
    let more = |now: u64, then: u64| now as i64 - then as i64;
    let version = ModelVersion {
        version: 0,
        generation: snapshot.generation(),
        learned_since: if anew { snapshot.generation() } else { before.learned_since },
        statement: request.statement.clone(),
        seed,
        users,
        items: n_items,
        pairs,
        interactions,
        refreshed: Some(Lineage {
            from: before.version,
            trained: before.refreshed.as_ref().map_or(before.version, |lineage| lineage.trained),
            how: refreshed.how,
            users: more(users, before.users),
            items: more(n_items, before.items),
            pairs: more(pairs, before.pairs),
        }),
        options: Vec::new(),
        notes: Vec::new(),
        curve: LearningCurve::default(),
        bytes: 0,
        read_seconds,
        fit_seconds,
    };
    let model = refreshed.model.as_ref();
    let version =
        train::publish(engine, &definition, model, &graphs, version, Some(before.version))?;
    Ok(Refreshment { version, changed: true })
}

/// How many interactions of a model's tables came and went after a generation.
pub(crate) fn events_since(
    engine: &Engine,
    generation: u64,
    snapshot: &Snapshot,
    model: &ModelDefinition,
) -> Option<u64> {
    let changes = engine.store().changes_since(generation, snapshot)?;
    let own = |change: &&Change| match change {
        Change::Interaction { table, .. } => model.learns_from(*table),
        _ => false,
    };
    Some(changes.iter().filter(own).count() as u64)
}

/// What is remembered; `None` where it is not all.
fn since(engine: &Engine, snapshot: &Snapshot, serving: &Serving) -> Result<Option<Since>> {
    let Some(changes) = engine.store().changes_since(serving.version.generation, snapshot) else {
        return Ok(None);
    };
    let definition = &serving.definition;
    let items = train::item_table(snapshot, definition)?;
    // One that looks at embeddings whenever it answers has nothing to take in.
    let looks = model::algorithm(&definition.algorithm)?.embeddings == Embeddings::InTraining;
    let mut since = Since::default();
    for change in &changes {
        match change {
            Change::Interaction { table, user, item, added } if definition.learns_from(*table) => {
                let touched = since.users.entry(*user).or_default();
                let touched = touched.entry(*table).or_default();
                let counts = touched.items.entry(*item).or_default();
                if *added {
                    counts.0 += 1;
                    since.added += 1;
                } else {
                    counts.1 += 1;
                    touched.removed = true;
                    since.removed += 1;
                }
            }
            Change::Row { table, .. } if *table == items => since.rows = true,
            Change::Embedding { table, .. } if *table == items => since.embeddings |= looks,
            Change::Schema => since.schema = true,
            Change::Interaction { .. } | Change::Row { .. } | Change::Embedding { .. } => {}
        }
    }
    Ok(Some(since))
}

impl Since {
    /// Whether there is anything that a refresh could take in.
    fn is_news(&self, serving: &Serving, items: &[ItemId]) -> bool {
        let model = serving.model.as_ref();
        let other_items = self.rows && !model.is_live() && model.items() != items;
        !self.users.is_empty() || self.embeddings || self.schema || other_items
    }

    /// The histories that changed, before and after; `None` where reading all is as cheap, or where
    /// what was removed can no longer be told.
    fn histories(&self, snapshot: &Snapshot, serving: &Serving) -> Result<Option<Vec<Changed>>> {
        let many = self.users.len() as u64 * SHARE > serving.version.users;
        if self.schema || many {
            return Ok(None);
        }
        let mut histories = Vec::with_capacity(self.users.len());
        for (user, touched) in &self.users {
            match history(touched, snapshot, serving, *user)? {
                Some(changed) if changed.before == changed.after => {}
                Some(changed) => histories.push(changed),
                None => return Ok(None),
            }
        }
        Ok(Some(histories))
    }
}

/// The history of a user in all tables of a model, before and after what happened in some of them;
/// `None` where what was removed can no longer be told.
fn history(
    touched: &BTreeMap<TableId, Touched>,
    snapshot: &Snapshot,
    serving: &Serving,
    user: UserId,
) -> Result<Option<Changed>> {
    let (mut before, mut after) = (Pairs::new(), Pairs::new());
    let untouched = Touched::default();
    for (source, own) in serving.sources.iter().zip(&serving.definition.tables) {
        let projection = source.projection.as_ref();
        let rows = snapshot.history(source.table, user, projection.columns())?;
        let touched = touched.get(&source.table).unwrap_or(&untouched);
        project(projection, &rows, |row, weight| after.push((row.item, weight)))?;
        // What is gone has lost its values, so only where all count one is it known what it counted.
        if touched.removed && (own.weight.is_some() || own.filter.is_some()) {
            return Ok(None);
        }
        if touched.removed {
            match touched.counts(&rows) {
                Some(counts) => before.extend(counts),
                None => return Ok(None),
            }
        } else {
            let old = touched.old(rows);
            project(projection, &old, |row, weight| before.push((row.item, weight)))?;
        }
    }
    Ok(Some(Changed { before: summed(before)?, after: summed(after)? }))
}

impl Touched {
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

/// How many users and pairs there are more.
#[derive(Clone, Copy, Debug, Default)]
struct Steps {
    users: i64,
    pairs: i64,
}

impl Steps {
    fn of(changed: &[Changed]) -> Steps {
        let mut steps = Steps::default();
        for Changed { before, after } in changed {
            steps.users += i64::from(!after.is_empty()) - i64::from(!before.is_empty());
            steps.pairs += after.len() as i64 - before.len() as i64;
        }
        steps
    }
}

#[cfg(test)]
mod tests;
