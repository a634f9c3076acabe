//! What a model is asked to be (`CREATE MODEL`) and what one training run made of it.
//!
//! Both are small records in the database, next to the rows; the numbers a model learned are a
//! published file that the version names. Expressions are kept as the text they were written in:
//! the engine does not know SQL, it asks its [`ProjectionCompiler`](crate::ProjectionCompiler).

use tastedb_storage::{Catalog, TableId};

use super::fields::Fields;
use super::policy::RefreshPolicy;
use crate::data_sum::DataSum;
use crate::error::{Error, Result};
use crate::learning_curve::{CurvePoint, LearningCurve};
use crate::options::{ModelOptions, OptionValue};

/// A model as it was created.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelDefinition {
    /// Its name, unique in the database.
    pub name: String,
    /// The algorithm, one of [`algorithms`](crate::model::algorithms).
    pub algorithm: String,
    /// The interaction tables that it learns from, at least one; they share users and items.
    pub tables: Vec<TrainingTable>,
    /// The settings given at creation.
    pub options: ModelOptions,
    /// When it is refreshed.
    pub refresh: RefreshPolicy,
    /// The order of creation: the model that was created first serves where none is named.
    pub created: u64,
    /// The statement that created it, as written.
    pub statement: String,
}

/// An interaction table that a model learns from, by its id or its name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainingTable<T = TableId> {
    /// The table.
    pub table: T,
    /// The SQL expression of an interaction's weight; without it every interaction counts 1.
    pub weight: Option<String>,
    /// The SQL condition that an interaction must meet.
    pub filter: Option<String>,
}

impl<T> TrainingTable<T> {
    /// A table all of whose interactions count 1.
    pub fn new(table: T) -> TrainingTable<T> {
        TrainingTable { table, weight: None, filter: None }
    }
}

/// One training run: what it used, what it cost, where its result is.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelVersion {
    /// Rises by one with each run.
    pub version: u64,
    /// The generation of the snapshot that was read.
    pub generation: u64,
    /// The oldest generation that it has learned from, by itself or by the versions that it continues.
    /// What was deleted before that is in nothing of it but, where it was refreshed, in the choice of
    /// its settings.
    pub learned_since: u64,
    /// Where what was to be forgotten was undone approximately: the generation up to which. It has still
    /// learned from it, by way of the versions that it continues.
    pub undone_to: Option<u64>,
    /// The statement that trained it, as written.
    pub statement: String,
    /// The seed of the run.
    pub seed: u64,
    /// Users, items and user-item pairs in the training data.
    pub users: u64,
    /// Items in the catalogue at the time, with or without interactions.
    pub items: u64,
    /// Distinct user-item pairs.
    pub pairs: u64,
    /// The interactions in the table at the time, whether they count or not; `None` in versions from
    /// before this was kept.
    pub interactions: Option<u64>,
    /// What the pairs that it has learned from add up to; `None` in versions from before this was kept.
    pub data: Option<DataSum>,
    /// What it was refreshed from; `None` for a training.
    pub refreshed: Option<Lineage>,
    /// Every setting in force: given, or the default.
    pub options: Vec<(String, String)>,
    /// What was chosen in training, and why.
    pub notes: Vec<String>,
    /// How the training went, where it was one by gradients.
    pub curve: LearningCurve,
    /// Bytes of that file.
    pub bytes: u64,
    /// Seconds that reading the data took.
    pub read_seconds: f64,
    /// Seconds that fitting took.
    pub fit_seconds: f64,
}

/// What a refresh began with and what it found.
#[derive(Clone, Debug, PartialEq)]
pub struct Lineage {
    /// The version it continued from.
    pub from: u64,
    /// The version whose training chose the settings.
    pub trained: u64,
    /// What was done, in a few words.
    pub how: String,
    /// How many users there are more than in that version, items, and pairs.
    pub users: i64,
    /// See `users`.
    pub items: i64,
    /// See `users`.
    pub pairs: i64,
}

/// Reads back what [`OptionValue`]'s `Display` wrote.
pub(crate) fn option_value(text: &str) -> OptionValue {
    if let Some(word) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return OptionValue::Text(word.to_string());
    }
    match text {
        "true" => OptionValue::Bool(true),
        "false" => OptionValue::Bool(false),
        number => match number.parse() {
            Ok(int) => OptionValue::Int(int),
            Err(_) => number
                .parse()
                .map_or_else(|_| OptionValue::Text(number.to_string()), OptionValue::Real),
        },
    }
}

