//! Training: from a snapshot's interactions to a published model version.
//!
//! The run reads one snapshot, so writers are never in the way; its result becomes visible with
//! one commit that names the new file, so readers see the old version or the new one, whole.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use tastedb_storage::{
    ColumnId, ColumnType, Interaction, ItemId, Read, Snapshot, TableId, UserId, Value,
};

use crate::compute::{Device, settle};
use crate::data_sum::DataSum;
use crate::dataset::Dataset;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::forget;
use crate::history::{Graphs, KeptGraphs, SideData};
use crate::learning_curve::LearningCurve;
use crate::live::{Catalogue, LiveGraphs, publish_graphs};
use crate::model::{self, Embeddings, Estimate, Model, Size};
use crate::options::{ModelOptions, OptionValue};
use crate::progress::Work;
use crate::projection::{Projected, Projection};
use crate::recommend::project;
use crate::registry::{ModelDefinition, ModelVersion, Serving};

/// What to train.
#[derive(Clone, Debug, Default)]
pub struct TrainRequest {
    /// The model's name.
    pub model: String,
    /// Settings of this run; they win over those of the definition.
    pub options: ModelOptions,
    /// Seed of everything random.
    pub seed: u64,
    /// What trains it.
    pub device: Device,
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
    /// What it would be trained on.
    pub device: Device,
    /// Estimated cost.
    pub estimate: Estimate,
}

/// Rows that are projected at a time.
const BATCH: usize = 8192;

pub(crate) fn plan(engine: &Engine, request: &TrainRequest) -> Result<TrainPlan> {
    let snapshot = engine.snapshot();
    let definition = engine.model(&snapshot, &request.model)?;
    let options = overlaid(&definition.options, &request.options);
    let device = settle(request.device, &definition.algorithm, &Work::quiet())?;
    let sources = engine.registry().sources(&snapshot, &definition)?;
    let items = catalogue(engine, &snapshot, &definition)?.items().len() as u64;
    let mut users = HashSet::new();
    let mut interactions = 0;
    for source in &sources {
        let mut last = None;
        scan(&snapshot, source.table, source.projection.as_ref(), &Work::quiet(), |row, _| {
            interactions += 1;
            if last.replace(row.user) != Some(row.user) {
                users.insert(row.user);
            }
        })?;
    }
    let users = users.len() as u64;
    let embeddings = embedding_numbers(engine, &snapshot, &definition)?;
    let size = Size { users, items, pairs: interactions, embeddings };
    let estimate = model::estimate(&definition.algorithm, &size, &options, 0)?;
    Ok(TrainPlan {
        options: given_or_default(&definition.algorithm, &options)?,
        definition,
        users,
        items,
        interactions,
        device,
        estimate,
    })
}

/// The numbers of the embeddings of all items, if all have them.
fn embedding_numbers(
    engine: &Engine,
    snapshot: &Snapshot,
    definition: &ModelDefinition,
) -> Result<u64> {
    let mut numbers = 0u64;
    for table in item_tables(snapshot, definition)? {
        let items = engine.live().entities(engine.store(), snapshot, table)?.len() as u64;
        let table = snapshot.catalog().table_by_id(table);
        let dims =
            table.into_iter().flat_map(|table| table.columns()).map(|column| match column.ty {
                ColumnType::Vector { dim, .. } => u64::from(dim),
                _ => 0,
            });
        numbers = numbers.saturating_add(dims.sum::<u64>().saturating_mul(items));
    }
    Ok(numbers)
}

