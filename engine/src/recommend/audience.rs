//! `RECOMMEND people FOR ITEM`: who would like it.
//!
//! Every user's history is folded into the model and asked for the score of the one item. That is
//! a pass over all users, in parallel: an answer for a campaign, not for a page view.

use std::sync::Arc;

use fixedbitset::FixedBitSet;
use rayon::prelude::*;
use tastedb_storage::{ItemId, Read, Snapshot, UserId};

use super::context::fold;
use super::pipeline::Trace;
use super::request::{Context, Request, Seen};
use super::response::{Recommendation, Response};
use super::source::alone;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::history::{History, ScoreInput, SideData, UNSCORED};
use crate::live::Catalogue;
use crate::model::Model;
use crate::registry::Serving;
use crate::topk::{self, Allow};

pub(super) fn recommend(
    engine: &Engine,
    snapshot: &Snapshot,
    request: &Request,
) -> Result<Response> {
    let mut trace = Trace::start();
    let [Context::Item(item)] = request.contexts[..] else {
        return Err(Error::NotSupported { what: "recommending users for anything but one ITEM" });
    };
    alone(request)?;
    let serving = serving(engine, snapshot, request)?;
    let definition = &serving.definition;
    let users = engine.live().entities(engine.store(), snapshot, request.table)?;
    let items = crate::train::catalogue(engine, snapshot, definition)?;
    if request.items.is_some_and(|asked| items.place(asked).is_none()) {
        return Err(Error::WrongTable { model: definition.name.clone() });
    }
    trace.stage("plan", || format!("{} users, source: {}", users.len(), definition.name));

    let mut allowed = match &request.candidates {
        Some(candidates) => FixedBitSet::clone(candidates),
        None => FixedBitSet::with_capacity(users.len()),
    };
    allowed.grow(users.len());
    if request.candidates.is_none() {
        allowed.insert_range(..);
    }
    if request.seen.contains(&Seen::Default) {
        for source in &serving.sources {
            for (_, user) in snapshot.audience(source.table, item)? {
                if let Some(row) = users.row_of(user.0) {
                    allowed.set(row as usize, false);
                }
            }
        }
    }
    trace.stage("candidates", || format!("{} of {} users", allowed.count_ones(..), users.len()));

    let mut scores = vec![UNSCORED; users.len()];
    if let Some(row) = items.row_of(item) {
        let model = serving.on_catalogue(engine, snapshot, &items)?;
        let side = crate::train::live_side_data(engine, snapshot, &serving)?;
        let ask =
            Ask { snapshot, serving: &serving, model: &model, items: &items, side: &side, row };
        let rows: Vec<usize> = allowed.ones().collect();
        let found: Vec<f32> = rows
            .par_iter()
            .map(|row| ask.score(UserId(users.id(*row as u32))))
            .collect::<Result<_>>()?;
        for (row, score) in rows.into_iter().zip(found) {
            scores[row] = score;
        }
    }
    trace.stage("score", || format!("item {}", items.key_of(item).unwrap_or("?")));

    let wanted = request.k.saturating_add(request.offset);
    let best = topk::top_k(&scores, wanted.min(users.len()), Allow::Bits(&allowed));
    let name: Arc<str> = definition.name.as_str().into();
    let rows = best
        .into_iter()
        .skip(request.offset)
        .map(|best| Recommendation {
            id: users.id(best.row),
            row: best.row,
            score: best.score,
            source: name.clone(),
            model_version: Some(serving.version.version),
            reasons: Vec::new(),
        })
        .collect();
    trace.stage("rank", || format!("{wanted} wanted"));
    Ok(Response {
        rows,
        entities: users,
        notices: Vec::new(),
        trace: trace.finish(),
        questions: Default::default(),
    })
}

/// The model that answers: the one named, or the oldest trained one whose users are this table.
fn serving(engine: &Engine, snapshot: &Snapshot, request: &Request) -> Result<Arc<Serving>> {
    match &request.sources[..] {
        [source] => engine.registry().serving(snapshot, &source.name),
        [] => {
            let catalog = snapshot.catalog();
            let on_users = catalog
                .tables()
                .filter_map(|table| table.link.as_ref())
                .filter(|link| link.user_table == request.table)
                .filter(|link| request.items.is_none_or(|items| link.item_table == items));
            for link in on_users {
                if let Some(serving) = engine.registry().default_for(snapshot, link.item_table)? {
                    return Ok(serving);
                }
            }
            Err(Error::NeedsModel { what: "recommending users for an item" })
        }
        _ => Err(Error::NotSupported { what: "recommending users from several sources" }),
    }
}

struct Ask<'a> {
    snapshot: &'a Snapshot,
    serving: &'a Serving,
    model: &'a dyn Model,
    items: &'a Catalogue,
    side: &'a SideData,
    row: u32,
}

impl Ask<'_> {
    /// What the model makes of the item for one user; unscored where it has nothing to go on.
    fn score(&self, user: UserId) -> Result<f32> {
        let folded = fold(self.snapshot, &[Context::User(user)], &self.serving.sources)?;
        let row = |(item, weight): (ItemId, f32)| Some((self.items.row_of(item)?, weight));
        let entries: Vec<(u32, f32)> = folded.entries.into_iter().filter_map(row).collect();
        let input = ScoreInput {
            history: History::new(&entries),
            items: self.items.items(),
            side: self.side,
            vectors: &[],
        };
        Ok(self.model.score_one(&input, self.row).unwrap_or(UNSCORED))
    }
}
