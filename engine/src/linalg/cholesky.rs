//! Small symmetric systems: a Cholesky factor in plain loops, for sizes where a call into a library
//! costs as much as the work.

use crate::kernels::vectorised;

/// The lower factor of a positive definite matrix, row by row.
#[derive(Clone, Debug)]
pub(crate) struct Cholesky {
    n: usize,
    rows: Vec<f64>,
}

impl Cholesky {
    /// Factors a full row-major matrix of which only the lower half is read; `None` if it is not
    /// positive definite.
    pub(crate) fn new(n: usize, mut rows: Vec<f64>) -> Option<Cholesky> {
        let definite = vectorised(
            #[inline(always)]
            || {
                for row in 0..n {
                    let (above, own) = rows.split_at_mut(row * n);
                    for column in 0..row {
                        let other = &above[column * n..][..column + 1];
                        let sum = product(&own[..column], &other[..column]);
                        own[column] = (own[column] - sum) / other[column];
                    }
                    let rest = own[row] - product(&own[..row], &own[..row]);
                    // Also false for NaN.
                    if !(rest > 0.0 && rest.is_finite()) {
                        return false;
                    }
                    own[row] = rest.sqrt();
                }
                true
            },
        );
        definite.then_some(Cholesky { n, rows })
    }

    /// Replaces a right-hand side by what the lower factor alone makes of it.
    pub(crate) fn solve_half(&self, x: &mut [f64]) {
        let n = self.n;
        vectorised(
            #[inline(always)]
            || {
                for row in 0..n {
                    let own = &self.rows[row * n..][..row + 1];
                    x[row] = (x[row] - product(&own[..row], &x[..row])) / own[row];
                }
            },
        );
    }

    /// Replaces what [`Cholesky::solve_half`] made of a right-hand side by the solution.
    pub(crate) fn solve_back(&self, x: &mut [f64]) {
        let n = self.n;
        vectorised(
            #[inline(always)]
            || {
                for row in (0..n).rev() {
                    let own = &self.rows[row * n..][..row + 1];
                    x[row] /= own[row];
                    let value = x[row];
                    x[..row].iter_mut().zip(own).for_each(|(x, factor)| *x -= value * factor);
                }
            },
        );
    }

    /// Replaces a right-hand side by the solution.
    pub(crate) fn solve(&self, x: &mut [f64]) {
        self.solve_half(x);
        self.solve_back(x);
    }
}

/// The inner product of two vectors of the same length: eight partial sums, added up in a fixed tree.
#[inline(always)]
pub(crate) fn product(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0f64; 8];
    let (a_parts, b_parts) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_parts.remainder().iter().zip(b_parts.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_parts.zip(b_parts) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (b + f)) + ((c + g) + (d + h)) + rest
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn solutions_solve() {
        for n in [1, 2, 7, 20, 64] {
            let value = |row: usize, column: usize| ((row * 31 + column * 17) % 13) as f64 - 6.0;
            // B Bᵀ + I.
            let mut matrix = vec![0.0; n * n];
            for row in 0..n {
                for column in 0..n {
                    let sum: f64 = (0..n).map(|at| value(row, at) * value(column, at)).sum();
                    matrix[row * n + column] = sum + f64::from(u8::from(row == column));
                }
            }
            let wanted: Vec<f64> = (0..n).map(|at| at as f64 / 3.0 - 1.0).collect();
            let mut x: Vec<f64> = matrix.chunks(n).map(|row| product(row, &wanted)).collect();
            Cholesky::new(n, matrix).unwrap().solve(&mut x);
            let far = x.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(far < 1e-9, "{n}: {far}");
        }
    }

    #[test]
    fn what_is_not_positive_definite_has_no_factor() {
        assert!(Cholesky::new(2, vec![1.0, 0.0, 2.0, 1.0]).is_none());
        assert!(Cholesky::new(1, vec![f64::NAN]).is_none());
        assert!(Cholesky::new(1, vec![f64::INFINITY]).is_none());
    }
}
