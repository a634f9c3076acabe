//! Writing a segment, front to back in one pass.
//!
//! The ids lie before the vectors, so the writer must know them first; sealing and merging do.
//! Nothing is visible before the staged file that `finish` returns is published.

use std::io::Write;
use std::sync::Arc;

use half::f16;

use super::Vector;
use super::format::{HEADER, SegmentHeader, segment_file};
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::id::EntityId;
use crate::staged::{StagedFile, StagedWriter};
use crate::value::Element;

/// Writes one segment file under `tmp/`.
pub struct SegmentWriter {
    out: StagedWriter,
    header: SegmentHeader,
    pushed: u32,
    row: Vec<u8>,
}

impl SegmentWriter {
    /// Starts a segment with these strictly ascending ids; `header.rows` is their number. One
    /// vector for each id must follow, in the same order.
    pub fn create(
        dir: &Arc<dyn Directory>,
        header: SegmentHeader,
        ids: &[EntityId],
    ) -> Result<SegmentWriter> {
        let target = segment_file(header.table, header.column, header.number);
        let misuse = |what| Error::Corrupted { path: dir.path(&target), offset: None, what };
        if ids.len() as u64 != u64::from(header.rows) || !ids.is_sorted_by(|a, b| a < b) {
            return Err(misuse("a segment's ids must be strictly ascending, one for each row"));
        }
        if header.dim == 0 || header.content_len().is_none() {
            return Err(misuse("a segment of an impossible size"));
        }
        let tmp = format!("segment-{:010}", header.number);
        let mut out = StagedWriter::create(dir, &tmp, target)?;
        out.put(&header.encode())?;
        for part in ids.chunks(1024) {
            let bytes: Vec<u8> = part.iter().flat_map(|id| id.to_le_bytes()).collect();
            out.put(&bytes)?;
        }
        let gap = header.rows_at() - HEADER as u64 - ids.len() as u64 * 8;
        out.put(&[0; 64][..gap as usize])?;
        Ok(SegmentWriter { out, header, pushed: 0, row: Vec::new() })
    }

    /// Appends the next vector, rounding to the nearest where the element is f16.
    pub fn push(&mut self, vector: &[f32]) -> Result<()> {
        self.row.clear();
        match self.header.element {
            Element::F32 => self.row.extend(vector.iter().flat_map(|x| x.to_le_bytes())),
            Element::F16 => {
                self.row.extend(vector.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()));
            }
        }
        self.end_row(vector.len())
    }

    /// Appends the next vector as the bytes of its elements, little-endian: how a pending
    /// embedding is stored.
    pub fn push_bytes(&mut self, vector: &[u8]) -> Result<()> {
        self.row.clear();
        self.row.extend_from_slice(vector);
        let element = self.header.element.bytes();
        // A torn element counts as one, and is refused as a wrong dimension.
        self.end_row(vector.len().div_ceil(element))
    }

    /// Appends the next vector from another segment, bit for bit where the element is the same.
    pub fn push_vector(&mut self, vector: Vector<'_>) -> Result<()> {
        match (vector, self.header.element) {
            (Vector::F16(vector), Element::F16) => {
                self.row.clear();
                self.row.extend(vector.iter().flat_map(|x| x.to_le_bytes()));
                self.end_row(vector.len())
            }
            (Vector::F32(vector), _) => self.push(vector),
            (Vector::F16(_), Element::F32) => self.push(&vector.to_f32()),
        }
    }

    /// Writes the checksums and syncs the file, which is then ready to be published.
    pub fn finish(self) -> Result<StagedFile> {
        if self.pushed != self.header.rows {
            return Err(self.out.misuse("a segment was finished before its last row"));
        }
        self.out.finish()
    }

    fn end_row(&mut self, dim: usize) -> Result<()> {
        if dim != self.header.dim as usize
            || self.row.len() as u64 != self.header.stride()
            || self.pushed == self.header.rows
        {
            return Err(self.out.misuse("a row does not fit the segment being written"));
        }
        self.out.put(&self.row)?;
        self.pushed += 1;
        Ok(())
    }
}

impl StagedWriter {
    /// `write_all` with the file's path in the error.
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_all(bytes).map_err(|e| self.write_error(e))
    }
}
