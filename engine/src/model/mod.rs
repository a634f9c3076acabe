//! Models: what was learned from a dataset, able to score, explain, save and load itself.
//!
//! A model is immutable and never holds a user: a person is always the history given with the
//! question, so a click changes the next answer and forgetting a user needs no change to state kept
//! per user. Scores of one model are comparable with each other, not with those of another.

mod bm3;
mod bpr;
mod cm3;
mod comparisons;
mod content;
mod continuing;
mod counted;
mod ease;
mod entries;
mod estimate;
mod factors;
pub(crate) mod file;
mod freedom;
mod gain;
mod graph_filter;
mod holdout;
mod ials;
mod item_knn;
mod latest;
mod lattice;
mod learning;
mod lightgcn;
mod links;
mod lirdrec;
mod mixture;
mod mmhcl;
mod modalities;
mod news;
mod ngcf;
mod on_catalogue;
mod people;
mod perceptron;
mod popular;
mod ridge;
mod sums;
mod touched;
mod trending;
mod undoing;
mod vbpr;
mod views;

use std::io::Write;
use std::sync::Arc;

use fixedbitset::FixedBitSet;
use tastedb_storage::ItemId;

use crate::compute::settle;
use crate::index::Path;
use crate::kernels::stride;
use crate::similarity::Similarity;
use crate::topk::Scored;
use crate::{
    Dataset, Error, History, LearningCurve, ModelOptions, OptionSpec, OptionValue, Reason, Result,
    ScoreInput, Served, SideData, UNSCORED, Work,
};

pub(crate) use content::near;
pub(crate) use continuing::Continued;
pub use estimate::{Estimate, Size, estimate};
pub use file::Bytes;
pub use news::{Changed, News, Pairs, Refreshed, TakenOut};
pub(crate) use on_catalogue::{Held, Layout, Lie, OnCatalogue};
pub use touched::{Product, Touched};

/// A trained recommender.
///
/// Scoring never fails: rows or vectors that do not fit the model are left out, and a model with
/// nothing to go on says [`Served::No`].
pub trait Model: Send + Sync {
    /// The name of the algorithm that made it.
    fn algorithm(&self) -> &'static str;

    /// The items it knows, ascending: item row `r` is `items()[r]`.
    fn items(&self) -> &[ItemId];

    /// Whether it scores the live catalogue, [`ScoreInput::items`], instead of the items it was
    /// trained on. Rows in and out are then rows of that catalogue, so an item that was inserted
    /// after the training is served too.
    fn is_live(&self) -> bool {
        false
    }

