//! What a ranking is worth, and whether one setting is better than another or only seems so.

/// The ranks that count.
pub(super) const DEPTH: usize = 20;

/// Recall plus NDCG of the first [`DEPTH`] rows; `hidden` ascends, and some of all the hidden items may
/// not be among the rows at all.
pub(super) fn gain(ranked: &[u32], hidden: &[u32], all: usize) -> f32 {
    let discount = |rank: usize| 1.0 / ((rank + 2) as f64).log2();
    let (mut hits, mut sum) = (0usize, 0.0);
    for (rank, row) in ranked.iter().take(DEPTH).enumerate() {
        if hidden.binary_search(row).is_ok() {
            hits += 1;
            sum += discount(rank);
        }
    }
    if hits == 0 {
        return 0.0;
    }
    let ideal: f64 = (0..all.min(DEPTH)).map(discount).sum();
    (hits as f64 / all as f64 + sum / ideal) as f32
}

/// By how much the first gains are higher than the second, user by user, and the standard error of
/// that.
pub(super) fn lead(a: &[f32], b: &[f32]) -> (f64, f64) {
    let n = a.len();
    if n < 2 {
        return (0.0, f64::INFINITY);
    }
    let (mut sum, mut squares) = (0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let lead = f64::from(*a) - f64::from(*b);
        sum += lead;
        squares += lead * lead;
    }
    let mean = sum / n as f64;
    let variance = (squares / n as f64 - mean * mean).max(0.0) / (n - 1) as f64;
    (mean, variance.sqrt())
}

/// The mean gain.
pub(super) fn mean(gains: &[f32]) -> f64 {
    gains.iter().map(|gain| f64::from(*gain)).sum::<f64>() / gains.len().max(1) as f64
}

/// The gains of settings, side by side for the same users.
pub(super) struct Gains {
    settings: usize,
    /// User after user, each with one gain a setting.
    values: Vec<f32>,
}

impl Gains {
    pub(super) fn new(settings: usize) -> Gains {
        Gains { settings, values: Vec::new() }
    }

    /// Adds the gains of one user.
    pub(super) fn push(&mut self, gains: &[f32]) {
        self.values.extend_from_slice(gains);
    }

    fn users(&self) -> usize {
        self.values.len() / self.settings.max(1)
    }

    /// The mean of a setting.
    pub(super) fn mean(&self, setting: usize) -> f64 {
        let own = self.values.iter().skip(setting).step_by(self.settings);
        own.map(|gain| f64::from(*gain)).sum::<f64>() / self.users().max(1) as f64
    }

    /// The setting of the highest mean; of equal ones the first.
    pub(super) fn best(&self) -> usize {
        let means: Vec<f64> = (0..self.settings).map(|setting| self.mean(setting)).collect();
        (1..self.settings).fold(0, |best, at| if means[at] > means[best] { at } else { best })
    }
}
