//! Weighted counts of users that two items share: Xᵀ D_u^−2a X without its diagonal, in integers.
//!
//! A user of degree d counts `round(unit · d^−2a)` for each pair of items, so that taking an
//! interaction out and counting again give the same numbers, bit for bit, in any order. `unit` is a
//! power of two, the largest with which no sum can overflow, and half of the range is left free.
//!
//! It is not normalised: degrees change with every click, so whoever reads a row scales it.

use rayon::prelude::*;

use crate::model::file::{Array, Sections, Writer, corrupt};
use crate::spare::Spare;
use crate::{Csr, Result, Work};

/// Rows between two looks at the cancel token.
const BLOCK: usize = 512;
/// The share of a row beyond which it is read in order instead of sorted.
const DENSE: usize = 16;

/// The counts, row by row; rows are symmetric and ascend by item.
pub(super) struct Counts {
    starts: Array<u64>,
    columns: Array<u32>,
    values: Array<u32>,
    /// What one count is worth: `1 / unit`.
    worth: f32,
    /// By item: what its users count together, the diagonal. The unit is right while none is beyond
    /// 32 bits. Empty in files from before they were kept.
    totals: Array<u64>,
}

/// What a user of a degree counts.
fn exactly(degree: usize, exponent: f64) -> f64 {
    (degree.max(1) as f64).powf(-2.0 * exponent).min(1.0)
}

/// The same in whole units, of which it is one at least.
fn in_units(weight: f64, unit: f64) -> u32 {
    ((weight * unit).round() as u32).max(1)
}

/// What every user counts, what those of each item count together, and the unit they are counted in:
/// `kept` if no sum overflows with it.
fn user_weights(
    by_user: &Csr,
    by_item: &Csr,
    exponent: f64,
    kept: Option<f64>,
) -> (Vec<u32>, Vec<u64>, f64) {
    let exact: Vec<f64> =
        (0..by_user.n_rows()).map(|user| exactly(by_user.degree(user), exponent)).collect();
    let counted = |unit: f64| {
        let weights: Vec<u32> = exact.iter().map(|weight| in_units(*weight, unit)).collect();
        let total = |users: &[u32]| users.iter().map(|u| u64::from(weights[*u as usize])).sum();
        let totals: Vec<u64> = by_item.rows().map(|(users, _)| total(users)).collect();
        (weights, totals, unit)
    };
    if let Some(found) = kept.map(counted).filter(|(_, totals, _)| totals.iter().all(fits)) {
        return found;
    }
    let most = by_item
        .rows()
        .map(|(users, _)| users.iter().map(|user| exact[*user as usize]).sum::<f64>())
        .fold(1.0, f64::max);
    // Each rounding adds a half at most; the free half of the range takes them all.
    counted((f64::from(1u32 << 31) / most).log2().floor().clamp(0.0, 30.0).exp2())
}

/// Whether a sum is a count.
fn fits(total: &u64) -> bool {
    *total <= u64::from(u32::MAX)
}

impl Counts {
    /// Counts the pairs of all users. Every number is exact, so threads do not matter.
    pub(super) fn build(
        by_user: &Csr,
        by_item: &Csr,
        exponent: f64,
        work: &Work,
    ) -> Result<Counts> {
        Counts::in_unit(by_user, by_item, exponent, None, work)
    }

    /// Counts the pairs of all users in the unit of these counts, unless a sum would overflow.
    pub(super) fn again(
        &self,
        by_user: &Csr,
        by_item: &Csr,
        exponent: f64,
        work: &Work,
    ) -> Result<Counts> {
        Counts::in_unit(by_user, by_item, exponent, Some(self.unit()), work)
    }

    fn in_unit(
        by_user: &Csr,
        by_item: &Csr,
        exponent: f64,
        unit: Option<f64>,
        work: &Work,
    ) -> Result<Counts> {
        let (weights, totals, unit) = user_weights(by_user, by_item, exponent, unit);
        let n = by_item.n_rows();
        let spare: Spare<Vec<u32>> = Spare::default();
        let mut starts = Vec::with_capacity(n + 1);
        starts.push(0u64);
        let (mut columns, mut values) = (Vec::new(), Vec::new());
        for start in (0..n).step_by(BLOCK) {
            work.step("co-occurrences", start as u64, n as u64)?;
            let rows: Vec<Vec<(u32, u32)>> = (start..n.min(start + BLOCK))
                .into_par_iter()
                .with_max_len(8)
                .map_init(
                    || (spare.take(|| vec![0; n]), Vec::new()),
                    |(sums, touched), item| row(by_user, by_item, &weights, item, sums, touched),
                )
                .collect();
            for row in rows {
                columns.extend(row.iter().map(|(column, _)| *column));
                values.extend(row.iter().map(|(_, value)| *value));
                starts.push(columns.len() as u64);
            }
        }
        work.step("co-occurrences", n as u64, n as u64)?;
        Ok(Counts {
            starts: starts.into(),
            columns: columns.into(),
            values: values.into(),
            worth: unit.recip() as f32,
            totals: totals.into(),
        })
    }

