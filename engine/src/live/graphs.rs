//! The neighbour graphs of modalities: one for each column of vectors and number of neighbours, kept
//! in memory, shared by all models that ask for it, and stored as a file.
//!
//! A graph of a snapshot is a function of that snapshot: the mean is that of the stored graph, the
//! embeddings are those of now. Without a stored one it is built with the mean of now. A training
//! stores the graphs that it used with the commit that publishes its model.
//!
//! Records: `graph/<table>/<column>/<k>` describes a graph; the artifact of the same name is its file.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tastedb_storage::{Change, Column, ColumnId, Read, Snapshot, Table, TableId, WriteTxn};

use super::{Keyed, Modality, modalities};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::history::Graphs;
use crate::item_graph::{Neighbours, Stored};
use crate::registry::Fields;
use crate::{EmbeddingMatrix, Work};

const RECORDS: &str = "graph/";

/// What a graph is of.
type Key = (TableId, ColumnId, usize);

/// Graphs in memory, by what they are of and the generation of the stored mean.
pub(super) type Kept = Keyed<(Key, u64), Neighbours>;

/// A stored neighbour graph in a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphInfo {
    /// The table of items.
    pub table: String,
    /// The modality, which is a column of that table.
    pub modality: String,
    /// The nearest that are kept of each item.
    pub neighbours: u64,
    /// The items with an embedding.
    pub items: u64,
    /// The neighbours of all items together.
    pub edges: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// The generation whose embeddings it is of.
    pub generation: u64,
}

/// The graphs of one snapshot, as a training asks for them.
pub(crate) struct LiveGraphs {
    engine: Engine,
    snapshot: Snapshot,
    tables: Vec<TableId>,
    used: Mutex<BTreeMap<Key, Arc<Neighbours>>>,
}

/// A file that was written and is to be published.
pub(crate) struct Staging {
    name: String,
    staged: tastedb_storage::Staged,
    fields: Fields,
}

fn name((table, column, k): Key) -> String {
    format!("{RECORDS}{}/{}/{k}", table.0, column.0)
}

/// What the name of a record is of.
fn key(name: &str) -> Option<Key> {
    let mut parts = name.strip_prefix(RECORDS)?.split('/');
    let table = TableId(parts.next()?.parse().ok()?);
    let column = ColumnId(parts.next()?.parse().ok()?);
    Some((table, column, parts.next()?.parse().ok()?))
}

fn column(table: &Table, id: ColumnId) -> Option<&Column> {
    table.columns().find(|column| column.id == id)
}

/// The stored graphs whose columns are there.
pub(crate) fn list(read: &dyn Read) -> Result<Vec<GraphInfo>> {
    let catalog = read.catalog().clone();
    let mut graphs = Vec::new();
    for (record, bytes) in read.records(RECORDS)? {
        let Some((table, id, k)) = key(&record) else { continue };
        let Some(table) = catalog.table_by_id(table) else { continue };
        let Some(column) = column(table, id) else { continue };
        let fields = Fields::decode(&record, &bytes)?;
        graphs.push(GraphInfo {
            table: table.name.clone(),
            modality: column.name.clone(),
            neighbours: k as u64,
            items: fields.number(&record, "items")?,
            edges: fields.number(&record, "edges")?,
            bytes: fields.number(&record, "bytes")?,
            generation: fields.number(&record, "generation")?,
        });
    }
    Ok(graphs)
}

impl LiveGraphs {
    /// The graphs of tables of items in a snapshot.
    pub(crate) fn new(engine: &Engine, snapshot: &Snapshot, tables: Vec<TableId>) -> LiveGraphs {
        let (engine, snapshot) = (engine.clone(), snapshot.clone());
        LiveGraphs { engine, snapshot, tables, used: Mutex::default() }
    }

