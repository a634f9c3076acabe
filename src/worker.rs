//! The thread that does what the database does by itself: it refreshes the models whose policy is
//! `refresh = 'auto'`, builds indexes, and rewrites the files before the deadline of what is to be
//! forgotten.
//!
//! It is started when there is something of that kind and ends with the database. It sleeps until
//! something is committed, counts the new interactions of each such model, and refreshes one when they
//! are as many, or the first of them is as old, as the policy says; an index is built when it is not,
//! when its file is lost, or when it covers too little of what is there. Both read a snapshot and take
//! the writer lock only to publish, so nobody waits for them. What fails is remembered with the model
//! or index and tried again later; nothing is printed.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tastedb_engine::{
    Automatic, CancelToken, Engine, Error, ModelDefinition, ModelVersion, Progress, RefreshRequest,
    Work, index::Stale,
};
use tastedb_storage::Snapshot;

use crate::options::Clock;

/// The time between two looks at least, so that many small commits cost one.
const PAUSE: Duration = Duration::from_millis(100);
/// The time between two looks at most.
const LONG: Duration = Duration::from_secs(3600);

/// Of the time from a deletion to its deadline, tickets wait one part in so many, so that those that
/// come together are carried out together.
const SHARE: i64 = 2;
/// How long a reader of an older state is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The worker of one open database; dropping it stops the thread and waits for its end.
pub(crate) struct Worker {
    engine: Engine,
    clock: Clock,
    started: AtomicBool,
    running: Mutex<Option<Running>>,
}

struct Running {
    stop: CancelToken,
    thread: JoinHandle<()>,
}

/// What is new for one model.
struct Pending {
    version: u64,
    /// The generation up to which it was counted.
    counted: u64,
    events: u64,
    /// When the first of them was seen.
    since: Option<Instant>,
    failures: u32,
    /// After a failure, when to try again.
    again: Option<Instant>,
}

impl Worker {
    pub(crate) fn new(engine: Engine, clock: Clock) -> Worker {
        Worker { engine, clock, started: AtomicBool::new(false), running: Mutex::new(None) }
    }

    /// Starts the thread if a model or a ticket wants it and it does not run.
    pub(crate) fn ensure(&self) {
        if !self.engine.has_work()
            || self.engine.store().is_read_only()
            || self.started.swap(true, Ordering::Relaxed)
        {
            return;
        }
        let stop = CancelToken::new();
        let (engine, clock, told) = (self.engine.clone(), Arc::clone(&self.clock), stop.clone());
        let named = thread::Builder::new().name("tastedb-refresh".to_owned());
        match named.spawn(move || run(&engine, &clock, &told)) {
            Ok(thread) => {
                let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                *running = Some(Running { stop, thread });
            }
            // The system has no thread to spare now; the next statement asks again.
            Err(_) => self.started.store(false, Ordering::Relaxed),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { stop, thread }) = running {
            stop.cancel();
            self.engine.store().wake();
            // A panic there has been remembered or was in nobody's way.
            drop(thread.join());
        }
    }
}

fn run(engine: &Engine, clock: &Clock, stop: &CancelToken) {
    let mut pending = HashMap::new();
    let mut failed = HashMap::new();
    let mut erasing = Erasing::default();
    let stopped = || stop.is_cancelled();
    while !stopped() {
        let snapshot = engine.snapshot();
        let generation = snapshot.generation();
        let wait = look(engine, &snapshot, &mut pending, stop);
        let wait = wait.min(build(engine, &snapshot, &mut failed, stop));
        let due = erasing.due_in(engine, &snapshot, clock());
        // A snapshot that is held keeps what was deleted since.
        drop(snapshot);
        let wait = match due {
            Some(Duration::ZERO) if !stopped() => {
                erasing.vacuum(engine, clock, stop);
                Duration::ZERO
            }
            Some(due) => wait.min(due),
            None => wait,
        };
        engine.store().wait_beyond(u64::MAX, PAUSE, &stopped);
        engine.store().wait_beyond(generation, wait, &stopped);
    }
}

/// When files are to be rewritten.
#[derive(Default)]
struct Erasing {
    failures: u32,
    /// After a failure, when to try again.
    again: Option<Instant>,
}

impl Erasing {
    /// The time until open tickets are to be carried out; `None` where there is none.
    fn due_in(&self, engine: &Engine, snapshot: &Snapshot, now: i64) -> Option<Duration> {
        if !engine.has_forgets() {
            return None;
        }
        // A ledger that cannot be read is told to whoever lists it.
        let tickets = engine.forgets(snapshot).unwrap_or_default();
        let open = tickets.iter().filter(|ticket| ticket.is_open());
        let when = open
            .map(|ticket| ticket.requested + (ticket.deadline - ticket.requested) / SHARE)
            .min()?;
        let left = u64::try_from(when.saturating_sub(now)).unwrap_or(0);
        let after = self.again.map(|again| again.saturating_duration_since(Instant::now()));
        Some(Duration::from_micros(left).max(after.unwrap_or_default()))
    }

    fn vacuum(&mut self, engine: &Engine, clock: &Clock, stop: &CancelToken) {
        let work = quietly(stop);
        let clock = || clock();
        let done = catch_unwind(AssertUnwindSafe(|| engine.vacuum(&clock, PATIENCE, &work)));
        let open = |ticket: &tastedb_engine::Ticket| ticket.is_open();
        if matches!(done, Ok(Ok(vacuumed)) if !vacuumed.tickets.iter().any(open)) {
            *self = Erasing::default();
            return;
        }
        self.failures += 1;
        self.again = Some(Instant::now() + Duration::from_secs(1 << self.failures.min(11)));
    }
}

