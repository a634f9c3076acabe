//! How many interactions each item has: what `popular` and every fallback rank by.
//!
//! Indexed by item id, which is dense because ids are handed out one after the other.

use tastedb_storage::{Change, ItemId, Read, Snapshot, TableId};

use crate::error::Result;

pub(super) fn build(snapshot: &Snapshot, table: TableId) -> Result<Vec<u32>> {
    let mut counts = Vec::new();
    for interaction in snapshot.interactions(table, &[])? {
        bump(&mut counts, interaction?.item, true);
    }
    Ok(counts)
}

pub(super) fn patched(
    counts: &[u32],
    snapshot: &Snapshot,
    table: TableId,
    changes: &[Change],
) -> Result<Vec<u32>> {
    let mut counts = counts.to_vec();
    for change in changes {
        match change {
            Change::Interaction { item, added, .. } => bump(&mut counts, *item, *added),
            _ => return build(snapshot, table),
        }
    }
    Ok(counts)
}

fn bump(counts: &mut Vec<u32>, item: ItemId, added: bool) {
    let at = item.0 as usize;
    if counts.len() <= at {
        counts.resize(at + 1, 0);
    }
    counts[at] = if added { counts[at].saturating_add(1) } else { counts[at].saturating_sub(1) };
}
