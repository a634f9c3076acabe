//! A model that unlearned beside one that is trained from the beginning on what is left.
//!
//! Only for algorithms that are a function of the data and the settings in force, and only where
//! such a training is a matter of seconds: it is a proof for small databases, not a benchmark.

use tastedb_storage::Snapshot;

use crate::engine::Engine;
use crate::error::Result;
use crate::history::{History, ScoreInput, SideData};
use crate::model;
use crate::options::ModelOptions;
use crate::progress::Work;
use crate::registry::ModelDefinition;
use crate::train;

/// Algorithms that choose nothing when all their options are given.
const EXACT: [&str; 5] = ["ease", "ials", "item_knn", "popular", "trending"];

/// The most that is trained on.
const PAIRS: u64 = 300_000;
const ITEMS: u64 = 3_000;

/// People whose scores are compared, spread over all.
const PEOPLE: usize = 64;

/// Scores may differ by so much of the larger of them and one: additions in another order.
pub(super) const TOLERANCE: f64 = 1e-5;

/// What a comparison found.
pub(super) enum Compared {
    /// People, and the largest difference of a score, relative to the larger one and at least one.
    By(usize, f64),
    /// Why there was none.
    Not(&'static str),
}

pub(super) fn compare(
    engine: &Engine,
    snapshot: &Snapshot,
    definition: &ModelDefinition,
    work: &Work,
) -> Result<Compared> {
    if !EXACT.contains(&definition.algorithm.as_str()) {
        return Ok(Compared::Not("its settings are chosen in training, or it is trained by steps"));
    }
    let serving = engine.registry().serving(snapshot, &definition.name)?;
    let version = &serving.version;
    if version.learned_since < version.generation {
        return Ok(Compared::Not("it continues an earlier version"));
    }
    if version.pairs > PAIRS || version.items > ITEMS {
        return Ok(Compared::Not("a training would take long"));
    }
    let items = train::items(engine, snapshot, definition)?;
    let sources = &serving.sources;
    let (data, rows) = train::counted_dataset(snapshot, sources, items, work, &mut |_| true)?;
    let since = engine.events_since(version.generation, snapshot, definition);
    let same = version.interactions == Some(rows) && version.pairs == data.n_pairs() as u64;
    if !same || since.is_some_and(|events| events > 0) || data.items != serving.model.items() {
        return Ok(Compared::Not("there is new data since: refresh it first"));
    }
    let options: ModelOptions = serving.model.options().into_iter().collect();
    let side = SideData::default();
    let fresh = model::fit(&definition.algorithm, &data, &side, &options, version.seed, work)?;
    let (mut own, mut other) = (vec![0f32; data.n_items()], vec![0f32; data.n_items()]);
    let mut worst = 0f64;
    let step = data.n_users().div_ceil(PEOPLE).max(1);
    let people: Vec<usize> = (0..data.n_users()).step_by(step).collect();
    for person in &people {
        let (items, weights) = data.by_user.row(*person);
        let entries: Vec<(u32, f32)> = items.iter().copied().zip(weights.iter().copied()).collect();
        let history = History::new(&entries);
        let input = ScoreInput { history, items: &data.items, side: &side, vectors: &[] };
        serving.model.score(&input, &mut own);
        fresh.score(&input, &mut other);
        for (a, b) in own.iter().zip(&other) {
            worst = worst.max(match (a.is_nan(), b.is_nan()) {
                (true, true) => 0.0,
                (false, false) => f64::from((a - b).abs() / a.abs().max(b.abs()).max(1.0)),
                _ => f64::INFINITY,
            });
        }
    }
    Ok(Compared::By(people.len(), worst))
}
