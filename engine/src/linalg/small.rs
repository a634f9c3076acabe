//! Small positive definite systems in f32, many of them: one for each row of a model.
//!
//! Matrices lie in rows of a multiple of [`LANES`] floats and only their upper triangle counts. Every
//! entry is summed in one order, and where a multiply-add is fused it is so on every machine, so a
//! result depends neither on the width of vectors nor on the instruction set.

use pulp::Simd;

use crate::kernels::LANES;

/// Rows of a tile of [`add_gram`].
const TILE: usize = 4;
/// Pivots that [`factor`] takes at once.
const PIVOTS: usize = 8;
/// The smallest part of its entry on the diagonal that a pivot may be. Below it there is nothing but
/// rounding.
const FLOOR: f32 = 1e-7;

/// Adds MᵀM to the upper triangle of `out`, for a matrix M in rows of `width` floats.
#[inline(always)]
pub(crate) fn add_gram<S: Simd>(simd: S, rows: &[f32], width: usize, out: &mut [f32]) {
    let step = 2 * S::F32_LANES;
    if step > LANES {
        return add_gram_plainly(rows, width, out);
    }
    for column in (0..width).step_by(step) {
        for row in (0..column + step).step_by(TILE) {
            let [mut a0, mut b0, mut c0, mut d0] = [simd.splat_f32s(0.0); TILE];
            let [mut a1, mut b1, mut c1, mut d1] = [simd.splat_f32s(0.0); TILE];
            for entry in rows.chunks_exact(width) {
                let (vectors, _) = S::as_simd_f32s(&entry[column..column + step]);
                let (&[x, y], &[a, b, c, d]) = (vectors, &entry[row..row + TILE]) else {
                    continue;
                };
                let [a, b, c, d] = [a, b, c, d].map(
                    #[inline(always)]
                    |head| simd.splat_f32s(head),
                );
                a0 = simd.mul_add_f32s(a, x, a0);
                a1 = simd.mul_add_f32s(a, y, a1);
                b0 = simd.mul_add_f32s(b, x, b0);
                b1 = simd.mul_add_f32s(b, y, b1);
                c0 = simd.mul_add_f32s(c, x, c0);
                c1 = simd.mul_add_f32s(c, y, c1);
                d0 = simd.mul_add_f32s(d, x, d0);
                d1 = simd.mul_add_f32s(d, y, d1);
            }
            for (at, sums) in [[a0, a1], [b0, b1], [c0, c1], [d0, d1]].into_iter().enumerate() {
                let to = &mut out[(row + at) * width + column..][..step];
                for (to, sum) in S::as_mut_simd_f32s(to).0.iter_mut().zip(sums) {
                    *to = simd.add_f32s(*to, sum);
                }
            }
        }
    }
}

/// The same where vectors are wider than any that were thought of.
#[inline(always)]
fn add_gram_plainly(rows: &[f32], width: usize, out: &mut [f32]) {
    for row in 0..width {
        for column in row..width {
            let entries = rows.chunks_exact(width);
            let sum = entries.fold(0f32, |sum, own| own[row].mul_add(own[column], sum));
            out[row * width + column] += sum;
        }
    }
}

/// Replaces the upper triangle of the first `n` rows by U with A = UᵀU, and writes one over its
/// diagonal to `inverse`. A pivot that rounding made too small is raised, so it cannot fail.
#[inline(always)]
pub(crate) fn factor<S: Simd>(simd: S, a: &mut [f32], n: usize, width: usize, inverse: &mut [f32]) {
    for (at, inverse) in inverse[..n].iter_mut().enumerate() {
        *inverse = (a[at * width + at] * FLOOR).max(f32::MIN_POSITIVE);
    }
    for start in (0..n).step_by(PIVOTS) {
        let end = n.min(start + PIVOTS);
        for pivot in start..end {
            let (above, from) = a.split_at_mut((pivot + 1) * width);
            let own = &mut above[pivot * width..];
            let scale = own[pivot].max(inverse[pivot]).sqrt().recip();
            inverse[pivot] = scale;
            let first = pivot / LANES * LANES;
            own[first..].iter_mut().for_each(|value| *value *= scale);
            for (at, row) in (pivot + 1..end).zip(from.chunks_exact_mut(width)) {
                subtract(&mut row[first..], &own[first..], own[at]);
            }
        }
        if end == n {
            return;
        }
        let (above, below) = a.split_at_mut(end * width);
        let panel = &above[start * width..];
        for (at, row) in (end..n).zip(below.chunks_exact_mut(width)) {
            subtract_panel(simd, &mut row[at / LANES * LANES..], panel, width, at);
        }
    }
}

#[inline(always)]
fn subtract(row: &mut [f32], other: &[f32], factor: f32) {
    for (value, other) in row.iter_mut().zip(other) {
        *value -= factor * other;
    }
}

