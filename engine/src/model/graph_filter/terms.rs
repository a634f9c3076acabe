//! The terms of the filter: chains of sparse products that begin with a history.
//!
//! ```text
//! C0   counts of shared users, without the diagonal      d   degrees of the items
//! S_m  the neighbour graph of modality m                 u = x d^−s
//!
//! first    x C            = u C0 d^−t
//! second   x C C'         = [first] d^−½ C0 d^−½
//! near     x d^−s S_m     = u S_m
//! onward   x C S_m        = [first] S_m
//! back     x d^−s S_m C0 d^−t = [near] C0 d^−t
//! ```
//!
//! Where a chain goes on, only its strongest entries do, `middle` of them: [·] above. That bounds the
//! cost of a question by the length of a history, not by the size of the catalogue, and costs
//! next to nothing in quality, because what is cut off is small and adds to everything alike.

use super::counts::Counts;
use crate::Csr;
use crate::item_graph::ItemGraph;
use crate::model::sums::Sums;
use crate::topk::{Allow, Scored, best_of, top_k};

/// How degrees scale the counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Exponents {
    /// a: how much users with long histories are held back.
    pub(super) user: f64,
    /// s: how much popular items of a history are held back.
    pub(super) history: f64,
    /// t: how much popular items are held back when they are recommended.
    pub(super) item: f64,
}

/// The content terms of one modality.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) near: Vec<f32>,
    pub(super) onward: Vec<f32>,
    pub(super) back: Vec<f32>,
}

/// Which of the terms of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Term {
    First,
    Second,
    /// Of a modality: near, onward or back.
    Content(usize, usize),
}

/// Every term of one history, as long as there are items; empty where it was not wanted.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms {
    pub(super) first: Vec<f32>,
    pub(super) second: Vec<f32>,
    pub(super) content: Vec<Content>,
}

/// The terms of one item.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Amounts {
    pub(super) first: f32,
    pub(super) second: f32,
    pub(super) content: Vec<[f32; 3]>,
}

/// Which terms are wanted beside the first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) second: bool,
    pub(super) content: &'a [bool],
}

/// Powers of the degrees; zero for an item that nobody has touched.
pub(super) struct Scales {
    history: Vec<f32>,
    pub(super) item: Vec<f32>,
    pub(super) half: Vec<f32>,
}

impl Scales {
    pub(super) fn new(degrees: &[u32], exponents: Exponents) -> Scales {
        let power = |exponent: f64| -> Vec<f32> {
            let of = |degree: &u32| match degree {
                0 => 0.0,
                degree => f64::from(*degree).powf(-exponent) as f32,
            };
            degrees.iter().map(of).collect()
        };
        Scales { history: power(exponents.history), item: power(exponents.item), half: power(0.5) }
    }
}

/// What the terms are computed from.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) counts: &'a Counts,
    pub(super) graphs: &'a [ItemGraph],
    pub(super) scales: &'a Scales,
    pub(super) middle: usize,
}

