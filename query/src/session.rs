//! A session: one user of a database, who runs statements one after the other.
//!
//! It holds what lasts between statements: an open transaction, where to report progress, what
//! cancels the work. Everything shared by sessions is in [`Sql`]. Each statement is atomic; an
//! error inside of BEGIN … COMMIT undoes that statement and leaves the transaction open.
//!
//! A transaction that is READ COMMITTED takes the writer lock with its first write, not before: many
//! clients open one for whatever they read, and would keep everybody else from writing.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use tastedb_engine::{CancelToken, Engine, ModelInfo, Progress, Silent, Work};

use crate::access::Access;
use crate::ast::{Isolation, Statement};
use crate::candidates::{Columns, Masks};
use crate::error::{Error, Result};
use crate::exec::{self, Description, Shapes, show};
use crate::expr::{Compiler, Planner, Projections};
use crate::outcome::{Outcome, Rows};
use crate::parser;
use crate::pg::Caller;
use crate::provider::{OpenTransaction, View};
use crate::script;
use crate::storage::{Store, Value, WriteTxn};
use crate::stream::CopyOut;

/// What the query layer takes from outside: it reads no clock and counts no cores itself.
#[derive(Clone)]
pub struct Options {
    /// Threads that run queries.
    pub threads: usize,
    /// Bytes that the queries running at one time may take for sorting, joining and grouping;
    /// `None`: as many as there are.
    pub memory: Option<usize>,
    /// The present, in microseconds since 1970: what `now()` returns.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("threads", &self.threads).finish_non_exhaustive()
    }
}

/// SQL over one open database. Cheap to clone; shared by threads.
#[derive(Clone)]
pub struct Sql {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    planner: Planner,
    columns: Columns,
    masks: Masks,
    shapes: Shapes,
    projections: Projections,
    system: OnceLock<Vec<(&'static str, SchemaRef)>>,
    parsed: Mutex<Parsed>,
    clock: Arc<dyn Fn() -> i64 + Send + Sync>,
}

impl std::fmt::Debug for Sql {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sql").finish_non_exhaustive()
    }
}

impl Sql {
    /// The query layer over `store`, with an engine of its own.
    pub fn new(store: Store, options: Options) -> Result<Sql> {
        let planner = Planner::new(options.threads, options.memory)?;
        let engine = Engine::new(store, Some(Arc::new(Compiler::new(planner.clone()))));
        Ok(Sql {
            inner: Arc::new(Inner {
                engine,
                planner,
                columns: Columns::default(),
                masks: Masks::default(),
                shapes: Shapes::default(),
                projections: Projections::default(),
                system: OnceLock::new(),
                parsed: Mutex::new(Parsed::default()),
                clock: options.clock,
            }),
        })
    }

    /// The engine underneath: models and recommendations without SQL.
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// A new session.
    pub fn session(&self) -> Session {
        Session {
            sql: self.clone(),
            txn: None,
            isolation: Isolation::Serializable,
            caller: Caller::default(),
            input: Mutex::new(None),
            output: Mutex::new(None),
            progress: Arc::new(Silent),
            cancel: CancelToken::new(),
            threads: 0,
            most_rows: None,
        }
    }

    pub(crate) fn planner(&self) -> &Planner {
        &self.inner.planner
    }

    pub(crate) fn columns(&self) -> &Columns {
        &self.inner.columns
    }

    pub(crate) fn masks(&self) -> &Masks {
        &self.inner.masks
    }

    pub(crate) fn shapes(&self) -> &Shapes {
        &self.inner.shapes
    }

    pub(crate) fn projections(&self) -> &Projections {
        &self.inner.projections
    }

