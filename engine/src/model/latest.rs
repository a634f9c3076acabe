//! `latest`: the newest items first.
//!
//! It is live: the order is that of the catalogue at the time of the question. Items are ordered by
//! when they came to be where that was known in training; items that were not known then are newer
//! than all of those, in the order of their ids.

use std::io::Write;

use tastedb_storage::ItemId;

use super::file::{Sections, Writer, corrupt};
use super::{Algorithm, Embeddings, Model};
use crate::options::Checked;
use crate::{
    Dataset, ModelOptions, OptionValue, Reason, Result, ScoreInput, Served, SideData, UNSCORED,
    Work,
};

const NAME: &str = "latest";
const FORMAT: u32 = 1;

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: NAME,
    summary: "the newest items",
    options: &[],
    embeddings: Embeddings::Unused,
    fit,
    load,
    format: FORMAT,
};

struct Latest {
    items: Vec<ItemId>,
    /// The place of each item from the oldest; empty if that is the order of the ids.
    places: Vec<u32>,
}

fn fit(
    data: &Dataset,
    side: &SideData,
    options: &ModelOptions,
    _: u64,
    _: &Work,
) -> Result<Box<dyn Model>> {
    Checked::new(NAME, ALGORITHM.options, options)?;
    let items = data.items.clone();
    if side.created.is_empty() {
        return Ok(Box::new(Latest { items, places: Vec::new() }));
    }
    let created = |item: &ItemId| {
        side.created.binary_search_by_key(item, |(item, _)| *item).ok().map(|at| side.created[at].1)
    };
    // Items without a time are older than all others.
    let mut order: Vec<(Option<i64>, u32)> =
        items.iter().enumerate().map(|(row, item)| (created(item), row as u32)).collect();
    order.sort_unstable();
    let mut places = vec![0u32; items.len()];
    for (place, (_, row)) in order.into_iter().enumerate() {
        places[row as usize] = place as u32;
    }
    Ok(Box::new(Latest { items, places }))
}

fn load(sections: &Sections) -> Result<Box<dyn Model>> {
    let items = sections.items()?;
    let places = sections.array::<u32>("places")?.to_vec();
    if !places.is_empty() && places.len() != items.len() {
        return Err(corrupt("its order does not cover its items"));
    }
    Ok(Box::new(Latest { items, places }))
}

impl Model for Latest {
    fn algorithm(&self) -> &'static str {
        NAME
    }

    fn items(&self) -> &[ItemId] {
        &self.items
    }

    fn is_live(&self) -> bool {
        true
    }

    fn score(&self, input: &ScoreInput<'_>, out: &mut [f32]) -> Served {
        let known = self.items.len();
        let mut own = 0;
        for (row, (item, score)) in input.items.iter().zip(out.iter_mut()).enumerate() {
            let mut place = known + row;
            if !self.places.is_empty() {
                while self.items.get(own).is_some_and(|known| known < item) {
                    own += 1;
                }
                if self.items.get(own) == Some(item) {
                    place = self.places[own] as usize;
                }
            }
            *score = place as f32;
        }
        if input.items.is_empty() { Served::No } else { Served::Dense }
    }

    fn similar(&self, _: &ScoreInput<'_>, _: u32, out: &mut [f32]) -> Served {
        out.fill(UNSCORED);
        Served::No
    }

    fn explain(&self, _: &ScoreInput<'_>, _: u32, _: usize) -> Vec<Reason> {
        Vec::new()
    }

    fn options(&self) -> Vec<(String, OptionValue)> {
        Vec::new()
    }

    fn memory(&self) -> u64 {
        (size_of_val(self.items.as_slice()) + size_of_val(self.places.as_slice())) as u64
    }

    fn save(&self, out: &mut dyn Write) -> Result<()> {
        let mut writer = Writer::new(NAME, FORMAT);
        writer.options(&[]);
        writer.items(&self.items);
        writer.array("places", &self.places);
        writer.write(out)
    }
}
