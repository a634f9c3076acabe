//! The embeddings of one modality as a dense matrix, ready to be compared.
//!
//! Rows ascend by item id. They have length one (or are all zero, where the embedding is), ready for
//! cosines; or they are as they were given, for distances and inner products. It is a
//! cache of what storage holds. A copy shares the rows, in pieces: changing a row, or adding one behind
//! the last, copies its piece only.

use std::sync::Arc;

use tastedb_storage::ItemId;

use crate::kernels::{LANES, Line, dot, dot_rows, lines, stride};
use crate::similarity::Similarity;
use crate::{Error, Result};

/// Rows of a piece.
const PIECE: usize = 1024;

/// Embeddings of items, ascending by item.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmbeddingMatrix {
    modality: String,
    dim: usize,
    /// Whether rows keep their length.
    as_given: bool,
    ids: Arc<Vec<ItemId>>,
    /// [`PIECE`] rows each, but for the last.
    pieces: Vec<Arc<Vec<Line>>>,
}

impl EmbeddingMatrix {
    /// An empty matrix for a modality of `dim` dimensions, whose rows get length one.
    pub fn new(modality: impl Into<String>, dim: usize) -> EmbeddingMatrix {
        EmbeddingMatrix { modality: modality.into(), dim, ..EmbeddingMatrix::default() }
    }

    /// An empty matrix whose rows are as `similarity` compares them: of length one for cosines, else as
    /// they are given.
    pub fn to_compare(
        modality: impl Into<String>,
        dim: usize,
        similarity: Similarity,
    ) -> EmbeddingMatrix {
        let as_given = !similarity.is_of_directions();
        EmbeddingMatrix { as_given, ..EmbeddingMatrix::new(modality, dim) }
    }

    /// Sets the embedding of an item, new or known. Ids that ascend are appended cheaply.
    pub fn set(&mut self, item: ItemId, vector: &[f32]) -> Result<()> {
        if self.ids.last().is_none_or(|last| *last < item) {
            let row = self.as_row(vector)?;
            self.push(item, &row);
            return Ok(());
        }
        self.apply([(item, Some(vector.to_vec()))])
    }

    /// Takes an item's embedding out, if it has one.
    pub fn remove(&mut self, item: ItemId) {
        // Nothing can be wrong with a vector that is not there.
        drop(self.apply([(item, None)]));
    }

    /// Sets the embeddings of items, which ascend, or takes them out. One pass over all rows at most.
    pub fn apply(
        &mut self,
        changes: impl IntoIterator<Item = (ItemId, Option<Vec<f32>>)>,
    ) -> Result<()> {
        let row = |(item, vector): (ItemId, Option<Vec<f32>>)| {
            Ok((item, vector.map(|vector| self.as_row(&vector)).transpose()?))
        };
        let changes: Vec<(ItemId, Option<Vec<Line>>)> =
            changes.into_iter().map(row).collect::<Result<_>>()?;
        let last = self.ids.last().copied();
        let moves = |(item, row): &(ItemId, Option<Vec<Line>>)| match row {
            None => self.row_of(*item).is_some(),
            Some(_) => last.is_some_and(|last| *item < last) && self.row_of(*item).is_none(),
        };
        if changes.iter().any(moves) {
            self.merge(changes);
            return Ok(());
        }
        for (item, row) in changes {
            let Some(row) = row else { continue };
            match self.row_of(item) {
                None => self.push(item, &row),
                Some(at) => {
                    let lines = Arc::make_mut(&mut self.pieces[at / PIECE]);
                    lines[at % PIECE * row.len()..][..row.len()].copy_from_slice(&row);
                }
            }
        }
        Ok(())
    }

    /// Lays rows and changes, both by ascending item, into a new matrix.
    fn merge(&mut self, changes: Vec<(ItemId, Option<Vec<Line>>)>) {
        let mut merged = EmbeddingMatrix {
            as_given: self.as_given,
            ..EmbeddingMatrix::new(std::mem::take(&mut self.modality), self.dim)
        };
        let mut changes = changes.into_iter().peekable();
        for (at, item) in self.ids.iter().enumerate() {
            while let Some((new, row)) = changes.next_if(|(changed, _)| changed < item) {
                row.into_iter().for_each(|row| merged.push(new, &row));
            }
            match changes.next_if(|(changed, _)| changed == item) {
                Some((_, row)) => row.into_iter().for_each(|row| merged.push(*item, &row)),
                None => merged.push(*item, self.lines_of(at)),
            }
        }
        for (new, row) in changes {
            row.into_iter().for_each(|row| merged.push(new, &row));
        }
        *self = merged;
    }

    /// Adds a row behind the last.
    fn push(&mut self, item: ItemId, row: &[Line]) {
        if self.ids.len().is_multiple_of(PIECE) {
            self.pieces.push(Arc::new(Vec::with_capacity(row.len() * PIECE.min(64))));
        }
        Arc::make_mut(&mut self.ids).push(item);
        if let Some(piece) = self.pieces.last_mut() {
            Arc::make_mut(piece).extend_from_slice(row);
        }
    }

    /// The same under another name.
    pub(crate) fn named(&self, modality: &str) -> EmbeddingMatrix {
        EmbeddingMatrix { modality: modality.to_owned(), ..self.clone() }
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

    /// The same, shared.
    pub(crate) fn shared_ids(&self) -> Arc<Vec<ItemId>> {
        Arc::clone(&self.ids)
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
        crate::ascending::find(&self.ids, item, item.0.wrapping_sub(self.ids.first()?.0))
    }

    /// A row, `dim` long.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.padded(row)[..self.dim]
    }

