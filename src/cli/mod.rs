//! The command line: what `tastedb` does when it is run, as opposed to linked.
//!
//! Everything here goes through the public library and holds no rule of the database itself. Result
//! rows go to standard output and nothing else does; the exit status is 0, or 1 after an error.

mod args;
mod complain;
mod demo;
mod input;
mod interrupt;
mod maintain;
mod output;
mod progress;
mod runner;
#[cfg(feature = "server")]
mod serve;
mod shell;
mod statement;
#[cfg(feature = "server")]
mod user;

use std::env;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use tastedb::{Database, Options};

use args::{Cli, Command, Open};
use output::Fit;
use runner::{Runner, Settings, Stop};

/// Does what the arguments ask for.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            match args::next_step(&error, env::args_os().skip(1)) {
                Some(next) => {
                    let message = "there is one argument too many";
                    runner::say(&complain::mistake("TD0101", message, &next));
                }
                // Help and the version are no errors; standard output may be gone already.
                None => drop(error.print()),
            }
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let result = match cli.command {
        None => open(&cli.open),
        Some(Command::Demo(demo)) => demo::run(&demo),
        Some(Command::Check { path }) => maintain::check(&path),
        Some(Command::Backup { path, destination }) => maintain::backup(&path, &destination),
        Some(Command::Restore { source, destination, forget }) => {
            maintain::restore(&source, &destination, forget.as_deref())
        }
        #[cfg(feature = "server")]
        Some(Command::Serve(serve)) => serve::run(&serve),
        #[cfg(feature = "server")]
        Some(Command::User { action }) => user::run(action),
    };
    match result {
        // Whoever reads the output has had enough: that is no failure of ours.
        Ok(()) | Err(Stop::BrokenPipe) => ExitCode::SUCCESS,
        Err(stop) => {
            if let Some(message) = stop.message() {
                // Standard error may be gone as well; the status still tells.
                let _ = writeln!(io::stderr(), "{message}");
            }
            ExitCode::FAILURE
        }
    }
}

fn open(args: &Open) -> Result<(), Stop> {
    let database = open_database(args)?;
    let scripted = !args.sql.is_empty() || !args.file.is_empty();
    if !scripted && io::stdin().is_terminal() {
        return shell::run(database, args);
    }
    interrupt::install(interrupt::Idle::Leave);
    let settings = Settings { format: args.format, timer: args.timer, fit: script_fit() };
    let mut runner = Runner::new(&database, settings)?;
    for sql in &args.sql {
        runner.run_script("-c", &mut sql.as_bytes())?;
    }
    for file in &args.file {
        run_file(&mut runner, file)?;
    }
    if !scripted {
        runner.run_script("stdin", &mut io::stdin().lock())?;
    }
    runner.finish()
}

fn open_database(args: &Open) -> Result<Database, Stop> {
    if let Some(near) = args.mistyped_command() {
        let path = args.path.as_deref().unwrap_or(Path::new("")).display();
        let message = format!("no database `{path}`, and no command; did you mean `{near}`?");
        let next = format!("`tastedb ./{path}` makes a database of that name");
        return Err(Stop::mistake("TD0806", message, next));
    }
    let options = Options::new().read_only(args.read_only);
    match &args.path {
        Some(path) if path.as_os_str() != ":memory:" => Database::open_with(path, options),
        _ => Database::in_memory_with(options),
    }
    .map_err(Stop::of)
}

/// Tables fit the terminal where there is one; a file gets every value whole.
fn script_fit() -> Fit {
    if io::stdout().is_terminal() {
        Fit { width: output::terminal_width(), rows: usize::MAX }
    } else {
        Fit::WHOLE
    }
}

/// Runs a script file; `-` is standard input.
fn run_file(runner: &mut Runner, path: &Path) -> Result<(), Stop> {
    if path.as_os_str() == "-" {
        return runner.run_script("stdin", &mut io::stdin().lock());
    }
    let mut reader: Box<dyn BufRead> = match File::open(path) {
        Ok(file) => Box::new(BufReader::new(file)),
        Err(error) => {
            let message = format!("cannot open {}: {error}", path.display());
            return Err(Stop::mistake(
                "TD0401",
                message,
                "check the path; it is relative to the working directory",
            ));
        }
    };
    runner.run_script(&path.display().to_string(), &mut reader)
}