    /// Writes the files of the graphs that were used and are not stored as they are.
    pub(crate) fn stage(&self) -> Result<Vec<Staging>> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let mut staged = Vec::new();
        for (key, graph) in used.iter() {
            let name = name(*key);
            let identity = graph.identity();
            if let Some(bytes) = self.snapshot.record(&name)?
                && Fields::decode(&name, &bytes)?.number::<u64>(&name, "identity")? == identity
            {
                continue;
            }
            let mut out = self.engine.store().stage(&name)?;
            graph.save(&mut out)?;
            let mut fields = Fields::new();
            fields
                .set("built", graph.built())
                .set("identity", identity)
                .set("items", graph.len())
                .set("edges", graph.edges())
                .set("bytes", out.payload_len())
                .set("generation", self.snapshot.generation());
            staged.push(Staging { name, staged: out.finish()?, fields });
        }
        Ok(staged)
    }

    fn current(
        &self,
        table: TableId,
        column: &Column,
        k: usize,
        work: &Work,
    ) -> Result<Arc<Neighbours>> {
        let (store, snapshot, live) = (self.engine.store(), &self.snapshot, self.engine.live());
        let matrix = live.embeddings(store, snapshot, table, column)?;
        let key = (table, column.id, k);
        let record = name(key);
        let Some(bytes) = snapshot.record(&record)? else {
            return Neighbours::build(&matrix, k, snapshot.generation(), work).map(Arc::new);
        };
        let built = Fields::decode(&record, &bytes)?.number(&record, "built")?;
        let touches = |change: &Change| match change {
            Change::Embedding { table: of, column: id, .. } => *of == table && *id == column.id,
            Change::Schema => true,
            Change::Interaction { .. } | Change::Row { .. } => false,
        };
        let graph =
            live.graphs.at((key, built)).get(store, snapshot, touches, |old| match old {
                Some((graph, _)) => graph.patched(&matrix, work),
                None => self.load(&record)?.patched(&matrix, work),
            })?;
        // What older files were the base of is let go of here, the one place where the map grows.
        live.graphs.retain(|(of, since)| *of != key || *since >= built);
        self.unless_drifted(graph, &matrix, k, work)
    }

    fn load(&self, record: &str) -> Result<Neighbours> {
        let blob = self.snapshot.artifact(record)?.ok_or_else(|| Error::CorruptRecord {
            record: record.to_owned(),
            what: "its file is missing".to_owned(),
        })?;
        Stored(Arc::new(blob)).load()
    }

    fn unless_drifted(
        &self,
        graph: Arc<Neighbours>,
        matrix: &EmbeddingMatrix,
        k: usize,
        work: &Work,
    ) -> Result<Arc<Neighbours>> {
        if !graph.has_drifted(matrix) {
            return Ok(graph);
        }
        Neighbours::build(matrix, k, self.snapshot.generation(), work).map(Arc::new)
    }
}

impl Graphs for LiveGraphs {
    fn neighbours(&self, modality: &str, k: usize, work: &Work) -> Result<Arc<Neighbours>> {
        let catalog = self.snapshot.catalog().clone();
        let mut known = modalities(&catalog, &self.tables);
        let Some(at) = known.iter().position(|known| known.name == modality) else {
            let known = known.into_iter().map(|known| known.name).collect();
            return Err(Error::NoSuchModality { name: modality.to_owned(), known });
        };
        let Modality { table, column, .. } = known.swap_remove(at);
        let key = (table, column.id, k);
        let used = |used: &mut BTreeMap<Key, Arc<Neighbours>>| used.get(&key).cloned();
        let mut all = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(graph) = used(&mut all) {
            return Ok(graph);
        }
        let graph = self.current(table, column, k, work)?;
        all.insert(key, Arc::clone(&graph));
        Ok(graph)
    }
}

/// Removes the stored graphs of a table, so that the next are built with a mean of their own; tells
/// whether there was one.
pub(crate) fn remove(txn: &mut WriteTxn, table: TableId) -> Result<bool> {
    let mut any = false;
    for (record, _) in txn.records(RECORDS)? {
        if key(&record).is_some_and(|(of, ..)| of == table) {
            txn.unpublish(&record);
            txn.delete_record(&record);
            any = true;
        }
    }
    Ok(any)
}

/// Names written files in a transaction, and removes the graphs of columns that are gone.
pub(crate) fn publish(txn: &mut WriteTxn, staged: Vec<Staging>) -> Result<()> {
    let catalog = txn.catalog().clone();
    for (record, _) in txn.records(RECORDS)? {
        let there = key(&record).is_some_and(|(table, id, _)| {
            catalog.table_by_id(table).is_some_and(|table| column(table, id).is_some())
        });
        if !there {
            txn.unpublish(&record);
            txn.delete_record(&record);
        }
    }
    for Staging { name, staged, fields } in staged {
        if key(&name).is_some_and(|(table, id, _)| {
            catalog.table_by_id(table).is_some_and(|table| column(table, id).is_some())
        }) {
            txn.publish(staged)?;
            txn.put_record(&name, &fields.encode());
        }
    }
    Ok(())
}
