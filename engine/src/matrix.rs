//! Sparse matrices in compressed rows. The columns of a row ascend and occur once.

/// A sparse matrix, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Csr {
    indptr: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
    n_columns: usize,
}

impl Csr {
    /// Takes the parts of a matrix. They must fit together; `None` if they do not.
    pub fn from_parts(
        n_columns: usize,
        indptr: Vec<usize>,
        indices: Vec<u32>,
        values: Vec<f32>,
    ) -> Option<Csr> {
        let fits = indices.len() == values.len() && indptr_fits(&indptr, indices.len());
        let sorted = fits
            && indptr.windows(2).all(|bounds| {
                let row = &indices[bounds[0]..bounds[1]];
                row.windows(2).all(|pair| pair[0] < pair[1])
                    && row.last().is_none_or(|last| (*last as usize) < n_columns)
            });
        sorted.then_some(Csr { indptr, indices, values, n_columns })
    }

    /// The matrix of entries that ascend by row, then by column, each place once; `None` if they do not.
    pub(crate) fn from_entries(
        n_rows: usize,
        n_columns: usize,
        entries: &[(u32, u32, f32)],
    ) -> Option<Csr> {
        let mut indptr = vec![0; n_rows + 1];
        for (row, _, _) in entries {
            *indptr.get_mut(*row as usize + 1)? += 1;
        }
        for row in 0..n_rows {
            indptr[row + 1] += indptr[row];
        }
        let ascend = entries.windows(2).all(|pair| pair[0].0 <= pair[1].0);
        let indices = entries.iter().map(|(_, column, _)| *column).collect();
        let values = entries.iter().map(|(_, _, value)| *value).collect();
        Csr::from_parts(n_columns, indptr, indices, values).filter(|_| ascend)
    }

    /// The number of rows.
    pub fn n_rows(&self) -> usize {
        self.indptr.len().saturating_sub(1)
    }

    /// The number of columns.
    pub fn n_columns(&self) -> usize {
        self.n_columns
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// The columns and values of a row.
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let range = self.range(row);
        (&self.indices[range.clone()], &self.values[range])
    }

    /// Where the entries of a row lie among all entries.
    pub fn range(&self, row: usize) -> std::ops::Range<usize> {
        self.indptr[row]..self.indptr[row + 1]
    }

    /// The number of entries of a row.
    pub fn degree(&self, row: usize) -> usize {
        self.range(row).len()
    }

    /// All rows in order.
    pub fn rows(&self) -> impl Iterator<Item = (&[u32], &[f32])> {
        (0..self.n_rows()).map(|row| self.row(row))
    }

    /// Row starts, one more than there are rows.
    pub fn indptr(&self) -> &[usize] {
        &self.indptr
    }

    /// The columns of all entries, row by row.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// The values of all entries, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The same entries, column by column.
    pub fn transpose(&self) -> Csr {
        let mut indptr = vec![0usize; self.n_columns + 1];
        for column in &self.indices {
            indptr[*column as usize + 1] += 1;
        }
        for column in 0..self.n_columns {
            indptr[column + 1] += indptr[column];
        }
        let mut next = indptr.clone();
        let mut indices = vec![0u32; self.len()];
        let mut values = vec![0f32; self.len()];
        for (row, (columns, weights)) in self.rows().enumerate() {
            for (column, weight) in columns.iter().zip(weights) {
                let at = &mut next[*column as usize];
                indices[*at] = row as u32;
                values[*at] = *weight;
                *at += 1;
            }
        }
        Csr { indptr, indices, values, n_columns: self.n_rows() }
    }
}

/// Whether row starts ascend from 0 to the number of entries.
pub(crate) fn indptr_fits(indptr: &[usize], entries: usize) -> bool {
    indptr.first() == Some(&0)
        && indptr.last() == Some(&entries)
        && indptr.windows(2).all(|bounds| bounds[0] <= bounds[1])
}
