//! A directed graph of items on a device; see [`crate::trainer::Directed`].

use tch::Tensor;

use super::{Done, Places, Rows, Sparse, Torch};
use crate::{Csr, Result};

/// A graph of items, both ways.
#[derive(Debug)]
pub(crate) struct Links {
    /// Items are the nodes from here on.
    users: usize,
    items: i64,
    /// S and Sᵀ.
    rows: Sparse,
    columns: Sparse,
    /// Where the items are among the nodes that were last looked at, and which they are.
    places: Tensor,
    own: Tensor,
}

impl Links {
    pub(super) fn new(torch: Torch, users: usize, rows: &Csr) -> Result<Links> {
        let none = || torch.send::<i64>(&[]);
        Ok(Links {
            users,
            items: rows.n_rows() as i64,
            columns: Sparse::of(torch, &rows.transpose())?,
            rows: Sparse::of(torch, rows)?,
            places: none()?,
            own: none()?,
        })
    }

    /// The rows of the items among those of all nodes.
    fn part(&self, rows: &Tensor) -> Done<Tensor> {
        rows.f_narrow(0, self.users as i64, self.items)
    }

    /// Adds the rows of S x of some nodes.
    pub(super) fn forward(
        &mut self,
        torch: Torch,
        base: &Tensor,
        nodes: &Places,
        out: &mut Rows,
    ) -> Result<()> {
        let (mut places, mut own) = (Vec::new(), Vec::new());
        for (at, node) in (0i64..).zip(&nodes.here) {
            if let Some(item) = (*node as usize).checked_sub(self.users) {
                places.push(at);
                own.push(item as i64);
            }
        }
        (self.places, self.own) = (torch.send(&places)?, torch.send(&own)?);
        let near = torch.done(self.all(base))?;
        let mut add = || -> Done<()> {
            let near = near.f_index_select(0, &self.own)?;
            out.tensor.f_index_add_(0, &self.places, &near).map(drop)
        };
        torch.done(add())
    }

    /// Adds the gradient in the rows of all nodes, from that in the rows that were added.
    pub(super) fn backward(&self, rows: &Tensor, gradient: &mut Tensor) -> Done<()> {
        let mut part = self.part(gradient)?;
        let mut slopes = part.f_zeros_like()?;
        let own = rows.f_index_select(0, &self.places)?;
        let _ = slopes.f_index_copy_(0, &self.own, &own)?;
        part.f_add_(&self.columns.times(&slopes)?).map(drop)
    }

    /// S x.
    pub(super) fn all(&self, base: &Tensor) -> Done<Tensor> {
        self.rows.times(&self.part(base)?)
    }
}
