//! SQL over a database: statements in, Arrow record batches out.

use std::io::Read;
use std::sync::Arc;

use tastedb_engine::{CancelToken, Progress};
use tastedb_query::arrow::datatypes::{DataType, FieldRef};
use tastedb_query::ast::{Endpoint, Isolation, Statement, StatementKind};
use tastedb_query::{Access, Caller, CopyOut, Outcome};
use tastedb_storage::Value;

use crate::database::Database;
use crate::error::{Error, Result};
use crate::worker::Worker;

/// One user of a database, who runs statements one after the other.
///
/// Every statement is atomic. What it wrote is on disk when it returns, unless it stands between
/// `BEGIN` and `COMMIT`. A session is used by one thread at a time; there may be many of them.
///
/// ```
/// # fn main() -> tastedb::Result<()> {
/// use tastedb::{Database, Value};
///
/// let db = Database::in_memory()?;
/// let mut session = db.session();
/// session.execute(
///     "CREATE TABLE movies (id TEXT PRIMARY KEY, title TEXT, year INT) WITH (role = 'item');
///      INSERT INTO movies VALUES ('m1', 'Heat', 1995), ('m2', 'Ronin', 1998);",
/// )?;
/// let after = [Value::Int(1996)];
/// let outcomes = session.execute_with("SELECT title FROM movies WHERE year > $1", &after)?;
/// let rows = outcomes[0].rows.as_ref().expect("SELECT returns rows");
/// assert_eq!(rows.len(), 1);
///
/// let error = session.execute("SELECT * FROM moveis").unwrap_err();
/// assert!(error.to_string().contains("movies"), "{error}");
/// # Ok(())
/// # }
/// ```
pub struct Session {
    /// Dropped first, as in [`Database`].
    worker: Arc<Worker>,
    inner: tastedb_query::Session,
}

/// What a statement takes and what it returns.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Description {
    /// The type of `$1`, `$2`, …; `None` where it cannot be told.
    pub params: Vec<Option<DataType>>,
    /// The columns of its rows; `None` where it returns none by nature.
    pub columns: Option<Vec<FieldRef>>,
}

/// What is known of a statement before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prepared {
    /// What it is, in capitals: `SELECT`, `RECOMMEND`, `CREATE TABLE`.
    pub name: &'static str,
    /// How far it reaches.
    pub access: Access,
    /// The highest number of a parameter in it; 0 where it has none.
    pub params: u32,
    /// For COPY … FROM STDIN and TO STDOUT: which of the two it needs.
    pub stream: Option<StreamEnd>,
}

/// An end of a COPY that is not a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// `STDIN`: see [`Session::set_input`].
    Input,
    /// `STDOUT`: see [`Session::set_output`].
    Output,
}

impl Prepared {
    fn of(statement: &Statement) -> Prepared {
        let client = |end: &Endpoint| matches!(end, Endpoint::Client(_));
        Prepared {
            name: statement.kind.name(),
            access: statement.access(),
            params: statement.params,
            stream: match &statement.kind {
                StatementKind::CopyFrom(copy) => client(&copy.from).then_some(StreamEnd::Input),
                StatementKind::CopyTo(copy) => client(&copy.to).then_some(StreamEnd::Output),
                _ => None,
            },
        }
    }
}

/// Statements that were parsed, to be described and run one by one; see [`Session::script`].
#[derive(Clone, Debug)]
pub struct Script {
    text: Arc<str>,
    statements: Arc<Vec<Statement>>,
}

