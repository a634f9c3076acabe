//! `popular`: what most people had to do with.
//!
//! It looks at nobody's history, so it serves everybody, and every item has a score, also one that
//! nobody has touched.

use std::io::Write;

use tastedb_storage::ItemId;

use super::file::{Sections, Writer, corrupt};
use super::{Algorithm, Embeddings, Model};
use crate::options::Checked;
use crate::{
    Dataset, ModelOptions, OptionKind, OptionSpec, OptionValue, Reason, Result, ScoreInput, Served,
    SideData, UNSCORED, Work,
};

const NAME: &str = "popular";
const FORMAT: u32 = 1;

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: NAME,
    summary: "the items that most users interacted with",
    options: &[OptionSpec {
        name: "count",
        kind: OptionKind::Choice(&["users", "weights"]),
        help: "what is added up: the users of an item, or the weights of its interactions",
    }],
    embeddings: Embeddings::Unused,
    fit,
    load,
    format: FORMAT,
};

/// A score for each item, the same for everybody. `trending` is one too.
pub(super) struct Fixed {
    pub(super) algorithm: &'static str,
    pub(super) format: u32,
    pub(super) items: Vec<ItemId>,
    pub(super) scores: Vec<f32>,
    pub(super) options: Vec<(String, OptionValue)>,
}

fn fit(
    data: &Dataset,
    _: &SideData,
    options: &ModelOptions,
    _: u64,
    _: &Work,
) -> Result<Box<dyn Model>> {
    let checked = Checked::new(NAME, ALGORITHM.options, options)?;
    let by_weight = checked.text("count") == "weights";
    let score = |row: usize| match by_weight {
        false => data.by_item.degree(row) as f32,
        true => data.by_item.row(row).1.iter().map(|weight| f64::from(*weight)).sum::<f64>() as f32,
    };
    Ok(Box::new(Fixed {
        algorithm: NAME,
        format: FORMAT,
        items: data.items.clone(),
        scores: (0..data.n_items()).map(score).collect(),
        options: checked.into_list(),
    }))
}

fn load(sections: &Sections) -> Result<Box<dyn Model>> {
    Ok(Box::new(Fixed::load(NAME, FORMAT, sections)?))
}

impl Fixed {
    pub(super) fn load(algorithm: &'static str, format: u32, sections: &Sections) -> Result<Fixed> {
        let items = sections.items()?;
        let scores = sections.array_of::<f32>("scores", items.len())?.to_vec();
        if scores.iter().any(|score| !score.is_finite()) {
            return Err(corrupt("a score is not a number"));
        }
        Ok(Fixed { algorithm, format, items, scores, options: sections.options()? })
    }
}

impl Model for Fixed {
    fn algorithm(&self) -> &'static str {
        self.algorithm
    }

    fn items(&self) -> &[ItemId] {
        &self.items
    }

    fn score(&self, _: &ScoreInput<'_>, out: &mut [f32]) -> Served {
        out.copy_from_slice(&self.scores);
        if self.items.is_empty() { Served::No } else { Served::Dense }
    }

    fn score_one(&self, _: &ScoreInput<'_>, item_row: u32) -> Option<f32> {
        self.scores.get(item_row as usize).copied()
    }

    fn similar(&self, _: &ScoreInput<'_>, _: u32, out: &mut [f32]) -> Served {
        out.fill(UNSCORED);
        Served::No
    }

    fn explain(&self, _: &ScoreInput<'_>, _: u32, _: usize) -> Vec<Reason> {
        Vec::new()
    }

    fn options(&self) -> Vec<(String, OptionValue)> {
        self.options.clone()
    }

    fn memory(&self) -> u64 {
        (size_of_val(self.items.as_slice()) + size_of_val(self.scores.as_slice())) as u64
    }

    fn save(&self, out: &mut dyn Write) -> Result<()> {
        let mut writer = Writer::new(self.algorithm, self.format);
        writer.options(&self.options);
        writer.items(&self.items);
        writer.array("scores", &self.scores);
        writer.write(out)
    }
}
