//! The connections there are: how each is cancelled, how long its statement may run, and how all are told
//! that the server stops.

use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tastedb::CancelToken;

/// All connections of the protocol.
#[derive(Debug, Default)]
pub(super) struct Registry {
    next: AtomicI32,
    entries: Mutex<HashMap<i32, Arc<Entry>>>,
}

/// One connection, as others see it.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its number.
    pub(super) pid: i32,
    /// What a request to cancel must know.
    pub(super) secret: i32,
    socket: TcpStream,
    running: Mutex<Running>,
}

/// The statement that a connection runs.
#[derive(Debug, Default)]
struct Running {
    cancel: Option<CancelToken>,
    until: Option<Instant>,
    is_late: bool,
}

impl Registry {
    /// Notes a connection; it is forgotten when what is returned is dropped.
    pub(super) fn add(self: &Arc<Self>, socket: TcpStream, secret: i32) -> Place {
        let mut entries = self.entries();
        let pid = loop {
            let pid = self.next.fetch_add(1, Ordering::Relaxed) & i32::MAX;
            if pid != 0 && !entries.contains_key(&pid) {
                break pid;
            }
        };
        let entry = Arc::new(Entry { pid, secret, socket, running: Mutex::default() });
        entries.insert(pid, Arc::clone(&entry));
        Place { registry: Arc::clone(self), entry }
    }

    /// Cancels what a connection runs, for whoever knows its secret.
    pub(super) fn cancel(&self, pid: i32, secret: i32) {
        let entry = self.entries().get(&pid).cloned();
        if let Some(entry) = entry.filter(|entry| entry.secret == secret) {
            entry.cancel();
        }
    }

    /// Cancels what has run for longer than it may.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        for entry in self.entries().values() {
            let mut running = entry.running();
            if running.until.is_some_and(|until| until <= now) {
                running.until = None;
                running.is_late = true;
                running.cancel.iter().for_each(CancelToken::cancel);
            }
        }
    }

    /// Wakes those who wait for their client; the others end after what they do.
    pub(super) fn stop(&self) {
        for entry in self.entries().values() {
            // A socket that is closed already needs no waking.
            let _ = entry.socket.shutdown(Shutdown::Read);
        }
    }

    /// Cancels everything.
    pub(super) fn cancel_all(&self) {
        self.entries().values().for_each(|entry| entry.cancel());
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.entries().len()
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<i32, Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// A statement begins, and may run for `limit`.
    pub(super) fn begin(&self, cancel: CancelToken, limit: Option<Duration>) {
        let until = limit.map(|limit| Instant::now() + limit);
        *self.running() = Running { cancel: Some(cancel), until, is_late: false };
    }

    /// The statement has ended; whether it was cancelled because its time was over.
    pub(super) fn end(&self) -> bool {
        std::mem::take(&mut *self.running()).is_late
    }

    fn cancel(&self) {
        self.running().cancel.iter().for_each(CancelToken::cancel);
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place in the registry.
pub(super) struct Place {
    registry: Arc<Registry>,
    /// What is known of it.
    pub(super) entry: Arc<Entry>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.registry.entries().remove(&self.entry.pid);
    }
}
