//! The best factors of one row, given the other side.
//!
//! With V the factors of the row's pairs, C their confidences on a diagonal, p what each should come
//! to (one, or zero for a dislike) and D the rest of the loss, the factors are
//!
//! ```text
//! x = (D + VᵀCV)⁻¹ VᵀCp = D⁻¹Vᵀ t    t = (C⁻¹ + VD⁻¹Vᵀ)⁻¹ p
//! ```
//!
//! D is diagonal, since factors are kept turned (see `side`). So a row of fewer pairs than there are
//! factors is a system as large as its pairs, which is what makes most rows cheap; a longer one is
//! the system of the factors.

use pulp::{Arch, Simd, WithSimd};

use super::settings::Settings;
use super::side::Basis;
use crate::kernels::{LANES, Line, dot, dot_with, stride};
use crate::linalg::{add_gram, factor, solve};

/// Pairs whose factors are gathered at once.
const GATHERED: usize = 128;
/// The smallest part of its largest entry that an entry of D may be.
const FLOOR: f32 = 1e-9;

/// Floats that begin with a cache line.
#[derive(Default)]
struct Floats(Vec<Line>);

impl Floats {
    /// So many zeros.
    fn zeros(&mut self, n: usize) -> &mut [f32] {
        self.0.clear();
        self.0.resize(n.div_ceil(LANES), Line::default());
        &mut bytemuck::cast_slice_mut(&mut self.0)[..n]
    }

    fn all(&self) -> &[f32] {
        bytemuck::cast_slice(&self.0)
    }
}

/// Solves for one row after the other.
pub(super) struct Solver<'a> {
    basis: Basis<'a>,
    settings: Settings,
    /// The diagonal of what all pairs add, observed or not.
    unobserved: Vec<f32>,
    /// Rows and signed confidences.
    seen: Vec<(u32, f32)>,
    /// D, or one over it; in the padding 1.
    diagonal: Vec<f32>,
    gathered: Floats,
    matrix: Floats,
    pivots: Vec<f32>,
    right: Vec<f32>,
}

