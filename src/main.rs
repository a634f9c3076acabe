//! The program `tastedb`: the shell, scripts, the demonstration. It is built with the feature
//! `cli`; the library does without it.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
