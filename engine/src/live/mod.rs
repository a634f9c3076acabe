//! What is kept in memory of the tables, always as of the snapshot that asks.
//!
//! All of it is derived: it follows the store's list of recent changes and is rebuilt where that
//! list is too short.

mod cached;
mod catalogue;
mod counts;
mod entity_index;
mod graphs;
mod indexes;
mod responses;
mod trend;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tastedb_storage::{
    Catalog, Change, Column, ColumnId, ColumnType, ItemId, Read, Snapshot, Store, Table, TableId,
};

pub use cached::Cached;
pub(crate) use catalogue::{Catalogue, Place};
pub use entity_index::EntityIndex;
pub use graphs::GraphInfo;
pub(crate) use graphs::{
    LiveGraphs, list as list_graphs, publish as publish_graphs, remove as remove_graphs,
};
pub use responses::{ClickRates, Counting};

use crate::embedding_matrix::EmbeddingMatrix;
use crate::error::Result;
use crate::history::SideData;
use crate::hubs::Hubs;
use crate::similarity::Similarity;

/// Ways of counting responses that are kept: an application has a few.
const RESPONSES: usize = 16;

/// Caches by table. One per open database.
#[derive(Default)]
pub struct Live {
    entities: Keyed<TableId, EntityIndex>,
    /// Of several tables.
    catalogues: Keyed<Vec<TableId>, Catalogue>,
    counts: Keyed<TableId, Vec<u32>>,
    trends: Keyed<TableId, trend::Trend>,
    responses: Keyed<responses::Key, responses::Responses>,
    /// The last part: whether rows have length one.
    embeddings: Keyed<(TableId, ColumnId, bool), EmbeddingMatrix>,
    hubs: Keyed<(TableId, ColumnId), Hubs>,
    graphs: graphs::Kept,
    indexes: indexes::Current,
}

/// One cache per key, made when first asked for.
struct Keyed<K, T>(Mutex<HashMap<K, Arc<Cached<T>>>>);

impl<K, T> Default for Keyed<K, T> {
    fn default() -> Self {
        Keyed(Mutex::new(HashMap::new()))
    }
}

impl<K: Hash + Eq, T> Keyed<K, T> {
    fn at(&self, key: K) -> Arc<Cached<T>> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.entry(key).or_default().clone()
    }

    /// Forgets everything where there are so many keys, and the one that is asked for is not among them.
    fn at_most(&self, most: usize, key: &K) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= most && !map.contains_key(key) {
            map.clear();
        }
    }

    /// Forgets the caches of the other keys.
    fn retain(&self, keep: impl Fn(&K) -> bool) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.retain(|key, _| keep(key));
    }
}

impl Live {
    pub(crate) fn new() -> Live {
        Live::default()
    }

    /// Ids and keys of a user or item table.
    pub fn entities(
        &self,
        store: &Store,
        snapshot: &Snapshot,
        table: TableId,
    ) -> Result<Arc<EntityIndex>> {
        self.entities.at(table).get(
            store,
            snapshot,
            |change| in_tables(change, &[table]),
            |old| match old {
                None => EntityIndex::build(snapshot, table),
                Some((index, changes)) => index.patched(snapshot, table, changes),
            },
        )
    }

    /// How many interactions each item has in one table, by item id.
    pub(crate) fn counts(
        &self,
        store: &Store,
        snapshot: &Snapshot,
        table: TableId,
    ) -> Result<Arc<Vec<u32>>> {
        self.counts.at(table).get(
            store,
            snapshot,
            |change| in_table(change, table),
            |old| match old {
                None => counts::build(snapshot, table),
                Some((counts, changes)) => counts::patched(counts, snapshot, table, changes),
            },
        )
    }

    /// Time-decayed interactions of each item in one table, by item id.
    pub(crate) fn trend(
        &self,
        store: &Store,
        snapshot: &Snapshot,
        table: TableId,
    ) -> Result<Arc<trend::Trend>> {
        self.trends.at(table).get(
            store,
            snapshot,
            |change| in_table(change, table),
            |old| match old {
                None => trend::Trend::build(snapshot, table),
                Some((trend, changes)) => trend.patched(snapshot, table, changes),
            },
        )
    }

    /// What clicks and impressions say about the click rate of each item. Both are of items of one
    /// table, and fade alike.
    pub fn click_rates(
        &self,
        store: &Store,
        snapshot: &Snapshot,
        clicks: &Counting,
        shown: &Counting,
    ) -> Result<ClickRates> {
        let of = |counting: &Counting| {
            let key = counting.key();
            self.responses.at_most(RESPONSES, &key);
            self.responses.at(key).get(
                store,
                snapshot,
                |change| in_table(change, counting.table),
                |old| match old {
                    None => responses::Responses::build(snapshot, counting),
                    Some((old, changes)) => old.patched(snapshot, counting, changes),
                },
            )
        };
        Ok(ClickRates::new((of(clicks)?, clicks), of(shown)?))
    }

    /// The embeddings of every vector column of tables of items.
    pub(crate) fn side_data(
        &self,
        store: &Store,
        snapshot: &Snapshot,
        tables: &[TableId],
    ) -> Result<SideData> {
        self.side_by(store, snapshot, tables, Similarity::Cosine)
    }

    /// The same as a similarity compares them.
    pub(crate) fn side_by(
        &self,
        store: &Store,
        snapshot: &Snapshot,
        tables: &[TableId],
        similarity: Similarity,
    ) -> Result<SideData> {
        let mut side = SideData::default();
        for Modality { name, table, column } in modalities(snapshot.catalog(), tables) {
            let mut matrix = self.vectors(store, snapshot, table, column, similarity)?;
            if matrix.modality() != name {
                matrix = Arc::new(matrix.named(&name));
            }
            side.embeddings.insert(name, matrix);
        }
        Ok(side)
    }

