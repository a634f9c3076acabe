//! The container of every write-once file: content, one checksum per 64 KiB block, and a trailer.
//!
//! ```text
//! content                      as the file kind defines it
//! block sums   8 bytes each    xxh3-64 of each 64 KiB of content, the last block may be shorter
//! trailer      32 bytes
//!    0   8  content length
//!    8   4  log2 of the block size (16)
//!   12   4  container version (1)
//!   16   8  xxh3-64 of the block sums and trailer bytes 0..16: the file's checksum
//!   24   8  magic "TDBBLOCK"
//! ```
//!
//! The trailer's checksum covers the sums and each sum its block, so one number stands for all
//! bytes of a file, and yet a block can be verified alone: a damaged byte is found when its block
//! is first touched and named by the block's offset. All numbers are little-endian.

use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::directory::{Blob, FileWriter};
use crate::error::{Error, Result};

/// Content bytes under one checksum.
pub(crate) const BLOCK: usize = 1 << BLOCK_LOG2;
const BLOCK_LOG2: u32 = 16;
const VERSION: u32 = 1;
const TRAILER: usize = 32;
const MAGIC: [u8; 8] = *b"TDBBLOCK";

/// Writes the content of a container and, at the end, its sums.
pub(crate) struct BlockWriter {
    file: Box<dyn FileWriter>,
    block: Vec<u8>,
    sums: Vec<u8>,
    len: u64,
}

/// The length and checksum of a finished container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) len: u64,
    pub(crate) checksum: u64,
}

impl BlockWriter {
    pub(crate) fn new(file: Box<dyn FileWriter>) -> BlockWriter {
        BlockWriter { file, block: Vec::with_capacity(BLOCK), sums: Vec::new(), len: 0 }
    }

    /// Content bytes so far.
    pub(crate) fn content_len(&self) -> u64 {
        self.len
    }

    /// Writes what remains, the sums and the trailer, and syncs the file.
    pub(crate) fn finish(mut self) -> io::Result<Sealed> {
        self.end_block()?;
        let (tail, checksum) = end(std::mem::take(&mut self.sums), self.len);
        self.file.write_all(&tail)?;
        self.file.flush()?;
        self.file.sync()?;
        Ok(Sealed { len: self.len + tail.len() as u64, checksum })
    }

    fn end_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.file.write_all(&self.block)?;
        self.sums.extend_from_slice(&xxh3_64(&self.block).to_le_bytes());
        self.block.clear();
        Ok(())
    }
}

impl Write for BlockWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK {
            self.end_block()?;
        }
        let take = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..take]);
        self.len += take as u64;
        Ok(take)
    }

    fn flush(&mut self) -> io::Result<()> {
        // A block is written when it is full; `finish` writes the last one.
        Ok(())
    }
}

/// Block sums and trailer behind content of this length, and the file's checksum.
fn end(sums: Vec<u8>, content_len: u64) -> (Vec<u8>, u64) {
    let mut tail = sums;
    tail.extend_from_slice(&content_len.to_le_bytes());
    tail.extend_from_slice(&BLOCK_LOG2.to_le_bytes());
    tail.extend_from_slice(&VERSION.to_le_bytes());
    let checksum = xxh3_64(&tail);
    tail.extend_from_slice(&checksum.to_le_bytes());
    tail.extend_from_slice(&MAGIC);
    (tail, checksum)
}

/// What belongs behind the content.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn tail(content: &[u8]) -> Vec<u8> {
    let sums = content.chunks(BLOCK).flat_map(|block| xxh3_64(block).to_le_bytes()).collect();
    end(sums, content.len() as u64).0
}

/// A container being read: its trailer is verified, its blocks are when first touched.
#[derive(Debug, Clone)]
pub(crate) struct BlockFile {
    blob: Blob,
    path: Arc<Path>,
    content_len: usize,
    checksum: u64,
    /// One bit per block that was found intact.
    verified: Arc<[AtomicU64]>,
}

