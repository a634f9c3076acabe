//! How the rows of people are made of those of what they had, since nobody keeps them.
//!
//! ```text
//! s_u = |x|^−½ Σ e_i     e_u = c s_u, or M s_u
//! ```
//!
//! c and M are the least squares over the people of the training. Where rows are made of several blocks
//! side by side, which are of no common length, each block has a c of its own. M is nearer to the rows
//! that were trained; c leaves more for the next epochs to find, and ranks better after some.
//!
//! Not here: the vectors that questions are answered with, which are those of `Fold`.

use super::file::{Sections, Writer, corrupt};
use crate::kernels::{dot, stride};
use crate::linalg::{Cholesky, inner};
use crate::trainer::Table;
use crate::{Csr, Dataset, Result};

/// What is added to the diagonal of a system, in units of its mean.
const RIDGE: f64 = 1e-3;

/// What sums are multiplied by.
#[derive(Clone, Debug)]
pub(super) enum People {
    /// c, of each block of the rows.
    Scaled(Vec<f32>),
    /// M.
    Mapped(Table),
}

impl People {
    /// c of rows of users, then items, in blocks of so many factors. `data` has them in that order.
    pub(super) fn scaled(base: &Table, data: &Dataset, factors: usize) -> People {
        let (users, stride) = (data.n_users(), base.stride());
        let (rows, mut sum) = (&base.data()[users * stride..], vec![0f32; stride]);
        let mut products = vec![(0f64, 0f64); base.dim().div_ceil(factors)];
        for user in 0..users {
            sum_up(rows, stride, data.by_user.row(user).0, &mut sum);
            let own = base.row(user)[..base.dim()].chunks(factors);
            for (products, (sum, own)) in products.iter_mut().zip(sum.chunks(factors).zip(own)) {
                for (value, other) in sum.iter().zip(own) {
                    products.0 += f64::from(*value) * f64::from(*other);
                    products.1 += f64::from(*value) * f64::from(*value);
                }
            }
        }
        let c = |(both, own): &(f64, f64)| if *own > 0.0 { (both / own) as f32 } else { 0.0 };
        People::Scaled(products.iter().map(c).collect())
    }

    /// M of the same.
    pub(super) fn mapped(base: &Table, data: &Dataset) -> People {
        let (users, items) = base.data().split_at(data.n_users() * base.stride());
        People::Mapped(nearest(&sums(items, base.dim(), &data.by_user), users))
    }

    /// The blocks that have something of their own.
    pub(super) fn blocks(&self) -> usize {
        match self {
            People::Scaled(c) => c.len(),
            People::Mapped(_) => 1,
        }
    }

    /// e_u of s_u.
    pub(super) fn row(&self, sum: &[f32], dim: usize, to: &mut [f32]) {
        match self {
            People::Scaled(c) => {
                let factors = dim / c.len().max(1);
                let blocks = to[..dim].chunks_mut(factors).zip(sum.chunks(factors));
                for (c, (to, sum)) in c.iter().zip(blocks) {
                    to.iter_mut().zip(sum).for_each(|(to, value)| *to = c * value);
                }
            }
            People::Mapped(map) => through(map, sum, to),
        }
    }

    pub(super) fn write<'a>(&'a self, writer: &mut Writer<'a>) {
        match self {
            People::Scaled(c) => writer.array("people", c),
            People::Mapped(map) => writer.array("people_map", map.data()),
        }
    }

    /// Reads what was written for rows of so many numbers; `first` is what a file has that tells one c alone.
    pub(super) fn read(sections: &Sections, dim: usize, first: f32) -> Result<People> {
        let people = if sections.has("people_map") {
            let numbers = sections.array_of::<f32>("people_map", dim * stride(dim))?;
            let mut map = Table::zeros(dim, dim);
            map.data_mut().copy_from_slice(&numbers);
            People::Mapped(map)
        } else if sections.has("people") {
            People::Scaled(sections.array::<f32>("people")?.to_vec())
        } else {
            People::Scaled(vec![first])
        };
        let blocks = people.blocks();
        if blocks == 0 || dim == 0 || !dim.is_multiple_of(blocks) {
            return Err(corrupt("the rows to begin from are not in blocks"));
        }
        let finite = |numbers: &[f32]| numbers.iter().all(|value| value.is_finite());
        let sound = match &people {
            People::Scaled(c) => finite(c),
            People::Mapped(map) => finite(map.data()),
        };
        if sound { Ok(people) } else { Err(corrupt("a number of it is none")) }
    }

    /// The bytes in use.
    pub(super) fn memory(&self) -> usize {
        match self {
            People::Scaled(c) => size_of_val(c.as_slice()),
            People::Mapped(map) => size_of_val(map.data()),
        }
    }
}