    /// Scores every row into `out`, which is as long as [`Model::items`] or, for a live model,
    /// [`ScoreInput::items`].
    fn score(&self, input: &ScoreInput<'_>, out: &mut [f32]) -> Served;

    /// The score of one row, the same as [`Model::score`] gives it up to rounding; `None` where that
    /// gives none. For finding the people who would like an item.
    fn score_one(&self, input: &ScoreInput<'_>, item_row: u32) -> Option<f32> {
        let n = if self.is_live() { input.items.len() } else { self.items().len() };
        let mut out = vec![UNSCORED; n];
        let served = self.score(input, &mut out);
        out.get(item_row as usize).copied().filter(|score| served != Served::No && !score.is_nan())
    }

    /// Scores every row by how well it goes with one item. The item itself is not scored, and the
    /// history in the input is ignored.
    fn similar(&self, input: &ScoreInput<'_>, item_row: u32, out: &mut [f32]) -> Served;

    /// The best of the allowed rows where they can be found without scoring all; `None` where all have
    /// to be scored. Only live models can.
    fn retrieve(&self, _: &ScoreInput<'_>, _: &Wanted<'_>) -> Option<Retrieved> {
        None
    }

    /// The scores of the rows that a history touches, or what goes with one item, which itself is not scored:
    /// the same as [`Model::score`] and [`Model::similar`] give, where these look at few rows of many. `None` where
    /// all have to be scored, or nothing is.
    fn touched(&self, _: &ScoreInput<'_>, _similar: Option<u32>) -> Option<Touched<'_>> {
        None
    }

    /// The part of a score that every row has and that [`Model::touched`] leaves to be added, if there is one.
    fn product(&self, _: &ScoreInput<'_>, _similar: Option<u32>) -> Option<Product<'_>> {
        None
    }

    /// Whether [`Model::touched`] is quicker than scoring all rows.
    fn touches_few(&self) -> bool {
        false
    }

    /// The factors of the items, where a score is an inner product of theirs with one vector, or that is
    /// [`Model::product`].
    fn factors(&self) -> Option<ItemVectors<'_>> {
        None
    }

    /// The vector of a score that is nothing else, padded as rows are: of what goes with one item, or of a history; `None` where there is nothing
    /// to go on, or what is asked is not such a score.
    fn vector(&self, _: History<'_>, _similar: Option<u32>) -> Option<Vec<f32>> {
        None
    }

    /// The up to `k` entries of the history that speak most for an item, best first. It is empty
    /// for models that do not look at the history.
    fn explain(&self, input: &ScoreInput<'_>, item_row: u32, k: usize) -> Vec<Reason>;

    /// The rows of items that nobody had when it was trained, so that nothing was learned of them,
    /// ascending; they can be scored by what they are alike. `None` for models that do not learn what
    /// goes with what, of which that would be no score.
    fn untouched(&self) -> Option<Vec<u32>> {
        None
    }

    /// What it compares the embeddings of live items by, if it looks at them when it answers.
    fn similarity(&self) -> Similarity {
        Similarity::Cosine
    }

    /// Whether it corrects hubs among them, for which it wants [`SideData::hubs`].
    fn corrects_hubs(&self) -> bool {
        false
    }

    /// The options it was trained with, defaults included.
    fn options(&self) -> Vec<(String, OptionValue)>;

    /// What was chosen in training, and why, line by line; empty where nothing was.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// The model of the data as it is now, with the settings that are in force: nothing is chosen
    /// again. Models that can continue from what they have learned do; the others are fitted again,
    /// which for most is one pass over the pairs.
    fn refresh(&self, news: &News<'_>, seed: u64, work: &Work) -> Result<Refreshed> {
        refitted(self.algorithm(), self.options(), news, seed, work)
    }

    /// The model of the data as it is now, with the settings that are in force, and nothing else of
    /// this one: what is not in the data has left no trace in it but in the choice of the settings.
    /// Models whose refresh is that already can do the same; the others are fitted again. A model that was
    /// trained by gradients may undo it approximately, if its options say so.
    fn unlearn(&self, news: &News<'_>, seed: u64, work: &Work) -> Result<Refreshed> {
        refitted(self.algorithm(), self.options(), news, seed, work)
    }

    /// The same model, answering as if it had been trained without what was taken out, where that can be
    /// made at once; it may be asked again of what comes of it. It is for answering and nothing else: what
    /// it is made of still holds what was taken out, and it is neither refreshed nor saved.
    fn without(&self, _: &TakenOut<'_>) -> Option<Arc<dyn Model>> {
        None
    }

    /// Whether it unlearns by undoing what it has learned from what is gone, approximately, for which it
    /// must know what that is; see [`Model::unlearn`].
    fn undoes(&self) -> bool {
        false
    }

    /// How its training went, where it was trained by gradients. Only a model that was just trained
    /// knows: what keeps it is the record of the version.
    fn curve(&self) -> LearningCurve {
        LearningCurve::default()
    }

    /// The memory it takes, in bytes, the pages of a mapped file included.
    fn memory(&self) -> u64;

    /// Writes it so that [`load`] can read it.
    fn save(&self, out: &mut dyn Write) -> Result<()>;
}

/// The factors of a model's items, in its rows.
#[derive(Clone, Copy, Debug)]
pub struct ItemVectors<'a> {
    /// The number of factors.
    pub dim: usize,
    /// Row after row, each padded with zeros to a whole number of cache lines.
    pub rows: &'a [f32],
}

impl<'a> ItemVectors<'a> {
    /// The padded factors of an item row.
    pub(crate) fn padded(self, row: usize) -> &'a [f32] {
        let stride = stride(self.dim);
        &self.rows[row * stride..][..stride]
    }
}

/// What is wanted of [`Model::retrieve`].
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The item that others should be similar to, which is none of them; else what the input says.
    pub similar: Option<u32>,
    /// How many rows.
    pub k: usize,
    /// The rows that may be returned, and how many there are.
    pub allowed: &'a FixedBitSet,
    /// See `allowed`.
    pub n_allowed: usize,
}

/// The best rows, as [`Model::score`] would score them up to rounding, and how they were found.
#[derive(Clone, Debug, PartialEq)]
pub struct Retrieved {
    /// Best first, equal ones by row.
    pub rows: Vec<Scored>,
    /// How.
    pub path: Path,
}

/// How an algorithm makes a model of data.
type Fit = fn(&Dataset, &SideData, &ModelOptions, u64, &Work) -> Result<Box<dyn Model>>;

/// When an algorithm looks at embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Embeddings {
    /// Never.
    Unused,
    /// When it is trained; the model has what it needs of them.
    InTraining,
    /// When it is trained and whenever it answers.
    Always,
}

