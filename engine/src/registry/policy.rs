//! When a model is refreshed: by a statement, or by the database itself.
//!
//! It belongs to the definition, not to the algorithm: `refresh`, `refresh_events` and
//! `refresh_seconds` are taken out of the options before an algorithm sees them.

use crate::error::{Error, Result};
use crate::options::{Checked, ModelOptions, OptionKind, OptionSpec, OptionValue};

const REFRESH: &str = "refresh";
const EVENTS: &str = "refresh_events";
const SECONDS: &str = "refresh_seconds";
const AUTO: &str = "auto";

const SPECS: [OptionSpec; 3] = [
    OptionSpec {
        name: REFRESH,
        kind: OptionKind::Choice(&["manual", AUTO]),
        help: "whether the database refreshes the model by itself",
    },
    OptionSpec {
        name: EVENTS,
        kind: OptionKind::Int { default: 1_000, min: 1, max: i64::MAX },
        help: "the new interactions after which it does",
    },
    OptionSpec {
        name: SECONDS,
        kind: OptionKind::Int { default: 300, min: 1, max: 31_536_000 },
        help: "the seconds that a new interaction waits at most",
    },
];

/// The policy of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RefreshPolicy {
    given: ModelOptions,
    automatic: Option<Automatic>,
}

/// After how much a model is refreshed by the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Automatic {
    /// New interactions.
    pub events: u64,
    /// Seconds since the first of them.
    pub seconds: u64,
}

impl RefreshPolicy {
    /// Takes the options of the policy out of all that were given to a model.
    pub(super) fn take(algorithm: &str, options: &mut ModelOptions) -> Result<RefreshPolicy> {
        let mut given = ModelOptions::new();
        for spec in &SPECS {
            if let Some(value) = options.take(spec.name) {
                given.set(spec.name, value);
            }
        }
        RefreshPolicy::new(algorithm, given)
    }

    pub(super) fn new(algorithm: &str, given: ModelOptions) -> Result<RefreshPolicy> {
        let checked = Checked::new(algorithm, &SPECS, &given)?;
        let automatic = (checked.text(REFRESH) == AUTO).then(|| Automatic {
            events: checked.int(EVENTS) as u64,
            seconds: checked.int(SECONDS) as u64,
        });
        if automatic.is_none()
            && let Some(limit) = [EVENTS, SECONDS].iter().find(|name| given.get(name).is_some())
        {
            return Err(Error::InvalidOption {
                algorithm: algorithm.to_owned(),
                option: (*limit).to_owned(),
                why: "is of use only beside refresh = 'auto'".to_owned(),
                known: vec!["refresh = 'auto'".to_owned()],
            });
        }
        let given = given.iter().map(|(name, value)| (name.to_owned(), plain(value))).collect();
        Ok(RefreshPolicy { given, automatic })
    }

    /// When the database refreshes the model; `None` where it leaves that to a statement.
    pub fn automatic(&self) -> Option<Automatic> {
        self.automatic
    }

    /// What was given, as options.
    pub fn given(&self) -> impl Iterator<Item = (&str, &OptionValue)> {
        self.given.iter()
    }
}

/// Words in small letters, as they are compared.
fn plain(value: &OptionValue) -> OptionValue {
    match value {
        OptionValue::Text(word) => OptionValue::Text(word.to_ascii_lowercase()),
        OptionValue::Bool(_) | OptionValue::Int(_) | OptionValue::Real(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn taken(given: &[(&str, OptionValue)]) -> Result<(RefreshPolicy, ModelOptions)> {
        let mut options: ModelOptions =
            given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let policy = RefreshPolicy::take("ease", &mut options)?;
        Ok((policy, options))
    }

    #[test]
    fn the_policy_is_taken_and_the_rest_is_left() {
        let text = |word: &str| OptionValue::Text(word.to_owned());
        let (policy, rest) = taken(&[
            ("refresh", text("AUTO")),
            ("refresh_events", OptionValue::Int(5)),
            ("lambda", OptionValue::Int(1)),
        ])
        .unwrap();
        assert_eq!(policy.automatic(), Some(Automatic { events: 5, seconds: 300 }));
        assert_eq!(rest.iter().count(), 1);
        assert_eq!(policy.given().count(), 2);
        assert_eq!(taken(&[]).unwrap().0.automatic(), None);
        assert_eq!(taken(&[("refresh", text("manual"))]).unwrap().0.automatic(), None);
        for bad in [
            ("refresh", text("sometimes")),
            ("refresh", OptionValue::Bool(true)),
            ("refresh_events", OptionValue::Int(5)),
            ("refresh_seconds", OptionValue::Int(0)),
        ] {
            assert!(
                matches!(taken(std::slice::from_ref(&bad)), Err(Error::InvalidOption { .. })),
                "{bad:?}"
            );
        }
    }
}
