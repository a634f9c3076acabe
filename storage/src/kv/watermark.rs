//! How far the log is known to be durable.
//!
//! ```text
//! 0  8  magic "TDBSYNC\n"
//! 8  8  a sequence number of RocksDB: everything up to it was synced
//! 16 8  xxh3-64 of bytes 0..16
//! ```
//!
//! The log alone cannot tell a tail that a crash tore, which is lost rightly, from a record whose
//! length was damaged, which hides acknowledged commits. So after each sync the number that it
//! covered is noted here, in place and without a sync of its own: after a power cut the note may
//! be an older one, never one that is too new. An open that recovers less than was noted has found
//! damage. Without the file nothing is known and nothing is compared.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use xxhash_rust::xxh3::xxh3_64;

use crate::directory::io_error;
use crate::error::{Error, Result};

const NAME: &str = "SYNCED";
const MAGIC: [u8; 8] = *b"TDBSYNC\n";
const LEN: usize = 24;

/// See the module.
pub(super) struct Watermark {
    path: PathBuf,
    file: Mutex<(File, u64)>,
}

impl Watermark {
    /// Opens the note of a store for writing, after comparing it.
    pub(super) fn open(dir: &Path, recovered: u64) -> Result<Watermark> {
        let noted = compare(dir, recovered)?;
        let path = dir.join(NAME);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        match file {
            Ok(file) => Ok(Watermark { path, file: Mutex::new((file, noted)) }),
            Err(error) => Err(io_error(path, "open", error)),
        }
    }

    /// Notes that everything up to `sequence` is durable.
    pub(super) fn note(&self, sequence: u64) -> Result<()> {
        let mut held = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, noted) = &mut *held;
        if sequence <= *noted {
            return Ok(());
        }
        let bytes = encode(sequence);
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(&bytes))
            .map_err(|error| io_error(self.path.clone(), "write", error))?;
        *noted = sequence;
        Ok(())
    }
}

/// Compares what was recovered with the note, which is returned; 0 if there is none.
pub(super) fn compare(dir: &Path, recovered: u64) -> Result<u64> {
    let path = dir.join(NAME);
    let mut bytes = Vec::new();
    match File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(io_error(path, "read", error)),
    }
    // A power cut soon after the file was made may leave it without its bytes.
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(0);
    }
    let noted = decode(&bytes).ok_or(Error::Corrupted {
        path,
        offset: Some(0),
        what: "it is not a note of what was synced",
    })?;
    if recovered < noted {
        let message = format!(
            "acknowledged commits are missing: the log ends at {recovered}, but was synced up to \
             {noted}"
        );
        return Err(Error::CorruptedKv { path: newest_log(dir), message });
    }
    Ok(noted)
}

/// The log that the missing records were in, as far as the names tell.
fn newest_log(dir: &Path) -> PathBuf {
    let logs = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    logs.filter(|path| path.extension().is_some_and(|end| end == "log"))
        .max()
        .unwrap_or_else(|| dir.to_owned())
}

fn encode(sequence: u64) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..16].copy_from_slice(&sequence.to_le_bytes());
    let checksum = xxh3_64(&bytes[..16]);
    bytes[16..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<u64> {
    let sequence = u64::from_le_bytes(*bytes.get(8..16)?.as_array::<8>()?);
    (bytes == encode(sequence)).then_some(sequence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovering_less_than_was_synced_is_damage_and_more_is_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let mark = Watermark::open(dir.path(), 0).expect("opens");
        mark.note(7).expect("notes");
        mark.note(5).expect("an older one is no news");
        drop(mark);
        assert_eq!(compare(dir.path(), 9).expect("more"), 7);
        let error = compare(dir.path(), 6).expect_err("less");
        assert!(matches!(error, Error::CorruptedKv { .. }));
        assert!(Watermark::open(dir.path(), 6).is_err());
    }

    #[test]
    fn a_flipped_bit_anywhere_is_found_and_an_unwritten_file_is_no_note() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(NAME);
        assert_eq!(compare(dir.path(), 0).expect("no file"), 0);
        for unwritten in [&[][..], &[0; LEN]] {
            std::fs::write(&path, unwritten).expect("writes");
            assert_eq!(compare(dir.path(), 0).expect("no note"), 0);
        }
        for bit in 0..LEN * 8 {
            let mut bytes = encode(7);
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, bytes).expect("writes");
            assert!(matches!(compare(dir.path(), 9), Err(Error::Corrupted { .. })), "{bit}");
        }
    }
}
