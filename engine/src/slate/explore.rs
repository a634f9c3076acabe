//! Giving places of a slate away to learn something, with the probability of every choice.
//!
//! Each place is explored with probability `share`, by a coin of its own. What stands there then is
//! drawn from the rows that could: all alike, or (in-slate Thompson sampling: a sample of its own for
//! each place) the one whose drawn click rate is the highest. The propensity of a row is the
//! probability that it stands at its place, given the rows at the places before:
//! `(1 − share) · [it is the one that would stand there unexplored] + share · P(it is drawn)`.

use super::posterior::Posterior;
use super::race::Race;
use crate::seeded::number;

/// How rows are drawn.
#[derive(Clone, Copy, Debug)]
pub enum Draw<'a> {
    /// Each row alike.
    Uniform,
    /// By what is known of the click rates of the pool's places.
    Thompson(&'a [Posterior]),
}

/// Exploration of one slate.
#[derive(Clone, Copy, Debug)]
pub struct Explore<'a> {
    /// The probability of a place to be explored, 0 to 1.
    pub share: f64,
    /// How rows are drawn.
    pub draw: Draw<'a>,
    /// The same seed, pool and posteriors give the same slate.
    pub seed: u64,
    /// Whether propensities are asked for; with posteriors they cost more than the draws.
    pub propensities: bool,
}

impl Explore<'_> {
    /// What stands at a place of the slate: one of `open`, which ascend and hold `greedy`, the choice
    /// without exploration.
    pub(super) fn choose(&self, at: usize, greedy: usize, open: &[usize]) -> usize {
        let seed = number(self.seed, at as u64);
        if unit(number(seed, 0)) >= self.share {
            return greedy;
        }
        let drawn = match self.draw {
            Draw::Uniform => {
                // The high half of a product is uniform below the other factor.
                let product = u128::from(number(seed, 1)) * open.len() as u128;
                open.get((product >> 64) as usize)
            }
            Draw::Thompson(posteriors) => {
                let rate = |place: &usize| posteriors[*place].draw(seed, 1 + *place as u64);
                let draws = open.iter().map(|place| (rate(place), place));
                // Of equal draws the better ranked.
                draws.rev().max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, place)| place)
            }
        };
        drawn.copied().unwrap_or(greedy)
    }

    /// What the probabilities of the places that are `open` at first are told by.
    pub(super) fn odds(&self, open: &[usize]) -> Option<Odds<'_>> {
        let draw = match self.draw {
            _ if !self.propensities => return None,
            _ if self.share == 0.0 => OddsOf::Nothing,
            Draw::Uniform => OddsOf::Uniform,
            Draw::Thompson(posteriors) => OddsOf::Race(posteriors, Vec::new(), None),
        };
        let mut odds = Odds { share: self.share, draw };
        odds.only(open);
        Some(odds)
    }
}

/// The probabilities of one place after the other.
pub(super) struct Odds<'a> {
    share: f64,
    draw: OddsOf<'a>,
}

enum OddsOf<'a> {
    Nothing,
    Uniform,
    /// The race of the rows that are open.
    Race(&'a [Posterior], Vec<usize>, Option<Race<'a>>),
}

impl Odds<'_> {
    /// These are open now; both lists ascend.
    fn only(&mut self, open: &[usize]) {
        let OddsOf::Race(posteriors, known, race) = &mut self.draw else { return };
        let gone = known.iter().filter(|place| open.binary_search(place).is_err());
        let gone: Vec<usize> = gone.copied().collect();
        let come = known.len() - gone.len() < open.len();
        match race {
            // A few that go are taken out, and a race of what is left is made where most go.
            Some(race) if !come && gone.len() * 2 < known.len() => {
                gone.iter().for_each(|place| race.remove(*place));
            }
            _ => *race = Some(Race::new(posteriors, open)),
        }
        known.clear();
        known.extend_from_slice(open);
    }

    /// The probability with which [`Explore::choose`] gives `chosen`, over all seeds.
    pub(super) fn of(&mut self, chosen: usize, greedy: usize, open: &[usize]) -> f64 {
        let kept = if chosen == greedy { 1.0 - self.share } else { 0.0 };
        self.only(open);
        let drawn = match &self.draw {
            OddsOf::Nothing => return kept,
            OddsOf::Uniform => 1.0 / open.len() as f64,
            OddsOf::Race(_, _, race) => race.as_ref().map_or(0.0, |race| race.best(chosen)),
        };
        kept + self.share * drawn
    }
}

/// A fraction from 0 to below 1.
fn unit(number: u64) -> f64 {
    (number >> 11) as f64 / (1u64 << 53) as f64
}
