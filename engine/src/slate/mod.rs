//! Choosing a slate from rows in the order of their ranking.
//!
//! [`Plan`] is the door: it takes the best rows that caps leave room for and mends them until quotas
//! are met; it spreads a slate out and explores, within the caps, with the propensity of each row.
//!
//! It works on row numbers, codes and sets; it knows no SQL and no model. The choice is a pure
//! function of its input. Caps always hold, and cost no rows while a row that fits is left; where a
//! row has one value of each attribute that is also the most rows there can be.

mod diversify;
mod explore;
mod groups;
mod guard;
mod likeness;
mod plan;
mod posterior;
mod race;
mod repair;
mod search;
mod tally;
#[cfg(test)]
mod tests;

pub use diversify::{Method, Spread};
pub use explore::{Draw, Explore};
pub use groups::{Groups, NONE};
pub use likeness::Likeness;
pub use plan::{Chosen, MOST_MENDED, MOST_SPREAD, Plan};
pub use posterior::Posterior;
pub use repair::Repair;
pub use tally::{Cap, Counted, Quota};
