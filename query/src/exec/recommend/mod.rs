//! RECOMMEND: binds names and ids, turns WHERE into a set of candidates, asks the engine, and puts
//! the answer into rows.
//!
//! There is no planning round here. What SQL the statement holds (WHERE, ORDER BY, expressions of
//! the select list) is compiled once per text and kept; without any, the way from the parsed
//! statement to rows is a few look-ups and the engine's scoring.

mod bind;
mod candidates;
mod explore;
mod function;
mod output;
mod slate;
mod users;

use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use tastedb_engine::{Request, Response, Stage};

pub(crate) use function::{alias, call, call_columns};

use super::show::Grid;
use crate::ast::{Expr, Recommend, SelectItem};
use crate::batch::Shape;
use crate::error::{Error, Result};
use crate::expr::literal::Given;
use crate::outcome::{Outcome, Rows};
use crate::session::Session;
use crate::span::Span;
use crate::storage::{Snapshot, Value};

/// One expression of ORDER BY.
#[derive(Clone, Copy)]
struct Order<'a> {
    /// What to order by.
    expr: &'a Expr,
    /// Whether the largest comes first.
    descending: bool,
    /// Whether NULL comes first.
    nulls_first: bool,
}

/// How many rows come back where LIMIT is not given.
const DEFAULT_LIMIT: usize = 10;

/// A RECOMMEND with all its names resolved.
struct Bound<'a> {
    snapshot: Snapshot,
    shape: Arc<Shape>,
    request: Request,
    /// For USERS: whom it is for, one after the other.
    users: Option<users::Users<'a>>,
    /// The clauses that look at the slate as a whole.
    slate: Option<slate::Slate<'a>>,
    order: Vec<Order<'a>>,
    list: &'a [SelectItem],
    given: Given<'a>,
    /// Where the statement names its sources, for errors of the engine.
    place: Option<Span>,
    stages: Vec<Stage>,
}

/// The window of OFFSET and LIMIT.
#[derive(Clone, Copy)]
struct Wanted {
    offset: usize,
    limit: usize,
}

/// Runs a RECOMMEND.
pub(crate) fn run(
    session: &mut Session,
    recommend: &Recommend,
    params: &[Value],
) -> Result<Outcome> {
    let (rows, told) = answer(session, recommend, params)?;
    let mut outcome = Outcome::with_rows("RECOMMEND", rows);
    outcome.notices = told.notices;
    if session.is_writing() {
        outcome = outcome.notice(
            "RECOMMEND answers from the last committed state, without this transaction's changes",
        );
    }
    Ok(outcome)
}

/// The rows of a RECOMMEND, for statements that put them elsewhere.
pub(crate) fn rows(session: &Session, recommend: &Recommend, params: &[Value]) -> Result<Rows> {
    answer(session, recommend, params).map(|(rows, _)| rows)
}

/// The columns of a RECOMMEND; nothing is asked or looked up.
pub(crate) fn columns(
    session: &Session,
    recommend: &Recommend,
    params: &[Value],
) -> Result<SchemaRef> {
    let bare = super::describe::without_question(recommend);
    Ok(Arc::clone(Running::new(session, &bare, params)?.schema()))
}

/// EXPLAIN RECOMMEND: the stages and what they found.
pub(crate) fn explain(
    session: &mut Session,
    recommend: &Recommend,
    params: &[Value],
) -> Result<Outcome> {
    let (rows, told) = answer(session, recommend, params)?;
    let mut grid = Grid::new(&["stage", "detail"]);
    for stage in told.stages {
        grid.push(vec![Value::Text(stage.name), Value::Text(stage.detail)]);
    }
    explained(grid, told.notices, &rows)
}

/// EXPLAIN ANALYZE RECOMMEND: the same with the time that each stage took.
pub(crate) fn explain_analyze(
    session: &mut Session,
    recommend: &Recommend,
    params: &[Value],
) -> Result<Outcome> {
    let (rows, told) = answer(session, recommend, params)?;
    let mut grid = Grid::new(&["stage", "detail", "microseconds"]);
    for stage in told.stages {
        let time = i64::try_from(stage.elapsed.as_micros()).unwrap_or(i64::MAX);
        grid.push(vec![Value::Text(stage.name), Value::Text(stage.detail), Value::Int(time)]);
    }
    explained(grid, told.notices, &rows)
}

fn explained(grid: Grid, notices: Vec<String>, rows: &Rows) -> Result<Outcome> {
    let mut outcome = Outcome::with_rows("EXPLAIN", grid.finish()?);
    outcome.notices = notices;
    Ok(outcome.notice(format!("{} rows", rows.len())))
}