    /// The row of an item, `dim` long.
    pub fn get(&self, item: ItemId) -> Option<&[f32]> {
        self.row_of(item).map(|row| self.row(row))
    }

    /// The inner product of two rows: where they have length one, their cosine.
    pub fn cosine(&self, a: usize, b: usize) -> f32 {
        dot(self.padded(a), self.padded(b))
    }

    /// The memory it takes, in bytes.
    pub fn memory(&self) -> u64 {
        let lines: usize = self.pieces.iter().map(|piece| size_of_val(piece.as_slice())).sum();
        (lines + size_of_val(self.ids.as_slice())) as u64
    }

    /// A row with its padding of zeros.
    #[inline(always)]
    pub(crate) fn padded(&self, row: usize) -> &[f32] {
        bytemuck::cast_slice(self.lines_of(row))
    }

    #[inline(always)]
    fn lines_of(&self, row: usize) -> &[Line] {
        let width = self.lines_per_row();
        &self.pieces[row / PIECE][row % PIECE * width..][..width]
    }

    /// The inner products of a padded vector with all rows, into `out`.
    pub(crate) fn dot_rows(&self, query: &[f32], out: &mut [f32]) {
        for (piece, out) in self.pieces.iter().zip(out.chunks_mut(PIECE)) {
            dot_rows(bytemuck::cast_slice(piece), self.stride(), query, out);
        }
    }

    /// For each row how near the nearest of some padded vectors is, where that is above what `out` holds.
    pub(crate) fn raise(&self, similarity: Similarity, vectors: &[&[f32]], out: &mut [f32]) {
        for (piece, out) in self.pieces.iter().zip(out.chunks_mut(PIECE)) {
            similarity.raise(bytemuck::cast_slice(piece), self.stride(), vectors, out);
        }
    }

    /// The length of a padded row.
    pub(crate) fn stride(&self) -> usize {
        stride(self.dim)
    }

    /// A vector of this modality as its rows are: padded, and of length one if they are.
    pub(crate) fn as_row(&self, vector: &[f32]) -> Result<Vec<Line>> {
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
        let mut row = lines(vector);
        if !self.as_given {
            normalise(vector, bytemuck::cast_slice_mut(&mut row));
        }
        Ok(row)
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
    fn changes_at_once_are_changes_one_by_one_and_a_copy_stays_as_it_was() {
        let number = |at: u64| crate::seeded::number(7, at);
        let vector = |at: u64| vec![1.0, crate::seeded::fraction(3, at), -2.0];
        let mut matrix = EmbeddingMatrix::new("text", 3);
        let all = (0..3000).map(|item| (ItemId(item * 2), Some(vector(item))));
        matrix.apply(all).unwrap();
        for round in 0..20 {
            let mut changes: Vec<(ItemId, Option<Vec<f32>>)> = (0..round * 2)
                .map(|at| number(round * 100 + at))
                .map(|what| (ItemId(what % 7000), (what % 3 > 0).then(|| vector(what))))
                .collect();
            changes.sort_by_key(|(item, _)| *item);
            changes.dedup_by_key(|(item, _)| *item);
            let before = matrix.clone();
            let rows = |matrix: &EmbeddingMatrix| -> Vec<(ItemId, Vec<f32>)> {
                let rows = matrix.ids().iter().enumerate();
                rows.map(|(at, item)| (*item, matrix.row(at).to_vec())).collect()
            };
            let kept = rows(&before);
            let mut one_by_one = matrix.clone();
            for (item, vector) in &changes {
                match vector {
                    Some(vector) => one_by_one.set(*item, vector).unwrap(),
                    None => one_by_one.remove(*item),
                }
            }
            matrix.apply(changes).unwrap();
            assert_eq!(matrix, one_by_one);
            assert_eq!(rows(&before), kept);
            assert!(matrix.ids().is_sorted());
            let query = crate::kernels::lines(&[0.5, 0.25, 1.0]);
            let query: &[f32] = bytemuck::cast_slice(&query);
            let mut products = vec![0.0; matrix.len()];
            matrix.dot_rows(query, &mut products);
            assert!((0..matrix.len()).all(|row| products[row] == dot(matrix.padded(row), query)));
        }
    }

    #[test]
    fn rows_keep_their_length_where_it_counts_through_every_change() {
        let mut matrix = EmbeddingMatrix::to_compare("text", 2, Similarity::L2);
        for (id, vector) in [(4, [3.0, 4.0]), (2, [0.5, 0.0]), (9, [0.0, 0.0])] {
            matrix.set(ItemId(id), &vector).unwrap();
        }
        matrix.remove(ItemId(9));
        matrix.set(ItemId(3), &[7.0, 0.0]).unwrap();
        assert_eq!(matrix.get(ItemId(4)), Some([3.0, 4.0].as_slice()));
        assert_eq!(matrix.get(ItemId(2)), Some([0.5, 0.0].as_slice()));
        let query = matrix.as_row(&[3.0, 0.0]).unwrap();
        let mut near = vec![f32::NEG_INFINITY; 3];
        matrix.raise(Similarity::L2, &[bytemuck::cast_slice(&query)], &mut near);
        assert_eq!(near, [-2.5, -4.0, -4.0]);
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
