//! The engine over one open database: the one place where the layers above meet models.
//!
//! It owns no data. What it keeps in memory (loaded models, item indexes, counts, embedding
//! matrices) is derived from a snapshot and brought up to date from the store's list of recent
//! changes; dropping it costs time, never rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tastedb_storage::{Catalog, ColumnId, Read, Snapshot, Store, Table, TableId, WriteTxn};

use crate::error::Result;
use crate::evaluate_run::{self, Evaluation, EvaluationRequest};
use crate::forget::{
    self, Forgetting, ForgettingReport, ForgettingRequest, Receipt, Ticket, Vacuumed,
};
use crate::index::kept::{self, FittedIndex, IndexDefinition, IndexInfo, NewIndex, Stale};
use crate::live::{self, GraphInfo, Live};
use crate::progress::Work;
use crate::projection::ProjectionCompiler;
use crate::recommend::{self, Recommendation, Request, Response};
use crate::refresh::{self, Mode, RefreshRequest, Refreshment};
use crate::registry::{ModelDefinition, ModelInfo, ModelVersion, NewModel, Registry};
use crate::text::{self, FittedEmbedding, NewEmbedding, SharedTerms, TextEmbedding};
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
    has_indexes: AtomicBool,
    /// Whether a ticket was made or an open one seen: then there may be files to rewrite.
    forgets: AtomicBool,
}

