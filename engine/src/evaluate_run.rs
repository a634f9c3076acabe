//! `EVALUATE`: measures models of the database on interactions held out from them.
//!
//! With a held-out table, the versions that serve are measured as they are. With a split of the
//! training table, each model is fitted anew, in memory, on the part that is not held out; nothing
//! is published. The ranking and the metrics are [`evaluate`](crate::evaluate)'s.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tastedb_storage::{Interaction, ItemId, Read, Snapshot, TableId, UserId};

use crate::dataset::Dataset;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::evaluate::{self, Case, Metric, Task};
use crate::history::SideData;
use crate::live::Catalogue;
use crate::model::{self, Model};
use crate::options::ModelOptions;
use crate::progress::Work;
use crate::projection::Projection;
use crate::registry::{BUILT_IN, ModelDefinition, RefreshPolicy, Serving, TrainingTable};
use crate::train;

/// What to measure.
#[derive(Clone)]
pub struct EvaluationRequest {
    /// Models, and built-in `popular`, `trending`, `latest`, `random`.
    pub models: Vec<String>,
    /// The held-out table or, with `split`, the table to split.
    pub table: TableId,
    /// What to hold out of `table`: interactions that this projection counts.
    pub split: Option<Arc<dyn Projection>>,
    /// What to compute.
    pub metrics: Vec<Metric>,
    /// The group of each user, where figures are wanted by group.
    pub groups: Option<BTreeMap<UserId, String>>,
    /// Seed of the fits of a split, and of `random`.
    pub seed: u64,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// By model as asked, everybody first, then group by group.
    pub rows: Vec<EvaluationRow>,
    /// How it was measured, in words, and what should be known about it.
    pub protocol: Vec<String>,
}

/// The figures of one model over one group of users.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationRow {
    /// The model.
    pub model: String,
    /// The group; `None` for all users.
    pub group: Option<String>,
    /// How many users were averaged.
    pub users: u64,
    /// Aligned with the metrics asked for.
    pub values: Vec<f64>,
}

/// Models that see the same training data are measured in one pass.
struct Subject {
    name: String,
    definition: ModelDefinition,
    served: Option<Arc<Serving>>,
}

pub(crate) fn evaluate(
    engine: &Engine,
    snapshot: &Snapshot,
    request: &EvaluationRequest,
    work: &Work,
) -> Result<Evaluation> {
    let mut subjects = Vec::with_capacity(request.models.len());
    for name in &request.models {
        subjects.push(subject(engine, snapshot, request, name)?);
    }
    let held = held_out(snapshot, request, work)?;
    let mut result = Evaluation { rows: Vec::new(), protocol: Vec::new() };
    for subject in &subjects {
        measure(engine, snapshot, request, subject, &held, work, &mut result)?;
    }
    // What holds for all is said once.
    let mut said = HashSet::new();
    result.protocol.retain(|line| said.insert(line.clone()));
    Ok(result)
}

fn subject(
    engine: &Engine,
    snapshot: &Snapshot,
    request: &EvaluationRequest,
    name: &str,
) -> Result<Subject> {
    if BUILT_IN.contains(&name) {
        let table = match request.split {
            Some(_) => request.table,
            None => training_table(snapshot, request.table)?,
        };
        let definition = ModelDefinition {
            name: name.to_string(),
            algorithm: name.to_string(),
            tables: vec![TrainingTable::new(table)],
            options: ModelOptions::new(),
            refresh: RefreshPolicy::default(),
            created: 0,
            statement: String::new(),
        };
        return Ok(Subject { name: name.to_string(), definition, served: None });
    }
    let definition = engine.model(snapshot, name)?;
    let served = match request.split {
        Some(_) if !definition.learns_from(request.table) => {
            return Err(Error::WrongTable { model: name.to_string() });
        }
        Some(_) => None,
        None => Some(engine.registry().serving(snapshot, name)?),
    };
    Ok(Subject { name: name.to_string(), definition, served })
}

/// The table that built-in models learn from when another one is held out: the oldest one on the
/// same users and items.
fn training_table(snapshot: &Snapshot, held_out: TableId) -> Result<TableId> {
    let catalog = snapshot.catalog();
    let link = catalog.table_by_id(held_out).and_then(|table| table.link.as_ref());
    let same =
        |table: &&tastedb_storage::Table| {
            table.id != held_out
                && table.link.as_ref().zip(link).is_some_and(|(a, b)| {
                    a.user_table == b.user_table && a.item_table == b.item_table
                })
        };
    catalog
        .tables()
        .filter(same)
        .map(|table| table.id)
        .min()
        .ok_or(Error::NeedsModel { what: "a built-in source without a training table" })
}

/// Held-out items by user, ascending.
type HeldOut = BTreeMap<UserId, Vec<ItemId>>;

