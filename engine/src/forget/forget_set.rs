//! The forget set of a ticket: which interactions were deleted, kept until the next vacuum.
//!
//! Models are updated exactly for what is gone only where it is known what that was, and the rows
//! themselves are gone with the deletion. So it is written down in the same commit, and taken away by
//! the vacuum that unlearns and erases. A record begins with a marker that follows from the number of
//! its ticket, so that a verification can search all bytes for it.
//!
//! ```text
//! forget-set/<number>   16 bytes of marker
//!                       u32 number of models with a WEIGHT or WHERE; of each u32 length, name
//!                       u32 number of interactions, of each
//!                         u32 table, u64 user, u64 item, u64 id, u8 whether it was weighed,
//!                         and then f32 for each of those models: what it counted, NaN for nothing
//! ```
//!
//! Not here: what becomes of it, which is the refresh's and the vacuum's.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tastedb_storage::{
    EntityId, Interaction, InteractionId, ItemId, Read, Role, Table, TableId, UserId, WriteTxn,
};

use super::digest::{SHORT, Salted};
use super::ledger;
use super::ticket::Ticket;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::projection::Projection;
use crate::registry::ModelDefinition;

const SETS: &str = "forget-set/";

/// The most interactions that are written down. Of more, most models would read everything anyway.
const MOST: usize = 1 << 18;

/// An interaction that was deleted, as one model sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Removed {
    pub(crate) table: TableId,
    pub(crate) user: UserId,
    pub(crate) item: ItemId,
    pub(crate) id: InteractionId,
    /// What it counted, 0 for nothing; `None` where that was not written down.
    pub(crate) weight: Option<f32>,
}

/// An interaction that was deleted.
#[derive(Clone, Copy)]
struct Row {
    table: TableId,
    user: UserId,
    item: ItemId,
    id: InteractionId,
    weighed: bool,
}

/// A model that weighs the interactions of a table or leaves some out.
struct Weighing {
    model: String,
    projection: Arc<dyn Projection>,
}

/// The forget set of a ticket that is being made.
pub(super) struct Keeping {
    engine: Engine,
    /// The tables that a trained model learns from, once they were looked up.
    tables: Option<BTreeMap<TableId, Vec<Weighing>>>,
    rows: Vec<Row>,
    weights: BTreeMap<String, Vec<f32>>,
    too_many: bool,
    /// The history that interactions were last looked up in.
    last: Option<Past>,
}

/// The history of a user in a table, and what each model that weighs it counts.
struct Past {
    table: TableId,
    user: UserId,
    rows: Vec<Interaction>,
    places: HashMap<InteractionId, usize>,
    weights: Vec<(String, Vec<f32>)>,
}

impl Past {
    fn read(txn: &WriteTxn, table: TableId, user: UserId, by: &[Weighing]) -> Result<Past> {
        let rows = txn.history(table, user, &[])?;
        let mut weights = Vec::with_capacity(by.len());
        for Weighing { model, projection } in by {
            let mut counted = Vec::with_capacity(rows.len());
            projection.weights(&txn.history(table, user, projection.columns())?, &mut counted)?;
            let counted = counted.into_iter().map(|weight| weight.unwrap_or(f32::NAN));
            weights.push((model.clone(), counted.collect()));
        }
        let places = rows.iter().enumerate().map(|(at, row)| (row.id, at)).collect();
        Ok(Past { table, user, rows, places, weights })
    }
}

impl Keeping {
    pub(super) fn new(engine: &Engine) -> Keeping {
        Keeping {
            engine: engine.clone(),
            tables: None,
            rows: Vec::new(),
            weights: BTreeMap::new(),
            too_many: false,
            last: None,
        }
    }

    /// Looks up once who learns from what.
    fn look_up(&mut self, txn: &WriteTxn) -> Result<()> {
        if self.tables.is_some() {
            return Ok(());
        }
        let registry = self.engine.registry();
        let mut tables: BTreeMap<TableId, Vec<Weighing>> = BTreeMap::new();
        for model in registry.list(txn)?.into_iter().filter(|model| model.serving.is_some()) {
            let weighs = weighs(&model.definition);
            let sources = if weighs { registry.sources(txn, &model.definition)? } else { vec![] };
            for table in &model.definition.tables {
                tables.entry(table.table).or_default();
            }
            for source in sources {
                let (model, projection) = (model.definition.name.clone(), source.projection);
                self.weights.entry(model.clone()).or_default();
                tables.entry(source.table).or_default().push(Weighing { model, projection });
            }
        }
        self.tables = Some(tables);
        Ok(())
    }

