//! A graph of items that are alike, with weights that have a gradient.
//!
//! ```text
//! S_ij = ⟨z_i, z_j⟩ / |z_i| |z_j|     j among the nearest to i, or i
//! L = D^−½ S D^−½                     D: the row sums of S
//! ```
//!
//! (The learned graph of LATTICE, Zhang et al. 2021.) Which items are nearest has no gradient.

use rayon::prelude::*;

use super::normalise::{normalise, normalise_back};
use super::{ROWS, Table};
use crate::item_graph::nearest;
use crate::kernels::dot;
use crate::{Csr, Result, Work};

/// The cosines of each row with the rows nearest to it.
#[derive(Clone, Debug)]
pub(crate) struct Cosines {
    /// The rows, of length one.
    unit: Table,
    scales: Vec<f32>,
    /// For each row its nearest and itself, and their cosines; rows of zeros have none.
    pub(crate) links: Vec<(u32, u32, f32)>,
}

impl Cosines {
    /// The cosines of each row with itself and the `k − 1` others that are nearest.
    pub(crate) fn new(mut rows: Table, k: usize, work: &Work) -> Result<Cosines> {
        let n = rows.rows();
        let scales = normalise(&mut rows, n);
        let near = nearest(&rows, k - 1, work)?;
        let mut links = Vec::with_capacity(n * k);
        for (row, near) in (0..).zip(near) {
            if scales[row as usize] > 0.0 {
                links.push((row, row, 1.0));
                links.extend(near.into_iter().map(|near| (row, near.row, near.score)));
            }
        }
        Ok(Cosines { unit: rows, scales, links })
    }

    /// The gradient in the rows, from that of each link's weight.
    pub(crate) fn backward(&self, slopes: &[f32]) -> Table {
        let mut gradient = Table::zeros(self.unit.rows(), self.unit.dim());
        for ((a, b, _), slope) in self.links.iter().zip(slopes) {
            for (to, from) in [(*a as usize, *b as usize), (*b as usize, *a as usize)] {
                let values = gradient.row_mut(to).iter_mut().zip(self.unit.row(from));
                values.for_each(|(to, value)| *to += slope * value);
            }
        }
        normalise_back(&self.unit, &self.scales, &mut gradient);
        gradient
    }
}

/// One over the root of each row's sum; 0 for a row without entries.
fn scales(graph: &Csr) -> Vec<f32> {
    let sums = graph.rows().map(|(_, weights)| weights.iter().sum::<f32>());
    sums.map(|sum| if sum > 0.0 { sum.sqrt().recip() } else { 0.0 }).collect()
}

/// L of S, whose weights are not negative and which may be directed.
pub(crate) fn laplacian(graph: &Csr) -> Csr {
    let scales = scales(graph);
    let rows = graph.rows().zip(&scales);
    let values = rows.flat_map(|((columns, weights), own)| {
        let entries = columns.iter().zip(weights);
        entries.map(|(column, weight)| own * scales[*column as usize] * weight).collect::<Vec<_>>()
    });
    let (indptr, indices) = (graph.indptr().to_vec(), graph.indices().to_vec());
    Csr::from_parts(graph.n_columns(), indptr, indices, values.collect())
        .expect("only the values are new")
}

/// The gradient of the entries of S, from that of those of L.
pub(crate) fn laplacian_back(graph: &Csr, slopes: &[f32]) -> Vec<f32> {
    let scales = scales(graph);
    // Σ of slope times entry over the row and the column of each, and with it ∂/∂D.
    let mut sums = vec![0f32; graph.n_rows()];
    for (row, (columns, weights)) in graph.rows().enumerate() {
        for ((column, weight), slope) in columns.iter().zip(weights).zip(&slopes[graph.range(row)])
        {
            let share = slope * weight * scales[row] * scales[*column as usize];
            sums[row] += share;
            sums[*column as usize] += share;
        }
    }
    let of_row = |row: usize| {
        let by_sum = -0.5 * sums[row] * scales[row] * scales[row];
        let entries = graph.row(row).0.iter().zip(&slopes[graph.range(row)]);
        let (scales, own) = (&scales, scales[row]);
        entries.map(move |(column, slope)| slope * own * scales[*column as usize] + by_sum)
    };
    (0..graph.n_rows()).flat_map(of_row).collect()
}

/// The gradient of the entries of a graph that x goes through to y = S x, from that of y.
pub(crate) fn entries_back(
    graph: &Csr,
    x: impl Fn(usize) -> Option<usize> + Sync,
    gradient: &Table,
    values: &Table,
    users: usize,
) -> Vec<f32> {
    let rows: Vec<Vec<f32>> = (0..graph.n_rows())
        .into_par_iter()
        .with_min_len(ROWS)
        .map(|row| {
            let columns = graph.row(row).0;
            let Some(place) = x(row) else { return vec![0.0; columns.len()] };
            let own = gradient.row(place);
            columns.iter().map(|column| dot(own, values.row(users + *column as usize))).collect()
        })
        .collect();
    rows.concat()
}
