//! `content`: items whose embeddings are near those of the history.
//!
//! Nothing is learned: a model is a choice of modalities, weights and a way to put a history
//! together. It is live, so an item is served from the moment it has an embedding.
//!
//! - `mean`: how near an item is to the weighted mean of the history's embeddings
//! - `max`: how near it is to any item of the history that is not disliked
//!
//! Near is what the similarity says: the cosine, the inner product, or the distance, negated. For cosines
//! the embeddings have length one, in the mean too; for the others they are as they are.
//!
//! Cosines may be corrected for hubs ([`Hubs`]): what is near to everything is held back.
//!
//! Per modality, then summed by the modalities' weights. An item without any of the embeddings is
//! not scored; one that lacks some counts zero there. Distances have no zero that says nothing, nor a
//! unit that two modalities share, so they are of one modality.

use std::io::Write;

use tastedb_storage::ItemId;

use super::file::{Sections, Writer, corrupt};
use super::{Algorithm, Embeddings, Model, Retrieved, Wanted, modalities, shares};
use crate::embedding_matrix::normalise;
use crate::hubs::Hubs;
use crate::index::{CurrentIndex, Path, compared, nearest_exactly};
use crate::kernels::{Line, add_rows, lines};
use crate::options::Checked;
use crate::similarity::Similarity;
use crate::topk::{Allow, Scored, keep_best};
use crate::{
    Dataset, EmbeddingMatrix, Error, ModelOptions, OptionKind, OptionSpec, OptionValue, Reason,
    Result, ScoreInput, Served, SideData, UNSCORED, Work,
};

const NAME: &str = "content";
const METRIC: &str = "metric";
const HUBNESS: &str = "hubness";
const DUAL: &str = "dual";
const FORMAT: u32 = 1;

/// With more vectors to look near to than this, all rows are compared with all of them at once.
const MOST_WALKS: usize = 8;
/// Where a filter leaves more than one row in so many, reading all in order is quicker than picking.
const SCANNED: usize = 8;
/// Of so many candidates all are compared where hubs are corrected.
const COMPARED: usize = 2048;
/// There, how many times as many rows a walk is asked for.
const WIDER: [usize; 3] = [4, 16, 64];

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: NAME,
    summary: "items whose embeddings are near those of the history",
    options: &[
        OptionSpec {
            name: "modalities",
            kind: OptionKind::Text { default: "" },
            help: "which, as 'text, image:0.5' with weights; empty: all alike",
        },
        OptionSpec {
            name: "history",
            kind: OptionKind::Choice(&["mean", "max"]),
            help: "how the items of a history are put together",
        },
        OptionSpec {
            name: METRIC,
            kind: OptionKind::Choice(&Similarity::NAMES),
            help: "what is near; 'l2' of one modality",
        },
        OptionSpec {
            name: HUBNESS,
            kind: OptionKind::Choice(&["none", DUAL]),
            help: "whether items that are near to everything are held back; of cosines",
        },
    ],
    embeddings: Embeddings::Always,
    fit,
    load,
    format: FORMAT,
};

struct Content {
    items: Vec<ItemId>,
    modalities: Vec<(String, f32)>,
    by_max: bool,
    similarity: Similarity,
    corrects_hubs: bool,
    options: Vec<(String, OptionValue)>,
}

fn fit(
    data: &Dataset,
    side: &SideData,
    options: &ModelOptions,
    _: u64,
    _: &Work,
) -> Result<Box<dyn Model>> {
    let checked = Checked::new(NAME, ALGORITHM.options, options)?;
    let mut modalities = modalities::parse(NAME, checked.text("modalities"))?;
    if modalities.is_empty() {
        modalities = side.embeddings.keys().map(|name| (name.clone(), 1.0)).collect();
    }
    for (name, _) in &modalities {
        side.modality(name)?;
    }
    if modalities.is_empty() {
        return Err(Error::EmptyTraining { algorithm: NAME, why: "the items have no embeddings" });
    }
    let by_max = checked.text("history") == "max";
    let similarity = Similarity::named(checked.text(METRIC)).unwrap_or_default();
    if similarity == Similarity::L2 && modalities.len() > 1 {
        return Err(Error::InvalidOption {
            algorithm: NAME.to_owned(),
            option: METRIC.to_owned(),
            why: "cannot be 'l2' with several modalities".to_owned(),
            known: modalities
                .into_iter()
                .map(|(name, _)| format!("modalities = '{name}'"))
                .collect(),
        });
    }
    let corrects_hubs = checked.text(HUBNESS) == DUAL;
    if corrects_hubs && similarity != Similarity::Cosine {
        return Err(Error::InvalidOption {
            algorithm: NAME.to_owned(),
            option: HUBNESS.to_owned(),
            why: format!("cannot be 'dual' with metric = '{similarity}'"),
            known: vec!["metric = 'cosine'".to_owned()],
        });
    }
    let (items, options) = (data.items.clone(), checked.into_list());
    Ok(Box::new(Content { items, modalities, by_max, similarity, corrects_hubs, options }))
}

