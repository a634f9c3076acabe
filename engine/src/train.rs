//! Training: from a snapshot's interactions to a published model version.
//!
//! The run reads one snapshot, so writers are never in the way; its result becomes visible with
//! one commit that names the new file, so readers see the old version or the new one, whole.

use std::time::Instant;

use tastedb_storage::{ColumnId, Interaction, ItemId, Read, Snapshot, TableId, UserId, Value};

use crate::dataset::Dataset;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::history::SideData;
use crate::model::{self, Embeddings, Estimate};
use crate::options::{ModelOptions, OptionValue};
use crate::progress::Work;
use crate::projection::Projection;
use crate::recommend::project;
use crate::registry::{ModelDefinition, ModelVersion};

/// What to train.
#[derive(Clone, Debug, Default)]
pub struct TrainRequest {
    /// The model's name.
    pub model: String,
    /// Settings of this run; they win over those of the definition.
    pub options: ModelOptions,
    /// Seed of everything random.
    pub seed: u64,
    /// The statement, as written, for the lineage.
    pub statement: String,
}

/// What a training run would do.
#[derive(Clone, Debug)]
pub struct TrainPlan {
    /// The model.
    pub definition: ModelDefinition,
    /// Every setting that would be in force.
    pub options: Vec<(String, String)>,
    /// Users in the training data, at most.
    pub users: u64,
    /// Items in the catalogue.
    pub items: u64,
    /// Interactions that count.
    pub interactions: u64,
    /// Estimated cost.
    pub estimate: Estimate,
}

/// Rows that are projected at a time.
const BATCH: usize = 8192;

pub(crate) fn plan(engine: &Engine, request: &TrainRequest) -> Result<TrainPlan> {
    let snapshot = engine.snapshot();
    let definition = engine.model(&snapshot, &request.model)?;
    let options = overlaid(&definition.options, &request.options);
    let projection = engine.registry().projection(&snapshot, &definition)?;
    let items = catalogue(engine, &snapshot, &definition)?.len() as u64;
    let mut users = 0;
    let mut interactions = 0;
    let mut last = None;
    scan(&snapshot, definition.table, projection.as_ref(), &Work::quiet(), |row, _| {
        interactions += 1;
        if last != Some(row.user) {
            last = Some(row.user);
            users += 1;
        }
    })?;
    let estimate = model::estimate(&definition.algorithm, users, items, interactions, &options, 0)?;
    Ok(TrainPlan {
        options: given_or_default(&definition.algorithm, &options)?,
        definition,
        users,
        items,
        interactions,
        estimate,
    })
}

pub(crate) fn train(engine: &Engine, request: &TrainRequest, work: &Work) -> Result<ModelVersion> {
    let snapshot = engine.snapshot();
    let definition = engine.model(&snapshot, &request.model)?;
    let options = overlaid(&definition.options, &request.options);
    model::check_options(&definition.algorithm, &options)?;

    let reading = Instant::now();
    let projection = engine.registry().projection(&snapshot, &definition)?;
    let items = catalogue(engine, &snapshot, &definition)?;
    let data = dataset(&snapshot, &definition, projection.as_ref(), items, work, &|_, _| true)?;
    let side = side_data(engine, &snapshot, &definition)?;
    let read_seconds = reading.elapsed().as_secs_f64();

    let fitting = Instant::now();
    let model = model::fit(&definition.algorithm, &data, &side, &options, request.seed, work)?;
    let fit_seconds = fitting.elapsed().as_secs_f64();
    work.check()?;

    // The file is written before the writer lock is taken: writers wait for a commit only.
    let name = &definition.name;
    let mut staged = engine.store().stage(name)?;
    model.save(&mut staged)?;
    let bytes = staged.payload_len();
    let staged = staged.finish()?;

    let mut txn = engine.store().begin()?;
    if engine.registry().definition(&txn, name)? != definition {
        return Err(Error::Conflict {
            what: format!("model `{name}` was replaced while it was being trained"),
        });
    }
    let replaced = engine.registry().version(&txn, name)?;
    let version = ModelVersion {
        version: replaced.as_ref().map_or(1, |v| v.version + 1),
        generation: snapshot.generation(),
        statement: request.statement.clone(),
        seed: request.seed,
        users: data.n_users() as u64,
        items: data.n_items() as u64,
        pairs: data.n_pairs() as u64,
        options: settings(model.options()),
        notes: model.notes(),
        curve: model.curve(),
        bytes,
        read_seconds,
        fit_seconds,
    };
    txn.publish(staged)?;
    engine.registry().publish(&mut txn, name, &version);
    txn.commit()?;
    Ok(version)
}

