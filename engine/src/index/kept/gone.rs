//! Indexes that hold what is gone: a node of an item that was deleted is never answered, but its code is
//! still in the file. Where things are to be erased, such files go; the database builds them again.

use tastedb_storage::Read;

use super::definition::IndexDefinition;
use super::factors;
use crate::engine::Engine;
use crate::error::Result;

/// Removes the files of indexes with nodes of items that are gone or have another vector now, and of
/// versions of models that do not serve any more, and lets go of them.
pub(crate) fn remove_files(engine: &Engine) -> Result<()> {
    let snapshot = engine.snapshot();
    let (store, live) = (engine.store(), engine.live());
    let mut columns: Vec<IndexDefinition> = Vec::new();
    for index in super::list(&snapshot)? {
        let column = super::column(snapshot.catalog(), index.table, index.column);
        let current = match column {
            Some(column) => {
                live.index(store, &snapshot, index.table, column, index.options.metric)?
            }
            None => None,
        };
        if current.is_none_or(|current| current.dead() > 0) {
            columns.push(index);
        }
    }
    let mut models = Vec::new();
    for model in engine.registry().list(&snapshot)? {
        let name = model.definition.name;
        if snapshot.artifact_number(&factors::name(&name)).is_none() {
            continue;
        }
        let current = match model.serving {
            Some(_) => {
                let serving = engine.registry().serving(&snapshot, &name)?;
                live.factor_index(store, &snapshot, &serving)?
            }
            None => None,
        };
        if current.is_none_or(|current| current.dead() > 0) {
            models.push(name);
        }
    }
    drop(snapshot);
    if columns.iter().any(|index| index.built.is_some()) || !models.is_empty() {
        let mut txn = engine.store().begin()?;
        for before in columns {
            // What was built or dropped meanwhile is of a later state.
            if super::definition::find(&txn, &before.name)?.as_ref() == Some(&before) {
                txn.unpublish(&before.artifact());
                let index = IndexDefinition { built: None, ..before };
                txn.put_record(&super::definition::record(&index.name), &index.encode());
            }
        }
        models.iter().for_each(|model| factors::remove(&mut txn, model));
        txn.commit()?;
    }
    live.let_go_of_indexes(&engine.snapshot());
    Ok(())
}
