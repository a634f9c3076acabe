//! Membership inference: whether the scores of a model give away that it has learned from an interaction.
//!
//! A model is asked with the rest of somebody's history, and what it says of the item is compared with
//! what it says of items as popular that they never had. The AUC is the chance that it scores the
//! one above the other: 1/2 where it cannot tell them apart. A model that has never seen an interaction is
//! above 1/2 too, since people do have what they are likely to have; so an AUC says something only beside
//! another: that of the version before, or of one that was trained without it. (Attacks by scores: Shokri et al. 2017, Zhang et al. 2021 for recommenders.)

use rayon::prelude::*;
use tastedb_storage::ItemId;

use crate::error::Result;
use crate::history::{History, ScoreInput, Served, SideData};
use crate::model::Model;
use crate::progress::Work;
use crate::seeded::number;

/// Items that an interaction is compared with.
const OTHERS: usize = 10;
/// Probes between two looks at the cancel token.
const BLOCK: usize = 256;

/// A question about one interaction.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Probe {
    /// The rest of the history, ascending by item.
    pub(super) history: Vec<(ItemId, f32)>,
    /// The item of the interaction.
    pub(super) item: ItemId,
    /// Items as popular that the person never had.
    pub(super) others: Vec<ItemId>,
}

/// What a model gave away of some interactions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Exposure {
    /// Interactions that it could be asked about.
    pub(super) probes: u64,
    /// The mean chance, and its standard error.
    pub(super) auc: f64,
    pub(super) error: f64,
    /// The median rank of the item among those that are not in the history, from 1.
    pub(super) rank: u64,
    /// The items that were ranked.
    pub(super) items: u64,
}

/// Items by how often they were had, to find those that are as popular as another.
pub(super) struct Popularity {
    /// Ascending by count, equal ones in no order of anything.
    order: Vec<(u32, u64, ItemId)>,
}

impl Popularity {
    pub(super) fn new(counts: impl Iterator<Item = (ItemId, u32)>) -> Popularity {
        let mut order: Vec<_> = counts.map(|(item, n)| (n, number(0, item.0), item)).collect();
        order.sort_unstable();
        Popularity { order }
    }

    /// The items nearest to a count that are `wanted`.
    pub(super) fn near(&self, count: u32, wanted: impl Fn(ItemId) -> bool) -> Vec<ItemId> {
        let start = self.order.partition_point(|(n, ..)| *n < count);
        let (below, above) = self.order.split_at(start);
        let (mut below, mut above) = (below.iter().rev().peekable(), above.iter().peekable());
        let mut found = Vec::with_capacity(OTHERS);
        while found.len() < OTHERS {
            let far =
                |n: Option<&&(u32, u64, ItemId)>| n.map_or(u32::MAX, |(n, ..)| n.abs_diff(count));
            let (down, up) = (far(below.peek()), far(above.peek()));
            let next =
                if up <= down { above.next().or_else(|| below.next()) } else { below.next() };
            let Some((.., item)) = next else { break };
            if wanted(*item) {
                found.push(*item);
            }
        }
        found
    }
}

/// Asks a model, which is none that scores whatever items there are; `None` where it knows nothing of what is asked.
pub(super) fn exposure(
    model: &dyn Model,
    probes: &[Probe],
    work: &Work,
) -> Result<Option<Exposure>> {
    let mut answers: Vec<(f64, u64)> = Vec::with_capacity(probes.len());
    for (at, block) in probes.chunks(BLOCK).enumerate() {
        work.step("probes", (at * BLOCK) as u64, probes.len() as u64)?;
        let found: Vec<Option<(f64, u64)>> = work.install(|| {
            block.par_iter().map_init(Vec::new, |scores, probe| ask(model, probe, scores)).collect()
        });
        answers.extend(found.into_iter().flatten());
    }
    if answers.is_empty() {
        return Ok(None);
    }
    let n = answers.len() as f64;
    let auc = answers.iter().map(|(chance, _)| chance).sum::<f64>() / n;
    let spread: f64 = answers.iter().map(|(chance, _)| (chance - auc).powi(2)).sum();
    let error = if answers.len() > 1 { (spread / (n - 1.0) / n).sqrt() } else { 0.5 };
    let mut ranks: Vec<u64> = answers.iter().map(|(_, rank)| *rank).collect();
    ranks.sort_unstable();
    Ok(Some(Exposure {
        probes: answers.len() as u64,
        auc,
        error,
        rank: ranks[ranks.len() / 2],
        items: model.items().len() as u64,
    }))
}

/// The chance and the rank of one probe.
fn ask(model: &dyn Model, probe: &Probe, scores: &mut Vec<f32>) -> Option<(f64, u64)> {
    let items = model.items();
    let row = |item: &ItemId| items.binary_search(item).ok();
    let own = row(&probe.item)?;
    let history: Vec<(u32, f32)> = probe
        .history
        .iter()
        .filter_map(|(item, weight)| Some((row(item)? as u32, *weight)))
        .collect();
    let side = SideData::default();
    scores.resize(items.len(), 0.0);
    let input = ScoreInput { history: History::new(&history), items, side: &side, vectors: &[] };
    if history.is_empty() || model.score(&input, scores) == Served::No {
        return None;
    }
    // What has no score is behind everything that has one.
    let value = |row: usize| if scores[row].is_nan() { f32::NEG_INFINITY } else { scores[row] };
    let score = value(own);
    let chances = probe.others.iter().filter_map(row).map(|other| {
        let other = value(other);
        if score > other { 1.0 } else { f64::from(u8::from(score == other)) / 2.0 }
    });
    let (sum, n) = chances.fold((0.0, 0.0), |(sum, n), chance| (sum + chance, n + 1.0));
    if n == 0.0 {
        return None;
    }
    let seen: Vec<u32> = history.iter().map(|(row, _)| *row).collect();
    let before = (0..items.len())
        .filter(|other| value(*other) > score && seen.binary_search(&(*other as u32)).is_err());
    Some((sum / n, 1 + before.count() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_as_popular_come_from_both_sides() {
        let counts = (0..40).map(|id| (ItemId(id), id as u32 / 2));
        let popularity = Popularity::new(counts);
        let found = popularity.near(10, |item| item != ItemId(20));
        assert_eq!(found.len(), OTHERS);
        assert!(found.contains(&ItemId(21)) && !found.contains(&ItemId(20)));
        assert!(found.iter().all(|item| (14..=27).contains(&item.0)), "{found:?}");
        assert_eq!(popularity.near(99, |_| true).len(), OTHERS, "the nearest there are");
        assert_eq!(popularity.near(3, |item| item.0 < 4).len(), 4, "all there are");
    }
}
