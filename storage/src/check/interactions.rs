//! Adjacency lists: their structure, their values, and that both directions tell the same.
//!
//! The two directions are compared by a sum of hashes, which needs no memory; only where the sums
//! differ is a table read again to name the interactions.

use std::collections::BTreeSet;

use xxhash_rust::xxh3::xxh3_128;

use super::{Examiner, ProblemKind, Report, record};
use crate::adjacency::{Chunk, Direction, Entries};
use crate::catalog::{Role, Table};
use crate::codec::{Decoder, Place};
use crate::id::TableId;
use crate::key;

/// One interaction: id, user, item.
type Fact = (u64, u64, u64);

/// Facts in any order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    count: u64,
    sum: u128,
}

impl Tally {
    fn add(&mut self, fact: Fact) {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&fact.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&fact.1.to_le_bytes());
        bytes[16..].copy_from_slice(&fact.2.to_le_bytes());
        self.count += 1;
        self.sum = self.sum.wrapping_add(xxh3_128(&bytes));
    }
}

/// Where a scan stands in a list.
#[derive(Default)]
struct Here {
    entity: Option<u64>,
    last_id: Option<u64>,
    older: u64,
    ended: bool,
    /// The others of a user's list where each may occur once.
    once: BTreeSet<u64>,
}

impl Examiner<'_> {
    /// Checks all lists; returns the largest interaction id.
    pub(super) fn check_interactions(&mut self) -> u64 {
        let mut largest = 0;
        for direction in [Direction::ByUser, Direction::ByItem] {
            self.check_list_tables(direction);
        }
        let tables: Vec<TableId> = self
            .catalog
            .tables()
            .filter(|table| table.role == Role::Interaction)
            .map(|table| table.id)
            .collect();
        for id in tables {
            let Some(table) = self.table(id) else { continue };
            let mut tallies = [Tally::default(), Tally::default()];
            for (tally, direction) in tallies.iter_mut().zip([Direction::ByUser, Direction::ByItem])
            {
                self.check_lists(&table, direction, &mut |fact| {
                    tally.add(fact);
                    largest = largest.max(fact.0);
                });
            }
            let [by_user, by_item] = tallies;
            self.report.checked.interactions += by_user.count;
            if by_user != by_item {
                self.name_differences(&table);
            }
        }
        largest
    }

    /// Every list belongs to a table that exists and holds interactions.
    fn check_list_tables(&mut self, direction: Direction) {
        let cf = direction.cf();
        let mut from = Vec::new();
        loop {
            let mut found = None;
            let cursor = self.view.scan(cf, &from, &[u8::MAX; 64]);
            match cursor.and_then(|mut cursor| {
                found = cursor.next()?.map(|(key, _)| key.to_vec());
                Ok(())
            }) {
                Ok(()) => {}
                Err(error) => return self.report.error(cf, &error),
            }
            let Some(key) = found else { return };
            let Some(id) = key::table_of(&key) else {
                self.report.add(ProblemKind::Damaged, record(cf, &key), "the key is too short");
                from = [key.as_slice(), &[0]].concat();
                continue;
            };
            if self.table(id).is_none_or(|table| table.role != Role::Interaction) {
                let detail = format!("table {id} is not an interaction table");
                self.report.add(ProblemKind::Dangling, record(cf, &key), detail);
            }
            from = key::of_table(id).to;
        }
    }

    fn check_lists(&mut self, table: &Table, direction: Direction, each: &mut dyn FnMut(Fact)) {
        let Some(link) = table.link.clone() else { return };
        let (owners, others) = match direction {
            Direction::ByUser => (link.user_table, link.item_table),
            Direction::ByItem => (link.item_table, link.user_table),
        };
        let (owner, other) = match direction {
            Direction::ByUser => ("user", "item"),
            Direction::ByItem => ("item", "user"),
        };
        let cf = direction.cf();
        let once = direction == Direction::ByUser && link.unique == Some(Vec::new());
        let mut here = Here::default();
        self.scan(cf, &key::of_table(table.id), &mut |this, key, bytes| {
            let place = Place { cf, key };
            let Some((entity, first)) =
                key::chunk_parts(key).filter(|_| key.len() == key::CHUNK_LEN)
            else {
                return this.report.add(ProblemKind::Damaged, record(cf, key), "not a list's key");
            };
            if here.entity != Some(entity) {
                end_of_list(&here, table, owner, &mut this.report);
                here = Here { entity: Some(entity), ..Here::default() };
                if !this.has_row(owners, entity) {
                    let detail = format!("{owner} {entity} does not exist");
                    this.report.add(ProblemKind::Dangling, record(cf, key), detail);
                }
            }
            let chunk = match Chunk::parse(bytes, place) {
                Ok(chunk) => chunk,
                Err(error) => return this.report.error(record(cf, key), &error),
            };
            let report = &mut this.report;
            let mut structure = |is_sound: bool, detail: &str| {
                if !is_sound {
                    report.add(ProblemKind::Mismatch, record(cf, key), detail);
                }
            };
            if first == key::TAIL {
                here.ended = true;
                structure(here.older == 0 || chunk.has_older, "the chunks before it are unknown");
            } else {
                here.older += 1;
                structure(first == chunk.first, "the key and the chunk differ in the first id");
            }
            for entry in Entries::new(&chunk, direction, place) {
                let entry = match entry {
                    Ok(entry) => entry,
                    Err(error) => {
                        this.report.error(record(cf, key), &error);
                        break;
                    }
                };
                if here.last_id.is_some_and(|last| last >= entry.id) {
                    this.report.add(
                        ProblemKind::Mismatch,
                        record(cf, key),
                        format!("interaction {} is not in ascending order", entry.id),
                    );
                }
                here.last_id = Some(entry.id);
                if once && !here.once.insert(entry.other) {
                    let place = format!("table `{}`, {owner} {entity}", table.name);
                    let detail = format!("two interactions with {other} {}", entry.other);
                    this.report.add(ProblemKind::Mismatch, place, detail);
                }
                if !this.has_row(others, entry.other) {
                    let detail = format!("{other} {} does not exist", entry.other);
                    let place = format!("table `{}`, interaction {}", table.name, entry.id);
                    this.report.add(ProblemKind::Dangling, place, detail);
                }
                match direction {
                    Direction::ByUser => {
                        check_values(entry.values, place, table, entry.id, &mut this.report);
                        each((entry.id, entity, entry.other));
                    }
                    Direction::ByItem => each((entry.id, entry.other, entity)),
                }
            }
        });
        end_of_list(&here, table, owner, &mut self.report);
    }

    fn name_differences(&mut self, table: &Table) {
        let mut facts = [BTreeSet::new(), BTreeSet::new()];
        let found = self.report.clone();
        for (facts, direction) in facts.iter_mut().zip([Direction::ByUser, Direction::ByItem]) {
            self.check_lists(table, direction, &mut |fact| {
                facts.insert(fact);
            });
        }
        // The second reading repeats what the first has reported.
        self.report = found;
        let [by_user, by_item] = facts;
        for (id, user, item) in by_user.symmetric_difference(&by_item) {
            let missing = if by_user.contains(&(*id, *user, *item)) { "item" } else { "user" };
            self.report.add(
                ProblemKind::Mismatch,
                format!("table `{}`, interaction {id}", table.name),
                format!("user {user}, item {item}: missing in the list of the {missing}"),
            );
        }
        if by_user == by_item {
            let place = format!("table `{}`", table.name);
            self.report.add(ProblemKind::Mismatch, place, "an interaction is stored twice");
        }
    }
}

