//! The settings of a server: from a TOML file, and from flags, which win.
//!
//! Every setting has a default that suits a machine of its own, and none can make the server open to
//! strangers by omission: without accounts it listens on loopback only, and beyond loopback passwords
//! and keys want TLS, unless `insecure = true` says that something in front of it sees to that.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::problem::Problem;

/// The port of HTTP.
pub(crate) const HTTP_PORT: u16 = 8700;
/// The port of the PostgreSQL protocol.
pub(crate) const PG_PORT: u16 = 8701;

/// Everything that can be set.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Where HTTP is listened for.
    pub(crate) http: SocketAddr,
    /// Where the PostgreSQL protocol is listened for; `None`: nowhere.
    pub(crate) pg: Option<SocketAddr>,
    /// The file of accounts.
    pub(crate) accounts: PathBuf,
    /// The chain of certificates and the private key, in PEM.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// Whether keys and passwords may cross a network without TLS.
    pub(crate) insecure: bool,
    /// The folder below which backups are made; `None`: none are made over the network.
    pub(crate) backups: Option<PathBuf>,
    /// Bytes of a body, or of one message of the PostgreSQL protocol.
    pub(crate) max_body: usize,
    /// Rows of one answer.
    pub(crate) max_rows: usize,
    /// Connections of both protocols together.
    pub(crate) max_connections: usize,
    /// Statements that run at a time; recommendations have as many places again.
    pub(crate) max_statements: usize,
    /// Trainings and other jobs that run at a time.
    pub(crate) max_jobs: usize,
    /// Threads of a job.
    pub(crate) job_threads: usize,
    /// How long a statement may run.
    pub(crate) statement_timeout: Duration,
    /// How long a head or a body may take to arrive.
    pub(crate) body_timeout: Duration,
    /// How long a stop waits for what runs.
    pub(crate) shutdown_timeout: Duration,
    /// What is logged, in the syntax of `tracing`'s filters.
    pub(crate) log: String,
    /// Whether lines of the log are JSON.
    pub(crate) log_json: bool,
}

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// `--http`.
    pub(crate) http: Option<String>,
    /// `--pg`.
    pub(crate) pg: Option<String>,
    /// `--config`.
    pub(crate) file: Option<PathBuf>,
}

/// The file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    http: Option<String>,
    pg: Option<String>,
    accounts: Option<PathBuf>,
    tls_certificate: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    insecure: bool,
    backups: Option<PathBuf>,
    max_body: Option<usize>,
    max_rows: Option<usize>,
    max_connections: Option<usize>,
    max_statements: Option<usize>,
    max_jobs: Option<usize>,
    job_threads: Option<usize>,
    /// Seconds.
    statement_timeout: Option<f64>,
    body_timeout: Option<f64>,
    shutdown_timeout: Option<f64>,
    log: Option<String>,
    log_json: bool,
}

impl Config {
    /// The settings for a database at `path`.
    pub(crate) fn new(path: &Path, flags: &Flags) -> Result<Config, Problem> {
        let file = match &flags.file {
            Some(file) => read(file)?,
            None => File::default(),
        };
        // Paths in the file are relative to it.
        let folder = flags.file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        let at = |path: PathBuf| folder.join(path);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let http = flags.http.as_deref().or(file.http.as_deref());
        let pg = flags.pg.as_deref().or(file.pg.as_deref());
        let tls = match (file.tls_certificate, file.tls_key) {
            (Some(certificate), Some(key)) => Some((at(certificate), at(key))),
            (None, None) => None,
            _ => {
                let message = "`tls_certificate` and `tls_key` go together";
                return Err(Problem::config(message));
            }
        };
        let pg = match pg {
            Some("off") => None,
            Some(text) => Some(address("pg", text, PG_PORT)?),
            None => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PG_PORT)),
        };
        let count = |name: &str, given: Option<usize>, default: usize| match given {
            Some(0) => Err(Problem::config(format!("`{name}` must be at least 1"))),
            given => Ok(given.unwrap_or(default)),
        };
        Ok(Config {
            http: address("http", http.unwrap_or("127.0.0.1"), HTTP_PORT)?,
            pg,
            accounts: file.accounts.map_or_else(|| accounts_of(path), at),
            tls,
            insecure: file.insecure,
            backups: file.backups.map(at),
            max_body: count("max_body", file.max_body, 64 << 20)?,
            max_rows: count("max_rows", file.max_rows, 100_000)?,
            max_connections: count("max_connections", file.max_connections, 1024)?,
            max_statements: count("max_statements", file.max_statements, 8 * cores)?,
            max_jobs: count("max_jobs", file.max_jobs, 1)?,
            job_threads: count("job_threads", file.job_threads, (cores / 2).max(1))?,
            statement_timeout: seconds("statement_timeout", file.statement_timeout, 30.0)?,
            body_timeout: seconds("body_timeout", file.body_timeout, 30.0)?,
            shutdown_timeout: seconds("shutdown_timeout", file.shutdown_timeout, 30.0)?,
            log: file.log.unwrap_or_else(|| "info".to_owned()),
            log_json: file.log_json,
        })
    }

    /// Refuses to be open to strangers.
    pub(crate) fn check_exposure(&self, has_accounts: bool) -> Result<(), Problem> {
        let addresses = [Some(("http", self.http)), self.pg.map(|pg| ("pg", pg))];
        for (name, address) in addresses.into_iter().flatten() {
            if address.ip().is_loopback() {
                continue;
            }
            if !has_accounts {
                let message = format!(
                    "`{name}` would listen on {address}, beyond this machine, and there are no accounts"
                );
                return Err(
                    Problem::config(message).next("make one first: tastedb user add PATH NAME")
                );
            }
            if self.tls.is_none() && !self.insecure {
                let message =
                    format!("`{name}` would listen on {address}, beyond this machine, without TLS");
                let next = "set `tls_certificate` and `tls_key`, or `insecure = true` where a proxy does it";
                return Err(Problem::config(message).next(next));
            }
        }
        Ok(())
    }
}