    /// These counts after the items of some users changed, a user in the same row of both matrices:
    /// `C0 += w(d') · yᵀy − w(d) · xᵀx` for each, x before and y after. New items are those beyond the
    /// rows of these counts. What comes out are the counts of counting again, bit for bit; `None`
    /// where these would need another unit, or `before` is not what was counted.
    pub(super) fn patched(
        &self,
        before: &Csr,
        after: &Csr,
        exponent: f64,
        work: &Work,
    ) -> Result<Option<Counts>> {
        let old = Side::new(before, exponent, self.unit());
        let new = Side::new(after, exponent, self.unit());
        let (n, known) = (after.n_columns(), self.starts.len() - 1);
        let Some(totals) = self.moved_totals(&old, &new, n) else { return Ok(None) };
        let spare = Spare::default();
        let mut starts = Vec::with_capacity(n + 1);
        starts.push(0u64);
        let mut columns = Vec::with_capacity(self.columns.len());
        let mut values = Vec::with_capacity(self.values.len());
        for start in (0..n).step_by(BLOCK) {
            work.step("changed counts", start as u64, n as u64)?;
            let rows: Vec<Option<Vec<(u32, u32)>>> = (start..n.min(start + BLOCK))
                .into_par_iter()
                .with_max_len(8)
                .map_init(
                    || spare.take(|| Scratch::new(n)),
                    |scratch, item| {
                        let (of, at) =
                            if item < known { self.row(item) } else { (&[][..], &[][..]) };
                        scratch.add(&new, item, 1);
                        scratch.add(&old, item, -1);
                        scratch.merge(item, of, at)
                    },
                )
                .collect();
            for (item, row) in (start..).zip(rows) {
                match row {
                    Some(row) if row.is_empty() => {
                        if item < known {
                            let (of, at) = self.row(item);
                            columns.extend_from_slice(of);
                            values.extend_from_slice(at);
                        }
                    }
                    Some(row) => {
                        columns.extend(row.iter().filter(|(_, v)| *v > 0).map(|(c, _)| *c));
                        values.extend(row.iter().map(|(_, v)| *v).filter(|v| *v > 0));
                    }
                    None => return Ok(None),
                }
                starts.push(columns.len() as u64);
            }
        }
        work.step("changed counts", n as u64, n as u64)?;
        Ok(Some(Counts {
            starts: starts.into(),
            columns: columns.into(),
            values: values.into(),
            worth: self.worth,
            totals: totals.into(),
        }))
    }

    /// The totals after the change; `None` where there are none or one is not a count.
    fn moved_totals(&self, old: &Side<'_>, new: &Side<'_>, n: usize) -> Option<Vec<u64>> {
        if self.totals.len() + 1 != self.starts.len() {
            return None;
        }
        let mut totals = self.totals.to_vec();
        totals.resize(n, 0);
        for (user, (items, _)) in new.by_user.rows().enumerate() {
            let weight = u64::from(new.weights[user]);
            items.iter().for_each(|item| totals[*item as usize] += weight);
        }
        for (user, (items, _)) in old.by_user.rows().enumerate() {
            for item in items {
                let total = &mut totals[*item as usize];
                *total = total.checked_sub(u64::from(old.weights[user]))?;
            }
        }
        totals.iter().all(fits).then_some(totals)
    }

    /// How many units a user of degree one counts: a power of two.
    fn unit(&self) -> f64 {
        f64::from(self.worth).recip()
    }

    /// The items that share users with an item, and the counts.
    pub(super) fn row(&self, item: usize) -> (&[u32], &[u32]) {
        let range = self.starts[item] as usize..self.starts[item + 1] as usize;
        (&self.columns[range.clone()], &self.values[range])
    }

    /// What one count is worth.
    pub(super) fn worth(&self) -> f32 {
        self.worth
    }

    /// The memory it takes, in bytes.
    pub(super) fn memory(&self) -> u64 {
        (size_of_val(&*self.starts)
            + size_of_val(&*self.columns)
            + size_of_val(&*self.values)
            + size_of_val(&*self.totals)) as u64
    }

