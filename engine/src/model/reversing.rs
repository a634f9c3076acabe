//! Approximate unlearning of models that are trained by gradients: reversed comparisons.
//!
//! ```text
//! L = mean over pairs that stay     of −ln σ(⟨u, i⟩ − ⟨u, j⟩)
//!   + w · mean over pairs that go   of −ln σ(⟨u, j⟩ − ⟨u, i⟩)
//! ```
//!
//! From the rows that the training ended with, on a graph without the pairs that go, for a few short
//! epochs of Adam: what is to be forgotten is pushed below items drawn at random, and pairs that stay
//! hold the rest in its place (reverse BPR, MMRecUn: Sinha et al. 2024). It ends when the forgotten is
//! found no better than what the training hid from itself was found, which is as well as a model finds what it
//! has never seen; then the pairs that stay are trained on alone until they are found as before. Where
//! either does not come about in time, the model is trained again.
//!
//! Somebody who is forgotten whole is nobody's neighbour in the graph, and is represented by a vector
//! of their own while this lasts. Not here: that anything is proven. What a model gives away is
//! measured by the vacuum, and by EVALUATE FORGETTING.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tastedb_storage::{ItemId, UserId};

use super::learning::{Learned, Way};
use crate::seeded::number;
use crate::trainer::{Learner, Question, Table};
use crate::{Dataset, Result, Work};

/// How much a reversed comparison counts.
pub(super) const WEIGHT: f32 = 1.0;
/// Steps are so many times as long as those of the training. Longer ones take fewer epochs, and hurt what
/// is like the forgotten and was never seen more (validation recall of `freedom` on tiktok: .026 with
/// three times the rate, .018 with six; .030 of a model that was trained without).
pub(super) const RATE: f32 = 3.0;
/// A short epoch takes one in so many of the pairs that stay.
const SHARE: usize = 8;
/// Short epochs at most, with reversed comparisons and without.
const ROUNDS: usize = 12;
/// The forgotten may be found better than what was never seen by so many standard errors: so much is
/// chance.
const ERRORS: f64 = 2.0;
/// Reversed comparisons of a part, at least, as long as there are as many pairs.
const LEAST: usize = 64;
/// People who are asked about of each kind, at most.
const ASKED: usize = 2_000;
/// How much worse than before pairs that stay may be found in the end.
const LOSS: f64 = 0.02;

/// What a training has learned and its successor is to undo.
#[derive(Debug, Default)]
pub(crate) struct Forgotten {
    /// The pairs, ascending.
    pub(super) pairs: Vec<(UserId, ItemId)>,
    /// What came of it.
    pub(super) outcome: Mutex<Option<Outcome>>,
}

/// What came of an unlearning.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// Whether it ended as it should.
    pub(super) done: bool,
    /// In words.
    pub(super) how: String,
}

/// The same in the rows of a dataset, while it is being undone.
#[derive(Debug)]
pub(super) struct Reversal {
    /// User and item rows.
    pairs: Vec<[u32; 2]>,
    reversing: AtomicBool,
}

impl Forgotten {
    /// The pairs in the rows of data, which has a row for each of their users.
    pub(super) fn rows(&self, data: &Dataset) -> Reversal {
        let row =
            |(user, item): &(UserId, ItemId)| Some([data.user_row(*user)?, data.item_row(*item)?]);
        let pairs = self.pairs.iter().filter_map(row).collect();
        Reversal { pairs, reversing: AtomicBool::new(true) }
    }

    /// Data with an empty row for each user of the pairs who has none.
    pub(super) fn with_rows(&self, data: &Dataset) -> Dataset {
        let mut users = data.users.clone();
        users.extend(self.pairs.iter().map(|(user, _)| *user));
        users.sort_unstable();
        users.dedup();
        let (mut indptr, mut end) = (vec![0], 0);
        for user in &users {
            end += data.user_row(*user).map_or(0, |row| data.by_user.degree(row as usize));
            indptr.push(end);
        }
        let by_user = &data.by_user;
        let (indices, values) = (by_user.indices().to_vec(), by_user.values().to_vec());
        let by_user = crate::Csr::from_parts(data.n_items(), indptr, indices, values)
            .expect("the same rows, and empty ones");
        let by_item = by_user.transpose();
        Dataset { users, items: data.items.clone(), by_user, by_item, times: None }
    }

    fn end(&self, done: bool, how: String) {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        *outcome = Some(Outcome { done, how });
    }
}

impl Reversal {
    /// How many pairs that stay a short epoch takes.
    pub(super) fn kept(&self, pairs: usize) -> usize {
        pairs.div_ceil(SHARE)
    }

    /// The pairs to reverse in a part of a short epoch.
    pub(super) fn part(&self, epoch: usize, at: usize, parts: usize) -> Vec<[u32; 2]> {
        if self.pairs.is_empty() || !self.reversing.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let each = self.pairs.len().div_ceil(parts.max(1)).max(LEAST.min(self.pairs.len()));
        // One after the other, from a place of their own in each epoch.
        let start = number(epoch as u64, 7) as usize % self.pairs.len() + at * each;
        (start..start + each).map(|at| self.pairs[at % self.pairs.len()]).collect()
    }

