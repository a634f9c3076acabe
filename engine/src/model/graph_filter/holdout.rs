//! Interactions hidden from the training pairs, to choose settings by.
//!
//! Only training pairs are looked at. Some users have a fifth of their items hidden, everyone else
//! stays whole; where there are few users, the same is done several times, so that the choice does
//! not hang on a handful of hidden pairs.

use crate::model::graph_filter::binary;
use crate::seeded::number;
use crate::{Csr, Dataset};

/// Users that have items hidden, at most.
const USERS: usize = 5_000;
/// Items that are hidden in all, about, at most: they, and not the users, make a figure certain.
const HIDDEN: usize = 40_000;
/// Fewer hidden items than this, and the split is repeated.
const FEW: usize = 1_000;
/// Repetitions at most.
const ROUNDS: usize = 5;
/// Items a user must have; where too few have as many, two will do.
const DEGREE: usize = 3;
/// The share of a user's items that is hidden: one in this many.
const SHARE: usize = 5;

/// A user some of whose items are hidden.
pub(super) struct Case {
    /// What is left.
    pub(super) history: Vec<u32>,
    /// What is hidden, ascending.
    pub(super) hidden: Vec<u32>,
}

/// The pairs that are left, and the users to ask about.
pub(super) struct Holdout {
    pub(super) data: Dataset,
    pub(super) cases: Vec<Case>,
}

/// The splits of a matrix; none where no user has two items.
pub(super) fn holdouts(data: &Dataset, seed: u64) -> Vec<Holdout> {
    let with = |degree| -> Vec<usize> {
        (0..data.n_users()).filter(|user| data.by_user.degree(*user) >= degree).collect()
    };
    let mut users = with(DEGREE);
    if users.len() < USERS * 3 / 5 {
        users = with(2);
    }
    if users.is_empty() {
        return Vec::new();
    }
    users.sort_unstable_by_key(|user| (number(seed, data.users[*user].0), *user));
    let mut hidden = 0;
    let enough = users.iter().take_while(|user| {
        hidden += data.by_user.degree(**user) / SHARE + 1;
        hidden <= HIDDEN
    });
    let enough = enough.count().clamp(1, USERS);
    users.truncate(enough);
    let rounds = if hidden > FEW { 1 } else { FEW.div_ceil(hidden.max(1)).min(ROUNDS) };
    users.sort_unstable();
    (0..rounds).map(|round| holdout(data, &users, number(seed, round as u64 + 1))).collect()
}

fn holdout(data: &Dataset, users: &[usize], seed: u64) -> Holdout {
    let mut cases = Vec::with_capacity(users.len());
    let mut indptr = Vec::with_capacity(data.n_users() + 1);
    let mut indices = Vec::with_capacity(data.n_pairs());
    indptr.push(0);
    let mut asked = users.iter().peekable();
    for (user, (items, _)) in data.by_user.rows().enumerate() {
        if asked.next_if(|next| **next == user).is_none() {
            indices.extend_from_slice(items);
        } else {
            let own = number(seed, data.users[user].0);
            let mut order: Vec<u32> = items.to_vec();
            order.sort_unstable_by_key(|item| number(own, data.items[*item as usize].0));
            let count = ((items.len() + SHARE / 2) / SHARE).max(1);
            let (hidden, history) = order.split_at_mut(count);
            hidden.sort_unstable();
            history.sort_unstable();
            indices.extend_from_slice(history);
            cases.push((own, Case { history: history.to_vec(), hidden: hidden.to_vec() }));
        }
        indptr.push(indices.len());
    }
    let values = vec![1.0; indices.len()];
    let by_user = Csr::from_parts(data.n_items(), indptr, indices, values)
        .expect("a part of each row, in its order");
    // In no order of anything, so that the first of them stand for all.
    cases.sort_unstable_by_key(|(own, _)| *own);
    let cases = cases.into_iter().map(|(_, case)| case).collect();
    Holdout { data: binary(data, by_user), cases }
}
