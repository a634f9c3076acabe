//! Reading a segment in place.
//!
//! When checksums are verified:
//!
//! * at open: header, trailer, all block sums and the ids, which every lookup rests on; the whole
//!   file when it is no longer than [`VERIFY_BELOW`];
//! * when first touched: the blocks of the rows of a longer file, each block once per reader;
//! * always all of them: [`SegmentReader::verify`], which `check`, backup and restore use.
//!
//! A lookup costs a binary search over the mapped ids; no row is copied.

use half::f16;
use roaring::RoaringBitmap;

use super::blocks::BlockFile;
use super::format::{BadHeader, SegmentHeader, VERSION};
use crate::directory::{Blob, Directory};
use crate::error::{Error, Result};
use crate::id::EntityId;
use crate::staged::FileRef;
use crate::value::Element;

/// Files up to this length are verified whole when they are opened.
pub const VERIFY_BELOW: u64 = 4 << 20;

/// An open segment. Clones share the mapping and what was already verified.
#[derive(Debug, Clone)]
pub struct SegmentReader {
    file: BlockFile,
    header: SegmentHeader,
    rows_at: usize,
    stride: usize,
}

/// One stored vector, in place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Vector<'a> {
    /// Of an f32 segment.
    F32(&'a [f32]),
    /// Of an f16 segment.
    F16(&'a [f16]),
}

impl SegmentReader {
    /// Opens the file that a manifest names; its length and checksum must be as recorded there.
    pub fn open(dir: &dyn Directory, file: &FileRef) -> Result<SegmentReader> {
        let reader = SegmentReader::from_blob(file.open(dir)?, dir.path(&file.name))?;
        file.confirm(dir, reader.file.checksum())?;
        Ok(reader)
    }

    /// Opens the bytes of a segment file; `path` is for error messages.
    pub fn from_blob(blob: Blob, path: std::path::PathBuf) -> Result<SegmentReader> {
        let file = BlockFile::open(blob, path)?;
        let header = SegmentHeader::decode(file.content()).map_err(|bad| match bad {
            BadHeader::Version(found) => {
                let path = file.path().to_path_buf();
                Error::UnsupportedFormat { path, found, supported: VERSION..=VERSION }
            }
            BadHeader::Corrupted(offset, what) => file.corrupted(offset, what),
        })?;
        // The decoded header has checked that all of the content is there, so these fit.
        let too_long = |_| file.corrupted(0, "the file exceeds memory");
        let rows_at = usize::try_from(header.rows_at()).map_err(too_long)?;
        let stride = usize::try_from(header.stride()).map_err(too_long)?;
        let reader = SegmentReader { file, header, rows_at, stride };
        if reader.file.len() <= VERIFY_BELOW {
            reader.file.verify_all()?;
        } else {
            reader.file.verify(0..rows_at)?;
        }
        if !reader.ids().is_sorted_by(|a, b| a < b) {
            return Err(reader.file.corrupted(reader.header.ids_at(), "ids are not ascending"));
        }
        Ok(reader)
    }

    /// What the file says about itself.
    pub fn header(&self) -> &SegmentHeader {
        &self.header
    }

    /// The file's checksum, as the manifest records it.
    pub fn checksum(&self) -> u64 {
        self.file.checksum()
    }

    /// The file's length in bytes.
    pub fn file_len(&self) -> u64 {
        self.file.len()
    }

    /// Where the file lies, for messages.
    pub fn path(&self) -> &std::path::Path {
        self.file.path()
    }

    /// The number of rows, deleted ones included.
    pub fn rows(&self) -> u32 {
        self.header.rows
    }

    /// All ids, strictly ascending; the position is the row.
    pub fn ids(&self) -> &[EntityId] {
        let start = self.header.ids_at();
        let bytes = &self.file.content()[start..start + self.header.rows as usize * 8];
        // The blob starts 64-byte aligned and the ids at a multiple of 8.
        bytemuck::cast_slice(bytes)
    }

    /// The row of an id.
    pub fn find(&self, id: EntityId) -> Option<u32> {
        // The number of rows fits a u32.
        self.ids().binary_search(&id).ok().map(|row| row as u32)
    }

    /// A vector by row; `None` beyond the last row.
    pub fn row(&self, row: u32) -> Result<Option<Vector<'_>>> {
        if row >= self.header.rows {
            return Ok(None);
        }
        let start = self.rows_at + row as usize * self.stride;
        self.vector(start, start + self.stride).map(Some)
    }

    /// A vector by id.
    pub fn get(&self, id: EntityId) -> Result<Option<Vector<'_>>> {
        match self.find(id) {
            Some(row) => self.row(row),
            None => Ok(None),
        }
    }

    /// All vectors as one row-major matrix, deleted rows included.
    pub fn matrix(&self) -> Result<Vector<'_>> {
        self.vector(self.rows_at, self.file.content().len())
    }

    /// The rows that are not deleted, in id order.
    pub fn live<'a>(&'a self, deleted: &'a RoaringBitmap) -> LiveRows<'a> {
        LiveRows { reader: self, deleted, next: 0 }
    }

    /// Verifies every byte of the file.
    pub fn verify(&self) -> Result<()> {
        self.file.verify_all()
    }

    /// The offsets of all damaged blocks.
    pub fn damaged(&self) -> Vec<u64> {
        self.file.damaged()
    }

    fn vector(&self, start: usize, end: usize) -> Result<Vector<'_>> {
        self.file.verify(start..end)?;
        let bytes = &self.file.content()[start..end];
        // The vectors start 64-byte aligned and a stride is a multiple of the element.
        Ok(match self.header.element {
            Element::F32 => Vector::F32(bytemuck::cast_slice(bytes)),
            Element::F16 => Vector::F16(bytemuck::cast_slice(bytes)),
        })
    }
}

/// The live rows of a segment: id, row and vector, in id order.
#[derive(Debug, Clone)]
pub struct LiveRows<'a> {
    reader: &'a SegmentReader,
    deleted: &'a RoaringBitmap,
    next: u32,
}

impl<'a> LiveRows<'a> {
    /// Skips all rows whose id is below `id`.
    pub fn seek(&mut self, id: EntityId) {
        let row = self.reader.ids().partition_point(|x| *x < id) as u32;
        self.next = self.next.max(row);
    }
}

impl<'a> Iterator for LiveRows<'a> {
    type Item = Result<(EntityId, u32, Vector<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.next < self.reader.header.rows {
            let row = self.next;
            self.next += 1;
            if self.deleted.contains(row) {
                continue;
            }
            let id = *self.reader.ids().get(row as usize)?;
            return self.reader.row(row).map(|v| v.map(|v| (id, row, v))).transpose();
        }
        None
    }
}

impl Vector<'_> {
    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Vector::F32(vector) => vector.len(),
            Vector::F16(vector) => vector.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the elements; `out` has the vector's length.
    pub fn copy_to(&self, out: &mut [f32]) {
        match self {
            Vector::F32(vector) => out.copy_from_slice(vector),
            Vector::F16(vector) => {
                for (to, from) in out.iter_mut().zip(*vector) {
                    *to = from.to_f32();
                }
            }
        }
    }

    /// The elements as f32.
    pub fn to_f32(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.len()];
        self.copy_to(&mut out);
        out
    }
}
