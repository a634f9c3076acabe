//! The PostgreSQL protocol as clients meet it: a server that runs, and what real clients say to it.

mod clients;
mod driver;
mod hostile;
mod jdbc;
mod login;
mod transactions;

use std::path::Path;

use tempfile::TempDir;

pub(crate) use self::driver::{Connected, connect};
use crate::server::{SHOP, Served, database};

/// A server that runs, with its database.
pub(crate) struct Postgres {
    /// The same over HTTP. Dropped before the folder is.
    pub(crate) served: Served,
    /// The port of the protocol.
    pub(crate) port: u16,
    /// Removed when the server has ended.
    folder: Option<TempDir>,
}

impl Postgres {
    /// Serves the small shop.
    pub(crate) fn shop() -> Postgres {
        let (folder, path) = database(SHOP);
        let mut served = Postgres::with(&path, "");
        served.folder = Some(folder);
        served
    }

    /// Serves a database with these settings.
    pub(crate) fn with(path: &Path, config: &str) -> Postgres {
        let served = Served::start(path, config, true);
        let port = served.port.unwrap_or_else(|| panic!("no port: {}", served.log()));
        Postgres { served, port, folder: None }
    }

    /// What it has written to standard error so far.
    pub(crate) fn log(&self) -> String {
        self.served.log()
    }

    /// Asks it to stop, and waits; whether it ended well.
    pub(crate) fn stop(mut self) -> bool {
        self.served.signal("-TERM");
        self.served.wait()
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.served.is_alive()
    }
}
