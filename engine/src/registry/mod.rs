//! Models as the database knows them: definitions, versions, and the loaded ones that serve.
//!
//! Records: `model/<name>` holds the definition, `version/<name>` the serving version. The file
//! of a version is the artifact of the model's name. A model is loaded when it is first
//! asked for and kept until another version serves.

mod definition;
mod fields;
mod policy;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tastedb_storage::{Catalog, Change, ItemId, Read, Snapshot, Table, TableId, WriteTxn};

pub(crate) use definition::option_value;
pub use definition::{Lineage, ModelDefinition, ModelVersion, TrainingTable};
pub(crate) use fields::Fields;
pub use policy::{Automatic, RefreshPolicy};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::forget::Corrections;
use crate::index::kept::factors;
use crate::live::{Cached, Catalogue};
use crate::model::{self, Held, Layout, Lie, Model, OnCatalogue};
use crate::options::ModelOptions;
use crate::projection::{PlainProjection, Projected, Projection, ProjectionCompiler};
use crate::train;

const DEFINITIONS: &str = "model/";
const VERSIONS: &str = "version/";

/// Sources that need no model; their names are taken.
pub const BUILT_IN: [&str; 4] = ["popular", "trending", "latest", "random"];

/// A model to create.
#[derive(Clone, Debug, Default)]
pub struct NewModel {
    /// Its name: letters, digits, `_` and `-`, not one of the built-in sources.
    pub name: String,
    /// The algorithm; `None` stands for [`model::DEFAULT`].
    pub algorithm: Option<String>,
    /// The interaction tables that it learns from, with the texts of `WEIGHT` and `WHERE`; at
    /// least one, all of the same users. Those of several tables of items make one model of all of them.
    pub tables: Vec<TrainingTable<String>>,
    /// The settings of `WITH`, those of the refresh policy included.
    pub options: ModelOptions,
    /// The statement, as written.
    pub statement: String,
    /// What to do where the name is taken.
    pub existing: Existing,
}

/// What `CREATE MODEL` does where the name is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// An error.
    #[default]
    Refuse,
    /// Nothing: the old one stays (`IF NOT EXISTS`).
    Keep,
    /// The old one is dropped with its versions (`OR REPLACE`).
    Replace,
}

/// A model in a listing.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    /// What it is.
    pub definition: ModelDefinition,
    /// What serves; `None` until it is trained.
    pub serving: Option<ModelVersion>,
    /// Why the last automatic refresh failed, until one succeeds or the database is closed.
    pub failure: Option<String>,
}

/// A loaded model version, ready to answer.
pub(crate) struct Serving {
    pub(crate) definition: ModelDefinition,
    pub(crate) version: ModelVersion,
    pub(crate) model: Arc<dyn Model>,
    pub(crate) sources: Vec<Projected>,
    /// The rows of items that the model learned nothing of.
    untouched: Option<Vec<u32>>,
    layouts: Cached<Layout>,
    corrections: Corrections,
}

impl Serving {
    /// The rows of items that the model learned nothing of, where it tells.
    pub(crate) fn untouched(&self) -> Option<&[u32]> {
        self.untouched.as_deref()
    }

    /// The model that answers in a snapshot: that of the version, or one that leaves out of it what was
    /// forgotten since.
    pub(crate) fn answering(&self, snapshot: &Snapshot) -> Result<Arc<dyn Model>> {
        let corrected = self.corrections.model(snapshot, self)?;
        Ok(corrected.unwrap_or_else(|| Arc::clone(&self.model)))
    }

    /// Whether what answers in a snapshot leaves something out that the version has learned from.
    pub(crate) fn leaves_out(&self, snapshot: &Snapshot) -> Result<bool> {
        Ok(self.corrections.model(snapshot, self)?.is_some())
    }

    /// The model, asked about the items of a snapshot, which `catalogue` is.
    pub(crate) fn on_catalogue(
        self: &Arc<Self>,
        engine: &Engine,
        snapshot: &Snapshot,
        catalogue: &Catalogue,
    ) -> Result<OnCatalogue<'static>> {
        let (store, model, items) = (engine.store(), self.model.as_ref(), catalogue.items());
        let tables = train::item_tables(snapshot, &self.definition)?;
        let touches = |change: &Change| match change {
            Change::Row { table, .. } | Change::Embedding { table, .. } => tables.contains(table),
            Change::Schema => true,
            Change::Interaction { .. } => false,
        };
        let layout = self.layouts.get(store, snapshot, touches, |old| {
            let lie = Lie::new(model, self.untouched.as_deref(), items);
            let matrices = match lie.new.is_empty() {
                true => Vec::new(),
                false => {
                    let side = engine.live().side_data(store, snapshot, &tables)?;
                    side.embeddings.into_values().collect()
                }
            };
            let changed = old.map(|(_, changes)| changed(changes, &lie, model, catalogue));
            let before =
                old.map(|(layout, _)| layout).zip(changed.as_ref().and_then(Option::as_deref));
            Ok::<_, Error>(lie.layout(model, items, &matrices, before))
        })?;
        let index = engine.live().factor_index(store, snapshot, self)?;
        Ok(OnCatalogue::new(Held::Shared(self.answering(snapshot)?), layout, index))
    }
}

