//! The command line, as declared to clap.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::shell::near::{distance, nearest};

/// An embedded recommendation database: one folder, one process, SQL and RECOMMEND.
///
/// `tastedb PATH` opens an interactive shell on the database at PATH and creates it where there is
/// none. With -c, -f or statements on standard input it runs them and leaves: result rows go to
/// standard output, everything else to standard error; the exit status is 1 at the first error.
#[derive(Debug, Parser)]
#[command(name = "tastedb", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) open: Open,
}

/// Opening a database, to talk to it or to run statements.
#[derive(Args, Debug)]
pub(crate) struct Open {
    /// Folder of the database; without it, one in memory that is gone at the end
    pub(crate) path: Option<PathBuf>,

    /// Run these statements and leave; may be given several times
    #[arg(short = 'c', long = "command", value_name = "SQL", conflicts_with = "file")]
    pub(crate) sql: Vec<String>,

    /// Run the statements of this file and leave; `-` is standard input
    #[arg(short, long, value_name = "SCRIPT")]
    pub(crate) file: Vec<PathBuf>,

    /// How result rows are written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,

    /// Tell on standard error how long each statement took
    #[arg(long)]
    pub(crate) timer: bool,

    /// Open for reading only; a database that does not exist is an error
    #[arg(long)]
    pub(crate) read_only: bool,
}

/// The names of the commands.
const COMMANDS: &[&str] = &[
    "backup",
    "check",
    "demo",
    "restore",
    #[cfg(feature = "server")]
    "serve",
    #[cfg(feature = "server")]
    "user",
];

impl Open {
    /// The command that was meant, where the path is a bare word that names nothing and looks like
    /// one: a database called `chekc` is nobody's wish.
    pub(crate) fn mistyped_command(&self) -> Option<&'static str> {
        let path = self.path.as_deref()?;
        let word = path.to_str().filter(|word| word.chars().all(char::is_alphanumeric))?;
        let one_edit = |command: &&str| distance(word, command) == 1;
        if path.exists() { None } else { COMMANDS.iter().copied().find(one_edit) }
    }
}

/// What to do about an error of the command line, where clap does not say it.
pub(crate) fn next_step(
    error: &clap::Error,
    mut arguments: impl Iterator<Item = OsString>,
) -> Option<String> {
    // For a path and a word behind it, clap has one or the other.
    let kinds = [ErrorKind::UnknownArgument, ErrorKind::ArgumentConflict];
    let first = arguments.next()?.into_string().ok()?;
    let second = arguments.next()?.into_string().ok()?;
    if !kinds.contains(&error.kind()) || first.starts_with('-') || second.starts_with('-') {
        return None;
    }
    let near = nearest(&first, COMMANDS.iter().copied());
    match near {
        Some(near) if near != first => Some(format!("did you mean `tastedb {near}`?")),
        Some(_) => None,
        None if COMMANDS.contains(&second.as_str()) => {
            Some(format!("the command comes first: tastedb {second} {first}"))
        }
        None => Some(format!("statements go behind -c: tastedb {first} -c \"{second}\"")),
    }
}

/// What else the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The whole story step by step: create, import, train, evaluate, recommend, click, forget
    Demo(Demo),
    /// Verify every checksum and every reference of a database that nobody has open
    Check {
        /// Folder of the database
        path: PathBuf,
    },
    /// Copy a database to a new folder, consistent as of one moment
    Backup {
        /// Folder of the database
        path: PathBuf,
        /// Folder to make; must not exist
        destination: PathBuf,
    },
    /// Make a database from a backup
    Restore {
        /// Folder of the backup
        source: PathBuf,
        /// Folder to make; must not exist
        destination: PathBuf,
        /// The database that the backup is of, as it is now: what it has forgotten since is deleted
        /// from the restored one, too
        #[arg(long, value_name = "DATABASE")]
        forget: Option<PathBuf>,
    },
    /// Serve a database: REST and the console over HTTP, and the PostgreSQL protocol
    #[cfg(feature = "server")]
    Serve(Serve),
    /// Make, list and remove the accounts of a server; works while it runs
    #[cfg(feature = "server")]
    User {
        #[command(subcommand)]
        action: User,
    },
}

