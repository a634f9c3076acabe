//! The engine over one open database: the one place where the layers above meet models.
//!
//! It owns no data. What it keeps in memory (loaded models, item indexes, counts, embedding
//! matrices) is derived from a snapshot and brought up to date from the store's list of recent
//! changes; dropping it costs time, never rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tastedb_storage::{Read, Snapshot, Store, Table, TableId, WriteTxn};

use crate::error::Result;
use crate::evaluate_run::{self, Evaluation, EvaluationRequest};
use crate::forget::{self, Forgetting, Receipt, Ticket, Vacuumed};
use crate::live::{self, GraphInfo, Live};
use crate::progress::Work;
use crate::projection::ProjectionCompiler;
use crate::recommend::{self, Request, Response};
use crate::refresh::{self, Mode, RefreshRequest, Refreshment};
use crate::registry::{ModelDefinition, ModelInfo, ModelVersion, NewModel, Registry};
use crate::text::{self, FittedEmbedding, NewEmbedding, TextEmbedding};
use crate::train::{self, TrainPlan, TrainRequest};

/// Models, recommendations and evaluation over one [`Store`]. Cheap to clone; shared by threads.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    live: Live,
    registry: Registry,
    embedders: text::Loaded,
    /// Whether a ticket was made or an open one seen: then there may be files to rewrite.
    forgets: AtomicBool,
}

impl Engine {
    /// An engine over `store`. `compiler` turns the SQL text of a model's `WEIGHT` and `WHERE`
    /// into code; without one, models that have such text are refused with an error.
    pub fn new(store: Store, compiler: Option<Arc<dyn ProjectionCompiler>>) -> Engine {
        Engine {
            inner: Arc::new(Inner {
                store,
                live: Live::new(),
                registry: Registry::new(compiler),
                embedders: text::Loaded::default(),
                forgets: AtomicBool::new(false),
            }),
        }
    }

    /// The store underneath.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The last durable state.
    pub fn snapshot(&self) -> Snapshot {
        self.inner.store.snapshot()
    }

