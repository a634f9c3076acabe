//! Repeated requests: a client that does not know whether a write arrived sends it again with the same
//! key, and gets the answer of the first.
//!
//! Answers are remembered in memory, the last 10,000 of them: a restart forgets them. Only requests that
//! succeeded are remembered; one that failed wrote nothing and is carried out when it comes again.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use super::rows::Written;
use crate::server::access::Principal;
use crate::server::problem::Problem;

/// Requests that are remembered.
const REMEMBERED: usize = 10_000;

/// What came under which key.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    entries: HashMap<Key, Arc<tokio::sync::Mutex<Entry>>>,
    order: VecDeque<Key>,
}

/// An account and its key.
type Key = (Arc<str>, String);

#[derive(Debug, Default)]
struct Entry {
    /// What was asked, as a hash, and the answer.
    answered: Option<(u64, Written)>,
}

/// What is known of a request that begins.
pub(super) enum Begun {
    /// It is new: carry it out.
    Fresh(Fresh),
    /// It was carried out before.
    Known(Written),
}

/// A request that is being carried out. Another one with the same key waits for it.
pub(super) struct Fresh {
    entry: OwnedMutexGuard<Entry>,
    request: u64,
}

impl Repeats {
    /// Looks for a request with this key, and holds the key until the request has ended.
    pub(super) async fn begin(
        &self,
        who: &Principal,
        key: &str,
        place: &[&str],
        body: &[u8],
    ) -> Result<Begun, Problem> {
        let mut hasher = DefaultHasher::new();
        (place, body).hash(&mut hasher);
        let request = hasher.finish();
        let entry = self.entry((Arc::clone(&who.name), key.to_owned())).lock_owned().await;
        match &entry.answered {
            None => Ok(Begun::Fresh(Fresh { entry, request })),
            Some((known, written)) if *known == request => Ok(Begun::Known(written.clone())),
            Some(_) => Err(Problem::key_reused()),
        }
    }

    fn entry(&self, key: Key) -> Arc<tokio::sync::Mutex<Entry>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = known.entries.get(&key) {
            return Arc::clone(entry);
        }
        if known.order.len() >= REMEMBERED
            && let Some(oldest) = known.order.pop_front()
        {
            known.entries.remove(&oldest);
        }
        known.order.push_back(key.clone());
        Arc::clone(known.entries.entry(key).or_default())
    }
}

impl Fresh {
    /// Remembers the answer.
    pub(super) fn finish(mut self, written: Written) {
        self.entry.answered = Some((self.request, written));
    }
}

#[cfg(test)]
mod tests {
    use super::{Begun, Fresh, Repeats, Written};
    use crate::server::access::Principal;

    #[tokio::test]
    async fn the_second_time_the_first_answer_is_given() {
        let repeats = Repeats::default();
        let who = Principal::anybody();
        let written = Written { affected: 3, ticket: None };
        let Ok(Begun::Fresh(fresh)) = repeats.begin(&who, "k", &["a"], b"x").await else {
            panic!("a new key is fresh");
        };
        Fresh::finish(fresh, written);
        let again = repeats.begin(&who, "k", &["a"], b"x").await;
        assert!(matches!(again, Ok(Begun::Known(written)) if written.affected == 3));
        let other = repeats.begin(&who, "k", &["a"], b"y").await;
        assert!(matches!(other, Err(problem) if problem.code == "TD1010"));
    }

    #[tokio::test]
    async fn what_failed_is_carried_out_again() {
        let repeats = Repeats::default();
        let who = Principal::anybody();
        drop(repeats.begin(&who, "k", &["a"], b"x").await);
        let again = repeats.begin(&who, "k", &["a"], b"x").await;
        assert!(matches!(again, Ok(Begun::Fresh(_))));
    }
}
