//! Creating and training models without SQL.

use std::sync::Arc;

use tastedb_engine::{
    CancelToken, Device, Engine, ModelDefinition, ModelVersion, NewModel, OptionValue, Progress,
    TrainRequest, TrainingTable, Work,
};

use crate::error::Result;
use crate::worker::Worker;

/// A model to create; see [`Database::create_model`](crate::Database::create_model).
///
/// ```
/// # fn main() -> tastedb::Result<()> {
/// # use tastedb::{ColumnType, Database, NewTable};
/// # let db = Database::in_memory()?;
/// # let mut write = db.begin_write()?;
/// # write.create_table(NewTable::users("people"))?;
/// # write.create_table(NewTable::items("movies"))?;
/// # write.create_table(NewTable::interactions("ratings", "people", "movies")
/// #     .column("rating", ColumnType::Real).create_unknown())?;
/// # write.record("ratings", "u1", "m1", [("rating", 5.0)])?;
/// # write.record("ratings", "u1", "m2", [("rating", 4.0)])?;
/// # write.commit()?;
/// db.create_model("taste", "item_knn", "ratings").weight("rating").option("k", 50).create()?;
/// let version = db.train("taste").seed(7).run()?;
/// assert_eq!((version.version, version.pairs), (1, 2));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is created before `create`"]
pub struct CreateModel {
    engine: Held,
    worker: Starter,
    new: NewModel,
}

impl CreateModel {
    pub(crate) fn new(
        engine: Engine,
        worker: Arc<Worker>,
        name: String,
        algorithm: String,
        table: String,
    ) -> CreateModel {
        let tables = vec![TrainingTable::new(table)];
        let new = NewModel { name, algorithm: Some(algorithm), tables, ..NewModel::default() };
        CreateModel { engine: Held(engine), worker: Starter(worker), new }
    }

    /// A setting of the algorithm. An unknown one, or a value that will not do, is an error that
    /// names the known ones.
    pub fn option(mut self, name: impl Into<String>, value: impl IntoOption) -> CreateModel {
        self.new.options.set(name, value.into_option());
        self
    }

    /// Another table of interactions to learn from, of the same users: what the tables hold of one user and
    /// one item adds up. Where it is of other items, the model recommends from both tables of items, and
    /// what somebody had of the one says what they may want of the other.
    ///
    /// ```
    /// # fn main() -> tastedb::Result<()> {
    /// # use tastedb::{Database, NewTable};
    /// # let db = Database::in_memory()?;
    /// # let mut write = db.begin_write()?;
    /// # write.create_table(NewTable::users("people"))?;
    /// # for (items, interactions) in [("movies", "views"), ("books", "reads")] {
    /// #     write.create_table(NewTable::items(items))?;
    /// #     write.create_table(NewTable::interactions(interactions, "people", items).create_unknown())?;
    /// # }
    /// write.record("views", "u1", "alien", ())?;
    /// write.record("reads", "u1", "solaris", ())?;
    /// write.record("views", "u2", "alien", ())?;
    /// write.commit()?;
    /// db.create_model("taste", "item_knn", "views").also("reads").create()?;
    /// db.train("taste").run()?;
    ///
    /// let books = db.recommend("books").user("u2").reasons(1).run()?;
    /// assert_eq!((books.rows[0].key.as_str(), books.rows[0].source.as_str()), ("solaris", "taste"));
    /// assert_eq!(books.rows[0].reasons[0].key, "alien");
    /// // An item of the other table is found where this one has none of that key.
    /// assert_eq!(db.recommend("books").item("alien").run()?.rows[0].key, "solaris");
    /// # Ok(())
    /// # }
    /// ```
    pub fn also(mut self, interactions: impl Into<String>) -> CreateModel {
        self.new.tables.push(TrainingTable::new(interactions.into()));
        self
    }

