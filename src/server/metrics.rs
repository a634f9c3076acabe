//! What a server counts, in the OpenMetrics text that Prometheus reads.
//!
//! Labels are routes, statements, codes, models and indexes: never a key of a row, so that there are
//! few of them and nothing personal in them. This is the one door to `prometheus_client`.

use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use tastedb::IndexOf;

use super::state::Server;

/// The type of the text.
pub(crate) const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the buckets of times, in seconds: from 50 µs to a minute.
const BUCKETS: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0,
    5.0, 15.0, 60.0,
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Statement {
    protocol: String,
    statement: String,
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Timed {
    statement: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Protocol {
    protocol: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Named {
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stage {
    state: String,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;
type Level = Gauge<i64, AtomicI64>;
type Fraction = Gauge<f64, AtomicU64>;

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    request_times: Histograms<Route>,
    statements: Family<Statement, Counter>,
    statement_times: Histograms<Timed>,
    connections: Family<Protocol, Level>,
    waiting: Level,
    running: Level,
    jobs: Family<Stage, Level>,
    rows: Family<Named, Level>,
    model_versions: Family<Named, Level>,
    model_behind: Family<Named, Level>,
    index_coverage: Family<Named, Fraction>,
    forgets: Family<Stage, Level>,
}

impl Metrics {
    /// All at zero.
    pub(crate) fn new() -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("tastedb"),
            requests: Family::default(),
            request_times: Family::new_with_constructor(times),
            statements: Family::default(),
            statement_times: Family::new_with_constructor(times),
            connections: Family::default(),
            waiting: Level::default(),
            running: Level::default(),
            jobs: Family::default(),
            rows: Family::default(),
            model_versions: Family::default(),
            model_behind: Family::default(),
            index_coverage: Family::default(),
            forgets: Family::default(),
        };
        let all = &mut metrics.registry;
        all.register("http_requests", "HTTP requests", metrics.requests.clone());
        all.register_with_unit(
            "http_request",
            "Time from the head of a request to the head of its answer",
            Unit::Seconds,
            metrics.request_times.clone(),
        );
        all.register(
            "statements",
            "Statements by protocol, kind and error code (none: it succeeded)",
            metrics.statements.clone(),
        );
        all.register_with_unit(
            "statement",
            "Time of a statement, without waiting for a place",
            Unit::Seconds,
            metrics.statement_times.clone(),
        );
        all.register("connections", "Open connections", metrics.connections.clone());
        all.register(
            "statements_waiting",
            "Statements waiting for a place",
            metrics.waiting.clone(),
        );
        all.register("statements_running", "Statements running", metrics.running.clone());
        all.register("jobs", "Jobs that wait and that run", metrics.jobs.clone());
        all.register("rows", "Rows of a table", metrics.rows.clone());
        all.register("model_version", "Version that serves", metrics.model_versions.clone());
        all.register(
            "model_transactions_behind",
            "Transactions committed since the state that the model has learned from",
            metrics.model_behind.clone(),
        );
        all.register(
            "index_coverage_ratio",
            "Share of the items that an index covers",
            metrics.index_coverage.clone(),
        );
        all.register("forget_tickets", "Forget tickets by state", metrics.forgets.clone());
        metrics
    }

    /// A request was answered. The route is the pattern, not the path.
    pub(crate) fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        let (method, route) = (method.to_owned(), route.to_owned());
        self.request_times
            .get_or_create(&Route { route: route.clone() })
            .observe(took.as_secs_f64());
        self.requests.get_or_create(&Request { method, route, status }).inc();
    }

    /// A statement has ended, well or with the error of this code.
    pub(crate) fn statement(&self, protocol: &str, name: &str, code: Option<&str>, took: Duration) {
        let statement = name.to_owned();
        let timed = Timed { statement: statement.clone() };
        self.statement_times.get_or_create(&timed).observe(took.as_secs_f64());
        let (protocol, code) = (protocol.to_owned(), code.unwrap_or("none").to_owned());
        self.statements.get_or_create(&Statement { protocol, statement, code }).inc();
    }

    /// A connection was opened; it is counted until what is returned is dropped.
    pub(crate) fn connection(&self, protocol: &str) -> Open {
        let gauge =
            self.connections.get_or_create_owned(&Protocol { protocol: protocol.to_owned() });
        gauge.inc();
        Open(gauge)
    }

    /// The text for Prometheus, with what the database is like now.
    pub(crate) fn text(&self, server: &Server) -> String {
        self.look(server);
        let mut out = String::new();
        if text::encode(&mut out, &self.registry).is_err() {
            // Writing to a String cannot fail.
            let _ = write!(out, "# EOF");
        }
        out
    }

    fn look(&self, server: &Server) {
        let (waiting, running) = server.work.depth();
        self.waiting.set(level(waiting));
        self.running.set(level(running));
        let (waiting, running) = server.jobs.depth();
        for (state, count) in [("queued", waiting), ("running", running)] {
            self.jobs.get_or_create(&Stage { state: state.to_owned() }).set(level(count));
        }
        let database = &server.database;
        for family in [&self.model_versions, &self.model_behind, &self.rows] {
            family.clear();
        }
        let snapshot = database.snapshot();
        let now = snapshot.generation();
        for table in snapshot.catalog().tables() {
            if let Ok(rows) = snapshot.count(&table.name) {
                self.rows.get_or_create(&Named { name: table.name.clone() }).set(level(rows));
            }
        }
        // What cannot be read is told by the statement that lists it.
        for model in database.models().unwrap_or_default() {
            let Some(version) = &model.serving else { continue };
            let named = Named { name: model.definition.name.clone() };
            self.model_versions.get_or_create(&named).set(level(version.version));
            let behind = now.saturating_sub(version.generation);
            self.model_behind.get_or_create(&named).set(level(behind));
        }
        self.index_coverage.clear();
        for index in database.indexes().unwrap_or_default() {
            let covered = index.covered as f64 / (index.items.max(1)) as f64;
            let name = match index.of {
                IndexOf::Column(definition) => definition.name,
                IndexOf::Factors(model) => format!("factors of {model}"),
            };
            self.index_coverage.get_or_create(&Named { name }).set(covered);
        }
        self.forgets.clear();
        for ticket in database.forgets().unwrap_or_default() {
            self.forgets.get_or_create(&Stage { state: ticket.state().name().to_owned() }).inc();
        }
    }
}

/// One open connection.
#[derive(Debug)]
pub(crate) struct Open(Level);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn times() -> Histogram {
    Histogram::new(BUCKETS)
}

fn level(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
