//! The index files that are open, and which of them cannot be used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tastedb_storage::{Read, Snapshot};

use super::super::VectorIndex;
use super::Stale;

/// See the module.
#[derive(Default)]
pub(crate) struct Loaded {
    /// By the number of the artifact, which is never reused.
    files: Mutex<HashMap<u64, Result<Arc<VectorIndex>, String>>>,
    /// Why the last attempt to build an index failed.
    failures: Mutex<HashMap<Stale, String>>,
}

impl Loaded {
    /// The index of a file of a snapshot with its number; `None` where there is none, or it is damaged.
    pub(crate) fn get(&self, snapshot: &Snapshot, name: &str) -> Option<(u64, Arc<VectorIndex>)> {
        let number = snapshot.artifact_number(name)?;
        let mut loaded = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = loaded.get(&number) {
            return Some((number, known.as_ref().ok().cloned()?));
        }
        let index = match snapshot.artifact(name) {
            Err(error) => Err(error.to_string()),
            Ok(None) => return None,
            Ok(Some(blob)) => VectorIndex::load(Arc::new(blob)).map_err(|error| error.to_string()),
        };
        let index = index.map(Arc::new);
        // What nothing names any more is let go of here, the one place where the map grows.
        let named = snapshot.artifact_numbers();
        loaded.retain(|number, _| named.contains(number));
        loaded.insert(number, index.clone());
        Some((number, index.ok()?))
    }

    /// Lets go of the files that have none of these numbers.
    pub(crate) fn retain(&self, numbers: &[u64]) {
        let mut loaded = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.retain(|number, _| numbers.contains(number));
    }

    /// Remembers why an index could not be built, or that it could.
    pub(crate) fn set_failure(&self, stale: &Stale, failure: Option<String>) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match failure {
            Some(failure) => failures.insert(stale.clone(), failure),
            None => failures.remove(stale),
        };
    }

    /// Why there is no use of an index, where there should be.
    /// `file`: the name of its file, if it was built.
    pub(super) fn trouble(
        &self,
        snapshot: &Snapshot,
        of: &Stale,
        file: Option<&str>,
    ) -> Option<String> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = failures.get(of).map(|why| format!("could not be built: {why}"));
        failure.or_else(|| Some(format!("lost: {}", self.lost(snapshot, file?)?)))
    }

    fn lost(&self, snapshot: &Snapshot, file: &str) -> Option<String> {
        let Some(number) = snapshot.artifact_number(file) else {
            return Some("its file is missing".to_owned());
        };
        let loaded = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.get(&number)?.as_ref().err().cloned()
    }
}
