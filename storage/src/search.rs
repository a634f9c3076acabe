//! Searching all stored bytes for something of which only a fingerprint is kept.
//!
//! A fingerprint is a length and a polynomial over the bytes, modulo the prime 2^61 − 1, at a point
//! that is the database's own: it can be rolled along a file, two multiplications a byte (Karp and
//! Rabin 1987). Records of RocksDB are compressed in its files, so they are searched a second time
//! as they read. A fingerprint of a short text can be found out by trying all such texts; it keeps
//! something from being read, not from being confirmed.

use std::collections::{BTreeMap, HashMap};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::directory::{Directory, walk};
use crate::error::Result;
use crate::format_file::DatabaseId;
use crate::key;
use crate::kv::{Cf, KvView};

const PRIME: u64 = (1 << 61) - 1;

/// What some bytes are known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint {
    /// How many bytes.
    pub len: u32,
    /// The value of the polynomial.
    pub hash: u64,
}

/// Where a fingerprint was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The fingerprint, as a position in those searched for.
    pub which: usize,
    /// The file, or the kind of record.
    pub place: String,
}

/// What a search saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Searched {
    /// Files.
    pub files: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Records.
    pub records: u64,
    /// What was found, of each place and fingerprint once.
    pub found: Vec<Found>,
}

/// See the module.
pub(crate) struct Searcher {
    point: u64,
}

/// Fingerprints of one length: the power of the point that the oldest byte has, and which they are.
struct Length {
    top: u64,
    hashes: HashMap<u64, Vec<usize>>,
}

impl Searcher {
    pub(crate) fn new(id: DatabaseId) -> Searcher {
        Searcher { point: xxh3_64_with_seed(&id.0, 1) % (PRIME - 256) + 256 }
    }

    pub(crate) fn fingerprint(&self, bytes: &[u8]) -> Fingerprint {
        let hash = bytes.iter().fold(0, |hash, byte| self.step(hash, *byte));
        Fingerprint { len: u32::try_from(bytes.len()).unwrap_or(u32::MAX), hash }
    }

    pub(crate) fn search(
        &self,
        wanted: &[Fingerprint],
        dir: &dyn Directory,
        view: &dyn KvView,
    ) -> Result<Searched> {
        let lengths = self.lengths(wanted);
        let mut searched = Searched::default();
        for (name, _) in walk(dir, "")? {
            let bytes = match dir.open(&name) {
                Ok(bytes) => bytes,
                // RocksDB and commits remove files while this runs.
                Err(_) if dir.len(&name)?.is_none() => continue,
                Err(error) => return Err(error),
            };
            searched.files += 1;
            searched.bytes += bytes.len() as u64;
            searched.look(self, &lengths, &bytes, &|| name.clone());
        }
        for cf in Cf::ALL {
            let range = key::prefix(&[]);
            let mut cursor = view.scan(cf, &range.from, &range.to)?;
            while let Some((key, value)) = cursor.next()? {
                searched.records += 1;
                for bytes in [key, value] {
                    searched.look(self, &lengths, bytes, &|| format!("a record of {cf}"));
                }
            }
        }
        Ok(searched)
    }

    fn lengths(&self, wanted: &[Fingerprint]) -> BTreeMap<usize, Length> {
        let mut lengths: BTreeMap<usize, Length> = BTreeMap::new();
        for (which, print) in wanted.iter().enumerate().filter(|(_, print)| print.len > 0) {
            let length = lengths.entry(print.len as usize).or_insert_with(|| Length {
                top: (1..print.len).fold(1, |power, _| times(power, self.point)),
                hashes: HashMap::new(),
            });
            length.hashes.entry(print.hash).or_default().push(which);
        }
        lengths
    }

    /// The polynomial with one byte more. A zero byte counts too, or leading ones would not.
    fn step(&self, hash: u64, byte: u8) -> u64 {
        plus(times(hash, self.point), value(byte))
    }
}

