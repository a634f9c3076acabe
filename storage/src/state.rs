//! The state record: the generation and the counters that ids come from.
//!
//! Every commit writes it in its batch. Invariant: counters only rise, so an id is never given
//! twice, also after a delete and a restart. (A transaction that is rolled back gives its ids
//! back: nobody else saw them.)

use std::collections::BTreeMap;

use crate::catalog::Role;
use crate::codec::{Decoder, Encoder, Place};
use crate::error::Result;
use crate::id::{EntityId, InteractionId, TableId};
use crate::key;
use crate::kv::{Cf, KvView};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// The number of the last commit.
    pub(crate) generation: u64,
    next_table: u32,
    next_interaction: u64,
    /// The next number of a segment or artifact file.
    pub(crate) next_file: u64,
    next_entity: BTreeMap<TableId, EntityId>,
    /// Interactions that were deleted since the database was created.
    deleted_interactions: u64,
    /// The id of the next item, of whatever table: an id names one item of the database.
    next_item: EntityId,
}

impl State {
    /// The state of a new database. Ids begin at 1.
    pub(crate) fn new() -> State {
        State {
            generation: 0,
            next_table: 1,
            next_interaction: 1,
            next_file: 1,
            next_entity: BTreeMap::new(),
            deleted_interactions: 0,
            next_item: 1,
        }
    }

    /// Reads the record; `None` in a database without commits.
    pub(crate) fn load(view: &dyn KvView) -> Result<Option<State>> {
        let Some(bytes) = view.get(Cf::Catalog, &key::STATE)? else { return Ok(None) };
        let place = Place { cf: Cf::Catalog, key: &key::STATE };
        let mut from = Decoder::new(&bytes, place);
        let generation = from.u64()?;
        let next_table = from.u32()?;
        let next_interaction = from.u64()?;
        let next_file = from.u64()?;
        let count = from.count()?;
        let mut next_entity = BTreeMap::new();
        for _ in 0..count {
            next_entity.insert(TableId(from.u32()?), from.u64()?);
        }
        // Records from before deletions were counted end here.
        let deleted_interactions = if from.is_at_end() { 0 } else { from.u64()? };
        // Those from when each table of items had ids of its own end here.
        let next_item = match from.is_at_end() {
            true => next_entity.values().copied().max().unwrap_or(1),
            false => from.u64()?,
        };
        from.finish()?;
        Ok(Some(State {
            generation,
            next_table,
            next_interaction,
            next_file,
            next_entity,
            deleted_interactions,
            next_item,
        }))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut out = Encoder::new(&mut bytes);
        out.u64(self.generation);
        out.u32(self.next_table);
        out.u64(self.next_interaction);
        out.u64(self.next_file);
        out.usize(self.next_entity.len());
        for (table, next) in &self.next_entity {
            out.u32(table.0);
            out.u64(*next);
        }
        out.u64(self.deleted_interactions);
        out.u64(self.next_item);
        bytes
    }

    pub(crate) fn new_table(&mut self) -> TableId {
        let id = TableId(self.next_table);
        self.next_table += 1;
        id
    }

    pub(crate) fn new_entity(&mut self, table: TableId, role: Role) -> EntityId {
        let next = self.next_entity.entry(table).or_insert(1);
        let id = match role {
            Role::Item => self.next_item.max(*next),
            Role::User | Role::Interaction => *next,
        };
        *next = id + 1;
        if role == Role::Item {
            self.next_item = *next;
        }
        id
    }

    #[inline]
    pub(crate) fn new_interaction(&mut self) -> InteractionId {
        let id = InteractionId(self.next_interaction);
        self.next_interaction += 1;
        id
    }

    /// The id that the next item gets.
    pub(crate) fn next_item(&self) -> EntityId {
        self.next_item
    }

    /// The id that the next interaction gets.
    pub(crate) fn next_interaction(&self) -> InteractionId {
        InteractionId(self.next_interaction)
    }

    /// How many interactions were ever deleted.
    pub(crate) fn deleted_interactions(&self) -> u64 {
        self.deleted_interactions
    }

    /// Counts deleted interactions.
    pub(crate) fn count_deleted(&mut self, interactions: u64) {
        self.deleted_interactions = self.deleted_interactions.saturating_add(interactions);
    }

    /// Whether a table ever had a row.
    pub(crate) fn had_rows(&self, table: TableId) -> bool {
        self.next_entity.contains_key(&table)
    }

    /// Forgets the counter of a dropped table, whose id is not used again.
    pub(crate) fn drop_table(&mut self, table: TableId) {
        self.next_entity.remove(&table);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::{Batch, Kv, KvOptions, RocksKv};

    const PEOPLE: TableId = TableId(1);
    const MOVIES: TableId = TableId(2);
    const BOOKS: TableId = TableId(3);

    /// The state that a record says.
    fn read(record: Vec<u8>) -> State {
        let dir = tempfile::tempdir().expect("a folder");
        let kv = RocksKv::open(dir.path(), &KvOptions::default()).expect("opened");
        let mut batch = Batch::default();
        batch.put(Cf::Catalog, key::STATE.to_vec(), record);
        kv.write(batch).expect("written");
        State::load(&*kv.view()).expect("read").expect("there")
    }

    #[test]
    fn an_id_names_one_item_of_all_tables() {
        let mut state = State::new();
        let ids = [
            state.new_entity(MOVIES, Role::Item),
            state.new_entity(PEOPLE, Role::User),
            state.new_entity(BOOKS, Role::Item),
            state.new_entity(MOVIES, Role::Item),
            state.new_entity(PEOPLE, Role::User),
        ];
        assert_eq!(ids, [1, 1, 2, 3, 2]);
        state.drop_table(MOVIES);
        let mut again = read(state.encode());
        assert_eq!(again, state);
        assert_eq!(again.new_entity(BOOKS, Role::Item), 4);
    }

    #[test]
    fn items_that_were_numbered_by_table_are_followed_by_ids_that_none_has() {
        let mut state = State::new();
        state.next_entity = [(PEOPLE, 9), (MOVIES, 5), (BOOKS, 3)].into();
        let mut record = state.encode();
        // A number below 251 takes one byte.
        record.pop();
        let mut state = read(record);
        assert_eq!(state.new_entity(BOOKS, Role::Item), 9);
        assert_eq!(state.new_entity(MOVIES, Role::Item), 10);
        assert_eq!(state.new_entity(PEOPLE, Role::User), 9);
    }
}
