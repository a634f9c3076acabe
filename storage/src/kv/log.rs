//! Telling damage from a torn end in RocksDB's logs, and naming the file that is damaged.
//!
//! A crash may tear the last record of the write-ahead log or of RocksDB's own manifest, and
//! RocksDB then rightly ends its replay before it. It knows a torn record by a length that exceeds
//! the file; but a flipped bit in the length of a complete record looks the same, and would
//! silently drop commits that were durable. Here such a record is looked at again: if its checksum
//! fits any shorter length that the file does hold, the record is complete and its length is
//! damaged. All other damage RocksDB finds itself, though it does not always say where.
//!
//! ```text
//! log      blocks of 32 KiB, each a sequence of records; up to 6 zeros at the end of a block
//! record   crc:u32  length:u16  type:u8  [log number:u32 in recycled logs]  payload
//! ```
//!
//! The CRC is CRC-32C, rotated and offset by a constant, over type, log number and payload.

use std::path::{Path, PathBuf};

use super::table;
use crate::directory::{Blob, Directory, EntryKind, OsDirectory};
use crate::error::{Error, Result};

const BLOCK: usize = 32 << 10;
const HEADER: usize = 7;
/// Where the bytes that the CRC covers begin: the type.
const COVERED: usize = 6;

/// Looks at the end of every log in RocksDB's directory. Nobody else may have it open.
pub(super) fn verify(kv: &Path) -> Result<()> {
    if !OsDirectory::exists(kv) {
        return Ok(());
    }
    each_file(kv, &mut |path, name, bytes| {
        if !is_log(name) {
            return Ok(());
        }
        match damaged_length(bytes) {
            None => Ok(()),
            Some(offset) => Err(Error::Corrupted {
                path,
                offset: Some(offset as u64),
                what: "the length of a log record is damaged",
            }),
        }
    })
}

/// The first file whose checksums do not hold, when RocksDB has found damage and not said where.
pub(super) fn find_damaged(kv: &Path) -> Option<PathBuf> {
    let mut found = None;
    let searched = each_file(kv, &mut |path, name, bytes| {
        let is_sound = if is_log(name) {
            damaged_record(bytes).is_none()
        } else {
            !name.ends_with(".sst") || table::is_sound(bytes)
        };
        if !is_sound && found.is_none() {
            found = Some(path);
        }
        Ok(())
    });
    searched.ok().and(found)
}

fn each_file(kv: &Path, each: &mut dyn FnMut(PathBuf, &str, &Blob) -> Result<()>) -> Result<()> {
    let dir = OsDirectory::open(kv)?;
    for entry in dir.list("")? {
        if let EntryKind::File { .. } = entry.kind {
            each(dir.path(&entry.name), &entry.name, &dir.open(&entry.name)?)?;
        }
    }
    Ok(())
}

fn is_log(name: &str) -> bool {
    name.ends_with(".log") || name.starts_with("MANIFEST-")
}

/// The offset of a last record that is complete, but whose length says otherwise.
fn damaged_length(log: &[u8]) -> Option<usize> {
    let last_block = log.len().checked_sub(1)? / BLOCK * BLOCK;
    let mut at = last_block;
    while let Some(header) = log.get(at..at + HEADER) {
        let length = usize::from(u16::from_le_bytes([header[4], header[5]]));
        let kind = header[6];
        if kind == 0 && length == 0 {
            // Space that was allocated ahead.
            return None;
        }
        let end = at + HEADER + number_len(kind) + length;
        if end > log.len() {
            let fits = fits_some_length(crc_of(header), &log[at + COVERED..], 1 + number_len(kind));
            return fits.then_some(at);
        }
        at = end;
    }
    None
}

/// The offset of the first record that does not match its checksum.
fn damaged_record(log: &[u8]) -> Option<usize> {
    for (block, start) in log.chunks(BLOCK).zip((0..).step_by(BLOCK)) {
        let mut at = 0;
        while let Some(header) = block.get(at..at + HEADER) {
            let length = usize::from(u16::from_le_bytes([header[4], header[5]]));
            if header[6] == 0 && length == 0 {
                break;
            }
            let end = at + HEADER + number_len(header[6]) + length;
            let Some(covered) = block.get(at + COVERED..end) else {
                // Torn, unless the file goes on behind this block.
                return (start + BLOCK < log.len()).then_some(start + at);
            };
            if !fits_some_length(crc_of(header), covered, covered.len()) {
                return Some(start + at);
            }
            at = end;
        }
    }
    None
}

/// The CRC of a record, freed of its rotation and offset.
fn crc_of(header: &[u8]) -> u32 {
    let masked = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    masked.wrapping_sub(0xA282_EAD8).rotate_left(15)
}

/// Bytes of the log number in recycled logs.
fn number_len(kind: u8) -> usize {
    if matches!(kind, 5..=8 | 11 | 131) { 4 } else { 0 }
}

/// Whether the CRC is that of a prefix of `covered` of at least `least` bytes.
fn fits_some_length(crc: u32, covered: &[u8], least: usize) -> bool {
    let mut state = u32::MAX;
    covered.iter().zip(1..).any(|(byte, len)| {
        state = TABLE[usize::from(state as u8 ^ byte)] ^ (state >> 8);
        len >= least && !state == crc
    })
}

/// CRC-32C by bytes.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { 0x82F6_3B78 ^ (crc >> 1) } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn crc(bytes: &[u8]) -> u32 {
        !bytes
            .iter()
            .fold(u32::MAX, |state, byte| TABLE[usize::from(state as u8 ^ byte)] ^ (state >> 8))
    }

    fn record(payload: &[u8]) -> Vec<u8> {
        let covered = [&[1], payload].concat();
        let masked = crc(&covered).rotate_right(15).wrapping_add(0xA282_EAD8);
        let length = u16::try_from(payload.len()).expect("short");
        [&masked.to_le_bytes()[..], &length.to_le_bytes(), &covered].concat()
    }

    #[test]
    fn the_checksum_is_crc32c() {
        assert_eq!(crc(b"123456789"), 0xE306_9283);
    }

    #[test]
    fn a_damaged_length_is_told_from_a_torn_record() {
        let log = [record(b"first"), record(b"second one")].concat();
        let second = record(b"first").len();
        assert_eq!((damaged_length(&log), damaged_record(&log)), (None, None));
        for (at, bit) in [(second + 4, 0x40), (second + 5, 0x01), (second + 5, 0x80)] {
            let mut damaged = log.clone();
            damaged[at] ^= bit;
            assert_eq!(damaged_length(&damaged), Some(second), "byte {at}");
        }
        let mut damaged = log.clone();
        damaged[5] ^= 1;
        assert_eq!(damaged_length(&damaged), Some(0), "records behind it do not matter");
        for torn in 0..log.len() {
            assert_eq!(damaged_length(&log[..torn]), None, "torn at {torn}");
        }
        for at in (0..log.len()).filter(|at| !matches!(at % second, 4 | 5)) {
            let mut damaged = log.clone();
            damaged[at] ^= 0x20;
            let record = if at < second { 0 } else { second };
            assert_eq!(damaged_record(&damaged), Some(record), "byte {at}");
        }
        let allocated = [log.as_slice(), &[0; 100]].concat();
        assert_eq!(damaged_length(&allocated), None);
    }
}
