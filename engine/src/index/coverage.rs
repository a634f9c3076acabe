//! How an index lies in a catalogue: which of its nodes still stand for an item that is there, with
//! the vector that it has, and which items no node stands for.
//!
//! A node whose item is gone or has another vector is passed through and never returned. An item
//! without a node is compared in every question, until the index is built again.

use std::sync::Arc;

use tastedb_storage::ItemId;

use super::Vectors;
use super::vector_index::VectorIndex;

/// No row.
pub(super) const NONE: u32 = u32::MAX;

/// See the module. Rows are those of a catalogue, which ascends by item.
#[derive(Clone)]
pub(super) struct Coverage {
    /// The row of each node, or [`NONE`].
    pub(super) rows: Arc<Vec<u32>>,
    /// The node of each row, or [`NONE`]; rows behind the last have none.
    pub(super) nodes: Arc<Vec<u32>>,
    /// How many nodes have none.
    pub(super) dead: usize,
    /// The rows that have an embedding and no node, ascending.
    pub(super) loose: Vec<u32>,
    /// The rows of the catalogue, and the item of the last one.
    pub(super) n_rows: usize,
    last: Option<ItemId>,
}

impl Coverage {
    /// How `index` lies in a catalogue whose embeddings are `vectors`.
    pub(super) fn new(index: &VectorIndex, vectors: &dyn Vectors, items: &[ItemId]) -> Coverage {
        let mut room = Vec::new();
        Coverage::lay(index, vectors, items, |node, at| {
            index.is_of(node, vectors.row(at), &mut room)
        })
    }

    /// The same after the embeddings of the `touched` items, ascending, may have changed, and after
    /// items came and went.
    pub(super) fn patched(
        &self,
        index: &VectorIndex,
        vectors: &dyn Vectors,
        items: &[ItemId],
        touched: &[ItemId],
    ) -> Coverage {
        let mut room = Vec::new();
        let known = touched.iter().any(|item| index.node_of(*item).is_some());
        // Rows are appended or taken out: if the last one is where it was, so are all before it.
        let unmoved = self.n_rows == 0 || items.get(self.n_rows - 1) == self.last.as_ref();
        if !known && unmoved {
            let mut next = self.clone();
            (next.n_rows, next.last) = (items.len(), items.last().copied());
            let of = |item: &ItemId| Some((items.binary_search(item).ok()? as u32, *item));
            next.loose.retain(|row| touched.binary_search(&items[*row as usize]).is_err());
            let fresh = touched.iter().filter_map(of);
            next.loose.extend(
                fresh.filter(|(_, item)| vectors.row_of(*item).is_some()).map(|(row, _)| row),
            );
            next.loose.sort_unstable();
            return next;
        }
        let old = &self.rows;
        Coverage::lay(index, vectors, items, |node, at| {
            let item = ItemId(index.items()[node as usize]);
            if touched.binary_search(&item).is_ok() {
                index.is_of(node, vectors.row(at), &mut room)
            } else {
                old[node as usize] != NONE
            }
        })
    }

    /// Lays nodes and embeddings, both by ascending item, side by side.
    fn lay(
        index: &VectorIndex,
        vectors: &dyn Vectors,
        items: &[ItemId],
        mut stands: impl FnMut(u32, usize) -> bool,
    ) -> Coverage {
        let (mut rows, mut by_row) = (vec![NONE; index.len()], vec![NONE; items.len()]);
        let (mut live, mut loose) = (0, Vec::new());
        let mut nodes = index.by_item().iter().copied().peekable();
        let mut row = 0;
        for (at, item) in vectors.ids().iter().enumerate() {
            while items.get(row).is_some_and(|other| other < item) {
                row += 1;
            }
            if items.get(row) != Some(item) {
                continue;
            }
            let of = |node: u32| index.items()[node as usize];
            while nodes.next_if(|node| of(*node) < item.0).is_some() {}
            match nodes.next_if(|node| of(*node) == item.0) {
                Some(node) if stands(node, at) => {
                    rows[node as usize] = row as u32;
                    by_row[row] = node;
                    live += 1;
                }
                _ => loose.push(row as u32),
            }
        }
        let (n_rows, last) = (items.len(), items.last().copied());
        let dead = rows.len() - live;
        Coverage { dead, rows: Arc::new(rows), nodes: Arc::new(by_row), loose, n_rows, last }
    }
}
