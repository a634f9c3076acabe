//! Receipts: what was looked at to verify that something is forgotten, and what was found.
//!
//! ```text
//! receipts            the number and the hash of the last receipt
//! receipt/<number>    a receipt, with the hash of the one before it
//! hash = SHA-256(the hash before, number, ticket, time, every line)
//! ```
//!
//! The chain shows when a receipt was changed or taken out, to whoever noted a later hash. It is no
//! signature: who can write the database can write another chain.

use tastedb_storage::{Read, WriteTxn};

use super::compare::{Compared, TOLERANCE, compare};
use super::digest::{hex, of};
use super::ledger;
use super::search::Search;
use super::ticket::{Scope, State, Ticket};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::progress::Work;
use crate::registry::Fields;

const LAST: &str = "receipts";
const RECEIPTS: &str = "receipt/";

/// The hash before the first receipt.
const NONE: &str = "";

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptLine {
    /// What.
    pub check: String,
    /// Whether it was as it should be.
    pub passed: bool,
    /// What was seen, in words.
    pub detail: String,
}

/// What a verification saw. It holds sizes and words, nothing of what was forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Rises by one with each receipt.
    pub number: u64,
    /// The id of the ticket.
    pub ticket: String,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// What was looked at.
    pub lines: Vec<ReceiptLine>,
    /// The hash of the receipt before; empty in the first one.
    pub previous: String,
    /// The hash of this one.
    pub hash: String,
}

impl ReceiptLine {
    pub(super) fn passed(check: impl Into<String>, detail: impl Into<String>) -> ReceiptLine {
        ReceiptLine { check: check.into(), passed: true, detail: detail.into() }
    }

    pub(super) fn failed(check: impl Into<String>, detail: impl Into<String>) -> ReceiptLine {
        ReceiptLine { check: check.into(), passed: false, detail: detail.into() }
    }
}

impl Receipt {
    /// Whether all was as it should be.
    pub fn passed(&self) -> bool {
        self.lines.iter().all(|line| line.passed)
    }

    fn compute(&self) -> String {
        let (number, at) = (self.number.to_le_bytes(), self.at.to_le_bytes());
        let mut parts: Vec<&[u8]> =
            vec![self.previous.as_bytes(), &number, self.ticket.as_bytes(), &at];
        for line in &self.lines {
            let passed: &[u8] = if line.passed { b"passed" } else { b"failed" };
            parts.extend([line.check.as_bytes(), passed, line.detail.as_bytes()]);
        }
        hex(&of(&parts))
    }

    fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::new();
        fields
            .set("ticket", &self.ticket)
            .set("at", self.at)
            .set("previous", &self.previous)
            .set("hash", &self.hash);
        for line in &self.lines {
            let kind = if line.passed { "passed" } else { "failed" };
            fields.set(&format!("{kind}.{}", line.check), &line.detail);
        }
        fields.encode()
    }

    fn decode(record: &str, bytes: &[u8]) -> Result<Receipt> {
        let fields = Fields::decode(record, bytes)?;
        let number = record[RECEIPTS.len()..].parse().map_err(|_| corrupt(record))?;
        let lines = fields.with_prefix("").filter_map(|(name, detail)| {
            let (kind, check) = name.split_once('.')?;
            match kind {
                "passed" => Some(ReceiptLine::passed(check, detail)),
                "failed" => Some(ReceiptLine::failed(check, detail)),
                _ => None,
            }
        });
        Ok(Receipt {
            number,
            ticket: fields.text(record, "ticket")?.to_owned(),
            at: fields.number(record, "at")?,
            lines: lines.collect(),
            previous: fields.text(record, "previous")?.to_owned(),
            hash: fields.text(record, "hash")?.to_owned(),
        })
    }
}

/// Every receipt, oldest first.
pub(crate) fn receipts(read: &dyn Read) -> Result<Vec<Receipt>> {
    let records = read.records(RECEIPTS)?;
    records.iter().map(|(record, bytes)| Receipt::decode(record, bytes)).collect()
}