impl Parts<'_> {
    /// The terms of a history of item rows, each once.
    pub(super) fn terms(&self, x: &[(u32, f32)], wanted: Wanted<'_>) -> Terms {
        let n = self.scales.item.len();
        let own = self.own(x);
        let mut first = vec![0f32; n];
        self.count(&own, &mut first);
        scale(&mut first, &self.scales.item);
        let middle = self.middle_of(&first, wanted);
        let mut second = Vec::new();
        if wanted.second {
            second.resize(n, 0.0);
            let halved: Vec<Scored> = middle
                .iter()
                .map(|near| scored(near.row, near.score * self.scales.half[near.row as usize]))
                .collect();
            self.count(&halved, &mut second);
            scale(&mut second, &self.scales.half);
        }
        let content = self.graphs.iter().zip(wanted.content).map(|(graph, wanted)| {
            if !wanted {
                return Content::default();
            }
            let mut near = vec![0f32; n];
            spread(&graph.weights, &own, &mut near);
            let mut onward = vec![0f32; n];
            spread(&graph.weights, &middle, &mut onward);
            let mut back = vec![0f32; n];
            self.count(&self.strongest(&near), &mut back);
            scale(&mut back, &self.scales.item);
            Content { near, onward, back }
        });
        Terms { second, content: content.collect(), first }
    }

    /// The same terms, where few items have any: each in turn, the items that it touches ascending. Their
    /// numbers are those of [`Parts::terms`], bit for bit. `item` and `half` tell the scales.
    pub(super) fn each(
        &self,
        x: &[(u32, f32)],
        wanted: Wanted<'_>,
        sums: &mut Sums,
        (item, half): (impl Fn(u32) -> f32 + Copy, impl Fn(u32) -> f32 + Copy),
        mut take: impl FnMut(Term, &[Scored]),
    ) {
        let own = self.own(x);
        let first = self.counted(&own, item, sums);
        take(Term::First, first);
        let goes_on = wanted.second || wanted.content.iter().any(|wanted| *wanted);
        let middle = if goes_on { self.strongest_of(first) } else { Vec::new() };
        if wanted.second {
            let halved: Vec<Scored> =
                middle.iter().map(|near| scored(near.row, near.score * half(near.row))).collect();
            take(Term::Second, self.counted(&halved, half, sums));
        }
        for (at, (graph, wanted)) in self.graphs.iter().zip(wanted.content).enumerate() {
            if !wanted {
                continue;
            }
            let near = spread_over(&graph.weights, &own, sums);
            take(Term::Content(at, 0), near);
            let strongest = self.strongest_of(near);
            take(Term::Content(at, 1), spread_over(&graph.weights, &middle, sums));
            take(Term::Content(at, 2), self.counted(&strongest, item, sums));
        }
    }

    /// The sums of rows of counts, scaled.
    fn counted<'s>(
        &self,
        rows: &[Scored],
        by: impl Fn(u32) -> f32,
        sums: &'s mut Sums,
    ) -> &'s [Scored] {
        let of = |row: &Scored| self.counts.row(row.row as usize);
        together(rows, of, |row, (columns, values)| {
            let weight = row.score * self.counts.worth();
            let both = columns.iter().zip(values);
            sums.add(both.map(|(column, value)| (*column, weight * *value as f32)));
        });
        sums.drain(|_| 0.0, |row, sum| sum * by(row))
    }

    /// The strongest of some items, ascending.
    fn strongest_of(&self, rows: &[Scored]) -> Vec<Scored> {
        let positive = rows.iter().copied().filter(|row| row.score > 0.0);
        let mut best = best_of(self.middle, positive);
        best.sort_unstable_by_key(|best| best.row);
        best
    }

    /// The same terms for one item. Chains go on from the same entries, so up to rounding the numbers
    /// are those of [`Parts::terms`]; only the last step is cheaper.
    pub(super) fn terms_of(&self, x: &[(u32, f32)], item: u32, wanted: Wanted<'_>) -> Amounts {
        let Scales { item: out, half, .. } = self.scales;
        let to = item as usize;
        let (n, worth) = (out.len(), self.counts.worth());
        let own = self.own(x);
        let mut first = vec![0f32; n];
        self.count(&own, &mut first);
        scale(&mut first, out);
        let middle = self.middle_of(&first, wanted);
        let (columns, values) = self.counts.row(to);
        let mut second = 0.0;
        if wanted.second {
            meet(&middle, columns, |from, at| {
                second += from.score * half[from.row as usize] * worth * values[at] as f32;
            });
        }
        let content = self.graphs.iter().zip(wanted.content).map(|(graph, wanted)| {
            let mut terms = [0f32; 3];
            if *wanted {
                let (near_columns, weights) = graph.weights.row(to);
                meet(&own, near_columns, |from, at| terms[0] += from.score * weights[at]);
                meet(&middle, near_columns, |from, at| terms[1] += from.score * weights[at]);
                let mut near = vec![0f32; n];
                spread(&graph.weights, &own, &mut near);
                meet(&self.strongest(&near), columns, |from, at| {
                    terms[2] += from.score * worth * values[at] as f32;
                });
                terms[2] *= out[to];
            }
            terms
        });
        let content = content.collect();
        Amounts { first: first[to], second: second * half[to], content }
    }

    /// A history with the weights that it begins with.
    fn own(&self, x: &[(u32, f32)]) -> Vec<Scored> {
        let weighted =
            |(row, weight): &(u32, f32)| scored(*row, weight * self.scales.history[*row as usize]);
        x.iter().map(weighted).collect()
    }

    /// What the chains that begin with the first term go on from.
    fn middle_of(&self, first: &[f32], wanted: Wanted<'_>) -> Vec<Scored> {
        let goes_on = wanted.second || wanted.content.iter().any(|wanted| *wanted);
        if goes_on { self.strongest(first) } else { Vec::new() }
    }

    fn strongest(&self, values: &[f32]) -> Vec<Scored> {
        let mut best = top_k(values, self.middle, Allow::All);
        best.retain(|best| best.score > 0.0);
        // Rows in order lie in memory in order.
        best.sort_unstable_by_key(|best| best.row);
        best
    }

    /// Adds rows of counts.
    fn count(&self, rows: &[Scored], out: &mut [f32]) {
        for row in rows {
            let weight = row.score * self.counts.worth();
            let (columns, values) = self.counts.row(row.row as usize);
            for (column, value) in columns.iter().zip(values) {
                out[*column as usize] += weight * *value as f32;
            }
        }
    }

    /// What each entry of a history adds to the terms of one item, with all that lies between.
    pub(super) fn shares(&self, row: u32, weight: f32, item: u32, wanted: Wanted<'_>) -> Amounts {
        let Scales { history, item: out, half } = self.scales;
        let (at, to) = (row as usize, item as usize);
        let own = weight * history[at];
        let worth = self.counts.worth();
        let (columns, values) = self.counts.row(at);
        let (to_columns, to_values) = self.counts.row(to);
        let count = columns.binary_search(&item).map_or(0.0, |found| values[found] as f32 * worth);
        let mut second = 0.0;
        if wanted.second {
            common(columns, to_columns, |between, a, b| {
                let between = out[between as usize] * half[between as usize];
                second += values[a] as f32 * worth * between * to_values[b] as f32 * worth;
            });
        }
        let content = self.graphs.iter().zip(wanted.content).map(|(graph, wanted)| {
            let mut terms = [0f32; 3];
            if *wanted {
                let (near, weights) = graph.weights.row(at);
                let (to_near, to_weights) = graph.weights.row(to);
                terms[0] = near.binary_search(&item).map_or(0.0, |found| own * weights[found]);
                common(columns, to_near, |between, a, b| {
                    terms[1] +=
                        own * values[a] as f32 * worth * out[between as usize] * to_weights[b];
                });
                common(near, to_columns, |_, a, b| {
                    terms[2] += own * weights[a] * to_values[b] as f32 * worth * out[to];
                });
            }
            terms
        });
        Amounts {
            first: own * count * out[to],
            second: own * second * half[to],
            content: content.collect(),
        }
    }
}

