//! `serve`: from the command line to the server.

use tastedb::{Database, Options};

use super::args::Serve;
use super::runner::Stop;
use crate::server::config::{Config, Flags};

/// Opens the database and serves it until the process is told to stop.
pub(crate) fn run(args: &Serve) -> Result<(), Stop> {
    let flags = Flags { http: args.http.clone(), pg: args.pg.clone(), file: args.config.clone() };
    // Settings that are wrong are told before anything is opened or made.
    let config = Config::new(&args.path, &flags).map_err(Stop::problem)?;
    let database = Database::open_with(&args.path, Options::new()).map_err(Stop::of)?;
    crate::server::run(database, config).map_err(Stop::problem)
}
