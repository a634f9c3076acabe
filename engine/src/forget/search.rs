//! Looking for what was forgotten: in rows, in interactions, in vectors, in models, in all bytes.
//!
//! A ticket keeps hashes, so what is stored is hashed and compared. The bytes of ids are searched
//! for by fingerprint, where they are long enough not to occur by chance.

use tastedb_storage::{ColumnType, EntityId, Fingerprint, Read, Role, Snapshot, Table};

use super::digest::Salted;
use super::forget_set;
use super::ledger::Subjects;
use super::receipt::ReceiptLine;
use super::ticket::{Scope, Ticket};
use crate::engine::Engine;
use crate::error::Result;
use crate::registry::ModelDefinition;

/// Ids of fewer bytes occur in any database by chance.
const SHORTEST: u32 = 6;

/// What a search goes through.
pub(super) struct Search<'a> {
    pub(super) engine: &'a Engine,
    pub(super) snapshot: &'a Snapshot,
    pub(super) ticket: &'a Ticket,
    pub(super) subjects: &'a Subjects,
}

impl Search<'_> {
    pub(super) fn salted(&self) -> Salted {
        Salted::new(self.engine.store().id(), self.ticket.table)
    }

    /// The rows of the table, by key and by id.
    pub(super) fn rows(&self) -> Result<ReceiptLine> {
        let salted = self.salted();
        let (mut compared, mut keys, mut ids) = (0u64, 0u64, 0u64);
        if self.snapshot.catalog().table_by_id(self.ticket.table).is_some() {
            for row in self.snapshot.rows(self.ticket.table, &[], 0)? {
                let row = row?;
                compared += 1;
                keys += u64::from(self.subjects.has_key(&salted, &row.key));
                ids += u64::from(self.subjects.has_id(&salted, row.id));
            }
        }
        Ok(match (keys, ids) {
            (0, 0) => ReceiptLine::passed("rows", format!("{compared} compared, none is theirs")),
            (keys, 0) => {
                let detail = format!("{keys} ids were inserted again after the deletion");
                ReceiptLine::failed("rows", detail)
            }
            (_, ids) => ReceiptLine::failed("rows", format!("{ids} are there")),
        })
    }

    /// The interactions of the table itself, by id.
    pub(super) fn interactions(&self) -> Result<ReceiptLine> {
        let salted = self.salted();
        let (mut compared, mut found) = (0u64, 0u64);
        if self.snapshot.catalog().table_by_id(self.ticket.table).is_some() {
            for row in self.snapshot.interactions(self.ticket.table, &[])? {
                compared += 1;
                found += u64::from(self.subjects.has_id(&salted, row?.id.0));
            }
        }
        Ok(match found {
            0 => {
                let detail = format!("{compared} compared, none is of those");
                ReceiptLine::passed("interactions", detail)
            }
            found => ReceiptLine::failed("interactions", format!("{found} are there")),
        })
    }

    /// The interactions of all tables that refer to the table, and the vectors of its rows.
    pub(super) fn belongings(&self) -> Result<ReceiptLine> {
        let (salted, catalog) = (self.salted(), self.snapshot.catalog().clone());
        let (mut compared, mut found) = (0u64, 0u64);
        for table in catalog.tables().filter(|table| table.role == Role::Interaction) {
            let Some(link) = &table.link else { continue };
            let by_user = link.user_table == self.ticket.table;
            if !by_user && link.item_table != self.ticket.table {
                continue;
            }
            let mut last: Option<(EntityId, bool)> = None;
            for row in self.snapshot.interactions(table.id, &[])? {
                let row = row?;
                let id = if by_user { row.user.0 } else { row.item.0 };
                compared += 1;
                // Interactions come by user, so that each is hashed once.
                if last.is_none_or(|(of, _)| of != id) {
                    last = Some((id, self.subjects.has_id(&salted, id)));
                }
                found += u64::from(last.is_some_and(|(_, theirs)| theirs));
            }
        }
        let own = catalog.table_by_id(self.ticket.table);
        for id in self.with_vectors(own)? {
            compared += 1;
            found += u64::from(self.subjects.has_id(&salted, id));
        }
        let what = "interactions and vectors";
        Ok(match found {
            0 => ReceiptLine::passed(what, format!("{compared} compared, none is theirs")),
            found => ReceiptLine::failed(what, format!("{found} are there")),
        })
    }

    /// The rows that have a vector, once for each column.
    fn with_vectors(&self, table: Option<&Table>) -> Result<Vec<EntityId>> {
        let mut ids = Vec::new();
        for column in table.into_iter().flat_map(Table::columns) {
            if let ColumnType::Vector { .. } = column.ty {
                self.snapshot.embeddings(self.ticket.table, column.id, &mut |id, _| {
                    ids.push(id);
                    Ok(())
                })?;
            }
        }
        Ok(ids)
    }

    /// All bytes of all files, and all records as they read, for the ids and for what begins the
    /// forget set.
    pub(super) fn bytes(&self) -> Result<ReceiptLine> {
        let prints = self.subjects.prints.iter().filter(|print| print.len >= SHORTEST);
        let prints: Vec<_> = prints.copied().collect();
        let short = self.subjects.prints.len() - prints.len();
        let rest = (short > 0).then(|| {
            format!(
                "{short} ids of fewer than {SHORTEST} bytes were compared with those of rows only"
            )
        });
        self.bytes_of(prints, "ids", rest)
    }

    /// The same for other things than ids; `rest` says what is not searched for.
    pub(super) fn bytes_of(
        &self,
        mut prints: Vec<Fingerprint>,
        what: &str,
        rest: Option<String>,
    ) -> Result<ReceiptLine> {
        let number = prints.len();
        let marker = forget_set::marker(self.engine, self.ticket.number);
        prints.push(self.engine.store().fingerprint(&marker));
        let searched = self.engine.store().search(&prints)?;
        if let Some(first) = searched.found.first() {
            let detail =
                format!("{} places have them, {} first", searched.found.len(), first.place);
            return Ok(ReceiptLine::failed("bytes", detail));
        }
        let mut detail = format!(
            "{} files of {} bytes and {} records searched for {number} {what} and for the forget \
             set: not found",
            searched.files, searched.bytes, searched.records,
        );
        if let Some(rest) = rest {
            detail.push_str(&format!("; {rest}"));
        }
        Ok(ReceiptLine::passed("bytes", detail))
    }

    /// Whether a model that serves knows an item that was forgotten.
    pub(super) fn knows(&self, model: &ModelDefinition) -> Result<bool> {
        if self.ticket.scope != Scope::Item {
            return Ok(false);
        }
        let salted = self.salted();
        let serving = self.engine.registry().serving(self.snapshot, &model.name)?;
        let items = serving.model.items();
        Ok(items.iter().any(|item| self.subjects.has_id(&salted, item.0)))
    }
}