/// Serving.
#[cfg(feature = "server")]
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Folder of the database; it is created where there is none
    pub(crate) path: PathBuf,

    /// Where to listen for HTTP: a port, an address, or both [default: 127.0.0.1:8700]
    #[arg(long, value_name = "ADDR")]
    pub(crate) http: Option<String>,

    /// Where to listen for the PostgreSQL protocol; `off`: nowhere [default: 127.0.0.1:8701]
    #[arg(long, value_name = "ADDR")]
    pub(crate) pg: Option<String>,

    /// A TOML file with settings; see docs/operations.md
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// What is done to accounts.
#[cfg(feature = "server")]
#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Make an account; its API key, or its password, is printed once
    Add {
        #[command(flatten)]
        of: Accounts,
        /// Name of the account
        name: String,
        /// What it may do: read, write or admin
        #[arg(long, default_value = "read", value_name = "ROLE")]
        role: String,
        /// Make a password, for the PostgreSQL protocol and HTTP's Basic scheme, and no API key
        #[arg(long)]
        password: bool,
        /// Take the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
        /// Days after which it is refused
        #[arg(long, value_name = "DAYS")]
        expires: Option<u32>,
    },
    /// Print the accounts
    List {
        #[command(flatten)]
        of: Accounts,
    },
    /// Remove an account
    Remove {
        #[command(flatten)]
        of: Accounts,
        /// Name of the account
        name: String,
    },
    /// Give an account a new API key in place of its old one, and print it
    Key {
        #[command(flatten)]
        of: Accounts,
        /// Name of the account
        name: String,
    },
    /// Give an account a new password in place of its old one, and print it
    Password {
        #[command(flatten)]
        of: Accounts,
        /// Name of the account
        name: String,
        /// Take it from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
    },
}

/// Whose accounts.
#[cfg(feature = "server")]
#[derive(Args, Debug)]
pub(crate) struct Accounts {
    /// Folder of the database
    pub(crate) path: PathBuf,

    /// The file of accounts, where it is not accounts.json in the folder
    #[arg(long, value_name = "FILE")]
    pub(crate) accounts: Option<PathBuf>,
}

/// The demonstration.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// A folder of MovieLens: as GroupLens ships it, or split into train.csv and test.csv.
    /// Without it, a small catalogue is made up
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,

    /// Keep the database in this folder; without it, a temporary one that is removed
    #[arg(long, value_name = "PATH")]
    pub(crate) db: Option<PathBuf>,
}

/// How result rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns that fit the terminal
    Table,
    /// One JSON array of objects for each result
    Json,
    /// One JSON object a line
    Jsonl,
    /// Comma-separated values with a header line
    Csv,
}

impl Format {
    /// Every format, in the order of the documentation.
    pub(crate) const ALL: [Format; 4] = [Format::Table, Format::Json, Format::Jsonl, Format::Csv];

    /// The name it goes by on the command line and in the shell.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Format::Table => "table",
            Format::Json => "json",
            Format::Jsonl => "jsonl",
            Format::Csv => "csv",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use std::ffi::OsString;

    use super::{Cli, Command, Format, next_step};

    #[test]
    fn declaration_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn mistakes_of_the_command_line_have_a_next_step() {
        let next = |arguments: &[&str]| {
            let error = Cli::try_parse_from([&["tastedb"], arguments].concat()).expect_err("wrong");
            next_step(&error, arguments.iter().map(OsString::from))
        };
        assert_eq!(next(&["chekc", "shop"]).as_deref(), Some("did you mean `tastedb check`?"));
        assert_eq!(
            next(&["shop.taste", "SELECT 1"]).as_deref(),
            Some("statements go behind -c: tastedb shop.taste -c \"SELECT 1\"")
        );
        assert_eq!(
            next(&["shop.taste", "check"]).as_deref(),
            Some("the command comes first: tastedb check shop.taste")
        );
        assert_eq!(next(&["shop.taste", "--nonsense"]), None);
        let open = |word| Cli::try_parse_from(["tastedb", word]).expect("valid").open;
        assert_eq!(open("bakcup").mistyped_command(), Some("backup"));
        assert_eq!(open("movies").mistyped_command(), None);
        assert_eq!(open("./chekc").mistyped_command(), None);
        #[cfg(feature = "server")]
        assert_eq!(open("serv").mistyped_command(), Some("serve"));
    }

    #[test]
    fn a_path_opens_and_a_word_commands() {
        let cli =
            Cli::try_parse_from(["tastedb", "shop.taste", "-c", "SELECT 1", "--format", "csv"])
                .expect("valid");
        assert_eq!(cli.open.sql, ["SELECT 1"]);
        assert_eq!(cli.open.format, Format::Csv);
        assert!(cli.command.is_none());
        let cli = Cli::try_parse_from(["tastedb", "check", "shop.taste"]).expect("valid");
        assert!(matches!(cli.command, Some(Command::Check { .. })));
        assert!(Cli::try_parse_from(["tastedb", "x", "-c", "SELECT 1", "-f", "a.sql"]).is_err());
    }
}