/// The learning curve of a version. Those written before there were any have none.
fn curve(record: &str, fields: &Fields) -> Result<LearningCurve> {
    let point = |(epoch, numbers): (&str, &str)| {
        let (loss, recall) = numbers.split_once(' ')?;
        let (loss, recall) = (loss.parse().ok()?, recall.parse().ok()?);
        Some(CurvePoint { epoch: epoch.parse().ok()?, loss, recall })
    };
    let points: Option<Vec<CurvePoint>> = fields.with_prefix("curve.").map(point).collect();
    let best = match fields.get("best_epoch") {
        Some(_) => fields.number(record, "best_epoch")?,
        None => 0,
    };
    let points = points.ok_or_else(|| Error::CorruptRecord {
        record: record.to_owned(),
        what: "a point of its learning curve is none".to_owned(),
    })?;
    Ok(LearningCurve { points, best })
}

impl ModelDefinition {
    /// The options given at creation, those of the refresh policy included, as they are written.
    pub fn given(&self) -> impl Iterator<Item = String> {
        let all = self.options.iter().chain(self.refresh.given());
        all.map(|(name, value)| format!("{name} = {value}"))
    }

    /// The tables of the items that it learns of, in the order of its tables of interactions.
    pub fn item_tables(&self, catalog: &Catalog) -> Vec<TableId> {
        let mut tables = Vec::new();
        for source in &self.tables {
            let table = catalog.table_by_id(source.table);
            if let Some(link) = table.and_then(|table| table.link.as_ref())
                && !tables.contains(&link.item_table)
            {
                tables.push(link.item_table);
            }
        }
        tables
    }

    /// Whether it learns from a table.
    pub fn learns_from(&self, table: TableId) -> bool {
        self.tables.iter().any(|source| source.table == table)
    }

    // The first table has the fields that the only one had when there was but one. Where there are
    // more, they are all counted instead, so that an older version does not take the first for all.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::new();
        fields
            .set("name", &self.name)
            .set("algorithm", &self.algorithm)
            .set("created", self.created)
            .set("statement", &self.statement);
        match self.tables.as_slice() {
            [only] => only.encode(&mut fields, ""),
            several => {
                fields.set("tables", several.len());
                for (at, table) in several.iter().enumerate() {
                    table.encode(&mut fields, &format!("{at}."));
                }
            }
        }
        for (name, value) in self.options.iter() {
            fields.set(&format!("option.{name}"), value);
        }
        for (name, value) in self.refresh.given() {
            fields.set(&format!("policy.{name}"), value);
        }
        fields.encode()
    }

    pub(super) fn decode(record: &str, bytes: &[u8]) -> Result<ModelDefinition> {
        let fields = Fields::decode(record, bytes)?;
        let tables = match fields.get("tables") {
            None => vec![TrainingTable::decode(&fields, record, "")?],
            Some(_) => (0..fields.number::<usize>(record, "tables")?)
                .map(|at| TrainingTable::decode(&fields, record, &format!("{at}.")))
                .collect::<Result<_>>()?,
        };
        let mut options = ModelOptions::new();
        for (name, value) in fields.with_prefix("option.") {
            options.set(name, option_value(value));
        }
        let algorithm = fields.text(record, "algorithm")?;
        let policy = fields.with_prefix("policy.");
        let policy = policy.map(|(name, value)| (name.to_owned(), option_value(value))).collect();
        Ok(ModelDefinition {
            name: fields.text(record, "name")?.to_string(),
            algorithm: algorithm.to_string(),
            refresh: RefreshPolicy::new(algorithm, policy)?,
            tables,
            options,
            created: fields.number(record, "created")?,
            statement: fields.text(record, "statement")?.to_string(),
        })
    }
}

impl TrainingTable {
    fn encode(&self, fields: &mut Fields, prefix: &str) {
        fields
            .set(&format!("{prefix}table"), self.table)
            .set_opt(&format!("{prefix}weight"), self.weight.as_ref())
            .set_opt(&format!("{prefix}filter"), self.filter.as_ref());
    }

