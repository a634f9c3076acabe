//! A model asked about the live catalogue: in and out go rows of the items that are there now.
//!
//! What is gone is left out. What the model has not learned of, because it came later or because
//! nobody had it, is scored by the items that it is alike ([`Newcomers`]), if it has an embedding and
//! the model is one that learns what goes with what.

use std::io::Write;
use std::sync::Arc;

use fixedbitset::FixedBitSet;
use tastedb_storage::ItemId;

use super::touched::Near;
use super::{Model, Product, Retrieved, Touched, Wanted, shares};
use crate::background::both;
use crate::index::{CurrentIndex, Path};
use crate::kernels::dot;
use crate::newcomers::{Among, Newcomers, best_unseen, capped};
use crate::similarity::Similarity;
use crate::topk::{Allow, Scored, keep_best};
use crate::{EmbeddingMatrix, History, OptionValue, Reason, Result, ScoreInput, Served, UNSCORED};

/// The items that a new one is taken for where it is asked about itself.
const STAND_INS: usize = 5;
/// So many rows are scored one by one where the index would be asked for those that nothing touches.
const COMPARED: usize = if cfg!(test) { 20 } else { 2_000 };
/// So many of those are looked for at least.
const NEAR: usize = if cfg!(test) { 8 } else { 128 };
/// So many times what is wanted has to be among what is found of all rows.
const OVER: usize = 3;
/// So many of all rows are looked for at most.
const MOST_NEAR: usize = if cfg!(test) { 32 } else { 512 };
const NONE: u32 = u32::MAX;

/// How the rows of a model lie in a catalogue.
pub(crate) struct Layout {
    /// The live row of each row, then the row of each live row; [`NONE`] where there is none. Not
    /// there if they are the same.
    maps: Option<(Vec<u32>, Vec<u32>)>,
    newcomers: Newcomers,
    /// Their live rows.
    places: Vec<u32>,
}

/// A model, wherever it is kept.
pub(crate) enum Held<'a> {
    Borrowed(&'a dyn Model),
    Shared(Arc<dyn Model>),
}

impl<'a> std::ops::Deref for Held<'a> {
    type Target = dyn Model + 'a;

    fn deref(&self) -> &(dyn Model + 'a) {
        match self {
            Held::Borrowed(model) => *model,
            Held::Shared(model) => model.as_ref(),
        }
    }
}

/// The same model, live.
pub(crate) struct OnCatalogue<'a> {
    model: Held<'a>,
    layout: Arc<Layout>,
    /// Of the model's factors, where there is one.
    index: Option<Arc<CurrentIndex>>,
}

/// What there is to know of a model and the items of now before embeddings are looked at.
pub(crate) struct Lie {
    maps: Option<(Vec<u32>, Vec<u32>)>,
    /// The rows of the model that are gone or that nothing was learned of.
    unknown: Vec<u32>,
    /// The live items that it has not learned of.
    pub(crate) new: Vec<ItemId>,
}

impl Lie {
    /// How a model lies in a catalogue, which ascends. `untouched` is what it says of itself.
    pub(crate) fn new(model: &dyn Model, untouched: Option<&[u32]>, items: &[ItemId]) -> Lie {
        let own = model.items();
        let maps = (!model.is_live() && own != items).then(|| {
            let find = |from: &[ItemId], among: &[ItemId]| -> Vec<u32> {
                let mut at = 0;
                let place = |item: &ItemId| {
                    at += among[at..].partition_point(|other| other < item);
                    if among.get(at) == Some(item) { at as u32 } else { NONE }
                };
                from.iter().map(place).collect()
            };
            (find(own, items), find(items, own))
        });
        let Some(untouched) = untouched.filter(|_| !model.is_live()) else {
            return Lie { maps, unknown: Vec::new(), new: Vec::new() };
        };
        let mut unknown = untouched.to_vec();
        let mut new = Vec::new();
        if let Some((to_live, to_model)) = &maps {
            unknown
                .extend((0u32..).zip(to_live).filter(|(_, to)| **to == NONE).map(|(row, _)| row));
            unknown.sort_unstable();
            unknown.dedup();
            let missing = items.iter().zip(to_model).filter(|(_, row)| **row == NONE);
            new.extend(missing.map(|(item, _)| *item));
        }
        let live = |row: &&u32| maps.as_ref().is_none_or(|(to, _)| to[**row as usize] != NONE);
        new.extend(untouched.iter().filter(live).map(|row| own[*row as usize]));
        new.sort_unstable();
        Lie { maps, unknown, new }
    }

