//! The header of a segment file. See `docs/format.md` for all bytes on disk.
//!
//! ```text
//!    0   8  magic "TDBSEGM\n"
//!    8   4  format version (1)
//!   12   4  table id
//!   16   2  column id
//!   18   1  element: 1 = f32, 2 = f16
//!   19   1  zero
//!   20   4  dimension
//!   24   8  rows
//!   32   8  offset of the ids: rows × u64, strictly ascending
//!   40   8  offset of the vectors, a multiple of 64
//!   48   8  end of the vectors = content length of the container
//!   56   8  segment number
//!   64  56  zero
//!  120   8  xxh3-64 of bytes 0..120, in this place in every version
//!  128      ids; zeros up to the vectors; vectors, row after row without padding
//! ```
//!
//! Rows are packed, so that all vectors form one matrix; the matrix starts 64-byte aligned.
//! Invariant: a [`SegmentHeader`] that was decoded has offsets that agree with its counts.

use xxhash_rust::xxh3::xxh3_64;

use super::SEGMENTS_DIR;
use super::blocks::{le_u32, le_u64};
use crate::id::{ColumnId, TableId};
use crate::value::Element;

pub(super) const HEADER: usize = 128;
pub(super) const VERSION: u32 = 1;
pub(super) const MAGIC: [u8; 8] = *b"TDBSEGM\n";
const CHECKED: usize = 120;

/// What a segment file says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The table of the entities.
    pub table: TableId,
    /// The vector column.
    pub column: ColumnId,
    /// How numbers are stored.
    pub element: Element,
    /// Numbers in one vector, at least one.
    pub dim: u32,
    /// Number of vectors.
    pub rows: u32,
    /// The number in the file's name; never reused.
    pub number: u64,
}

/// Why a header was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadHeader {
    Version(u32),
    Corrupted(usize, &'static str),
}

impl SegmentHeader {
    pub(super) fn ids_at(&self) -> usize {
        HEADER
    }

    pub(super) fn rows_at(&self) -> u64 {
        (HEADER as u64 + u64::from(self.rows) * 8).next_multiple_of(64)
    }

    /// Bytes of one vector; a `u32` of numbers cannot overflow.
    pub(super) fn stride(&self) -> u64 {
        u64::from(self.dim) * self.element.bytes() as u64
    }

    /// The end of the vectors, or `None` if no file can be that long.
    pub(super) fn content_len(&self) -> Option<u64> {
        self.stride().checked_mul(u64::from(self.rows))?.checked_add(self.rows_at())
    }

    pub(super) fn encode(&self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC);
        put(8, &VERSION.to_le_bytes());
        put(12, &self.table.0.to_le_bytes());
        put(16, &self.column.0.to_le_bytes());
        put(18, &[code(self.element)]);
        put(20, &self.dim.to_le_bytes());
        put(24, &u64::from(self.rows).to_le_bytes());
        put(32, &(self.ids_at() as u64).to_le_bytes());
        put(40, &self.rows_at().to_le_bytes());
        put(48, &self.content_len().unwrap_or(u64::MAX).to_le_bytes());
        put(56, &self.number.to_le_bytes());
        let checksum = xxh3_64(&out[..CHECKED]);
        out[CHECKED..].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    pub(super) fn decode(content: &[u8]) -> Result<SegmentHeader, BadHeader> {
        let Some(bytes) = content.first_chunk::<HEADER>() else {
            return Err(BadHeader::Corrupted(0, "the file is too short for its header"));
        };
        if bytes[..8] != MAGIC {
            return Err(BadHeader::Corrupted(0, "not a segment file"));
        }
        // The checksum comes before the version, so that damage is not mistaken for the future.
        if xxh3_64(&bytes[..CHECKED]) != le_u64(bytes, CHECKED) {
            return Err(BadHeader::Corrupted(0, "the header does not match its checksum"));
        }
        let version = le_u32(bytes, 8);
        if version != VERSION {
            return Err(BadHeader::Version(version));
        }
        let element = match bytes[18] {
            1 => Element::F32,
            2 => Element::F16,
            _ => return Err(BadHeader::Corrupted(18, "unknown element type")),
        };
        let rows = u32::try_from(le_u64(bytes, 24))
            .map_err(|_| BadHeader::Corrupted(24, "more rows than a segment can have"))?;
        let header = SegmentHeader {
            table: TableId(le_u32(bytes, 12)),
            column: ColumnId(u16::from_le_bytes([bytes[16], bytes[17]])),
            element,
            dim: le_u32(bytes, 20),
            rows,
            number: le_u64(bytes, 56),
        };
        if header.dim == 0 {
            return Err(BadHeader::Corrupted(20, "the dimension is zero"));
        }
        if le_u64(bytes, 32) != header.ids_at() as u64
            || le_u64(bytes, 40) != header.rows_at()
            || Some(le_u64(bytes, 48)) != header.content_len()
        {
            return Err(BadHeader::Corrupted(32, "the offsets do not fit the counts"));
        }
        if Some(content.len() as u64) != header.content_len() {
            return Err(BadHeader::Corrupted(48, "the content length does not fit the header"));
        }
        Ok(header)
    }
}

fn code(element: Element) -> u8 {
    match element {
        Element::F32 => 1,
        Element::F16 => 2,
    }
}

/// The directory of one column's segments.
pub fn segment_dir(table: TableId, column: ColumnId) -> String {
    format!("{SEGMENTS_DIR}/{table}.{column}")
}

/// The name of a segment file.
pub fn segment_file(table: TableId, column: ColumnId, number: u64) -> String {
    format!("{}/{number:010}.vec", segment_dir(table, column))
}