    fn decode(fields: &Fields, record: &str, prefix: &str) -> Result<TrainingTable> {
        let text = |name: &str| fields.get(&format!("{prefix}{name}")).map(str::to_string);
        Ok(TrainingTable {
            table: TableId(fields.number(record, &format!("{prefix}table"))?),
            weight: text("weight"),
            filter: text("filter"),
        })
    }
}

impl ModelVersion {
    /// The generation from before which it has nothing, or nothing that was not undone.
    pub(crate) fn rid_of(&self) -> u64 {
        self.learned_since.max(self.undone_to.unwrap_or(0))
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::new();
        fields
            .set("version", self.version)
            .set("generation", self.generation)
            .set("learned_since", self.learned_since)
            .set("statement", &self.statement)
            .set("seed", self.seed)
            .set("users", self.users)
            .set("items", self.items)
            .set("pairs", self.pairs)
            .set("bytes", self.bytes)
            .set("read_seconds", self.read_seconds)
            .set("fit_seconds", self.fit_seconds);
        fields.set_opt("interactions", self.interactions);
        fields.set_opt("undone_to", self.undone_to);
        fields.set_opt("data", self.data.map(DataSum::encode));
        if let Some(lineage) = &self.refreshed {
            fields
                .set("refreshed.from", lineage.from)
                .set("refreshed.trained", lineage.trained)
                .set("refreshed.how", &lineage.how)
                .set("refreshed.users", lineage.users)
                .set("refreshed.items", lineage.items)
                .set("refreshed.pairs", lineage.pairs);
        }
        for (name, value) in &self.options {
            fields.set(&format!("option.{name}"), value);
        }
        for (at, note) in self.notes.iter().enumerate() {
            fields.set(&format!("note.{at}"), note);
        }
        if !self.curve.points.is_empty() {
            fields.set("best_epoch", self.curve.best);
        }
        for CurvePoint { epoch, loss, recall } in &self.curve.points {
            fields.set(&format!("curve.{epoch}"), format!("{loss} {recall}"));
        }
        fields.encode()
    }