/// An algorithm that models can be trained with.
#[derive(Debug)]
pub struct Algorithm {
    /// Its name in statements.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// The options it understands.
    pub options: &'static [OptionSpec],
    /// What it does with embeddings.
    pub embeddings: Embeddings,
    fit: Fit,
    load: fn(&file::Sections) -> Result<Box<dyn Model>>,
    format: u32,
}

static ALGORITHMS: [Algorithm; 18] = [
    bm3::ALGORITHM,
    bpr::ALGORITHM,
    cm3::ALGORITHM,
    content::ALGORITHM,
    ease::ALGORITHM,
    freedom::ALGORITHM,
    graph_filter::ALGORITHM,
    ials::ALGORITHM,
    item_knn::ALGORITHM,
    latest::ALGORITHM,
    lattice::ALGORITHM,
    lightgcn::ALGORITHM,
    lirdrec::ALGORITHM,
    mmhcl::ALGORITHM,
    ngcf::ALGORITHM,
    popular::ALGORITHM,
    trending::ALGORITHM,
    vbpr::ALGORITHM,
];

/// The algorithm of a model whose definition names none.
pub const DEFAULT: &str = graph_filter::ALGORITHM.name;

/// Every algorithm there is, by name.
pub fn algorithms() -> &'static [Algorithm] {
    &ALGORITHMS
}

/// The algorithm of a name.
pub fn algorithm(name: &str) -> Result<&'static Algorithm> {
    ALGORITHMS.iter().find(|algorithm| algorithm.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
        Error::NoSuchAlgorithm {
            name: name.to_owned(),
            known: ALGORITHMS.iter().map(|algorithm| algorithm.name).collect(),
        }
    })
}

/// Checks options without training.
pub fn check_options(name: &str, options: &ModelOptions) -> Result<()> {
    let algorithm = algorithm(name)?;
    crate::options::Checked::new(algorithm.name, algorithm.options, options).map(drop)
}

/// Trains a model. The same data, options and seed give the same model, bit for bit, on any number
/// of threads, but for a device other than the processor. Fails where the device is none that the
/// algorithm can be trained on.
pub fn fit(
    name: &str,
    data: &Dataset,
    side: &SideData,
    options: &ModelOptions,
    seed: u64,
    work: &Work,
) -> Result<Box<dyn Model>> {
    let algorithm = algorithm(name)?;
    work.check()?;
    let device = settle(work.device, algorithm.name, work)?;
    let work = &Work { device, ..work.clone() };
    work.install(|| (algorithm.fit)(data, side, options, seed, work))
}