/// The file of accounts of a database where nothing else is said.
pub(crate) fn accounts_of(database: &Path) -> PathBuf {
    database.join("accounts.json")
}

fn read(path: &Path) -> Result<File, Problem> {
    let text = fs::read_to_string(path)
        .map_err(|error| Problem::config(format!("{} cannot be read: {error}", path.display())))?;
    toml::from_str(&text).map_err(|error| {
        let message = error.message().replace('\n', ", ");
        let line = error.span().map_or(String::new(), |span| {
            format!(":{}", text[..span.start].matches('\n').count() + 1)
        });
        Problem::config(format!("{}{line}: {message}", path.display()))
    })
}

/// An address: a port, an IP address, or both.
fn address(name: &str, text: &str, port: u16) -> Result<SocketAddr, Problem> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    let text = text.replace("localhost", "127.0.0.1");
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, port));
    }
    text.parse().map_err(|_| {
        Problem::config(format!("`{name}`: `{text}` is no address"))
            .next("write a port, an address, or both: 8700, 0.0.0.0, 0.0.0.0:8700, [::1]:8700")
    })
}

fn seconds(name: &str, given: Option<f64>, default: f64) -> Result<Duration, Problem> {
    let seconds = given.unwrap_or(default);
    if !(0.001..=1e7).contains(&seconds) {
        return Err(Problem::config(format!("`{name}` must be from 0.001 to 10000000 seconds")));
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Config, Flags};

    fn config(file: &str, http: Option<&str>) -> Result<Config, super::Problem> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("server.toml");
        std::fs::write(&path, file).expect("written");
        let flags = Flags { http: http.map(str::to_owned), pg: None, file: Some(path) };
        Config::new(Path::new("shop.taste"), &flags)
    }

    #[test]
    fn flags_win_over_the_file() {
        let config = config("http = '127.0.0.1:1'\nmax_rows = 7", Some("9000")).expect("valid");
        assert_eq!((config.http.port(), config.max_rows), (9000, 7));
    }

    #[test]
    fn mistakes_have_a_line_and_a_name() {
        for (file, part) in [
            ("http = '1'\nmax_rwos = 7", "server.toml:2"),
            ("max_rows = 0", "max_rows"),
            ("http = 'example'", "is no address"),
            ("tls_key = 'x'", "go together"),
            ("statement_timeout = -1.0", "statement_timeout"),
        ] {
            let problem = config(file, None).expect_err(file);
            assert!(problem.message.contains(part), "{problem}");
            assert_eq!(problem.code, "TD1009");
        }
    }

    #[test]
    fn nobody_is_let_in_by_omission() {
        let open = config("http = '0.0.0.0'", None).expect("valid");
        assert!(open.check_exposure(false).is_err(), "no accounts");
        assert!(open.check_exposure(true).is_err(), "no TLS");
        let proxied = config("http = '0.0.0.0'\ninsecure = true", None).expect("valid");
        assert!(proxied.check_exposure(true).is_ok());
        assert!(config("", None).expect("valid").check_exposure(false).is_ok());
    }
}