    pub(super) fn decode(record: &str, bytes: &[u8]) -> Result<ModelVersion> {
        let fields = Fields::decode(record, bytes)?;
        let interactions = match fields.get("interactions") {
            Some(_) => Some(fields.number(record, "interactions")?),
            None => None,
        };
        let refreshed = match fields.get("refreshed.from") {
            None => None,
            Some(_) => Some(Lineage {
                from: fields.number(record, "refreshed.from")?,
                trained: fields.number(record, "refreshed.trained")?,
                how: fields.text(record, "refreshed.how")?.to_string(),
                users: fields.number(record, "refreshed.users")?,
                items: fields.number(record, "refreshed.items")?,
                pairs: fields.number(record, "refreshed.pairs")?,
            }),
        };
        let generation = fields.number(record, "generation")?;
        let learned_since = match (fields.get("learned_since"), &refreshed) {
            (Some(_), _) => fields.number(record, "learned_since")?,
            (None, None) => generation,
            // From before this was kept: nobody knows.
            (None, Some(_)) => 0,
        };
        Ok(ModelVersion {
            interactions,
            data: fields.get("data").and_then(DataSum::decode),
            undone_to: match fields.get("undone_to") {
                Some(_) => Some(fields.number(record, "undone_to")?),
                None => None,
            },
            refreshed,
            version: fields.number(record, "version")?,
            generation,
            learned_since,
            statement: fields.text(record, "statement")?.to_string(),
            seed: fields.number(record, "seed")?,
            users: fields.number(record, "users")?,
            items: fields.number(record, "items")?,
            pairs: fields.number(record, "pairs")?,
            options: fields
                .with_prefix("option.")
                .map(|(n, v)| (n.to_string(), v.to_string()))
                .collect(),
            notes: fields.with_prefix("note.").map(|(_, note)| note.to_string()).collect(),
            curve: curve(record, &fields)?,
            bytes: fields.number(record, "bytes")?,
            read_seconds: fields.number(record, "read_seconds")?,
            fit_seconds: fields.number(record, "fit_seconds")?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn definition(tables: Vec<TrainingTable>) -> ModelDefinition {
        ModelDefinition {
            name: "taste".to_owned(),
            algorithm: "ease".to_owned(),
            tables,
            options: ModelOptions::new().with("lambda", OptionValue::Real(2.5)),
            refresh: RefreshPolicy::default(),
            created: 3,
            statement: "CREATE MODEL taste".to_owned(),
        }
    }

    fn version(curve: LearningCurve) -> ModelVersion {
        ModelVersion {
            version: 3,
            generation: 9,
            learned_since: 8,
            undone_to: Some(9),
            statement: "TRAIN MODEL m".to_owned(),
            seed: 1,
            users: 2,
            items: 3,
            pairs: 4,
            interactions: Some(5),
            data: DataSum::decode("0123 9"),
            refreshed: None,
            options: vec![("factors".to_owned(), "64".to_owned())],
            notes: vec!["one".to_owned(), "two".to_owned()],
            curve,
            bytes: 5,
            read_seconds: 0.25,
            fit_seconds: 0.5,
        }
    }

    #[test]
    fn a_definition_of_one_or_several_tables_comes_back() {
        let table = |id| TrainingTable {
            table: TableId(id),
            weight: (id > 1).then(|| "3".to_owned()),
            filter: (id > 2).then(|| "kind = 'click'".to_owned()),
        };
        for tables in [vec![table(1)], vec![table(3)], vec![table(2), table(1), table(3)]] {
            let definition = definition(tables);
            let back = ModelDefinition::decode("model/taste", &definition.encode()).unwrap();
            assert_eq!(back, definition);
        }
    }

    #[test]
    fn a_record_from_when_there_was_one_table_is_read() {
        let mut fields = Fields::new();
        fields.set("name", "taste").set("algorithm", "ease").set("table", 7);
        fields.set("weight", "stars").set("filter", "stars > 3");
        fields.set("created", 3).set("statement", "CREATE MODEL taste").set("option.lambda", 2.5);
        let back = ModelDefinition::decode("model/taste", &fields.encode()).unwrap();
        let table = TrainingTable {
            table: TableId(7),
            weight: Some("stars".to_owned()),
            filter: Some("stars > 3".to_owned()),
        };
        assert_eq!(back, definition(vec![table]));
    }

    #[test]
    fn a_learning_curve_comes_back_to_the_last_bit() {
        let points = [(2, 0.1 + 0.2, 1.0 / 3.0), (4, f64::MIN_POSITIVE, 0.0), (110, 1e300, 1.0)];
        let of = |(epoch, loss, recall)| CurvePoint { epoch, loss, recall };
        let curve = LearningCurve { points: points.map(of).to_vec(), best: 2 };
        let before = version(curve);
        let after = ModelVersion::decode("version/m", &before.encode()).expect("it is read");
        assert_eq!(after, before);
    }

    #[test]
    fn a_version_from_before_there_were_curves_has_none() {
        let before = version(LearningCurve::default());
        let bytes = before.encode();
        // What was written then: the same fields, none of them about a curve.
        let fields = Fields::decode("version/m", &bytes).expect("fields");
        assert_eq!(fields.with_prefix("curve.").count(), 0);
        assert_eq!(fields.get("best_epoch"), None);
        assert_eq!(ModelVersion::decode("version/m", &bytes).expect("it is read"), before);
    }

    #[test]
    fn a_version_from_before_it_was_kept_has_learned_from_its_own_data_or_from_who_knows_what() {
        let mut version = version(LearningCurve::default());
        let without = |version: &ModelVersion| {
            let fields = Fields::decode("version/m", &version.encode()).unwrap();
            let mut kept = Fields::new();
            for (name, value) in fields.with_prefix("").filter(|(name, _)| *name != "learned_since")
            {
                kept.set(name, value);
            }
            ModelVersion::decode("version/m", &kept.encode()).unwrap().learned_since
        };
        assert_eq!(without(&version), version.generation);
        let how = "patched".to_owned();
        version.refreshed =
            Some(Lineage { from: 1, trained: 1, how, users: 0, items: 0, pairs: 0 });
        assert_eq!(without(&version), 0);
    }

    #[test]
    fn a_damaged_point_is_told() {
        let mut fields =
            Fields::decode("v", &version(LearningCurve::default()).encode()).expect("");
        fields.set("curve.3", "0.5");
        assert!(matches!(curve("v", &fields), Err(Error::CorruptRecord { .. })));
    }
}