    /// The column of the interactions that tells how much each counts, in the table named last.
    /// Without it, all count the same.
    pub fn weight(mut self, column: impl Into<String>) -> CreateModel {
        if let Some(table) = self.new.tables.last_mut() {
            table.weight = Some(column.into());
        }
        self
    }

    /// Creates it.
    ///
    /// # Errors
    ///
    /// Where the name is taken, or the algorithm, an option, the table or the column is unknown.
    pub fn create(mut self) -> Result<ModelDefinition> {
        let algorithm = self.new.algorithm.as_deref().unwrap_or_default();
        let tables: Vec<&str> = self.new.tables.iter().map(|given| given.table.as_str()).collect();
        self.new.statement =
            format!("CREATE MODEL {} USING {algorithm} ON {}", self.new.name, tables.join(", "));
        let engine = self.engine.0;
        let mut txn = engine.store().begin()?;
        let definition = engine.create_model(&mut txn, self.new)?;
        txn.commit()?;
        self.worker.0.ensure();
        Ok(definition)
    }
}

/// A training run; see [`Database::train`](crate::Database::train).
#[must_use = "nothing is trained before `run`"]
pub struct Train {
    engine: Engine,
    request: TrainRequest,
    work: Work,
}

impl Train {
    pub(crate) fn new(engine: Engine, model: String) -> Train {
        let statement = format!("TRAIN MODEL {model}");
        let request = TrainRequest { model, statement, ..TrainRequest::default() };
        Train { engine, request, work: Work::quiet() }
    }

    /// A setting for this run; it wins over the model's own.
    pub fn option(mut self, name: impl Into<String>, value: impl IntoOption) -> Train {
        self.request.options.set(name, value.into_option());
        self
    }

    /// The seed of everything random.
    pub fn seed(mut self, seed: u64) -> Train {
        self.request.seed = seed;
        self
    }

    /// What trains it; the processor unless said.
    pub fn device(mut self, device: Device) -> Train {
        self.request.device = device;
        self
    }

    /// Whom to tell how far it is.
    pub fn progress(mut self, progress: Arc<dyn Progress>) -> Train {
        self.work.progress = progress;
        self
    }

    /// What stops it. A run that was stopped leaves the old version serving.
    pub fn cancel(mut self, token: CancelToken) -> Train {
        self.work.cancel = token;
        self
    }

    /// How many threads to use; 0, the default, means one for each core.
    pub fn threads(mut self, threads: usize) -> Train {
        self.work.threads = threads;
        self
    }

    /// Trains, and lets the result serve.
    ///
    /// # Errors
    ///
    /// Where the model is unknown, there is nothing to learn from, memory would not suffice, the device
    /// is not at hand, or it was cancelled. The old version goes on serving then.
    pub fn run(self) -> Result<ModelVersion> {
        Ok(self.engine.train(&self.request, &self.work)?)
    }
}

impl std::fmt::Debug for Train {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Train").field("request", &self.request).finish_non_exhaustive()
    }
}

/// What can be the value of a model's option.
pub trait IntoOption {
    /// The value.
    fn into_option(self) -> OptionValue;
}

macro_rules! into_option {
    ($($from:ty => |$x:ident| $value:expr;)*) => {
        $(impl IntoOption for $from {
            fn into_option(self) -> OptionValue {
                let $x = self;
                $value
            }
        })*
    };
}

into_option! {
    OptionValue => |x| x;
    bool => |x| OptionValue::Bool(x);
    i32 => |x| OptionValue::Int(x.into());
    i64 => |x| OptionValue::Int(x);
    u32 => |x| OptionValue::Int(x.into());
    f32 => |x| OptionValue::Real(x.into());
    f64 => |x| OptionValue::Real(x);
    &str => |x| OptionValue::Text(x.to_string());
    String => |x| OptionValue::Text(x);
}

/// An engine inside something that can be shown for debugging.
struct Held(Engine);

/// A worker inside something that can be shown for debugging.
struct Starter(Arc<Worker>);

impl std::fmt::Debug for Starter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Worker")
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}
