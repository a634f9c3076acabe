//! A number by which two datasets are told to hold the same pairs, without keeping either.
//!
//! ```text
//! Σ over pairs of h(user, item, weight)  mod 2^128
//! ```
//!
//! A version of a model keeps that of the data that it learned from. Who believes to know all that has
//! changed since takes what is new out of the sum of now and puts what is gone back in: where the
//! two agree, it was all. It is no secret and no defence against somebody who looks for two datasets
//! of one sum.

use tastedb_storage::{InteractionId, ItemId, Snapshot, UserId};

use crate::dataset::Dataset;
use crate::model::Changed;
use crate::seeded::number;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataSum {
    /// The sum over the pairs.
    pub sum: u128,
    /// Interactions of this id and higher ones came later.
    pub next: InteractionId,
    /// How many interactions of all tables had been deleted by then; `None` in versions from before they
    /// were counted.
    pub deleted: Option<u64>,
}

impl DataSum {
    /// That of a dataset that was read from a state.
    pub(crate) fn of(data: &Dataset, state: &Snapshot) -> DataSum {
        DataSum::at(sum_of(data), state)
    }

    /// A sum over the pairs of a state.
    pub(crate) fn at(sum: u128, state: &Snapshot) -> DataSum {
        let deleted = Some(state.deleted_interactions());
        DataSum { sum, next: state.next_interaction(), deleted }
    }

    /// The sum with what users had before in place of what they have after, or the other way round.
    #[must_use]
    pub(crate) fn with(self, changed: &[Changed], direction: Direction) -> DataSum {
        let mut sum = self.sum;
        for Changed { user, before, after } in changed {
            let (gone, new) = match direction {
                Direction::Forwards => (before, after),
                Direction::Backwards => (after, before),
            };
            for (item, weight) in gone {
                sum = sum.wrapping_sub(pair(*user, *item, *weight));
            }
            for (item, weight) in new {
                sum = sum.wrapping_add(pair(*user, *item, *weight));
            }
        }
        DataSum { sum, ..self }
    }

    /// As it is written.
    pub(crate) fn encode(self) -> String {
        let deleted = self.deleted.map(|deleted| format!(" {deleted}")).unwrap_or_default();
        format!("{:032x} {}{deleted}", self.sum, self.next.0)
    }

    /// Reads what was written.
    pub(crate) fn decode(text: &str) -> Option<DataSum> {
        let mut fields = text.split(' ');
        let sum = u128::from_str_radix(fields.next()?, 16).ok()?;
        let next = InteractionId(fields.next()?.parse().ok()?);
        let deleted = fields.next().map(str::parse).transpose().ok()?;
        fields.next().is_none().then_some(DataSum { sum, next, deleted })
    }
}

/// Which way changes are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From what was to what is.
    Forwards,
    /// From what is to what was.
    Backwards,
}

fn sum_of(data: &Dataset) -> u128 {
    let mut sum = 0u128;
    for (user, (items, weights)) in data.users.iter().zip(data.by_user.rows()) {
        for (item, weight) in items.iter().zip(weights) {
            sum = sum.wrapping_add(pair(*user, data.items[*item as usize], *weight));
        }
    }
    sum
}

fn pair(user: UserId, item: ItemId, weight: f32) -> u128 {
    let half =
        |seed: u64| number(number(number(seed, user.0), item.0), u64::from(weight.to_bits()));
    u128::from(half(1)) << 64 | u128::from(half(2))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn data(pairs: &[(u64, u64, f32)]) -> Dataset {
        let items = (1..5).map(ItemId).collect();
        let pairs = pairs.iter().map(|(user, item, w)| (UserId(*user), ItemId(*item), *w, None));
        Dataset::build(items, pairs).unwrap()
    }

    #[test]
    fn what_changed_leads_from_one_sum_to_the_other_and_nothing_else_does() {
        let before = data(&[(1, 1, 1.0), (1, 2, 1.0), (2, 3, 0.5)]);
        let after = data(&[(1, 2, 1.0), (2, 3, 0.5), (3, 4, 2.0)]);
        let of = |data: &Dataset| DataSum {
            sum: sum_of(data),
            next: InteractionId(9),
            deleted: Some(7),
        };
        let (from, to) = (of(&before), of(&after));
        let one = Changed {
            user: UserId(1),
            before: vec![(ItemId(1), 1.0), (ItemId(2), 1.0)],
            after: vec![(ItemId(2), 1.0)],
        };
        let other = Changed { user: UserId(3), before: vec![], after: vec![(ItemId(4), 2.0)] };
        let all = [one.clone(), other.clone()];
        assert_eq!(from.with(&all, Direction::Forwards), to);
        assert_eq!(to.with(&all, Direction::Backwards), from);
        assert_ne!(to.with(&all[..1], Direction::Backwards), from);
        let swapped = [Changed { user: UserId(3), ..one }, Changed { user: UserId(1), ..other }];
        assert_ne!(from.with(&swapped, Direction::Forwards), to);
        let heavier = data(&[(1, 1, 1.0), (1, 2, 1.0), (2, 3, 0.25)]);
        assert_ne!(of(&heavier).sum, from.sum);
        for deleted in [None, Some(7)] {
            let sum = DataSum { deleted, ..from };
            assert_eq!(DataSum::decode(&sum.encode()), Some(sum));
        }
        assert_eq!(DataSum::decode(&format!("{} 8", from.encode())), None);
        assert_eq!(DataSum::decode("xyz 1"), None);
    }
}
