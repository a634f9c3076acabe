//! `trending`: what many people had to do with lately.
//!
//! Every interaction counts 2^(−age / half_life), where its age is taken from the latest
//! interaction in the data and not from a clock: the same data gives the same model.

use super::file::Sections;
use super::popular::Fixed;
use super::{Algorithm, Embeddings, Model};
use crate::options::Checked;
use crate::{
    Dataset, Error, ModelOptions, OptionKind, OptionSpec, Result, SideData, UNKNOWN_TIME, Work,
};

const NAME: &str = "trending";
const FORMAT: u32 = 1;
const MICROS_PER_DAY: f64 = 86_400e6;

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: NAME,
    summary: "the items that many users interacted with lately",
    options: &[
        OptionSpec {
            name: "count",
            kind: OptionKind::Choice(&["users", "weights"]),
            help: "what is added up: the users of an item, or the weights of its interactions",
        },
        OptionSpec {
            name: "half_life",
            kind: OptionKind::Real { default: 14.0, min: 1e-6, max: 1e6 },
            help: "the days after which an interaction counts half",
        },
    ],
    embeddings: Embeddings::Unused,
    fit,
    load,
    format: FORMAT,
};

fn fit(
    data: &Dataset,
    _: &SideData,
    options: &ModelOptions,
    _: u64,
    _: &Work,
) -> Result<Box<dyn Model>> {
    let checked = Checked::new(NAME, ALGORITHM.options, options)?;
    let by_weight = checked.text("count") == "weights";
    let half_life = checked.real("half_life");
    let times = data.times.as_deref().unwrap_or_default();
    let latest = times.iter().copied().filter(|time| *time != UNKNOWN_TIME).max();
    let latest =
        latest.ok_or(Error::EmptyTraining { algorithm: NAME, why: "no interaction has a time" })?;
    let mut sums = vec![0f64; data.n_items()];
    let entries = data.by_user.indices().iter().zip(data.by_user.values()).zip(times);
    for ((item, weight), time) in entries.filter(|(_, time)| **time != UNKNOWN_TIME) {
        let days = (latest as f64 - *time as f64) / MICROS_PER_DAY;
        let amount = if by_weight { f64::from(*weight) } else { 1.0 };
        sums[*item as usize] += amount * (-days / half_life).exp2();
    }
    Ok(Box::new(Fixed {
        algorithm: NAME,
        format: FORMAT,
        items: data.items.clone(),
        scores: sums.into_iter().map(|sum| sum as f32).collect(),
        options: checked.into_list(),
    }))
}

fn load(sections: &Sections) -> Result<Box<dyn Model>> {
    Ok(Box::new(Fixed::load(NAME, FORMAT, sections)?))
}