pub(crate) fn train(engine: &Engine, request: &TrainRequest, work: &Work) -> Result<ModelVersion> {
    let snapshot = engine.snapshot();
    let definition = engine.model(&snapshot, &request.model)?;
    let options = overlaid(&definition.options, &request.options);
    model::check_options(&definition.algorithm, &options)?;
    let device = settle(request.device, &definition.algorithm, work)?;
    let work = &Work { device, ..work.clone() };

    let reading = Instant::now();
    let sources = engine.registry().sources(&snapshot, &definition)?;
    let items = items(engine, &snapshot, &definition)?;
    let (data, interactions) = counted_dataset(&snapshot, &sources, items, work, &mut |_| true)?;
    let graphs = graphs(engine, &snapshot, &definition)?;
    let side = side_data(engine, &snapshot, &definition, &graphs)?;
    let read_seconds = reading.elapsed().as_secs_f64();

    let fitting = Instant::now();
    let model = model::fit(&definition.algorithm, &data, &side, &options, request.seed, work)?;
    let fit_seconds = fitting.elapsed().as_secs_f64();
    work.check()?;

    let version = ModelVersion {
        version: 0,
        generation: snapshot.generation(),
        learned_since: snapshot.generation(),
        undone_to: None,
        statement: request.statement.clone(),
        seed: request.seed,
        users: data.n_users() as u64,
        items: data.n_items() as u64,
        pairs: data.n_pairs() as u64,
        interactions: Some(interactions),
        data: Some(DataSum::of(&data, &snapshot)),
        refreshed: None,
        options: Vec::new(),
        notes: Vec::new(),
        curve: LearningCurve::default(),
        bytes: 0,
        read_seconds,
        fit_seconds,
    };
    publish(engine, &definition, model.as_ref(), &graphs, version, None)
}

/// Lets a model serve, as the version that is described but for what the model itself says, and stores
/// the graphs that it was made with. Where it continues another version, that one must still serve.
pub(crate) fn publish(
    engine: &Engine,
    definition: &ModelDefinition,
    model: &dyn Model,
    graphs: &LiveGraphs,
    version: ModelVersion,
    continues: Option<u64>,
) -> Result<ModelVersion> {
    // The file is written before the writer lock is taken: writers wait for a commit only.
    let name = &definition.name;
    let mut staged = engine.store().stage(name)?;
    model.save(&mut staged)?;
    let bytes = staged.payload_len();
    let staged = staged.finish()?;
    let staged_graphs = graphs.stage()?;

    let mut txn = engine.store().begin()?;
    if forget::newest(&txn, definition)? > version.generation {
        return Err(Error::Conflict {
            what: format!("data that model `{name}` was being trained on is to be forgotten"),
        });
    }
    if engine.registry().definition(&txn, name)? != *definition {
        return Err(Error::Conflict {
            what: format!("model `{name}` was replaced while it was being trained"),
        });
    }
    let replaced = engine.registry().version(&txn, name)?.map(|version| version.version);
    if continues.is_some() && replaced != continues {
        return Err(Error::Conflict {
            what: format!("model `{name}` got another version while it was being refreshed"),
        });
    }
    let version = ModelVersion {
        version: replaced.map_or(1, |version| version + 1),
        options: settings(model.options()),
        notes: model.notes(),
        curve: model.curve(),
        bytes,
        ..version
    };
    txn.publish(staged)?;
    publish_graphs(&mut txn, staged_graphs)?;
    engine.registry().publish(&mut txn, name, &version);
    txn.commit()?;
    engine.registry().set_failure(name, None);
    Ok(version)
}

/// Takes the serving version of a model back: it is as if it had not been trained.
pub(crate) fn withdraw(engine: &Engine, name: &str) -> Result<()> {
    let mut txn = engine.store().begin()?;
    engine.registry().withdraw(&mut txn, name);
    txn.commit()?;
    Ok(())
}

/// The items that a model ranks: every live row of its tables of items, ascending.
pub(crate) fn items(
    engine: &Engine,
    snapshot: &Snapshot,
    definition: &ModelDefinition,
) -> Result<Vec<ItemId>> {
    Ok(catalogue(engine, snapshot, definition)?.items().to_vec())
}

/// The same, with how the tables lie in it.
pub(crate) fn catalogue(
    engine: &Engine,
    snapshot: &Snapshot,
    definition: &ModelDefinition,
) -> Result<Arc<Catalogue>> {
    let tables = item_tables(snapshot, definition)?;
    engine.live().catalogue(engine.store(), snapshot, &tables)
}

/// The tables of items behind a model's interactions, at least one.
pub(crate) fn item_tables(
    snapshot: &Snapshot,
    definition: &ModelDefinition,
) -> Result<Vec<TableId>> {
    let tables = definition.item_tables(snapshot.catalog());
    if tables.is_empty() {
        return Err(Error::CorruptRecord {
            record: format!("model/{}", definition.name),
            what: "its table does not hold interactions".to_owned(),
        });
    }
    Ok(tables)
}

