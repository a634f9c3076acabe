//! The PostgreSQL protocol as clients meet it: a server that runs, and what real clients say to it.

mod clients;
mod driver;
mod hostile;
mod login;
mod transactions;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;

use crate::server::{SHOP, database, tastedb};

/// A server that runs, with its database.
pub(crate) struct Postgres {
    child: Child,
    /// The port of the protocol.
    pub(crate) port: u16,
    /// What it has written to standard error so far.
    log: Arc<Mutex<String>>,
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
        let file = path.with_extension("toml");
        std::fs::write(&file, config).unwrap();
        let mut child = tastedb()
            .arg("serve")
            .arg(path)
            .args(["--http", "127.0.0.1:0", "--pg", "127.0.0.1:0", "--config"])
            .arg(&file)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let mut port = None;
        for line in lines.by_ref() {
            let line = line.unwrap();
            log.lock().unwrap_or_else(PoisonError::into_inner).push_str(&(line.clone() + "\n"));
            if let Some(rest) = line.strip_prefix("tastedb: postgres://127.0.0.1:") {
                port = rest.split('/').next().and_then(|port| port.parse().ok());
                break;
            }
        }
        let port = port.unwrap_or_else(|| panic!("the server did not start: {log:?}"));
        let more = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                more.lock().unwrap_or_else(PoisonError::into_inner).push_str(&(line + "\n"));
            }
        });
        Postgres { child, port, log, folder: None }
    }

    /// What it has written to standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks it to stop, and waits; whether it ended well.
    pub(crate) fn stop(mut self) -> bool {
        let told = std::process::Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()
            .unwrap();
        told.success() && self.child.wait().unwrap().success()
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
