//! The probability that one of several independent draws is the highest, which is what an explored
//! place of a Thompson-sampled slate has for a propensity.
//!
//! P(i is best) = ∫ f_i(x) · Π_{j ≠ i} F_j(x) dx. All distributions share one grid, fine where a narrow
//! one is; the logarithm of the product is kept for the rows that are left, so a place costs one sum
//! over the grid, and a row that goes costs one more. Deterministic; off by less than one in 10,000.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::posterior::{EDGE, Posterior};

/// Panels for each standard deviation of the narrowest distribution at a place.
const PER_SPREAD: f64 = 4.0;

/// Panels at most; where more would be needed, all get wider.
const MOST_PANELS: usize = 4_000;

/// The logarithm that stands for a probability of nothing.
const NEVER: f64 = -690.0;

/// Draws that compete.
pub(super) struct Race<'a> {
    posteriors: &'a [Posterior],
    grid: Grid,
    /// At each node, the logarithm of the probability that all draws left are below.
    below: Vec<f64>,
}

impl<'a> Race<'a> {
    /// A race of some of the posteriors.
    pub(super) fn new(posteriors: &'a [Posterior], open: &[usize]) -> Race<'a> {
        let mut counts: HashMap<(u64, u64), (usize, f64)> = HashMap::new();
        for place in open {
            counts.entry(posteriors[*place].key()).or_insert((*place, 0.0)).1 += 1.0;
        }
        // In the order of the places, so that sums are the same every time.
        let mut kinds: Vec<(usize, f64)> = counts.into_values().collect();
        kinds.sort_unstable_by_key(|(place, _)| *place);
        let different: Vec<Entrant> =
            kinds.iter().map(|(place, _)| Entrant::new(posteriors[*place])).collect();
        let grid = Grid::over(&different);
        let mut below = vec![0.0; grid.nodes.len()];
        for (entrant, (_, count)) in different.iter().zip(&kinds) {
            grid.each_below(entrant, |node, log| below[node] += count * log);
        }
        Race { posteriors, grid, below }
    }

    /// A row that is in it no longer.
    pub(super) fn remove(&mut self, place: usize) {
        let Race { posteriors, grid, below } = self;
        grid.each_below(&Entrant::new(posteriors[place]), |node, log| below[node] -= log);
    }

    /// The probability that the draw of a row that is left is the highest.
    pub(super) fn best(&self, place: usize) -> f64 {
        let entrant = Entrant::new(self.posteriors[place]);
        let mut others = self.below.clone();
        self.grid.each_below(&entrant, |node, log| others[node] -= log);
        let density = entrant.posterior.density();
        let Entrant { low, high, .. } = entrant;
        let (mut won, mut total) = (0.0, 0.0);
        let value = |node: usize| {
            let Node { x, log_x, log_rest } = self.grid.nodes[node];
            if x < low || x > high { 0.0 } else { density(log_x, log_rest) }
        };
        // Simpson's rule: a panel has a node at each end and one in the middle.
        for first in (0..self.grid.nodes.len().saturating_sub(2)).step_by(2) {
            let width = self.grid.nodes[first + 2].x - self.grid.nodes[first].x;
            for (node, part) in [(first, 1.0), (first + 1, 4.0), (first + 2, 1.0)] {
                let mass = width * part * value(node);
                total += mass;
                // Rounding may leave a sum of logarithms just above 0.
                won += mass * others[node].min(0.0).exp();
            }
        }
        if total > 0.0 { won / total } else { 0.0 }
    }
}

/// A distribution and where its draws are.
#[derive(Clone, Copy)]
struct Entrant {
    posterior: Posterior,
    low: f64,
    high: f64,
    /// The width of a panel that follows its density.
    step: f64,
}

impl Entrant {
    fn new(posterior: Posterior) -> Entrant {
        let (low, high) = posterior.range();
        Entrant { posterior, low, high, step: posterior.spread() / PER_SPREAD }
    }
}

/// A point at which distributions are looked at.
#[derive(Clone, Copy)]
struct Node {
    x: f64,
    log_x: f64,
    log_rest: f64,
}

impl Node {
    fn at(x: f64) -> Node {
        Node { x, log_x: x.ln(), log_rest: (-x).ln_1p() }
    }
}

/// Panels side by side, with the points of their integrals.
struct Grid {
    /// Ends and middles of the panels, ascending.
    nodes: Vec<Node>,
    /// Two points between a node and the next, for Gauss's rule.
    between: Vec<[Node; 2]>,
}

impl Grid {
    fn over(entrants: &[Entrant]) -> Grid {
        let mut entrants = entrants.to_vec();
        entrants.sort_by(|a, b| a.low.total_cmp(&b.low));
        let mut ends = panels(&entrants);
        while ends.len() > MOST_PANELS {
            entrants.iter_mut().for_each(|entrant| entrant.step *= 2.0);
            ends = panels(&entrants);
        }
        let mut nodes: Vec<Node> = Vec::with_capacity(2 * ends.len());
        for end in ends {
            if let Some(last) = nodes.last() {
                nodes.push(Node::at(0.5 * (last.x + end)));
            }
            nodes.push(Node::at(end));
        }
        let between = nodes.windows(2).map(|pair| {
            let (middle, half) = (0.5 * (pair[0].x + pair[1].x), 0.5 * (pair[1].x - pair[0].x));
            let away = half / 3.0_f64.sqrt();
            [Node::at(middle - away), Node::at(middle + away)]
        });
        Grid { between: between.collect(), nodes }
    }

