//! From contexts to what a model can fold in: weighted items, and who the user is.

use std::collections::BTreeMap;

use tastedb_storage::{Interaction, ItemId, Read, Snapshot, UserId};

use super::request::Context;
use crate::error::Result;
use crate::projection::{Projected, Projection};

/// The histories of a request's contexts, joined.
#[derive(Debug, Default)]
pub(super) struct Folded {
    /// Item and weight, ascending by item; several interactions with one item are summed.
    pub(super) entries: Vec<(ItemId, f32)>,
    /// Whether any entry was given in the request itself rather than read from a history.
    pub(super) given: bool,
}

/// Reads and joins the histories of `contexts` in the tables of `sources`, as these see them.
pub(super) fn fold(
    snapshot: &Snapshot,
    contexts: &[Context],
    sources: &[Projected],
) -> Result<Folded> {
    let mut folded = Folded::default();
    for context in contexts {
        match context {
            Context::User(user) => {
                for source in sources {
                    read_history(snapshot, source, *user, &mut folded.entries)?;
                }
            }
            Context::Session(items) | Context::Likes(items) => {
                folded.given = true;
                folded.entries.extend(items.iter().map(|item| (*item, 1.0)));
            }
            Context::Dislikes(items) => {
                folded.given = true;
                folded.entries.extend(items.iter().map(|item| (*item, -1.0)));
            }
            Context::Item(_) | Context::Vector(..) => folded.given = true,
        }
    }
    join(&mut folded.entries);
    Ok(folded)
}

fn read_history(
    snapshot: &Snapshot,
    source: &Projected,
    user: UserId,
    out: &mut Vec<(ItemId, f32)>,
) -> Result<()> {
    let projection = source.projection.as_ref();
    let rows = snapshot.history(source.table, user, projection.columns())?;
    project(projection, &rows, |row, weight| out.push((row.item, weight)))
}

/// Calls `each` for the rows that count, with their weights.
pub(crate) fn project(
    projection: &dyn Projection,
    rows: &[Interaction],
    mut each: impl FnMut(&Interaction, f32),
) -> Result<()> {
    let mut weights = Vec::with_capacity(rows.len());
    projection.weights(rows, &mut weights)?;
    for (row, weight) in rows.iter().zip(weights) {
        if let Some(weight) = weight {
            each(row, weight);
        }
    }
    Ok(())
}

/// Sums entries of the same item; leaves them ascending by item.
fn join(entries: &mut Vec<(ItemId, f32)>) {
    if entries.windows(2).all(|w| w[0].0 < w[1].0) {
        return;
    }
    let mut sums: BTreeMap<ItemId, f32> = BTreeMap::new();
    for (item, weight) in entries.drain(..) {
        *sums.entry(item).or_default() += weight;
    }
    entries.extend(sums);
}
