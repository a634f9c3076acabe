//! Choosing a slate from rows in the order of their ranking.
//!
//! [`choose`] takes the best that caps leave room for and mends them until quotas are met;
//! [`Pool::take`] spreads a slate out and explores, within the caps, with the propensity of each row.
//!
//! It works on row numbers, codes and sets; it knows no SQL and no model. The choice is a pure
//! function of its input. Caps always hold, and cost no rows while a row that fits is left; where a
//! row has one value of each attribute that is also the most rows there can be.

mod diversify;
mod explore;
mod groups;
mod likeness;
mod posterior;
mod repair;
mod search;
mod tally;
#[cfg(test)]
mod tests;

pub use diversify::{Method, Pool, Taken};
pub use explore::{Draw, Explore};
pub use groups::{Groups, NONE};
pub use likeness::Likeness;
pub use posterior::Posterior;
pub use repair::Repair;
pub use tally::{Cap, Counted, Quota};

use tally::Tally;

/// A slate, as places in the ranking, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The places.
    pub places: Vec<usize>,
    /// How the quotas were met.
    pub repair: Repair,
}

/// Chooses up to `k` of `ranking` (rows, best first, each once). `quotas` makes the quotas of a
/// slate of the length that it is given: a share is of the rows there are.
pub fn choose<'a>(
    ranking: &[u32],
    k: usize,
    caps: &[Cap<'a>],
    quotas: impl FnOnce(usize) -> Vec<Quota<'a>>,
) -> Chosen {
    let mut tally = Tally::new(caps, &[]);
    let mut places = Vec::with_capacity(k.min(ranking.len()));
    for (place, row) in ranking.iter().enumerate() {
        if places.len() == k {
            break;
        }
        if tally.fits(*row) {
            tally.add(*row);
            places.push(place);
        }
    }
    let quotas = quotas(places.len());
    let repair = repair::repair(ranking, caps, &quotas, &mut places);
    Chosen { places, repair }
}
