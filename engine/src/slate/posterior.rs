//! What is known of an item's click rate from impressions and clicks, as Thompson sampling needs it:
//! draws, and the density that the probability of the highest draw is made of ([`Race`](super::race)).
//!
//! The posterior is Beta(1 + clicks, b + impressions − clicks), with a prior whose mean is the click
//! rate of all items (Chapelle and Li 2011 have the method). Both parameters are at least 1, so its
//! density is bounded.

use crate::seeded::number;

/// A Beta distribution with parameters of 1 or more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Posterior {
    a: f64,
    b: f64,
}

/// The distance from 0 and 1 that ranges keep, where logarithms end.
pub(super) const EDGE: f64 = 1e-12;

/// What a tail may hold that is left out of account, as the logarithm of its bound: 2e-12.
const TAIL: f64 = -27.0;

impl Posterior {
    /// After so many clicks on so many impressions, where all items together have the click rate
    /// `overall`. Counts may be fractions, as fading ones are; clicks that nobody saw an impression
    /// for count as impressions too.
    pub fn new(clicks: f64, impressions: f64, overall: f64) -> Posterior {
        let clicks = clicks.max(0.0);
        let misses = (impressions - clicks).max(0.0);
        let overall = overall.clamp(1e-6, 1.0);
        Posterior { a: 1.0 + clicks, b: ((1.0 - overall) / overall).max(1.0) + misses }
    }

    /// The mean.
    pub fn mean(&self) -> f64 {
        self.a / (self.a + self.b)
    }

    /// A draw that depends on the seed and on what it is about, and on nothing else.
    pub fn draw(&self, seed: u64, about: u64) -> f64 {
        let mut draws = Draws { seed: number(seed, about), at: 0 };
        let x = draws.gamma(self.a);
        let y = draws.gamma(self.b);
        x / (x + y)
    }

    /// Where draws are, but for tails that do not count. Both ends are inside of 0..1.
    ///
    /// Chernoff's bound of a tail of a Beta distribution with mean m and n = a + b is
    /// exp(−n · KL(m, x)), with the divergence of two coins.
    pub(super) fn range(&self) -> (f64, f64) {
        let (mean, n) = (self.mean(), self.a + self.b);
        let tail =
            |x: f64| n * (mean * (x / mean).ln() + (1.0 - mean) * ((1.0 - x) / (1.0 - mean)).ln());
        let end = |mut inside: f64, mut outside: f64| {
            for _ in 0..32 {
                let middle = 0.5 * (inside + outside);
                if tail(middle) > TAIL { inside = middle } else { outside = middle }
            }
            outside.clamp(EDGE, 1.0 - EDGE)
        };
        (end(mean, 0.0), end(mean, 1.0))
    }

    /// The standard deviation.
    pub(super) fn spread(&self) -> f64 {
        let n = self.a + self.b;
        (self.a * self.b / (n * n * (n + 1.0))).sqrt()
    }

    /// The density, as a function of the logarithms of x and of 1 − x.
    pub(super) fn density(&self) -> impl Fn(f64, f64) -> f64 + use<> {
        let Posterior { a, b } = *self;
        let scale = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b);
        move |log_x, log_rest| ((a - 1.0) * log_x + (b - 1.0) * log_rest + scale).exp()
    }

    /// Bits that tell it apart from others.
    pub(super) fn key(&self) -> (u64, u64) {
        (self.a.to_bits(), self.b.to_bits())
    }
}

/// The logarithm of the gamma function from 1 on: Stirling's series, shifted to where it is exact.
fn ln_gamma(x: f64) -> f64 {
    let mut x = x;
    let mut shift = 0.0;
    while x < 12.0 {
        shift += x.ln();
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series = (1.0 / 12.0
        - inverse * (1.0 / 360.0 - inverse * (1.0 / 1260.0 - inverse * (1.0 / 1680.0))))
        / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - shift
}

/// A row of numbers that belong to one draw.
struct Draws {
    seed: u64,
    at: u64,
}

impl Draws {
    /// Between 0 and 1, neither of them.
    fn uniform(&mut self) -> f64 {
        self.at += 1;
        ((number(self.seed, self.at) >> 12) as f64 + 0.5) / (1u64 << 52) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// From the gamma distribution of a shape of 1 or more: Marsaglia and Tsang (2000).
    fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        let c = (9.0 * d).sqrt().recip();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.uniform().ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
                return d * v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_mean_and_spread_of_the_distribution() {
        for (clicks, impressions) in [(0.0, 0.0), (3.0, 40.0), (500.0, 2_000.0)] {
            let posterior = Posterior::new(clicks, impressions, 0.1);
            let n = 20_000;
            let draws: Vec<f64> = (0..n).map(|about| posterior.draw(7, about)).collect();
            let mean = draws.iter().sum::<f64>() / n as f64;
            let spread = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
            let sum = posterior.a + posterior.b;
            let expected = posterior.a * posterior.b / (sum * sum * (sum + 1.0));
            assert!((mean - posterior.mean()).abs() < 4.0 * (expected / n as f64).sqrt());
            assert!((spread / expected - 1.0).abs() < 0.06, "{spread} {expected}");
        }
    }

    #[test]
    fn a_range_leaves_nothing_out_that_counts() {
        for (clicks, impressions, overall) in [
            (0.0, 0.0, 0.5),
            (0.0, 0.0, 0.01),
            (3.0, 40.0, 0.1),
            (9e5, 9e6, 0.1),
            (50.0, 50.0, 0.9),
        ] {
            let posterior = Posterior::new(clicks, impressions, overall);
            let (low, high) = posterior.range();
            assert!(0.0 < low && low < posterior.mean() && posterior.mean() < high && high < 1.0);
            let draws = (0..2_000).map(|about| posterior.draw(5, about));
            assert!(draws.into_iter().all(|draw| low <= draw && draw <= high), "{posterior:?}");
            // Where there are many impressions, it is a normal distribution.
            assert!(impressions < 1e6 || high - low < 20.0 * posterior.spread(), "{low} {high}");
        }
    }
}
