//! The inner loops of scoring, compiled for the instruction set found at run time.
//!
//! They are plain loops that vectorise by themselves. None uses a fused multiply-add and every sum
//! has a fixed shape, so a result does not depend on the machine, whatever its vectors' width.

use bytemuck::{Pod, Zeroable};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::background;

/// The number of floats in a [`Line`].
pub(crate) const LANES: usize = 16;

/// One cache line of floats: what rows of dense matrices are padded to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [f32; LANES]);

/// A copy of a vector in padded lines.
pub(crate) fn lines(vector: &[f32]) -> Vec<Line> {
    let mut lines = vec![Line::default(); vector.len().div_ceil(LANES)];
    bytemuck::cast_slice_mut(&mut lines)[..vector.len()].copy_from_slice(vector);
    lines
}

/// The length of a padded row.
pub(crate) fn stride(n: usize) -> usize {
    n.next_multiple_of(LANES)
}

/// Runs plain loops compiled for the best instructions that the machine has. The closure has to say
/// `#[inline(always)]`. (Not [`Arch::dispatch`] with a closure: there one that could be called twice is
/// called through a function of its own, which is compiled for the least of instructions.)
#[inline(always)]
pub(crate) fn vectorised<R>(loops: impl FnMut() -> R) -> R {
    struct Loops<F>(F);

    impl<R, F: FnMut() -> R> WithSimd for Loops<F> {
        type Output = R;

        #[inline(always)]
        fn with_simd<S: Simd>(mut self, _: S) -> R {
            (self.0)()
        }
    }
    Arch::new().dispatch(Loops(loops))
}

/// Entries beyond which adding rows is shared by the cores: two megabytes, which take one core
/// about as long as waking another takes ten times.
const SHARED: usize = 1 << 19;

/// Adds weighted rows to `out`, each at least as long as it. Every entry is summed in the order of
/// the rows, on any number of threads.
pub(crate) fn add_rows(out: &mut [f32], rows: &[(&[f32], f32)]) {
    let threads = rayon::current_num_threads();
    if threads == 1 || out.len() * rows.len() < SHARED || background::is_busy() {
        return add_rows_from(out, rows, 0);
    }
    let width = out.len().div_ceil(threads).next_multiple_of(LANES);
    let parts = out.par_chunks_mut(width).enumerate();
    parts.for_each(|(at, part)| add_rows_from(part, rows, at * width));
}

/// The same for the entries of the rows from `start` on.
fn add_rows_from(out: &mut [f32], rows: &[(&[f32], f32)], start: usize) {
    vectorised(
        #[inline(always)]
        || {
            let mut groups = rows.chunks_exact(8);
            for group in &mut groups {
                add_eight(out, group, start);
            }
            for (row, weight) in groups.remainder() {
                for (sum, value) in out.iter_mut().zip(&row[start..]) {
                    *sum += *weight * *value;
                }
            }
        },
    );
}

/// Eight rows at once, so that `out` passes through the registers once for all of them.
#[inline(always)]
fn add_eight(out: &mut [f32], group: &[(&[f32], f32)], start: usize) {
    let n = out.len();
    let [a, b, c, d, e, f, g, h] = group else { return };
    let (ra, rb) = (&a.0[start..][..n], &b.0[start..][..n]);
    let (rc, rd) = (&c.0[start..][..n], &d.0[start..][..n]);
    let (re, rf) = (&e.0[start..][..n], &f.0[start..][..n]);
    let (rg, rh) = (&g.0[start..][..n], &h.0[start..][..n]);
    for i in 0..n {
        let near = (ra[i] * a.1 + rb[i] * b.1) + (rc[i] * c.1 + rd[i] * d.1);
        let far = (re[i] * e.1 + rf[i] * f.1) + (rg[i] * g.1 + rh[i] * h.1);
        out[i] += near + far;
    }
}

/// Adds weighted rows to sums in double precision, in the order of the rows.
pub(crate) fn add_rows_precisely(out: &mut [f64], rows: &[(&[f32], f64)]) {
    vectorised(
        #[inline(always)]
        || {
            let n = out.len();
            let mut groups = rows.chunks_exact(4);
            for group in &mut groups {
                let [a, b, c, d] = group else { continue };
                let (ra, rb, rc, rd) = (&a.0[..n], &b.0[..n], &c.0[..n], &d.0[..n]);
                for (i, sum) in out.iter_mut().enumerate() {
                    let near = a.1 * f64::from(ra[i]) + b.1 * f64::from(rb[i]);
                    *sum += near + (c.1 * f64::from(rc[i]) + d.1 * f64::from(rd[i]));
                }
            }
            for (row, weight) in groups.remainder() {
                for (sum, value) in out.iter_mut().zip(*row) {
                    *sum += weight * f64::from(*value);
                }
            }
        },
    );
}

/// `out = −z · scale`, entry by entry.
pub(crate) fn negate_scaled(out: &mut [f32], scale: &[f32]) {
    vectorised(
        #[inline(always)]
        || {
            for (value, factor) in out.iter_mut().zip(scale) {
                *value = -(*value * *factor);
            }
        },
    );
}

/// The inner products of `query` with each row of a padded matrix, into `out`.
pub(crate) fn dot_rows(matrix: &[f32], stride: usize, query: &[f32], out: &mut [f32]) {
    Arch::new().dispatch(DotRows(matrix, stride, query, out));
}

struct DotRows<'a>(&'a [f32], usize, &'a [f32], &'a mut [f32]);

impl WithSimd for DotRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let DotRows(matrix, stride, query, out) = self;
        for (row, value) in matrix.chunks_exact(stride).zip(out.iter_mut()) {
            *value = dot_with(simd, row, query);
        }
    }
}

