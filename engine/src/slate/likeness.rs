//! How alike two rows are, from their embeddings or from an attribute.

use tastedb_storage::ItemId;

use super::groups::{Groups, NONE};
use crate::EmbeddingMatrix;

/// What rows are compared by.
#[derive(Clone, Copy, Debug)]
pub enum Likeness<'a> {
    /// The cosine of two embeddings; `ids` are those of the rows.
    Vectors {
        /// The embeddings.
        matrix: &'a EmbeddingMatrix,
        /// The item of each row.
        ids: &'a [ItemId],
    },
    /// The Jaccard index of two rows' values, which is equality where each has one.
    Values(&'a Groups),
}

impl Likeness<'_> {
    /// The likeness of each of `rows` to `row`, -1 to 1; a row to itself 1. What is unknown is like
    /// the unknown and unlike the rest, so a slate does not fill up with it.
    pub(super) fn to(&self, row: u32, rows: &[u32]) -> Vec<f32> {
        match self {
            Likeness::Vectors { matrix, ids } => {
                let at = |row: u32| matrix.row_of(*ids.get(row as usize)?);
                let one = at(row);
                let like = |other: &u32| match (one, at(*other)) {
                    _ if *other == row => 1.0,
                    (Some(one), Some(other)) => matrix.cosine(one, other),
                    (None, None) => 1.0,
                    _ => 0.0,
                };
                rows.iter().map(like).collect()
            }
            Likeness::Values(groups) => {
                rows.iter().map(|other| jaccard(groups.of(row), groups.of(*other))).collect()
            }
        }
    }
}

/// Of two ascending lists that are not empty.
fn jaccard(a: &[u32], b: &[u32]) -> f32 {
    debug_assert!(NONE == 0 && !a.is_empty() && !b.is_empty());
    let both = a.iter().filter(|code| b.binary_search(code).is_ok()).count();
    both as f32 / (a.len() + b.len() - both) as f32
}