    /// Writes down what a user or item has that is about to be deleted.
    pub(super) fn all_of(&mut self, txn: &WriteTxn, of: &Table, id: EntityId) -> Result<()> {
        self.look_up(txn)?;
        let tables: Vec<TableId> = self.tables.iter().flatten().map(|(id, _)| *id).collect();
        for table in tables {
            let link = txn.catalog().table_by_id(table).and_then(|table| table.link.as_ref());
            let Some(link) = link else { continue };
            if of.role == Role::User && link.user_table == of.id {
                let past = self.past(txn, table, UserId(id))?;
                let all: Vec<usize> = (0..past.rows.len()).collect();
                self.take(&past, &all);
            } else if of.role == Role::Item && link.item_table == of.id {
                // What each counted would be read from the history of everybody who had it, and is
                // of no use: where an item leaves, models read everything.
                for (interaction, user) in txn.audience(table, ItemId(id))? {
                    let row =
                        Row { table, user, item: ItemId(id), id: interaction, weighed: false };
                    self.push(row, |_| f32::NAN);
                }
            }
        }
        Ok(())
    }

    /// Writes down an interaction that is about to be deleted.
    pub(super) fn one(
        &mut self,
        txn: &WriteTxn,
        table: TableId,
        user: UserId,
        id: InteractionId,
    ) -> Result<()> {
        self.look_up(txn)?;
        if !self.tables.as_ref().is_some_and(|tables| tables.contains_key(&table)) {
            return Ok(());
        }
        let past = match self.last.take() {
            Some(past) if past.table == table && past.user == user => past,
            _ => self.past(txn, table, user)?,
        };
        if let Some(at) = past.places.get(&id) {
            self.take(&past, &[*at]);
        }
        self.last = Some(past);
        Ok(())
    }

    fn past(&self, txn: &WriteTxn, table: TableId, user: UserId) -> Result<Past> {
        let by = self.tables.as_ref().and_then(|all| all.get(&table));
        Past::read(txn, table, user, by.map_or(&[], Vec::as_slice))
    }

    fn take(&mut self, past: &Past, places: &[usize]) {
        for at in places {
            let Interaction { id, item, user, .. } = past.rows[*at];
            let row = Row { table: past.table, user, item, id, weighed: true };
            self.push(row, |model| {
                let own = past.weights.iter().find(|(of, _)| of == model);
                own.and_then(|(_, weights)| weights.get(*at)).copied().unwrap_or(f32::NAN)
            });
        }
    }

    fn push(&mut self, row: Row, weight: impl Fn(&str) -> f32) {
        if self.rows.len() >= MOST {
            self.too_many = true;
            return;
        }
        self.rows.push(row);
        for (model, weights) in &mut self.weights {
            weights.push(weight(model));
        }
    }

    /// Puts the set down as that of a ticket, if there is something in it and not too much.
    pub(super) fn finish(self, txn: &mut WriteTxn, ticket: u64) {
        if self.rows.is_empty() || self.too_many {
            return;
        }
        let mut bytes = marker(&self.engine, ticket).to_vec();
        bytes.extend_from_slice(&(self.weights.len() as u32).to_le_bytes());
        for model in self.weights.keys() {
            bytes.extend_from_slice(&(model.len() as u32).to_le_bytes());
            bytes.extend_from_slice(model.as_bytes());
        }
        bytes.extend_from_slice(&(self.rows.len() as u32).to_le_bytes());
        for (at, row) in self.rows.iter().enumerate() {
            bytes.extend_from_slice(&row.table.0.to_le_bytes());
            for id in [row.user.0, row.item.0, row.id.0] {
                bytes.extend_from_slice(&id.to_le_bytes());
            }
            bytes.push(u8::from(row.weighed));
            for weights in self.weights.values() {
                bytes.extend_from_slice(&weights[at].to_le_bytes());
            }
        }
        txn.put_record(&name(ticket), &bytes);
    }
}

