//! The stages of one recommendation of items, in order.

use std::sync::Arc;
use std::time::Instant;

use fixedbitset::FixedBitSet;
use tastedb_storage::{Read, Role, Snapshot, Table, TableId};

use super::blend::Blend;
use super::explain::{Question, Questions, explain};
use super::request::Request;
use super::response::{Recommendation, Response, Stage};
use super::source::{self, Asked, Resolved, Scores, Setting};
use super::{audience, seen};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::history::Served;
use crate::live::EntityIndex;
use crate::topk::{self, Allow, Scored};

/// Answers a request.
pub(crate) fn recommend(
    engine: &Engine,
    snapshot: &Snapshot,
    request: &Request,
) -> Result<Response> {
    let table = snapshot
        .catalog()
        .table_by_id(request.table)
        .ok_or_else(|| Error::NoSuchTable(request.table.to_string()))?;
    let mut response = match table.role {
        Role::Item => items(engine, snapshot, request)?,
        Role::User => audience::recommend(engine, snapshot, request)?,
        Role::Interaction => {
            return Err(Error::WrongRole {
                table: table.name.clone(),
                wanted: "RECOMMEND takes a table of items or of users",
            });
        }
    };
    if request.reasons > 0 {
        let mut rows = std::mem::take(&mut response.rows);
        explain(engine, snapshot, request, &response, &mut rows, request.reasons)?;
        response.rows = rows;
    }
    Ok(response)
}

/// The interaction table that counts where no model names one: the oldest on these items.
pub(super) fn default_interactions(snapshot: &Snapshot, items: TableId) -> Option<TableId> {
    snapshot.catalog().tables().filter(|table| is_on(table, items)).map(|table| table.id).min()
}

/// Whether a table is of interactions with these items.
fn is_on(table: &Table, items: TableId) -> bool {
    table.link.as_ref().is_some_and(|link| link.item_table == items)
}

/// Collects what was done, for `EXPLAIN ANALYZE`.
pub(super) struct Trace {
    stages: Vec<Stage>,
    since: Instant,
}

impl Trace {
    pub(super) fn start() -> Trace {
        Trace { stages: Vec::new(), since: Instant::now() }
    }

    pub(super) fn stage(&mut self, name: &str, detail: impl FnOnce() -> String) {
        let now = Instant::now();
        let elapsed = now - self.since;
        self.stages.push(Stage { name: name.to_string(), detail: detail(), elapsed });
        self.since = now;
    }

    pub(super) fn finish(self) -> Vec<Stage> {
        self.stages
    }
}

fn items(engine: &Engine, snapshot: &Snapshot, request: &Request) -> Result<Response> {
    let mut trace = Trace::start();
    let entities = engine.live().entities(engine.store(), snapshot, request.table)?;
    let sources = Resolved::all(engine, snapshot, request)?;
    let tables = interaction_tables(snapshot, request, &sources);
    let names = sources.iter().map(|source| source.describe(snapshot));
    let names = names.collect::<Result<Vec<String>>>()?.join(", ");
    trace.stage("plan", || format!("{} rows, sources: {names}", entities.len()));

    let mut allowed = allowed_rows(request, &entities);
    seen::mask(snapshot, request, &tables, &entities, &mut allowed)?;
    let candidates = allowed.count_ones(..);
    trace.stage("candidates", || format!("{candidates} of {} rows", entities.len()));

    // A model of several tables of items learns from interactions with others, too.
    let on_these = |table: &&TableId| {
        snapshot.catalog().table_by_id(**table).is_some_and(|table| is_on(table, request.table))
    };
    let own = tables.iter().find(on_these).copied();
    let interactions = request.interactions.or(own);
    let setting = Setting { engine, snapshot, request, entities: &entities, interactions };
    let wanted = request.k.saturating_add(request.offset).min(candidates);
    let mut rows = Vec::with_capacity(wanted);
    let row = |best: Scored, source: &Resolved| Recommendation {
        id: entities.id(best.row),
        row: best.row,
        score: best.score,
        source: source.name.clone(),
        model_version: source.version(),
        reasons: Vec::new(),
    };
    let mut notices = Vec::new();
    // What each source was asked.
    let mut asked: Vec<Option<Asked>> = Vec::with_capacity(sources.len());
    let retrieved = match sources.as_slice() {
        [only] => {
            let found = only.retrieve(&setting, wanted, &allowed, candidates)?;
            found.map(|(found, asked)| (only, found, asked))
        }
        _ => None,
    };
    if let Some((source, found, question)) = retrieved {
        rows.extend(found.rows.iter().map(|best| row(*best, source)));
        asked.push(Some(question));
        trace.stage("retrieve", || {
            format!("{}: {} of {wanted} rows, {}", source.name, rows.len(), found.path)
        });
    } else {
        let mut answered: Vec<(&Resolved, Scores)> = Vec::new();
        for source in &sources {
            let (scores, question) = source.score(&setting)?;
            trace.stage("score", || format!("{}: {:?}", source.name, scores.served));
            if scores.served == Served::No {
                notices.push(format!("`{}` has nothing to go on here", source.name));
            } else {
                answered.push((source, scores));
            }
            asked.push(question);
        }
        if !answered.is_empty() {
            let blend = Blend::new(&answered, &allowed);
            for best in topk::top_k(&blend.scores, wanted, Allow::Bits(&allowed)) {
                rows.push(row(best, answered[blend.strongest(best.row)].0));
            }
            trace.stage("rank", || format!("{} of {wanted} rows", rows.len()));
        }
    }
    if rows.len() < wanted {
        let before = rows.len();
        rows.iter().for_each(|row| allowed.set(row.row as usize, false));
        let learned = asked.iter().zip(&sources).filter(|(_, source)| !source.looks_at_content());
        if let Some(asked) = learned.filter_map(|(asked, _)| asked.as_ref()).next() {
            fill_by_content(&setting, asked, &mut allowed, wanted, &mut rows)?;
            if rows.len() > before {
                trace.stage("fallback", || format!("{} rows by content", rows.len() - before));
            }
        }
    }
    if rows.len() < wanted {
        let before = rows.len();
        fall_back(&setting, &allowed, wanted, &mut rows)?;
        trace.stage("fallback", || format!("{} rows by popularity", rows.len() - before));
    }
    rows.drain(..request.offset.min(rows.len()));
    let both = sources.into_iter().zip(asked);
    let questions = both.filter_map(|(source, asked)| Some(Question { source, asked: asked? }));
    let questions = Questions::new(questions.collect());
    Ok(Response { rows, entities, notices, trace: trace.finish(), questions })
}

