//! RECOMMEND: binds names and ids, turns WHERE into a set of candidates, asks the engine, and puts
//! the answer into rows.
//!
//! There is no planning round here. What SQL the statement holds (WHERE, ORDER BY, expressions of
//! the select list) is compiled once per text and kept; without any, the way from the parsed
//! statement to rows is a few look-ups and the engine's scoring.

mod bind;
mod candidates;
mod function;
mod output;
mod slate;

use std::sync::Arc;
use std::time::Instant;

use datafusion::sql::sqlparser::ast::Statement;
use tastedb_engine::{Request, Response, Stage};

pub(crate) use function::{alias, call};

use super::show::Grid;
use crate::ast::{Expr, Recommend, SelectItem};
use crate::batch::{Cell, Shape};
use crate::error::{Error, Result};
use crate::expr::literal::Given;
use crate::outcome::{Outcome, Rows};
use crate::provider::View;
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
    /// For USERS: the name of the added column, and each user's key and request context.
    users: Option<bind::Users>,
    /// The clauses that look at the slate as a whole.
    slate: Option<slate::Slate<'a>>,
    order: Vec<Order<'a>>,
    list: &'a [SelectItem],
    given: Given<'a>,
    /// Where the statement names its sources, for errors of the engine.
    place: Option<Span>,
    stages: Vec<Stage>,
}

/// Runs a RECOMMEND.
pub(crate) fn run(
    session: &mut Session,
    recommend: &Recommend,
    params: &[Value],
) -> Result<Outcome> {
    let (rows, notices, _) = answer(session, recommend, params)?;
    let mut outcome = Outcome::with_rows("RECOMMEND", rows);
    outcome.notices = notices;
    if session.in_transaction() {
        outcome = outcome.notice(
            "RECOMMEND answers from the last committed state, without this transaction's changes",
        );
    }
    Ok(outcome)
}

/// The rows of a RECOMMEND, for statements that put them elsewhere.
pub(crate) fn rows(session: &Session, recommend: &Recommend, params: &[Value]) -> Result<Rows> {
    answer(session, recommend, params).map(|(rows, _, _)| rows)
}

/// EXPLAIN RECOMMEND: the stages and what they found.
pub(crate) fn explain(
    session: &mut Session,
    recommend: &Recommend,
    params: &[Value],
) -> Result<Outcome> {
    let (rows, notices, stages) = answer(session, recommend, params)?;
    let mut grid = Grid::new(&["stage", "detail"]);
    for stage in stages {
        grid.push(vec![Value::Text(stage.name), Value::Text(stage.detail)]);
    }
    explained(grid, notices, &rows)
}

/// EXPLAIN ANALYZE RECOMMEND: the same with the time that each stage took.
pub(crate) fn explain_analyze(
    session: &mut Session,
    recommend: &Recommend,
    params: &[Value],
) -> Result<Outcome> {
    let (rows, notices, stages) = answer(session, recommend, params)?;
    let mut grid = Grid::new(&["stage", "detail", "microseconds"]);
    for stage in stages {
        let time = i64::try_from(stage.elapsed.as_micros()).unwrap_or(i64::MAX);
        grid.push(vec![Value::Text(stage.name), Value::Text(stage.detail), Value::Int(time)]);
    }
    explained(grid, notices, &rows)
}

fn explained(grid: Grid, notices: Vec<String>, rows: &Rows) -> Result<Outcome> {
    let mut outcome = Outcome::with_rows("EXPLAIN", grid.finish()?);
    outcome.notices = notices;
    Ok(outcome.notice(format!("{} rows", rows.len())))
}

fn answer(
    session: &Session,
    recommend: &Recommend,
    params: &[Value],
) -> Result<(Rows, Vec<String>, Vec<Stage>)> {
    let snapshot = session.engine().snapshot();
    let bound = bind::bind(session, snapshot, recommend, params)?;
    bound.answer(session)
}

/// What one context got.
struct Answer {
    response: Response,
    window: output::Window,
    notices: Vec<String>,
    stage: Option<Stage>,
}