    /// Vectors of people who have nothing left, as the training would have begun them.
    pub(super) fn represent(&self, data: &Dataset, people: f32, table: &mut Table) {
        let users = data.n_users();
        for own in self.pairs.chunk_by(|a, b| a[0] == b[0]) {
            let user = own[0][0] as usize;
            if data.by_user.degree(user) > 0 {
                continue;
            }
            let mut sum = vec![0f32; table.stride()];
            for [_, item] in own {
                let row = table.row(users + *item as usize);
                sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
            let scale = people / (own.len() as f32).sqrt();
            table.row_mut(user).iter_mut().zip(&sum).for_each(|(to, value)| *to = scale * value);
        }
    }

    /// Who is asked about what is to be forgotten: with what is left of them, or with half of what is
    /// not. With them, how many are of the second kind.
    fn questions(&self, data: &Dataset, seed: u64) -> (Vec<Question>, usize) {
        let (mut questions, mut halves) = (Vec::new(), 0);
        for own in self.pairs.chunk_by(|a, b| a[0] == b[0]) {
            let user = own[0][0];
            let mut hidden: Vec<u32> = own.iter().map(|pair| pair[1]).collect();
            let mut history = data.by_user.row(user as usize).0.to_vec();
            if history.is_empty() {
                hidden.sort_unstable_by_key(|item| number(seed, u64::from(*item)));
                history = hidden.split_off(hidden.len().div_ceil(2));
                if history.is_empty() {
                    continue;
                }
                halves += 1;
            }
            hidden.sort_unstable();
            questions.push((number(seed, u64::from(user)), Question { history, hidden }));
        }
        questions.sort_by_key(|(order, _)| *order);
        let share = halves as f64 / questions.len().max(1) as f64;
        questions.truncate(ASKED);
        let n = questions.len() as f64;
        (questions.into_iter().map(|(_, question)| question).collect(), (share * n) as usize)
    }
}

/// What an unlearning goes by.
pub(super) struct Undoing<'a> {
    pub(super) forgotten: &'a Forgotten,
    pub(super) reversal: &'a Reversal,
    pub(super) data: &'a Dataset,
    /// How histories become vectors.
    pub(super) way: Way,
    /// The recall of what the training hid from itself: with the rest of the histories, and with half.
    pub(super) levels: [f64; 2],
    /// Questions about pairs that stay.
    pub(super) kept: &'a [Question],
    pub(super) seed: u64,
}

impl Undoing<'_> {
    /// Runs short epochs of a learner that begins where the training ended.
    pub(super) fn run<L: Learner<State = Learned>>(
        &self,
        learner: &mut L,
        work: &Work,
    ) -> Result<()> {
        let (asked, halves) = self.reversal.questions(self.data, self.seed);
        let share = halves as f64 / asked.len().max(1) as f64;
        let level = (1.0 - share) * self.levels[0] + share * self.levels[1];
        let hidden: usize = asked.iter().map(|question| question.hidden.len()).sum();
        let error = (level * (1.0 - level) / hidden.max(1) as f64).sqrt();
        let enough_forgotten = |recall: f64| recall <= level + ERRORS * error;
        let kept = &self.kept[..self.kept.len().min(ASKED)];
        if asked.is_empty() || kept.is_empty() {
            let how = "undone approximately: nobody could be asked what comes of it".to_owned();
            self.forgotten.end(false, how);
            return Ok(());
        }
        let recalls = |state: &Learned| {
            let fold = state.fold(self.way);
            [state.recall(&fold, &asked), state.recall(&fold, kept)]
        };
        let begin = recalls(&learner.state());
        let (mut now, mut rounds) = (begin, [0; 2]);
        let enough = |kept: f64| kept >= (1.0 - LOSS) * begin[1];
        while rounds[0] + rounds[1] < ROUNDS {
            let reversing = !enough_forgotten(now[0]);
            if !reversing && enough(now[1]) {
                break;
            }
            self.reversal.reversing.store(reversing, Ordering::Relaxed);
            let round = rounds[0] + rounds[1] + 1;
            work.step("short epochs", round as u64 - 1, ROUNDS as u64)?;
            learner.epoch(round, work)?;
            rounds[usize::from(!reversing)] += 1;
            now = recalls(&learner.state());
        }
        work.step("short epochs", ROUNDS as u64, ROUNDS as u64)?;
        let done = enough_forgotten(now[0]) && enough(now[1]);
        let how = format!(
            "undone approximately: {} short epochs with reversed comparisons and {} without; \
             recall@20 of the forgotten {:.4}, then {:.4} (of what was never seen {level:.4}), of \
             the kept {:.4}, then {:.4}",
            rounds[0], rounds[1], begin[0], now[0], begin[1], now[1]
        );
        self.forgotten.end(done, how);
        Ok(())
    }
}
