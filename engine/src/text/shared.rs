//! The words that two rows share: what puts their vectors near to each other.
//!
//! ```text
//! weight of a word = its weight in the one row · its weight in the other     both rows of length one
//! ```
//!
//! which is its part of the cosine of the two rows before they are projected. The texts are read and
//! taken apart when somebody asks, and of a word only what the embedding knows of it anyway is kept, so
//! nothing comes back of a row that is gone.
//!
//! Not here: why a model thinks that two items belong together. Words that have nothing to do with it,
//! since the directions of the embedding keep nothing of them, are told like any others.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use tastedb_storage::{EntityId, Read, Table, TableId};

use super::current::Loaded;
use super::definition::TextEmbedding;
use super::embedder::Embedder;
use crate::error::Result;

/// Words that are told of a pair of rows.
const TOLD: usize = 3;

/// The weights of a row's words, which have length one, by word.
type Weights = Vec<(Box<str>, f32)>;

/// Finds shared words in one table, as one state has it.
pub(crate) struct SharedTerms<'a> {
    read: &'a dyn Read,
    loaded: &'a Loaded,
    table: Option<&'a Table>,
    /// By modality; `None` where it is no text embedding.
    modalities: HashMap<String, Option<Words>>,
}

/// A text embedding with the words of the rows that were asked about.
struct Words {
    embedding: TextEmbedding,
    embedder: Arc<Embedder>,
    rows: HashMap<EntityId, Weights>,
}

impl<'a> SharedTerms<'a> {
    /// Of the rows of a table.
    pub(crate) fn new(read: &'a dyn Read, loaded: &'a Loaded, table: TableId) -> SharedTerms<'a> {
        let table = read.catalog().table_by_id(table);
        SharedTerms { read, loaded, table, modalities: HashMap::new() }
    }

    /// The words that weigh most in two rows, the heaviest first; none where the modality is not made
    /// of text, or a row is gone.
    pub(crate) fn of(&mut self, modality: &str, rows: [EntityId; 2]) -> Result<Vec<String>> {
        if !self.modalities.contains_key(modality) {
            let words = self.words(modality)?;
            self.modalities.insert(modality.to_owned(), words);
        }
        let Some(Some(words)) = self.modalities.get_mut(modality) else { return Ok(Vec::new()) };
        for row in rows {
            words.read(self.read, row)?;
        }
        let [one, other] = rows.map(|row| words.rows.get(&row).map_or(&[][..], Vec::as_slice));
        Ok(heaviest(one, other))
    }

    fn words(&self, modality: &str) -> Result<Option<Words>> {
        let Some(table) = self.table else { return Ok(None) };
        let Some(embedding) = super::find(self.read, table, modality)? else { return Ok(None) };
        let embedder = self.loaded.get(self.read, &embedding)?;
        Ok(Some(Words { embedding, embedder, rows: HashMap::new() }))
    }
}

impl Words {
    /// Takes the texts of a row apart, unless that was done.
    fn read(&mut self, read: &dyn Read, row: EntityId) -> Result<()> {
        if let Entry::Vacant(place) = self.rows.entry(row) {
            let texts = read.row(self.embedding.table, row, &self.embedding.sources)?;
            let weights = texts.map(|texts| self.embedder.weights(&texts.values));
            place.insert(weights.unwrap_or_default());
        }
        Ok(())
    }
}

/// The words of two rows, both ascending, by falling product of their weights, then by the word.
fn heaviest(one: &[(Box<str>, f32)], other: &[(Box<str>, f32)]) -> Vec<String> {
    let mut shared: Vec<(f32, &str)> = one
        .iter()
        .filter_map(|(word, weight)| {
            let at = other.binary_search_by(|(own, _)| own.cmp(word)).ok()?;
            Some((weight * other[at].1, &**word))
        })
        .collect();
    shared.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    shared.into_iter().take(TOLD).map(|(_, word)| word.to_owned()).collect()
}
