//! The items that a model ranks: the rows of its tables of items as one list, which ascends by id.
//!
//! An id names one item of the database, so the lists of several tables merge into one without more
//! ado. A model of one table is by far the usual case: its catalogue is that table.

use std::sync::Arc;

use fixedbitset::FixedBitSet;
use tastedb_storage::{ItemId, Snapshot, Store, Table, TableId};

use super::{EntityIndex, Live, in_tables, modality};
use crate::error::{Error, Result};
use crate::history::UNSCORED;

/// The rows of some tables of items together.
#[derive(Debug)]
pub(crate) struct Catalogue {
    parts: Vec<Part>,
    /// Of several tables: all items, ascending.
    items: Vec<ItemId>,
}

/// One table of a catalogue.
#[derive(Debug)]
struct Part {
    table: TableId,
    entities: Arc<EntityIndex>,
    /// Of several tables: the row in the catalogue of each row of this one, ascending.
    rows: Vec<u32>,
}

/// How the rows of one table lie in a catalogue; `None` where they are all of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a>(Option<&'a [u32]>);

impl Catalogue {
    /// The rows of one table.
    pub(crate) fn one(table: TableId, entities: Arc<EntityIndex>) -> Catalogue {
        Catalogue { parts: vec![Part { table, entities, rows: Vec::new() }], items: Vec::new() }
    }

    /// The rows of some tables. Fails where two have the same id.
    fn of(tables: Vec<(TableId, Arc<EntityIndex>)>) -> Result<Catalogue> {
        let mut all: Vec<(ItemId, usize)> = Vec::new();
        for (part, (_, entities)) in tables.iter().enumerate() {
            all.extend(entities.items().iter().map(|item| (*item, part)));
        }
        // Runs that ascend, which this sort merges.
        all.sort();
        if all.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            let what = "a model over tables of items that were filled when each table had ids of its \
                        own (copy the rows of one into a new table)";
            return Err(Error::NotSupported { what });
        }
        let part = |(table, entities)| Part { table, entities, rows: Vec::new() };
        let mut parts: Vec<Part> = tables.into_iter().map(part).collect();
        for (row, (_, part)) in (0u32..).zip(&all) {
            parts[*part].rows.push(row);
        }
        Ok(Catalogue { parts, items: all.into_iter().map(|(item, _)| item).collect() })
    }

    /// All items, ascending.
    pub(crate) fn items(&self) -> &[ItemId] {
        match self.parts.as_slice() {
            [only] => only.entities.items(),
            _ => &self.items,
        }
    }

    /// The row of an item.
    pub(crate) fn row_of(&self, item: ItemId) -> Option<u32> {
        match self.parts.as_slice() {
            [only] => only.entities.row_of(item.0),
            _ => self.items.binary_search(&item).ok().map(|row| row as u32),
        }
    }

    /// The table that an item is a row of.
    pub(crate) fn table_of(&self, item: ItemId) -> Option<TableId> {
        Some(self.part_of(item)?.0.table)
    }

    /// The key of an item.
    pub(crate) fn key_of(&self, item: ItemId) -> Option<&str> {
        let (part, row) = self.part_of(item)?;
        Some(part.entities.key(row))
    }

    fn part_of(&self, item: ItemId) -> Option<(&Part, u32)> {
        self.parts.iter().find_map(|part| Some((part, part.entities.row_of(item.0)?)))
    }

    /// Whether it is of more than one table.
    pub(crate) fn is_of_several(&self) -> bool {
        self.parts.len() > 1
    }

    /// What a model of these tables calls a vector column of one.
    pub(crate) fn modality(&self, table: &Table, column: &str) -> String {
        modality(table, column, !self.is_of_several())
    }

    /// The column of a table that a model of these tables calls so.
    pub(crate) fn column<'a>(&self, table: &Table, modality: &'a str) -> Option<&'a str> {
        match self.is_of_several() {
            true => modality.strip_prefix(&table.name)?.strip_prefix('.'),
            false => Some(modality),
        }
    }

    /// How the rows of a table lie; `None` where it is none of these.
    pub(crate) fn place(&self, table: TableId) -> Option<Place<'_>> {
        let part = self.parts.iter().find(|part| part.table == table)?;
        Some(Place(self.is_of_several().then_some(&part.rows)))
    }
}

