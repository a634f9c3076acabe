//! Forgetting single values: a modality of an item, an attribute of a row or of an interaction.
//!
//! The row stays, so what is looked for afterwards is the value: by its fingerprint in the same columns
//! of all rows, and in all bytes where it is long enough not to stand anywhere by chance and no other
//! row has the same one. Of numbers, dates and half-precision vectors no fingerprint is kept.

use std::collections::HashSet;

use tastedb_storage::{
    Column, ColumnId, ColumnType, Element, EntityId, Fingerprint, InteractionId, Read, Table,
    UserId, Value, WriteTxn,
};

use super::receipt::ReceiptLine;
use super::search::Search;
use crate::engine::Engine;
use crate::error::Result;

/// Values of fewer bytes are compared with those of rows only.
const SHORTEST: u32 = 16;

/// What a value is known by where it is not searched for.
pub(super) const UNKNOWN: Fingerprint = Fingerprint { len: 0, hash: 0 };

/// The columns of a table by name, those that are still there.
pub(super) fn columns<'a>(table: &'a Table, names: &[String]) -> Vec<&'a Column> {
    table.columns().filter(|column| names.contains(&column.name)).collect()
}

/// What a value is known by; `None` where there is none.
fn print_of(engine: &Engine, value: &Value) -> Option<Fingerprint> {
    match value {
        Value::Null => None,
        Value::Text(text) => Some(engine.store().fingerprint(text.as_bytes())),
        Value::Bool(_)
        | Value::Int(_)
        | Value::Real(_)
        | Value::Date(_)
        | Value::Timestamp(_)
        | Value::TextList(_) => Some(UNKNOWN),
    }
}

fn print_of_vector(engine: &Engine, ty: ColumnType, vector: &[f32]) -> Fingerprint {
    match ty {
        ColumnType::Vector { element: Element::F32, .. } => {
            let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
            engine.store().fingerprint(&bytes)
        }
        _ => UNKNOWN,
    }
}

/// What the values of a row in some columns are known by, and whether each is a vector.
pub(super) fn of_row(
    engine: &Engine,
    read: &dyn Read,
    table: &Table,
    id: EntityId,
    columns: &[&Column],
) -> Result<Vec<(Fingerprint, bool)>> {
    let plain: Vec<ColumnId> =
        columns.iter().filter(|column| !column.ty.is_vector()).map(|column| column.id).collect();
    let Some(row) = read.row(table.id, id, &plain)? else { return Ok(Vec::new()) };
    let values = row.values.iter().filter_map(|value| print_of(engine, value));
    let mut prints: Vec<(Fingerprint, bool)> = values.map(|print| (print, false)).collect();
    for column in columns.iter().filter(|column| column.ty.is_vector()) {
        if let Some(vector) = read.embedding(table.id, column.id, id)? {
            prints.push((print_of_vector(engine, column.ty, &vector), true));
        }
    }
    Ok(prints)
}

/// Whether an interaction has a value in one of some columns.
pub(super) fn has_value(
    txn: &WriteTxn,
    table: &Table,
    user: UserId,
    id: InteractionId,
    columns: &[ColumnId],
) -> Result<bool> {
    let history = txn.history(table.id, user, columns)?;
    let row = history.iter().find(|row| row.id == id);
    Ok(row.is_some_and(|row| row.values.iter().any(|value| !value.is_null())))
}

impl Search<'_> {
    /// The values of the rows that lost some, and all bytes.
    pub(super) fn values(&self) -> Result<Vec<ReceiptLine>> {
        let salted = self.salted();
        let wanted: HashSet<Fingerprint> = self.subjects.prints.iter().copied().collect();
        let (mut compared, mut found, mut set) = (0u64, 0u64, 0u64);
        let mut others: HashSet<Fingerprint> = HashSet::new();
        let catalog = self.snapshot.catalog().clone();
        if let Some(table) = catalog.table_by_id(self.ticket.table) {
            let columns = columns(table, &self.ticket.columns);
            for row in self.snapshot.rows(table.id, &[], 0)? {
                let id = row?.id;
                let theirs = self.subjects.has_id(&salted, id);
                for (print, _) in of_row(self.engine, self.snapshot, table, id, &columns)? {
                    compared += 1;
                    if !theirs {
                        others.insert(print);
                    } else if print != UNKNOWN && wanted.contains(&print) {
                        found += 1;
                    } else {
                        set += 1;
                    }
                }
            }
        }
        let mut detail = format!("{compared} compared, none of those rows has it");
        if set > 0 {
            detail.push_str(&format!("; {set} were given other values since"));
        }
        let values = match found {
            0 => ReceiptLine::passed("values", detail),
            found => ReceiptLine::failed("values", format!("{found} are there again")),
        };
        let long = self.subjects.prints.iter().filter(|print| print.len >= SHORTEST);
        let prints: Vec<_> = long.copied().filter(|print| !others.contains(print)).collect();
        let short = self.subjects.prints.len() - prints.len();
        let rest = (short > 0).then(|| {
            format!(
                "{short} values that are short, no text, or those of other rows too were compared \
                 with those of rows only"
            )
        });
        Ok(vec![values, self.bytes_of(prints, "values", rest)?])
    }

    /// The values of the interactions that lost some.
    pub(super) fn values_of_interactions(&self) -> Result<Vec<ReceiptLine>> {
        let salted = self.salted();
        let (mut compared, mut set) = (0u64, 0u64);
        let catalog = self.snapshot.catalog().clone();
        if let Some(table) = catalog.table_by_id(self.ticket.table) {
            let columns: Vec<ColumnId> =
                columns(table, &self.ticket.columns).iter().map(|column| column.id).collect();
            for row in self.snapshot.interactions(table.id, &columns)? {
                let row = row?;
                compared += 1;
                let some = row.values.iter().any(|value| !value.is_null());
                set += u64::from(some && self.subjects.has_id(&salted, row.id.0));
            }
        }
        let values = match set {
            0 => {
                ReceiptLine::passed("values", format!("{compared} compared, none of those has one"))
            }
            set => ReceiptLine::failed("values", format!("{set} have a value")),
        };
        Ok(vec![values, self.bytes_of(Vec::new(), "values", None)?])
    }
}