/// Looks at every model, refreshes those that are due, and tells when the next one will be.
fn look(
    engine: &Engine,
    snapshot: &Snapshot,
    pending: &mut HashMap<String, Pending>,
    stop: &CancelToken,
) -> Duration {
    // A record that cannot be read is told to whoever lists the models.
    let models = engine.models(snapshot).unwrap_or_default();
    pending.retain(|name, _| models.iter().any(|model| model.definition.name == *name));
    let mut wait = LONG;
    for model in &models {
        let (definition, policy) = (&model.definition, model.definition.refresh.automatic());
        let Some((policy, version)) = policy.zip(model.serving.as_ref()) else { continue };
        let name = &definition.name;
        let known = pending.remove(name).filter(|known| known.version == version.version);
        let mut now = known.unwrap_or_else(|| Pending::new(engine, snapshot, definition, version));
        now.count(engine, snapshot, definition, policy);
        match now.due_in(policy) {
            None => {}
            Some(Duration::ZERO) if !stop.is_cancelled() => {
                if let Some(failure) = refresh(engine, name, stop) {
                    engine.remember_failure(name, failure);
                    let delay = Duration::from_secs(1 << now.failures.min(11));
                    now.failures += 1;
                    now.again = Some(Instant::now() + delay);
                    wait = wait.min(delay);
                } else {
                    // What came meanwhile is counted from the new version on.
                    wait = Duration::ZERO;
                    continue;
                }
            }
            Some(left) => wait = wait.min(left),
        }
        pending.insert(name.clone(), now);
    }
    wait
}

/// When building an index failed: how often, and when to try again.
type Failed = HashMap<Stale, (u32, Instant)>;

/// Builds the indexes that are due, and tells when the next one that failed will be tried again.
fn build(
    engine: &Engine,
    snapshot: &Snapshot,
    failed: &mut Failed,
    stop: &CancelToken,
) -> Duration {
    // A record that cannot be read is told to whoever lists the indexes.
    let stale = engine.stale_indexes(snapshot).unwrap_or_default();
    failed.retain(|which, _| stale.contains(which));
    let mut wait = LONG;
    for stale in stale {
        let before = failed.get(&stale).copied();
        let left = before.map(|(_, again)| again.saturating_duration_since(Instant::now()));
        if let Some(left) = left.filter(|left| !left.is_zero()) {
            wait = wait.min(left);
            continue;
        }
        if stop.is_cancelled() {
            break;
        }
        let built = run_quietly(stop, |work| engine.build_stale_index(&stale, work));
        engine.remember_index_failure(&stale, built.clone());
        match built {
            None => wait = Duration::ZERO,
            Some(_) => {
                let failures = before.map_or(0, |(failures, _)| failures);
                let delay = Duration::from_secs(1 << failures.min(11));
                failed.insert(stale, (failures + 1, Instant::now() + delay));
                wait = wait.min(delay);
            }
        }
    }
    wait
}

/// Refreshes a model; why that failed.
fn refresh(engine: &Engine, model: &str, stop: &CancelToken) -> Option<String> {
    let request = RefreshRequest {
        model: model.to_owned(),
        statement: "automatic refresh".to_owned(),
        ..RefreshRequest::default()
    };
    run_quietly(stop, |work| engine.refresh(&request, work).map(drop))
}

/// Runs long work on half of the cores: the others are left to those who ask and write. Why it failed.
fn run_quietly(stop: &CancelToken, run: impl FnOnce(&Work) -> Result<(), Error>) -> Option<String> {
    let work = quietly(stop);
    match catch_unwind(AssertUnwindSafe(|| run(&work))) {
        // Another came first, or the database is being closed.
        Ok(Ok(()) | Err(Error::Conflict { .. } | Error::Cancelled)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("it panicked, which is a bug".to_owned()),
    }
}

impl Pending {
    fn new(
        engine: &Engine,
        snapshot: &Snapshot,
        definition: &ModelDefinition,
        version: &ModelVersion,
    ) -> Pending {
        // After a reopen what came since the version is no longer remembered; the numbers tell.
        let events = engine.events_since(version.generation, snapshot, definition).or_else(|| {
            let tables = definition.tables.iter();
            let now = tables
                .map(|own| engine.interactions(snapshot, own.table).ok())
                .sum::<Option<u64>>()?;
            Some(version.interactions?.abs_diff(now))
        });
        Pending {
            version: version.version,
            counted: snapshot.generation(),
            events: events.unwrap_or(0),
            since: None,
            failures: 0,
            again: None,
        }
    }

    fn count(
        &mut self,
        engine: &Engine,
        snapshot: &Snapshot,
        definition: &ModelDefinition,
        policy: Automatic,
    ) {
        let more = engine.events_since(self.counted, snapshot, definition);
        // What is not remembered was a lot.
        self.events = self.events.saturating_add(more.unwrap_or(policy.events));
        self.counted = snapshot.generation();
        if self.events > 0 {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    /// The time until a refresh; `None` where nothing is new.
    fn due_in(&self, policy: Automatic) -> Option<Duration> {
        let aged = Duration::from_secs(policy.seconds).saturating_sub(self.since?.elapsed());
        let due = if self.events >= policy.events { Duration::ZERO } else { aged };
        let after = |at: Instant| at.saturating_duration_since(Instant::now());
        Some(self.again.map_or(due, |again| due.max(after(again))))
    }
}

/// Work that tells nobody, and leaves half of the cores to those who ask and write.
fn quietly(stop: &CancelToken) -> Work {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let progress: Arc<dyn Progress> = Arc::new(tastedb_engine::Silent);
    Work { progress, cancel: stop.clone(), threads: (cores / 2).max(1), ..Work::quiet() }
}
