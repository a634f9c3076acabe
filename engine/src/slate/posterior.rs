//! What is known of an item's click rate from impressions and clicks, as Thompson sampling needs it:
//! draws, and the probability that an item's draw is the highest of all.
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

/// Points at which a density is looked at.
const NODES: usize = 512;

/// How many standard deviations around the mean are looked at.
const REACH: f64 = 9.0;

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

    /// The probability that a draw of this one exceeds a draw of each of `others`, by numerical
    /// integration over its own density.
    pub fn best_probability(&self, others: &[Posterior]) -> f64 {
        let (low, high) = self.range();
        let nodes = (0..NODES).map(|at| low + (high - low) * (at as f64 + 0.5) / NODES as f64);
        let nodes: Vec<(f64, f64)> = nodes.map(|x| (x, self.log_density(x))).collect();
        let top = nodes.iter().fold(f64::NEG_INFINITY, |top, (_, density)| top.max(*density));
        let (mut total, mut won) = (0.0, 0.0);
        for (x, density) in nodes {
            let weight = (density - top).exp();
            total += weight;
            // What is too little to change the sum is not worth the other distributions.
            if weight > 1e-12 {
                won += weight * product_below(others, x);
            }
        }
        won / total
    }

    fn range(&self) -> (f64, f64) {
        let n = self.a + self.b;
        let reach = REACH * (self.a * self.b / (n * n * (n + 1.0))).sqrt();
        ((self.mean() - reach).max(0.0), (self.mean() + reach).min(1.0))
    }

    /// Up to a constant.
    fn log_density(&self, x: f64) -> f64 {
        (self.a - 1.0) * x.ln() + (self.b - 1.0) * (-x).ln_1p()
    }

    /// The regularised incomplete beta function: the probability of a draw below `x`.
    fn below(&self, x: f64) -> f64 {
        let (a, b) = (self.a, self.b);
        if x <= 0.0 || x >= 1.0 {
            return f64::from(u8::from(x >= 1.0));
        }
        let front =
            (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
        // The fraction converges fast on this side of the mean only.
        if x < (a + 1.0) / (a + b + 2.0) {
            front * fraction(a, b, x) / a
        } else {
            1.0 - front * fraction(b, a, 1.0 - x) / b
        }
    }
}

fn product_below(others: &[Posterior], x: f64) -> f64 {
    let mut product = 1.0;
    for other in others {
        product *= match other.range() {
            (_, high) if x >= high => 1.0,
            _ => other.below(x),
        };
        if product < 1e-300 {
            return 0.0;
        }
    }
    product
}

/// The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guard = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = guard(1.0 - (a + b) * x / (a + 1.0)).recip();
    let mut value = d;
    for step in 1..10_000 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        for term in [even, odd] {
            d = guard(1.0 + term * d).recip();
            c = guard(1.0 + term / c);
            value *= c * d;
        }
        if (c * d - 1.0).abs() < 1e-14 {
            break;
        }
    }
    value
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
    fn the_incomplete_beta_function_has_known_values() {
        // Binomial tails: I_x(k, n − k + 1) is the chance of k or more of n.
        let tail = |k: i32, n: i32, x: f64| -> f64 {
            let choose =
                |i: i32| (0..i).map(|j| f64::from(n - j) / f64::from(j + 1)).product::<f64>();
            (k..=n).map(|i| choose(i) * x.powi(i) * (1.0 - x).powi(n - i)).sum()
        };
        for (k, n) in [(1, 1), (1, 30), (4, 9), (20, 40), (40, 40)] {
            for x in [0.01, 0.3, 0.5, 0.9] {
                let beta = Posterior { a: f64::from(k), b: f64::from(n - k + 1) };
                assert!((beta.below(x) - tail(k, n, x)).abs() < 1e-10, "{k} {n} {x}");
            }
        }
    }

    #[test]
    fn probabilities_of_being_best_add_up_and_agree_with_draws() {
        let all = [(0.0, 0.0), (0.0, 0.0), (2.0, 20.0), (30.0, 200.0), (9_000.0, 100_000.0)]
            .map(|(clicks, impressions)| Posterior::new(clicks, impressions, 0.09));
        let exact: Vec<f64> = (0..all.len())
            .map(|at| {
                let others: Vec<Posterior> =
                    (0..all.len()).filter(|other| *other != at).map(|at| all[at]).collect();
                all[at].best_probability(&others)
            })
            .collect();
        assert!((exact.iter().sum::<f64>() - 1.0).abs() < 2e-4, "{exact:?}");
        assert!((exact[0] - exact[1]).abs() < 1e-12);
        let n = 40_000;
        let mut wins = [0.0; 5];
        for round in 0..n {
            let draws = all.iter().enumerate().map(|(at, beta)| (beta.draw(round, at as u64), at));
            let best = draws.max_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |best| best.1);
            wins[best] += 1.0 / n as f64;
        }
        for (won, exact) in wins.iter().zip(&exact) {
            assert!((won - exact).abs() < 0.01, "{wins:?} {exact:?}");
        }
    }
}
