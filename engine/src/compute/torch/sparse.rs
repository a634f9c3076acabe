//! A matrix of compressed rows on a device.

use tch::{Kind, Tensor};

use super::{Done, Torch};
use crate::{Csr, Error, Result};

/// A sparse matrix.
#[derive(Debug)]
pub(crate) struct Sparse(Tensor);

impl Clone for Sparse {
    /// The same matrix: nothing is copied.
    fn clone(&self) -> Sparse {
        Sparse(self.0.shallow_clone())
    }
}

impl Sparse {
    /// The entries of each row begin at one of `starts`, which has the end of the last row too.
    pub(super) fn new(
        torch: Torch,
        starts: &[usize],
        columns: &[u32],
        entries: &[f32],
        width: usize,
    ) -> Result<Sparse> {
        // The kernels count entries in 32 bits, which halves what they read beside the values.
        let narrow: std::result::Result<Vec<i32>, _> =
            starts.iter().map(|start| i32::try_from(*start)).collect();
        let starts = narrow.map_err(|_| Error::DeviceFailed {
            device: torch.to_string(),
            what: format!("{} entries are too many for one sparse matrix", entries.len()),
        })?;
        let columns: Vec<i32> = columns.iter().map(|column| *column as i32).collect();
        let size = [starts.len() as i64 - 1, width as i64];
        let (starts, columns) = (torch.send(&starts)?, torch.send(&columns)?);
        let entries = torch.send(entries)?;
        let options = (Kind::Float, torch.0);
        let matrix = Tensor::f_sparse_csr_tensor_crow_col_value_size(
            &starts, &columns, &entries, size, options,
        );
        torch.done(matrix).map(Sparse)
    }

    pub(super) fn of(torch: Torch, matrix: &Csr) -> Result<Sparse> {
        let (starts, entries) = (matrix.indptr(), matrix.values());
        // One without rows says no start at all.
        let starts = if starts.is_empty() { &[0] } else { starts };
        Sparse::new(torch, starts, matrix.indices(), entries, matrix.n_columns())
    }

    /// The product with dense rows.
    pub(super) fn times(&self, rows: &Tensor) -> Done<Tensor> {
        self.0.f_mm(rows)
    }
}
