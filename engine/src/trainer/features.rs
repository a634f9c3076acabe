//! The frozen vectors of items, as what goes into a trained map.
//!
//! They are centred and of length one, as for the neighbour graph of a modality. An item without a
//! vector has a row of zeros: nothing comes out of a map for it and it gives the map no gradient.

use rayon::prelude::*;
use tastedb_storage::ItemId;

use super::{ROWS, Table};
use crate::EmbeddingMatrix;
use crate::item_graph::centred;

/// One row for each item.
#[derive(Clone, Debug)]
pub(crate) struct Features {
    rows: Table,
    has: Vec<bool>,
}

impl Features {
    /// The vectors of some modalities, side by side.
    pub(crate) fn new(modalities: &[&EmbeddingMatrix], items: &[ItemId]) -> Features {
        let width = modalities.iter().map(|matrix| matrix.dim()).sum();
        let (mut rows, mut has) = (Table::zeros(items.len(), width), vec![false; items.len()]);
        let mut start = 0;
        for matrix in modalities {
            let (own, vectors) = centred(matrix, items);
            for (at, row) in own.into_iter().enumerate() {
                let to = &mut rows.row_mut(row as usize)[start..start + matrix.dim()];
                to.copy_from_slice(&vectors.row(at)[..matrix.dim()]);
                has[row as usize] = true;
            }
            start += matrix.dim();
        }
        Features { rows, has }
    }

    /// The numbers of a row.
    pub(crate) fn dim(&self) -> usize {
        self.rows.dim()
    }

    /// All rows.
    pub(crate) fn table(&self) -> &Table {
        &self.rows
    }

    /// Whether an item has any vector.
    pub(crate) fn has(&self, item: usize) -> bool {
        self.has[item]
    }

    /// Copies the rows of nodes that are items: those from `users` on.
    pub(crate) fn gather(&self, nodes: &[u32], users: usize, out: &mut Table) {
        out.fit(nodes.len());
        let stride = self.rows.stride();
        let blocks = out.part_mut(0..nodes.len()).par_chunks_mut(ROWS * stride);
        blocks.zip(nodes.par_chunks(ROWS)).for_each(|(out, nodes)| {
            for (to, node) in out.chunks_exact_mut(stride).zip(nodes) {
                to.copy_from_slice(self.rows.row(*node as usize - users));
            }
        });
    }
}
