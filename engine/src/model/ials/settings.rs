//! What the loss weighs how.

/// The confidences that count: what lies beyond is as good as certain, or next to nothing.
const CONFIDENCES: (f32, f32) = (1e-6, 1e6);
/// The regularisations of a row that f32 can work with.
const RIDGES: (f64, f64) = (1e-12, 1e12);

/// The numbers of the loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Settings {
    /// The weight of every pair, observed or not.
    pub(super) unobserved: f64,
    /// λ.
    pub(super) regularization: f64,
    /// ν.
    pub(super) exponent: f64,
    /// Whether pairs only count.
    pub(super) binary: bool,
}

impl Settings {
    /// The confidence in a pair of that weight, with the sign of the weight; 0 for a pair that does
    /// not count.
    pub(super) fn confidence(&self, weight: f32) -> f32 {
        if weight == 0.0 || weight.is_nan() {
            return 0.0;
        }
        let size = if self.binary { 1.0 } else { weight.abs() };
        size.clamp(CONFIDENCES.0, CONFIDENCES.1).copysign(weight)
    }

    /// What is added to the diagonal of a row's system: the row's confidences add up to `observed`,
    /// and there are so many rows on the other side.
    pub(super) fn ridge(&self, observed: f64, others: usize) -> f32 {
        let frequency = observed + self.unobserved * others as f64;
        let ridge = self.regularization * frequency.powf(self.exponent);
        ridge.clamp(RIDGES.0, RIDGES.1) as f32
    }
}
