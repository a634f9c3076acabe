//! The only place that maps a file into memory.
//!
//! Why mapping is sound here: only published files are mapped. They were written once under
//! `tmp/`, synced and renamed into place; no code of TasteDB writes to a file after its rename,
//! and `LOCK` keeps other TasteDB processes out. The length is taken from the open file before it
//! is mapped. What remains is a stranger who truncates or rewrites a file inside the database
//! directory while it is open: reading a page that is gone raises SIGBUS, as in every database
//! and tool that maps files. Values are only ever read as plain bytes, or as numbers through
//! checked, aligned casts, for which every bit pattern is valid.

use std::fs::File;
use std::io;
use std::ops::Deref;

use memmap2::Mmap;

/// A read-only memory map of one published file.
pub(crate) struct Map(Mmap);

/// Maps a published file. The file must not be empty.
#[expect(unsafe_code, reason = "mapping a file is unsafe by nature; this is its only door")]
pub(crate) fn map(file: &File) -> io::Result<Map> {
    let len = file.metadata()?.len();
    let len = usize::try_from(len)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the file exceeds memory"))?;
    // SAFETY: published files are write-once and protected by `LOCK` (see the module text), and
    // `len` bytes exist at this moment.
    let map = unsafe { memmap2::MmapOptions::new().len(len).map(file)? };
    Ok(Map(map))
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