fn end_of_list(here: &Here, table: &Table, owner: &str, report: &mut Report) {
    if let (Some(entity), false) = (here.entity, here.ended) {
        let place = format!("table `{}`, {owner} {entity}", table.name);
        report.add(ProblemKind::Missing, place, "the last chunk of the list");
    }
}

/// Values decode to their end, belong to columns that the table has or had, and fit their types.
pub(super) fn check_values(
    bytes: &[u8],
    place: Place<'_>,
    table: &Table,
    id: u64,
    report: &mut Report,
) {
    check_fields(&mut Decoder::new(bytes, place), table, id, report);
}

/// See [`check_values`].
pub(super) fn check_fields(from: &mut Decoder<'_>, table: &Table, id: u64, report: &mut Report) {
    let place = || format!("table `{}`, row {id}", table.name);
    match from.u32() {
        Ok(version) if version > table.version => {
            let detail = format!("written under version {version} of {}", table.version);
            report.add(ProblemKind::Mismatch, place(), detail);
        }
        Ok(_) => {}
        Err(error) => return report.error(place(), &error),
    }
    while !from.is_at_end() {
        let (column, value) = match from.u16().and_then(|column| Ok((column, from.value()?))) {
            Ok(pair) => pair,
            Err(error) => return report.error(place(), &error),
        };
        let Some(column) = table.columns.iter().find(|c| c.id.0 == column) else {
            let detail = format!("a value of column {column}, which does not exist");
            report.add(ProblemKind::Dangling, place(), detail);
            continue;
        };
        if !value.to_owned().fits(column.ty) {
            let detail = format!("column `{}` is {} and its value is not", column.name, column.ty);
            report.add(ProblemKind::Invalid, place(), detail);
        }
    }
}
