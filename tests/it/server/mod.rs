//! The server as clients meet it: a process with a database, asked over HTTP.

mod accounts;
mod console;
mod contract;
mod jobs;
mod kill;
mod limits;
mod rest;
mod tls;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value as Json;
use tempfile::TempDir;

/// A small shop, as every test here begins.
pub(crate) const SHOP: &str = "
CREATE TABLE people (id TEXT PRIMARY KEY, country TEXT) WITH (role = 'user');
CREATE TABLE movies (id TEXT PRIMARY KEY, title TEXT, year INT, stock INT, genres TEXT[], look VECTOR(3))
  WITH (role = 'item');
CREATE TABLE likes (user_id TEXT REFERENCES people, item_id TEXT REFERENCES movies, at TIMESTAMP)
  WITH (role = 'interaction');
INSERT INTO people VALUES ('u1', 'NO'), ('u2', 'SE'), ('u3', 'NO');
INSERT INTO movies VALUES ('m1', 'Heat', 1995, 3, ['crime'], '[1,0,0]'), ('m2', 'Ronin', 1998, 0, NULL, '[0.9,0.1,0]'),
  ('m3', 'Amélie', 2001, 7, ['love'], '[0,1,0]'), ('m4', 'Thief', 1981, 2, NULL, '[1,0.2,0]');
INSERT INTO likes VALUES ('u1', 'm1', '2024-05-01'), ('u1', 'm2', '2024-05-02'), ('u2', 'm1', '2024-05-03'),
  ('u2', 'm2', '2024-05-04'), ('u2', 'm4', '2024-05-05'), ('u3', 'm3', '2024-05-06');
CREATE MODEL taste USING ease ON likes WITH (lambda = 1);
TRAIN MODEL taste;
";

/// A server that runs.
pub(crate) struct Served {
    child: Child,
    /// `http://127.0.0.1:PORT`, or with `https`.
    pub(crate) url: String,
    /// The port of PostgreSQL's protocol, where it is served.
    pub(crate) port: Option<u16>,
    /// What it has written to standard error so far.
    log: Arc<Mutex<String>>,
    agent: ureq::Agent,
    /// Sent with every request.
    pub(crate) key: Option<String>,
}

/// The folder of a database, with what was run in it.
pub(crate) fn database(sql: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("shop.taste");
    let made = tastedb().arg(&path).args(["-c", sql]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (folder, path)
}

pub(crate) fn tastedb() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tastedb"));
    command.stdin(Stdio::null());
    command
}

impl Served {
    /// Serves a database with these settings, over HTTP alone.
    pub(crate) fn with(path: &Path, config: &str) -> Served {
        Served::start(path, config, false)
    }

    /// Serves a database with these settings, also over PostgreSQL's protocol if it is to.
    pub(crate) fn start(path: &Path, config: &str, postgres: bool) -> Served {
        let file = path.with_extension("toml");
        std::fs::write(&file, config).unwrap();
        let pg = if postgres { "127.0.0.1:0" } else { "off" };
        let mut child = tastedb()
            .arg("serve")
            .arg(path)
            .args(["--http", "127.0.0.1:0", "--pg", pg, "--config"])
            .arg(&file)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let (mut url, mut port) = (None, None);
        for line in lines.by_ref() {
            let line = line.unwrap();
            if let Some(rest) = line.strip_prefix("tastedb: http") {
                url = rest.split("/ ").next().map(|rest| format!("http{rest}"));
            } else if let Some(rest) = line.strip_prefix("tastedb: postgres://127.0.0.1:") {
                port = rest.split('/').next().and_then(|port| port.parse().ok());
            }
            log.lock().unwrap_or_else(PoisonError::into_inner).push_str(&(line + "\n"));
            if url.is_some() && port.is_some() == postgres {
                break;
            }
        }
        let url = url.unwrap_or_else(|| panic!("the server did not start: {log:?}"));
        let more = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                more.lock().unwrap_or_else(PoisonError::into_inner).push_str(&(line + "\n"));
            }
        });
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Served { child, url, port, log, agent, key: None }
    }

    /// Serves a database as it is served by default.
    pub(crate) fn new(path: &Path) -> Served {
        Served::with(path, "")
    }

    /// Sends a request; status and body, which is null where it is no JSON.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Json>) -> (u16, Json) {
        let body = body.map(|body| body.to_string());
        self.send(method, path, &[("content-type", "application/json")], body.as_deref())
    }

    /// Sends a request with these headers and this body.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> (u16, Json) {
        let mut request =
            ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let request = request.body(body.unwrap_or("").to_owned()).unwrap();
        let mut response = self.agent.run(request).unwrap();
        let status = response.status().as_u16();
        let text = response.body_mut().read_to_string().unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Json::Null))
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Json) {
        self.ask("GET", path, None)
    }

    pub(crate) fn post(&self, path: &str, body: Json) -> (u16, Json) {
        self.ask("POST", path, Some(&body))
    }

    /// A text, whatever it is.
    pub(crate) fn text(&self, path: &str) -> String {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        request.call().unwrap().body_mut().read_to_string().unwrap()
    }

    /// Waits until a job is over; its report.
    pub(crate) fn finished(&self, job: &Json) -> Json {
        let id = job["id"].as_u64().unwrap_or_else(|| panic!("no job: {job}"));
        for _ in 0..3_000 {
            let (status, report) = self.get(&format!("/v1/jobs/{id}"));
            assert_eq!(status, 200, "{report}");
            if !["queued", "running"].contains(&report["state"].as_str().unwrap()) {
                return report;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("the job does not end: {job}");
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the end of the process; whether it ended well.
    pub(crate) fn wait(&mut self) -> bool {
        self.child.wait().unwrap().success()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
