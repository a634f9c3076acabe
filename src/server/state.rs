//! What all connections of a server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tastedb::Database;
use tokio::sync::{Notify, Semaphore};

use super::access::Principal;
use super::accounts::Accounts;
use super::config::Config;
use super::http::Repeats;
use super::jobs::Jobs;
use super::metrics::Metrics;
use super::problem::Problem;
use super::tls::Tls;
use super::work::Work;

/// One running server.
#[derive(Debug)]
pub(crate) struct Server {
    /// The database that is served.
    pub(crate) database: Database,
    /// Its settings.
    pub(crate) config: Config,
    /// Who there is.
    pub(crate) accounts: Accounts,
    /// Certificates, where there are any.
    pub(crate) tls: Option<Tls>,
    /// Where statements run.
    pub(crate) work: Arc<Work>,
    /// Long work.
    pub(crate) jobs: Jobs,
    /// Requests that may come twice.
    pub(crate) repeats: Repeats,
    /// What is counted.
    pub(crate) metrics: Metrics,
    /// Places for connections, of both protocols.
    pub(crate) connections: Arc<Semaphore>,
    stopping: AtomicBool,
    stop: Notify,
}

impl Server {
    /// A server over a database; refuses settings that would open it to strangers.
    pub(crate) fn new(database: Database, config: Config) -> Result<Server, Problem> {
        let accounts = Accounts::open(&config.accounts)?;
        config.check_exposure(!accounts.is_open())?;
        let tls = match &config.tls {
            Some((certificate, key)) => Some(Tls::open(certificate, key)?),
            None => None,
        };
        let work = Work::new(
            database.clone(),
            config.max_statements,
            config.job_threads,
            config.statement_timeout,
        );
        Ok(Server {
            accounts,
            tls,
            work: Arc::new(work),
            jobs: Jobs::new(database.clone(), config.max_jobs, config.job_threads),
            repeats: Repeats::default(),
            metrics: Metrics::new(),
            connections: Arc::new(Semaphore::new(config.max_connections)),
            stopping: AtomicBool::new(false),
            stop: Notify::new(),
            database,
            config,
        })
    }

    /// Reads accounts and certificates again. What cannot be read stays as it was.
    pub(crate) fn reload(&self) {
        let accounts = self.accounts.reload();
        let tls = self.tls.as_ref().map_or(Ok(()), Tls::reload);
        for problem in [accounts, tls].into_iter().filter_map(Result::err) {
            tracing::error!(code = problem.code, "not reloaded: {}", problem.message);
        }
        tracing::info!(
            accounts = self.accounts.all().len(),
            "accounts and certificates read again"
        );
    }

    /// Takes no more connections, and lets those there are end after what they do.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.stop.notify_waiters();
    }

    /// Whether the server is about to end.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Returns when the server is about to end.
    pub(crate) async fn stopped(&self) {
        let told = self.stop.notified();
        tokio::pin!(told);
        // Registered before the look, so that none is missed between.
        told.as_mut().enable();
        if !self.is_stopping() {
            told.await;
        }
    }

    /// Somebody who has proved to be there, as the accounts are now; `None` where the account has expired
    /// or is gone.
    pub(crate) fn who_is(&self, who: &Principal) -> Option<Principal> {
        if self.accounts.is_open() {
            return Some(who.clone());
        }
        self.accounts.principal(&who.name, self.now())
    }

    /// Seconds since 1970, for what expires.
    pub(crate) fn now(&self) -> u64 {
        now()
    }
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "accounts expire by the clock of the machine")]
pub(crate) fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}
