//! What the rows of an answer rest on. An answer keeps what its models were asked, so that reasons are
//! found for the rows that are shown, and not for all that were ranked on the way to them.

use std::fmt;
use std::sync::Arc;

use tastedb_storage::{Read, Snapshot};

use super::request::Request;
use super::response::{ItemReason, Recommendation, Response};
use super::source::{Asked, Resolved, Setting};
use crate::engine::Engine;
use crate::error::Result;

/// What the models of an answer were asked.
#[derive(Clone, Default)]
pub(super) struct Questions(Arc<Vec<Question>>);

/// What one model was asked.
pub(super) struct Question {
    pub(super) source: Resolved,
    pub(super) asked: Asked,
}

impl Questions {
    pub(super) fn new(questions: Vec<Question>) -> Questions {
        Questions(Arc::new(questions))
    }
}

impl fmt::Debug for Questions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|question| &question.source.name)).finish()
    }
}

/// Gives rows of an answer up to `k` reasons each.
pub(crate) fn explain(
    engine: &Engine,
    snapshot: &Snapshot,
    request: &Request,
    response: &Response,
    rows: &mut [Recommendation],
    k: usize,
) -> Result<()> {
    let entities = &response.entities;
    let setting = Setting { engine, snapshot, request, entities, interactions: None };
    let mut shared = engine.shared_terms(snapshot, request.table);
    let table = snapshot.catalog().table_by_id(request.table);
    for row in rows {
        let by = response.questions.0.iter().find(|question| question.source.name == row.source);
        if let Some(Question { source, asked }) = by {
            row.reasons = source.reasons(asked, &setting, row.row, k)?;
            for ItemReason { item, modality, terms, .. } in &mut row.reasons {
                let column = table.zip(modality.as_deref());
                let column = column.and_then(|(of, by)| asked.catalogue.column(of, by));
                if let Some(column) = column {
                    *terms = shared.of(column, [row.id, *item])?;
                }
            }
        }
    }
    Ok(())
}
