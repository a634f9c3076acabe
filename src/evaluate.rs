//! Measuring models without SQL.

use std::sync::Arc;

use tastedb_engine::evaluate::Metric;
use tastedb_engine::{CancelToken, Engine, Evaluation, EvaluationRequest, Progress, Work};
use tastedb_storage::Read;

use crate::error::{Error, Result};

/// A measurement; see [`Database::evaluate`](crate::Database::evaluate).
///
/// All items are ranked for every user of the held-out table, without those they had in training.
///
/// ```
/// # fn main() -> tastedb::Result<()> {
/// # use tastedb::{Database, Metric, NewTable};
/// # let db = Database::in_memory()?;
/// # let mut write = db.begin_write()?;
/// # write.create_table(NewTable::users("people"))?;
/// # write.create_table(NewTable::items("movies"))?;
/// # for table in ["likes", "held_out"] {
/// #     write.create_table(NewTable::interactions(table, "people", "movies").create_unknown())?;
/// # }
/// # write.record("likes", "u1", "m1", ())?;
/// # write.record("likes", "u2", "m2", ())?;
/// # write.record("held_out", "u1", "m2", ())?;
/// # write.commit()?;
/// let figures =
///     db.evaluate("held_out").model("popular").metric(Metric::Recall(20)).run()?;
/// assert_eq!(figures.rows[0].values, [1.0]);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is measured before `run`"]
pub struct Evaluate {
    engine: Engine,
    held_out: String,
    models: Vec<String>,
    metrics: Vec<Metric>,
    work: Work,
}

impl Evaluate {
    pub(crate) fn new(engine: Engine, held_out: String) -> Evaluate {
        Evaluate { engine, held_out, models: Vec::new(), metrics: Vec::new(), work: Work::quiet() }
    }

    /// One more model to measure: a trained one, or the built-in `popular`, `trending`, `latest`,
    /// `random`.
    pub fn model(mut self, name: impl Into<String>) -> Evaluate {
        self.models.push(name.into());
        self
    }

    /// One more metric; without any, recall@20 and ndcg@20 are computed.
    pub fn metric(mut self, metric: Metric) -> Evaluate {
        self.metrics.push(metric);
        self
    }

    /// Whom to tell how far it is.
    pub fn progress(mut self, progress: Arc<dyn Progress>) -> Evaluate {
        self.work.progress = progress;
        self
    }

    /// What stops it.
    pub fn cancel(mut self, token: CancelToken) -> Evaluate {
        self.work.cancel = token;
        self
    }

    /// Measures.
    ///
    /// # Errors
    ///
    /// Where a model or the table is unknown, a model is not trained, or it was cancelled.
    pub fn run(mut self) -> Result<Evaluation> {
        let snapshot = self.engine.snapshot();
        let catalog = snapshot.catalog();
        let table = catalog
            .table(&self.held_out)
            .ok_or_else(|| Error::no_table(catalog, &self.held_out))?;
        if self.metrics.is_empty() {
            self.metrics = vec![Metric::Recall(20), Metric::Ndcg(20)];
        }
        let request = EvaluationRequest {
            models: self.models,
            table: table.id,
            split: None,
            metrics: self.metrics,
            groups: None,
            seed: 0,
        };
        Ok(self.engine.evaluate(&snapshot, &request, &self.work)?)
    }
}

impl std::fmt::Debug for Evaluate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evaluate")
            .field("held_out", &self.held_out)
            .field("models", &self.models)
            .finish_non_exhaustive()
    }
}
