//! The embeddings of one modality as a dense matrix, ready for cosine similarity.
//!
//! Rows ascend by item id and have length one (or are all zero, where the embedding is). It is a
//! cache of what storage holds, so it can be patched in place when an embedding changes.

use tastedb_storage::ItemId;

use crate::kernels::{LANES, Line, dot, stride};
use crate::{Error, Result};

/// Normalised embeddings of items, ascending by item.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmbeddingMatrix {
    modality: String,
    dim: usize,
    ids: Vec<ItemId>,
    lines: Vec<Line>,
}

impl EmbeddingMatrix {
    /// An empty matrix for a modality of `dim` dimensions.
    pub fn new(modality: impl Into<String>, dim: usize) -> EmbeddingMatrix {
        EmbeddingMatrix { modality: modality.into(), dim, ids: Vec::new(), lines: Vec::new() }
    }

    /// Sets aside room for more rows.
    pub fn reserve(&mut self, rows: usize) {
        self.ids.reserve(rows);
        self.lines.reserve(rows * self.lines_per_row());
    }

    /// Sets the embedding of an item, new or known. Ids that ascend are appended cheaply.
    pub fn set(&mut self, item: ItemId, vector: &[f32]) -> Result<()> {
        let row = self.normalised(vector)?;
        let width = row.len();
        if self.ids.last().is_none_or(|last| *last < item) {
            self.ids.push(item);
            self.lines.extend_from_slice(&row);
            return Ok(());
        }
        match self.ids.binary_search(&item) {
            Ok(at) => self.lines[at * width..(at + 1) * width].copy_from_slice(&row),
            Err(at) => {
                self.ids.insert(at, item);
                self.lines.splice(at * width..at * width, row);
            }
        }
        Ok(())
    }

    /// Takes an item's embedding out, if it has one.
    pub fn remove(&mut self, item: ItemId) {
        if let Ok(at) = self.ids.binary_search(&item) {
            let width = self.lines_per_row();
            self.ids.remove(at);
            self.lines.drain(at * width..(at + 1) * width);
        }
    }

    /// The modality.
    pub fn modality(&self) -> &str {
        &self.modality
    }

    /// The number of dimensions.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The items that have an embedding, ascending.
    pub fn ids(&self) -> &[ItemId] {
        &self.ids
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The row of an item.
    pub fn row_of(&self, item: ItemId) -> Option<usize> {
        self.ids.binary_search(&item).ok()
    }

    /// A row, `dim` long.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.padded(row)[..self.dim]
    }

    /// The normalised embedding of an item.
    pub fn get(&self, item: ItemId) -> Option<&[f32]> {
        self.row_of(item).map(|row| self.row(row))
    }

    /// The cosine similarity of two rows.
    pub fn cosine(&self, a: usize, b: usize) -> f32 {
        dot(self.padded(a), self.padded(b))
    }

    /// The memory it takes, in bytes.
    pub fn memory(&self) -> u64 {
        (size_of_val(self.lines.as_slice()) + size_of_val(self.ids.as_slice())) as u64
    }

    /// A row with its padding of zeros.
    pub(crate) fn padded(&self, row: usize) -> &[f32] {
        &self.data()[row * self.stride()..(row + 1) * self.stride()]
    }

    /// All rows, each [`EmbeddingMatrix::stride`] long.
    pub(crate) fn data(&self) -> &[f32] {
        bytemuck::cast_slice(&self.lines)
    }

    /// The length of a padded row.
    pub(crate) fn stride(&self) -> usize {
        stride(self.dim)
    }

    /// A vector of this modality, padded and of length one.
    pub(crate) fn normalised(&self, vector: &[f32]) -> Result<Vec<Line>> {
        if vector.len() != self.dim {
            return Err(Error::DimensionMismatch {
                modality: self.modality.clone(),
                expected: self.dim,
                actual: vector.len(),
            });
        }
        if vector.iter().any(|value| !value.is_finite()) {
            return Err(Error::NotFinite { what: "an embedding" });
        }
        let mut lines = vec![Line::default(); self.lines_per_row()];
        normalise(vector, bytemuck::cast_slice_mut(&mut lines));
        Ok(lines)
    }

    fn lines_per_row(&self) -> usize {
        self.stride() / LANES
    }
}

/// Writes `vector`, scaled to length one, to the start of `out`. A zero vector stays zero.
pub(crate) fn normalise(vector: &[f32], out: &mut [f32]) {
    let square: f64 = vector.iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
    let scale = if square > 0.0 { square.sqrt().recip() } else { 0.0 };
    for (value, to) in vector.iter().zip(out) {
        *to = (f64::from(*value) * scale) as f32;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn rows_are_normalised_and_ascend_whatever_the_order_of_arrival() {
        let mut matrix = EmbeddingMatrix::new("text", 3);
        for (id, vector) in
            [(5, [3.0, 0.0, 4.0]), (9, [0.0, 2.0, 0.0]), (2, [1.0, 0.0, 0.0]), (7, [0.0; 3])]
        {
            matrix.set(ItemId(id), &vector).unwrap();
        }
        assert_eq!(matrix.ids(), [ItemId(2), ItemId(5), ItemId(7), ItemId(9)]);
        assert_eq!(matrix.get(ItemId(5)), Some([0.6, 0.0, 0.8].as_slice()));
        assert_eq!(matrix.get(ItemId(7)), Some([0.0; 3].as_slice()));
        assert_eq!(matrix.cosine(0, 1), 0.6);
        matrix.set(ItemId(5), &[0.0, 0.0, 2.0]).unwrap();
        matrix.remove(ItemId(2));
        assert_eq!(matrix.row(0), [0.0, 0.0, 1.0]);
        assert_eq!(matrix.row(2), [0.0, 1.0, 0.0]);
        assert_eq!(matrix.len(), 3);
    }

    #[test]
    fn a_vector_of_another_length_or_with_a_hole_is_refused() {
        let mut matrix = EmbeddingMatrix::new("text", 2);
        let short = matrix.set(ItemId(1), &[1.0]);
        assert!(matches!(short, Err(Error::DimensionMismatch { expected: 2, actual: 1, .. })));
        let hole = matrix.set(ItemId(1), &[1.0, f32::NAN]);
        assert!(matches!(hole, Err(Error::NotFinite { .. })));
        assert!(matrix.is_empty());
    }

    #[test]
    fn huge_and_tiny_vectors_are_normalised_without_overflow() {
        let mut matrix = EmbeddingMatrix::new("text", 2);
        matrix.set(ItemId(1), &[3e37, 4e37]).unwrap();
        matrix.set(ItemId(2), &[3e-38, 4e-38]).unwrap();
        for row in 0..2 {
            assert!((matrix.row(row)[0] - 0.6).abs() < 1e-6);
            assert!((matrix.row(row)[1] - 0.8).abs() < 1e-6);
        }
    }
}
