//! Runs scripts: statement by statement, each one's rows written and flushed before the next.

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tastedb::{Database, Error, Outcome, Session};

use super::args::Format;
use super::complain::{self, Source};
use super::input::{Piece, Pieces, Place};
use super::interrupt;
use super::output::{self, Fit};
use super::progress::Bar;
use super::shell::dot;

/// Why a run ends before its script does.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The reader of the output has gone.
    BrokenPipe,
    /// `.quit`.
    Quit,
    /// An error, in the words for standard error.
    Failed(String),
}

impl Stop {
    /// An error that is not about a statement.
    pub(crate) fn of(error: Error) -> Stop {
        Stop::Failed(complain::without_place(&error))
    }

    /// What the server cannot do.
    #[cfg(feature = "server")]
    pub(crate) fn problem(problem: crate::server::problem::Problem) -> Stop {
        Stop::Failed(problem.to_string())
    }

    /// An error of the command line itself.
    pub(crate) fn said(message: impl Into<String>) -> Stop {
        Stop::Failed(message.into())
    }

    /// The same with a code and a next step.
    pub(crate) fn mistake(code: &str, message: impl AsRef<str>, next: impl AsRef<str>) -> Stop {
        Stop::Failed(complain::mistake(code, message.as_ref(), next.as_ref()))
    }

    /// What to say on standard error.
    pub(crate) fn message(&self) -> Option<&str> {
        match self {
            Stop::Failed(message) => Some(message),
            Stop::BrokenPipe | Stop::Quit => None,
        }
    }
}

/// Writing fails either because nobody reads any more, or for a reason to tell.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        if output::is_broken_pipe(&error) {
            Stop::BrokenPipe
        } else {
            Stop::Failed(format!("error: cannot write the output: {error}"))
        }
    }
}

/// How outcomes are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// The format of result rows.
    pub(crate) format: Format,
    /// Whether to tell how long each statement took.
    pub(crate) timer: bool,
    /// The room for tables.
    pub(crate) fit: Fit,
}

/// A session with its output.
pub(crate) struct Runner {
    pub(crate) database: Database,
    pub(crate) session: Session,
    pub(crate) settings: Settings,
    bar: Arc<Bar>,
    /// How many files deep it is, to refuse one that reads itself.
    reading: usize,
}

impl Runner {
    pub(crate) fn new(database: &Database, settings: Settings) -> Result<Runner, Stop> {
        let mut session = database.session();
        let bar = Arc::new(Bar::new());
        session.set_progress(bar.clone());
        Ok(Runner { database: database.clone(), session, settings, bar, reading: 0 })
    }

    /// Runs everything that `reader` gives, and stops at the first error.
    pub(crate) fn run_script(&mut self, name: &str, reader: &mut dyn BufRead) -> Result<(), Stop> {
        let mut pieces = Pieces::new();
        let mut line = String::new();
        let mut first = true;
        loop {
            line.clear();
            let read = reader.read_line(&mut line).map_err(|error| unreadable(name, &error))?;
            // Some editors begin a file of UTF-8 with a mark that says so.
            pieces.push(if first { line.trim_start_matches('\u{feff}') } else { &line });
            first = false;
            while let Some(piece) = if read == 0 { pieces.finish() } else { pieces.next() } {
                match self.run_piece(name, &piece) {
                    Ok(()) => {}
                    Err(Stop::Quit) => return Ok(()),
                    Err(stop) => return Err(stop),
                }
            }
            if read == 0 {
                return Ok(());
            }
        }
    }

    fn run_piece(&mut self, name: &str, piece: &Piece) -> Result<(), Stop> {
        match piece {
            Piece::Sql { text, at } => self.run_statement(name, text, *at),
            Piece::Dot { text, at } => dot::run(self, text).map_err(|stop| match stop {
                // Where it stands goes before what to do about it.
                Stop::Failed(message) if !name.is_empty() => {
                    let (what, next) = message.split_once('\n').unwrap_or((&message, ""));
                    let shown = format!("{what}\n --> {name}:{}\n{next}", at.line);
                    Stop::Failed(shown.trim_end().to_string())
                }
                other => other,
            }),
        }
    }