fn load(sections: &Sections) -> Result<Box<dyn Model>> {
    let names = sections.array::<u8>("modalities")?;
    let names = std::str::from_utf8(&names).map_err(|_| corrupt("a modality is not text"))?;
    let names: Vec<&str> = names.lines().collect();
    let weights = sections.array_of::<f32>("weights", names.len())?;
    let modalities = names.into_iter().map(str::to_owned).zip(weights.iter().copied()).collect();
    let options = sections.options()?;
    let text = |wanted: &str| match options.iter().find(|(name, _)| name == wanted) {
        Some((_, OptionValue::Text(text))) => text.as_str(),
        _ => "",
    };
    let by_max = text("history") == "max";
    // Models from before there was a choice have no such option.
    let similarity = Similarity::named(text(METRIC)).unwrap_or_default();
    let (items, corrects_hubs) = (sections.items()?, text(HUBNESS) == DUAL);
    Ok(Box::new(Content { items, modalities, by_max, similarity, corrects_hubs, options }))
}

/// What is near in some modalities, all alike, and nothing else: a model of no table.
pub(crate) fn near(
    modalities: impl Iterator<Item = String>,
    similarity: Similarity,
    corrects_hubs: bool,
) -> impl Model {
    let modalities = modalities.map(|name| (name, 1.0)).collect();
    let (items, options) = (Vec::new(), Vec::new());
    Content { items, modalities, by_max: false, similarity, corrects_hubs, options }
}

impl Content {
    /// The modalities of the model that the live items have.
    fn live<'a>(
        &'a self,
        input: &ScoreInput<'a>,
    ) -> impl Iterator<Item = (&'a EmbeddingMatrix, f32)> {
        let side = input.side;
        self.modalities.iter().filter_map(|(name, weight)| {
            side.embeddings.get(name).map(|matrix| (matrix.as_ref(), *weight))
        })
    }

    /// What is taken off the rows of a modality, where hubs are corrected.
    fn hubs<'a>(&self, input: &ScoreInput<'a>, matrix: &EmbeddingMatrix) -> Option<&'a Hubs> {
        let hubs = input.side.hubs.get(matrix.modality()).filter(|_| self.corrects_hubs)?;
        Some(hubs.as_ref()).filter(|hubs| hubs.bias().len() == matrix.len())
    }

    /// The best allowed rows with hubs corrected. The walk knows nothing of that, so it is asked for more
    /// rows, until those that it leaves out cannot be among the best. `None` where too many would be needed.
    fn corrected(
        &self,
        hubs: &Hubs,
        matrix: &EmbeddingMatrix,
        index: Option<&CurrentIndex>,
        query: &[f32],
        input: &ScoreInput<'_>,
        (k, wanted): (usize, &Wanted<'_>),
    ) -> Option<Retrieved> {
        let allow = Allow::Bits(wanted.allowed);
        let correct = |rows: &mut Vec<Scored>| {
            for near in rows.iter_mut() {
                let at = input.items.get(near.row as usize).and_then(|item| matrix.row_of(*item));
                near.score -= at.map_or(0.0, |at| hubs.bias()[at]);
            }
            keep_best(rows, k);
        };
        let index = index.filter(|_| wanted.n_allowed > COMPARED);
        let Some(index) = index else {
            let mut rows = compared(matrix, self.similarity, input.items, query, allow);
            correct(&mut rows);
            return Some(Retrieved { rows, path: Path::Exact });
        };
        let (ef, vector) = (index.index().options().ef, &query[..matrix.dim()]);
        for wider in WIDER {
            let wide = wider * (k + 10);
            let near = index.nearest(input.items, vector, wide, ef, allow).ok()?;
            let all = near.rows.len() < wide;
            let left = near.rows.last().map_or(f32::NEG_INFINITY, |last| last.score) - hubs.least();
            let (mut rows, path) = (near.rows, near.path);
            correct(&mut rows);
            if all || rows.last().is_some_and(|worst| rows.len() >= k && worst.score >= left) {
                return Some(Retrieved { rows, path });
            }
        }
        None
    }

    /// How much speaks for an item that is so near: more the nearer, nothing the other way round.
    fn spoken(&self, near: f32) -> f32 {
        match self.similarity {
            Similarity::Cosine | Similarity::InnerProduct => near,
            Similarity::L2 => (1.0 - near).recip(),
        }
    }

    /// Adds one modality's part to the scores of the items that have an embedding. Rows that are
    /// not scored yet hold [`UNSCORED`].
    fn add(
        &self,
        matrix: &EmbeddingMatrix,
        weight: f32,
        input: &ScoreInput<'_>,
        queries: &[&[f32]],
        out: &mut [f32],
    ) {
        let items = input.items;
        let mut near = vec![f32::NEG_INFINITY; matrix.len()];
        matrix.raise(self.similarity, queries, &mut near);
        if let Some(hubs) = self.hubs(input, matrix) {
            near.iter_mut().zip(hubs.bias()).for_each(|(near, bias)| *near -= bias);
        }
        let add = |score: &mut f32, near: f32| {
            *score = if score.is_nan() { weight * near } else { *score + weight * near };
        };
        if matrix.ids() == items {
            out.iter_mut().zip(near).for_each(|(score, near)| add(score, near));
            return;
        }
        let mut row = 0;
        for (id, near) in matrix.ids().iter().zip(near) {
            while items.get(row).is_some_and(|item| item < id) {
                row += 1;
            }
            if items.get(row) == Some(id) {
                add(&mut out[row], near);
            }
        }
    }
}

