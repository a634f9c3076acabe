//! Options of models: named values, checked against what an algorithm declares.
//!
//! An unknown name or a bad value is an error that lists what would do, so that a statement never
//! trains something else than it says.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use crate::{Error, Result};

/// The value of an option.
#[derive(Clone, Debug, PartialEq)]
pub enum OptionValue {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Real(f64),
    /// A word.
    Text(String),
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionValue::Bool(value) => value.fmt(f),
            OptionValue::Int(value) => value.fmt(f),
            OptionValue::Real(value) => value.fmt(f),
            OptionValue::Text(value) => write!(f, "'{value}'"),
        }
    }
}

/// What values an option takes, with its default.
#[derive(Clone, Debug, PartialEq)]
pub enum OptionKind {
    /// A whole number within limits.
    Int {
        /// Used when the option is not given.
        default: i64,
        /// The smallest that will do.
        min: i64,
        /// The largest that will do.
        max: i64,
    },
    /// A finite number within limits.
    Real {
        /// Used when the option is not given.
        default: f64,
        /// The smallest that will do.
        min: f64,
        /// The largest that will do.
        max: f64,
    },
    /// One of some words; the first is the default.
    Choice(&'static [&'static str]),
    /// A number within limits, or 'auto', which is the default: the algorithm chooses.
    Auto {
        /// The smallest that will do.
        min: f64,
        /// The largest that will do.
        max: f64,
    },
    /// Any text.
    Text {
        /// Used when the option is not given.
        default: &'static str,
    },
}

/// One option that an algorithm understands.
#[derive(Clone, Debug, PartialEq)]
pub struct OptionSpec {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: OptionKind,
    /// What it does, in one line.
    pub help: &'static str,
}

impl OptionSpec {
    /// The value that stands when the option is not given.
    pub fn default(&self) -> OptionValue {
        match self.kind {
            OptionKind::Int { default, .. } => OptionValue::Int(default),
            OptionKind::Real { default, .. } => OptionValue::Real(default),
            OptionKind::Choice(words) => OptionValue::Text(words[0].to_owned()),
            OptionKind::Auto { .. } => OptionValue::Text(AUTO.to_owned()),
            OptionKind::Text { default } => OptionValue::Text(default.to_owned()),
        }
    }
}

/// The word that leaves a choice to the algorithm.
const AUTO: &str = "auto";

/// The options given for one model, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelOptions(BTreeMap<String, OptionValue>);

impl ModelOptions {
    /// No options: defaults everywhere.
    pub fn new() -> ModelOptions {
        ModelOptions::default()
    }

    /// These options and one more.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: OptionValue) -> ModelOptions {
        self.set(name, value);
        self
    }

    /// Sets an option.
    pub fn set(&mut self, name: impl Into<String>, value: OptionValue) {
        self.0.insert(name.into(), value);
    }

    /// Takes an option out.
    pub fn take(&mut self, name: &str) -> Option<OptionValue> {
        self.0.remove(name)
    }

    /// The value given for an option.
    pub fn get(&self, name: &str) -> Option<&OptionValue> {
        self.0.get(name)
    }

    /// The options given, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &OptionValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl FromIterator<(String, OptionValue)> for ModelOptions {
    fn from_iter<I: IntoIterator<Item = (String, OptionValue)>>(iter: I) -> ModelOptions {
        ModelOptions(iter.into_iter().collect())
    }
}

/// Options that passed the check against their specs: every one has a value of its kind.
#[derive(Debug)]
pub(crate) struct Checked {
    values: BTreeMap<&'static str, OptionValue>,
}

impl Checked {
    /// Checks the options given to an algorithm and fills in the defaults.
    pub(crate) fn new(
        algorithm: &str,
        specs: &[OptionSpec],
        given: &ModelOptions,
    ) -> Result<Checked> {
        for (name, _) in given.iter() {
            if !specs.iter().any(|spec| spec.name == name) {
                return Err(Error::NoSuchOption {
                    algorithm: algorithm.to_owned(),
                    option: name.to_owned(),
                    known: specs.iter().map(|spec| spec.name.to_owned()).collect(),
                });
            }
        }
        let mut values = BTreeMap::new();
        for spec in specs {
            let value = match given.get(spec.name) {
                None => spec.default(),
                Some(value) => check(algorithm, spec, value)?,
            };
            values.insert(spec.name, value);
        }
        Ok(Checked { values })
    }

