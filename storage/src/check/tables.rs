//! The catalog, the rows of user and item tables, and the ids of their keys.

use std::sync::Arc;

use roaring::RoaringTreemap;

use super::interactions::check_fields;
use super::{Examiner, ProblemKind, record};
use crate::catalog::{KeyType, Role, Table};
use crate::codec::{Decoder, Place};
use crate::id::TableId;
use crate::key::{self, Range};
use crate::kv::Cf;
use crate::row;
use crate::state::State;

impl Examiner<'_> {
    /// Checks catalog, rows and keys; returns the counters if they can be read.
    pub(super) fn check_tables(&mut self) -> Option<State> {
        let state = self.read_catalog();
        self.check_table_definitions();
        let tables: Vec<Arc<Table>> =
            self.catalog.tables().filter_map(|table| self.table(table.id)).collect();
        for cf in [Cf::Entities, Cf::Ids] {
            self.check_prefixes(cf);
        }
        for table in tables {
            self.report.checked.tables += 1;
            if table.role != Role::Interaction {
                self.check_rows(&table);
                self.check_ids(&table);
            }
        }
        state
    }

    /// The counters are above everything that was ever numbered.
    pub(super) fn check_counters(
        &mut self,
        state: Option<State>,
        last_interaction: u64,
        last_file: u64,
    ) {
        // A copy hands out the next ids.
        let Some(mut state) = state else { return };
        let last_table = self.catalog.tables().map(|table| u64::from(table.id.0)).max();
        let mut used = vec![
            ("interaction", Some(last_interaction), state.new_interaction().0),
            ("file", Some(last_file), state.next_file),
            ("table", last_table, u64::from(state.new_table().0)),
        ];
        let role = |table: &TableId| self.catalog.table_by_id(*table).map(|table| table.role);
        let items = self.entities.iter().filter(|(table, _)| role(table) == Some(Role::Item));
        let last_item = items.filter_map(|(_, ids)| ids.max()).max();
        used.push(("item", last_item, state.next_item()));
        for (table, ids) in &self.entities {
            let next = state.new_entity(*table, role(table).unwrap_or(Role::User));
            used.push(("row", ids.max(), next));
        }
        for (what, used, next) in used {
            if let Some(used) = used.filter(|used| *used >= next) {
                let place = record(Cf::Catalog, &key::STATE);
                let detail = format!("{what} {used} exists, but the next one would be {next}");
                self.report.add(ProblemKind::Mismatch, place, detail);
            }
        }
    }

    fn read_catalog(&mut self) -> Option<State> {
        let state = State::load(&*self.view);
        if let Err(error) = &state {
            self.report.error(record(Cf::Catalog, &key::STATE), error);
        }
        let everything = Range { from: Vec::new(), to: vec![u8::MAX; 64] };
        self.scan(Cf::Catalog, &everything, &mut |this, key, value| {
            let place = Place { cf: Cf::Catalog, key };
            if key == key::STATE {
                return;
            }
            let mut from = Decoder::new(value, place);
            match Table::decode(&mut from).and_then(|table| from.finish().map(|()| table)) {
                Ok(table) if key::table(table.id) == key => this.catalog.insert(table),
                Ok(table) => {
                    let detail = format!("the record is that of table {}", table.id);
                    this.report.add(ProblemKind::Mismatch, record(Cf::Catalog, key), detail);
                }
                Err(error) => this.report.error(record(Cf::Catalog, key), &error),
            }
        });
        if matches!(state, Ok(None)) && self.catalog.tables().next().is_some() {
            let place = record(Cf::Catalog, &key::STATE);
            self.report.add(ProblemKind::Missing, place, "the record of the counters");
        }
        state.unwrap_or_default()
    }

    fn check_table_definitions(&mut self) {
        let mut wrong = Vec::new();
        for table in self.catalog.tables() {
            let mut add = |detail: String| wrong.push((table.name.clone(), detail));
            let mut names: Vec<String> =
                table.columns().map(|column| column.name.to_lowercase()).collect();
            names.sort();
            if names.windows(2).any(|pair| pair[0] == pair[1]) {
                add("two columns have the same name".to_owned());
            }
            let mut ids: Vec<u16> = table.columns.iter().map(|column| column.id.0).collect();
            ids.sort_unstable();
            if ids.windows(2).any(|pair| pair[0] == pair[1]) {
                add("two columns have the same id".to_owned());
            }
            for column in &table.columns {
                if column.added_in.max(column.dropped_in.unwrap_or(0)) > table.version {
                    add(format!("column `{}` was changed after the table", column.name));
                }
            }
            if table.link.is_some() != (table.role == Role::Interaction) {
                add("its role and its references do not agree".to_owned());
            }
            let Some(link) = &table.link else { continue };
            for (id, role) in [(link.user_table, Role::User), (link.item_table, Role::Item)] {
                if self.catalog.table_by_id(id).is_none_or(|other| other.role != role) {
                    add(format!("it refers to table {id}, which is no table of that role"));
                }
            }
            for column in link.unique.iter().flatten() {
                if table.column_by_id(*column).is_none() {
                    add(format!("its primary key has column {column}, which does not exist"));
                }
            }
        }
        for (table, detail) in wrong {
            self.report.add(ProblemKind::Mismatch, format!("table `{table}`"), detail);
        }
    }

    /// Every key begins with a table of users or items.
    fn check_prefixes(&mut self, cf: Cf) {
        let known: Vec<TableId> = self
            .catalog
            .tables()
            .filter(|table| table.role != Role::Interaction)
            .map(|table| table.id)
            .collect();
        let mut from = Vec::new();
        let bounds = known
            .into_iter()
            .map(key::of_table)
            .chain([Range { from: vec![u8::MAX; 64], to: Vec::new() }]);
        for next in bounds {
            let gap = Range { from, to: next.from };
            from = next.to;
            if gap.from < gap.to {
                self.scan(cf, &gap, &mut |this, key, _| {
                    let detail = "the key is of no table of users or items";
                    this.report.add(ProblemKind::Dangling, record(cf, key), detail);
                });
            }
        }
    }

    fn check_rows(&mut self, table: &Table) {
        let mut ids = RoaringTreemap::new();
        let cf = Cf::Entities;
        self.scan(cf, &key::of_table(table.id), &mut |this, key, value| {
            let Some(id) = key::entity_id(key) else {
                return this.report.add(ProblemKind::Damaged, record(cf, key), "not a row's key");
            };
            this.report.checked.rows += 1;
            ids.insert(id);
            let mut from = Decoder::new(value, Place { cf, key });
            let name = match from.str() {
                Ok(name) => name,
                Err(error) => return this.report.error(record(cf, key), &error),
            };
            check_fields(&mut from, table, id, &mut this.report);
            let place = || format!("table `{}`, row {id}", table.name);
            if table.key_type == KeyType::BigInt
                && name.parse::<i64>().map_or(true, |number| number.to_string() != name)
            {
                let detail = format!("the key `{name}` is not a canonical integer");
                this.report.add(ProblemKind::Invalid, place(), detail);
            }
            match this.view.get(Cf::Ids, &key::id(table.id, name)) {
                Ok(Some(bytes)) if bytes == row::encode_id(id) => {}
                Ok(Some(_)) => {
                    let detail = format!("the key `{name}` leads to another row");
                    this.report.add(ProblemKind::Mismatch, place(), detail);
                }
                Ok(None) => {
                    let detail = format!("the key `{name}` does not lead to the row");
                    this.report.add(ProblemKind::Missing, place(), detail);
                }
                Err(error) => this.report.error(place(), &error),
            }
        });
        self.entities.insert(table.id, ids);
    }

    fn check_ids(&mut self, table: &Table) {
        let mut seen = RoaringTreemap::new();
        let cf = Cf::Ids;
        self.scan(cf, &key::of_table(table.id), &mut |this, key, value| {
            let id = match row::decode_id(value, Place { cf, key }) {
                Ok(id) => id,
                Err(error) => return this.report.error(record(cf, key), &error),
            };
            let place = || format!("table `{}`, id record {}", table.name, record(cf, key));
            if !this.has_row(table.id, id) {
                this.report.add(ProblemKind::Dangling, place(), format!("row {id} does not exist"));
            } else if !seen.insert(id) {
                let detail = format!("another key leads to row {id} too");
                this.report.add(ProblemKind::Mismatch, place(), detail);
            }
        });
    }
}
