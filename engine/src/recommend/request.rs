//! What a caller asks for: for whom, from which sources, among which candidates.
//!
//! Ids here are already resolved; text keys and SQL belong to the layers above.

use std::sync::Arc;
use std::time::Duration;

use fixedbitset::FixedBitSet;
use tastedb_storage::{ColumnId, ItemId, Read, Snapshot, TableId, UserId};

use crate::similarity::Similarity;

/// One `RECOMMEND`.
#[derive(Clone, Debug)]
pub struct Request {
    /// The table to recommend from: a table of items, or of users (`FOR ITEM` only).
    pub table: TableId,
    /// For whom or what, in the order written; histories are joined.
    pub contexts: Vec<Context>,
    /// Where scores come from; empty: the database's default model.
    pub sources: Vec<Source>,
    /// Rows of the table's [`EntityIndex`](crate::EntityIndex) that may be returned; `None`: all.
    pub candidates: Option<Arc<FixedBitSet>>,
    /// What of the user's own history is left out.
    pub seen: Vec<Seen>,
    /// How many rows to return at most.
    pub k: usize,
    /// How many of the best rows to skip.
    pub offset: usize,
    /// How many reasons to tell with each row, at most.
    pub reasons: usize,
    /// The interaction table whose histories count where no model names one.
    pub interactions: Option<TableId>,
    /// The table of the users of the contexts. Histories in interactions of others' are none of
    /// theirs, though the numbers of their ids are the same. `None`: there is but one such table.
    pub users: Option<TableId>,
    /// The same of items, where users are recommended.
    pub items: Option<TableId>,
    /// Seed of sources that draw at random.
    pub seed: u64,
    /// What is near to the vectors of the contexts, where they are all there is and no model is named;
    /// `None`: by cosine. Models compare by what they were trained with.
    pub metric: Option<Similarity>,
    /// Whether hubs are corrected there, which is for cosines; see [`Hubs`](crate::Hubs).
    pub correct_hubs: bool,
}

/// For whom or what.
#[derive(Clone, Debug, PartialEq)]
pub enum Context {
    /// A user, by their stored history.
    User(UserId),
    /// An item: what is similar to it, or, from a table of users, who would like it.
    Item(ItemId),
    /// An anonymous visitor who looked at these items, oldest first.
    Session(Vec<ItemId>),
    /// Items that are liked.
    Likes(Vec<ItemId>),
    /// Items that are disliked: they count against.
    Dislikes(Vec<ItemId>),
    /// A vector in the space of an embedding column of the item table.
    Vector(ColumnId, Vec<f32>),
}

/// Where scores come from, and how much they count.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// A model's name or a built-in one: `popular`, `trending`, `latest`, `random`.
    pub name: String,
    /// Its share where several sources are blended.
    pub weight: f32,
}

/// Interactions of the context's user that rule an item out.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// Any interaction in the table that the sources learn from.
    Default,
    /// Interactions of one kind, in a column of that name, and not older than `within` before
    /// `now`. `keep`: the reverse, only such items remain.
    Kind {
        /// The value of the `kind` column; `None`: any.
        kind: Option<String>,
        /// How far back; `None`: ever.
        within: Option<Duration>,
        /// The present, in microseconds since 1970; given by the caller.
        now: i64,
        /// `seen(…)` without NOT: only items that were seen.
        keep: bool,
    },
}

impl Request {
    /// Whether a table of interactions holds histories of this request's users.
    pub(super) fn is_about(&self, snapshot: &Snapshot, interactions: TableId) -> bool {
        let link = snapshot.catalog().table_by_id(interactions).and_then(|t| t.link.as_ref());
        self.users.is_none_or(|users| link.is_some_and(|link| link.user_table == users))
    }

    /// What is near to its vectors.
    pub(super) fn metric(&self) -> Similarity {
        self.metric.unwrap_or_default()
    }

    /// The best `k` rows of `table` for one context, seen items left out.
    pub fn new(table: TableId, context: Context, k: usize) -> Request {
        Request {
            table,
            contexts: vec![context],
            sources: Vec::new(),
            candidates: None,
            seen: vec![Seen::Default],
            k,
            offset: 0,
            reasons: 0,
            interactions: None,
            users: None,
            items: None,
            seed: 0,
            metric: None,
            correct_hubs: false,
        }
    }
}
