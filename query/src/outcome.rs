//! What a statement gives back: a tag, its rows, and what the user should know.
//!
//! Rows are Arrow record batches, complete when the outcome exists: a statement either returns all
//! of its rows or an error, never a part.

use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use tastedb_engine::LearningCurve;

/// The result of one statement.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was done, such as `INSERT 3`, `CREATE TABLE` or `RECOMMEND 10`.
    pub tag: String,
    /// The rows that the statement returned; `None` where it returns none by nature.
    pub rows: Option<Rows>,
    /// How many rows were written, changed, removed or returned.
    pub affected: u64,
    /// Remarks that are not errors: skipped lines, a fallback that answered, a protocol.
    pub notices: Vec<String>,
    /// The learning curve that the rows of SHOW TRAINING tell about, whole, for whoever can draw it.
    pub curve: Option<LearningCurve>,
    /// How long the statement took, where the session has a clock.
    pub elapsed: Option<Duration>,
}

/// The rows of a statement.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Names and types of the columns.
    pub schema: SchemaRef,
    /// The rows themselves, in order.
    pub batches: Vec<RecordBatch>,
}

impl Outcome {
    /// An outcome without rows.
    pub(crate) fn done(tag: impl Into<String>) -> Outcome {
        Outcome { tag: tag.into(), ..Outcome::default() }
    }

    /// An outcome that changed `affected` rows: its tag is the verb and the count.
    pub(crate) fn changed(verb: &str, affected: u64) -> Outcome {
        Outcome { tag: format!("{verb} {affected}"), affected, ..Outcome::default() }
    }

    /// An outcome with rows: its tag is the verb and their number.
    pub(crate) fn with_rows(verb: &str, rows: Rows) -> Outcome {
        let count = rows.len() as u64;
        Outcome {
            tag: format!("{verb} {count}"),
            rows: Some(rows),
            affected: count,
            ..Outcome::default()
        }
    }

    /// The same outcome with a remark.
    pub(crate) fn notice(mut self, text: impl Into<String>) -> Outcome {
        self.notices.push(text.into());
        self
    }
}

impl Rows {
    /// Rows that lie in one batch.
    pub(crate) fn single(batch: RecordBatch) -> Rows {
        Rows { schema: batch.schema(), batches: vec![batch] }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