    /// Whether the model has learned of an item that is there.
    pub(crate) fn knows(&self, model: &dyn Model, item: ItemId) -> bool {
        let row = model.items().binary_search(&item);
        row.is_ok_and(|row| self.unknown.binary_search(&(row as u32)).is_err())
    }

    /// The layout, with what is new; see [`Newcomers::of`].
    pub(crate) fn layout(
        self,
        model: &dyn Model,
        items: &[ItemId],
        matrices: &[Arc<EmbeddingMatrix>],
        before: Option<(&Layout, &[ItemId])>,
    ) -> Layout {
        let among = Among { items: model.items(), unknown: &self.unknown, matrices };
        let before = before.map(|(layout, changed)| (&layout.newcomers, changed));
        let newcomers = Newcomers::of(&self.new, &among, before);
        let place = |item| items.binary_search(&item).map_or(NONE, |row| row as u32);
        Layout { maps: self.maps, places: newcomers.items().map(place).collect(), newcomers }
    }
}

impl<'a> OnCatalogue<'a> {
    pub(crate) fn new(
        model: Held<'a>,
        layout: Arc<Layout>,
        index: Option<Arc<CurrentIndex>>,
    ) -> OnCatalogue<'a> {
        OnCatalogue { model, layout, index }
    }

    fn is_plain(&self) -> bool {
        self.layout.maps.is_none() && self.layout.newcomers.is_empty()
    }

    /// The model's row of a live row.
    fn row(&self, row: u32) -> Option<u32> {
        match &self.layout.maps {
            None => Some(row),
            Some((_, to_model)) => to_model.get(row as usize).copied().filter(|row| *row != NONE),
        }
    }

    /// The live row of a row of the model.
    fn live(&self, row: u32) -> Option<u32> {
        match &self.layout.maps {
            None => Some(row),
            Some((to_live, _)) => to_live.get(row as usize).copied().filter(|row| *row != NONE),
        }
    }

    /// The place of a live row among those that are new.
    fn newcomer(&self, row: u32) -> Option<usize> {
        self.layout.places.binary_search(&row).ok()
    }

    /// All of `n` live rows but those of some rows of the model.
    fn unseen(&self, seen: &[u32], n: usize) -> FixedBitSet {
        let mut unseen = FixedBitSet::with_capacity(n);
        unseen.insert_range(..);
        let live = seen.iter().filter_map(|row| self.live(*row));
        live.for_each(|row| unseen.set(row as usize, false));
        unseen
    }

    /// A history in rows of the model, with the entry that each is of. For what is new stands the known
    /// item that it is most like.
    fn history(&self, entries: &[(u32, f32)]) -> (Vec<(u32, f32)>, Vec<usize>) {
        let (mut own, mut of) = (Vec::with_capacity(entries.len()), Vec::new());
        for (entry, (row, weight)) in entries.iter().enumerate() {
            let known = match self.newcomer(*row) {
                Some(at) => self.layout.newcomers.near(at, 1).first().map(|(row, ..)| *row),
                None => self.row(*row),
            };
            if let Some(row) = known {
                own.push((row, *weight));
                of.push(entry);
            }
        }
        (own, of)
    }

    /// Brings scores of the model's rows to the live ones, and scores what is new.
    fn spread(&self, served: Served, own: &[f32], seen: &[u32], out: &mut [f32]) -> Served {
        if served == Served::No {
            out.fill(UNSCORED);
            return Served::No;
        }
        match &self.layout.maps {
            None => out.copy_from_slice(own),
            Some((to_live, _)) => {
                out.fill(UNSCORED);
                for (score, row) in own.iter().zip(to_live) {
                    if let Some(to) = out.get_mut(*row as usize) {
                        *to = *score;
                    }
                }
            }
        }
        // What is gone is nothing to be the best of.
        let there = (0u32..).zip(own).filter(|(row, _)| self.live(*row).is_some());
        let most = best_unseen(there.map(|(row, score)| (row, *score)), seen);
        let score = capped(|row| own[row as usize], seen, most);
        let found = self.layout.newcomers.scores(score, seen);
        for (row, score) in self.layout.places.iter().zip(found) {
            if !score.is_nan() {
                out[*row as usize] = score;
            }
        }
        if self.layout.maps.is_none() { served } else { Served::Touched }
    }

    fn asked<R>(
        &self,
        input: &ScoreInput<'_>,
        history: &[(u32, f32)],
        ask: impl FnOnce(&ScoreInput<'_>) -> R,
    ) -> R {
        ask(&ScoreInput { history: History::new(history), ..*input })
    }
}