/// What begins the set of a ticket.
pub(super) fn marker(engine: &Engine, ticket: u64) -> [u8; SHORT] {
    Salted::new(engine.store().id(), TableId(0)).set(ticket)
}

/// Takes the set of a ticket away.
pub(super) fn remove(txn: &mut WriteTxn, ticket: u64) {
    txn.delete_record(&name(ticket));
}

/// What the set of a ticket says that a model has learned from, in the order of the ids; `None` where
/// there is none.
pub(super) fn of(
    read: &dyn Read,
    ticket: &Ticket,
    model: &ModelDefinition,
) -> Result<Option<Vec<Removed>>> {
    let record = name(ticket.number);
    let Some(bytes) = read.record(&record)? else { return Ok(None) };
    let corrupt = || Error::CorruptRecord {
        record: record.clone(),
        what: "it is no list of interactions".to_owned(),
    };
    let mut removed = decode(&bytes, model).ok_or_else(corrupt)?;
    removed.sort_unstable_by_key(|row| row.id);
    Ok(Some(removed))
}

/// What a model has learned from of all that was deleted after a commit; `None` where some of it was
/// not written down, or not what it counted.
pub(crate) fn since(
    read: &dyn Read,
    model: &ModelDefinition,
    generation: u64,
) -> Result<Option<Vec<Removed>>> {
    let catalog = read.catalog().clone();
    let mut all = Vec::new();
    for ticket in ledger::all(read)? {
        let later = ticket.generation > generation && ticket.interactions > 0;
        if !later || !ticket.concerns(model, &catalog) {
            continue;
        }
        let Some(removed) = of(read, &ticket, model)? else { return Ok(None) };
        all.extend(removed);
    }
    all.sort_unstable_by_key(|row| row.id);
    Ok(all.iter().all(|row| row.weight.is_some()).then_some(all))
}

/// Whether a model weighs the interactions of a table, or leaves some out.
pub(super) fn weighs(model: &ModelDefinition) -> bool {
    model.tables.iter().any(|table| table.weight.is_some() || table.filter.is_some())
}

fn name(ticket: u64) -> String {
    format!("{SETS}{ticket:010}")
}

/// The rows of a record that a model has learned from.
fn decode(bytes: &[u8], model: &ModelDefinition) -> Option<Vec<Removed>> {
    let (_, mut rest) = bytes.split_first_chunk::<SHORT>()?;
    let models = take_u32(&mut rest)? as usize;
    let mut own = None;
    for at in 0..models {
        let length = take_u32(&mut rest)? as usize;
        let (name, more) = rest.split_at_checked(length)?;
        if name == model.name.as_bytes() {
            own = Some(at);
        }
        rest = more;
    }
    let weighs = weighs(model);
    let number = take_u32(&mut rest)?;
    let mut removed = Vec::new();
    for _ in 0..number {
        let table = TableId(take_u32(&mut rest)?);
        let (user, item, id) = (take_u64(&mut rest)?, take_u64(&mut rest)?, take_u64(&mut rest)?);
        let (weighed, more) = rest.split_first()?;
        let (weights, more) = more.split_at_checked(4 * models)?;
        rest = more;
        if !model.learns_from(table) {
            continue;
        }
        let weight = match own {
            Some(at) if *weighed == 1 => {
                let bytes = weights[4 * at..].first_chunk::<4>()?;
                let weight = f32::from_le_bytes(*bytes);
                Some(if weight.is_nan() { 0.0 } else { weight })
            }
            // Created since, as far as the set knows.
            _ if weighs => None,
            _ => Some(1.0),
        };
        let (user, item) = (UserId(user), ItemId(item));
        removed.push(Removed { table, user, item, id: InteractionId(id), weight });
    }
    rest.is_empty().then_some(removed)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (head, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    Some(u32::from_le_bytes(*head))
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    let (head, tail) = rest.split_first_chunk::<8>()?;
    *rest = tail;
    Some(u64::from_le_bytes(*head))
}