impl BlockFile {
    /// Checks the trailer and the block sums; reads no content.
    pub(crate) fn open(blob: Blob, path: PathBuf) -> Result<BlockFile> {
        let corrupted =
            |what| Error::Corrupted { path: path.clone(), offset: Some(blob.len() as u64), what };
        let Some((rest, trailer)) = blob.split_last_chunk::<TRAILER>() else {
            return Err(corrupted("the file is too short for its trailer"));
        };
        if trailer[24..] != MAGIC {
            return Err(corrupted("the file does not end with its trailer"));
        }
        let content_len = usize::try_from(le_u64(trailer, 0))
            .ok()
            .filter(|len| *len <= rest.len())
            .ok_or_else(|| corrupted("the trailer's content length exceeds the file"))?;
        let n_blocks = content_len.div_ceil(BLOCK);
        if rest.len() - content_len != n_blocks * 8 {
            return Err(corrupted("the file length does not fit its content length"));
        }
        let mut hash = Xxh3::new();
        hash.update(&rest[content_len..]);
        hash.update(&trailer[..16]);
        let (expected, actual) = (le_u64(trailer, 16), hash.digest());
        if expected != actual {
            return Err(Error::ChecksumMismatch { path, expected, actual });
        }
        let version = le_u32(trailer, 12);
        if version != VERSION {
            return Err(Error::UnsupportedFormat {
                path,
                found: version,
                supported: VERSION..=VERSION,
            });
        }
        if le_u32(trailer, 8) != BLOCK_LOG2 {
            return Err(corrupted("the trailer names an unknown block size"));
        }
        let verified = (0..n_blocks.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Ok(BlockFile { blob, path: path.into(), content_len, checksum: expected, verified })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn len(&self) -> u64 {
        self.blob.len() as u64
    }

    pub(crate) fn checksum(&self) -> u64 {
        self.checksum
    }

    /// The content, verified or not.
    pub(crate) fn content(&self) -> &[u8] {
        &self.blob[..self.content_len]
    }

    /// A part of the content that shares the file's memory.
    pub(crate) fn slice(&self, range: Range<usize>) -> Option<Blob> {
        (range.end <= self.content_len).then(|| self.blob.slice(range)).flatten()
    }

    /// Verifies the blocks that a range of the content touches, each one once.
    pub(crate) fn verify(&self, range: Range<usize>) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        for block in range.start / BLOCK..=(range.end - 1) / BLOCK {
            // Relaxed suffices: the bit says something about immutable bytes, it orders nothing.
            let known = self
                .verified
                .get(block / 64)
                .is_some_and(|word| word.load(Ordering::Relaxed) >> (block % 64) & 1 == 1);
            if !known {
                self.verify_block(block)?;
            }
        }
        Ok(())
    }

    /// Verifies all of the content.
    pub(crate) fn verify_all(&self) -> Result<()> {
        self.verify(0..self.content_len)
    }

    /// The offsets of all blocks that do not match their checksum, read again from the file.
    pub(crate) fn damaged(&self) -> Vec<u64> {
        (0..self.content_len.div_ceil(BLOCK))
            .filter(|block| self.verify_block(*block).is_err())
            .map(|block| (block * BLOCK) as u64)
            .collect()
    }

    pub(crate) fn corrupted(&self, offset: usize, what: &'static str) -> Error {
        Error::Corrupted { path: self.path.to_path_buf(), offset: Some(offset as u64), what }
    }

    #[cold]
    fn verify_block(&self, block: usize) -> Result<()> {
        let start = block * BLOCK;
        let end = self.content_len.min(start + BLOCK);
        let sum = self.content_len + block * 8;
        let intact = match (self.blob.get(start..end), self.blob.get(sum..sum + 8)) {
            (Some(bytes), Some(sum)) => xxh3_64(bytes) == le_u64(sum, 0),
            _ => false,
        };
        if !intact {
            return Err(self.corrupted(start, "a block does not match its checksum"));
        }
        if let Some(word) = self.verified.get(block / 64) {
            word.fetch_or(1 << (block % 64), Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The number at an offset that the caller has bounds-checked.
pub(crate) fn le_u64(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

/// The number at an offset that the caller has bounds-checked.
pub(crate) fn le_u32(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}
