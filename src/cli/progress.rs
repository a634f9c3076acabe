//! Progress of long statements: a bar on standard error, where that is a terminal.
//!
//! A statement that is done soon shows nothing. The bar is gone when the statement ends.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tastedb::Progress;

/// A statement that takes no longer than this shows no bar.
const PATIENCE: Duration = Duration::from_millis(300);

/// Shows what a session reports.
#[derive(Debug)]
pub(crate) struct Bar {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    began: Instant,
    stage: String,
    bar: Option<ProgressBar>,
}

impl Bar {
    pub(crate) fn new() -> Bar {
        Bar { state: Mutex::new(State { began: Instant::now(), stage: String::new(), bar: None }) }
    }

    /// A statement begins.
    pub(crate) fn begin(&self) {
        self.end();
        self.lock().began = Instant::now();
    }

    /// The statement has ended: wipes the bar.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        if let Some(bar) = state.bar.take() {
            bar.finish_and_clear();
        }
        state.stage.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Progress for Bar {
    fn report(&self, stage: &str, done: u64, total: u64, note: &str) {
        let mut state = self.lock();
        if state.bar.is_none() && state.began.elapsed() < PATIENCE {
            return;
        }
        if state.stage != stage
            && let Some(old) = state.bar.take()
        {
            old.finish_and_clear();
        }
        state.stage.clear();
        state.stage.push_str(stage);
        let bar = state.bar.get_or_insert_with(|| new_bar(stage, total));
        if total > 0 && bar.length() != Some(total) {
            bar.set_length(total);
            bar.set_style(style(total));
        }
        bar.set_position(done);
        if bar.message() != note {
            bar.set_message(note.to_string());
        }
    }
}

fn new_bar(stage: &str, total: u64) -> ProgressBar {
    let bar = if total > 0 { ProgressBar::new(total) } else { ProgressBar::no_length() };
    bar.set_style(style(total));
    bar.set_prefix(stage.to_string());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn style(total: u64) -> ProgressStyle {
    let template = if total > 0 {
        "{prefix:<12} [{bar:30}] {human_pos}/{human_len} {percent}% {elapsed} left {eta} {msg}"
    } else {
        "{prefix:<12} {spinner} {human_pos} {elapsed} {msg}"
    };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