/// The embeddings of the history's items in one modality, with the entry and its weight.
fn embedded<'a>(
    matrix: &'a EmbeddingMatrix,
    input: &ScoreInput<'a>,
) -> Vec<(usize, &'a [f32], f32)> {
    let items = input.items;
    let entries = input.history.entries.iter().enumerate();
    entries
        .filter_map(|(entry, (row, weight))| {
            let at = matrix.row_of(*items.get(*row as usize)?)?;
            Some((entry, matrix.padded(at), *weight))
        })
        .collect()
}

/// What to look near to in one modality: nothing, one vector, or several for `max`.
fn queries(
    matrix: &EmbeddingMatrix,
    input: &ScoreInput<'_>,
    by_max: bool,
    similarity: Similarity,
) -> Vec<Vec<Line>> {
    let own = embedded(matrix, input);
    let given = input.vectors.iter().filter(|(name, _)| *name == matrix.modality());
    let given: Vec<Vec<Line>> =
        given.filter_map(|(_, vector)| matrix.as_row(vector).ok()).collect();
    let mut rows: Vec<(&[f32], f32)> =
        own.iter().map(|(_, vector, weight)| (*vector, *weight)).collect();
    rows.extend(given.iter().map(|vector| (bytemuck::cast_slice(vector), 1.0)));
    if by_max {
        rows.retain(|(_, weight)| *weight > 0.0);
        return rows.iter().map(|(row, _)| lines(row)).collect();
    }
    let mut sum = vec![0f32; matrix.stride()];
    add_rows(&mut sum, &rows);
    if !similarity.is_of_directions() {
        let weight: f32 = rows.iter().map(|(_, weight)| weight.abs()).sum();
        sum.iter_mut().for_each(|value| *value /= weight);
        return if weight > 0.0 { vec![lines(&sum)] } else { Vec::new() };
    }
    let mut mean = vec![Line::default(); matrix.stride() / crate::kernels::LANES];
    normalise(&sum, bytemuck::cast_slice_mut(&mut mean));
    if sum.iter().all(|value| *value == 0.0) { Vec::new() } else { vec![mean] }
}

