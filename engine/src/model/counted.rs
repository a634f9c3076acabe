//! The pairs that a model counts: those that speak for an item, and of a very long history a part,
//! since its pairs of items grow with its square. Nothing is weighed here.

use tastedb_storage::ItemId;

use super::holdout::with_pairs;
use crate::seeded::number;
use crate::{Csr, Dataset};

/// Pairs of positive weight, each counting one, of each user so many at most.
pub(super) fn counted(data: &Dataset, limit: usize) -> Dataset {
    with_pairs(data, positive(&data.by_user, &data.items, limit))
}

/// The part of the rows of users that [`counted`] keeps.
pub(super) fn positive(by_user: &Csr, items: &[ItemId], limit: usize) -> Csr {
    part(by_user, items, limit, |weight| (weight > 0.0).then_some(1.0))
}

/// The data with so many items of each user at most, whatever their weights; `None` where nobody has
/// more.
pub(super) fn capped(data: &Dataset, limit: usize) -> Option<Dataset> {
    if (0..data.n_users()).all(|user| data.by_user.degree(user) <= limit) {
        return None;
    }
    Some(with_pairs(data, part(&data.by_user, &data.items, limit, Some)))
}

/// So many entries of each row at most, of those that `value` gives a value. Which of a longer row
/// depends on the items alone, so it is no other part tomorrow.
fn part(by_user: &Csr, items: &[ItemId], limit: usize, value: impl Fn(f32) -> Option<f32>) -> Csr {
    let mut indptr = vec![0];
    let mut entries: Vec<(u32, f32)> = Vec::with_capacity(by_user.len());
    for (columns, weights) in by_user.rows() {
        let start = entries.len();
        let both = columns.iter().zip(weights);
        entries.extend(both.filter_map(|(item, weight)| Some((*item, value(*weight)?))));
        let own = &mut entries[start..];
        if own.len() > limit {
            own.sort_unstable_by_key(|(item, _)| number(0, items[*item as usize].0));
            own[..limit].sort_unstable_by_key(|(item, _)| *item);
            entries.truncate(start + limit);
        }
        indptr.push(entries.len());
    }
    let (indices, values) = entries.into_iter().unzip();
    Csr::from_parts(items.len(), indptr, indices, values).expect("a part of each row, in its order")
}
