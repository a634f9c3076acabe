//! The program `tastedb`: the shell, scripts, the demonstration, the server. It is built with the
//! feature `cli`, the server with `server`; the library does without them.

#![forbid(unsafe_code)]

mod cli;
mod rows;
#[cfg(feature = "server")]
mod server;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
