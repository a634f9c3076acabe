//! Propagation over the interactions: users and items as the nodes of one symmetric graph.
//!
//! ```text
//! y = Â x     Â = D^−½ A D^−½     node u < users is a user, node users + i an item
//! ```
//!
//! Â is symmetric, so the backward of a propagation is the propagation of the gradient. Weights are
//! not stored: an edge's is the product of its ends' scales, and reading four bytes instead of eight
//! for each edge is what the loop is bound by beside the rows themselves. A row of 64 floats is
//! summed in registers over the neighbours, one thread for each row.

use std::ops::Range;

use rayon::prelude::*;

use super::{ROWS, Table};
use crate::Csr;
use crate::kernels::vectorised;

/// Floats that are summed in registers at a time.
const WIDE: usize = 64;
const NARROW: usize = 16;

/// The normalised graph of users and items.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    n_users: usize,
    /// Where the neighbours of each node begin among `others`, and where the last ones end.
    pub(crate) starts: Vec<usize>,
    pub(crate) others: Vec<u32>,
    /// One over the root of each node's degree; 0 where it has none.
    pub(crate) scales: Vec<f32>,
}

impl Graph {
    /// The graph of the pairs, whatever their weights.
    pub(crate) fn new(by_user: &Csr, by_item: &Csr) -> Graph {
        let n_users = by_user.n_rows();
        let mut starts = by_user.indptr().to_vec();
        if starts.is_empty() {
            starts.push(0);
        }
        let pairs = by_user.len();
        starts.extend(by_item.indptr().iter().skip(1).map(|start| start + pairs));
        let items = by_user.indices().iter().map(|item| item + n_users as u32);
        let others = items.chain(by_item.indices().iter().copied()).collect();
        let degrees = starts.windows(2).map(|bounds| bounds[1] - bounds[0]);
        let scales = degrees
            .map(|degree| if degree > 0 { (degree as f32).sqrt().recip() } else { 0.0 })
            .collect();
        Graph { n_users, starts, others, scales }
    }

    /// The number of nodes.
    pub(crate) fn nodes(&self) -> usize {
        self.scales.len()
    }

    pub(crate) fn items(&self) -> Range<usize> {
        self.n_users..self.nodes()
    }

    /// One over the root of a node's degree; 0 where it has none.
    pub(crate) fn scale(&self, node: usize) -> f32 {
        self.scales[node]
    }

    /// A row of Â x, into `out`. Where only some rows of x are not zero, `only` says which.
    #[inline(always)]
    pub(crate) fn row(&self, x: &Table, node: usize, only: Option<&[bool]>, out: &mut [f32]) {
        let others = &self.others[self.starts[node]..self.starts[node + 1]];
        let scale = self.scales[node];
        let mut at = 0;
        while at + WIDE <= out.len() {
            self.part::<WIDE>(x, others, scale, only, at, out);
            at += WIDE;
        }
        while at < out.len() {
            self.part::<NARROW>(x, others, scale, only, at, out);
            at += NARROW;
        }
    }

    #[inline(always)]
    fn part<const W: usize>(
        &self,
        x: &Table,
        others: &[u32],
        scale: f32,
        only: Option<&[bool]>,
        at: usize,
        out: &mut [f32],
    ) {
        let (data, stride) = (x.data(), x.stride());
        let mut sums = [0f32; W];
        let mut add = |other: usize| {
            let own = self.scales[other];
            let row = &data[other * stride + at..][..W];
            for lane in 0..W {
                sums[lane] += own * row[lane];
            }
        };
        match only {
            None => others.iter().for_each(|other| add(*other as usize)),
            Some(only) => {
                let wanted = others.iter().filter(|other| only[**other as usize]);
                wanted.for_each(|other| add(*other as usize));
            }
        }
        for (to, sum) in out[at..at + W].iter_mut().zip(&sums) {
            *to = scale * sum;
        }
    }

    /// The rows `nodes` of Â x, into those rows of y, each then `finish`ed.
    pub(crate) fn spread(
        &self,
        x: &Table,
        y: &mut Table,
        nodes: Range<usize>,
        only: Option<&[bool]>,
        finish: impl Fn(usize, &mut [f32]) + Sync,
    ) {
        let (stride, first) = (y.stride(), nodes.start);
        let finish = &finish;
        let blocks = y.part_mut(nodes).par_chunks_mut(ROWS * stride).enumerate();
        blocks.for_each(|(block, rows)| {
            vectorised(
                #[inline(always)]
                move || {
                    let nodes = first + block * ROWS..;
                    for (node, row) in nodes.zip(rows.chunks_exact_mut(stride)) {
                        self.row(x, node, only, row);
                        finish(node, row);
                    }
                },
            );
        });
    }
}