impl Model for Content {
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
        out.fill(UNSCORED);
        let mut served = Served::No;
        for (matrix, weight) in self.live(input) {
            let queries = queries(matrix, input, self.by_max, self.similarity);
            let queries: Vec<&[f32]> =
                queries.iter().map(|query| bytemuck::cast_slice(query)).collect();
            if !queries.is_empty() && !matrix.is_empty() {
                self.add(matrix, weight, input, &queries, out);
                served = Served::Touched;
            }
        }
        served
    }

    fn similar(&self, input: &ScoreInput<'_>, item_row: u32, out: &mut [f32]) -> Served {
        out.fill(UNSCORED);
        let Some(item) = input.items.get(item_row as usize) else { return Served::No };
        let mut served = Served::No;
        for (matrix, weight) in self.live(input) {
            if let Some(at) = matrix.row_of(*item) {
                self.add(matrix, weight, input, &[matrix.padded(at)], out);
                served = Served::Touched;
            }
        }
        out[item_row as usize] = UNSCORED;
        served
    }

    fn retrieve(&self, input: &ScoreInput<'_>, wanted: &Wanted<'_>) -> Option<Retrieved> {
        // Nearest in the sum of several modalities is nearest in none of them.
        let mut live = self.live(input);
        let ((matrix, weight), None) = (live.next()?, live.next()) else { return None };
        let queries = match wanted.similar {
            None => queries(matrix, input, self.by_max, self.similarity),
            Some(row) => {
                let at = matrix.row_of(*input.items.get(row as usize)?)?;
                vec![lines(matrix.padded(at))]
            }
        };
        if queries.is_empty() || queries.len() > MOST_WALKS || weight <= 0.0 {
            return None;
        }
        let index = input.side.indexes.get(matrix.modality());
        if index.is_none() && wanted.n_allowed > matrix.len() / SCANNED {
            return None;
        }
        // The item itself is among the nearest, and may be allowed.
        let k = wanted.k + usize::from(wanted.similar.is_some());
        let allow = Allow::Bits(wanted.allowed);
        let mut rows: Vec<Scored> = Vec::new();
        let mut path = Path::Exact;
        for query in &queries {
            let query: &[f32] = bytemuck::cast_slice(query);
            if let Some(hubs) = self.hubs(input, matrix) {
                let index = index.map(|index| index.as_ref());
                let near = self.corrected(hubs, matrix, index, query, input, (k, wanted))?;
                rows.extend(near.rows);
                path = near.path;
                continue;
            }
            match index {
                None => {
                    rows.extend(nearest_exactly(
                        matrix,
                        self.similarity,
                        input.items,
                        query,
                        k,
                        allow,
                    ));
                }
                Some(index) => {
                    let ef = index.index().options().ef;
                    let vector = &query[..matrix.dim()];
                    let near = index.nearest(input.items, vector, k, ef, allow).ok()?;
                    rows.extend(near.rows);
                    path = near.path;
                }
            }
        }
        rows.retain(|near| wanted.similar != Some(near.row));
        if queries.len() > 1 {
            // The best by the nearest of several are the best of one of them.
            rows.sort_unstable_by_key(|near| near.row);
            rows.dedup_by(|next, kept| {
                let same = next.row == kept.row;
                kept.score = if same { kept.score.max(next.score) } else { kept.score };
                same
            });
        }
        rows.iter_mut().for_each(|near| near.score *= weight);
        keep_best(&mut rows, wanted.k);
        Some(Retrieved { rows, path })
    }

    fn explain(&self, input: &ScoreInput<'_>, item_row: u32, k: usize) -> Vec<Reason> {
        let Some(item) = input.items.get(item_row as usize) else { return Vec::new() };
        let mut spoken: Vec<(f32, Option<(f32, String)>)> =
            vec![(0.0, None); input.history.entries.len()];
        for (matrix, weight) in self.live(input) {
            let Some(target) = matrix.row_of(*item).map(|at| matrix.padded(at)) else { continue };
            for (entry, vector, own) in embedded(matrix, input) {
                let near = self.similarity.of(vector, target);
                let amount = weight * own * self.spoken(near);
                let (sum, strongest) = &mut spoken[entry];
                *sum += amount;
                if strongest.as_ref().is_none_or(|(most, _)| amount > *most) {
                    *strongest = Some((amount, matrix.modality().to_owned()));
                }
            }
        }
        let parts = spoken.into_iter().enumerate();
        shares(
            parts.map(|(entry, (sum, strongest))| (entry, sum, strongest.map(|(_, name)| name))),
            k,
        )
    }

    fn similarity(&self) -> Similarity {
        self.similarity
    }

    fn corrects_hubs(&self) -> bool {
        self.corrects_hubs
    }

    fn options(&self) -> Vec<(String, OptionValue)> {
        self.options.clone()
    }

    fn memory(&self) -> u64 {
        size_of_val(self.items.as_slice()) as u64
    }

    fn save(&self, out: &mut dyn Write) -> Result<()> {
        let mut writer = Writer::new(NAME, FORMAT);
        writer.options(&self.options);
        writer.items(&self.items);
        let names: Vec<&str> = self.modalities.iter().map(|(name, _)| name.as_str()).collect();
        writer.owned("modalities", names.join("\n").into_bytes());
        writer.owned("weights", self.modalities.iter().map(|(_, weight)| *weight).collect());
        writer.write(out)
    }
}
