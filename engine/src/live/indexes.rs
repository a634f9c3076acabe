//! The indexes of vector columns as of the snapshot that asks: which rows they cover follows the list of
//! recent changes.

use std::sync::Arc;

use tastedb_storage::{
    Change, Column, ColumnId, ColumnType, ItemId, Read, Snapshot, Store, TableId,
};

use super::{Keyed, Live, in_tables};
use crate::error::{Error, Result};
use crate::history::SideData;
use crate::index::CurrentIndex;
use crate::index::kept::factors::{self, FactorVectors};
use crate::index::kept::{Loaded, artifact};
use crate::registry::Serving;
use crate::similarity::Similarity;
use crate::train::item_tables;

/// Files that are open, and by column and file what they cover.
#[derive(Default)]
pub(super) struct Current {
    loaded: Loaded,
    columns: Keyed<(TableId, ColumnId, Similarity, u64), CurrentIndex>,
    /// By model, and the numbers of the files of its index and of itself.
    models: Keyed<(String, u64, u64), CurrentIndex>,
}

impl Live {
    /// The index files that are open.
    pub(crate) fn indexes(&self) -> &Loaded {
        &self.indexes.loaded
    }

    /// The index of a vector column by a metric; `None` where it has none, or one that is not built.
    pub(crate) fn index(
        &self,
        store: &Store,
        snapshot: &Snapshot,
        table: TableId,
        column: &Column,
        metric: Similarity,
    ) -> Result<Option<Arc<CurrentIndex>>> {
        let found = self.indexes.loaded.get(snapshot, &artifact(table, column.id, metric));
        let Some((number, index)) = found else { return Ok(None) };
        let matrix = self.vectors(store, snapshot, table, column, metric)?;
        if index.dim() != matrix.dim() || index.options().metric != metric {
            return Ok(None);
        }
        let entities = self.entities(store, snapshot, table)?;
        let covers = &self.indexes.columns;
        // What older files covered is let go of here, the one place where the map grows.
        let own = (table, column.id, metric);
        covers.retain(|(of, id, by, since)| (*of, *id, *by) != own || *since >= number);
        let current = covers.at((table, column.id, metric, number)).get(
            store,
            snapshot,
            |change| match change {
                Change::Row { table: of, .. } => *of == table,
                Change::Embedding { table: of, column: id, .. } => *of == table && *id == column.id,
                Change::Schema => true,
                Change::Interaction { .. } => false,
            },
            |old| -> Result<CurrentIndex> {
                let patch = old.and_then(|(old, changes)| Some((old, touched(changes)?)));
                Ok(match patch {
                    Some((old, touched)) => old.patched(matrix, entities.items(), &touched),
                    None => CurrentIndex::new(index, matrix, entities.items()),
                })
            },
        )?;
        Ok(Some(current))
    }

    /// The index of a model's factors; `None` where it has none, or one that is not built.
    pub(crate) fn factor_index(
        &self,
        store: &Store,
        snapshot: &Snapshot,
        serving: &Arc<Serving>,
    ) -> Result<Option<Arc<CurrentIndex>>> {
        let model = &serving.definition.name;
        let found = self.indexes.loaded.get(snapshot, &factors::name(model));
        let Some((number, index)) = found else { return Ok(None) };
        let Some(vectors) = serving.model.factors() else { return Ok(None) };
        if index.dim() != vectors.dim {
            return Ok(None);
        }
        let tables = item_tables(snapshot, &serving.definition)?;
        let catalogue = self.catalogue(store, snapshot, &tables)?;
        let key = (model.clone(), number, serving.version.version);
        // What older files and versions covered is let go of here, the one place where the map grows.
        self.indexes.models.retain(|other| other.0 != key.0 || *other == key);
        let current = self.indexes.models.at(key).get(
            store,
            snapshot,
            |change| in_tables(change, &tables),
            |old| -> Result<CurrentIndex> {
                if let Some((old, _)) = old.filter(|(_, changes)| touched(changes).is_some()) {
                    return Ok(old.patched_rows(catalogue.items()));
                }
                let vectors = FactorVectors::of(serving)
                    .ok_or_else(|| Error::NotFitted { model: model.clone() })?;
                Ok(CurrentIndex::new(index, Arc::new(vectors), catalogue.items()))
            },
        )?;
        Ok(Some(current).filter(|current| !current.is_outdated()))
    }

    /// Lets go of files that a snapshot does not name any more.
    pub(crate) fn let_go_of_indexes(&self, snapshot: &Snapshot) {
        let numbers = snapshot.artifact_numbers();
        self.indexes.loaded.retain(&numbers);
        self.indexes.columns.retain(|(_, _, _, number)| numbers.contains(number));
        self.indexes.models.retain(|(_, number, _)| numbers.contains(number));
    }

    /// The embeddings of every vector column of tables of items, as a similarity compares them, and the
    /// indexes of those that have one by it. An index tells rows of its own table, so that of several none
    /// is of use.
    pub(crate) fn side_with_indexes(
        &self,
        store: &Store,
        snapshot: &Snapshot,
        tables: &[TableId],
        similarity: Similarity,
    ) -> Result<SideData> {
        let mut side = self.side_by(store, snapshot, tables, similarity)?;
        let &[table] = tables else { return Ok(side) };
        let Some(table) = snapshot.catalog().table_by_id(table) else { return Ok(side) };
        for column in table.columns() {
            if let ColumnType::Vector { .. } = column.ty
                && let Some(index) = self.index(store, snapshot, table.id, column, similarity)?
            {
                side.indexes.insert(column.name.clone(), index);
            }
        }
        Ok(side)
    }
}

/// The items whose embeddings changed; `None` where the table itself did.
fn touched(changes: &[Change]) -> Option<Vec<ItemId>> {
    let mut items = Vec::new();
    for change in changes {
        match change {
            Change::Embedding { id, .. } => items.push(ItemId(*id)),
            Change::Row { .. } => {}
            Change::Schema | Change::Interaction { .. } => return None,
        }
    }
    items.sort_unstable();
    items.dedup();
    Some(items)
}
