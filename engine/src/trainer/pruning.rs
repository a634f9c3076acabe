//! The graph of a part of the pairs, drawn anew for each epoch: popular ends lose more of theirs.
//!
//! A pair's chance is in proportion to `1 / √(d_u d_i)`, without replacement, by exponential keys
//! (Efraimidis and Spirakis 2006); the graph is normalised by the degrees that are left. (FREEDOM,
//! Zhou and Shen 2023.)

use super::Graph;
use crate::Csr;
use crate::seeded::number;

/// Pairs to draw from.
#[derive(Debug)]
pub(crate) struct Pruning {
    by_user: Csr,
    /// √(d_u d_i) of each pair.
    degrees: Vec<f32>,
    keep: usize,
    seed: u64,
}

impl Pruning {
    /// Keeps that share of the pairs, but one at least.
    pub(crate) fn new(by_user: &Csr, by_item: &Csr, share: f64, seed: u64) -> Pruning {
        let degree = |(user, item): (usize, &u32)| {
            ((by_user.degree(user) * by_item.degree(*item as usize)) as f32).sqrt()
        };
        let rows = by_user.rows().enumerate();
        let pairs = rows.flat_map(|(user, (items, _))| items.iter().map(move |item| (user, item)));
        let degrees: Vec<f32> = pairs.map(degree).collect();
        let keep = ((share * degrees.len() as f64) as usize).max(1).min(degrees.len());
        Pruning { by_user: by_user.clone(), degrees, keep, seed }
    }

    /// The graph of an epoch.
    pub(crate) fn graph(&self, epoch: usize) -> Graph {
        let seed = number(self.seed, epoch as u64);
        let key = |(at, degree): (usize, &f32)| {
            let drawn = (number(seed, at as u64) >> 11) as f64 / (1u64 << 53) as f64;
            (-(1.0 - drawn).ln() * f64::from(*degree), at as u32)
        };
        let mut keys: Vec<(f64, u32)> = self.degrees.iter().enumerate().map(key).collect();
        if self.keep < keys.len() {
            keys.select_nth_unstable_by(self.keep, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        }
        let mut kept: Vec<u32> = keys[..self.keep].iter().map(|(_, at)| *at).collect();
        kept.sort_unstable();
        let indptr = self.by_user.indptr().iter();
        let indptr = indptr.map(|end| kept.partition_point(|at| (*at as usize) < *end)).collect();
        let indices = kept.iter().map(|at| self.by_user.indices()[*at as usize]).collect();
        let by_user =
            Csr::from_parts(self.by_user.n_columns(), indptr, indices, vec![1.0; kept.len()])
                .expect("a part of each row, in its order");
        Graph::new(&by_user, &by_user.transpose())
    }
}
