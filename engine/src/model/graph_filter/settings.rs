//! The settings of a filter: those given by hand, and those in force.

use super::terms::{Amounts, Exponents};
use crate::options::Checked;
use crate::{Error, Result, SideData};

/// The shares of the three content terms (near, onward, back) in the weight of a modality.
pub(super) const CONTENT: [f32; 3] = [0.4, 0.8, 0.8];

/// What was given by hand; `None` where the choice is the database's.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) user: Option<f64>,
    pub(super) history: Option<f64>,
    pub(super) item: Option<f64>,
    pub(super) two_hop: Option<f64>,
    pub(super) content: Option<f64>,
    pub(super) popularity: Option<f64>,
    pub(super) ease: Option<f64>,
    pub(super) ials: Option<f64>,
    /// The factors of `ials`.
    pub(super) factors: usize,
    pub(super) lambda: f64,
    /// The modalities that may be used, with their weights.
    pub(super) modalities: Vec<(String, f32)>,
    /// Whether they were named by hand.
    pub(super) named: bool,
    pub(super) neighbours: usize,
    pub(super) middle: usize,
    pub(super) memory_limit: u64,
}

impl Given {
    pub(super) fn new(algorithm: &str, options: &Checked, side: &SideData) -> Result<Given> {
        let text = options.text("modalities");
        let named = text != "auto";
        let mut modalities = if named {
            super::super::modalities::parse(algorithm, text)?
        } else {
            side.embeddings.keys().map(|name| (name.clone(), 1.0)).collect()
        };
        for (name, weight) in &modalities {
            side.modality(name)?;
            if *weight < 0.0 {
                return Err(Error::InvalidOption {
                    algorithm: algorithm.to_owned(),
                    option: "modalities".to_owned(),
                    why: format!("has the negative weight {weight} for `{name}`"),
                    known: vec!["weights of 0 or more".to_owned()],
                });
            }
        }
        // Set to nothing, content has no terms.
        let content = options.auto("content");
        if content == Some(0.0) {
            modalities.clear();
        }
        Ok(Given {
            user: options.auto("user_exponent"),
            history: options.auto("history_exponent"),
            item: options.auto("item_exponent"),
            two_hop: options.auto("two_hop"),
            content,
            popularity: options.auto("popularity"),
            ease: options.auto("ease"),
            ials: options.auto("ials"),
            factors: options.int("ials_factors") as usize,
            lambda: options.real("ease_lambda"),
            modalities,
            named,
            neighbours: options.int("neighbours") as usize,
            middle: options.int("middle") as usize,
            memory_limit: options.int("memory_limit") as u64,
        })
    }
}

impl Given {
    /// Exponents with those that were given in their place.
    pub(super) fn over(&self, exponents: Exponents) -> Exponents {
        Exponents {
            user: self.user.unwrap_or(exponents.user),
            history: self.history.unwrap_or(exponents.history),
            item: self.item.unwrap_or(exponents.item),
        }
    }
}

/// What is in force: exponents, and the weight of each term in units of its spread.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) exponents: Exponents,
    pub(super) two_hop: f32,
    /// By modality, in the order of [`Given::modalities`].
    pub(super) content: Vec<f32>,
    pub(super) popularity: f32,
    pub(super) ease: f32,
    pub(super) ials: f32,
}

/// The spread of each term: the mean over users of its standard deviation over the items.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spreads {
    pub(super) first: f32,
    pub(super) second: f32,
    pub(super) content: Vec<[f32; 3]>,
    pub(super) popularity: f32,
    pub(super) ease: f32,
    pub(super) ials: f32,
}

/// What the terms are multiplied with before they are added.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Factors {
    pub(super) first: f32,
    pub(super) second: f32,
    pub(super) content: Vec<[f32; 3]>,
    pub(super) popularity: f32,
    pub(super) ease: f32,
    pub(super) ials: f32,
}

impl Factors {
    /// What each modality adds.
    pub(super) fn modalities(&self, amounts: &Amounts) -> impl Iterator<Item = f32> {
        let both = amounts.content.iter().zip(&self.content);
        both.map(|(terms, factors)| terms.iter().zip(factors).map(|(t, f)| t * f).sum())
    }
}

/// Less of a spread is what rounding leaves of a term that vanishes, as that of factors which are held back until
/// nothing is left of them.
const LEAST: f32 = 1e-20;

/// One over a spread. A term that is the same everywhere, as in a database of one user, keeps its own
/// scale: it ranks nothing now, but a refresh keeps the factor when clicks tell items apart.
pub(super) fn over(spread: f32) -> f32 {
    if spread > LEAST && spread.is_finite() { spread.recip() } else { 1.0 }
}

impl Settings {
    pub(super) fn factors(&self, spreads: &Spreads) -> Factors {
        let content = self.content.iter().zip(&spreads.content).map(|(weight, spreads)| {
            let mut factors = [0f32; 3];
            for (at, factor) in factors.iter_mut().enumerate() {
                *factor = weight * CONTENT[at] * over(spreads[at]);
            }
            factors
        });
        Factors {
            first: over(spreads.first),
            second: self.two_hop * over(spreads.second),
            content: content.collect(),
            popularity: self.popularity * over(spreads.popularity),
            ease: self.ease * over(spreads.ease),
            ials: self.ials * over(spreads.ials),
        }
    }

    /// Which modalities count.
    pub(super) fn uses(&self) -> Vec<bool> {
        self.content.iter().map(|weight| *weight > 0.0).collect()
    }
}

/// Weights of modalities as they are shown.
pub(super) fn spoken(modalities: &[(String, f32)], weights: &[f32]) -> String {
    let used = modalities.iter().zip(weights).filter(|(_, weight)| **weight > 0.0);
    used.map(|((name, _), weight)| format!("{name}:{weight}")).collect::<Vec<_>>().join(", ")
}
