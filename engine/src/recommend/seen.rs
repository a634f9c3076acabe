//! Which items the user has already had to do with, and so should not be shown again.

use fixedbitset::FixedBitSet;
use tastedb_storage::{ColumnId, Read, Snapshot, TableId, Value};

use super::request::{Context, Request, Seen};
use crate::error::{Error, Result};
use crate::live::EntityIndex;

/// Takes what the request calls seen out of `allowed`. Items named in the request itself (a
/// session, likes, the item that others should resemble) go with the default rule.
pub(super) fn mask(
    snapshot: &Snapshot,
    request: &Request,
    tables: &[TableId],
    entities: &EntityIndex,
    allowed: &mut FixedBitSet,
) -> Result<()> {
    let tables: Vec<TableId> =
        tables.iter().copied().filter(|table| request.is_about(snapshot, *table)).collect();
    let tables = tables.as_slice();
    for rule in &request.seen {
        match rule {
            Seen::Default => by_default(snapshot, request, tables, entities, allowed)?,
            Seen::Kind { kind, within, now, keep } => {
                let mut seen = FixedBitSet::with_capacity(entities.len());
                for table in &with_kinds(snapshot, tables, kind.as_deref()) {
                    let since = within.map(|w| {
                        now.saturating_sub(i64::try_from(w.as_micros()).unwrap_or(i64::MAX))
                    });
                    by_kind(
                        snapshot,
                        request,
                        *table,
                        kind.as_deref(),
                        since,
                        entities,
                        &mut seen,
                    )?;
                }
                if *keep {
                    allowed.intersect_with(&seen);
                } else {
                    allowed.difference_with(&seen);
                }
            }
        }
    }
    Ok(())
}

/// The tables that can hold interactions of a kind: of several, those that tell kinds apart. Where
/// none does, all are left, so that the error names one.
fn with_kinds(snapshot: &Snapshot, tables: &[TableId], kind: Option<&str>) -> Vec<TableId> {
    let tells = |table: &&TableId| {
        let table = snapshot.catalog().table_by_id(**table);
        kind.is_none() || table.is_some_and(|table| table.column("kind").is_some())
    };
    let found: Vec<TableId> = tables.iter().filter(tells).copied().collect();
    if found.is_empty() { tables.to_vec() } else { found }
}

fn by_default(
    snapshot: &Snapshot,
    request: &Request,
    tables: &[TableId],
    entities: &EntityIndex,
    allowed: &mut FixedBitSet,
) -> Result<()> {
    let mut remove = |item: u64| {
        if let Some(row) = entities.row_of(item) {
            allowed.remove(row as usize);
        }
    };
    for context in &request.contexts {
        match context {
            Context::User(user) => {
                for table in tables {
                    for interaction in snapshot.history(*table, *user, &[])? {
                        remove(interaction.item.0);
                    }
                }
            }
            Context::Item(item) => remove(item.0),
            Context::Session(items) | Context::Likes(items) | Context::Dislikes(items) => {
                items.iter().for_each(|item| remove(item.0));
            }
            Context::Vector(..) => {}
        }
    }
    Ok(())
}

fn by_kind(
    snapshot: &Snapshot,
    request: &Request,
    table: TableId,
    kind: Option<&str>,
    since: Option<i64>,
    entities: &EntityIndex,
    seen: &mut FixedBitSet,
) -> Result<()> {
    let definition = snapshot.catalog().table_by_id(table);
    let Some(definition) = definition else { return Ok(()) };
    let mut columns: Vec<ColumnId> = Vec::new();
    let missing =
        |what: &'static str| Error::MissingColumn { table: definition.name.clone(), what };
    let kind_at = match kind {
        None => None,
        Some(_) => {
            let column = definition.column("kind").ok_or_else(|| missing("kind"))?;
            columns.push(column.id);
            Some(columns.len() - 1)
        }
    };
    let time_at = match since {
        None => None,
        Some(_) => {
            let column = crate::projection::time_column(definition)
                .ok_or_else(|| missing("of type TIMESTAMP"))?;
            columns.push(column);
            Some(columns.len() - 1)
        }
    };
    for context in &request.contexts {
        let Context::User(user) = context else { continue };
        for interaction in snapshot.history(table, *user, &columns)? {
            let of_kind = match (kind_at, kind) {
                (Some(at), Some(kind)) => {
                    matches!(interaction.values.get(at), Some(Value::Text(v)) if v == kind)
                }
                _ => true,
            };
            let recent = match (time_at, since) {
                (Some(at), Some(since)) => {
                    matches!(interaction.values.get(at), Some(Value::Timestamp(t)) if *t >= since)
                }
                _ => true,
            };
            if of_kind
                && recent
                && let Some(row) = entities.row_of(interaction.item.0)
            {
                seen.insert(row as usize);
            }
        }
    }
    Ok(())
}