/// Subtracts from the end of row `at` what the rows of a panel say.
#[inline(always)]
fn subtract_panel<S: Simd>(simd: S, row: &mut [f32], panel: &[f32], width: usize, at: usize) {
    let first = width - row.len();
    let (vectors, rest) = S::as_mut_simd_f32s(row);
    let others: [&[S::f32s]; PIVOTS] = std::array::from_fn(
        #[inline(always)]
        |pivot| S::as_simd_f32s(&panel[pivot * width + first..(pivot + 1) * width]).0,
    );
    let factors: [f32; PIVOTS] = std::array::from_fn(
        #[inline(always)]
        |pivot| -panel[pivot * width + at],
    );
    let [a, b, c, d, e, f, g, h] = others.map(
        #[inline(always)]
        |other| &other[..vectors.len()],
    );
    let [fa, fb, fc, fd, fe, ff, fg, fh] = factors.map(
        #[inline(always)]
        |factor| simd.splat_f32s(factor),
    );
    for (i, value) in vectors.iter_mut().enumerate() {
        let mut sum = simd.mul_add_f32s(fa, a[i], *value);
        sum = simd.mul_add_f32s(fb, b[i], sum);
        sum = simd.mul_add_f32s(fc, c[i], sum);
        sum = simd.mul_add_f32s(fd, d[i], sum);
        sum = simd.mul_add_f32s(fe, e[i], sum);
        sum = simd.mul_add_f32s(ff, f[i], sum);
        sum = simd.mul_add_f32s(fg, g[i], sum);
        *value = simd.mul_add_f32s(fh, h[i], sum);
    }
    // Only where a vector is longer than a line.
    let done = width - rest.len();
    for (i, value) in rest.iter_mut().enumerate() {
        let own = panel.chunks_exact(width).zip(factors);
        *value = own.fold(*value, |sum, (row, factor)| factor.mul_add(row[done + i], sum));
    }
}

/// Solves UᵀU x = b, in place.
#[inline(always)]
pub(crate) fn solve(u: &[f32], n: usize, width: usize, inverse: &[f32], b: &mut [f32]) {
    for at in 0..n {
        let value = b[at] * inverse[at];
        b[at] = value;
        let row = &u[at * width..][..width];
        for (to, own) in b[at + 1..n].iter_mut().zip(&row[at + 1..]) {
            *to -= value * own;
        }
    }
    for at in (0..n).rev() {
        let row = &u[at * width..][..width];
        let mut sums = [0f32; LANES];
        let next = (at + 1).next_multiple_of(LANES).min(n);
        for column in at + 1..next {
            sums[0] += row[column] * b[column];
        }
        for (own, b) in row[next..n].chunks(LANES).zip(b[next..n].chunks(LANES)) {
            for ((sum, own), b) in sums.iter_mut().zip(own).zip(b) {
                *sum += own * b;
            }
        }
        b[at] = (b[at] - sums.iter().sum::<f32>()) * inverse[at];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use pulp::{Arch, WithSimd};

    struct Gram<'a>(&'a [f32], usize, &'a mut [f32]);

    impl WithSimd for Gram<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            add_gram(simd, self.0, self.1, self.2);
        }
    }

    struct Factor<'a>(&'a mut [f32], usize, usize, &'a mut [f32]);

    impl WithSimd for Factor<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            factor(simd, self.0, self.1, self.2, self.3);
        }
    }

    proptest! {
        #[test]
        fn a_solution_is_one(n in 1usize..70, extra in 0usize..40, seed in any::<u32>()) {
            let width = n.next_multiple_of(LANES);
            let value = |at: usize| {
                let mixed = ((at as u32) ^ seed).wrapping_mul(2_654_435_761);
                ((mixed >> 16) % 17) as f32 / 8.0 - 1.0
            };
            let count = n + extra;
            let rows: Vec<f32> = (0..count * width)
                .map(|at| if at % width < n { value(at) } else { 0.0 })
                .collect();
            let mut a = vec![0f32; width * width];
            (0..n).for_each(|at| a[at * width + at] = 1.0);
            Arch::new().dispatch(Gram(&rows, width, &mut a));
            let entry = |i: usize, j: usize| -> f64 {
                let sum: f64 = (0..count)
                    .map(|row| f64::from(rows[row * width + i]) * f64::from(rows[row * width + j]))
                    .sum();
                sum + f64::from(u8::from(i == j))
            };
            for i in 0..n {
                for j in i..n {
                    prop_assert!((f64::from(a[i * width + j]) - entry(i, j)).abs() < 1e-3);
                }
            }
            let mut inverse = vec![0f32; n];
            Arch::new().dispatch(Factor(&mut a, n, width, &mut inverse));
            let wanted: Vec<f32> = (0..n).map(|at| value(at + 9999)).collect();
            let mut b: Vec<f32> = (0..n)
                .map(|i| (0..n).map(|j| entry(i, j) * f64::from(wanted[j])).sum::<f64>() as f32)
                .collect();
            solve(&a, n, width, &inverse, &mut b);
            for (got, wanted) in b.iter().zip(&wanted) {
                prop_assert!((got - wanted).abs() < 2e-3, "{} instead of {}", got, wanted);
            }
        }
    }

    #[test]
    fn a_singular_matrix_gives_finite_numbers() {
        for value in [0.0, 1.0, 1e30] {
            let mut a = vec![value; 16 * 16];
            let mut inverse = vec![0f32; 5];
            Arch::new().dispatch(Factor(&mut a, 5, 16, &mut inverse));
            let mut b = vec![0.0; 5];
            solve(&a, 5, 16, &inverse, &mut b);
            assert!(b.iter().all(|value| value.is_finite()), "{value}: {b:?}");
        }
    }
}
