//! The indexes of a database: created, built from a snapshot, published with a commit, built again when
//! too much came since, and asked as of the snapshot that asks.
//!
//! An index is made of what the database has anyway. Losing its file costs speed until it is built
//! again; no row depends on it.

mod definition;
pub(crate) mod factors;
pub(crate) mod gone;
mod loaded;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;
use tastedb_storage::{
    Catalog, Column, ColumnId, ColumnType, Read, Role, Snapshot, Staged, TableId, WriteTxn,
};

pub(crate) use definition::artifact;
pub use definition::{Built, IndexDefinition, NewIndex};
pub(crate) use loaded::Loaded;

use super::current::CurrentIndex;
use super::{IndexOptions, VectorIndex, Vectors, nearest_exactly};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::forget;
use crate::progress::Work;
use crate::registry::{Existing, ModelVersion, Serving};
use crate::seeded;
use crate::similarity::Similarity;
use crate::topk::Allow;

/// Items that recall is measured on, and the rows that each asks for.
const SAMPLE: usize = 100;
const SAMPLE_K: usize = 10;

/// An index is built again when more than a part in so many of its items is not covered or gone, and
/// more than so many.
const STALE_PART: usize = 100;
const STALE_LEAST: usize = 1000;

/// What an index in a listing is of.
#[derive(Clone, Debug, PartialEq)]
pub enum IndexOf {
    /// A vector column, by a statement.
    Column(IndexDefinition),
    /// The factors of the model of that name, by itself.
    Factors(String),
}

/// An index in a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexInfo {
    /// What it is of.
    pub of: IndexOf,
    /// The table of items.
    pub table: TableId,
    /// What is near.
    pub metric: Similarity,
    /// What was last built; `None`: nothing yet.
    pub built: Option<Built>,
    /// The items with a vector.
    pub items: u64,
    /// Those of them that the built file covers.
    pub covered: u64,
    /// The bytes it takes besides the vectors, in memory or mapped.
    pub memory: u64,
    /// What keeps it from being used, if anything does.
    pub trouble: Option<String>,
}

/// A file that was built and is not yet a part of the database.
pub struct FittedIndex {
    staged: Staged,
    built: Built,
}

impl FittedIndex {
    /// What was built.
    pub fn built(&self) -> &Built {
        &self.built
    }
}

impl std::fmt::Debug for FittedIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FittedIndex").field("built", &self.built).finish_non_exhaustive()
    }
}

/// Every index whose column is there, by name.
pub(crate) fn list(read: &dyn Read) -> Result<Vec<IndexDefinition>> {
    let catalog = read.catalog().clone();
    let mut all = definition::all(read)?;
    all.retain(|index| column(&catalog, index.table, index.column).is_some());
    Ok(all)
}

fn column(catalog: &Catalog, table: TableId, id: ColumnId) -> Option<&Column> {
    catalog.table_by_id(table)?.column_by_id(id)
}

/// The indexes of `read`, with how far they cover what is committed.
pub(crate) fn infos(engine: &Engine, read: &dyn Read) -> Result<Vec<IndexInfo>> {
    let (store, live) = (engine.store(), engine.live());
    let snapshot = &engine.snapshot();
    let info = |of, table, built, items, current: Option<&CurrentIndex>, stale, file: &str| {
        let metric = match &of {
            IndexOf::Column(index) => index.options.metric,
            IndexOf::Factors(_) => Similarity::InnerProduct,
        };
        let known = Option::<Built>::is_some(&built);
        IndexInfo {
            of,
            table,
            metric,
            items,
            covered: current.map_or(0, |current| items - current.uncovered() as u64),
            memory: current.map_or(0, |current| current.index().memory()),
            trouble: live.indexes().trouble(snapshot, &stale, known.then_some(file)),
            built,
        }
    };
    let mut infos = Vec::new();
    for index in list(read)? {
        let (table, built) = (index.table, index.built.clone());
        let (stale, file) = (Stale::Column(index.name.clone()), index.artifact());
        let (mut items, mut current) = (0, None);
        if let Some(column) = column(snapshot.catalog(), table, index.column) {
            items = live.embeddings(store, snapshot, table, column)?.len() as u64;
            current = live.index(store, snapshot, table, column, index.options.metric)?;
        }
        let of = IndexOf::Column(index);
        infos.push(info(of, table, built, items, current.as_deref(), stale, &file));
    }
    for (name, serving) in with_factors(engine, snapshot)? {
        // Of several tables of items it is told with the first.
        let tables = crate::train::item_tables(snapshot, &serving.definition)?;
        let Some(&table) = tables.first() else { continue };
        let built = factors::built(snapshot, &name)?;
        let current = live.factor_index(store, snapshot, &serving)?;
        let items = serving.model.items().len() as u64;
        let (stale, file) = (Stale::Factors(name.clone()), factors::name(&name));
        let of = IndexOf::Factors(name);
        infos.push(info(of, table, built, items, current.as_deref(), stale, &file));
    }
    Ok(infos)
}