    /// The embeddings of one vector column, rows normalised to length one.
    pub fn embeddings(
        &self,
        store: &Store,
        snapshot: &Snapshot,
        table: TableId,
        column: &Column,
    ) -> Result<Arc<EmbeddingMatrix>> {
        self.vectors(store, snapshot, table, column, Similarity::Cosine)
    }

    /// The embeddings of one vector column as a similarity compares them: of length one for cosines, else as
    /// they were given. What nobody asks for is not held.
    pub(crate) fn vectors(
        &self,
        store: &Store,
        snapshot: &Snapshot,
        table: TableId,
        column: &Column,
        similarity: Similarity,
    ) -> Result<Arc<EmbeddingMatrix>> {
        let ColumnType::Vector { dim, .. } = column.ty else {
            return Ok(Arc::new(EmbeddingMatrix::new(column.name.clone(), 0)));
        };
        let id = column.id;
        self.embeddings.at((table, id, similarity.is_of_directions())).get(
            store,
            snapshot,
            |change| match change {
                Change::Embedding { table: t, column: c, .. } => *t == table && *c == id,
                Change::Schema => true,
                _ => false,
            },
            |old| {
                let touched = old.and_then(|(matrix, changes)| Some((matrix, touched(changes)?)));
                let Some((matrix, touched)) = touched else {
                    let name = column.name.clone();
                    let mut matrix = EmbeddingMatrix::to_compare(name, dim as usize, similarity);
                    let mut bad = None;
                    snapshot.embeddings(table, id, &mut |item, vector| {
                        if let Err(error) = matrix.set(ItemId(item), vector) {
                            bad.get_or_insert(error);
                        }
                        Ok(())
                    })?;
                    return bad.map_or(Ok(matrix), Err);
                };
                let mut matrix = matrix.clone();
                let now = |item: ItemId| Ok((item, snapshot.embedding(table, id, item.0)?));
                matrix.apply(touched.into_iter().map(now).collect::<Result<Vec<_>>>()?)?;
                Ok(matrix)
            },
        )
    }
}

impl Live {
    /// Adds what is taken off the hubs of every vector column of tables of items. Made once, at the price of some
    /// hundred products for each item, and patched after that.
    pub(crate) fn add_hubs(
        &self,
        store: &Store,
        snapshot: &Snapshot,
        tables: &[TableId],
        side: &mut SideData,
    ) -> Result<()> {
        for Modality { name, table, column } in modalities(snapshot.catalog(), tables) {
            side.hubs.insert(name, self.hubs(store, snapshot, table, column)?);
        }
        Ok(())
    }

    fn hubs(
        &self,
        store: &Store,
        snapshot: &Snapshot,
        table: TableId,
        column: &Column,
    ) -> Result<Arc<Hubs>> {
        let matrix = self.embeddings(store, snapshot, table, column)?;
        let id = column.id;
        self.hubs.at((table, id)).get(
            store,
            snapshot,
            |change| match change {
                Change::Embedding { table: t, column: c, .. } => *t == table && *c == id,
                Change::Schema => true,
                Change::Row { .. } | Change::Interaction { .. } => false,
            },
            |old| {
                let known = old.and_then(|(hubs, changes)| Some((hubs, touched(changes)?)));
                Ok(match known {
                    Some((hubs, touched)) => hubs.patched(&matrix, &touched),
                    None => Hubs::of(&matrix),
                })
            },
        )
    }
}

/// The items whose embeddings changed; `None` where the column itself did.
fn touched(changes: &[Change]) -> Option<Vec<ItemId>> {
    let mut items = Vec::with_capacity(changes.len());
    for change in changes {
        match change {
            Change::Embedding { id, .. } => items.push(ItemId(*id)),
            _ => return None,
        }
    }
    items.sort_unstable();
    items.dedup();
    Some(items)
}

/// A vector column of a table of items, by the name that a model has for it.
pub(crate) struct Modality<'a> {
    pub(crate) name: String,
    pub(crate) table: TableId,
    pub(crate) column: &'a Column,
}

/// The modalities of tables of items. Of several tables each has its own, `movies.plot`: that two columns
/// are of one space is not to be seen, and text embeddings of two tables never are.
pub(crate) fn modalities<'a>(catalog: &'a Catalog, tables: &[TableId]) -> Vec<Modality<'a>> {
    let known = tables.iter().filter_map(|table| catalog.table_by_id(*table));
    let columns = known.flat_map(|table| table.columns().map(move |column| (table, column)));
    let vectors = columns.filter(|(_, column)| matches!(column.ty, ColumnType::Vector { .. }));
    let alone = tables.len() == 1;
    let named = vectors.map(|(table, column)| {
        let name = modality(table, &column.name, alone);
        Modality { name, table: table.id, column }
    });
    named.collect()
}

/// The name of a modality that a column of a table is, alone or beside those of other tables.
fn modality(table: &Table, column: &str, alone: bool) -> String {
    if alone { column.to_owned() } else { format!("{}.{column}", table.name) }
}

/// Whether a change is of the rows of some tables.
fn in_tables(change: &Change, tables: &[TableId]) -> bool {
    match change {
        Change::Row { table, .. } => tables.contains(table),
        Change::Schema => true,
        Change::Embedding { .. } | Change::Interaction { .. } => false,
    }
}

fn in_table(change: &Change, table: TableId) -> bool {
    match change {
        Change::Interaction { table: t, .. } => *t == table,
        Change::Schema => true,
        _ => false,
    }
}