    /// Tells for each node the logarithm of the probability of a draw below it, where that is not 1.
    fn each_below(&self, entrant: &Entrant, mut tell: impl FnMut(usize, f64)) {
        let density = entrant.posterior.density();
        let Entrant { low, high, .. } = *entrant;
        let mut below = 0.0_f64;
        for (at, node) in self.nodes.iter().enumerate() {
            if node.x > high {
                break;
            }
            if at > 0 && node.x > low {
                let half = 0.5 * (node.x - self.nodes[at - 1].x);
                let points = &self.between[at - 1];
                let mass: f64 =
                    points.iter().map(|point| density(point.log_x, point.log_rest)).sum();
                below = (below + half * mass).min(1.0);
            }
            tell(at, if below > 0.0 { below.ln().max(NEVER) } else { NEVER });
        }
    }
}

/// The ends of panels over all ranges, in the order of whose lower ends they come, each as wide as the
/// narrowest distribution there allows.
fn panels(ranges: &[Entrant]) -> Vec<f64> {
    let Some(first) = ranges.first() else { return Vec::new() };
    let mut ends = vec![first.low];
    let mut x = first.low;
    let mut next = 0;
    // Steps are positive, and the bits of positive numbers are in their order.
    let mut active: BinaryHeap<(Reverse<u64>, usize)> = BinaryHeap::new();
    loop {
        while next < ranges.len() && ranges[next].low <= x {
            active.push((Reverse(ranges[next].step.to_bits()), next));
            next += 1;
        }
        while active.peek().is_some_and(|(_, at)| ranges[*at].high <= x) {
            active.pop();
        }
        let mut to = match (active.peek(), ranges.get(next)) {
            // The highest of many draws that are bounded lies close to the bound.
            (Some((_, at)), _) => (x + ranges[*at].step.min(0.25 * (1.0 - x))).min(1.0 - EDGE),
            (None, Some(range)) => range.low,
            (None, None) => return ends,
        };
        for range in &ranges[next..] {
            if range.low >= to {
                break;
            }
            to = to.min(range.low.max(x) + range.step);
        }
        // Where a step is lost in rounding, or x is at its end.
        if to <= x {
            return ends;
        }
        ends.push(to);
        x = to;
        if ends.len() > MOST_PANELS {
            return ends;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(posteriors: &[Posterior]) -> Vec<f64> {
        let open: Vec<usize> = (0..posteriors.len()).collect();
        let race = Race::new(posteriors, &open);
        open.iter().map(|place| race.best(*place)).collect()
    }

    #[test]
    fn probabilities_add_up_and_agree_with_draws() {
        let posteriors = [(0.0, 0.0), (0.0, 0.0), (2.0, 20.0), (30.0, 200.0), (9_000.0, 100_000.0)]
            .map(|(clicks, impressions)| Posterior::new(clicks, impressions, 0.09));
        let exact = all(&posteriors);
        assert!((exact.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{exact:?}");
        assert!((exact[0] - exact[1]).abs() < 1e-12);
        let n = 40_000;
        let mut wins = [0.0; 5];
        for round in 0..n {
            let draws = posteriors.iter().enumerate();
            let draws = draws.map(|(at, beta)| (beta.draw(round, at as u64), at));
            let best = draws.max_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |best| best.1);
            wins[best] += 1.0 / n as f64;
        }
        for (won, exact) in wins.iter().zip(&exact) {
            assert!((won - exact).abs() < 0.01, "{wins:?} {exact:?}");
        }
    }

    /// What nobody has seen is drawn from a skewed distribution, and its largest of many draws lies
    /// far out in the tail.
    #[test]
    fn rows_that_are_alike_have_the_same_chance_however_many_they_are() {
        for n in [1, 7, 1_000] {
            for posterior in [Posterior::new(0.0, 0.0, 0.01), Posterior::new(0.0, 0.0, 0.9)] {
                for found in all(&vec![posterior; n]) {
                    assert!((found * n as f64 - 1.0).abs() < 1e-4, "{n} {found}");
                }
            }
        }
    }

    #[test]
    fn two_normal_distributions_compete_by_their_distance() {
        // With so many impressions a Beta is a normal distribution.
        let a = Posterior::new(5_000_000.0, 50_000_000.0, 0.1);
        let b = Posterior::new(5_003_000.0, 50_000_000.0, 0.1);
        let distance = (b.mean() - a.mean()) / (a.spread().powi(2) + b.spread().powi(2)).sqrt();
        assert!((distance - 1.0).abs() < 0.01, "{distance}");
        let found = all(&[a, b, Posterior::new(1.0, 100.0, 0.1)]);
        // The normal distribution at 1 is .8413; the third is above both now and then.
        let share = found[1] / (found[0] + found[1]);
        assert!((share - 0.8413).abs() < 0.002, "{found:?}");
        assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-4, "{found:?}");
    }

    #[test]
    fn what_is_removed_was_never_there() {
        let posteriors: Vec<Posterior> =
            (0..40).map(|at| Posterior::new(f64::from(at % 7), f64::from(at * 9), 0.05)).collect();
        let open: Vec<usize> = (0..40).collect();
        let mut race = Race::new(&posteriors, &open);
        // The favourites go, so that what is left is decided where none of it mattered before.
        let mut order = open.clone();
        order.sort_by(|a, b| race.best(*b).total_cmp(&race.best(*a)));
        order[..30].iter().for_each(|place| race.remove(*place));
        let rest = Race::new(&posteriors, &order[30..]);
        for place in &order[30..] {
            let (found, expected) = (race.best(*place), rest.best(*place));
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }
}