impl Place<'_> {
    /// The row in the catalogue of a row of the table.
    pub(crate) fn in_all(self, row: u32) -> Option<u32> {
        match self.0 {
            None => Some(row),
            Some(rows) => rows.get(row as usize).copied(),
        }
    }

    /// The row of the table that a row of the catalogue is.
    pub(crate) fn own(self, row: u32) -> Option<u32> {
        match self.0 {
            None => Some(row),
            Some(rows) => rows.binary_search(&row).ok().map(|row| row as u32),
        }
    }

    /// The same rows, of the table, in a catalogue of `n`; `None` where they are the same numbers.
    pub(crate) fn all_of(self, own: &FixedBitSet, n: usize) -> Option<FixedBitSet> {
        let rows = self.0?;
        let mut all = FixedBitSet::with_capacity(n);
        let found = own.ones().filter_map(|row| rows.get(row));
        found.for_each(|row| all.insert(*row as usize));
        Some(all)
    }

    /// The rows of the table, in a catalogue of `n`; `None` where they are all.
    pub(crate) fn mask(self, n: usize) -> Option<FixedBitSet> {
        let mut mask = FixedBitSet::with_capacity(n);
        self.0?.iter().for_each(|row| mask.insert(*row as usize));
        Some(mask)
    }

    /// Of the scores of a catalogue, those of the table.
    pub(crate) fn scores(self, all: Vec<f32>) -> Vec<f32> {
        let Some(rows) = self.0 else { return all };
        rows.iter().map(|row| all.get(*row as usize).copied().unwrap_or(UNSCORED)).collect()
    }
}

impl Live {
    /// The items of some tables.
    pub(crate) fn catalogue(
        &self,
        store: &Store,
        snapshot: &Snapshot,
        tables: &[TableId],
    ) -> Result<Arc<Catalogue>> {
        if let [only] = tables {
            return Ok(Arc::new(Catalogue::one(*only, self.entities(store, snapshot, *only)?)));
        }
        let touches = |change: &_| in_tables(change, tables);
        self.catalogues.at(tables.to_vec()).get(store, snapshot, touches, |_| {
            let part = |table: &TableId| Ok((*table, self.entities(store, snapshot, *table)?));
            Catalogue::of(tables.iter().map(part).collect::<Result<_>>()?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOVIES: TableId = TableId(1);
    const BOOKS: TableId = TableId(2);

    fn table(ids: &[u64]) -> Arc<EntityIndex> {
        Arc::new(EntityIndex::of(ids.iter().map(|id| (*id, "a key"))))
    }

    #[test]
    fn rows_of_two_tables_are_one_list_and_find_their_way_back() {
        let tables = vec![(MOVIES, table(&[1, 4, 5, 9])), (BOOKS, table(&[2, 3, 7]))];
        let catalogue = Catalogue::of(tables).expect("there");
        assert_eq!(catalogue.items(), [1, 2, 3, 4, 5, 7, 9].map(ItemId));
        let books = catalogue.place(BOOKS).expect("there");
        assert_eq!([0, 1, 2, 3].map(|row| books.in_all(row)), [Some(1), Some(2), Some(5), None]);
        assert_eq!([0, 1, 5, 6].map(|row| books.own(row)), [None, Some(0), Some(2), None]);
        assert_eq!(books.scores(vec![0., 1., 2., 3., 4., 5., 6.]), [1., 2., 5.]);
        let own: FixedBitSet = [0, 2].into_iter().collect();
        assert_eq!(books.all_of(&own, 7).expect("there").ones().collect::<Vec<_>>(), [1, 5]);
        assert_eq!(books.mask(7).expect("there").ones().collect::<Vec<_>>(), [1, 2, 5]);
        assert_eq!(catalogue.row_of(ItemId(7)), Some(5));
        assert_eq!(catalogue.table_of(ItemId(9)), Some(MOVIES));
        assert_eq!(catalogue.table_of(ItemId(8)), None);
        assert!(catalogue.place(TableId(3)).is_none());

        let alone = Catalogue::one(MOVIES, table(&[1, 4]));
        let place = alone.place(MOVIES).expect("there");
        assert_eq!((place.in_all(1), place.own(1)), (Some(1), Some(1)));
        assert!(place.all_of(&own, 2).is_none() && place.mask(2).is_none());
        assert_eq!(place.scores(vec![3., 4.]), [3., 4.]);
    }

    #[test]
    fn two_rows_of_one_id_are_refused() {
        let tables = vec![(MOVIES, table(&[1, 2])), (BOOKS, table(&[2, 3]))];
        assert!(matches!(Catalogue::of(tables), Err(Error::NotSupported { .. })));
    }
}