fn scored(row: u32, score: f32) -> Scored {
    Scored { row, score }
}

fn scale(values: &mut [f32], by: &[f32]) {
    values.iter_mut().zip(by).for_each(|(value, by)| *value *= by);
}

/// Adds rows of a graph.
fn spread(graph: &Csr, rows: &[Scored], out: &mut [f32]) {
    for row in rows {
        let (columns, values) = graph.row(row.row as usize);
        for (column, value) in columns.iter().zip(values) {
            out[*column as usize] += row.score * value;
        }
    }
}

/// The sums of rows of a graph.
fn spread_over<'s>(graph: &Csr, rows: &[Scored], sums: &'s mut Sums) -> &'s [Scored] {
    let of = |row: &Scored| graph.row(row.row as usize);
    together(rows, of, |row, (columns, values)| {
        let both = columns.iter().zip(values);
        sums.add(both.map(|(column, value)| (*column, row.score * value)));
    });
    sums.drain(|_| 0.0, |_, sum| sum)
}

/// Rows that are waited for together.
const AHEAD: usize = 16;

/// Calls `each` with every row and what `of` finds of it. The beginnings of several are read at once before: one
/// after the other each would be waited for, as they lie anywhere in the memory.
fn together<'a, V: Copy + Into<f64> + 'a>(
    rows: &[Scored],
    of: impl Fn(&Scored) -> (&'a [u32], &'a [V]),
    mut each: impl FnMut(&Scored, (&'a [u32], &'a [V])),
) {
    for rows in rows.chunks(AHEAD) {
        let first = |row: &Scored| {
            let (columns, values) = of(row);
            let value: f64 = values.first().map_or(0.0, |value| (*value).into());
            f64::from(columns.first().copied().unwrap_or(0)) + value
        };
        std::hint::black_box(rows.iter().map(first).sum::<f64>());
        rows.iter().for_each(|row| each(row, of(row)));
    }
}

/// Calls `each` with every row that is also a column, and the place of the column; both ascend.
fn meet(rows: &[Scored], columns: &[u32], mut each: impl FnMut(&Scored, usize)) {
    let mut at = 0;
    for row in rows {
        at += columns[at..].partition_point(|column| *column < row.row);
        if columns.get(at) == Some(&row.row) {
            each(row, at);
        }
    }
}

/// Calls `each` with every element of both ascending lists and its places.
fn common(a: &[u32], b: &[u32], mut each: impl FnMut(u32, usize, usize)) {
    let (mut i, mut j) = (0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        if x == y {
            each(*x, i, j);
        }
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
}
