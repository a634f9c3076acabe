//! Where scores come from: a trained model, or a ranking that needs none.
//!
//! A source answers in the positions of the live item table, whatever rows its model has inside:
//! what the model does not know is [`UNSCORED`].

use std::sync::Arc;

use fixedbitset::FixedBitSet;
use tastedb_storage::{ItemId, Read, Snapshot, TableId};

use super::context::Folded;
use super::request::{Context, Request};
use super::response::ItemReason;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::history::{History, ScoreInput, Served, SideData, UNSCORED};
use crate::live::{Catalogue, EntityIndex, Place};
use crate::model::{Model, OnCatalogue, Retrieved, Wanted, near};
use crate::projection::Projected;
use crate::registry::Serving;
use crate::seeded::fraction;
use crate::similarity::Similarity;
use crate::topk::{Allow, Scored, top_k};

const METRIC: &str = "metric";
const HUBNESS: &str = "hubness";
const ALONE: &str = "it goes with FOR VECTOR alone; a model compares by what it was made with, \
                     see the options of `content`";
const OF_COSINES: &str = "hubs are corrected in cosines, which 'l2' and 'inner_product' are not";
const ONE_SPACE: &str = "distances in several columns do not add up; ask for one column";

/// One resolved source.
pub(super) struct Resolved {
    /// As it is shown.
    pub(super) name: Arc<str>,
    pub(super) weight: f32,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Model(Arc<Serving>),
    /// What is near to the vectors of the request.
    Vectors(Box<dyn Model>),
    Popular,
    Trending,
    Latest,
    Random,
}

/// Scores of one source over the live rows.
pub(super) struct Scores {
    pub(super) values: Vec<f32>,
    pub(super) served: Served,
}

/// What the sources of one request share.
pub(super) struct Setting<'a> {
    pub(super) engine: &'a Engine,
    pub(super) snapshot: &'a Snapshot,
    pub(super) request: &'a Request,
    pub(super) entities: &'a Arc<EntityIndex>,
    /// The interaction table of built-in sources.
    pub(super) interactions: Option<TableId>,
}

/// A model's view of a request: its input, kept to explain the answer.
pub(super) struct Asked {
    /// What the model ranks: the table of the request, with others where it is a model of several.
    pub(super) catalogue: Arc<Catalogue>,
    /// The items of the history, aligned with `entries`.
    history: Vec<ItemId>,
    /// Their rows in the catalogue, with weights.
    entries: Vec<(u32, f32)>,
    side: SideData,
    vectors: Vec<(String, Vec<f32>)>,
}

impl Resolved {
    /// The sources of a request, or the default ones, with a remark where there is no model.
    pub(super) fn all(
        engine: &Engine,
        snapshot: &Snapshot,
        request: &Request,
    ) -> Result<Vec<Resolved>> {
        if request.sources.is_empty() {
            let kind = match vectors(snapshot, request)? {
                Some(near) => Kind::Vectors(near),
                None => match engine.registry().default_for(snapshot, request.table)? {
                    Some(serving) => Kind::Model(serving),
                    None => Kind::Popular,
                },
            };
            return Ok(vec![Resolved { name: kind.name().into(), weight: 1.0, kind }]);
        }
        alone(request)?;
        let mut resolved = Vec::with_capacity(request.sources.len());
        for source in &request.sources {
            if !source.weight.is_finite() {
                return Err(Error::NotFinite { what: "the weight of a source" });
            }
            let kind = match source.name.as_str() {
                "popular" => Kind::Popular,
                "trending" => Kind::Trending,
                "latest" => Kind::Latest,
                "random" => Kind::Random,
                name => {
                    let serving = engine.registry().serving(snapshot, name)?;
                    let tables = crate::train::item_tables(snapshot, &serving.definition)?;
                    if !tables.contains(&request.table) {
                        return Err(Error::WrongTable { model: name.to_string() });
                    }
                    Kind::Model(serving)
                }
            };
            resolved.push(Resolved {
                name: source.name.as_str().into(),
                weight: source.weight,
                kind,
            });
        }
        Ok(resolved)
    }

    /// Its name, and whether it leaves out what was forgotten since its training.
    pub(super) fn describe(&self, snapshot: &Snapshot) -> Result<String> {
        let corrected = match &self.kind {
            Kind::Model(serving) => serving.leaves_out(snapshot)?,
            _ => false,
        };
        let corrected = if corrected { " (leaves out what was forgotten since)" } else { "" };
        Ok(format!("{}{corrected}", self.name))
    }

