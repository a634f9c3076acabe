//! `item_knn`: items that go with the items of the history.
//!
//! Similarities are inner products of weighted interaction columns, exact, of which each item keeps
//! its `k` largest (itself among them, as in the library `implicit`, whose weightings these are):
//!
//! - `bm25`: w(u,i) = x·(k1 + 1) / (k1·(1 − b + b·|i| / mean|i|) + x) · idf(u)
//! - `tfidf`: w(u,i) = √x · idf(u), each item's column scaled to length one
//! - `cosine`: w(u,i) = x, each item's column scaled to length one
//!
//! with idf(u) = ln(items / (1 + d_u)) and |i| the sum of an item's weights. An item's score is the
//! sum over the history of weight times similarity; items no neighbour of any are not scored.

use std::io::Write;

use rayon::prelude::*;
use tastedb_storage::ItemId;

use super::counted::capped;
use super::estimate::{MEMORY_LIMIT, within_limit};
use super::file::{Sections, Writer};
use super::links::{Growing, Links};
use super::{Algorithm, Embeddings, Model, Touched};
use crate::options::Checked;
use crate::topk::{Scored, better_first};
use crate::{
    Csr, Dataset, Error, ModelOptions, OptionKind, OptionSpec, OptionValue, Reason, Result,
    ScoreInput, Served, SideData, Work,
};

const NAME: &str = "item_knn";
const FORMAT: u32 = 1;
/// Catalogues of fewer items are scored whole: of 20,000 both ways take 0.03 ms.
const LARGE: usize = 20_000;
/// Rows between two looks at the cancel token.
const BLOCK: usize = 256;

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: NAME,
    summary: "items that the same users interacted with",
    options: &[
        OptionSpec {
            name: "weighting",
            kind: OptionKind::Choice(&["bm25", "cosine", "tfidf"]),
            help: "how interactions are weighted before items are compared",
        },
        OptionSpec {
            name: "k",
            kind: OptionKind::Int { default: 400, min: 1, max: 1_000_000 },
            help: "the neighbours kept of each item, itself included",
        },
        OptionSpec {
            name: "k1",
            kind: OptionKind::Real { default: 1.2, min: 0.0, max: 1e6 },
            help: "bm25: how soon repeated interactions saturate",
        },
        OptionSpec {
            name: "b",
            kind: OptionKind::Real { default: 0.75, min: 0.0, max: 1.0 },
            help: "bm25: how much popular items are held back",
        },
        OptionSpec {
            name: "history_limit",
            kind: OptionKind::Int { default: 5_000, min: 2, max: 1_000_000 },
            help: "the items of one user that count in training",
        },
        MEMORY_LIMIT,
    ],
    embeddings: Embeddings::Unused,
    fit,
    load,
    format: FORMAT,
};

struct ItemKnn {
    items: Vec<ItemId>,
    neighbours: Links,
    options: Vec<(String, OptionValue)>,
}

/// An upper bound of the neighbours kept in all.
pub(super) fn kept(options: &Checked, n_items: u64) -> u64 {
    n_items.saturating_mul((options.int("k") as u64).min(n_items))
}

fn fit(
    data: &Dataset,
    side: &SideData,
    options: &ModelOptions,
    _: u64,
    work: &Work,
) -> Result<Box<dyn Model>> {
    let checked = Checked::new(NAME, ALGORITHM.options, options)?;
    if data.n_pairs() == 0 {
        return Err(Error::EmptyTraining { algorithm: NAME, why: "there are no interactions" });
    }
    within_limit(NAME, data, side, options, &checked)?;
    let capped = capped(data, checked.int("history_limit") as usize);
    let data = capped.as_ref().unwrap_or(data);
    let by_item = weigh(data, &checked)?;
    let by_user = by_item.transpose();
    let k = checked.int("k") as usize;
    let neighbours = nearest(&by_item, &by_user, k, work)?;
    let options = checked.into_list();
    Ok(Box::new(ItemKnn { items: data.items.clone(), neighbours, options }))
}

/// The weighted interactions, by item.
fn weigh(data: &Dataset, options: &Checked) -> Result<Csr> {
    let by_item = &data.by_item;
    let n_items = data.n_items() as f64;
    let idf: Vec<f64> = (0..data.n_users())
        .map(|u| n_items.ln() - (data.by_user.degree(u) as f64).ln_1p())
        .collect();
    let sums: Vec<f64> =
        by_item.rows().map(|(_, x)| x.iter().map(|x| f64::from(*x)).sum()).collect();
    let mean = sums.iter().sum::<f64>() / n_items;
    let (k1, b) = (options.real("k1"), options.real("b"));
    let weighting = options.text("weighting");
    let mut values = Vec::with_capacity(by_item.len());
    for ((users, x), sum) in by_item.rows().zip(&sums) {
        let start = values.len();
        let length_norm = 1.0 - b + b * sum / mean;
        for (user, x) in users.iter().zip(x) {
            let (idf, x) = (idf[*user as usize], f64::from(*x));
            values.push(match weighting {
                "bm25" => x * (k1 + 1.0) / (k1 * length_norm + x) * idf,
                "tfidf" => x.max(0.0).sqrt() * idf,
                _ => x,
            });
        }
        if weighting != "bm25" {
            let square: f64 = values[start..].iter().map(|value| value * value).sum();
            let scale = if square > 0.0 { square.sqrt().recip() } else { 0.0 };
            values[start..].iter_mut().for_each(|value| *value *= scale);
        }
    }
    // Weights that sum to nothing, or below it, can divide by zero.
    if values.iter().any(|value| !value.is_finite()) {
        return Err(Error::NotFinite { what: "a weighted interaction" });
    }
    let values = values.into_iter().map(|value| value as f32).collect();
    let (indptr, indices) = (by_item.indptr().to_vec(), by_item.indices().to_vec());
    Ok(Csr::from_parts(by_item.n_columns(), indptr, indices, values)
        .expect("only the values are new"))
}

