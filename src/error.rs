//! The one error of the library: what kind it is, a stable code, a message, and its causes.
//!
//! The layers below have errors with structured causes; here they become something an application
//! can decide on without knowing the layers. Messages are one line without a full stop and name the
//! next step where there is one.

use std::error::Error as StdError;
use std::fmt;

use tastedb_storage::{Catalog, Role, Table, TableId};

mod code;

/// The result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
///
/// ```
/// use tastedb::{Database, ErrorKind, Options, Create};
///
/// let missing = std::env::temp_dir().join("there-is-no-database-here.taste");
/// let error = Database::open_with(&missing, Options::new().create(Create::Never)).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert!(error.code().starts_with("TD08"));
/// assert!(!error.is_retryable());
/// ```
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    code: &'static str,
    message: String,
    place: Option<Place>,
    next_step: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// Where in the text of a statement something stands. Lines and columns count from 1, columns in
/// characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line of its first character.
    pub line: usize,
    /// The column of its first character.
    pub column: usize,
    /// The line of its end.
    pub end_line: usize,
    /// The column behind its last character.
    pub end_column: usize,
}

/// What an application can tell errors apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What was asked makes no sense: syntax, types, options, damaged input files.
    InvalidInput,
    /// A table, column, row, model or file is not there.
    NotFound,
    /// A name is taken.
    AlreadyExists,
    /// It contradicts something that happened meanwhile, or that exists.
    Conflict,
    /// Somebody else writes, or has the database open.
    Locked,
    /// The database was opened for reading only.
    ReadOnly,
    /// Understood, but this version or build cannot do it.
    Unsupported,
    /// Something must be done first, such as training a model.
    Unavailable,
    /// It was cancelled.
    Cancelled,
    /// The database's own bytes are damaged.
    Corrupted,
    /// The operating system refused.
    Io,
    /// An earlier write failed: open the database again.
    Poisoned,
    /// A mistake in TasteDB itself.
    Internal,
}

impl Error {
    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        code::kind(self.inner.code)
    }

    /// A stable code such as `TD0201`, for programs and for searching.
    pub fn code(&self) -> &'static str {
        self.inner.code
    }

    /// Where in the SQL text it is; `None` where it is not about a place in a text.
    pub fn place(&self) -> Option<Place> {
        self.inner.place
    }

    /// What to do about it, where there is something to say.
    pub fn next_step(&self) -> Option<&str> {
        self.inner.next_step.as_deref()
    }

    /// The error for people: code and message, the line of `sql` (the text that was run) with a
    /// caret, and the next step. Several lines, no colours.
    pub fn render(&self, sql: &str) -> String {
        #[cfg(feature = "sql")]
        if let Some(error) =
            self.inner.source.as_ref().and_then(|s| s.downcast_ref::<tastedb_query::Error>())
        {
            return error.render(sql);
        }
        let _ = sql;
        format!("error {}: {self}", self.code())
    }

    /// Whether the same call may succeed later without anything being changed.
    pub fn is_retryable(&self) -> bool {
        code::is_retryable(self.inner.code)
    }

    pub(crate) fn no_context(message: impl Into<String>) -> Error {
        Error::new(code::CONTEXT, message)
    }

    pub(crate) fn bad_slate(message: impl Into<String>) -> Error {
        Error::new(code::SLATE, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Error {
        Error::new(code::INTERNAL, message)
    }

    pub(crate) fn no_table(catalog: &Catalog, name: &str) -> Error {
        let known: Vec<&str> = catalog.tables().map(|table| table.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_string() } else { known.join(", ") };
        let message = format!("no table `{name}`; there are: {known}");
        Error::new(code::NO_TABLE, message)
    }

    pub(crate) fn no_column(table: &Table, name: &str) -> Error {
        let known: Vec<&str> = table.columns().map(|column| column.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_string() } else { known.join(", ") };
        let message = format!("no column `{name}` in table `{}`; there are: {known}", table.name);
        Error::new(code::NO_COLUMN, message)
    }

    pub(crate) fn no_row(catalog: &Catalog, table: TableId, key: &str) -> Error {
        let (role, name) = match catalog.table_by_id(table) {
            Some(table) => (table.role, table.name.as_str()),
            None => (Role::Item, "?"),
        };
        let code = if role == Role::User { code::NO_USER } else { code::NO_ITEM };
        Error::new(code, format!("no {} `{key}` in table `{name}`", noun(role)))
    }

    pub(crate) fn wrong_role(table: &str, is: Role, wanted: Role) -> Error {
        let message = format!("table `{table}` holds {}s, not {}s", noun(is), noun(wanted));
        Error::new(code::WRONG_ROLE, message)
    }

    fn new(code: &'static str, message: impl Into<String>) -> Error {
        let message = message.into();
        let inner = Inner { code, message, place: None, next_step: None, source: None };
        Error { inner: Box::new(inner) }
    }

    fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Error {
        self.inner.source = Some(Box::new(source));
        self
    }
}

fn noun(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Item => "item",
        Role::Interaction => "interaction",
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.inner.code)
            .field("kind", &self.kind())
            .field("message", &self.inner.message)
            .field("source", &self.inner.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<tastedb_storage::Error> for Error {
    fn from(error: tastedb_storage::Error) -> Error {
        // The query layer knows the next steps of all codes.
        #[cfg(feature = "sql")]
        let next_step = tastedb_query::codes::next_step(code::of_storage(&error));
        #[cfg(not(feature = "sql"))]
        let next_step = None;
        let mut made = Error::new(code::of_storage(&error), error.to_string());
        made.inner.next_step = next_step;
        made.because(error)
    }
}

impl From<tastedb_engine::Error> for Error {
    fn from(error: tastedb_engine::Error) -> Error {
        if let tastedb_engine::Error::Storage(error) = error {
            return error.into();
        }
        Error::new(code::of_engine(&error), error.to_string()).because(error)
    }
}

#[cfg(feature = "sql")]
impl From<tastedb_query::Error> for Error {
    fn from(error: tastedb_query::Error) -> Error {
        let mut made = Error::new(error.code(), error.to_string());
        made.inner.place = error.span().map(|span| Place {
            line: span.start.line as usize,
            column: span.start.column as usize,
            end_line: span.end.line as usize,
            end_column: span.end.column as usize,
        });
        made.inner.next_step = error.problem().next_step();
        made.because(error)
    }
}
