//! What a statement reads: the last durable state, or a transaction with its own writes.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::storage::{Catalog, Read, Snapshot, WriteTxn};

/// A transaction that a session holds open. It is empty once it was committed or rolled back, so
/// a scan that outlives its statement finds nothing instead of a half-closed transaction.
pub(crate) type OpenTransaction = Arc<Mutex<Option<WriteTxn>>>;

/// One consistent state of the database.
#[derive(Clone)]
pub(crate) enum View {
    /// A durable state.
    Snapshot(Snapshot),
    /// An open transaction. Readers of it take turns.
    Transaction(OpenTransaction),
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            View::Snapshot(_) => "Snapshot",
            View::Transaction(_) => "Transaction",
        })
    }
}

impl View {
    /// Reads from the view.
    pub(crate) fn read<T>(&self, with: impl FnOnce(&dyn Read) -> Result<T>) -> Result<T> {
        match self {
            View::Snapshot(snapshot) => with(snapshot),
            View::Transaction(open) => {
                let guard = open.lock().unwrap_or_else(PoisonError::into_inner);
                match guard.as_ref() {
                    Some(txn) => with(txn),
                    None => Err(Error::internal("the transaction has ended")),
                }
            }
        }
    }

    /// The tables and columns of the view.
    pub(crate) fn catalog(&self) -> Result<Arc<Catalog>> {
        self.read(|read| Ok(Arc::clone(read.catalog())))
    }
}