impl Bound<'_> {
    fn answer(mut self, session: &Session) -> Result<(Rows, Vec<String>, Vec<Stage>)> {
        let wanted = (self.request.offset, self.request.k);
        self.request.offset = 0;
        self.request.k = match (self.order.is_empty(), &self.slate) {
            // Re-scoring looks at every candidate.
            (false, _) => usize::MAX,
            (true, Some(_)) => slate::Slate::pool(wanted.0.saturating_add(wanted.1)),
            (true, None) => {
                self.request.offset = wanted.0;
                wanted.1
            }
        };
        let mut stages = std::mem::take(&mut self.stages);
        let mut notices: Vec<String> = Vec::new();
        let mut output = output::Output::new(session, &self)?;
        match self.users.take() {
            None => {
                let answer = self.slate(session, &output, wanted)?;
                notices.extend(answer.notices);
                stages.extend(answer.response.trace.iter().cloned());
                stages.extend(answer.stage);
                let start = Instant::now();
                output.add(session, &self, &answer.response, &answer.window, None)?;
                stages.push(stage("output", &format!("{} rows", output.len()), start));
            }
            Some(users) => {
                let start = Instant::now();
                let total = users.keys.len() as u64;
                for (done, (key, user)) in users.keys.iter().enumerate() {
                    session.work().check()?;
                    self.request.contexts = vec![tastedb_engine::Context::User(*user)];
                    let answer = self.slate(session, &output, wanted)?;
                    for notice in &answer.notices {
                        let notice = format!("user `{key}`: {notice}");
                        if notices.len() < 5 && !notices.contains(&notice) {
                            notices.push(notice);
                        }
                    }
                    output.add(session, &self, &answer.response, &answer.window, Some(key))?;
                    session.progress().report("recommend", done as u64 + 1, total, "");
                }
                stages.push(stage("users", &format!("{total} users"), start));
            }
        }
        Ok((output.finish()?, notices, stages))
    }

    /// The answer for the contexts of the request, and which of its rows are returned.
    fn slate(
        &mut self,
        session: &Session,
        output: &output::Output,
        (offset, limit): (usize, usize),
    ) -> Result<Answer> {
        let mut response = self.ask(session)?;
        let mut notices = response.notices.clone();
        let start = Instant::now();
        let Some(clauses) = &self.slate else {
            let window = output.window(session, self, &mut response, offset, limit)?;
            return Ok(Answer { response, window, notices, stage: None });
        };
        let rows = offset.saturating_add(limit);
        let first = self.request.k;
        let mut picked = output.pick(session, self, clauses, &response, rows)?;
        if picked.short && response.rows.len() == first {
            // What the best rows cannot give, all of them may.
            self.request.k = usize::MAX;
            let all = self.ask(session);
            self.request.k = first;
            response = all?;
            picked = output.pick(session, self, clauses, &response, rows)?;
        }
        clauses.refuse(&picked)?;
        let stage = stage("slate", &picked.detail, start);
        notices.append(&mut picked.notices);
        let window = output::Window::of(&response, &picked.places, offset);
        Ok(Answer { response, window, notices, stage: Some(stage) })
    }

    fn ask(&self, session: &Session) -> Result<Response> {
        let answer = session.engine().recommend(&self.snapshot, &self.request);
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

/// The keys that a USERS query returns, in its order.
fn keys_of(
    session: &Session,
    query: &Statement,
    params: &[Value],
    view: View,
) -> Result<Vec<Cell>> {
    let rows = super::select::rows(session, query, params, view)?;
    if rows.schema.fields().len() != 1 {
        let found = rows.schema.fields().len();
        let what = format!("USERS (…) takes a query of one column, the keys; found {found}");
        return Err(Error::bad_context(&what));
    }
    let mut keys = Vec::with_capacity(rows.len());
    for batch in &rows.batches {
        for row in 0..batch.num_rows() {
            let cell = Cell::read(batch.column(0).as_ref(), row);
            keys.push(cell.unwrap_or(Cell::NULL));
        }
    }
    Ok(keys)
}
