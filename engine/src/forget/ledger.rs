//! The tickets of a database.
//!
//! ```text
//! forgets                the highest number that a ticket has, in decimal
//! forget/<number>        a ticket
//! forgotten/<number>     its subjects: of each user or item the hash of its key, the hash of its id,
//!                        the length and the fingerprint of its key          16 + 16 + 4 + 8 bytes
//!                        of each interaction the hash of its id                          16 bytes
//! ```
//!
//! Numbers have ten digits in names, so that names are in the order of numbers. Tickets are never
//! removed: they are what says that something is to stay away.

use std::collections::HashSet;

use tastedb_storage::{EntityId, Fingerprint, InteractionId, Read, TableId, WriteTxn};

use super::digest::{SHORT, Salted};
use super::ticket::{Scope, Ticket};
use crate::error::{Error, Result};
use crate::registry::ModelDefinition;

const LAST: &str = "forgets";
const TICKETS: &str = "forget/";
const SUBJECTS: &str = "forgotten/";
const SUBJECT_LEN: usize = 2 * SHORT + 12;

/// What somebody or something that was forgotten is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A user or an item.
    Row { key: [u8; SHORT], id: [u8; SHORT], print: Fingerprint },
    /// An interaction.
    Interaction([u8; SHORT]),
}

/// The subjects of a ticket, to compare rows with.
#[derive(Default)]
pub(super) struct Subjects {
    keys: HashSet<[u8; SHORT]>,
    ids: HashSet<[u8; SHORT]>,
    pub(super) prints: Vec<Fingerprint>,
}

impl Subject {
    pub(super) fn row(salted: &Salted, id: EntityId, key: &str, print: Fingerprint) -> Subject {
        Subject::Row { key: salted.key(key), id: salted.id(id), print }
    }

    pub(super) fn interaction(salted: &Salted, id: InteractionId) -> Subject {
        Subject::Interaction(salted.id(id.0))
    }
}

impl Subjects {
    /// Those of another ticket, too.
    pub(super) fn extend(&mut self, other: Subjects) {
        self.keys.extend(other.keys);
        self.ids.extend(other.ids);
        self.prints.extend(other.prints);
    }

    pub(super) fn has_key(&self, salted: &Salted, key: &str) -> bool {
        self.keys.contains(&salted.key(key))
    }

    pub(super) fn has_id(&self, salted: &Salted, id: EntityId) -> bool {
        self.ids.contains(&salted.id(id))
    }
}

/// Every ticket, oldest first.
pub(crate) fn all(read: &dyn Read) -> Result<Vec<Ticket>> {
    let records = read.records(TICKETS)?;
    records
        .iter()
        .map(|(record, bytes)| {
            let number = record[TICKETS.len()..].parse().map_err(|_| Error::CorruptRecord {
                record: record.clone(),
                what: "its name is no number".to_owned(),
            })?;
            Ticket::decode(record, number, bytes)
        })
        .collect()
}

/// The ticket of an id.
pub(super) fn find(read: &dyn Read, id: &str) -> Result<Ticket> {
    let missing = || Error::NoSuchForget { id: id.to_owned() };
    let number = Ticket::number_of(id).ok_or_else(missing)?;
    let record = name(TICKETS, number);
    let bytes = read.record(&record)?.ok_or_else(missing)?;
    Ticket::decode(&record, number, &bytes)
}

/// The highest number that a ticket has; 0 where there is none.
pub(super) fn last(read: &dyn Read) -> Result<u64> {
    let Some(bytes) = read.record(LAST)? else { return Ok(0) };
    let number = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| Error::CorruptRecord {
        record: LAST.to_owned(),
        what: "it is no number".to_owned(),
    })
}

/// The ticket of a number.
pub(super) fn get(read: &dyn Read, number: u64) -> Result<Ticket> {
    find(read, &format!("f_{number}"))
}

/// The last commit with a deletion that a model is to forget; 0 if there was none.
pub(crate) fn newest(read: &dyn Read, model: &ModelDefinition) -> Result<u64> {
    let catalog = read.catalog().clone();
    let tickets = all(read)?;
    let concern = tickets.iter().filter(|ticket| ticket.concerns(model, &catalog));
    Ok(concern.map(|ticket| ticket.generation).max().unwrap_or(0))
}

/// The last commit with a deletion of rows of a table that are to be forgotten; 0 if there was none.
pub(crate) fn newest_of(read: &dyn Read, table: TableId) -> Result<u64> {
    let tickets = all(read)?.into_iter().filter(|ticket| ticket.table == table);
    Ok(tickets.map(|ticket| ticket.generation).max().unwrap_or(0))
}

/// A number for a new ticket, never given before.
pub(super) fn new_number(txn: &mut WriteTxn) -> Result<u64> {
    let number = last(txn)? + 1;
    txn.put_record(LAST, number.to_string().as_bytes());
    Ok(number)
}

pub(super) fn put(txn: &mut WriteTxn, ticket: &Ticket) {
    txn.put_record(&name(TICKETS, ticket.number), &ticket.encode());
}

pub(super) fn put_subjects(txn: &mut WriteTxn, number: u64, subjects: &[Subject]) {
    let mut bytes = Vec::with_capacity(subjects.len() * SUBJECT_LEN);
    for subject in subjects {
        match subject {
            Subject::Row { key, id, print } => {
                bytes.extend_from_slice(key);
                bytes.extend_from_slice(id);
                bytes.extend_from_slice(&print.len.to_le_bytes());
                bytes.extend_from_slice(&print.hash.to_le_bytes());
            }
            Subject::Interaction(id) => bytes.extend_from_slice(id),
        }
    }
    txn.put_record(&name(SUBJECTS, number), &bytes);
}

pub(super) fn subjects(read: &dyn Read, ticket: &Ticket) -> Result<Subjects> {
    let record = name(SUBJECTS, ticket.number);
    let bytes = read.record(&record)?.unwrap_or_default();
    let corrupt = || Error::CorruptRecord {
        record: record.clone(),
        what: "it is no list of subjects".to_owned(),
    };
    let mut subjects = Subjects::default();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        if matches!(ticket.scope, Scope::Interactions | Scope::InteractionAttribute) {
            let (id, more) = rest.split_first_chunk::<SHORT>().ok_or_else(corrupt)?;
            subjects.ids.insert(*id);
            rest = more;
            continue;
        }
        let (key, more) = rest.split_first_chunk::<SHORT>().ok_or_else(corrupt)?;
        let (id, more) = more.split_first_chunk::<SHORT>().ok_or_else(corrupt)?;
        let (len, more) = more.split_first_chunk::<4>().ok_or_else(corrupt)?;
        let (hash, more) = more.split_first_chunk::<8>().ok_or_else(corrupt)?;
        subjects.keys.insert(*key);
        subjects.ids.insert(*id);
        let (len, hash) = (u32::from_le_bytes(*len), u64::from_le_bytes(*hash));
        subjects.prints.push(Fingerprint { len, hash });
        rest = more;
    }
    Ok(subjects)
}

fn name(kind: &str, number: u64) -> String {
    format!("{kind}{number:010}")
}