/// A model fitted again with options that were in force.
fn refitted(
    name: &str,
    options: Vec<(String, OptionValue)>,
    news: &News<'_>,
    seed: u64,
    work: &Work,
) -> Result<Refreshed> {
    let options = options.into_iter().collect();
    let model = (algorithm(name)?.fit)(news.data()?, news.side(), &options, seed, work)?;
    Ok(Refreshed { model, how: ANEW.to_owned(), anew: true })
}

/// How a model was refreshed that went on from nothing.
const ANEW: &str = "fitted again with the same settings";

/// Brings a model up to date; see [`Model::refresh`]. The same model, data and seed give the same
/// model, bit for bit, on any number of threads.
pub fn refresh(model: &dyn Model, news: &News<'_>, seed: u64, work: &Work) -> Result<Refreshed> {
    work.check()?;
    work.install(|| model.refresh(news, seed, work))
}

/// Makes a model forget what is no longer in the data; see [`Model::unlearn`].
pub fn unlearn(model: &dyn Model, news: &News<'_>, seed: u64, work: &Work) -> Result<Refreshed> {
    work.check()?;
    work.install(|| model.unlearn(news, seed, work))
}

/// A model asked about other items than it was trained on, which ascend: rows in and out are theirs, as
/// for [`Model::is_live`]. Those that it has not learned of are scored by the known ones that they are
/// alike, if they have an embedding.
pub fn on_catalogue<'a>(
    model: &'a dyn Model,
    items: &[ItemId],
    side: &SideData,
) -> Box<dyn Model + 'a> {
    let lie = Lie::new(model, model.untouched().as_deref(), items);
    let matrices: Vec<_> = side.embeddings.values().cloned().collect();
    let layout = lie.layout(model, items, &matrices, None);
    Box::new(OnCatalogue::new(Held::Borrowed(model), Arc::new(layout), None))
}

/// The built-in `random` as a model, to be measured like one: the scores that RECOMMEND gives it.
pub(crate) fn random(items: Vec<ItemId>, seed: u64) -> Box<dyn Model> {
    let scores = items.iter().map(|item| crate::seeded::fraction(seed, item.0)).collect();
    Box::new(popular::Fixed { algorithm: "random", format: 1, items, scores, options: Vec::new() })
}

/// Reads a model that [`Model::save`] wrote. The bytes are kept and used in place as far as the
/// model allows, so that opening one costs little. Whether they are the bytes that were written is
/// storage's to check; here they are only never trusted to be well formed.
pub fn load(bytes: Arc<dyn Bytes>) -> Result<Box<dyn Model>> {
    let sections = file::Sections::read(bytes)?;
    let algorithm = ALGORITHMS
        .iter()
        .find(|algorithm| algorithm.name == sections.algorithm())
        .ok_or_else(|| Error::CorruptModel {
            what: format!("its algorithm, {:?}, does not exist", sections.algorithm()),
        })?;
    if sections.format() > algorithm.format {
        return Err(Error::UnsupportedModel {
            found: sections.format(),
            supported: algorithm.format,
        });
    }
    (algorithm.load)(&sections)
}

/// Shares of what speaks for an item, from signed contributions of history entries: the up to `k`
/// largest of the positive ones.
fn shares(
    contributions: impl Iterator<Item = (usize, f32, Option<String>)>,
    k: usize,
) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = contributions
        .filter(|(_, amount, _)| *amount > 0.0)
        .map(|(entry, share, modality)| Reason { entry, share, modality })
        .collect();
    let total: f64 = reasons.iter().map(|reason| f64::from(reason.share)).sum();
    reasons.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.entry.cmp(&b.entry)));
    reasons.truncate(k);
    for reason in &mut reasons {
        reason.share = (f64::from(reason.share) / total) as f32;
    }
    reasons
}

#[cfg(test)]
mod tests;
