//! How often each term stands in each row of a table: what a text embedding is made of.
//!
//! One pass over the rows, a block at a time: each part of a block is taken apart by one thread,
//! into numbers of its own, and the parts are joined in the order of the rows. So terms are numbered
//! in the order in which they first occur, on any number of threads, and only distinct words are
//! looked up more than once.

use std::collections::HashMap;

use rayon::prelude::*;
use tastedb_storage::{ColumnId, Read, TableId, Value};

use super::METHOD;
use super::terms::each_term;
use crate::error::{Error, Result};
use crate::progress::Work;

/// Rows that are read before they are taken apart, and rows that one thread takes.
const BLOCK: usize = 8192;
const PART: usize = 256;

/// Bytes that a term costs in the tables beside its text, about.
const TERM: u64 = 64;

/// Terms and their counts, row by row. Rows without any term are left out.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Corpus {
    /// In the order in which they first occur.
    pub(super) terms: Vec<Box<str>>,
    /// In how many rows each term stands.
    pub(super) rows_with: Vec<u32>,
    /// Where each row's entries begin, and the end of the last.
    starts: Vec<usize>,
    entries: Vec<(u32, u32)>,
}

/// A part of the rows, with numbers of its own for its terms.
#[derive(Default)]
struct Part {
    terms: Vec<Box<str>>,
    rows: Vec<Vec<(u32, u32)>>,
}

impl Corpus {
    /// Reads `columns` of all rows of a table. Fails once the counts alone take more than
    /// `memory_limit` bytes.
    pub(super) fn read(
        read: &dyn Read,
        table: TableId,
        columns: &[ColumnId],
        memory_limit: u64,
        work: &Work,
    ) -> Result<Corpus> {
        let mut corpus = Corpus { starts: vec![0], ..Corpus::default() };
        let mut numbers: HashMap<Box<str>, u32> = HashMap::new();
        let mut rows = read.rows(table, columns, 0)?;
        let mut done = 0;
        loop {
            let block = rows.by_ref().take(BLOCK).map(|row| row.map(|row| row.values));
            let block: Vec<Vec<Value>> = block.collect::<Result<_, _>>()?;
            if block.is_empty() {
                break;
            }
            let parts: Vec<Part> = work.install(|| block.par_chunks(PART).map(Part::of).collect());
            for part in parts {
                corpus.join(part, &mut numbers);
            }
            let needed = corpus.bytes();
            if needed > memory_limit {
                return Err(Error::TooLarge { algorithm: METHOD, needed, limit: memory_limit });
            }
            done += block.len() as u64;
            work.step("read", done, 0)?;
        }
        Ok(corpus)
    }

    /// The number of rows with at least one term.
    pub(super) fn n_rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// The number of entries: of distinct terms, over all rows.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Every row's terms, by number, with how often they occur.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[(u32, u32)]> {
        self.starts.windows(2).map(|bounds| &self.entries[bounds[0]..bounds[1]])
    }

    /// The memory in use, about.
    pub(super) fn bytes(&self) -> u64 {
        let words = self.terms.iter().map(|term| 2 * term.len() as u64 + TERM).sum::<u64>();
        words + 8 * (self.entries.len() + self.starts.len()) as u64
    }

    fn join(&mut self, part: Part, numbers: &mut HashMap<Box<str>, u32>) {
        let own: Vec<u32> = part
            .terms
            .into_iter()
            .map(|term| match numbers.get(&term) {
                Some(number) => *number,
                None => {
                    let number = self.terms.len() as u32;
                    self.terms.push(term.clone());
                    self.rows_with.push(0);
                    numbers.insert(term, number);
                    number
                }
            })
            .collect();
        for row in part.rows {
            for (term, count) in row {
                let term = own[term as usize];
                self.rows_with[term as usize] += 1;
                self.entries.push((term, count));
            }
            self.starts.push(self.entries.len());
        }
    }
}

impl Part {
    fn of(rows: &[Vec<Value>]) -> Part {
        let mut part = Part::default();
        let mut numbers: HashMap<Box<str>, u32> = HashMap::new();
        // The place of a term in the row at hand, where it is in it: `(row, place)`.
        let mut places: Vec<(usize, usize)> = Vec::new();
        for (at, values) in rows.iter().enumerate() {
            let mut row: Vec<(u32, u32)> = Vec::new();
            each_term(values, &mut |term| {
                let number = match numbers.get(term) {
                    Some(number) => *number,
                    None => {
                        let number = part.terms.len() as u32;
                        part.terms.push(term.into());
                        numbers.insert(term.into(), number);
                        places.push((usize::MAX, 0));
                        number
                    }
                };
                let place = &mut places[number as usize];
                if place.0 == at {
                    row[place.1].1 += 1;
                } else {
                    *place = (at, row.len());
                    row.push((number, 1));
                }
            });
            if !row.is_empty() {
                part.rows.push(row);
            }
        }
        part
    }
}