    /// The interaction tables that this source learns from.
    pub(super) fn interactions(&self) -> impl Iterator<Item = TableId> + '_ {
        let sources = match &self.kind {
            Kind::Model(serving) => serving.sources.as_slice(),
            _ => &[],
        };
        sources.iter().map(|source| source.table)
    }

    pub(super) fn version(&self) -> Option<u64> {
        match &self.kind {
            Kind::Model(serving) => Some(serving.version.version),
            _ => None,
        }
    }

    /// Whether it is a model that looks at embeddings when it answers.
    pub(super) fn looks_at_content(&self) -> bool {
        match &self.kind {
            Kind::Model(serving) => serving.model.is_live(),
            _ => true,
        }
    }

    /// The model, asked about the live rows, if this source is one.
    fn model(&self, setting: &Setting<'_>, asked: &Asked) -> Result<Option<Live<'_>>> {
        Ok(match &self.kind {
            Kind::Model(serving) => {
                let (engine, snapshot) = (setting.engine, setting.snapshot);
                Some(Live::Trained(serving.on_catalogue(engine, snapshot, &asked.catalogue)?))
            }
            Kind::Vectors(near) => Some(Live::Near(near.as_ref())),
            _ => None,
        })
    }

    /// The best `k` allowed rows, where this is a model that finds them without scoring all.
    pub(super) fn retrieve(
        &self,
        setting: &Setting<'_>,
        k: usize,
        allowed: &FixedBitSet,
        n_allowed: usize,
    ) -> Result<Option<(Retrieved, Asked)>> {
        let Some(asked) = Asked::new(&self.kind, setting)? else { return Ok(None) };
        let Some(model) = self.model(setting, &asked)? else { return Ok(None) };
        let catalogue = Arc::clone(&asked.catalogue);
        let similar = match setting.similar_to() {
            None => None,
            Some(item) => match catalogue.row_of(item) {
                None => return Ok(None),
                row => row,
            },
        };
        let place = asked.place(setting)?;
        let of_all = place.all_of(allowed, catalogue.items().len());
        let allowed = of_all.as_ref().unwrap_or(allowed);
        let wanted = Wanted { similar, k, allowed, n_allowed };
        let Some(mut found) = asked.with(|input| model.get().retrieve(input, &wanted)) else {
            return Ok(None);
        };
        for best in &mut found.rows {
            // None but rows of the table were allowed.
            best.row = place.own(best.row).unwrap_or(best.row);
        }
        Ok(Some((found, asked)))
    }

    /// What of the history speaks for a row, strongest first.
    pub(super) fn reasons(
        &self,
        asked: &Asked,
        setting: &Setting<'_>,
        row: u32,
        k: usize,
    ) -> Result<Vec<ItemReason>> {
        let Some(model) = self.model(setting, asked)? else { return Ok(Vec::new()) };
        let Some(row) = asked.place(setting)?.in_all(row) else { return Ok(Vec::new()) };
        let found = asked.with(|input| model.get().explain(input, row, k));
        let named = |reason: crate::history::Reason| {
            let item = *asked.history.get(reason.entry)?;
            let table = asked.catalogue.table_of(item)?;
            let (share, modality) = (reason.share, reason.modality);
            Some(ItemReason { table, item: item.0, share, modality, terms: Vec::new() })
        };
        Ok(found.into_iter().filter_map(named).collect())
    }

    /// Scores every live row; with what was asked, where a model answered.
    pub(super) fn score(&self, setting: &Setting<'_>) -> Result<(Scores, Option<Asked>)> {
        let ids = setting.entities.ids();
        let values: Vec<f32> = match &self.kind {
            Kind::Model(_) | Kind::Vectors(_) => return self.score_model(setting),
            Kind::Popular => popularity(setting)?,
            Kind::Trending => {
                let Some(table) = setting.interactions else { return Ok(nothing(ids.len())) };
                let live = setting.engine.live();
                let trend = live.trend(setting.engine.store(), setting.snapshot, table)?;
                let of = |id: &u64| trend.scores.get(*id as usize).copied().unwrap_or(0.0) as f32;
                ids.iter().map(of).collect()
            }
            // Ids rise in the order of insertion; f32 holds positions exactly up to 2^24 and in
            // the right order beyond.
            Kind::Latest => (0..ids.len()).map(|row| row as f32).collect(),
            Kind::Random => ids.iter().map(|id| fraction(setting.request.seed, *id)).collect(),
        };
        Ok((Scores { values, served: Served::Dense }, None))
    }

    fn score_model(&self, setting: &Setting<'_>) -> Result<(Scores, Option<Asked>)> {
        let n = setting.entities.len();
        let Some(asked) = Asked::new(&self.kind, setting)? else { return Ok(nothing(n)) };
        let Some(model) = self.model(setting, &asked)? else { return Ok(nothing(n)) };
        let model = model.get();
        let mut values = vec![UNSCORED; asked.catalogue.items().len()];
        let served = match setting.similar_to() {
            Some(item) => match asked.catalogue.row_of(item) {
                Some(row) => asked.with(|input| model.similar(input, row, &mut values)),
                None => Served::No,
            },
            None => asked.with(|input| model.score(input, &mut values)),
        };
        if served == Served::No {
            return Ok(nothing(n));
        }
        let values = asked.place(setting)?.scores(values);
        Ok((Scores { values, served }, Some(asked)))
    }
}