impl Engine {
    /// An engine over `store`. `compiler` turns the SQL text of a model's `WEIGHT` and `WHERE`
    /// into code; without one, models that have such text are refused with an error.
    pub fn new(store: Store, compiler: Option<Arc<dyn ProjectionCompiler>>) -> Engine {
        // A database that cannot be read says so to whoever asks it something.
        let snapshot = store.snapshot();
        let has_indexes = kept::list(&snapshot).is_ok_and(|all| !all.is_empty());
        let registry = Registry::new(compiler);
        let models = registry.list(&snapshot).unwrap_or_default();
        drop(snapshot);
        let engine = Engine {
            inner: Arc::new(Inner {
                has_indexes: has_indexes.into(),
                store,
                live: Live::new(),
                registry,
                embedders: text::Loaded::default(),
                forgets: AtomicBool::new(false),
            }),
        };
        models.iter().filter_map(|model| model.serving.as_ref()).for_each(|v| engine.notice(v));
        engine
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

    /// The model that answers where a RECOMMEND of a table of items names none: the oldest trained one of
    /// its items, alone or with those of other tables. `None` where there is none.
    pub fn default_model(
        &self,
        snapshot: &Snapshot,
        items: TableId,
    ) -> Result<Option<ModelDefinition>> {
        self.registry().default_definition(snapshot, items)
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
        let version = train::train(self, request, work)?;
        self.notice(&version);
        Ok(version)
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

    /// Remembers why an automatic refresh of a model failed, to be shown with the model.
    pub fn remember_failure(&self, model: &str, failure: String) {
        self.registry().set_failure(model, Some(failure));
    }

    /// What a training run on all cores would read, cost and hold, before any of it is spent.
    pub fn plan_training(&self, request: &TrainRequest) -> Result<TrainPlan> {
        train::plan(self, request)
    }

    // ---- indexes --------------------------------------------------------------------------

    /// Every index of a vector column, by name.
    pub fn indexes(&self, read: &dyn Read) -> Result<Vec<IndexDefinition>> {
        kept::list(read)
    }

    /// The same with how far each covers what is there.
    pub fn index_infos(&self, read: &dyn Read) -> Result<Vec<IndexInfo>> {
        kept::infos(self, read)
    }

    /// Fails where [`Engine::create_index`] would, with these `indexes` there.
    pub fn check_index(
        &self,
        catalog: &Catalog,
        indexes: &[IndexDefinition],
        new: &NewIndex,
    ) -> Result<()> {
        kept::check(catalog, indexes, new)
    }

    /// Builds the file of a new index from a snapshot; nothing is changed yet.
    pub fn fit_index(
        &self,
        snapshot: &Snapshot,
        new: &NewIndex,
        work: &Work,
    ) -> Result<FittedIndex> {
        kept::fit_new(self, snapshot, new, work)
    }

    /// A large catalogue is to have an index of the model's factors.
    fn notice(&self, version: &ModelVersion) {
        if version.items >= kept::factors::LARGE {
            self.inner.has_indexes.store(true, Ordering::Relaxed);
        }
    }

    /// Creates an index within `txn`, with its file if that was built; without one it is built later,
    /// by [`Engine::rebuild_index`]. False where there is one of that name, which is to be kept.
    pub fn create_index(
        &self,
        txn: &mut WriteTxn,
        new: &NewIndex,
        fitted: Option<FittedIndex>,
    ) -> Result<bool> {
        let created = kept::create(txn, new, fitted)?;
        self.inner.has_indexes.store(true, Ordering::Relaxed);
        Ok(created)
    }

    /// Drops an index within `txn`; false where there is none of that name.
    pub fn drop_index(&self, txn: &mut WriteTxn, name: &str) -> Result<bool> {
        kept::drop_index(txn, name)
    }

    /// Drops, within `txn`, the indexes of columns that are gone.
    pub fn drop_indexes_of_gone(&self, txn: &mut WriteTxn) -> Result<()> {
        kept::remove_gone(txn)
    }

    /// Builds an index again from the current snapshot and publishes it. Readers and writers go on; a
    /// cancelled or failed run leaves the old file.
    pub fn rebuild_index(&self, name: &str, work: &Work) -> Result<IndexDefinition> {
        kept::rebuild(self, name, work)
    }

    /// The indexes that are to be built: those without a file, or whose file covers too little of what
    /// is there.
    pub fn stale_indexes(&self, snapshot: &Snapshot) -> Result<Vec<Stale>> {
        kept::stale(self, snapshot)
    }

    /// Builds an index that is to be built, and publishes it; see [`Engine::rebuild_index`].
    pub fn build_stale_index(&self, stale: &Stale, work: &Work) -> Result<()> {
        kept::bring_up_to_date(self, stale, work)
    }

    /// Remembers why building an index failed, or that it did not, to be shown with the index.
    pub fn remember_index_failure(&self, stale: &Stale, failure: Option<String>) {
        self.live().indexes().set_failure(stale, failure);
    }

    /// Whether there is, or was since the open, something for the database to do by itself: a model to
    /// refresh, an index to keep current, a model of a large catalogue that is to have one, something to
    /// erase. Costs a look at flags.
    pub fn has_work(&self) -> bool {
        self.inner.has_indexes.load(Ordering::Relaxed)
            || self.has_forgets()
            || self.registry().has_automatic()
    }

    // ---- forgetting -----------------------------------------------------------------------

    /// Begins to delete rows of a table that are to be forgotten.
    pub fn forgetting(&self, table: &Table) -> Forgetting {
        self.inner.forgets.store(true, Ordering::Relaxed);
        Forgetting::new(self, table)
    }

    /// Begins to take values away, in some columns of rows that stay, that are to be forgotten.
    pub fn forgetting_values(&self, table: &Table, columns: &[ColumnId]) -> Forgetting {
        self.inner.forgets.store(true, Ordering::Relaxed);
        Forgetting::of_values(self, table, columns)
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

    /// Makes models forget a part of what they learn from, in memory, and measures how well they do.
    /// The database stays as it is.
    pub fn evaluate_forgetting(
        &self,
        snapshot: &Snapshot,
        request: &ForgettingRequest,
        work: &Work,
    ) -> Result<Vec<(String, ForgettingReport)>> {
        forget::evaluate_forgetting(self, snapshot, request, work)
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
        text::remove_all(txn, table)?;
        kept::remove_gone(txn)
    }

    /// Brings the computed vectors of the rows up to date that `txn` has put. Whoever writes rows
    /// calls it before the commit, which refuses to go without.
    pub fn keep_embeddings(&self, txn: &mut WriteTxn) -> Result<()> {
        text::bring_up_to_date(&self.inner.embedders, txn)
    }

    // ---- answers --------------------------------------------------------------------------

    /// What finds the words that rows of a table share.
    pub(crate) fn shared_terms<'a>(
        &'a self,
        read: &'a dyn Read,
        table: TableId,
    ) -> SharedTerms<'a> {
        SharedTerms::new(read, &self.inner.embedders, table)
    }

    /// Answers one request on `snapshot`.
    pub fn recommend(&self, snapshot: &Snapshot, request: &Request) -> Result<Response> {
        recommend::recommend(self, snapshot, request)
    }

    /// Gives rows of an answer to this request up to `k` reasons each. Whoever shows a part of an answer
    /// asks for no reasons first, and for those of the part then.
    pub fn explain(
        &self,
        snapshot: &Snapshot,
        request: &Request,
        response: &Response,
        rows: &mut [Recommendation],
        k: usize,
    ) -> Result<()> {
        recommend::explain(self, snapshot, request, response, rows, k)
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
