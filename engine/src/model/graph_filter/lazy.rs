//! Many exponents at once, for a few users, without counting anything beforehand.
//!
//! A row of the co-occurrences is x Xᵀ D_u^−2a X: first the users who share items with a history,
//! then their items. Four values of s and four of a are carried along as sixteen lanes of one cache
//! line, and t is applied at the end; so one pass over the neighbourhood of a history ranks the items
//! for all of them.

use crate::model::gain::{DEPTH, gain};
use crate::model::holdout::{Case, Holdout};

/// Values of s, and of a, in one pass.
pub(super) const LANES: usize = 4;
const BOTH: usize = LANES * LANES;

/// The exponents to try: every a with every s and every t.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    pub(super) user: [f64; LANES],
    pub(super) history: [f64; LANES],
    pub(super) item: Vec<f64>,
}

impl Grid {
    /// The settings in the order of the gains: by t, then a, then s.
    pub(super) fn settings(&self) -> Vec<super::terms::Exponents> {
        let mut all = Vec::with_capacity(self.item.len() * BOTH);
        for item in &self.item {
            for user in &self.user {
                for history in &self.history {
                    all.push(super::terms::Exponents {
                        user: *user,
                        history: *history,
                        item: *item,
                    });
                }
            }
        }
        all
    }
}

/// Powers of the degrees of one split.
pub(super) struct Powers {
    /// d_u^−2a of each user.
    user: Vec<[f32; LANES]>,
    /// d_i^−s of each item.
    history: Vec<[f32; LANES]>,
    /// d_i^−t of each item, by t.
    item: Vec<Vec<f32>>,
}

impl Powers {
    pub(super) fn new(split: &Holdout, grid: &Grid) -> Powers {
        let data = &split.data;
        let power = |degree: usize, exponent: f64| match degree {
            0 => 0.0,
            degree => (degree as f64).powf(-exponent) as f32,
        };
        Powers {
            user: (0..data.n_users())
                .map(|user| grid.user.map(|a| power(data.by_user.degree(user), 2.0 * a)))
                .collect(),
            history: (0..data.n_items())
                .map(|item| grid.history.map(|s| power(data.by_item.degree(item), s)))
                .collect(),
            item: grid
                .item
                .iter()
                .map(|t| (0..data.n_items()).map(|i| power(data.by_item.degree(i), *t)).collect())
                .collect(),
        }
    }
}

/// Memory that is used again for the next user.
#[derive(Default)]
pub(super) struct Scratch {
    users: Vec<[f32; LANES]>,
    met: Vec<u32>,
    items: Vec<[f32; BOTH]>,
    touched: Vec<u32>,
}

impl Scratch {
    pub(super) fn new(split: &Holdout) -> Scratch {
        Scratch {
            users: vec![[0.0; LANES]; split.data.n_users()],
            met: Vec::new(),
            items: vec![[0.0; BOTH]; split.data.n_items()],
            touched: Vec::new(),
        }
    }
}

/// The gain of a user under every setting of the grid.
pub(super) fn gains(
    split: &Holdout,
    powers: &Powers,
    case: &Case,
    scratch: &mut Scratch,
) -> Vec<f32> {
    let (by_user, by_item) = (&split.data.by_user, &split.data.by_item);
    let Scratch { users, met, items, touched } = scratch;
    for item in &case.history {
        let own = powers.history[*item as usize];
        for user in by_item.row(*item as usize).0 {
            let sum = &mut users[*user as usize];
            if sum[0] == 0.0 {
                met.push(*user);
            }
            for (sum, own) in sum.iter_mut().zip(own) {
                *sum += own;
            }
        }
    }
    for user in met.drain(..) {
        let sum = std::mem::take(&mut users[user as usize]);
        let mut lanes = [0f32; BOTH];
        for (a, weight) in powers.user[user as usize].iter().enumerate() {
            for (s, sum) in sum.iter().enumerate() {
                lanes[a * LANES + s] = weight * sum;
            }
        }
        for item in by_user.row(user as usize).0 {
            let score = &mut items[*item as usize];
            if score[0] == 0.0 {
                touched.push(*item);
            }
            for (score, lane) in score.iter_mut().zip(lanes) {
                *score += lane;
            }
        }
    }
    // What the user has is not ranked.
    for item in &case.history {
        items[*item as usize] = [0.0; BOTH];
    }
    touched.sort_unstable();
    let mut gains = Vec::with_capacity(powers.item.len() * BOTH);
    for scale in &powers.item {
        let mut best: [Best; BOTH] = std::array::from_fn(|_| Best::default());
        let mut thresholds = [0f32; BOTH];
        for item in touched.iter() {
            let scale = scale[*item as usize];
            let mut scores = items[*item as usize];
            let mut any = false;
            for (score, threshold) in scores.iter_mut().zip(thresholds) {
                *score *= scale;
                any |= *score > threshold;
            }
            if any {
                for lane in 0..BOTH {
                    if scores[lane] > thresholds[lane] {
                        thresholds[lane] = best[lane].offer(*item, scores[lane]);
                    }
                }
            }
        }
        gains.extend(best.iter().map(|best| gain(best.rows(), &case.hidden, case.hidden.len())));
    }
    for item in touched.drain(..) {
        items[item as usize] = [0.0; BOTH];
    }
    gains
}

/// The best rows of one lane, best first; of equal ones the lower row, as rows are offered in order.
#[derive(Default)]
struct Best {
    rows: [u32; DEPTH],
    scores: [f32; DEPTH],
    len: usize,
}

impl Best {
    /// Takes a row in, and gives the score that the next one must beat.
    fn offer(&mut self, row: u32, score: f32) -> f32 {
        let mut at = if self.len < DEPTH { self.len } else { DEPTH - 1 };
        self.len = self.len.max(at + 1);
        while at > 0 && self.scores[at - 1] < score {
            self.scores[at] = self.scores[at - 1];
            self.rows[at] = self.rows[at - 1];
            at -= 1;
        }
        self.scores[at] = score;
        self.rows[at] = row;
        if self.len == DEPTH { self.scores[DEPTH - 1] } else { 0.0 }
    }

    fn rows(&self) -> &[u32] {
        &self.rows[..self.len]
    }
}
