//! `EVALUATE FORGETTING`: the protocol of forgetting on models of the database, which stays as it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use tastedb_storage::{Interaction, ItemId, Read, Snapshot, TableId, UserId};

use super::protocol::{Amount, ForgettingReport, Protocol, measure_forgetting};
use super::ticket::Scope;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::progress::Work;
use crate::projection::Projection;
use crate::seeded::{fraction, number};
use crate::train;

/// Where no test set is named, one pair in so many is it, of users with enough.
const TEST: f32 = 1.0 / 10.0;
const ENOUGH: usize = 5;

/// Models to make forget, in memory.
#[derive(Clone)]
pub struct ForgettingRequest {
    /// The models.
    pub models: Vec<String>,
    /// What is forgotten.
    pub scope: Scope,
    /// How much of it.
    pub amount: Amount,
    /// The table of the test set, or, with `split`, the table that holds it among others. Without one,
    /// a part of what a model learns from is drawn.
    pub table: Option<TableId>,
    /// What of `table` is the test set: interactions that this projection counts.
    pub split: Option<Arc<dyn Projection>>,
    /// The length of the lists that recall looks at.
    pub k: usize,
    /// Seed of every draw and every fit.
    pub seed: u64,
}

pub(crate) fn evaluate_forgetting(
    engine: &Engine,
    snapshot: &Snapshot,
    request: &ForgettingRequest,
    work: &Work,
) -> Result<Vec<(String, ForgettingReport)>> {
    let mut reports = Vec::with_capacity(request.models.len());
    let named = named_test(snapshot, request, work)?;
    for name in &request.models {
        let definition = engine.model(snapshot, name)?;
        let items = train::items(engine, snapshot, &definition)?;
        let sources = engine.registry().sources(snapshot, &definition)?;
        let test = match &named {
            Some(test) => test.clone(),
            None => {
                let data = train::dataset(snapshot, &sources, items.clone(), work, &mut |_| true)?;
                drawn_test(&data, request.seed)
            }
        };
        if test.is_empty() {
            return Err(Error::NothingHeldOut);
        }
        let mut keep = |row: &Interaction| {
            test.get(&row.user).is_none_or(|items| items.binary_search(&row.item).is_err())
        };
        let data = train::dataset(snapshot, &sources, items, work, &mut keep)?;
        let graphs = train::graphs(engine, snapshot, &definition)?;
        let side = train::side_data(engine, snapshot, &definition, &graphs)?;
        let protocol = Protocol {
            algorithm: &definition.algorithm,
            options: &definition.options,
            data: &data,
            test: &test,
            side: &side,
            scope: request.scope,
            amount: request.amount,
            k: request.k,
            seed: request.seed,
        };
        reports.push((name.clone(), measure_forgetting(&protocol, work)?));
    }
    Ok(reports)
}

/// The test set that a request names.
fn named_test(
    snapshot: &Snapshot,
    request: &ForgettingRequest,
    work: &Work,
) -> Result<Option<BTreeMap<UserId, Vec<ItemId>>>> {
    let Some(table) = request.table else { return Ok(None) };
    let mut test: BTreeMap<UserId, Vec<ItemId>> = BTreeMap::new();
    match &request.split {
        Some(split) => {
            train::scan(snapshot, table, split.as_ref(), work, |row, _| {
                test.entry(row.user).or_default().push(row.item);
            })?;
        }
        None => {
            for row in snapshot.interactions(table, &[])? {
                let row = row?;
                test.entry(row.user).or_default().push(row.item);
            }
        }
    }
    for items in test.values_mut() {
        items.sort_unstable();
        items.dedup();
    }
    Ok(Some(test))
}

/// A part of the pairs.
fn drawn_test(data: &crate::Dataset, seed: u64) -> BTreeMap<UserId, Vec<ItemId>> {
    let mut test: BTreeMap<UserId, Vec<ItemId>> = BTreeMap::new();
    for (user, (items, weights)) in data.users.iter().zip(data.by_user.rows()) {
        let own = number(number(seed, 5), user.0);
        let enough = items.len() >= ENOUGH;
        for (item, weight) in items.iter().zip(weights).filter(|_| enough) {
            let item = data.items[*item as usize];
            if *weight > 0.0 && fraction(own, item.0) < TEST {
                test.entry(*user).or_default().push(item);
            }
        }
    }
    test
}