    /// What is kept in memory of the tables: row indexes, counts, embedding matrices.
    pub fn live(&self) -> &Live {
        &self.inner.live
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    // ---- models ---------------------------------------------------------------------------

    /// Creates a model within `txn`: its definition only, nothing is trained. Checks the name, the
    /// algorithm, the options and the expressions.
    pub fn create_model(&self, txn: &mut WriteTxn, new: NewModel) -> Result<ModelDefinition> {
        self.registry().create(txn, new)
    }

    /// Drops a model with all its versions within `txn`; false where there is none of that name.
    pub fn drop_model(&self, txn: &mut WriteTxn, name: &str) -> Result<bool> {
        self.registry().drop_model(txn, name)
    }

    /// The definition of a model, or [`Error::NoSuchModel`](crate::Error::NoSuchModel).
    pub fn model(&self, snapshot: &Snapshot, name: &str) -> Result<ModelDefinition> {
        self.registry().definition(snapshot, name)
    }

    /// Every model of a snapshot or a transaction, by name, with its serving version if it has been
    /// trained.
    pub fn models(&self, read: &dyn Read) -> Result<Vec<ModelInfo>> {
        self.registry().list(read)
    }

    /// Every stored neighbour graph, by table, modality and number of neighbours.
    pub fn graphs(&self, read: &dyn Read) -> Result<Vec<GraphInfo>> {
        live::list_graphs(read)
    }

    /// The models that learn from a table, as of `read`.
    pub fn models_on(&self, read: &dyn Read, table: TableId) -> Result<Vec<ModelDefinition>> {
        self.registry().on(read, table)
    }

    /// The first of those models whose WEIGHT or WHERE does not fit the table as it is in `txn`.
    pub fn model_broken_by(&self, txn: &WriteTxn, table: TableId) -> Result<Option<String>> {
        let broken = |model: &ModelDefinition| self.registry().sources(txn, model).is_err();
        let models = self.models_on(txn, table)?;
        Ok(models.into_iter().find(broken).map(|model| model.name))
    }

    /// Trains a model from the current snapshot and publishes the result as its next version.
    /// Readers and writers go on; a cancelled or failed run leaves the old version serving.
    pub fn train(&self, request: &TrainRequest, work: &Work) -> Result<ModelVersion> {
        train::train(self, request, work)
    }

    /// Brings a trained model up to date with the current snapshot and publishes the result as its
    /// next version; nothing where nothing is new. Readers and writers go on; a cancelled or failed
    /// run leaves the old version serving.
    pub fn refresh(&self, request: &RefreshRequest, work: &Work) -> Result<Refreshment> {
        refresh::refresh(self, request, Mode::Continue, work)
    }

    /// How many interactions of a model's tables came and went after a generation; `None` if that is
    /// not remembered.
    pub fn events_since(
        &self,
        generation: u64,
        snapshot: &Snapshot,
        model: &ModelDefinition,
    ) -> Option<u64> {
        refresh::events_since(self, generation, snapshot, model)
    }

    /// How many interactions a table has.
    pub fn interactions(&self, snapshot: &Snapshot, table: TableId) -> Result<u64> {
        let counts = self.live().counts(self.store(), snapshot, table)?;
        Ok(counts.iter().map(|count| u64::from(*count)).sum())
    }

    /// Whether a model was created or listed since the open that the database is to refresh by
    /// itself. Costs a look at a flag.
    pub fn has_automatic(&self) -> bool {
        self.registry().has_automatic()
    }

    /// Remembers why an automatic refresh of a model failed, to be shown with the model.
    pub fn remember_failure(&self, model: &str, failure: String) {
        self.registry().set_failure(model, Some(failure));
    }

    /// What a training run on all cores would read, cost and hold, before any of it is spent.
    pub fn plan_training(&self, request: &TrainRequest) -> Result<TrainPlan> {
        train::plan(self, request)
    }

    // ---- forgetting -----------------------------------------------------------------------

    /// Begins to delete rows of a table that are to be forgotten.
    pub fn forgetting(&self, table: &Table) -> Forgetting {
        self.inner.forgets.store(true, Ordering::Relaxed);
        Forgetting::new(self.store(), table)
    }

    /// Whether something was forgotten, or an open ticket seen, since the open. Costs a look at a
    /// flag.
    pub fn has_forgets(&self) -> bool {
        self.inner.forgets.load(Ordering::Relaxed)
    }

    /// Every forget ticket, oldest first.
    pub fn forgets(&self, read: &dyn Read) -> Result<Vec<Ticket>> {
        let tickets = forget::all(read)?;
        if tickets.iter().any(Ticket::is_open) {
            self.inner.forgets.store(true, Ordering::Relaxed);
        }
        Ok(tickets)
    }

    /// Every receipt, oldest first.
    pub fn receipts(&self, read: &dyn Read) -> Result<Vec<Receipt>> {
        forget::receipts(read)
    }

    /// Carries out what the open tickets ask for: models that have learned from what was deleted are
    /// made anew, and the files are rewritten without it. Without tickets, deleted rows are still
    /// erased from the files. Readers of older states are waited for, at most `patience`. `clock` is
    /// the time in microseconds since 1970.
    pub fn vacuum(
        &self,
        clock: &dyn Fn() -> i64,
        patience: Duration,
        work: &Work,
    ) -> Result<Vacuumed> {
        forget::vacuum(self, clock, patience, work)
    }

    /// Forgets here, in a restored backup, what `other`, the same database at a later time, has
    /// forgotten since the backup was made. `now` is the time in microseconds since 1970.
    pub fn forget_again(&self, other: &Engine, now: i64) -> Result<Vec<Ticket>> {
        forget::again(self, other.store(), &other.snapshot(), now)
    }

    /// Looks for what a ticket is about, in everything that is stored, and keeps what was seen as a
    /// receipt. `now` is the time in microseconds since 1970.
    pub fn verify_forget(&self, id: &str, now: i64, work: &Work) -> Result<Receipt> {
        forget::verify(self, id, now, work)
    }

    // ---- text embeddings ------------------------------------------------------------------

    /// The text embeddings of a table, or of all.
    pub fn embeddings(
        &self,
        read: &dyn Read,
        table: Option<TableId>,
    ) -> Result<Vec<TextEmbedding>> {
        text::list(read, table)
    }

    /// The text embedding of that name on a table.
    pub fn embedding(
        &self,
        read: &dyn Read,
        table: &Table,
        name: &str,
    ) -> Result<Option<TextEmbedding>> {
        text::find(read, table, name)
    }

    /// Computes a new text embedding from the rows of `read`; nothing is changed yet.
    pub fn fit_embedding(
        &self,
        read: &dyn Read,
        new: &NewEmbedding,
        work: &Work,
    ) -> Result<FittedEmbedding> {
        text::fit_new(read, new, work)
    }

    /// Creates a text embedding within `txn`: its column, and the vectors of all rows as they are
    /// there.
    pub fn create_embedding(
        &self,
        txn: &mut WriteTxn,
        new: &NewEmbedding,
        fitted: FittedEmbedding,
        work: &Work,
    ) -> Result<TextEmbedding> {
        text::create(self.store(), txn, new, fitted, work)
    }

    /// Computes a text embedding again from the rows of `read`; nothing is changed yet.
    pub fn refit_embedding(
        &self,
        read: &dyn Read,
        embedding: &TextEmbedding,
        work: &Work,
    ) -> Result<FittedEmbedding> {
        text::fit_again(read, embedding, work)
    }

    /// Replaces the terms and the vectors of a text embedding within `txn`.
    pub fn refresh_embedding(
        &self,
        txn: &mut WriteTxn,
        embedding: &TextEmbedding,
        fitted: FittedEmbedding,
        work: &Work,
    ) -> Result<TextEmbedding> {
        text::replace(self.store(), txn, embedding, fitted, work)
    }

    /// Drops a text embedding with its column.
    pub fn drop_embedding(&self, txn: &mut WriteTxn, embedding: &TextEmbedding) -> Result<()> {
        text::remove(txn, embedding)
    }

    /// Drops a table, with its text embeddings.
    pub fn drop_table(&self, txn: &mut WriteTxn, table: TableId) -> Result<()> {
        txn.drop_table(table)?;
        text::remove_all(txn, table)
    }

    /// Brings the computed vectors of the rows up to date that `txn` has put. Whoever writes rows
    /// calls it before the commit, which refuses to go without.
    pub fn keep_embeddings(&self, txn: &mut WriteTxn) -> Result<()> {
        text::bring_up_to_date(&self.inner.embedders, txn)
    }

    // ---- answers --------------------------------------------------------------------------

    /// Answers one request on `snapshot`.
    pub fn recommend(&self, snapshot: &Snapshot, request: &Request) -> Result<Response> {
        recommend::recommend(self, snapshot, request)
    }

    /// Measures models on held-out interactions.
    pub fn evaluate(
        &self,
        snapshot: &Snapshot,
        request: &EvaluationRequest,
        work: &Work,
    ) -> Result<Evaluation> {
        evaluate_run::evaluate(self, snapshot, request, work)
    }
}
