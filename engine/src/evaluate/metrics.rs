//! What is measured of one user's ranking.
//!
//! With T the held-out items and hit(r) = 1 if the item at rank r (from 1) is one of them:
//!
//! | metric | of a user |
//! |---|---|
//! | recall@k | Σ hit(r) / \|T\| |
//! | precision@k | Σ hit(r) / k |
//! | hit@k | 1 if any hit(r) |
//! | ndcg@k | Σ hit(r) / log2(r + 1), over the same sum for min(k, \|T\|) hits in a row |
//! | map@k | Σ hit(r) · precision@r / min(k, \|T\|) |
//! | mrr@k | 1 / r of the first hit |
//! | coverage@k | of all users together: the share of the catalogue that is shown to anybody |
//! | hubness@k | of all users together: the skewness of how often each item of the catalogue is shown |
//!
//! Hubness is the skewness of k-occurrence (Radovanović, Nanopoulos and Ivanović 2010): with N_i the users to
//! whom item i is shown, `mean((N − mean N)³) / sd(N)³`. Zero where all are shown as often, large where few are
//! shown to everybody.

use std::fmt;

/// A metric with its depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Metric {
    /// The share of the held-out items found.
    Recall(usize),
    /// The share of hits among those shown.
    Precision(usize),
    /// Whether there was any hit.
    Hit(usize),
    /// The discounted gain over the ideal one.
    Ndcg(usize),
    /// The mean precision at the hits.
    Map(usize),
    /// The reciprocal rank of the first hit.
    Mrr(usize),
    /// The share of the catalogue shown to anybody.
    Coverage(usize),
    /// The skewness of how often items are shown.
    Hubness(usize),
}

/// The names of metrics as statements write them.
const NAMES: [&str; 8] =
    ["recall", "precision", "hit", "ndcg", "map", "mrr", "coverage", "hubness"];

/// The metric of a name, at a depth of at least 1; on failure the names there are.
pub fn parse_metric(name: &str, k: usize) -> Result<Metric, &'static [&'static str]> {
    let metric = match name.to_ascii_lowercase().as_str() {
        "recall" => Metric::Recall,
        "precision" => Metric::Precision,
        "hit" => Metric::Hit,
        "ndcg" => Metric::Ndcg,
        "map" => Metric::Map,
        "mrr" => Metric::Mrr,
        "coverage" => Metric::Coverage,
        "hubness" => Metric::Hubness,
        _ => return Err(&NAMES),
    };
    if k == 0 { Err(&NAMES) } else { Ok(metric(k)) }
}

impl Metric {
    /// The depth: how many of the best are looked at.
    pub fn k(&self) -> usize {
        match *self {
            Metric::Recall(k)
            | Metric::Precision(k)
            | Metric::Hit(k)
            | Metric::Ndcg(k)
            | Metric::Map(k)
            | Metric::Mrr(k)
            | Metric::Coverage(k)
            | Metric::Hubness(k) => k,
        }
    }

    /// The value for one user, from the hits by rank and the number of held-out items.
    pub(super) fn of_user(&self, hits: &[bool], held_out: usize) -> f64 {
        let k = self.k();
        let ranks = || hits.iter().take(k).enumerate().filter(|(_, hit)| **hit).map(|(at, _)| at);
        let found = ranks().count() as f64;
        match self {
            Metric::Recall(_) => found / held_out.max(1) as f64,
            Metric::Precision(_) => found / k as f64,
            Metric::Hit(_) => f64::from(found > 0.0),
            Metric::Ndcg(_) => {
                let ideal: f64 = (0..k.min(held_out)).map(discount).sum();
                if ideal > 0.0 { ranks().map(discount).sum::<f64>() / ideal } else { 0.0 }
            }
            Metric::Map(_) => {
                let precisions =
                    ranks().zip(1u32..).map(|(at, nth)| f64::from(nth) / (at + 1) as f64);
                precisions.sum::<f64>() / k.min(held_out).max(1) as f64
            }
            Metric::Mrr(_) => ranks().next().map_or(0.0, |at| 1.0 / (at + 1) as f64),
            Metric::Coverage(_) | Metric::Hubness(_) => 0.0,
        }
    }
}

/// The discount at a place counted from 0.
fn discount(at: usize) -> f64 {
    1.0 / ((at + 2) as f64).log2()
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Metric::Recall(_) => "recall",
            Metric::Precision(_) => "precision",
            Metric::Hit(_) => "hit",
            Metric::Ndcg(_) => "ndcg",
            Metric::Map(_) => "map",
            Metric::Mrr(_) => "mrr",
            Metric::Coverage(_) => "coverage",
            Metric::Hubness(_) => "hubness",
        };
        write!(f, "{name}@{}", self.k())
    }
}
