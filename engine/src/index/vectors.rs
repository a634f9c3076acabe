//! What an index is of: rows of numbers, one for each item.

use pulp::{Arch, Simd, WithSimd};
use tastedb_storage::ItemId;

use crate::ascending;
use crate::embedding_matrix::EmbeddingMatrix;
use crate::error::{Error, Result};
use crate::kernels::{Line, lines};
use crate::similarity::Similarity;
use crate::topk::Scored;

/// Rows of numbers by item. Those that are compared by cosines have length one.
pub trait Vectors: Send + Sync {
    /// What they are of.
    fn name(&self) -> &str;

    /// The items, ascending.
    fn ids(&self) -> &[ItemId];

    /// The number of dimensions.
    fn dim(&self) -> usize;

    /// A row, padded with zeros to a whole number of cache lines.
    fn padded(&self, at: usize) -> &[f32];

    /// The row of an item.
    fn row_of(&self, item: ItemId) -> Option<usize> {
        let ids = self.ids();
        ascending::find(ids, item, item.0.wrapping_sub(ids.first()?.0))
    }

    /// A row, `dim` long.
    fn row(&self, at: usize) -> &[f32] {
        &self.padded(at)[..self.dim()]
    }
}

impl Vectors for EmbeddingMatrix {
    fn name(&self) -> &str {
        self.modality()
    }

    fn ids(&self) -> &[ItemId] {
        EmbeddingMatrix::ids(self)
    }

    fn dim(&self) -> usize {
        EmbeddingMatrix::dim(self)
    }

    fn padded(&self, at: usize) -> &[f32] {
        EmbeddingMatrix::padded(self, at)
    }
}

/// A vector to compare rows with, padded; of length one for cosines.
pub(crate) fn question(
    vectors: &dyn Vectors,
    similarity: Similarity,
    vector: &[f32],
) -> Result<Vec<Line>> {
    if vector.len() != vectors.dim() {
        let (expected, actual) = (vectors.dim(), vector.len());
        let modality = vectors.name().to_owned();
        return Err(Error::DimensionMismatch { modality, expected, actual });
    }
    if vector.iter().any(|value| !value.is_finite()) {
        return Err(Error::NotFinite { what: "an embedding" });
    }
    let mut padded = lines(vector);
    if similarity.is_of_directions() {
        crate::embedding_matrix::normalise(vector, bytemuck::cast_slice_mut(&mut padded));
    }
    Ok(padded)
}

/// How near some rows are to a padded vector, each with the name it comes with.
pub(crate) fn scores(
    vectors: &dyn Vectors,
    similarity: Similarity,
    rows: impl Iterator<Item = (u32, usize)>,
    query: &[f32],
) -> Vec<Scored> {
    struct Scores<'a, I>(&'a dyn Vectors, Similarity, I, &'a [f32]);
    impl<I: Iterator<Item = (u32, usize)>> WithSimd for Scores<'_, I> {
        type Output = Vec<Scored>;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Vec<Scored> {
            let Scores(vectors, similarity, rows, query) = self;
            // A closure would be compiled for the plain instruction set.
            let mut scores = Vec::with_capacity(rows.size_hint().0);
            for (row, at) in rows {
                let score = similarity.with(simd, query, vectors.padded(at));
                scores.push(Scored { row, score });
            }
            scores
        }
    }
    Arch::new().dispatch(Scores(vectors, similarity, rows, query))
}
