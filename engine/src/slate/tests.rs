//! Slates against brute force on small instances.

use fixedbitset::FixedBitSet;
use proptest::prelude::*;

use tastedb_storage::ItemId;

use super::diversify::{Pool, Taken};
use super::plan::fill;
use super::repair::repair;
use super::{
    Cap, Chosen, Counted, Draw, Explore, Groups, Likeness, Method, Plan, Posterior, Quota, Repair,
    Spread,
};
use crate::EmbeddingMatrix;

/// A slate as places in a ranking, mended.
#[derive(Debug, PartialEq)]
struct Mended {
    places: Vec<usize>,
    repair: Repair,
}

fn choose<'a>(
    ranking: &[u32],
    k: usize,
    caps: &'a [Cap<'a>],
    quotas: impl FnOnce(usize) -> Vec<Quota<'a>>,
) -> Mended {
    let mut places = fill(ranking, k, caps);
    let quotas = quotas(places.len());
    let repair = repair(ranking, caps, &quotas, &mut places);
    Mended { places, repair }
}

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

/// The places of a slate without exploration.
fn diversify(
    rows: &[u32],
    scores: &[f32],
    likeness: Likeness<'_>,
    (method, strength): (Method, f32),
    caps: &[Cap<'_>],
    k: usize,
) -> Vec<usize> {
    let spread = Some(Spread { likeness, method, strength });
    let pool = Pool { rows, scores, spread, caps, explore: None };
    pool.take(k, None).iter().map(|taken| taken.place).collect()
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

/// Two of the set have one value, so three different ones and two of the set are too much for three
/// rows, which no bound on either alone can see.
#[test]
fn as_many_kinds_of_rows_as_rows_neither_overflow_the_stack_nor_take_forever() {
    let n = 60_000;
    let ranking: Vec<u32> = (0..n).collect();
    let values =
        groups(&ranking.iter().map(|row| vec![1 + row / 2 * (row % 2)]).collect::<Vec<_>>());
    let own = groups(&ranking.iter().map(|row| vec![1 + row]).collect::<Vec<_>>());
    let mut set = FixedBitSet::with_capacity(n as usize);
    set.extend((0..n as usize).filter(|row| row % 2 == 0));
    let quota = |counted, low| Quota { counted, low, high: u32::MAX };
    let chosen = choose(&ranking, 3, &[], |_| {
        vec![
            quota(Counted::Distinct(&values), 3),
            quota(Counted::Rows(&set), 2),
            quota(Counted::Distinct(&own), 0),
        ]
    });
    assert_eq!(chosen.places.len(), 3);
    assert_eq!((chosen.repair.shortfall, chosen.repair.proven), (1, false));
    // More different values than rows: proven at a glance.
    let chosen = choose(&ranking, 3, &[], |_| vec![quota(Counted::Distinct(&own), 50)]);
    assert_eq!((chosen.repair.shortfall, chosen.repair.proven), (47, false));
    let few = &ranking[..900];
    let chosen = choose(few, 3, &[], |_| vec![quota(Counted::Distinct(&own), 50)]);
    assert_eq!((chosen.repair.shortfall, chosen.repair.proven), (47, true));
}

#[test]
fn strength_0_is_the_ranking_and_1_looks_at_likeness_alone() {
    let brands = groups(&[vec![1], vec![1], vec![1], vec![2], vec![], vec![]]);
    let pool = [0, 1, 2, 3, 4, 5];
    let scores = [1.0, 0.9, 0.8, 0.3, 0.2, 0.1];
    for method in [Method::Mmr, Method::Dpp] {
        let of = |strength, caps: &[Cap<'_>]| {
            diversify(&pool, &scores, Likeness::Values(&brands), (method, strength), caps, 3)
        };
        assert_eq!(of(0.0, &[]), [0, 1, 2]);
        // Rows without a value are alike, too: one of them is enough.
        assert_eq!(of(1.0, &[]), [0, 3, 4]);
        assert_eq!(of(0.0, &[Cap { groups: &brands, most: 1 }]), [0, 3, 4]);
    }
}

#[test]
fn greedy_map_takes_the_row_that_adds_the_most_volume() {
    let mut matrix = EmbeddingMatrix::new("text", 3);
    let angles = [0.0_f32, 0.2, 0.7, 1.1, 1.5, 2.4];
    let ids: Vec<ItemId> = (0..angles.len() as u64).map(ItemId).collect();
    for (id, angle) in ids.iter().zip(angles) {
        let vector = [angle.cos(), angle.sin(), angle / 4.0];
        matrix.set(*id, &vector).expect("a finite vector");
    }
    let pool = [0, 1, 2, 3, 4, 5];
    let scores = [0.9, 0.8, 0.7, 0.5, 0.4, 0.0];
    let likeness = Likeness::Vectors { matrix: &matrix, ids: &ids };
    let found = diversify(&pool, &scores, likeness, (Method::Dpp, 0.4), &[], 4);
    // The same by determinants of the whole kernel: exp(alpha r) S exp(alpha r).
    let alpha = 0.6 / 0.8;
    let kernel = |a: usize, b: usize| {
        let like = if a == b { 1.0 } else { 0.99 * f64::from(matrix.cosine(a, b)) };
        (alpha * f64::from(scores[a] / 0.9 + scores[b] / 0.9)).exp() * like
    };
    let mut slow: Vec<usize> = Vec::new();
    while slow.len() < 4 {
        let volume = |place: &usize| {
            let set: Vec<usize> = slow.iter().copied().chain([*place]).collect();
            determinant(set.iter().map(|a| set.iter().map(|b| kernel(*a, *b)).collect()).collect())
        };
        let open = (0..6).filter(|place| !slow.contains(place));
        slow.extend(open.max_by(|a, b| volume(a).total_cmp(&volume(b))));
    }
    assert_eq!(found, slow);
    assert!(found != [0, 1, 2, 3], "diversity changes nothing");
}

#[test]
fn propensities_are_the_frequencies_over_seeds() {
    let brands = groups(&[vec![1], vec![1], vec![2], vec![2], vec![3]]);
    let posteriors = [(1.0, 30.0), (0.0, 5.0), (4.0, 20.0), (0.0, 0.0), (2.0, 90.0)]
        .map(|(clicks, impressions)| Posterior::new(clicks, impressions, 0.1));
    for draw in [Draw::Uniform, Draw::Thompson(&posteriors)] {
        let slate = |seed| -> Vec<Taken> {
            let pool = Pool {
                rows: &[0, 1, 2, 3, 4],
                scores: &[5.0, 4.0, 3.0, 2.0, 1.0],
                spread: Some(Spread {
                    likeness: Likeness::Values(&brands),
                    method: Method::Mmr,
                    strength: 0.5,
                }),
                caps: &[Cap { groups: &brands, most: 1 }],
                explore: Some(Explore { share: 0.4, draw, seed, propensities: true }),
            };
            pool.take(2, None)
        };
        assert_eq!(slate(3), slate(3));
        // How often each pair of rows comes, against the product of its two propensities.
        let rounds = 20_000;
        let mut pairs = std::collections::HashMap::new();
        for seed in 0..rounds {
            let slate = slate(seed);
            assert!(brands.of(slate[0].place as u32) != brands.of(slate[1].place as u32));
            let propensity = |taken: &Taken| taken.propensity.expect("asked for");
            let expected = propensity(&slate[0]) * propensity(&slate[1]);
            pairs.entry((slate[0].place, slate[1].place)).or_insert((0.0, expected)).0 += 1.0;
        }
        assert!(pairs.len() > 10, "{pairs:?}");
        for (pair, (count, expected)) in &pairs {
            let found = count / rounds as f64;
            let error = (expected * (1.0 - expected) / rounds as f64).sqrt();
            assert!((found - expected).abs() < 5.0 * error, "{pair:?}: {found} {expected}");
        }
    }
}

/// By elimination; the matrix is positive definite.
fn determinant(mut a: Vec<Vec<f64>>) -> f64 {
    let mut product = 1.0;
    for at in 0..a.len() {
        let pivot = a[at].clone();
        product *= pivot[at];
        for row in &mut a[at + 1..] {
            let factor = row[at] / pivot[at];
            row.iter_mut().zip(&pivot).for_each(|(value, above)| *value -= factor * above);
        }
    }
    product
}

proptest! {
    #[test]
    fn a_longer_slate_begins_with_the_shorter_one_and_caps_hold(
        codes in prop::collection::vec(0u32..4, 12),
        scores in prop::collection::vec(0f32..1.0, 12),
        strength in 0f32..=1.0,
        dpp: bool,
        k in 0usize..8,
    ) {
        let brands = groups(&codes.iter().map(|code| vec![*code]).collect::<Vec<_>>());
        let method = if dpp { Method::Dpp } else { Method::Mmr };
        let caps = [Cap { groups: &brands, most: 2 }];
        let pool: Vec<u32> = (0..12).collect();
        let of = |k| {
            diversify(&pool, &scores, Likeness::Values(&brands), (method, strength), &caps, k)
        };
        let (short, long) = (of(k), of(k + 1));
        prop_assert_eq!(&long[..short.len()], &short[..]);
        let bits = long.iter().fold(0, |bits, place| bits | 1u32 << pool[*place]);
        prop_assert!(within(bits, &caps));
        prop_assert!(long.len() == k + 1 || least(12, long.len() + 1, &caps, &[]).is_none());
    }
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
        // No exchange gives a better ranking, once there were exchanges.
        if chosen.repair.swaps > 0 {
            for (at, out) in chosen.places.iter().enumerate() {
                for place in (0..*out).filter(|place| !chosen.places.contains(place)) {
                    let mut other = chosen.places.clone();
                    other[at] = place;
                    let bits = other.iter().fold(0, |bits, place| bits | 1u32 << ranking[*place]);
                    prop_assert!(
                        !within(bits, &caps) || shortfall(bits, &quotas) > chosen.repair.shortfall,
                        "{} for {}", place, out
                    );
                }
            }
        }
        prop_assert_eq!(choose(&ranking, k, &caps, |_| quotas.to_vec()), chosen);
    }

    /// Where one condition counts rows of a set, exchanges lead to the best ranked slate there is.
    #[test]
    fn a_slate_that_meets_one_quota_is_the_best_ranked_that_does(
        set in 0usize..1 << 12,
        k in 0usize..7,
        (low, span) in (0u32..6, 0u32..3),
    ) {
        let rows = FixedBitSet::with_capacity_and_blocks(12, [set]);
        let quotas = [Quota { counted: Counted::Rows(&rows), low, high: low + span }];
        let ranking: Vec<u32> = (0..12).collect();
        let chosen = choose(&ranking, k, &[], |_| quotas.to_vec());
        let slates = (0u32..1 << 12).filter(|set| set.count_ones() as usize == k);
        let best = slates
            .filter(|set| shortfall(*set, &quotas) == chosen.repair.shortfall)
            .map(|set| members(set).sum::<u32>())
            .min();
        prop_assert_eq!(best, Some(chosen.places.iter().sum::<usize>() as u32));
    }

    /// Exploring leaves caps, quotas and the length of a slate as they are without.
    #[test]
    fn what_is_explored_meets_its_quotas_as_well_as_what_is_not(
        brands in prop::collection::vec(0u32..4, 10),
        genres in prop::collection::vec(prop::collection::vec(1u32..5, 0..3), 10),
        set in 0usize..1 << 10,
        (k, most, seed) in (0usize..7, 1u32..4, any::<u64>()),
        (low, span, distinct) in (0u32..5, 0u32..4, 0u32..6),
        (share, thompson) in (0.0..=1.0, any::<bool>()),
    ) {
        let brands = groups(&brands.into_iter().map(|code| vec![code]).collect::<Vec<_>>());
        let genres = groups(&genres);
        let set = FixedBitSet::with_capacity_and_blocks(10, [set]);
        let caps = [Cap { groups: &brands, most }];
        let quotas = [
            Quota { counted: Counted::Rows(&set), low, high: low + span },
            Quota { counted: Counted::Distinct(&genres), low: distinct, high: u32::MAX },
        ];
        let posteriors: Vec<Posterior> =
            (0..10).map(|at| Posterior::new(f64::from(at % 3), 10.0, 0.1)).collect();
        let draw = if thompson { Draw::Thompson(&posteriors) } else { Draw::Uniform };
        let explore = Explore { share, draw, seed, propensities: true };
        let scores: Vec<f32> = (0..10).map(|at| -(at as f32)).collect();
        let plan = Plan { caps: &caps, ..Plan::default() };
        let plain = plan.choose(&scores, k, |_| quotas.to_vec());
        let plan = Plan { explore: Some(explore), ..plan };
        let explored = plan.choose(&scores, k, |_| quotas.to_vec());
        let bits = |chosen: &Chosen| chosen.places.iter().fold(0, |bits, row| bits | 1u32 << row);
        prop_assert_eq!(explored.places.len(), plain.places.len());
        prop_assert_eq!(bits(&explored).count_ones() as usize, explored.places.len());
        prop_assert!(within(bits(&explored), &caps));
        prop_assert!(explored.repair.shortfall <= plain.repair.shortfall);
        prop_assert_eq!(shortfall(bits(&explored), &quotas), explored.repair.shortfall);
        for propensity in &explored.propensities {
            let propensity = propensity.expect("asked for");
            prop_assert!(0.0 < propensity && propensity < 1.0 + 1e-6, "{}", propensity);
        }
        prop_assert_eq!(plan.choose(&scores, k, |_| quotas.to_vec()), explored);
    }
}

/// With a quota, what may stand at a place depends on what stands before it, and so do propensities.
#[test]
fn propensities_under_quotas_are_the_frequencies_over_seeds() {
    let set = FixedBitSet::with_capacity_and_blocks(5, [0b11000]);
    let quotas = [Quota { counted: Counted::Rows(&set), low: 1, high: 5 }];
    let posteriors = [(1.0, 30.0), (0.0, 5.0), (4.0, 20.0), (0.0, 0.0), (2.0, 90.0)]
        .map(|(clicks, impressions)| Posterior::new(clicks, impressions, 0.1));
    for draw in [Draw::Uniform, Draw::Thompson(&posteriors)] {
        let slate = |seed| {
            let explore = Explore { share: 0.7, draw, seed, propensities: true };
            let plan = Plan { explore: Some(explore), ..Plan::default() };
            plan.choose(&[5.0, 4.0, 3.0, 2.0, 1.0], 2, |_| quotas.to_vec())
        };
        let rounds = 20_000;
        let mut pairs = std::collections::HashMap::new();
        for seed in 0..rounds {
            let Chosen { places, propensities, repair } = slate(seed);
            assert_eq!(repair.shortfall, 0);
            let expected: f64 = propensities.iter().flatten().product();
            pairs.entry((places[0], places[1])).or_insert((0.0, expected)).0 += 1.0;
        }
        // All ordered pairs but those of the three rows outside of the set.
        assert_eq!(pairs.len(), 20 - 6, "{pairs:?}");
        let total: f64 = pairs.values().map(|(_, expected)| expected).sum();
        assert!((total - 1.0).abs() < 1e-3, "{total}");
        for (pair, (count, expected)) in &pairs {
            let found = count / rounds as f64;
            let error = (expected * (1.0 - expected) / rounds as f64).sqrt();
            assert!((found - expected).abs() < 5.0 * error, "{pair:?}: {found} {expected}");
        }
    }
}