/// The tables whose interactions count as seen: those of the models, or the default one.
fn interaction_tables(
    snapshot: &Snapshot,
    request: &Request,
    sources: &[Resolved],
) -> Vec<TableId> {
    let mut tables: Vec<TableId> = request.interactions.into_iter().collect();
    for table in sources.iter().flat_map(Resolved::interactions) {
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    if tables.is_empty() {
        tables.extend(default_interactions(snapshot, request.table));
    }
    tables
}

fn allowed_rows(request: &Request, entities: &EntityIndex) -> FixedBitSet {
    match &request.candidates {
        Some(candidates) => {
            let mut allowed = FixedBitSet::clone(candidates);
            // A filter over fewer rows says nothing about the rest: they are out.
            allowed.grow(entities.len());
            allowed
        }
        None => {
            let mut allowed = FixedBitSet::with_capacity(entities.len());
            allowed.insert_range(..);
            allowed
        }
    }
}

/// Fills up with what is near to what a model was asked with, by the embeddings of the items, if they have
/// any: a model that learned from few interactions links few items. Their scores continue below the last
/// one, so that score follows rank.
fn fill_by_content(
    setting: &Setting<'_>,
    asked: &Asked,
    allowed: &mut FixedBitSet,
    wanted: usize,
    rows: &mut Vec<Recommendation>,
) -> Result<()> {
    let best = source::near_content(setting, asked, allowed, wanted - rows.len())?;
    let floor = rows.last().map_or(0.0, |last| last.score);
    let name: Arc<str> = "content (fallback)".into();
    for near in best {
        allowed.set(near.row as usize, false);
        rows.push(Recommendation {
            id: setting.entities.id(near.row),
            row: near.row,
            // A cosine, moved into the range of one below the floor.
            score: floor - 1.0 + (near.score + 1.0) / 2.001,
            source: name.clone(),
            model_version: None,
            reasons: Vec::new(),
        });
    }
    Ok(())
}

/// Fills up with what is popular among the candidates that are left, so that k rows come back
/// whenever k exist. Their scores continue below the last one, so that score follows rank.
fn fall_back(
    setting: &Setting<'_>,
    allowed: &FixedBitSet,
    wanted: usize,
    rows: &mut Vec<Recommendation>,
) -> Result<()> {
    let popularity = source::popularity(setting)?;
    let best = topk::top_k(&popularity, wanted - rows.len(), Allow::Bits(allowed));
    let top = best.first().map_or(0.0, |first| first.score).max(1.0);
    let floor = rows.last().map(|last| last.score);
    let name: Arc<str> = "popular (fallback)".into();
    rows.extend(best.into_iter().map(|best| Recommendation {
        id: setting.entities.id(best.row),
        row: best.row,
        score: match floor {
            None => best.score,
            Some(floor) => floor - 1.0 + best.score / (top + 1.0),
        },
        source: name.clone(),
        model_version: None,
        reasons: Vec::new(),
    }));
    Ok(())
}
