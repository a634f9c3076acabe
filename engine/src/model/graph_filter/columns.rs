//! The terms of one history as columns over the items, to weigh them against one another: how far a term spreads,
//! which items it ranks first, and what it says of one item. Not how questions are answered: these add the terms up.

use super::fixed::{Liked, Popular};
use super::layout::Layout;
use super::terms::{Parts, Terms, Wanted};
use crate::model::ials::ItemFactors;
use crate::model::sums::Sums;
use crate::spare::Spare;
use crate::topk::{Allow, Scored, best_of, top_k};

/// Catalogues of so many items have columns of what is touched alone. Of 60,000 made-up items a training takes 21.6 s
/// instead of 21.0, of 100,000 24.5 instead of 28.7.
const LARGE: usize = 50_000;

/// What a term says of the items.
pub(super) enum Column<'a> {
    /// A number for every item.
    Every(Vec<f32>),
    /// Numbers for some of so many items, ascending; the others have zero.
    Touched(Vec<Scored>, usize),
    Popular(&'a Popular),
    Liked(&'a Liked, &'a ItemFactors),
}

impl Column<'_> {
    /// The standard deviation over the items.
    pub(super) fn spread(&self) -> f32 {
        match self {
            Column::Every(values) => deviation(values.iter().copied(), values.len()),
            Column::Touched(rows, n) => deviation(rows.iter().map(|row| row.score), *n),
            Column::Popular(popular) => popular.spread,
            Column::Liked(liked, _) => liked.spread,
        }
    }

    /// The best `k` rows, but those of a history, which ascends; none that the term does not speak for.
    pub(super) fn best(&self, k: usize, history: &[u32]) -> Vec<u32> {
        let most = k.saturating_add(history.len());
        let positive = |best: Vec<Scored>| -> Vec<u32> {
            best.iter().filter(|best| best.score > 0.0).map(|best| best.row).collect()
        };
        let known = |rows: &[u32]| rows[..most.min(rows.len())].to_vec();
        let mut best = match self {
            Column::Every(values) => positive(top_k(values, most, Allow::All)),
            Column::Touched(rows, _) => positive(best_of(most, rows.iter().copied())),
            Column::Popular(popular) => known(&popular.order),
            Column::Liked(liked, _) => known(&liked.best),
        };
        best.retain(|row| history.binary_search(row).is_err());
        best.truncate(k);
        best
    }

    /// What it says of a row.
    pub(super) fn value(&self, row: u32) -> f32 {
        match self {
            Column::Every(values) => values.get(row as usize).copied().unwrap_or(0.0),
            Column::Touched(rows, _) => rows
                .binary_search_by_key(&row, |touched| touched.row)
                .map_or(0.0, |at| rows[at].score),
            Column::Popular(popular) => popular.logarithms[row as usize],
            Column::Liked(liked, factors) => liked.score(factors, row),
        }
    }
}

/// The standard deviation of so many values, of which those that do not come are zero; of equal ones zero and not
/// what rounding leaves.
pub(super) fn deviation(values: impl ExactSizeIterator<Item = f32> + Clone, n: usize) -> f32 {
    let all = values.len() == n;
    let first = values.clone().next().filter(|_| all).map_or(0.0, f64::from);
    let (mut sum, mut squares) = (0f64, 0f64);
    for value in values {
        let value = f64::from(value) - first;
        sum += value;
        squares += value * value;
    }
    let n = n.max(1) as f64;
    (squares / n - (sum / n).powi(2)).max(0.0).sqrt() as f32
}

impl Parts<'_> {
    /// The columns of a history's chains, in the order of [`Layout`]. One that is not wanted says nothing.
    pub(super) fn columns(
        &self,
        x: &[(u32, f32)],
        wanted: Wanted<'_>,
        spare: &Spare<Sums>,
    ) -> Vec<Column<'static>> {
        if self.scales.item.len() >= LARGE {
            self.touched_columns(x, wanted, spare)
        } else {
            self.whole_columns(x, wanted)
        }
    }

    pub(super) fn whole_columns(
        &self,
        x: &[(u32, f32)],
        wanted: Wanted<'_>,
    ) -> Vec<Column<'static>> {
        let Terms { first, second, content } = self.terms(x, wanted);
        let content = content.into_iter().flat_map(|terms| [terms.near, terms.onward, terms.back]);
        [first, second].into_iter().chain(content).map(Column::Every).collect()
    }

    pub(super) fn touched_columns(
        &self,
        x: &[(u32, f32)],
        wanted: Wanted<'_>,
        spare: &Spare<Sums>,
    ) -> Vec<Column<'static>> {
        let n = self.scales.item.len();
        let nothing = || Column::Touched(Vec::new(), n);
        let layout = Layout::of_chains(self.graphs.len());
        let mut columns: Vec<Column<'_>> = (0..layout.chains()).map(|_| nothing()).collect();
        let scales = (|row| self.scales.item[row as usize], |row| self.scales.half[row as usize]);
        let mut sums = spare.take(Sums::default);
        self.each(x, wanted, &mut sums, scales, |term, rows| {
            columns[layout.of(term)] = Column::Touched(rows.to_vec(), n);
        });
        columns
    }
}