impl Script {
    /// How many statements there are.
    pub fn len(&self) -> usize {
        self.statements.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// What is known of the statement at a place, from 0.
    pub fn get(&self, at: usize) -> Option<Prepared> {
        self.statements.get(at).map(Prepared::of)
    }

    /// The text that was parsed.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

impl Session {
    pub(crate) fn new(database: &Database) -> Session {
        Session { worker: database.worker(), inner: database.sql().session() }
    }

    /// Runs one statement or several, and returns what came of each.
    ///
    /// # Errors
    ///
    /// The first error ends it: what the statements before it did stays done.
    pub fn execute(&mut self, sql: &str) -> Result<Vec<Outcome>> {
        self.told(|session| session.execute(sql))
    }

    /// The same with values for `$1`, `$2`, ….
    ///
    /// # Errors
    ///
    /// As [`execute`](Session::execute).
    pub fn execute_with(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Outcome>> {
        self.told(|session| session.execute_with(sql, params))
    }

    /// Runs statements and hands over what came of each one as soon as it has ended.
    ///
    /// # Errors
    ///
    /// As [`execute`](Session::execute).
    pub fn run(&mut self, sql: &str, each: &mut dyn FnMut(Outcome)) -> Result<()> {
        self.told(|session| session.run(sql, each))
    }

    /// The statements of a script with what is known of them before they run; none is run.
    ///
    /// ```
    /// # fn main() -> tastedb::Result<()> {
    /// use tastedb::{Access, Database};
    ///
    /// let session = Database::in_memory()?.session();
    /// let prepared = session.prepare("SELECT $1; DELETE FROM movies WHERE year < $2")?;
    /// assert_eq!((prepared[0].name, prepared[0].access), ("SELECT", Access::Read));
    /// assert_eq!((prepared[1].access, prepared[1].params), (Access::Write, 2));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Where the text is no script of the language. Names are not looked up.
    pub fn prepare(&self, sql: &str) -> Result<Vec<Prepared>> {
        let statements = self.inner.statements(sql)?;
        Ok(statements.iter().map(Prepared::of).collect())
    }

    /// Parses a script, to describe its statements and run them one by one.
    ///
    /// ```
    /// # fn main() -> tastedb::Result<()> {
    /// use tastedb::{Database, Value};
    ///
    /// let mut session = Database::in_memory()?.session();
    /// let script = session.script("SELECT 1 + $1 AS next")?;
    /// let described = session.describe(&script, 0, &[])?;
    /// assert_eq!(described.params.len(), 1);
    /// assert_eq!(described.columns.expect("rows")[0].name(), "next");
    /// let outcome = session.execute_at(&script, 0, &[Value::Int(1)])?;
    /// assert_eq!(outcome.tag, "SELECT 1");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Where the text is no script of the language. Names are not looked up.
    pub fn script(&self, sql: &str) -> Result<Script> {
        let statements = self.inner.statements(sql)?;
        Ok(Script { text: Arc::from(sql), statements })
    }

    /// Runs the statement at a place of a script, from 0.
    ///
    /// # Errors
    ///
    /// As [`execute`](Session::execute).
    pub fn execute_at(&mut self, script: &Script, at: usize, params: &[Value]) -> Result<Outcome> {
        let Some(statement) = script.statements.get(at) else {
            return Err(Error::internal("the script has no such statement"));
        };
        self.told(|session| session.run_one(statement, &script.text, params))
    }

    /// What values the statement at a place of a script takes, and which columns it returns, without
    /// running it. `known` are the types of `$1`, `$2`, … that are known already.
    ///
    /// # Errors
    ///
    /// Where a name is unknown, or the statement could not be run either.
    pub fn describe(
        &mut self,
        script: &Script,
        at: usize,
        known: &[Option<DataType>],
    ) -> Result<Description> {
        let Some(statement) = script.statements.get(at) else {
            return Err(Error::internal("the script has no such statement"));
        };
        let described = self.inner.describe(statement, known)?;
        let columns = described.columns.map(|schema| schema.fields().iter().cloned().collect());
        Ok(Description { params: described.params, columns })
    }

    /// What the next `COPY … FROM STDIN` reads. It is dropped with the statement that took it.
    pub fn set_input(&mut self, input: Option<Box<dyn Read + Send>>) {
        self.inner.set_input(input);
    }

    /// What takes the rows of the next `COPY … TO STDOUT`. It is dropped with the statement that took it.
    pub fn set_output(&mut self, output: Option<Box<dyn CopyOut>>) {
        self.inner.set_output(output);
    }

    /// Whether a `BEGIN` that names no isolation level is READ COMMITTED: each statement of the
    /// transaction reads what is committed by then, and others may write until it does so itself. Else,
    /// and at first, it is SERIALIZABLE: it is the one writer from its beginning on.
    pub fn set_read_committed(&mut self, read_committed: bool) {
        self.inner.set_isolation(match read_committed {
            true => Isolation::ReadCommitted,
            false => Isolation::Serializable,
        });
    }

    /// Says who the session is for: what `current_user` and `current_database()` tell.
    pub fn set_caller(&mut self, caller: Caller) {
        self.inner.set_caller(caller);
    }

    /// Runs something, and starts the worker if there is a model that wants it now.
    fn told<T>(
        &mut self,
        run: impl FnOnce(&mut tastedb_query::Session) -> tastedb_query::Result<T>,
    ) -> Result<T> {
        let done = run(&mut self.inner);
        self.worker.ensure();
        Ok(done?)
    }

    /// Where long statements (`COPY`, `TRAIN MODEL`, `EVALUATE`) report how far they are.
    pub fn set_progress(&mut self, progress: Arc<dyn Progress>) {
        self.inner.set_progress(progress);
    }

    /// How many threads training and evaluation use; 0, the default, means one for each core.
    pub fn set_threads(&mut self, threads: usize) {
        self.inner.set_threads(threads);
    }

    /// The most rows that a statement may return; `None`, the default, means as many as there are. One
    /// that would return more fails, and has changed nothing. Rows that a COPY streams are not counted.
    pub fn set_row_limit(&mut self, most: Option<usize>) {
        self.inner.set_row_limit(most);
    }

    /// What stops the running statement, from another thread. Once cancelled, everything is
    /// refused until [`reset_cancel`](Session::reset_cancel).
    pub fn cancel_token(&self) -> CancelToken {
        self.inner.cancel_token()
    }

    /// A new token in place of one that may have been cancelled.
    pub fn reset_cancel(&mut self) -> CancelToken {
        self.inner.reset_cancel()
    }

    /// Takes a token that the caller made, so that it can be cancelled before a statement begins.
    pub fn set_cancel(&mut self, token: CancelToken) {
        self.inner.set_cancel(token);
    }

    /// Whether a transaction is open.
    pub fn in_transaction(&self) -> bool {
        self.inner.in_transaction()
    }

    /// Whether a text is a whole script: it ends with a semicolon outside of quotes and comments.
    pub fn is_complete(sql: &str) -> bool {
        tastedb_query::Session::is_complete(sql)
    }
}
