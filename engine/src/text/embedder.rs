//! The frozen part of a text embedding: from the texts of one row to its vector.
//!
//! ```text
//! vector = Σ weight(term) · V[term], of length one      weights of length one
//! ```
//!
//! It holds the terms, their idf and V, no rows. So the vector of a row depends on its own text
//! alone, and a row that comes later gets the very vector that it would have got with the others.
//! A text of which the directions keep next to nothing has none: what is left would be rounding.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::Arc;

use tastedb_storage::Value;

use super::METHOD;
use super::terms::each_term;
use super::weighting::{Weighting, normalise, weight};
use crate::error::Result;
use crate::kernels::add_rows;
use crate::model::file::{Array, Bytes, Sections, Writer, corrupt};

/// The version of the sections in a file.
const FORMAT: u32 = 1;

/// The shortest projection of a text, whose weights have length one, that is taken for a vector.
const LEAST: f64 = 1e-4;

/// See the module.
pub(super) struct Embedder {
    columns: HashMap<Box<str>, u32>,
    idf: Array<f32>,
    /// A row for each term.
    projection: Array<f32>,
    dim: usize,
}

impl Embedder {
    pub(super) fn new(weighting: Weighting, projection: Vec<f32>, dim: usize) -> Embedder {
        Embedder {
            columns: weighting.terms.into_iter().zip(0..).collect(),
            idf: weighting.idf.into(),
            projection: projection.into(),
            dim,
        }
    }

    /// The number of dimensions.
    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    /// The number of terms.
    pub(super) fn n_terms(&self) -> usize {
        self.idf.len()
    }

    /// The vector of a row with these texts; `None` where no term of theirs is known.
    pub(super) fn embed(&self, texts: &[Value]) -> Option<Vec<f32>> {
        let mut found: Vec<u32> = Vec::new();
        each_term(texts, &mut |term| found.extend(self.columns.get(term)));
        found.sort_unstable();
        let (idf, projection) = (&*self.idf, &*self.projection);
        let terms: Vec<&[u32]> = found.chunk_by(|a, b| a == b).collect();
        let mut weights: Vec<f32> =
            terms.iter().map(|same| weight(same.len() as u32, idf[same[0] as usize])).collect();
        normalise(&mut weights, 0.0);
        let row = |same: &&[u32]| &projection[same[0] as usize * self.dim..][..self.dim];
        let rows: Vec<(&[f32], f32)> = terms.iter().map(row).zip(weights).collect();
        let mut vector = vec![0f32; self.dim];
        add_rows(&mut vector, &rows);
        normalise(&mut vector, LEAST).then_some(vector)
    }

    /// The words of a row with these texts, ascending, with their weights, which have length one.
    pub(super) fn weights(&self, texts: &[Value]) -> Vec<(Box<str>, f32)> {
        let mut found: BTreeMap<Box<str>, (u32, u32)> = BTreeMap::new();
        each_term(texts, &mut |term| {
            if let Some(column) = self.columns.get(term) {
                found.entry(term.into()).or_insert((*column, 0)).1 += 1;
            }
        });
        let of = |(column, count): &(u32, u32)| weight(*count, self.idf[*column as usize]);
        let mut weights: Vec<f32> = found.values().map(of).collect();
        normalise(&mut weights, 0.0);
        found.into_keys().zip(weights).collect()
    }

    pub(super) fn save(&self, out: &mut dyn Write) -> Result<()> {
        let mut terms: Vec<(&str, u32)> =
            self.columns.iter().map(|(term, column)| (&**term, *column)).collect();
        terms.sort_unstable_by_key(|(_, column)| *column);
        let mut ends = Vec::with_capacity(terms.len());
        let mut text = Vec::new();
        for (term, _) in terms {
            text.extend_from_slice(term.as_bytes());
            ends.push(text.len() as u64);
        }
        let mut file = Writer::new(METHOD, FORMAT);
        file.owned("dim", vec![self.dim as u64]);
        file.owned("text", text);
        file.owned("ends", ends);
        file.array("idf", &self.idf);
        file.array("projection", &self.projection);
        file.write(out)
    }

    pub(super) fn load(bytes: Arc<dyn Bytes>) -> Result<Embedder> {
        let sections = Sections::read(bytes)?;
        if sections.algorithm() != METHOD || sections.format() != FORMAT {
            return Err(corrupt("it is no text embedding of this format"));
        }
        let dim = sections.array_of::<u64>("dim", 1)?[0];
        let dim = usize::try_from(dim).ok().filter(|dim| (1..=1 << 16).contains(dim));
        let dim = dim.ok_or_else(|| corrupt("its dimension is none"))?;
        let idf = sections.array::<f32>("idf")?;
        let length = idf.len().checked_mul(dim).ok_or_else(|| corrupt("it has too many terms"))?;
        let projection = sections.array_of::<f32>("projection", length)?;
        let ends = sections.array_of::<u64>("ends", idf.len())?;
        let text = sections.array::<u8>("text")?;
        let text = std::str::from_utf8(&text).map_err(|_| corrupt("its terms are not text"))?;
        let mut columns = HashMap::with_capacity(ends.len());
        let mut start = 0;
        for (end, column) in ends.iter().zip(0..) {
            let end = usize::try_from(*end).unwrap_or(usize::MAX);
            let term = text.get(start..end).ok_or_else(|| corrupt("its terms do not fit"))?;
            if columns.insert(term.into(), column).is_some() {
                return Err(corrupt("a term of it occurs twice"));
            }
            start = end;
        }
        Ok(Embedder { columns, idf, projection, dim })
    }
}
