//! Interactions hidden from the training pairs, to choose settings by.
//!
//! Only training pairs are looked at, and only those of positive weight are hidden. Some users have a
//! fifth of their items hidden, everyone else stays whole. They are drawn so that what is left of their
//! histories is as long as histories are: with shorter ones than it will meet, a choice would lean on
//! popularity. Where there are few users, the same is done several times, so that it does not hang on a
//! handful of hidden pairs.

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
    /// The row in the matrix of what is left.
    pub(super) user: u32,
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
    let degrees: Vec<usize> = data.by_user.rows().map(|row| positive(row).count()).collect();
    let with = |degree| -> Vec<usize> {
        (0..data.n_users()).filter(|user| degrees[*user] >= degree).collect()
    };
    let mut users = with(DEGREE);
    if users.len() < USERS / 5 {
        users = with(2);
    }
    if users.is_empty() {
        return Vec::new();
    }
    draw(data, &degrees, &mut users, seed);
    let mut hidden = 0;
    let enough = users.iter().take_while(|user| {
        hidden += share(degrees[**user]);
        hidden <= HIDDEN
    });
    let enough = enough.count().clamp(1, USERS);
    users.truncate(enough);
    let rounds = if hidden > FEW { 1 } else { FEW.div_ceil(hidden.max(1)).min(ROUNDS) };
    users.sort_unstable();
    (0..rounds).map(|round| holdout(data, &users, number(seed, round as u64 + 1))).collect()
}

/// The items that a row speaks for.
fn positive<'a>((items, weights): (&'a [u32], &'a [f32])) -> impl Iterator<Item = u32> + 'a {
    let both = items.iter().zip(weights);
    both.filter(|(_, weight)| **weight > 0.0).map(|(item, _)| *item)
}

/// How many of so many items are hidden.
fn share(items: usize) -> usize {
    ((items + SHARE / 2) / SHARE).max(1)
}

/// Puts users into an order in which the first of them are a sample whose histories, without what is
/// hidden, are as long as all users' are. (Weighted sampling by exponential keys, Efraimidis and
/// Spirakis 2006.)
fn draw(data: &Dataset, degrees: &[usize], users: &mut Vec<usize>, seed: u64) {
    let bin = |items: usize| (4.0 * (items.max(1) as f64).log2()) as usize;
    let mut wanted = [0f64; 4 * 32];
    let mut there = wanted;
    for degree in degrees.iter().filter(|degree| **degree > 0) {
        wanted[bin(*degree)] += 1.0;
    }
    let left = |user: usize| bin(degrees[user] - share(degrees[user]));
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
    let mut values = Vec::with_capacity(data.n_pairs());
    indptr.push(0);
    let mut asked = users.iter().peekable();
    for (user, (items, weights)) in data.by_user.rows().enumerate() {
        if asked.next_if(|next| **next == user).is_none() {
            indices.extend_from_slice(items);
            values.extend_from_slice(weights);
        } else {
            let own = number(seed, data.users[user].0);
            let mut hidden: Vec<u32> = positive((items, weights)).collect();
            hidden.sort_unstable_by_key(|item| number(own, data.items[*item as usize].0));
            hidden.truncate(share(hidden.len()));
            hidden.sort_unstable();
            let start = indices.len();
            for (item, weight) in items.iter().zip(weights) {
                if hidden.binary_search(item).is_err() {
                    indices.push(*item);
                    values.push(*weight);
                }
            }
            let history = indices[start..].to_vec();
            cases.push((own, Case { user: user as u32, history, hidden }));
        }
        indptr.push(indices.len());
    }
    let by_user = Csr::from_parts(data.n_items(), indptr, indices, values)
        .expect("a part of each row, in its order");
    // In no order of anything, so that the first of them stand for all.
    cases.sort_unstable_by_key(|(own, _)| *own);
    let cases = cases.into_iter().map(|(_, case)| case).collect();
    Holdout { data: with_pairs(data, by_user), cases }
}

/// The same users and items with other pairs, without times.
pub(super) fn with_pairs(data: &Dataset, by_user: Csr) -> Dataset {
    let by_item = by_user.transpose();
    Dataset { users: data.users.clone(), items: data.items.clone(), by_user, by_item, times: None }
}