    pub(super) fn save<'a>(&'a self, writer: &mut Writer<'a>) {
        writer.array("count starts", &self.starts);
        writer.array("count columns", &self.columns);
        writer.array("counts", &self.values);
        writer.owned("count worth", vec![self.worth]);
        if !self.totals.is_empty() {
            writer.array("count totals", &self.totals);
        }
    }

    pub(super) fn load(sections: &Sections, n: usize) -> Result<Counts> {
        let starts = sections.array_of::<u64>("count starts", n + 1)?;
        let columns = sections.array::<u32>("count columns")?;
        let values = sections.array_of::<u32>("counts", columns.len())?;
        let worth = sections.array_of::<f32>("count worth", 1)?[0];
        let ascend = starts.first() == Some(&0)
            && starts.last() == Some(&(columns.len() as u64))
            && starts.windows(2).all(|bounds| bounds[0] <= bounds[1]);
        if !ascend || !worth.is_finite() || columns.par_iter().any(|column| *column as usize >= n) {
            return Err(corrupt("its counts make no sense"));
        }
        let totals = match sections.has("count totals") {
            true => sections.array_of::<u64>("count totals", n)?,
            false => Vec::new().into(),
        };
        Ok(Counts { starts, columns, values, worth, totals })
    }
}

/// The items of some users, by user and by item, and what each user counts.
struct Side<'a> {
    by_user: &'a Csr,
    by_item: Csr,
    weights: Vec<u32>,
}

impl<'a> Side<'a> {
    fn new(by_user: &'a Csr, exponent: f64, unit: f64) -> Side<'a> {
        let weight = |user| in_units(exactly(by_user.degree(user), exponent), unit);
        let weights = (0..by_user.n_rows()).map(weight).collect();
        Side { by_user, by_item: by_user.transpose(), weights }
    }
}

/// What is added to one row of counts.
#[derive(Default)]
struct Scratch {
    sums: Vec<i64>,
    met: Vec<bool>,
    touched: Vec<u32>,
}

impl Scratch {
    fn new(n: usize) -> Scratch {
        Scratch { sums: vec![0; n], met: vec![false; n], touched: Vec::new() }
    }

    /// Adds what the users of an item count, that many times.
    fn add(&mut self, side: &Side<'_>, item: usize, times: i64) {
        for user in side.by_item.row(item).0 {
            let weight = times * i64::from(side.weights[*user as usize]);
            for other in side.by_user.row(*user as usize).0 {
                let at = *other as usize;
                if !std::mem::replace(&mut self.met[at], true) {
                    self.touched.push(*other);
                }
                self.sums[at] += weight;
            }
        }
    }

    /// A row with the sums added, zeros included; empty where nothing was added, and `None` where a
    /// sum is not a count.
    fn merge(&mut self, item: usize, columns: &[u32], values: &[u32]) -> Option<Vec<(u32, u32)>> {
        self.touched.sort_unstable();
        let mut row = Vec::new();
        if !self.touched.is_empty() {
            row.reserve(columns.len() + self.touched.len());
        }
        let (mut at, mut sound) = (0, true);
        for other in self.touched.drain(..) {
            let sum = std::mem::take(&mut self.sums[other as usize]);
            self.met[other as usize] = false;
            if other as usize == item {
                continue;
            }
            while at < columns.len() && columns[at] < other {
                row.push((columns[at], values[at]));
                at += 1;
            }
            let known = at < columns.len() && columns[at] == other;
            let value = if known { i64::from(values[at]) } else { 0 } + sum;
            at += usize::from(known);
            match u32::try_from(value) {
                Ok(value) => row.push((other, value)),
                Err(_) => sound = false,
            }
        }
        if !row.is_empty() {
            row.extend(columns[at..].iter().copied().zip(values[at..].iter().copied()));
        }
        sound.then_some(row)
    }
}

fn row(
    by_user: &Csr,
    by_item: &Csr,
    weights: &[u32],
    item: usize,
    sums: &mut [u32],
    touched: &mut Vec<u32>,
) -> Vec<(u32, u32)> {
    for user in by_item.row(item).0 {
        let weight = weights[*user as usize];
        for other in by_user.row(*user as usize).0 {
            let sum = &mut sums[*other as usize];
            if *sum == 0 {
                touched.push(*other);
            }
            *sum += weight;
        }
    }
    if touched.len() > sums.len() / DENSE {
        touched.clear();
        touched.extend((0u32..).zip(sums.iter()).filter(|(_, sum)| **sum > 0).map(|(at, _)| at));
    } else {
        touched.sort_unstable();
    }
    let mut row = Vec::with_capacity(touched.len());
    for other in touched.drain(..) {
        let sum = std::mem::take(&mut sums[other as usize]);
        if other as usize != item {
            row.push((other, sum));
        }
    }
    row
}