    /// The columns of the system tables, which are the same in every database.
    pub(crate) fn system_schemas(
        &self,
        session: &Session,
        view: &View,
    ) -> Result<&[(&'static str, SchemaRef)]> {
        if let Some(known) = self.inner.system.get() {
            return Ok(known);
        }
        let mut schemas = Vec::new();
        for name in show::SYSTEM_TABLES {
            if let Some(rows) = show::system_table(session, name, view)? {
                schemas.push((*name, rows.schema));
            }
        }
        Ok(self.inner.system.get_or_init(|| schemas))
    }

    pub(crate) fn now(&self) -> i64 {
        (self.inner.clock)()
    }

    /// The statements of a script, parsed once.
    fn parse(&self, sql: &str) -> Result<Arc<Vec<Statement>>> {
        let known = {
            let mut parsed = self.inner.parsed.lock().unwrap_or_else(PoisonError::into_inner);
            parsed.get(sql)
        };
        if let Some(statements) = known {
            return Ok(statements);
        }
        let statements = Arc::new(parser::parse(sql)?);
        let mut parsed = self.inner.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        parsed.put(sql, Arc::clone(&statements));
        Ok(statements)
    }
}

/// Statements that were parsed not long ago, by their text.
#[derive(Default)]
struct Parsed {
    young: HashMap<String, Arc<Vec<Statement>>>,
    old: HashMap<String, Arc<Vec<Statement>>>,
}

/// Texts in one generation of the cache, and the length beyond which a text is not kept.
const PARSED: usize = 512;
const PARSED_LENGTH: usize = 16 << 10;

impl Parsed {
    fn get(&mut self, sql: &str) -> Option<Arc<Vec<Statement>>> {
        if let Some(statements) = self.young.get(sql) {
            return Some(Arc::clone(statements));
        }
        let (text, statements) = self.old.remove_entry(sql)?;
        self.young.insert(text, Arc::clone(&statements));
        Some(statements)
    }

    fn put(&mut self, sql: &str, statements: Arc<Vec<Statement>>) {
        if sql.len() > PARSED_LENGTH {
            return;
        }
        if self.young.len() >= PARSED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(sql.to_owned(), statements);
    }
}

/// A transaction of a session.
enum Open {
    /// It has not written yet and sees what is committed.
    Waiting,
    /// It is the writer.
    Writing(OpenTransaction),
}

/// One user of a database.
pub struct Session {
    sql: Sql,
    txn: Option<Open>,
    isolation: Isolation,
    caller: Caller,
    /// Behind locks only because answers to many users share a session between threads.
    input: Mutex<Option<Box<dyn Read + Send>>>,
    output: Mutex<Option<Box<dyn CopyOut>>>,
    progress: Arc<dyn Progress>,
    cancel: CancelToken,
    threads: usize,
    most_rows: Option<usize>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("in_transaction", &self.in_transaction()).finish()
    }
}

impl Session {
    /// Runs a script; its statements' outcomes, in order. The first error ends it: what the
    /// statements before it did stays done.
    pub fn execute(&mut self, sql: &str) -> Result<Vec<Outcome>> {
        self.execute_with(sql, &[])
    }

    /// The same with values for `$1`, `$2`, ….
    pub fn execute_with(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        self.run_with(sql, params, &mut |outcome| outcomes.push(outcome))?;
        Ok(outcomes)
    }

    /// Runs a script and hands over each statement's outcome as soon as it has ended: a write is
    /// durable then, unless a transaction is open.
    pub fn run(&mut self, sql: &str, each: &mut dyn FnMut(Outcome)) -> Result<()> {
        self.run_with(sql, &[], each)
    }

    /// The same with values for `$1`, `$2`, ….
    pub fn run_with(
        &mut self,
        sql: &str,
        params: &[Value],
        each: &mut dyn FnMut(Outcome),
    ) -> Result<()> {
        let statements = self.sql.parse(sql)?;
        for statement in statements.iter() {
            each(self.run_one(statement, sql, params)?);
        }
        Ok(())
    }

    /// The statements of a script, without running them.
    pub fn statements(&self, sql: &str) -> Result<Arc<Vec<Statement>>> {
        self.sql.parse(sql)
    }

    /// Runs one statement of the script `sql` that [`statements`](Session::statements) returned.
    pub fn run_one(
        &mut self,
        statement: &Statement,
        sql: &str,
        params: &[Value],
    ) -> Result<Outcome> {
        if self.cancel.is_cancelled() {
            return Err(Error::cancelled());
        }
        let start = Instant::now();
        let mut outcome = exec::execute(self, statement, sql, params)?;
        // A write has asked before it was done.
        if statement.access() == Access::Read {
            self.admit(outcome.rows.as_ref().map_or(0, Rows::len))?;
        }
        outcome.elapsed = Some(start.elapsed());
        Ok(outcome)
    }

    /// What values a statement of the script `sql` takes and what columns it returns, without running
    /// it. `known` are the types of parameters that are known already.
    pub fn describe(
        &mut self,
        statement: &Statement,
        known: &[Option<DataType>],
    ) -> Result<Description> {
        exec::describe(self, statement, known)
    }