/// s of everybody.
fn sums(rows: &[f32], dim: usize, pairs: &Csr) -> Table {
    let mut sums = Table::zeros(pairs.n_rows(), dim);
    for (at, (others, _)) in pairs.rows().enumerate() {
        sum_up(rows, stride(dim), others, sums.row_mut(at));
    }
    sums
}

/// The map of sums to rows that is the nearest by least squares.
fn nearest(sums: &Table, rows: &[f32]) -> Table {
    let (dim, stride) = (sums.dim(), sums.stride());
    let mut gram = inner(sums.data(), sums.data(), stride, dim);
    let trace: f64 = gram.iter().step_by(dim + 1).sum();
    gram.iter_mut().step_by(dim + 1).for_each(|value| *value += RIDGE * trace / dim as f64);
    let mut map = Table::zeros(dim, dim);
    // Where there is no factor, all sums are zero.
    if let Some(gram) = Cholesky::new(dim, gram) {
        let mut both = inner(sums.data(), rows, stride, dim);
        for (row, values) in both.chunks_exact_mut(dim).enumerate() {
            gram.solve(values);
            let to = map.row_mut(row).iter_mut().zip(values);
            to.for_each(|(to, value)| *to = *value as f32);
        }
    }
    map
}

fn through(map: &Table, sum: &[f32], to: &mut [f32]) {
    let rows = to.iter_mut().zip(map.data().chunks_exact(map.stride()));
    rows.for_each(|(to, row)| *to = dot(row, sum));
}

/// s of some of the rows.
pub(super) fn sum_up(rows: &[f32], stride: usize, which: &[u32], out: &mut [f32]) {
    out.fill(0.0);
    for at in which {
        let row = &rows[*at as usize * stride..][..stride];
        out.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    let scale = (which.len().max(1) as f32).sqrt().recip();
    out.iter_mut().for_each(|sum| *sum *= scale);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use tastedb_storage::{ItemId, UserId};

    use super::*;

    /// Forty people who had some of twelve items each, and rows of five numbers.
    fn made_up() -> (Table, Dataset) {
        let pairs = (0..40u64).flat_map(|user| {
            let had = move |item: &u64| (user * 7 + item * 5) % 11 < 4;
            (0..12u64).filter(had).map(move |item| (UserId(user), ItemId(item), 1.0, None))
        });
        let data =
            Dataset::build((0..12).map(ItemId).collect(), pairs.collect::<Vec<_>>()).unwrap();
        let mut base = Table::zeros(52, 5);
        base.draw(40..52, 1.0, 3);
        (base, data)
    }

    #[test]
    fn rows_that_are_linear_in_what_was_had_are_made_again() {
        let (mut base, data) = made_up();
        let sums = sums(&base.data()[40 * base.stride()..], 5, &data.by_user);
        // Each number is that of the sum beside it.
        for user in 0..40 {
            let sum = sums.row(user).to_vec();
            (0..5).for_each(|at| base.row_mut(user)[at] = 2.0 * sum[(at + 1) % 5]);
        }
        let people = People::mapped(&base, &data);
        let mut made = vec![0f32; base.stride()];
        for user in 0..40 {
            people.row(sums.row(user), 5, &mut made);
            for (found, wanted) in made.iter().zip(base.row(user)) {
                assert!((found - wanted).abs() < 0.02, "{made:?} instead of {:?}", base.row(user));
            }
        }
        // Scaled alone they are as long as what they have in common.
        for user in 0..40 {
            let sum = sums.row(user).to_vec();
            (0..5).for_each(|at| base.row_mut(user)[at] = if at < 2 { 3.0 } else { 0.5 } * sum[at]);
        }
        let People::Scaled(c) = People::scaled(&base, &data, 2) else { panic!("not scaled") };
        assert!((c[0] - 3.0).abs() < 1e-5 && (c[1] - 0.5).abs() < 1e-5 && c.len() == 3, "{c:?}");
    }
}
