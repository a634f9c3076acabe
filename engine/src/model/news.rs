//! What came since a model was trained, as its refresh reads it.
//!
//! The histories that changed are given where they are remembered, before and after; all pairs are
//! read only if a model asks for them, so that a refresh that can do without costs what changed.

use std::sync::OnceLock;

use tastedb_storage::{ItemId, UserId};

use crate::{Csr, Dataset, Result, SideData};

/// What one user has, as a [`Dataset`] has it: ascending by item, weights of the same item summed.
pub type Pairs = Vec<(ItemId, f32)>;

/// The pairs of one user when the model was trained, and now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changed {
    /// Who.
    pub user: UserId,
    /// When the model was trained.
    pub before: Pairs,
    /// Now.
    pub after: Pairs,
}

impl Changed {
    /// The users whose pairs are not the same in two datasets.
    pub fn between(before: &Dataset, after: &Dataset) -> Vec<Changed> {
        let mut users: Vec<UserId> = before.users.iter().chain(&after.users).copied().collect();
        users.sort_unstable();
        users.dedup();
        let pairs = |data: &Dataset, user: UserId| -> Pairs {
            let Some(row) = data.user_row(user) else { return Pairs::new() };
            let (items, weights) = data.by_user.row(row as usize);
            let ids = items.iter().map(|item| data.items[*item as usize]);
            ids.zip(weights.iter().copied()).collect()
        };
        users
            .into_iter()
            .map(|user| Changed { user, before: pairs(before, user), after: pairs(after, user) })
            .filter(|changed| changed.before != changed.after)
            .collect()
    }
}

/// How all pairs are read.
type Reader<'a> = Box<dyn Fn() -> Result<Dataset> + Send + Sync + 'a>;

/// What is new.
pub struct News<'a> {
    items: Vec<ItemId>,
    side: &'a SideData,
    changed: Option<Vec<Changed>>,
    read: Reader<'a>,
    all: OnceLock<Dataset>,
}

impl<'a> News<'a> {
    /// News about items that ascend. `changed` holds every user whose pairs are not those that the
    /// model was trained on, each once; `None` where that is not known. `read` gives all pairs.
    pub fn new(
        items: Vec<ItemId>,
        side: &'a SideData,
        changed: Option<Vec<Changed>>,
        read: impl Fn() -> Result<Dataset> + Send + Sync + 'a,
    ) -> News<'a> {
        News { items, side, changed, read: Box::new(read), all: OnceLock::new() }
    }

    /// The items now, ascending.
    pub fn items(&self) -> &[ItemId] {
        &self.items
    }

    /// What is known about the items beside the interactions.
    pub fn side(&self) -> &'a SideData {
        self.side
    }

    /// All pairs, read when first asked for.
    pub fn data(&self) -> Result<&Dataset> {
        if let Some(data) = self.all.get() {
            return Ok(data);
        }
        let data = (self.read)()?;
        Ok(self.all.get_or_init(|| data))
    }

    /// The pairs that users had and do not have any more, if that is known.
    pub(super) fn removed(&self) -> Option<Vec<(UserId, ItemId)>> {
        let mut removed = Vec::new();
        for Changed { user, before, after } in self.changed.as_ref()? {
            let kept = |item: &ItemId| {
                let at = after.binary_search_by_key(item, |(other, _)| *other);
                at.is_ok_and(|at| after[at].1 > 0.0)
            };
            let gone = before.iter().filter(|(item, weight)| *weight > 0.0 && !kept(item));
            removed.extend(gone.map(|(item, _)| (*user, *item)));
        }
        Some(removed)
    }

    /// Whether users have pairs that they had not; also where that is not known.
    pub(super) fn adds(&self) -> bool {
        let new = |Changed { before, after, .. }: &Changed| {
            after.iter().any(|(item, weight)| {
                let at = before.binary_search_by_key(item, |(other, _)| *other);
                *weight > 0.0 && !at.is_ok_and(|at| before[at].1 > 0.0)
            })
        };
        self.changed.as_ref().is_none_or(|changed| changed.iter().any(new))
    }

    /// All pairs, if a refresh has asked for them.
    pub(crate) fn into_read(self) -> Option<Dataset> {
        self.all.into_inner()
    }

    /// The users whose pairs changed, if they are known and no item of `known` is gone: then the rows
    /// of those items are what they were, and new items follow.
    fn changed(&self, known: &[ItemId]) -> Option<&[Changed]> {
        self.changed.as_deref().filter(|_| self.items.starts_with(known))
    }

    /// The users whose pairs changed, if they are known and the items of `known` that are left come first,
    /// in their order: then new items follow.
    fn changed_among(&self, known: &[ItemId]) -> Option<&[Changed]> {
        let mut left = known.iter().filter(|item| self.items.binary_search(item).is_ok());
        let mut now = self.items.iter();
        self.changed.as_deref().filter(|_| left.all(|item| now.next() == Some(item)))
    }

    /// Some of the pairs as rows of a matrix of the items now: those of users, a row each.
    fn matrix<'p>(&self, rows: impl Iterator<Item = &'p Pairs>) -> Csr {
        let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for pairs in rows {
            for (item, weight) in pairs {
                if let Ok(row) = self.items.binary_search(item) {
                    indices.push(row as u32);
                    values.push(*weight);
                }
            }
            indptr.push(indices.len());
        }
        Csr::from_parts(self.items.len(), indptr, indices, values)
            .expect("pairs ascend by item, each once")
    }
}

/// The pairs of the users who changed, a user in the same row of both, in the rows of the items now.
pub(super) struct Moves {
    pub(super) before: Csr,
    pub(super) after: Csr,
}

impl Moves {
    /// The moves, where they are known and no item of `known` is gone.
    pub(super) fn of(news: &News<'_>, known: &[ItemId]) -> Option<Moves> {
        Some(Moves::made(news, news.changed(known)?))
    }

    /// The moves in the items that are left, where they are known: pairs with items that are gone are
    /// in neither.
    pub(super) fn of_what_stays(news: &News<'_>, known: &[ItemId]) -> Option<Moves> {
        Some(Moves::made(news, news.changed_among(known)?))
    }

    fn made(news: &News<'_>, changed: &[Changed]) -> Moves {
        let before = news.matrix(changed.iter().map(|user| &user.before));
        let after = news.matrix(changed.iter().map(|user| &user.after));
        Moves { before, after }
    }

    /// The number of users.
    pub(super) fn users(&self) -> usize {
        self.after.n_rows()
    }
}

/// What was taken out of the data that a model was trained on.
#[derive(Clone, Copy, Debug)]
pub struct TakenOut<'a> {
    /// The pairs of each user of whom something was taken out, before and after.
    pub changed: &'a [Changed],
    /// The items that nobody has any more, since they are gone; their pairs are in `changed`, too.
    pub gone: &'a [ItemId],
}

/// A model that was brought up to date.
pub struct Refreshed {
    /// The model.
    pub model: Box<dyn super::Model>,
    /// What was done for it, in a few words.
    pub how: String,
    /// Whether it is what the data now makes of its settings, whatever the model before had learned.
    pub anew: bool,
}