/// The items that changes are of, ascending, if none is an item that the model has learned of and whose
/// neighbours would be others now.
fn changed(
    changes: &[Change],
    lie: &Lie,
    model: &dyn Model,
    catalogue: &Catalogue,
) -> Option<Vec<ItemId>> {
    let mut items = Vec::with_capacity(changes.len());
    for change in changes {
        let known = |id: u64| lie.knows(model, ItemId(id));
        match change {
            // What is gone is not known any more.
            Change::Row { id, .. } if catalogue.row_of(ItemId(*id)).is_none() => {
                if model.items().binary_search(&ItemId(*id)).is_ok() {
                    return None;
                }
            }
            Change::Row { .. } => {}
            Change::Embedding { id, .. } if !known(*id) => items.push(ItemId(*id)),
            Change::Embedding { .. } | Change::Interaction { .. } | Change::Schema => return None,
        }
    }
    items.sort_unstable();
    items.dedup();
    Some(items)
}

/// The models of one database.
pub(crate) struct Registry {
    compiler: Option<Arc<dyn ProjectionCompiler>>,
    loaded: Mutex<HashMap<String, Arc<Serving>>>,
    /// Why the last automatic refresh of a model failed.
    failures: Mutex<HashMap<String, String>>,
    /// Whether a model was seen that is to be refreshed by the database.
    automatic: AtomicBool,
}

impl Registry {
    pub(crate) fn new(compiler: Option<Arc<dyn ProjectionCompiler>>) -> Registry {
        Registry {
            compiler,
            loaded: Mutex::default(),
            failures: Mutex::default(),
            automatic: AtomicBool::new(false),
        }
    }

    /// The tables of a model, each with its projection.
    pub(crate) fn sources(
        &self,
        snapshot: &impl Read,
        definition: &ModelDefinition,
    ) -> Result<Vec<Projected>> {
        let catalog = snapshot.catalog();
        let sources = definition.tables.iter().map(|source| {
            let table = self.table(snapshot, definition, source.table)?;
            let (weight, filter) = (source.weight.as_deref(), source.filter.as_deref());
            let projection = self.compile(catalog, table, weight, filter)?;
            Ok(Projected { table: table.id, projection })
        });
        sources.collect()
    }

    fn compile(
        &self,
        catalog: &Catalog,
        table: &Table,
        weight: Option<&str>,
        filter: Option<&str>,
    ) -> Result<Arc<dyn Projection>> {
        match (&self.compiler, weight, filter) {
            (_, None, None) => Ok(Arc::new(PlainProjection::new(table, None)?)),
            (Some(compiler), ..) => compiler.compile(catalog, table, weight, filter),
            (None, _, None) => Ok(Arc::new(PlainProjection::new(table, weight)?)),
            (None, _, Some(filter)) => {
                Err(Error::NeedsSql { what: format!("the condition `{filter}` of a model") })
            }
        }
    }