/// The neighbour graphs that are kept of a model's items.
pub(crate) fn graphs(
    engine: &Engine,
    snapshot: &Snapshot,
    definition: &ModelDefinition,
) -> Result<Arc<LiveGraphs>> {
    Ok(Arc::new(LiveGraphs::new(engine, snapshot, item_tables(snapshot, definition)?)))
}

/// The embeddings that an algorithm is trained with, as they are now, with the graphs made of them.
pub(crate) fn side_data(
    engine: &Engine,
    snapshot: &Snapshot,
    definition: &ModelDefinition,
    graphs: &Arc<LiveGraphs>,
) -> Result<SideData> {
    if model::algorithm(&definition.algorithm)?.embeddings == Embeddings::Unused {
        return Ok(SideData::default());
    }
    let tables = item_tables(snapshot, definition)?;
    let side = engine.live().side_data(engine.store(), snapshot, &tables)?;
    Ok(SideData { graphs: Some(KeptGraphs(Arc::clone(graphs) as Arc<dyn Graphs>)), ..side })
}

/// The embeddings that a trained model looks at when it answers, as they are now, and their indexes.
pub(crate) fn live_side_data(
    engine: &Engine,
    snapshot: &Snapshot,
    serving: &Serving,
) -> Result<SideData> {
    let Serving { definition, model, .. } = serving;
    if model::algorithm(&definition.algorithm)?.embeddings != Embeddings::Always {
        return Ok(SideData::default());
    }
    let (live, store) = (engine.live(), engine.store());
    let tables = item_tables(snapshot, definition)?;
    let mut side = live.side_with_indexes(store, snapshot, &tables, model.similarity())?;
    if model.corrects_hubs() {
        live.add_hubs(store, snapshot, &tables, &mut side)?;
    }
    Ok(side)
}

/// The embeddings of a model's items, as they are now and as it compares them.
pub(crate) fn embeddings(
    engine: &Engine,
    snapshot: &Snapshot,
    definition: &ModelDefinition,
    model: &dyn Model,
) -> Result<SideData> {
    let (live, store) = (engine.live(), engine.store());
    let tables = item_tables(snapshot, definition)?;
    let mut side = live.side_by(store, snapshot, &tables, model.similarity())?;
    if model.corrects_hubs() {
        live.add_hubs(store, snapshot, &tables, &mut side)?;
    }
    Ok(side)
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

/// The training data of a model, read from a snapshot: what its tables hold of a pair adds up.
pub(crate) fn dataset(
    snapshot: &Snapshot,
    sources: &[Projected],
    items: Vec<ItemId>,
    work: &Work,
    keep: &mut dyn FnMut(&Interaction) -> bool,
) -> Result<Dataset> {
    Ok(counted_dataset(snapshot, sources, items, work, keep)?.0)
}

/// The same, with how many interactions the tables have.
pub(crate) fn counted_dataset(
    snapshot: &Snapshot,
    sources: &[Projected],
    items: Vec<ItemId>,
    work: &Work,
    keep: &mut dyn FnMut(&Interaction) -> bool,
) -> Result<(Dataset, u64)> {
    let mut pairs: Vec<(UserId, ItemId, f32, Option<i64>)> = Vec::new();
    let mut rows = 0;
    for Projected { table, projection } in sources {
        let time = projection.time();
        rows += scan(snapshot, *table, projection.as_ref(), work, |row, weight| {
            if keep(row) {
                let when = time.and_then(|at| match row.values.get(at) {
                    Some(Value::Timestamp(micros)) => Some(*micros),
                    _ => None,
                });
                pairs.push((row.user, row.item, weight, when));
            }
        })?;
    }
    Ok((Dataset::build(items, pairs)?, rows))
}

/// Calls `each` for every interaction of a table that counts, by user; how many there are in all.
pub(crate) fn scan(
    snapshot: &Snapshot,
    table: TableId,
    projection: &dyn Projection,
    work: &Work,
    mut each: impl FnMut(&Interaction, f32),
) -> Result<u64> {
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
    project(projection, &batch, &mut each)?;
    Ok(done + batch.len() as u64)
}
