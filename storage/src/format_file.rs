//! `FORMAT`: what kind of database a directory holds, and who may open it.
//!
//! ```text
//!    0   8  magic "TASTEDB\n"
//!    8   4  format version of the last writer
//!   12   4  oldest format version whose readers understand it
//!   16  16  database uuid
//!   32   8  flags that a reader must know
//!   40   8  flags that a writer must know
//!   48   8  zero
//!   56   8  xxh3-64 of bytes 0..56
//! ```
//!
//! The file is written last when a database is created, and first read when one is opened: a
//! directory without it is not a database. Magic, length and checksum stay where they are in
//! every version, so that damage is never mistaken for a newer format.

use std::fmt;

use xxhash_rust::xxh3::xxh3_64;

use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::segment::blocks::{le_u32, le_u64};

/// The name of the file.
pub const FORMAT_FILE: &str = "FORMAT";

/// The format version that this build writes.
pub const FORMAT_VERSION: u32 = 1;

/// The oldest format version that this build reads.
pub const OLDEST_FORMAT: u32 = 1;

/// Feature flags that this build knows: none yet.
pub const KNOWN_FLAGS: u64 = 0;

const LEN: usize = 64;
const CHECKED: usize = 56;
const MAGIC: [u8; 8] = *b"TASTEDB\n";

/// The identity of a database, drawn when it is created and kept by backups.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DatabaseId(pub [u8; 16]);

/// The contents of `FORMAT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// Format version of the last writer.
    pub version: u32,
    /// Oldest format version whose readers understand the database.
    pub oldest_reader: u32,
    /// Identity of the database.
    pub id: DatabaseId,
    /// Features that a reader must know.
    pub read_flags: u64,
    /// Features that a writer must know.
    pub write_flags: u64,
}

/// What a database is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    Write,
}

impl Format {
    /// The format of a new database.
    pub fn new(id: DatabaseId) -> Format {
        Format {
            version: FORMAT_VERSION,
            oldest_reader: OLDEST_FORMAT,
            id,
            read_flags: 0,
            write_flags: 0,
        }
    }

    /// Reads the file; `None` if there is none.
    pub fn read(dir: &dyn Directory) -> Result<Option<Format>> {
        match dir.read(FORMAT_FILE)? {
            Some(bytes) => Format::decode(dir, &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// Writes the file, atomically and durably.
    pub fn write(&self, dir: &dyn Directory) -> Result<()> {
        dir.replace(FORMAT_FILE, &self.encode())
    }

    /// Whether this build may open the database.
    pub fn admit(&self, dir: &dyn Directory, access: Access) -> Result<()> {
        let path = dir.path(FORMAT_FILE);
        let supported = OLDEST_FORMAT..=FORMAT_VERSION;
        let too_new = match access {
            Access::Read => self.oldest_reader > FORMAT_VERSION,
            Access::Write => self.version > FORMAT_VERSION,
        };
        if too_new || self.version < OLDEST_FORMAT {
            return Err(Error::UnsupportedFormat { path, found: self.version, supported });
        }
        let unknown = self.read_flags & !KNOWN_FLAGS;
        if unknown != 0 {
            return Err(Error::UnknownFlags { path, flags: unknown });
        }
        let unknown = self.write_flags & !KNOWN_FLAGS;
        if unknown != 0 && access == Access::Write {
            return Err(Error::UnknownFlags { path, flags: unknown });
        }
        Ok(())
    }

    /// The bytes of the file.
    pub fn encode(&self) -> [u8; LEN] {
        let mut out = [0; LEN];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&self.version.to_le_bytes());
        out[12..16].copy_from_slice(&self.oldest_reader.to_le_bytes());
        out[16..32].copy_from_slice(&self.id.0);
        out[32..40].copy_from_slice(&self.read_flags.to_le_bytes());
        out[40..48].copy_from_slice(&self.write_flags.to_le_bytes());
        let checksum = xxh3_64(&out[..CHECKED]);
        out[CHECKED..].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    fn decode(dir: &dyn Directory, bytes: &[u8]) -> Result<Format> {
        let path = || dir.path(FORMAT_FILE);
        let corrupted = |what| Error::Corrupted { path: path(), offset: Some(0), what };
        let Ok(bytes) = <&[u8; LEN]>::try_from(bytes) else {
            return Err(corrupted("the file is not 64 bytes long"));
        };
        if bytes[..8] != MAGIC {
            return Err(corrupted("not the FORMAT file of a TasteDB database"));
        }
        let (expected, actual) = (le_u64(bytes, CHECKED), xxh3_64(&bytes[..CHECKED]));
        if expected != actual {
            return Err(Error::ChecksumMismatch { path: path(), expected, actual });
        }
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[16..32]);
        Ok(Format {
            version: le_u32(bytes, 8),
            oldest_reader: le_u32(bytes, 12),
            id: DatabaseId(id),
            read_flags: le_u64(bytes, 32),
            write_flags: le_u64(bytes, 40),
        })
    }
}

impl fmt::Display for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::MemDirectory;

    #[test]
    fn what_is_written_is_read() {
        let dir = MemDirectory::new();
        assert_eq!(Format::read(&dir).expect("no file is no error"), None);
        let format = Format::new(DatabaseId(std::array::from_fn(|i| i as u8)));
        format.write(&dir).expect("written");
        assert_eq!(Format::read(&dir).expect("read").as_ref(), Some(&format));
        assert_eq!(format.id.to_string(), "00010203-0405-0607-0809-0a0b0c0d0e0f");
        format.admit(&dir, Access::Write).expect("our own format");
    }

    #[test]
    fn every_flipped_byte_and_truncation_is_found() {
        let dir = MemDirectory::new();
        let sound = Format::new(DatabaseId([9; 16])).encode();
        for at in 0..sound.len() {
            let mut damaged = sound;
            damaged[at] ^= 0x20;
            dir.replace(FORMAT_FILE, &damaged).expect("written");
            assert!(Format::read(&dir).is_err(), "byte {at}");
            dir.replace(FORMAT_FILE, &sound[..at]).expect("written");
            assert!(Format::read(&dir).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_newer_format_is_refused_by_what_it_asks_for() {
        let dir = MemDirectory::new();
        let ours = Format::new(DatabaseId([9; 16]));
        let newer = Format { version: 2, ..ours.clone() };
        newer.admit(&dir, Access::Read).expect("it says that we can read it");
        let refused = newer.admit(&dir, Access::Write).expect_err("but not write");
        assert!(matches!(refused, Error::UnsupportedFormat { found: 2, .. }));
        let newer = Format { oldest_reader: 2, ..newer };
        assert!(newer.admit(&dir, Access::Read).is_err());
        let flagged = Format { write_flags: 4, ..ours.clone() };
        flagged.admit(&dir, Access::Read).expect("only writers must know the flag");
        assert!(matches!(
            flagged.admit(&dir, Access::Write),
            Err(Error::UnknownFlags { flags: 4, .. })
        ));
        assert!(Format { read_flags: 1, ..ours }.admit(&dir, Access::Read).is_err());
    }
}
