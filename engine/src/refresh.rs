//! `REFRESH MODEL`: the next version of a trained model, from where the last one stands.
//!
//! What changed since the version's snapshot is found out in [`since`]. Where that is known, only the
//! histories that changed are taken in; else everything is. The settings are those of the version. What
//! comes out is published as a training is: by one commit.

mod since;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tastedb_storage::{Change, Snapshot};

use crate::compute::{Device, settle};
use crate::data_sum::{DataSum, Direction};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::learning_curve::LearningCurve;
use crate::model::{self, Changed, News};
use crate::options::ModelOptions;
use crate::progress::Work;
use crate::registry::{Lineage, ModelDefinition, ModelVersion};
use crate::train;

pub(crate) use since::few;

/// What to refresh.
#[derive(Clone, Debug, Default)]
pub struct RefreshRequest {
    /// The model's name.
    pub model: String,
    /// There must be none: settings stay. They are taken so that the error can name one.
    pub options: ModelOptions,
    /// Seed of everything random; that of the version if there is none.
    pub seed: Option<u64>,
    /// What trains it, where it is trained.
    pub device: Device,
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
    let device = settle(request.device, &definition.algorithm, work)?;
    let work = &Work { device, ..work.clone() };
    let serving = engine.registry().serving(&snapshot, name)?;
    let before = &serving.version;

    let reading = Instant::now();
    let items = train::items(engine, &snapshot, &definition)?;
    let since = since::since(engine, &snapshot, &serving, &items, work)?;
    if mode == Mode::Continue && !since.news {
        return Ok(Refreshment { version: before.clone(), changed: false });
    }
    let graphs = train::graphs(engine, &snapshot, &definition)?;
    let side = train::side_data(engine, &snapshot, &definition, &graphs)?;
    let steps = since.changed.as_deref().map(Steps::of);
    let moved = since.changed.as_deref().zip(before.data);
    let moved = moved.map(|(changed, sum)| sum.with(changed, Direction::Forwards).sum);
    let mut read_seconds = reading.elapsed().as_secs_f64();

    // All interactions are read within the refresh, if at all, or were to find out what changed.
    let (rows, nanos) = (AtomicU64::new(since.rows.unwrap_or(0)), AtomicU64::new(0));
    let n_items = items.len() as u64;
    let sources = serving.sources.as_slice();
    let read = Mutex::new(since.read);
    let news = News::new(items.clone(), &side, since.changed, || {
        if let Some(data) = read.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Ok(data);
        }
        let reading = Instant::now();
        let (data, read) =
            train::counted_dataset(&snapshot, sources, items.clone(), work, &mut |_| true)?;
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

    let known = news.into_read();
    let data = match &known {
        Some(data) => Some(DataSum::of(data, &snapshot)),
        None => moved.map(|sum| DataSum::at(sum, &snapshot)),
    };
    let (users, pairs, interactions) = match (known, steps) {
        (Some(data), _) => {
            let rows = Some(rows.load(Ordering::Relaxed));
            (data.n_users() as u64, data.n_pairs() as u64, rows)
        }
        (None, steps) => {
            let steps = steps.unwrap_or_default();
            let sum = |count: u64, step: i64| count.saturating_add_signed(step);
            (sum(before.users, steps.users), sum(before.pairs, steps.pairs), since.rows)
        }
    };
    let more = |now: u64, then: u64| now as i64 - then as i64;
    let version = ModelVersion {
        version: 0,
        generation: snapshot.generation(),
        learned_since: if anew { snapshot.generation() } else { before.learned_since },
        undone_to: match (anew, mode) {
            (true, _) => None,
            (false, Mode::Unlearn) => Some(snapshot.generation()),
            (false, Mode::Continue) => before.undone_to,
        },
        statement: request.statement.clone(),
        seed,
        users,
        items: n_items,
        pairs,
        interactions,
        data,
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

/// How many users and pairs there are more.
#[derive(Clone, Copy, Debug, Default)]
struct Steps {
    users: i64,
    pairs: i64,
}

impl Steps {
    fn of(changed: &[Changed]) -> Steps {
        let mut steps = Steps::default();
        for Changed { before, after, .. } in changed {
            steps.users += i64::from(!after.is_empty()) - i64::from(!before.is_empty());
            steps.pairs += after.len() as i64 - before.len() as i64;
        }
        steps
    }
}

#[cfg(test)]
mod tests;