/// [`dot`] inside of a loop that was compiled for the instruction set; the same to the last bit.
#[inline(always)]
pub(crate) fn dot_with<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    if 2 * S::F32_LANES != LANES || !a.len().is_multiple_of(LANES) || a.len() != b.len() {
        return dot_lanes(a, b);
    }
    let [mut low, mut high] = [simd.splat_f32s(0.0); 2];
    let (a, b) = (S::as_simd_f32s(a).0, S::as_simd_f32s(b).0);
    for (x, y) in a.chunks_exact(2).zip(b.chunks_exact(2)) {
        low = simd.add_f32s(low, simd.mul_f32s(x[0], y[0]));
        high = simd.add_f32s(high, simd.mul_f32s(x[1], y[1]));
    }
    let mut sums = [0f32; LANES / 2];
    S::as_mut_simd_f32s(&mut sums).0[0] = simd.add_f32s(low, high);
    tree(&mut sums)
}

/// The Euclidean distance of two padded vectors of the same length, inside of a loop that was compiled
/// for the instruction set. Sixteen partial sums in a fixed tree, as for inner products.
#[inline(always)]
pub(crate) fn distance_with<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    if 2 * S::F32_LANES != LANES || !a.len().is_multiple_of(LANES) || a.len() != b.len() {
        return distance_lanes(a, b);
    }
    let [mut low, mut high] = [simd.splat_f32s(0.0); 2];
    let (a, b) = (S::as_simd_f32s(a).0, S::as_simd_f32s(b).0);
    for (x, y) in a.chunks_exact(2).zip(b.chunks_exact(2)) {
        let (near, far) = (simd.sub_f32s(x[0], y[0]), simd.sub_f32s(x[1], y[1]));
        low = simd.add_f32s(low, simd.mul_f32s(near, near));
        high = simd.add_f32s(high, simd.mul_f32s(far, far));
    }
    let mut sums = [0f32; LANES / 2];
    S::as_mut_simd_f32s(&mut sums).0[0] = simd.add_f32s(low, high);
    tree(&mut sums).sqrt()
}

#[inline(always)]
fn distance_lanes(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; LANES];
    for (x, y) in a.chunks(LANES).zip(b.chunks(LANES)) {
        for (sum, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
            *sum += (x - y) * (x - y);
        }
    }
    tree(&mut sums).sqrt()
}

/// The inner product of two vectors of the same length.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    vectorised(
        #[inline(always)]
        || dot_lanes(a, b),
    )
}

/// Sixteen partial sums, added up in a fixed tree.
#[inline(always)]
pub(crate) fn dot_lanes(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; LANES];
    let (a_lines, b_lines) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_rest, b_rest) = (a_lines.remainder(), b_lines.remainder());
    for (x, y) in a_lines.zip(b_lines) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    for (lane, (x, y)) in a_rest.iter().zip(b_rest).enumerate() {
        sums[lane] += x * y;
    }
    tree(&mut sums)
}

/// The sum of a power of two of floats, halves first.
#[inline(always)]
fn tree(sums: &mut [f32]) -> f32 {
    let mut width = sums.len() / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// Whether any value is above the threshold. NaN is above nothing.
#[inline(always)]
pub(crate) fn any_above(values: &[f32], threshold: f32) -> bool {
    values.iter().fold(false, |any, value| any | (*value > threshold))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn adding_rows_agrees_with_the_plain_sum(
            n in 1usize..70, h in 0usize..20, seed in any::<u32>(),
        ) {
            let value = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) ^ seed) % 17;
            let rows: Vec<Vec<f32>> =
                (0..h).map(|r| (0..n).map(|c| value(r * 71 + c) as f32).collect()).collect();
            let given: Vec<(&[f32], f32)> =
                rows.iter().enumerate().map(|(r, row)| (row.as_slice(), r as f32 - 3.0)).collect();
            let mut out = vec![1f32; n];
            add_rows(&mut out, &given);
            for (column, got) in out.iter().enumerate() {
                let expected: f32 =
                    1.0 + given.iter().map(|(row, weight)| row[column] * weight).sum::<f32>();
                prop_assert_eq!(*got, expected);
            }
        }

        #[test]
        fn distances_agree_with_the_plain_sum(n in 0usize..70, seed in any::<u32>()) {
            let value = |i: usize| f32::from((((i as u32) ^ seed) % 11) as u8) - 5.0;
            let a: Vec<f32> = (0..n).map(value).collect();
            let b: Vec<f32> = (0..n).map(|i| value(i + 1000)).collect();
            let expected: f32 = a.iter().zip(&b).map(|(x, y)| (x - y) * (x - y)).sum();
            prop_assert_eq!(distance_lanes(&a, &b), expected.sqrt());
            let (a, b) = (lines(&a), lines(&b));
            let (a, b): (&[f32], &[f32]) = (bytemuck::cast_slice(&a), bytemuck::cast_slice(&b));
            struct Both<'a>(&'a [f32], &'a [f32]);
            impl WithSimd for Both<'_> {
                type Output = f32;

                #[inline(always)]
                fn with_simd<S: Simd>(self, simd: S) -> f32 {
                    distance_with(simd, self.0, self.1)
                }
            }
            prop_assert_eq!(Arch::new().dispatch(Both(a, b)), expected.sqrt());
        }

        #[test]
        fn inner_products_agree_with_the_plain_sum(n in 0usize..70, seed in any::<u32>()) {
            let value = |i: usize| f32::from((((i as u32) ^ seed) % 11) as u8) - 5.0;
            let a: Vec<f32> = (0..n).map(value).collect();
            let b: Vec<f32> = (0..n).map(|i| value(i + 1000)).collect();
            let expected: f32 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
            prop_assert_eq!(dot(&a, &b), expected);
        }
    }
}
