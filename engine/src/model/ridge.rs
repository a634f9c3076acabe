//! Ridge: the vector whose scores are one for a history and small for everything else, in the least
//! squares. The half step of implicit ALS (Hu, Koren and Volinsky 2008) on factors that were learned
//! otherwise.
//!
//! ```text
//! v = (Σ q_i q_iᵀ + A)⁻¹ Σ x_i q_i     A = a · d/n · QᵀQ + b · tr(QᵀQ)/n · I, one for everybody
//! ```
//!
//! A is factored once. For a history much shorter than a vector the system is as small as the history
//! (Woodbury):
//!
//! ```text
//! A = L Lᵀ     y_i = L⁻¹ q_i     (Σ q_i q_iᵀ + A)⁻¹ r = L⁻ᵀ (I − Yᵀ (I + Y Yᵀ)⁻¹ Y) L⁻¹ r
//! ```

use std::sync::OnceLock;

use super::file::Array;
use crate::kernels::{stride, vectorised};
use crate::linalg::{Cholesky, product};

/// Factors that are widened at a time.
const TAKEN: usize = 256;
/// How much shorter than a vector a history has to be for the small system to be faster.
const SHORT: usize = 3;

/// The system of all histories.
pub(super) struct Ridge {
    dim: usize,
    /// A, row by row.
    matrix: Array<f32>,
    /// L, once somebody asked; none where A is singular.
    factor: OnceLock<Option<Cholesky>>,
}

impl Ridge {
    /// That of factors, for the shares a and b.
    pub(super) fn of(factors: &[f32], dim: usize, [all, diagonal]: [f64; 2]) -> Ridge {
        let mut gram = vec![0f64; dim * dim];
        for rows in factors.chunks(TAKEN * stride(dim)) {
            let rows = rows.chunks_exact(stride(dim)).flat_map(|row| &row[..dim]);
            add_outer_products(&mut gram, dim, &wide(rows));
        }
        let n = (factors.len() / stride(dim)).max(1) as f64;
        let trace: f64 = gram.iter().step_by(dim + 1).sum();
        gram.iter_mut().for_each(|value| *value *= all * dim as f64 / n);
        gram.iter_mut().step_by(dim + 1).for_each(|value| *value += diagonal * trace / n);
        let matrix: Vec<f32> = gram.iter().map(|value| *value as f32).collect();
        Ridge::new(dim, matrix.into())
    }

    /// With a matrix that was kept.
    pub(super) fn new(dim: usize, matrix: Array<f32>) -> Ridge {
        Ridge { dim, matrix, factor: OnceLock::new() }
    }

    /// A.
    pub(super) fn matrix(&self) -> &Array<f32> {
        &self.matrix
    }

    /// Its size in bytes.
    pub(super) fn memory(&self) -> usize {
        // The factor is twice as wide.
        3 * size_of_val(&*self.matrix)
    }

    /// Replaces `right`, a padded row, by the solution of the system of a history; by zero if it has
    /// none.
    pub(super) fn solve(&self, factors: &[f32], x: &[(u32, f32)], right: &mut [f32]) {
        let (dim, stride) = (self.dim, stride(self.dim));
        let rows = wide(x.iter().flat_map(|(item, _)| &factors[*item as usize * stride..][..dim]));
        let mut values = wide(&right[..dim]);
        let factor = match SHORT * x.len() < dim {
            true => self.factor.get_or_init(|| Cholesky::new(dim, wide(&*self.matrix))).as_ref(),
            false => None,
        };
        let solved = match factor {
            Some(factor) => short(factor, rows, &mut values),
            None => self.long(&rows, &mut values),
        };
        if solved.is_none() {
            values.fill(0.0);
        }
        right.iter_mut().zip(&values).for_each(|(to, value)| *to = *value as f32);
    }

    /// By the system itself.
    fn long(&self, rows: &[f64], right: &mut [f64]) -> Option<()> {
        let mut sums = wide(&*self.matrix);
        add_outer_products(&mut sums, self.dim, rows);
        Cholesky::new(self.dim, sums)?.solve(right);
        Some(())
    }
}

/// By a system of one row for each of the history.
fn short(factor: &Cholesky, mut halves: Vec<f64>, right: &mut [f64]) -> Option<()> {
    let dim = right.len();
    factor.solve_half(right);
    halves.chunks_exact_mut(dim).for_each(|half| factor.solve_half(half));
    let count = halves.len() / dim;
    let (mut system, mut along) = (vec![0f64; count * count], vec![0f64; count]);
    vectorised(
        #[inline(always)]
        || {
            for (at, own) in halves.chunks_exact(dim).enumerate() {
                for (to, other) in system[at * count..][..=at].iter_mut().zip(halves.chunks(dim)) {
                    *to = product(own, other);
                }
                system[at * count + at] += 1.0;
                along[at] = product(own, right);
            }
        },
    );
    Cholesky::new(count, system)?.solve(&mut along);
    for (half, weight) in halves.chunks_exact(dim).zip(&along) {
        right.iter_mut().zip(half).for_each(|(to, value)| *to -= weight * value);
    }
    factor.solve_back(right);
    Some(())
}

