//! The state record: the generation and the counters that ids come from.
//!
//! Every commit writes it in its batch. Invariant: counters only rise, so an id is never given
//! twice, also after a delete and a restart. (A transaction that is rolled back gives its ids
//! back: nobody else saw them.)

use std::collections::BTreeMap;

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
        from.finish()?;
        Ok(Some(State {
            generation,
            next_table,
            next_interaction,
            next_file,
            next_entity,
            deleted_interactions,
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
        bytes
    }

    pub(crate) fn new_table(&mut self) -> TableId {
        let id = TableId(self.next_table);
        self.next_table += 1;
        id
    }

    pub(crate) fn new_entity(&mut self, table: TableId) -> EntityId {
        let next = self.next_entity.entry(table).or_insert(1);
        let id = *next;
        *next += 1;
        id
    }

    #[inline]
    pub(crate) fn new_interaction(&mut self) -> InteractionId {
        let id = InteractionId(self.next_interaction);
        self.next_interaction += 1;
        id
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
