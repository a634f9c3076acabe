//! FOR USERS (query): a slate for each of many users, in the order of the query.
//!
//! The query streams, and its users are answered block by block, each block on the threads of long
//! work. What is held at a time are the rows of one block, however many users there are; neither
//! blocks nor threads change a row.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::sql::sqlparser::ast::Statement;
use tastedb_engine::{Context, Request};

use super::bind::Here;
use super::output::Output;
use super::{Bound, Wanted};
use crate::ast::{Located, Query};
use crate::batch::Cell;
use crate::error::{Error, Result};
use crate::exec::select;
use crate::provider::View;
use crate::session::Session;
use crate::storage::{Read, Role, UserId};

/// Rows of one block at most, unless one user has more.
const ROWS: usize = 1 << 16;

/// Users of one block at most.
const USERS: usize = 1024;

/// So few users are answered on the thread that asks: starting others takes longer.
const FEW: usize = 8;

/// Notices that are kept of a batch: the first different ones.
const NOTICES: usize = 5;

/// The users of a batch.
pub(super) struct Users<'a> {
    /// The name of the column that is added.
    pub(super) column: String,
    query: &'a Located<Box<Query>>,
}

/// A user as a block has it: the key as it is stored, and the id.
type User = (String, UserId);

impl<'a> Users<'a> {
    /// Checks that the table is one that users are recommended rows of.
    pub(super) fn bind(here: &Here<'_>, query: &'a Located<Box<Query>>) -> Result<Users<'a>> {
        if here.table.role == Role::User {
            let what = "users are recommended FOR ITEM: who would like it";
            return Err(Error::bad_context(what).at(query.span));
        }
        let Some((_, column)) = here.others().into_iter().next() else {
            return Err(Error::no_interactions(&here.table.name).at(query.span));
        };
        Ok(Users { column, query })
    }

    /// Answers each user and hands over the rows of block after block; the notices, and how many
    /// users there were.
    pub(super) fn answer(
        &self,
        session: &Session,
        bound: &Bound<'_>,
        output: &Output,
        wanted: Wanted,
        each: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<(Vec<String>, u64)> {
        let mut batch = Batch {
            session,
            bound,
            output,
            wanted,
            request: bound.request.clone(),
            notices: Vec::new(),
            done: 0,
        };
        let here = Here {
            session,
            snapshot: &bound.snapshot,
            catalog: bound.snapshot.catalog(),
            table: &bound.shape.table,
            source: None,
            given: bound.given,
        };
        let size = (ROWS / wanted.limit.max(1)).clamp(1, USERS);
        let view = View::Snapshot(bound.snapshot.clone());
        let query = Statement::Query(self.query.node.clone());
        let place = |error: Error| error.at(self.query.span);
        let mut block: Vec<User> = Vec::new();
        let params = bound.given.params;
        let schema = select::stream(session, &query, params, view, &mut |keys| {
            one_column(keys.num_columns()).map_err(place)?;
            for row in 0..keys.num_rows() {
                let key = Cell::read(keys.column(0).as_ref(), row).unwrap_or(Cell::NULL);
                block.push(here.user_of(key, &mut batch.request).map_err(place)?);
                if block.len() == size {
                    batch.answer(&std::mem::take(&mut block), each)?;
                }
            }
            Ok(())
        });
        one_column(schema.map_err(place)?.fields().len()).map_err(place)?;
        batch.answer(&block, each)?;
        Ok((batch.notices, batch.done))
    }
}

fn one_column(found: usize) -> Result<()> {
    if found == 1 {
        return Ok(());
    }
    let what = format!("USERS (…) takes a query of one column, the keys; found {found}");
    Err(Error::bad_context(&what))
}

/// The batch while it runs.
struct Batch<'a> {
    session: &'a Session,
    bound: &'a Bound<'a>,
    output: &'a Output,
    wanted: Wanted,
    /// What all have in common.
    request: Request,
    notices: Vec<String>,
    done: u64,
}

impl Batch<'_> {
    fn answer(
        &mut self,
        block: &[User],
        each: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<()> {
        if block.is_empty() {
            return Ok(());
        }
        let this = &*self;
        // The first user of all is answered alone: what answers share, a model that must be loaded or an
        // index, is made by a thread that takes up nobody else's work while it holds a lock for that.
        let alone = if self.done == 0 { 1 } else { 0 };
        let (first, rest) = block.split_at(alone);
        let mut slates = first.iter().map(|user| this.slate(user)).collect::<Result<Vec<_>>>()?;
        slates.extend(if rest.len() < FEW {
            rest.iter().map(|user| this.slate(user)).collect::<Result<Vec<_>>>()?
        } else {
            self.session.work().each(rest, |user| this.slate(user))?
        });
        let mut rows = Vec::with_capacity(slates.len());
        for ((key, _), (batch, notices)) in block.iter().zip(slates) {
            for notice in notices {
                let notice = format!("user `{key}`: {notice}");
                if self.notices.len() < NOTICES && !self.notices.contains(&notice) {
                    self.notices.push(notice);
                }
            }
            rows.push(batch);
        }
        self.done += block.len() as u64;
        self.session.progress().report("recommend", self.done, 0, "");
        let rows = concat_batches(self.output.schema(), &rows);
        each(rows.map_err(|cause| Error::internal(cause.to_string()))?)
    }

    /// The rows for one user, and their notices.
    fn slate(&self, (key, user): &User) -> Result<(RecordBatch, Vec<String>)> {
        if self.session.cancel().is_cancelled() {
            return Err(Error::cancelled());
        }
        let mut request = self.request.clone();
        request.contexts = vec![Context::User(*user)];
        let answer = self.bound.slate(self.session, self.output, &request, self.wanted)?;
        let window = &answer.window;
        let rows =
            self.output.rows(self.session, self.bound, &answer.response, window, Some(key))?;
        Ok((rows, answer.notices))
    }
}