fn answer(session: &Session, recommend: &Recommend, params: &[Value]) -> Result<(Rows, Told)> {
    let running = Running::new(session, recommend, params)?;
    let schema = Arc::clone(running.schema());
    let mut batches = Vec::new();
    let told = running.run(session, &mut |batch| {
        batches.push(batch);
        Ok(())
    })?;
    Ok((Rows { schema, batches }, told))
}

/// A RECOMMEND that is about to run; its columns are known.
pub(crate) struct Running<'a> {
    bound: Bound<'a>,
    output: output::Output,
}

/// What is known of a RECOMMEND besides its rows.
pub(crate) struct Told {
    /// What should be known.
    pub(crate) notices: Vec<String>,
    stages: Vec<Stage>,
}

impl<'a> Running<'a> {
    /// Resolves everything; nothing is computed yet.
    pub(crate) fn new(
        session: &Session,
        recommend: &'a Recommend,
        params: &'a [Value],
    ) -> Result<Running<'a>> {
        let snapshot = session.engine().snapshot();
        let bound = bind::bind(session, snapshot, recommend, params)?;
        let output = output::Output::new(session, &bound)?;
        Ok(Running { bound, output })
    }

    /// The columns of the rows.
    pub(crate) fn schema(&self) -> &SchemaRef {
        self.output.schema()
    }

    /// Hands over the rows, in order; those of many users in several batches.
    pub(crate) fn run(
        self,
        session: &Session,
        each: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<Told> {
        let Running { mut bound, output } = self;
        let wanted = Wanted { offset: bound.request.offset, limit: bound.request.k };
        bound.request.offset = 0;
        bound.request.reasons = output.early_reasons();
        bound.request.k = match (bound.order.is_empty(), &bound.slate) {
            // Re-scoring looks at every candidate.
            (false, _) => usize::MAX,
            (true, Some(slate)) => slate.pool(wanted.offset.saturating_add(wanted.limit)),
            (true, None) => {
                bound.request.offset = wanted.offset;
                wanted.limit
            }
        };
        let mut stages = std::mem::take(&mut bound.stages);
        let notices = match &bound.users {
            None => {
                let answer = bound.slate(session, &output, &bound.request, wanted)?;
                stages.extend(answer.response.trace.iter().cloned());
                stages.extend(answer.stage);
                let start = Instant::now();
                let rows = output.rows(session, &bound, &answer.response, &answer.window, None)?;
                stages.push(stage("output", &format!("{} rows", rows.num_rows()), start));
                each(rows)?;
                answer.notices
            }
            Some(users) => {
                let start = Instant::now();
                let (notices, total) = users.answer(session, &bound, &output, wanted, each)?;
                stages.push(stage("users", &format!("{total} users"), start));
                notices
            }
        };
        Ok(Told { notices, stages })
    }
}

/// What one context got.
struct Answer {
    response: Response,
    window: output::Window,
    notices: Vec<String>,
    stage: Option<Stage>,
}

impl Bound<'_> {
    /// The answer to a request, and which of its rows are returned.
    fn slate(
        &self,
        session: &Session,
        output: &output::Output,
        request: &Request,
        wanted: Wanted,
    ) -> Result<Answer> {
        let mut response = self.ask(session, request)?;
        let mut notices = response.notices.clone();
        let start = Instant::now();
        let (mut window, stage) = match &self.slate {
            None => (output.window(session, self, &mut response, wanted)?, None),
            Some(clauses) => {
                let rows = wanted.offset.saturating_add(wanted.limit);
                let mut picked = output.pick(session, self, clauses, request, &response, rows)?;
                if picked.short && response.rows.len() == request.k {
                    // What the best rows cannot give, all of them may.
                    let all = Request { k: usize::MAX, ..request.clone() };
                    response = self.ask(session, &all)?;
                    picked = output.pick(session, self, clauses, request, &response, rows)?;
                }
                clauses.refuse(&picked)?;
                notices.append(&mut picked.notices);
                let window = output::Window::of(&response, &picked.places, wanted.offset);
                (window, Some(stage("slate", &picked.detail, start)))
            }
        };
        let reasons = output.late_reasons();
        if reasons > 0 {
            let engine = session.engine();
            engine.explain(&self.snapshot, request, &response, &mut window.rows, reasons)?;
        }
        Ok(Answer { response, window, notices, stage })
    }

    fn ask(&self, session: &Session, request: &Request) -> Result<Response> {
        let answer = session.engine().recommend(&self.snapshot, request);
        answer.map_err(|cause| {
            let error = Error::from(cause);
            match self.place {
                Some(place) => error.at(place),
                None => error,
            }
        })
    }
}

fn stage(name: &str, detail: &str, start: Instant) -> Stage {
    Stage { name: name.to_owned(), detail: detail.to_owned(), elapsed: start.elapsed() }
}