fn wide<'a>(values: impl IntoIterator<Item = &'a f32>) -> Vec<f64> {
    values.into_iter().map(|value| f64::from(*value)).collect()
}

/// Adds the lower halves of the outer products of rows of `dim` numbers with themselves.
fn add_outer_products(sums: &mut [f64], dim: usize, rows: &[f64]) {
    vectorised(
        #[inline(always)]
        || {
            // Four at a time, so that the sums pass through the cache once for all of them.
            let mut fours = rows.chunks_exact(4 * dim);
            for four in &mut fours {
                let (a, rest) = four.split_at(dim);
                let (b, rest) = rest.split_at(dim);
                let (c, d) = rest.split_at(dim);
                for at in 0..dim {
                    let sums = &mut sums[at * dim..][..=at];
                    let own = [a[at], b[at], c[at], d[at]];
                    let (a, b, c, d) = (&a[..=at], &b[..=at], &c[..=at], &d[..=at]);
                    for (column, sum) in sums.iter_mut().enumerate() {
                        let near = own[0] * a[column] + own[1] * b[column];
                        *sum += near + (own[2] * c[column] + own[3] * d[column]);
                    }
                }
            }
            for row in fours.remainder().chunks_exact(dim) {
                for (at, factor) in row.iter().enumerate() {
                    let sums = sums[at * dim..][..=at].iter_mut();
                    sums.zip(row).for_each(|(sum, value)| *sum += factor * value);
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trainer::Table;

    fn factors(n: usize, dim: usize) -> Table {
        let mut factors = Table::zeros(n, dim);
        factors.draw(0..n, 1.0, 3);
        factors
    }

    /// Σ x_i q_i.
    fn right(factors: &Table, x: &[(u32, f32)]) -> Vec<f32> {
        let mut sum = vec![0f32; factors.stride()];
        for (item, weight) in x {
            let row = factors.row(*item as usize);
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
        }
        sum
    }

    #[test]
    fn it_is_the_least_squares_of_a_history() {
        let (n, dim, shares) = (9, 5, [0.1, 3.0]);
        let factors = factors(n, dim);
        let ridge = Ridge::of(factors.data(), dim, shares);
        let short = vec![(2u32, 1.0f32), (6, -1.0), (7, 1.0)];
        let long: Vec<(u32, f32)> = (0..9).map(|item| (item, 1.0 - f32::from(item == 4))).collect();
        for x in [short, long] {
            let mut vector = right(&factors, &x);
            ridge.solve(factors.data(), &x, &mut vector);
            let q = |row: usize| wide(&factors.row(row)[..dim]);
            let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
            let v = wide(&vector[..dim]);
            let trace: f64 = (0..n).map(|row| dot(&q(row), &q(row))).sum();
            // The gradient of Σ_x (⟨v, q⟩ − x)² + a d/n Σ ⟨v, q⟩² + b tr/n |v|² is zero.
            for at in 0..dim {
                let own = |(row, x): &(u32, f32)| {
                    let q = q(*row as usize);
                    (dot(&v, &q) - f64::from(*x)) * q[at]
                };
                let own: f64 = x.iter().map(own).sum();
                let all: f64 = (0..n).map(|row| dot(&v, &q(row)) * q(row)[at]).sum();
                let slope = own
                    + shares[0] * dim as f64 / n as f64 * all
                    + shares[1] * trace / n as f64 * v[at];
                assert!(slope.abs() < 1e-5, "{} items, {at}: {slope}", x.len());
            }
        }
    }

    #[test]
    fn a_short_history_is_solved_as_a_long_one_is() {
        let (n, dim) = (300, 70);
        let factors = factors(n, dim);
        let ridge = Ridge::of(factors.data(), dim, [0.1, 0.3]);
        for length in [1, 2, 17, 23] {
            let x: Vec<(u32, f32)> = (0..length).map(|at| (4 * at + 1, 1.0)).collect();
            let right = right(&factors, &x);
            let mut found = right.clone();
            ridge.solve(factors.data(), &x, &mut found);
            let mut expected = wide(&right[..dim]);
            let rows = wide(x.iter().flat_map(|(item, _)| &factors.row(*item as usize)[..dim]));
            assert!(ridge.long(&rows, &mut expected).is_some());
            for (found, expected) in found.iter().zip(&expected) {
                assert!((f64::from(*found) - expected).abs() < 1e-5, "{length}");
            }
            assert!(found[dim..].iter().all(|value| *value == 0.0), "the padding");
        }
    }

    #[test]
    fn factors_of_zero_still_answer() {
        let ridge = Ridge::of(Table::zeros(4, 3).data(), 3, [0.1, 1.0]);
        let mut vector = vec![7f32; stride(3)];
        ridge.solve(Table::zeros(4, 3).data(), &[(1, 1.0)], &mut vector);
        assert!(vector[..3].iter().all(|value| *value == 0.0));
    }
}