/// The best `k` allowed rows by how near they are to what a model was asked with, by the cosines of the items'
/// embeddings; fewer where fewer have any. What the model was asked is about the same live rows.
pub(super) fn near_content(
    setting: &Setting<'_>,
    asked: &Asked,
    allowed: &FixedBitSet,
    k: usize,
) -> Result<Vec<Scored>> {
    let (engine, snapshot) = (setting.engine, setting.snapshot);
    let tables = &[setting.request.table];
    let side =
        engine.live().side_with_indexes(engine.store(), snapshot, tables, Similarity::Cosine)?;
    let share = 1.0 / side.embeddings.len().max(1) as f32;
    if side.embeddings.values().all(|matrix| matrix.is_empty()) {
        return Ok(Vec::new());
    }
    let model = near(side.embeddings.keys().cloned(), Similarity::Cosine, false);
    let similar = setting.similar_to().and_then(|item| setting.entities.row_of(item.0));
    // Other tables' items are near to none of this one's.
    let own = asked.history.iter().zip(&asked.entries);
    let own = own.filter_map(|(item, entry)| Some((setting.entities.row_of(item.0)?, entry.1)));
    let own: Vec<(u32, f32)> = own.collect();
    let input = ScoreInput {
        history: History::new(&own),
        items: setting.entities.items(),
        side: &side,
        vectors: &[],
    };
    let wanted = Wanted { similar, k, allowed, n_allowed: allowed.count_ones(..) };
    let mut best = match model.retrieve(&input, &wanted) {
        Some(found) => found.rows,
        None => {
            let mut scores = vec![UNSCORED; setting.entities.len()];
            let served = match similar {
                Some(row) => model.similar(&input, row, &mut scores),
                None => model.score(&input, &mut scores),
            };
            match served {
                Served::No => Vec::new(),
                Served::Dense | Served::Touched => top_k(&scores, k, Allow::Bits(allowed)),
            }
        }
    };
    best.iter_mut().for_each(|near| near.score *= share);
    Ok(best)
}

/// A model as it is asked.
enum Live<'a> {
    Trained(OnCatalogue<'a>),
    Near(&'a dyn Model),
}

impl Live<'_> {
    fn get(&self) -> &dyn Model {
        match self {
            Live::Trained(model) => model,
            Live::Near(model) => *model,
        }
    }
}

impl Setting<'_> {
    /// The item that others should be similar to.
    fn similar_to(&self) -> Option<ItemId> {
        self.request.contexts.iter().find_map(|context| match context {
            Context::Item(item) => Some(*item),
            _ => None,
        })
    }
}

/// A model of what is near to the vectors of a request, if there is nothing else in it. Fails where the
/// request says what is near and there is no such model, or the columns cannot be compared together.
fn vectors(snapshot: &Snapshot, request: &Request) -> Result<Option<Box<dyn Model>>> {
    let catalog = snapshot.catalog();
    let name = |context: &Context| match context {
        Context::Vector(column, _) => {
            Some(catalog.table_by_id(request.table)?.column_by_id(*column)?.name.clone())
        }
        _ => None,
    };
    let names = request.contexts.iter().map(name).collect::<Option<Vec<String>>>();
    let mut names = names.unwrap_or_default();
    names.sort_unstable();
    names.dedup();
    match (names.len(), request.metric) {
        (0, _) => alone(request).map(|()| None),
        (_, Some(Similarity::L2 | Similarity::InnerProduct)) if request.correct_hubs => {
            Err(Error::Nearness { option: HUBNESS, why: OF_COSINES })
        }
        (2.., Some(Similarity::L2)) => Err(Error::Nearness { option: METRIC, why: ONE_SPACE }),
        _ => Ok(Some(Box::new(near(names.into_iter(), request.metric(), request.correct_hubs)))),
    }
}