/// For each item the `k` items of largest similarity. Every sum runs in the order of the users, so
/// it does not matter which thread computes it.
fn nearest(by_item: &Csr, by_user: &Csr, k: usize, work: &Work) -> Result<Links> {
    let n = by_item.n_rows();
    let mut links = Growing::new(n);
    for start in (0..n).step_by(BLOCK) {
        work.step("similarities", start as u64, n as u64)?;
        let block: Vec<Vec<Scored>> = (start..n.min(start + BLOCK))
            .into_par_iter()
            .with_max_len(8)
            .map_init(|| Accumulator::new(n), |sums, item| sums.row(by_item, by_user, item, k))
            .collect();
        block.iter().for_each(|row| links.push(row));
    }
    work.step("similarities", n as u64, n as u64)?;
    Ok(links.finish())
}

/// Sums over a whole row of similarities, with a list of those that are not zero.
struct Accumulator {
    sums: Vec<f64>,
    seen: Vec<bool>,
    touched: Vec<u32>,
}

impl Accumulator {
    fn new(n: usize) -> Accumulator {
        Accumulator { sums: vec![0.0; n], seen: vec![false; n], touched: Vec::new() }
    }

    fn row(&mut self, by_item: &Csr, by_user: &Csr, item: usize, k: usize) -> Vec<Scored> {
        let (users, weights) = by_item.row(item);
        for (user, weight) in users.iter().zip(weights) {
            let weight = f64::from(*weight);
            let (others, values) = by_user.row(*user as usize);
            for (other, value) in others.iter().zip(values) {
                let at = *other as usize;
                self.sums[at] += weight * f64::from(*value);
                if !self.seen[at] {
                    self.seen[at] = true;
                    self.touched.push(*other);
                }
            }
        }
        let mut row = Vec::with_capacity(self.touched.len());
        for other in self.touched.drain(..) {
            let score = self.sums[other as usize] as f32;
            self.sums[other as usize] = 0.0;
            self.seen[other as usize] = false;
            if score.is_finite() && score != 0.0 {
                row.push(Scored { row: other, score });
            }
        }
        if row.len() > k {
            row.select_nth_unstable_by(k - 1, better_first);
            row.truncate(k);
        }
        row.sort_unstable_by_key(|near| near.row);
        row.shrink_to_fit();
        row
    }
}

fn load(sections: &Sections) -> Result<Box<dyn Model>> {
    let items = sections.items()?;
    let neighbours = Links::read(sections, items.len())?;
    Ok(Box::new(ItemKnn { items, neighbours, options: sections.options()? }))
}

impl Model for ItemKnn {
    fn algorithm(&self) -> &'static str {
        NAME
    }

    fn items(&self) -> &[ItemId] {
        &self.items
    }

    fn score(&self, input: &ScoreInput<'_>, out: &mut [f32]) -> Served {
        self.neighbours.score(input.history.entries, out)
    }

    fn score_one(&self, input: &ScoreInput<'_>, item_row: u32) -> Option<f32> {
        self.neighbours.score_one(input.history.entries, item_row)
    }

    fn similar(&self, _: &ScoreInput<'_>, item_row: u32, out: &mut [f32]) -> Served {
        self.neighbours.similar(item_row, out)
    }

    fn touched(&self, input: &ScoreInput<'_>, similar: Option<u32>) -> Option<Touched<'_>> {
        match similar {
            None => self.neighbours.touched(input.history.entries),
            Some(row) => self.neighbours.touched_by(row),
        }
    }

    fn touches_few(&self) -> bool {
        self.items.len() >= LARGE
    }

    fn explain(&self, input: &ScoreInput<'_>, item_row: u32, k: usize) -> Vec<Reason> {
        self.neighbours.explain(input.history.entries, item_row, k)
    }

    fn untouched(&self) -> Option<Vec<u32>> {
        Some(self.neighbours.untouched())
    }

    fn options(&self) -> Vec<(String, OptionValue)> {
        self.options.clone()
    }

    fn memory(&self) -> u64 {
        size_of_val(self.items.as_slice()) as u64 + self.neighbours.memory()
    }

    fn save(&self, out: &mut dyn Write) -> Result<()> {
        let mut writer = Writer::new(NAME, FORMAT);
        writer.options(&self.options);
        writer.items(&self.items);
        self.neighbours.write(&mut writer);
        writer.write(out)
    }
}