    /// What the next COPY … FROM STDIN reads.
    pub fn set_input(&mut self, input: Option<Box<dyn Read + Send>>) {
        self.input = Mutex::new(input);
    }

    /// What takes the rows of the next COPY … TO STDOUT.
    pub fn set_output(&mut self, output: Option<Box<dyn CopyOut>>) {
        self.output = Mutex::new(output);
    }

    /// What BEGIN means where it names no isolation level; at first serializable.
    pub fn set_isolation(&mut self, isolation: Isolation) {
        self.isolation = isolation;
    }

    /// Says who the session is for.
    pub fn set_caller(&mut self, caller: Caller) {
        self.caller = caller;
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(crate) fn take_input(&mut self) -> Option<Box<dyn Read + Send>> {
        self.input.get_mut().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn take_output(&mut self) -> Option<Box<dyn CopyOut>> {
        self.output.get_mut().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Where long statements report how far they are.
    pub fn set_progress(&mut self, progress: Arc<dyn Progress>) {
        self.progress = progress;
    }

    /// Threads for training and evaluation; 0 means one for each core.
    pub fn set_threads(&mut self, threads: usize) {
        self.threads = threads;
    }

    /// The most rows that a statement may return; `None`, the default: as many as there are. One that
    /// would return more fails, and has changed nothing.
    pub fn set_row_limit(&mut self, most: Option<usize>) {
        self.most_rows = most;
    }

    pub(crate) fn row_limit(&self) -> Option<usize> {
        self.most_rows
    }

    /// Refuses more rows than a statement may return.
    pub(crate) fn admit(&self, rows: usize) -> Result<()> {
        match self.most_rows {
            Some(most) if rows > most => Err(Error::too_many_rows(most)),
            _ => Ok(()),
        }
    }

    /// What stops the running statement. A token that was used stays cancelled:
    /// [`reset_cancel`](Session::reset_cancel) makes a new one.
    pub fn cancel_token(&self) -> CancelToken {
        self.cancel.clone()
    }

    /// Replaces the token by one that nobody has cancelled, and returns it.
    pub fn reset_cancel(&mut self) -> CancelToken {
        self.cancel = CancelToken::new();
        self.cancel.clone()
    }

    /// Takes over a token that somebody else holds already.
    pub fn set_cancel(&mut self, token: CancelToken) {
        self.cancel = token;
    }

    /// Whether BEGIN was run without COMMIT or ROLLBACK.
    pub fn in_transaction(&self) -> bool {
        self.txn.is_some()
    }

    /// Whether the transaction that is open has written, so that it sees another state than others.
    pub(crate) fn is_writing(&self) -> bool {
        matches!(self.txn, Some(Open::Writing(_)))
    }

    /// Whether a text is a complete script: it ends with a semicolon outside of quotes and
    /// comments.
    pub fn is_complete(sql: &str) -> bool {
        script::is_complete(sql)
    }

    /// The query layer that the session belongs to.
    pub fn sql(&self) -> &Sql {
        &self.sql
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.sql.engine()
    }

    pub(crate) fn work(&self) -> Work {
        Work {
            progress: Arc::clone(&self.progress),
            cancel: self.cancel.clone(),
            threads: self.threads,
            ..Work::quiet()
        }
    }

    pub(crate) fn cancel(&self) -> &CancelToken {
        &self.cancel
    }

    pub(crate) fn progress(&self) -> &dyn Progress {
        self.progress.as_ref()
    }

    /// What statements read: the open transaction, or the last durable state.
    pub(crate) fn view(&self) -> View {
        match &self.txn {
            Some(Open::Writing(open)) => View::Transaction(Arc::clone(open)),
            Some(Open::Waiting) | None => View::Snapshot(self.engine().snapshot()),
        }
    }

    /// Every model of the view.
    pub(crate) fn models(&self) -> Result<Vec<ModelInfo>> {
        self.view().read(|read| Ok(self.engine().models(read)?))
    }

    // ---- transactions ---------------------------------------------------------------------

    pub(crate) fn begin(&mut self, isolation: Isolation) -> Result<()> {
        if self.txn.is_some() {
            return Err(Error::transaction_open());
        }
        let isolation = if isolation == Isolation::Default { self.isolation } else { isolation };
        self.txn = Some(Open::Waiting);
        if isolation != Isolation::ReadCommitted
            && let Err(error) = self.writing()
        {
            self.txn = None;
            return Err(error);
        }
        Ok(())
    }

    /// The open transaction as one that writes, if one is open.
    fn writing(&mut self) -> Result<Option<OpenTransaction>> {
        match &self.txn {
            None => Ok(None),
            Some(Open::Writing(open)) => Ok(Some(Arc::clone(open))),
            Some(Open::Waiting) => {
                let txn = self.engine().store().begin()?;
                let open: OpenTransaction = Arc::new(Mutex::new(Some(txn)));
                self.txn = Some(Open::Writing(Arc::clone(&open)));
                Ok(Some(open))
            }
        }
    }

    pub(crate) fn commit(&mut self) -> Result<()> {
        if let Some(txn) = self.take_transaction("COMMIT")? {
            txn.commit()?;
        }
        Ok(())
    }

    pub(crate) fn rollback(&mut self) -> Result<()> {
        self.take_transaction("ROLLBACK").map(drop)
    }

    /// Ends the transaction; what it has written, if it has.
    fn take_transaction(&mut self, verb: &str) -> Result<Option<WriteTxn>> {
        match self.txn.take() {
            None => Err(Error::no_transaction(verb)),
            Some(Open::Waiting) => Ok(None),
            Some(Open::Writing(open)) => {
                Ok(open.lock().unwrap_or_else(PoisonError::into_inner).take())
            }
        }
    }

    /// Runs one write: in a transaction of its own that is durable when this returns, or as a part
    /// of the open one, which an error leaves as it was before.
    pub(crate) fn write<T>(&mut self, work: impl FnOnce(&mut WriteTxn) -> Result<T>) -> Result<T> {
        let Some(open) = self.writing()? else {
            let mut txn = self.engine().store().begin()?;
            let result = work(&mut txn)?;
            self.engine().keep_embeddings(&mut txn)?;
            txn.commit()?;
            return Ok(result);
        };
        let mut guard = open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(txn) = guard.as_mut() else {
            return Err(Error::internal("the transaction has ended"));
        };
        txn.savepoint();
        let engine = self.engine();
        let done = work(txn).and_then(|result| {
            engine.keep_embeddings(txn)?;
            Ok(result)
        });
        match done {
            Ok(result) => {
                txn.release_savepoint()?;
                Ok(result)
            }
            Err(error) => {
                txn.rollback_to_savepoint()?;
                Err(error)
            }
        }
    }

    /// Runs one write that also reads by queries. The transaction is shared for the time of the
    /// statement, so that queries see what it has written.
    pub(crate) fn write_view<T>(
        &mut self,
        work: impl FnOnce(&mut Session, &OpenTransaction) -> Result<T>,
    ) -> Result<T> {
        if let Some(open) = self.writing()? {
            with_txn(&open, |txn| {
                txn.savepoint();
                Ok(())
            })?;
            let result = self.work_on(&open, work);
            with_txn(&open, |txn| match &result {
                Ok(_) => Ok(txn.release_savepoint()?),
                Err(_) => Ok(txn.rollback_to_savepoint()?),
            })?;
            return result;
        }
        let txn = self.engine().store().begin()?;
        let open: OpenTransaction = Arc::new(Mutex::new(Some(txn)));
        let result = self.work_on(&open, work);
        let txn = open.lock().unwrap_or_else(PoisonError::into_inner).take();
        let result = result?;
        if let Some(txn) = txn {
            txn.commit()?;
        }
        Ok(result)
    }

    /// Runs the work of one statement, and brings up to date what is computed from its rows.
    fn work_on<T>(
        &mut self,
        open: &OpenTransaction,
        work: impl FnOnce(&mut Session, &OpenTransaction) -> Result<T>,
    ) -> Result<T> {
        let result = work(self, open)?;
        with_txn(open, |txn| Ok(self.engine().keep_embeddings(txn)?))?;
        Ok(result)
    }
}

/// Works on a shared transaction.
pub(crate) fn with_txn<T>(
    open: &OpenTransaction,
    work: impl FnOnce(&mut WriteTxn) -> Result<T>,
) -> Result<T> {
    let mut guard = open.lock().unwrap_or_else(PoisonError::into_inner);
    match guard.as_mut() {
        Some(txn) => work(txn),
        None => Err(Error::internal("the transaction has ended")),
    }
}