    /// All values by name, as a model keeps them.
    pub(crate) fn into_list(self) -> Vec<(String, OptionValue)> {
        self.values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// A value, if the algorithm has the option.
    pub(crate) fn get(&self, name: &str) -> Option<&OptionValue> {
        self.values.get(name)
    }

    pub(crate) fn real(&self, name: &str) -> f64 {
        match self.values.get(name) {
            Some(OptionValue::Real(value)) => *value,
            other => panic!("option {name} is not declared as a real: {other:?}"),
        }
    }

    /// The number given, or `None` where the algorithm chooses.
    pub(crate) fn auto(&self, name: &str) -> Option<f64> {
        match self.values.get(name) {
            Some(OptionValue::Real(value)) => Some(*value),
            Some(OptionValue::Text(_)) => None,
            other => panic!("option {name} is not declared as auto: {other:?}"),
        }
    }

    pub(crate) fn int(&self, name: &str) -> i64 {
        match self.values.get(name) {
            Some(OptionValue::Int(value)) => *value,
            other => panic!("option {name} is not declared as an int: {other:?}"),
        }
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        match self.values.get(name) {
            Some(OptionValue::Text(value)) => value,
            other => panic!("option {name} is not declared as text: {other:?}"),
        }
    }
}

fn check(algorithm: &str, spec: &OptionSpec, value: &OptionValue) -> Result<OptionValue> {
    let fail = |why: String, known: Vec<String>| Error::InvalidOption {
        algorithm: algorithm.to_owned(),
        option: spec.name.to_owned(),
        why,
        known,
    };
    match (&spec.kind, value) {
        (OptionKind::Int { min, max, .. }, OptionValue::Int(int)) => within(*min..=*max, *int)
            .ok_or_else(|| fail(format!("cannot be {int}"), vec![format!("{min} to {max}")])),
        (OptionKind::Auto { .. }, OptionValue::Text(text)) if text.eq_ignore_ascii_case(AUTO) => {
            Ok(OptionValue::Text(AUTO.to_owned()))
        }
        (
            OptionKind::Real { min, max, .. } | OptionKind::Auto { min, max },
            OptionValue::Real(_) | OptionValue::Int(_),
        ) => {
            let real = match value {
                OptionValue::Int(int) => *int as f64,
                OptionValue::Real(real) => *real,
                _ => f64::NAN,
            };
            if (*min..=*max).contains(&real) {
                Ok(OptionValue::Real(real))
            } else {
                Err(fail(format!("cannot be {real}"), vec![format!("{min} to {max}")]))
            }
        }
        (OptionKind::Choice(words), OptionValue::Text(text)) => words
            .iter()
            .find(|word| word.eq_ignore_ascii_case(text))
            .map(|word| OptionValue::Text((*word).to_owned()))
            .ok_or_else(|| {
                let known = words.iter().map(|word| format!("'{word}'")).collect();
                fail(format!("cannot be '{text}'"), known)
            }),
        (OptionKind::Text { .. }, OptionValue::Text(_)) => Ok(value.clone()),
        (OptionKind::Int { min, max, .. }, _) => Err(fail(
            format!("must be a whole number, not {value}"),
            vec![format!("{min} to {max}")],
        )),
        (OptionKind::Real { min, max, .. }, _) => {
            Err(fail(format!("must be a number, not {value}"), vec![format!("{min} to {max}")]))
        }
        (OptionKind::Auto { min, max }, _) => Err(fail(
            format!("must be a number or 'auto', not {value}"),
            vec![format!("{min} to {max}"), "'auto'".to_owned()],
        )),
        (OptionKind::Choice(words), _) => Err(fail(
            format!("must be a word, not {value}"),
            words.iter().map(|word| format!("'{word}'")).collect(),
        )),
        (OptionKind::Text { .. }, _) => Err(fail(format!("must be text, not {value}"), Vec::new())),
    }
}

fn within(range: RangeInclusive<i64>, int: i64) -> Option<OptionValue> {
    range.contains(&int).then_some(OptionValue::Int(int))
}
