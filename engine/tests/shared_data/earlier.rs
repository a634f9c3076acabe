//! A dataset as it was before its last pairs came.

#![expect(clippy::unwrap_used, reason = "tests")]

use tastedb_engine::Dataset;

/// The dataset without so large a share of its pairs, those of so many users at most.
pub(crate) fn without(data: &Dataset, share: f64, users: f64) -> Dataset {
    // A number for each pair that has nothing to do with its place.
    let mixed = |user: u64, item: u64| -> f64 {
        let mut x =
            user.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ item.wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 31)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x >> 11) as f64 / (1u64 << 53) as f64
    };
    let rows = data.users.iter().zip(data.by_user.rows()).enumerate();
    let pairs = rows.flat_map(|(row, (user, (items, weights)))| {
        let kept = items.iter().zip(weights).filter(move |(item, _)| {
            row as f64 >= users || mixed(user.0, u64::from(**item)) >= share
        });
        kept.map(|(item, weight)| (*user, data.items[*item as usize], *weight, None))
            .collect::<Vec<_>>()
    });
    Dataset::build(data.items.clone(), pairs.collect::<Vec<_>>()).unwrap()
}
