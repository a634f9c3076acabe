//! A dataset some of whose items are as if they had come after the training, and how these are ranked.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt;

use tastedb_engine::model::Model;
use tastedb_engine::{Allow, Dataset, History, ScoreInput, Served, top_k};
use tastedb_storage::ItemId;

use crate::data::Split;

/// The best that count.
const K: usize = 20;

/// What is left for the training.
pub(crate) struct Cold {
    pub(crate) train: Dataset,
    /// The rows of the new items among all, ascending.
    pub(crate) new: Vec<u32>,
}

/// How new items are ranked, and the others beside them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Recall@20 of held-out new items among all items.
    pub(crate) new_among_all: f64,
    /// The same among the new items.
    pub(crate) new_among_new: f64,
    /// What chance would find among the new items.
    pub(crate) chance: f64,
    /// Recall@20 of the other held-out items among all items.
    pub(crate) known: f64,
    /// The share of the new items in the best twenty, and in what is held out.
    pub(crate) shown: f64,
    pub(crate) wanted: f64,
}

/// The training data without one item in so many.
pub(crate) fn without_items(split: &Split, one_in: u64) -> Cold {
    let all = &split.train;
    let is_new =
        |item: &ItemId| (item.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32).is_multiple_of(one_in);
    let new = (0u32..).zip(&all.items).filter(|(_, item)| is_new(item)).map(|(row, _)| row);
    let items = all.items.iter().copied().filter(|item| !is_new(item)).collect();
    let rows = all.users.iter().zip(all.by_user.rows());
    let pairs = rows.flat_map(|(user, (items, weights))| {
        let pairs = items.iter().zip(weights);
        pairs.map(|(item, weight)| (*user, all.items[*item as usize], *weight, None))
    });
    Cold { train: Dataset::build(items, pairs.collect::<Vec<_>>()).unwrap(), new: new.collect() }
}

/// Ranks all items for everybody with something held out.
pub(crate) fn measure(model: &dyn Model, split: &Split, cold: &Cold) -> Figures {
    let n = split.train.n_items();
    let is_new = |row: &u32| cold.new.binary_search(row).is_ok();
    let mut sums = [[0f64; 2]; 3];
    let (mut shown, mut places, mut wanted, mut held) = (0, 0, 0, 0);
    let mut scores = vec![0f32; n];
    let task = split.task();
    for case in task.cases {
        let history: Vec<(u32, f32)> =
            case.history.iter().filter(|(row, _)| !is_new(row)).copied().collect();
        let input = ScoreInput {
            history: History::new(&history),
            items: task.items,
            side: &split.side,
            vectors: &[],
        };
        if model.score(&input, &mut scores) == Served::No {
            continue;
        }
        history.iter().for_each(|(row, _)| scores[*row as usize] = f32::NAN);
        let best: Vec<u32> = top_k(&scores, K, Allow::All).iter().map(|best| best.row).collect();
        shown += best.iter().filter(|row| is_new(row)).count();
        places += best.len();
        let (new, known): (Vec<u32>, Vec<u32>) =
            case.held_out.iter().copied().partition(|row| is_new(row));
        wanted += new.len();
        held += case.held_out.len();
        let among: Vec<f32> = cold.new.iter().map(|row| scores[*row as usize]).collect();
        let within = top_k(&among, K, Allow::All);
        let within: Vec<u32> = within.iter().map(|best| cold.new[best.row as usize]).collect();
        for (sum, (of, list)) in
            sums.iter_mut().zip([(&new, &best), (&new, &within), (&known, &best)])
        {
            if !of.is_empty() {
                let hits = of.iter().filter(|row| list.contains(row)).count();
                sum[0] += hits as f64 / of.len() as f64;
                sum[1] += 1.0;
            }
        }
    }
    let [new_among_all, new_among_new, known] = sums.map(|[sum, n]| sum / f64::max(n, 1.0));
    Figures {
        new_among_all,
        new_among_new,
        chance: K as f64 / cold.new.len().max(1) as f64,
        known,
        shown: f64::from(shown as u32) / f64::max(places as f64, 1.0),
        wanted: f64::from(wanted as u32) / f64::max(held as f64, 1.0),
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "new items: recall@20 {:.4} among all, {:.4} among themselves (chance {:.4}), {:.4} of the \
             best twenty ({:.4} of what is held out); known items {:.4}",
            self.new_among_all,
            self.new_among_new,
            self.chance,
            self.shown,
            self.wanted,
            self.known,
        )
    }
}