    /// Runs one statement and shows its outcome.
    pub(crate) fn run_statement(&mut self, name: &str, text: &str, at: Place) -> Result<(), Stop> {
        let began = Instant::now();
        self.bar.begin();
        let mut outcomes = Vec::new();
        let token = self.session.reset_cancel();
        let session = &mut self.session;
        let result =
            interrupt::during(token, || session.run(text, &mut |outcome| outcomes.push(outcome)));
        self.bar.end();
        let took = began.elapsed();
        for outcome in &outcomes {
            self.show(outcome)?;
        }
        result
            .map_err(|error| Stop::Failed(complain::explain(&error, &Source { name, text, at })))?;
        if self.settings.timer && !outcomes.is_empty() {
            say(&format!("time: {}", duration(took)));
        }
        Ok(())
    }

    fn show(&self, outcome: &Outcome) -> Result<(), Stop> {
        match &outcome.rows {
            Some(rows) => {
                let mut out = io::BufWriter::new(io::stdout().lock());
                output::write(&mut out, rows, self.settings.format, self.settings.fit)?;
                // Only for people: a program has the rows.
                if let (Some(curve), Some(width), Format::Table) =
                    (&outcome.curve, self.settings.fit.width, self.settings.format)
                {
                    output::write_curve(&mut out, curve, width)?;
                }
            }
            None => say(&outcome.tag),
        }
        for notice in &outcome.notices {
            say(&format!("note: {notice}"));
        }
        Ok(())
    }

    /// Ends the run. A transaction that is still open is lost, and that is an error to know of.
    pub(crate) fn finish(self) -> Result<(), Stop> {
        if self.session.in_transaction() {
            say("note: the open transaction was rolled back; COMMIT keeps what it did");
        }
        Ok(())
    }

    /// Runs a script file from within a script or the shell.
    pub(crate) fn read(&mut self, path: &Path) -> Result<(), Stop> {
        const DEEPEST: usize = 16;
        if self.reading >= DEEPEST {
            let message = format!("{} is read {DEEPEST} levels deep", path.display());
            return Err(Stop::mistake("TD0103", message, "does it read itself?"));
        }
        self.reading += 1;
        let result = super::run_file(self, path);
        self.reading -= 1;
        result
    }
}

fn unreadable(name: &str, error: &io::Error) -> Stop {
    match error.kind() {
        io::ErrorKind::InvalidData => {
            let message = format!("{name} is not UTF-8");
            Stop::mistake("TD0102", message, "scripts are text in UTF-8: save it as that")
        }
        io::ErrorKind::IsADirectory => {
            let message = format!("{name} is a folder");
            Stop::mistake("TD0401", message, "name the script in it")
        }
        _ => {
            let message = format!("cannot read {name}: {error}");
            Stop::mistake("TD0401", message, "check the path and the permissions")
        }
    }
}

/// A line on standard error.
pub(crate) fn say(text: &str) {
    // Where standard error is gone there is nobody to tell.
    let _ = writeln!(io::stderr(), "{text}");
}

/// A duration with the digits that tell something.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.001 {
        format!("{:.0} µs", seconds * 1e6)
    } else if seconds < 0.01 {
        format!("{:.2} ms", seconds * 1e3)
    } else if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds < 100.0 {
        format!("{seconds:.2} s")
    } else {
        format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::duration;

    #[test]
    fn durations_are_readable_at_every_size() {
        assert_eq!(duration(Duration::from_micros(412)), "412 µs");
        assert_eq!(duration(Duration::from_micros(1234)), "1.23 ms");
        assert_eq!(duration(Duration::from_millis(123)), "123 ms");
        assert_eq!(duration(Duration::from_millis(12_345)), "12.35 s");
        assert_eq!(duration(Duration::from_secs(150)), "2 min 30 s");
    }
}