/// The items that a model ranks: every live row of its item table.
pub(crate) fn catalogue(
    engine: &Engine,
    snapshot: &Snapshot,
    definition: &ModelDefinition,
) -> Result<Vec<ItemId>> {
    let table = item_table(snapshot, definition)?;
    Ok(engine.live().entities(engine.store(), snapshot, table)?.items().to_vec())
}

/// The item table behind a model's interactions.
pub(crate) fn item_table(snapshot: &Snapshot, definition: &ModelDefinition) -> Result<TableId> {
    let link = snapshot.catalog().table_by_id(definition.table).and_then(|t| t.link.as_ref());
    link.map(|link| link.item_table).ok_or_else(|| Error::CorruptRecord {
        record: format!("model/{}", definition.name),
        what: format!("table {} does not hold interactions", definition.table),
    })
}

/// The embeddings that an algorithm is trained with, as they are now.
pub(crate) fn side_data(
    engine: &Engine,
    snapshot: &Snapshot,
    definition: &ModelDefinition,
) -> Result<SideData> {
    if model::algorithm(&definition.algorithm)?.embeddings == Embeddings::Unused {
        return Ok(SideData::default());
    }
    embeddings(engine, snapshot, definition)
}

/// The embeddings that a trained model looks at when it answers, as they are now.
pub(crate) fn live_side_data(
    engine: &Engine,
    snapshot: &Snapshot,
    definition: &ModelDefinition,
) -> Result<SideData> {
    if model::algorithm(&definition.algorithm)?.embeddings != Embeddings::Always {
        return Ok(SideData::default());
    }
    embeddings(engine, snapshot, definition)
}

fn embeddings(
    engine: &Engine,
    snapshot: &Snapshot,
    definition: &ModelDefinition,
) -> Result<SideData> {
    let table = item_table(snapshot, definition)?;
    engine.live().side_data(engine.store(), snapshot, table)
}

fn overlaid(below: &ModelOptions, above: &ModelOptions) -> ModelOptions {
    let mut options = below.clone();
    for (name, value) in above.iter() {
        options.set(name, value.clone());
    }
    options
}

fn settings(options: Vec<(String, OptionValue)>) -> Vec<(String, String)> {
    options.into_iter().map(|(name, value)| (name, value.to_string())).collect()
}

/// Every option of an algorithm, as given or as it stands when not given.
fn given_or_default(algorithm: &str, given: &ModelOptions) -> Result<Vec<(String, String)>> {
    model::check_options(algorithm, given)?;
    let specs = model::algorithm(algorithm)?.options.iter();
    Ok(settings(
        specs
            .map(|spec| {
                let value = given.get(spec.name).cloned().unwrap_or_else(|| spec.default());
                (spec.name.to_string(), value)
            })
            .collect(),
    ))
}

/// The training data of a model, read from a snapshot.
pub(crate) fn dataset(
    snapshot: &Snapshot,
    definition: &ModelDefinition,
    projection: &dyn Projection,
    items: Vec<ItemId>,
    work: &Work,
    keep: &dyn Fn(UserId, ItemId) -> bool,
) -> Result<Dataset> {
    let mut pairs: Vec<(UserId, ItemId, f32, Option<i64>)> = Vec::new();
    let time = projection.time();
    scan(snapshot, definition.table, projection, work, |row, weight| {
        if keep(row.user, row.item) {
            let when = time.and_then(|at| match row.values.get(at) {
                Some(Value::Timestamp(micros)) => Some(*micros),
                _ => None,
            });
            pairs.push((row.user, row.item, weight, when));
        }
    })?;
    Dataset::build(items, pairs)
}

/// Calls `each` for every interaction of a table that counts, by user.
pub(crate) fn scan(
    snapshot: &Snapshot,
    table: TableId,
    projection: &dyn Projection,
    work: &Work,
    mut each: impl FnMut(&Interaction, f32),
) -> Result<()> {
    let columns: &[ColumnId] = projection.columns();
    let mut batch = Vec::with_capacity(BATCH);
    let mut done = 0;
    for row in snapshot.interactions(table, columns)? {
        batch.push(row?);
        if batch.len() == BATCH {
            project(projection, &batch, &mut each)?;
            done += batch.len() as u64;
            batch.clear();
            work.step("read", done, 0)?;
        }
    }
    project(projection, &batch, &mut each)
}