/// The models whose factors are to have an index, with the version that serves.
fn with_factors(engine: &Engine, snapshot: &Snapshot) -> Result<Vec<(String, Arc<Serving>)>> {
    let mut found = Vec::new();
    for model in engine.registry().list(snapshot)? {
        let large = |version: &ModelVersion| version.items >= factors::LARGE;
        if model.serving.as_ref().is_some_and(large) {
            let name = model.definition.name;
            let serving = engine.registry().serving(snapshot, &name)?;
            if serving.model.factors().is_some() {
                found.push((name, serving));
            }
        }
    }
    Ok(found)
}

/// Fails where [`create`] would, with these indexes there.
pub(crate) fn check(catalog: &Catalog, all: &[IndexDefinition], new: &NewIndex) -> Result<()> {
    let (table, column) = checked(catalog, new)?;
    let metric = new.settings()?.metric;
    for other in all {
        if other.name == new.name {
            if new.existing == Existing::Refuse {
                return Err(Error::AlreadyExists { what: "index", name: new.name.clone() });
            }
        } else if (other.table, other.column, other.options.metric) == (table, column, metric) {
            let index = other.name.clone();
            return Err(Error::AlreadyIndexed { column: new.column.clone(), index });
        }
    }
    Ok(())
}

/// The table and the column that a new index names, if they will do.
fn checked(catalog: &Catalog, new: &NewIndex) -> Result<(TableId, ColumnId)> {
    let table = catalog.table(&new.table).ok_or_else(|| Error::NoSuchTable(new.table.clone()))?;
    if table.role != Role::Item {
        let wanted = "an index is of the embeddings of a table with role = 'item'";
        return Err(Error::WrongRole { table: table.name.clone(), wanted });
    }
    let column = table.column(&new.column).ok_or_else(|| tastedb_storage::Error::NoSuchColumn {
        table: table.name.clone(),
        column: new.column.clone(),
    })?;
    match column.ty {
        ColumnType::Vector { .. } => Ok((table.id, column.id)),
        _ => Err(Error::NotAVector { table: table.name.clone(), column: column.name.clone() }),
    }
}

/// Builds the file of a new index from a snapshot; nothing is changed yet.
pub(crate) fn fit_new(
    engine: &Engine,
    snapshot: &Snapshot,
    new: &NewIndex,
    work: &Work,
) -> Result<FittedIndex> {
    let (table, column) = checked(snapshot.catalog(), new)?;
    let options = new.settings()?;
    let name = new.name.clone();
    let (created, built) = (snapshot.generation(), None);
    fit(engine, snapshot, &IndexDefinition { name, table, column, options, created, built }, work)
}

fn fit(
    engine: &Engine,
    snapshot: &Snapshot,
    index: &IndexDefinition,
    work: &Work,
) -> Result<FittedIndex> {
    let gone = || Error::NoSuchIndex { name: index.name.clone() };
    let column = column(snapshot.catalog(), index.table, index.column).ok_or_else(gone)?;
    let metric = index.options.metric;
    let matrix = engine.live().vectors(engine.store(), snapshot, index.table, column, metric)?;
    let (name, generation) = (index.artifact(), snapshot.generation());
    fit_vectors(engine, &name, matrix, &index.options, generation, work)
}

/// Builds an index into a file of that name.
fn fit_vectors(
    engine: &Engine,
    name: &str,
    vectors: Arc<dyn Vectors>,
    options: &IndexOptions,
    generation: u64,
    work: &Work,
) -> Result<FittedIndex> {
    let start = Instant::now();
    let built = Arc::new(VectorIndex::build(vectors.as_ref(), options, work)?);
    let recall = work.install(|| sampled_recall(&built, &vectors, work))?;
    let mut out = engine.store().stage(name)?;
    built.save(&mut out)?;
    let bytes = out.payload_len();
    let staged = out.finish()?;
    let seconds = start.elapsed().as_secs_f64();
    let built = Built { bytes, ..Built::of(&built, generation, recall, seconds) };
    Ok(FittedIndex { staged, built })
}

/// The part of the ten nearest of some items that a walk finds.
fn sampled_recall(
    index: &Arc<VectorIndex>,
    vectors: &Arc<dyn Vectors>,
    work: &Work,
) -> Result<f64> {
    let items = vectors.ids();
    let n = items.len();
    if n == 0 {
        return Ok(1.0);
    }
    let current = CurrentIndex::new(Arc::clone(index), Arc::clone(vectors), items);
    let IndexOptions { ef, metric, .. } = *index.options();
    let found: Result<Vec<(usize, usize)>> = (0..SAMPLE.min(n) as u64)
        .into_par_iter()
        .map(|at| {
            work.step("recall", at, SAMPLE as u64)?;
            let row = seeded::number(index.options().seed, at) as usize % n;
            let query = vectors.padded(row);
            let all = nearest_exactly(vectors.as_ref(), metric, items, query, SAMPLE_K, Allow::All);
            let near = current.nearest(items, vectors.row(row), SAMPLE_K, ef, Allow::All)?;
            let hit = |one: &&crate::Scored| near.rows.iter().any(|other| other.row == one.row);
            Ok((all.iter().filter(hit).count(), all.len()))
        })
        .collect();
    let (hits, all) = found?.into_iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    Ok(hits as f64 / all.max(1) as f64)
}