fn held_out(snapshot: &Snapshot, request: &EvaluationRequest, work: &Work) -> Result<HeldOut> {
    let mut held = HeldOut::new();
    match &request.split {
        None => {
            for row in snapshot.interactions(request.table, &[])? {
                let row = row?;
                held.entry(row.user).or_default().push(row.item);
            }
        }
        Some(split) => {
            train::scan(snapshot, request.table, split.as_ref(), work, |row, _| {
                held.entry(row.user).or_default().push(row.item);
            })?;
        }
    }
    for items in held.values_mut() {
        items.sort_unstable();
        items.dedup();
    }
    if held.is_empty() {
        return Err(Error::NothingHeldOut);
    }
    Ok(held)
}

fn measure(
    engine: &Engine,
    snapshot: &Snapshot,
    request: &EvaluationRequest,
    subject: &Subject,
    held: &HeldOut,
    work: &Work,
    result: &mut Evaluation,
) -> Result<()> {
    let definition = &subject.definition;
    let catalogue = train::catalogue(engine, snapshot, definition)?;
    let items = catalogue.items();
    // Of the items of several tables, those are ranked that the held-out ones are among.
    let place = item_table(snapshot, request.table).and_then(|table| catalogue.place(table));
    let place = place.ok_or_else(|| Error::WrongTable { model: subject.name.clone() })?;
    let among = place.mask(items.len());
    let sources = engine.registry().sources(snapshot, definition)?;
    let mut keep = |row: &Interaction| {
        request.split.is_none()
            || held.get(&row.user).is_none_or(|items| items.binary_search(&row.item).is_err())
    };
    let data = train::dataset(snapshot, &sources, items.to_vec(), work, &mut keep)?;
    if request.split.is_some() && data.n_pairs() == 0 {
        return Err(Error::NothingHeldOut);
    }
    let is_random = definition.algorithm == "random";
    let side = match is_random {
        true => SideData::default(),
        false => {
            let graphs = train::graphs(engine, snapshot, definition)?;
            train::side_data(engine, snapshot, definition, &graphs)?
        }
    };
    let model: Arc<dyn Model> = match &subject.served {
        Some(serving) => serving.answering(snapshot)?,
        None if is_random => model::random(items.to_vec(), request.seed).into(),
        None => {
            let (algorithm, options) = (&definition.algorithm, &definition.options);
            model::fit(algorithm, &data, &side, options, request.seed, work)?.into()
        }
    };
    let SideData { embeddings, hubs, .. } =
        train::embeddings(engine, snapshot, definition, model.as_ref())?;
    let side = SideData { embeddings, hubs, ..side };
    let model = model::on_catalogue(model.as_ref(), items, &side);
    let (cases, groups) = cases(&data, &catalogue, held, request);
    let (side, among) = (Some(&side), among.as_ref());
    let task = Task { items, among, cases: &cases, groups: &groups, side };
    let measured = evaluate::evaluate(&[model.as_ref()], &task, &request.metrics, work)?;

    let width = request.metrics.len().max(1);
    for figures in measured.figures.chunks(width) {
        let Some(first) = figures.first() else { continue };
        // Of nobody there is nothing to tell.
        if first.group.is_some() && first.users == 0 {
            continue;
        }
        result.rows.push(EvaluationRow {
            model: subject.name.clone(),
            group: first.group.and_then(|group| groups.get(group as usize).cloned()),
            users: first.users,
            values: figures.iter().map(|figure| figure.value).collect(),
        });
    }
    result.protocol.push(measured.protocol);
    if let Some(unserved @ 1..) = measured.unserved.first() {
        result.protocol.push(format!(
            "`{}` had nothing to go on for {unserved} users: they count as zero",
            subject.name
        ));
    }
    Ok(())
}

/// The items that a table of interactions is of.
fn item_table(snapshot: &Snapshot, interactions: TableId) -> Option<TableId> {
    let table = snapshot.catalog().table_by_id(interactions)?;
    Some(table.link.as_ref()?.item_table)
}

/// One case per user with something held out, and the names of the groups.
fn cases(
    data: &Dataset,
    catalogue: &Catalogue,
    held: &HeldOut,
    request: &EvaluationRequest,
) -> (Vec<Case>, Vec<String>) {
    let mut groups: Vec<String> = request.groups.iter().flat_map(|g| g.values().cloned()).collect();
    groups.sort_unstable();
    groups.dedup();
    let cases = held
        .iter()
        .map(|(user, items)| {
            let history = data.user_row(*user).map_or_else(Vec::new, |row| {
                let (items, weights) = data.by_user.row(row as usize);
                items.iter().copied().zip(weights.iter().copied()).collect()
            });
            let name = request.groups.as_ref().and_then(|groups| groups.get(user));
            Case {
                history,
                held_out: items.iter().filter_map(|item| catalogue.row_of(*item)).collect(),
                group: name.and_then(|name| groups.binary_search(name).ok()).map(|at| at as u32),
            }
        })
        .collect();
    (cases, groups)
}
