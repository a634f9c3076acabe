//! Interactions hidden from the training pairs, to choose settings by.
//!
//! Only training pairs are looked at. Some users have a fifth of their items hidden, everyone else
//! stays whole. They are drawn so that what is left of their histories is as long as histories are:
//! with shorter ones than it will meet, the choice would lean on popularity. Where there are few
//! users, the same is done several times, so that it does not hang on a handful of hidden pairs.

use crate::model::graph_filter::binary;
use crate::seeded::{fraction, number};
use crate::{Csr, Dataset};

/// Users that have items hidden, at most.
const USERS: usize = 5_000;
/// Items that are hidden in all, about, at most: they, and not the users, make a figure certain.
const HIDDEN: usize = 40_000;
/// Fewer hidden items than this, and the split is repeated.
const FEW: usize = 1_000;
/// Repetitions at most.
const ROUNDS: usize = 5;
/// Items a user must have, so that two are left; what a single one tells says little about how to
/// weigh several. Where too few have as many, two will do.
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
    if users.len() < USERS / 5 {
        users = with(2);
    }
    if users.is_empty() {
        return Vec::new();
    }
    draw(data, &mut users, seed);
    let mut hidden = 0;
    let enough = users.iter().take_while(|user| {
        hidden += share(data.by_user.degree(**user));
        hidden <= HIDDEN
    });
    let enough = enough.count().clamp(1, USERS);
    users.truncate(enough);
    let rounds = if hidden > FEW { 1 } else { FEW.div_ceil(hidden.max(1)).min(ROUNDS) };
    users.sort_unstable();
    (0..rounds).map(|round| holdout(data, &users, number(seed, round as u64 + 1))).collect()
}

/// How many of so many items are hidden.
fn share(items: usize) -> usize {
    ((items + SHARE / 2) / SHARE).max(1)
}

/// Puts users into an order in which the first of them are a sample whose histories, without what is
/// hidden, are as long as all users' are. (Weighted sampling by exponential keys, Efraimidis and
/// Spirakis 2006.)
fn draw(data: &Dataset, users: &mut Vec<usize>, seed: u64) {
    let bin = |items: usize| (4.0 * (items.max(1) as f64).log2()) as usize;
    let mut wanted = [0f64; 4 * 32];
    let mut there = wanted;
    for user in 0..data.n_users() {
        match data.by_user.degree(user) {
            0 => {}
            degree => wanted[bin(degree)] += 1.0,
        }
    }
    let left = |user: usize| {
        let degree = data.by_user.degree(user);
        bin(degree - share(degree))
    };
    users.iter().for_each(|user| there[left(*user)] += 1.0);
    let key = |user: usize| {
        let weight = wanted[left(user)] / there[left(user)];
        -f64::from(fraction(seed, data.users[user].0).max(1e-7)).ln() / weight
    };
    // A length that no history has stands for nothing, unless there is no other.
    if users.iter().any(|user| wanted[left(*user)] > 0.0) {
        users.retain(|user| wanted[left(*user)] > 0.0);
    }
    users.sort_by(|a, b| key(*a).total_cmp(&key(*b)).then(a.cmp(b)));
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
            let (hidden, history) = order.split_at_mut(share(items.len()));
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
