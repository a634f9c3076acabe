//! Slates against brute force on small instances.

use fixedbitset::FixedBitSet;
use proptest::prelude::*;

use super::{Cap, Counted, Groups, Quota, choose};

/// The least shortfall of all slates of `n` rows within the caps, by looking at each.
fn least(rows: usize, n: usize, caps: &[Cap<'_>], quotas: &[Quota<'_>]) -> Option<u32> {
    let slates = (0u32..1 << rows).filter(|set| set.count_ones() as usize == n);
    slates.filter(|set| within(*set, caps)).map(|set| shortfall(set, quotas)).min()
}

fn members(set: u32) -> impl Iterator<Item = u32> {
    (0..32).filter(move |row| set >> row & 1 == 1)
}

fn within(set: u32, caps: &[Cap<'_>]) -> bool {
    caps.iter().all(|cap| {
        (0..cap.groups.values() as u32).all(|code| {
            members(set).filter(|row| cap.groups.of(*row).contains(&code)).count() as u32
                <= cap.most
        })
    })
}

fn shortfall(set: u32, quotas: &[Quota<'_>]) -> u32 {
    let of = |quota: &Quota<'_>| {
        let count = match quota.counted {
            Counted::Rows(rows) => members(set).filter(|row| rows.contains(*row as usize)).count(),
            Counted::Distinct(groups) => {
                let mut codes: Vec<u32> = members(set)
                    .flat_map(|row| groups.of(row).to_vec())
                    .filter(|c| *c > 0)
                    .collect();
                codes.sort_unstable();
                codes.dedup();
                codes.len()
            }
        };
        quota.low.saturating_sub(count as u32) + (count as u32).saturating_sub(quota.high)
    };
    quotas.iter().map(of).sum()
}

fn groups(rows: &[Vec<u32>]) -> Groups {
    let mut groups = Groups::new();
    rows.iter().for_each(|codes| groups.push(codes));
    groups
}

#[test]
fn codes_are_ascending_and_once_and_no_value_is_none() {
    let groups = groups(&[vec![3, 1, 3], vec![], vec![2]]);
    assert_eq!(groups.of(0), [1, 3]);
    assert_eq!(groups.of(1), [super::NONE]);
    assert_eq!(groups.of(9), [super::NONE]);
    assert_eq!(groups.values(), 4);
}

#[test]
fn a_quota_costs_the_lowest_ranked_rows_and_takes_the_best_that_help() {
    let rare = FixedBitSet::with_capacity_and_blocks(8, [0b1110_0000]);
    let quota = |low| vec![Quota { counted: Counted::Rows(&rare), low, high: 9 }];
    let ranking = [0, 1, 2, 3, 4, 5, 6, 7];
    let chosen = choose(&ranking, 4, &[], |_| quota(2));
    assert_eq!(chosen.places, [0, 1, 5, 6]);
    assert_eq!((chosen.repair.swaps, chosen.repair.shortfall), (2, 0));
    let chosen = choose(&ranking, 5, &[], |_| quota(4));
    assert_eq!((chosen.repair.counts, chosen.repair.shortfall), (vec![3], 1));
    assert!(chosen.repair.proven);
}

proptest! {
    #[test]
    fn caps_hold_and_quotas_are_met_as_well_as_brute_force_can(
        brands in prop::collection::vec(0u32..4, 10),
        genres in prop::collection::vec(prop::collection::vec(1u32..5, 0..3), 10),
        set in 0usize..1 << 10,
        k in 0usize..7,
        most in 1u32..4,
        (low, span, distinct, high) in (0u32..5, 0u32..4, 0u32..6, 0u32..6),
    ) {
        let brands = groups(&brands.into_iter().map(|code| vec![code]).collect::<Vec<_>>());
        let genres = groups(&genres);
        let set = FixedBitSet::with_capacity_and_blocks(10, [set]);
        let caps = [Cap { groups: &brands, most }];
        let quotas = [
            Quota { counted: Counted::Rows(&set), low, high: low + span },
            Quota { counted: Counted::Distinct(&genres), low: distinct, high: distinct.max(high) },
        ];
        let ranking: Vec<u32> = (0..10).rev().collect();
        let chosen = choose(&ranking, k, &caps, |_| quotas.to_vec());
        let bits = chosen.places.iter().fold(0, |bits, place| bits | 1u32 << ranking[*place]);
        prop_assert_eq!(bits.count_ones() as usize, chosen.places.len());
        prop_assert!(within(bits, &caps));
        // No slate within the caps is longer.
        prop_assert!(chosen.places.len() == k || least(10, chosen.places.len() + 1, &caps, &[]).is_none());
        prop_assert_eq!(shortfall(bits, &quotas), chosen.repair.shortfall);
        prop_assert!(chosen.repair.proven);
        prop_assert_eq!(least(10, chosen.places.len(), &caps, &quotas), Some(chosen.repair.shortfall));
        prop_assert_eq!(choose(&ranking, k, &caps, |_| quotas.to_vec()), chosen);
    }
}