    fn table<'a>(
        &self,
        snapshot: &'a impl Read,
        definition: &ModelDefinition,
        table: TableId,
    ) -> Result<&'a Table> {
        snapshot.catalog().table_by_id(table).ok_or_else(|| Error::CorruptRecord {
            record: format!("{DEFINITIONS}{}", definition.name),
            what: format!("its table {table} does not exist"),
        })
    }

    pub(crate) fn create(&self, txn: &mut WriteTxn, mut new: NewModel) -> Result<ModelDefinition> {
        let name = new.name.clone();
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > 100 || !name.chars().all(word) {
            return Err(Error::InvalidName { name, why: "use letters, digits, `_` and `-`" });
        }
        if BUILT_IN.contains(&name.as_str()) {
            return Err(Error::InvalidName { name, why: "it is the name of a built-in source" });
        }
        let catalog = txn.catalog().clone();
        let tables = self.training_tables(&catalog, &new.tables)?;
        let algorithm = match &new.algorithm {
            Some(algorithm) => algorithm.to_ascii_lowercase(),
            None => model::DEFAULT.to_owned(),
        };
        let refresh = RefreshPolicy::take(&algorithm, &mut new.options)?;
        model::check_options(&algorithm, &new.options)?;
        let record = format!("{DEFINITIONS}{name}");
        if let Some(bytes) = txn.record(&record)? {
            match new.existing {
                Existing::Refuse => {
                    return Err(Error::AlreadyExists { what: "model", name });
                }
                Existing::Keep => return ModelDefinition::decode(&record, &bytes),
                Existing::Replace => remove(txn, &name)?,
            }
        }
        let mut created = 1;
        for (record, bytes) in txn.records(DEFINITIONS)? {
            created = created.max(ModelDefinition::decode(&record, &bytes)?.created + 1);
        }
        let definition = ModelDefinition {
            name,
            algorithm,
            tables,
            options: new.options,
            refresh,
            created,
            statement: new.statement,
        };
        txn.put_record(&record, &definition.encode());
        self.notice(&definition);
        Ok(definition)
    }

    /// The tables by their ids, if a model can learn from all of them together.
    fn training_tables(
        &self,
        catalog: &Catalog,
        given: &[TrainingTable<String>],
    ) -> Result<Vec<TrainingTable>> {
        let mut tables = Vec::with_capacity(given.len());
        let mut users = None;
        for source in given {
            let name = &source.table;
            let table = catalog.table(name).ok_or_else(|| Error::NoSuchTable(name.clone()))?;
            let wanted = "a model learns from a table of interactions";
            let wrong = || Error::WrongRole { table: table.name.clone(), wanted };
            let link = table.link.as_ref().ok_or_else(wrong)?;
            if link.user_table != *users.get_or_insert(link.user_table) {
                let what = "a model over several tables of users";
                return Err(Error::NotSupported { what });
            }
            self.compile(catalog, table, source.weight.as_deref(), source.filter.as_deref())?;
            tables.push(TrainingTable {
                table: table.id,
                weight: source.weight.clone(),
                filter: source.filter.clone(),
            });
        }
        if tables.is_empty() {
            return Err(Error::NoSuchTable(String::new()));
        }
        Ok(tables)
    }

    pub(crate) fn drop_model(&self, txn: &mut WriteTxn, name: &str) -> Result<bool> {
        if txn.record(&format!("{DEFINITIONS}{name}"))?.is_none() {
            return Ok(false);
        }
        remove(txn, name)?;
        Ok(true)
    }

    pub(crate) fn definition(&self, snapshot: &dyn Read, name: &str) -> Result<ModelDefinition> {
        let record = format!("{DEFINITIONS}{name}");
        match snapshot.record(&record)? {
            Some(bytes) => ModelDefinition::decode(&record, &bytes),
            None => {
                Err(Error::NoSuchModel { name: name.to_string(), known: self.names(snapshot)? })
            }
        }
    }

    /// The names that may follow USING: models, then built-in sources.
    pub(crate) fn names(&self, snapshot: &dyn Read) -> Result<Vec<String>> {
        let models = snapshot.records(DEFINITIONS)?;
        let names = models.iter().map(|(record, _)| record[DEFINITIONS.len()..].to_string());
        Ok(names.chain(BUILT_IN.map(str::to_string)).collect())
    }

    pub(crate) fn version(&self, snapshot: &dyn Read, name: &str) -> Result<Option<ModelVersion>> {
        let record = format!("{VERSIONS}{name}");
        snapshot.record(&record)?.map(|bytes| ModelVersion::decode(&record, &bytes)).transpose()
    }

    pub(crate) fn list(&self, snapshot: &dyn Read) -> Result<Vec<ModelInfo>> {
        let mut models = Vec::new();
        for (record, bytes) in snapshot.records(DEFINITIONS)? {
            let definition = ModelDefinition::decode(&record, &bytes)?;
            self.notice(&definition);
            let serving = self.version(snapshot, &definition.name)?;
            let failure = self.failure(&definition.name);
            models.push(ModelInfo { definition, serving, failure });
        }
        Ok(models)
    }

    /// The models that learn from a table.
    pub(crate) fn on(&self, read: &dyn Read, table: TableId) -> Result<Vec<ModelDefinition>> {
        let mut models = Vec::new();
        for (record, bytes) in read.records(DEFINITIONS)? {
            let definition = ModelDefinition::decode(&record, &bytes)?;
            if definition.learns_from(table) {
                models.push(definition);
            }
        }
        Ok(models)
    }

    /// The trained model that answers where a RECOMMEND names none: the oldest one on `table`'s
    /// items. Training another model does not change what an application gets.
    pub(crate) fn default_for(
        &self,
        snapshot: &Snapshot,
        items: TableId,
    ) -> Result<Option<Arc<Serving>>> {
        let best = self.default_definition(snapshot, items)?;
        best.map(|definition| self.serving(snapshot, &definition.name)).transpose()
    }

    /// What that model is.
    pub(crate) fn default_definition(
        &self,
        snapshot: &Snapshot,
        items: TableId,
    ) -> Result<Option<ModelDefinition>> {
        let mut best: Option<ModelDefinition> = None;
        for model in self.list(snapshot)? {
            if model.serving.is_some()
                && model.definition.item_tables(snapshot.catalog()).contains(&items)
                && best.as_ref().is_none_or(|b| model.definition.created < b.created)
            {
                best = Some(model.definition);
            }
        }
        Ok(best)
    }

    /// The loaded serving version of a model as of `snapshot`.
    pub(crate) fn serving(&self, snapshot: &Snapshot, name: &str) -> Result<Arc<Serving>> {
        let Some(version) = self.version(snapshot, name)? else {
            // Tells apart a model that does not exist from one that is not trained.
            self.definition(snapshot, name)?;
            return Err(Error::NotFitted { model: name.to_string() });
        };
        {
            let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(serving) = loaded.get(name).filter(|s| s.version == version) {
                return Ok(serving.clone());
            }
        }
        let definition = self.definition(snapshot, name)?;
        let blob = snapshot.artifact(name)?.ok_or_else(|| Error::CorruptRecord {
            record: format!("{VERSIONS}{name}"),
            what: "its file is missing".to_string(),
        })?;
        let model: Arc<dyn Model> = model::load(Arc::new(blob))?.into();
        let sources = self.sources(snapshot, &definition)?;
        let (untouched, layouts) = (model.untouched(), Cached::default());
        let serving = Arc::new(Serving {
            definition,
            version,
            model,
            sources,
            untouched,
            layouts,
            corrections: Corrections::default(),
        });
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        // What was dropped since is let go of here, the one place where the map grows.
        loaded.retain(|name, _| !matches!(snapshot.record(&format!("{VERSIONS}{name}")), Ok(None)));
        loaded.insert(name.to_string(), serving.clone());
        Ok(serving)
    }

    /// Lets go of loaded versions that do not serve any more.
    pub(crate) fn let_go(&self, snapshot: &Snapshot) {
        let serves = |name: &str, serving: &Serving| matches!(self.version(snapshot, name), Ok(Some(version)) if version == serving.version);
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.retain(|name, serving| serves(name, serving));
    }

    /// Takes the serving version of a model back, within `txn`: the model is not trained then.
    pub(crate) fn withdraw(&self, txn: &mut WriteTxn, name: &str) {
        txn.unpublish(name);
        txn.delete_record(&format!("{VERSIONS}{name}"));
        factors::remove(txn, name);
    }

    fn notice(&self, definition: &ModelDefinition) {
        if definition.refresh.automatic().is_some() {
            self.automatic.store(true, Ordering::Relaxed);
        }
    }

    /// Whether a model was created or listed that is to be refreshed by the database.
    pub(crate) fn has_automatic(&self) -> bool {
        self.automatic.load(Ordering::Relaxed)
    }

    /// Why the last automatic refresh of a model failed; `None` if it did not.
    pub(crate) fn failure(&self, name: &str) -> Option<String> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(crate) fn set_failure(&self, name: &str, failure: Option<String>) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match failure {
            Some(failure) => failures.insert(name.to_owned(), failure),
            None => failures.remove(name),
        };
    }

    /// Names a freshly trained version in the transaction that publishes its file.
    pub(crate) fn publish(&self, txn: &mut WriteTxn, name: &str, version: &ModelVersion) {
        txn.put_record(&format!("{VERSIONS}{name}"), &version.encode());
    }
}

fn remove(txn: &mut WriteTxn, name: &str) -> Result<()> {
    let record = format!("{VERSIONS}{name}");
    if txn.record(&record)?.is_some() {
        txn.unpublish(name);
        txn.delete_record(&record);
        factors::remove(txn, name);
    }
    txn.delete_record(&format!("{DEFINITIONS}{name}"));
    Ok(())
}