impl<'a> Solver<'a> {
    pub(super) fn new(basis: Basis<'a>, settings: Settings) -> Solver<'a> {
        let weight = settings.unobserved as f32;
        let unobserved = basis.spectrum.iter().map(|value| weight * value).collect();
        Solver {
            basis,
            settings,
            unobserved,
            seen: Vec::new(),
            diagonal: Vec::new(),
            gathered: Floats::default(),
            matrix: Floats::default(),
            pivots: Vec::new(),
            right: Vec::new(),
        }
    }

    /// The factors of a row that has these pairs, into `out`, a padded row.
    pub(super) fn fold_in(&mut self, pairs: &[(u32, f32)], out: &mut [f32]) {
        Arch::new().dispatch(FoldIn(self, pairs, out));
    }

    #[inline(always)]
    fn fold_in_with<S: Simd>(&mut self, simd: S, pairs: &[(u32, f32)], out: &mut [f32]) {
        out.fill(0.0);
        self.observe(pairs);
        if !self.seen.iter().any(|(_, confidence)| *confidence > 0.0) {
            return;
        }
        self.prepare(simd);
        self.right.clear();
        if self.is_short() {
            self.right.extend(self.seen.iter().map(|(_, confidence)| f32::from(*confidence > 0.0)));
            self.solve();
            for ((row, _), weight) in self.seen.iter().zip(&self.right) {
                add(out, self.basis.row(*row), *weight);
            }
            for (value, inverse) in out.iter_mut().zip(&self.diagonal) {
                *value *= inverse;
            }
        } else {
            for (row, confidence) in &self.seen {
                add(out, self.basis.row(*row), confidence.max(0.0));
            }
            self.right.extend_from_slice(out);
            self.solve();
            out.copy_from_slice(&self.right);
        }
    }

    /// For each pair, what it adds to the score of the other side's factors `target`.
    pub(super) fn parts(&mut self, pairs: &[(u32, f32)], target: &[f32]) -> Vec<(u32, f32)> {
        self.observe(pairs);
        if self.seen.is_empty() {
            return Vec::new();
        }
        Arch::new().dispatch(Prepare(self));
        let basis = self.basis;
        if self.is_short() {
            let both = target.iter().zip(&self.diagonal);
            let scaled: Vec<f32> = both.map(|(value, inverse)| value * inverse).collect();
            let seen = self.seen.iter();
            self.right = seen.map(|(row, _)| dot(basis.row(*row), &scaled)).collect();
            self.solve();
        } else {
            self.right = target.to_vec();
            self.solve();
            let link = |(row, confidence): &(u32, f32)| {
                confidence.abs() * dot(basis.row(*row), &self.right)
            };
            self.right = self.seen.iter().map(link).collect();
        }
        let both = self.seen.iter().zip(&self.right);
        both.map(|((row, confidence), part)| (*row, if *confidence > 0.0 { *part } else { 0.0 }))
            .collect()
    }

    fn is_short(&self) -> bool {
        self.seen.len() < self.basis.dim
    }

    /// Keeps the pairs that count.
    #[inline(always)]
    fn observe(&mut self, pairs: &[(u32, f32)]) {
        self.seen.clear();
        let seen = pairs.iter().map(|(row, weight)| (*row, self.settings.confidence(*weight)));
        self.seen.extend(seen.filter(|(_, confidence)| *confidence != 0.0));
    }

    /// Makes the system of the row and factors it.
    #[inline(always)]
    fn prepare<S: Simd>(&mut self, simd: S) {
        let observed = self.seen.iter().map(|(_, confidence)| f64::from(confidence.abs())).sum();
        let ridge = self.settings.ridge(observed, self.basis.len());
        let largest = self.unobserved.iter().copied().fold(0f32, f32::max) + ridge;
        let floor = largest * FLOOR;
        self.diagonal.clear();
        self.diagonal.extend(self.unobserved.iter().map(|value| (value + ridge).max(floor)));
        self.diagonal.resize(self.basis.stride(), 1.0);
        if self.is_short() {
            self.prepare_short(simd);
        } else {
            self.prepare_long(simd);
        }
    }

    /// C⁻¹ + VD⁻¹Vᵀ.
    #[inline(always)]
    fn prepare_short<S: Simd>(&mut self, simd: S) {
        let (h, size) = (self.seen.len(), self.basis.stride());
        let width = stride(h);
        self.diagonal.iter_mut().for_each(|value| *value = value.recip());
        let matrix = self.matrix.zeros(width * width);
        if h <= LANES {
            let gathered = self.gathered.zeros(h * size);
            for ((row, _), to) in self.seen.iter().zip(gathered.chunks_exact_mut(size)) {
                for ((to, value), by) in to.iter_mut().zip(self.basis.row(*row)).zip(&self.diagonal)
                {
                    *to = value * by;
                }
            }
            for (i, (_, to)) in self.seen.iter().zip(matrix.chunks_exact_mut(width)).enumerate() {
                let own = &gathered[i * size..][..size];
                for (j, (row, _)) in self.seen.iter().enumerate().skip(i) {
                    to[j] = dot_with(simd, own, self.basis.row(*row));
                }
            }
        } else {
            let gathered = self.gathered.zeros(size * width);
            for (column, (row, _)) in self.seen.iter().enumerate() {
                let values = self.basis.row(*row).iter().zip(&self.diagonal);
                for (to, (value, by)) in gathered[column..].iter_mut().step_by(width).zip(values) {
                    *to = value * by.sqrt();
                }
            }
            add_gram(simd, gathered, width, matrix);
        }
        for (at, (_, confidence)) in self.seen.iter().enumerate() {
            matrix[at * width + at] += confidence.abs().recip();
        }
        self.pivots.resize(h, 0.0);
        factor(simd, matrix, h, width, &mut self.pivots);
    }

    /// D + VᵀCV.
    #[inline(always)]
    fn prepare_long<S: Simd>(&mut self, simd: S) {
        let size = self.basis.stride();
        let matrix = self.matrix.zeros(size * size);
        for seen in self.seen.chunks(GATHERED) {
            let gathered = self.gathered.zeros(seen.len() * size);
            for ((row, confidence), to) in seen.iter().zip(gathered.chunks_exact_mut(size)) {
                let root = confidence.abs().sqrt();
                for (to, value) in to.iter_mut().zip(self.basis.row(*row)) {
                    *to = value * root;
                }
            }
            add_gram(simd, gathered, size, matrix);
        }
        for (at, value) in self.diagonal[..self.basis.dim].iter().enumerate() {
            matrix[at * size + at] += value;
        }
        self.pivots.resize(self.basis.dim, 0.0);
        factor(simd, matrix, self.basis.dim, size, &mut self.pivots);
    }

    /// Solves the system for what `right` holds, in place.
    #[inline(always)]
    fn solve(&mut self) {
        let n = self.seen.len().min(self.basis.dim);
        let width = if self.is_short() { stride(n) } else { self.basis.stride() };
        solve(self.matrix.all(), n, width, &self.pivots, &mut self.right);
    }
}

/// [`Solver::fold_in`], for the instruction set at hand.
struct FoldIn<'s, 'a, 'p>(&'s mut Solver<'a>, &'p [(u32, f32)], &'p mut [f32]);

impl WithSimd for FoldIn<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let FoldIn(solver, pairs, out) = self;
        solver.fold_in_with(simd, pairs, out);
    }
}

/// [`Solver::prepare`], for the instruction set at hand.
struct Prepare<'s, 'a>(&'s mut Solver<'a>);

impl WithSimd for Prepare<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.0.prepare(simd);
    }
}

#[inline(always)]
fn add(out: &mut [f32], row: &[f32], weight: f32) {
    for (to, value) in out.iter_mut().zip(row) {
        *to += weight * value;
    }
}