/// Live rows that may be returned, and how many there are.
#[derive(Clone, Copy)]
struct Allowed<'a> {
    rows: &'a FixedBitSet,
    n: usize,
}

/// What the index found.
struct Found {
    near: Near,
    /// Whether it was asked for all rows, not for those allowed alone.
    of_all: bool,
}

impl OnCatalogue<'_> {
    /// The `k` best of the allowed live rows, by what was touched and, where that is not all of a score, the
    /// index, which may have been asked already; `None` where there is none.
    fn best_touched(
        &self,
        touched: &Touched<'_>,
        items: &[ItemId],
        k: usize,
        allowed: Allowed<'_>,
        found: Option<&Found>,
        scored: impl Fn(u32) -> bool,
    ) -> Option<(Vec<Scored>, Path)> {
        let here = |row: u32| allowed.rows.contains(row as usize) && scored(row);
        let place = |row: u32| self.live(row).filter(|row| here(*row));
        let Some(product) = touched.product() else {
            return Some((touched.best(k, &[], place), Path::Touched));
        };
        if allowed.n <= COMPARED {
            let rows = allowed.rows.ones().map(|row| row as u32).filter(|row| here(*row));
            let rows = rows.filter_map(|row| Some((self.row(row)?, row)));
            return Some((touched.best_among(k, rows), Path::Exact));
        }
        let own = match found {
            Some(_) => None,
            None => Some(self.find(product, items, k, allowed)?),
        };
        let Found { near, of_all } = found.or(own.as_ref())?;
        let best = touched.best_touched(k, near, &place);
        let settled = !of_all || 2 * allowed.n >= items.len() || touched.are_best(&best, k, near);
        let best = match settled {
            true => touched.with_others(best, k, near, place),
            false => {
                let near = self.nearest_allowed(product, items, k, allowed)?;
                touched.with_others(best, k, &near, place)
            }
        };
        Some((best, Path::TouchedOrNear))
    }

    /// Asks the index for rows of great products: of all rows, which is sooner done than of few that are allowed, where
    /// so many of them are allowed that the best will be among what is found.
    fn find(
        &self,
        product: &Product<'_>,
        items: &[ItemId],
        k: usize,
        allowed: Allowed<'_>,
    ) -> Option<Found> {
        let wanted = k.saturating_mul(OVER).saturating_mul(items.len()) / allowed.n.max(1);
        let wanted = wanted.max(NEAR);
        let of_all = wanted <= MOST_NEAR;
        let near = match of_all {
            true => self.nearest(product, items, wanted, Allow::All),
            false => self.nearest_allowed(product, items, k, allowed),
        };
        Some(Found { near: near?, of_all })
    }

    /// More than is wanted, so that the last of them is behind what is wanted.
    fn nearest_allowed(
        &self,
        product: &Product<'_>,
        items: &[ItemId],
        k: usize,
        allowed: Allowed<'_>,
    ) -> Option<Near> {
        let n = k.saturating_mul(2).max(NEAR);
        self.nearest(product, items, n, Allow::Bits(allowed.rows))
    }

    fn nearest(
        &self,
        product: &Product<'_>,
        items: &[ItemId],
        n: usize,
        allow: Allow<'_>,
    ) -> Option<Near> {
        let near = self.index.as_ref()?.nearest(items, product.vector(), n, n, allow).ok()?;
        Some(product.near(near.rows.iter().filter_map(|near| self.row(near.row)).collect()))
    }

    /// The best allowed rows of a model that touches few of many.
    fn retrieve_touched(&self, input: &ScoreInput<'_>, wanted: &Wanted<'_>) -> Option<Retrieved> {
        let compares = wanted.n_allowed <= COMPARED;
        let has_product = self.model.factors().is_some();
        if has_product && self.index.is_none() && !compares {
            return None;
        }
        let newcomers = &self.layout.newcomers;
        let newcomer = wanted.similar.and_then(|row| self.newcomer(row));
        let (history, similar) = match (wanted.similar, newcomer) {
            (None, _) => (self.history(input.history.entries).0, None),
            (Some(_), Some(at)) => {
                let near = newcomers.near(at, STAND_INS).into_iter();
                (near.map(|(row, _, weight)| (row, weight)).collect(), None)
            }
            (Some(row), None) => (Vec::new(), Some(self.row(row)?)),
        };
        let allowed_rows = Allowed { rows: wanted.allowed, n: wanted.n_allowed };
        let touched = || self.asked(input, &history, |input| self.model.touched(input, similar));
        let others = || {
            let product = self.asked(input, &history, |input| self.model.product(input, similar));
            let find = |product| self.find(product, input.items, wanted.k, allowed_rows);
            let found = product.as_ref().filter(|_| !compares).and_then(find);
            (product, found)
        };
        let (touched, (product, found)) = match has_product && !compares {
            true => both(touched, others),
            false => (touched(), others()),
        };
        let touched = Touched { product, ..touched? };
        let mut seen: Vec<u32> = match wanted.similar {
            None => history.iter().map(|(row, _)| *row).collect(),
            Some(_) => Vec::new(),
        };
        seen.sort_unstable();
        seen.dedup();
        let new = match newcomers.is_empty() {
            true => Vec::new(),
            false => {
                let unseen = self.unseen(&seen, input.items.len());
                let unseen = Allowed { rows: &unseen, n: unseen.count_ones(..) };
                let found = found.as_ref().filter(|found| found.of_all);
                let (best, _) =
                    self.best_touched(&touched, input.items, 1, unseen, found, |_| true)?;
                let most = best.first().map_or(f32::NEG_INFINITY, |best| best.score);
                newcomers.scores(capped(|row| touched.score(row), &seen, most), &seen)
            }
        };
        let allowed =
            |row: u32| wanted.allowed.contains(row as usize) && wanted.similar != Some(row);
        // What is scored as new is not scored by the model as well.
        let as_new = |row: u32| self.newcomer(row).is_some_and(|at| !new[at].is_nan());
        let scored = |row: u32| allowed(row) && !as_new(row);
        let (mut rows, path) = self.best_touched(
            &touched,
            input.items,
            wanted.k,
            allowed_rows,
            found.as_ref(),
            scored,
        )?;
        let new = self.layout.places.iter().zip(&new);
        let new = new.filter(|(row, score)| allowed(**row) && !score.is_nan());
        rows.extend(new.map(|(row, score)| Scored { row: *row, score: *score }));
        keep_best(&mut rows, wanted.k);
        Some(Retrieved { rows, path })
    }
}