/// Fails where a request says how vectors are compared: for those that are not of vectors alone.
pub(super) fn alone(request: &Request) -> Result<()> {
    let option = match (request.metric, request.correct_hubs) {
        (Some(_), _) => METRIC,
        (None, true) => HUBNESS,
        (None, false) => return Ok(()),
    };
    Err(Error::Nearness { option, why: ALONE })
}

impl Kind {
    fn name(&self) -> &str {
        match self {
            Kind::Model(serving) => &serving.definition.name,
            Kind::Vectors(_) => "vector",
            Kind::Popular => "popular",
            Kind::Trending => "trending",
            Kind::Latest => "latest",
            Kind::Random => "random",
        }
    }
}

fn nothing(rows: usize) -> (Scores, Option<Asked>) {
    (Scores { values: vec![UNSCORED; rows], served: Served::No }, None)
}

/// Interactions of each live row: what fallbacks rank by.
pub(super) fn popularity(setting: &Setting<'_>) -> Result<Vec<f32>> {
    let ids = setting.entities.ids();
    let Some(table) = setting.interactions else { return Ok(vec![0.0; ids.len()]) };
    let counts = setting.engine.live().counts(setting.engine.store(), setting.snapshot, table)?;
    Ok(ids.iter().map(|id| counts.get(*id as usize).copied().unwrap_or(0) as f32).collect())
}

impl Asked {
    /// What is asked; `None` where the source is no model.
    fn new(kind: &Kind, setting: &Setting<'_>) -> Result<Option<Asked>> {
        let (engine, snapshot, request) = (setting.engine, setting.snapshot, setting.request);
        let (sources, side, catalogue): (&[Projected], SideData, _) = match kind {
            Kind::Model(serving) => {
                // All of a model's tables are of the same users.
                let about = |source: &Projected| request.is_about(snapshot, source.table);
                let sources = match serving.sources.iter().all(about) {
                    true => serving.sources.as_slice(),
                    false => &[],
                };
                let side = crate::train::live_side_data(engine, snapshot, serving)?;
                let catalogue = crate::train::catalogue(engine, snapshot, &serving.definition)?;
                (sources, side, catalogue)
            }
            Kind::Vectors(_) => {
                let (live, store, tables) = (engine.live(), engine.store(), &[request.table]);
                let mut side = live.side_with_indexes(store, snapshot, tables, request.metric())?;
                if request.correct_hubs {
                    live.add_hubs(store, snapshot, tables, &mut side)?;
                }
                let catalogue = Catalogue::one(request.table, Arc::clone(setting.entities));
                (&[], side, Arc::new(catalogue))
            }
            Kind::Popular | Kind::Trending | Kind::Latest | Kind::Random => return Ok(None),
        };
        let folded: Folded = super::context::fold(setting.snapshot, &request.contexts, sources)?;
        let mut history = Vec::with_capacity(folded.entries.len());
        let mut entries = Vec::with_capacity(folded.entries.len());
        for (item, weight) in folded.entries {
            if let Some(row) = catalogue.row_of(item) {
                history.push(item);
                entries.push((row, weight));
            }
        }
        let table = setting.snapshot.catalog().table_by_id(request.table);
        let mut vectors = Vec::new();
        for context in &request.contexts {
            if let Context::Vector(column, vector) = context
                && let Some(table) = table
                && let Some(column) = table.column_by_id(*column)
            {
                let name = catalogue.modality(table, &column.name);
                vectors.push((name, vector.clone()));
            }
        }
        Ok(Some(Asked { catalogue, history, entries, side, vectors }))
    }

    /// How the rows of the request's table lie in the catalogue.
    fn place(&self, setting: &Setting<'_>) -> Result<Place<'_>> {
        let table = setting.request.table;
        self.catalogue.place(table).ok_or_else(|| Error::NoSuchTable(table.to_string()))
    }

    /// The input as models take it.
    fn with<R>(&self, ask: impl FnOnce(&ScoreInput<'_>) -> R) -> R {
        let vectors: Vec<(&str, &[f32])> =
            self.vectors.iter().map(|(name, v)| (name.as_str(), v.as_slice())).collect();
        ask(&ScoreInput {
            history: History::new(&self.entries),
            items: self.catalogue.items(),
            side: &self.side,
            vectors: &vectors,
        })
    }
}
