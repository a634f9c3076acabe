//! The log of a server: one line for each request and for what happens to the server itself.
//!
//! Lines go to standard error, as text or as JSON. A request is logged with its route (not its path),
//! its status, its code and its time: no key of a user or an item, no statement, no secret.

use tracing_subscriber::EnvFilter;

use super::config::Config;
use super::problem::Problem;

/// Begins to log as the settings say.
pub(crate) fn install(config: &Config) -> Result<(), Problem> {
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|error| Problem::config(format!("`log`: {error}")))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let installed = if config.log_json {
        lines.json().flatten_event(true).with_target(false).try_init()
    } else {
        lines.with_ansi(false).with_target(false).try_init()
    };
    installed.map_err(|error| Problem::internal(error.to_string()))
}
