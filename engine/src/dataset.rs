//! The interactions of one training run as a matrix of users and items.
//!
//! Rows are dense and ascend by id, so equal data gives equal rows whatever order it came in.

use tastedb_storage::{ItemId, UserId};

use crate::{Csr, Error, Result};

/// The time of an interaction that has none, beside others that have one.
pub const UNKNOWN_TIME: i64 = i64::MIN;

/// One interaction: who, what, how much, and when (in microseconds).
pub type Pair = (UserId, ItemId, f32, Option<i64>);

/// A matrix of interactions with the ids of its rows and columns.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// The users with at least one interaction, ascending.
    pub users: Vec<UserId>,
    /// Every live item, ascending, also those without interactions.
    pub items: Vec<ItemId>,
    /// Item rows and weights by user row.
    pub by_user: Csr,
    /// User rows and weights by item row.
    pub by_item: Csr,
    /// The latest time of each entry of `by_user`, in microseconds; [`UNKNOWN_TIME`] where there is
    /// none. `None` if no interaction has a time.
    pub times: Option<Vec<i64>>,
}

impl Dataset {
    /// Builds the matrix. Items are sorted and made unique; weights of the same user and item are
    /// summed in the order given and the latest time is kept; interactions with other items than
    /// those listed are left out.
    pub fn build(mut items: Vec<ItemId>, pairs: impl IntoIterator<Item = Pair>) -> Result<Dataset> {
        items.sort_unstable();
        items.dedup();
        let mut entries = Vec::new();
        let mut timed = false;
        for (user, item, weight, time) in pairs {
            if !weight.is_finite() {
                return Err(Error::NotFinite { what: "the weight of an interaction" });
            }
            if let Ok(row) = items.binary_search(&item) {
                timed |= time.is_some();
                entries.push((user, row as u32, weight, time.unwrap_or(UNKNOWN_TIME)));
            }
        }
        // Mostly in order already, and the cores belong to whoever asks meanwhile.
        entries.sort_by_key(|(user, item, _, _)| (*user, *item));

        let mut users: Vec<UserId> = Vec::new();
        let mut indptr = vec![0];
        let mut indices: Vec<u32> = Vec::with_capacity(entries.len());
        let mut values: Vec<f32> = Vec::with_capacity(entries.len());
        let mut times: Vec<i64> = Vec::with_capacity(if timed { entries.len() } else { 0 });
        let mut last = None;
        for (user, item, weight, time) in entries {
            if last == Some((user, item)) {
                if let Some(value) = values.last_mut() {
                    *value += weight;
                }
                if let Some(latest) = times.last_mut() {
                    *latest = time.max(*latest);
                }
                continue;
            }
            last = Some((user, item));
            if users.last() != Some(&user) {
                if !users.is_empty() {
                    indptr.push(indices.len());
                }
                users.push(user);
            }
            indices.push(item);
            values.push(weight);
            if timed {
                times.push(time);
            }
        }
        if !users.is_empty() {
            indptr.push(indices.len());
        }
        if values.iter().any(|value| !value.is_finite()) {
            return Err(Error::NotFinite { what: "the summed weight of interactions" });
        }
        let by_user = Csr::from_parts(items.len(), indptr, indices, values)
            .expect("entries are sorted and unique by user and item");
        let by_item = by_user.transpose();
        Ok(Dataset { users, items, by_user, by_item, times: timed.then_some(times) })
    }

    /// The number of users with interactions.
    pub fn n_users(&self) -> usize {
        self.users.len()
    }

    /// The number of items.
    pub fn n_items(&self) -> usize {
        self.items.len()
    }

    /// The number of distinct pairs of user and item.
    pub fn n_pairs(&self) -> usize {
        self.by_user.len()
    }

    /// The row of a user.
    pub fn user_row(&self, user: UserId) -> Option<u32> {
        self.users.binary_search(&user).ok().map(|row| row as u32)
    }

    /// The row of an item.
    pub fn item_row(&self, item: ItemId) -> Option<u32> {
        self.items.binary_search(&item).ok().map(|row| row as u32)
    }
}

#[cfg(test)]
mod tests;
