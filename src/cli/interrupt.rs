//! Ctrl-C: cancels the statement that is running, and leaves the process alone.
//!
//! The database is safe at any moment, so a second Ctrl-C, given while the first is still being
//! heeded, ends the process at once.

use std::io::Write;
use std::sync::Mutex;

use tastedb::CancelToken;

/// The statement that is running, and whether it has been told to stop.
static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

struct Running {
    token: CancelToken,
    told: bool,
}

/// What Ctrl-C does while no statement runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idle {
    /// Nothing: the shell reads the key itself.
    Ignore,
    /// It ends the process, as everywhere.
    Leave,
}

/// Takes over Ctrl-C. Failing to do so is no reason to refuse to work.
pub(crate) fn install(idle: Idle) {
    // An error means that a handler exists already or that signals are not to be had here.
    let _ = ctrlc::set_handler(move || on_signal(idle));
}

/// Runs `work` while Ctrl-C cancels `token`.
pub(crate) fn during<T>(token: CancelToken, work: impl FnOnce() -> T) -> T {
    set(Some(Running { token, told: false }));
    let result = work();
    set(None);
    result
}

fn set(running: Option<Running>) {
    *RUNNING.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = running;
}

fn on_signal(idle: Idle) {
    let mut running = RUNNING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    match running.as_mut() {
        Some(running) if !running.told => {
            running.told = true;
            running.token.cancel();
            // A terminal that is gone must not keep the cancellation from happening.
            let _ = writeln!(std::io::stderr(), "\ncancelling; Ctrl-C again ends at once");
        }
        None if idle == Idle::Ignore => {}
        Some(_) | None => leave(),
    }
}

#[expect(clippy::exit, reason = "a signal handler has no caller to return a status to")]
fn leave() {
    std::process::exit(130)
}