/// Looks for what a ticket is about, keeps what was seen as a receipt, and moves the ticket on where
/// nothing was found. `now` is the time in microseconds since 1970.
pub(crate) fn verify(engine: &Engine, id: &str, now: i64, work: &Work) -> Result<Receipt> {
    let snapshot = engine.snapshot();
    let ticket = ledger::find(&snapshot, id)?;
    let subjects = ledger::subjects(&snapshot, &ticket)?;
    let mut lines = vec![state(&ticket)];
    let search = Search { engine, snapshot: &snapshot, ticket: &ticket, subjects: &subjects };
    lines.extend(match ticket.scope {
        Scope::User | Scope::Item => vec![search.rows()?, search.belongings()?, search.bytes()?],
        Scope::Interactions => vec![search.interactions()?, search.bytes()?],
        Scope::Modality | Scope::Attribute => search.values()?,
        Scope::InteractionAttribute => search.values_of_interactions()?,
    });
    let catalog = snapshot.catalog().clone();
    for model in engine.models(&snapshot)? {
        work.check()?;
        let definition = &model.definition;
        let Some(version) =
            model.serving.as_ref().filter(|_| ticket.concerns(definition, &catalog))
        else {
            continue;
        };
        let check = format!("model {}", definition.name);
        let number = version.version;
        lines.push(if version.rid_of() < ticket.generation {
            let mut detail = format!("version {number} descends from what was deleted");
            if engine.registry().serving(&snapshot, &definition.name)?.leaves_out(&snapshot)? {
                detail.push_str("; its answers leave it out since");
            }
            ReceiptLine::failed(check, detail)
        } else if search.knows(definition)? {
            ReceiptLine::failed(check, format!("version {number} knows a deleted item"))
        } else if version.learned_since < ticket.generation {
            let detail = format!(
                "version {number} has unlearned the deletion approximately: it continues a version \
                 that had learned from it"
            );
            ReceiptLine::passed(check, detail)
        } else {
            let detail = format!(
                "version {number} has learned from nothing before commit {}; the deletion was \
                 commit {}",
                version.learned_since, ticket.generation
            );
            ReceiptLine::passed(check, detail)
        });
        if version.rid_of() < ticket.generation {
            continue;
        }
        lines.extend(behaviour(&ticket, &definition.name));
        let check = format!("retraining {}", definition.name);
        lines.push(match compare(engine, &snapshot, definition, work)? {
            Compared::Not(why) => ReceiptLine::passed(check, format!("not compared: {why}")),
            Compared::By(people, worst) => {
                let detail = format!(
                    "scores of {people} people differ by {worst:.1e} at most from a training \
                     without it"
                );
                match worst <= TOLERANCE {
                    true => ReceiptLine::passed(check, detail),
                    false => ReceiptLine::failed(check, detail),
                }
            }
        });
    }
    drop(snapshot);
    let mut txn = engine.store().begin()?;
    lines.push(chain(&txn)?);
    let receipt = append(&mut txn, id, now, lines)?;
    let mut ticket = ledger::find(&txn, id)?;
    if receipt.passed() && ticket.state() == State::Unlearned {
        ticket.verified = Some(now);
        ledger::put(&mut txn, &ticket);
    }
    txn.commit()?;
    Ok(receipt)
}

/// What a model gave away before it unlearned, and after; nothing where it had nothing to unlearn.
fn behaviour(ticket: &Ticket, model: &str) -> Option<ReceiptLine> {
    let check = format!("behaviour {model}");
    match ticket.behaviour.iter().find(|behaviour| behaviour.model == model) {
        Some(told) if told.passed() => Some(ReceiptLine::passed(check, told.describe())),
        Some(told) => Some(ReceiptLine::failed(check, told.describe())),
        None if ticket.methods.iter().any(|(of, _)| of == model) => {
            let why = "not measured: nothing that it could be asked about was left";
            Some(ReceiptLine::passed(check, why))
        }
        None => None,
    }
}

/// How far the ticket is.
fn state(ticket: &Ticket) -> ReceiptLine {
    let Ticket { rows, table_name, interactions, embeddings, .. } = ticket;
    let what = match ticket.scope.is_of_values() {
        true => format!("{} of {rows} rows of {table_name}", ticket.columns.join(", ")),
        false => format!(
            "{rows} deleted from {table_name}, {interactions} interactions, {embeddings} vectors"
        ),
    };
    match ticket.state() {
        State::Masked => ReceiptLine::failed("state", format!("{what}; masked only: VACUUM")),
        State::Erased => {
            ReceiptLine::failed("state", format!("{what}; erased, not unlearned: VACUUM"))
        }
        State::Unlearned | State::Verified => {
            ReceiptLine::passed("state", format!("{what}; erased and unlearned"))
        }
    }
}

/// Whether every receipt is there and as it was.
fn chain(read: &dyn Read) -> Result<ReceiptLine> {
    let receipts = receipts(read)?;
    let mut previous = NONE;
    for (at, receipt) in receipts.iter().enumerate() {
        let number = at as u64 + 1;
        if receipt.number != number
            || receipt.previous != previous
            || receipt.compute() != receipt.hash
        {
            let detail = format!("receipt {number} is missing or is not as it was");
            return Ok(ReceiptLine::failed("receipts", detail));
        }
        previous = &receipt.hash;
    }
    let (number, hash) = last(read)?;
    Ok(match number == receipts.len() as u64 && hash == previous {
        true => ReceiptLine::passed("receipts", format!("{number} before this one, unbroken")),
        false => ReceiptLine::failed("receipts", "the last receipt is missing"),
    })
}

/// The number and the hash of the last receipt.
fn last(read: &dyn Read) -> Result<(u64, String)> {
    let Some(bytes) = read.record(LAST)? else { return Ok((0, NONE.to_owned())) };
    let fields = Fields::decode(LAST, &bytes)?;
    Ok((fields.number(LAST, "number")?, fields.text(LAST, "hash")?.to_owned()))
}

fn append(txn: &mut WriteTxn, ticket: &str, now: i64, lines: Vec<ReceiptLine>) -> Result<Receipt> {
    let (number, previous) = last(txn)?;
    let number = number + 1;
    let ticket = ticket.to_owned();
    let mut receipt = Receipt { number, ticket, at: now, lines, previous, hash: String::new() };
    receipt.hash = receipt.compute();
    txn.put_record(&format!("{RECEIPTS}{number:010}"), &receipt.encode());
    let mut fields = Fields::new();
    fields.set("number", number).set("hash", &receipt.hash);
    txn.put_record(LAST, &fields.encode());
    Ok(receipt)
}

fn corrupt(record: &str) -> Error {
    Error::CorruptRecord { record: record.to_owned(), what: "its name is no number".to_owned() }
}
