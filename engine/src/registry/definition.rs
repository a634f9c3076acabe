//! What a model is asked to be (`CREATE MODEL`) and what one training run made of it.
//!
//! Both are small records in the database, next to the rows; the numbers a model learned are a
//! published file that the version names. Expressions are kept as the text they were written in:
//! the engine does not know SQL, it asks its [`ProjectionCompiler`](crate::ProjectionCompiler).

use tastedb_storage::TableId;

use super::fields::Fields;
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
    /// The interaction table that it learns from.
    pub table: TableId,
    /// The SQL expression of an interaction's weight; without it every interaction counts 1.
    pub weight: Option<String>,
    /// The SQL condition that an interaction must meet.
    pub filter: Option<String>,
    /// The settings given at creation.
    pub options: ModelOptions,
    /// The order of creation: the model that was created first serves where none is named.
    pub created: u64,
    /// The statement that created it, as written.
    pub statement: String,
}

/// One training run: what it used, what it cost, where its result is.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelVersion {
    /// Rises by one with each run.
    pub version: u64,
    /// The generation of the snapshot that was read.
    pub generation: u64,
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

/// Reads back what [`OptionValue`]'s `Display` wrote.
fn option_value(text: &str) -> OptionValue {
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
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::new();
        fields
            .set("name", &self.name)
            .set("algorithm", &self.algorithm)
            .set("table", self.table)
            .set_opt("weight", self.weight.as_ref())
            .set_opt("filter", self.filter.as_ref())
            .set("created", self.created)
            .set("statement", &self.statement);
        for (name, value) in self.options.iter() {
            fields.set(&format!("option.{name}"), value);
        }
        fields.encode()
    }

    pub(super) fn decode(record: &str, bytes: &[u8]) -> Result<ModelDefinition> {
        let fields = Fields::decode(record, bytes)?;
        let mut options = ModelOptions::new();
        for (name, value) in fields.with_prefix("option.") {
            options.set(name, option_value(value));
        }
        Ok(ModelDefinition {
            name: fields.text(record, "name")?.to_string(),
            algorithm: fields.text(record, "algorithm")?.to_string(),
            table: TableId(fields.number(record, "table")?),
            weight: fields.get("weight").map(str::to_string),
            filter: fields.get("filter").map(str::to_string),
            options,
            created: fields.number(record, "created")?,
            statement: fields.text(record, "statement")?.to_string(),
        })
    }
}

impl ModelVersion {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::new();
        fields
            .set("version", self.version)
            .set("generation", self.generation)
            .set("statement", &self.statement)
            .set("seed", self.seed)
            .set("users", self.users)
            .set("items", self.items)
            .set("pairs", self.pairs)
            .set("bytes", self.bytes)
            .set("read_seconds", self.read_seconds)
            .set("fit_seconds", self.fit_seconds);
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
        Ok(ModelVersion {
            version: fields.number(record, "version")?,
            generation: fields.number(record, "generation")?,
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
    use super::*;

    fn version(curve: LearningCurve) -> ModelVersion {
        ModelVersion {
            version: 3,
            generation: 9,
            statement: "TRAIN MODEL m".to_owned(),
            seed: 1,
            users: 2,
            items: 3,
            pairs: 4,
            options: vec![("factors".to_owned(), "64".to_owned())],
            notes: vec!["one".to_owned(), "two".to_owned()],
            curve,
            bytes: 5,
            read_seconds: 0.25,
            fit_seconds: 0.5,
        }
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
    fn a_damaged_point_is_told() {
        let mut fields =
            Fields::decode("v", &version(LearningCurve::default()).encode()).expect("");
        fields.set("curve.3", "0.5");
        assert!(matches!(curve("v", &fields), Err(Error::CorruptRecord { .. })));
    }
}