impl Model for OnCatalogue<'_> {
    fn algorithm(&self) -> &'static str {
        self.model.algorithm()
    }

    fn items(&self) -> &[ItemId] {
        self.model.items()
    }

    fn is_live(&self) -> bool {
        true
    }

    fn score(&self, input: &ScoreInput<'_>, out: &mut [f32]) -> Served {
        if self.is_plain() || self.model.is_live() {
            return self.model.score(input, out);
        }
        let (history, _) = self.history(input.history.entries);
        let mut own = vec![UNSCORED; self.model.items().len()];
        let served = self.asked(input, &history, |input| self.model.score(input, &mut own));
        let mut seen: Vec<u32> = history.iter().map(|(row, _)| *row).collect();
        seen.sort_unstable();
        seen.dedup();
        self.spread(served, &own, &seen, out)
    }

    fn score_one(&self, input: &ScoreInput<'_>, item_row: u32) -> Option<f32> {
        if self.newcomer(item_row).is_none() {
            let row = self.row(item_row)?;
            let (history, _) = self.history(input.history.entries);
            return self.asked(input, &history, |input| self.model.score_one(input, row));
        }
        let mut out = vec![UNSCORED; input.items.len()];
        let served = self.score(input, &mut out);
        out.get(item_row as usize).copied().filter(|score| served != Served::No && !score.is_nan())
    }

    fn similar(&self, input: &ScoreInput<'_>, item_row: u32, out: &mut [f32]) -> Served {
        if self.is_plain() || self.model.is_live() {
            return self.model.similar(input, item_row, out);
        }
        let mut own = vec![UNSCORED; self.model.items().len()];
        let served = match (self.newcomer(item_row), self.row(item_row)) {
            (None, None) => Served::No,
            (None, Some(row)) => self.model.similar(input, row, &mut own),
            (Some(at), _) => {
                let near = self.layout.newcomers.near(at, STAND_INS);
                let near: Vec<(u32, f32)> = near.into_iter().map(|(row, _, w)| (row, w)).collect();
                self.asked(input, &near, |input| self.model.score(input, &mut own))
            }
        };
        let served = self.spread(served, &own, &[], out);
        if let Some(own) = out.get_mut(item_row as usize) {
            *own = UNSCORED;
        }
        if served == Served::No { served } else { Served::Touched }
    }

    fn retrieve(&self, input: &ScoreInput<'_>, wanted: &Wanted<'_>) -> Option<Retrieved> {
        if self.model.is_live() {
            return self.model.retrieve(input, wanted);
        }
        if self.model.touches_few()
            && let Some(found) = self.retrieve_touched(input, wanted)
        {
            return Some(found);
        }
        let (index, factors) = self.index.as_ref().zip(self.model.factors())?;
        // What is new is asked about through several known items.
        let similar = match wanted.similar {
            None => None,
            Some(row) if self.newcomer(row).is_some() => return None,
            Some(row) => Some(self.row(row)?),
        };
        let (history, _) = self.history(input.history.entries);
        let vector = self.model.vector(History::new(&history), similar)?;
        let vector = vector.as_slice();
        let nearest = |k: usize, allowed: &FixedBitSet| {
            let (ef, of) = (index.index().options().ef, &vector[..factors.dim]);
            index.nearest(input.items, of, k, ef, Allow::Bits(allowed)).ok()
        };
        let found = nearest(wanted.k + usize::from(similar.is_some()), wanted.allowed)?;
        let (mut rows, path) = (found.rows, found.path);
        rows.retain(|near| wanted.similar != Some(near.row));
        if !self.layout.newcomers.is_empty() {
            let mut seen: Vec<u32> = match similar {
                None => history.iter().map(|(row, _)| *row).collect(),
                Some(_) => Vec::new(),
            };
            seen.sort_unstable();
            seen.dedup();
            let unseen = self.unseen(&seen, input.items.len());
            let most =
                nearest(1, &unseen)?.rows.first().map_or(f32::NEG_INFINITY, |best| best.score);
            let score = |row: u32| dot(factors.padded(row as usize), vector);
            let new = self.layout.newcomers.scores(capped(score, &seen, most), &seen);
            let places = self.layout.places.iter().zip(new);
            let allowed =
                |row: u32| wanted.allowed.contains(row as usize) && wanted.similar != Some(row);
            let new = places.filter(|(row, score)| allowed(**row) && !score.is_nan());
            rows.extend(new.map(|(row, score)| Scored { row: *row, score }));
        }
        keep_best(&mut rows, wanted.k);
        Some(Retrieved { rows, path })
    }

    fn explain(&self, input: &ScoreInput<'_>, item_row: u32, k: usize) -> Vec<Reason> {
        if self.is_plain() || self.model.is_live() {
            return self.model.explain(input, item_row, k);
        }
        let (history, of) = self.history(input.history.entries);
        let named = |reason: Reason| Reason { entry: of[reason.entry], ..reason };
        self.asked(input, &history, |input| match (self.newcomer(item_row), self.row(item_row)) {
            (None, None) => Vec::new(),
            (None, Some(row)) => self.model.explain(input, row, k).into_iter().map(named).collect(),
            // What speaks for those that it is most like, or is one of them.
            (Some(at), _) => {
                let mut spoken = Vec::new();
                for (row, modality, weight) in self.layout.newcomers.near(at, STAND_INS) {
                    let is = history.iter().position(|(own, weight)| *own == row && *weight > 0.0);
                    let own = is.map(|entry| Reason { entry, share: 1.0, modality: None });
                    let parts = match own {
                        Some(own) => vec![own],
                        None => self.model.explain(input, row, k),
                    };
                    spoken.extend(
                        parts.into_iter().map(|part| {
                            (part.entry, weight * part.share, Some(modality.to_owned()))
                        }),
                    );
                }
                spoken.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
                spoken.dedup_by(|next, kept| {
                    let same = next.0 == kept.0;
                    if same {
                        kept.1 += next.1;
                    }
                    same
                });
                shares(spoken.into_iter(), k).into_iter().map(named).collect()
            }
        })
    }

    fn similarity(&self) -> Similarity {
        self.model.similarity()
    }

    fn corrects_hubs(&self) -> bool {
        self.model.corrects_hubs()
    }

    fn options(&self) -> Vec<(String, OptionValue)> {
        self.model.options()
    }

    fn memory(&self) -> u64 {
        self.model.memory()
    }

    fn save(&self, out: &mut dyn Write) -> Result<()> {
        self.model.save(out)
    }
}

#[cfg(test)]
mod tests;