impl Searched {
    fn look(
        &mut self,
        searcher: &Searcher,
        lengths: &BTreeMap<usize, Length>,
        bytes: &[u8],
        place: &dyn Fn() -> String,
    ) {
        for (len, length) in lengths {
            let Some((first, _)) = bytes.split_at_checked(*len) else { break };
            let mut hash = searcher.fingerprint(first).hash;
            let mut found: Vec<usize> = Vec::new();
            let mut check = |hash: u64| {
                if let Some(which) = length.hashes.get(&hash) {
                    found.extend(which);
                }
            };
            check(hash);
            for (old, new) in bytes.iter().zip(&bytes[*len..]) {
                let without = plus(hash, PRIME - times(value(*old), length.top));
                hash = searcher.step(without, *new);
                check(hash);
            }
            found.sort_unstable();
            found.dedup();
            for which in found {
                let found = Found { which, place: place() };
                if !self.found.contains(&found) {
                    self.found.push(found);
                }
            }
        }
    }
}

fn value(byte: u8) -> u64 {
    u64::from(byte) + 1
}

fn plus(a: u64, b: u64) -> u64 {
    // Neither is above the prime, so the sum has not overflowed.
    let sum = a + b;
    if sum >= PRIME { sum - PRIME } else { sum }
}

fn times(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    plus((product as u64) & PRIME, (product >> 61) as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::directory::MemDirectory;
    use crate::kv::{Batch, Kv, KvOptions, RocksKv};

    proptest! {
        #[test]
        fn a_part_is_found_wherever_it_stands_and_what_is_not_there_is_not(
            bytes in prop::collection::vec(0u8..3, 0..200),
            at in 0usize..200,
            len in 1usize..20,
            other in prop::collection::vec(0u8..3, 1..20),
        ) {
            let searcher = Searcher::new(DatabaseId([7; 16]));
            let part = bytes.get(at..(at + len).min(bytes.len())).unwrap_or_default();
            let wanted = [searcher.fingerprint(part), searcher.fingerprint(&other)];
            let mut searched = Searched::default();
            searched.look(&searcher, &searcher.lengths(&wanted), &bytes, &String::new);
            let found = |which| searched.found.iter().any(|found| found.which == which);
            prop_assert_eq!(found(0), !part.is_empty());
            let there = bytes.windows(other.len()).any(|window| window == other);
            prop_assert_eq!(found(1), there);
        }
    }

    #[test]
    fn sums_and_products_stay_below_the_prime() {
        for a in [0, 1, 2, PRIME - 1, PRIME / 2, 1 << 60] {
            for b in [0, 1, 2, PRIME - 1, PRIME / 3, 1 << 60] {
                let exact = u128::from(a) * u128::from(b) % u128::from(PRIME);
                assert_eq!(u128::from(times(a, b)), exact, "{a} times {b}");
                let exact = (u128::from(a) + u128::from(b)) % u128::from(PRIME);
                assert_eq!(u128::from(plus(a, b)), exact, "{a} plus {b}");
            }
        }
    }

    #[test]
    fn records_are_searched_as_they_read() {
        let kv = RocksKv::in_memory(&KvOptions::default()).expect("opens");
        let mut batch = Batch::default();
        batch.put(Cf::Ids, b"....a person".to_vec(), b"1".to_vec());
        batch.put(Cf::Records, b"name".to_vec(), b"told of a person".to_vec());
        kv.write(batch).expect("writes");
        let searcher = Searcher::new(DatabaseId([7; 16]));
        let wanted = [searcher.fingerprint(b"nobody"), searcher.fingerprint(b"a person")];
        let dir = MemDirectory::new();
        let searched = searcher.search(&wanted, &dir, &*kv.view()).expect("searches");
        let places: Vec<_> = searched.found.iter().map(|f| (f.which, f.place.as_str())).collect();
        assert_eq!(places, [(1, "a record of ids"), (1, "a record of records")]);
        assert_eq!((searched.files, searched.records), (0, 2));
    }
}
