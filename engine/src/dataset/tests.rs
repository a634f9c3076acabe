//! The matrix against maps built the slow way.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn pair() -> impl Strategy<Value = Pair> {
    (0u64..12, 0u64..15, -3i8..4, prop::option::of(0i64..50))
        .prop_map(|(user, item, weight, time)| (UserId(user), ItemId(item), weight.into(), time))
}

proptest! {
    #[test]
    fn agrees_with_a_map(pairs in prop::collection::vec(pair(), 0..120)) {
        // Items 0 to 11 are live; 12 to 14 are not.
        let items: Vec<ItemId> = (0..12).map(ItemId).collect();
        let data = Dataset::build(items, pairs.clone()).unwrap();
        let mut expected: BTreeMap<(UserId, ItemId), (f32, i64)> = BTreeMap::new();
        for (user, item, weight, time) in pairs.into_iter().filter(|pair| pair.1.0 < 12) {
            let entry = expected.entry((user, item)).or_insert((0.0, UNKNOWN_TIME));
            entry.0 += weight;
            entry.1 = entry.1.max(time.unwrap_or(UNKNOWN_TIME));
        }
        let mut got = BTreeMap::new();
        for (user, (items, weights)) in data.by_user.rows().enumerate() {
            prop_assert!(!items.is_empty());
            for (at, (item, weight)) in items.iter().zip(weights).enumerate() {
                let time = data.times.as_ref()
                    .map_or(UNKNOWN_TIME, |times| times[data.by_user.range(user).start + at]);
                got.insert((data.users[user], data.items[*item as usize]), (*weight, time));
            }
        }
        prop_assert_eq!(&got, &expected);
        prop_assert_eq!(data.n_pairs(), expected.len());
        prop_assert_eq!(data.by_item.n_rows(), 12);
        for (item, (users, weights)) in data.by_item.rows().enumerate() {
            for (user, weight) in users.iter().zip(weights) {
                let key = (data.users[*user as usize], data.items[item]);
                prop_assert_eq!(expected[&key].0, *weight);
            }
        }
        prop_assert_eq!(data.by_item.transpose(), data.by_user);
    }
}

#[test]
fn an_infinite_weight_is_refused() {
    let pair = (UserId(1), ItemId(1), f32::INFINITY, None);
    assert!(matches!(Dataset::build(vec![ItemId(1)], [pair]), Err(Error::NotFinite { .. })));
    let huge = (UserId(1), ItemId(1), f32::MAX, None);
    assert!(matches!(Dataset::build(vec![ItemId(1)], [huge, huge]), Err(Error::NotFinite { .. })));
}

#[test]
fn parts_that_do_not_fit_make_no_matrix() {
    assert!(Csr::from_parts(3, vec![0, 2], vec![0, 2], vec![1.0, 1.0]).is_some());
    assert!(Csr::from_parts(3, vec![0, 2], vec![2, 0], vec![1.0, 1.0]).is_none());
    assert!(Csr::from_parts(2, vec![0, 2], vec![0, 2], vec![1.0, 1.0]).is_none());
    assert!(Csr::from_parts(3, vec![0, 3], vec![0, 2], vec![1.0, 1.0]).is_none());
    assert!(Csr::from_parts(3, vec![0, 2, 1, 2], vec![0, 2], vec![1.0, 1.0]).is_none());
}
