//! What is near: how two vectors are compared.
//!
//! A question, or a model of content, says by what it compares; an index is of one similarity and serves
//! the questions that ask for it. Higher is nearer for all three, and every score is finite.

use pulp::{Arch, Simd, WithSimd};

use crate::kernels::{distance_with, dot_with};

/// How two vectors are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Similarity {
    /// The cosine of their angle: their inner product, both of length one.
    #[default]
    Cosine,
    /// Their Euclidean distance, negated.
    L2,
    /// Their inner product as they are, so that a longer vector is nearer.
    InnerProduct,
}

impl Similarity {
    /// All of them; statements name them by [`Similarity::name`].
    pub const ALL: [Similarity; 3] = [Similarity::Cosine, Similarity::L2, Similarity::InnerProduct];

    /// Their names, in the order of [`Similarity::ALL`].
    pub const NAMES: [&str; 3] = ["cosine", "l2", "inner_product"];

    /// Its name in statements, records and files.
    pub fn name(self) -> &'static str {
        match self {
            Similarity::Cosine => "cosine",
            Similarity::L2 => "l2",
            Similarity::InnerProduct => "inner_product",
        }
    }

    /// The one of a name.
    pub fn named(name: &str) -> Option<Similarity> {
        Similarity::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(name))
    }

    /// Whether vectors are compared with length one, whatever length they have.
    pub(crate) fn is_of_directions(self) -> bool {
        self == Similarity::Cosine
    }

    /// How near two padded rows are; of length one for [`Similarity::Cosine`].
    pub(crate) fn of(self, a: &[f32], b: &[f32]) -> f32 {
        struct One<'a>(Similarity, &'a [f32], &'a [f32]);
        impl WithSimd for One<'_> {
            type Output = f32;

            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) -> f32 {
                self.0.with(simd, self.1, self.2)
            }
        }
        Arch::new().dispatch(One(self, a, b))
    }

    /// [`Similarity::of`] inside of a loop that was compiled for the instruction set; the same to the last
    /// bit.
    #[inline(always)]
    pub(crate) fn with<S: Simd>(self, simd: S, a: &[f32], b: &[f32]) -> f32 {
        match self {
            Similarity::Cosine => dot_with(simd, a, b),
            Similarity::InnerProduct => {
                let product = dot_with(simd, a, b);
                // What f32 has no room for may be no number: the farthest there is.
                if product.is_nan() { f32::MIN } else { product.clamp(f32::MIN, f32::MAX) }
            }
            Similarity::L2 => (0.0 - distance_with(simd, a, b)).max(f32::MIN),
        }
    }

    /// For each row of a padded matrix how near the nearest of some padded vectors is, where that is above
    /// what `out` holds.
    pub(crate) fn raise(self, matrix: &[f32], stride: usize, vectors: &[&[f32]], out: &mut [f32]) {
        struct Rows<'a>(Similarity, &'a [f32], usize, &'a [&'a [f32]], &'a mut [f32]);
        impl WithSimd for Rows<'_> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) {
                let Rows(similarity, matrix, stride, vectors, out) = self;
                for (row, value) in matrix.chunks_exact(stride).zip(out.iter_mut()) {
                    for vector in vectors {
                        *value = value.max(similarity.with(simd, row, vector));
                    }
                }
            }
        }
        Arch::new().dispatch(Rows(self, matrix, stride, vectors, out));
    }
}

impl std::fmt::Display for Similarity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::lines;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_agree_with_their_definitions(n in 1usize..70, seed in any::<u64>()) {
            let value = |at: usize, of: u64| crate::seeded::fraction(seed ^ of, at as u64) - 0.5;
            let a: Vec<f32> = (0..n).map(|at| value(at, 1)).collect();
            let b: Vec<f32> = (0..n).map(|at| value(at, 2)).collect();
            let both = || a.iter().zip(&b).map(|(x, y)| (f64::from(*x), f64::from(*y)));
            let product: f64 = both().map(|(x, y)| x * y).sum();
            let distance = both().map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
            let (a, b) = (lines(&a), lines(&b));
            let (a, b): (&[f32], &[f32]) = (bytemuck::cast_slice(&a), bytemuck::cast_slice(&b));
            let expected = [product, -distance, product];
            for (similarity, expected) in Similarity::ALL.into_iter().zip(expected) {
                let got = similarity.of(a, b);
                prop_assert!((f64::from(got) - expected).abs() < 1e-4);
                let mut out = [f32::NEG_INFINITY];
                similarity.raise(a, a.len(), &[b], &mut out);
                prop_assert_eq!(out[0].to_bits(), got.to_bits());
            }
        }
    }

    #[test]
    fn what_f32_has_no_room_for_is_far_and_finite() {
        let far = lines(&[f32::MAX, -f32::MAX, f32::MAX]);
        let other = lines(&[-f32::MAX, f32::MAX, f32::MAX]);
        let (far, other): (&[f32], &[f32]) =
            (bytemuck::cast_slice(&far), bytemuck::cast_slice(&other));
        for similarity in [Similarity::L2, Similarity::InnerProduct] {
            assert!(similarity.of(far, other).is_finite());
            assert!(similarity.of(far, far).is_finite());
        }
        assert_eq!(Similarity::L2.of(far, far), 0.0);
        assert_eq!(Similarity::L2.of(far, other), f32::MIN);
    }

    #[test]
    fn names_lead_back() {
        for (similarity, name) in Similarity::ALL.into_iter().zip(Similarity::NAMES) {
            assert_eq!(similarity.name(), name);
            assert_eq!(Similarity::named(&name.to_uppercase()), Some(similarity));
        }
        assert_eq!(Similarity::named("hamming"), None);
    }
}
