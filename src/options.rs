//! How a database is opened.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tastedb_storage::{Create, DatabaseId};

/// Where the present comes from: microseconds since 1970, UTC.
pub(crate) type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Settings for [`Database::open_with`](crate::Database::open_with).
///
/// ```
/// use std::time::Duration;
/// use tastedb::{Create, Options};
///
/// let options = Options::new().create(Create::Never).busy_timeout(Duration::from_secs(1));
/// ```
#[derive(Clone)]
pub struct Options {
    pub(crate) storage: tastedb_storage::Options,
    pub(crate) clock: Clock,
    threads: usize,
    query_memory: Option<usize>,
}

impl Options {
    /// The defaults: create where there is none, read and write.
    pub fn new() -> Options {
        let id = DatabaseId(random_uuid());
        Options {
            storage: tastedb_storage::Options { id, ..tastedb_storage::Options::default() },
            clock: Arc::new(system_clock),
            threads: 0,
            query_memory: None,
        }
    }

    /// What to do where there is no database, or one already.
    #[must_use]
    pub fn create(mut self, create: Create) -> Options {
        self.storage.create = create;
        self
    }

    /// Whether writing is refused. A database opened so is not created.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Options {
        self.storage.read_only = read_only;
        if read_only && self.storage.create == Create::IfMissing {
            self.storage.create = Create::Never;
        }
        self
    }

    /// How long a writer waits for another one before it fails.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Options {
        self.storage.busy_timeout = timeout;
        self
    }

    /// How many new vectors of a column are gathered before they are sealed into a segment file.
    #[must_use]
    pub fn seal_rows(mut self, rows: usize) -> Options {
        self.storage.seal_rows = rows;
        self
    }

    /// How many threads run queries; 0, the default, means one for each core.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Options {
        self.threads = threads;
        self
    }

    /// How many bytes the queries that run at one time may take for sorting, joining and grouping;
    /// one that needs more fails. Without a limit, they take what there is.
    #[must_use]
    pub fn query_memory(mut self, bytes: usize) -> Options {
        self.query_memory = Some(bytes);
        self
    }

    /// Where the present comes from, in microseconds since 1970 (UTC): what `now()` returns. The
    /// system's clock, unless said; tests give a fixed one.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> i64 + Send + Sync + 'static) -> Options {
        self.clock = Arc::new(clock);
        self
    }

    #[cfg(feature = "sql")]
    pub(crate) fn memory_of_queries(&self) -> Option<usize> {
        self.query_memory
    }

    #[cfg(feature = "sql")]
    pub(crate) fn query_threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}

impl Default for Options {
    fn default() -> Options {
        Options::new()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("storage", &self.storage)
            .field("threads", &self.threads)
            .field("query_memory", &self.query_memory)
            .finish_non_exhaustive()
    }
}

/// The identity of a new database: a version 4 uuid. The standard library's hash keys come from the
/// system's own chance, which is all that is needed here.
fn random_uuid() -> [u8; 16] {
    let mut bytes = [0; 16];
    for (n, half) in bytes.chunks_exact_mut(8).enumerate() {
        half.copy_from_slice(&RandomState::new().hash_one((n, std::process::id())).to_le_bytes());
    }
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    bytes
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
fn system_clock() -> i64 {
    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => micros(since),
        Err(before) => -micros(before.duration()),
    }
}
