//! Weighted counts of users that two items share: Xᵀ D_u^−2a X without its diagonal, in integers.
//!
//! A user of degree d counts `round(unit · d^−2a)` for each pair of items, so that taking an
//! interaction out and counting again give the same numbers, bit for bit, in any order. `unit` is a
//! power of two, the largest with which no sum can overflow, and half of the range is left free.
//!
//! It is not normalised: degrees change with every click, so whoever reads a row scales it.

use rayon::prelude::*;

use crate::model::file::{Array, Sections, Writer, corrupt};
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
}

/// What every user counts, and the unit that they are counted in.
fn user_weights(by_user: &Csr, by_item: &Csr, exponent: f64) -> (Vec<u32>, f64) {
    let weight = |user: usize| (by_user.degree(user).max(1) as f64).powf(-2.0 * exponent).min(1.0);
    let exact: Vec<f64> = (0..by_user.n_rows()).map(weight).collect();
    let most = by_item
        .rows()
        .map(|(users, _)| users.iter().map(|user| exact[*user as usize]).sum::<f64>())
        .fold(1.0, f64::max);
    // Each rounding adds a half at most; the free half of the range takes them all.
    let unit = (f64::from(1u32 << 31) / most).log2().floor().clamp(0.0, 30.0).exp2();
    let counted = exact.iter().map(|weight| ((weight * unit).round() as u32).max(1)).collect();
    (counted, unit)
}

impl Counts {
    /// Counts the pairs of all users. Every number is exact, so threads do not matter.
    pub(super) fn build(
        by_user: &Csr,
        by_item: &Csr,
        exponent: f64,
        work: &Work,
    ) -> Result<Counts> {
        let (weights, unit) = user_weights(by_user, by_item, exponent);
        let n = by_item.n_rows();
        let mut starts = Vec::with_capacity(n + 1);
        starts.push(0u64);
        let (mut columns, mut values) = (Vec::new(), Vec::new());
        for start in (0..n).step_by(BLOCK) {
            work.step("co-occurrences", start as u64, n as u64)?;
            let rows: Vec<Vec<(u32, u32)>> = (start..n.min(start + BLOCK))
                .into_par_iter()
                .with_max_len(8)
                .map_init(
                    || (vec![0u32; n], Vec::new()),
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
        })
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
        (size_of_val(&*self.starts) + size_of_val(&*self.columns) + size_of_val(&*self.values))
            as u64
    }

    pub(super) fn save<'a>(&'a self, writer: &mut Writer<'a>) {
        writer.array("count starts", &self.starts);
        writer.array("count columns", &self.columns);
        writer.array("counts", &self.values);
        writer.owned("count worth", vec![self.worth]);
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
        Ok(Counts { starts, columns, values, worth })
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
