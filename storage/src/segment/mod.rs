//! Segments: immutable, memory-mapped files of the embeddings of one column.
//!
//! `format` says what the header's bytes mean, `blocks` is the checksummed container (shared with
//! artifacts), `writer` makes a file, `reader` serves it, and `map` is the door to memory mapping.
//! What is not here: which segments exist (the manifest), which of their rows are deleted (the
//! deletion bitmaps), and when to seal or merge (the commit).
//!
//! Invariant: a reader that opened without an error never panics, whatever bytes the file has, and
//! never hands out a row whose block does not match its checksum.

pub(crate) mod blocks;
mod format;
pub(crate) mod map;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use format::{SegmentHeader, segment_dir, segment_file};
pub use reader::{LiveRows, SegmentReader, VERIFY_BELOW, Vector};
pub use writer::SegmentWriter;

/// The directory of all segments.
pub const SEGMENTS_DIR: &str = "segments";

#[cfg(target_endian = "big")]
compile_error!("segments are little-endian and are read in place: a big-endian host cannot");