/// Creates an index within `txn`, with its file if that was built. False where there is one of that
/// name, which is to be kept.
pub(crate) fn create(
    txn: &mut WriteTxn,
    new: &NewIndex,
    fitted: Option<FittedIndex>,
) -> Result<bool> {
    check(txn.catalog(), &list(txn)?, new)?;
    let (table, column) = checked(txn.catalog(), new)?;
    let options = new.settings()?;
    if let Some(old) = definition::find(txn, &new.name)? {
        if new.existing == Existing::Keep {
            return Ok(false);
        }
        remove(txn, &old);
    }
    let created = txn.generation() + 1;
    let name = new.name.clone();
    let index = IndexDefinition { name, table, column, options, created, built: None };
    publish(txn, index, fitted)?;
    Ok(true)
}

fn publish(
    txn: &mut WriteTxn,
    mut index: IndexDefinition,
    fitted: Option<FittedIndex>,
) -> Result<()> {
    if let Some(FittedIndex { staged, built }) = fitted {
        // A vacuum may be over that looked for it in the files that there were.
        if forget::newest_of(txn, index.table)? > built.generation {
            let what =
                format!("items that index `{}` was built of are to be forgotten", index.name);
            return Err(Error::Conflict { what });
        }
        txn.publish(staged)?;
        index.built = Some(built);
    }
    txn.put_record(&definition::record(&index.name), &index.encode());
    Ok(())
}

/// Builds an index again from the snapshot of now, and publishes it. Readers and writers go on.
pub(crate) fn rebuild(engine: &Engine, name: &str, work: &Work) -> Result<IndexDefinition> {
    let snapshot = engine.snapshot();
    let before = definition::find(&snapshot, name)?
        .ok_or_else(|| Error::NoSuchIndex { name: name.to_owned() })?;
    let fitted = fit(engine, &snapshot, &before, work)?;
    drop(snapshot);
    let mut txn = engine.store().begin()?;
    let now = definition::find(&txn, name)?;
    let same = now.as_ref().is_some_and(|now| *now == before);
    if !same || column(txn.catalog(), before.table, before.column).is_none() {
        let what = format!("index `{name}` was changed while it was being built");
        return Err(Error::Conflict { what });
    }
    let index = IndexDefinition { built: Some(fitted.built.clone()), ..before };
    publish(&mut txn, index.clone(), Some(fitted))?;
    txn.commit()?;
    Ok(index)
}

/// Drops an index; false where there is none of that name.
pub(crate) fn drop_index(txn: &mut WriteTxn, name: &str) -> Result<bool> {
    let Some(index) = definition::find(txn, name)? else { return Ok(false) };
    remove(txn, &index);
    Ok(true)
}

/// Drops the indexes of columns that are gone.
pub(crate) fn remove_gone(txn: &mut WriteTxn) -> Result<()> {
    let catalog = txn.catalog().clone();
    for index in definition::all(txn)? {
        if column(&catalog, index.table, index.column).is_none() {
            remove(txn, &index);
        }
    }
    Ok(())
}

fn remove(txn: &mut WriteTxn, index: &IndexDefinition) {
    txn.unpublish(&index.artifact());
    txn.delete_record(&definition::record(&index.name));
}

/// An index that is to be built.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stale {
    /// The index of that name.
    Column(String),
    /// That of the factors of the model of that name.
    Factors(String),
}

/// Builds an index that is to be built.
pub(crate) fn bring_up_to_date(engine: &Engine, stale: &Stale, work: &Work) -> Result<()> {
    match stale {
        Stale::Column(name) => rebuild(engine, name, work).map(drop),
        Stale::Factors(model) => factors::build(engine, model, work),
    }
}

fn covers_too_little(current: Option<&CurrentIndex>) -> bool {
    current.is_none_or(|current| {
        let missing = current.uncovered() + current.dead();
        missing > STALE_LEAST.max(current.index().len() / STALE_PART)
    })
}

/// The indexes that are to be built: those that are not, whose file is lost, or that cover too little
/// of what is there.
pub(crate) fn stale(engine: &Engine, snapshot: &Snapshot) -> Result<Vec<Stale>> {
    let (store, live) = (engine.store(), engine.live());
    let mut stale = Vec::new();
    for (name, serving) in with_factors(engine, snapshot)? {
        if covers_too_little(live.factor_index(store, snapshot, &serving)?.as_deref()) {
            stale.push(Stale::Factors(name));
        }
    }
    for index in list(snapshot)? {
        let Some(column) = column(snapshot.catalog(), index.table, index.column) else { continue };
        let current = live.index(store, snapshot, index.table, column, index.options.metric)?;
        if covers_too_little(current.as_deref()) {
            stale.push(Stale::Column(index.name));
        }
    }
    Ok(stale)
}
